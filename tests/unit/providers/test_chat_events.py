"""A host's stream as clean events, however malformed it is; and a client's stream out of events."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from providers.assemble import Collector
from providers.carrier import open_seal
from providers.dialect import Dialect
from providers.errors import ErrorKind, UpstreamError
from providers.ir import (
    Answer,
    Citation,
    Counted,
    Event,
    Finished,
    Opaque,
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
    Traced,
)
from providers.usage import Usage
from providers.wires.chat import WIRE
from providers.wires.chat.response import read
from providers.wires.chat.stream import StreamReader
from providers.wires.chat.writer import StreamWriter
from providers.wires.wire import Context

PLAIN = Dialect()
USAGE = {"prompt_tokens": 4, "completion_tokens": 2, "total_tokens": 6}
DONE = b"data: [DONE]\n\n"


def chunk(delta: Any = None, finish: str | None = None, **more: Any) -> bytes:
    choices = [{"index": 0, "delta": delta or {}, "finish_reason": finish}]
    body = {"id": "chatcmpl-1", "model": "m", "choices": choices, **more}
    return b"data: " + json.dumps(body).encode() + b"\n\n"


def fragment(index: int | None = None, call_id: Any = None, name: Any = None, text: Any = None,
             **more: Any) -> dict[str, Any]:  # fmt: skip
    said: dict[str, Any] = {"function": {}, **more}
    if index is not None:
        said["index"] = index
    if call_id is not None:
        said["id"] = call_id
    if name is not None:
        said["function"]["name"] = name
    if text is not None:
        said["function"]["arguments"] = text
    return said


def calls(*fragments: dict[str, Any], finish: str | None = None) -> bytes:
    return chunk({"tool_calls": list(fragments)}, finish)


def events(*chunks: bytes, dialect: Dialect = PLAIN) -> tuple[list[Event], StreamReader]:
    reader = StreamReader(dialect, "host/m", False)
    out = [event for data in chunks for event in reader.events(data)]
    out += reader.close()
    check_clean(out)
    return out, reader


def check_clean(out: list[Event]) -> None:
    """Check what ``providers/ir`` promises of a reader's stream."""
    if out:
        assert isinstance(out[0], Started)
    open_call: dict[int, int | None] = {}
    pieces: dict[tuple[int, int], str] = {}
    ids: set[str] = set()
    finished: set[int] = set()
    for event in out[1:]:
        assert not isinstance(event, Started)
        if isinstance(event, Counted):
            continue
        choice = event.choice
        assert choice not in finished
        now = open_call.get(choice)
        if isinstance(event, ToolStart):
            assert now is None
            assert event.name
            assert event.id
            assert event.id not in ids
            ids.add(event.id)
            assert event.index == sum(1 for key in pieces if key[0] == choice)
            pieces[choice, event.index] = ""
            open_call[choice] = event.index
        elif isinstance(event, ToolDelta):
            assert now == event.index
            pieces[choice, event.index] += event.arguments
        elif isinstance(event, ToolEnd):
            assert now == event.index
            assert pieces[choice, event.index] == event.arguments
            open_call[choice] = None
        else:
            assert now is None, "one part at a time"
        if isinstance(event, Finished):
            finished.add(choice)


def answer_of(out: list[Event]) -> Collector:
    collector = Collector()
    for event in out:
        collector.add(event)
    return collector


def called(out: list[Event]) -> list[tuple[str, str]]:
    parts = answer_of(out).choices()[0].parts
    return [(part.name, part.arguments) for part in parts if isinstance(part, ToolCall)]


