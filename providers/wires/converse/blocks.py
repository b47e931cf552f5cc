"""Puts the blocks of a Converse stream in order and makes clean events of them.

A block of text or thought has no start, and its end may be missing; blocks of tools may interleave.
"""

from __future__ import annotations

import base64
import binascii
from typing import Any

import msgspec

from providers import ir
from providers.errors import ErrorKind, UpstreamError
from providers.framing import EVENT_MAX_BYTES
from providers.wires.converse.response import (
    NAME,
    REDACTED,
    SERVER_TOOL,
    SIGNATURE,
    citation,
)
from providers.wires.kept import size_of
from providers.wires.tolerant import call_id, mapping, text_at

_decode = msgspec.json.Decoder().decode

BLOCK_EVENTS = frozenset({"contentBlockStart", "contentBlockDelta", "contentBlockStop"})


class _Block:
    """The block that is open; ``kind`` is text, reasoning, tool or trace."""

    __slots__ = ("call", "citations", "index", "kind", "name", "pieces", "raw", "states")

    def __init__(self, index: Any, kind: str) -> None:
        self.index = index
        self.kind = kind
        self.pieces: list[str] = []
        self.states: dict[str, list[str]] = {}
        self.citations: list[ir.Citation] = []
        self.call = -1
        # Of something that the host did itself: the member that names it, and what was said.
        self.name = ""
        self.raw: dict[str, Any] = {}


