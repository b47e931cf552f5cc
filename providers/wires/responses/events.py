"""Turns a host's stream, event by event, into the clean events of the neutral form.

The wire may have several items open at once, may leave out their ends, and may say in the end of an
item what no delta brought. Here one part is open at a time: what belongs to a later one waits.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import msgspec

from providers.errors import UpstreamError
from providers.ir import (
    Event,
    Finished,
    FinishReason,
    Opaque,
    ReasoningDelta,
    ReasoningEnd,
    RefusalDelta,
    Started,
    TextDelta,
    TextEnd,
    ToolDelta,
    ToolEnd,
    ToolStart,
    Trace,
    Traced,
)
from providers.wires.responses.errors import malformed
from providers.wires.responses.in_order import InOrder, Item, Part
from providers.wires.responses.read_parts import NATIVE, citations_of, thoughts
from providers.wires.responses.read_tools import WIRE
from providers.wires.wire import Json

CALLS = frozenset({"function_call", "custom_tool_call"})

_decode = msgspec.json.Decoder().decode


class EventReader:
    """The state of one stream; ``fault`` is set where its calls make no sense."""

    __slots__ = (
        "_calls",
        "_ids",
        "_issuer",
        "_items",
        "_out",
        "_refused",
        "_started",
        "fault",
    )

    def __init__(self, issuer: str) -> None:
        self._issuer = issuer
        self._items: dict[int, Item] = {}
        self._out = InOrder()
        self._ids: set[str] = set()
        self._calls = 0
        self._refused = False
        self._started = False
        self.fault: UpstreamError | None = None

    def read(self, kind: str, event: Json) -> list[Event]:
        """Return what one event of the type ``kind`` brings."""
        handle = HANDLERS.get(kind)
        if handle is not None:
            handle(self, event)
        return self._taken()

    def started(self, response: Json) -> list[Event]:
        """Return the beginning of the answer, once."""
        self._start(response)
        return self._taken()

    def ended(self, response: Json) -> list[Event]:
        """Return what is left at the end of the answer, and why it ended."""
        self._start(response)
        details = response.get("incomplete_details")
        reason = details.get("reason") if isinstance(details, dict) else None
        native = response.get("status")
        incomplete = native == "incomplete"
        self._finish_all(response.get("output"), cut=incomplete and reason != "content_filter")
        if self.fault is None:
            said = reason if incomplete and isinstance(reason, str) else native
            word = said if isinstance(said, str) else "completed"
            self._out.say(Finished(self._finish(incomplete, reason), native=word))
        return self._taken()

    def _taken(self) -> list[Event]:
        out = self._out.taken()
        if self._out.mixed:
            self.fault = malformed("the items of the stream are mixed beyond measure")
        return out

    def _start(self, response: Json) -> None:
        if not self._started:
            self._started = True
            name, model = response.get("id"), response.get("model")
            self._out.say(
                Started(
                    name if isinstance(name, str) else "", model if isinstance(model, str) else ""
                )
            )

    def _finish(self, incomplete: bool, reason: Any) -> FinishReason:
        if incomplete:
            if reason == "content_filter":
                return "filter"
            return "length" if reason in ("max_output_tokens", None) else "pause"
        if self._refused:
            return "filter"
        return "tool" if self._calls else "end"

    def _finish_all(self, output: Any, *, cut: bool) -> None:
        whole = output if isinstance(output, list) else []
        # Items are looked at here only where the stream did not end them, or brought none.
        fresh = not self._items
        for place, item in enumerate(whole):
            if not isinstance(item, dict):
                continue
            kind = item.get("type")
            known = self._items.get(place)
            if known is None and fresh and isinstance(kind, str):
                known = self._items[place] = Item(kind)
            if known is not None and not known.closed and known.kind == kind:
                self._finish_item(known, item, cut=cut)
        for known in self._items.values():
            if not known.closed:
                self._finish_item(known, {}, cut=cut)

    def _give(self, item: Item, event: Event) -> None:
        if not self._started:
            self._start({})
        self._out.give(item, event)

    # -- items ------------------------------------------------------------------------------------

    def item_added(self, event: Json) -> None:
        """An item begins."""
        said = event.get("item")
        kind = said.get("type") if isinstance(said, dict) else None
        place = _place(event)
        if not isinstance(said, dict) or not isinstance(kind, str) or place in self._items:
            return
        item = self._items[place] = Item(kind)
        if kind in CALLS:
            self._start_call(item, said)

    def item_done(self, event: Json) -> None:
        """An item is whole."""
        said = event.get("item")
        kind = said.get("type") if isinstance(said, dict) else None
        if not isinstance(said, dict) or not isinstance(kind, str):
            return
        item = self._item(event, kind)
        if not item.closed:
            self._finish_item(item, said, cut=False)

    def _item(self, event: Json, kind: str) -> Item:
        place = _place(event)
        item = self._items.get(place)
        if item is None:
            item = self._items[place] = Item(kind)
        return item

    def _finish_item(self, item: Item, said: Json, *, cut: bool) -> None:
        if item.kind == "message":
            self._finish_message(item, said)
        elif item.kind == "reasoning":
            self._finish_thoughts(item, said)
        elif item.kind in CALLS:
            self._finish_call(item, said, cut=cut)
            if item.held is not None:
                return
        elif said:
            self._give(item, Traced(Trace(WIRE, said)))
        item.closed = True
        self._out.release(item)

    # -- messages ---------------------------------------------------------------------------------

    def words(self, event: Json) -> None:
        """More of a text or of a refusal."""
        delta = event.get("delta")
        refusal = event.get("type") == "response.refusal.delta"
        item = self._item(event, "message")
        if isinstance(delta, str) and delta and item.kind == "message" and not item.closed:
            part = self._part(item, _index(event.get("content_index")), refusal=refusal)
            if not part.ended:
                self._say(item, part, delta, event.get("logprobs"))

    def _part(self, item: Item, index: int, *, refusal: bool) -> Part:
        part = item.parts.get(index)
        if part is None:
            before = item.parts.get(item.last)
            if before is not None:
                self._end_part(item, before)
            item.last = index
            part = item.parts[index] = Part(refusal=refusal)
        return part

    def _say(self, item: Item, part: Part, words: str, logprobs: Any = None) -> None:
        part.sent.append(words)
        if part.refusal:
            self._refused = True
            self._give(item, RefusalDelta(words))
        else:
            self._give(item, TextDelta(words, logprobs=_logprobs(logprobs)))

    def note(self, event: Json) -> None:
        """A source of a text."""
        item = self._item(event, "message")
        part = item.parts.get(_index(event.get("content_index")))
        if part is not None and not part.ended:
            part.citations += citations_of([event.get("annotation")])

    def part_done(self, event: Json) -> None:
        """A text or a refusal is whole."""
        said = event.get("part")
        item = self._item(event, "message")
        if item.kind == "message" and not item.closed and isinstance(said, dict):
            self._finish_part(item, _index(event.get("content_index")), said)
            self._out.release(item)

    def text_done(self, event: Json) -> None:
        """The words of a text or of a refusal again, all of them."""
        refusal = event.get("type") == "response.refusal.done"
        words = event.get("refusal" if refusal else "text")
        item = self._item(event, "message")
        if isinstance(words, str) and words and item.kind == "message" and not item.closed:
            part = self._part(item, _index(event.get("content_index")), refusal=refusal)
            if not part.sent:
                self._say(item, part, words, event.get("logprobs"))

    def _finish_message(self, item: Item, said: Json) -> None:
        content = said.get("content")
        # By order: some hosts count the parts of all items in one row while they stream.
        known = list(item.parts)
        at = 0
        for part in content if isinstance(content, list) else ():
            if isinstance(part, dict) and (part.get("text") or part.get("refusal")):
                index = known[at] if at < len(known) else max(known, default=-1) + 1 + at
                self._finish_part(item, index, part)
                at += 1
        for left in item.parts.values():
            self._end_part(item, left)

    def _finish_part(self, item: Item, index: int, said: Json) -> None:
        kind = said.get("type")
        refusal = kind == "refusal"
        words = said.get("refusal" if refusal else "text")
        if kind not in ("output_text", "refusal", "text") or not isinstance(words, str):
            return
        part = item.parts.get(index)
        if part is None:
            if not words:
                return
            part = self._part(item, index, refusal=refusal)
        if part.ended:
            return
        rest = _rest(words, part.sent)
        if rest:
            self._say(item, part, rest, said.get("logprobs") if not part.sent else None)
        if said.get("annotations"):
            part.citations = list(citations_of(said["annotations"]))
        self._end_part(item, part)

    def _end_part(self, item: Item, part: Part) -> None:
        if part.ended:
            return
        part.ended = True
        if not part.refusal and part.sent:
            self._give(item, TextEnd(tuple(part.citations)))

    # -- thoughts ---------------------------------------------------------------------------------

    def thought(self, event: Json) -> None:
        """More of the thoughts or of their summary."""
        delta = event.get("delta")
        item = self._item(event, "reasoning")
        if not isinstance(delta, str) or not delta or item.closed or item.kind != "reasoning":
            return
        summary = event.get("type") == "response.reasoning_summary_text.delta"
        if item.summary is None:
            item.summary = summary
        if item.summary != summary:
            return
        part = _index(event.get("summary_index" if summary else "content_index"))
        if part != item.last and item.sent:
            delta = "\n\n" + delta
        item.last = part
        item.sent.append(delta)
        self._give(item, ReasoningDelta(delta, summary))

    def _finish_thoughts(self, item: Item, said: Json) -> None:
        words, summary = thoughts(said)
        if words and not item.sent:
            item.sent.append(words)
            self._give(item, ReasoningDelta(words, summary))
        state, name = said.get("encrypted_content"), said.get("id")
        opaque: tuple[Opaque, ...] = ()
        if isinstance(state, str) and state:
            own = name if isinstance(name, str) else ""
            opaque = (Opaque(NATIVE, state, self._issuer, own),)
        if opaque or item.sent:
            self._give(item, ReasoningEnd(opaque))

    # -- calls ------------------------------------------------------------------------------------

    def arguments(self, event: Json) -> None:
        """More of a call's arguments."""
        delta = event.get("delta")
        custom = event.get("type") == "response.custom_tool_call_input.delta"
        item = self._item(event, "custom_tool_call" if custom else "function_call")
        if isinstance(delta, str) and delta and item.kind in CALLS and not item.closed:
            item.sent.append(delta)
            if item.call is not None:
                self._give(item, ToolDelta(item.call.index, delta))

    def arguments_done(self, event: Json) -> None:
        """A call's arguments again, all of them; the item's own end follows, or does not."""
        custom = event.get("type") == "response.custom_tool_call_input.done"
        item = self._item(event, "custom_tool_call" if custom else "function_call")
        words = event.get("input" if custom else "arguments")
        if isinstance(words, str) and item.call is not None and not item.closed:
            rest = _rest(words, item.sent)
            if rest:
                item.sent.append(rest)
                self._give(item, ToolDelta(item.call.index, rest))

    def _start_call(self, item: Item, said: Json) -> None:
        name, group = said.get("name"), said.get("namespace")
        if not isinstance(name, str) or not name:
            return
        kind: Any = "custom" if item.kind == "custom_tool_call" else "function"
        item.call = ToolStart(
            self._calls,
            self._call_id(said),
            name,
            kind,
            group if isinstance(group, str) else "",
        )
        self._calls += 1
        self._give(item, item.call)
        for delta in item.sent:
            self._give(item, ToolDelta(item.call.index, delta))

    def _call_id(self, said: Json) -> str:
        found = next(
            (name for at in ("call_id", "id") if isinstance(name := said.get(at), str) and name),
            f"call_{self._calls}",
        )
        wanted, number = found, self._calls
        while found in self._ids:
            number += 1
            found = f"{wanted}_{number}"
        self._ids.add(found)
        return found

    def _finish_call(self, item: Item, said: Json, *, cut: bool) -> None:
        if item.call is None:
            self._start_call(item, said)
        if item.call is None:
            self.fault = malformed("a call in the answer has no name")
            return
        custom = item.call.kind == "custom"
        written = said.get("input" if custom else "arguments")
        rest = _rest(written, item.sent) if isinstance(written, str) else ""
        if not rest and not item.sent and not custom:
            rest = "{}"
        if rest:
            item.sent.append(rest)
            self._give(item, ToolDelta(item.call.index, rest))
        whole = "".join(item.sent)
        if custom or cut or _is_json(whole):
            item.held = None
            self._give(item, ToolEnd(item.call.index, whole))
        elif item.held is None and said:
            # Whether it was cut by length is said at the end of the answer only.
            item.held = whole
        else:
            self.fault = malformed("the arguments of a call are not JSON")


