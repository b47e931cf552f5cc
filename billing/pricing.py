"""What an attempt costs: usage times price, once, in integers. Pure; the only place that prices.

A price is US dollars per million tokens. What is not known stays unknown and is never 0.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta
from decimal import Context, Decimal
from typing import Literal

from billing.money import PICO_MAX, half_even, pico
from providers.usage import BUCKETS, Usage

CostState = Literal["priced", "stated", "unknown", "nothing"]
# priced: usage times price; stated: the host's own figure; nothing: no token was used.

NO_SURCHARGE = Decimal(1)
PROMPT_BUCKETS = BUCKETS.index("output")  # those before go in, the rest come out
# A call's last attempt may begin so much later than its hold was made, in a dearer hour.
HOLD_MOST = timedelta(minutes=15)


@dataclass(frozen=True, slots=True)
class Price:
    """US dollars per million tokens of each bucket; None is no known price.

    ``reasoning`` None is priced as ``output``. ``request`` is US dollars for the call itself.
    ``source`` and ``date`` say where the figures come from. ``above_prompt_tokens`` are the tiers
    of a long context, rising: with more prompt tokens than the number, its price holds for the
    whole prompt and answer. Raises ``ValueError`` for what is no price, or tiers out of order.

    Derived: ``unit_prices``, the figures as JSON for the ledger; ``rates``, per token, in the order
    of ``BUCKETS``, and ``per_request``, all whole numbers of 10**-(12 + ``extra``) dollars.
    """

    input: Decimal | None
    output: Decimal | None
    cache_read: Decimal | None = None
    cache_write: Decimal | None = None
    cache_write_long: Decimal | None = None
    audio_input: Decimal | None = None
    audio_output: Decimal | None = None
    reasoning: Decimal | None = None
    request: Decimal = Decimal(0)
    source: str = ""
    date: str = ""
    above_prompt_tokens: tuple[tuple[int, Price], ...] = ()
    unit_prices: str = field(init=False, repr=False, compare=False)
    rates: tuple[int | None, ...] = field(init=False, repr=False, compare=False)
    per_request: int = field(init=False, repr=False, compare=False)
    extra: int = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        figures: dict[str, Decimal] = {}
        extra = 0
        for name in (*BUCKETS, "request"):
            figure = getattr(self, name)
            if figure is None:
                continue
            if not figure.is_finite() or figure < 0 or (figure and abs(figure.adjusted()) > 30):
                raise ValueError(f"{name}: {figure} is no price in US dollars")
            figures[name] = figure = figure.normalize(Context(prec=100))
            extra = max(extra, _decimals(figure) - (12 if name == "request" else 6))
        starts = [start for start, _ in self.above_prompt_tokens]
        if starts != sorted(set(starts)):
            raise ValueError(f"the tiers of a long context must rise: {starts}")
        texts = {name: f"{figure:f}" for name, figure in figures.items() if name in BUCKETS}
        if self.request:
            texts["request"] = f"{figures['request']:f}"
        if "reasoning" not in figures and "output" in figures:
            figures["reasoning"] = figures["output"]
        rates = tuple(
            _scaled(figures[name], 6 + extra) if name in figures else None for name in BUCKETS
        )
        object.__setattr__(self, "unit_prices", json.dumps(texts))
        object.__setattr__(self, "rates", rates)
        object.__setattr__(self, "per_request", _scaled(self.request, 12 + extra))
        object.__setattr__(self, "extra", extra)

    def times(self, factor: Decimal) -> Price:
        """Return this price with every figure multiplied by ``factor``, exactly."""
        exact = Context(prec=100).multiply

        def scaled(figure: Decimal | None) -> Decimal | None:
            return None if figure is None else exact(figure, factor)

        return replace(
            self,
            input=scaled(self.input),
            output=scaled(self.output),
            cache_read=scaled(self.cache_read),
            cache_write=scaled(self.cache_write),
            cache_write_long=scaled(self.cache_write_long),
            audio_input=scaled(self.audio_input),
            audio_output=scaled(self.audio_output),
            reasoning=scaled(self.reasoning),
            request=exact(self.request, factor),
            above_prompt_tokens=tuple((n, p.times(factor)) for n, p in self.above_prompt_tokens),
        )

    def tier(self, prompt_tokens: int) -> Price:
        """Return the price that holds for a prompt of so many tokens."""
        for start, price in reversed(self.above_prompt_tokens):
            if prompt_tokens > start:
                return price
        return self

    def reachable(self, prompt_tokens_most: int) -> Iterator[Price]:
        """Give every tier that a prompt of at most so many tokens can fall into."""
        yield self
        for start, price in self.above_prompt_tokens:
            if start < prompt_tokens_most:
                yield price


def _decimals(figure: Decimal) -> int:
    """Return how many places behind the point a normalised ``figure`` has."""
    exponent = figure.as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0


def _scaled(figure: Decimal, places: int) -> int:
    """Return ``figure * 10**places``, which has to be whole."""
    numerator, denominator = figure.as_integer_ratio()
    return numerator * int(10**places) // denominator


@dataclass(frozen=True, slots=True)
class Applies:
    """When a price holds: from a UTC date on, and/or between two UTC times of each day.

    ``end`` is exclusive; an ``end`` before ``start`` means over midnight.
    """

    since: date | None = None
    start: time | None = None
    end: time | None = None

    def holds(self, utc: datetime) -> bool:
        """Whether the price holds at ``utc``."""
        if self.since is not None and utc.date() < self.since:
            return False
        if self.start is None or self.end is None:
            return True
        now = utc.time()
        if self.end < self.start:
            return now >= self.start or now < self.end
        return self.start <= now < self.end


ALWAYS = Applies()


@dataclass(frozen=True, slots=True)
class PriceList:
    """The prices of one model at one host over time; of those that hold, the last one counts.

    The first counts where none holds: a list states its oldest price first, without a beginning.
    """

    bands: tuple[tuple[Applies, Price], ...]

    def at(self, when: datetime) -> Price | None:
        """Return the price that holds at ``when`` (without a time zone: UTC), None for no bands."""
        bands = self.bands
        if len(bands) < 2:
            return bands[0][1] if bands else None
        utc = when.astimezone(UTC) if when.tzinfo is not None else when
        for applies, price in reversed(bands):
            if applies.holds(utc):
                return price
        return bands[0][1]


@dataclass(frozen=True, slots=True)
class Cost:
    """What one attempt costs: ``pico`` 1e-12 dollars, None where unknown.

    ``price`` is what was multiplied, tier and surcharge included; None unless ``priced``. ``why``
    says in words why a cost is unknown.
    """

    pico: int | None
    state: CostState
    price: Price | None = None
    why: str = ""


_NOTHING = Cost(0, "nothing")
_MISSING = Cost(None, "unknown", None, "the host did not say what was used")
_CONTRADICTS = Cost(None, "unknown", None, "the host's own figures contradict each other")
_UNPRICED = Cost(None, "unknown", None, "no price is known for this model at this host")


def cost(
    usage: Usage,
    prices: PriceList | None,
    when: datetime,
    surcharge: Decimal = NO_SURCHARGE,
) -> Cost:
    """Price ``usage`` as of ``when``; ``surcharge`` multiplies every price.

    The host's own statement of its charge goes before our arithmetic. Rounded once, half to even,
    and only where a price has more than six decimals. An estimated usage is priced like another:
    the entry's ``usage_state`` says that it is estimated.
    """
    if usage.stated_usd is not None:
        return _stated(usage.stated_usd)
    if usage.state == "none":
        return _NOTHING
    if usage.state == "missing":
        return _MISSING
    if not usage.reconciled:
        return _CONTRADICTS
    price = prices.at(when) if prices is not None else None
    if price is None:
        return _UNPRICED
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
        usage.output,
        usage.reasoning,
        usage.audio_output,
    )
    total = price.per_request
    for count, rate in zip(counts, price.rates, strict=True):
        if count:
            if rate is None:
                return _lacking(counts, price)
            total += count * rate
    if price.extra:
        total = half_even(total, 10**price.extra)
    if total > PICO_MAX:
        return Cost(None, "unknown", None, "the host's figures come to more than 9 million dollars")
    return Cost(total, "priced", price)


def _stated(usd: Decimal) -> Cost:
    """Return the host's own charge, or unknown where that is no amount of money."""
    try:
        amount = pico(usd)
    except ValueError:
        amount = -1
    if amount < 0:
        return Cost(None, "unknown", None, f"the host states a charge of {usd} USD")
    return Cost(amount, "stated")


