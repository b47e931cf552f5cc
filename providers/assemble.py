"""A whole answer as the stream of events that would have brought it, and back."""

from __future__ import annotations

from typing import Any

from providers.ir import (
    Answer,
    Choice,
    Citation,
    Counted,
    Event,
    Finished,
    FinishReason,
    Opaque,
    Part,
    Reasoning,
    ReasoningDelta,
    ReasoningEnd,
    RefusalDelta,
    Refused,
    Started,
    Text,
    TextDelta,
    TextEnd,
    ToolCall,
    ToolDelta,
    ToolEnd,
    ToolStart,
    Trace,
    Traced,
)
from providers.usage import Usage


def events_of(answer: Answer) -> list[Event]:
    """Return a whole answer as the stream of events that would have brought it."""
    events: list[Event] = [Started(answer.id, answer.model)]
    for place, choice in enumerate(answer.choices):
        calls = 0
        for part in choice.parts:
            if isinstance(part, ToolCall):
                events += [
                    ToolStart(
                        calls, part.id, part.name, part.kind, part.namespace, part.opaque, place
                    ),
                    ToolDelta(calls, part.arguments, place),
                    ToolEnd(calls, part.arguments, place),
                ]
                calls += 1
            elif isinstance(part, Text):
                events.append(TextDelta(part.text, place, choice.logprobs))
                events.append(TextEnd(part.citations, part.opaque, place))
            elif isinstance(part, Reasoning):
                if part.text:
                    events.append(ReasoningDelta(part.text, part.summary, place))
                events.append(ReasoningEnd(part.opaque, place))
            elif isinstance(part, Refused):
                events.append(RefusalDelta(part.text, place))
            elif isinstance(part, Trace):
                events.append(Traced(part, place))
        events.append(Finished(choice.finish, choice.stop_sequence, answer.native_finish, place))
    events.append(Counted(answer.usage))
    return events


class Collector:
    """Puts a clean stream of events together again, part by part."""

    def __init__(self) -> None:
        self._choices: dict[int, _Open] = {}
        self.id = ""
        self.model = ""
        self.native_finish = ""
        self.usage: Usage | None = None

    def add(self, event: Event) -> None:
        """Take the next event."""
        if isinstance(event, Started):
            self.id, self.model = event.id, event.model
        elif isinstance(event, Counted):
            self.usage = event.usage
        else:
            if isinstance(event, Finished):
                self.native_finish = event.native
            self._choices.setdefault(event.choice, _Open()).add(event)

    def choices(self) -> tuple[Choice, ...]:
        """Return the alternatives so far, in their order."""
        return tuple(self._choices[place].choice() for place in sorted(self._choices))


class _Open:
    """One choice that is being put together."""

    def __init__(self) -> None:
        self.parts: list[Part] = []
        self.finish: FinishReason = "end"
        self.stop_sequence = ""
        self.logprobs: list[Any] = []
        self._texts: list[str] = []
        self._of: type[TextDelta] | type[RefusalDelta] | type[ReasoningDelta] | None = None
        self._summary = False
        self._call: ToolStart | None = None

    def add(self, event: Event) -> None:
        if isinstance(event, TextDelta | RefusalDelta | ReasoningDelta):
            if self._of is not None and not isinstance(event, self._of):
                self._close()
            self._of = type(event)
            self._texts.append(event.text)
            if isinstance(event, TextDelta) and event.logprobs:
                self.logprobs += event.logprobs
            if isinstance(event, ReasoningDelta):
                self._summary = event.summary
        elif isinstance(event, TextEnd):
            self._close(citations=event.citations, opaque=event.opaque)
        elif isinstance(event, ReasoningEnd):
            text = "".join(self._texts) if self._of is ReasoningDelta else ""
            if self._of is not ReasoningDelta:
                self._close()
            self._texts.clear()
            self._of = None
            self.parts.append(Reasoning(text, self._summary, event.opaque))
            self._summary = False
        else:
            self._close()
            self._add_whole(event)

    def _add_whole(self, event: Event) -> None:
        if isinstance(event, ToolStart):
            self._call = event
        elif isinstance(event, ToolEnd) and self._call is not None:
            call = self._call
            self.parts.append(
                ToolCall(
                    call.id, call.name, event.arguments, call.kind, call.namespace, call.opaque
                )
            )
            self._call = None
        elif isinstance(event, Traced):
            self.parts.append(event.trace)
        elif isinstance(event, Finished):
            self.finish, self.stop_sequence = event.finish, event.stop_sequence

    def _close(self, citations: tuple[Citation, ...] = (), opaque: tuple[Opaque, ...] = ()) -> None:
        text, of = "".join(self._texts), self._of
        self._texts.clear()
        self._of = None
        if of is RefusalDelta:
            self.parts.append(Refused(text))
        elif of is ReasoningDelta:
            self.parts.append(Reasoning(text, self._summary))
        elif of is TextDelta or citations or opaque:
            self.parts.append(Text(text, citations=citations, opaque=opaque))

    def choice(self) -> Choice:
        self._close()
        return Choice(tuple(self.parts), self.finish, self.stop_sequence, self.logprobs or None)


def collected(events: list[Event], answer: Answer) -> Answer:
    """Return the answer that ``events`` bring; what they do not say is as in ``answer``."""
    collector = Collector()
    for event in events:
        collector.add(event)
    return Answer(
        choices=collector.choices() or answer.choices,
        usage=collector.usage or answer.usage,
        id=answer.id,
        model=answer.model,
        native_finish=answer.native_finish,
        service_tier=answer.service_tier,
    )
