"""Whole answers of the Messages wire: tapped, read, and written for a client."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from providers import ir
from providers.carrier import open_seal
from providers.dialect import Dialect
from providers.errors import ErrorKind, UpstreamError
from providers.ir import Opaque, Reasoning, Text, ToolCall
from providers.usage import MISSING, Usage
from providers.wires.messages import WIRE
from providers.wires.messages.cut_json import completed
from providers.wires.messages.read import read as read_request
from providers.wires.messages.response import read, tap
from providers.wires.messages.usage import usage_of
from providers.wires.messages.writer import write
from providers.wires.wire import Context

PLAIN = Dialect()
ASKING = {"thinking": {"type": "enabled", "budget_tokens": 2000}}
CONTEXT = Context("abc", "asked", ASKING, 0, 42)
SILENT = Context("abc", "asked", {}, 0, 42)
USED = Usage(input=3, output=5)


def raw(*content: Any, stop: str = "end_turn", **more: Any) -> bytes:
    """Return a host's answer."""
    usage = {"input_tokens": 3, "output_tokens": 5}
    message = {"id": "msg_1", "type": "message", "role": "assistant", "model": "theirs",
               "content": list(content), "stop_reason": stop, "stop_sequence": None, "usage": usage}  # fmt: skip
    return json.dumps({**message, **more}).encode()


def answer(*parts: ir.Part, finish: ir.FinishReason = "end", usage: Usage = USED) -> ir.Answer:
    """Return an answer in the neutral form."""
    return ir.Answer((ir.Choice(parts, finish),), usage, id="x", model="theirs")


def client(given_: ir.Answer, context: Context = CONTEXT) -> dict[str, Any]:
    """Return what the client reads."""
    said: dict[str, Any] = json.loads(write(given_, context))
    return said


def test_a_whole_answer_is_read() -> None:
    said = raw(
        {"type": "thinking", "thinking": "hm", "signature": "SIG"},
        {"type": "redacted_thinking", "data": "RED"},
        {"type": "text", "text": "a", "citations": [
            {"type": "web_search_result_location", "url": "https://x", "title": "t", "cited_text": "q"}]},
        {"type": "server_tool_use", "id": "s1", "name": "web_search", "input": {"q": 1}},
        {"type": "tool_use", "id": "t1", "name": "f", "input": {"a": [1.0]}},
        {"type": "tool_use", "id": "t2", "name": "g", "input": {}},
        stop="tool_use",
    )  # fmt: skip
    found = read(said, PLAIN, "route")
    assert found.choices[0].parts == (
        Reasoning("hm", opaque=(Opaque("messages.signature", "SIG", "route"),)),
        Reasoning(opaque=(Opaque("messages.redacted", "RED", "route"),)),
        Text("a", citations=(ir.Citation("https://x", "t", "q"),)),
        ir.Trace("messages", {"type": "server_tool_use", "id": "s1", "name": "web_search", "input": {"q": 1}}),
        ToolCall("t1", "f", '{"a":[1.0]}'),
        ToolCall("t2", "g", "{}"),
    )  # fmt: skip
    assert (found.id, found.model, found.native_finish) == ("msg_1", "theirs", "tool_use")
    assert (found.choices[0].finish, found.usage) == ("tool", USED)
    tapped = tap(said, PLAIN)
    assert (tapped.states, tapped.calls) == (("SIG", "RED"), ("t1", "t2"))
    assert (tapped.finish, tapped.model, tapped.usage) == ("tool_use", "theirs", USED)


@pytest.mark.parametrize(
    ("stop", "finish"),
    [
        ("end_turn", "end"), ("max_tokens", "length"), ("model_context_window_exceeded", "length"),
        ("stop_sequence", "stop_sequence"), ("pause_turn", "pause"), ("refusal", "filter"),
        ("new_word", "end"),
    ],
)  # fmt: skip
def test_why_it_ended(stop: str, finish: str) -> None:
    found = read(raw({"type": "text", "text": "a"}, stop=stop, stop_sequence="END"), PLAIN, "r")
    assert found.choices[0].finish == finish
    assert (found.native_finish, found.choices[0].stop_sequence) == (stop, "END")


