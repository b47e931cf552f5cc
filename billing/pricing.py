"""What an attempt costs: usage times price, once, in integers. Pure; the only place that prices.

What is not known stays unknown and is never 0.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from operator import mul
from typing import Literal

import msgspec

from billing.money import PICO_MAX, half_even, pico
from billing.price import PROMPT_BUCKETS, USD, Price
from billing.price_list import PriceList
from providers.usage import BUCKETS, Usage

CostState = Literal["priced", "stated", "unknown", "nothing"]
# priced: usage times price; stated: the host's own figure; nothing: no token was used.

NO_SURCHARGE = Decimal(1)
ANY_TIER = "auto"  # the host chooses the tier of service


class Cost(msgspec.Struct, frozen=True):
    """What one attempt costs: ``pico`` 1e-12 US dollars, None where unknown.

    ``price`` is what was multiplied, tier and surcharge included, None where nothing was. ``why``
    says in words why a cost is unknown. ``native_pico`` is the cost in 1e-12 of ``currency``, which
    may be known where the ``rate`` is not ("": unknown). Beside a charge that the host stated
    ``computed_pico`` is our own arithmetic. ``least`` and ``most`` bound the cost where it depends
    on holidays that are not surely known, and are it elsewhere.
    """

    pico: int | None
    state: CostState
    price: Price | None = None
    why: str = ""
    native_pico: int | None = None
    currency: str = USD
    rate: str = "1"
    computed_pico: int | None = None
    least: int | None = None
    most: int | None = None


def _unknown(why: str) -> Cost:
    return Cost(None, "unknown", None, why)


_NOTHING = Cost(0, "nothing", native_pico=0, least=0, most=0)
_MISSING = _unknown("the host did not say what was used")
_CONTRADICTS = _unknown("the host's own figures contradict each other")
_UNPRICED = _unknown("no price is known for this model at this host")
_TOO_MUCH = _unknown("the host's figures come to more than 9 million dollars")


def cost(
    usage: Usage,
    prices: PriceList | None,
    when: datetime,
    surcharge: Decimal = NO_SURCHARGE,
) -> Cost:
    """Price ``usage`` as of ``when``; ``surcharge`` multiplies every price of tokens.

    The host's own statement of its charge goes before our arithmetic, which stays beside it.
    Rounded once, half to even, and only where a price has more than six decimals or is in another
    currency. An estimated usage is priced like another: the entry's ``usage_state`` says that it is
    estimated.
    """
    if usage.stated_usd is not None:
        return _stated(usage, usage.stated_usd, prices, when, surcharge)
    if usage.state == "none":
        return _NOTHING
    return _computed(usage, prices, when, surcharge)


def _computed(usage: Usage, prices: PriceList | None, when: datetime, surcharge: Decimal) -> Cost:
    if usage.state in ("missing", "none"):
        return _MISSING
    if not usage.reconciled:
        return _CONTRADICTS
    found = _at_price(usage, prices.at(when) if prices is not None else None, surcharge)
    if prices is None or not prices.by_calendar or found.pico is None:
        return found
    return _bounded(found, usage, prices, when, surcharge)


def _bounded(
    found: Cost, usage: Usage, prices: PriceList, when: datetime, surcharge: Decimal
) -> Cost:
    """Return a cost with its bounds where it depends on holidays that are not surely known."""
    possible = prices.possible(when)
    if len(possible) < 2:
        return found
    costs = [_at_price(usage, price, surcharge).pico for price in possible]
    known = [one for one in costs if one is not None]
    if len(known) < len(costs):
        return msgspec.structs.replace(found, least=None, most=None)
    return msgspec.structs.replace(found, least=min(known), most=max(known))


def _at_price(usage: Usage, price: Price | None, surcharge: Decimal) -> Cost:
    if price is None:
        return _UNPRICED
    if usage.tier:
        price = price.in_service(usage.tier)
        if price is None:
            return _unknown(f"no price is known for the tier of service {usage.tier!r}")
    if price.above_prompt_tokens:
        price = price.tier(usage.prompt_tokens)
    if surcharge != NO_SURCHARGE:
        price = price.times(surcharge)
    counts = (
        usage.input,
        usage.cache_read,
        usage.cache_write,
        usage.cache_write_long,
        usage.audio_input,
        usage.image_input,
        usage.output,
        usage.reasoning,
        usage.audio_output,
        usage.image_output,
    )
    if not price.complete and any(map(_lacks, counts, price.rates)):
        return _lacking(counts, price)
    total = price.per_request + sum(map(mul, counts, price.amounts))
    if usage.searches:
        if price.per_search is None:
            return _unknown("no price is known for a search of the host's")
        total += usage.searches * price.per_search
    native = half_even(total, 10**price.extra) if price.extra else total
    if native > PICO_MAX:
        return _TOO_MUCH
    if price.currency == USD:
        return Cost(native, "priced", price, "", native, least=native, most=native)
    return _in_dollars(price, total, native)


def _lacks(count: int, rate: int | None) -> bool:
    return count > 0 and rate is None


def _in_dollars(price: Price, total: int, native: int) -> Cost:
    """Return the cost of a total in another currency; both amounts are rounded by themselves."""
    if price.to_usd is None or price.rate is None:
        key = f"exchange.{price.currency}"
        why = f"no rate from {price.currency} to USD is known; state {key} in the config"
        return Cost(None, "unknown", price, why, native, price.currency, "")
    amount = half_even(total * price.to_usd[0], price.to_usd[1])
    if amount > PICO_MAX:
        return _TOO_MUCH
    rate = f"{price.rate.normalize():f}"
    return Cost(
        amount, "priced", price, "", native, price.currency, rate, least=amount, most=amount
    )


def _stated(
    usage: Usage, usd: Decimal, prices: PriceList | None, when: datetime, surcharge: Decimal
) -> Cost:
    """Return the host's own charge, or unknown where that is no amount of money."""
    fee = prices.fee_on_stated(when) if prices is not None and prices.on_stated else NO_SURCHARGE
    try:
        amount = pico(usd) if fee == NO_SURCHARGE else pico(usd * fee)
    except (ValueError, ArithmeticError):
        amount = -1
    if amount < 0:
        return _unknown(f"the host states a charge of {usd} USD")
    ours = _computed(usage, prices, when, surcharge)
    return Cost(
        amount, "stated", ours.price, "", amount, computed_pico=ours.pico, least=amount, most=amount
    )


