"""What a comparison reads of the ledger: the requests that were shadowed, and a route's spend."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from functools import reduce
from operator import add

from sqlalchemy import select

from billing.calendar_cuts import HOUR_S, SECOND_US, moment
from billing.compare import Spent, Tried
from billing.ledger import ANSWERING
from billing.queries import microseconds, rows, within
from billing.reports import total
from billing.schema import HOURS, rollups, slices
from billing.schema import entries as table
from billing.store import Store
from billing.sums import TOKENS_OUT, Where, conditions

# Shadows that are compared at once; and how long a request with all that belongs to it may last.
SHADOWS_MAX = 100_000
AROUND = timedelta(days=1)
# Requests that one statement names, each of which reads the whole time.
NAMES_MAX = 30_000


def shadowed(
    store: Store, since: datetime | None, until: datetime | None
) -> tuple[list[Tried], bool]:
    """Return every attempt at the requests that were shadowed in a time; and whether that is all.

    It is not where there are more than ``SHADOWS_MAX``: then it is the newest. Raises
    ``StoreError``.
    """
    newest = (
        select(table.c.request_id, table.c.at_us)
        .where(within(since, until), table.c.purpose == "shadow")
        .order_by(table.c.at_us.desc())
        .limit(SHADOWS_MAX + 1)
    )
    known = [row for engine in store.parts(since, until) for row in rows(engine, newest)]
    if not known:
        return [], True
    known.sort(key=lambda row: -row.at_us)
    whole = len(known) <= SHADOWS_MAX
    del known[SHADOWS_MAX:]
    # A call is older than its shadow, and a judge's word younger.
    first, last = moment(known[-1].at_us) - AROUND, moment(known[0].at_us) + AROUND
    ids = sorted({str(row.request_id) for row in known})
    return _attempts(store, ids, first, last), whole


def _attempts(store: Store, ids: list[str], first: datetime, last: datetime) -> list[Tried]:
    out = reduce(add, (table.c[column] for column in TOKENS_OUT)).label("tokens_out")
    plain = [table.c[name] for name in Tried.__struct_fields__ if name != "tokens_out"]
    found: list[Tried] = []
    for engine in store.parts(first, last):
        for start in range(0, len(ids), NAMES_MAX):
            some = ids[start : start + NAMES_MAX]
            asked = within(first, last), table.c.request_id.in_(some)
            found += [
                Tried(**row._asdict()) for row in rows(engine, select(*plain, out).where(*asked))
            ]
    return found


def spent_at(
    store: Store,
    route: str,
    names: Iterable[str],
    since: datetime | None,
    until: datetime | None,
) -> Spent:
    """Return what clients' calls for model ``names`` cost at ``route``. Raises ``StoreError``."""
    provider, _, model = route.partition("/")
    where = {
        "purpose": ANSWERING,
        "provider": (provider,),
        "model": (model,),
        "model_asked": tuple(sorted(names)),
    }
    found = total(store, since, until, where)
    first = _first(store, where, since, until)
    end = microseconds(until if until is not None else datetime.now(UTC))
    return Spent(found.cost_pico, found.unknown, max(0, end - first) if first is not None else 0)


def _first(
    store: Store, where: Where, since: datetime | None, until: datetime | None
) -> int | None:
    """Return when the first of some entries began: to the hour, where the entry is removed."""
    of_hours = rollups.c.grain == HOURS, rollups.c.attempts > 0
    query = (
        select(rollups.c.at)
        .join_from(rollups, slices, rollups.c.slice == slices.c.id)
        .where(*of_hours, *conditions(where, slices))
        .order_by(rollups.c.at)
        .limit(1)
    )
    begin = microseconds(since) if since is not None else 0
    if since is not None:
        query = query.where(rollups.c.at >= begin // SECOND_US // HOUR_S * HOUR_S)
    hours = [row.at for engine in store.parts(since, until) for row in rows(engine, query)]
    if not hours:
        return None
    hour = max(begin, min(hours) * SECOND_US)
    exact = select(table.c.at_us).where(
        table.c.at_us.between(hour, hour + HOUR_S * SECOND_US), *conditions(where, table)
    )
    parts = store.parts(moment(hour), until)
    found = [
        int(row.at_us)
        for engine in parts
        for row in rows(engine, exact.order_by(table.c.at_us).limit(1))
    ]
    return min(found, default=hour)
