"""Writes the parts of an answer for a client, foreign state sealed into their signatures.

A state stands on the very next part that the answer has, for clients of this wire keep calls and
words with their signatures and throw thoughts away.
"""

from __future__ import annotations

from typing import Any

import msgspec

from providers.ir import (
    Citation,
    Opaque,
    Part,
    Reasoning,
    Refused,
    Text,
    ToolCall,
    Trace,
)
from providers.wires.gemini.grounding import grounding_body, in_bytes
from providers.wires.gemini.logprobs import logprobs_body
from providers.wires.gemini.names import WIRE_NAME, named
from providers.wires.gemini.signatures import (
    SIGNATURE,
    native,
    packed_part,
    packed_reasoning,
    sealed,
)
from providers.wires.wire import Json

_decode = msgspec.json.Decoder().decode


class PartWriter:
    """One candidate. ``shows``: the client asked to see thoughts."""

    def __init__(self, body: Json) -> None:
        self.shows = shows_thoughts(body)
        self.logprobs: list[Any] = []
        self._sources: list[tuple[int, Citation]] = []
        self._spoken = 0
        self._pending: list[Opaque] = []

    def part(self, part: Part) -> list[Json]:
        """Return one whole part in this wire's words; empty where it shows nothing."""
        if isinstance(part, Text):
            out = self.words(part.text, part.opaque) if part.text or part.opaque else []
            self.cite(part.citations, part.text)
            return out
        if isinstance(part, Reasoning):
            shown = [thought(part.text)] if self.shows and part.text else []
            return shown + self.thought_over(part)
        if isinstance(part, ToolCall):
            return self.call(part)
        if isinstance(part, Refused):
            return self.words(part.text)
        if isinstance(part, Trace) and part.wire == WIRE_NAME and isinstance(part.raw, dict):
            return [part.raw]
        return []

    def words(self, text: str, opaque: tuple[Opaque, ...] = ()) -> list[Json]:
        """Return more of a text, with the state that waits for a part or is its own."""
        self._spoken += len(text.encode(errors="replace"))
        return [{"text": text, **self._signed(opaque)}]

    def thought_over(self, block: Reasoning) -> list[Json]:
        """Take the end of a block of thinking, whose text has been shown."""
        if not block.opaque:
            return []
        if len(block.opaque) == 1 and block.opaque[0].kind == SIGNATURE:
            return [{**thought(""), "thoughtSignature": block.opaque[0].data}]
        self._pending += packed_reasoning(block)
        return []

    def call(self, call: ToolCall) -> list[Json]:
        """Return a call; none where its arguments were cut, which this wire has no words for."""
        cut = not call.arguments and call.kind == "function"
        args = None if cut else arguments_of(call)
        if args is None:
            return []
        said: Json = {"id": call.id, "name": call.name, "args": args}
        return [{"functionCall": said, **self._signed(call.opaque)}]

    def cite(self, citations: tuple[Citation, ...], text: str) -> None:
        """Keep the sources of a text that has just been written."""
        before = self._spoken - len(text.encode(errors="replace"))
        self._sources += [(max(0, before), in_bytes(found, text)) for found in citations]

    def rest(self) -> list[Json]:
        """Return the part that holds the state for which no other part came."""
        return self.words("") if self._pending else []

    def beside(self) -> Json:
        """Return what a candidate has beside its parts."""
        out: Json = {}
        sources, tokens = grounding_body(self._sources), logprobs_body(self.logprobs)
        if sources is not None:
            out["groundingMetadata"] = sources
        if tokens is not None:
            out["logprobsResult"] = tokens
        return out

    def _signed(self, opaque: tuple[Opaque, ...]) -> Json:
        if not self._pending and not opaque:
            return {}
        if not self._pending and len(opaque) == 1 and native(opaque):
            return {"thoughtSignature": opaque[0].data}
        states = self._pending + (packed_part(opaque) if opaque else [])
        self._pending = []
        return {"thoughtSignature": sealed(states)}


def thought(text: str) -> Json:
    """Return a part of thinking."""
    return {"text": text, "thought": True}


def arguments_of(call: ToolCall) -> Json | None:
    """Return a call's arguments as an object; None where they are not whole JSON."""
    if call.kind == "custom":
        return {"input": call.arguments}
    try:
        args = _decode(call.arguments.encode() or b"{}")
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return None
    return args if isinstance(args, dict) else {"input": args}


def shows_thoughts(body: Json) -> bool:
    """Whether a client's request asks to see thoughts."""
    config: Any = body
    for name in ("generationConfig", "thinkingConfig"):
        config = named(config).get(name) if isinstance(config, dict) else None
    return isinstance(config, dict) and named(config).get("includeThoughts") is True
