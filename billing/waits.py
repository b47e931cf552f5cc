"""How long attempts took: percentiles to the first content and of the whole answer.

Few attempts are read one by one, and their percentiles are exact. Of many there is only how many
fell into which quarter of a doubling: a percentile is then the middle of its bucket, at most 9.1 %
off (``PRECISION``), and a time counts whole hours by their beginning.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import FromClause, Select, and_, func, select

from billing.calendar_cuts import DAY_S, HOUR_S, SECOND_US, Span, moment, pieces, spans, stretches
from billing.ledger import ANSWERING
from billing.reports import Asked, extent, total
from billing.schema import DAYS, HOURS, latencies
from billing.schema import entries as table
from billing.store import Store
from billing.sums import (
    DIMENSIONS,
    GROUPS_MAX,
    Names,
    conditions,
    snapshot,
    tags_of,
    timetable,
)

PERCENTS = (50, 90, 95, 99)
# Attempts that are read one by one.
EXACT_MAX = 50_000
PRECISION = "9.1 %"
KNOWN_BY = ("provider", "model")
_WHATS = ("first", "total")

# Milliseconds, or the middle of a bucket of them, and how many attempts took that.
Times = Counter[int]


@dataclass(frozen=True, slots=True)
class Waits:
    """Milliseconds at ``PERCENTS`` to the first content and in total, None where there are none.

    Of clients' calls: ``first`` of all with content, ``total`` of those that completed.
    """

    first: tuple[int | None, ...]
    total: tuple[int | None, ...]


@dataclass(frozen=True, slots=True)
class Waited:
    """Percentiles by group, named as the groups of a report are, and of all."""

    rows: dict[Names, Waits]
    total: Waits
    exact: bool


def waited(store: Store, asked: Asked, *, also: int = 0) -> Waited | None:
    """Return the percentiles of a report's groups; None where they cannot be known.

    That is where there are more than ``EXACT_MAX`` attempts, and the report is by more than
    ``KNOWN_BY`` and time. With ``also`` those of the groups by so many first names stand beside
    them, read in one go. Raises ``StoreError``.
    """
    cut = spans(asked.grain, *extent(store, asked.since, asked.until), asked.zone)
    exact = _attempts(store, asked, cut) <= EXACT_MAX
    if not exact and not {*asked.dimensions, *asked.where} <= {*KNOWN_BY}:
        return None
    groups: dict[tuple[Names, str], Times] = {}
    whole: dict[str, Times] = {what: Counter() for what in _WHATS}
    for names, what, took_ms, n in (_one_by_one if exact else _by_hour)(store, asked, cut):
        whole[what][took_ms] += n
        # An attempt with several tags is in each of their groups, and in a wider one once.
        wider = dict.fromkeys(name[:also] for name in names) if also else ()
        for name in (*names, *wider):
            if (name, what) not in groups and len(groups) >= GROUPS_MAX:
                raise ValueError(f"that is more than {GROUPS_MAX} groups")
            groups.setdefault((name, what), Counter())[took_ms] += n
    rows = {
        name: Waits(*(_percentiles(groups.get((name, what))) for what in _WHATS))
        for name in dict.fromkeys(name for name, _ in groups)
    }
    return Waited(rows, Waits(*(_percentiles(whole[what]) for what in _WHATS)), exact)


def _attempts(store: Store, asked: Asked, cut: Sequence[Span]) -> int:
    """Return how many attempts a report is of, at most: without its sessions."""
    if not cut:
        return 0
    where = {name: wanted for name, wanted in asked.where.items() if name != "session"}
    return total(store, moment(cut[0].begin), moment(cut[-1].end), where).attempts


def _one_by_one(
    store: Store, asked: Asked, cut: Sequence[Span]
) -> Iterator[tuple[list[Names], str, int, int]]:
    """Give each attempt's groups, and what of it took how long."""
    if not cut:
        return
    begins = [span.begin for span in cut]
    columns = [table.c[DIMENSIONS[name]] for name in asked.dimensions]
    query = select(
        table.c.at_us, table.c.first_content_ms, table.c.total_ms, table.c.outcome, *columns
    ).where(
        table.c.at_us >= cut[0].begin,
        table.c.at_us < cut[-1].end,
        table.c.purpose.in_(ANSWERING),
        *conditions(asked.where, table),
    )
    for engine in store.parts(moment(cut[0].begin), moment(cut[-1].end)):
        with snapshot(engine) as connection:
            for at_us, first_ms, total_ms, outcome, *values in connection.execute(query):
                span = cut[bisect_right(begins, at_us) - 1].name
                names = _named(asked, span, values)
                if first_ms is not None:
                    yield names, "first", first_ms, 1
                if outcome == "completed":
                    yield names, "total", total_ms, 1


def _by_hour(
    store: Store, asked: Asked, cut: Sequence[Span]
) -> Iterator[tuple[list[Names], str, int, int]]:
    """Give what the hours of a time have: groups, what took how long, and how many attempts."""
    hour = HOUR_S * SECOND_US
    whole = [
        Span(span.name, -(-span.begin // hour) * hour, -(-span.end // hour) * hour) for span in cut
    ]
    found = pieces(whole, (DAY_S, HOUR_S))
    for engine in store.parts(moment(cut[0].begin), moment(cut[-1].end)):
        with snapshot(engine) as connection:
            for size, own in stretches(found).items():
                times = timetable(list(own), SECOND_US, engine.dialect.name)
                uses = list(own.values())
                for number, what, bucket, *values, n in connection.execute(
                    _counted(asked, DAYS if size == DAY_S else HOURS, times)
                ):
                    took_ms = middle(bucket)
                    for span, sign in uses[number]:
                        yield _named(asked, cut[span].name, values), what, took_ms, sign * int(n)


def _counted(asked: Asked, grain: int, times: FromClause) -> Select[Any]:
    names = (latencies.c[name] for name in asked.dimensions)
    group = [times.c.number, latencies.c.what, latencies.c.bucket, *names]
    in_time = and_(
        latencies.c.grain == grain,
        latencies.c.at >= times.c.begun,
        latencies.c.at < times.c.ended,
    )
    query = select(*group, func.sum(latencies.c.n)).select_from(times.join(latencies, in_time))
    return query.where(*conditions(asked.where, latencies)).group_by(*group)


def middle(bucket: int) -> int:
    """Return the middle of a bucket in milliseconds: as far from its least as from its most."""
    return round(2 ** ((bucket + 0.5) / 4)) if bucket else 1


def _named(asked: Asked, span: str, values: Sequence[str]) -> list[Names]:
    named = dict(zip(asked.dimensions, values, strict=True))
    tags = tags_of(named["tag"]) if "tag" in named else [""]
    return [
        tuple(tag if name == "tag" else named.get(name, span) for name in asked.by) for tag in tags
    ]


def _percentiles(times: Times | None) -> tuple[int | None, ...]:
    if times is None or not any(times.values()):
        return (None,) * len(PERCENTS)
    n, found, seen = sum(times.values()), [], 0
    ranks = iter([-(-n * percent // 100) for percent in PERCENTS])
    rank = next(ranks)
    for took_ms in sorted(times):
        seen += times[took_ms]
        while seen >= rank:
            found.append(took_ms)
            following = next(ranks, None)
            if following is None:
                return tuple(found)
            rank = following
    return tuple(found)