def _lacking(counts: tuple[int, ...], price: Price) -> Cost:
    names = [
        name
        for name, count, rate in zip(BUCKETS, counts, price.rates, strict=True)
        if count and rate is None
    ]
    return _unknown(f"no price is known for {', '.join(names)} tokens")


def ceiling(
    prices: PriceList | None,
    when: datetime,
    prompt_tokens_most: int,
    output_tokens_most: int,
    surcharge: Decimal = NO_SURCHARGE,
    *,
    tier: str = "",
    searches: int = 0,
) -> int | None:
    """Return the most, in 1e-12 dollars, that a call begun about ``when`` can cost; None: unknown.

    No more than an entry can hold, for no more is ever booked.
    Every token counts at the dearest bucket of its direction, in the dearest tier and hour that the
    call can fall into; buckets without a known price are left out, for their cost is unknown.
    ``tier`` is the tier of service that the request asks for ("" none, ``auto`` any; a host may
    answer in the usual one all the same), ``searches`` how often the host may search at most.
    """
    if prices is None:
        return None
    most = 0
    for price in prices.about(when):
        for offered in served(price, tier):
            if offered is None:
                return None
            for one in offered.reachable(prompt_tokens_most):
                amount = _dearest(one, prompt_tokens_most, output_tokens_most, searches, surcharge)
                if amount is None:
                    return None
                most = max(most, amount)
    return min(most, PICO_MAX)


