"""Reasoning on the chat wire: the fields that carry it, and the state that must come back with it.

Hosts say it as ``reasoning_content``, as ``reasoning``, as a list of ``reasoning_details``, as
chunks of a content list, or between tags in the text. To our clients it goes as
``reasoning_content``; where a block has state, ``reasoning_details`` has one item a block besides,
marked with ``FORMAT``, whose state is a seal.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from providers.carrier import BEGINNING, open_seal, seal
from providers.ir import Opaque, Reasoning
from providers.wires.wire import Json

FORMAT = "entrepot-v1"
# The id of the item that carries the state of the text and not of a thought.
OF_TEXT = "text"
TEXT_FIELDS = ("reasoning_content", "reasoning")
OPENING, CLOSING = "<think>", "</think>"

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode


def plain_text(message: Json) -> str:
    """Return the reasoning that stands in a text field of a message or a delta."""
    for name in TEXT_FIELDS:
        text = message.get(name)
        if text and isinstance(text, str):
            return text
    return ""


def state_of(item: Any) -> str:
    """Return the opaque state in an item of ``reasoning_details`` or of a content list, or ""."""
    if not isinstance(item, dict):
        return ""
    for name in ("data", "signature"):
        state = item.get(name)
        if state and isinstance(state, str):
            return state
    return ""


def signature_of(holder: Any) -> str:
    """Return the signature in the ``extra_content`` of a tool call or a message, or ""."""
    found = holder
    for name in ("extra_content", "google", "thought_signature"):
        found = found.get(name) if isinstance(found, dict) else None
    return found if isinstance(found, str) else ""


def with_signature(signature: str) -> Json:
    """Return the ``extra_content`` that carries ``signature``."""
    return {"google": {"thought_signature": signature}}


def opened(signature: str, issuer: str) -> tuple[Opaque, ...]:
    """Return the states behind a signature: those of a seal of ours, or the host's own."""
    if not signature:
        return ()
    states = open_seal(signature) if not issuer else None
    return states if states is not None else (Opaque("gemini.signature", signature, issuer),)


def is_seal(state: str) -> bool:
    """Whether a state is carried for another wire: never for a host of this one."""
    return state.startswith(BEGINNING)


class Details:
    """The items of ``reasoning_details`` of one block, put together from their fragments."""

    __slots__ = ("_items", "_texts")

    def __init__(self) -> None:
        self._items: list[Json] = []
        self._texts: list[tuple[str, list[str]]] = []

    def __bool__(self) -> bool:
        return bool(self._items)

    def add(self, item: Json) -> str:
        """Take the next fragment; return the readable text in it."""
        name = "summary" if item.get("type") == "reasoning.summary" else "text"
        text = item.get(name)
        text = text if isinstance(text, str) else ""
        last = self._items[-1] if self._items else None
        same = (
            last is not None
            and last.get("type") == item.get("type") != "reasoning.encrypted"
            and last.get("index") == item.get("index")
            and (last.get("id") is None or item.get("id") in (None, last["id"]))
        )
        if same and last is not None:
            last.update((key, value) for key, value in item.items() if value is not None)
            self._texts[-1][1].append(text)
        else:
            self._items.append(dict(item))
            self._texts.append((name, [text]))
        return text

    def take(self, issuer: str) -> tuple[Opaque, ...]:
        """Return the items as opaque states and forget them."""
        states = []
        for item, (name, texts) in zip(self._items, self._texts, strict=True):
            if name in item:
                item[name] = "".join(texts)
            known = item.get("id")
            states.append(
                Opaque(
                    "chat.details",
                    _encode(item).decode(),
                    issuer,
                    known if isinstance(known, str) else "",
                )
            )
        self._items, self._texts = [], []
        return tuple(states)

    @property
    def states(self) -> list[str]:
        """The strings in the items that only their issuer can read."""
        return [state for item in self._items if (state := state_of(item))]


