"""Content blocks of a host's answer as clean events, whether they come whole or bit by bit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from providers.errors import ErrorKind, UpstreamError
from providers.ir import (
    Citation,
    Event,
    Finished,
    FinishReason,
    Opaque,
    ReasoningDelta,
    ReasoningEnd,
    RefusalDelta,
    TextDelta,
    TextEnd,
    ToolDelta,
    ToolEnd,
    ToolStart,
    Trace,
    Traced,
)
from providers.wires.messages.blocks import WIRE, citation_of
from providers.wires.messages.state import REDACTED, SIGNATURE
from providers.wires.wire import Json

FINISHES: Mapping[str, FinishReason] = {
    "end_turn": "end",
    "stop_sequence": "stop_sequence",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool",
    "pause_turn": "pause",
    "refusal": "filter",
}

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode


def is_json(text: str) -> bool:
    """Whether ``text`` is one whole JSON value."""
    try:
        _decode(text)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return False
    return True


class Blocks:
    """The blocks of one answer. ``fault`` is set where they are not what the wire promises.

    ``issuer`` is stamped on the state in them; ``id`` is the answer's, for calls that have none.
    """

    __slots__ = (
        "_call", "_calls", "_citations", "_held", "_ids", "_index", "_issuer", "_kind", "_open",
        "_pieces", "_raw", "_signature", "_text", "fault", "id",
    )  # fmt: skip

    def __init__(self, issuer: str) -> None:
        self._issuer = issuer
        self._ids: set[str] = set()
        self._calls = 0
        self._open = False
        self._index: Any = None
        self._kind = ""
        self._raw: Json = {}
        self._pieces: list[str] = []
        self._citations: list[Citation] = []
        self._signature = ""
        self._text = False
        self._call = 0
        self._held: ToolEnd | None = None
        self.fault: UpstreamError | None = None
        self.id = ""

    def start(self, index: Any, block: Any) -> list[Event]:
        """Return what a block's beginning brings; one that was still open is over."""
        out = self.stop()
        if self._held is not None:
            # More came after it, so that it was not the end of the answer that cut it.
            self._fail("the arguments of a tool call are not valid JSON")
        if not isinstance(block, dict) or not isinstance(block.get("type"), str):
            self._fail("a content block has no type")
        if self.fault is not None:
            return out
        self._open, self._index, self._kind, self._raw = True, index, block["type"], block
        self._pieces, self._citations, self._signature, self._text = [], [], "", False
        if self._kind == "text":
            cited = block.get("citations")
            if isinstance(cited, list):
                self._citations += [citation_of(one) for one in cited if isinstance(one, dict)]
            return out + self._more_text(block.get("text"))
        if self._kind == "thinking":
            signature = block.get("signature")
            self._signature = signature if isinstance(signature, str) else ""
            return out + self._more_thought(block.get("thinking"))
        if self._kind == "tool_use":
            return out + self._start_call(block)
        return out

    def _start_call(self, block: Json) -> list[Event]:
        name, call_id = block.get("name"), block.get("id")
        if not isinstance(name, str) or not name:
            self._fail("a tool call has no name")
            return []
        self._call = self._calls
        self._calls += 1
        if not isinstance(call_id, str) or not call_id or call_id in self._ids:
            call_id = f"toolu_{self.id}_{self._call}"
        self._ids.add(call_id)
        return [ToolStart(self._call, call_id, name)]

    def delta(self, index: Any, delta: Any) -> list[Event]:
        """Return what more of the open block brings."""
        if not isinstance(delta, dict):
            return []
        if not self._open or (index is not None and index != self._index):
            self._fail("a part of a content block that is not open")
            return []
        kind = delta.get("type")
        if kind == "text_delta" and self._kind == "text":
            return self._more_text(delta.get("text"))
        if kind == "input_json_delta":
            return self._more_input(delta.get("partial_json"))
        if kind == "thinking_delta" and self._kind == "thinking":
            return self._more_thought(delta.get("thinking"))
        if kind == "signature_delta" and isinstance(delta.get("signature"), str):
            self._signature = delta["signature"]
        elif kind == "citations_delta" and isinstance(delta.get("citation"), dict):
            self._citations.append(citation_of(delta["citation"]))
        elif kind == "compaction_delta" and isinstance(delta.get("content"), str):
            before = self._raw.get("content")
            before = before if isinstance(before, str) else ""
            self._raw = {**self._raw, "content": before + delta["content"]}
        return []

    def _more_text(self, text: Any) -> list[Event]:
        if not isinstance(text, str) or not text:
            return []
        self._text = True
        return [TextDelta(text)]

    def _more_thought(self, text: Any) -> list[Event]:
        if not isinstance(text, str) or not text:
            return []
        self._text = True
        return [ReasoningDelta(text)]

    def _more_input(self, text: Any) -> list[Event]:
        if not isinstance(text, str) or not text:
            return []
        self._pieces.append(text)
        return [ToolDelta(self._call, text)] if self._kind == "tool_use" else []

    def stop(self) -> list[Event]:
        """Return what the end of the open block brings; nothing where none is open."""
        if not self._open:
            return []
        self._open = False
        if self._kind == "text":
            return [TextEnd(tuple(self._citations))] if self._text else []
        if self._kind == "thinking":
            states = (Opaque(SIGNATURE, self._signature, self._issuer),) if self._signature else ()
            return [ReasoningEnd(states)] if states or self._text else []
        if self._kind == "redacted_thinking":
            data = self._raw.get("data")
            if not isinstance(data, str) or not data:
                return []
            return [ReasoningEnd((Opaque(REDACTED, data, self._issuer),))]
        if self._kind == "tool_use":
            return self._end_call()
        return [Traced(Trace(WIRE, self._whole()))]

    def _end_call(self) -> list[Event]:
        if not self._pieces:
            # Arguments may stand in the block's beginning; nearly always it is an empty object.
            given = self._raw.get("input")
            arguments = _encode({} if given is None else given).decode()
            return [ToolDelta(self._call, arguments), ToolEnd(self._call, arguments)]
        end = ToolEnd(self._call, "".join(self._pieces))
        if is_json(end.arguments):
            return [end]
        self._held = end
        return []

    def _whole(self) -> Json:
        if not self._pieces:
            return self._raw
        text = "".join(self._pieces)
        return {**self._raw, "input": _decode(text) if is_json(text) else {}}

    def finish(self, reason: str, stop_sequence: Any, details: Any) -> list[Event]:
        """Return what the answer's end brings, the host's word for it being ``reason``."""
        out = self.stop()
        finish = FINISHES.get(reason, "end")
        if finish == "end" and self._kind == "tool_use":
            # The host waits for a result, whatever it says; calls that stand before other blocks
            # have theirs.
            finish = "tool"
        elif finish == "tool" and not self._calls:
            finish = "end"
        if self._held is not None:
            if finish != "length":
                self._fail("the arguments of a tool call are not valid JSON")
                return out
            out.append(self._held)
            self._held = None
        explanation = details.get("explanation") if isinstance(details, dict) else None
        if finish == "filter" and isinstance(explanation, str) and explanation:
            out.append(RefusalDelta(explanation))
        matched = stop_sequence if isinstance(stop_sequence, str) else ""
        out.append(Finished(finish, matched, reason))
        return out

    def _fail(self, words: str) -> None:
        if self.fault is None:
            self.fault = UpstreamError(ErrorKind.MALFORMED, words)
