"""What was used of one window of a plan: counted here, and put right by the vendor's own word.

Amounts are whole numbers: requests and tokens as such, credits in millionths, dollars in 1e-12,
and a window whose amount nobody published in millionths of the whole.

Where a window begins anew: ``fixed`` ones at the hour, midnight, Monday or the first of the month
in UTC, counted from the calendar; ``first_use`` ones with the first use after the last one ended;
``rolling`` ones with every moment. What nobody established is taken for rolling. A vendor that says
when its window ends is believed, whatever kind it is.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from fractions import Fraction
from math import ceil
from types import MappingProxyType

from providers.plan import MICRO, Window

HOUR_S, DAY_S, MONTH_S = 3600, 86_400, 30 * 86_400
# 1970 began on a Thursday: weeks are counted from the Monday after.
MONDAY_S = 4 * DAY_S
PARTS = 120  # a rolling window is counted in so many parts
# A pace is taken over at least a twentieth of the window: one burst at its beginning is no pace.
PACE_LEAST = 20
# A calendar month, or what a vendor rounds up, may be so many times a window's length.
LONGEST = 1.1
# How long a window that is full by a word without an end stays shut before it is tried again.
WORD_GOOD_FOR_S = 900.0
# The smallest amount of each unit; one that is not here is never counted.
SCALES: Mapping[str, int] = MappingProxyType(
    {"requests": 1, "tokens": 1, "credits": MICRO, "usd": 10**12}
)


@dataclass(frozen=True, slots=True)
class Amounts:
    """What calls took of a plan, in the units of ``SCALES``; None: nobody can say."""

    requests: int = 1
    tokens: int = 0
    credits: int | None = None
    usd: int | None = None

    def of(self, unit: str) -> int | None:
        """Return how much of one unit they took."""
        known = {"requests": self.requests, "tokens": self.tokens, "credits": self.credits}
        return self.usd if unit == "usd" else known.get(unit)


@dataclass(slots=True)
class Count:
    """What was used of one window, of ``most``; ``counts`` where calls can be weighed here.

    ``parts`` are begin and amount, the oldest first. ``unweighed`` are calls whose weight is not
    known. ``told_at`` is when the vendor last said how much is used, None where it never did, and
    ``shares`` what it said of each key.
    """

    window: Window
    most: int
    seconds: int
    counts: bool = True
    parts: deque[list[float]] = field(default_factory=deque)
    used: int = 0
    ends_at: float = 0.0
    unweighed: int = 0
    told_at: float | None = None
    shares: dict[str, Fraction] = field(default_factory=dict)

    def add(self, at: float, amount: int | None) -> None:
        """Count ``amount`` used at ``at``; what is older than the window is not counted."""
        if not self.counts:
            return
        self.drop(at)
        if amount is None:
            self.unweighed += 1
            return
        if self.ends_at or self.window.starts in ("fixed", "first_use"):
            if not self.ends_at:
                self.ends_at = self._end(at)
            self.used += amount
            return
        part = at - at % (self.seconds / PARTS)
        if self.parts and self.parts[-1][0] >= part:
            self.parts[-1][1] += amount
        else:
            self.parts.append([part, amount])
        self.used += amount

    def told(self, key: str, share: Fraction, resets_at: float | None, at: float) -> None:
        """Take the vendor's word on one key's window; several keys are as many windows.

        What is counted from here on is added to it.
        """
        self.drop(at)
        self.shares[key] = share
        self.used = ceil(sum(self.shares.values()) * self.most / len(self.shares))
        self.unweighed, self.told_at = 0, at
        self.parts.clear()
        if resets_at is not None and resets_at > at:
            # Whatever was said (in other units, or ever so late): no window is longer than it is.
            self.ends_at = min(resets_at, at + self.seconds * LONGEST)
        elif not self.ends_at and self.window.starts not in ("fixed", "first_use"):
            self.parts.append([at, self.used])
        elif not self.ends_at and self.used:
            self.ends_at = self._end(at)

    def drop(self, now: float) -> None:
        """Forget what is over; what lies ahead, for the clock was set back, happened now."""
        if self.ends_at > now + self.seconds * LONGEST:
            self.ends_at = now + self.seconds
        for part in reversed(self.parts):
            if part[0] <= now:
                break
            part[0] = now
        if self.ends_at and now >= self.ends_at:
            self.ends_at, self.used, self.unweighed = 0.0, 0, 0
            self.parts.clear()
            self.shares.clear()
        while self.parts and self.parts[0][0] + self.seconds <= now:
            self.used -= int(self.parts.popleft()[1])

    def frees_at(self) -> float:
        """Return when it may be used again; 0 where it may be now."""
        if self.used < self.most:
            return 0.0
        if self.ends_at:
            return self.ends_at
        left = self.used
        for begin, amount in self.parts:
            left -= int(amount)
            if left < self.most:
                # What the vendor said without an end is not held against it for long.
                return begin + (WORD_GOOD_FOR_S if begin == self.told_at else self.seconds)
        return 0.0

    def scarcity(self, now: float) -> tuple[int, int]:
        """Return how much will be used by the window's end at the pace so far, and how much may be.

        Both in one unit, whatever that is. The pace is what was used over the time that the window
        has run, a twentieth of it at least.
        """
        return self.used * self.seconds * 1000, self.most * self._run_ms(now)

    def full_in_s(self, now: float) -> float | None:
        """Return in how many seconds it is used up at the pace so far; None: not before its end."""
        wanted, most = self.scarcity(now)
        if wanted <= most or self.used >= self.most:
            return None
        return (self.most - self.used) * self._run_ms(now) / (1000 * self.used)

    def _run_ms(self, now: float) -> int:
        length = self.seconds * 1000
        begun = self.parts[0][0] if self.parts else self.ends_at - self.seconds
        return min(max(int((now - begun) * 1000), length // PACE_LEAST), length)

    def _end(self, at: float) -> float:
        if self.window.starts == "first_use":
            return at + self.seconds
        if self.window.per.endswith("month"):
            day = datetime.fromtimestamp(at, UTC)
            months = int(self.window.per.removesuffix("month"))
            later = day.year * 12 + (day.month - 1) // months * months + months
            return datetime(later // 12, later % 12 + 1, 1, tzinfo=UTC).timestamp()
        start = MONDAY_S if self.seconds % (7 * DAY_S) == 0 else 0
        return at - (at - start) % self.seconds + self.seconds


def count_of(window: Window, times: int, weighed: Collection[str]) -> Count:
    """Return the count of a window of which ``times`` keys have one each.

    ``weighed`` are the units in which it is known what a call takes.
    """
    scale = SCALES.get(window.unit) if window.unit in weighed else None
    if scale is None or not window.amount:
        # Only the vendor's word says anything of it: a share of the whole.
        return Count(window, MICRO, seconds_of(window.per), counts=False)
    return Count(window, int(window.amount * scale) * times, seconds_of(window.per))


def seconds_of(per: str) -> int:
    """Return how long a window is; a month has 30 days. Raises ``ValueError``."""
    for unit, seconds in (("month", MONTH_S), ("h", HOUR_S), ("d", DAY_S)):
        if per.endswith(unit):
            return int(per.removesuffix(unit)) * seconds
    raise ValueError(f"{per!r} is no length of a window")
