"""Reads a host's Cohere v2 stream as clean neutral events.

Every event says its ``type``; ``message-end`` ends the answer and has the usage. One content, plan
or call is open at a time; what a host leaves open is closed when the next begins.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from providers import ir
from providers.dialect import Dialect
from providers.errors import ErrorKind, UpstreamError
from providers.framing import EVENT_MAX_BYTES, EventSplitter, EventTooLongError, event_data
from providers.usage import MISSING, Usage
from providers.wires.cohere.errors import failed, message_of
from providers.wires.cohere.response import (
    FAILURES,
    citations_of,
    finish_of,
    logprobs_of,
    usage_of,
)
from providers.wires.kept import Kept, size_of
from providers.wires.tolerant import call_id, mapping, text_at

_decode = msgspec.json.Decoder().decode


class StreamReader:
    """The state of one stream; see ``wire.Reader``.

    No client speaks this wire, so nothing is passed on: ``feed`` and ``end`` give b"".
    """

    __slots__ = (
        "_arguments",
        "_citations",
        "_cut_call",
        "_ids",
        "_kept_bytes",
        "_open",
        "_said",
        "_splitter",
        "_started",
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

    def __init__(self, _dialect: Dialect, _issuer: str, _strip_usage: bool = False) -> None:
        self._splitter = EventSplitter()
        self._open: Literal["", "text", "reasoning", "tool"] = ""
        self._arguments: list[str] = []
        self._citations: list[ir.Citation] = []
        self._cut_call: ir.ToolEnd | None = None
        self._ids: set[str] = set()
        self._kept_bytes = 0
        self._said: Any = None
        self._started = False
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
        """What the host said is billed; MISSING where it said nothing."""
        return usage_of(self._said) if self._said is not None else MISSING

    def feed(self, data: bytes) -> bytes:
        """Read ``data`` and pass nothing on."""
        self.events(data)
        return b""

    def end(self) -> bytes:
        """Read the end of the body and pass nothing on; sets ``fault`` where it was cut."""
        self.close()
        return b""

    def events(self, data: bytes) -> list[ir.Event]:
        """Return what ``data`` completes."""
        out: list[ir.Event] = []
        if self._over():
            return out
        try:
            pieces = self._splitter.feed(data)
        except EventTooLongError as fault:
            self.fault = UpstreamError(ErrorKind.MALFORMED, str(fault))
            return out
        for piece in pieces:
            self._read(piece, out)
            if self._over():
                break
        return out

    def close(self) -> list[ir.Event]:
        """Return what was left at the end of the body; sets ``fault`` where it was cut."""
        out: list[ir.Event] = []
        rest = self._splitter.rest()
        if rest.strip() and not self._over():
            self._read(rest, out)
            if self.fault is not None and self.fault.kind is ErrorKind.MALFORMED:
                # Half an event is the mark of a cut.
                self.fault = None
                out.clear()
        if not self._over():
            self.fault = UpstreamError(
                ErrorKind.CUT, "the stream ended before the answer did (no message-end)"
            )
        return out

    def _over(self) -> bool:
        return self.done or self.fault is not None

    def _read(self, piece: bytes, out: list[ir.Event]) -> None:
        data = event_data(piece)
        if not data or data == b"[DONE]":
            return
        try:
            body = _decode(data)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            body = None
        if not isinstance(body, dict):
            self.fault = UpstreamError(ErrorKind.MALFORMED, "an event of the stream is not JSON")
            return
        try:
            self._event(body, out)
        except UpstreamError as fault:
            self.fault = fault

    def _event(self, body: dict[str, Any], out: list[ir.Event]) -> None:
        kind = text_at(body, "type")
        if not kind:
            # An error inside a 200 has the form of every other error here.
            raise failed("ERROR", message_of(body))
        if not self._started:
            self._started = True
            out.append(ir.Started(text_at(body, "id")))
        delta = mapping(body.get("delta"))
        message = mapping(delta.get("message"))
        if kind in ("content-delta", "content-start"):
            self._say(mapping(message.get("content")), body.get("logprobs"), kind, out)
        elif kind == "tool-plan-delta":
            self._think(text_at(message, "tool_plan"), out)
        elif kind in ("tool-call-start", "tool-call-delta"):
            self._call(message.get("tool_calls"), kind, out)
        elif kind == "citation-start":
            self._cite(message.get("citations"))
        elif kind in ("content-end", "tool-call-end"):
            # A text stays open: its citations may come after its end.
            if self._open != "text":
                self._end_part(out)
        elif kind == "message-end":
            self._finish(delta, out)

    def _say(self, content: dict[str, Any], odds: Any, kind: str, out: list[ir.Event]) -> None:
        if kind == "content-start":
            self._end_part(out)
        thought, text = text_at(content, "thinking"), text_at(content, "text")
        if thought:
            self._think(thought, out)
        if text:
            self._begin("text", out)
            self.text_bytes += size_of(text)
            out.append(ir.TextDelta(text, logprobs=logprobs_of(odds)))

    def _think(self, text: str, out: list[ir.Event]) -> None:
        if text:
            self._begin("reasoning", out)
            self.text_bytes += size_of(text)
            out.append(ir.ReasoningDelta(text))

    def _call(self, said: Any, kind: str, out: list[ir.Event]) -> None:
        if isinstance(said, list):
            # One object is the rule; a list of one is what whole answers have.
            said = said[0] if said else None
        call = mapping(said)
        function = mapping(call.get("function"))
        if kind == "tool-call-start":
            name = text_at(function, "name")
            if not name:
                raise UpstreamError(ErrorKind.MALFORMED, "a tool call without a name")
            self._end_part(out)
            self._begin("tool", out)
            identity = call_id(call.get("id"), len(self.calls), self._ids)
            self.calls.append(identity)
            out.append(ir.ToolStart(len(self.calls) - 1, identity, name))
        elif self._open != "tool":
            raise UpstreamError(ErrorKind.MALFORMED, "arguments of a tool call that never began")
        arguments = text_at(function, "arguments")
        if arguments:
            self._keep(len(arguments))
            self._arguments.append(arguments)
            self.text_bytes += size_of(arguments)
            out.append(ir.ToolDelta(len(self.calls) - 1, arguments))

    def _cite(self, said: Any) -> None:
        if self._open == "text":
            found = [one for _, one in citations_of(said)]
            self._keep(sum(len(one.quote) + len(one.title) + len(one.url) for one in found))
            self._citations += found

    def _begin(self, kind: Literal["text", "reasoning", "tool"], out: list[ir.Event]) -> None:
        if self._open != kind:
            self._end_part(out)
            self._open = kind
        if self._cut_call is not None:
            raise _bad_arguments()
        self.content = True

    def _end_part(self, out: list[ir.Event]) -> None:
        kind, self._open = self._open, ""
        if kind == "text":
            out.append(ir.TextEnd(tuple(self._citations)))
            self._citations.clear()
        elif kind == "reasoning":
            out.append(ir.ReasoningEnd())
        elif kind == "tool":
            self._end_call(out)

    def _end_call(self, out: list[ir.Event]) -> None:
        index = len(self.calls) - 1
        whole = "".join(self._arguments)
        self._arguments.clear()
        if not whole.strip():
            out.append(ir.ToolDelta(index, "{}"))
            whole += "{}"
        end = ir.ToolEnd(index, whole)
        try:
            _decode(whole)
        except (msgspec.MsgspecError, UnicodeError, RecursionError):
            # Right only where the answer was cut by its length, which is said later.
            self._cut_call = end
            return
        out.append(end)

    def _finish(self, delta: dict[str, Any], out: list[ir.Event]) -> None:
        self._said = delta.get("usage")
        native = text_at(delta, "finish_reason") or "unknown"
        if native in FAILURES:
            self.finish = native
            raise failed(native, text_at(delta, "error"))
        self._end_part(out)
        finish = finish_of(native, calls=bool(self.calls))
        if self._cut_call is not None:
            if finish != "length":
                raise _bad_arguments()
            out.append(self._cut_call)
        self.finish = native
        self.content = self.done = True
        out.append(ir.Finished(finish, native=native))
        usage = self.usage
        if usage.state != "missing":
            out.append(ir.Counted(usage))

    def _keep(self, size: int) -> None:
        self._kept_bytes += size
        if self._kept_bytes > EVENT_MAX_BYTES:
            raise UpstreamError(
                ErrorKind.MALFORMED, f"the answer's parts are larger than {EVENT_MAX_BYTES} bytes"
            )


def _bad_arguments() -> UpstreamError:
    return UpstreamError(ErrorKind.MALFORMED, "the arguments of a tool call are not JSON")