def _lacking(counts: tuple[int, ...], price: Price) -> Cost:
    names = [
        name
        for name, count, rate in zip(BUCKETS, counts, price.rates, strict=True)
        if count and rate is None
    ]
    return Cost(None, "unknown", None, f"no price is known for {', '.join(names)} tokens")


def ceiling(
    prices: PriceList | None,
    when: datetime,
    prompt_tokens_most: int,
    output_tokens_most: int,
    surcharge: Decimal = NO_SURCHARGE,
) -> int | None:
    """Return the most, in 1e-12 dollars, that a call begun about ``when`` can cost; None: unknown.

    Every token counts at the dearest bucket of its direction, in the dearest tier and hour that the
    call can fall into; buckets without a known price are left out, for their cost is unknown.
    """
    if prices is None:
        return None
    most = 0
    factor, divisor = surcharge.as_integer_ratio()
    moments = (when, when + HOLD_MOST) if len(prices.bands) > 1 else (when,)
    for moment in moments:
        price = prices.at(moment)
        if price is None:
            return None
        for tier in price.reachable(prompt_tokens_most):
            total = _dearest(tier, prompt_tokens_most, output_tokens_most)
            if total is None:
                return None
            most = max(most, -(-total * factor // (divisor * 10**tier.extra)))
    return most


def _dearest(price: Price, prompt_tokens: int, output_tokens: int) -> int | None:
    """Return the most at one price, in the unit of its ``rates``; None where unknown."""
    if price.rates[0] is None or (output_tokens and price.output is None):
        return None
    ways_in = max(rate for rate in price.rates[:PROMPT_BUCKETS] if rate is not None)
    ways_out = max((rate for rate in price.rates[PROMPT_BUCKETS:] if rate is not None), default=0)
    return price.per_request + prompt_tokens * ways_in + output_tokens * ways_out
