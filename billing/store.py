"""The ledger's store, in files of SQLite or in PostgreSQL. Takes each entry once."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import msgspec
from sqlalchemy import Connection, Engine, func, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DataError, IntegrityError

from billing import partitions
from billing.chain import heads_of
from billing.database import (
    StoreError,
    changing_schema,
    current_revision,
    open_engine,
    reading,
    url_of,
    writing,
)
from billing.json_rows import from_json, json_of
from billing.ledger import Entry
from billing.months import MONTH_LEN, MonthFiles, bounds_of, month_of, refuse_removed
from billing.rollup_tables import add_up, put_heads
from billing.rollups import gathered
from billing.schema import entries as table

__all__ = ["Store", "StoreError", "current_revision", "open_engine", "url_of"]

BATCH = 5_000
# How often a folder is looked at of which a file has just gone.
LOOKS = 3
INSERT = str(table.insert().compile(dialect=sqlite.dialect()))
_TO_SERVER = (
    postgresql.insert(table)
    .from_select(*from_json(table))
    .on_conflict_do_nothing()
    .returning(table.c.at_us, table.c.attempt_id)
)
_NO_PARTITION = "23514"
_EPOCH = datetime.fromisoformat("1970-01-01T00:00:00+00:00")


class Store:
    """Writes entries; one thread at a time. ``engine`` is the main one; reports read ``parts``.

    In the same transaction as entries stand their rollups.
    """

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.files = MonthFiles(engine) if engine.dialect.name == "sqlite" else None
        self._partitioned: set[str] = set()
        self._old_until_us: int | None = None

    @classmethod
    def open(cls, url: str) -> Store:
        """Return the store at ``url``. Raises ``StoreError``; connects only when used."""
        return cls(open_engine(url))

    def parts(self, since: datetime | None, until: datetime | None) -> tuple[Engine, ...]:
        """Return the databases that hold a time (aware; None is no bound): the main one, months.

        The main one has what older versions wrote, and the rollups of months that were removed; it
        may have entries of the same month as another. Months come oldest first. Raises
        ``StoreError``.
        """
        if self.files is None:
            return (self.engine,)
        first = _month(since) if since is not None else ""
        last = _month(until) if until is not None else "~"
        found: list[Engine | None] = []
        for _ in range(LOOKS):
            names = [name for name in self.files.read() if first <= name[:MONTH_LEN] <= last]
            found = [self.files.engine(name) for name in names]
            if None not in found:  # else a month went meanwhile, and its sums have come
                break
        return (self.engine, *(engine for engine in found if engine is not None))

    def insert(self, entries: Sequence[Entry]) -> list[tuple[Entry, str]]:
        """Write ``entries`` durably; those that are there already (by attempt id) stay as they are.

        Returns the entries that the database refuses for what is in them, each with its reason.
        Raises ``StoreError`` where it cannot be reached or written: then insert them all again.
        """
        refused: list[tuple[Entry, str]] = []
        by_month: dict[str, list[Entry]] = {}
        month, since_us, until_us = "", 0, 0
        for entry in entries:
            if not since_us <= entry.at_us < until_us:  # mostly it is the month of the one before
                try:
                    month = month_of(entry.at_us)
                except ValueError as fault:
                    refused.append((entry, str(fault)))
                    continue
                since_us, until_us = bounds_of(month)
            by_month.setdefault(month, []).append(entry)
        for month, found in sorted(by_month.items()):
            for start in range(0, len(found), BATCH):
                refused += self._batch(month, found[start : start + BATCH])
        return refused

    def prepare(self, months: Sequence[str]) -> None:
        """Make what months need before their first entry comes. Raises ``StoreError``."""
        if self.files is None:
            for month in months:
                self._partition(month)

    def close(self) -> None:
        """Let go of every connection."""
        if self.files is not None:
            self.files.close()
        self.engine.dispose()

    def _batch(self, month: str, batch: Sequence[Entry]) -> list[tuple[Entry, str]]:
        """Write a batch in one transaction; where one of it is at fault, try the halves."""
        try:
            if self.files is None:
                self._to_server(month, batch)
            else:
                self._to_file(self.files.made(month), batch)
        except OverflowError as fault:  # SQLite's driver does not wrap it
            return self._halves(month, batch, str(fault))
        except StoreError as fault:
            if not isinstance(fault.__cause__, (DataError, IntegrityError)):
                raise
            return self._halves(month, batch, str(fault))
        return []

    def _halves(self, month: str, batch: Sequence[Entry], why: str) -> list[tuple[Entry, str]]:
        if len(batch) == 1:
            return [(batch[0], why)]
        middle = len(batch) // 2
        return self._batch(month, batch[:middle]) + self._batch(month, batch[middle:])

    def _to_file(self, engine: Engine, batch: Sequence[Entry]) -> None:
        found = {(entry.at_us, entry.attempt_id): entry for entry in reversed(batch)}
        for key in self._in_main(found):
            del found[key]
        with writing(engine) as connection:
            refuse_removed(connection)
            for key in _known(connection, found):
                del found[key]
            if found:
                new = _storable([found[key] for key in sorted(found)])
                rows = [msgspec.structs.astuple(entry) for entry in new]
                connection.exec_driver_sql(INSERT, rows)
                add_up(connection, gathered(new))
                put_heads(connection, heads_of(new))

    def _in_main(self, found: dict[tuple[int, str], Entry]) -> list[tuple[int, str]]:
        """Return which of these an older version has written; those never grow more."""
        if self._old_until_us is None:
            with reading(self.engine) as connection:
                newest = connection.execute(select(func.max(table.c.at_us))).scalar()
            self._old_until_us = newest if newest is not None else -1
        old = {key: entry for key, entry in found.items() if key[0] <= self._old_until_us}
        if not old:
            return []
        with reading(self.engine) as connection:
            return _known(connection, old)

    def _to_server(self, month: str, batch: Sequence[Entry]) -> None:
        if month not in self._partitioned:
            self._partition(month)
        try:
            self._insert(batch)
        except StoreError as fault:
            if getattr(getattr(fault.__cause__, "orig", None), "sqlstate", "") != _NO_PARTITION:
                raise
            self._partition(month)  # another process has removed it
            self._insert(batch)

    def _insert(self, batch: Sequence[Entry]) -> None:
        found = {(entry.at_us, entry.attempt_id): entry for entry in _storable(batch[::-1])}
        rows = json_of([found[key] for key in sorted(found)])
        with writing(self.engine) as connection:
            done = connection.execute(_TO_SERVER, {"rows": rows})
            new = [found[at_us, attempt_id] for at_us, attempt_id in done]
            add_up(connection, gathered(new))
            put_heads(connection, heads_of(new))

    def _partition(self, month: str) -> None:
        with changing_schema(self.engine) as connection:
            partitions.make(connection, month)
        self._partitioned.add(month)


def _known(connection: Connection, found: dict[tuple[int, str], Entry]) -> list[tuple[int, str]]:
    """Return which of these are in the database."""
    # By times alone: for pairs SQLite reads a whole index, or pairs every time with every id.
    times = {at_us for at_us, _ in found}
    query = select(table.c.at_us, table.c.attempt_id).where(table.c.at_us.in_(times))
    keys = ((row.at_us, row.attempt_id) for row in connection.execute(query))
    return [key for key in keys if key in found]


def _month(when: datetime) -> str:
    try:
        return month_of((when - _EPOCH).days * 86_400_000_000)
    except ValueError:
        return "~" if when > _EPOCH else ""


def _storable(entries: Sequence[Entry]) -> Sequence[Entry]:
    """Return entries in what both databases can hold: PostgreSQL's text has no character zero."""
    if b"\\u0000" not in msgspec.json.encode(entries):
        return entries
    return [_without_zero(entry) for entry in entries]


def _without_zero(entry: Entry) -> Entry:
    plain = {
        name: value.replace("\0", "\ufffd")
        for name, value in msgspec.structs.asdict(entry).items()
        if isinstance(value, str)
    }
    return msgspec.structs.replace(entry, **plain)
