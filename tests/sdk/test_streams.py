"""Every event that an SDK knows comes, in its order, and adds up to what the whole answer says."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from anthropic.types import RawMessageStreamEvent
from google.genai import types as g
from openai.types.chat import ChatCompletionChunk
from openai.types.responses import ResponseStreamEvent
from pydantic import TypeAdapter

from tests.fakes import spoken
from tests.fakes.spoken import HOST_WIRES, Call, Said
from tests.running import events
from tests.sdk.house import Sdk, declared, tool

each_host = pytest.mark.parametrize("host", HOST_WIRES)
ASK = [{"role": "user", "content": "Think, say and call."}]
CALLS = (Call("call_1", "add", '{"a":1,"b":2}'), Call("call_2", "mul", '{"a":3,"b":4}'))
TOOLS = (tool("add"), tool("mul"))
RESPONSE_EVENT: TypeAdapter[Any] = TypeAdapter(ResponseStreamEvent)
MESSAGE_EVENT: TypeAdapter[Any] = TypeAdapter(RawMessageStreamEvent)
# What no two answers share.
OWN = {"id", "created", "created_at", "completed_at", "item_id"}


def said(host: str) -> Said:
    """Thoughts with their state, words, and two parallel calls."""
    return Said(
        "Grüße, 世界 🙂: two calls follow.",
        CALLS,
        "First I think.",
        spoken.opaque(host),
        reasoning=3,
    )


def bare(value: Any) -> Any:
    """Leave out of an answer what differs between any two."""
    if isinstance(value, dict):
        # A stream's delta has nothing to say of a field that is null in the whole answer.
        return {k: bare(v) for k, v in value.items() if k not in OWN and v not in (None, [])}
    return [bare(one) for one in value] if isinstance(value, list) else value


# --- Responses ---

ADDED, DONE = "response.output_item.added", "response.output_item.done"
ITEM_EVENTS = {
    "reasoning": [
        ("response.reasoning_summary_part.added", 1),
        ("response.reasoning_summary_text.delta", 0),
        ("response.reasoning_summary_text.done", 1),
        ("response.reasoning_summary_part.done", 1),
    ],
    "message": [
        ("response.content_part.added", 1),
        ("response.output_text.delta", 0),
        ("response.output_text.done", 1),
        ("response.content_part.done", 1),
    ],
    "function_call": [
        ("response.function_call_arguments.delta", 0),
        ("response.function_call_arguments.done", 1),
    ],
}


def judge_responses(found: list[Any]) -> None:
    """Check a whole stream of Responses events against the wire's own order."""
    assert [event["sequence_number"] for event in found] == list(range(len(found)))
    types = [event["type"] for event in found]
    assert types[:2] == ["response.created", "response.in_progress"]
    assert types[-1] in ("response.completed", "response.incomplete")
    at, place = 2, 0
    while at < len(found) - 1:
        added = found[at]
        assert added["type"] == ADDED
        assert added["output_index"] == place
        item = added["item"]
        end = next(n for n in range(at, len(found)) if types[n] == DONE)
        inside = found[at + 1 : end]
        done = found[end]["item"]
        assert (done["type"], done.get("id")) == (item["type"], item.get("id"))
        assert all(event["output_index"] == place for event in inside)
        assert all(event["item_id"] == item["id"] for event in inside)
        _judge_item(item, done, inside)
        assert done == found[-1]["response"]["output"][place]
        at, place = end + 1, place + 1
    assert place == len(found[-1]["response"]["output"])


def _judge_item(item: Any, done: Any, inside: list[Any]) -> None:
    expected = ITEM_EVENTS[item["type"]]
    if item["type"] == "reasoning" and not done["summary"]:
        expected = []
    order = [event["type"] for event in inside]
    counts = Counter(order)
    assert set(counts) == {name for name, _ in expected}
    assert list(dict.fromkeys(order)) == [name for name, _ in expected]
    assert all(counts[name] == many for name, many in expected if many)
    deltas = "".join(event["delta"] for event in inside if event["type"].endswith(".delta"))
    if item["type"] == "function_call":
        assert item["arguments"] == ""
        assert deltas == done["arguments"] == inside[-1]["arguments"]
        assert inside[-1]["name"] == done["name"]
    elif item["type"] == "message":
        assert item["content"] == []
        assert deltas == "".join(part["text"] for part in done["content"])
    elif done["summary"]:
        assert deltas == "".join(part["text"] for part in done["summary"])


