"""What a client of the Responses wire gets: the stream, the whole answer, the error."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx2
import openai
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import TypeAdapter

from providers.assemble import events_of
from providers.carrier import open_seal, seal
from providers.dialect import Dialect
from providers.errors import ErrorKind
from providers.ir import (
    Answer,
    Choice,
    Citation,
    Counted,
    Event,
    Finished,
    Message,
    Opaque,
    Reasoning,
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
from providers.usage import MISSING, Usage
from providers.wires.responses import WIRE
from providers.wires.responses.errors import read_error
from providers.wires.responses.read import read as read_request
from providers.wires.responses.stored import items_of
from providers.wires.responses.stream import StreamReader
from providers.wires.responses.writer import StreamWriter, write
from providers.wires.wire import Context

EVENTS: TypeAdapter[Any] = TypeAdapter(ResponseStreamEvent)
STATE = "reasoning.encrypted_content"
USAGE = Usage(input=5, cache_read=4, cache_write=1, output=5, reasoning=3)
SIGNED = Opaque("messages.signature", "sig", "claude")
PARTS = (
    Reasoning("hm", False, (SIGNED,)),
    Text("hello"),
    Text("there", citations=(Citation("https://a", "A", start=1, end=3), Citation(title="book"))),
    ToolCall("toolu_1", "f", '{"x": 1}', opaque=(Opaque("gemini.signature", "s", "g"),)),
    ToolCall("toolu_2", "patch", "*** a", "custom", "group"),
)  # fmt: skip


def context(**body: Any) -> Context:
    return Context("abc", "asked", {"model": "asked", "input": "x", **body}, 1700000000, 9)


def answer(*parts: Any, finish: Any = "end", **more: Any) -> Answer:
    return Answer((Choice(parts, finish),), USAGE, "host-id", "big", "stop", **more)


def streamed(events: list[Event], **body: Any) -> list[dict[str, Any]]:
    return decoded(raw_stream(events, **body))


def raw_stream(events: list[Event], **body: Any) -> bytes:
    writer = StreamWriter(context(**body))
    return b"".join([*map(writer.write, events), writer.end()])


def decoded(raw: bytes) -> list[dict[str, Any]]:
    found = []
    for block in raw.decode().split("\n\n")[:-1]:
        if block.startswith(":"):
            continue
        name, data = block.split("\n")
        event = json.loads(data.removeprefix("data: "))
        assert name == f"event: {event['type']}"
        found.append(event)
    return found


def client(raw: bytes) -> openai.OpenAI:
    """Return the real SDK, to which every call is answered with ``raw``."""
    kind = "application/json" if raw.startswith(b"{") else "text/event-stream"
    answering = httpx2.MockTransport(
        lambda _: httpx2.Response(200, content=raw, headers={"content-type": kind})
    )
    return openai.OpenAI(
        api_key="x", base_url="http://gateway/v1", http_client=httpx2.Client(transport=answering)
    )


def check(events: list[dict[str, Any]]) -> dict[str, Any]:
    """Check what holds for every stream, and return its last event."""
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    assert [event["type"] for event in events[:2]] == ["response.created", "response.in_progress"]
    items: dict[int, str] = {}
    done = 0
    for event in events:
        EVENTS.validate_python(event, strict=True)
        kind = event["type"]
        if kind == "response.output_item.added":
            assert event["output_index"] == len(items) == done
            items[event["output_index"]] = event["item"]["id"]
        elif kind == "response.output_item.done":
            assert items[event["output_index"]] == event["item"]["id"]
            assert events[-1]["response"]["output"][event["output_index"]] == event["item"]
            done += 1
        elif "item_id" in event:
            assert items[event["output_index"]] == event["item_id"]
    assert len(set(items.values())) == len(items)
    last: dict[str, Any] = events[-1]
    Response.model_validate(last["response"], strict=True)
    return last


def test_the_events_of_a_text_are_those_of_the_api() -> None:
    events = streamed(
        [
            Started("h", "big"),
            TextDelta("hel"),
            TextDelta("lo"),
            TextEnd(),
            Finished("end"),
            Counted(USAGE),
        ]
    )
    assert [event["type"].removeprefix("response.") for event in events] == [
        "created", "in_progress", "output_item.added", "content_part.added", "output_text.delta",
        "output_text.delta", "output_text.done", "content_part.done", "output_item.done", "completed",
    ]  # fmt: skip
    last = check(events)["response"]
    assert last["usage"] == {
        "input_tokens": 10, "input_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 1},
        "output_tokens": 8, "output_tokens_details": {"reasoning_tokens": 3}, "total_tokens": 18,
    }  # fmt: skip
    assert (last["model"], last["id"], last["status"]) == ("big", "resp_abc", "completed")
    assert events[4]["logprobs"] == []


def test_every_kind_of_part_and_a_whole_answer_alike() -> None:
    said = answer(*PARTS, finish="tool")
    last = check(streamed(events_of(said), include=[STATE]))["response"]
    assert last == json.loads(write(said, context(include=[STATE])))
    kinds = [item["type"] for item in last["output"]]
    assert kinds == ["reasoning", "message", "reasoning", "function_call", "custom_tool_call"]
    thoughts, message, _, call, custom = last["output"]
    assert thoughts["summary"] == [{"type": "summary_text", "text": "hm"}]
    assert open_seal(thoughts["encrypted_content"]) == (SIGNED,)
    assert [part["text"] for part in message["content"]] == ["hello", "there"]
    assert message["content"][1]["annotations"] == [
        {
            "type": "url_citation",
            "url": "https://a",
            "title": "A",
            "start_index": 1,
            "end_index": 3,
        },
        {"type": "file_citation", "file_id": "", "filename": "book", "index": 0},
    ]
    assert (call["call_id"], call["arguments"], "namespace" in call) == (
        "toolu_1",
        '{"x": 1}',
        False,
    )
    assert (custom["input"], custom["namespace"]) == ("*** a", "group")


def test_the_client_brings_everything_back() -> None:
    response = json.loads(write(answer(*PARTS, finish="tool"), context()))
    request = read_request({"model": "m", "input": items_of(response)})
    cited, *rest = request.messages[0].parts[2:]
    assert request.messages[0].parts[:2] == PARTS[:2]
    assert tuple(rest) == PARTS[3:]
    assert isinstance(cited, Text)
    assert cited.text == "there"


def test_native_state_goes_as_it_is_and_empty_thoughts_get_one_where_asked() -> None:
    native = Reasoning("a", True, (Opaque("responses.encrypted", "gAAA", "r", "rs_x"),))
    found = json.loads(write(answer(native, Reasoning("b")), context(include=[STATE])))["output"]
    assert [item["encrypted_content"] for item in found] == ["gAAA", seal(())]
    found = json.loads(write(answer(native, Reasoning("b")), context()))["output"]
    assert "encrypted_content" not in found[1]
    assert json.loads(write(answer(Reasoning("")), context(include=[STATE])))["output"] == []


def test_state_of_a_text_follows_it() -> None:
    text = Text("a", opaque=(Opaque("gemini.signature", "s", "g"),))
    response = json.loads(write(answer(text), context()))
    assert [item["type"] for item in response["output"]] == ["message", "reasoning"]
    request = read_request({"model": "m", "input": items_of(response)})
    assert request.messages == (Message("assistant", (text,)),)


@pytest.mark.parametrize(
    ("parts", "finish", "status", "reason"),
    [
        ((Text("a"),), "end", "completed", None),
        ((Text("a"),), "stop_sequence", "completed", None),
        ((Text("a"),), "length", "incomplete", "max_output_tokens"),
        ((Text("a"),), "filter", "incomplete", "content_filter"),
        ((), "filter", "incomplete", "content_filter"),
        ((Refused("no"),), "filter", "completed", None),
        ((ToolCall("c", "f", '{"x": '),), "length", "incomplete", "max_output_tokens"),
    ],
)  # fmt: skip
def test_how_it_ends(parts: Any, finish: Any, status: str, reason: str | None) -> None:
    said = answer(*parts, finish=finish)
    last = check(streamed(events_of(said)))
    assert last["type"] == f"response.{status}"
    assert last["response"]["incomplete_details"] == ({"reason": reason} if reason else None)
    assert json.loads(write(said, context())) == last["response"]
    if isinstance(parts and parts[0], ToolCall):
        assert last["response"]["output"][0]["status"] == "incomplete"


def test_what_the_client_asked_is_repeated_and_nothing_is_left_out() -> None:
    tool = {"type": "function", "name": "f", "parameters": {}}
    response = json.loads(
        write(
            answer(Text("a"), service_tier="flex"),
            context(
                instructions="i",
                temperature=0.1,
                tools=[tool],
                metadata={"a": "b"},
                text={"verbosity": "low"},
                reasoning={"effort": "low"},
                max_output_tokens=40,
                tool_choice="auto",
                previous_response_id="resp_0",
                store=True,
            ),
        )
    )
    assert response["tools"] == [{**tool, "strict": False, "description": None}]
    assert response["text"] == {"format": {"type": "text"}, "verbosity": "low"}
    assert response["reasoning"] == {"effort": "low", "summary": None}
    assert (response["instructions"], response["temperature"]) == ("i", 0.1)
    assert (response["service_tier"], response["store"]) == ("flex", True)
    bare = json.loads(write(Answer((Choice((), "end"),), MISSING), context()))
    # What the open specification of this wire demands of every response object.
    demanded = {
        "id", "object", "created_at", "completed_at", "status", "incomplete_details", "model",
        "previous_response_id", "instructions", "output", "error", "tools", "tool_choice",
        "truncation", "parallel_tool_calls", "text", "top_p", "presence_penalty",
        "frequency_penalty", "top_logprobs", "temperature", "reasoning", "usage",
        "max_output_tokens", "max_tool_calls", "store", "background", "service_tier", "metadata",
        "safety_identifier", "prompt_cache_key",
    }  # fmt: skip
    assert demanded <= bare.keys()
    assert (bare["usage"], bare["model"]) == (None, "asked")


@pytest.mark.parametrize(
    "body", [{"tools": "x"}, {"tools": [3], "include": 4, "text": [], "reasoning": 1}]
)
def test_an_odd_request_is_no_reason_to_fail(body: dict[str, Any]) -> None:
    assert json.loads(write(answer(Text("a")), context(**body)))["status"] == "completed"


def test_tools_of_the_clients_own_come_in_their_own_items() -> None:
    tools = [{"type": "local_shell"}, {"type": "shell"}, {"type": "apply_patch"},
             {"type": "tool_search", "execution": "client"}]  # fmt: skip
    said = answer(
        ToolCall("a", "local_shell", '{"command": ["ls"]}'),
        ToolCall("b", "shell", '{"commands": "ls"}'),
        ToolCall("c", "apply_patch", '{"type": "delete_file", "path": "x"}'),
        ToolCall("d", "tool_search", '{"query": "x"}'),
        ToolCall("e", "local_shell", "[]"),
        finish="tool",
    )
    last = check(streamed(events_of(said), tools=tools))["response"]
    kinds = [(item["type"], item["call_id"]) for item in last["output"]]
    assert kinds == [
        ("local_shell_call", "a"), ("shell_call", "b"), ("apply_patch_call", "c"),
        ("tool_search_call", "d"), ("local_shell_call", "e"),
    ]  # fmt: skip
    assert last["output"][1]["action"]["commands"] == ["ls"]
    assert json.loads(write(said, context(tools=tools))) == last
    plain = json.loads(write(said, context()))["output"]
    assert {item["type"] for item in plain} == {"function_call"}


def test_work_of_hosts_is_told_where_it_is_of_this_wire() -> None:
    search = {"type": "web_search_call", "id": "ws_1", "status": "completed",
              "action": {"type": "search", "query": "x"}}  # fmt: skip
    said = answer(Trace("responses", search), Trace("messages", {"type": "y"}), Text("a"))
    last = check(streamed(events_of(said)))["response"]
    assert last["output"][0] == search
    assert len(last["output"]) == 2


def test_a_ping_is_a_comment_at_any_place() -> None:
    writer = StreamWriter(context())
    ping = WIRE.front.ping
    pieces = [ping, writer.write(Started("h", "m")), ping]
    for event in events_of(answer(Text("a")))[1:]:
        pieces += [writer.write(event), ping]
    raw = b"".join([*pieces, writer.end()])
    assert ping.startswith(b":")
    check(decoded(raw))
    with client(raw).responses.stream(model="m", input="x") as stream:
        assert stream.get_final_response().output_text == "a"


@pytest.mark.parametrize("begun", [False, True])
def test_a_failure_is_told_as_an_event_and_as_an_answer(begun: bool) -> None:
    writer = StreamWriter(context())
    raw = writer.write(TextDelta("a")) if begun else b""
    raw += writer.fail("the host went away", "upstream_error", "upstream_error")
    events = decoded(raw)
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    assert [event["type"] for event in events[-2:]] == ["error", "response.failed"]
    Response.model_validate(events[-1]["response"], strict=True)
    assert events[-1]["response"]["error"] == {
        "code": "server_error", "message": "the host went away", "type": "upstream_error",
    }  # fmt: skip
    with pytest.raises(openai.APIError, match="the host went away"):
        list(client(raw).responses.create(model="m", input="x", stream=True))
    limited = decoded(StreamWriter(context()).fail("slow", "rate_limit_error", "rate_limited"))
    assert limited[-1]["response"]["error"]["code"] == "rate_limit_exceeded"


def test_the_sdk_adds_the_stream_up_to_the_whole_answer() -> None:
    said = answer(*PARTS, finish="tool")
    whole = client(write(said, context())).responses.create(model="m", input="x")
    with client(raw_stream(events_of(said))).responses.stream(model="m", input="x") as stream:
        kinds = [event.type for event in stream]
        final = stream.get_final_response()
    assert final.output_text == whole.output_text == "hellothere"
    assert unparsed(final.to_dict()) == unparsed(whole.to_dict())
    assert kinds[-1] == "response.completed"


def unparsed(value: Any) -> Any:
    """Return what the SDK read without what it adds itself."""
    if isinstance(value, dict):
        own = {name: item for name, item in value.items() if not name.startswith("parsed")}
        return {name: unparsed(item) for name, item in own.items()}
    return [unparsed(item) for item in value] if isinstance(value, list) else value


def test_an_error_in_the_wires_own_form() -> None:
    assert WIRE.client is not None
    raw = WIRE.client.write_error(429, "slow down", "rate_limited", None, "req_1")
    assert json.loads(raw)["error"] == {
        "message": "slow down", "type": "rate_limit_error", "param": None, "code": "rate_limited",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("status", "body", "kind", "code"),
    [
        (401, {"error": {"message": "x", "code": "invalid_api_key"}}, ErrorKind.AUTH, "invalid_api_key"),
        (400, {"code": "invalid-argument", "error": "Model not found: x"}, ErrorKind.NOT_FOUND, "invalid-argument"),
        (401, {"detail": "Could not parse your token."}, ErrorKind.AUTH, None),
        (400, {"error": {"message": "x", "code": "invalid_prompt"}}, ErrorKind.BAD_REQUEST, "invalid_prompt"),
        (429, {"error": {"message": "x", "code": "insufficient_quota"}}, ErrorKind.QUOTA, "insufficient_quota"),
        (429, {"error": {"message": "x", "code": "slow_down"}}, ErrorKind.OVERLOADED, "slow_down"),
        (503, {"error": {"message": "x", "code": "server_is_overloaded"}}, ErrorKind.OVERLOADED, "server_is_overloaded"),
        (400, {"error": {"message": "x", "code": "invalid_encrypted_content"}}, ErrorKind.OPAQUE_STATE, "invalid_encrypted_content"),
        (400, {"error": {"message": "Item 'rs_1' of type 'reasoning' was provided without its required following item."}}, ErrorKind.OPAQUE_STATE, None),
        (404, {"error": {"message": "Item with id 'rs_1' not found. Items are not persisted when `store` is set to false."}}, ErrorKind.OPAQUE_STATE, None),
        (400, {"error": {"message": "Encrypted content is not supported with this model."}}, ErrorKind.BAD_REQUEST, None),
        (500, "<html>", ErrorKind.SERVER, None),
    ],
)  # fmt: skip
def test_a_hosts_error(status: int, body: Any, kind: ErrorKind, code: str | None) -> None:
    raw = body.encode() if isinstance(body, str) else json.dumps(body).encode()
    fault = read_error(status, {"x-request-id": "abc", "retry-after": "3"}, raw, Dialect())
    assert (fault.kind, fault.code, fault.status) == (kind, code, status)
    assert (fault.request_id, fault.retry_after_s) == ("abc", 3.0)


WORDS = st.text(min_size=1, max_size=10)
OPAQUE = st.builds(Opaque, st.just("messages.signature"), WORDS, st.just("route"))
PART = st.one_of(
    st.builds(Text, WORDS),
    st.builds(lambda text, state: Reasoning(text, False, (state,)), st.text(max_size=5), OPAQUE),
    st.builds(lambda name, x: (name, json.dumps({"x": x})), st.sampled_from("fg"), WORDS),
    st.builds(Refused, WORDS),
)


@st.composite
def parts(draw: st.DrawFn) -> tuple[Any, ...]:
    drawn = draw(st.lists(PART, max_size=6))
    # Two refusals in a row are one to every wire that streams.
    found = [
        part
        for at, part in enumerate(drawn)
        if not (at and isinstance(part, Refused) and isinstance(drawn[at - 1], Refused))
    ]
    return tuple(
        ToolCall(f"c{at}", *part) if isinstance(part, tuple) else part
        for at, part in enumerate(found)
    )


@given(parts())
@settings(max_examples=40, deadline=None)
def test_what_is_written_is_read_again(said: tuple[Any, ...]) -> None:
    raw = raw_stream(events_of(answer(*said)))
    check(decoded(raw))
    reader = StreamReader(Dialect(), "r", False)
    events = [*reader.events(raw), *reader.close()]
    assert reader.fault is None
    assert reader.usage == USAGE
    assert list(written_kinds(events)) == list(written_kinds(events_of(answer(*said))))
    response = json.loads(write(answer(*said), context()))
    request = read_request({"model": "m", "input": items_of(response)})
    found = tuple(part for message in request.messages for part in message.parts)
    assert found == said


def written_kinds(events: list[Event]) -> Iterator[tuple[str, str]]:
    # What was said, whatever carried it; a seal is another wire's state.
    for event in events:
        if isinstance(event, ToolStart):
            yield event.name, event.id
        elif isinstance(event, ToolDelta | ToolEnd):
            yield "arguments", event.arguments
        elif isinstance(event, TextDelta):
            yield "text", event.text


def test_another_hosts_word_for_a_tier_is_not_passed_on() -> None:
    def told(tier: str) -> Any:
        answer = Answer((Choice((Text("x"),), "end"),), USAGE, service_tier=tier)
        return Response.model_validate_json(write(answer, context()), strict=True).service_tier

    assert told("priority") == "priority"
    assert told("on_demand") == told("standard") == "default"


def test_log_probabilities_are_whole_whatever_the_host_left_out() -> None:
    tokens = [{"token": "é", "logprob": -1.0, "top_logprobs": [{"token": "e"}]}, {"token": "a"}]
    answer = Answer((Choice((Text("éa"),), "end", logprobs=tokens),), USAGE)
    response = Response.model_validate_json(write(answer, context()), strict=True)
    part: Any = response.output[0]
    found = part.content[0].logprobs
    assert [(one.token, bytes(one.bytes)) for one in found] == [("é", "é".encode()), ("a", b"a")]
    assert found[0].top_logprobs[0].logprob == -9999.0
