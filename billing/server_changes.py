"""What a change of PostgreSQL's schema needs around it, so that nobody has to wait for long."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, Engine, text

from billing.database import StoreError, reading
from billing.months import bounds_of, month_of

TRIES, PAUSE_S = 20, 1.0
ALONE_WITHIN_S = 1800.0
# Another number than that of a single change: this one is held around several.
_ALL_CHANGES = 0x0E47_2E91
_LOCK_NOT_AVAILABLE = "55P03"
_IS_PLAIN = "SELECT relkind = 'r' FROM pg_class WHERE oid = to_regclass('entries')"
_IS_CHECKED = (
    "SELECT convalidated FROM pg_constraint"
    " WHERE conname = 'entries_old_until' AND conrelid = to_regclass('entries')"
)
_IS_VALID = "SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass('entries_old_by_time')"


@contextmanager
def alone(engine: Engine) -> Iterator[None]:
    """Hold off every other process that would change the schema; raises ``StoreError``.

    It is asked for again and again: a statement that waits would hold up an index being made.
    """
    until = time.monotonic() + ALONE_WITHIN_S
    with reading(engine) as connection:
        ask = text(f"SELECT pg_try_advisory_xact_lock({_ALL_CHANGES})")
        while not connection.execute(ask).scalar():
            connection.rollback()
            if time.monotonic() > until:
                raise StoreError("another process has been changing it for half an hour")
            time.sleep(0.2)
        connection.execute(text("SET LOCAL idle_in_transaction_session_timeout = 0"))
        yield


def with_patience(change: Callable[[], None]) -> None:
    """Do ``change``, again for a while where a lock could not be had. Raises ``StoreError``."""
    for _ in range(TRIES - 1):
        try:
            return change()
        except StoreError as fault:
            if (
                getattr(getattr(fault.__cause__, "orig", None), "sqlstate", "")
                != _LOCK_NOT_AVAILABLE
            ):
                raise
        time.sleep(PAUSE_S)
    return change()


def prepare(engine: Engine) -> None:
    """Make beforehand what lets a table that is there become a partition without being read.

    That is its index by time, made while others write, and a check of what times it has, of which
    the long part is done while others write too. What a killed process has left is used, or made
    again. Does nothing where the table is one already, or empty.
    """
    with reading(engine) as connection:
        if not connection.execute(text(_IS_PLAIN)).scalar():
            return
        newest = connection.execute(text("SELECT max(at_us) FROM entries")).scalar()
        if newest is None:
            return
    until_us = bounds_of(month_of(max(newest, time.time_ns() // 1000)))[1]
    with_patience(lambda: _check(engine, until_us))
    with _autocommit(engine) as connection:
        connection.execute(text("ALTER TABLE entries VALIDATE CONSTRAINT entries_old_until"))
        valid = connection.execute(text(_IS_VALID)).scalar()
        if valid is False:
            connection.execute(text("DROP INDEX CONCURRENTLY entries_old_by_time"))
        if not valid:
            connection.execute(
                text(
                    "CREATE UNIQUE INDEX CONCURRENTLY entries_old_by_time"
                    " ON entries (at_us, attempt_id)"
                )
            )


def _check(engine: Engine, until_us: int) -> None:
    with _autocommit(engine) as connection:
        if connection.execute(text(_IS_CHECKED)).scalar() is None:
            connection.execute(text("SET lock_timeout = 2000"))
            connection.execute(
                text(
                    "ALTER TABLE entries ADD CONSTRAINT entries_old_until"
                    f" CHECK (at_us < {until_us}) NOT VALID"
                )
            )
            connection.execute(text("SET lock_timeout = 0"))


@contextmanager
def _autocommit(engine: Engine) -> Iterator[Connection]:
    with reading(engine) as connection:
        connection.execution_options(isolation_level="AUTOCOMMIT")
        connection.execute(text("SET statement_timeout = 0"))
        yield connection
