"""Reads a host's stream: passed through and tapped, or as clean events.

``feed`` takes bytes cut anywhere and gives the bytes to send on, always whole events, so that an
error event of ours can follow any of them.
"""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec.structs import replace

from providers import tokens
from providers.dialect import Dialect
from providers.errors import ErrorKind, UpstreamError
from providers.framing import EventSplitter, EventTooLongError, event_data
from providers.ir import Counted, Event, Started
from providers.usage import MISSING, Usage
from providers.wires.kept import Kept, size_of
from providers.wires.messages.errors import error_of
from providers.wires.messages.events import Blocks
from providers.wires.messages.usage import merge, usage_of


class _Said(msgspec.Struct):
    type: Any = None
    index: Any = None
    message: Any = None
    content_block: Any = None
    delta: Any = None
    usage: Any = None
    error: Any = None


# A tuple: what a host says may have no hash.
BLOCK_EVENTS = ("content_block_start", "content_block_delta", "content_block_stop")

_decode = msgspec.json.Decoder(_Said).decode
# The field of a delta in which its words stand.
WORDS = {
    "text_delta": "text",
    "thinking_delta": "thinking",
    "input_json_delta": "partial_json",
}


class StreamReader:
    """The state of one stream; see ``providers.wires.wire.Reader``."""

    __slots__ = (
        "_blocks", "_dialect", "_ended", "_said", "_splitter", "_started", "_totals", "calls",
        "content", "done", "fault", "finish", "kept", "model", "states", "text_bytes",
    )  # fmt: skip

    def __init__(self, dialect: Dialect, issuer: str, _strip_usage: bool = False) -> None:
        self._dialect = dialect
        self._blocks = Blocks(issuer)
        self._splitter = EventSplitter()
        self._said: dict[str, Any] = {}
        self._totals = False
        self._started = False
        self._ended = False
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
        """The usage that the host reported so far; MISSING where it reported none.

        Before the totals come there is only the prompt's side, and the output is an estimate.
        """
        if not self._said:
            return MISSING
        usage = usage_of({"output_tokens": 0, **self._said}, self._dialect)
        if self._totals or usage.state != "reported":
            return usage
        written = max(usage.output, tokens.estimate(self.text_bytes))
        return replace(usage, output=written, state="estimated")

    def feed(self, data: bytes) -> bytes:
        """Return the whole events that ``data`` completes; nothing after ``fault`` is set."""
        events = self._split(data)
        if len(events) == 1:
            return events[0] if self._passes(events[0]) else b""
        return b"".join([event for event in events if self._passes(event)])

    def end(self) -> bytes:
        """Return what was left without its blank line; sets ``fault`` where the stream was cut."""
        rest, was_good = self._splitter.rest(), self.fault is None
        out = rest if rest.strip() and self._passes(rest) else b""
        self._check_end(was_good=was_good)
        return out

    def events(self, data: bytes) -> list[Event]:
        """Return what ``data`` completes in the neutral form, clean."""
        out: list[Event] = []
        for event in self._split(data):
            out += self._events_of(event)
        return out

    def close(self) -> list[Event]:
        """Return what was left at the end of the body; sets ``fault`` where it was cut."""
        rest, was_good = self._splitter.rest(), self.fault is None
        out = self._events_of(rest) if rest.strip() else []
        self._check_end(was_good=was_good)
        if self.fault is None and not self.done:
            out += self._finished("", None, None) if not self._ended else []
            out.append(Counted(self.usage))
        return out

    def _split(self, data: bytes) -> list[bytes]:
        try:
            return self._splitter.feed(data)
        except EventTooLongError as fault:
            self.fault = self.fault or UpstreamError(ErrorKind.MALFORMED, str(fault))
            return []

    def _check_end(self, *, was_good: bool) -> None:
        if was_good and self.fault is not None and self.fault.kind is ErrorKind.MALFORMED:
            # Half an event is the mark of a cut, unless the answer had ended before it.
            self.fault = None
        if self.fault is None and not self.done and not self.finish:
            self.fault = UpstreamError(ErrorKind.CUT, "the stream ended without its end mark")

    def _passes(self, event: bytes) -> bool:
        if self.fault is not None or self.done:
            return False
        said = self._look(event)
        if said is not None and said.type == "message_stop":
            self.done = self.content = True
        return self.fault is None

    def _look(self, event: bytes) -> _Said | None:
        """Read the attributes of the stream out of one event."""
        data = event_data(event)
        if not data or data == b"[DONE]":
            return None
        try:
            said = _decode(data)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            self.fault = UpstreamError(ErrorKind.MALFORMED, "an event of the stream is no event")
            return None
        kind = said.type
        if kind == "content_block_delta":
            if isinstance(said.delta, dict):
                self._look_at_delta(said.delta)
        elif kind == "content_block_start":
            if isinstance(said.content_block, dict):
                self._look_at_block(said.content_block)
        elif kind == "message_start":
            self._look_at_message(said.message)
        elif kind == "message_delta":
            self._look_at_end(said)
        elif kind == "error" or (kind is None and said.error):
            self.fault = error_of(said.error, 200, self._dialect)
        return said

    def _look_at_message(self, message: Any) -> None:
        if isinstance(message, dict):
            if isinstance(message.get("model"), str):
                self.model = message["model"]
            merge(self._said, message.get("usage"))

    def _look_at_block(self, block: dict[str, Any]) -> None:
        kind = block.get("type")
        if kind in ("text", "thinking"):
            words = block.get(kind)
            if isinstance(words, str) and words:
                self.content = True
                self.text_bytes += size_of(words)
                if self.kept is not None:
                    (self.kept.say if kind == "text" else self.kept.think)(words)
            self._state(block.get("signature"))
            return
        self.content = True
        if kind == "redacted_thinking":
            self._state(block.get("data"))
        elif kind == "tool_use":
            if isinstance(block.get("id"), str):
                self.calls.append(block["id"])
            if isinstance(block.get("name"), str):
                self.text_bytes += size_of(block["name"])
                if self.kept is not None:
                    self.kept.say(block["name"])

    def _look_at_delta(self, delta: dict[str, Any]) -> None:
        kind = delta.get("type")
        words = delta.get(WORDS.get(kind, "")) if isinstance(kind, str) else None
        if isinstance(words, str):
            if words:
                self.content = True
                self.text_bytes += size_of(words)
                if self.kept is not None:
                    (self.kept.think if kind == "thinking_delta" else self.kept.say)(words)
        elif kind == "signature_delta":
            self.content = True
            self._state(delta.get("signature"))

    def _look_at_end(self, said: _Said) -> None:
        if isinstance(said.usage, dict):
            merge(self._said, said.usage)
            self._totals = True
        reason = said.delta.get("stop_reason") if isinstance(said.delta, dict) else None
        if isinstance(reason, str) and reason:
            self.finish = reason
            self.content = True

    def _state(self, state: Any) -> None:
        if isinstance(state, str) and state:
            self.states.append(state)

    def _events_of(self, event: bytes) -> list[Event]:
        if self.fault is not None or self.done:
            return []
        said = self._look(event)
        if said is None or self.fault is not None:
            return []
        out = self._read(said)
        if self._blocks.fault is not None and self.fault is None:
            self.fault = self._blocks.fault
        return out

    def _read(self, said: _Said) -> list[Event]:
        kind = said.type
        if self._ended and kind in BLOCK_EVENTS:
            # The answer was over: nothing of it can come any more.
            return []
        if kind == "content_block_delta":
            return self._blocks.delta(said.index, said.delta)
        if kind == "content_block_start":
            return [*self._start(None), *self._blocks.start(said.index, said.content_block)]
        if kind == "content_block_stop":
            return self._blocks.stop()
        if kind == "message_start":
            return self._start(said.message)
        if kind == "message_delta" and self.finish and not self._ended:
            delta = said.delta
            return self._finished(
                self.finish, delta.get("stop_sequence"), delta.get("stop_details")
            )
        if kind == "message_stop":
            out = [] if self._ended else self._finished(self.finish, None, None)
            if self._blocks.fault is None:
                self.done = self.content = True
                out.append(Counted(self.usage))
            return out
        return []

    def _start(self, message: Any) -> list[Event]:
        if self._started:
            return []
        self._started = True
        found = message.get("id") if isinstance(message, dict) else None
        self._blocks.id = found if isinstance(found, str) else ""
        prompt = usage_of({"output_tokens": 0, **self._said}, self._dialect)
        usage = prompt if prompt.state == "reported" and prompt.prompt_tokens else None
        return [Started(self._blocks.id, self.model, usage)]

    def _finished(self, reason: str, stop_sequence: Any, details: Any) -> list[Event]:
        self._ended = True
        return [*self._start(None), *self._blocks.finish(reason, stop_sequence, details)]
