"""The books, providers and proofs as plain data for JSON. Money is exact, never a float."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from datetime import UTC, datetime, tzinfo
from typing import Any

from billing.cells import Figure, lines
from billing.exports import record
from billing.flows import WAY, FlowRow
from billing.ledger import Entry
from billing.money import half_even, usd_text
from billing.reports import Asked, Report
from billing.sums import SpendRow
from billing.waits import EXACT_MAX, KNOWN_BY, PERCENTS, PRECISION, Waited, Waits
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


def spend_row(row: SpendRow, by: Sequence[str], waits: Waits | None = None) -> dict[str, Any]:
    """Return one group's sums, with its name in each dimension of ``by``.

    ``cost_usd`` leaves out what nobody knows, which is counted; the true sum lies from
    ``cost_least_usd`` to ``cost_most_usd``, and above where ``unbounded_cost`` entries have no
    known bound. ``cache_hit_share`` is how much of the tokens in was read from caches, from
    "0.0000" to "1.0000".
    """
    told: dict[str, Any] = {
        "group": row.group,
        **dict(zip(by, row.names, strict=False)),
        "requests": row.requests,
        "attempts": row.attempts,
        "failed": row.failed,
        "tokens_in": row.tokens_in,
        "tokens_out": row.tokens_out,
        "tokens_cached": row.tokens_cached,
        "searches": row.searches,
        "cost_usd": usd_text(row.cost_pico),
        "cost_least_usd": usd_text(row.least_pico),
        "cost_most_usd": usd_text(row.most_pico),
        "unknown_cost": row.unknown,
        "unbounded_cost": row.unbounded,
        "stated_cost": row.stated,
        "estimated_usage": row.estimated,
        "missing_usage": row.missing,
        "energy_j": row.energy_j,
        "moves": row.moves,
        "cache_lost_tokens": row.cache_lost_tokens,
        "cache_lost_usd": usd_text(row.cache_lost_pico),
        "unknown_cache_lost": row.cache_lost_unknown,
        "cache_hit_share": share(row.tokens_cached, row.tokens_in),
    }
    if waits is not None:
        told["first_content_ms"] = _percentiles(waits.first)
        told["total_ms"] = _percentiles(waits.total)
    return told


def report(found: Report, waited: Waited | None, asked: Asked) -> dict[str, Any]:
    """Return a report's question and answer; ``waited`` are its percentiles, where wanted."""
    rows = waited.rows if waited is not None else {}
    return {
        "by": ",".join(asked.by),
        "where": {name: list(wanted) for name, wanted in asked.where.items()},
        "currency": "USD",
        "rows": [spend_row(row, asked.by, rows.get(row.names)) for row in found.rows],
        "total": spend_row(found.total, (), waited.total if waited is not None else None),
        "left_out": found.left_out,
    }


def precision(waited: Waited | None) -> str:
    """Return in words how exact percentiles are."""
    if waited is None:
        return (
            f"of more than {EXACT_MAX} attempts percentiles are known by {', '.join(KNOWN_BY)} "
            "and time only"
        )
    return "exact" if waited.exact else f"within {PRECISION}, and by whole hours"


def _percentiles(found: Sequence[int | None]) -> dict[str, int | None]:
    return {f"p{percent}": ms for percent, ms in zip(PERCENTS, found, strict=True)}


def band(row: SpendRow) -> str:
    """Return a cost in US dollars: one figure, or what it lies between where that is not known."""
    least = usd_text(row.least_pico)
    return least if row.least_pico == row.most_pico else f"{least} – {usd_text(row.most_pico)}"


def spend_csv(found: Report, asked: Asked) -> str:
    """Return a report as CSV, one line a group, without the total."""
    names = [name for name in spend_row(found.total, ()) if name != "group"]
    made: list[list[object]] = [[*asked.by, *names]]
    for row in found.rows:
        told = spend_row(row, ())
        made.append([*row.names, *(figure(told[name]) for name in names)])
    return lines(made)


def figure(value: object) -> object:
    """Return a value that we made ourselves, so that CSV leaves it as it is."""
    return Figure(value) if isinstance(value, str) else value


def share(part: int, whole: int) -> str | None:
    """Return ``part / whole`` as a decimal with four places; None of nothing at all."""
    if whole <= 0:
        return None
    whole_part, rest = divmod(half_even(10_000 * part, whole), 10_000)
    return f"{whole_part}.{rest:04d}"


def entry(given: Entry, zone: tzinfo) -> dict[str, Any]:
    """Return one attempt as the ledger has it; ``at`` is ``at_us`` for people, in ``zone``.

    Amounts are decimal text, in US dollars but for ``native_cost``. ``decision`` is how the routes
    of its request were chosen, None where that is not known.
    """
    return {
        **record(given),
        "at": when(given, zone).isoformat(),
        "prices": json.loads(given.prices) if given.prices else None,
        "decision": decision(given),
    }


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
    told = {
        "label": row.label,
        "operator": row.operator.split(","),
        "place": row.place.split(","),
        **row.more,
        "transfers": row.transfers,
        "requests": row.requests,
        "tokens_in": row.tokens_in,
        "tokens_out": row.tokens_out,
    }
    if row.first is not None and row.last is not None:
        told |= {"first": row.first.isoformat(), "last": row.last.isoformat()}
    return told


def flows_csv(found: Sequence[FlowRow], by: Sequence[str]) -> str:
    """Return flows as CSV, one line each."""
    more = [name for name in by if name not in WAY]
    names = ("transfers", "requests", "tokens_in", "tokens_out", "first", "last")
    rows = [
        [row.label, row.operator, row.place, *(row.more[name] for name in more)]
        + [flow(row).get(name) for name in names]
        for row in found
    ]
    return lines([[*WAY, *more, *names], *rows])


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
