"""What is known of a subscription, frozen: its sizes, how calls are weighed, where more is told.

A fact that nobody established is None here, never a guess.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, time
from decimal import Decimal
from fnmatch import fnmatchcase
from fractions import Fraction
from functools import lru_cache
from typing import Literal
from zoneinfo import ZoneInfo

from providers.usage import Usage

MICRO = 10**6  # credits are counted in millionths, so that no factor of a formula is rounded away


@dataclass(frozen=True, slots=True)
class Fee:
    """What a plan costs for a period, in the vendor's own currency."""

    amount: Decimal
    currency: str
    per: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class Window:
    """How much of a plan may be used in a time such as ``5h``; amount None: not published.

    ``starts`` is "" where nobody established when it begins anew.
    """

    per: str
    unit: str
    amount: Decimal | None
    starts: str
    note: str


@dataclass(frozen=True, slots=True)
class Tier:
    """One size of a plan; None is unknown."""

    fees: tuple[Fee, ...] | None
    windows: tuple[Window, ...] | None


@dataclass(frozen=True, slots=True)
class Hours:
    """When a call counts ``factor`` times: weekdays (Monday is 0), within one of ``spans``.

    None and empty are every day, the whole day. A span is up to but not including its end, over
    midnight where that is earlier.
    """

    factor: Fraction
    weekdays: frozenset[int] | None
    spans: tuple[tuple[time, time], ...]

    def hold(self, local: datetime) -> bool:
        """Whether they hold at a moment of the plan's own zone."""
        if self.weekdays is not None and local.weekday() not in self.weekdays:
            return False
        now = local.time()
        return not self.spans or any(
            start <= now < end if start < end else now >= start or now < end
            for start, end in self.spans
        )


@dataclass(frozen=True, slots=True)
class Weight:
    """What one token takes: read fresh, read from the cache, written; ``of`` them are a credit."""

    fresh: int
    cached: int
    written: int
    of: int


@dataclass(frozen=True, slots=True)
class Weights:
    """How many credits a call takes.

    ``models`` leads from a model's name, or a pattern of such, to what a token takes. ``hours``
    multiply that, ``usual`` at all other times of ``zone``. ``list_price`` has a currency and how
    many credits one of it is, where a call is weighed by what it costs by the token.
    """

    models: Mapping[str, Weight]
    zone: str
    usual: Fraction
    hours: tuple[Hours, ...]
    list_price: tuple[str, Fraction] | None = None

    def credits(self, model: str, usage: Usage, when: datetime) -> int | None:
        """Return what ``usage`` takes at ``when`` (aware), in millionths of a credit.

        None where no weight of the model is published, or it is one of money.
        """
        weight = self._weight(model)
        if weight is None:
            return None
        prompt, factor = usage.prompt_tokens - usage.cache_read, self.factor(when)
        plain = (
            weight.fresh * prompt
            + weight.cached * usage.cache_read
            + weight.written * usage.completion_tokens
        )
        return _nearest(plain * factor.numerator * MICRO, weight.of * factor.denominator)

    def by_list_price(self, currency: str, pico: int) -> int | None:
        """Return what a call of that list price takes, 1e-12 of ``currency``; in millionths."""
        if self.list_price is None or self.list_price[0] != currency:
            return None
        return round(pico * self.list_price[1] * MICRO / 10**12)

    def factor(self, when: datetime) -> Fraction:
        """Return how many times a call counts that began at ``when`` (aware)."""
        if not self.hours:
            return self.usual
        local = when.astimezone(_zone(self.zone))
        return next((one.factor for one in self.hours if one.hold(local)), self.usual)

    def _weight(self, model: str) -> Weight | None:
        exact = self.models.get(model)
        if exact is not None:
            return exact
        name = model.lower()
        fitting = (weight for known, weight in self.models.items() if fnmatchcase(name, known))
        return next(fitting, None)


def _nearest(numerator: int, denominator: int) -> int:
    whole, rest = divmod(numerator, denominator)
    return whole + (2 * rest > denominator or (2 * rest == denominator and whole % 2 == 1))


@lru_cache(maxsize=64)
def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)


Path = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class WindowTold:
    """Where an answer, or the headers of one, say how much of a window is used.

    ``each`` leads to a list whose every element is a window, None: the whole is one; ``only`` are
    the values that such an element must have. ``per`` is the window's length, else ``number`` of
    ``units`` (hours, days, …) that ``unit`` names. What is used stands as a number beside the
    ``limit``, as what is ``left`` of it, as a percentage used or left, or as a share from 0 to 1.
    """

    each: Path | None = None
    only: Mapping[str, str] | None = None
    per: str = ""
    number: Path | None = None
    unit: Path | None = None
    units: Mapping[str, str] | None = None
    used: Path | None = None
    left: Path | None = None
    limit: Path | None = None
    used_percent: Path | None = None
    left_percent: Path | None = None
    used_share: Path | None = None
    resets_at: Path | None = None


@dataclass(frozen=True, slots=True)
class Quota:
    """Where a plan says what is left: at ``path`` under the base URL, and in headers of answers."""

    path: str = ""
    says: tuple[WindowTold, ...] = ()
    headers: tuple[WindowTold, ...] = ()


@dataclass(frozen=True, slots=True)
class Plan:
    """A subscription whose key is a contract of its own; None is unknown.

    ``gateway`` says whether its terms allow calls by way of a gateway, ``clients`` which programs
    may call (names, or patterns of ``User-Agent``; ``any`` for all). ``payg`` is the host at which
    the same vendor charges by the token, "" for none. ``quota`` is where what is left is read,
    ``weights`` how a call is weighed where credits are counted, ``concurrency`` how many calls may
    run at once.
    """

    name: str
    tiers: Mapping[str, Tier]
    gateway: Literal["allowed", "forbidden"] | None
    clients: frozenset[str] | None
    payg: str
    quota: Quota | None
    weights: Weights | None
    concurrency: int | None
    evidence: Mapping[str, str]
