"""What answering at home costs: power, idling, and hardware written off over its life. Pure, exact.

Two figures answer two questions. The *marginal* cost is what one answer more costs: the watts that
answering draws beyond idling, for the time that it takes, shared by the answers that run at once.
The *full* cost adds what the machine costs whether it answers or not: its idling, and its price
spread evenly over its life. That part is the dearer for each token the less the machine does.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

from billing.money import PICO_PER_USD, half_even

NS_PER_HOUR = 3600 * 10**9
HOURS_PER_YEAR = Fraction(8766)  # 365.25 days
JOULES_PER_KWH = 3_600_000
MILLION = 10**6


@dataclass(frozen=True, slots=True)
class Machine:
    """A server at home as its owner states it.

    ``watts`` are what it draws while it answers, ``idle_watts`` while it waits; ``usd_per_kwh`` is
    the tariff. ``hardware_usd`` is written off over ``life_years``. ``usd_per_busy_hour`` stands in
    the place of power and tariff where only a price by the hour was stated, such as a rented
    machine's.
    """

    watts: Decimal | None = None
    idle_watts: Decimal = Decimal(0)
    usd_per_kwh: Decimal = Decimal(0)
    hardware_usd: Decimal = Decimal(0)
    life_years: Decimal = Decimal(4)
    usd_per_busy_hour: Decimal | None = None

    @property
    def busy_usd_per_hour(self) -> Decimal:
        """What an hour of answering costs beyond an hour of waiting."""
        if self.usd_per_busy_hour is not None:
            return self.usd_per_busy_hour
        return (self.busy_watts or Decimal(0)) / 1000 * self.usd_per_kwh

    @property
    def busy_watts(self) -> Decimal | None:
        """What answering draws beyond waiting; None where no power was stated."""
        return None if self.watts is None else max(Decimal(0), self.watts - self.idle_watts)

    @property
    def fixed_usd_per_hour(self) -> Fraction:
        """What an hour costs whether it answers or not: idling, and the price written off."""
        idle = Fraction(self.idle_watts) / 1000 * Fraction(self.usd_per_kwh)
        return idle + Fraction(self.hardware_usd) / (Fraction(self.life_years) * HOURS_PER_YEAR)


@dataclass(frozen=True, slots=True)
class Costs:
    """What a machine cost in a span of time, in 1e-12 dollars.

    ``joules`` are all that it drew, idling too; None where no power was stated.
    """

    marginal: int
    idle: int
    hardware: int
    joules: int | None

    @property
    def full(self) -> int:
        """All of it."""
        return self.marginal + self.idle + self.hardware


def answer(usd_per_hour: Decimal, watts: Decimal | None, share_ns: int) -> tuple[int, int | None]:
    """Return what one answer costs, 1e-12 dollars, and the joules that it took beyond idling.

    ``share_ns`` is its part of the time in which the machine answered: of two that run at once each
    has half. ``usd_per_hour`` and ``watts`` are those of answering; without watts no joules.
    """
    whole, part = usd_per_hour.as_integer_ratio()
    pico = half_even(whole * PICO_PER_USD * share_ns, part * NS_PER_HOUR)
    if watts is None:
        return pico, None
    whole, part = watts.as_integer_ratio()
    return pico, half_even(whole * share_ns, part * 10**9)


def span(machine: Machine, busy_ms: int, wall_ms: int) -> Costs:
    """Return what ``machine`` cost in ``wall_ms`` milliseconds of which it answered ``busy_ms``."""
    busy_ms = min(busy_ms, wall_ms)
    busy_h, wall_h = Fraction(busy_ms, 3_600_000), Fraction(wall_ms, 3_600_000)
    idle = Fraction(machine.idle_watts) / 1000 * Fraction(machine.usd_per_kwh)
    joules = None
    if machine.busy_watts is not None:
        drawn = Fraction(machine.busy_watts) * busy_ms + Fraction(machine.idle_watts) * wall_ms
        joules = round(drawn / 1000)
    return Costs(
        marginal=round(Fraction(machine.busy_usd_per_hour) * busy_h * PICO_PER_USD),
        idle=round(idle * wall_h * PICO_PER_USD),
        hardware=round((machine.fixed_usd_per_hour - idle) * wall_h * PICO_PER_USD),
        joules=joules,
    )


def per_million(pico: int, tokens: int) -> int | None:
    """Return what a million tokens cost, 1e-12 dollars; None of no tokens."""
    return half_even(pico * MILLION, tokens) if tokens > 0 else None


def break_even(machine: Machine, busy_ms: int, elsewhere: int) -> Fraction | None:
    """Return at what utilisation home costs as much as elsewhere: the busy part of all time.

    ``elsewhere`` is what the tokens of ``busy_ms`` cost there, 1e-12 dollars. None where home is
    dearer however busy it is; 0 where it costs nothing to have it.
    """
    if busy_ms <= 0:
        return None
    saved = Fraction(elsewhere, PICO_PER_USD) / Fraction(busy_ms, 3_600_000)
    margin = saved - Fraction(machine.busy_usd_per_hour)
    fixed = machine.fixed_usd_per_hour
    if margin <= 0 or fixed > margin:
        return Fraction(0) if not fixed and margin >= 0 else None
    return fixed / margin


def busy_ms(spans: list[tuple[int, int]]) -> int:
    """Return in how many milliseconds at least one of ``spans`` (begin, end) was under way."""
    busy, until = 0, None
    for begin, end in sorted(spans):
        if until is None or begin > until:
            busy, until = busy + max(0, end - begin), max(begin, end)
        elif end > until:
            busy, until = busy + end - until, end
    return busy
