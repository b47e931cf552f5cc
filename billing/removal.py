"""Removes a month's entries at once; what they add up to stays.

What takes long, the archive and a copy of the sums, comes before (``retention``), and no lock is
held for it. The removal is a mark and a file that goes, or a partition that is dropped; of what an
older version has written, entries are deleted.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import ColumnElement, Connection, Engine, and_, func, select, text

from billing import partitions, server_changes
from billing.database import StoreError, changing_schema, reading, writing
from billing.file_changes import tidy
from billing.months import (
    MONTH_LEN,
    REMOVED,
    MonthFiles,
    bounds_of,
    mark_of,
    month_of,
    refuse_removed,
    remove_file,
    set_form,
)
from billing.rollup_tables import SUMMED
from billing.rollups import SECOND_US
from billing.schema import DAYS, rolled_off, rollups
from billing.schema import entries as table
from billing.store import Store


@dataclass(frozen=True, slots=True)
class Part:
    """Where a month's entries are: ``name`` is the month for a file, or the partition's.

    ``whole`` says that nothing but this month is there, so that it goes at once; of what an older
    version has written, entries are deleted.
    """

    month: str
    engine: Engine
    name: str
    whole: bool


def parts_before(store: Store, month: str) -> list[Part]:
    """Return where there are entries from before ``month``, oldest first. Raises ``StoreError``."""
    found = list(_of_server(store) if store.files is None else _of_files(store))
    return sorted((part for part in found if part.month < month), key=lambda p: (p.month, p.name))


def count_of(part: Part) -> int:
    """Return how many entries of its month a part has. Raises ``StoreError``."""
    query = select(func.count()).select_from(table).where(_span(part.month))
    with reading(part.engine) as connection:
        return int(connection.execute(query).scalar_one())


class CameMeanwhileError(StoreError):
    """Entries came after a month was archived: it stays."""


@contextmanager
def alone(store: Store) -> Iterator[None]:
    """Hold off every other process that would remove months. Raises ``StoreError``."""
    other = server_changes.alone(store.engine) if store.files is None else store.files.alone()
    with other:
        yield


def end_removals(store: Store) -> list[str]:
    """End what a killed process has begun; return the archives of all removals."""
    if store.files is not None:
        with writing(store.engine) as main:
            tidy(main, store.files)
    return archives(store)


def archives(store: Store) -> list[str]:
    """Return the archives of all removals. Raises ``StoreError``."""
    with reading(store.engine) as connection:
        return list(connection.execute(select(rolled_off.c.archive)).scalars())


def sums_beside(store: Store, part: Part) -> Path | None:
    """Copy what a part adds up to where it stays; None where it stands there. For ``remove``."""
    if store.files is None or not part.whole:
        return None
    return store.files.sums(part.month, SUMMED)


def remove(store: Store, part: Part, entries: int, archive: str, sums: Path | None) -> None:
    """Remove the entries of a part, ``entries`` in number, which are in ``archive`` now.

    ``sums`` were copied after the archive was made. Raises ``CameMeanwhileError``, and removes
    nothing, where there are more or fewer; ``StoreError`` where nobody knows whether it was done:
    the ledger has it written down if it was.
    """
    if not part.whole:
        _delete(part, entries, archive)
    elif sums is None or store.files is None:
        server_changes.with_patience(lambda: _drop(part, entries, archive))
    else:
        _remove_file(store.engine, store.files, part, entries, archive, sums)


def _drop(part: Part, entries: int, archive: str) -> None:
    """Drop a partition; the sums say how many entries it has, whatever their number, at once."""
    with changing_schema(part.engine) as connection:
        # What the drop needs, from the start: who has begun to write to it would else wait for us,
        # and we for them.
        connection.execute(text("LOCK TABLE ONLY entries IN ACCESS EXCLUSIVE MODE"))
        _refuse_more(part, _summed(connection, part.month), entries)
        connection.execute(text(f"DROP TABLE {part.name}"))
        _record(connection, part, _mark(part), entries, archive)


def _summed(connection: Connection, month: str) -> int:
    """Return how many entries a month has, by its sums, which have those that are gone too."""
    since_us, until_us = bounds_of(month)
    ever = select(func.coalesce(func.sum(rollups.c.entries), 0)).where(
        rollups.c.grain == DAYS,
        rollups.c.at >= since_us // SECOND_US,
        rollups.c.at < until_us // SECOND_US,
    )
    gone = select(func.coalesce(func.sum(rolled_off.c.entries), 0)).where(
        rolled_off.c.month == month
    )
    both = [int(connection.execute(query).scalar_one()) for query in (ever, gone)]
    return both[0] - both[1]


def _remove_file(
    main_engine: Engine, files: MonthFiles, part: Part, entries: int, archive: str, sums: Path
) -> None:
    """Mark a file, so that nobody writes to it, and give its sums their name; then it goes.

    The sums cannot change without its entries, which are counted once nobody writes. As long as
    the file is there, its sums are read from it. A process that is killed between leaves what
    ``tidy`` ends.
    """
    try:
        with writing(main_engine) as main, writing(part.engine) as month:  # committed first
            refuse_removed(month)
            # No row of it was ever deleted, and to count them would take long.
            newest = month.execute(text("SELECT max(rowid) FROM entries")).scalar()
            _refuse_more(part, newest, entries)
            _record(main, part, mark_of(month), entries, archive)
            set_form(month, REMOVED)
            sums.rename(sums.with_suffix(""))
    finally:
        remove_file(sums)
    remove_file(files.path(part.month))
    files.engine(part.month)  # let go of what was open


def _delete(part: Part, entries: int, archive: str) -> None:
    """Delete a month's rows of what an older version has written: this takes its time."""
    with writing(part.engine) as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(text("SET LOCAL statement_timeout = 0"))
        gone = connection.execute(table.delete().where(_span(part.month))).rowcount
        _refuse_more(part, gone, entries)
        _record(connection, part, _mark(part), entries, archive)