@each_host
def test_responses_events_are_all_there(sdk: Sdk, host: str) -> None:
    sdk.says(host, said(host), stream=True)
    body = {
        "model": f"m-{host}",
        "input": ASK,
        "stream": True,
        "tools": declared("responses", *TOOLS),
        "include": ["reasoning.encrypted_content"],
    }
    answer = sdk.gateway.client.post("/v1/responses", json=body)
    lines = answer.text.splitlines()
    named = [line[7:] for line in lines if line.startswith("event: ")]
    found = events(answer.content)
    assert named == [event["type"] for event in found]
    for event in found:
        # Strictly as the SDK's own types have it, which the SDK itself does not insist on.
        RESPONSE_EVENT.validate_python(event)
    judge_responses(found)
    output = found[-1]["response"]["output"]
    kinds = sorted(item["type"] for item in output)
    assert kinds == sorted(
        ["reasoning"] * (2 if host == "gemini" else 1)
        + ["message", "function_call", "function_call"]
    )


@each_host
def test_a_response_adds_up_to_the_whole_one(sdk: Sdk, host: str) -> None:
    sdk.says(host, said(host), stream=False)
    sdk.says(host, said(host), stream=True)
    given: dict[str, Any] = {
        "model": f"m-{host}",
        "input": ASK,
        "tools": declared("responses", *TOOLS),
        "include": ["reasoning.encrypted_content"],
    }
    whole = sdk.openai.responses.create(**given)
    with sdk.openai.responses.stream(**given) as stream:
        seen = Counter(event.type for event in stream)
        summed = stream.get_final_response()
    assert seen["response.completed"] == 1
    assert summed.output_text == whole.output_text == said(host).text
    parsed = summed.model_dump(mode="json")
    for item in parsed["output"]:
        item.pop("parsed_arguments", None)
        for part in item.get("content") or []:
            part.pop("parsed", None)
    one, two = bare(whole.model_dump(mode="json")), bare(parsed)
    # State that is carried for another wire is sealed anew for each answer.
    assert _without_seals(one) == _without_seals(two)
    assert whole.usage is not None
    assert whole.usage.total_tokens == 18


def _without_seals(answer: Any) -> Any:
    for item in answer["output"]:
        if item["type"] == "reasoning":
            assert item.pop("encrypted_content", "sealed")
    return answer


# --- chat ---


@each_host
def test_chat_chunks_are_all_there(sdk: Sdk, host: str) -> None:
    sdk.says(host, said(host), stream=True)
    body = {
        "model": f"m-{host}",
        "messages": ASK,
        "stream": True,
        "stream_options": {"include_usage": True},
        "tools": declared("chat", *TOOLS),
    }
    answer = sdk.gateway.client.post("/v1/chat/completions", json=body)
    *found, end = events(answer.content)
    assert end == "[DONE]"
    for chunk in found:
        ChatCompletionChunk.model_validate(chunk)
    assert len({chunk["id"] for chunk in found}) == 1
    assert found[0]["choices"][0]["delta"]["role"] == "assistant"
    *talk, usage = found
    assert usage["choices"] == []
    assert usage["usage"]["total_tokens"] == 18
    finishes = [chunk["choices"][0].get("finish_reason") for chunk in talk]
    assert finishes[-1] == "tool_calls"
    assert not any(finishes[:-1])
    calls = [
        call for chunk in talk for call in chunk["choices"][0]["delta"].get("tool_calls") or []
    ]
    for index, expected in enumerate(CALLS):
        first, *more = [call for call in calls if call["index"] == index]
        assert first["type"] == "function"
        assert first["function"]["name"] == expected.name
        assert first["id"]
        assert not any(call.get("id") for call in more)


@each_host
def test_a_completion_adds_up_to_the_whole_one(sdk: Sdk, host: str) -> None:
    sdk.says(host, said(host), stream=False)
    sdk.says(host, said(host), stream=True)
    given: dict[str, Any] = {
        "model": f"m-{host}",
        "messages": ASK,
        "tools": declared("chat", *TOOLS),
    }
    whole = sdk.openai.chat.completions.create(**given)
    seen: Counter[str] = Counter()
    with sdk.openai.chat.completions.stream(
        stream_options={"include_usage": True}, **given
    ) as stream:
        seen.update(event.type for event in stream)
        summed = stream.get_final_completion()
    assert seen["content.done"] == 1
    assert seen["tool_calls.function.arguments.done"] == 2
    assert seen["content.delta"] >= 1
    assert seen["refusal.done"] == 0
    one, two = bare(whole.model_dump()), bare(summed.model_dump())
    for answer in (one, two):
        answer.pop("object")
        message = answer["choices"][0]["message"]
        message.pop("reasoning_details", None)
        for call in message["tool_calls"]:
            call.pop("index", None)
            call["function"].pop("parsed_arguments", None)
    assert one == two


# --- Messages ---


