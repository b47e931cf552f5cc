"""A plan told to people and to programs: every route considered, and why."""

from __future__ import annotations

from typing import Any

from routing.facts import RequestFacts
from routing.plan import Dropped, Plan
from routing.policy import Policy


def explanation(plan: Plan, request: RequestFacts, policy: Policy) -> dict[str, Any]:
    """Return ``plan`` as plain data for JSON: admitted routes in order, then the ones left out."""
    return {
        "model": request.model,
        "label": request.label,
        "team": request.team,
        "key": request.key,
        "tags": sorted(request.tags),
        "policy": policy.hash,
        "rules": [rule.name for rule in policy.applies(request)],
        "prefer": plan.prefer,
        "routes": [
            *(
                {"route": route.name, "admitted": True, "place": place, "reason": reason}
                for place, (route, reason) in enumerate(
                    zip(plan.routes, plan.reasons, strict=True), start=1
                )
            ),
            *(_left_out(dropped) for dropped in plan.dropped),
        ],
    }


def lines(told: dict[str, Any]) -> list[str]:
    """Return what ``explanation`` gave as lines of text."""
    who = [f"label {told['label']}"]
    who += [f"{part} {told[part]}" for part in ("team", "key") if told[part]]
    who += [f"tags {', '.join(told['tags'])}"] if told["tags"] else []
    rules = ", ".join(repr(name) for name in told["rules"]) or "none"
    text = [
        f"{told['model']} for {', '.join(who)}",
        f"policy {told['policy']}, rules that apply: {rules}",
    ]
    for route in told["routes"]:
        if route["admitted"]:
            text.append(f"  {route['place']}. {route['route']}: {route['reason']}")
        else:
            rule = f"rule {route['rule']!r} " if route["rule"] else ""
            text.append(f"  -  {route['route']}: {route['why']}: {rule}{route['reason']}")
    if not any(route["admitted"] for route in told["routes"]):
        text.append("  no route may answer")
    return text


def _left_out(dropped: Dropped) -> dict[str, Any]:
    return {
        "route": dropped.route.name,
        "admitted": False,
        "why": dropped.why,
        "rule": dropped.rule,
        "fact": dropped.fact,
        "value": dropped.value,
        "source": dropped.evidence,
        "reason": dropped.reason,
    }
