"""A price list for people and programs: what holds now, in which tiers, and what changes when."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from typing import Any

from billing.bands import SATURDAY, WORKDAYS, Applies
from billing.price import USD, Price
from billing.price_list import PriceList
from providers.prices import WEEKDAYS

# Behind a figure: long prompts cost more, and the price changes with the hour or the day.
LONG, MOVES = "+", "~"
LEGEND = f"{LONG} says that long prompts cost more, {MOVES} that the price moves with the time."


def figure(value: Decimal | None) -> str | None:
    """Return an exact figure as text, None for none."""
    return None if value is None else f"{value.normalize():f}"


def marks(prices: PriceList | None, price: Price | None, now: datetime) -> str:
    """Return the marks behind a figure of ``price``, the one of now."""
    long = LONG if price is not None and price.above_prompt_tokens else ""
    ahead = prices.ahead(now) if prices is not None else ()
    moves = any(one.start or one.by_day for applies, _ in ahead for one in applies.all())
    return long + (MOVES if moves else "")


def cells(prices: PriceList | None, price: Price | None, now: datetime) -> tuple[str, str]:
    """Return what a million tokens cost in and out: in dollars, else in the vendor's currency."""
    if price is None:
        return "unknown", "unknown"
    mark, unit = marks(prices, price, now), ""
    into, out = price.usd(price.input), price.usd(price.output)
    if price.rate is None:
        into, out, unit = price.input, price.output, f" {price.currency}"
    return (
        "unknown" if into is None else f"{figure(into)}{unit}{mark}",
        "unknown" if out is None else f"{figure(out)}{unit}{mark}",
    )


def told(prices: PriceList | None, now: datetime) -> dict[str, Any] | None:
    """Return a list as plain data: the figures of now, its tiers, and every band with its times."""
    if prices is None:
        return None
    price = prices.at(now)
    return {
        "currency": price.currency if price is not None else None,
        "usd_per_unit": figure(price.rate) if price is not None else None,
        "rate_source": price.rate_source or None if price is not None else None,
        "now": _figures(price) if price is not None else None,
        "bands": [
            {"when": when_in_words(applies), **(_figures(one) or {})}
            for applies, one in prices.ahead(now)
        ],
        "lapses": prices.lapses,
    }


def _figures(price: Price) -> dict[str, Any]:
    return {
        **json.loads(price.unit_prices),
        "from": " · ".join(filter(None, (price.source, price.date))),
        "long": [{**json.loads(one.unit_prices)} for _, one in price.above_prompt_tokens],
        "tiers": {name: json.loads(one.unit_prices) for name, one in price.services},
    }


def in_words(prices: PriceList | None, now: datetime) -> list[str]:
    """Return what a table of figures does not say of a list; nothing of a plain one."""
    price = prices.at(now) if prices is not None else None
    if prices is None or price is None:
        return []
    found = []
    if price.currency != USD:
        worth = "nobody stated a rate: `exchange` in the config"
        if price.rate is not None:
            worth = f"1 {price.currency} is {figure(price.rate)} USD by {price.rate_source}"
        found.append(f"billed in {price.currency}; {worth}")
    ahead = prices.ahead(now)
    if len(ahead) > 1:
        found += [f"{_short(one)}: {when_in_words(applies)}" for applies, one in ahead]
    for start, one in price.above_prompt_tokens:
        found.append(f"above {start:,} tokens of prompt: {_short(one)}")
    found += [f"tier {name}: {_short(one)}" for name, one in price.services]
    fees = {"a request": price.request or None, "a search": price.search}
    found += [
        f"{figure(fee)} {price.currency} for {what}"
        for what, fee in fees.items()
        if fee is not None
    ]
    return found


def _short(price: Price) -> str:
    name = f"{price.band} " if price.band else ""
    return f"{name}{figure(price.input) or '?'} in, {figure(price.output) or '?'} out"


def when_in_words(applies: Applies) -> str:
    """Return when a price holds, such as "mon-fri, 09:00-12:00 Asia/Shanghai, not on holidays"."""
    return "; ".join(filter(None, map(_one_in_words, applies.all()))) or "else"


def _one_in_words(applies: Applies) -> str:
    parts = list(_bounds(applies))
    days = applies.weekdays
    if days == WORKDAYS:
        parts.append("mon-fri")
    elif days is not None and days == frozenset((SATURDAY, SATURDAY + 1)):
        parts.append("sat-sun")
    elif days is not None:
        parts.append(" ".join(WEEKDAYS[day] for day in sorted(days)))
    if applies.start is not None and applies.end is not None:
        parts.append(f"{applies.start:%H:%M}-{applies.end:%H:%M}")
    if applies.holidays is not None:
        whose = applies.calendar.country if applies.calendar is not None else None
        only = "only" if applies.holidays == "only" else "not"
        parts.append(f"{only} on {whose or 'stated'} holidays")
    return f"{', '.join(parts)} ({applies.zone})" if parts else ""


def _bounds(applies: Applies) -> Iterator[str]:
    if applies.since is not None:
        yield f"from {applies.since.isoformat()}"
    if applies.until is not None:
        yield f"until {applies.until.isoformat()}"
