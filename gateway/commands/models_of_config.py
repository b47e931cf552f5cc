"""``entrepot models --mine``: what the config lets clients ask for, who answers, at what price."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from billing.price import Price
from gateway.commands import hosts, price_words
from gateway.commands.fact_rows import end_in_words
from gateway.commands.screen import print_json, say, show
from gateway.config_models import ModelForm
from gateway.setup import Setup
from routing.route import Route

COLUMNS = ("model", "route", "USD/M in", "out", "maker", "operator", "place", "weights", "can call")


def tell(setup: Setup, *, as_json: bool) -> None:
    """Show each name that can be asked for with its routes: price, maker, operator, place."""
    found = [_model(setup, name) for name in setup.config.models]
    if as_json:
        print_json(
            {"config": setup.hash, "currency": "USD", "per": "1000000 tokens", "models": found}
        )
        return
    if not found:
        say("no models are configured: name some under `models:` in the config")
        return
    show(COLUMNS, [row for told in found for row in _rows(told)], right=("USD/M in", "out"))
    say(
        "",
        "A route can be asked for by its own name too. Prices: per million tokens, now,",
        "in USD where no other currency stands.",
        price_words.LEGEND,
        "With `--json` each says where it comes from.",
    )


def _model(setup: Setup, name: str) -> dict[str, Any]:
    entry = setup.config.models[name]
    candidates = setup.candidates(name)
    alias = None if isinstance(entry, ModelForm) else entry
    return {
        "model": name,
        "alias_of": alias,
        "prefer": candidates.wish.text if candidates is not None else None,
        "routes": [
            _route(setup, route) for route in (candidates.routes if candidates is not None else ())
        ],
    }


def _route(setup: Setup, route: Route) -> dict[str, Any]:
    now = datetime.now(UTC)
    price = route.prices.at(now) if route.prices is not None else None
    facts = route.facts
    return {
        "route": route.name,
        "usd_in": _figure(price.usd(price.input) if price is not None else None),
        "usd_out": _figure(price.usd(price.output) if price is not None else None),
        "cells": price_words.cells(route.prices, price, now),
        "prices": price_words.told(route.prices, now),
        "usd_per_hour": _figure(route.usd_per_hour),
        "longer_prompts_cost_more": bool(price is not None and price.above_prompt_tokens),
        "price_from": _origin(price),
        "maker": _known(facts.maker),
        "operator": _known(facts.operator),
        "processed_in": _known(facts.processed_in),
        "weights": facts.weights or "unknown",
        "licence": facts.licence or "unknown",
        "context": route.context,
        "until": setup.providers[route.provider].host.model(route.model).until,
        "why_not": hosts.why_not(setup.providers[route.provider]) or None,
    }


def _rows(told: dict[str, Any]) -> list[tuple[str, ...]]:
    if told["alias_of"] is not None:
        return [(told["model"], f"as {told['alias_of']}", *[""] * (len(COLUMNS) - 2))]
    name = told["model"] + (" (cheapest first)" if told["prefer"] == "cheapest" else "")
    return [
        (
            name,
            route["route"],
            *_prices(route),
            *(_words(route[fact]) for fact in ("maker", "operator", "processed_in")),
            route["weights"],
            _callable(route, datetime.now(UTC)),
        )
        for route in told["routes"]
    ]


def _callable(route: dict[str, Any], now: datetime) -> str:
    if route["why_not"] is not None:
        return f"no: {route['why_not']}"
    return f"yes, {end_in_words(route['until'], now)}" if route["until"] is not None else "yes"


def _prices(route: dict[str, Any]) -> tuple[str, str]:
    if route["usd_per_hour"] is not None:
        return f"{route['usd_per_hour']}/h", ""
    into, out = route["cells"]
    return into, out


def _figure(value: Decimal | None) -> str | None:
    return None if value is None else f"{value.normalize():f}"


def _origin(price: Price | None) -> str | None:
    return None if price is None else " · ".join(filter(None, (price.source, price.date)))


def _known(value: frozenset[str] | None) -> list[str] | str:
    return sorted(value) if value else "unknown"


def _words(value: list[str] | str) -> str:
    return value if isinstance(value, str) else ", ".join(value)