class Blocks:
    """The blocks of one answer. Every method that adds to ``out`` raises ``UpstreamError``.

    ``content``, ``text_bytes``, ``states`` and ``calls`` as in ``wire.Reader``.
    """

    __slots__ = (
        "_cited",
        "_cut_call",
        "_ids",
        "_issuer",
        "_kept_bytes",
        "_open",
        "_size",
        "_sources",
        "_waiting",
        "calls",
        "content",
        "states",
        "text_bytes",
    )

    def __init__(self, issuer: str) -> None:
        self._issuer = issuer
        self._open: _Block | None = None
        # Citations of a text that is over, held in case a block of sources alone follows it.
        self._cited: list[ir.Citation] | None = None
        # Citations of blocks that have had no words yet.
        self._sources: dict[int, list[ir.Citation]] = {}
        self._cut_call: ir.ToolEnd | None = None
        # What came of other blocks while a tool's was open, in the order of their first word.
        self._waiting: dict[int, list[tuple[str, dict[str, Any]]]] = {}
        self._kept_bytes = 0
        self._size = 0
        self._ids: set[str] = set()
        self.content = False
        self.text_bytes = 0
        self.states: list[str] = []
        self.calls: list[str] = []

    def event(self, name: str, body: dict[str, Any], size: int, out: list[ir.Event]) -> None:
        """Read one of ``BLOCK_EVENTS``, whose payload had ``size`` bytes."""
        self._size = size
        index = body.get("contentBlockIndex")
        if not isinstance(index, int):
            raise UpstreamError(ErrorKind.MALFORMED, "a block of the stream without its index")
        opened = self._open
        if opened is not None and opened.kind in ("tool", "trace") and opened.index != index:
            self._keep(size)
            self._waiting.setdefault(index, []).append((name, body))
            return
        self._handle(name, index, body, out)
        if self._open is None and self._waiting:
            self._resume(out)

    def _resume(self, out: list[ir.Event]) -> None:
        """Read what waited, block by block, until one is still open."""
        while self._waiting and (self._open is None or self._open.kind in ("text", "reasoning")):
            index = next(iter(self._waiting))
            for name, body in self._waiting.pop(index):
                self._handle(name, index, body, out)

    def close(self, out: list[ir.Event]) -> None:
        """Read what waited and close every block: the answer has ended."""
        self._close_block(out)
        while self._waiting:
            self._resume(out)
            self._close_block(out)
        for index in tuple(self._sources):
            self._end_sources(index)

    def end(self, finish: ir.FinishReason, out: list[ir.Event]) -> None:
        """Give the last part its end; ``finish`` says whether a call's arguments may be cut."""
        if self._cut_call is not None:
            if finish != "length":
                raise _bad_arguments()
            out.append(self._cut_call)
        self._end_text(out)

    def _handle(self, name: str, index: int, body: dict[str, Any], out: list[ir.Event]) -> None:
        if name == "contentBlockStart":
            self._start(index, mapping(body.get("start")), out)
        elif name == "contentBlockDelta":
            self._delta(index, mapping(body.get("delta")), out)
        else:
            if self._open is not None and self._open.index == index:
                self._close_block(out)
            self._end_sources(index)

    def _start(self, index: int, start: dict[str, Any], out: list[ir.Event]) -> None:
        tool = start.get("toolUse")
        if isinstance(tool, dict) and tool.get("type") != SERVER_TOOL:
            self._start_tool(index, tool, out)
        elif start:
            block = self._begin(index, "trace", out)
            block.name = next(iter(start))
            block.raw = dict(mapping(start[block.name]))

    def _start_tool(self, index: int, tool: dict[str, Any], out: list[ir.Event]) -> None:
        name = text_at(tool, "name")
        if not name:
            raise UpstreamError(ErrorKind.MALFORMED, "a tool call without a name")
        block = self._begin(index, "tool", out)
        block.call = len(self.calls)
        identity = call_id(tool.get("toolUseId"), block.call, self._ids)
        self.calls.append(identity)
        out.append(ir.ToolStart(block.call, identity, name))

    def _delta(self, index: int, delta: dict[str, Any], out: list[ir.Event]) -> None:
        text, thought, tool = delta.get("text"), delta.get("reasoningContent"), delta.get("toolUse")
        if isinstance(text, str):
            if text:
                self._begin(index, "text", out)
                self.text_bytes += size_of(text)
                out.append(ir.TextDelta(text))
        elif isinstance(thought, dict):
            self._think(self._begin(index, "reasoning", out), thought, out)
        elif isinstance(delta.get("citation"), dict):
            self._cite(index, delta["citation"])
        elif isinstance(tool, dict):
            self._argue(index, tool.get("input"), out)
        elif delta:
            self._trace(index, delta, out)

    def _argue(self, index: int, said: Any, out: list[ir.Event]) -> None:
        block = self._open
        if block is None or block.index != index or block.kind not in ("tool", "trace"):
            raise UpstreamError(ErrorKind.MALFORMED, "arguments of a tool call that never began")
        if said is not None and not isinstance(said, str):
            raise UpstreamError(ErrorKind.MALFORMED, "arguments of a tool call that are no text")
        if not said:
            return
        self._keep(len(said))
        block.pieces.append(said)
        if block.kind == "tool":
            self.text_bytes += size_of(said)
            out.append(ir.ToolDelta(block.call, said))

    def _think(self, block: _Block, said: dict[str, Any], out: list[ir.Event]) -> None:
        text = said.get("text")
        if isinstance(text, str) and text:
            self.text_bytes += size_of(text)
            out.append(ir.ReasoningDelta(text))
        for kind, name in ((SIGNATURE, "signature"), (REDACTED, "redactedContent")):
            state = said.get(name)
            if isinstance(state, str) and state:
                self._keep(len(state))
                block.states.setdefault(kind, []).append(state)

    def _cite(self, index: int, said: dict[str, Any]) -> None:
        found = citation(said)
        if found is None:
            return
        self._keep(len(found.quote) + len(found.title) + len(found.url))
        if self._open is not None and self._open.kind == "text" and self._open.index == index:
            self._open.citations.append(found)
        else:
            self._sources.setdefault(index, []).append(found)

    def _end_sources(self, index: int) -> None:
        """Give the sources of a block that had no words to the text before it."""
        found = self._sources.pop(index, [])
        if self._open is not None and self._open.kind == "text":
            self._open.citations.extend(found)
        elif self._cited is not None:
            self._cited.extend(found)

    def _trace(self, index: int, delta: dict[str, Any], out: list[ir.Event]) -> None:
        block = self._open
        if block is None or block.index != index or block.kind != "trace":
            block = self._begin(index, "trace", out)
            block.name = next(iter(delta))
        self._keep(self._size)
        for name, value in delta.items():
            held = block.raw.setdefault("content", [])
            if isinstance(held, list):
                held.extend(value if isinstance(value, list) else [{name: value}])

    def _begin(self, index: int, kind: str, out: list[ir.Event]) -> _Block:
        """Return the open block of this index and kind, after what has to end before it."""
        block = self._open
        goes_on = kind in ("text", "reasoning")
        if goes_on and block is not None and block.index == index and block.kind == kind:
            return block
        self._close_block(out)
        if self._cut_call is not None:
            raise _bad_arguments()
        self._end_text(out)
        self.content = True
        self._open = _Block(index, kind)
        if kind == "text":
            # Some models name the sources before the words.
            self._open.citations = self._sources.pop(index, [])
        return self._open

    def _close_block(self, out: list[ir.Event]) -> None:
        block, self._open = self._open, None
        if block is None:
            return
        if block.kind == "text":
            self._cited = block.citations
        elif block.kind == "reasoning":
            out.append(ir.ReasoningEnd(self._opaque(block)))
        elif block.kind == "tool":
            self._end_tool(block, out)
        else:
            if block.name == "toolUse":
                block.raw["input"] = _input("".join(block.pieces))
            out.append(ir.Traced(ir.Trace(NAME, {block.name: block.raw})))

    def _end_text(self, out: list[ir.Event]) -> None:
        if self._cited is not None:
            out.append(ir.TextEnd(citations=tuple(self._cited)))
            self._cited = None

    def _opaque(self, block: _Block) -> tuple[ir.Opaque, ...]:
        found = []
        for kind, pieces in block.states.items():
            whole = "".join(pieces) if kind == SIGNATURE else _joined(pieces)
            self.states.append(whole)
            found.append(ir.Opaque(kind, whole, self._issuer))
        return tuple(found)

    def _end_tool(self, block: _Block, out: list[ir.Event]) -> None:
        whole = "".join(block.pieces)
        if not whole.strip():
            out.append(ir.ToolDelta(block.call, "{}"))
            whole += "{}"
        end = ir.ToolEnd(block.call, whole)
        try:
            _decode(whole)
        except (msgspec.MsgspecError, UnicodeError, RecursionError):
            # Right only where the answer was cut by its length, which is said later.
            self._cut_call = end
            return
        out.append(end)

    def _keep(self, size: int) -> None:
        self._kept_bytes += size
        if self._kept_bytes > EVENT_MAX_BYTES:
            raise UpstreamError(
                ErrorKind.MALFORMED, f"the answer's blocks are larger than {EVENT_MAX_BYTES} bytes"
            )


def _bad_arguments() -> UpstreamError:
    return UpstreamError(ErrorKind.MALFORMED, "the arguments of a tool call are not JSON")


def _joined(pieces: list[str]) -> str:
    """Return one base64 text for the bytes that several encode; a single one as it came."""
    if len(pieces) == 1:
        return pieces[0]
    try:
        whole = b"".join([base64.b64decode(piece, validate=True) for piece in pieces])
    except (binascii.Error, ValueError):
        return "".join(pieces)
    return base64.b64encode(whole).decode()


def _input(written: str) -> Any:
    try:
        return _decode(written or "{}")
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return written
