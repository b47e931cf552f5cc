"""The life of a request, top to bottom: who, what, may, where, hold, try, answer, settle, tell."""

from __future__ import annotations

import asyncio
import time
import traceback
from collections.abc import MutableMapping
from typing import Any

from gateway.at_home import UnfitError
from gateway.call import Call, admit, new_id, not_tried
from gateway.entrance import Entrance
from gateway.errors import Refusal, from_upstream
from gateway.front import ClientGoneError, Receive, Send, send_refusal
from gateway.house import House
from gateway.lanes import Cannot
from gateway.record import Record
from gateway.relay import relay
from gateway.settle import Attempt
from providers.client import StaleConnectionError
from providers.errors import ErrorKind, UpstreamError
from providers.wires.wire import Wire
from routing.plan import Route

CLIENT_CLOSED = 499
# Faults of the request itself: another route would answer the same.
FINAL = frozenset({ErrorKind.BAD_REQUEST, ErrorKind.FILTERED})


async def run(
    house: House,
    entrance: Entrance,
    scope: MutableMapping[str, Any],
    receive: Receive,
    send: Send,
) -> None:
    """Answer one call at ``entrance``; never raises but for cancellation."""
    record = Record(new_id(), time.perf_counter(), entrance.wire.name)
    house.in_flight += 1
    try:
        # who, what, may, where, hold
        call = await admit(house, entrance, dict(scope["headers"]), receive, record)
        # try, answer, settle
        await _serve(house, call, receive, send)
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


async def _serve(house: House, call: Call, receive: Receive, send: Send) -> None:
    task = asyncio.current_task()
    watcher = asyncio.ensure_future(_watch(receive, call.record, task))
    try:
        await (call.entrance.answer or _attempts)(house, call, send)
    except asyncio.CancelledError:
        if task is None or not watcher.done():
            raise
        task.uncancel()
        call.record.status = CLIENT_CLOSED
    finally:
        watcher.cancel()
        used = sum(e.prompt_tokens + e.completion_tokens for e in call.record.attempts)
        call.hold.settle(call.record.cost_pico, used)


async def _watch(receive: Receive, record: Record, task: asyncio.Task[Any] | None) -> None:
    # Without somebody waiting on receive() a server never learns that its client has gone.
    while (await receive())["type"] != "http.disconnect":
        pass
    if task is not None and not record.answered:
        task.cancel()


async def _attempts(house: House, call: Call, send: Send) -> None:
    total_at = asyncio.get_running_loop().time() + call.setup.total_s
    faults: list[tuple[Route, UpstreamError]] = []
    cannot: list[tuple[Route, Cannot]] = []
    number = 0
    for route in call.plan.routes:
        for may_repeat in (True, False):
            # Policy once more, right before each send: nothing between may widen it.
            if not call.may(route):
                break
            lane = call.lanes.of(route)
            if isinstance(lane, Cannot):
                cannot.append((route, lane))
                break
            number += 1
            try:
                return await relay(house, Attempt(call, route, lane, number), send, total_at)
            except StaleConnectionError as fault:
                if may_repeat:
                    continue
                faults.append((route, fault))
            except UpstreamError as fault:
                if may_repeat and fault.kind is ErrorKind.OPAQUE_STATE:
                    call.lanes.forget_state()
                    continue
                faults.append((route, fault))
            break
        if faults and (_is_final(faults[-1][1]) or asyncio.get_running_loop().time() >= total_at):
            break
    raise _exhausted(call, faults, cannot)


def _is_final(fault: UpstreamError) -> bool:
    return fault.kind in FINAL and not isinstance(fault, UnfitError)


def _exhausted(
    call: Call,
    faults: list[tuple[Route, UpstreamError]],
    cannot: list[tuple[Route, Cannot]],
) -> Refusal:
    """Return what the client reads when no attempt gave an answer."""
    said = [f"{route.name}: {_words(fault)}" for route, fault in faults]
    said += [f"{route.name}: {lane.reason}" for route, lane in cannot]
    text = f"{'; '.join(said)}{not_tried(call.plan)}"
    waits = [fault.retry_after_s for _, fault in faults if fault.retry_after_s is not None]
    if not faults:
        return Refusal("policy_denied", f"no route may answer this request now{text}")
    last = faults[-1][1]
    if last.kind in FINAL or len({fault.kind for _, fault in faults}) == 1:
        last.retry_after_s = min(waits, default=None)
        return from_upstream(last, text)
    return Refusal(
        "no_healthy_route",
        f"every route failed: {text}",
        retry_after_s=min(waits, default=1.0),
    )


def _words(fault: UpstreamError) -> str:
    told = [f"HTTP {fault.status}"] if fault.status else []
    told += [f"code {fault.code}"] if fault.code else []
    status = f" ({', '.join(told)})" if told else ""
    if fault.kind is ErrorKind.AUTH:
        # The host's own words may hold a part of the key.
        return f"the host refused this gateway's credential{status}; check its api_key"
    return f"{fault.message}{status}"
