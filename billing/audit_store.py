"""Reads the whole ledger for ``ledger verify``: each entry as its fields, and the chains' heads."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from sqlalchemy import Engine, and_, func, or_, select

from billing.audit_rows import Fields
from billing.chain import Head
from billing.database import reading
from billing.queries import microseconds
from billing.schema import entries as table
from billing.schema import heads as heads_table
from billing.schema import rolled_off
from billing.store import Store

_AT_ONCE = 1000
# A day's first entries may be of attempts that began the day before.
_DAY = timedelta(days=1)


def each_entry(store: Store, since: datetime | None, until: datetime | None) -> Iterator[Fields]:
    """Give the entries that were written from ``since`` to before ``until``, part by part.

    A correction stands in the time of what it corrects, so every part is read. Raises
    ``StoreError``.
    """
    low = microseconds(since) if since is not None else 0
    high = microseconds(until) if until is not None else 2**63 - 1
    written = and_(table.c.recorded_us >= low, table.c.recorded_us < high)
    old = and_(table.c.seq == 0, table.c.at_us >= low, table.c.at_us < high)
    query = select(table)
    if since is not None or until is not None:
        query = query.where(or_(written, old))
    for engine in store.parts(None, None):
        with reading(engine) as connection:
            found = connection.execution_options(yield_per=_AT_ONCE).execute(query)
            names = tuple(found.keys())
            for row in found:
                yield dict(zip(names, row, strict=True))


def count(store: Store) -> int:
    """Return about how many entries there are; for showing how far it is. Raises ``StoreError``."""
    return sum(_count(engine) for engine in store.parts(None, None))


def _count(engine: Engine) -> int:
    with reading(engine) as connection:
        return int(connection.execute(select(func.count()).select_from(table)).scalar_one())


def heads(store: Store) -> Iterator[Head]:
    """Give how far each chain has come, as each part of the ledger knows. Raises ``StoreError``."""
    columns = heads_table.c.day, heads_table.c.writer, heads_table.c.seq, heads_table.c.hash
    for engine in store.parts(None, None):
        with reading(engine) as connection:
            for row in connection.execute(select(*columns)):
                yield Head(row.day, row.writer, row.seq, row.hash)


def rolled_off_days(store: Store) -> frozenset[str]:
    """Return the days whose entries may have left with their month. Raises ``StoreError``."""
    with reading(store.engine) as connection:
        months = set(connection.execute(select(rolled_off.c.month)).scalars())
    days: set[str] = set()
    for month in months:
        day = datetime.strptime(month, "%Y-%m").replace(tzinfo=UTC)
        while day.strftime("%Y-%m") == month:
            days |= {day.date().isoformat(), (day + _DAY).date().isoformat()}
            day += _DAY
    return frozenset(days)
