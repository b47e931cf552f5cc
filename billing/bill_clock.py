"""On whose clock a bill's days begin: found by shifting what was booked until it fits."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date
from decimal import Decimal

from billing.bill import Billed, Booked, Quarter, summed
from billing.money import PICO_PER_USD

DAY_QUARTERS = 24 * 4
# A day may begin this many quarters of an hour before or after UTC's; nearer ones are tried first.
OFFSETS = sorted(range(-12 * 4, 14 * 4 + 1, 2), key=lambda quarters: (abs(quarters), -quarters))

_EPOCH = date(1970, 1, 1).toordinal()


def folded(
    quarters: Iterable[Quarter], days: Collection[date | None], offset: int
) -> dict[date | None, Booked]:
    """Add up by ``days``, each beginning ``offset`` quarters of an hour before UTC's."""
    found: dict[date | None, list[Booked]] = defaultdict(list)
    for quarter in quarters:
        day = None if None in days else day_of(quarter.quarter, offset)
        if day in days:
            found[day].append(quarter.booked)
    return {day: summed(every) for day, every in found.items()}


def day_of(quarter: int, offset: int) -> date:
    """Return the day that a quarter of an hour (since 1970, UTC) belongs to."""
    return date.fromordinal(_EPOCH + (quarter + offset) // DAY_QUARTERS)


def beginning(
    billed: Mapping[date | None, Billed],
    quarters: Sequence[Quarter],
    days: Collection[date | None],
    said: int,
    *,
    native: bool,
) -> int:
    """Return where the bill's days begin: as it ``said``, unless another hour fits far better.

    In quarters of an hour before UTC's midnight. ``native``: money counts in the prices' currency.
    """
    if len(billed) < 2 or None in days or not quarters:
        return said
    by_tokens = any(one.tokens is not None for one in billed.values())
    by_requests = not by_tokens and any(one.requests is not None for one in billed.values())
    theirs = {}
    for day, one in billed.items():
        if day is not None:
            size = one.tokens if by_tokens else one.requests if by_requests else _pico(one.cost)
            theirs[day.toordinal() - _EPOCH] = size or 0
    ours: dict[int, int] = defaultdict(int)
    for quarter in quarters:
        sums = quarter.booked
        money = sums.native if native else sums.cost
        ours[quarter.quarter] += (
            sums.tokens if by_tokens else sums.requests if by_requests else money
        )
    inside = {day.toordinal() - _EPOCH for day in days if day is not None}

    def distance(offset: int) -> int:
        apart = dict(theirs)
        for quarter, size in ours.items():
            day = (quarter + offset) // DAY_QUARTERS
            if day in inside:
                apart[day] = apart.get(day, 0) - size
        return sum(map(abs, apart.values()))

    as_said = distance(said)
    best = min(OFFSETS, key=distance) if as_said else said
    return best if distance(best) * 2 < as_said else said


def _pico(cost: Decimal | None) -> int:
    return int((cost or 0) * PICO_PER_USD)