def client_blocks(message: Json) -> tuple[list[Reasoning], tuple[Opaque, ...]]:
    """Return the thoughts that a client sends back with a turn, and the state of its text."""
    text = plain_text(message)
    items = message.get("reasoning_details")
    items = [item for item in items if isinstance(item, dict)] if isinstance(items, list) else []
    if any(item.get("format") == FORMAT for item in items):
        return _our_blocks(items)
    details = Details()
    read = "".join([details.add(item) for item in items])
    summary = not text and bool(items) and _all_summaries(items)
    blocks = []
    if text or items:
        blocks.append(Reasoning(text or read, summary, details.take("")))
    return blocks, opened(signature_of(message), "")


def _all_summaries(items: Iterable[Json]) -> bool:
    kinds = {str(item.get("type")) for item in items} - {"reasoning.encrypted"}
    return kinds == {"reasoning.summary"}


def _our_blocks(items: list[Json]) -> tuple[list[Reasoning], tuple[Opaque, ...]]:
    blocks: list[Reasoning] = []
    of_text: tuple[Opaque, ...] = ()
    for item in items:
        if item.get("format") != FORMAT:
            details = Details()
            text = details.add(item)
            blocks.append(Reasoning(text, opaque=details.take("")))
            continue
        states = open_seal(state_of(item)) or ()
        if item.get("id") == OF_TEXT:
            of_text += states
            continue
        summary = item.get("type") == "reasoning.summary"
        said = item.get("summary" if summary else "text")
        blocks.append(Reasoning(said if isinstance(said, str) else "", summary, states))
    return blocks, of_text


def block_items(block: Reasoning, first_index: int) -> list[Json]:
    """Return the items that carry a block to a client: the host's own where it was of this wire."""
    native = [state for state in block.opaque if state.kind == "chat.details"]
    if native and len(native) == len(block.opaque):
        return [_decode(state.data) for state in native]
    item: Json = {"format": FORMAT, "index": first_index}
    states = seal(block.opaque) if block.opaque else ""
    if block.summary:
        item |= {"type": "reasoning.summary", "summary": block.text}
    elif block.text:
        item |= {"type": "reasoning.text", "text": block.text}
    else:
        return [{**item, "type": "reasoning.encrypted", "data": states}]
    return [{**item, "signature": states} if states else item]


def text_item(opaque: tuple[Opaque, ...], index: int) -> Json:
    """Return the item that carries the state of a text to a client."""
    return {
        "type": "reasoning.encrypted",
        "format": FORMAT,
        "index": index,
        "id": OF_TEXT,
        "data": seal(opaque),
    }


class ThinkTags:
    """Splits a text that begins with its reasoning between tags; only the beginning counts."""

    __slots__ = ("_held", "_place")

    def __init__(self) -> None:
        self._place = "before"
        self._held = ""

    def feed(self, text: str) -> list[tuple[bool, str]]:
        """Return what ``text`` completes, each piece with whether it is reasoning."""
        if self._place == "after":
            return [(False, text)]
        self._held += text
        out: list[tuple[bool, str]] = []
        if self._place == "before":
            begun = self._held.lstrip()
            if OPENING.startswith(begun[: len(OPENING)]) and len(begun) < len(OPENING):
                return out
            if not begun.startswith(OPENING):
                return self._rest(False)
            self._place, self._held = "inside", begun[len(OPENING) :]
        if self._place == "inside":
            thought, closing, rest = self._held.partition(CLOSING)
            if not closing:
                kept = _begun(self._held)
                thought, self._held = self._held[: len(self._held) - kept], self._held[-kept:]
                self._held = self._held if kept else ""
                return [(True, thought)] if thought else out
            if thought:
                out.append((True, thought))
            self._place, self._held = "gap", rest
        # Blank lines part the answer from its thoughts.
        rest = self._held.lstrip()
        if rest:
            self._place, self._held = "after", ""
            out.append((False, rest))
        return out

    def end(self) -> list[tuple[bool, str]]:
        """Return what is still held."""
        if self._place in ("after", "gap") or not self._held:
            return []
        return self._rest(self._place == "inside")

    def _rest(self, is_thought: bool) -> list[tuple[bool, str]]:
        held, self._held, self._place = self._held, "", "after"
        return [(is_thought, held)]


def _begun(text: str) -> int:
    """Return how many signs at the end of ``text`` may be the beginning of the closing tag."""
    for size in range(min(len(CLOSING) - 1, len(text)), 0, -1):
        if CLOSING.startswith(text[-size:]):
            return size
    return 0
