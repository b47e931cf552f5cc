"""What a request will probably take and cost at each route: tokens, the warm part of its prompt.

Expectations order routes and nothing else: what is held before a call is the most that it can cost,
and what is charged is what it took.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from types import MappingProxyType
from typing import TYPE_CHECKING

from billing.money import half_even
from billing.price import Price
from billing.pricing import NO_SURCHARGE, in_usd
from providers.usage import BUCKETS
from routing.route import Route

if TYPE_CHECKING:
    from routing.outlook import Speed
    from routing.windows import Shadow

MILLION = 10**6
USUAL_ANSWER = 500  # tokens, of a key and a model whose answers nobody has counted yet
_WEIGHT = 8  # a new answer moves the mean by an eighth: about the last dozen count
_PARTS = 16  # of a token, so that short answers move the mean too
_MS_PER_HOUR = 3_600_000
_INPUT, _READ, _WRITE, _WRITE_LONG, _OUTPUT = map(
    BUCKETS.index, ("input", "cache_read", "cache_write", "cache_write_long", "output")
)


@dataclass(frozen=True, slots=True)
class Expected:
    """How many tokens a request will probably take, all its answers together.

    ``marks`` says that it marks parts of its prompt for the host to keep, ``marks_long`` that it
    buys the longer lifetime for them.
    """

    prompt_tokens: int
    output_tokens: int
    marks: bool = False
    marks_long: bool = False


# Three tokens in to one out, where no request is known: the proof and its like.
USUAL = Expected(3 * USUAL_ANSWER, USUAL_ANSWER)


@dataclass(frozen=True, slots=True)
class Warm:
    """How many tokens of a conversation a route has in its prompt cache, and until when.

    ``assumed`` says that nobody knows the lifetime. ``longer`` is the part for which a longer one
    was bought, itself where that is the whole.
    """

    tokens: int
    until: datetime
    assumed: bool = False
    longer: Warm | None = None


COLD: Mapping[str, Warm] = MappingProxyType({})  # nothing is in any cache


def cost(
    route: Route,
    now: datetime,
    expected: Expected,
    warm: Warm | None = None,
    speed: Speed | None = None,
) -> int | None:
    """Return what the request will probably cost at ``route``, in 1e-12 dollars; None: unknown.

    Of the prompt the tokens in ``warm`` are read from the cache, and the others are written to it
    where the host charges that. The price is that of now, in the tier of the prompt's length. A
    machine paid by the hour costs the time that the answer usually takes, and nothing while no
    answer was timed: it runs anyway, and only an answer can tell.
    """
    if route.usd_per_hour is not None:
        if speed is None:
            return 0
        numerator, denominator = route.usd_per_hour.as_integer_ratio()
        ms = int(1000 * seconds(speed, expected))
        return half_even(numerator * 10**12 * ms, denominator * _MS_PER_HOUR)
    price = route.prices.at(now) if route.prices is not None else None
    if price is None:
        return None
    price = price.tier(expected.prompt_tokens)
    fresh, output = _fresh_rate(route, price, expected), price.rates[_OUTPUT]
    if fresh is None or output is None:
        return None
    cached = min(warm.tokens, expected.prompt_tokens) if warm is not None else 0
    read = price.rates[_READ]
    total = (
        cached * (fresh if read is None else read)
        + (expected.prompt_tokens - cached) * fresh
        + expected.output_tokens * output
    )
    if price.to_usd == (1, 1) and route.surcharge == NO_SURCHARGE:
        return total + price.per_request
    return in_usd(price, total, route.surcharge, price.per_request)


def _fresh_rate(route: Route, price: Price, expected: Expected) -> int | None:
    """Return the price of a prompt token that is not in the cache."""
    cache = route.cache
    if cache is not None and expected.prompt_tokens < (cache.least_tokens or 0):
        return price.rates[_INPUT]
    if expected.marks_long and price.rates[_WRITE_LONG] is not None:
        return price.rates[_WRITE_LONG]
    charged = expected.marks or (cache is not None and cache.charges_writes)
    if charged and price.rates[_WRITE] is not None:
        return price.rates[_WRITE]
    return price.rates[_INPUT]


def lost(route: Route, now: datetime, prompt_tokens: int, tokens: int) -> int | None:
    """Return what it costs to read ``tokens`` anew instead of from the cache of ``route``.

    In 1e-12 dollars, at the price of now for a prompt of so many tokens: the dearness of input over
    cached reads there. None where either price is unknown.
    """
    price = route.prices.at(now) if route.prices is not None else None
    if price is None:
        return None
    price = price.tier(prompt_tokens)
    fresh, read = price.rates[_INPUT], price.rates[_READ]
    if fresh is None or read is None:
        return None
    return in_usd(price, tokens * max(0, fresh - read), route.surcharge)


def seconds(speed: Speed, expected: Expected) -> float:
    """Return how long an answer will take: to its first content, and from there to its end."""
    if not speed.tokens_per_s:
        return speed.first_s
    return speed.first_s + expected.output_tokens / speed.tokens_per_s


def _unmeasured(_route: Route) -> Speed | None:
    return None


def _uncounted(_route: Route) -> Shadow | None:
    return None


@dataclass(frozen=True, slots=True)
class View:
    """What an order looks at: the moment, the request, and what is known of the routes.

    ``warm`` has by name what each route holds of the conversation in its prompt cache. ``draw`` is
    a random number from 0 to below 1; the middle one, which never explores, stands for none.
    ``shadow`` gives what a call within a route's plan is worth.
    """

    now: datetime
    expected: Expected = USUAL
    speed: Callable[[Route], Speed | None] = field(default=_unmeasured)
    warm: Mapping[str, Warm] = field(default_factory=lambda: COLD)
    draw: float = 0.5
    shadow: Callable[[Route], Shadow | None] = field(default=_uncounted)

    def cost(self, route: Route) -> int | None:
        """Return what the request will probably cost at ``route``, in 1e-12 dollars.

        Within a plan that is what it is worth there: the part of its price by the token that the
        scarcity of the plan's windows makes. Without such a price it is nothing, as it is charged.
        """
        if route.plan is not None:
            shadow = self.shadow(route)
            if shadow is None or not shadow.ppm:
                return 0
            by_token = replace(route, prices=route.plan.payg)
            found = cost(by_token, self.now, self.expected, self.warm.get(route.name))
            if found is None:
                return 0 if shadow.ppm < MILLION else None
            return half_even(found * shadow.ppm, MILLION)
        speed = self.speed(route) if route.usd_per_hour is not None else None
        return cost(route, self.now, self.expected, self.warm.get(route.name), speed)


class Answers:
    """How long the answers usually are that a key gets of a model: a running mean for each.

    At most ``most`` pairs are kept, those that were used last.
    """

    def __init__(self, most: int = 4096) -> None:
        self._most = most
        self._means: OrderedDict[tuple[str, str], int] = OrderedDict()

    def seen(self, key: str, model: str, tokens: int) -> None:
        """Count one answer of so many tokens."""
        pair, now = (key, model), tokens * _PARTS
        mean = self._means.pop(pair, None)
        self._means[pair] = now if mean is None else mean + (now - mean) // _WEIGHT
        if len(self._means) > self._most:
            self._means.popitem(last=False)

    def expect(self, key: str, model: str, answers: int = 1, most: int | None = None) -> int:
        """Return how many tokens ``answers`` will have, ``most`` (the client's limit) or fewer."""
        mean = self._means.get((key, model))
        likely = answers * (USUAL_ANSWER if mean is None else max(1, mean // _PARTS))
        return likely if most is None else min(likely, most)
