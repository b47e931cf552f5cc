"""What an answer says, in words, for whoever compares it; and how a client's own is overheard."""

from __future__ import annotations

from collections.abc import Iterable

from gateway.front import Message, Send
from providers import ir
from providers.assemble import events_of
from providers.dialect import Dialect
from providers.errors import UpstreamError
from providers.wires.kept import Kept
from providers.wires.wire import Wire

WORDS_MAX_CHARS = 64 * 1024
# A whole answer has more around its words than a longer one need have.
WHOLE_MAX_BYTES = 1024 * 1024
SAYING = (ir.TextDelta, ir.RefusalDelta, ir.ToolStart, ir.ToolEnd)


def words(events: Iterable[ir.Event]) -> str:
    """Return what the first choice of an answer says: its text, and the calls that it makes."""
    said: list[str] = []
    names: dict[int, str] = {}
    for event in events:
        if not isinstance(event, SAYING) or event.choice:
            continue
        if isinstance(event, ir.TextDelta | ir.RefusalDelta):
            said.append(event.text)
        elif isinstance(event, ir.ToolStart):
            names[event.index] = event.name
        else:
            said.append(f"\n[calls {names.get(event.index, '')}({event.arguments})]\n")
    return "".join(said)


def overhear(events: Iterable[ir.Event], kept: Kept) -> None:
    """Keep the words of ``events``, so that they can be counted."""
    for event in events:
        if isinstance(event, ir.TextDelta | ir.RefusalDelta):
            kept.say(event.text)
        elif isinstance(event, ir.ToolDelta):
            kept.say(event.arguments)
        elif isinstance(event, ir.ToolStart):
            kept.say(event.name)
        elif isinstance(event, ir.ReasoningDelta):
            kept.think(event.text)


class Heard:
    """A client's answer as it goes out, read beside and kept until it has been compared.

    What is longer than ``WORDS_MAX_CHARS`` is not kept at all: half an answer compares with none.
    """

    def __init__(self, wire: Wire, *, stream: bool) -> None:
        self._wire = wire
        self._reader = wire.host.reader(Dialect(), "", False) if stream else None
        self._events: list[ir.Event] = []
        self._whole = b""
        self._size = 0

    def listening(self, send: Send) -> Send:
        """Return a ``send`` that passes everything on, and then reads it."""

        async def told(message: Message) -> None:
            await send(message)
            data = message.get("body", b"")
            if data and self._size <= WORDS_MAX_CHARS:
                self._hear(data)

        return told

    def _hear(self, data: bytes) -> None:
        if self._reader is None:
            self._whole = data if len(data) <= WHOLE_MAX_BYTES else b""
            return
        self._keep(self._reader.events(data))

    def _keep(self, events: Iterable[ir.Event]) -> None:
        for event in events:
            if isinstance(event, SAYING):
                self._events.append(event)
            if isinstance(event, ir.TextDelta | ir.RefusalDelta):
                self._size += len(event.text)
            elif isinstance(event, ir.ToolStart):
                self._size += 1 + len(event.name)
            elif isinstance(event, ir.ToolEnd):
                self._size += len(event.arguments)
        if self._size > WORDS_MAX_CHARS:
            self._events.clear()

    def text(self) -> str | None:
        """Return the words of the answer; None where it was too long or is none. Ask once."""
        if self._reader is None:
            try:
                answer = self._wire.host.read(self._whole, Dialect(), "")
            except UpstreamError:
                return None
            self._keep(events_of(answer))
        else:
            self._keep(self._reader.close())
            if self._reader.fault is not None:
                return None
        return words(self._events) if self._size <= WORDS_MAX_CHARS else None
