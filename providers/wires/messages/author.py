"""Clean events as content blocks of this wire: where each begins and ends, and what is in it.

The same author writes a stream and a whole answer, so that both say the same; a ``Sink`` takes the
blocks. Thoughts that the client did not ask for are kept back until a tool call follows them: the
host may want them back with its result, and only then does the client need to hold them.
"""

from __future__ import annotations

from typing import Any, Protocol

import msgspec

from providers.ir import (
    Citation,
    Event,
    Finished,
    Opaque,
    ReasoningDelta,
    ReasoningEnd,
    RefusalDelta,
    TextDelta,
    TextEnd,
    ToolDelta,
    ToolEnd,
    ToolStart,
    Traced,
)
from providers.wires.messages.blocks import WIRE
from providers.wires.messages.ids import wrapped
from providers.wires.messages.state import (
    OF_CALL,
    OF_TEXT,
    belonging,
    redacted_only,
    signature_of,
)
from providers.wires.wire import Json

STOP_REASONS = {
    "end": "end_turn",
    "stop_sequence": "stop_sequence",
    "tool": "tool_use",
    "length": "max_tokens",
    "filter": "refusal",
    "pause": "pause_turn",
}

_encode = msgspec.json.Encoder().encode


class Sink(Protocol):
    """Takes blocks one after the other."""

    def open(self, block: Json) -> None:
        """Begin a block."""

    def delta(self, delta: Json) -> None:
        """Add to the open block."""

    def close(self) -> None:
        """End the open block."""


