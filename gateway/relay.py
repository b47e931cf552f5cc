"""One attempt: the host is asked on its lane, and its answer reaches the client.

In the relay lane the answer passes byte for byte, read beside; in the translate lane it is written
anew on the client's wire. Nothing goes to the client before the first event with content, or the
first sign of life in a long silence; until then a fault is the caller's to move on from. What was
spent is in the journal before the client has its last byte.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from msgspec.structs import replace as copied

from billing.money import usd_text
from gateway import translate
from gateway.asking import asked
from gateway.attempt import Attempt
from gateway.conversations import hint, with_hint
from gateway.errors import from_upstream
from gateway.front import JSON, ClientGoneError, Headers, Send, send_body
from gateway.house import House
from gateway.keepalive import KeepAlive
from gateway.recall import Turn
from gateway.settle import settle
from gateway.translate import Translated
from gateway.used import keep_whole
from providers.client import Answer
from providers.errors import ErrorKind, UpstreamError
from providers.ir import Reasoning
from providers.wires.kept import Kept
from providers.wires.wire import Mending, Reader, Writer

ANSWER_MAX_BYTES = 64 * 1024 * 1024
HELD_MAX_BYTES = 1024 * 1024
DRAIN_S = 0.2
NOT_CACHED = ((b"cache-control", b"no-cache"), (b"x-accel-buffering", b"no"))
EVENT_STREAM = (b"content-type", b"text/event-stream; charset=utf-8")
REPAIRED = "repaired: the host's tool calls were malformed"


@dataclass(slots=True)
class _Clock:
    """The time limits of one attempt on one asyncio timeout, and which of them runs."""

    limit: asyncio.Timeout
    loop: asyncio.AbstractEventLoop
    between_s: float
    total_at: float
    phase: str
    arm_again_at: float = 0.0
    alive: KeepAlive | None = None
    gives: bool = False  # the client is being given something, and may be the slow one

    def heard(self) -> None:
        """The host sent something: the wait for the next bytes begins.

        Arming a timer costs more than reading a chunk, so it is done ten times within a wait at
        most: silence ends a stream after nine tenths of the limit at the earliest.
        """
        now = self.loop.time()
        if self.alive is not None:
            self.alive.heard_at = now
        if now < self.arm_again_at:
            return
        self.arm_again_at = now + self.between_s / 10
        at = now + self.between_s
        self.phase = f"no byte for {self.between_s:g} s" if at < self.total_at else "total"
        self.limit.reschedule(min(at, self.total_at))


async def relay(house: House, attempt: Attempt, send: Send, total_at: float) -> None:
    """Make one attempt and answer the client with it; it is settled in every case.

    Raises ``UpstreamError``. Where the client has got something by then (``attempt.committed``), no
    other attempt can begin anew: the caller goes on from there, or breaks off. Raises
    ``ClientGoneError`` where the client took nothing for as long as a host may be silent.
    """
    call, limits = attempt.call, attempt.endpoint.timeouts
    loop = asyncio.get_running_loop()
    total_at = min(total_at, loop.time() + limits.total_s)
    first_s = limits.first_byte_s if call.peek.stream else limits.answer_s
    first_at = min(loop.time() + first_s, total_at)
    clock = None
    try:
        async with asyncio.timeout_at(first_at) as limit:
            phase = f"no answer within {first_s:g} s" if first_at < total_at else "total"
            clock = _Clock(limit, loop, limits.between_s, total_at, phase)
            if call.peek.stream:
                await _streamed(house, attempt, send, clock, first_s)
            else:
                answer = await asked(house, attempt, _payload(attempt), first_s)
                try:
                    await _whole(house, attempt, answer, send, clock)
                finally:
                    answer.close()
    except TimeoutError:
        if clock is not None and clock.gives:
            # No fault of the host, and nobody to be told of one.
            attempt.outcome = "cancelled"
            settle(house, attempt)
            raise ClientGoneError from None
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
    # Once all has been sent, only the client's own slowness in taking it is left to fail.
    if not call.record.answered:
        raise fault


async def break_off(attempt: Attempt, fault: UpstreamError, send: Send) -> None:
    """End the client's stream with an error event of its wire; a client must take it in time."""
    refusal = from_upstream(fault, f"{attempt.route.name} broke off: {fault.message}")
    record = attempt.call.record
    record.code, record.answered = refusal.code, True
    event = _writer(attempt).fail(refusal.message, refusal.type, refusal.code)
    try:
        async with asyncio.timeout(attempt.endpoint.timeouts.between_s):
            await send({"type": "http.response.body", "body": event})
    except TimeoutError:
        raise ClientGoneError from None


def _writer(attempt: Attempt) -> Writer:
    if isinstance(attempt.reader, Translated):
        return attempt.reader.writer
    client = attempt.call.wire.front
    return client.writer(translate.context(attempt.call, attempt.route))


