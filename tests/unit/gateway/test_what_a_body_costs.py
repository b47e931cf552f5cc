"""What a body says of its price is held before the call: tiers, searches, what is not in it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from billing.bands import ALWAYS
from billing.price import Price
from billing.price_list import PriceList
from gateway.call import size_of
from gateway.prompt_size import is_open
from providers.endpoint import Endpoint, Timeouts
from providers.wires.chat.request import peek as chat
from providers.wires.gemini.request import peek as gemini
from providers.wires.messages.request import peek as messages
from providers.wires.responses.request import peek as responses
from routing.facts import RouteFacts
from routing.route import Route, Size, ceiling, hold_most

NOW = datetime(2026, 11, 26, tzinfo=UTC)
SAID = [{"role": "user", "content": "x"}]
ASKED = {"model": "m", "messages": SAID, "max_tokens": 10}
TURN = {"contents": [{"parts": [{"text": "x"}]}]}
SEARCH = {"type": "web_search_20250305", "name": "web_search"}
PLAIN = Price(Decimal(1), Decimal(2), search=Decimal("0.01"))
PRICES = PriceList(((ALWAYS, PLAIN),))


def route(prices: PriceList | None = PRICES) -> Route:
    endpoint = Endpoint("p", "h", "d", "", {}, Timeouts(1, 1, 1, 1), quota="p")
    facts = RouteFacts("p", "m")
    return Route("p/m", "p", "m", endpoint, {}, facts, prices=prices, context=1000, max_output=50)


@pytest.mark.parametrize(
    ("look", "body", "tier"),
    [
        (chat, {**ASKED, "service_tier": "flex"}, "flex"),
        (messages, {**ASKED, "speed": "fast"}, "fast"),
        (messages, {**ASKED, "service_tier": "standard_only"}, ""),
        (responses, {"model": "m", "input": "x", "service_tier": "fast"}, "priority"),
        (gemini, {**TURN, "serviceTier": "SERVICE_TIER_PRIORITY"}, "priority"),
        (gemini, {**TURN, "service_tier": "flex"}, "flex"),
    ],
)
def test_a_tier_is_seen_on_every_wire(
    look: Callable[..., Any], body: dict[str, Any], tier: str
) -> None:
    assert size_of(look(body, 100, "models/m:generateContent")).tier == tier


@pytest.mark.parametrize(
    ("look", "body", "searches"),
    [
        (messages, {**ASKED, "tools": [{**SEARCH, "max_uses": 5}, {"name": "mine"}]}, 5),
        (messages, {**ASKED, "tools": [SEARCH]}, 0),
        (messages, {**ASKED, "tools": [{**SEARCH, "max_uses": -5}, {**SEARCH, "max_uses": 10**30}]},
         10**4),
        (messages, {**ASKED, "tools": [{**SEARCH, "max_uses": True}, 7]}, 0),
        (responses, {"model": "m", "input": "x", "tools": [{"type": "web_search"}],
                     "max_tool_calls": 3}, 3),
    ],
)  # fmt: skip
def test_searches_are_held_where_the_body_bounds_them(
    look: Callable[..., Any], body: dict[str, Any], searches: int
) -> None:
    size = size_of(look(body, 100))
    assert size.searches == searches
    bare = ceiling(route(), NOW, Size(size.prompt_tokens, size.output_tokens))
    assert ceiling(route(), NOW, size) == (bare or 0) + searches * 10**10


@pytest.mark.parametrize(
    ("wire", "body", "more"),
    [
        ("chat", {"tools": [{"type": "function"}]}, False),
        ("chat", {"web_search_options": {"search_context_size": "low"}}, True),
        ("responses", {"previous_response_id": "resp_1"}, True),
        ("responses", {"prompt": {"id": "pmpt_1"}}, True),
        ("messages", {"tools": [SEARCH]}, True),
        ("messages", {"tools": [{"name": "mine"}]}, False),
        ("gemini", {"tools": [{"functionDeclarations": []}]}, False),
        ("gemini", {"tools": {"googleSearch": {}}}, True),
        ("gemini", {"tools": [{"functionDeclarations": [], "googleSearch": {}}]}, True),
    ],
)
def test_what_a_host_may_read_beside_the_body(wire: str, body: dict[str, Any], more: bool) -> None:
    assert is_open(body, wire) is more


def test_a_picture_by_its_address_is_held_as_a_whole_context() -> None:
    part = {"type": "image_url", "image_url": {"url": "https://example.org/huge.png"}}
    size = size_of(chat({**ASKED, "messages": [{"role": "user", "content": [part]}]}, 100))
    assert ceiling(route(), NOW, size) == 1000 * 10**6 + 10 * 2 * 10**6


@pytest.mark.parametrize("limit", [10**13, 2**63, 10**40])
def test_what_a_client_states_fits_the_ledger(limit: int) -> None:
    size = size_of(chat({**ASKED, "max_tokens": limit, "n": limit}, 100))
    assert 0 < (size.output_tokens or 0) < 2**53
    assert ceiling(route(), NOW, size) == ceiling(route(), NOW, Size(100, size.output_tokens))
    dear = PriceList(((ALWAYS, Price(Decimal(1000), Decimal(1000))),))
    assert ceiling(route(dear), NOW, size) == 2**63 - 1


def test_an_unpriced_tier_is_held_at_the_usual_price_where_that_is_allowed() -> None:
    size = Size(100, 10, tier="nobody's", searches=1)
    bare = PriceList(((ALWAYS, Price(Decimal(1), Decimal(2))),))
    assert ceiling(route(bare), NOW, size) is None
    assert hold_most(route(bare), NOW, size) == ceiling(route(bare), NOW, Size(100, 10))
    assert hold_most(route(None), NOW, size) is None