class Author:
    """Writes one answer. ``asked`` says whether the client asked for thoughts.

    ``stop`` is the end of the answer in this wire's fields, once it came. ``text_bytes`` counts
    what was written, for an estimate.
    """

    __slots__ = (
        "_asked", "_held", "_open", "_refusal", "_sent", "_sink", "_thought", "_wrote", "stop",
        "text_bytes",
    )  # fmt: skip

    def __init__(self, sink: Sink, asked: bool) -> None:
        self._sink = sink
        self._asked = asked
        self._open = ""
        self._thought: list[str] = []
        self._held: list[tuple[str, tuple[Opaque, ...]]] = []
        self._sent = False
        self._wrote = False
        self._refusal = ""
        self.stop: Json | None = None
        self.text_bytes = 0

    def write(self, event: Event) -> None:
        """Write what ``event`` makes; other choices than the first have no place here."""
        if isinstance(event, TextDelta):
            if event.choice == 0 and event.text:
                self._text(event.text)
        elif isinstance(event, ToolDelta):
            if event.choice == 0 and event.arguments:
                self._arguments(event.arguments)
        elif isinstance(event, ReasoningDelta):
            if event.choice == 0 and event.text:
                self._think(event.text)
        elif getattr(event, "choice", 0) == 0:
            self._write_rare(event)

    def _write_rare(self, event: Event) -> None:
        if isinstance(event, ReasoningEnd):
            self._thought_over(event.opaque)
        elif isinstance(event, TextEnd):
            self._text_over(event)
        elif isinstance(event, ToolStart):
            self._start_call(event)
        elif isinstance(event, ToolEnd):
            if not self._sent and event.arguments not in ("", "{}"):
                self._arguments(event.arguments)
            self.shut()
        elif isinstance(event, RefusalDelta):
            self._refusal += event.text
        elif isinstance(event, Traced):
            if event.trace.wire == WIRE and isinstance(event.trace.raw, dict):
                self._trace(event.trace.raw)
        elif isinstance(event, Finished):
            self._finish(event)

    def shut(self) -> None:
        """End the open block, if there is one."""
        if self._open:
            self._open = ""
            self._sink.close()

    def _begin(self, kind: str, block: Json) -> None:
        self.shut()
        self._open = kind
        self._sent = False
        self._wrote = True
        self._sink.open(block)

    def _text(self, text: str) -> None:
        if self._open != "text":
            self._begin("text", {"type": "text", "text": ""})
        self.text_bytes += len(text)
        self._sink.delta({"type": "text_delta", "text": text})

    def _text_over(self, event: TextEnd) -> None:
        if self._open == "text":
            for citation in event.citations:
                said = {"type": "citations_delta", "citation": _citation(citation)}
                self._sink.delta(said)
            self.shut()
        if event.opaque:
            self._state("", belonging(event.opaque, OF_TEXT))

    def _think(self, text: str) -> None:
        self.text_bytes += len(text)
        if not self._asked:
            self._thought.append(text)
            return
        if self._open != "thinking":
            self._begin("thinking", {"type": "thinking", "thinking": "", "signature": ""})
        self._sink.delta({"type": "thinking_delta", "thinking": text})

    def _thought_over(self, states: tuple[Opaque, ...]) -> None:
        if not self._asked:
            self._held.append(("".join(self._thought), states))
            self._thought.clear()
        elif self._open == "thinking":
            self._sign(states)
        else:
            self._state("", states)

    def _state(self, text: str, states: tuple[Opaque, ...]) -> None:
        """Write a whole block of thinking."""
        if not text and redacted_only(states):
            for state in states:
                self._begin("state", {"type": "redacted_thinking", "data": state.data})
                self.shut()
        elif text or states:
            self._begin("thinking", {"type": "thinking", "thinking": "", "signature": ""})
            if text:
                self._sink.delta({"type": "thinking_delta", "thinking": text})
            self._sign(states)

    def _sign(self, states: tuple[Opaque, ...]) -> None:
        self._sink.delta({"type": "signature_delta", "signature": signature_of(states)})
        self.shut()

    def _start_call(self, event: ToolStart) -> None:
        held, self._held = self._held, []
        for text, states in held:
            self._state(text, states)
        if event.opaque:
            self._state("", belonging(event.opaque, OF_CALL))
        self._begin(
            "tool",
            {"type": "tool_use", "id": wrapped(event.id), "name": event.name, "input": {}},
        )

    def _arguments(self, text: str) -> None:
        if self._open != "tool":
            return
        self._sent = True
        self.text_bytes += len(text)
        self._sink.delta({"type": "input_json_delta", "partial_json": text})

    def _trace(self, raw: Json) -> None:
        given = raw.get("input")
        if not isinstance(given, dict) or not given:
            self._begin("trace", raw)
        else:
            # Clients take a call's input from its fragments, not from its beginning.
            self._begin("trace", {**raw, "input": {}})
            text = _encode(given).decode()
            self._sink.delta({"type": "input_json_delta", "partial_json": text})
        self.shut()

    def _finish(self, event: Finished) -> None:
        finish = "filter" if self._refusal else event.finish
        if self._refusal and not self._wrote:
            # People see texts, not the reasons beside them.
            self._text(self._refusal)
        self.shut()
        self.stop = {
            "stop_reason": STOP_REASONS[finish],
            "stop_sequence": event.stop_sequence or None,
        }
        if finish == "filter":
            explanation = self._refusal or None
            self.stop["stop_details"] = {
                "type": "refusal", "category": None, "explanation": explanation,
            }  # fmt: skip


def _citation(citation: Citation) -> Json:
    if citation.url:
        return {
            "type": "web_search_result_location",
            "cited_text": citation.quote,
            "encrypted_index": "",
            "title": citation.title or None,
            "url": citation.url,
        }
    return {
        "type": "char_location",
        "cited_text": citation.quote,
        "document_index": 0,
        "document_title": citation.title or None,
        "start_char_index": max(citation.start, 0),
        "end_char_index": max(citation.end, 0),
        "file_id": None,
    }


def asked_for_thoughts(body: Any) -> bool:
    """Whether a client's request wants thinking blocks in its answer."""
    said = body.get("thinking") if isinstance(body, dict) else None
    return isinstance(said, dict) and said.get("type") not in (None, "disabled")