def test_a_good_stream() -> None:
    out, reader = events(
        chunk({"role": "assistant", "content": ""}),
        chunk({"reasoning_content": "h"}),
        chunk({"reasoning_content": "m", "content": None}),
        chunk({"content": "Hel"}),
        chunk({"content": "lo"}),
        calls(fragment(0, "c1", "f", "")),
        calls(fragment(0, text='{"a":')),
        calls(fragment(0, text="1}")),
        chunk({}, "tool_calls"),
        b'data: {"choices":[],"usage":' + json.dumps(USAGE).encode() + b"}\n\n",
        DONE,
    )
    assert out == [
        Started("chatcmpl-1", "m"),
        ReasoningDelta("h"),
        ReasoningDelta("m"),
        ReasoningEnd(),
        TextDelta("Hel"),
        TextDelta("lo"),
        ToolStart(0, "c1", "f"),
        ToolDelta(0, '{"a":'),
        ToolDelta(0, "1}"),
        ToolEnd(0, '{"a":1}'),
        Finished("tool", native="tool_calls"),
        Counted(Usage(input=4, output=2)),
    ]
    assert (reader.done, reader.content, reader.fault) == (True, True, None)
    assert (reader.finish, reader.model, reader.calls) == ("tool_calls", "m", ["c1"])
    assert reader.text_bytes == len('hmHello{"a":1}')
    assert reader.usage == Usage(input=4, output=2)


TWO = [("f", '{"a":1}'), ("g", '{"b":2}')]


@pytest.mark.parametrize(
    "chunks",
    [
        # Index missing: an id begins a call, none goes on with it.
        [calls(fragment(None, "c1", "f", '{"a"')), calls(fragment(None, None, None, ":1}")),
         calls(fragment(None, "c2", "g", '{"b":2}'))],
        # Index missing from the second fragment on, and the first has one.
        [calls(fragment(0, "c1", "f", '{"a"')), calls(fragment(None, None, None, ":1}")),
         calls(fragment(1, "c2", "g", '{"b":2}'))],
        # Index counted from 1.
        [calls(fragment(1, "c1", "f", "")), calls(fragment(1, text='{"a":1}')),
         calls(fragment(2, "c2", "g", "")), calls(fragment(2, text='{"b":2}'))],
        # Every call has index 0: the ids tell them apart.
        [calls(fragment(0, "c1", "f", '{"a":1}')), calls(fragment(0, "c2", "g", '{"b":2}'))],
        # The same in fragments.
        [calls(fragment(0, "c1", "f", "")), calls(fragment(0, None, None, '{"a":1}')),
         calls(fragment(0, "c2", "g", "")), calls(fragment(0, None, None, '{"b":2}'))],
        # Index 0 for all, interleaved by id.
        [calls(fragment(0, "c1", "f", '{"a"')), calls(fragment(0, "c2", "g", '{"b"')),
         calls(fragment(0, "c1", None, ":1}")), calls(fragment(0, "c2", None, ":2}"))],
        # Index 0 for all and no ids: a whole object and a new name.
        [calls(fragment(0, "", "f", '{"a":1}')), calls(fragment(0, "", "g", '{"b":2}'))],
        # The id empty after the first delta, and everywhere.
        [calls(fragment(0, "c1", "f", '{"a"')), calls(fragment(0, "", None, ":1}")),
         calls(fragment(1, "c2", "g", '{"b"')), calls(fragment(1, "", None, ":2}"))],
        [calls(fragment(0, "", "f", '{"a":1}')), calls(fragment(1, "", "g", '{"b":2}'))],
        # One id for two calls.
        [calls(fragment(0, "c1", "f", '{"a":1}')), calls(fragment(1, "c1", "g", '{"b":2}'))],
        [calls(fragment(0, "c1", "f", '{"a":1}')), calls(fragment(0, "c1", "g", '{"b":2}'))],
        # Id and name again with every fragment.
        [calls(fragment(0, "c1", "f", '{"a"')), calls(fragment(0, "c1", "f", ":1}")),
         calls(fragment(1, "c2", "g", '{"b"')), calls(fragment(1, "c2", "g", ":2}"))],
        # Id and name as empty strings or null later on.
        [calls(fragment(0, "c1", "f", "")), calls({"index": 0, "id": None, "type": "function", "function": {"name": "", "arguments": '{"a":1}'}}),
         calls(fragment(1, "c2", "g", '{"b":2}'))],
        # All calls in one chunk, with the finish, in one.
        [calls(fragment(0, "c1", "f", '{"a":1}'), fragment(1, "c2", "g", '{"b":2}'), finish="tool_calls")],
        # The id before the name, and the name before the id.
        [calls(fragment(0, "c1")), calls(fragment(0, None, "f", "")), calls(fragment(0, text='{"a":1}')),
         calls(fragment(1, None, "g")), calls(fragment(1, "c2")), calls(fragment(1, text='{"b":2}'))],
        # Fragments of two calls mixed.
        [calls(fragment(0, "c1", "f", ""), fragment(1, "c2", "g", "")), calls(fragment(1, text='{"b"')),
         calls(fragment(0, text='{"a"')), calls(fragment(1, text=":2}")), calls(fragment(0, text=":1}"))],
        # The whole calls once more with the finish.
        [calls(fragment(0, "c1", "f", '{"a":1}')), calls(fragment(1, "c2", "g", '{"b":2}')),
         calls(fragment(0, "c1", "f", '{"a":1}'), fragment(1, "c2", "g", '{"b":2}'))],
        # An object in the place of the text of one; encoded twice; begun as an empty one.
        [calls({"index": 0, "id": "c1", "function": {"name": "f", "arguments": {"a": 1}}}),
         calls(fragment(1, "c2", "g", '{"b":2}'))],
        [calls(fragment(0, "c1", "f", '"{\\"a\\"')), calls(fragment(0, text=':1}"')),
         calls(fragment(1, "c2", "g", '{"b":2}'))],
        [calls(fragment(0, "c1", "f", "{}")), calls(fragment(0, text='{"a":1}')),
         calls(fragment(1, "c2", "g", '{"b":2}'))],
        # No type, or an odd one.
        [calls(fragment(0, "c1", "f", '{"a":1}', type=None)), calls(fragment(1, "c2", "g", '{"b":2}', type="tool"))],
    ],
)  # fmt: skip
def test_malformed_calls_come_out_clean(chunks: list[bytes]) -> None:
    out, reader = events(*chunks, chunk({}, "tool_calls"), DONE)
    assert reader.fault is None
    assert called(out) == TWO
    assert out[-1] == Finished("tool", native="tool_calls")
    # The relay's repair says the same, for whoever reads fragments by the rules.
    lane = StreamReader(Dialect(repair_tool_calls=True), "", True)
    passed = b"".join([lane.feed(data) for data in (*chunks, chunk({}, "tool_calls"), DONE)])
    assert lane.fault is None
    assert sorted(by_the_rules(passed)) == TWO


