"""One choice of an answer while it comes: one part open at a time, whatever the host interleaves.

Of several calls whose fragments are mixed, one is given out as it comes and the others wait until
it is whole. Words that come while a call is open wait until the calls are over.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from providers.errors import ErrorKind, UpstreamError
from providers.ir import (
    Citation,
    Event,
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
from providers.wires.chat.calls import Call, Calls, settled
from providers.wires.chat.reasoning import Details, ThinkTags, opened, state_of
from providers.wires.wire import Json

Said = TextDelta | ReasoningDelta | RefusalDelta | Traced

_encode = msgspec.json.Encoder().encode


class OpenChoice:
    """The state of one choice; ``out`` of each method is the list that its events are added to.

    ``ended`` and ``finish`` are what its host said so far of its end, ``native`` what the one
    behind that host said. ``thought``: reasoning came in a field of its own, so that what stands
    between tags is the same over again; ``has_plain``: in a field of text.
    """

    def __init__(self, place: int, issuer: str, think_tags: bool, used_ids: set[str]) -> None:
        self.place = place
        self.calls = Calls(place, used_ids)
        self.tags = ThinkTags() if think_tags else None
        self.ended = False
        self.finish = ""
        self.native = ""
        self.stop_sequence = ""
        self.refused = False
        self.thought = self.has_plain = False
        self.thought_size = 0
        self.thought_start = ""
        self._issuer = issuer
        self._open: type[Event] | None = None
        self._waiting: list[Call] = []
        self._late: list[Said] = []
        self._details = Details()
        self._chunk: Json = {}
        self._chunk_texts: list[str] = []
        self._citations: list[Citation] = []
        self._text_state: tuple[Opaque, ...] = ()

    def say(self, event: Said, out: list[Event]) -> None:
        """Give out words, or keep them while a call is open that is not whole."""
        if self._waiting:
            self._advance(out, past_last=True)
        if self._waiting or self._late:
            self._late.append(event)
            return
        self._turn_to(type(event), out)
        out.append(event)

    def tagged(self, is_thought: bool, text: str, out: list[Event]) -> None:
        """Give out a piece of a text whose reasoning stands between tags."""
        if not is_thought:
            self.say(TextDelta(text, self.place), out)
        elif not self.thought:
            self.say(ReasoningDelta(text, choice=self.place), out)

    def detail(self, items: Sequence[Json], out: list[Event]) -> str:
        """Take items of ``reasoning_details``; return the readable text in them."""
        text = "".join([self._details.add(item) for item in items])
        if not self._waiting and not self._late and any(state_of(item) for item in items):
            self._turn_to(ReasoningDelta, out)
        return text

    def chunk(self, part: Json, out: list[Event]) -> None:
        """Take a part of a content list that is reasoning."""
        inner = part.get("thinking") or part.get("text")
        texts = inner if isinstance(inner, list) else [{"text": inner}]
        text = "".join(
            [
                item["text"]
                for item in texts
                if isinstance(item, dict) and isinstance(item.get("text"), str)
            ]
        )
        self._chunk.update(part)
        self._chunk_texts.append(text)
        if text:
            self.say(ReasoningDelta(text, choice=self.place), out)

    def cite(self, citations: list[Citation]) -> None:
        """Take sources of the text."""
        self._citations += [one for one in citations if one not in self._citations]

    def sign(self, signature: str) -> None:
        """Take the state of the text."""
        self._text_state = opened(signature, self._issuer)

    def called(self, call: Call, text: str, out: list[Event]) -> UpstreamError | None:
        """Take a fragment of a call, which has been added to it already."""
        if call.state == "closed":
            return _malformed("arguments came after the end of a call") if text.strip() else None
        if call not in self._waiting:
            self._waiting.append(call)
        if self._waiting[0] is call:
            self._give(call, text, out)
        if len(self._waiting) > 1:
            self._advance(out)
        return None

    def end(self, is_cut: bool, out: list[Event]) -> UpstreamError | None:
        """Close all parts; return the fault where one is no good part. ``is_cut``: by length."""
        if self.tags is not None:
            for is_thought, text in self.tags.end():
                self.tagged(is_thought, text, out)
        for call in self._waiting:
            if not call.name and not call.pieces:
                continue
            fault = self._close_call(call, is_cut, out)
            if fault is not None:
                return fault
        self._waiting = []
        late, self._late = self._late, []
        for event in late:
            self.say(event, out)
        self._turn_to(None, out)
        if self._details or self._chunk:
            out.append(ReasoningEnd(self._state(), self.place))
        if self._citations or self._text_state:
            self._end_text(out)
        return None

    def _turn_to(self, kind: type[Event] | None, out: list[Event]) -> None:
        if self._open is kind and kind is not Traced:
            return
        if self._open is ReasoningDelta:
            out.append(ReasoningEnd(self._state(), self.place))
        elif self._open is TextDelta and (self._citations or self._text_state):
            self._end_text(out)
        self._open = kind

    def _end_text(self, out: list[Event]) -> None:
        out.append(TextEnd(tuple(self._citations), self._text_state, self.place))
        self._citations, self._text_state = [], ()

    def _state(self) -> tuple[Opaque, ...]:
        states = self._details.take(self._issuer)
        if self._chunk:
            inner: list[dict[str, Any]] = [{"type": "text", "text": "".join(self._chunk_texts)}]
            whole = {**self._chunk, "thinking": inner}
            states += (Opaque("chat.content", _encode(whole).decode(), self._issuer),)
            self._chunk, self._chunk_texts = {}, []
        return states

    def _advance(self, out: list[Event], *, past_last: bool = False) -> None:
        """Close the calls that are whole, and give out the next one."""
        while self._waiting:
            first = self._waiting[0]
            if first.state == "new" and first.name:
                # Another has begun: what this one has not said of itself, it will not say.
                self.calls.give_id(first)
                self._give(first, "", out)
            is_last = len(self._waiting) == 1
            if first.state == "new" or (is_last and not past_last) or not first.is_whole:
                return
            self._close_call(first, False, out)
            del self._waiting[0]
            if self._waiting:
                self._give(self._waiting[0], "", out)

    def _give(self, call: Call, text: str, out: list[Event]) -> None:
        if call.state == "new":
            # The id may come in a fragment of its own, but not after the arguments.
            if not call.name or not (call.id or call.pieces):
                return
            self._start(call, out)
        if call.state == "open":
            if text:
                out.append(ToolDelta(call.index, text, self.place))
        elif call.state == "started" and (begun := call.begun()):
            out.append(ToolDelta(call.index, begun, self.place))

    def _start(self, call: Call, out: list[Event]) -> None:
        self.calls.give_id(call)
        self._turn_to(ToolStart, out)
        out.append(
            ToolStart(
                call.index,
                call.id,
                call.name,
                "custom" if call.is_custom else "function",
                opaque=call.opaque,
                choice=self.place,
            )
        )
        call.state = "started"

    def _close_call(self, call: Call, is_cut: bool, out: list[Event]) -> UpstreamError | None:
        if not call.name:
            return _malformed("a tool call has no name")
        if call.state == "new":
            self._start(call, out)
        arguments = settled(call, is_cut)
        if arguments is None and self.finish == "content_filter":
            return UpstreamError(
                ErrorKind.FILTERED, "the host's filter ended the answer within a tool call"
            )
        if arguments is None:
            return _malformed(f"the arguments for {call.name[:100]!r} are no JSON object")
        if call.state != "open" and arguments:
            out.append(ToolDelta(call.index, arguments, self.place))
        out.append(ToolEnd(call.index, arguments, self.place))
        call.state = "closed"
        return None


def _malformed(words: str) -> UpstreamError:
    return UpstreamError(ErrorKind.MALFORMED, words, status=200)
