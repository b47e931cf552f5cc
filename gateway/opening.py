"""Notes an attempt right before it is sent, so that a killed gateway leaves an account of it."""

from __future__ import annotations

from billing.opened import Opened
from gateway.attempt import Attempt, countries
from gateway.house import House


def begun(house: House, attempt: Attempt) -> None:
    """Note that ``attempt`` is sent now; its settlement ends the note."""
    call, route, lane = attempt.call, attempt.route, attempt.lane
    size = call.size
    attempt.slot = house.journal.begin(
        Opened(
            attempt_id=attempt.id,
            request_id=call.record.request_id,
            attempt=attempt.number,
            at_us=attempt.at_us,
            key=call.principal.name,
            team=call.principal.team,
            label=call.facts.label,
            tags=",".join(sorted(call.facts.tags)),
            session=call.session,
            wire=call.record.wire,
            stream=call.peek.stream,
            lane="relay" if attempt.relays else "translate",
            host_wire=lane.wire.name,
            model_asked=call.peek.model,
            provider=route.provider,
            model=route.model,
            host=attempt.endpoint.host,
            endpoint=attempt.endpoint.endpoint,
            operator=countries(route.facts.operator),
            place=countries(route.facts.processed_in),
            policy_hash=call.setup.policy.hash,
            config_hash=call.setup.hash,
            purpose=attempt.purpose,
            needs=",".join(sorted(call.peek.needs)),
            prompt_most=size.prompt_tokens,
            output_most=size.output_tokens,
            user=call.user,
        )
    )