def by_the_rules(stream: bytes) -> list[tuple[str, str]]:
    """Read tool calls as a strict client does: id, type and name once, then by index."""
    found: dict[int, list[str]] = {}
    for line in stream.split(b"\n\n"):
        if not line.startswith(b"data: {"):
            continue
        for choice in json.loads(line[6:])["choices"]:
            for said in choice["delta"].get("tool_calls") or ():
                index = said["index"]
                if index not in found:
                    assert index == len(found)
                    assert said["id"]
                    assert said["type"] == "function"
                    found[index] = [said["function"]["name"], said["function"]["arguments"]]
                else:
                    assert "id" not in said
                    assert "name" not in said["function"]
                    found[index][1] += said["function"]["arguments"]
    return [(name, text) for name, text in found.values()]


def test_a_repaired_stream_is_marked_and_the_rest_of_it_is_not_touched() -> None:
    reader = StreamReader(Dialect(repair_tool_calls=True), "", False)
    words = chunk({"content": "Hi  "}) + b": comment\n\n"
    assert reader.feed(words) == words
    good = calls(fragment(0, "c1", "f", "", type="function")) + calls(fragment(0, text='{"a":1}'))
    assert reader.feed(good) == good
    assert not reader.repaired
    bad = calls(fragment(0, "c2", "g", '{"b":2}'))
    assert reader.feed(bad) != bad
    assert reader.repaired
    last = chunk({}, "tool_calls") + DONE
    assert reader.feed(last) == last
    assert reader.fault is None


def test_arguments_that_do_not_parse_are_a_fault_in_both_lanes() -> None:
    broken = (calls(fragment(0, "c1", "f", '{"a":')), chunk({}, "tool_calls"), DONE)
    _, reader = events(*broken)
    assert reader.fault is not None
    assert reader.fault.kind is ErrorKind.MALFORMED
    lane = StreamReader(Dialect(repair_tool_calls=True), "", False)
    passed = lane.feed(b"".join(broken))
    assert b'finish_reason": "tool' not in passed
    assert lane.fault is not None
    with pytest.raises(UpstreamError):
        read(whole({"tool_calls": [fragment(0, "c", "f", "[1]")]}, "tool_calls"), PLAIN, "r")