def _late(clock: _Clock | None, total_s: float) -> str:
    if clock is None or clock.phase == "total":
        return f"the call took longer than {total_s:g} s in all"
    return clock.phase


def _payload(attempt: Attempt) -> bytes:
    """Return the bytes for the host, with the name of the conversation where it takes one."""
    lane, cache, key = attempt.lane, attempt.route.cache, attempt.call.conversation
    if cache is not None and key is not None and lane.wire.name in cache.hint_fields:
        named = with_hint(lane.body, cache, lane.wire.name, hint(key, attempt.route.provider))
        lane = copied(lane, body=named)
    return lane.payload(attempt.route.model)


async def _whole(house: House, attempt: Attempt, answer: Answer, send: Send, clock: _Clock) -> None:
    if not answer.is_here:
        clock.heard()
    raw = whole = await answer.read(ANSWER_MAX_BYTES)
    call, lane = attempt.call, attempt.lane
    media = answer.content_type
    _note_who(attempt, answer, raw)
    if lane.relayed:
        tap = lane.wire.passing.tap(raw, lane.dialect)
        _remember(house, attempt, tap.states)
        if lane.dialect.replay_reasoning and tap.calls and lane.wire.passing.thoughts is not None:
            _keep_turn(house, attempt, tap.calls, lane.wire.passing.thoughts(raw))
        if lane.dialect.repair_tool_calls:
            raw = _mended(attempt, raw)
    else:
        tap, raw = translate.whole(call, attempt.route, lane, house.recall, raw)
        media = ""
    attempt.first_content_ms = attempt.elapsed_ms()
    attempt.outcome = "completed"
    attempt.finish, attempt.served = tap.finish, tap.model
    attempt.usage, attempt.text_bytes = tap.usage, tap.text_bytes
    if tap.usage.state == "missing" and attempt.countable:
        keep_whole(attempt, whole)
    entry = settle(house, attempt)
    cost = "unknown" if entry.cost_pico is None else usd_text(entry.cost_pico)
    headers = attempt.headers()
    headers.append((b"x-entrepot-cost-usd", cost.encode()))
    headers.append((b"content-type", media.encode("latin-1")) if "json" in media else JSON)
    _keep(house, attempt, raw)
    attempt.committed = attempt.call.record.answered = True
    attempt.call.record.status = 200
    await send_body(send, 200, headers, raw)


def _note_who(attempt: Attempt, answer: Answer, data: bytes) -> None:
    """Say in the entry who answered behind an aggregator, where its answer says so."""
    at = attempt.route.endpoint.served_by
    if at is not None and (name := at.named(answer.headers, data)):
        attempt.notes.append(f"answered by {name}")


def _mended(attempt: Attempt, raw: bytes) -> bytes:
    mend = attempt.lane.wire.passing.mended
    out = mend(raw) if mend is not None else raw
    if out is not raw:
        attempt.notes.append(REPAIRED)
    return out


async def _streamed(
    house: House, attempt: Attempt, send: Send, clock: _Clock, first_s: float
) -> None:
    """Answer with a stream, kept alive through every silence, that before its first byte too."""
    client = attempt.call.wire.front
    sign = b"\n" if attempt.call.peek.json_stream else client.ping
    held = bytearray()

    async def ping() -> None:
        if attempt.call.record.answered:
            return
        if not attempt.committed:
            await _start_stream(attempt, send)
        begun = bytes(held)
        held.clear()
        await send({"type": "http.response.body", "body": begun + sign, "more_body": True})

    clock.alive = KeepAlive(attempt.call.setup.ping_s, ping)
    answer = None
    try:
        answer = await asked(house, attempt, _payload(attempt), first_s)
        await _stream(house, attempt, answer, send, clock, held)
    finally:
        if answer is not None:
            answer.close()
        clock.alive.stop()


def _reader(house: House, attempt: Attempt) -> Reader | Translated:
    call, route, lane = attempt.call, attempt.route, attempt.lane
    reader: Reader | Translated
    if attempt.resumes is not None:
        reader = translate.resumed(call, route, lane, house.recall, attempt.resumes)
    elif attempt.relays:
        reader = lane.wire.host.reader(lane.dialect, route.name, not call.peek.wants_usage)
    else:
        reader = translate.stream(call, route, lane, house.recall)
    if attempt.countable:
        reader.kept = Kept()
    return reader


