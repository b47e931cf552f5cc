"""The ledger's database by its address: engines whose waits all have limits, transactions."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, inspect, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

BUSY_MS = 5_000
STATEMENT_MS = 30_000
LOCK_MS = 2_000
# Seconds for a connection, milliseconds for a host that has gone; an address may say otherwise.
_LIMITS = {"connect_timeout": "5", "tcp_user_timeout": "15000"}
# Connections kept, and the seconds after which one is made anew; an address may say otherwise.
_POOL = {"pool_size": 5, "pool_recycle": 1800}
_POOL_WAIT_S = 10
# Any number serves, as long as every process of ours takes the same one.
_MIGRATION_LOCK = 0x0E47_2E90


class StoreError(Exception):
    """The database did not do what was asked; the text says why, without its password."""


def url_of(given: str) -> URL:
    """Return the address of a ledger: ``sqlite:///path`` or ``postgresql://user:pass@host/db``.

    Raises ``StoreError`` for any other.
    """
    try:
        url = make_url(given)
    except ArgumentError:
        raise StoreError(
            "the ledger's address is none; sqlite:///var/entrepot.db or "
            "postgresql://user:password@host/database would be right"
        ) from None
    if url.drivername in ("postgresql", "postgres", "postgresql+psycopg"):
        return url.set(drivername="postgresql+psycopg")
    if url.drivername == "sqlite":
        if not url.database or url.database == ":memory:":
            raise StoreError("a ledger in memory would be lost; sqlite:///var/entrepot.db is right")
        return url
    raise StoreError(f"the ledger cannot live in {url.drivername!r}; sqlite or postgresql can")


def open_engine(given: str) -> Engine:
    """Return an engine for a ledger's address; nothing is opened yet, but a file's folder is made.

    Every wait of it has a limit. Raises ``StoreError``.
    """
    url = url_of(given)
    if url.drivername != "sqlite":
        return _server(url)
    try:
        Path(str(url.database)).parent.mkdir(parents=True, exist_ok=True)
    except OSError as fault:
        raise StoreError(f"cannot make the ledger's folder: {fault}") from fault
    return open_file(url)


def open_file(url: URL) -> Engine:
    """Return an engine for a file of SQLite."""
    engine = create_engine(url)
    event.listen(engine, "connect", _prepare)
    event.listen(engine, "begin", _begin)
    return engine


def _server(url: URL) -> Engine:
    pool: dict[str, int] = {}
    for name, usual in _POOL.items():
        given = url.query.get(name, str(usual))
        if not isinstance(given, str) or not given.isdecimal() or not int(given):
            raise StoreError(f"the ledger's address says {name}={given}; a number would be right")
        pool[name] = int(given)
    engine = create_engine(
        url.difference_update_query(_POOL),
        pool_size=pool["pool_size"],
        pool_recycle=pool["pool_recycle"],
        max_overflow=0,
        pool_timeout=_POOL_WAIT_S,
        pool_pre_ping=True,
        connect_args={name: value for name, value in _LIMITS.items() if name not in url.query},
    )
    event.listen(engine, "connect", _limit)
    return engine


def _limit(connection: Any, _: Any) -> None:
    connection.execute(f"SET statement_timeout = {STATEMENT_MS}")
    connection.commit()


def _prepare(connection: Any, _: Any) -> None:
    # The driver begins transactions late and never for a CREATE TABLE: `_begin` does it instead.
    connection.isolation_level = None
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout={BUSY_MS}")
    _turn_to_wal(cursor)
    cursor.execute("PRAGMA synchronous=NORMAL")
    cursor.close()


def _turn_to_wal(cursor: Any) -> None:
    # Of several that turn a new file to WAL at once, SQLite answers some "locked" without waiting.
    until = time.monotonic() + BUSY_MS / 1000
    while True:
        try:
            cursor.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as fault:
            if "locked" not in str(fault) or time.monotonic() > until:
                raise
            time.sleep(0.01)
        else:
            return


def _begin(connection: Connection) -> None:
    # A writer says so from the start: a reader that turns writer midway can only fail.
    writes = connection.get_execution_options().get("writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """Give a connection inside one transaction that writes; raises ``StoreError`` for any fault."""
    try:
        with engine.connect().execution_options(writes=True) as connection, connection.begin():
            yield connection
    except SQLAlchemyError as fault:
        raise StoreError(words(fault)) from fault


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """Give a connection to read on; raises ``StoreError`` for any fault of the database."""
    try:
        with engine.connect() as connection:
            yield connection
    except SQLAlchemyError as fault:
        raise StoreError(words(fault)) from fault


@contextmanager
def changing_schema(engine: Engine, lock_ms: int = LOCK_MS) -> Iterator[Connection]:
    """Like ``writing``, and alone: another process that changes the schema waits for the end.

    On PostgreSQL no lock on a table is waited for longer than ``lock_ms``, since whoever comes
    after waits behind it.
    """
    with writing(engine) as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(text("SET LOCAL statement_timeout = 0"))
            connection.execute(text(f"SELECT pg_advisory_xact_lock({_MIGRATION_LOCK})"))
            connection.execute(text(f"SET LOCAL lock_timeout = {lock_ms}"))
        yield connection


def revision(connection: Connection) -> str | None:
    """Return which migration the database is at, None for one without a ledger."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    row = connection.execute(text("SELECT version_num FROM alembic_version")).first()
    return str(row[0]) if row is not None else None


def current_revision(engine: Engine) -> str | None:
    """Like ``revision``, on a connection of its own. Raises ``StoreError``."""
    with reading(engine) as connection:
        return revision(connection)


def words(fault: SQLAlchemyError) -> str:
    """Return a fault in one line, without the statement and its values."""
    origin = getattr(fault, "orig", None)
    return " ".join(str(origin if origin is not None else fault).split())
