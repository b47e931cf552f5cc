"""How a request would be decided that nobody made: its facts, its plan, its routes' lanes.

``entrepot explain`` and the dashboard both ask this, so that they cannot come to differ.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from gateway.auth import Principal
from gateway.errors import Refusal
from gateway.lanes import host_wire
from gateway.setup import NO_TEAM, Setup
from gateway.standing import request_facts, wish_of
from providers.wires.registry import WIRES
from providers.wires.wire import Peek
from routing.explain import explanation
from routing.facts import RequestFacts
from routing.plan import Plan
from routing.policy import LabelError, Policy
from routing.policy_form import nearest
from routing.wish import Wish

# Only a rule on what a request may cost looks at its size.
PROMPT_TOKENS = 1000
# What a client's API is called where none is named.
USUAL_WIRE = "chat"
# Route -> the wire on which its host would be asked; None: on none that the client's leads to.
Ways = Mapping[str, str | None]


def asker(setup: Setup, key: str | None, team: str | None = None) -> Principal:
    """Return who asks: the key of that name, else this machine, else a key that nobody has.

    ``team`` stands instead of the key's own. Raises ``Refusal`` for a key that there is not.
    """
    if key is None:
        found = setup.local or Principal("", NO_TEAM, setup.policy.labels[0])
    else:
        by_name = {known.name: known for known in setup.principals.values()}
        if key not in by_name:
            right = nearest(key, by_name, "the config has no such key")
            raise Refusal("invalid_request", f"there is no key {key!r}; {right}", param="key")
        found = by_name[key]
    return found if team is None else replace(found, team=team)


def asked(
    setup: Setup,
    who: Principal,
    model: str,
    label: str | None = None,
    tags: str = "",
    prefer: str | None = None,
) -> tuple[RequestFacts, Wish | None]:
    """Return what the gateway itself would make of such a request's headers.

    ``tags`` have commas between them. Raises ``Refusal``: for a label, tags or an order that are
    none, and for a model that the key may not use.
    """
    said = {b"x-entrepot-tags": tags, b"x-entrepot-prefer": prefer}
    headers = {name: value.encode("latin-1", "replace") for name, value in said.items() if value}
    try:
        # Before the model, as the gateway reads them; what a header cannot say a config still may.
        raised = setup.policy.raise_label(who.label, label.strip() if label else None)
    except LabelError as fault:
        raise Refusal("invalid_request", str(fault), param="x-entrepot-label") from None
    facts = request_facts(setup, replace(who, label=raised), headers, model)
    # Which program would ask is not said here, and only a plan's terms want to know.
    return replace(facts, client=None), wish_of(headers.get(b"x-entrepot-prefer"))


def client_wires() -> list[str]:
    """Return the wires that clients may speak."""
    return [name for name, found in WIRES.items() if found.client is not None]


def known_wire(name: str) -> str:
    """Return ``name``, a wire that clients may speak. Raises ``Refusal`` for any other."""
    spoken = client_wires()
    if name not in spoken:
        right = nearest(name, spoken)
        raise Refusal("invalid_request", f"there is no client wire {name!r}; {right}", param="wire")
    return name


def ways(planned: Plan, wire: str, *, tools: bool) -> Ways:
    """Return for each route of a plan on which wire its host would be asked."""
    needs = frozenset({"tools"}) if tools else frozenset()
    peek = Peek("", False, True, None, 1, 0, needs)
    return {route.name: host_wire(WIRES[wire], route, peek) for route in planned.routes}


def told(
    planned: Plan, request: RequestFacts, policy: Policy, wire: str, by: Ways
) -> dict[str, Any]:
    """Return a decision as plain data for JSON, each route with the lane it would be asked in."""
    found = explanation(planned, request, policy)
    clients = {route.name: route.clients for route in planned.routes}
    found["wire"] = wire
    for line in found["routes"]:
        if not line["admitted"]:
            continue
        way = by[line["route"]]
        line["host_wire"] = way
        line["lane"] = None if way is None else "relay" if way == wire else "translate"
        if clients[line["route"]]:
            line["reason"] += f"; its plan is for {', '.join(clients[line['route']])}"
        if way is None:
            line["reason"] += f"; but its host is not asked by a client of {wire}"
        else:
            line["reason"] += f"; {'relayed' if way == wire else f'translated: {wire} to {way}'}"
    return found