def test_a_call_whose_host_says_that_it_is_done_waits_for_its_result() -> None:
    call = {"type": "tool_use", "id": "t", "name": "f", "input": {}}
    assert read(raw(call), PLAIN, "r").choices[0].finish == "tool"
    assert read(raw(call, {"type": "text", "text": "a"}), PLAIN, "r").choices[0].finish == "end"
    said = raw({"type": "text", "text": "a"}, stop="tool_use")
    assert read(said, PLAIN, "r").choices[0].finish == "end"


def test_a_refusal_is_told_with_its_words() -> None:
    details = {"type": "refusal", "category": "cyber", "explanation": "no"}
    found = read(raw(stop="refusal", stop_details=details), PLAIN, "r")
    assert found.choices[0] == ir.Choice((ir.Refused("no"),), "filter")
    again = client(found)
    assert again["stop_reason"] == "refusal"
    assert again["content"] == [{"type": "text", "text": "no"}]
    assert again["stop_details"]["explanation"] == "no"


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        (b"<html>", ErrorKind.MALFORMED),
        (b"[1]", ErrorKind.MALFORMED),
        (b'{"content": 3}', ErrorKind.MALFORMED),
        (b"\xff", ErrorKind.MALFORMED),
        (b"[" * 5000, ErrorKind.MALFORMED),
        (raw({"text": "no type"}), ErrorKind.MALFORMED),
        (raw({"type": "tool_use", "id": "t", "name": None}), ErrorKind.MALFORMED),
        (b'{"type":"error","error":{"type":"overloaded_error","message":"x"}}', ErrorKind.OVERLOADED),
    ],
)  # fmt: skip
def test_what_is_no_answer(said: bytes, kind: ErrorKind) -> None:
    with pytest.raises(UpstreamError) as caught:
        read(said, PLAIN, "r")
    assert caught.value.kind is kind


def test_ids_that_are_missing_or_twice_are_made() -> None:
    call = {"type": "tool_use", "name": "f", "input": {}}
    same = {**call, "id": "t"}
    found = read(raw(call, same, same), PLAIN, "r")
    ids = [part.id for part in found.choices[0].parts if isinstance(part, ToolCall)]
    assert ids == ["toolu_msg_1_0", "t", "toolu_msg_1_2"]


# counts


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({"input_tokens": 3, "output_tokens": 5}, USED),
        (
            {"input_tokens": 3, "cache_read_input_tokens": 7, "cache_creation_input_tokens": 11,
             "cache_creation": {"ephemeral_5m_input_tokens": 1, "ephemeral_1h_input_tokens": 10},
             "output_tokens": 5, "output_tokens_details": {"thinking_tokens": 2}},
            Usage(input=3, cache_read=7, cache_write=1, cache_write_long=10, output=3, reasoning=2),
        ),
        (
            {"input_tokens": 3, "cache_creation_input_tokens": 4, "output_tokens": 5.0,
             "cache_creation": {"ephemeral_1h_input_tokens": 9}},
            Usage(input=3, cache_write_long=4, output=5, reconciled=False),
        ),
        (
            {"input_tokens": 3, "output_tokens": 5, "output_tokens_details": {"thinking_tokens": 9}},
            Usage(input=3, reasoning=5, reconciled=False),
        ),
        (
            {"input_tokens": 3, "output_tokens": 5,
             "iterations": [{"type": "advisor_message", "input_tokens": 9, "output_tokens": 9}]},
            Usage(input=3, output=5, reconciled=False),
        ),
        ({"input_tokens": 3, "output_tokens": 5, "cache_read_input_tokens": -1}, USED),
        ({"input_tokens": 3}, MISSING),
        ({"input_tokens": "3", "output_tokens": 5}, MISSING),
        ({"input_tokens": True, "output_tokens": 5}, MISSING),
        (None, MISSING),
    ],
)  # fmt: skip
def test_counts(said: Any, expected: Usage) -> None:
    assert usage_of(said, PLAIN) == expected


