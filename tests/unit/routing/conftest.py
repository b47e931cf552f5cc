"""Small makers of policies, routes and requests."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
import yaml

from billing.bands import ALWAYS
from billing.price import Price
from billing.price_list import PriceList
from providers.dialect import Dialect
from providers.endpoint import Endpoint, Timeouts
from routing.facts import RequestFacts, RouteFacts
from routing.policy import Policy, load_policy
from routing.route import Route

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
AT_HOME = {
    "operator": {"home"},
    "processed_in": {"home"},
    "trains_on_data": "never",
    "retention_days": 0,
    "zdr": "default",
}


def _facts(name: str, **facts: Any) -> RouteFacts:
    provider, _, model = name.partition("/")
    sets = {
        fact: frozenset(value) if isinstance(value, set) else value for fact, value in facts.items()
    }
    return RouteFacts(provider, model, **sets)


@pytest.fixture
def now() -> datetime:
    return NOW


@pytest.fixture
def home() -> dict[str, Any]:
    """The facts of one's own machine."""
    return dict(AT_HOME)


@pytest.fixture
def facts() -> Callable[..., RouteFacts]:
    """``facts("provider/model", operator={"US"}, ...)``; what is not named is unknown."""
    return _facts


@pytest.fixture
def route() -> Callable[..., Route]:
    """``route("provider/model", price=(1, 2), available="", operator={"US"}, ...)``."""

    def make(
        name: str,
        price: tuple[int | str, int | str] | None = None,
        available: str = "",
        max_output: int | None = 1000,
        context: int | None = None,
        **facts: Any,
    ) -> Route:
        known = _facts(name, **facts)
        prices: PriceList | None = None
        if price is not None:
            figures = Price(Decimal(price[0]), Decimal(price[1]), source="test")
            prices = PriceList(((ALWAYS, figures),))
        return Route(
            name=name,
            provider=known.provider,
            model=known.model,
            endpoint=Endpoint(known.provider, "host", "default", "", {}, Timeouts(1, 1, 1, 1)),
            dialects={"chat": Dialect()},
            facts=known,
            prices=prices,
            max_output=max_output,
            context=context,
            available=available,
        )

    return make


@pytest.fixture
def policy() -> Callable[[str], Policy]:
    """``policy(text)`` reads a policy file's text."""
    return lambda text: load_policy(yaml.safe_load(text))


@pytest.fixture
def asks() -> Callable[..., RequestFacts]:
    """``asks("personal", team="platform", tags={"batch"})``."""

    def make(
        label: str = "public",
        team: str = "",
        key: str = "",
        tags: frozenset[str] | set[str] = frozenset(),
        model: str = "assistant",
    ) -> RequestFacts:
        return RequestFacts(label, team, key, frozenset(tags), model)

    return make
