"""What the Converse wire's readers make of a host's answers and errors."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers import ir
from providers.dialect import Dialect
from providers.errors import ErrorKind, UpstreamError
from providers.usage import Usage
from providers.wires.converse import WIRE
from providers.wires.wire import Reader
from tests.unit.providers import clean
from tests.unit.providers.frames import event, exception, frame, stream

PLAIN = Dialect()
USAGE = {"inputTokens": 5, "outputTokens": 7, "totalTokens": 12}


def make() -> Reader:
    return WIRE.host.reader(PLAIN, "r", False)


def answer(*content: Any, stop: str = "end_turn", **more: Any) -> ir.Answer:
    body = {"output": {"message": {"role": "assistant", "content": content}}, "stopReason": stop}
    return WIRE.host.read(json.dumps({"usage": USAGE, **body, **more}).encode(), PLAIN, "r")


def delta(index: int, **said: Any) -> tuple[str, Any]:
    return ("contentBlockDelta", {"contentBlockIndex": index, "delta": said})


def tool(index: int, call: str, name: str) -> tuple[str, Any]:
    start = {"toolUse": {"toolUseId": call, "name": name}}
    return ("contentBlockStart", {"contentBlockIndex": index, "start": start})


def stop(index: int) -> tuple[str, Any]:
    return ("contentBlockStop", {"contentBlockIndex": index})


def arguments(index: int, said: str) -> tuple[str, Any]:
    return delta(index, toolUse={"input": said})


START = ("messageStart", {"role": "assistant"})
META = ("metadata", {"usage": USAGE, "metrics": {"latencyMs": 1}})


def ended(reason: str) -> tuple[str, Any]:
    return ("messageStop", {"stopReason": reason})


def events(*told: tuple[str, Any]) -> tuple[list[ir.Event], Reader]:
    return clean.read(make, stream(*told))


def test_a_whole_answer() -> None:
    signed = {"reasoningText": {"text": "hm", "signature": "c2ln"}}
    found = answer(
        {"reasoningContent": signed},
        {"reasoningContent": {"redactedContent": "cmVk"}},
        {"text": "Hi"},
        {"toolUse": {"toolUseId": "a", "name": "clock", "input": {}, "type": "tool_use"}},
        {"toolUse": {"toolUseId": "a", "name": "w", "input": {"at": "é"}}},
        stop="tool_use",
        serviceTier={"type": "flex"},
    )
    assert found == ir.Answer(
        choices=(
            ir.Choice(
                parts=(
                    ir.Reasoning("hm", opaque=(ir.Opaque("converse.signature", "c2ln", "r"),)),
                    ir.Reasoning(opaque=(ir.Opaque("converse.redacted", "cmVk", "r"),)),
                    ir.Text("Hi"),
                    ir.ToolCall("a", "clock", "{}"),
                    ir.ToolCall("a_1", "w", '{"at":"é"}'),
                ),
                finish="tool",
            ),
        ),
        usage=Usage(input=5, output=7, tier="flex"),
        native_finish="tool_use",
        service_tier="flex",
    )


@pytest.mark.parametrize(
    ("native", "finish"),
    [
        ("end_turn", "end"),
        ("stop_sequence", "stop_sequence"),
        ("max_tokens", "length"),
        ("model_context_window_exceeded", "length"),
        ("guardrail_intervened", "filter"),
        ("content_filtered", "filter"),
        ("something_new", "end"),
    ],
)
def test_finishes(native: str, finish: str) -> None:
    assert answer({"text": "x"}, stop=native).choices[0].finish == finish
    found, _ = events(START, delta(0, text="x"), ended(native), META)
    assert [one.finish for one in found if isinstance(one, ir.Finished)] == [finish]


@pytest.mark.parametrize("native", ["malformed_model_output", "malformed_tool_use"])
def test_output_that_its_host_could_not_read_is_a_fault(native: str) -> None:
    with pytest.raises(UpstreamError) as fault:
        answer({"text": "x"}, stop=native)
    assert fault.value.kind is ErrorKind.MALFORMED
    _, reader = events(START, delta(0, text="x"), ended(native), META)
    assert reader.fault is not None
    assert reader.fault.code == native


def test_a_call_ended_like_a_text_is_still_a_call() -> None:
    assert (
        answer({"toolUse": {"toolUseId": "a", "name": "w", "input": {}}}).choices[0].finish
        == "tool"
    )


@pytest.mark.parametrize("given", [[1], "text", 3, True])
def test_arguments_that_are_no_object_are_a_fault(given: Any) -> None:
    with pytest.raises(UpstreamError) as fault:
        answer({"toolUse": {"toolUseId": "a", "name": "w", "input": given}})
    assert fault.value.kind is ErrorKind.MALFORMED
    assert answer({"toolUse": {"toolUseId": "a", "name": "w", "input": None}})


def test_a_stop_before_the_first_word() -> None:
    assert answer(stop="content_filtered").choices == (ir.Choice((), "filter"),)
    found, reader = events(START, ended("content_filtered"), META)
    assert [type(one) for one in found] == [ir.Started, ir.Finished, ir.Counted]
    assert reader.fault is None


def test_what_the_host_did_itself_is_a_trace() -> None:
    call = {
        "toolUse": {
            "toolUseId": "s",
            "name": "search",
            "type": "server_tool_use",
            "input": {"q": "x"},
        }
    }
    gave = {"toolResult": {"toolUseId": "s", "content": [{"text": "found"}], "status": "success"}}
    whole = answer(call, gave, {"text": "so"}, stop="tool_use")
    assert whole.choices[0].parts == (
        ir.Trace("converse", call), ir.Trace("converse", gave), ir.Text("so"),
    )  # fmt: skip
    assert whole.choices[0].finish == "end"
    begun = {"toolUse": {"toolUseId": "s", "name": "search", "type": "server_tool_use"}}
    told = {"toolResult": {"toolUseId": "s", "status": "success"}}
    found, _ = events(
        START,
        ("contentBlockStart", {"contentBlockIndex": 0, "start": begun}),
        arguments(0, '{"q":'), arguments(0, '"x"}'), stop(0),
        ("contentBlockStart", {"contentBlockIndex": 1, "start": told}),
        delta(1, toolResult=[{"text": "found"}]), stop(1),
        delta(2, text="so"), stop(2), ended("end_turn"), META,
    )  # fmt: skip
    assert [one.trace.raw for one in found if isinstance(one, ir.Traced)] == [call, gave]


CITED = {"title": "t", "source": "https://e.com", "sourceContent": [{"text": "q"}, {"text": "r"}]}
CITATION = ir.Citation(url="https://e.com", title="t", quote="qr")


def test_citations_belong_to_their_text() -> None:
    cited = {"citationsContent": {"content": [{"text": "so"}], "citations": [CITED]}}
    alone = {"citationsContent": {"citations": [CITED]}}
    assert answer({"text": "a"}, cited, alone).choices[0].parts == (
        ir.Text("a"), ir.Text("so", citations=(CITATION, CITATION)),
    )  # fmt: skip
    found, _ = events(
        START, delta(0, text="a"), stop(0), delta(1, citation=CITED), delta(1, text="so"), stop(1),
        delta(2, citation=CITED), stop(2), ended("end_turn"), META,
    )  # fmt: skip
    assert [one.citations for one in found if isinstance(one, ir.TextEnd)] == [
        (), (CITATION, CITATION),
    ]  # fmt: skip


def test_a_stream() -> None:
    found, reader = events(
        START,
        delta(0, reasoningContent={"text": "hm"}),
        delta(0, reasoningContent={"signature": "c2"}),
        delta(0, reasoningContent={"signature": "ln"}),
        stop(0),
        delta(1, text="Hi"), delta(1, text=" you"), stop(1),
        tool(2, "a", "clock"), stop(2),
        tool(3, "b", "w"), arguments(3, '{"at":'), arguments(3, '"x"}'), stop(3),
        ended("tool_use"), META,
    )  # fmt: skip
    assert found == [
        ir.Started(),
        ir.ReasoningDelta("hm"),
        ir.ReasoningEnd((ir.Opaque("converse.signature", "c2ln", "r"),)),
        ir.TextDelta("Hi"),
        ir.TextDelta(" you"),
        ir.TextEnd(),
        ir.ToolStart(0, "a", "clock"),
        ir.ToolDelta(0, "{}"),
        ir.ToolEnd(0, "{}"),
        ir.ToolStart(1, "b", "w"),
        ir.ToolDelta(1, '{"at":'),
        ir.ToolDelta(1, '"x"}'),
        ir.ToolEnd(1, '{"at":"x"}'),
        ir.Finished("tool", native="tool_use"),
        ir.Counted(Usage(input=5, output=7)),
    ]
    assert reader.fault is None
    assert reader.done
    assert reader.content
    assert reader.finish == "tool_use"
    assert reader.states == ["c2ln"]
    assert reader.calls == ["a", "b"]
    assert reader.text_bytes == len("hmHi you" + '{"at":"x"}')


def test_usage_may_come_before_the_end() -> None:
    found, reader = events(START, delta(0, text="x"), META, ended("end_turn"))
    assert [type(one) for one in found][-2:] == [ir.Finished, ir.Counted]
    assert reader.done


def test_the_stream_is_not_done_before_its_usage() -> None:
    reader = make()
    found = reader.events(stream(START, delta(0, text="x"), ended("end_turn")))
    assert isinstance(found[-1], ir.Finished)
    assert not reader.done
    assert reader.usage.state == "missing"
    assert reader.events(stream(META)) == [ir.Counted(Usage(input=5, output=7))]
    assert reader.done


def test_an_answer_without_usage_is_whole() -> None:
    _, reader = events(START, delta(0, text="x"), ended("end_turn"))
    assert reader.fault is None
    assert reader.usage.state == "missing"


def test_blocks_of_tools_that_interleave_come_one_after_another() -> None:
    found, reader = events(
        START, tool(0, "a", "one"), tool(1, "b", "two"), arguments(1, '{"b":'), arguments(0, "{}"),
        delta(2, text="so"), arguments(1, "1}"), stop(1), stop(0), stop(2), ended("tool_use"), META,
    )  # fmt: skip
    clean.judge(found, whole=True)
    assert [one.arguments for one in found if isinstance(one, ir.ToolEnd)] == ["{}", '{"b":1}']
    assert ir.TextDelta("so") in found
    assert reader.calls == ["a", "b"]


def test_blocks_without_ends_are_closed() -> None:
    found, _ = events(
        START, delta(0, reasoningContent={"text": "hm"}), delta(1, text="x"), tool(2, "", "w"),
        arguments(2, "{}"), ended("tool_use"), META,
    )  # fmt: skip
    clean.judge(found, whole=True)
    assert [type(one) for one in found][2:5] == [ir.ReasoningEnd, ir.TextDelta, ir.TextEnd]
    assert ir.ToolStart(0, "call_0", "w") in found


def test_arguments_cut_by_length_are_given_as_they_are() -> None:
    told = (START, tool(0, "a", "w"), arguments(0, '{"cut'), stop(0))
    found, reader = events(*told, ended("max_tokens"), META)
    assert reader.fault is None
    assert found[-3:-1] == [ir.ToolEnd(0, '{"cut'), ir.Finished("length", native="max_tokens")]
    for then in (ended("tool_use"), delta(1, text="x")):
        found, reader = events(*told, then, META)
        assert reader.fault is not None
        assert reader.fault.kind is ErrorKind.MALFORMED
        assert not any(isinstance(one, ir.ToolEnd | ir.Finished) for one in found)


def test_redacted_thoughts_in_pieces_are_one() -> None:
    found, _ = events(
        START, delta(0, reasoningContent={"redactedContent": "YQ=="}),
        delta(0, reasoningContent={"redactedContent": "Yg=="}), stop(0), ended("end_turn"), META,
    )  # fmt: skip
    assert found[1] == ir.ReasoningEnd((ir.Opaque("converse.redacted", "YWI=", "r"),))


@pytest.mark.parametrize(
    "told",
    [
        [arguments(0, "{}")],
        [tool(0, "a", "")],
        [("contentBlockStart", {"start": {"toolUse": {"name": "x"}}})],
        [tool(0, "a", "w"), delta(0, toolUse={"input": {"a": 1}})],
    ],
)
def test_what_cannot_be_made_clean_is_a_fault(told: list[Any]) -> None:
    _, reader = events(START, *told, META)
    assert reader.fault is not None
    assert reader.fault.kind is ErrorKind.MALFORMED


@pytest.mark.parametrize(
    ("name", "payload", "kind"),
    [
        ("throttlingException", {"message": "slow"}, ErrorKind.RATE_LIMITED),
        ("internalServerException", {"message": "oh"}, ErrorKind.SERVER),
        ("serviceUnavailableException", {"Message": "busy"}, ErrorKind.OVERLOADED),
        ("validationException", {"message": "Input is too long"}, ErrorKind.CONTEXT_TOO_LONG),
        ("validationException", {"message": "no"}, ErrorKind.BAD_REQUEST),
        (
            "modelStreamErrorException",
            {"message": "x", "originalStatusCode": 429},
            ErrorKind.RATE_LIMITED,
        ),
        (
            "modelStreamErrorException",
            {"message": "x", "originalStatusCode": 424},
            ErrorKind.SERVER,
        ),
        ("modelStreamErrorException", {"originalStatusCode": "?"}, ErrorKind.SERVER),
        ("modelTimeoutException", [], ErrorKind.TIMEOUT),
        ("newException", {}, ErrorKind.SERVER),
    ],
)
@pytest.mark.parametrize("before", [(START,), (START, delta(0, text="x"))], ids=["first", "mid"])
def test_exceptions_within_a_stream(
    before: tuple[Any, ...], name: str, payload: Any, kind: ErrorKind
) -> None:
    data = stream(*before) + exception(name, payload) + stream(ended("end_turn"))
    found, reader = clean.read(make, data)
    assert reader.fault is not None
    assert reader.fault.kind is kind
    assert reader.fault.code == name
    assert reader.content == (len(before) > 1)
    assert not any(isinstance(one, ir.Finished) for one in found)


def test_an_error_frame_is_a_fault() -> None:
    headers = {":message-type": "error", ":error-code": "InternalFailure", ":error-message": "oh"}
    _, reader = clean.read(make, stream(START) + frame(headers, b""))
    assert reader.fault is not None
    assert (reader.fault.kind, reader.fault.message) == (ErrorKind.SERVER, "oh")


def test_cuts_and_broken_frames_are_faults_until_the_answer_has_ended() -> None:
    before = stream(START, delta(0, text="x"))
    for data, kind in (
        (before, ErrorKind.CUT),
        (before + event(*META)[:-3], ErrorKind.CUT),
        (before + b"<html>" * 9, ErrorKind.MALFORMED),
        (before + frame({":event-type": "messageStop"}, b"nope"), ErrorKind.MALFORMED),
        (b"", ErrorKind.CUT),
    ):
        _, reader = clean.read(make, data)
        assert reader.fault is not None
        assert reader.fault.kind is kind
    _, reader = clean.read(make, before + stream(ended("end_turn")) + b"<html>" * 9)
    assert reader.fault is None
    assert reader.done


MIXED = stream(
    START, delta(0, reasoningContent={"text": "hé"}), delta(0, reasoningContent={"signature": "cw"}),
    stop(0), delta(1, text="ü😀"), stop(1), tool(2, "a", "w"), arguments(2, '{"ß":1}'), stop(2),
    ended("tool_use"), META,
)  # fmt: skip


def test_no_cut_changes_the_events() -> None:
    whole, _ = clean.read(make, MIXED)
    clean.judge(whole, whole=True)
    assert clean.read(make, MIXED, range(1, len(MIXED)))[0] == whole
    for cut in range(0, len(MIXED), 7):
        assert clean.read(make, MIXED, (cut,))[0] == whole


SAID = st.one_of(
    st.none(), st.booleans(), st.integers(-1, 3), st.text(max_size=4), st.just("{}"), st.just([]),
    st.fixed_dictionaries({}, optional={
        "toolUse": st.fixed_dictionaries({}, optional={
            "toolUseId": st.text(max_size=2) | st.none(), "name": st.text(max_size=2) | st.integers(),
            "input": st.text(max_size=4) | st.none(), "type": st.just("server_tool_use"),
        }) | st.none(),
        "text": st.text(max_size=3) | st.integers(),
        "reasoningContent": st.fixed_dictionaries({}, optional={
            "text": st.text(max_size=3), "signature": st.text(max_size=3) | st.none(),
            "redactedContent": st.text(max_size=3),
        }),
        "toolResult": st.lists(st.integers(), max_size=2) | st.none(),
        "citation": st.fixed_dictionaries({}, optional={"location": st.integers(), "sourceContent": st.just([1])}),
        "image": st.none(),
    }),
)  # fmt: skip
TOLD = st.tuples(
    st.sampled_from(
        ["messageStart", "contentBlockStart", "contentBlockDelta", "contentBlockStop", "messageStop", "metadata", "x"]
    ),
    st.fixed_dictionaries({}, optional={
        "contentBlockIndex": st.integers(0, 2), "start": SAID, "delta": SAID,
        "stopReason": st.sampled_from(["end_turn", "max_tokens", "tool_use", 1]),
        "usage": st.dictionaries(st.sampled_from(list(USAGE)), st.integers(-1, 9) | st.text(max_size=1)) | st.none(),
    }),
)  # fmt: skip


@given(st.lists(TOLD, max_size=12))
def test_any_events_come_out_clean_or_as_a_fault(told: list[tuple[str, Any]]) -> None:
    found, reader = clean.read(make, stream(*told))
    if found:
        clean.judge(found, whole=reader.fault is None)
    usage = reader.usage
    assert min(usage.input, usage.output, usage.cache_read, usage.cache_write) >= 0


JSON: Any = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=2)
    | st.dictionaries(
        st.sampled_from(["text", "toolUse", "name", "input", "reasoningContent", "reasoningText",
                         "citationsContent", "citations", "content", "signature", "toolUseId"]),
        inner, max_size=3,
    ),
    max_leaves=8,
)  # fmt: skip


@given(st.lists(JSON, max_size=3), JSON, JSON)
def test_any_answer_is_read_or_refused(content: list[Any], reason: Any, usage: Any) -> None:
    body = {"output": {"message": {"content": content}}, "stopReason": reason, "usage": usage}
    try:
        found = WIRE.host.read(json.dumps(body).encode(), PLAIN, "r")
    except UpstreamError:
        return
    calls = [part for part in found.choices[0].parts if isinstance(part, ir.ToolCall)]
    assert len({call.id for call in calls}) == len(calls)


@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_refused(raw: bytes) -> None:
    with pytest.raises(UpstreamError):
        WIRE.host.read(raw, PLAIN, "r")
    WIRE.host.read_error(500, {}, raw, PLAIN)


@pytest.mark.parametrize(
    "body", [{}, [], {"output": {}}, {"message": "no"}, {"output": {"message": {"content": []}}}]
)
def test_what_is_no_answer_is_malformed(body: Any) -> None:
    with pytest.raises(UpstreamError) as fault:
        WIRE.host.read(json.dumps(body).encode(), PLAIN, "r")
    assert fault.value.kind is ErrorKind.MALFORMED


@pytest.mark.parametrize(
    ("said", "usage"),
    [
        (
            {"inputTokens": 3, "outputTokens": 10, "cacheReadInputTokens": 100,
             "cacheWriteInputTokens": 20, "totalTokens": 133},
            Usage(input=3, cache_read=100, cache_write=20, output=10),
        ),
        (
            {"inputTokens": 3, "outputTokens": 10, "cacheWriteInputTokens": 20, "totalTokens": 33.0,
             "cacheDetails": [{"ttl": "1h", "inputTokens": 15}, {"ttl": "5m", "inputTokens": 5}]},
            Usage(input=3, cache_write=5, cache_write_long=15, output=10),
        ),
        (
            {"inputTokens": 3, "outputTokens": 1, "totalTokens": 9},
            Usage(input=3, output=1, reconciled=False),
        ),
        (
            {"inputTokens": 3, "outputTokens": 1, "cacheDetails": [{"ttl": "1h", "inputTokens": 5}]},
            Usage(input=3, output=1, reconciled=False),
        ),
        ({"outputTokens": 50}, Usage(state="missing")),
        (None, Usage(state="missing")),
    ],
)  # fmt: skip
def test_usage(said: Any, usage: Usage) -> None:
    assert answer({"text": "x"}, usage=said).usage == usage


@pytest.mark.parametrize(
    ("status", "word", "message", "kind"),
    [
        (400, "ValidationException:http://internal/coral/", "no", ErrorKind.BAD_REQUEST),
        (
            400,
            "ValidationException",
            "The model returned: Input Tokens Exceeded",
            ErrorKind.CONTEXT_TOO_LONG,
        ),
        (
            400,
            "ValidationException",
            "with on-demand throughput isn't supported",
            ErrorKind.NOT_FOUND,
        ),
        (403, "AccessDeniedException", "no access", ErrorKind.FORBIDDEN),
        (403, "ExpiredTokenException", "expired", ErrorKind.AUTH),
        (403, "InvalidSignatureException", "expired", ErrorKind.AUTH),
        (403, "", "no", ErrorKind.FORBIDDEN),
        (404, "ResourceNotFoundException", "none", ErrorKind.NOT_FOUND),
        (408, "ModelTimeoutException", "late", ErrorKind.TIMEOUT),
        (424, "ModelErrorException", "oh", ErrorKind.SERVER),
        (
            429,
            "ThrottlingException:http://x/",
            "Too many tokens, please wait",
            ErrorKind.RATE_LIMITED,
        ),
        (429, "ThrottlingException", "Too many tokens per day, please wait", ErrorKind.QUOTA),
        (429, "ModelNotReadyException", "soon", ErrorKind.OVERLOADED),
        (400, "ServiceQuotaExceededException", "all used", ErrorKind.QUOTA),
        (500, "InternalServerException", "oh", ErrorKind.SERVER),
        (503, "ServiceUnavailableException", "busy", ErrorKind.OVERLOADED),
        (418, "TeapotException", "tea", ErrorKind.BAD_REQUEST),
    ],
)
def test_errors(status: int, word: str, message: str, kind: ErrorKind) -> None:
    headers = {"x-amzn-errortype": word, "x-amzn-requestid": "req"}
    raw = json.dumps({"message": message}).encode()
    fault = WIRE.host.read_error(status, headers, raw, PLAIN)
    assert (fault.kind, fault.message, fault.status) == (kind, message, status)
    assert fault.code == (word.partition(":")[0] or None)
    assert fault.request_id == "req"


def test_the_class_may_stand_in_the_body() -> None:
    raw = json.dumps({"__type": "com.amazon.x#ThrottlingException", "Message": "slow"}).encode()
    fault = WIRE.host.read_error(400, {"retry-after": "3"}, raw, PLAIN)
    assert (fault.kind, fault.message) == (ErrorKind.RATE_LIMITED, "slow")
    assert fault.retry_after_s == 3


def test_the_dialect_knows_better() -> None:
    dialect = Dialect(error_kinds={"ThrottlingException": "overloaded"})
    headers = {"x-amzn-errortype": "ThrottlingException"}
    assert WIRE.host.read_error(429, headers, b"{}", dialect).kind is ErrorKind.OVERLOADED


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (403, ErrorKind.MALFORMED),
        (502, ErrorKind.SERVER),
        (429, ErrorKind.RATE_LIMITED),
        (302, ErrorKind.MALFORMED),
    ],
)
def test_a_page_of_a_proxy(status: int, kind: ErrorKind) -> None:
    assert WIRE.host.read_error(status, {}, b"<html>", PLAIN).kind is kind


@pytest.mark.parametrize("depth", [200, 900, 960, 990, 5000])
def test_deep_nesting_is_read_or_refused(depth: int) -> None:
    deep = b"[" * depth + b"]" * depth
    for member in (
        b'{"toolResult":%b}',
        b'{"text":%b}',
        b'{"citation":%b}',
        b'{"toolUse":{"input":%b}}',
    ):
        payload = b'{"contentBlockIndex":0,"delta":' + member % deep + b"}"
        told = frame({":event-type": "contentBlockDelta", ":message-type": "event"}, payload)
        clean.read(make, stream(START) + told + stream(stop(0), ended("end_turn"), META))
    clean.read(make, stream(START, tool(0, "a", "w"), arguments(0, deep.decode()), stop(0)))
    for block in (b'{"toolUse":{"name":"w","input":%b}}', b'{"new":%b}'):
        raw = b'{"stopReason":"end_turn","output":{"message":{"content":[' + block % deep + b"]}}}"
        # Any other exception would end the test.
        with suppress(UpstreamError):
            WIRE.host.read(raw, PLAIN, "r")
