"""Lane one: the host speaks the client's wire. The answer passes byte for byte, read beside.

Nothing goes to the client before the first event with content; until then a fault is the caller's
to move on from. What was spent is in the journal before the client has its last byte.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from billing.money import usd_text
from gateway.errors import CODES, from_upstream
from gateway.front import JSON, Headers, Send, send_body
from gateway.house import House
from gateway.settle import Attempt, settle
from providers.client import Answer
from providers.errors import ErrorKind, UpstreamError
from providers.wires.chat import request as chat
from providers.wires.chat.errors import read_error, write_stream_error
from providers.wires.chat.response import read
from providers.wires.chat.stream import StreamReader

ANSWER_MAX_BYTES = 64 * 1024 * 1024
HELD_MAX_BYTES = 1024 * 1024
DRAIN_S = 0.2
EVENT_STREAM = (
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-cache"),
    (b"x-accel-buffering", b"no"),
)


@dataclass(slots=True)
class _Clock:
    """The time limits of one attempt on one asyncio timeout, and which of them runs."""

    limit: asyncio.Timeout
    loop: asyncio.AbstractEventLoop
    between_s: float
    total_at: float
    phase: str
    arm_again_at: float = 0.0

    def heard(self) -> None:
        """The host sent something: the wait for the next bytes begins.

        Arming a timer costs more than reading a chunk, so it is done ten times within a wait at
        most: silence ends a stream after nine tenths of the limit at the earliest.
        """
        now = self.loop.time()
        if now < self.arm_again_at:
            return
        self.arm_again_at = now + self.between_s / 10
        at = now + self.between_s
        self.phase = f"no byte for {self.between_s:g} s" if at < self.total_at else "total"
        self.limit.reschedule(min(at, self.total_at))


async def relay(house: House, attempt: Attempt, send: Send, total_at: float) -> None:
    """Make one attempt and answer the client with it.

    Raises ``UpstreamError`` while the client has got nothing. A fault after that ends the client's
    stream with an error event and no ``[DONE]``. The attempt is settled in every case.
    """
    call, limits = attempt.call, attempt.route.endpoint.timeouts
    loop = asyncio.get_running_loop()
    total_at = min(total_at, loop.time() + limits.total_s)
    first_s = limits.first_byte_s if call.peek.stream else limits.answer_s
    first_at = min(loop.time() + first_s, total_at)
    clock = None
    try:
        async with asyncio.timeout_at(first_at) as limit:
            phase = f"no answer within {first_s:g} s" if first_at < total_at else "total"
            clock = _Clock(limit, loop, limits.between_s, total_at, phase)
            answer = await _open(house, attempt, first_s)
            try:
                if call.peek.stream:
                    await _stream(house, attempt, answer, send, clock)
                else:
                    await _whole(house, attempt, answer, send, clock)
            finally:
                answer.close()
    except TimeoutError:
        fault = UpstreamError(ErrorKind.TIMEOUT, _late(clock, limits.total_s))
    except UpstreamError as caught:
        fault = caught
    except asyncio.CancelledError:
        attempt.outcome = "cancelled"
        settle(house, attempt)
        raise
    else:
        return
    attempt.fail(fault)
    settle(house, attempt)
    if not attempt.committed:
        raise fault
    if call.record.answered:
        # Only the client's own slowness in taking the last bytes is left to fail here.
        return
    refusal = from_upstream(fault, f"{attempt.route.name} broke off: {fault.message}")
    call.record.code, call.record.answered = refusal.code, True
    event = write_stream_error(refusal.message, CODES["upstream_error"][1], refusal.code)
    await send({"type": "http.response.body", "body": event})


def _late(clock: _Clock | None, total_s: float) -> str:
    if clock is None or clock.phase == "total":
        return f"the call took longer than {total_s:g} s in all"
    return clock.phase


async def _open(house: House, attempt: Attempt, within_s: float) -> Answer:
    call, route = attempt.call, attempt.route
    payload = chat.write(call.body, route.model, route.dialect)
    extra = {
        name.decode("latin-1"): call.headers[name].decode("latin-1")
        for name in route.endpoint.forward
        if name in call.headers
    }
    target = await house.target(route.endpoint, within_s)
    attempt.sent = True
    answer = await house.client.post(target, payload, extra)
    attempt.status = answer.status
    if not 200 <= answer.status < 300:
        raise read_error(answer.status, answer.headers, await answer.read_some())
    return answer


async def _whole(house: House, attempt: Attempt, answer: Answer, send: Send, clock: _Clock) -> None:
    clock.heard()
    raw = await answer.read(ANSWER_MAX_BYTES)
    reading = read(raw, attempt.route.dialect)
    attempt.first_content_ms = attempt.elapsed_ms()
    attempt.outcome = "completed"
    attempt.finish, attempt.served = reading.finish, reading.model
    attempt.usage, attempt.text_bytes = reading.usage, reading.text_bytes
    entry = settle(house, attempt)
    cost = "unknown" if entry.cost_pico is None else usd_text(entry.cost_pico)
    headers = attempt.headers()
    headers.append((b"x-entrepot-cost-usd", cost.encode()))
    media = answer.content_type
    headers.append((b"content-type", media.encode("latin-1")) if "json" in media else JSON)
    attempt.committed = attempt.call.record.answered = True
    attempt.call.record.status = 200
    await send_body(send, 200, headers, raw)


async def _stream(
    house: House, attempt: Attempt, answer: Answer, send: Send, clock: _Clock
) -> None:
    if not answer.content_type.startswith("text/event-stream"):
        # Some hosts answer a stream's refusal as plain JSON under a 200.
        read(await answer.read(ANSWER_MAX_BYTES), attempt.route.dialect)
        raise UpstreamError(ErrorKind.MALFORMED, "the host answered a stream without streaming")
    reader = StreamReader(attempt.route.dialect, strip_usage=not attempt.call.peek.wants_usage)
    attempt.reader = reader
    held = b""
    while True:
        data = await answer.chunk()
        out = reader.feed(data) if data else reader.end()
        if not attempt.committed:
            held += out
            if not reader.content and reader.fault is None and len(held) <= HELD_MAX_BYTES:
                continue
            if not reader.content and reader.fault is not None:
                raise reader.fault
            out = held
            attempt.first_content_ms = attempt.elapsed_ms()
            await _start_stream(attempt, send)
        if reader.fault is not None:
            if out:
                await send({"type": "http.response.body", "body": out, "more_body": True})
            raise reader.fault
        if reader.done or not data:
            break
        clock.heard()
        if out:
            await send({"type": "http.response.body", "body": out, "more_body": True})
    attempt.outcome = "completed"
    settle(house, attempt)
    attempt.call.record.answered = True
    await send({"type": "http.response.body", "body": out})
    await _drain(answer)


async def _start_stream(attempt: Attempt, send: Send) -> None:
    headers: Headers = attempt.headers()
    headers.extend(EVENT_STREAM)
    attempt.committed = True
    attempt.call.record.status = 200
    await send({"type": "http.response.start", "status": 200, "headers": headers})


async def _drain(answer: Answer) -> None:
    # The end of the host's body gives the connection back to the pool; it is due at once.
    try:
        async with asyncio.timeout(DRAIN_S):
            while await answer.chunk():
                pass
    except (TimeoutError, UpstreamError):
        return
