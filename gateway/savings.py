"""What was saved against the route that the config chose as its baseline."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from billing.money import half_even, usd_text
from billing.past_use import past_summed
from billing.price_list import PriceList
from billing.reports import Asked
from billing.store import Store
from billing.sums import SpendRow
from billing.whatif import elsewhere, thresholds
from gateway import routes
from gateway.setup import Setup

NO_PRICE = "no price of its tokens is known"


@dataclass(frozen=True, slots=True)
class Baseline:
    """A route to compare with, and its prices; None: they are unknown, or not by the token."""

    route: str
    prices: PriceList | None


@dataclass(frozen=True, slots=True)
class Saved:
    """What clients' calls would have cost at the baseline, beside what was spent; 1e-12 dollars.

    ``requests`` are those that have a price there, ``unknown`` those that have none. ``at_least``:
    the baseline charges more for long prompts than for short ones, and all counted as short.
    ``assumed`` says in words what had to be. What was spent lies from ``spent_least`` to
    ``spent_most``, and above where the cost of ``unbounded`` attempts has no bound.
    """

    route: str
    pico: int
    requests: int
    unknown: int
    at_least: bool
    assumed: tuple[str, ...]
    spent_least: int
    spent_most: int
    unbounded: int

    @property
    def is_known(self) -> bool:
        """Whether anything can be compared."""
        return self.requests > 0

    @property
    def is_low(self) -> bool:
        """Whether the baseline would have cost more than ``pico``."""
        return self.at_least or self.unknown > 0

    @property
    def least(self) -> int:
        """What was saved, at the least; less than 0: so much more was spent."""
        return self.pico - self.spent_most

    @property
    def most(self) -> int:
        """What was saved, at the most."""
        return self.pico - self.spent_least


def of(store: Store, setup: Setup, asked: Asked, spent: SpendRow) -> Saved | None:
    """Return what a slice of the past would have cost at the config's baseline; None: it has none.

    ``spent`` are the slice's sums. From rollups, so fast but for the first time, when prices are
    read. Raises ``StoreError``, and ``ValueError`` for more than a report can hold.
    """
    name = setup.config.baseline
    if name is None:
        return None
    owner, _, model = name.partition("/")
    found = routes.route(setup.providers[owner], model, price_all=True)
    prices = found.prices if found.usd_per_hour is None else None
    return compared(store, Baseline(name, prices), asked, spent)


def compared(store: Store, baseline: Baseline, asked: Asked, spent: SpendRow) -> Saved:
    """Return what a slice of the past would have cost at a baseline; as ``of``."""
    bounds = (spent.least_pico, spent.most_pico, spent.unbounded)
    if baseline.prices is None:
        return Saved(baseline.route, 0, 0, spent.requests, False, (NO_PRICE,), *bounds)
    there = elsewhere(past_summed(store, asked, baseline.prices), baseline.prices)
    tiers = bool(thresholds([baseline.prices]))
    found = (there.pico, there.requests, there.unknown, tiers, there.assumed)
    return Saved(baseline.route, *found, *bounds)


def told(found: Saved) -> dict[str, Any]:
    """Return savings as plain data for JSON; money exact, as text. Less than 0: more was spent."""
    known = found.is_known
    return {
        "route": found.route,
        "cost_usd": usd_text(found.pico) if known else None,
        "at_least": found.is_low,
        "unknown": found.unknown,
        "assumed": list(found.assumed),
        "saved_least_usd": usd_text(found.least) if known else None,
        "saved_most_usd": usd_text(found.most) if known else None,
        "unbounded_cost": found.unbounded,
    }


def exact(pico: int) -> str:
    """Return an amount with all its digits."""
    return f"{usd_text(pico)} USD"


def in_words(found: Saved, money: Callable[[int], str] = exact) -> list[str]:
    """Return savings as sentences, amounts as ``money`` says; nothing where there were no calls."""
    if not found.is_known:
        if not found.unknown:
            return []
        return [f"What {found.route} (the baseline) would have cost is unknown: {NO_PRICE}."]
    low = "at least " if found.is_low else ""
    one = found.unbounded == 1
    attempts = "1 attempt counts" if one else f"{found.unbounded} attempts count"
    cost = f"{low}{money(found.pico)}"
    there = f"The same tokens at {found.route} (the baseline) would have cost {cost}"
    lines = [f"{there}: {difference(found, money)}."]
    if found.at_least:
        lines.append("It charges more for long prompts; all of them count as short ones here.")
    if found.unknown:
        lines.append(f"Of {found.unknown} calls the price there is unknown; they are left out.")
    if found.unbounded:
        lines.append(f"{attempts} as nothing here, for the cost is unknown: less was saved.")
    if found.assumed:
        lines.append(f"Assumed: {'; '.join(found.assumed)}.")
    return lines


def difference(found: Saved, money: Callable[[int], str] = exact) -> str:
    """Return in words what was saved, or spent beyond the baseline."""
    least, most = found.least, found.most
    if least < 0 < most:
        return f"from {money(-least)} more spent to {money(most)} saved"
    more = most <= 0
    low, high = (-most, -least) if more else (least, most)
    what = "more spent" if more and high else "saved"
    ends = [low, high] if low != high else [high]
    amounts = " – ".join(map(money, ends))
    if not found.pico:
        return f"{amounts} {what}"
    shares = " – ".join(_percent(end, found.pico) for end in ends)
    return f"{amounts} ({shares}) {what}"


def _percent(part: int, whole: int) -> str:
    share = half_even(100 * part, whole)
    if part and not share:
        return "< 1 %"
    return "> 99 %" if share == 100 and part < whole else f"{share} %"
