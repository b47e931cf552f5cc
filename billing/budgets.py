"""Budgets: so many dollars a period, whose calls they count, and where their periods begin.

Periods are calendar ones of the reporting zone, so that budgets and reports agree on what a day is,
or windows that roll. What a call costs belongs to the moment at which it was let in: a call under
way at midnight counts in the day that let it in, as its entry in the ledger does.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta, tzinfo
from decimal import Decimal
from functools import lru_cache
from hashlib import blake2b
from typing import Literal, NamedTuple

from billing.money import PICO_PER_USD

Each = Literal["", "key", "user"]
CALENDAR = ("minute", "hour", "day", "week", "month")
ROLLING = "rolling "
UNITS_S = {"m": 60, "h": 3600, "d": 86_400, "w": 604_800}
ROLLING_MAX_S = 366 * 86_400
# A window that rolls is counted in this many steps: it frees what was spent up to a step late.
STEPS = 20


class Holder(NamedTuple):
    """Whose call it is, and of what kind, as budgets tell calls apart.

    ``user`` None: the key's calls name no users; "": they do, and this one names none. ``model`` is
    the name that was asked for, ``entry`` the entry of the config that answers to it.
    """

    key: str
    team: str
    user: str | None = None
    tags: frozenset[str] = frozenset()
    label: str = ""
    model: str = ""
    entry: str = ""


class Frame(NamedTuple):
    """What counts at one moment, in seconds since 1970 UTC.

    What was let in since ``oldest`` counts; what is let in now is counted at ``current``; from
    ``end`` on another frame holds.
    """

    oldest: int
    current: int
    end: int


@dataclass(frozen=True, slots=True)
class BudgetRule:
    """Dollars a period for the calls that all of its lines fit; None is any.

    ``per`` is one of ``CALENDAR``, or ``rolling 5h`` (m, h, d, w). ``each``: every key or user has
    the whole sum for itself. ``soft``: it refuses nothing, it only tells. ``alert_at`` are the
    percentages of the sum at which it tells.
    """

    name: str
    usd: Decimal
    per: str
    key: str | None = None
    team: str | None = None
    user: str | None = None
    tag: str | None = None
    label: str | None = None
    model: str | None = None
    provider: str | None = None
    each: Each = ""
    soft: bool = False
    alert_at: tuple[int, ...] = ()

    @property
    def limit(self) -> int:
        """The sum, in 1e-12 dollars."""
        return int(self.usd * PICO_PER_USD)

    @property
    def ident(self) -> str:
        """What its counts are kept under: an edit of the sum or of the alerts keeps them."""
        lines = (self.key, self.team, self.user, self.tag, self.label, self.model, self.provider)
        said = repr((self.name, self.per, self.each, lines))
        return blake2b(said.encode(), digest_size=12).hexdigest()

    def covers(self, who: Holder) -> bool:
        """Whether calls of ``who`` count; which provider they go to is not looked at."""
        return (
            (self.key is None or self.key == who.key)
            and (self.team is None or self.team == who.team)
            and (self.user is None or self.user == who.user)
            and (self.tag is None or self.tag in who.tags)
            and (self.label is None or self.label == who.label)
            and (self.model is None or self.model in (who.model, who.entry))
            and (self.each != "user" or who.user is not None)
        )

    def account_of(self, who: Holder) -> str:
        """Return whose account counts a call of ``who``: a key or user where each has one."""
        if not self.each:
            return ""
        return who.key if self.each == "key" else who.user or ""

    def of(self, account: str) -> BudgetRule:
        """Return the rule as one for the calls of ``account`` alone."""
        if self.each == "key":
            return replace(self, each="", key=account)
        return replace(self, each="", user=account) if self.each else self


@lru_cache(maxsize=1024)
def rolling_s(per: str) -> int:
    """Return how many seconds a window that rolls is long; 0 for a calendar period.

    Raises ``ValueError`` for what is neither.
    """
    if per in CALENDAR:
        return 0
    count, unit = per.removeprefix(ROLLING)[:-1], per[-1:]
    if not per.startswith(ROLLING) or not count.isdecimal() or unit not in UNITS_S:
        raise ValueError(f"{per!r} is no period")
    seconds = int(count) * UNITS_S[unit]
    if not 60 <= seconds <= ROLLING_MAX_S:
        raise ValueError(f"{per!r} is not between a minute and a year")
    return seconds


def frame(per: str, now_s: float, zone: tzinfo) -> Frame:
    """Return what counts at ``now_s`` (seconds since 1970)."""
    if window_s := rolling_s(per):
        step = window_s // STEPS
        current = int(now_s) // step * step
        return Frame(current - window_s, current, current + step)
    if per in ("minute", "hour"):
        step = 60 if per == "minute" else 3600
        offset = datetime.fromtimestamp(now_s, zone).utcoffset() or timedelta()
        # In steps of real time, so that an hour which a change of clocks repeats is two.
        start = int(now_s) - (int(now_s) + int(offset.total_seconds())) % step
        return Frame(start, start, start + step)
    first = _first_day(per, datetime.fromtimestamp(now_s, zone).date())
    start = _midnight(first, zone)
    return Frame(start, start, _midnight(_next(per, first), zone))


def _first_day(per: str, today: date) -> date:
    if per == "month":
        return today.replace(day=1)
    return today - timedelta(days=today.weekday()) if per == "week" else today


def _next(per: str, first: date) -> date:
    if per == "month":
        return (first + timedelta(days=32)).replace(day=1)
    return first + timedelta(days=7 if per == "week" else 1)


def _midnight(day: date, zone: tzinfo) -> int:
    return int(datetime.combine(day, time(), zone).timestamp())
