"""A host's Responses stream and whole answers: passed on, tapped, and as clean events."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from providers.assemble import Collector
from providers.dialect import Dialect
from providers.errors import ErrorKind, UpstreamError
from providers.ir import (
    Choice,
    Citation,
    Counted,
    Event,
    Finished,
    Opaque,
    Reasoning,
    ReasoningDelta,
    ReasoningEnd,
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
)
from providers.usage import Usage
from providers.wires.responses.response import read, tap
from providers.wires.responses.stream import StreamReader

PLAIN = Dialect()
USAGE = {
    "input_tokens": 10,
    "input_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 1},
    "output_tokens": 8,
    "output_tokens_details": {"reasoning_tokens": 3},
    "total_tokens": 18,
}
COUNTED = Usage(input=5, cache_read=4, cache_write=1, output=5, reasoning=3, searches=1)


def sse(*events: dict[str, Any], done: bool = False) -> bytes:
    out = b"".join(
        b"event: %b\ndata: %b\n\n" % (event["type"].encode(), json.dumps(event).encode())
        for event in events
    )
    return out + (b"data: [DONE]\n\n" if done else b"")


def ev(kind: str, **said: Any) -> dict[str, Any]:
    return {"type": f"response.{kind}", **said}


def response(*output: Any, status: str = "completed", **more: Any) -> dict[str, Any]:
    return {
        "id": "resp_1", "model": "big", "object": "response", "status": status,
        "output": list(output), "usage": USAGE, **more,
    }  # fmt: skip


CREATED = ev("created", response={"id": "resp_1", "model": "big", "output": []})
THOUGHT = {"type": "reasoning", "id": "rs_1", "encrypted_content": "enc",
           "summary": [{"type": "summary_text", "text": "a"}, {"type": "summary_text", "text": "b"}]}  # fmt: skip
NOTE = {"type": "url_citation", "url": "https://a", "title": "A", "start_index": 0, "end_index": 2}
MESSAGE = {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed",
           "content": [{"type": "output_text", "text": "hello", "annotations": [NOTE]}]}  # fmt: skip
CALL = {"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": "f",
        "arguments": '{"x": 1}', "status": "completed"}  # fmt: skip
CUSTOM = {
    "type": "custom_tool_call",
    "id": "ctc_1",
    "call_id": "call_2",
    "name": "patch",
    "input": "*** a",
}
SEARCH = {"type": "web_search_call", "id": "ws_1", "status": "completed"}
WHOLE = response(THOUGHT, SEARCH, MESSAGE, CALL, CUSTOM)
PARTS = (
    Reasoning("a\n\nb", True, (Opaque("responses.encrypted", "enc", "route", "rs_1"),)),
    Trace("responses", SEARCH),
    Text("hello", citations=(Citation("https://a", "A", start=0, end=2),)),
    ToolCall("call_1", "f", '{"x": 1}'),
    ToolCall("call_2", "patch", "*** a", "custom"),
)
STREAM = sse(
    CREATED,
    ev("in_progress", response={"id": "resp_1", "model": "big"}),
    ev("output_item.added", output_index=0, item={"type": "reasoning", "id": "rs_1", "summary": []}),
    ev("reasoning_summary_text.delta", output_index=0, summary_index=0, delta="a"),
    ev("reasoning_summary_text.delta", output_index=0, summary_index=1, delta="b"),
    ev("output_item.done", output_index=0, item=THOUGHT),
    ev("output_item.added", output_index=1, item={**SEARCH, "status": "in_progress"}),
    ev("web_search_call.searching", output_index=1, item_id="ws_1"),
    ev("output_item.done", output_index=1, item=SEARCH),
    ev("output_item.added", output_index=2, item={**MESSAGE, "content": []}),
    ev("content_part.added", output_index=2, content_index=0, part={"type": "output_text", "text": ""}),
    ev("output_text.delta", output_index=2, content_index=0, delta="hel", logprobs=[]),
    ev("output_text.delta", output_index=2, content_index=0, delta="lo"),
    ev("output_text.annotation.added", output_index=2, content_index=0, annotation=NOTE),
    ev("output_text.done", output_index=2, content_index=0, text="hello"),
    ev("content_part.done", output_index=2, content_index=0, part=MESSAGE["content"][0]),
    ev("output_item.done", output_index=2, item=MESSAGE),
    ev("output_item.added", output_index=3, item={**CALL, "arguments": ""}),
    ev("function_call_arguments.delta", output_index=3, delta='{"x"'),
    ev("function_call_arguments.delta", output_index=3, delta=": 1}"),
    ev("function_call_arguments.done", output_index=3, arguments='{"x": 1}'),
    ev("output_item.done", output_index=3, item=CALL),
    ev("output_item.added", output_index=4, item={**CUSTOM, "input": ""}),
    ev("custom_tool_call_input.delta", output_index=4, delta="*** a"),
    ev("custom_tool_call_input.done", output_index=4, input="*** a"),
    ev("output_item.done", output_index=4, item=CUSTOM),
    ev("completed", response=WHOLE),
)  # fmt: skip


def reader(dialect: Dialect = PLAIN) -> StreamReader:
    return StreamReader(dialect, "route", False)


def events(raw: bytes) -> tuple[list[Event], StreamReader]:
    found = reader()
    return [*found.events(raw), *found.close()], found


def choice(found: list[Event]) -> Choice:
    collector = Collector()
    for event in found:
        collector.add(event)
    return collector.choices()[0]


def test_a_stream_as_clean_events() -> None:
    found, at = events(STREAM)
    assert found == [
        Started("resp_1", "big"),
        ReasoningDelta("a", True),
        ReasoningDelta("\n\nb", True),
        ReasoningEnd((Opaque("responses.encrypted", "enc", "route", "rs_1"),)),
        found[4],
        TextDelta("hel"),
        TextDelta("lo"),
        TextEnd((Citation("https://a", "A", start=0, end=2),)),
        ToolStart(0, "call_1", "f"),
        ToolDelta(0, '{"x"'),
        ToolDelta(0, ": 1}"),
        ToolEnd(0, '{"x": 1}'),
        ToolStart(1, "call_2", "patch", "custom"),
        ToolDelta(1, "*** a"),
        ToolEnd(1, "*** a"),
        Finished("tool", native="completed"),
        Counted(COUNTED),
    ]
    assert (at.fault, at.done, at.finish, at.model) == (None, True, "completed", "big")


def test_a_stream_and_a_whole_answer_say_the_same() -> None:
    answer = read(json.dumps(WHOLE).encode(), PLAIN, "route")
    assert answer.choices == (choice(events(STREAM)[0]),)
    assert answer.choices[0].parts == PARTS
    assert answer.choices[0].finish == "tool"
    assert (answer.id, answer.model, answer.usage) == ("resp_1", "big", COUNTED)


def test_passing_on_changes_no_byte_and_reads_everything() -> None:
    raw = b": hello\n\n" + STREAM + b"data: [DONE]\n\n"
    found = reader()
    assert found.feed(raw) + found.end() == raw
    assert (found.fault, found.done, found.usage) == (None, True, COUNTED)
    assert (found.states, found.calls) == (["enc"], ["call_1", "call_2"])
    assert found.text_bytes == len("ab" + "hello" + '{"x": 1}' + "*** a")
    seen = tap(json.dumps(WHOLE).encode(), PLAIN)
    assert (seen.usage, seen.finish, seen.model) == (COUNTED, "completed", "big")
    assert (seen.states, seen.calls) == (("enc",), ("call_1", "call_2"))


@given(st.lists(st.integers(1, 40), max_size=300))
@settings(max_examples=40, deadline=None)
def test_a_stream_cut_anywhere_is_the_same(cuts: list[int]) -> None:
    passing, reading = reader(), reader()
    out, found, start = b"", [], 0
    for size in [*cuts, len(STREAM)]:
        piece = STREAM[start : start + size]
        out += passing.feed(piece)
        found += reading.events(piece)
        start += size
    assert out + passing.end() == STREAM
    assert found + reading.close() == events(STREAM)[0]


def test_content_begins_with_the_first_word() -> None:
    quiet = [
        CREATED,
        ev("queued", response={}),
        ev("in_progress", response={}),
        {"type": "keepalive"},
        ev("output_item.added", output_index=0, item={"type": "reasoning", "summary": []}),
        ev("output_item.added", output_index=1, item={"type": "message", "content": []}),
        ev("content_part.added", part={}),
        ev("output_text.delta", delta=""),
    ]
    found = reader()
    for event in quiet:
        found.feed(sse(event))
        assert not found.content, event
    for event in (
        ev("output_text.delta", delta="a"),
        ev("refusal.delta", delta="a"),
        ev("output_item.added", item=CALL),
        ev("output_item.done", item=THOUGHT),
        ev("web_search_call.searching"),
        ev("completed", response=response()),
    ):
        found = reader()
        found.feed(sse(event))
        assert found.content, event


@pytest.mark.parametrize(
    ("event", "kind"),
    [
        ({"type": "error", "code": "server_error", "message": "x", "param": None}, ErrorKind.SERVER),
        ({"type": "error", "error": {"type": "insufficient_quota", "code": "insufficient_quota", "message": "x"}}, ErrorKind.QUOTA),
        (ev("failed", response=response(status="failed", error={"code": "rate_limit_exceeded", "message": "x"})), ErrorKind.RATE_LIMITED),
        (ev("failed", response={"error": {"code": "context_length_exceeded", "message": "x"}}), ErrorKind.CONTEXT_TOO_LONG),
        (ev("failed", response={"error": {"code": "bio_policy", "message": "x"}}), ErrorKind.FILTERED),
        (ev("failed", response=None), ErrorKind.SERVER),
        ({"type": "x", "error": "plain words"}, ErrorKind.SERVER),
    ],
)  # fmt: skip
def test_an_error_in_the_stream_ends_it(event: dict[str, Any], kind: ErrorKind) -> None:
    before = sse(CREATED, ev("output_text.delta", output_index=0, delta="a"))
    passing, reading = reader(), reader()
    assert passing.feed(before + sse(event) + before) == before
    assert len(reading.events(before + sse(event) + before)) == 2
    for found in (passing, reading):
        assert found.fault is not None
        assert found.fault.kind is kind
        assert found.feed(before) == b""
        assert found.events(before) == []


def test_what_a_failed_answer_cost_is_counted() -> None:
    found = reader()
    found.feed(sse(ev("failed", response=response(status="failed", error={"code": "x"}))))
    assert found.usage == replace(COUNTED, searches=0)


@pytest.mark.parametrize(
    "raw", [b"", sse(CREATED), sse(CREATED, ev("output_text.delta", delta="a"), done=True)]
)
def test_an_end_without_the_last_event_is_a_cut(raw: bytes) -> None:
    passing, reading = reader(), reader()
    passing.feed(raw)
    passing.end()
    reading.events(raw)
    reading.close()
    for found in (passing, reading):
        assert found.fault is not None
        assert found.fault.kind is ErrorKind.CUT


def test_an_error_as_plain_json_is_one() -> None:
    found = reader()
    found.events(b'{"error": {"message": "no", "code": "invalid_api_key"}}')
    found.close()
    assert found.fault is not None
    assert found.fault.kind is ErrorKind.AUTH


def test_the_last_event_may_lack_its_blank_line() -> None:
    found, at = events(STREAM.rstrip())
    assert (at.fault, found) == (None, events(STREAM)[0])


def test_calls_that_are_mixed_come_out_one_after_the_other() -> None:
    second = {**CALL, "call_id": "call_1", "name": "g"}
    found, at = events(
        sse(
            CREATED,
            ev("output_item.added", output_index=0, item={**CALL, "arguments": ""}),
            ev("output_item.added", output_index=1, item={**second, "arguments": ""}),
            ev("function_call_arguments.delta", output_index=1, delta="{"),
            ev("function_call_arguments.delta", output_index=0, delta='{"x": 1}'),
            ev("function_call_arguments.delta", output_index=1, delta='"x": 1}'),
            ev("output_item.done", output_index=1, item=second),
            ev("output_text.delta", output_index=2, delta="after"),
            ev("output_item.done", output_index=0, item=CALL),
            ev("completed", response=response()),
        )
    )
    assert at.fault is None
    assert choice(found).parts == (
        ToolCall("call_1", "f", '{"x": 1}'),
        ToolCall("call_1_2", "g", '{"x": 1}'),
        Text("after"),
    )
    assert [event.index for event in found if isinstance(event, ToolStart)] == [0, 1]


@pytest.mark.parametrize(
    "events_between",
    [
        # No delta, no item's end, no end at all but the answer's.
        [ev("output_item.added", output_index=0, item={**CALL, "arguments": ""}),
         ev("function_call_arguments.done", output_index=0, arguments='{"x": 1}')],
        [ev("output_item.done", output_index=0, item=CALL)],
        [ev("function_call_arguments.delta", output_index=0, delta='{"x": 1}'),
         ev("output_item.done", output_index=0, item=CALL)],
        [ev("output_item.added", output_index=0, item={**CALL, "arguments": ""})],
        [],
    ],
)  # fmt: skip
def test_a_call_told_in_any_way(events_between: list[dict[str, Any]]) -> None:
    found, at = events(sse(CREATED, *events_between, ev("completed", response=response(CALL))))
    assert at.fault is None
    assert choice(found) == Choice((ToolCall("call_1", "f", '{"x": 1}'),), "tool")


def test_a_call_without_arguments_or_ids() -> None:
    bare = {"type": "function_call", "name": "f", "arguments": ""}
    found, at = events(
        sse(ev("output_item.done", output_index=0, item=bare), ev("completed", response=response()))
    )
    assert at.fault is None
    assert found[0] == Started("", "")
    assert choice(found).parts == (ToolCall("call_0", "f", "{}"),)


def test_arguments_that_are_no_json_are_a_fault_unless_cut_by_length() -> None:
    broken = {**CALL, "arguments": '{"x": '}
    parts = [
        CREATED,
        ev("output_item.added", output_index=0, item={**CALL, "arguments": ""}),
        ev("function_call_arguments.delta", output_index=0, delta='{"x": '),
        ev("output_item.done", output_index=0, item=broken),
    ]
    cut = response(broken, status="incomplete", incomplete_details={"reason": "max_output_tokens"})
    found, at = events(sse(*parts, ev("incomplete", response=cut)))
    assert (at.fault, at.finish) == (None, "max_output_tokens")
    assert choice(found) == Choice((ToolCall("call_1", "f", '{"x": '),), "length")
    assert read(json.dumps(cut).encode(), PLAIN, "r").choices[0] == choice(found)

    found, at = events(sse(*parts, ev("completed", response=response(broken))))
    assert at.fault is not None
    assert at.fault.kind is ErrorKind.MALFORMED
    assert not any(isinstance(event, ToolEnd | Finished | Counted) for event in found)
    with pytest.raises(UpstreamError):
        read(json.dumps(response(broken)).encode(), PLAIN, "r")


def test_a_nameless_call_is_a_fault() -> None:
    item = {"type": "function_call", "call_id": "c", "arguments": "{}"}
    _, at = events(sse(CREATED, ev("output_item.done", output_index=0, item=item)))
    assert at.fault is not None


def test_parts_counted_in_one_row_over_all_items_come_once() -> None:
    found, _ = events(
        sse(
            ev("reasoning_text.delta", output_index=0, content_index=0, delta="hm"),
            ev(
                "output_item.done",
                output_index=0,
                item={
                    "type": "reasoning",
                    "summary": [],
                    "content": [{"type": "reasoning_text", "text": "hm"}],
                },
            ),
            ev("output_text.delta", output_index=1, content_index=1, delta="hello"),
            ev("output_item.done", output_index=1, item=MESSAGE),
            ev("completed", response=response()),
        )
    )
    assert [type(part) for part in choice(found).parts] == [Reasoning, Text]


@pytest.mark.parametrize(
    ("status", "reason", "output", "finish"),
    [
        ("completed", None, [MESSAGE], "end"),
        ("completed", None, [MESSAGE, CALL], "tool"),
        ("incomplete", "max_output_tokens", [MESSAGE], "length"),
        ("incomplete", "content_filter", [MESSAGE], "filter"),
        ("incomplete", "steered", [MESSAGE], "pause"),
        ("completed", None, [{"type": "message", "content": [{"type": "refusal", "refusal": "no"}]}], "filter"),
    ],
)  # fmt: skip
def test_why_it_ended(status: str, reason: str | None, output: list[Any], finish: str) -> None:
    details = {"reason": reason} if reason else None
    body = response(*output, status=status, incomplete_details=details)
    answer = read(json.dumps(body).encode(), PLAIN, "r")
    assert answer.choices[0].finish == finish
    found, _ = events(sse(CREATED, ev(status, response=body)))
    assert choice(found) == answer.choices[0]


def test_a_refusal_is_told_as_one() -> None:
    found, _ = events(
        sse(
            CREATED,
            ev("refusal.delta", output_index=0, delta="no"),
            ev("completed", response=response()),
        )
    )
    assert choice(found) == Choice((Refused("no"),), "filter")


KINDS = st.sampled_from(
    ["created", "output_item.added", "output_item.done", "output_text.delta", "output_text.done",
     "content_part.done", "refusal.delta", "function_call_arguments.delta",
     "function_call_arguments.done", "custom_tool_call_input.delta", "reasoning_text.delta",
     "reasoning_summary_text.delta", "output_text.annotation.added", "completed", "incomplete",
     "failed", "x"]
)  # fmt: skip
ODD = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 3) | st.sampled_from(["", "a", "{}", "message", "function_call", "reasoning"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(
        st.sampled_from(["type", "name", "call_id", "id", "content", "summary", "text", "output",
                         "arguments", "input", "annotations", "usage", "error", "status"]), inner),
    max_leaves=6,
)  # fmt: skip
EVENT = st.builds(
    lambda kind, said: {"type": f"response.{kind}", **said},
    KINDS,
    st.dictionaries(
        st.sampled_from(["item", "delta", "output_index", "content_index", "part", "text", "response",
                         "arguments", "annotation", "summary_index", "logprobs", "error"]), ODD),
)  # fmt: skip


@given(st.lists(EVENT, max_size=12))
@settings(max_examples=30, deadline=None)
def test_no_stream_crashes_and_what_comes_out_is_clean(said: list[dict[str, Any]]) -> None:
    raw = sse(*said)
    found, at = events(raw)
    passing = reader()
    passing.feed(raw)
    passing.end()
    assert (passing.fault is None) or (at.fault is not None)
    check_clean(found)
    assert at.fault is not None or isinstance(found[-1], Counted)


@given(st.binary(max_size=300))
@settings(max_examples=40, deadline=None)
def test_no_bytes_crash(raw: bytes) -> None:
    for prefix in (b"", b"data: ", STREAM[:700]):
        events(prefix + raw)
        found = reader()
        found.feed(prefix + raw)
        found.end()
    for look in (lambda: read(raw, PLAIN, "r"), lambda: tap(raw, PLAIN)):
        with pytest.raises(UpstreamError):
            look()


def check_clean(found: list[Event]) -> None:
    open_call: ToolStart | None = None
    words = ""
    ids: set[str] = set()
    for place, event in enumerate(found):
        assert isinstance(event, Started) == (place == 0)
        if isinstance(event, ToolStart):
            assert open_call is None
            assert event.id
            assert event.name
            assert event.id not in ids
            assert event.index == len(ids)
            ids.add(event.id)
            open_call, words = event, ""
        elif isinstance(event, ToolDelta):
            assert open_call is not None
            words += event.arguments
        elif isinstance(event, ToolEnd):
            assert open_call is not None
            assert event.arguments == words
            open_call = None
        else:
            assert open_call is None
