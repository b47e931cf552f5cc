"""Writes a client's stream out of neutral events: server-sent events, or one JSON array."""

from __future__ import annotations

import msgspec

from providers.ir import (
    Counted,
    Event,
    Finished,
    Reasoning,
    ReasoningDelta,
    ReasoningEnd,
    RefusalDelta,
    Started,
    TextDelta,
    TextEnd,
    ToolCall,
    ToolDelta,
    ToolEnd,
    ToolStart,
    Traced,
)
from providers.usage import Usage
from providers.wires.gemini.errors import STATUS_OF_CODE, error_body
from providers.wires.gemini.names import ALT
from providers.wires.gemini.parts import PartWriter, thought
from providers.wires.gemini.response import ended, shell
from providers.wires.wire import Context, Json

# The SDKs of this wire take a comment for a broken chunk; all of them skip a blank line.
PING = b"\r\n\r\n"

_encode = msgspec.json.Encoder().encode


class _Candidate:
    """What is known of one alternative between events."""

    __slots__ = ("call", "finish", "parts", "summary", "text", "thoughts")

    def __init__(self, body: Json) -> None:
        self.parts = PartWriter(body)
        self.text: list[str] = []
        self.thoughts: list[str] = []
        self.summary = False
        self.call: ToolStart | None = None
        self.finish: Finished | None = None


class StreamWriter:
    """Give it clean events, then ``end``; or ``fail`` at any point.

    The finish and the usage wait for ``end``: this wire's last chunk has both.
    """

    def __init__(self, context: Context) -> None:
        self._context = context
        self._events = context.body.get(ALT, "sse") == "sse"
        self._opened = False
        self._id = context.id
        self._model = context.model
        self._usage: Usage | None = None
        self._candidates: dict[int, _Candidate] = {}

    def write(self, event: Event) -> bytes:
        """Return the bytes of the chunk that ``event`` makes; b"" for none yet."""
        if isinstance(event, Started):
            self._id, self._model = event.id or self._id, event.model or self._model
            return b""
        if isinstance(event, Counted):
            self._usage = event.usage
            return b""
        parts = self._parts(self._of(event.choice), event)
        if not parts:
            return b""
        content = {"parts": parts, "role": "model"}
        return self._chunk([{"content": content, "index": event.choice}], None)

    def end(self) -> bytes:
        """Return what closes a whole answer."""
        last = []
        for place in sorted(self._candidates) or [0]:
            candidate = self._of(place)
            finish = candidate.finish.finish if candidate.finish is not None else "end"
            # A chunk without a part would make a client's SDK throw the turn away.
            parts = candidate.parts.rest() or [{"text": ""}]
            content = {"parts": parts, "role": "model"}
            last.append({"content": content, **ended(finish, place, candidate.parts)})
        return self._chunk(last, self._usage) + (b"" if self._events else b"]")

    def fail(self, message: str, kind: str, code: str) -> bytes:
        """Return the wire's own error in mid-stream."""
        # The wire has a word of its own for the kind, which goes with the status.
        del kind
        body = error_body(STATUS_OF_CODE.get(code, 500), message, code, None, self._context.id)
        return self._framed(_encode(body)) + (b"" if self._events else b"]")

    def _of(self, choice: int) -> _Candidate:
        found = self._candidates.get(choice)
        if found is None:
            found = self._candidates[choice] = _Candidate(self._context.body)
        return found

    def _parts(self, of: _Candidate, event: Event) -> list[Json]:
        if isinstance(event, TextDelta):
            of.text.append(event.text)
            if event.logprobs:
                of.parts.logprobs += event.logprobs
            return of.parts.words(event.text) if event.text else []
        if isinstance(event, TextEnd):
            of.parts.cite(event.citations, "".join(of.text))
            of.text.clear()
            return of.parts.words("", event.opaque) if event.opaque else []
        if isinstance(event, RefusalDelta):
            return of.parts.words(event.text) if event.text else []
        if isinstance(event, ReasoningDelta):
            of.thoughts.append(event.text)
            of.summary = event.summary
            return [thought(event.text)] if of.parts.shows and event.text else []
        if isinstance(event, ReasoningEnd):
            block = Reasoning("".join(of.thoughts), of.summary, event.opaque)
            of.thoughts.clear()
            return of.parts.thought_over(block)
        return self._others(of, event)

    def _others(self, of: _Candidate, event: Event) -> list[Json]:
        if isinstance(event, ToolStart):
            of.call = event
            of.text.clear()
        elif isinstance(event, ToolEnd) and of.call is not None:
            begun, of.call = of.call, None
            call = ToolCall(
                begun.id, begun.name, event.arguments, begun.kind, begun.namespace, begun.opaque
            )
            return of.parts.call(call)
        elif isinstance(event, Traced):
            return of.parts.part(event.trace)
        elif isinstance(event, Finished):
            of.finish = event
        elif isinstance(event, ToolDelta):
            pass  # Calls go out whole.
        return []

    def _chunk(self, candidates: list[Json], usage: Usage | None) -> bytes:
        return self._framed(_encode(shell(candidates, usage, self._id, self._model)))

    def _framed(self, body: bytes) -> bytes:
        if self._events:
            return b"data: " + body + b"\r\n\r\n"
        between = b"\r\n,\r\n" if self._opened else b"["
        self._opened = True
        return between + body
