"""One provider or host as plain data: what ``entrepot providers NAME --json`` prints."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from gateway.commands.fact_rows import Clock, facts_as_json
from gateway.commands.models import document
from gateway.commands.provider_told import About, At, depends, stale, unknown


def about_as_json(about: About, clock: Clock) -> dict[str, Any]:
    """Return all of one entry."""
    host = about.host
    return {
        "host": host.id,
        "name": host.name,
        "kind": host.kind,
        "status": host.status or "unknown",
        "default_endpoint": host.default_endpoint,
        "key_variable": host.auth_env,
        "stale_after_days": clock.stale_days,
        "facts": facts_as_json(about.facts, clock),
        "depends_on": [{"on": what, "decides": decides} for what, decides in depends(about)],
        "endpoints": {at.at.id: _endpoint(about, at, clock) for at in about.endpoints},
        "plan": _plan(about, clock),
        "models": {
            name: {
                "offers": [_offer(document(one, datetime.now(UTC))) for one in about.offers
                           if one.model.id == name],
                "facts": facts_as_json(facts, clock),
            }
            for name, facts in {**about.models, **about.patterns}.items()
        },
        "unknown": unknown(about),
        "stale": [
            {"of": where or None, "fact": one.name, "age_days": clock.age(one)}
            for where, one in stale(about, clock)
        ],
    }  # fmt: skip


def _endpoint(about: About, at: At, clock: Clock) -> dict[str, Any]:
    return {
        "wires": list(at.at.wires),
        "key_variable": at.key_variable,
        "facts": facts_as_json(at.facts, clock),
        "settings": {
            name: {
                "what": at.at.settings[name].what,
                "stated": about.owner.form.settings.get(name) if about.owner is not None else None,
                "choices": {
                    choice: facts_as_json(facts, clock) for choice, facts in choices.items()
                },
            }
            for name, choices in at.settings.items()
        },
    }


def _plan(about: About, clock: Clock) -> dict[str, Any] | None:
    plan = about.host.plan
    if plan is None:
        return None
    return {
        "name": plan.name,
        "payg": plan.payg or None,
        "facts": facts_as_json(about.plan, clock),
    }


def _offer(told: dict[str, Any]) -> dict[str, Any]:
    """Return what may differ between two endpoints: the model's name is known already."""
    kept = ("endpoints", "billing", "usd_in", "usd_out", "longer_prompts_cost_more", "price_from",
            "prices", "native", "context", "max_output", "quantisation")  # fmt: skip
    return {name: told[name] for name in kept}
