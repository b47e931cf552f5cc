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

from msgspec import Struct
from msgspec.structs import replace as copied

from billing import pricing
from billing.price import PROMPT_BUCKETS, Price
from billing.price_list import PriceList
from routing.facts import Money, RouteFacts

if TYPE_CHECKING:  # types only: these rooms bring the HTTP client with them
    from providers.dialect import Dialect
    from providers.endpoint import Endpoint
    from providers.host import Cache
    from providers.plan import Weights


@dataclass(frozen=True, slots=True)
class Queue:
    """How long a call may wait at a server at home, in seconds; ``slots`` None is unknown."""

    max_wait_s: float
    slots: int | None


@dataclass(frozen=True, slots=True)
class Subscribed:
    """The plan that pays a route's calls: its name, and how a call is weighed in it.

    ``payg`` is what the same vendor charges by the token, None where nobody knows. ``goes_on`` says
    that the same key is billed so where a window is used up; ``prices`` of the route are those
    then, so that what is held for a call is the most that it can cost. ``in_dollars``: some window
    counts what calls cost by the token.
    """

    name: str
    weights: Weights | None = None
    payg: PriceList | None = None
    goes_on: bool = False
    in_dollars: bool = False


@dataclass(frozen=True, slots=True)
class Route:
    """One model at one configured provider; a value, without any I/O.

    ``name`` is ``provider/model``, ``model`` the host's own id. ``dialects`` has the wires on which
    the model may be asked here, the best one first, each with the host's way of speaking it;
    ``tools_wire`` leads from one of them to the one that must be used instead when the request has
    function tools. ``cannot`` holds what is known not to work. ``available`` is "" or why it cannot
    be called ("X_API_KEY is not set"). ``tokenizer`` is the vocabulary that its texts can be
    counted with here, "" for none. ``surcharge`` multiplies every price (1 is none).
    ``usd_per_hour`` is what an hour of answering costs where that, and no price per token, was
    stated, ``watts`` what answering draws there beyond waiting. ``clients`` are patterns of the
    only programs that its contract is for; empty: all.

    ``endpoint`` is the provider's address with its first key, ``endpoints`` all of them, one a key.
    ``shares_limits`` says that the models of a key share its rate limits; else each has its own.
    ``cache`` is what is known of the host's prompt cache, None where nothing is. ``queue`` is set
    for a server at home whose calls may not wait as long as it takes. ``plan`` is the subscription
    that its key is one of.
    """

    name: str
    provider: str
    model: str
    endpoint: Endpoint
    dialects: Mapping[str, Dialect]
    facts: RouteFacts
    prices: PriceList | None = None
    surcharge: Decimal = Decimal(1)
    context: int | None = None
    max_output: int | None = None
    tokenizer: str = ""
    can: frozenset[str] = frozenset()
    cannot: frozenset[str] = frozenset()
    tools_wire: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    available: str = ""
    launched: bool = False
    usd_per_hour: Decimal | None = None
    watts: Decimal | None = None
    clients: tuple[str, ...] = ()
    endpoints: tuple[Endpoint, ...] = ()
    shares_limits: bool = True
    cache: Cache | None = None
    queue: Queue | None = None
    plan: Subscribed | None = None

    def quota(self, endpoint: Endpoint) -> str:
        """Return the name of what shares one rate limit with this route at one of its keys."""
        return endpoint.quota if self.shares_limits else f"{endpoint.quota}/{self.model}"


class Size(Struct, frozen=True):
    """The most tokens of a request; ``output_tokens`` (of all answers) None: the client set none.

    ``answers`` is how many answers are asked for at once. ``prompt_likely`` is how many tokens the
    prompt probably has, ``prompt_least`` how many it certainly has; 0 is not known. ``tier`` is the
    tier of service that is asked for ("" none, ``auto`` any), ``searches`` how often the host may
    search at most. ``is_open``: the host may read more than ``prompt_tokens``, which count what was
    sent: pictures and files by their address, turns that it keeps, what it finds.
    """

    prompt_tokens: int
    output_tokens: int | None = None
    answers: int = 1
    prompt_likely: int = 0
    prompt_least: int = 0
    tier: str = ""
    searches: int = 0
    is_open: bool = False

    def prompt_most(self, context: int | None) -> int:
        """Return the most tokens that the prompt can have, where at most ``context`` are read."""
        return max(self.prompt_tokens, context or 0) if self.is_open else self.prompt_tokens


# What rules limit (``rules.Limit.of``): what a whole request costs, and a million of its tokens.
OF_REQUEST = frozenset({"request_usd"})
FIGURES = OF_REQUEST | {"price", "input price", "output price"}


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
    return pricing.ceiling(
        route.prices,
        now,
        size.prompt_most(route.context),
        output,
        route.surcharge,
        tier=size.tier,
        searches=size.searches,
    )


def hold_most(route: Route, now: datetime, size: Size) -> int | None:
    """Return ``ceiling``; without a price for a tier or a search, that without them; None: unknown.

    For a route that may be used unpriced: what its client says must not make it a call for nothing.
    """
    most = ceiling(route, now, size)
    if most is None and (size.tier or size.searches):
        return ceiling(route, now, copied(size, tier="", searches=0))
    return most


def ceiling_usd(route: Route, now: datetime, size: Size | None) -> Decimal | None:
    """Return ``ceiling`` in US dollars, as a rule on ``request_usd`` is judged; None: unknown."""
    most = ceiling(route, now, size) if size is not None else None
    return None if most is None else Decimal(most).scaleb(-12)


def money(
    route: Route, now: datetime, size: Size | None, figures: frozenset[str] = FIGURES
) -> Money:
    """Return what a request of ``size`` costs at ``route``, as rules on money are judged.

    A million tokens count at the dearest tier that its prompt can fall into; without ``size`` that
    is the dearest of all. Of ``figures`` all that are wanted are worked out; others may be unknown.
    """
    most = ceiling_usd(route, now, size)
    if figures <= OF_REQUEST:
        return Money(most)
    tiers = _tiers(route, now, size)
    ways_in = [usd for tier in tiers if (usd := tier.usd(tier.input)) is not None]
    ways_out = [usd for tier in tiers if (usd := tier.usd(tier.output)) is not None]
    both = [
        (3 * into + out) / 4
        for tier in tiers
        if (into := tier.usd(tier.input)) is not None and (out := tier.usd(tier.output)) is not None
    ]
    # A tier without a figure may be the dearest: then nothing is known.
    return Money(
        most,
        max(both) * route.surcharge if tiers and len(both) == len(tiers) else None,
        max(ways_in) * route.surcharge if tiers and len(ways_in) == len(tiers) else None,
        max(ways_out) * route.surcharge if tiers and len(ways_out) == len(tiers) else None,
    )


def _tiers(route: Route, now: datetime, size: Size | None) -> list[Price]:
    """Return every price that a request may have now; none where one of them is not known."""
    longest = size.prompt_most(route.context) if size is not None else sys.maxsize
    found: list[Price] = []
    for price in route.prices.possible(now) if route.prices is not None else ():
        for served in pricing.served(price, size.tier if size is not None else ""):
            if served is None:
                return []
            found += served.reachable(longest)
    return found


def _answers_cost_nothing(prices: PriceList) -> bool:
    """Tell whether no answer costs anything at any time, so that its length needs no bound."""
    every = (
        price
        for _, band in prices.bands
        for served in (band, *(one for _, one in band.services))
        for price in (served, *(tier for _, tier in served.above_prompt_tokens))
    )
    return all(p.output == 0 and not any(p.rates[PROMPT_BUCKETS:]) for p in every)