def bounds(
    prices: PriceList | None,
    when: datetime,
    least: tuple[int, int],
    most: tuple[int, int],
    surcharge: Decimal = NO_SURCHARGE,
    tier: str = "",
) -> tuple[int | None, int | None]:
    """Return between what the cost of a call lies, in 1e-12 dollars; None: that end is unknown.

    ``least`` and ``most`` are its tokens, in and out. The least counts every token at the cheapest
    bucket of its direction, the most at the dearest, over every tier that a prompt of such a length
    can fall into, and the tier of service as in ``ceiling``; the price is that of ``when``, or
    those that may hold then. Where nothing at all was used for certain the fee for the request is
    not certain either.
    """
    lows: list[int | None] = []
    highs: list[int | None] = []
    for price in prices.possible(when) if prices is not None else ():
        for offered in served(price, tier):
            for one in _between(offered, least[0], most[0]):
                lows.append(_cheapest(one, *least, surcharge))
                highs.append(_dearest(one, *most, 0, surcharge))
    low, high = _all_known(lows), _all_known(highs)
    return _held(min(low, default=None)), _held(max(high, default=None))


def _held(amount: int | None) -> int | None:
    """Return an amount that an entry can hold; None for one beyond it, and for None."""
    return amount if amount is not None and amount <= PICO_MAX else None


def _all_known(amounts: list[int | None]) -> list[int]:
    """Return the amounts, none where one of them is unknown."""
    known = [amount for amount in amounts if amount is not None]
    return known if len(known) == len(amounts) else []


def served(price: Price | None, tier: str) -> list[Price | None]:
    """Return the prices in the tiers of service in which a host may answer; None is unknown."""
    if price is None or not tier or price.free:
        return [price]
    if tier == ANY_TIER:
        return [price, *(one for _, one in price.services)]
    return [price, price.in_service(tier)]


def _between(price: Price | None, prompt_least: int, prompt_most: int) -> Iterator[Price | None]:
    """Give every tier of a long context that a prompt of such a length can fall into."""
    if price is None:
        yield None
        return
    lowest = price.tier(prompt_least)
    reached = False
    for one in price.reachable(max(prompt_most, prompt_least)):
        reached = reached or one is lowest
        if reached:
            yield one


def _dearest(
    price: Price | None, prompt_tokens: int, output_tokens: int, searches: int, surcharge: Decimal
) -> int | None:
    """Return the most at one price, in 1e-12 dollars rounded up; None where unknown."""
    if price is None or price.to_usd is None or price.rates[0] is None:
        return None
    if (output_tokens and price.output is None) or (searches and price.per_search is None):
        return None
    ways_in, ways_out = price.dearest
    fees = price.per_request + searches * (price.per_search or 0)
    tokens = prompt_tokens * ways_in + output_tokens * ways_out
    numerator, denominator = _usd_fraction(price.to_usd, tokens, surcharge, fees)
    return -(-numerator // denominator)


def _cheapest(
    price: Price | None, prompt_tokens: int, output_tokens: int, surcharge: Decimal
) -> int | None:
    """Return the least at one price, in 1e-12 dollars rounded down; None where unknown."""
    if price is None or price.to_usd is None or price.rates[0] is None:
        return None
    if output_tokens and price.output is None:
        return None
    ways_in = min(rate for rate in price.rates[:PROMPT_BUCKETS] if rate is not None)
    ways_out = min((rate for rate in price.rates[PROMPT_BUCKETS:] if rate is not None), default=0)
    fees = price.per_request if prompt_tokens or output_tokens else 0
    tokens = prompt_tokens * ways_in + output_tokens * ways_out
    numerator, denominator = _usd_fraction(price.to_usd, tokens, surcharge, fees)
    return numerator // denominator


def in_usd(price: Price, tokens: int, surcharge: Decimal, fees: int = 0) -> int | None:
    """Return 1e-12 dollars for amounts in the unit of ``Price.rates``; None: the rate is unknown.

    ``surcharge`` multiplies what ``tokens`` come to, and not ``fees``.
    """
    if price.to_usd is None:
        return None
    return half_even(*_usd_fraction(price.to_usd, tokens, surcharge, fees))


def _usd_fraction(
    to_usd: tuple[int, int], tokens: int, surcharge: Decimal, fees: int
) -> tuple[int, int]:
    factor, divisor = surcharge.as_integer_ratio()
    return (tokens * factor + fees * divisor) * to_usd[0], divisor * to_usd[1]
