"""Holds the sizes of plans against the facts: fees in their own currency, and windows."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from providers.plan import Plan, Tier
from tests.facts.catalogue import catalog, fault_of
from tests.facts.comparing import Difference
from tests.facts.files import providers
from tests.facts.readings import PLANS

# How the facts write a fee -> its currency and whether it is that of a whole year, by the month.
FEES = {
    "cny": ("CNY", False),
    "cny_per_month": ("CNY", False),
    "cny_per_seat": ("CNY", False),
    "cny_annual_per_month": ("CNY", True),
    "usd": ("USD", False),
    "usd_per_month": ("USD", False),
    "usd_annual_per_month": ("USD", True),
}
# How the facts write a window -> the ways in which the catalogue may.
SPANS = {"per_5h": {"5h"}, "per_week": {"7d"}, "per_month": {"1month", "30d"}}
UNITS = {"requests": "requests", "credits": "credits", "afp": "credits", "tokens": "tokens"}
# A group of windows written in one key: tokens_month, tokens_per_5h, credits_month, credits_m.
FLAT = re.compile(r"(tokens|credits)(?:_(month|per_5h|per_week|m|month_cn|month_intl))?$")
# How a size may be called that is another in either part of the world.
ENDS = ("international", "mainland")
MONTHS = SPANS["per_month"]
MILLION = 1_000_000

Window = tuple[str, frozenset[str], Decimal]


def differences(key: str, plan: str) -> Iterator[Difference]:
    """Yield everything in which the catalogue's plan is not that of the facts."""
    host = PLANS[key, plan]
    if fault := fault_of(host):
        yield Difference(f"host {host}", fault)
        return
    known = catalog().hosts[host].plan
    if known is None:
        yield Difference(f"host {host}", "has no plan")
        return
    for said in _said(key, plan):
        name = said["name"]
        tier = _tier(known, plan, name)
        if tier is None:
            yield Difference(f"tier {name}", f"is not among {', '.join(known.tiers)}")
            continue
        yield from _fees(name, said, tier)
        yield from _windows(name, said, tier)


def _said(key: str, plan: str) -> Iterator[Mapping[str, Any]]:
    for one in providers()[key]["plans"]:
        if one["id"].split(" (")[0] == plan:
            tiers = one.get("tiers")
            if tiers is None and any(fee in one for fee in FEES):
                tiers = [{**one, "name": plan.rsplit("-", 1)[-1]}]
            yield from tiers or ()


def _tier(known: Plan, plan: str, name: str) -> Tier | None:
    """Return a size of a plan, what it costs in either part of the world put together."""
    plain = re.sub(r"\s*\(.*\)", "", name).lower().replace(" ", "-").removesuffix("-seat")
    by_name = {tier.lower().replace(" ", "-"): said for tier, said in known.tiers.items()}
    # Where one host has several plans their sizes bear the plan's name.
    own = by_name.get(f"{plan.split('-')[0]}-{plain}")
    if own is not None:
        return own
    parts = [by_name[one] for one in (plain, *(f"{plain}-{end}" for end in ENDS)) if one in by_name]
    if not parts:
        parts = [by_name[one] for one in (plain.split("-")[-1],) if one in by_name]
    return (
        Tier(
            fees=tuple(fee for part in parts for fee in part.fees or ()),
            windows=tuple(window for part in parts for window in part.windows or ()),
        )
        if parts
        else None
    )


def _fees(name: str, said: Mapping[str, Any], tier: Tier) -> Iterator[Difference]:
    got = [(fee.amount, fee.currency, fee.per) for fee in tier.fees or ()]
    for key, (currency, annual) in FEES.items():
        if said.get(key) is None:
            continue
        amount = Decimal(str(said[key]))
        wanted = [(amount, currency, "month")]
        if annual:
            wanted += [(amount * 12, currency, "year")]
        if not any(one in got for one in wanted):
            shown = [f"{fee[0]} {fee[1]} a {fee[2]}" for fee in got]
            yield Difference(f"fee {name} {key}", f"{shown}, not {amount} {currency}")


def _windows(name: str, said: Mapping[str, Any], tier: Tier) -> Iterator[Difference]:
    got = [(window.unit, window.per, window.amount) for window in tier.windows or ()]
    for unit, spans, amount in _wanted(said):
        if not any(one[0] == unit and one[1] in spans and one[2] == amount for one in got):
            shown = [f"{one[2]} {one[0]} in {one[1]}" for one in got]
            subject = f"window {name} {unit} {'/'.join(sorted(spans))}"
            yield Difference(subject, f"{shown}, not {amount}")


def _wanted(said: Mapping[str, Any]) -> Iterator[Window]:
    for key, value in said.items():
        if key in UNITS and isinstance(value, dict):
            for span, amount in value.items():
                yield UNITS[key], frozenset(SPANS[span]), Decimal(amount)
        elif (flat := FLAT.fullmatch(key)) and isinstance(value, int):
            unit, span = flat[1], flat[2] or "month"
            spans = SPANS.get(span, MONTHS)
            yield unit, frozenset(spans), Decimal(value * (MILLION if span == "m" else 1))
