"""Streams of the Messages wire: passed through, read as events, and written for a client."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from providers import ir
from providers.assemble import Collector, events_of
from providers.dialect import Dialect
from providers.errors import ErrorKind
from providers.ir import Opaque
from providers.usage import MISSING, Usage
from providers.wires.messages import WIRE
from providers.wires.messages.stream import StreamReader
from providers.wires.messages.writer import StreamWriter, write
from providers.wires.wire import Context
from tests.unit.providers.clean import judge
from tests.unit.providers.messages_judge import accumulated, sdk

PLAIN = Dialect()
ASKING = {"thinking": {"type": "adaptive"}}
CONTEXT = Context("abc", "asked", ASKING, 0, 42)
START = {"type": "message_start", "message": {
    "id": "msg_1", "type": "message", "role": "assistant", "model": "theirs", "content": [],
    "stop_reason": None, "stop_sequence": None,
    "usage": {"input_tokens": 3, "cache_read_input_tokens": 7, "output_tokens": 1}}}  # fmt: skip
STOP = {"type": "message_stop"}
PING = {"type": "ping"}


def sse(*events: dict[str, Any]) -> bytes:
    """Return events as a host streams them."""
    return b"".join(
        b"event: %s\ndata: %s\n\n" % (one["type"].encode(), json.dumps(one).encode())
        for one in events
    )


def begin(index: int, **block: Any) -> dict[str, Any]:
    return {"type": "content_block_start", "index": index, "content_block": block}


def more(index: int, kind: str, **words: Any) -> dict[str, Any]:
    return {"type": "content_block_delta", "index": index, "delta": {"type": kind, **words}}


def over(index: int) -> dict[str, Any]:
    return {"type": "content_block_stop", "index": index}


def end(reason: str | None = "end_turn", **delta: Any) -> dict[str, Any]:
    usage = {"output_tokens": 20, "output_tokens_details": {"thinking_tokens": 4}}
    return {"type": "message_delta", "delta": {"stop_reason": reason, **delta}, "usage": usage}


TEXT = (begin(0, type="text", text=""), more(0, "text_delta", text="hi"), over(0))
CALL = (
    begin(0, type="tool_use", id="t1", name="f", input={}),
    more(0, "input_json_delta", partial_json=""),
    more(0, "input_json_delta", partial_json='{"a":'),
    more(0, "input_json_delta", partial_json=" 1}"),
    over(0),
)
FULL = sse(
    START,
    PING,
    begin(0, type="thinking", thinking="", signature=""),
    more(0, "thinking_delta", thinking="hm"),
    more(0, "signature_delta", signature="SIG"),
    over(0),
    begin(1, type="redacted_thinking", data="RED"),
    over(1),
    begin(2, type="text", text=""),
    more(2, "text_delta", text="a"),
    more(2, "text_delta", text="b"),
    more(2, "citations_delta", citation={"type": "web_search_result_location", "url": "https://x", "title": "t"}),
    over(2),
    begin(3, type="tool_use", id="t1", name="f", input={}),
    more(3, "input_json_delta", partial_json='{"a":'),
    more(3, "input_json_delta", partial_json=" 1}"),
    over(3),
    begin(4, type="tool_use", id="t2", name="g", input={}),
    over(4),
    begin(5, type="server_tool_use", id="s", name="web_search", input={}),
    more(5, "input_json_delta", partial_json='{"q": 1}'),
    over(5),
    end("tool_use", stop_sequence=None),
    STOP,
)  # fmt: skip
EVENTS = [
    ir.Started("msg_1", "theirs", Usage(input=3, cache_read=7, output=1)),
    ir.ReasoningDelta("hm"),
    ir.ReasoningEnd((Opaque("messages.signature", "SIG", "route"),)),
    ir.ReasoningEnd((Opaque("messages.redacted", "RED", "route"),)),
    ir.TextDelta("a"),
    ir.TextDelta("b"),
    ir.TextEnd((ir.Citation("https://x", "t"),)),
    ir.ToolStart(0, "t1", "f"),
    ir.ToolDelta(0, '{"a":'),
    ir.ToolDelta(0, " 1}"),
    ir.ToolEnd(0, '{"a": 1}'),
    ir.ToolStart(1, "t2", "g"),
    ir.ToolDelta(1, "{}"),
    ir.ToolEnd(1, "{}"),
    ir.Traced(ir.Trace("messages", {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {"q": 1}})),
    ir.Finished("tool", "", "tool_use"),
    ir.Counted(Usage(input=3, cache_read=7, output=16, reasoning=4)),
]  # fmt: skip


def events(raw: bytes, size: int = 0) -> tuple[list[ir.Event], StreamReader]:
    """Read a stream as events, in pieces of ``size`` bytes."""
    reader = StreamReader(PLAIN, "route", False)
    out: list[ir.Event] = []
    for at in range(0, len(raw), size or len(raw) or 1):
        out += reader.events(raw[at : at + (size or len(raw))])
    return out + reader.close(), reader


def passed(raw: bytes) -> tuple[bytes, StreamReader]:
    """Pass a stream through."""
    reader = StreamReader(PLAIN, "route", False)
    out = reader.feed(raw)
    return out + reader.end(), reader


# read


def test_a_full_stream_is_read() -> None:
    found, reader = events(FULL)
    assert found == EVENTS
    assert (reader.fault, reader.done, reader.finish, reader.model) == (
        None,
        True,
        "tool_use",
        "theirs",
    )


def test_a_full_stream_passes() -> None:
    out, reader = passed(FULL)
    assert out == FULL
    assert (reader.fault, reader.done, reader.content) == (None, True, True)
    assert (reader.states, reader.calls) == (["SIG", "RED"], ["t1", "t2"])
    assert reader.usage == Usage(input=3, cache_read=7, output=16, reasoning=4)


@given(st.lists(st.integers(1, len(FULL) - 1), max_size=12))
def test_cuts_anywhere_change_nothing(cuts: list[int]) -> None:
    edges = [0, *sorted(cuts), len(FULL)]
    pieces = [FULL[a:b] for a, b in itertools.pairwise(edges)]
    reader = StreamReader(PLAIN, "route", False)
    assert [event for piece in pieces for event in reader.events(piece)] + reader.close() == EVENTS
    reader = StreamReader(PLAIN, "route", False)
    assert b"".join(reader.feed(piece) for piece in pieces) + reader.end() == FULL


def test_comments_and_carriage_returns() -> None:
    crlf = (b": hello\n\n" + sse(START, *TEXT, end(), STOP)).replace(b"\n", b"\r\n")
    found, reader = events(crlf)
    assert found[1] == ir.TextDelta("hi")
    assert reader.fault is None
    assert passed(crlf)[0] == crlf


def test_content_begins_with_content() -> None:
    reader = StreamReader(PLAIN, "route", False)
    reader.feed(sse(START, PING, TEXT[0]))
    assert not reader.content
    reader.feed(sse(TEXT[1]))
    assert reader.content
    reader = StreamReader(PLAIN, "route", False)
    reader.feed(sse(START, CALL[0]))
    assert reader.content
    reader = StreamReader(PLAIN, "route", False)
    reader.feed(sse(START, end("refusal")))
    assert reader.content


def test_counts_before_and_after_the_totals() -> None:
    reader = StreamReader(PLAIN, "route", False)
    assert reader.usage == MISSING
    reader.feed(sse(START, TEXT[0], more(0, "text_delta", text="x" * 40)))
    assert reader.usage == Usage(input=3, cache_read=7, output=10, state="estimated")
    reader.feed(sse(over(0), end()))
    assert reader.usage == Usage(input=3, cache_read=7, output=16, reasoning=4)


def test_later_totals_replace_what_was_said_field_by_field() -> None:
    last = end()
    last["usage"] = {"input_tokens": 9, "cache_read_input_tokens": None, "output_tokens": 2,
                     "cache_creation_input_tokens": 5}  # fmt: skip
    _, reader = events(sse(START, *TEXT, last, STOP))
    assert reader.usage == Usage(input=9, cache_read=7, cache_write=5, output=2)


@pytest.mark.parametrize("read", [passed, events])
def test_an_error_in_mid_stream(read: Any) -> None:
    fault = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}
    raw = sse(START, TEXT[0], TEXT[1], fault, over(0), end(), STOP)
    out, reader = read(raw)
    assert reader.fault.kind is ErrorKind.OVERLOADED
    assert not reader.done
    if read is passed:
        assert out == sse(START, TEXT[0], TEXT[1])
    else:
        assert out[-1] == ir.TextDelta("hi")


@pytest.mark.parametrize("read", [passed, events])
@pytest.mark.parametrize(
    ("raw", "kind"),
    [
        (sse(START, TEXT[0], TEXT[1]), ErrorKind.CUT),
        (sse(START, *TEXT) + b'event: message_delta\ndata: {"ty', ErrorKind.CUT),
        (b"", ErrorKind.CUT),
        (sse(START) + b"data: {broken\n\n" + sse(*TEXT, end(), STOP), ErrorKind.MALFORMED),
        (sse(START) + b"data: [1]\n\n", ErrorKind.MALFORMED),
        (b'data: {"error": {"message": "x", "code": 429}}\n\n', ErrorKind.RATE_LIMITED),
    ],
)
def test_ends_that_are_none(read: Any, raw: bytes, kind: ErrorKind) -> None:
    assert read(raw)[1].fault.kind is kind


@pytest.mark.parametrize("read", [passed, events])
def test_an_end_without_the_mark_is_one_where_the_reason_came(read: Any) -> None:
    out, reader = read(sse(START, *TEXT, end()))
    assert reader.fault is None
    if read is events:
        assert out[-2:] == [ir.Finished("end", "", "end_turn"), ir.Counted(reader.usage)]


def test_blocks_that_are_out_of_order() -> None:
    stray = sse(START, *TEXT, more(0, "text_delta", text="late"), end(), STOP)
    fault = events(stray)[1].fault
    assert fault is not None
    assert fault.kind is ErrorKind.MALFORMED
    open_ = sse(START, *TEXT[:2], begin(1, type="text", text="more"), end(), STOP)
    found, reader = events(open_)
    assert reader.fault is None
    assert found[1:5] == [ir.TextDelta("hi"), ir.TextEnd(), ir.TextDelta("more"), ir.TextEnd()]


def test_a_second_beginning_says_nothing() -> None:
    found, _ = events(sse(START, START, *TEXT, end(), STOP))
    assert sum(isinstance(event, ir.Started) for event in found) == 1


def test_arguments_that_are_cut() -> None:
    cut = (CALL[0], more(0, "input_json_delta", partial_json='{"a'), over(0))
    found, reader = events(sse(START, *cut, end("max_tokens"), STOP))
    assert reader.fault is None
    assert found[-3:-1] == [ir.ToolEnd(0, '{"a'), ir.Finished("length", "", "max_tokens")]
    fault = events(sse(START, *cut, end("tool_use"), STOP))[1].fault
    assert fault is not None
    assert fault.kind is ErrorKind.MALFORMED
    follow = begin(1, type="text", text="x")
    assert events(sse(START, *cut, follow, over(1), end("max_tokens"), STOP))[1].fault is not None


def test_arguments_in_the_blocks_beginning() -> None:
    block = begin(0, type="tool_use", id="t", name="f", input={"a": 1})
    found, _ = events(sse(START, block, over(0), end("tool_use"), STOP))
    assert found[1:4] == [
        ir.ToolStart(0, "t", "f"),
        ir.ToolDelta(0, '{"a":1}'),
        ir.ToolEnd(0, '{"a":1}'),
    ]


def test_a_refusal_after_some_words() -> None:
    details = {"type": "refusal", "category": None, "explanation": "no more"}
    found, reader = events(sse(START, *TEXT, end("refusal", stop_details=details), STOP))
    assert found[-3:] == [
        ir.RefusalDelta("no more"), ir.Finished("filter", "", "refusal"), ir.Counted(reader.usage),
    ]  # fmt: skip


def test_a_stop_sequence_and_a_pause() -> None:
    found, _ = events(sse(START, *TEXT, end("stop_sequence", stop_sequence="END"), STOP))
    assert found[-2] == ir.Finished("stop_sequence", "END", "stop_sequence")
    found, _ = events(sse(START, *TEXT, end("pause_turn"), STOP))
    assert found[-2] == ir.Finished("pause", "", "pause_turn")


VALUES = st.sampled_from([None, 0, 1, "x", "", [], {}, True, {"type": "text"}, {"usage": 3}])
STRANGE = st.fixed_dictionaries(
    {"type": st.sampled_from(["message_start", "content_block_start", "content_block_delta",
                              "content_block_stop", "message_delta", "message_stop", "error", "ping", "new"])},
    optional={
        "index": VALUES,
        "message": VALUES | st.fixed_dictionaries({}, optional={"id": VALUES, "usage": VALUES, "model": VALUES}),
        "content_block": VALUES | st.fixed_dictionaries(
            {"type": st.sampled_from(["text", "tool_use", "thinking", "redacted_thinking", "odd"])},
            optional=dict.fromkeys(("text", "thinking", "id", "name", "input", "data", "signature", "citations"), VALUES)),
        "delta": VALUES | st.fixed_dictionaries(
            {"type": st.sampled_from(["text_delta", "input_json_delta", "thinking_delta", "signature_delta",
                                      "citations_delta", "compaction_delta", "odd"])},
            optional=dict.fromkeys(("text", "partial_json", "thinking", "signature", "citation", "content", "stop_reason", "stop_sequence"), VALUES)),
        "usage": VALUES | st.fixed_dictionaries({}, optional={"input_tokens": VALUES, "output_tokens": VALUES}),
        "error": VALUES,
    },
)  # fmt: skip


@settings(max_examples=100, deadline=None)
@given(st.lists(STRANGE, max_size=7), st.binary(max_size=12), st.integers(0, 400))
def test_no_stream_is_too_strange(said: list[dict[str, Any]], noise: bytes, at: int) -> None:
    clean = sse(*said)
    for raw in (clean, clean[:at] + noise + clean[at:]):
        out, reader = passed(raw)
        assert len(out) <= len(raw)
        assert reader.usage.completion_tokens >= 0
        found, reader = events(raw)
        judge(found, whole=reader.fault is None)
        writer = StreamWriter(CONTEXT)
        for event in found:
            writer.write(event)
        if reader.fault is None:
            writer.end()
            assert sum(isinstance(event, ir.Finished) for event in found) == 1
            assert events(raw, 3)[0] == found


# write


def streamed(*given_: ir.Event, context: Context = CONTEXT) -> bytes:
    """Return what a client reads."""
    writer = StreamWriter(context)
    return b"".join(writer.write(event) for event in given_) + writer.end()


def kinds(raw: bytes) -> list[tuple[str, Any]]:
    """Return the events of a stream as pairs of type and index."""
    data = [json.loads(line[6:]) for line in raw.splitlines() if line.startswith(b"data: ")]
    return [(one["type"], one.get("index")) for one in data]


def test_a_full_stream_is_written_and_the_sdk_adds_it_up() -> None:
    raw = streamed(*EVENTS)
    assert kinds(raw) == [
        ("message_start", None),
        ("content_block_start", 0), ("content_block_delta", 0), ("content_block_delta", 0), ("content_block_stop", 0),
        ("content_block_start", 1), ("content_block_stop", 1),
        ("content_block_start", 2), ("content_block_delta", 2), ("content_block_delta", 2), ("content_block_delta", 2),
        ("content_block_stop", 2),
        ("content_block_start", 3), ("content_block_delta", 3), ("content_block_delta", 3), ("content_block_stop", 3),
        ("content_block_start", 4), ("content_block_delta", 4), ("content_block_stop", 4),
        ("content_block_start", 5), ("content_block_delta", 5), ("content_block_stop", 5),
        ("message_delta", None), ("message_stop", None),
    ]  # fmt: skip
    message = accumulated(raw)
    assert [block["type"] for block in message["content"]] == [
        "thinking", "redacted_thinking", "text", "tool_use", "tool_use", "server_tool_use",
    ]  # fmt: skip
    assert message["content"][0]["signature"] == "SIG"
    assert message["content"][2]["text"] == "ab"
    assert [block["input"] for block in message["content"][3:]] == [{"a": 1}, {}, {"q": 1}]
    assert message["stop_reason"] == "tool_use"
    assert (message["usage"]["input_tokens"], message["usage"]["output_tokens"]) == (3, 20)
    assert message["usage"]["cache_read_input_tokens"] == 7


def test_it_begins_with_counts_that_are_not_zero() -> None:
    writer = StreamWriter(CONTEXT)
    first = json.loads(writer.write(ir.Started("x", "theirs")).splitlines()[1][6:])["message"]
    assert (first["id"], first["model"], first["content"]) == ("msg_abc", "theirs", [])
    assert first["usage"]["input_tokens"] == 42
    assert first["usage"]["output_tokens"] == 1
    known = StreamWriter(CONTEXT).write(ir.Started("x", "theirs", Usage(input=5, cache_read=6)))
    usage = json.loads(known.splitlines()[1][6:])["message"]["usage"]
    assert (usage["input_tokens"], usage["cache_read_input_tokens"]) == (5, 6)


def test_counts_that_never_came_are_estimated() -> None:
    raw = streamed(ir.Started(), ir.TextDelta("x" * 40), ir.Finished("end"))
    assert accumulated(raw)["usage"]["output_tokens"] == 10
    raw = streamed(ir.Started(), ir.TextDelta("x" * 40), ir.Finished("end"), ir.Counted(MISSING))
    assert accumulated(raw)["usage"]["input_tokens"] == 42


@pytest.mark.parametrize("early", [True, False])
def test_pings_mean_nothing_to_the_sdk(early: bool) -> None:
    writer = StreamWriter(CONTEXT)
    ping = WIRE.front.ping
    raw = ping if early else b""
    for event in (ir.Started("x", "m"), ir.TextDelta("a"), ir.TextDelta("b"), ir.Finished("end")):
        raw += writer.write(event) + ping
    message = accumulated(raw + writer.end())
    assert message["content"] == [{"type": "text", "text": "ab"}]
    assert message["stop_reason"] == "end_turn"


def test_thoughts_nobody_asked_for() -> None:
    silent = Context("abc", "asked", {"thinking": {"type": "disabled"}}, 0, 1)
    thought = (ir.Started(), ir.ReasoningDelta("hm"), ir.ReasoningEnd())
    raw = streamed(*thought, ir.TextDelta("a"), ir.Finished("end"), context=silent)
    assert accumulated(raw)["content"] == [{"type": "text", "text": "a"}]
    call = (ir.ToolStart(0, "t", "f"), ir.ToolDelta(0, "{}"), ir.ToolEnd(0, "{}"))
    raw = streamed(*thought, *call, ir.Finished("tool"), context=silent)
    assert [block["type"] for block in accumulated(raw)["content"]] == ["thinking", "tool_use"]


def test_a_fault_in_mid_stream_is_the_last_event() -> None:
    writer = StreamWriter(CONTEXT)
    raw = writer.write(ir.Started()) + writer.write(ir.TextDelta("a"))
    raw += writer.fail("gone", "upstream_error", "upstream_timeout")
    last = json.loads(raw.splitlines()[-2][6:])
    assert last == {"type": "error", "error": {"type": "timeout_error", "message": "gone", "code": "upstream_timeout"}}  # fmt: skip
    assert b"message_stop" not in raw


def test_the_sdks_own_text_stream() -> None:
    raw = streamed(ir.Started(), ir.TextDelta("a"), ir.TextDelta("b"), ir.Finished("length"))
    asked = {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]}
    with sdk(raw).messages.stream(**asked) as stream:
        assert list(stream.text_stream) == ["a", "b"]
        assert stream.get_final_message().stop_reason == "max_tokens"


WORDS = st.text("ab c", min_size=1, max_size=5)
STATES = st.lists(
    st.builds(Opaque, st.sampled_from(["messages.signature", "gemini.signature", "messages.redacted"]),
              st.text("xyz", min_size=1, max_size=4), st.just("route")), max_size=2).map(tuple)  # fmt: skip
PARTS = st.one_of(
    st.builds(ir.Text, WORDS),
    st.builds(ir.Reasoning, WORDS, opaque=STATES),
    st.builds(ir.ToolCall, st.uuids().map(str), WORDS, st.sampled_from(["{}", '{"a": 1}', '{"b":[1.5]}']),
              opaque=STATES),
    st.builds(ir.Refused, WORDS),
)  # fmt: skip


@settings(max_examples=40, deadline=None)
@given(
    st.lists(PARTS, max_size=5),
    st.sampled_from(["end", "tool", "length", "filter", "pause"]),
    st.booleans(),
)
def test_streams_and_whole_answers_say_the_same(
    parts: list[ir.Part], finish: ir.FinishReason, asking: bool
) -> None:
    answer = ir.Answer((ir.Choice(tuple(parts), finish),), Usage(input=3, output=5), model="m")
    context = Context("abc", "asked", ASKING if asking else {}, 0, 42)
    raw = streamed(*events_of(answer), context=context)
    whole = json.loads(write(answer, context))
    added = accumulated(raw)
    assert added["content"] == whole["content"]
    assert added["stop_reason"] == whole["stop_reason"]
    assert added["usage"]["output_tokens"] == whole["usage"]["output_tokens"]
    # A host of this wire that answered so would be read the same, but for the seals.
    found, reader = events(raw)
    collector = Collector()
    for event in found:
        collector.add(event)
    assert reader.fault is None
    texts = [part.text for part in parts if isinstance(part, ir.Text)]
    read = [part.text for part in collector.choices()[0].parts if isinstance(part, ir.Text)]
    assert "".join(read).startswith("".join(texts))
