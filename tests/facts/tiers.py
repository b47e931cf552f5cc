"""What the catalogue's prices say otherwise than the facts beside the usual ones of today.

Tiers of service and their long prompts, dated rises, caches by lifetime, searches, peaks.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from billing.price import Price
from tests.facts import files
from tests.facts.catalogue import Spot, spots
from tests.facts.comparing import FIGURES, Difference, exact, served_at
from tests.facts.readings import HOSTS, MODEL_IDS

NOON = datetime(2026, 11, 26, 12, tzinfo=UTC)  # nowhere a peak
PEAK = datetime(2026, 11, 27, 2, tzinfo=UTC)  # 10 o'clock of a Friday in China
NAMES = {**FIGURES, "cache_write_12h": "cache_write_long", "cache_write_1h": "cache_write_long"}
PER_THOUSAND = Decimal(1000)
Wanted = tuple[str, datetime, str, int, dict[str, Decimal | None]]


def differences(key: str) -> Iterator[Difference]:
    """Yield every such price of a provider that the catalogue has otherwise, or not at all."""
    said = files.providers()[key]
    everywhere = spots(*HOSTS[key])
    for raw, model in zip(said.get("models") or (), files.models(said), strict=True):
        name, there = served_at(everywhere, MODEL_IDS.get((key, model.id), model.id))
        places = [one for spot in there for one in (spot, *spot.chosen)] if model.about else there
        if places and all(spot.is_plan for spot in places):
            continue  # within a plan a call costs nothing more
        for subject, moment, service, prompt, figures in _wanted(raw):
            got = [_price(spot, name, moment, service, prompt) for spot in places]
            if not any(price is not None and _has(price, figures) for price in got):
                shown = [price and price.unit_prices for price in got]
                asked = {bucket: str(figure) for bucket, figure in figures.items()}
                yield Difference(f"{subject} {raw['id']}", f"{shown}, not {asked}")


def _wanted(raw: Mapping[str, Any]) -> Iterator[Wanted]:
    usual: Mapping[str, Any] = next(
        (raw[key] for key in ("usd_per_mtok", "cny_per_mtok") if key in raw), {}
    )
    longer = {name: raw[f"{name}_usd"] for name in ("cache_write_1h",) if f"{name}_usd" in raw}
    kept = {name: value for name, value in {**usual, **longer}.items() if name in NAMES}
    yield from _one("caches", NOON, "", 0, {n: v for n, v in kept.items() if "cache_write" in n})
    if "web_search_per_1k" in usual:
        fee = {"search": exact(usual["web_search_per_1k"])}
        yield "searches", NOON, "", 0, {"search": (fee["search"] or Decimal(0)) / PER_THOUSAND}
    for tier in raw.get("long_context") or ():
        yield from _one("long", NOON, "", tier["above_prompt_tokens"] + 1, tier)
    if isinstance(raw.get("batch"), Mapping):
        yield from _one("batch", NOON, "batch", 0, raw["batch"])
    for tier in raw.get("batch_long_context") or ():
        yield from _one("long batch", NOON, "batch", tier["above_prompt_tokens"] + 1, tier)
    if "priority_multiplier" in raw:
        factor = exact(raw["priority_multiplier"]) or Decimal(1)
        base = raw["length_tiers"][0]["usd_per_mtok"]
        dearer = {name: (exact(value) or Decimal(0)) * factor for name, value in base.items()}
        yield from _one("priority", NOON, "priority", 0, dearer)
    if "peak_multiplier" in raw:
        factor = exact(raw["peak_multiplier"]) or Decimal(1)
        dearer = {n: (exact(v) or Decimal(0)) * factor for n, v in raw["usd_per_mtok"].items()}
        yield from _one("peak", PEAK, "", 0, dearer)
    for change in raw.get("price_change") or ():
        since = datetime.fromisoformat(change["from"]).replace(tzinfo=UTC)
        yield from _one("before the change", since - timedelta(seconds=1), "", 0, usual)
        yield from _one("change", since, "", 0, change)
        if "batch" in change:
            yield from _one("batch after the change", since, "batch", 0, change["batch"])


def _one(
    subject: str, moment: datetime, service: str, prompt: int, said: Mapping[str, Any]
) -> Iterator[Wanted]:
    figures = {
        NAMES[name]: exact(figure)
        for name, figure in said.items()
        if name in NAMES and figure is not None
    }
    if figures:
        yield subject, moment, service, prompt, figures


def _price(spot: Spot, name: str, moment: datetime, service: str, prompt: int) -> Price | None:
    prices = spot.route(name).prices
    price = prices.at(moment) if prices is not None else None
    price = price.in_service(service) if price is not None else None
    return price.tier(prompt) if price is not None else None


def _has(price: Price, figures: Mapping[str, Decimal | None]) -> bool:
    return all(getattr(price, bucket) == figure for bucket, figure in figures.items())