async def _stream(
    house: House, attempt: Attempt, answer: Answer, send: Send, clock: _Clock, held: bytearray
) -> None:
    host, dialect = attempt.lane.wire.host, attempt.lane.dialect
    if not answer.content_type.startswith(host.stream_type):
        # Some hosts answer a stream's refusal as plain JSON under a 200.
        host.read(await answer.read(ANSWER_MAX_BYTES), dialect, attempt.route.name)
        raise UpstreamError(ErrorKind.MALFORMED, "the host answered a stream without streaming")
    reader = attempt.reader = _reader(house, attempt)
    out, goes_on = await _until_content(attempt, reader, answer, send, held)
    if goes_on:
        clock.heard()
        if out:
            await _give(send, out, clock)
        out = await _flow(reader, answer, send, clock)
    if reader.fault is not None:
        if out:
            await send({"type": "http.response.body", "body": out, "more_body": True})
        raise reader.fault
    attempt.outcome = "completed"
    if not isinstance(reader, Translated):
        _passed(house, attempt, reader)
    settle(house, attempt)
    _keep(house, attempt, out)
    attempt.call.record.answered = True
    await send({"type": "http.response.body", "body": out})
    if not answer.is_here:
        await _drain(answer)


async def _until_content(
    attempt: Attempt, reader: Reader | Translated, answer: Answer, send: Send, held: bytearray
) -> tuple[bytes, bool]:
    """Hold back what comes before the first content; return it with that, and whether more comes.

    The client's stream has begun then. Raises ``UpstreamError`` where it fails before.
    """
    while True:
        data = await answer.chunk()
        held += reader.feed(data) if data else reader.end()
        if reader.content or (reader.fault is None and len(held) > HELD_MAX_BYTES):
            break
        if reader.fault is not None:
            raise reader.fault
    out = bytes(held)
    held.clear()
    attempt.first_content_ms = attempt.elapsed_ms()
    _note_who(attempt, answer, data)
    if not attempt.committed:
        await _start_stream(attempt, send)
    return out, bool(data) and reader.fault is None and not reader.done


async def _flow(reader: Reader | Translated, answer: Answer, send: Send, clock: _Clock) -> bytes:
    """Pass on what comes until the end or a fault; return what is to be sent with that."""
    pour = getattr(send, "pour", None)
    if pour is not None:
        through = _Through(reader, clock, pour)
        while await answer.pour(through):
            if reader.fault is not None or reader.done:
                return through.out
            await _give(send, b"", clock)  # the client is slow: until it has taken what it has
        return reader.end()
    while data := await answer.chunk():
        out = reader.feed(data)
        if reader.fault is not None or reader.done:
            return out
        clock.heard()
        if out:
            await _give(send, out, clock)
    return reader.end()


class _Through:
    """Takes what the host sends right as it is read, and writes it to the client, without a task.

    ``out`` is what of it is left for the caller, once the stream has ended or failed.
    """

    __slots__ = ("_clock", "_pour", "_reader", "out")

    def __init__(
        self, reader: Reader | Translated, clock: _Clock, pour: Callable[[bytes], bool]
    ) -> None:
        self._reader = reader
        self._clock = clock
        self._pour = pour
        self.out = b""

    def __call__(self, data: bytes) -> bool:
        """Return whether more of it can be taken so."""
        reader = self._reader
        out = reader.feed(data)
        if reader.fault is not None or reader.done:
            self.out = out
            return False
        self._clock.heard()
        return self._pour(out) if out else True


async def _give(send: Send, out: bytes, clock: _Clock) -> None:
    """Send a part of a stream; while the client takes it, the silence is the client's."""
    clock.gives = True
    await send({"type": "http.response.body", "body": out, "more_body": True})
    clock.gives = False


def _passed(house: House, attempt: Attempt, reader: Reader) -> None:
    """Take from the tap of a stream that is over what has to be remembered or said of it."""
    _remember(house, attempt, reader.states)
    if not isinstance(reader, Mending):
        return
    if reader.repaired:
        attempt.notes.append(REPAIRED)
    if attempt.lane.dialect.replay_reasoning and reader.calls:
        _keep_turn(house, attempt, reader.calls, "".join(reader.thoughts))


def _keep(house: House, attempt: Attempt, answer: bytes) -> None:
    call = attempt.call
    if call.entrance.keep is not None:
        name, label = call.principal.name, call.facts.label
        call.entrance.keep(house.stored, name, call.body, answer, label)


def _remember(house: House, attempt: Attempt, states: Iterable[str]) -> None:
    if states:
        call = attempt.call
        house.recall.issued(call.principal.name, states, attempt.route.name, call.facts.label)


def _keep_turn(house: House, attempt: Attempt, calls: Iterable[str], thoughts: str) -> None:
    """Keep what the client's SDK will drop; "" too, where the model had not thought."""
    reasoning = (Reasoning(thoughts),) if thoughts else ()
    turn = Turn(attempt.route.name, reasoning, tuple((call, ()) for call in calls))
    house.recall.thought(attempt.call.principal.name, turn, attempt.call.facts.label)


async def _start_stream(attempt: Attempt, send: Send) -> None:
    headers: Headers = attempt.headers()
    headers.append(JSON if attempt.call.peek.json_stream else EVENT_STREAM)
    headers.extend(NOT_CACHED)
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
