"""``entrepot explain``: who would answer a request, in order, and why the others would not."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

import typer

from gateway import choosing, detecting, explaining
from gateway.commands import past_request
from gateway.commands.reading import ConfigOption, load_setup
from gateway.commands.screen import NOT_SO, WRONG_USAGE, JsonOption, fail, print_json, say
from gateway.errors import Refusal
from gateway.explaining import PROMPT_TOKENS
from gateway.setup import Setup
from routing.explain import lines
from routing.facts import RequestFacts
from routing.route import Size


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
    ] = explaining.USUAL_WIRE,
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
    setup = load_setup(config)
    try:
        explaining.known_wire(wire)
        asker = explaining.asker(setup, key, team)
        request, wish = explaining.asked(setup, asker, model, label, ",".join(tag or []), prefer)
    except Refusal as fault:
        fail(fault.message, NOT_SO if fault.code == "unknown_model" else WRONG_USAGE)
    detected, request = _detected(setup, request, text.read() if text is not None else None)
    try:
        planned = choosing.consider(setup, request, Size(PROMPT_TOKENS, max_tokens), wish)
    except Refusal as fault:
        fail(fault.message, NOT_SO)
    by = explaining.ways(planned, wire, tools=tools)
    found = explaining.told(planned, request, setup.policy, wire, by)
    found |= {"detected": detected} if detected is not None else {}
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
