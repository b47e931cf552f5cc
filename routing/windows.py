"""How much of plans' windows is used: a used-up one is left in time, a scarce one has its worth.

Counted are requests, tokens, credits where the vendor publishes how a call is weighed, and dollars
at list prices. Not counted are prompts (which calls belong to one is the vendor's secret) and what
went to the plan by other ways. There, and wherever the count is wrong, the vendor's own word is
taken where it gives one, and its refusal cools the quota group.

What a call within a plan is worth is its *shadow price*: nothing while, at the pace so far, the
window ends before it is used up, for then a call takes nothing from anybody. Where u times the
window would be used, only 1 of every u calls finds room, and the others pay by the token: one call
more displaces (1 - 1/u) of a call to there. So its worth is that part of the price by the token,
which it nears as the window gets scarce and never passes.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from math import ceil

from providers.plan import MICRO, Tier, Window
from providers.plan_reading import Told
from routing.outlook import Blocked
from routing.route import Route
from routing.window_count import SCALES, Amounts, Count, count_of

IN_WORDS = {"rolling": "rolling window", "": "rolling window"}
LEARNT_MOST = 8  # windows of one plan that only its vendor names
SHARE = "share"  # the unit of a window of which only the part used is known


@dataclass(frozen=True, slots=True)
class Bought:
    """A plan in use: its name, the tier that was bought, and how many times (once a key).

    ``goes_on`` says that the same key is billed by the token where a window is used up, ``asked``
    that the vendor says itself what is left. ``weighed`` are the units in which it is known what a
    call takes.
    """

    plan: str
    tier: Tier
    times: int = 1
    goes_on: bool = False
    asked: bool = False
    weighed: frozenset[str] = frozenset({"requests", "tokens"})


@dataclass(frozen=True, slots=True)
class Used:
    """How much of one window of a plan was used, of ``most``; for the eyes of people.

    Both are in the window's unit; a share of 1 where only that is known, and then ``most`` is 1.
    None in ``used``: nobody counts it. ``frees_in_s`` is in how many seconds it may be used again,
    0 where it may be now; ``ends_in_s`` in how many it begins anew, None where it rolls.
    ``told_at`` is when the vendor itself said it, seconds since 1970, None where it was counted
    here. ``unweighed`` are calls that stand in no figure, for nobody knows their weight.
    ``full_in_s`` is in how many seconds it will be used up at the pace so far; None: not before it
    ends.
    """

    plan: str
    window: Window
    used: Decimal | None
    most: Decimal | None
    frees_in_s: float
    ends_in_s: float | None = None
    told_at: float | None = None
    unweighed: int = 0
    full_in_s: float | None = None


@dataclass(frozen=True, slots=True)
class Shadow:
    """What a call within a plan is worth, in millionths of its price by the token, and why."""

    ppm: int
    words: str


@dataclass(slots=True)
class _Held:
    """One provider's plan with its counts; ``full_until`` is 0 while it may be asked."""

    bought: Bought
    counts: list[Count]
    full_until: float = 0.0
    judged_at: float = 0.0
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
                continue
            windows = bought.tier.windows or ()
            counts = [count_of(one, bought.times, bought.weighed) for one in windows]
            if bought.asked or any(count.counts for count in counts):
                kept[provider] = _Held(bought, counts)
        self._held = kept

    @property
    def longest_s(self) -> float:
        """How far back a use may lie that still counts; 0 where nothing is counted."""
        counted = (count for held in self._held.values() for count in held.counts if count.counts)
        # A calendar month may have a day more.
        return max((count.seconds for count in counted), default=0) * 1.1

    def seed(self, provider: str, events: Iterable[tuple[float, Amounts]]) -> None:
        """Count what was used before the start: when, and how much, the oldest first."""
        held = self._held.get(provider)
        if held is None:
            return
        for at, amounts in events:
            _add(held, at, amounts)
        self._judge(held, self._clock())

    def used(self, provider: str, amounts: Amounts) -> None:
        """Count answered calls and what they took."""
        held = self._held.get(provider)
        if held is not None:
            now = self._clock()
            _add(held, now, amounts)
            self._judge(held, now)

    def told(self, provider: str, key: str, words: Iterable[Told]) -> None:
        """Take the vendor's own word on the windows of one key (by the name of its quota group).

        Windows that the catalogue does not know are learnt from it.
        """
        held = self._held.get(provider)
        if held is None:
            return
        now = self._clock()
        for word in words:
            known = [count for count in held.counts if count.window.per == word.per]
            if not known and len(held.counts) < LEARNT_MOST:
                known = [count_of(Window(word.per, SHARE, None, "", "as its vendor says"), 1, ())]
                held.counts += known
            for count in known:
                count.told(key, word.share, word.resets_at, now)
        self._judge(held, now)

    @property
    def is_clear(self) -> bool:
        """Whether no plan's windows are counted."""
        return not self._held

    def of(self, provider: str) -> tuple[Used, ...]:
        """Return what was used of each window of the plan of ``provider``."""
        held = self._held.get(provider)
        if held is None:
            return ()
        now = self._clock()
        for count in held.counts:
            count.drop(now)
        return tuple(_shown(held.bought, count, now) for count in held.counts)

    def blocked(self, route: Route) -> Blocked | None:
        """Return which window of the route's plan is used up, and when it ends; None for none.

        A plan whose key goes on by the token is never blocked.
        """
        held = self._held.get(route.provider)
        if held is None or held.bought.goes_on or not self._full(held):
            return None
        return Blocked("window", held.why, held.full_until - self._clock())

    def pays(self, route: Route) -> bool:
        """Whether the plan of ``route`` pays a call that begins now: no window is used up."""
        held = self._held.get(route.provider)
        return held is None or not self._full(held)

    def shadow(self, route: Route) -> Shadow | None:
        """Return what a call within the plan of ``route`` is worth; None: nothing counts it."""
        held = self._held.get(route.provider)
        if held is None:
            return None
        if self._full(held):
            return Shadow(MICRO, f"{held.bought.plan} is used up: by the token")
        now, scarcest, worth = self._clock(), None, -1
        for count in held.counts:
            count.drop(now)
            if not (count.counts or count.told_at is not None):
                continue
            wanted, most = count.scarcity(now)
            ppm = (wanted - most) * MICRO // wanted if wanted > most else 0
            if ppm > worth:
                scarcest, worth = count, ppm
        if scarcest is None:
            return None
        percent = 100 * scarcest.used // scarcest.most
        what = f"plan: {percent} % of the {scarcest.window.per} window used"
        if not worth:
            return Shadow(0, f"{what}, none of it scarce")
        return Shadow(worth, f"{what}, worth {Decimal(worth) / MICRO:.2f} of its list price")

    def _full(self, held: _Held) -> bool:
        now = self._clock()
        # A clock that was set back would keep it shut for as long again.
        if held.full_until and not held.judged_at <= now < held.full_until:
            self._judge(held, now)
        return held.full_until > 0

    def _judge(self, held: _Held, now: float) -> None:
        held.full_until, held.judged_at, held.why = 0.0, now, ""
        for count in held.counts:
            count.drop(now)
            frees_at = count.frees_at()
            if frees_at > max(now, held.full_until):
                held.full_until = frees_at
                held.why = _why(held.bought, count, frees_at - now)


