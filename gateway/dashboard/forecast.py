"""What this month will have cost, if it goes on as it did: a straight line, that says which one."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta, tzinfo
from fractions import Fraction

from billing.money import half_even
from billing.sums import SpendRow
from gateway.periods import midnight

# The pace is that of so many whole days before today, fewer where the ledger is younger.
PACE_DAYS = 7


@dataclass(frozen=True, slots=True)
class Forecast:
    """What the month comes to by its end, in 1e-12 dollars, at the pace of the last ``days`` days.

    The least and the most are those of the band in which costs are known; ``unbounded`` attempts of
    the month so far have no known bound and are in neither.
    """

    least_pico: int
    most_pico: int
    days: int
    unbounded: int


def forecast(
    days: Iterable[SpendRow], month: SpendRow, now: datetime, zone: tzinfo
) -> Forecast | None:
    """Return the month of ``now`` at its end; None before there was one whole day to tell a pace.

    ``days`` are rows by day, those of ``PACE_DAYS`` before today among them; ``month`` is this
    month's sum so far.
    """
    today = now.date()
    late = {date.fromisoformat(row.names[0]): row for row in days if row.attempts}
    late = {day: row for day, row in late.items()
            if today - timedelta(days=PACE_DAYS) <= day < today}  # fmt: skip
    if not late:
        return None
    over = (today - min(late)).days
    following = (today.replace(day=1) + timedelta(days=32)).replace(day=1)
    # By the clock of the world: on the day on which clocks change there are more hours, or fewer.
    left_s = int(midnight(following, zone).timestamp() - now.timestamp())
    of_pace = Fraction(left_s, over * 86_400)

    def whole(so_far: int, of_late: int) -> int:
        ahead = of_pace * of_late
        return so_far + half_even(ahead.numerator, ahead.denominator)

    return Forecast(
        whole(month.least_pico, sum(row.least_pico for row in late.values())),
        whole(month.most_pico, sum(row.most_pico for row in late.values())),
        over,
        month.unbounded,
    )