def _refuse_more(part: Part, found: int | None, entries: int) -> None:
    if (found or 0) != entries:
        raise CameMeanwhileError(
            f"entries of {part.month} came while it was archived; try it again"
        )


def _mark(part: Part) -> str:
    """Return a mark of its own for each removal: what comes later goes in another."""
    return f"{part.name} {part.month} {time.time_ns()}"


def _record(connection: Connection, part: Part, mark: str, entries: int, archive: str) -> None:
    values = {"part": mark, "month": part.month, "entries": entries, "archive": archive}
    connection.execute(rolled_off.insert().values(at_us=time.time_ns() // 1000, **values))


def _span(month: str) -> ColumnElement[bool]:
    since_us, until_us = bounds_of(month)
    return and_(table.c.at_us >= since_us, table.c.at_us < until_us)


def _of_files(store: Store) -> Iterator[Part]:
    files = store.files
    with reading(store.engine) as connection:
        for month in _months(connection, 0, 2**62):
            yield Part(month, store.engine, "main", whole=False)
    for month in files.names() if files is not None else ():
        engine = files.engine(month) if files is not None else None
        if engine is not None and len(month) == MONTH_LEN:  # else it has but sums
            yield Part(month, engine, month, whole=True)


def _of_server(store: Store) -> Iterator[Part]:
    with reading(store.engine) as connection:
        for found in partitions.listed(connection):
            whole = found.name != partitions.OLD
            if whole:
                yield Part(month_of(found.since_us), store.engine, found.name, whole=True)
                continue
            for month in _months(connection, found.since_us, found.until_us):
                yield Part(month, store.engine, found.name, whole=False)


def _months(connection: Connection, since_us: int, until_us: int) -> Iterator[str]:
    """Give the months that have entries, by looking up the first after each."""
    while True:
        query = select(func.min(table.c.at_us)).where(
            table.c.at_us >= since_us, table.c.at_us < until_us
        )
        first = connection.execute(query).scalar()
        if first is None:
            return
        month = month_of(first)
        yield month
        since_us = bounds_of(month)[1]
