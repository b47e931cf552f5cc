"""The books, providers and proofs as plain data for JSON. Money is exact, never a float."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict
from datetime import UTC, datetime, tzinfo
from typing import Any

import msgspec

from billing.ledger import Entry
from billing.money import half_even, usd_text
from billing.reports import FlowRow, SpendRow
from gateway import routes
from gateway.lanes import Cannot, Lane
from gateway.routes import PLACE_FACTS, Provider
from gateway.setup import Setup
from providers.fact_age import age_days
from providers.host import Model
from providers.launch import State
from routing import explain
from routing.facts import RequestFacts, RouteFacts
from routing.proof import Proof

MODEL_FACTS = ("maker", "weights", "licence")
UNKNOWN = "unknown"


def spend_row(row: SpendRow) -> dict[str, Any]:
    """Return one group's sums; ``*_usd`` leaves out what nobody knows, which is counted.

    ``cache_hit_share`` is how much of the tokens in was read from caches, from "0.0000" to
    "1.0000".
    """
    told = asdict(row)
    return {
        "group": told.pop("group"),
        "requests": told.pop("requests"),
        "attempts": told.pop("attempts"),
        "tokens_in": told.pop("tokens_in"),
        "tokens_out": told.pop("tokens_out"),
        "tokens_cached": told.pop("tokens_cached"),
        "cost_usd": usd_text(told.pop("cost_pico")),
        "unknown_cost": told.pop("unknown"),
        "estimated_usage": told.pop("estimated"),
        "missing_usage": told.pop("missing"),
        "moves": told.pop("moves"),
        "cache_lost_tokens": told.pop("cache_lost_tokens"),
        "cache_lost_usd": usd_text(told.pop("cache_lost_pico")),
        "unknown_cache_lost": told.pop("cache_lost_unknown"),
        "cache_hit_share": share(row.tokens_cached, row.tokens_in),
    }


def share(part: int, whole: int) -> str | None:
    """Return ``part / whole`` as a decimal with four places; None of nothing at all."""
    if whole <= 0:
        return None
    whole_part, rest = divmod(half_even(10_000 * part, whole), 10_000)
    return f"{whole_part}.{rest:04d}"


def entry(given: Entry, zone: tzinfo) -> dict[str, Any]:
    """Return one attempt as the ledger has it; ``at`` is ``at_us`` for people, in ``zone``.

    ``decision`` is how the routes of its request were chosen, None where that is not known.
    """
    told: dict[str, Any] = {"at": when(given, zone).isoformat(), **msgspec.structs.asdict(given)}
    cost = told.pop("cost_pico")
    told["cost_usd"] = None if cost is None else usd_text(cost)
    told["prices"] = json.loads(given.prices) if given.prices else None
    lost = told.pop("cache_lost_pico")
    told["cache_lost_usd"] = None if lost is None else usd_text(lost)
    told["decision"] = decision(given)
    return told


def decision(given: Entry) -> dict[str, Any] | None:
    """Return how the routes of an attempt's request were chosen; None: another version wrote it."""
    try:
        return explain.told(given.decision)
    except ValueError:
        return None


def when(given: Entry, zone: tzinfo) -> datetime:
    """Return the moment at which an attempt began, in ``zone``."""
    seconds, micro = divmod(given.at_us, 1_000_000)
    return datetime.fromtimestamp(seconds, UTC).replace(microsecond=micro).astimezone(zone)


def flow(row: FlowRow) -> dict[str, Any]:
    """Return what data of one label went to one operator and place."""
    told = asdict(row)
    return {**told, "operator": row.operator.split(","), "place": row.place.split(",")}


def lane(found: Lane | Cannot) -> dict[str, Any]:
    """Return how a route is asked, or why it cannot be."""
    if isinstance(found, Cannot):
        return {"lane": None, "why_not": found.reason, "field": found.field or None}
    return {
        "lane": "relay" if found.relayed else "translate",
        "wire": found.wire.name,
        "lost": list(found.lost),
        "changed": list(found.changed),
        "notes": list(found.notes),
    }


def provider(owner: Provider, setup: Setup, state: State | None, base_url: str) -> dict[str, Any]:
    """Return a configured provider with its facts, each with its evidence; never its key.

    ``state`` and ``base_url`` are those of a server that the gateway runs itself.
    """
    host, own = owner.host, _own_facts(owner, "")
    stale = setup.config.facts_stale_days
    return {
        "name": owner.name,
        "host": host.id,
        "host_name": host.name,
        "kind": host.kind,
        "operator_name": host.operator_name,
        "parent_name": host.parent_name,
        "endpoint": owner.at.id,
        "base_url": owner.endpoint.base_url or base_url or None,
        "available": not owner.available,
        "why_not": owner.available or None,
        "server": None if state is None else {"phase": state.phase, "reason": state.reason},
        "facts": aged_facts(own, PLACE_FACTS, stale),
        "models": [
            {
                "id": model,
                "facts": aged_facts(_own_facts(owner, model), (*MODEL_FACTS, *PLACE_FACTS), stale),
            }
            for model in configured_models(setup, owner.name)
        ],
    }


def place(owner: Provider) -> RouteFacts:
    """Return what holds for every model of a provider that is at home there."""
    return _own_facts(owner, "")


def configured_models(setup: Setup, name: str) -> list[str]:
    """Return the ids of the models that the config routes to the provider ``name``."""
    found = [setup.candidates(asked) for asked in setup.config.models]
    routes = [route for some in found if some is not None for route in some.routes]
    return list(dict.fromkeys(route.model for route in routes if route.provider == name))


def facts(found: RouteFacts, names: Iterable[str]) -> dict[str, Any]:
    """Return facts by name: what is so (or ``unknown``) and how that is known."""
    return {
        name: {"is": _plain(getattr(found, name)), "evidence": found.evidence.get(name, "")}
        for name in names
    }


def aged_facts(found: RouteFacts, names: Iterable[str], stale_days: int) -> dict[str, Any]:
    """Return facts with how long ago each was confirmed; ``stale`` where that is too long."""
    told = facts(found, names)
    for name, fact in told.items():
        confirmed = found.confirmed.get(name)
        days = age_days(confirmed, datetime.now(UTC).date())
        fact |= {
            "confirmed": None if confirmed is None else confirmed.isoformat(),
            "age_days": days,
            "stale": days is not None and days > stale_days,
        }
    return told


def proof(found: Proof, setup: Setup) -> dict[str, Any]:
    """Return what was proven of the policy's expectations."""
    return {
        "policy": setup.policy.hash,
        "config": setup.hash,
        "holds": found.holds,
        "cases": found.cases,
        "expectations": [
            {
                "expect": finding.expect,
                "holds": finding.holds,
                "cases": finding.cases,
                "counter_example": finding.counter_example or None,
                "request": _request(finding.shows) if finding.shows is not None else None,
            }
            for finding in found.findings
        ],
        "warnings": [asdict(notice) for notice in found.warnings],
    }


def _request(facts: RequestFacts) -> dict[str, Any]:
    asked = {"label": facts.label, "model": facts.model, "team": facts.team, "key": facts.key}
    return {**asked, "tags": sorted(facts.tags)}


def _own_facts(owner: Provider, model: str) -> RouteFacts:
    # What a pattern for all names says is said of names, and a provider's own place is of none.
    return routes.facts(owner, owner.host.model(model) if model else Model(""))


def _plain(value: frozenset[str] | str | int | None) -> list[str] | str | int:
    if value is None or value == frozenset():
        return UNKNOWN
    return sorted(value) if isinstance(value, frozenset) else value