def judge_messages(found: list[Any]) -> None:
    """Check a whole stream of Messages events against the wire's own order."""
    types = [event["type"] for event in found if event["type"] != "ping"]
    assert types[0] == "message_start"
    assert types[-2:] == ["message_delta", "message_stop"]
    start = found[0]["message"]
    assert start["content"] == []
    assert start["stop_reason"] is None
    assert start["usage"]["input_tokens"] > 0
    open_block, place = "", 0
    for event in found[1:-2]:
        if event["type"] == "ping":
            continue
        assert event["index"] == place
        if event["type"] == "content_block_start":
            assert not open_block
            open_block = event["content_block"]["type"]
            assert event["content_block"].get("input", {}) == {}
        elif event["type"] == "content_block_delta":
            kinds = {
                "thinking": {"thinking_delta", "signature_delta"},
                "text": {"text_delta", "citations_delta"},
                "tool_use": {"input_json_delta"},
            }[open_block]
            assert event["delta"]["type"] in kinds
        else:
            assert event["type"] == "content_block_stop"
            assert open_block
            open_block, place = "", place + 1
    assert not open_block


@each_host
def test_messages_events_are_all_there(sdk: Sdk, host: str) -> None:
    sdk.says(host, said(host), stream=True)
    body = {
        "model": f"m-{host}",
        "max_tokens": 100,
        "messages": ASK,
        "stream": True,
        "tools": declared("messages", *TOOLS),
    }
    answer = sdk.gateway.client.post("/v1/messages", json=body)
    named = [line[7:] for line in answer.text.splitlines() if line.startswith("event: ")]
    found = events(answer.content)
    assert named == [event["type"] for event in found]
    for event in found:
        if event["type"] != "ping":
            MESSAGE_EVENT.validate_python(event)
    judge_messages(found)
    assert found[-2]["delta"]["stop_reason"] == "tool_use"
    assert found[-2]["usage"]["output_tokens"] == 7


@each_host
def test_a_message_adds_up_to_the_whole_one(sdk: Sdk, host: str) -> None:
    sdk.says(host, said(host), stream=False)
    sdk.says(host, said(host), stream=True)
    given: dict[str, Any] = {
        "model": f"m-{host}",
        "max_tokens": 100,
        "messages": ASK,
        "tools": declared("messages", *TOOLS),
    }
    whole = sdk.anthropic.messages.create(**given)
    with sdk.anthropic.messages.stream(**given) as stream:
        seen = Counter(event.type for event in stream)
        summed = stream.get_final_message()
        assert stream.get_final_text() == said(host).text
    assert seen["message_stop"] == 1
    assert seen["text"] >= 1
    assert seen["input_json"] >= 2
    one, two = bare(whole.model_dump()), bare(summed.model_dump())
    for answer in (one, two):
        # Native signatures are the host's own; a carried one is sealed anew for each answer.
        assert [b.pop("signature") for b in answer["content"] if b["type"] == "thinking"]
        for block in answer["content"]:
            block.pop("id", None)
    assert one == two
    assert [block.name for block in whole.content if block.type == "tool_use"] == ["add", "mul"]


# --- Gemini ---


@each_host
def test_gemini_chunks_add_up_to_the_whole_answer(sdk: Sdk, host: str) -> None:
    sdk.says(host, said(host), stream=False)
    sdk.says(host, said(host), stream=True)
    functions = [
        g.FunctionDeclaration(
            name=one["name"],
            description=one["description"],
            parameters_json_schema=one["parameters"],
        )
        for one in TOOLS
    ]
    options = g.GenerateContentConfig(
        tools=[g.Tool(function_declarations=functions)],
        thinking_config=g.ThinkingConfig(include_thoughts=True),
        automatic_function_calling=g.AutomaticFunctionCallingConfig(disable=True),
    )
    model = f"m-{host}"
    whole = sdk.gemini.models.generate_content(model=model, contents="Go", config=options)
    chunks = list(
        sdk.gemini.models.generate_content_stream(model=model, contents="Go", config=options)
    )
    assert _told([whole]) == _told(chunks)
    assert _told(chunks) == (
        said(host).text,
        "First I think.",
        [("add", {"a": 1, "b": 2}), ("mul", {"a": 3, "b": 4})],
        "STOP",
        18,
    )
    assert len(chunks) > 3
    assert all(chunk.response_id == chunks[0].response_id for chunk in chunks)
    assert all(chunk.candidates for chunk in chunks)


def _told(chunks: list[Any]) -> tuple[str, str, list[Any], str, int]:
    parts = [
        part
        for chunk in chunks
        for candidate in chunk.candidates
        for part in (candidate.content and candidate.content.parts) or []
    ]
    ends = [chunk.candidates[0].finish_reason for chunk in chunks]
    (end,) = [one for one in ends if one is not None]
    return (
        "".join(part.text or "" for part in parts if not part.thought),
        "".join(part.text or "" for part in parts if part.thought),
        [(p.function_call.name, p.function_call.args) for p in parts if p.function_call],
        end.value,
        chunks[-1].usage_metadata.total_token_count,
    )