def test_counts_by_dialect() -> None:
    said = {"input_tokens": 3, "output_tokens": 5, "output_tokens_details": {"thinking_tokens": 2},
            "cost": {"ticks": 15}}  # fmt: skip
    dialect = Dialect(reasoning="beside", cost_path=("cost", "ticks"), cost_unit="0.001")
    assert usage_of(said, dialect) == Usage(
        input=3, output=5, reasoning=2, stated_usd=Decimal("0.015")
    )


COUNTS = st.none() | st.booleans() | st.integers(-5, 50) | st.floats(0, 9) | st.text(max_size=2)


@given(
    st.fixed_dictionaries(
        {"input_tokens": COUNTS, "output_tokens": COUNTS},
        optional={
            "cache_read_input_tokens": COUNTS,
            "cache_creation_input_tokens": COUNTS,
            "cache_creation": st.dictionaries(
                st.sampled_from(["ephemeral_5m_input_tokens", "ephemeral_1h_input_tokens"]), COUNTS
            ) | COUNTS,
            "output_tokens_details": st.dictionaries(st.just("thinking_tokens"), COUNTS) | COUNTS,
        },
    )
)  # fmt: skip
def test_no_bucket_is_below_zero_and_they_add_up(said: dict[str, Any]) -> None:
    usage = usage_of(said, PLAIN)
    if usage.state == "reported":
        assert min(usage.input, usage.cache_read, usage.cache_write, usage.cache_write_long) >= 0
        assert min(usage.output, usage.reasoning) >= 0
        assert usage.completion_tokens == said["output_tokens"]


# for a client


def test_a_whole_answer_is_written() -> None:
    usage = Usage(input=3, cache_read=7, cache_write=1, cache_write_long=2, output=4, reasoning=1)
    said = client(
        answer(
            Reasoning("hm", opaque=(Opaque("messages.signature", "SIG", "r"),)),
            Text("a"),
            ToolCall("t.1", "f", '{"a": 1}'),
            finish="tool",
            usage=usage,
        )
    )
    assert said["content"] == [
        {"type": "thinking", "thinking": "hm", "signature": "SIG"},
        {"type": "text", "text": "a"},
        {"type": "tool_use", "id": "ep1_dC4x", "name": "f", "input": {"a": 1}},
    ]
    assert (said["id"], said["type"], said["role"], said["model"]) == (
        "msg_abc", "message", "assistant", "theirs",
    )  # fmt: skip
    assert (said["stop_reason"], said["stop_sequence"]) == ("tool_use", None)
    assert said["usage"] == {
        "input_tokens": 3, "cache_read_input_tokens": 7, "cache_creation_input_tokens": 3,
        "cache_creation": {"ephemeral_5m_input_tokens": 1, "ephemeral_1h_input_tokens": 2},
        "output_tokens": 5, "output_tokens_details": {"thinking_tokens": 1},
    }  # fmt: skip
    assert usage_of(said["usage"], PLAIN) == usage


def test_counts_that_are_missing_are_estimated() -> None:
    said = client(answer(Text("a" * 40), usage=MISSING))
    assert said["usage"]["input_tokens"] == 42
    assert said["usage"]["output_tokens"] == 10


@pytest.mark.parametrize(
    ("finish", "stop"),
    [("end", "end_turn"), ("length", "max_tokens"), ("filter", "refusal"), ("tool", "tool_use"),
     ("stop_sequence", "stop_sequence"), ("pause", "pause_turn")],
)  # fmt: skip
def test_why_it_ended_is_written(finish: ir.FinishReason, stop: str) -> None:
    assert client(answer(Text("a"), finish=finish))["stop_reason"] == stop


STATES = (
    Opaque("gemini.signature", "G", "route", "i"),
    Opaque("responses.encrypted", "E", "route"),
)


