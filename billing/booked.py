"""What the ledger has booked at some providers, by quarter of an hour: the other side of a bill."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from datetime import datetime
from functools import reduce
from operator import add
from typing import Any

from sqlalchemy import ColumnElement, RowMapping, Select, case, func, select

from billing.bill import QUARTER_S, Booked, Quarter
from billing.ledger import CORRECTION
from billing.queries import each, within
from billing.schema import PART
from billing.schema import entries as table
from billing.store import Store
from providers.usage import BUCKETS

QUARTER_US = QUARTER_S * 1_000_000
_OUT = BUCKETS.index("output")


def booked(
    store: Store,
    providers: Collection[str],
    models: Collection[str],
    since: datetime,
    until: datetime,
) -> list[Quarter]:
    """Return what was booked from ``since`` to before ``until`` (aware), in no order.

    The key of what was booked is its provider's name. A model goes by the name that the answers
    gave where ``models``, those of the bill, have that one, else by the name that was asked for.
    Attempts that used nothing are in no bill, and not in here. Raises ``StoreError``.
    """
    found: dict[tuple[int, str, str, str], Booked] = defaultdict(Booked)
    for row in each(store, _query(providers).where(within(since, until)), since, until):
        model = row.served_model if row.served_model in models else row.model
        name = (int(row.quarter), model, row.provider, row.currency)
        found[name].add(_booked(row._mapping))
    return [Quarter(*name, sums) for name, sums in found.items()]


def _booked(row: RowMapping) -> Booked:
    sums = {name: (row[f"{name}_high"] or 0, row[f"{name}_low"] or 0) for name in _figures()}
    return Booked(**{name: int(high) * PART + int(low) for name, (high, low) in sums.items()})


def _counted(condition: ColumnElement[bool]) -> ColumnElement[int]:
    return case((condition, 1), else_=0)


def _tokens(buckets: Collection[str]) -> ColumnElement[int]:
    return reduce(add, (table.c[name] for name in buckets))


def _figures() -> Mapping[str, ColumnElement[Any]]:
    """Return what is added up, by its name in ``Booked``."""
    c = table.c
    tokens_in, tokens_out = _tokens(BUCKETS[:_OUT]), _tokens(BUCKETS[_OUT:])
    attempt = c.purpose != CORRECTION
    return {
        "requests": _counted(attempt),
        "tokens_in": tokens_in,
        "tokens_out": tokens_out,
        "in_least": func.coalesce(c.tokens_in_least, tokens_in),
        "in_most": func.coalesce(c.tokens_in_most, tokens_in),
        "out_least": func.coalesce(c.tokens_out_least, tokens_out),
        "out_most": func.coalesce(c.tokens_out_most, tokens_out),
        "cost": c.cost_pico,
        "cost_least": func.coalesce(c.cost_least_pico, c.cost_pico),
        "cost_most": func.coalesce(c.cost_most_pico, c.cost_pico),
        "native": func.coalesce(c.native_pico, c.cost_pico),
        "unknown": _counted(c.cost_pico.is_(None) & attempt),
        "guessed": _counted(c.usage_state.in_(("estimated", "missing")) & attempt),
    }


def _sums() -> Iterator[ColumnElement[Any]]:
    """Give the sum of each figure in two parts: SQLite's sums end at 2**63, 9 million dollars."""
    for name, figure in _figures().items():
        yield func.sum(figure // PART).label(f"{name}_high")
        yield func.sum(figure % PART).label(f"{name}_low")


def _query(providers: Collection[str]) -> Select[Any]:
    c = table.c
    quarter = (c.at_us // QUARTER_US).label("quarter")
    by = (quarter, c.provider, c.model, c.served_model, c.currency)
    return (
        select(*by, *_sums())
        .where(c.provider.in_(sorted(providers)), c.usage_state != "none", c.purpose != "count")
        .group_by(*by)
    )
