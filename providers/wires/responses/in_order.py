"""Puts the events of items that are open at once into one order: one part open at a time."""

from __future__ import annotations

from collections import deque

from providers.ir import (
    Citation,
    Event,
    ReasoningDelta,
    RefusalDelta,
    TextDelta,
    ToolDelta,
    ToolStart,
)

WAITING_MAX_CHARS = 16 * 1024 * 1024


class Part:
    """A text or a refusal inside a message, or the thoughts of an item."""

    __slots__ = ("citations", "ended", "refusal", "sent")

    def __init__(self, *, refusal: bool) -> None:
        self.refusal = refusal
        self.sent: list[str] = []
        self.citations: list[Citation] = []
        self.ended = False


class Item:
    """One item of the output on its way."""

    __slots__ = ("call", "closed", "held", "kind", "last", "parts", "sent", "summary", "waiting")

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.parts: dict[int, Part] = {}
        self.sent: list[str] = []
        # The part that the last words stood in, and of thoughts whether they are a summary.
        self.last = 0
        self.summary: bool | None = None
        self.call: ToolStart | None = None
        self.held: str | None = None
        self.closed = False
        self.waiting: list[Event] = []

    @property
    def idle(self) -> bool:
        """Whether nothing of the item is open: it is whole, or its texts so far are."""
        if self.closed or self.kind != "message":
            return self.closed
        return all(part.ended for part in self.parts.values())


class InOrder:
    """The events that may come out; those of an item whose turn has not come wait with it.

    ``mixed`` turns True where more waits than any honest stream needs.
    """

    __slots__ = ("_open", "_out", "_size", "_waiting", "mixed")

    def __init__(self) -> None:
        self._open: Item | None = None
        self._waiting: deque[Item] = deque()
        self._out: list[Event] = []
        self._size = 0
        self.mixed = False

    def taken(self) -> list[Event]:
        """Return what may come out, once."""
        out, self._out = self._out, []
        return out

    def say(self, event: Event) -> None:
        """Give an event that belongs to no item."""
        self._out.append(event)

    def give(self, item: Item, event: Event) -> None:
        """Give an event of ``item``, now or when its turn comes."""
        if self._open is None:
            self._open = item
        if self._open is item:
            self._out.append(event)
            return
        if not item.waiting:
            self._waiting.append(item)
        item.waiting.append(event)
        if isinstance(event, TextDelta | RefusalDelta | ReasoningDelta):
            self._size += len(event.text)
        elif isinstance(event, ToolDelta):
            self._size += len(event.arguments)
        self.mixed = self._size > WAITING_MAX_CHARS

    def release(self, item: Item) -> None:
        """Let the next take its turn where it is ``item``'s: whole items, then one that is not."""
        if self._open is not item:
            return
        self._open = None
        while self._waiting:
            other = self._waiting.popleft()
            self._out += other.waiting
            other.waiting = []
            if not other.idle:
                self._open = other
                return
