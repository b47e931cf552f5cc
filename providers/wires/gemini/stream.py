"""Reads a host's stream: passed through and tapped, or as neutral events.

It is server-sent events, or one JSON array where it was not asked for events. There is no mark of
the end: a body that ends without any finish reason was cut.
"""

from __future__ import annotations

from typing import Any

import msgspec

from providers.dialect import Dialect
from providers.errors import ErrorKind, UpstreamError
from providers.framing import EventSplitter, EventTooLongError, event_data
from providers.ir import Counted, Event
from providers.usage import MISSING, Usage
from providers.wires.gemini.errors import error_of
from providers.wires.gemini.events import AnswerEvents
from providers.wires.gemini.finish import FAULTS, block_of, fault_of, native_finish
from providers.wires.gemini.pieces import ElementSplitter
from providers.wires.gemini.response import answers, parts_of, size_of, states_of
from providers.wires.gemini.usage import queries_in, usage_of
from providers.wires.kept import Kept
from providers.wires.wire import Json

# Nobody searches so often for one answer.
QUERIES_MAX = 1000

_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode


class StreamReader:
    """The state of one stream; ``wire.Reader`` says what its attributes mean."""

    __slots__ = (
        "_array",
        "_dialect",
        "_events",
        "_held",
        "_queries",
        "_said",
        "_splitter",
        "calls",
        "content",
        "done",
        "fault",
        "finish",
        "kept",
        "model",
        "states",
        "text_bytes",
    )

    def __init__(self, dialect: Dialect, issuer: str, strip_usage: bool = False) -> None:
        # Every client of this wire gets its usage, so that there is nothing to strip.
        del strip_usage
        self._dialect = dialect
        self._events = AnswerEvents(issuer)
        self._splitter: EventSplitter | None = None
        self._array: ElementSplitter | None = None
        self._held = b""
        self._said: Any = None
        self._queries: set[str] = set()
        self.content = False
        self.done = False
        self.fault: UpstreamError | None = None
        self.finish = ""
        self.model = ""
        self.text_bytes = 0
        self.states: list[str] = []
        self.calls: list[str] = []
        self.kept: Kept | None = None

    @property
    def usage(self) -> Usage:
        """The usage that the host reported so far; MISSING where it reported none."""
        if self._said is None:
            return MISSING
        return usage_of(self._said, self._dialect, len(self._queries))

    def feed(self, data: bytes) -> bytes:
        """Return the whole events that ``data`` completes, byte for byte."""
        out = []
        for raw, chunk in self._split(data):
            if self.fault is None and self._passes(chunk):
                out.append(raw)
        return b"".join(out)

    def end(self) -> bytes:
        """Return what was left at the end of the body; sets ``fault`` where it was cut."""
        rest, chunk = self._rest()
        passes = self.fault is None and self._passes(chunk)
        self._check_end()
        return rest if passes else b""

    def events(self, data: bytes) -> list[Event]:
        """Return what ``data`` completes in the neutral form, clean."""
        out: list[Event] = []
        for _, chunk in self._split(data):
            self._to_events(chunk, out)
        return out

    def close(self) -> list[Event]:
        """Return the ends of all that is open; sets ``fault`` where the body was cut."""
        out: list[Event] = []
        _, chunk = self._rest()
        if chunk:
            self._to_events(chunk, out)
        self._check_end()
        if self.fault is None:
            out += self._events.close()
            if self._said is not None:
                out.append(Counted(self.usage))
        return out

    # -- bytes to chunks ----------------------------------------------------------------------

    def _split(self, data: bytes) -> list[tuple[bytes, bytes | None]]:
        if self.fault is not None:
            return []
        if self._splitter is None and self._array is None:
            self._held += data
            first = self._held.lstrip()[:1]
            if not first:
                return []
            data, self._held = self._held, b""
            if first in (b"[", b"{"):
                self._array = ElementSplitter()
            else:
                self._splitter = EventSplitter()
        try:
            if self._array is not None:
                found: list[tuple[bytes, bytes | None]] = [*self._array.feed(data)]
                self.done = self._array.closed
                return found
            if self._splitter is not None:
                return [(event, event_data(event)) for event in self._splitter.feed(data)]
        except EventTooLongError as fault:
            self.fault = UpstreamError(ErrorKind.MALFORMED, str(fault))
        return []

    def _rest(self) -> tuple[bytes, bytes | None]:
        # What is left, and the chunk in it: the last event may lack its blank line.
        if self._array is not None:
            half = self._array.half and not self.finish
            rest = self._array.rest()
            return (b"", None) if half else (rest, None)
        if self._splitter is None:
            return self._held, None
        rest = self._splitter.rest()
        if self.fault is not None or not rest.strip():
            return rest, None
        chunk = event_data(rest)
        return (rest, chunk) if not chunk or _whole(chunk) else (b"", None)

    def _check_end(self) -> None:
        # Half a chunk is the mark of a cut too, unless the answer had ended before it.
        if self.fault is None and not self.finish:
            self.fault = UpstreamError(ErrorKind.CUT, "the stream ended without any finish reason")

    # -- chunks -------------------------------------------------------------------------------

    def _passes(self, data: bytes | None) -> bool:
        if not data:
            return True
        body = self._body(data)
        if body is None:
            return False
        spoiled = self._tap(body)
        if spoiled is not None and not self.content:
            # Nothing is lost yet: it may be asked again. Later the client reads the host's word.
            self.fault = spoiled
            return False
        self.content = self.content or bool(self.finish)
        return True

    def _to_events(self, data: bytes | None, out: list[Event]) -> None:
        if not data or self.fault is not None:
            return
        body = self._body(data)
        if body is None:
            return
        self._tap(body)
        self.content = self.content or bool(self.finish)
        early = self.usage if self._said is not None and not self._events.started else None
        out += self._events.chunk(body, data, early)
        self.fault = self._events.fault

    def _body(self, data: bytes) -> Json | None:
        try:
            body = _decode(data)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            self.fault = UpstreamError(ErrorKind.MALFORMED, "an event of the stream is not JSON")
            return None
        if isinstance(body, list) and len(body) == 1:
            body = body[0]
        if not isinstance(body, dict):
            self.fault = UpstreamError(ErrorKind.MALFORMED, "an event of the stream is no object")
            return None
        if body.get("error"):
            self.fault = error_of(body["error"], 200, self._dialect)
            return None
        return body

    def _tap(self, body: Json) -> UpstreamError | None:
        # Reads beside; returns the fault where the model spoiled its answer.
        model, usage = body.get("modelVersion"), body.get("usageMetadata")
        if isinstance(model, str) and model:
            self.model = model
        if isinstance(usage, dict):
            self._said = usage
        blocked = block_of(body.get("promptFeedback"))
        if blocked:
            self.finish = blocked
        spoiled = None
        for candidate in answers(body):
            parts = parts_of(candidate)
            if parts:
                states, calls = states_of(parts)
                self.states += states
                self.calls += calls
                size = sum(map(size_of, parts))
                self.text_bytes += size
                self.content = self.content or size > 0
                if self.kept is not None:
                    keep(self.kept, parts)
            if "groundingMetadata" in candidate and len(self._queries) < QUERIES_MAX:
                self._queries |= queries_in(candidate)
            finish = native_finish(candidate.get("finishReason"))
            if finish:
                self.finish = finish
                if finish in FAULTS:
                    spoiled = fault_of(finish, candidate.get("finishMessage"))
        return spoiled


def _whole(chunk: bytes) -> bool:
    try:
        _decode(chunk)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return False
    return True


def keep(kept: Kept, parts: list[Json]) -> None:
    """Keep the words in parts, and the calls."""
    for part in parts:
        text, call = part.get("text"), part.get("functionCall")
        if isinstance(text, str):
            (kept.think if part.get("thought") else kept.say)(text)
        elif isinstance(call, dict):
            kept.say(f"{call.get('name', '')}{_encode(call.get('args') or {}).decode()}")