def test_arguments_cut_by_length_are_kept_as_they_are() -> None:
    out, reader = events(calls(fragment(0, "c1", "f", '{"a":')), chunk({}, "length"), DONE)
    assert reader.fault is None
    assert out[-2:] == [ToolEnd(0, '{"a":'), Finished("length", native="length")]
    # A broker's word for it.
    late = json.loads(chunk({}, "tool_calls")[6:])
    late["choices"][0]["native_finish_reason"] = "max_output_tokens"
    out, reader = events(
        calls(fragment(0, "c1", "f", '{"a":')), b"data: " + json.dumps(late).encode() + b"\n\n"
    )
    assert reader.fault is None
    assert out[-1] == Finished("length", native="tool_calls")


@pytest.mark.parametrize("text", [None, "", "null", " "])
def test_a_call_without_arguments(text: str | None) -> None:
    out, reader = events(calls(fragment(0, "c1", "f", text)), chunk({}, "stop"), DONE)
    assert reader.fault is None
    assert out[1:] == [
        ToolStart(0, "c1", "f"),
        ToolDelta(0, "{}"),
        ToolEnd(0, "{}"),
        Finished("tool", native="stop"),
    ]


def test_a_call_without_a_name_is_a_fault_and_an_empty_one_is_nothing() -> None:
    _, reader = events(calls(fragment(0, "c1", None, "{}")), chunk({}, "tool_calls"), DONE)
    assert reader.fault is not None
    out, reader = events(calls(fragment(0)), chunk({"content": "x"}), chunk({}, "stop"), DONE)
    assert reader.fault is None
    assert out[-1] == Finished("end", native="stop")


def test_words_between_and_after_calls() -> None:
    out, _ = events(
        calls(fragment(0, "c1", "f", "{}")), chunk({"content": "and"}),
        calls(fragment(1, "c2", "g", '{"b":')), chunk({"content": "late"}),
        calls(fragment(1, text="2}")), chunk({}, "tool_calls"), DONE,
    )  # fmt: skip
    parts = answer_of(out).choices()[0].parts
    assert [type(part) for part in parts] == [ToolCall, Text, ToolCall, Text]


