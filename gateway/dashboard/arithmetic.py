"""How an entry's cost comes about, line by line, from what the entry itself keeps. Pure."""

from __future__ import annotations

import json
from dataclasses import dataclass
from decimal import Decimal, localcontext

from billing.ledger import Entry
from billing.money import half_even
from providers.usage import BUCKETS

MILLION = Decimal(1_000_000)
PICO = Decimal(10) ** 12
# A bucket without a price of its own costs what another one does (``billing.price``).
PRICED_AS = {"reasoning": "output", "image_input": "input"}
# Beside prices, what else an entry keeps of them.
SAID = ("currency", "band", "tier", "above_prompt_tokens")


@dataclass(frozen=True, slots=True)
class Step:
    """So many of one thing at a price in the entry's currency: of a million, or of each one.

    ``price`` and ``amount`` are None where no price is known. Amounts are exact, not rounded.
    """

    what: str
    count: int
    price: Decimal | None
    is_each: bool
    amount: Decimal | None


@dataclass(frozen=True, slots=True)
class Arithmetic:
    """The steps, what they come to in ``currency``, and what that is in US dollars.

    ``sum`` is None where a price is missing. ``native_pico`` and ``pico`` are the entry's own, in
    1e-12; ``agrees``: the steps come to just those, rounded once, half to even. ``said`` is what
    else is known of the prices: their hour, tier of service, length of prompt.
    """

    steps: tuple[Step, ...]
    sum: Decimal | None
    currency: str
    rate: Decimal | None
    native_pico: int | None
    pico: int | None
    agrees: bool
    said: dict[str, str]


def arithmetic(entry: Entry) -> Arithmetic:
    """Return how the cost of ``entry`` was computed; without steps where nothing was multiplied."""
    prices: dict[str, str] = json.loads(entry.prices) if entry.prices else {}
    steps = tuple(_steps(entry, prices)) if prices else ()
    with localcontext() as context:
        context.prec = 100
        whole: Decimal | None = Decimal(0)
        for step in steps:
            whole = None if whole is None or step.amount is None else whole + step.amount
        rate = Decimal(entry.rate) if entry.rate else None
        agrees = bool(steps) and whole is not None and _agrees(entry, whole, rate)
    return Arithmetic(
        steps=steps,
        sum=whole if steps else None,
        currency=entry.currency,
        rate=rate,
        native_pico=entry.native_pico,
        pico=entry.cost_pico,
        agrees=agrees,
        said={name: prices[name] for name in SAID if name in prices},
    )


def _steps(entry: Entry, prices: dict[str, str]) -> list[Step]:
    found = []
    with localcontext() as context:
        context.prec = 100
        for name in BUCKETS:
            count = getattr(entry, name)
            if count:
                told = prices.get(name, prices.get(PRICED_AS.get(name, "")))
                price = Decimal(told) if told is not None else None
                amount = None if price is None else count * price / MILLION
                found.append(Step(name, count, price, False, amount))
        if "request" in prices:
            fee = Decimal(prices["request"])
            found.append(Step("request", 1, fee, True, fee))
        if entry.searches:
            told = prices.get("search")
            each = Decimal(told) if told is not None else None
            amount = None if each is None else entry.searches * each
            found.append(Step("search", entry.searches, each, True, amount))
    return found


def _agrees(entry: Entry, whole: Decimal, rate: Decimal | None) -> bool:
    """Whether the steps come to what the entry says; its own charge is the host's word."""
    if entry.cost_state == "stated":
        return entry.computed_pico == _rounded(whole * (rate or 0))
    native = entry.native_pico is None or entry.native_pico == _rounded(whole)
    return native and rate is not None and entry.cost_pico == _rounded(whole * rate)


def _rounded(amount: Decimal) -> int:
    numerator, denominator = (amount * PICO).as_integer_ratio()
    return half_even(numerator, denominator)
