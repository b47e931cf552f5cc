"""Lane two: the host speaks another wire. Its answer is read as events and written as the client's.

A ``Translated`` stands where the relay's reader stands, so that one loop serves both lanes. Between
reader and writer each event may pass through steps: tools that were put into functions come out
again, an emulated schema is checked, a second call is kept back where only one was wanted.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

from gateway.call import Call
from gateway.lanes import Lane
from gateway.recall import Recall, Turn
from gateway.words import overhear
from providers import emulate, ir, tokens
from providers.assemble import collected, events_of
from providers.errors import UpstreamError
from providers.usage import Usage
from providers.wires.kept import Kept
from providers.wires.wire import Context, Reader, Tap, Writer
from routing.route import Route

DELTAS = (ir.TextDelta, ir.ToolDelta)
OF_CALLS = (ir.ToolStart, ir.ToolDelta, ir.ToolEnd)
OF_A_BEGINNING = (ir.Started, ir.ReasoningDelta, ir.ReasoningEnd)
BESIDE_TEXT = (*OF_A_BEGINNING, ir.Counted)
GATHERED_MAX_CHARS = 1_000_000
Step = Callable[[list[ir.Event]], list[ir.Event]]


def context(call: Call, route: Route) -> Context:
    """Return what a writer may know of a call beside the answer."""
    return Context(
        id=call.record.request_id,
        model=route.model,
        body=call.body,
        created=int(time.time()),
        prompt_tokens=tokens.estimate(call.peek.text_bytes),
        wants_usage=call.peek.wants_usage,
    )


class Translated:
    """A host's stream in the client's wire; has the reading attributes of ``wire.Reader``.

    ``kept`` is where what the host said is kept, None for nowhere.

    ``content`` turns True when something of the answer itself has been written. With ``gathered``
    the text is kept, so that another host can go on with it: ``text`` is all of it so far, and
    ``only_text`` whether nothing but thoughts stood beside it.
    """

    def __init__(
        self,
        reader: Reader,
        writer: Writer,
        steps: Iterable[Step],
        gathered: Gathered | None = None,
    ) -> None:
        self._reader = reader
        last: tuple[Step, ...] = (gathered,) if gathered is not None else ()
        self._steps = (*steps, *last)
        self.gathered = gathered
        self._fault: UpstreamError | None = None
        self._ended = False
        self.writer = writer
        self.content = False
        self.kept: Kept | None = None

    @property
    def text(self) -> str:
        """All text that has been written to the client; "" where it is not kept."""
        return "".join(self.gathered.parts) if self.gathered is not None else ""

    @property
    def only_text(self) -> bool:
        """Whether the answer so far is text, and not at its end."""
        return self.gathered is not None and self.gathered.only_text

    @property
    def done(self) -> bool:
        """Whether the host's own end mark has come."""
        return self._reader.done

    @property
    def fault(self) -> UpstreamError | None:
        """What went wrong at the host or in a step."""
        return self._fault or self._reader.fault

    @property
    def finish(self) -> str:
        """The host's own word for why the answer ended."""
        return self._reader.finish

    @property
    def model(self) -> str:
        """The model that the answer names."""
        return self._reader.model

    @property
    def text_bytes(self) -> int:
        """The size of what the model wrote, for an estimate."""
        return self._reader.text_bytes

    @property
    def usage(self) -> Usage:
        """The usage that the host reported so far."""
        return self._reader.usage

    def feed(self, data: bytes) -> bytes:
        """Return the client's bytes for what ``data`` completes."""
        out = self._written(self._reader.events(data))
        if self._reader.done and self.fault is None:
            out += self._end()
        return out

    def end(self) -> bytes:
        """Return the client's bytes for the end of the host's body; sets ``fault`` on a cut."""
        out = self._written(self._reader.close())
        if self.fault is None:
            out += self._end()
        return out

    def _end(self) -> bytes:
        if self._ended:
            return b""
        self._ended = self.content = True
        return self.writer.end()

    def _written(self, events: list[ir.Event]) -> bytes:
        if not events:
            return b""
        if self.kept is not None:
            overhear(events, self.kept)
        try:
            for step in self._steps:
                events = step(events)
        except UpstreamError as fault:
            self._fault = fault
            return b""
        write = self.writer.write
        out = b"".join([write(event) for event in events])
        if not self.content and any(not isinstance(event, ir.Started) for event in events):
            self.content = True
        return out