@pytest.mark.parametrize(
    ("deltas", "text", "states"),
    [
        ([{"reasoning_content": "a"}, {"reasoning_content": "b"}], "ab", []),
        ([{"reasoning": "a"}, {"reasoning": "b"}], "ab", []),
        ([{"reasoning": "a", "reasoning_content": "a"}], "a", []),
        ([{"reasoning": "a", "reasoning_details": [{"type": "reasoning.text", "text": "a", "index": 0}]},
          {"reasoning": "b", "reasoning_details": [{"type": "reasoning.text", "text": "b", "index": 0}]},
          {"reasoning_details": [{"type": "reasoning.text", "signature": "S", "index": 0}]}],
         "ab", [{"type": "reasoning.text", "text": "ab", "index": 0, "signature": "S"}]),
        ([{"reasoning_details": [{"type": "reasoning.summary", "summary": "a", "index": 0}]},
          {"reasoning_details": [{"type": "reasoning.encrypted", "data": "E", "index": 1, "id": "rs"}]}],
         "a", [{"type": "reasoning.summary", "summary": "a", "index": 0},
               {"type": "reasoning.encrypted", "data": "E", "index": 1, "id": "rs"}]),
        ([{"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "a"}]}]},
          {"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "b"}], "closed": True}]}],
         "ab", [{"type": "thinking", "thinking": [{"type": "text", "text": "ab"}], "closed": True}]),
    ],
)  # fmt: skip
def test_reasoning_in_every_field(deltas: list[Any], text: str, states: list[Any]) -> None:
    out, _ = events(*map(chunk, deltas), chunk({"content": "Hi"}), chunk({}, "stop"), DONE)
    block, words = answer_of(out).choices()[0].parts
    assert isinstance(block, Reasoning)
    assert block.text == text
    assert [json.loads(state.data) for state in block.opaque] == states
    assert all(state.issuer == "host/m" for state in block.opaque)
    assert words == Text("Hi")


def test_state_alone_and_late() -> None:
    encrypted = {"reasoning_details": [{"type": "reasoning.encrypted", "data": "E"}]}
    out, reader = events(chunk({"content": "Hi"}), chunk(encrypted, "stop"), DONE)
    assert isinstance(out[2], ReasoningEnd)
    assert out[2].opaque[0].kind == "chat.details"
    assert reader.states == ["E"]


def test_reasoning_that_is_said_over_again() -> None:
    thoughts = "Let me think about this for a while. Then I know."
    out, _ = events(
        chunk({"reasoning_content": thoughts[:20]}), chunk({"reasoning_content": thoughts[:36]}),
        chunk({"reasoning_content": thoughts}), chunk({"content": "Hi"}, "stop"), DONE,
    )  # fmt: skip
    block = answer_of(out).choices()[0].parts[0]
    assert isinstance(block, Reasoning)
    assert block.text == thoughts


@pytest.mark.parametrize("size", [1, 2, 3, 5, 1000])
@pytest.mark.parametrize(
    ("text", "thought", "words"),
    [
        ("<think>hm, <b>\n</think>\n\nHi </think>", "hm, <b>\n", "Hi </think>"),
        ("\n<think></think>Hi", "", "Hi"),
        ("Hi <think>no</think>", "", "Hi <think>no</think>"),
        ("<thin", "", "<thin"),
        ("<think>never ends</thi", "never ends</thi", ""),
    ],
)
def test_reasoning_between_tags(size: int, text: str, thought: str, words: str) -> None:
    pieces = [text[at : at + size] for at in range(0, len(text), size)]
    out, _ = events(
        *[chunk({"content": piece}) for piece in pieces], chunk({}, "stop"),
        dialect=Dialect(think_tags=True),
    )  # fmt: skip
    parts = answer_of(out).choices()[0].parts
    assert "".join([part.text for part in parts if isinstance(part, Reasoning)]) == thought
    assert "".join([part.text for part in parts if isinstance(part, Text)]) == words
    out, _ = events(chunk({"content": text}, "stop"))
    assert answer_of(out).choices()[0].parts == (Text(text),), "only where the dialect says so"


@pytest.mark.parametrize(
    ("native", "meaning"),
    [("stop", "end"), ("", "end"), ("eos", "end"), ("length", "length"), ("model_length", "length"),
     ("content_filter", "filter"), ("sensitive", "filter"), ("something_new", "end"),
     ("model_context_window_exceeded", "length"), ("tool_calls", "end")],
)  # fmt: skip
def test_finish_words(native: str, meaning: str) -> None:
    out, reader = events(chunk({"content": "x"}), chunk({}, native))
    assert out[-1] == Finished(meaning, native=native)  # type: ignore[arg-type]
    assert reader.finish == (native or "unknown")


@pytest.mark.parametrize("native", ["stop", "", "eos", "tool_call", "tool_calls", "function_call"])
def test_calls_are_calls_whatever_the_finish_says(native: str) -> None:
    out, _ = events(calls(fragment(0, "c", "f", "{}")), chunk({}, native))
    assert out[-1] == Finished("tool", native=native)


@pytest.mark.parametrize(
    ("native", "kind"),
    [("error", ErrorKind.SERVER), ("network_error", ErrorKind.SERVER),
     ("insufficient_system_resource", ErrorKind.OVERLOADED)],
)  # fmt: skip
def test_finish_words_that_are_faults(native: str, kind: ErrorKind) -> None:
    out, reader = events(chunk({"content": "x"}), chunk({}, native), DONE)
    assert reader.fault is not None
    assert reader.fault.kind is kind
    assert not any(isinstance(event, Finished) for event in out)


def test_several_finish_chunks_and_usage_in_every_place() -> None:
    first = {"prompt_tokens": 4, "completion_tokens": 1}
    out, reader = events(
        chunk({"content": "x"}, usage=first), chunk({}, "stop", usage=first),
        chunk({"content": "y"}), chunk({"content": ""}, "stop", usage=USAGE),
    )  # fmt: skip
    assert out[-2:] == [Finished("end", native="stop"), Counted(Usage(input=4, output=2))]
    assert reader.fault is None
    assert answer_of(out).choices()[0].parts == (Text("xy"),)


def test_an_end_without_a_finish() -> None:
    _, reader = events(chunk({"content": "x"}))
    assert reader.fault is not None
    assert reader.fault.kind is ErrorKind.CUT
    _, reader = events(chunk({"content": "x"}), b'data: {"choi')
    assert reader.fault is not None
    assert reader.fault.kind is ErrorKind.CUT
    out, reader = events(chunk({"content": "x"}), DONE)
    assert out[-1] == Finished("end")
    _, reader = events(DONE)
    assert reader.fault is not None


def test_an_error_in_the_stream() -> None:
    out, reader = events(
        chunk({"content": "x"}), b'data: {"error":{"message":"no","code":"insufficient_quota"}}\n\n',
        chunk({"content": "y"}),
    )  # fmt: skip
    assert len(out) == 2
    assert reader.fault is not None
    assert reader.fault.kind is ErrorKind.QUOTA


def test_refusals_sources_probabilities_and_what_hosts_do_themselves() -> None:
    cited = {
        "type": "url_citation",
        "url_citation": {"url": "https://a", "title": "A", "start_index": 0, "end_index": 2},
    }
    out, _ = events(
        chunk({"content": "Hi"}), chunk({"annotations": [cited, {"type": "file"}]}),
        chunk({}, "stop"), DONE,
    )  # fmt: skip
    assert TextEnd((Citation("https://a", "A", "", 0, 2),)) in out
    out, _ = events(chunk({"refusal": "I "}), chunk({"refusal": "won't"}), chunk({}, "stop"), DONE)
    assert answer_of(out).choices()[0].parts == (Refused("I won't"),)
    assert out[-1] == Finished("filter", native="stop")
    out, _ = events(chunk({"images": [{"type": "image_url"}]}, "stop"), DONE)
    assert isinstance(out[1], Traced)
    body = json.loads(chunk({"content": "x"})[6:])
    body["choices"][0]["logprobs"] = {"content": [{"token": "x"}]}
    out, _ = events(b"data: " + json.dumps(body).encode() + b"\n\n", chunk({}, "stop"))
    assert out[1] == TextDelta("x", logprobs=[{"token": "x"}])


def test_several_choices() -> None:
    def of(index: int, delta: Any, finish: str | None = None) -> bytes:
        body = {"id": "x", "choices": [{"index": index, "delta": delta, "finish_reason": finish}]}
        return b"data: " + json.dumps(body).encode() + b"\n\n"

    out, _ = events(
        of(0, {"content": "a"}), of(1, {"content": "b"}), of(0, {"content": "c"}),
        of(1, {"tool_calls": [fragment(0, "c1", "f", "{}")]}), of(0, {}, "stop"), of(1, {}, "length"),
    )  # fmt: skip
    first, second = answer_of(out).choices()
    assert (first.parts, first.finish) == ((Text("ac"),), "end")
    assert (len(second.parts), second.finish) == (2, "length")


def test_signatures_beside_calls_are_state() -> None:
    signed = fragment(0, "c1", "f", "{}", extra_content={"google": {"thought_signature": "G"}})
    out, reader = events(calls(signed), chunk({}, "tool_calls"), DONE)
    assert out[1] == ToolStart(0, "c1", "f", opaque=(Opaque("gemini.signature", "G", "host/m"),))
    assert reader.states == ["G"]


def test_ids_made_here_differ_between_answers_and_are_the_same_for_one() -> None:
    def made(answer: str) -> str:
        body = {"id": answer, "choices": [{"delta": {"tool_calls": [fragment(0, "", "f", "{}")]}}]}
        out, _ = events(b"data: " + json.dumps(body).encode() + b"\n\n", DONE)
        return next(event.id for event in out if isinstance(event, ToolStart))

    assert made("one") == made("one") != made("two")


SCRIPT = b"".join([
    b": comment\r\n\r\n",
    chunk({"role": "assistant", "content": ""}),
    chunk({"reasoning_content": "Grüße ✓"}),
    chunk({"content": "Hel"}), chunk({"content": "lo ✓"}),
    calls(fragment(1, "c1", "f", '{"a"'), fragment(1, "c2", "g", "")),
    calls(fragment(1, "c1", None, ":1}")), calls(fragment(1, "c2", None, '{"b":"ü"}')),
    chunk({}, "tool_calls"), chunk({}, "tool_calls", usage=USAGE), DONE,
])  # fmt: skip


@given(st.lists(st.integers(1, 40), max_size=100))
def test_cuts_change_nothing(cuts: list[int]) -> None:
    expected, _ = events(SCRIPT)
    pieces, start = [], 0
    for size in cuts:
        pieces.append(SCRIPT[start : start + size])
        start += size
    out, reader = events(*pieces, SCRIPT[start:])
    assert out == expected
    assert reader.fault is None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from(["", "x", "{}", "{", "c1"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["choices", "delta", "message", "content", "tool_calls", "function", "id", "index",
                 "name", "arguments", "type", "custom", "input", "reasoning_details", "text", "usage",
                 "reasoning", "thinking", "finish_reason", "extra_content", "google", "error",
                 "thought_signature", "annotations", "logprobs", "citations", "base_resp",
                 "prompt_tokens", "completion_tokens", "signature", "data", "images", "refusal"]
            ),
            inner,
            max_size=5,
        )
    ),
    max_leaves=25,
)  # fmt: skip


@settings(max_examples=40)
@given(st.lists(JSON, max_size=4), st.booleans(), st.booleans())
def test_hostile_values_never_crash(bodies: list[Any], tags: bool, deltas: bool) -> None:
    if deltas:
        bodies = [{"choices": [{"delta": body}]} for body in bodies]
    raw = b"".join([b"data: " + json.dumps(body).encode() + b"\n\n" for body in bodies])
    raw += chunk({}, "stop")
    dialect = Dialect(think_tags=tags, repair_tool_calls=tags, replay_reasoning="reasoning")
    events(raw, dialect=dialect)
    lane = StreamReader(dialect, "", True)
    lane.feed(raw)
    lane.end()
    for body in bodies:
        try:
            read(json.dumps(body).encode(), dialect, "r")
        except UpstreamError:
            continue


@given(st.binary(max_size=200))
def test_hostile_bytes_never_crash(raw: bytes) -> None:
    event = b"data: " + raw + b"\n\n"
    events(raw, event)
    events(b"data: " + b"[" * 10_000 + b"\n\n")
    for data in (event, b'data: {"choices":3,"x":"' + raw + b'"}\n\n', b"data: {" + raw + b"}\n\n"):
        lane = StreamReader(Dialect(repair_tool_calls=True), "", True)
        lane.feed(data)
        lane.end()


def whole(message: dict[str, Any], finish: str | None, **more: Any) -> bytes:
    choices = [{"index": 0, "message": {"role": "assistant", **message}, "finish_reason": finish}]
    return json.dumps({"id": "chatcmpl-1", "model": "m", "choices": choices, **more}).encode()


def test_a_whole_answer_reads_as_its_stream() -> None:
    message = {
        "content": "Hi",
        "reasoning": "hm",
        "reasoning_details": [{"type": "reasoning.text", "text": "hm", "signature": "S"}],
        "tool_calls": [fragment(0, "c1", "f", '{"a":1}'), fragment(0, "c1", "g", None)],
    }
    answer = read(whole(message, "stop", usage=USAGE, service_tier="flex"), PLAIN, "host/m")
    assert isinstance(answer, Answer)
    block, text, first, second = answer.choices[0].parts
    assert isinstance(block, Reasoning)
    assert (block.text, block.opaque[0].issuer) == ("hm", "host/m")
    assert text == Text("Hi")
    assert first == ToolCall("c1", "f", '{"a":1}')
    assert isinstance(second, ToolCall)
    assert (second.name, second.arguments) == ("g", "{}")
    assert second.id not in ("", "c1")
    assert answer.choices[0].finish == "tool"
    assert (answer.native_finish, answer.service_tier) == ("stop", "flex")
    assert answer.usage == Usage(input=4, output=2, tier="flex")


def context(**body: Any) -> Context:
    return Context(id="req_1", model="alias", body=body, created=1, prompt_tokens=5)


def written(out: list[Event], writer: StreamWriter) -> list[Any]:
    raw = b"".join([writer.write(event) for event in out]) + writer.end()
    assert raw.endswith(DONE)
    lines = raw.removesuffix(DONE).split(b"\n\n")
    return [json.loads(line[6:]) for line in lines if line]


def test_the_stream_that_a_client_gets() -> None:
    expected, _ = events(SCRIPT)
    bodies = written(expected, StreamWriter(context()))
    deltas = [body["choices"][0]["delta"] for body in bodies if body["choices"]]
    assert deltas[0] == {"role": "assistant", "content": ""}
    assert deltas[1] == {"reasoning_content": "Grüße ✓"}
    assert bodies[0]["id"] == "chatcmpl-1"
    assert bodies[-1]["choices"] == []
    assert bodies[-1]["usage"]["total_tokens"] == 6
    assert bodies[-2]["choices"][0]["finish_reason"] == "tool_calls"
    raw = b"".join([b"data: " + json.dumps(body).encode() + b"\n\n" for body in bodies])
    assert by_the_rules(raw) == [("f", '{"a":1}'), ("g", '{"b":"ü"}')]
    again, _ = events(raw, DONE)
    assert answer_of(again).choices() == answer_of(expected).choices()


def test_usage_only_for_who_asked() -> None:
    expected, _ = events(SCRIPT)
    plain = Context(id="r", model="m", body={}, created=1, prompt_tokens=5, wants_usage=False)
    assert all(body["choices"] for body in written(expected, StreamWriter(plain)))


def test_foreign_state_goes_to_the_client_in_a_seal() -> None:
    state = (Opaque("messages.signature", "SIG", "a/b"),)
    bodies = written(
        [
            Started(),
            ReasoningDelta("one"),
            ReasoningEnd(),
            ReasoningDelta("two"),
            ReasoningEnd(state),
            TextDelta("Hi"),
            TextEnd(opaque=state),
            ToolStart(0, "c1", "f", opaque=state),
            ToolEnd(0, "{}"),
            Finished("tool"),
        ],
        StreamWriter(context()),
    )
    deltas = [body["choices"][0]["delta"] for body in bodies]
    plain, sealed = next(d["reasoning_details"] for d in deltas if "reasoning_details" in d)
    assert (plain["text"], sealed["text"]) == ("one", "two")
    assert "signature" not in plain
    assert open_seal(sealed["signature"]) == state
    call = next(d["tool_calls"][0] for d in deltas if "tool_calls" in d)
    assert open_seal(call["extra_content"]["google"]["thought_signature"]) == state
    assert {"tool_calls": [{"index": 0, "function": {"arguments": "{}"}}]} in deltas


def test_custom_calls_refusals_and_old_functions_on_a_stream() -> None:
    bodies = written(
        [Started(), RefusalDelta("no"), ToolStart(0, "c", "p", "custom"), ToolDelta(0, "x y"),
         ToolEnd(0, "x y"), Finished("tool")],
        StreamWriter(context()),
    )  # fmt: skip
    deltas = [body["choices"][0]["delta"] for body in bodies]
    assert deltas[1] == {"refusal": "no"}
    assert deltas[2]["tool_calls"][0]["custom"] == {"name": "p", "input": ""}
    assert deltas[3]["tool_calls"][0]["custom"] == {"input": "x y"}
    old = written(
        [Started(), ToolStart(0, "c", "f"), ToolDelta(0, "{}"), ToolEnd(0, "{}"), Finished("tool")],
        StreamWriter(context(functions=[{"name": "f"}])),
    )
    assert old[1]["choices"][0]["delta"] == {"function_call": {"name": "f", "arguments": ""}}
    assert old[-1]["choices"][0]["finish_reason"] == "function_call"


def test_a_failure_and_a_ping() -> None:
    writer = StreamWriter(context())
    assert WIRE.front.ping == b": ping\n\n"
    failure = writer.fail("words", "upstream_error", "upstream_timeout")
    assert json.loads(failure[6:])["error"]["code"] == "upstream_timeout"
    assert b"[DONE]" not in failure


def test_a_long_answer_takes_linear_time() -> None:
    piece = chunk({"reasoning_details": [{"type": "reasoning.text", "text": "x" * 20}]})
    many = piece * 5_000 + calls(fragment(0, "c", "f", "{")) + calls(fragment(0, text=" ")) * 5_000
    before = time.process_time()
    events(many, calls(fragment(0, text="}")), chunk({}, "stop"))
    assert time.process_time() - before < 2
