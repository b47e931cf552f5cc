"""The ledger's entries one by one: the newest, page by page, and all of a time, never all at once.

A cursor is an entry's place in the order of the ledger: its time, and of several at one time its
attempt id. Entries that come later never move a page that was read.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import chain
from typing import Any

from sqlalchemy import ColumnElement, Engine, and_, select, tuple_

from billing.calendar_cuts import DAY_S, QUARTER_S, SECOND_US, moment
from billing.ledger import Entry
from billing.queries import microseconds, rows, within
from billing.schema import entries as table
from billing.schema import rollups, slices
from billing.store import Store
from billing.sums import Where, conditions, of_slices, timetable

# Rows of one read; it is what an export holds at once.
BATCH = 2_000
# (microseconds since 1970, attempt id)
Cursor = tuple[int, str]

_ONE_US = timedelta(microseconds=1)


def last(store: Store, n: int, before: Cursor | None = None) -> list[Entry]:
    """Return the ``n`` newest entries, newest first; those before a cursor.

    Raises ``StoreError``.
    """
    return page(store, n, before)


def page(
    store: Store,
    n: int,
    before: Cursor | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    where: Where | None = None,
    *,
    failed: bool = False,
) -> list[Entry]:
    """Return the ``n`` newest entries of a time, newest first, that ``where`` lets.

    ``failed``: only attempts that failed. Raises ``StoreError``.
    """
    until = _until(before, until)
    asked = [within(since, until), *conditions(where or {}, table)]
    if failed:
        asked.append(table.c.outcome == "failed")
    if before is not None:
        asked.append(_place() < tuple_(*before))
    main, *months = store.parts(since, until)
    found = _read(main, asked, n, newest=True)
    later: list[Entry] = []
    for month in reversed(months):
        if len(later) >= n:
            break
        later += _read(month, asked, n - len(later), newest=True)
    return sorted([*found, *later], key=cursor, reverse=True)[:n]


def search(
    store: Store,
    n: int,
    before: Cursor | None,
    since: datetime,
    until: datetime,
    where: Where,
    *,
    failed: bool = False,
) -> list[Entry]:
    """Return what ``page`` does, quickly also where few entries of many are meant.

    Rollups say in which quarters of an hour there are any; sessions stand in none, and are looked
    for entry by entry. Raises ``StoreError``.
    """
    if "session" in where or not (where or failed):
        return page(store, n, before, since, until, where, failed=failed)
    found: list[Entry] = []
    end = _until(before, until) or until
    for day in _buckets(store, DAY_S, since, end, where, failed=failed):
        close = max(since, day), min(end, day + timedelta(seconds=DAY_S))
        for quarter in _buckets(store, QUARTER_S, *close, where, failed=failed):
            begin, stop = max(since, quarter), min(end, quarter + timedelta(seconds=QUARTER_S))
            found += page(store, n - len(found), before, begin, stop, where, failed=failed)
            if len(found) >= n:
                return found
    return found


def _buckets(
    store: Store, size: int, since: datetime, until: datetime, where: Where, *, failed: bool
) -> list[datetime]:
    """Return when each bucket of ``size`` seconds begins that has entries, the newest first."""
    begin = microseconds(since) // SECOND_US // size * size
    end = -(-microseconds(until) // SECOND_US // size) * size
    figure = rollups.c.failed if failed else rollups.c.entries
    found: set[int] = set()
    for engine in store.parts(since, until):
        times = timetable([(begin, end)], 1, engine.dialect.name)
        joined, _ = of_slices(size, times, (), where)
        query = select(rollups.c.at).select_from(joined)
        query = query.where(figure > 0, *conditions(where, slices)).distinct()
        found |= {int(row.at) for row in rows(engine, query)}
    return [moment(at * SECOND_US) for at in sorted(found, reverse=True)]


def _until(before: Cursor | None, until: datetime | None) -> datetime | None:
    """Return where a page ends: a cursor's own moment is in it, for others of the same one."""
    if before is None:
        return until
    end = moment(before[0]) + _ONE_US
    return end if until is None else min(until, end)


def each(
    store: Store,
    since: datetime | None,
    until: datetime | None,
    where: Where | None = None,
) -> Iterator[Entry]:
    """Give every entry of a time that ``where`` lets, oldest first. Raises ``StoreError``."""
    asked = conditions(where or {}, table)
    main, *months = (_all(part, since, until, asked) for part in store.parts(since, until))
    # The main part may hold entries of any time, the others follow one another.
    return heapq.merge(main, chain.from_iterable(months), key=cursor)


def cursor(entry: Entry) -> Cursor:
    """Return an entry's place in the order of the ledger."""
    return entry.at_us, entry.attempt_id


def _all(
    engine: Engine,
    since: datetime | None,
    until: datetime | None,
    asked: list[ColumnElement[bool]],
) -> Iterator[Entry]:
    """Give a part's entries in order; each batch begins where the one before it ended."""
    after: list[ColumnElement[bool]] = []
    while True:
        found = _read(engine, [within(since, until), *asked, *after], BATCH, newest=False)
        yield from found
        if len(found) < BATCH:
            return
        # The bound on the time alone is what every index answers, as the only one from below.
        since = moment(found[-1].at_us)
        after = [_place() > tuple_(*cursor(found[-1]))]


def _read(engine: Engine, asked: list[ColumnElement[bool]], n: int, *, newest: bool) -> list[Entry]:
    order = (table.c.at_us, table.c.attempt_id)
    query = select(table).where(and_(*asked)).limit(n)
    query = query.order_by(*((column.desc() for column in order) if newest else order))
    return [Entry(**row._asdict()) for row in rows(engine, query)]


def _place() -> ColumnElement[Any]:
    return tuple_(table.c.at_us, table.c.attempt_id)
