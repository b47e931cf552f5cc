"""Past requests, each with its attempts, read from the ledger in batches: never all at once."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from datetime import datetime, timedelta
from heapq import merge
from itertools import chain
from typing import Any

from sqlalchemy import ColumnElement, Engine, Select, and_, func, or_, select

from billing.calendar_cuts import moment
from billing.ledger import ANSWERING, Entry
from billing.price_list import HOLD_MOST
from billing.queries import each, rows, within
from billing.schema import entries as table
from billing.store import Store
from providers.usage import BUCKETS

BATCH = 5_000
# Requests whose further attempts are waited for at once.
OPEN_MOST = 100_000
# Of a decision only what its order was.
DECISION_BEGINS = 120

_US = timedelta(microseconds=1)
_OPEN_US = HOLD_MOST // _US
# What is read of an attempt: who asked for what, where it went, what it used and cost.
_READ = (
    "attempt_id", "request_id", "attempt", "at_us", "key", "label", "tags",
    "wire", "model_asked", "provider", "model", "config_hash", "outcome",
    "usage_state", *BUCKETS, "reconciled", "cost_pico", "cost_state", "needs",
    "prompt_most", "output_most",
)  # fmt: skip


def attempts(
    store: Store, request_id: str, since: datetime | None, until: datetime | None
) -> list[Entry]:
    """Return every attempt at one request in the order that they began; none: not known.

    Between ``since`` and ``until`` (aware; None is no bound) it is found quickly. Raises
    ``StoreError``.
    """
    query = select(table).where(within(since, until), table.c.request_id == request_id)
    found = [Entry(**row._asdict()) for row in each(store, query, since, until)]
    return sorted(found, key=_by_time)


def count(store: Store, since: datetime | None, until: datetime | None) -> int:
    """Return how many attempts ``requests`` will read. Raises ``StoreError``."""
    query = select(func.count().label("n")).where(_answering(since, until))
    return sum(int(row.n) for row in each(store, query, since, until))


def requests(
    store: Store, since: datetime | None, until: datetime | None, batch: int = BATCH
) -> Iterator[list[Entry]]:
    """Give the attempts at each request that began in a time, about in the order of their ends.

    Of an entry that is there which a replay needs, and of its decision the beginning. No more than
    ``batch`` rows are read at once. A request is given when no attempt of it can follow; one that
    did would come as a request of its own. Raises ``StoreError``.
    """
    waiting: OrderedDict[str, list[Entry]] = OrderedDict()
    # The months follow one another, and the main part can have entries from any time.
    main, *months = (_entries(part, since, until, batch) for part in store.parts(since, until))
    for entry in merge(main, chain.from_iterable(months), key=_by_time):
        known = waiting.get(entry.request_id)
        if known is not None:
            known.append(entry)
            continue
        waiting[entry.request_id] = [entry]
        while len(waiting) > OPEN_MOST or _first(waiting).at_us < entry.at_us - _OPEN_US:
            yield waiting.popitem(last=False)[1]
    yield from waiting.values()


def _by_time(entry: Entry) -> tuple[int, str]:
    return entry.at_us, entry.attempt_id


def _first(waiting: OrderedDict[str, list[Entry]]) -> Entry:
    return next(iter(waiting.values()))[0]


def _entries(
    engine: Engine, since: datetime | None, until: datetime | None, batch: int
) -> Iterator[Entry]:
    """Give entries in the order of time; each batch begins where the one before it ended."""
    beginning = func.substr(table.c.decision, 1, DECISION_BEGINS).label("decision")
    query: Select[Any] = (
        select(*(table.c[name] for name in _READ), beginning)
        .order_by(table.c.at_us, table.c.attempt_id)
        .limit(batch)
    )
    names = (*_READ, "decision")
    after: ColumnElement[bool] | None = None
    while True:
        asked = query.where(_answering(since, until))
        found = rows(engine, asked if after is None else asked.where(after))
        for row in found:
            yield Entry(**dict(zip(names, row, strict=True)))
        if len(found) < batch:
            return
        at_us, attempt_id = found[-1].at_us, found[-1].attempt_id
        # The bound on the time alone is what an index answers, as the only one from below.
        since = moment(at_us)
        after = or_(table.c.at_us > at_us, table.c.attempt_id > attempt_id)


def _answering(since: datetime | None, until: datetime | None) -> ColumnElement[bool]:
    return and_(within(since, until), table.c.purpose.in_(ANSWERING))
