"""``entrepot explain``: who would answer a request, in order, and why the others would not."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any

import typer

from gateway import choosing, detecting
from gateway.auth import Principal
from gateway.commands import past_request
from gateway.commands.reading import ConfigOption, load_setup
from gateway.commands.screen import NOT_SO, WRONG_USAGE, JsonOption, fail, print_json, say
from gateway.errors import Refusal
from gateway.lanes import host_wire
from gateway.setup import NO_TEAM, Setup
from gateway.standing import request_facts, wish_of
from providers.wires.registry import WIRES
from providers.wires.wire import Peek
from routing.explain import explanation, lines
from routing.facts import RequestFacts
from routing.plan import Plan
from routing.policy_form import nearest
from routing.route import Size
from routing.wish import Wish

# Only a rule on what a request may cost looks at its size.
PROMPT_TOKENS = 1000


def run(
    model: Annotated[
        str,
        typer.Argument(
            metavar="MODEL",
            help="A name that clients ask for, or provider/model; or the id of a past request.",
        ),
    ],
    label: Annotated[str | None, typer.Option(help="The label that the client raises to.")] = None,
    team: Annotated[str | None, typer.Option(help="Instead of the key's team.")] = None,
    tag: Annotated[list[str] | None, typer.Option(help="A tag; may be given more often.")] = None,
    key: Annotated[str | None, typer.Option(help="The name of the key that asks.")] = None,
    prefer: Annotated[
        str | None, typer.Option(help="listed, cheapest or fastest, as a client asks.")
    ] = None,
    wire: Annotated[
        str, typer.Option(help="The wire of the client: chat, responses, messages, gemini, …")
    ] = "chat",
    tools: Annotated[bool, typer.Option("--tools", help="The request has function tools.")] = False,
    max_tokens: Annotated[int | None, typer.Option(help="The longest answer.", min=1)] = None,
    text: Annotated[
        typer.FileText | None, typer.Option(help="A file with the prompt, or -, for detectors.")
    ] = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show every route for MODEL in order, each with its reason, and what keeps the others out.

    Of a past request (req_…) what was decided then, and every attempt that followed.
    """
    if past_request.is_one(model):
        past_request.run(model, config, as_json=as_json)
        return
    spoken = [name for name, found in WIRES.items() if found.client is not None]
    if wire not in spoken:
        fail(f"there is no client wire {wire!r}; {nearest(wire, spoken)}", WRONG_USAGE)
    setup = load_setup(config)
    asker = _asker(setup, key)
    if team is not None:
        asker = replace(asker, team=team)
    request, wish = _facts(setup, asker, model, label, tag or [], prefer)
    detected, request = _detected(setup, request, text.read() if text is not None else None)
    try:
        planned = choosing.consider(setup, request, Size(PROMPT_TOKENS, max_tokens), wish)
    except Refusal as fault:
        fail(fault.message, NOT_SO)
    found = explanation(planned, request, setup.policy)
    found |= {"detected": detected} if detected is not None else {}
    _add_lanes(found, planned, wire, tools=tools)
    if as_json:
        print_json(found)
    else:
        if detected is not None:
            say(f"found in the text: {detecting.words(detected)}")
        say(*lines(found))
        if setup.policy.limited(request):
            longest = f"{max_tokens} tokens" if max_tokens else "the model's longest"
            say(f"  (costs: for a prompt of {PROMPT_TOKENS} tokens, an answer of {longest})")
    raise typer.Exit(0 if planned.routes else NOT_SO)


def _detected(
    setup: Setup, request: RequestFacts, text: str | None
) -> tuple[dict[str, int] | None, RequestFacts]:
    """Return what the config's detectors find in ``text``, and the request raised by it."""
    if text is None:
        return None, request
    made = detecting.detectors(setup.config, setup.policy)
    if made is None:
        fail("the config asks for no detectors; for example: detect: {email: LABEL}", WRONG_USAGE)
    found = made.found(detecting.texts({"text": text}))
    return found, replace(request, label=setup.policy.raise_label(request.label, made.label(found)))


def _add_lanes(found: dict[str, Any], planned: Plan, wire: str, *, tools: bool) -> None:
    """Say of each route on which wire its host would be asked."""
    needs = frozenset({"tools"}) if tools else frozenset()
    peek = Peek("", False, True, None, 1, 0, needs)
    ways = {route.name: host_wire(WIRES[wire], route, peek) for route in planned.routes}
    route_of = {route.name: route for route in planned.routes}
    found["wire"] = wire
    for told in found["routes"]:
        if not told["admitted"]:
            continue
        way = ways[told["route"]]
        told["host_wire"] = way
        told["lane"] = None if way is None else "relay" if way == wire else "translate"
        if route_of[told["route"]].clients:
            told["reason"] += f"; its plan is for {', '.join(route_of[told['route']].clients)}"
        if way is None:
            told["reason"] += f"; but its host is not asked by a client of {wire}"
        else:
            told["reason"] += f"; {'relayed' if way == wire else f'translated: {wire} to {way}'}"


def _asker(setup: Setup, key: str | None) -> Principal:
    """Return who asks: the key of that name, else this machine, else a key that nobody has."""
    if key is None:
        return setup.local or Principal("", NO_TEAM, setup.policy.labels[0])
    by_name = {found.name: found for found in setup.principals.values()}
    if key not in by_name:
        fail(f"there is no key {key!r}; {nearest(key, by_name, 'the config has no such key')}")
    return by_name[key]


def _facts(
    setup: Setup,
    asker: Principal,
    model: str,
    label: str | None,
    tags: list[str],
    prefer: str | None,
) -> tuple[RequestFacts, Wish | None]:
    """Return what the gateway itself would make of such a request's headers."""
    said = {b"x-entrepot-label": label, b"x-entrepot-prefer": prefer}
    said[b"x-entrepot-tags"] = ",".join(tags)
    headers = {name: value.encode("latin-1", "replace") for name, value in said.items() if value}
    try:
        facts = request_facts(setup, asker, headers, model)
        # Which program would ask is not said here, and only a plan's terms want to know.
        return replace(facts, client=None), wish_of(headers.get(b"x-entrepot-prefer"))
    except Refusal as fault:
        fail(fault.message, NOT_SO if fault.code == "unknown_model" else WRONG_USAGE)
