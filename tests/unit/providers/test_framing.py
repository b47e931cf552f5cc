"""Event streams come out whole however the network cuts them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers import framing
from providers.framing import EventSplitter, EventTooLongError, event_data

END = st.sampled_from([b"\n\n", b"\r\n\r\n"])
LINE = st.binary(min_size=1, max_size=40).map(
    lambda raw: b"data: " + raw.replace(b"\n", b"").replace(b"\r", b"")
)


@given(st.lists(LINE, max_size=8), END, st.lists(st.integers(1, 7), max_size=400), st.booleans())
def test_any_cut_gives_the_same_events(
    lines: list[bytes], end: bytes, cuts: list[int], tail: bool
) -> None:
    stream = b"".join(line + end for line in lines) + (b"data: cut of" if tail else b"")
    splitter, events, start = EventSplitter(), [], 0
    for size in cuts:
        events += splitter.feed(stream[start : start + size])
        start += size
    events += splitter.feed(stream[start:])
    assert events == [line + end for line in lines]
    assert b"".join(events) + splitter.rest() == stream


def test_a_boundary_across_pieces_of_one_byte() -> None:
    splitter = EventSplitter()
    out = [
        event for byte in b"data: 1\r\n\r\ndata: 2\n\n" for event in splitter.feed(bytes([byte]))
    ]
    assert out == [b"data: 1\r\n\r\n", b"data: 2\n\n"]


def test_an_endless_event_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(framing, "EVENT_MAX_BYTES", 1000)
    splitter = EventSplitter()
    splitter.feed(b"x" * 1000)
    with pytest.raises(EventTooLongError):
        splitter.feed(b"x")


@pytest.mark.parametrize(
    ("event", "data"),
    [
        (b'data: {"a":1}\n\n', b'{"a":1}'),
        (b'data:{"a":1}\r\n\r\n', b'{"a":1}'),
        (b": keep-alive\n\n", None),
        (b"event: error\ndata: {}\n\n", b"{}"),
        (b"data: a\ndata: b\n\n", b"a\nb"),
        (b"\n\n", None),
        (b"id: 3\n\n", None),
    ],
)
def test_event_data(event: bytes, data: bytes | None) -> None:
    assert event_data(event) == data
