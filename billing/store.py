"""The ledger's database: SQLite or PostgreSQL, by URL. Takes each entry once."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
from sqlalchemy import Connection, Engine, create_engine, event, inspect, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DataError, IntegrityError, SQLAlchemyError

from billing.ledger import Entry
from billing.schema import entries as table

BUSY_MS = 5_000
STATEMENT_MS = 30_000
# Seconds for a connection, milliseconds for a host that has gone; an address may say otherwise.
_LIMITS = {"connect_timeout": "5", "tcp_user_timeout": "15000"}
BATCH = 500
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
        limits = {name: value for name, value in _LIMITS.items() if name not in url.query}
        engine = create_engine(url, pool_size=2, pool_pre_ping=True, connect_args=limits)
        event.listen(engine, "connect", _limit)
        return engine
    try:
        Path(str(url.database)).parent.mkdir(parents=True, exist_ok=True)
    except OSError as fault:
        raise StoreError(f"cannot make the ledger's folder: {fault}") from fault
    engine = create_engine(url)
    event.listen(engine, "connect", _prepare)
    event.listen(engine, "begin", _begin)
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
        raise StoreError(_words(fault)) from fault


@contextmanager
def changing_schema(engine: Engine) -> Iterator[Connection]:
    """Like ``writing``, and alone: another process that changes the schema waits for the end."""
    with writing(engine) as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(text("SET LOCAL statement_timeout = 0"))
            connection.execute(text(f"SELECT pg_advisory_xact_lock({_MIGRATION_LOCK})"))
        yield connection


def revision(connection: Connection) -> str | None:
    """Return which migration the database is at, None for one without a ledger."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    row = connection.execute(text("SELECT version_num FROM alembic_version")).first()
    return str(row[0]) if row is not None else None


def current_revision(engine: Engine) -> str | None:
    """Like ``revision``, on a connection of its own. Raises ``StoreError``."""
    try:
        with engine.connect() as connection:
            return revision(connection)
    except SQLAlchemyError as fault:
        raise StoreError(_words(fault)) from fault


class Store:
    """Writes entries; one thread at a time. ``engine`` is for the reports."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        dialect = postgresql if engine.dialect.name == "postgresql" else sqlite
        self._insert = dialect.insert(table).on_conflict_do_nothing(
            index_elements=[table.c.attempt_id]
        )

    @classmethod
    def open(cls, url: str) -> Store:
        """Return the store at ``url``. Raises ``StoreError``; connects only when used."""
        return cls(open_engine(url))

    def insert(self, entries: Sequence[Entry]) -> list[tuple[Entry, str]]:
        """Write ``entries`` durably; those that are there already (by attempt id) stay as they are.

        Returns the entries that the database refuses for what is in them, each with its reason.
        Raises ``StoreError`` where it cannot be reached or written: then insert them all again.
        """
        refused: list[tuple[Entry, str]] = []
        for start in range(0, len(entries), BATCH):
            refused += self._batch(entries[start : start + BATCH])
        return refused

    def _batch(self, batch: Sequence[Entry]) -> list[tuple[Entry, str]]:
        """Write a batch in one transaction; where one of it is at fault, try the halves."""
        rows = [_row(entry) for entry in batch]
        try:
            with writing(self.engine) as connection:
                connection.execute(self._insert, rows)
        except OverflowError as fault:  # SQLite's driver does not wrap it
            return self._halves(batch, str(fault))
        except StoreError as fault:
            if not isinstance(fault.__cause__, (DataError, IntegrityError)):
                raise
            return self._halves(batch, str(fault))
        return []

    def _halves(self, batch: Sequence[Entry], why: str) -> list[tuple[Entry, str]]:
        if len(batch) == 1:
            return [(batch[0], why)]
        middle = len(batch) // 2
        return self._batch(batch[:middle]) + self._batch(batch[middle:])

    def close(self) -> None:
        """Let go of every connection."""
        self.engine.dispose()


def _row(entry: Entry) -> dict[str, Any]:
    row = msgspec.structs.asdict(entry)
    for name, value in row.items():
        # PostgreSQL's text cannot hold the character zero, which a host's answer can.
        if isinstance(value, str) and "\0" in value:
            row[name] = value.replace("\0", "\ufffd")
    return row


def _words(fault: SQLAlchemyError) -> str:
    """Return a fault in one line, without the statement and its values."""
    origin = getattr(fault, "orig", None)
    return " ".join(str(origin if origin is not None else fault).split())