def round_trip(*parts: ir.Part, context: Context = CONTEXT) -> tuple[ir.Part, ...]:
    """Return the parts that come back with the client's next request."""
    said = client(answer(*parts), context)
    turn = {"role": "assistant", "content": said["content"]}
    talk = [{"role": "user", "content": "a"}, turn, {"role": "user", "content": "b"}]
    found = read_request({"model": "m", "max_tokens": 1, "messages": talk})
    return found.messages[1].parts


@pytest.mark.parametrize(
    "parts",
    [
        (Reasoning("hm", opaque=STATES), Text("a")),
        (Reasoning(opaque=STATES), Text("a")),
        (Reasoning("hm"), Text("a")),
        (Reasoning(opaque=(Opaque("messages.redacted", "R"),)), Text("a")),
        (Reasoning("hm", opaque=(Opaque("converse.signature", "S", "r"),)), ToolCall("t", "f", "{}")),
        (ToolCall("t", "f", "{}", opaque=STATES), ToolCall("u", "f", "{}")),
        (Text("a"), ToolCall("functions.f:0", "f", "{}"), ToolCall("u", "f", "{}", opaque=STATES)),
        (Text("a", opaque=STATES), Text("b"), ToolCall("u", "f", "{}", opaque=STATES[:1])),
    ],
)  # fmt: skip
def test_state_of_others_comes_back_where_it_was(parts: tuple[ir.Part, ...]) -> None:
    assert round_trip(*parts) == parts


def test_thoughts_nobody_asked_for_come_only_with_calls() -> None:
    thought = Reasoning("hm", opaque=STATES)
    assert round_trip(thought, Text("a"), context=SILENT) == (Text("a"),)
    call = ToolCall("t", "f", "{}")
    assert round_trip(thought, Text("a"), call, context=SILENT) == (Text("a"), thought, call)


def test_thoughts_without_state_have_a_signature_that_means_nothing() -> None:
    said = client(answer(Reasoning("hm"), Text("a")))
    assert open_seal(said["content"][0]["signature"]) == ()


def test_sources_are_written() -> None:
    cited = Text(
        "a", citations=(ir.Citation("https://x", "t", "q"), ir.Citation(title="d", start=1, end=2))
    )
    (block,) = client(answer(cited))["content"]
    web, place = block["citations"]
    assert (web["type"], web["url"], web["cited_text"]) == (
        "web_search_result_location",
        "https://x",
        "q",
    )
    assert (place["type"], place["start_char_index"], place["end_char_index"]) == (
        "char_location",
        1,
        2,
    )


@pytest.mark.parametrize(
    "text",
    ['{"a": 1', '{"a": 12.', '{"a":"x', '{"a":[1,{"b":"c"},{"d', '{"a":tru', '{"a":1,', '{"a":1,"b"',
     '{"a":1,"b":', "{", '{"a":{"b":"\\u00', '{"a":"\\"}', '{"a":"}"', '{"a": {"b": 1}, "c": [1, 2'],
)  # fmt: skip
def test_cut_arguments_are_completed_as_the_sdk_does(text: str) -> None:
    jiter = pytest.importorskip("jiter", reason="the anthropic SDK is not installed")
    assert completed(text) == jiter.from_json(text.encode(), partial_mode=True)


@settings(deadline=None)
@given(st.text('{}[]",:\\a1 ', max_size=30))
def test_completing_never_fails(text: str) -> None:
    completed(text)


def test_completing_what_is_nested_too_deeply() -> None:
    assert completed("[" * 20_000) == {}


def test_a_call_cut_by_length() -> None:
    said = client(answer(ToolCall("t", "f", '{"a": 1, "b": "x'), finish="length"))
    assert said["content"][0]["input"] == {"a": 1}
    assert said["stop_reason"] == "max_tokens"


def test_an_error_is_written() -> None:
    assert WIRE.client is not None
    said = json.loads(WIRE.client.write_error(429, "slow", "rate_limited", None, "req_1"))
    assert said == {"type": "error", "request_id": "req_1",
                    "error": {"type": "rate_limit_error", "message": "slow", "code": "rate_limited"}}  # fmt: skip
