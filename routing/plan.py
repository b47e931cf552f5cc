"""Which routes may answer a request, in which order, and why each other one may not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal

from billing import pricing
from routing.facts import RequestFacts, RouteFacts
from routing.policy import Policy, Verdict
from routing.rules import fits

if TYPE_CHECKING:  # types only: these rooms bring the HTTP client with them
    from providers.dialect import Dialect
    from providers.endpoint import Endpoint

NO_COST = Decimal(0)
DropReason = Literal["policy", "unavailable", "terms", "health", "price", "capability"]


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


@dataclass(frozen=True, slots=True)
class Size:
    """The most tokens of a request; ``output_tokens`` (of all answers) None: the client set none.

    ``answers`` is how many answers are asked for at once.
    """

    prompt_tokens: int
    output_tokens: int | None = None
    answers: int = 1


@dataclass(frozen=True, slots=True)
class Dropped:
    """A route that was considered and left out.

    ``rule``, ``fact``, ``value`` and ``evidence`` are "" unless the policy refused it.
    """

    route: Route
    why: DropReason
    rule: str
    reason: str
    fact: str = ""
    value: str = ""
    evidence: str = ""


@dataclass(frozen=True, slots=True)
class Plan:
    """The routes to try, in order, with one text each in ``reasons``; and the ones left out."""

    routes: tuple[Route, ...]
    dropped: tuple[Dropped, ...]
    prefer: str
    reasons: tuple[str, ...]


def plan(
    candidates: Sequence[Route],
    prefer: str,
    policy: Policy,
    request: RequestFacts,
    now: datetime,
    size: Size | None = None,
) -> Plan:
    """Return who may answer ``request``, in the order to try them.

    ``prefer`` is the model's own wish ("listed" or "cheapest"); a rule's wish goes before it.
    Without ``size`` the request's cost is unknown, and a rule on ``request_usd`` refuses.
    """
    kept: list[Route] = []
    dropped: list[Dropped] = []
    counts_money = policy.counts_money(request)
    for route in candidates:
        # Policy speaks first: that a route is down must not hide that it is forbidden. What a call
        # would cost there is not asked of a route that takes none.
        usd = ceiling_usd(route, now, size) if counts_money else None
        verdict = policy.judge(request, route.facts, NO_COST if route.available else usd)
        if not verdict.allowed:
            dropped.append(_refused(route, verdict))
        elif route.available:
            dropped.append(Dropped(route, "unavailable", "", route.available))
        elif request.client is not None and not _is_for(route, request.client):
            dropped.append(Dropped(route, "terms", "", _not_for(route, request.client)))
        else:
            kept.append(route)
    wish = policy.preference(request) or prefer
    if wish == "cheapest":
        routes, reasons = _cheapest(kept, now)
    else:
        routes = tuple(kept)
        reasons = tuple(f"listed at place {place}" for place in range(1, len(kept) + 1))
    return Plan(routes, tuple(dropped), wish, reasons)


def _is_for(route: Route, client: str) -> bool:
    return not route.clients or any(fits(name, client) for name in route.clients)


def _not_for(route: Route, client: str) -> str:
    who = f"a client that calls itself {client[:80]!r}" if client else "a client without a name"
    return f"its plan's terms are for {', '.join(route.clients)}, not for {who}"


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


def expected_price(route: Route, now: datetime) -> Decimal | None:
    """Return US dollars per million tokens at ``now``, three in to one out; None: unknown."""
    price = route.prices.at(now) if route.prices is not None else None
    if price is None or price.input is None or price.output is None:
        return None
    return (3 * price.input + price.output) / 4 * route.surcharge


def _answers_cost_nothing(prices: pricing.PriceList) -> bool:
    """Tell whether no answer costs anything at any time, so that its length needs no bound."""
    every = (
        price
        for _, band in prices.bands
        for price in (band, *(tier for _, tier in band.above_prompt_tokens))
    )
    return all(p.output == 0 and not any(p.rates[pricing.PROMPT_BUCKETS :]) for p in every)


def _refused(route: Route, verdict: Verdict) -> Dropped:
    return Dropped(
        route,
        "policy",
        verdict.rule,
        verdict.reason,
        verdict.fact,
        verdict.value,
        verdict.evidence,
    )


def _cheapest(kept: list[Route], now: datetime) -> tuple[tuple[Route, ...], tuple[str, ...]]:
    """Order by expected price; unknown ranks last, equals stay as listed."""
    priced = [(expected_price(route, now), route) for route in kept]
    priced.sort(key=lambda pair: (pair[0] is None, pair[0] or Decimal(0)))
    return tuple(route for _, route in priced), tuple(
        "price unknown, so last"
        if price is None
        else f"{price.normalize():f} USD per million tokens expected (3 in : 1 out)"
        for price, _ in priced
    )
