"""A route: one model at one configured provider, as a value; and the most that a call costs there.

Nothing here does any I/O, and nothing here decides: the plan does.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from types import MappingProxyType
from typing import TYPE_CHECKING

from billing import pricing
from routing.facts import Money, RouteFacts

if TYPE_CHECKING:  # types only: these rooms bring the HTTP client with them
    from providers.dialect import Dialect
    from providers.endpoint import Endpoint
    from providers.host import Cache


@dataclass(frozen=True, slots=True)
class Queue:
    """How long a call may wait at a server at home, in seconds; ``slots`` None is unknown."""

    max_wait_s: float
    slots: int | None


@dataclass(frozen=True, slots=True)
class Route:
    """One model at one configured provider; a value, without any I/O.

    ``name`` is ``provider/model``, ``model`` the host's own id. ``dialects`` has the wires on which
    the model may be asked here, the best one first, each with the host's way of speaking it;
    ``tools_wire`` leads from one of them to the one that must be used instead when the request has
    function tools. ``cannot`` holds what is known not to work. ``available`` is "" or why it cannot
    be called ("X_API_KEY is not set"). ``surcharge`` multiplies every price (1 is none).
    ``usd_per_hour`` is what an hour of answering costs where that, and no price per token, was
    stated. ``clients`` are patterns of the only programs that its contract is for; empty: all.

    ``endpoint`` is the provider's address with its first key, ``endpoints`` all of them, one a key.
    ``shares_limits`` says that the models of a key share its rate limits; else each has its own.
    ``cache`` is what is known of the host's prompt cache, None where nothing is. ``queue`` is set
    for a server at home whose calls may not wait as long as it takes.
    """

    name: str
    provider: str
    model: str
    endpoint: Endpoint
    dialects: Mapping[str, Dialect]
    facts: RouteFacts
    prices: pricing.PriceList | None = None
    surcharge: Decimal = Decimal(1)
    context: int | None = None
    max_output: int | None = None
    can: frozenset[str] = frozenset()
    cannot: frozenset[str] = frozenset()
    tools_wire: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    available: str = ""
    launched: bool = False
    usd_per_hour: Decimal | None = None
    clients: tuple[str, ...] = ()
    endpoints: tuple[Endpoint, ...] = ()
    shares_limits: bool = True
    cache: Cache | None = None
    queue: Queue | None = None

    def quota(self, endpoint: Endpoint) -> str:
        """Return the name of what shares one rate limit with this route at one of its keys."""
        return endpoint.quota if self.shares_limits else f"{endpoint.quota}/{self.model}"


@dataclass(frozen=True, slots=True)
class Size:
    """The most tokens of a request; ``output_tokens`` (of all answers) None: the client set none.

    ``answers`` is how many answers are asked for at once. ``prompt_likely`` is how many tokens the
    prompt probably has, ``prompt_least`` how many it certainly has; 0 is not known.
    """

    prompt_tokens: int
    output_tokens: int | None = None
    answers: int = 1
    prompt_likely: int = 0
    prompt_least: int = 0


def ceiling(route: Route, now: datetime, size: Size) -> int | None:
    """Return the most that one call can cost at ``route``, in 1e-12 US dollars; None: unknown.

    Where the client set no limit, the model's own longest answers count, else its context.
    """
    output = size.output_tokens
    if output is None:
        longest = route.max_output or route.context
        output = longest * size.answers if longest else None
    if output is None:
        if route.prices is None or not _answers_cost_nothing(route.prices):
            return None
        output = 0
    return pricing.ceiling(route.prices, now, size.prompt_tokens, output, route.surcharge)


def ceiling_usd(route: Route, now: datetime, size: Size | None) -> Decimal | None:
    """Return ``ceiling`` in US dollars, as a rule on ``request_usd`` is judged; None: unknown."""
    most = ceiling(route, now, size) if size is not None else None
    return None if most is None else Decimal(most).scaleb(-12)


def money(route: Route, now: datetime, size: Size | None) -> Money:
    """Return what a request of ``size`` costs at ``route``, as rules on money are judged.

    A million tokens count at the dearest tier that its prompt can fall into; without ``size`` that
    is the dearest of all.
    """
    most = ceiling_usd(route, now, size)
    price = route.prices.at(now) if route.prices is not None else None
    if price is None:
        return Money(most)
    longest = size.prompt_tokens if size is not None else sys.maxsize
    tiers = list(price.reachable(longest))
    ways_in = [tier.input for tier in tiers if tier.input is not None]
    ways_out = [tier.output for tier in tiers if tier.output is not None]
    both = [
        (3 * tier.input + tier.output) / 4
        for tier in tiers
        if tier.input is not None and tier.output is not None
    ]
    # A tier without a figure may be the dearest: then nothing is known.
    return Money(
        most,
        max(both) * route.surcharge if len(both) == len(tiers) else None,
        max(ways_in) * route.surcharge if len(ways_in) == len(tiers) else None,
        max(ways_out) * route.surcharge if len(ways_out) == len(tiers) else None,
    )


def _answers_cost_nothing(prices: pricing.PriceList) -> bool:
    """Tell whether no answer costs anything at any time, so that its length needs no bound."""
    every = (
        price
        for _, band in prices.bands
        for price in (band, *(tier for _, tier in band.above_prompt_tokens))
    )
    return all(p.output == 0 and not any(p.rates[pricing.PROMPT_BUCKETS :]) for p in every)
