"""What the same tokens would have cost elsewhere: a slice of the past at another list of prices.

Pure. Entries come summed by quarter of an hour (bands of time) and by the length of their prompt
(tiers of a long context), within which a cost is the sum of its tokens: so the sum is exact, but
for what rounding each call by itself would have made.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction

from billing.bill import QUARTER_S
from billing.price import PROMPT_BUCKETS, Price
from billing.price_list import PriceList
from providers.usage import BUCKETS

_INPUT, _OUTPUT = BUCKETS.index("input"), BUCKETS.index("output")
# What a host without a price for these does with them: it has no such thing, and charges the usual.
IN_WORDS = {
    "cache_read": "cached tokens cost there as fresh ones",
    "cache_write": "tokens written to a cache cost there as fresh ones",
    "cache_write_long": "tokens written to a cache cost there as fresh ones",
    "reasoning": "reasoning costs there as the answer",
}


@dataclass(frozen=True, slots=True)
class Used:
    """What calls used that began in one quarter of an hour (quarters since 1970) of one tier.

    ``prompt_tokens`` stands for the length of each prompt: prices are those of a prompt so long.
    ``tokens`` are sums in the order of ``BUCKETS``.
    """

    quarter: int
    prompt_tokens: int
    requests: int
    searches: int
    tokens: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """What it comes to: ``pico`` 1e-12 dollars for those of ``requests`` whose price is known.

    ``unknown`` requests have no known price there. ``assumed`` says in words what had to be.
    """

    pico: int
    requests: int
    unknown: int
    assumed: tuple[str, ...]


def thresholds(lists: Iterable[PriceList]) -> list[int]:
    """Return the prompt lengths above which one of the lists has another price, rising."""
    found = set()
    for prices in lists:
        for _, price in prices.bands:
            every = (price, *(one for _, one in price.services))
            found |= {start for one in every for start, _ in one.above_prompt_tokens}
    return sorted(found)


def elsewhere(
    used: Iterable[Used], prices: PriceList | None, surcharge: Decimal = Decimal(1)
) -> Elsewhere:
    """Return what ``used`` would have cost by ``prices``, each quarter at its own time's price."""
    total, requests, unknown = Fraction(0), 0, 0
    assumed: dict[str, None] = {}
    factor = Fraction(surcharge)
    for one in used:
        began = datetime.fromtimestamp(one.quarter * QUARTER_S, UTC)
        price = prices.at(began) if prices is not None else None
        cost = _cost(one, price.tier(one.prompt_tokens), factor, assumed) if price else None
        if cost is None:
            unknown += one.requests
        else:
            total += cost
            requests += one.requests
    return Elsewhere(round(total), requests, unknown, tuple(assumed))


def _cost(one: Used, price: Price, factor: Fraction, assumed: dict[str, None]) -> Fraction | None:
    if price.to_usd is None:
        return None
    sums = 0
    for number, tokens in enumerate(one.tokens):
        if not tokens:
            continue
        rate = price.rates[number]
        if rate is None and (words := IN_WORDS.get(BUCKETS[number])):
            rate = price.rates[_INPUT if number < PROMPT_BUCKETS else _OUTPUT]
            assumed[words] = None
        if rate is None:
            return None
        sums += tokens * rate
    fees = one.requests * price.per_request
    if one.searches:
        if price.per_search is None:
            return None
        fees += one.searches * price.per_search
    return (sums * factor + fees) * Fraction(*price.to_usd)
