"""What was used in the past, summed as ``whatif`` prices it; from entries, or from rollups."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import reduce
from itertools import pairwise
from operator import add
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, case, func, literal, or_, select

from billing.calendar_cuts import QUARTER_S, SECOND_US, Piece, Span, moment, stretches
from billing.ledger import ANSWERING, CORRECTION
from billing.price_list import PriceList
from billing.queries import each, microseconds, within
from billing.reports import Asked, cover, extent
from billing.rollup_tables import figures
from billing.schema import FIGURES, PART, rollups, slices
from billing.schema import entries as table
from billing.store import Store
from billing.sums import (
    Uses,
    Where,
    conditions,
    of_slices,
    refuse_removed,
    snapshot,
    timetable,
)
from billing.whatif import Used
from providers.usage import BUCKETS

QUARTER_US = QUARTER_S * 1_000_000
# Clients' own calls; shadows and judges were asked for another reason.
OWN = (*ANSWERING, CORRECTION)
_IN = BUCKETS[: BUCKETS.index("output")]
_SUMMED = ("searches", *BUCKETS)


@dataclass(slots=True)
class Past:
    """What calls used, and what they cost: ``pico`` 1e-12 dollars, without ``unknown`` ones.

    ``guessed`` calls are estimated; ``left_out`` ones have no usage that is known, and are in no
    sum. ``routes`` are those that answered, as provider and model.
    """

    used: list[Used]
    routes: frozenset[tuple[str, str]] = frozenset()
    pico: int = 0
    unknown: int = 0
    guessed: int = 0
    left_out: int = 0


def past(
    store: Store,
    since: datetime | None,
    until: datetime | None,
    where: Where,
    starts: Sequence[int],
) -> Past:
    """Return what clients' calls used in a time, by quarter and by the tiers that ``starts`` make.

    Reads every entry of that time, in the database. Raises ``StoreError``.
    """
    c = table.c
    prompt = reduce(add, (c[name] for name in _IN))
    tiers = [(prompt > start, literal(start + 1)) for start in sorted(starts, reverse=True)]
    tier: ColumnElement[int] = case(*tiers, else_=literal(0)) if tiers else literal(0)
    own = c.purpose.in_(OWN)
    known = c.usage_state.in_(("reported", "estimated")) & c.reconciled
    chosen, attempt = conditions(where, table), c.purpose != CORRECTION
    quarter = (c.at_us // QUARTER_US).label("quarter")
    group = (quarter, tier.label("tier"), c.provider, c.model)
    query = (
        select(
            *group,
            _counted(attempt).label("requests"),
            func.sum(c.searches).label("searches"),
            *(func.sum(c[name]).label(f"sum_{name}") for name in BUCKETS),
            # In two parts: SQLite's sums end at 2**63, which is 9 million dollars.
            func.coalesce(func.sum(c.cost_pico // PART), 0).label("cost_high"),
            func.coalesce(func.sum(c.cost_pico % PART), 0).label("cost_low"),
            _counted(c.cost_pico.is_(None) & attempt).label("unknown"),
            _counted((c.usage_state == "estimated") & attempt).label("guessed"),
        )
        .where(within(since, until), own, known, *chosen)
        .group_by(*group)
    )
    found, routes = Past([]), set()
    for row in each(store, query, since, until):
        routes.add((str(row.provider), str(row.model)))
        tokens = tuple(int(row._mapping[f"sum_{name}"]) for name in BUCKETS)
        size = (int(row.quarter), int(row.tier), int(row.requests), int(row.searches))
        found.used.append(Used(*size, tokens))
        found.pico += int(row.cost_high) * PART + int(row.cost_low)
        found.unknown += int(row.unknown)
        found.guessed += int(row.guessed)
    lacking = select(func.count()).where(
        within(since, until), own, ~known, c.usage_state != "none", *chosen
    )
    found.routes = frozenset(routes)
    found.left_out = sum(int(row[0]) for row in each(store, lacking, since, until))
    return found


def past_summed(store: Store, asked: Asked, prices: PriceList) -> list[Used]:
    """Return what clients' calls used in a time, as far as ``prices`` tell moments apart.

    Read from rollups, as reports are, so fast; no tiers of long prompts are known of them: their
    prompts count as short. Raises ``StoreError``, and ``ValueError`` for more than a report holds.
    """
    return past_summed_for(store, asked, [prices])[0]


def past_summed_for(store: Store, asked: Asked, lists: Sequence[PriceList]) -> list[list[Used]]:
    """Return what ``past_summed`` does for each of several lists; read once for those alike."""
    range_us = extent(store, asked.since, asked.until)
    cuts = [_cut(prices, *range_us) for prices in lists]
    read = {cut: _summed(store, asked, cut) for cut in dict.fromkeys(cuts)}
    return [read[cut] for cut in cuts]


def _cut(prices: PriceList, begin: int, end: int) -> tuple[Span, ...]:
    """Return the spans of a range within which a price stays as it is.

    As entries are priced by their quarter's beginning, a change counts from the next quarter on.
    """
    if begin >= end:
        return ()
    edges = {-(-microseconds(at) // QUARTER_US) * QUARTER_US
             for at in prices.changes(moment(begin - begin % QUARTER_US), moment(end))}  # fmt: skip
    inner = sorted(at for at in edges if begin < at < end)
    return tuple(Span("", since, until) for since, until in pairwise([begin, *inner, end]))


def _summed(store: Store, asked: Asked, cut: Sequence[Span]) -> list[Used]:
    found = cover(store, asked, cut)
    refuse_removed(store, found)
    sums: dict[int, list[int]] = defaultdict(lambda: [0] * (len(_SUMMED) + 1))
    for engine in store.parts(asked.since, asked.until) if found else ():
        with snapshot(engine) as connection:
            for query, uses in _stretches(found, asked.where, engine.dialect.name):
                for number, attempts, *parts in connection.execute(query):
                    pairs = zip(parts[::2], parts[1::2], strict=True)
                    read = (int(attempts), *(int(high) * PART + int(low) for high, low in pairs))
                    for span, sign in uses[number]:
                        known = sums[span]
                        sums[span] = [
                            old + sign * new for old, new in zip(known, read, strict=True)
                        ]
    return [
        Used(cut[span].begin // QUARTER_US, 0, attempts, searches, tuple(tokens))
        for span, (attempts, searches, *tokens) in sorted(sums.items())
        if attempts or searches or any(tokens)
    ]


def _stretches(
    found: Sequence[Piece], where: Where, dialect: str
) -> Iterator[tuple[Select[Any], Sequence[Uses]]]:
    """Give one query for each size of rollup, and for entries, and what each stretch is for."""
    for size, own in stretches(found).items():
        times = timetable(list(own), SECOND_US if size else 1, dialect)
        if size:
            joined, _ = of_slices(size, times, ("purpose",), where)
            bounds = [slices.c.purpose.in_(OWN), *conditions(where, slices)]
            of: dict[str, ColumnElement[Any]] = {name: rollups.c[name] for name in FIGURES}
        else:
            at = table.c.at_us
            joined = times.join(table, (at >= times.c.begun) & (at < times.c.ended))
            near = (and_(at >= begin, at < end) for begin, end in own)
            # Said once more as plain bounds, as `sums` does.
            bounds = [table.c.purpose.in_(OWN), or_(*near), *conditions(where, table)]
            of = dict(zip(FIGURES, figures(), strict=True))
        parts = [of[f"{name}_{part}"] for name in _SUMMED for part in ("high", "low")]
        columns = [func.sum(column) for column in (of["attempts"], *parts)]
        query = select(times.c.number, *columns).select_from(joined)
        yield query.where(*bounds).group_by(times.c.number), list(own.values())


def _counted(condition: ColumnElement[bool]) -> ColumnElement[int]:
    return func.coalesce(func.sum(case((condition, 1), else_=0)), 0)
