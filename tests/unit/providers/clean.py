"""Judges a stream of neutral events: is it as clean as ``providers/ir.py`` says?"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable

from providers import ir
from providers.wires.wire import Reader


def judge(events: Iterable[ir.Event], *, whole: bool) -> None:
    """Fail where the stream of one choice is not clean; ``whole``: it ended without a fault."""
    listed = list(events)
    finished: ir.Finished | None = None
    calls: list[str] = []
    open_call = -1
    written = ""
    thinking = False
    for place, event in enumerate(listed):
        assert isinstance(event, ir.Started) == (place == 0)
        assert finished is None or isinstance(event, ir.Counted)
        if isinstance(event, ir.ReasoningDelta):
            assert event.text
            thinking = True
        elif isinstance(event, ir.ReasoningEnd):
            thinking = False
        else:
            assert not thinking
        if open_call >= 0:
            assert isinstance(event, ir.ToolDelta | ir.ToolEnd | ir.Finished)
        if isinstance(event, ir.ToolStart):
            assert event.index == len(calls)
            assert event.id
            assert event.id not in calls
            assert event.name
            calls.append(event.id)
            open_call, written = event.index, ""
        elif isinstance(event, ir.ToolDelta):
            assert event.index == open_call
            written += event.arguments
        elif isinstance(event, ir.ToolEnd):
            assert event.index == open_call
            assert event.arguments == written
            open_call = -1
            if not is_json(written):
                assert isinstance(listed[place + 1], ir.Finished)
                assert listed[place + 1] == ir.Finished("length", "", listed[place + 1].native)
        elif isinstance(event, ir.Finished):
            assert open_call < 0
            finished = event
            assert (event.finish == "tool") <= bool(calls)
    if whole:
        assert finished is not None


def is_json(text: str) -> bool:
    """Whether ``text`` is JSON."""
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def read(
    make: Callable[[], Reader], data: bytes, cuts: Iterable[int] = ()
) -> tuple[list[ir.Event], Reader]:
    """Return the events of ``data`` cut at places, and the reader at its end."""
    reader = make()
    events: list[ir.Event] = []
    start = 0
    for cut in (*sorted(cuts), len(data)):
        events += reader.events(data[start:cut])
        start = cut
    events += reader.close()
    return events, reader