def _place(event: Json) -> int:
    return _index(event.get("output_index"))


def _index(value: Any) -> int:
    return value if isinstance(value, int) else 0


def _rest(whole: str, sent: list[str]) -> str:
    # What of ``whole`` has not been sent; nothing where something else was.
    before = "".join(sent)
    return whole[len(before) :] if whole.startswith(before) else ""


def _logprobs(said: Any) -> list[Any] | None:
    if not isinstance(said, list) or not said:
        return None
    return [entry for entry in said if isinstance(entry, dict)] or None


def _is_json(written: str) -> bool:
    try:
        _decode(written.encode("utf-8", "surrogatepass"))
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return False
    return True


HANDLERS: Mapping[str, Callable[[EventReader, Json], None]] = MappingProxyType(
    {
        "response.output_item.added": EventReader.item_added,
        "response.output_item.done": EventReader.item_done,
        "response.output_text.delta": EventReader.words,
        "response.refusal.delta": EventReader.words,
        "response.output_text.done": EventReader.text_done,
        "response.refusal.done": EventReader.text_done,
        "response.output_text.annotation.added": EventReader.note,
        "response.content_part.done": EventReader.part_done,
        "response.reasoning_text.delta": EventReader.thought,
        "response.reasoning_summary_text.delta": EventReader.thought,
        "response.function_call_arguments.delta": EventReader.arguments,
        "response.custom_tool_call_input.delta": EventReader.arguments,
        "response.function_call_arguments.done": EventReader.arguments_done,
        "response.custom_tool_call_input.done": EventReader.arguments_done,
    }
)
