"""How many tokens a prompt has: asked of the host that would get it, else estimated.

A question goes where the call itself would go and no further: the same policy, asked right before
the send. The entry says where the prompt went; hosts do not bill it.
"""

from __future__ import annotations

import asyncio

import msgspec

from gateway.asking import asked
from gateway.attempt import Attempt
from gateway.call import Call
from gateway.errors import Refusal
from gateway.front import JSON, Headers, Send, send_body
from gateway.house import House
from gateway.lanes import Cannot
from gateway.settle import settle
from gateway.watching import watched
from providers import tokens
from providers.errors import UpstreamError

ANSWER_MAX_BYTES = 1024 * 1024
ANSWER_WITHIN_S = 20.0

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode


async def count(house: House, call: Call, send: Send) -> None:
    """Answer a question for the number of tokens, on the asker's wire. Raises ``Refusal``."""
    counting = call.wire.counting
    if counting is None:
        raise Refusal("not_found", f"{call.wire.name} does not count tokens")
    number = 0
    # Said of every count that no host gave.
    headers: Headers = [
        (b"x-entrepot-request-id", call.record.request_id.encode()),
        (b"x-entrepot-estimated", b"true"),
    ]
    found: int | None = None
    for route in call.plan.routes:
        lane = call.lanes.counting(route)
        if isinstance(lane, Cannot):
            continue
        # Last, since it may take the place of a probe, which only an attempt's end gives back.
        endpoint = house.health.choose(route, call.stay)
        if endpoint is None:
            continue
        number += 1
        attempt = Attempt(call, route, lane, number, endpoint, purpose="count")
        try:
            found = await _counted(house, attempt)
        finally:
            # Also where the client leaves meanwhile: the prompt may have gone out.
            settle(house, attempt)
        if found is not None:
            headers = attempt.headers()
            break
    if found is None:
        found = tokens.estimate(call.peek.text_bytes)
    call.record.status, call.record.answered = 200, True
    answer = _encode(counting.write(found))
    await send_body(send, 200, [*headers, JSON], answer)


async def _counted(house: House, attempt: Attempt) -> int | None:
    """Ask one host; None where it gives no count."""
    try:
        async with asyncio.timeout(ANSWER_WITHIN_S):
            found = await watched(house, attempt, _count_at(house, attempt))
    except TimeoutError:
        attempt.error = "timeout"
        return None
    except asyncio.CancelledError:
        attempt.outcome = "cancelled"
        raise
    except UpstreamError as fault:
        attempt.fail(fault)
        return None
    attempt.outcome = "completed" if found is not None else "failed"
    return found


async def _count_at(house: House, attempt: Attempt) -> int | None:
    counting, model = attempt.lane.wire.counting, attempt.route.model
    if counting is None:
        return None
    question = _encode(counting.body(_decode(attempt.lane.payload(model)), model))
    answer = await asked(house, attempt, question, ANSWER_WITHIN_S, count=True)
    try:
        said = _decode(await answer.read(ANSWER_MAX_BYTES))
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    finally:
        answer.close()
    return counting.read(said) if isinstance(said, dict) else None
