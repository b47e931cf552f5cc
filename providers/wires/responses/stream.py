"""Reads a host's stream: passed on byte for byte with a tap beside it, or as neutral events."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from providers import ir
from providers.dialect import Dialect
from providers.errors import ErrorKind, UpstreamError
from providers.framing import EventSplitter, EventTooLongError, event_data
from providers.usage import Usage
from providers.wires.kept import Kept, size_of
from providers.wires.responses.errors import fault_of, malformed
from providers.wires.responses.events import HANDLERS, EventReader
from providers.wires.responses.response import (
    finish_word,
    is_search,
    note_item,
    searches_in,
    usage_of,
    word,
)
from providers.wires.wire import Json

# Events that come before the model has said anything.
SILENT = frozenset(
    {
        "response.created",
        "response.queued",
        "response.in_progress",
        "response.content_part.added",
        "response.reasoning_summary_part.added",
        "response.reasoning_part.added",
        "keepalive",
    }
)
ENDS = frozenset({"response.completed", "response.incomplete"})
# Beginnings of the types of deltas that hold thoughts, or no words at all.
THOUGHTS = ("response.reasoning",)
SOUNDS = ("response.audio.", "response.output_audio.")
SILENT_ITEMS = frozenset({"message", "reasoning"})


class _Event(msgspec.Struct):
    """What is looked at while an event passes; its large members stay bytes until needed."""

    type: Any = None
    delta: Any = None
    item: msgspec.Raw = msgspec.Raw()
    response: msgspec.Raw = msgspec.Raw()
    error: Any = None


class _Item(msgspec.Struct):
    type: Any = None
    call_id: Any = None
    encrypted_content: Any = None
    name: Any = None
    action: Any = None


_decode = msgspec.json.Decoder(_Event).decode
_decode_item = msgspec.json.Decoder(_Item).decode
_decode_any = msgspec.json.Decoder().decode
_BROKEN = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)


class StreamReader:
    """The state of one stream; the attributes are those of ``wire.Reader``."""

    __slots__ = (
        "_dialect",
        "_events",
        "_said",
        "_searches",
        "_splitter",
        "_tier",
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

    def __init__(self, dialect: Dialect, issuer: str = "", _strip_usage: bool = False) -> None:
        self._dialect = dialect
        self._events = EventReader(issuer)
        self._splitter = EventSplitter()
        self._said: Any = None
        self._searches = 0
        self._tier: Any = None
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
        return usage_of(self._said, self._dialect, self._tier, self._searches)

    def feed(self, data: bytes) -> bytes:
        """Return the whole events that ``data`` completes, byte for byte, to pass on."""
        events = self._split(data)
        if len(events) == 1:
            return events[0] if self._passes(events[0]) else b""
        return b"".join([event for event in events if self._passes(event)])

    def end(self) -> bytes:
        """Return what was left without its blank line; sets ``fault`` where the stream was cut."""
        rest, was_good = self._splitter.rest(), self.fault is None
        out = b""
        if rest.strip() and self.fault is None:
            out = rest if self._passes(_event_of(rest)) else b""
        self._check_whole(was_good=was_good)
        return out

    def events(self, data: bytes) -> list[ir.Event]:
        """Return what ``data`` completes in the neutral form, clean."""
        return self._neutral(self._split(data))

    def close(self) -> list[ir.Event]:
        """Return what was left at the end of the body; sets ``fault`` where it was cut."""
        rest, was_good = self._splitter.rest(), self.fault is None
        out = self._neutral([_event_of(rest)]) if rest.strip() and self.fault is None else []
        self._check_whole(was_good=was_good)
        return out

    def _check_whole(self, *, was_good: bool) -> None:
        if self.fault is not None and self.fault.kind is ErrorKind.MALFORMED and was_good:
            # Half an event is the mark of a cut, unless the answer had ended in it.
            self.fault = self.fault if self.done else None
        if self.fault is None and not self.done:
            self.fault = UpstreamError(
                ErrorKind.CUT, "the stream ended without the event that ends an answer"
            )

    def _split(self, data: bytes) -> list[bytes]:
        if self.fault is not None:
            return []
        try:
            return self._splitter.feed(data)
        except EventTooLongError as fault:
            self.fault = malformed(str(fault))
            return []

    # -- passing on -------------------------------------------------------------------------------

    def _passes(self, event: bytes) -> bool:
        if self.fault is not None:
            return False
        data = event_data(event)
        if not data or data == b"[DONE]":
            return True
        if not self.done:
            # What comes after the end is passed on and not looked at.
            self._look(data)
        return self.fault is None

    def _look(self, data: bytes) -> str:
        # Notes what an event says for the gateway; returns its type.
        try:
            event = _decode(data)
        except _BROKEN:
            self._odd(data)
            return ""
        kind = event.type if isinstance(event.type, str) else ""
        if event.error or kind == "error":
            self.fault = fault_of(event.error or _loose(data), self._dialect)
        elif kind.endswith(".delta"):
            self._look_delta(event.delta, kind)
        elif kind == "response.output_item.added" or kind == "response.output_item.done":
            self._look_item(event.item, done=kind.endswith("done"))
        elif kind in ENDS or kind == "response.failed":
            self._look_end(kind, event.response)
        elif kind == "response.created":
            said = _loose(event.response)
            self.model, self._tier = word(said.get("model")), said.get("service_tier")
        elif kind not in SILENT:
            self.content = True
        return kind

    def _odd(self, data: bytes) -> None:
        body = _loose(data)
        if body.get("error"):
            self.fault = fault_of(body["error"], self._dialect)
        else:
            self.fault = malformed("an event of the stream is not of this wire")

    def _look_delta(self, delta: Any, kind: str) -> None:
        if delta:
            self.content = True
            text = delta if isinstance(delta, str) else str(delta)
            self.text_bytes += size_of(text)
            if self.kept is not None and not kind.startswith(SOUNDS):
                (self.kept.think if kind.startswith(THOUGHTS) else self.kept.say)(text)

    def _look_item(self, raw: msgspec.Raw, *, done: bool) -> None:
        try:
            item = _decode_item(raw)
        except _BROKEN:
            return
        if done or word(item.type) not in SILENT_ITEMS:
            self.content = True
        if done:
            note_item(item.encrypted_content, self.states)
            self._searches += is_search(item.type, item.action)
        elif self.kept is not None and isinstance(item.name, str):
            self.kept.say(item.name)
        note_item(item.call_id, self.calls)

    def _look_end(self, kind: str, raw: msgspec.Raw) -> None:
        body = _loose(raw)
        if isinstance(body.get("usage"), dict):
            self._said = body["usage"]
        self.model = word(body.get("model")) or self.model
        self._tier = body.get("service_tier") or self._tier
        if kind == "response.failed":
            said = body.get("error") or {"message": "the answer failed"}
            self.fault = fault_of(said, self._dialect)
            return
        output = body.get("output")
        listed = output if isinstance(output, list) else []
        self._searches = searches_in(listed) or self._searches
        for item in listed:
            if isinstance(item, dict):
                note_item(item.get("encrypted_content"), self.states)
                note_item(item.get("call_id"), self.calls)
        self.content = self.done = True
        self.finish = finish_word({"status": kind.removeprefix("response."), **body})

    # -- neutral ----------------------------------------------------------------------------------

    def _neutral(self, events: Iterable[bytes]) -> list[ir.Event]:
        out: list[ir.Event] = []
        for event in events:
            data = event_data(event)
            if not data or data == b"[DONE]" or self.done or self.fault is not None:
                continue
            kind = self._look(data)
            if self.fault is None:
                out += self._read(kind, data)
        return out

    def _read(self, kind: str, data: bytes) -> list[ir.Event]:
        reader = self._events
        if kind in ENDS:
            body = _loose(_decode(data).response)
            body["status"] = kind.removeprefix("response.")
            found = reader.ended(body)
            if reader.fault is None:
                found.append(ir.Counted(self.usage))
        elif kind == "response.created" or kind == "response.in_progress":
            found = reader.started(_loose(_decode(data).response))
        elif kind in HANDLERS:
            found = reader.read(kind, _loose(data))
        else:
            return []
        self.fault = reader.fault
        return found


def _event_of(rest: bytes) -> bytes:
    # An error that came as plain JSON, where a stream was asked for.
    return b"data: " + rest if rest.lstrip().startswith(b"{") else rest


def _loose(raw: bytes | msgspec.Raw) -> Json:
    try:
        found = _decode_any(raw)
    except _BROKEN:
        return {}
    return found if isinstance(found, dict) else {}