def _why(bought: Bought, count: Count, frees_in_s: float) -> str:
    window = count.window
    by = "this gateway's count" if count.told_at is None else "its vendor's word"
    scale = SCALES.get(window.unit, MICRO) if count.counts else 0
    how = (
        f"{count.used // scale} of {count.most // scale} {window.unit}"
        if scale
        else f"{100 * count.used // count.most} %"
    )
    return (
        f"the {window.per} {IN_WORDS.get(window.starts, 'window')} of {bought.plan} is used up: "
        f"{how} by {by}, for another {ceil(frees_in_s)} s"
    )


def _shown(bought: Bought, count: Count, now: float) -> Used:
    is_known = count.counts or count.told_at is not None
    scale = SCALES[count.window.unit] if count.counts else MICRO
    frees_at = count.frees_at()
    return Used(
        bought.plan,
        count.window,
        Decimal(count.used) / scale if is_known else None,
        Decimal(count.most) / scale if is_known else None,
        max(0.0, frees_at - now),
        count.ends_at - now if count.ends_at else None,
        count.told_at,
        count.unweighed,
        count.full_in_s(now) if is_known else None,
    )


def _add(held: _Held, at: float, amounts: Amounts) -> None:
    for count in held.counts:
        if count.counts and amounts.of(count.window.unit) != 0:
            count.add(at, amounts.of(count.window.unit))
