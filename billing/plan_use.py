"""What providers answered, by the hour and model, from the rollups: for plans and for home.

A range is taken to whole hours: its first one is the hour in which it begins.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, func, select

from billing.queries import microseconds, rows
from billing.schema import HOUR_S, HOURS, PART, entries, rollups, slices
from billing.store import Store
from providers.usage import BUCKETS, Usage

SECOND_US = 10**6


@dataclass(frozen=True, slots=True)
class Hour:
    """What was answered in one hour by one model of a provider; ``at`` is seconds since 1970.

    ``plan`` is the plan that paid it, "" for none. ``answers`` are attempts that did not fail,
    ``cost`` in 1e-12 dollars without the ``unknown`` ones', ``energy_j`` in joules.
    """

    at: int
    provider: str
    model: str
    plan: str
    requests: int
    answers: int
    usage: Usage
    cost: int
    unknown: int
    estimated: int
    total_ms: int
    energy_j: int

    @property
    def tokens(self) -> int:
        """All tokens, in and out."""
        return self.usage.prompt_tokens + self.usage.completion_tokens


def by_hour(
    store: Store, providers: Collection[str], since: datetime, until: datetime
) -> list[Hour]:
    """Return what ``providers`` answered from ``since`` to before ``until``, oldest first.

    Both aware. Raises ``StoreError``.
    """
    first = microseconds(since) // SECOND_US // HOUR_S * HOUR_S
    last = microseconds(until) / SECOND_US
    found = []
    for engine in store.parts(since, until):
        query = _hours(sorted(providers), first, last)
        found += [_hour(row._mapping) for row in rows(engine, query)]
    found.sort(key=lambda hour: (hour.at, hour.provider, hour.model, hour.plan))
    return found


def _hours(providers: Collection[str], first: int, last: float) -> Select[Any]:
    group = (rollups.c.at, slices.c.provider, slices.c.model, slices.c.plan)
    plain = ("requests", "attempts", "failed", "unknown", "estimated", "total_ms", "energy_j")
    sums: list[ColumnElement[Any]] = [func.sum(rollups.c[name]).label(name) for name in plain]
    for name in (*BUCKETS, "searches", "cost"):
        parts = (f"{name}_high", f"{name}_low")
        sums += [func.sum(rollups.c[part]).label(part) for part in parts]
    return (
        select(*group, *sums)
        .join_from(rollups, slices, rollups.c.slice == slices.c.id)
        .where(
            rollups.c.grain == HOURS,
            rollups.c.at >= first,
            rollups.c.at < last,
            slices.c.provider.in_(providers),
        )
        .group_by(*group)
    )


def _hour(row: Any) -> Hour:
    def wide(name: str) -> int:
        return int(row[f"{name}_high"]) * PART + int(row[f"{name}_low"])

    tokens: dict[str, Any] = {name: max(0, wide(name)) for name in (*BUCKETS, "searches")}
    return Hour(
        at=int(row["at"]),
        provider=row["provider"],
        model=row["model"],
        plan=row["plan"],
        requests=int(row["requests"]),
        answers=int(row["attempts"]) - int(row["failed"]),
        usage=Usage(**tokens),
        cost=wide("cost"),
        unknown=int(row["unknown"]),
        estimated=int(row["estimated"]),
        total_ms=int(row["total_ms"]),
        energy_j=int(row["energy_j"]),
    )


SPANS_MOST = 2_000_000


def spans(
    store: Store, provider: str, since: datetime, until: datetime
) -> list[tuple[int, int]] | None:
    """Return when a provider was at work on each attempt: begin and end, ms since 1970, any order.

    None where there are more than ``SPANS_MOST``. Raises ``StoreError``.
    """
    found: list[tuple[int, int]] = []
    for engine in store.parts(since, until):
        query = (
            select(entries.c.at_us, entries.c.total_ms)
            .where(
                entries.c.at_us >= microseconds(since),
                entries.c.at_us < microseconds(until),
                entries.c.provider == provider,
                entries.c.total_ms > 0,
                entries.c.usage_state != "none",
            )
            .limit(SPANS_MOST + 1 - len(found))
        )
        for row in rows(engine, query):
            begun = int(row.at_us) // 1000
            found.append((begun, begun + int(row.total_ms)))
        if len(found) > SPANS_MOST:
            return None
    return found
