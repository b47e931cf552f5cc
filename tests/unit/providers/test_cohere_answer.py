"""What the Cohere v2 wire's readers make of a host's answers and errors."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers import ir
from providers.dialect import Dialect
from providers.errors import ErrorKind, UpstreamError
from providers.usage import Usage
from providers.wires.cohere import WIRE
from providers.wires.wire import Reader
from tests.unit.providers import clean

PLAIN = Dialect()
USAGE = {
    "billed_units": {"input_tokens": 5, "output_tokens": 7.0},
    "tokens": {"input_tokens": 500, "output_tokens": 20},
    "cached_tokens": 448,
}
BILLED = Usage(input=5, output=7)


def make() -> Reader:
    return WIRE.host.reader(PLAIN, "r", False)


def answer(finish: Any = "COMPLETE", usage: Any = USAGE, **message: Any) -> ir.Answer:
    body = {"id": "i", "finish_reason": finish, "message": message, "usage": usage}
    return WIRE.host.read(json.dumps(body).encode(), PLAIN, "r")


def call(call_id: str, name: str, arguments: str) -> dict[str, Any]:
    function = {"name": name, "arguments": arguments}
    return {"id": call_id, "type": "function", "function": function}


def sse(*events: dict[str, Any], end: str = "\n\n") -> bytes:
    text = "".join(
        f"event: {one.get('type')}{end[: len(end) // 2]}data: {json.dumps(one)}{end}"
        for one in events
    )
    return f"{text}data: [DONE]{end}".encode()


def said(kind: str, index: int = 0, **message: Any) -> dict[str, Any]:
    return {"type": kind, "index": index, "delta": {"message": message}}


def ended(finish: str = "COMPLETE", **more: Any) -> dict[str, Any]:
    return {"type": "message-end", "delta": {"finish_reason": finish, "usage": USAGE, **more}}


START = {"type": "message-start", "id": "i", "delta": {"message": {"role": "assistant"}}}


def events(*told: dict[str, Any]) -> tuple[list[ir.Event], Reader]:
    return clean.read(make, sse(START, *told))


def source(**document: Any) -> dict[str, Any]:
    return {"start": 1, "end": 3, "text": "xy", "sources": [{"id": "d", "document": document}]}


def test_a_whole_answer() -> None:
    found = answer(
        "TOOL_CALL",
        content=[{"type": "thinking", "thinking": "hm"}, {"type": "text", "text": "Hi"}],
        tool_plan="I look.",
        tool_calls=[call("a", "w", '{"at": "x"}'), call("", "clock", "")],
        citations=[{**source(title="t", url="u", snippet="s"), "content_index": 1}, source()],
    )
    assert found == ir.Answer(
        choices=(
            ir.Choice(
                parts=(
                    ir.Reasoning("hm"),
                    ir.Text(
                        "Hi",
                        citations=(
                            ir.Citation("u", "t", "s", 1, 3),
                            ir.Citation("", "d", "", 1, 3),
                        ),
                    ),
                    ir.Reasoning("I look."),
                    ir.ToolCall("a", "w", '{"at": "x"}'),
                    ir.ToolCall("call_1", "clock", "{}"),
                ),
                finish="tool",
            ),
        ),
        usage=BILLED,
        id="i",
        native_finish="TOOL_CALL",
    )


@pytest.mark.parametrize(
    ("native", "finish"),
    [
        ("COMPLETE", "end"), ("STOP_SEQUENCE", "stop_sequence"), ("MAX_TOKENS", "length"),
        ("NEW", "end"), ("TOOL_CALL", "end"),
    ],
)  # fmt: skip
def test_finishes(native: str, finish: Any) -> None:
    assert answer(native, content="x").choices[0].finish == finish
    found, _ = events(said("content-delta", content={"text": "x"}), ended(native))
    assert found[-2] == ir.Finished(finish, native=native)


@pytest.mark.parametrize(
    ("native", "kind"), [("ERROR", ErrorKind.SERVER), ("TIMEOUT", ErrorKind.TIMEOUT)]
)
def test_errors_inside_a_200(native: str, kind: ErrorKind) -> None:
    with pytest.raises(UpstreamError) as fault:
        answer(native, content="x")
    assert fault.value.kind is kind
    found, reader = events(said("content-delta", content={"text": "x"}), ended(native, error="oh"))
    assert reader.fault is not None
    assert (reader.fault.kind, reader.fault.message) == (kind, "oh")
    assert not any(isinstance(one, ir.Finished) for one in found)


def test_an_error_in_the_place_of_an_event() -> None:
    _, reader = clean.read(make, sse({"id": "x", "message": "internal server error"}))
    assert reader.fault is not None
    assert reader.fault.message == "internal server error"
    assert not reader.content


def test_a_stream() -> None:
    found, reader = events(
        said("content-start", content={"type": "thinking", "thinking": "h"}),
        said("content-delta", content={"thinking": "m"}),
        {"type": "content-end", "index": 0},
        said("content-start", content={"type": "text", "text": ""}),
        said("content-delta", content={"text": "Hi"}),
        {"type": "content-end", "index": 0},
        said("citation-start", citations=source(title="t")),
        {"type": "citation-end", "index": 0},
        {"type": "debug", "prompt": "x"},
        {"type": "tool-plan-delta", "delta": {"message": {"tool_plan": "I "}}},
        {"type": "tool-plan-delta", "delta": {"message": {"tool_plan": "look."}}},
        said("tool-call-start", tool_calls=call("a", "w", "")),
        said("tool-call-delta", tool_calls={"function": {"arguments": '{"at":'}}),
        said("tool-call-delta", tool_calls={"function": {"arguments": '"x"}'}}),
        {"type": "tool-call-end", "index": 0},
        said("tool-call-start", 1, tool_calls=[call("a", "clock", "")]),
        {"type": "tool-call-end", "index": 1},
        ended("TOOL_CALL"),
    )
    assert found == [
        ir.Started("i"),
        ir.ReasoningDelta("h"),
        ir.ReasoningDelta("m"),
        ir.ReasoningEnd(),
        ir.TextDelta("Hi"),
        ir.TextEnd((ir.Citation("", "t", "", 1, 3),)),
        ir.ReasoningDelta("I "),
        ir.ReasoningDelta("look."),
        ir.ReasoningEnd(),
        ir.ToolStart(0, "a", "w"),
        ir.ToolDelta(0, '{"at":'),
        ir.ToolDelta(0, '"x"}'),
        ir.ToolEnd(0, '{"at":"x"}'),
        ir.ToolStart(1, "a_1", "clock"),
        ir.ToolDelta(1, "{}"),
        ir.ToolEnd(1, "{}"),
        ir.Finished("tool", native="TOOL_CALL"),
        ir.Counted(BILLED),
    ]
    assert (reader.fault, reader.done, reader.content) == (None, True, True)
    assert reader.calls == ["a", "a_1"]


def test_log_probabilities() -> None:
    item = {"text": "Hi", "token_ids": [1, 2], "logprobs": [-0.5, -1]}
    form = [{"token": "Hi", "logprob": -1.5, "bytes": [72, 105], "top_logprobs": []}]
    body = {"finish_reason": "COMPLETE", "message": {"content": "Hi"}, "logprobs": [item]}
    found = WIRE.host.read(json.dumps(body).encode(), PLAIN, "r")
    assert found.choices[0].logprobs == form
    told, _ = events({**said("content-delta", content={"text": "Hi"}), "logprobs": item}, ended())
    assert told[1] == ir.TextDelta("Hi", logprobs=form)


def test_arguments_cut_by_length_are_given_as_they_are() -> None:
    told = said("tool-call-start", tool_calls=call("a", "w", '{"cut'))
    found, reader = events(told, ended("MAX_TOKENS"))
    assert reader.fault is None
    assert found[-3:-1] == [ir.ToolEnd(0, '{"cut'), ir.Finished("length", native="MAX_TOKENS")]
    for then in (ended("TOOL_CALL"), said("tool-call-start", tool_calls=call("b", "w", ""))):
        _, reader = events(told, then, ended("MAX_TOKENS"))
        assert reader.fault is not None
        assert reader.fault.kind is ErrorKind.MALFORMED


@pytest.mark.parametrize(
    "told",
    [
        said("tool-call-delta", tool_calls={"function": {"arguments": "{}"}}),
        said("tool-call-start", tool_calls=call("a", "", "")),
        said("tool-call-start", tool_calls=[]),
    ],
)
def test_what_cannot_be_made_clean_is_a_fault(told: dict[str, Any]) -> None:
    _, reader = events(told, ended())
    assert reader.fault is not None
    assert reader.fault.kind is ErrorKind.MALFORMED


def test_cuts_and_broken_events_are_faults() -> None:
    whole = sse(START, said("content-delta", content={"text": "x"}), ended())
    before = sse(START, said("content-delta", content={"text": "x"})).removesuffix(
        b"data: [DONE]\n\n"
    )
    for data, kind in (
        (b"", ErrorKind.CUT),
        (before, ErrorKind.CUT),
        (before + b'data: {"type": "mess', ErrorKind.CUT),
        (before + b"data: nope\n\n", ErrorKind.MALFORMED),
        (before + b"data: [1]\n\n", ErrorKind.MALFORMED),
    ):
        _, reader = clean.read(make, data)
        assert reader.fault is not None
        assert reader.fault.kind is kind
    _, reader = clean.read(make, whole.removesuffix(b"\n\ndata: [DONE]\n\n"))
    assert reader.fault is None
    assert reader.done


MIXED = sse(
    START, said("content-start", content={"type": "thinking", "thinking": "hé"}),
    said("content-delta", content={"text": "ü😀"}),
    said("tool-call-start", tool_calls=call("a", "w", '{"ß":1}')), ended("TOOL_CALL"), end="\r\n\r\n",
)  # fmt: skip


def test_no_cut_changes_the_events() -> None:
    whole, reader = clean.read(make, MIXED)
    assert reader.fault is None
    clean.judge(whole, whole=True)
    assert clean.read(make, MIXED, range(1, len(MIXED)))[0] == whole
    for cut in range(0, len(MIXED), 5):
        assert clean.read(make, MIXED, (cut,))[0] == whole


JSON: Any = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3) | st.just("{}"),
    lambda inner: st.lists(inner, max_size=2)
    | st.dictionaries(
        st.sampled_from(["message", "content", "text", "thinking", "tool_calls", "function", "name",
                         "arguments", "tool_plan", "citations", "sources", "id", "usage",
                         "finish_reason", "billed_units", "tokens", "input_tokens", "output_tokens"]),
        inner, max_size=4,
    ),
    max_leaves=10,
)  # fmt: skip
KINDS = st.sampled_from(
    ["message-start", "content-start", "content-delta", "content-end", "tool-plan-delta", "tool-call-start",
     "tool-call-delta", "tool-call-end", "citation-start", "message-end", "debug", 3]
)  # fmt: skip
CONTENT = st.fixed_dictionaries({}, optional={
    "content": st.fixed_dictionaries({}, optional={"text": st.text(max_size=2), "thinking": st.text(max_size=2)}),
    "tool_plan": st.text(max_size=2),
    "tool_calls": st.builds(call, st.text(max_size=1), st.text(min_size=1, max_size=2), st.sampled_from(["", "{}", "{"])),
})  # fmt: skip


@given(st.lists(st.tuples(KINDS, CONTENT | JSON, JSON), max_size=10), st.booleans())
def test_any_events_come_out_clean_or_as_a_fault(told: list[Any], ends: bool) -> None:
    listed = [
        {"type": kind, "delta": {"message": m, "finish_reason": m, "usage": x}}
        for kind, m, x in told
    ]
    found, reader = clean.read(make, sse(START, *listed, *([ended("MAX_TOKENS")] if ends else [])))
    clean.judge(found, whole=reader.fault is None)
    assert min(reader.usage.input, reader.usage.output, reader.usage.reasoning) >= 0


@given(JSON)
def test_any_answer_is_read_or_refused(body: Any) -> None:
    try:
        found = WIRE.host.read(json.dumps(body).encode(), PLAIN, "r")
    except UpstreamError:
        return
    calls = [part for part in found.choices[0].parts if isinstance(part, ir.ToolCall)]
    assert len({one.id for one in calls}) == len(calls)


@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_refused(raw: bytes) -> None:
    with pytest.raises(UpstreamError):
        WIRE.host.read(raw, PLAIN, "r")
    WIRE.host.read_error(500, {}, raw, PLAIN)
    clean.read(make, raw)


@pytest.mark.parametrize(
    ("usage", "found"),
    [
        (USAGE, BILLED),
        (
            {"billed_units": {"input_tokens": 8, "output_tokens": 50},
             "tokens": {"input_tokens": 1394, "output_tokens": 55, "reasoning_tokens": 38}},
            Usage(input=8, output=12, reasoning=38),
        ),
        (
            {"billed_units": {"input_tokens": 8, "output_tokens": 2},
             "tokens": {"input_tokens": 1394, "output_tokens": 55, "reasoning_tokens": 38}},
            Usage(input=8, output=2),
        ),
        (
            {"billed_units": {"input_tokens": 8, "output_tokens": 2, "search_units": 1}},
            Usage(input=8, output=2, searches=1),
        ),
        (
            {"billed_units": {"input_tokens": 8, "output_tokens": 2, "classifications": 1}},
            Usage(input=8, output=2, reconciled=False),
        ),
        (
            {"tokens": {"input_tokens": 100, "output_tokens": 9}, "cached_tokens": 60},
            Usage(input=40, cache_read=60, output=9, reconciled=False),
        ),
        ({"billed_units": {"input_tokens": -1, "output_tokens": 2}}, Usage(state="missing")),
        ({}, Usage(state="missing")),
        (None, Usage(state="missing")),
    ],
)  # fmt: skip
def test_usage_is_what_is_billed(usage: Any, found: Usage) -> None:
    assert answer(usage=usage, content="x").usage == found


@pytest.mark.parametrize(
    ("status", "message", "kind"),
    [
        (400, "invalid request: no", ErrorKind.BAD_REQUEST),
        (400, "too many tokens: total number of tokens", ErrorKind.CONTEXT_TOO_LONG),
        (401, "invalid api token", ErrorKind.AUTH),
        (402, "no credit", ErrorKind.QUOTA),
        (403, "not yours", ErrorKind.FORBIDDEN),
        (404, "model 'x' not found", ErrorKind.NOT_FOUND),
        (422, "bad field", ErrorKind.BAD_REQUEST),
        (422, "No valid response generated. Try updating messages", ErrorKind.SERVER),
        (429, "slow down", ErrorKind.RATE_LIMITED),
        (429, "a trial key, which is limited to 1000 API calls / month", ErrorKind.QUOTA),
        (498, "invalid token", ErrorKind.AUTH),
        (499, "closed", ErrorKind.CUT),
        (500, "oh", ErrorKind.SERVER),
        (501, "not here", ErrorKind.SERVER),
        (503, "busy", ErrorKind.OVERLOADED),
        (504, "late", ErrorKind.TIMEOUT),
    ],
)
def test_errors(status: int, message: str, kind: ErrorKind) -> None:
    raw = json.dumps({"id": "i", "message": message}).encode()
    fault = WIRE.host.read_error(status, {"retry-after": "2"}, raw, PLAIN)
    assert (fault.kind, fault.message, fault.status) == (kind, message, status)
    assert fault.request_id == "i"
    assert fault.retry_after_s == 2


def test_a_page_of_a_proxy() -> None:
    assert WIRE.host.read_error(403, {}, b"<html>", PLAIN).kind is ErrorKind.MALFORMED
    assert WIRE.host.read_error(502, {}, b"<html>", PLAIN).kind is ErrorKind.SERVER


@pytest.mark.parametrize("depth", [200, 900, 960, 990, 5000])
def test_deep_nesting_is_read_or_refused(depth: int) -> None:
    deep = "[" * depth + "]" * depth
    for kind in ("content-delta", "tool-call-start", "citation-start", "message-end"):
        for place in ("content", "tool_calls", "citations"):
            body = f'{{"type":"{kind}","delta":{{"message":{{"{place}":{deep}}},"usage":{deep}}}}}'
            clean.read(make, f"data: {body}\n\n".encode())
    told = said("tool-call-start", tool_calls=call("a", "w", deep))
    clean.read(make, sse(START, told, ended("TOOL_CALL")))
