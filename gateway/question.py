"""What a request asks, made out once: its body, its facts, its label, its conversation.

The call itself and ``explain`` both go by it, so that they cannot come to differ.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime

from msgspec import Struct
from msgspec.structs import replace as copied

from gateway import detecting
from gateway.auth import Principal
from gateway.call import decode, lanes_of, look, size_of
from gateway.choosing import consider, view_of
from gateway.conversations import conversation
from gateway.entrance import Entrance
from gateway.house import House
from gateway.lanes import Lanes
from gateway.prompt_size import is_open
from gateway.record import Record
from gateway.setup import Setup, Standing
from gateway.standing import is_proven, prove, session_of, standing
from gateway.stored import raised
from providers import json_body
from providers.wires.wire import Json, Peek
from routing.detectors.finding import Detectors
from routing.expected import COLD, Warm
from routing.facts import RequestFacts
from routing.plan import Plan
from routing.route import Size

# Looking through a longer body would hold up other calls.
LOOK_APART_BYTES = 64 * 1024


class Question(Struct, frozen=True, eq=False):
    """One request as it is judged; ``raw`` are the bytes of its body.

    ``conversation`` is None without a choice, and ``warm`` which routes have it in their cache.
    """

    setup: Setup
    raw: bytes
    body: Json
    peek: Peek
    facts: RequestFacts
    standing: Standing
    session: str
    size: Size
    lanes: Lanes
    conversation: bytes | None
    warm: Mapping[str, Warm]


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
    stands = standing(setup, principal, headers, peek.model)
    facts, session = stands.facts, session_of(headers)
    facts = raised(facts, kept_under, setup.policy) if kept_under else facts
    if setup.detectors is not None:
        facts, record.detected = await _looked_through(
            house, setup, setup.detectors, facts, body, text_bytes
        )
    size = size_of(peek)
    if not size.is_open and is_open(body, entrance.wire.name):
        size = copied(size, is_open=True)
    key, warm = None, COLD
    if stands.chooses:
        key = conversation(session, headers, body, principal.name, facts.label, peek.model)
        warm = house.affinity.warm(key, datetime.now(UTC))
    lanes = lanes_of(setup, house.recall, entrance.wire, facts, body, raw, peek)
    lanes.has_state = lanes.has_state or (entrance.keep is not None and body is not sent)
    return Question(setup, raw, body, peek, facts, stands, session, size, lanes, key, warm)


def considered(house: House, question: Question) -> Plan:
    """Plan the routes of a request by all that is known now; the plan may be empty."""
    stands, facts, size = question.standing, question.facts, question.size
    usual = stands.lasts and facts is stands.facts and house.outlook.is_clear
    within = not stands.limited or is_proven(stands, size)
    if usual and within and stands.plan is not None and _stays(question, stands.plan):
        return stands.plan
    view = None
    if stands.chooses:
        view = view_of(house, facts, question.peek, size, question.raw, question.warm)
    planned = consider(question.setup, facts, size, stands.prefer, house.outlook, view)
    if usual and not question.warm and not planned.busy:
        prove(stands, size, planned)
    return planned


def _stays(question: Question, planned: Plan) -> bool:
    """Whether nothing in the request itself bears on the plan of all that are like it."""
    stands, size, warm = question.standing, question.size, question.warm
    if stands.window and max(size.prompt_likely, size.prompt_least) > stands.window:
        return False
    # Where it is warm at the first route alone, it is there that it stays (``affinity.stay``).
    first = planned.routes[0].name if planned.routes else ""
    return not warm or (len(warm) == 1 and first in warm)


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
