"""The life of a request, top to bottom: who, what, may, where, hold, try, answer, settle, tell."""

from __future__ import annotations

import asyncio
import time
import traceback
from collections.abc import MutableMapping
from typing import Any

from gateway.admission import admit
from gateway.attempts import attempts
from gateway.call import Call
from gateway.entrance import Entrance
from gateway.errors import Refusal
from gateway.front import ClientGoneError, Receive, Send, send_refusal
from gateway.house import House
from gateway.presence import Presence
from gateway.record import Record
from gateway.route_holds import overran
from gateway.shadowing import drawn, follow
from providers.wires.wire import Wire

CLIENT_CLOSED = 499


async def run(
    house: House,
    entrance: Entrance,
    scope: MutableMapping[str, Any],
    receive: Receive,
    send: Send,
) -> None:
    """Answer one call at ``entrance``; never raises but for cancellation."""
    record = Record(house.ids.new(), time.perf_counter(), entrance.wire.name)
    house.in_flight += 1
    try:
        # who, what, may, where, hold
        call = await admit(house, entrance, scope, receive, record)
        # try, answer, settle
        await _serve(house, call, scope, receive, send)
    except Refusal as refusal:
        await _refuse(send, entrance.wire, record, refusal)
    except ClientGoneError:
        record.status = CLIENT_CLOSED
    except Exception as fault:  # noqa: BLE001 - named in tests/test_architecture.py
        # The one net under the hot path: a fault of ours is a clear 500, never a hung client.
        trace = "".join(traceback.format_exception(fault, limit=-8))
        house.log.write({"event": "internal_error", "id": record.request_id, "trace": trace})
        if not record.status:
            await _refuse(send, entrance.wire, record, _ours(record))
    finally:
        house.in_flight -= 1
        # tell
        seconds = time.perf_counter() - record.began
        house.metrics.observe(record, seconds)
        house.log.write(record.line(seconds))


async def _refuse(send: Send, wire: Wire, record: Record, refusal: Refusal) -> None:
    record.status, record.code = refusal.status, refusal.code
    if record.detected and refusal.code == "policy_denied":
        refusal.message += f"; its label was raised by detectors: {record.detected}"
    headers = [
        (b"x-entrepot-request-id", record.request_id.encode()),
        (b"x-entrepot-attempts", str(len(record.attempts)).encode()),
    ]
    await send_refusal(send, wire, refusal, record.request_id, headers)


def _ours(record: Record) -> Refusal:
    return Refusal(
        "internal_error",
        f"the gateway itself failed; its log has the reason under {record.request_id}",
    )


async def _serve(
    house: House, call: Call, scope: MutableMapping[str, Any], receive: Receive, send: Send
) -> None:
    shadow = drawn(house, call)
    if shadow is not None:
        send = shadow.listening(send)
    presence = Presence(call.record, scope, receive)
    try:
        await (call.entrance.answer or attempts)(house, call, send)
    except asyncio.CancelledError:
        if not presence.ended_it():
            raise
        call.record.status = CLIENT_CLOSED
    finally:
        presence.close()
        used = sum(e.prompt_tokens + e.completion_tokens for e in call.record.attempts)
        overran(house, call, call.hold.settle(call.record.most_pico, used))
        call.owing.settle(call.record.most_pico)
        if shadow is not None:
            follow(house, call, shadow)
