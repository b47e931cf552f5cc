"""What entries add up to: sums in buckets of time by slice, counts of how long attempts took.

Pure; ``rollup_tables`` keeps what is made here. Every figure of an entry is added as it stands, so
that a correction, whose figures are what has to be added, needs no rule of its own; but it is no
attempt, and no count has it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import blake2b
from operator import add, attrgetter

from billing.ledger import ANSWERING, BESIDE, CORRECTION, Entry
from billing.schema import (
    COUNTS,
    DAY_S,
    DAYS,
    FINE,
    FINE_DAYS,
    HOUR_S,
    HOURS,
    QUARTER_S,
    QUARTERS,
    WIDE,
)
from providers.usage import BUCKETS

SECOND_US = 1_000_000
# The bucket of all that took 12 days and more.
BUCKET_LAST = 120
# (seconds since 1970 of the bucket's beginning, the slice's dimensions in their order)
Place = tuple[int, tuple[str, ...]]
# (hour in seconds since 1970, provider, model, what, bucket)
Latency = tuple[int, str, str, str, int]

_dimensions = attrgetter(*WIDE, *FINE)
_tokens = attrgetter(*BUCKETS, "searches", "cache_lost_tokens")
_NO_COUNTS = [0] * (len(COUNTS) - 3)
_NOTHING_FINE = ("",) * len(FINE)


@dataclass(slots=True)
class Gathered:
    """Figures (``COUNTS`` and ``SUMS``) by quarter of an hour and slice; latencies by hour."""

    quarters: dict[Place, list[int]] = field(default_factory=dict)
    latencies: dict[Latency, int] = field(default_factory=dict)

    def grains(self) -> dict[int, dict[Place, list[int]]]:
        """Return the same figures in every one of ``GRAINS``."""
        hours = _folded(self.quarters, HOUR_S, fine=False)
        return {
            QUARTERS: self.quarters,
            FINE_DAYS: _folded(self.quarters, DAY_S, fine=True),
            HOURS: hours,
            DAYS: _folded(hours, DAY_S, fine=False),
        }


def gathered(entries: Iterable[Entry]) -> Gathered:
    """Return what ``entries`` add up to."""
    found = Gathered()
    quarters = found.quarters
    for entry in entries:
        at = entry.at_us // SECOND_US
        place = (at - at % QUARTER_S, _dimensions(entry))
        figures = _figures(entry)
        known = quarters.get(place)
        quarters[place] = figures if known is None else list(map(add, known, figures))
        for what, took_ms in _took(entry):
            latency = (at - at % HOUR_S, entry.provider, entry.model, what, bucket_of(took_ms))
            found.latencies[latency] = found.latencies.get(latency, 0) + 1
    return found


@lru_cache(maxsize=4096)
def slice_id(dimensions: tuple[str, ...]) -> int:
    """Return the number of a slice, which any writer makes alike of ``DIMENSIONS``' values."""
    told = "\0".join(dimensions).encode("utf-8", "surrogatepass")
    return int.from_bytes(blake2b(told, digest_size=8).digest(), "big", signed=True)


def bucket_of(took_ms: int) -> int:
    """Return floor(4 * log2(ms)), exactly: four buckets a doubling, 0 for 1 ms and less."""
    return min(BUCKET_LAST, (took_ms**4).bit_length() - 1) if took_ms > 1 else 0


def begin_of(bucket: int) -> int:
    """Return the least whole number of milliseconds that falls into ``bucket``, 0 for the first."""
    low, high = 0, 2 ** (bucket // 4 + 1)
    while low < high:
        middle = (low + high) // 2
        low, high = (middle + 1, high) if bucket_of(middle) < bucket else (low, middle)
    return low


def _folded(finer: dict[Place, list[int]], size: int, *, fine: bool) -> dict[Place, list[int]]:
    found: dict[Place, list[int]] = {}
    for (at, dimensions), figures in finer.items():
        place = (at - at % size, dimensions if fine else dimensions[: len(WIDE)] + _NOTHING_FINE)
        known = found.get(place)
        found[place] = figures if known is None else list(map(add, known, figures))
    return found


def _figures(entry: Entry) -> list[int]:
    """Return one entry's ``COUNTS`` and ``SUMS``."""
    cost = entry.cost_pico
    least, most = entry.cost_least_pico, entry.cost_most_pico
    counts = _NO_COUNTS
    if entry.purpose != CORRECTION:
        counts = [
            1,
            int(entry.attempt == 1 and entry.purpose not in BESIDE),
            int(entry.outcome == "failed"),
            int(entry.error == "connect"),
            int(cost is None),
            int(cost is None and (least is None or most is None)),
            int(entry.usage_state == "estimated"),
            int(entry.usage_state == "missing"),
            int(entry.cost_state == "stated"),
            int(entry.moved_from != ""),
            int(entry.cache_lost_pico is None),
        ]
    # Before there were bounds, a known cost was its own; without either the entry is `unbounded`.
    known = cost or 0
    return [
        1,
        *counts,
        entry.total_ms,
        entry.energy_j or 0,
        *_tokens(entry),
        known,
        known if least is None else least,
        known if most is None else most,
        entry.cache_lost_pico or 0,
    ]


def _took(entry: Entry) -> Iterable[tuple[str, int]]:
    if entry.purpose not in ANSWERING:
        return
    if entry.first_content_ms is not None:
        yield "first", entry.first_content_ms
    if entry.outcome == "completed":
        yield "total", entry.total_ms
