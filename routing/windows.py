"""How much of a plan's windows is used, so that a used-up one is left before its host says so.

Counted are requests and tokens of windows whose amount is published. Credits and dollars are not
(what a call weighs is the vendor's secret), nor prompts (which calls belong to one is too), nor
what went to the plan by other ways: there, and wherever the count is wrong, the host's own refusal
speaks, and cools the quota group.

Where a window begins anew: ``fixed`` ones at the hour, midnight, Monday or the first of the month
in UTC, counted from the calendar; ``first_use`` ones with the first use after the last one ended;
``rolling`` ones with every moment. What nobody established is taken for rolling.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from math import ceil

from providers.host import Tier, Window
from routing.outlook import Blocked
from routing.route import Route

COUNTED = ("requests", "tokens")
HOUR_S, DAY_S, MONTH_S = 3600, 86_400, 30 * 86_400
# 1970 began on a Thursday: weeks are counted from the Monday after.
MONDAY_S = 4 * DAY_S
PARTS = 120  # a rolling window is counted in so many parts
IN_WORDS = {"rolling": "rolling window", "": "rolling window"}


@dataclass(frozen=True, slots=True)
class Bought:
    """A plan in use: its name, the tier that was bought, and how many times (once a key)."""

    plan: str
    tier: Tier
    times: int = 1


@dataclass(frozen=True, slots=True)
class Used:
    """How much of one window of a plan was used, of ``most``; for the eyes of people.

    ``frees_in_s`` is in how many seconds it may be used again, 0 where it may be now.
    """

    plan: str
    window: Window
    used: int
    most: int
    frees_in_s: float


@dataclass(slots=True)
class _Count:
    """What was used of one window. ``parts`` are begin and amount, the oldest first."""

    window: Window
    most: int
    seconds: int
    parts: deque[list[float]] = field(default_factory=deque)
    used: int = 0
    ends_at: float = 0.0

    def add(self, at: float, amount: int) -> None:
        """Count ``amount`` used at ``at``; what is older than the window is not counted."""
        self.drop(at)
        if self.window.starts in ("fixed", "first_use"):
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

    def drop(self, now: float) -> None:
        """Forget what is over."""
        if self.ends_at and now >= self.ends_at:
            self.ends_at, self.used = 0.0, 0
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
                return begin + self.seconds
        return 0.0

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


@dataclass(slots=True)
class _Held:
    """One provider's plan with its counts; ``full_until`` is 0 while it may be asked."""

    bought: Bought
    counts: list[_Count]
    full_until: float = 0.0
    why: str = ""


class Windows:
    """Counts what is used of plans, by provider. ``clock`` gives seconds since 1970."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._held: dict[str, _Held] = {}

    def hold(self, plans: Mapping[str, Bought]) -> None:
        """Count the plans of these providers from now on, and no others.

        Of a provider whose plan is as before, what was counted stays.
        """
        kept = {}
        for provider, bought in plans.items():
            known = self._held.get(provider)
            if known is not None and known.bought == bought:
                kept[provider] = known
            elif counts := _counts(bought):
                kept[provider] = _Held(bought, counts)
        self._held = kept

    @property
    def longest_s(self) -> float:
        """How far back a use may lie that still counts; 0 where nothing is counted."""
        found = (count.seconds for held in self._held.values() for count in held.counts)
        # A calendar month may have a day more.
        return max(found, default=0) * 1.1

    def seed(self, provider: str, events: Iterable[tuple[float, int, int]]) -> None:
        """Count what was used before the start: at, requests and tokens of each, oldest first."""
        held = self._held.get(provider)
        if held is None:
            return
        for at, requests, tokens in events:
            _add(held, at, requests, tokens)
        self._judge(held, self._clock())

    def used(self, provider: str, *, requests: int = 1, tokens: int = 0) -> None:
        """Count answered calls, one by itself, and their tokens."""
        held = self._held.get(provider)
        if held is not None:
            now = self._clock()
            _add(held, now, requests, tokens)
            self._judge(held, now)

    @property
    def is_clear(self) -> bool:
        """Whether no plan's windows are counted."""
        return not self._held

    def of(self, provider: str) -> tuple[Used, ...]:
        """Return what was used of each window that is counted for ``provider``."""
        held = self._held.get(provider)
        if held is None:
            return ()
        now = self._clock()
        for count in held.counts:
            count.drop(now)
        return tuple(
            Used(
                held.bought.plan,
                count.window,
                count.used,
                count.most,
                max(0.0, count.frees_at() - now),
            )
            for count in held.counts
        )

    def blocked(self, route: Route) -> Blocked | None:
        """Return which window of the route's plan is used up, and when it ends; None for none."""
        held = self._held.get(route.provider)
        if held is None or not held.full_until:
            return None
        now = self._clock()
        if now >= held.full_until:
            self._judge(held, now)
            if not held.full_until:
                return None
        return Blocked("window", held.why, held.full_until - now)

    def _judge(self, held: _Held, now: float) -> None:
        held.full_until, held.why = 0.0, ""
        for count in held.counts:
            count.drop(now)
            frees_at = count.frees_at()
            if frees_at > held.full_until:
                held.full_until = frees_at
                window = count.window
                held.why = (
                    f"the {window.per} {IN_WORDS.get(window.starts, 'window')} of "
                    f"{held.bought.plan} is used up: {count.used} of {count.most} {window.unit} "
                    f"by this gateway's count, for another {ceil(frees_at - now)} s"
                )


def _counts(bought: Bought) -> list[_Count]:
    return [
        _Count(window, int(window.amount * bought.times), _seconds(window.per))
        for window in bought.tier.windows or ()
        if window.amount is not None and window.unit in COUNTED
    ]


def _add(held: _Held, at: float, requests: int, tokens: int) -> None:
    amounts = {"requests": requests, "tokens": tokens}
    for count in held.counts:
        if amount := amounts[count.window.unit]:
            count.add(at, amount)


def _seconds(per: str) -> int:
    for unit, seconds in (("month", MONTH_S), ("h", HOUR_S), ("d", DAY_S)):
        if per.endswith(unit):
            return int(per.removesuffix(unit)) * seconds
    raise ValueError(f"{per!r} is no length of a window")
