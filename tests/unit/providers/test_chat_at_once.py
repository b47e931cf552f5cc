"""Events that say text alone are taken at once: nothing of it shows but the time that it takes."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.dialect import Dialect
from providers.wires.chat.stream import StreamReader
from providers.wires.kept import Kept
from providers.wires.plain import CompletionReader


class OneByOne(StreamReader):
    """The reader that looks at each event by itself."""

    __slots__ = ()

    def _taken(self, data: bytes) -> int:
        return 0


class CompletionOneByOne(CompletionReader):
    __slots__ = ()

    def _taken(self, data: bytes) -> int:
        return 0


TEXTS = st.text(max_size=20) | st.none()
DELTAS = st.fixed_dictionaries(
    {},
    optional={
        "role": st.just("assistant"),
        "content": TEXTS | st.integers(),
        "reasoning_content": TEXTS,
        "tool_calls": st.just([{"index": 0, "id": "c1", "function": {"arguments": "{"}}]),
        "refusal": st.none(),
    },
)
CHOICES = st.fixed_dictionaries(
    {"index": st.integers(0, 2)},
    optional={
        "delta": DELTAS | st.none(),
        "text": st.text(max_size=5),
        "finish_reason": st.sampled_from([None, "", "stop", "error", "content_filter"]),
        "usage": st.none() | st.just({"prompt_tokens": 1, "completion_tokens": 2}),
    },
)
CHUNKS = st.fixed_dictionaries(
    {},
    optional={
        "model": st.sampled_from(["", "a", "b"]) | st.none(),
        "choices": st.lists(CHOICES, max_size=2) | st.none(),
        "usage": st.none() | st.just({"prompt_tokens": 3, "completion_tokens": 4}),
        "service_tier": st.sampled_from(["flex", "default"]),
        "error": st.none() | st.just({"message": "no"}),
        "base_resp": st.just({"status_code": 1000}),
    },
)
USUAL = st.fixed_dictionaries(
    {
        "choices": st.tuples(
            st.fixed_dictionaries(
                {"delta": st.fixed_dictionaries({"content": st.text(max_size=9)})}
            )
        ).map(list)
    },
    optional={"model": st.sampled_from(["a", "b"]), "service_tier": st.just("flex")},
)
EVENTS = st.one_of(
    (USUAL | CHUNKS).map(lambda chunk: f"data: {json.dumps(chunk)}\n\n"),
    USUAL.map(lambda chunk: f"data: {json.dumps(chunk, indent=1)}\n\n"),
    USUAL.map(lambda chunk: f"data:{json.dumps(chunk)}\r\n\r\n"),
    st.sampled_from(
        [
            "data: [DONE]\n\n",
            ": ping\n\n",
            "event: x\ndata: {}\n\n",
            "data: {},{}\n\n",
            'data: {"choices":\n\n',
            "data: []\n\n",
            "data: {}\n\ndata: \n\n",
            "\n\n",
            'data: {"choices":[{"delta":{"content":"\\n\\ndata: "}}]}\n\n',
        ]
    ),
)


def state(reader: StreamReader) -> dict[str, Any]:
    names = ("content", "done", "finish", "model", "text_bytes", "states", "calls")
    found = {name: getattr(reader, name) for name in names}
    fault = reader.fault
    kept = reader.kept
    return {
        **found,
        "thoughts": "".join(reader.thoughts),
        "usage": reader.usage,
        "fault": None if fault is None else (fault.kind, fault.message),
        "kept": None if kept is None else (kept.said, kept.thought, kept.left),
    }


@pytest.mark.parametrize(
    ("quick", "slow"), [(StreamReader, OneByOne), (CompletionReader, CompletionOneByOne)]
)
@given(
    events=st.lists(EVENTS, max_size=16),
    cuts=st.lists(st.integers(0, 2000), max_size=6),
    strip=st.booleans(),
    keeps=st.booleans(),
    thoughts=st.sampled_from(["", "reasoning_content"]),
    repairs=st.booleans(),
)
def test_at_once_or_one_by_one_is_the_same(
    quick: type[StreamReader],
    slow: type[StreamReader],
    events: list[str],
    cuts: list[int],
    strip: bool,
    keeps: bool,
    thoughts: str,
    repairs: bool,
) -> None:
    data = "".join(events).encode("utf-8", "surrogatepass")
    dialect = Dialect(replay_reasoning=thoughts, repair_tool_calls=repairs)
    readers = [quick(dialect, "", strip), slow(dialect, "", strip)]
    for reader in readers:
        reader.kept = Kept() if keeps else None
    ends = sorted({min(cut, len(data)) for cut in cuts} | {len(data)})
    start = 0
    for end in ends:
        piece, start = data[start:end], end
        outs = [reader.feed(piece) for reader in readers if piece]
        assert outs == [] or outs[0] == outs[1]
        assert state(readers[0]) == state(readers[1])
        if readers[0].fault is not None:
            return
    assert readers[0].end() == readers[1].end()
    assert state(readers[0]) == state(readers[1])


def test_most_of_a_stream_is_taken_at_once() -> None:
    reader = StreamReader(Dialect())
    event = b'data: {"model":"m","choices":[{"index":0,"delta":{"content":"word "}}]}\n\n'
    assert reader._is_text(event)
    assert reader._is_text(event * 50)
    assert reader.text_bytes == 51 * len("word ")


@pytest.mark.parametrize(
    "dialect", [Dialect(), Dialect(replay_reasoning="reasoning_content", repair_tool_calls=True)]
)
def test_of_a_stream_that_comes_in_few_pieces_only_the_end_is_read_one_by_one(
    dialect: Dialect, monkeypatch: pytest.MonkeyPatch
) -> None:
    thought, word = SHAPES[2] % b"hm ", SHAPES[0] % b"word "
    last = b'data: {"choices":[{"delta":{},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'
    whole = thought * 9 + word * 90 + last
    looked_at = []
    passes = StreamReader._passes
    monkeypatch.setattr(
        StreamReader, "_passes", lambda self, event: looked_at.append(event) or passes(self, event)
    )
    reader = StreamReader(dialect)
    cut = len(thought * 20) + 11
    assert reader.feed(whole[:cut]) + reader.feed(whole[cut:]) == whole
    assert reader.done
    assert reader.text_bytes == len("hm ") * 9 + len("word ") * 90
    assert "".join(reader.thoughts) == ("hm " * 9 if dialect.replay_reasoning else "")
    assert len(looked_at) < 8


# What can stand between the quotes of a text, and what cannot.
SIGNS = [
    b"a", b" ", b"word ", "é".encode(), "漢".encode(), "😀".encode(), b"\\n", b"\\\\", b'\\"',
    b"\\u00e9", b"\\ud83d", b"\\", b'"', b"\n", b"\r", b"\x00", b"\x7f", b"\xff", b"\xc3", b"\xa9",
    b"\xed\xa0\x80", b'"},"x":{"content":"', b"\n\n", b"\n\ndata: {}", b"usage",
]  # fmt: skip
SHAPES = [
    b'data: {"model":"m","choices":[{"index":0,"delta":{"content":"%b"}}]}\n\n',
    b'data: {"choices": [{"delta": {"content": "%b"}, "index": 0}], "model": "m"}\n\n',
    b'data: {"choices":[{"delta":{"reasoning_content":"%b"}}],"service_tier":"flex"}\n\n',
    b'data: {"choices":[{"delta":{"role":"assistant","content":"%b"}}],"o":"content"}\n\n',
    b'data: {"choices":[{"delta":{"content":"%b","refusal":"no"}}]}\n\n',
    b'data: {"choices":[{"delta":{"content":"%b"}}],"x":{"content":"y"}}\n\n',
    b'data: {"choices":[{"delta":{"content":"%b"}}],"usage":{"prompt_tokens":1}}\n\n',
    b'data: {"choices":[{"delta":{"content":"%b"}}]}\r\n\r\n',
]


@given(
    said=st.lists(
        st.tuples(
            st.sampled_from(SHAPES[:3]) | st.sampled_from(SHAPES),
            st.lists(st.sampled_from(SIGNS[:8]) | st.sampled_from(SIGNS), max_size=4).map(b"".join),
        ),
        max_size=14,
    ),
    first=st.sampled_from(SHAPES),
    same=st.booleans(),
    cuts=st.lists(st.integers(0, 3000), max_size=5),
    keeps=st.booleans(),
    thoughts=st.sampled_from(["", "reasoning_content"]),
)
def test_events_that_are_alike_are_read_as_any_other(
    said: list[tuple[bytes, bytes]],
    first: bytes,
    same: bool,
    cuts: list[int],
    keeps: bool,
    thoughts: str,
) -> None:
    events = [(first if same else shape) % text for shape, text in said]
    whole = b"".join(events)
    ends = [len(b"".join(events[:n])) for n in range(1, len(events) + 1)]
    ends = sorted({*ends[::2], *(min(cut, len(whole)) for cut in cuts), len(whole)})
    dialect = Dialect(replay_reasoning=thoughts)
    readers = [StreamReader(dialect), OneByOne(dialect)]
    for reader in readers:
        reader.kept = Kept() if keeps else None
    start = 0
    for end in ends:
        piece, start = whole[start:end], end
        if piece:
            outs = [reader.feed(piece) for reader in readers]
            assert outs[0] == outs[1]
        assert state(readers[0]) == state(readers[1])
        if readers[0].fault is not None:
            return


def test_what_is_like_the_event_before_is_not_decoded() -> None:
    reader = StreamReader(Dialect())
    shape = SHAPES[0]
    assert reader.feed(shape % b"one")
    assert not reader._alikes(shape % b'no"')
    assert reader.feed(shape % b"two")
    like = shape % "漢字 \\n".encode()
    assert reader._alikes(like) == len(like)
    like = shape % b"a" + shape % b"b"
    assert reader._alikes(like + b"data: [DONE]\n\n") == len(like)
    assert not reader._alikes(SHAPES[1] % b"a")
    assert reader.text_bytes == len("onetwo") + len("漢字 \n".encode()) + 2


def test_an_event_that_came_in_two_pieces_may_have_said_other_things() -> None:
    event = b'data: {"model":"%b","choices":[{"index":0,"delta":{"content":"word "}}]}\n\n'
    reader = StreamReader(Dialect())
    other = event % b"b"
    for piece in (event % b"a", event % b"a" + other[:40], other[40:] + event % b"a"):
        reader.feed(piece)
    assert reader.model == "a"
