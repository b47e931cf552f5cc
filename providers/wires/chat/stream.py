"""Reads a chat stream as it passes: content seen, usage, finish, errors. The tap of the relay.

``feed`` takes bytes cut anywhere and gives the bytes to send on, always whole events, so that an
error event of ours can follow any of them.
"""

from __future__ import annotations

from typing import Any

import msgspec

from providers.dialect import Dialect
from providers.errors import ErrorKind, UpstreamError
from providers.framing import EventSplitter, EventTooLongError, event_data
from providers.usage import MISSING, Usage
from providers.wires.chat.errors import error_of
from providers.wires.chat.response import usage_of


class _Choice(msgspec.Struct):
    delta: dict[str, Any] | None = None
    finish_reason: str | None = None
    usage: dict[str, Any] | None = None
    text: str | None = None


class _Chunk(msgspec.Struct):
    choices: list[_Choice] | None = None
    usage: dict[str, Any] | None = None
    error: Any = None
    model: str | None = None


_decode = msgspec.json.Decoder(_Chunk).decode
_decode_any = msgspec.json.Decoder().decode


class StreamReader:
    """The state of one stream.

    ``content`` turns True with the first event that holds content or ends an answer; ``done`` with
    ``[DONE]``; ``fault`` is set by an error event, by broken JSON, or by an end that is none.
    ``text_bytes`` counts what the client has been given, for an estimate where no usage comes.
    """

    __slots__ = (
        "_dialect",
        "_said",
        "_splitter",
        "_strip_usage",
        "content",
        "done",
        "fault",
        "finish",
        "model",
        "text_bytes",
    )

    def __init__(self, dialect: Dialect, *, strip_usage: bool) -> None:
        self._dialect = dialect
        self._strip_usage = strip_usage
        self._splitter = EventSplitter()
        self._said: dict[str, Any] | None = None
        self.content = False
        self.done = False
        self.fault: UpstreamError | None = None
        self.finish = ""
        self.model = ""
        self.text_bytes = 0

    def feed(self, data: bytes) -> bytes:
        """Return the whole events that ``data`` completes, less those the client did not ask for.

        After ``fault`` is set nothing more comes out.
        """
        try:
            events = self._splitter.feed(data)
        except EventTooLongError as fault:
            self.fault = UpstreamError(ErrorKind.MALFORMED, str(fault))
            return b""
        if len(events) == 1:
            return events[0] if self._passes(events[0]) else b""
        return b"".join([event for event in events if self._passes(event)])

    def end(self) -> bytes:
        """Return what was left without its blank line; sets ``fault`` where the stream was cut.

        A stream is whole when ``[DONE]`` or a finish reason came: some hosts never send the former.
        """
        rest = self._splitter.rest()
        out = b""
        if rest.strip() and self.fault is None:
            out = rest if self._passes(rest) else b""
            if self.fault is not None and self.fault.kind is ErrorKind.MALFORMED:
                # Half an event is the mark of a cut, unless the answer had ended before it.
                self.fault = None
        if self.fault is None and not self.done and not self.finish:
            self.fault = UpstreamError(
                ErrorKind.CUT, "the stream ended without a finish reason or [DONE]"
            )
        return out

    @property
    def usage(self) -> Usage:
        """The usage that the host reported so far; MISSING where it reported none."""
        return usage_of(self._said, self._dialect) if self._said is not None else MISSING

    def _passes(self, event: bytes) -> bool:
        if self.fault is not None or self.done:
            return False
        data = event_data(event)
        if not data:
            return True
        if data == b"[DONE]":
            self.done = self.content = True
            return True
        chunk = self._chunk(data)
        if chunk is None:
            return self.fault is None
        if chunk.error:
            self.fault = error_of(chunk.error, 200)
            return False
        if chunk.model:
            self.model = chunk.model
        if chunk.usage is not None:
            self._said = chunk.usage
        if not chunk.choices:
            return not (self._strip_usage and chunk.usage is not None)
        for choice in chunk.choices:
            self._read_choice(choice)
        return True

    def _chunk(self, data: bytes) -> _Chunk | None:
        try:
            return _decode(data)
        except msgspec.ValidationError:
            return self._odd_chunk(data)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            self.fault = UpstreamError(ErrorKind.MALFORMED, "an event of the stream is not JSON")
            return None

    def _odd_chunk(self, data: bytes) -> _Chunk | None:
        # JSON, but not of the usual shape: an error in its own form is a fault, the rest passes.
        body = _decode_any(data)
        if isinstance(body, dict) and body.get("error"):
            self.fault = error_of(body["error"], 200)
        elif isinstance(body, dict) and isinstance(body.get("usage"), dict):
            self._said = body["usage"]
        self.content = self.content or self.fault is None
        return None

    def _read_choice(self, choice: _Choice) -> None:
        if choice.delta:
            for name, value in choice.delta.items():
                if value and name != "role":
                    self.content = True
                    # Base64 media is counted as text too: this is only an estimate's ground.
                    self.text_bytes += len(value) if isinstance(value, str) else len(str(value))
        if choice.finish_reason is not None:
            self.finish = choice.finish_reason or "unknown"
            self.content = True
            if self.finish == "error":
                self.fault = UpstreamError(ErrorKind.SERVER, "the host ended the stream in error")
        if choice.usage is not None and self._said is None:
            # Moonshot states usage inside the choice.
            self._said = choice.usage
