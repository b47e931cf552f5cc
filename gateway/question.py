"""What a request asks, made out once: its body, its facts, its label, its conversation.

The call itself and ``explain`` both go by it, so that they cannot come to differ.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, replace

from gateway import detecting
from gateway.auth import Principal
from gateway.call import Asked, decode, lanes_of, look, request_facts, size_of
from gateway.choosing import candidates_for, consider, view_of
from gateway.conversations import conversation, matters
from gateway.entrance import Entrance
from gateway.house import House
from gateway.lanes import Lanes
from gateway.prompt_size import is_open
from gateway.record import Record
from gateway.setup import Candidates, Setup
from gateway.stored import raised
from providers import json_body
from providers.wires.wire import Json, Peek
from routing.detectors.finding import Detectors
from routing.expected import View
from routing.facts import RequestFacts
from routing.plan import Plan
from routing.route import Size

# Looking through a longer body would hold up other calls.
LOOK_APART_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class Question:
    """One request as it is judged. ``conversation`` and ``view`` are None without a choice."""

    setup: Setup
    body: Json
    peek: Peek
    facts: RequestFacts
    asked: Asked
    size: Size
    candidates: Candidates
    lanes: Lanes
    conversation: bytes | None
    view: View | None


async def understood(
    house: House,
    setup: Setup,
    entrance: Entrance,
    principal: Principal,
    headers: Mapping[bytes, bytes],
    raw: bytes,
    record: Record,
) -> Question:
    """Return what the body ``raw`` asks at ``entrance``, and note in ``record`` what is known.

    Raises ``Refusal``.
    """
    sent = decode(raw)
    body, kept_under = entrance.prepare(sent, house.stored, principal.name)
    # What was kept and is put in again was not among the bytes.
    text_bytes = len(json_body.encode(body)) if kept_under else len(raw)
    peek = look(entrance, body, text_bytes)
    record.model_asked, record.stream = peek.model, peek.stream
    facts, asked = request_facts(setup, principal, headers, peek.model)
    facts = raised(facts, kept_under, setup.policy) if kept_under else facts
    if setup.detectors is not None:
        facts, record.detected = await _looked_through(
            house, setup, setup.detectors, facts, body, text_bytes
        )
    size = size_of(peek)
    if not size.is_open and is_open(body, entrance.wire.name):
        size = replace(size, is_open=True)
    candidates = candidates_for(setup, facts.model)
    key = view = None
    if matters(candidates.routes):
        key = conversation(asked.session, headers, body, principal.name, facts.label, peek.model)
        view = view_of(house, facts, peek, size, raw, key)
    lanes = lanes_of(setup, house.recall, entrance.wire, facts, body, raw, peek)
    lanes.has_state = lanes.has_state or (entrance.keep is not None and body is not sent)
    return Question(setup, body, peek, facts, asked, size, candidates, lanes, key, view)


def considered(house: House, question: Question) -> Plan:
    """Plan the routes of a request by all that is known now; the plan may be empty."""
    setup, facts, size = question.setup, question.facts, question.size
    return consider(setup, facts, size, question.asked.prefer, house.outlook, question.view)


async def _looked_through(
    house: House,
    setup: Setup,
    detectors: Detectors,
    facts: RequestFacts,
    body: Json,
    text_bytes: int,
) -> tuple[RequestFacts, str]:
    """Return the facts with the label raised by what stands in the body, and in words what does.

    Only kinds and counts are known of it from here on.
    """

    def look_through() -> dict[str, int]:
        return detectors.found(detecting.texts(body))

    apart = detectors.slow or text_bytes > LOOK_APART_BYTES
    found = await asyncio.to_thread(look_through) if apart else look_through()
    for kind, count in found.items():
        house.metrics.count("detected", (kind,), count)
    label = setup.policy.raise_label(facts.label, detectors.label(found))
    if label == facts.label:
        return facts, ""
    return replace(facts, label=label), detecting.words(found)