def stream(call: Call, route: Route, lane: Lane, recall: Recall) -> Translated:
    """Return the reader of a translated stream."""
    reader = lane.wire.host.reader(lane.dialect, route.name, False)
    writer = call.wire.front.writer(context(call, route))
    gathered = Gathered() if call.continues else None
    return Translated(reader, writer, _steps(call, route, lane, recall), gathered)


def resumed(call: Call, route: Route, lane: Lane, recall: Recall, before: Translated) -> Translated:
    """Return the reader of a stream that goes on with ``before``, into the same stream."""
    reader = lane.wire.host.reader(lane.dialect, route.name, False)
    steps = [*_steps(call, route, lane, recall), rest_only]
    return Translated(reader, before.writer, steps, before.gathered)


def _steps(call: Call, route: Route, lane: Lane, recall: Recall) -> list[Step]:
    label = call.facts.label
    steps: list[Step] = [Remembering(recall, call.principal.name, route.name, label)]
    if lane.schema is not None:
        steps.append(lane.schema.checking())
    if lane.names is not None:
        steps.append(emulate.Emulated(lane.names).events)
    if lane.one_call:
        steps.append(first_call_only)
    return steps


def whole(call: Call, route: Route, lane: Lane, recall: Recall, raw: bytes) -> tuple[Tap, bytes]:
    """Return what a whole answer says and the client's bytes of it. Raises ``UpstreamError``."""
    answer = lane.wire.host.read(raw, lane.dialect, route.name)
    for step in _steps(call, route, lane, recall):
        answer = collected(step(events_of(answer)), answer)
    body = call.wire.front.write(answer, context(call, route))
    text_bytes = 0 if answer.usage.state == "reported" else len(body)
    return Tap(answer.usage, answer.native_finish, answer.model, text_bytes), body


class Remembering:
    """Keeps what has to come back later: who issued which state, and a tool turn's thoughts.

    ``label`` is that of the request, which what is kept carries.
    """

    def __init__(self, recall: Recall, key: str, route: str, label: str) -> None:
        self._recall, self._key, self._route, self._label = recall, key, route, label
        self._text: list[str] = []
        self._reasoning: list[ir.Reasoning] = []
        self._calls: list[tuple[str, tuple[ir.Opaque, ...]]] = []

    def __call__(self, events: list[ir.Event]) -> list[ir.Event]:
        """Look at ``events`` and return them."""
        for event in events:
            if isinstance(event, DELTAS):
                continue
            if isinstance(event, ir.ReasoningDelta):
                self._text.append(event.text)
            elif isinstance(event, ir.ReasoningEnd):
                self._reasoning.append(ir.Reasoning("".join(self._text), opaque=event.opaque))
                self._text.clear()
                self._issued(event.opaque)
            elif isinstance(event, ir.ToolStart):
                self._calls.append((event.id, event.opaque))
                self._issued(event.opaque)
            elif isinstance(event, ir.TextEnd):
                self._issued(event.opaque)
            elif isinstance(event, ir.Finished) and self._calls:
                turn = Turn(self._route, tuple(self._reasoning), tuple(self._calls))
                if self._reasoning or any(states for _, states in self._calls):
                    self._recall.thought(self._key, turn, self._label)
        return events

    def _issued(self, states: tuple[ir.Opaque, ...]) -> None:
        if states:
            issued = [state.data for state in states]
            self._recall.issued(self._key, issued, self._route, self._label)


class Gathered:
    """Keeps the text of a stream, within a bound, for whoever has to go on with it."""

    def __init__(self) -> None:
        self.parts: list[str] = []
        self.only_text = True
        self._size = 0

    def __call__(self, events: list[ir.Event]) -> list[ir.Event]:
        """Look at ``events`` and return them."""
        for event in events:
            if isinstance(event, ir.TextDelta):
                self.parts.append(event.text)
                self._size += len(event.text)
            elif not isinstance(event, BESIDE_TEXT):
                self.only_text = False
        self.only_text = self.only_text and self._size <= GATHERED_MAX_CHARS
        return events


def rest_only(events: list[ir.Event]) -> list[ir.Event]:
    """Leave out what a stream that has begun already has: its beginning, and thoughts."""
    return [event for event in events if not isinstance(event, OF_A_BEGINNING)]


def first_call_only(events: list[ir.Event]) -> list[ir.Event]:
    """Leave out all tool calls but the first: the client asked for one at a time."""
    return [event for event in events if not isinstance(event, OF_CALLS) or event.index == 0]
