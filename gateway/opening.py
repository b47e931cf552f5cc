"""What is known of an attempt from its beginning, and its note in the journal when it is sent."""

from __future__ import annotations

from typing import Any

from billing.opened import Opened
from gateway.attempt import Attempt, countries
from gateway.house import House


def begun(house: House, attempt: Attempt) -> None:
    """Note that ``attempt`` is sent now, so that a killed gateway leaves an account of it.

    Its settlement ends the note.
    """
    attempt.slot = house.journal.begin(Opened(**beginning(attempt)))


def beginning(attempt: Attempt) -> dict[str, Any]:
    """Return what is known of an attempt from its beginning, by the names of ``Opened``; once."""
    if attempt.beginning is None:
        attempt.beginning = _made_out(attempt)
    return attempt.beginning


def _made_out(attempt: Attempt) -> dict[str, Any]:
    call, route, lane = attempt.call, attempt.route, attempt.lane
    size, facts, record = call.size, call.facts, call.record
    return {
        "attempt_id": attempt.id,
        "request_id": record.request_id,
        "attempt": attempt.number,
        "at_us": attempt.at_us,
        "key": call.principal.name,
        "team": call.principal.team,
        "label": facts.label,
        "tags": ",".join(sorted(facts.tags)) if facts.tags else "",
        "session": call.session,
        "wire": record.wire,
        "stream": call.peek.stream,
        "lane": "relay" if attempt.relays else "translate",
        "host_wire": lane.wire.name,
        "model_asked": call.peek.model,
        "provider": route.provider,
        "model": route.model,
        "host": attempt.endpoint.host,
        "endpoint": attempt.endpoint.endpoint,
        "operator": countries(route.facts.operator),
        "place": countries(route.facts.processed_in),
        "policy_hash": call.setup.policy.hash,
        "config_hash": call.setup.hash,
        "purpose": attempt.purpose,
        "needs": ",".join(sorted(call.peek.needs)) if call.peek.needs else "",
        "prompt_most": size.prompt_tokens,
        "output_most": size.output_tokens,
        "user": call.user,
    }
