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

from billing.calendar_cuts import moment
from billing.ledger import Entry
from billing.queries import rows, within
from billing.schema import entries as table
from billing.store import Store
from billing.sums import Where, conditions

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
) -> list[Entry]:
    """Return the ``n`` newest entries of a time, newest first, that ``where`` lets.

    Raises ``StoreError``.
    """
    if before is not None:
        end = moment(before[0]) + _ONE_US
        until = end if until is None else min(until, end)
    asked = [within(since, until), *conditions(where or {}, table)]
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


def each(
    store: Store,
    since: datetime | None,
    until: datetime | None,
    where: Where | None = None,
) -> Iterator[Entry]:
    """Give every entry of a time that ``where`` lets, oldest first. Raises ``StoreError``."""
    asked = [within(since, until), *conditions(where or {}, table)]
    main, *months = store.parts(since, until)
    # The main part may hold entries of any time, the others follow one another.
    return heapq.merge(
        _all(main, asked), chain.from_iterable(_all(one, asked) for one in months), key=cursor
    )


def cursor(entry: Entry) -> Cursor:
    """Return an entry's place in the order of the ledger."""
    return entry.at_us, entry.attempt_id


def _all(engine: Engine, asked: list[ColumnElement[bool]]) -> Iterator[Entry]:
    """Give a part's entries in order; each batch begins where the one before it ended."""
    after: list[ColumnElement[bool]] = []
    while True:
        found = _read(engine, [*asked, *after], BATCH, newest=False)
        yield from found
        if len(found) < BATCH:
            return
        at_us = found[-1].at_us
        # The bound on the time alone is what every index answers.
        after = [table.c.at_us >= at_us, _place() > tuple_(*cursor(found[-1]))]


def _read(engine: Engine, asked: list[ColumnElement[bool]], n: int, *, newest: bool) -> list[Entry]:
    order = (table.c.at_us, table.c.attempt_id)
    query = select(table).where(and_(*asked)).limit(n)
    query = query.order_by(*((column.desc() for column in order) if newest else order))
    return [Entry(**row._asdict()) for row in rows(engine, query)]


def _place() -> ColumnElement[Any]:
    return tuple_(table.c.at_us, table.c.attempt_id)
