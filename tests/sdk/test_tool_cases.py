"""Tool calls in every form: images in results, no arguments, thoughts between, cut by length."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.fakes import spoken
from tests.fakes.spoken import HOST_WIRES, Call, Said
from tests.running import events
from tests.sdk.house import Sdk, declared, text_of, tool
from tests.wires import clients
from tests.wires.clients import CLIENT_WIRES

each_client = pytest.mark.parametrize("client", CLIENT_WIRES)
each_host = pytest.mark.parametrize("host", HOST_WIRES)
both_ways = pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
# One red pixel.
PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8DwHwAFBQIAX8jx0gAAAABJRU5ErkJggg=="
DATA_URL = f"data:image/png;base64,{PNG}"
TWO = (Call("call_1", "look", '{"a":1,"b":2}'), Call("call_2", "look", '{"a":3,"b":4}'))


def seen(client: str, model: str) -> tuple[str, dict[str, Any]]:
    """Return a conversation with two parallel calls, whose first result has a picture in it."""
    if client == "messages":
        picture = {"type": "base64", "media_type": "image/png", "data": PNG}
        blocks = [{"type": "text", "text": "first"}, {"type": "image", "source": picture}]
        calls = [
            {"type": "tool_use", "id": c.id, "name": c.name, "input": json.loads(c.arguments)}
            for c in TWO
        ]
        results = [
            {"type": "tool_result", "tool_use_id": "call_1", "content": blocks},
            {"type": "tool_result", "tool_use_id": "call_2", "content": "second", "is_error": True},
        ]
        return "/v1/messages", {
            "model": model,
            "max_tokens": 100,
            "tools": declared("messages", tool("look")),
            "messages": [
                {"role": "user", "content": "Look twice."},
                {"role": "assistant", "content": calls},
                {"role": "user", "content": [*results, {"type": "text", "text": "Go on."}]},
            ],
        }
    if client == "responses":
        output = [
            {"type": "input_text", "text": "first"},
            {"type": "input_image", "image_url": DATA_URL, "detail": "auto"},
        ]
        calls = [
            {"type": "function_call", "call_id": c.id, "name": c.name, "arguments": c.arguments}
            for c in TWO
        ]
        return "/v1/responses", {
            "model": model,
            "tools": declared("responses", tool("look")),
            "input": [
                {"role": "user", "content": "Look twice."},
                *calls,
                {"type": "function_call_output", "call_id": "call_1", "output": output},
                {"type": "function_call_output", "call_id": "call_2", "output": "second"},
                {"role": "user", "content": "Go on."},
            ],
        }
    inline = {"inlineData": {"mimeType": "image/png", "data": PNG}}
    call_parts = [
        {"functionCall": {"id": c.id, "name": c.name, "args": json.loads(c.arguments)}} for c in TWO
    ]
    first = {"id": "call_1", "name": "look", "response": {"result": "first"}, "parts": [inline]}
    second = {"id": "call_2", "name": "look", "response": {"result": "second"}}
    return f"/v1beta/models/{model}:generateContent", {
        "contents": [
            {"role": "user", "parts": [{"text": "Look twice."}]},
            {"role": "model", "parts": call_parts},
            {"role": "user", "parts": [{"functionResponse": one} for one in (first, second)]},
            {"role": "user", "parts": [{"text": "Go on."}]},
        ],
        "tools": [
            {"functionDeclarations": [{"name": "look", "parametersJsonSchema": {"type": "object"}}]}
        ],
    }


# What each host is told of the two results: in which form, and where the picture stands.


def _chat(body: Any) -> None:
    roles = [message["role"] for message in body["messages"]]
    assert roles[-4:] == ["assistant", "tool", "tool", "user"] or roles[-5:] == [
        "assistant", "tool", "tool", "user", "user"]  # fmt: skip
    tools = [message for message in body["messages"] if message["role"] == "tool"]
    assert [message["tool_call_id"] for message in tools] == ["call_1", "call_2"]
    pictures = [
        part
        for message in body["messages"]
        if message["role"] == "user" and isinstance(message["content"], list)
        for part in message["content"]
        if part["type"] == "image_url"
    ]
    assert [part["image_url"]["url"] for part in pictures] == [DATA_URL]


def _responses(body: Any) -> None:
    calls = [item for item in body["input"] if item.get("type") == "function_call"]
    assert [item["call_id"] for item in calls] == ["call_1", "call_2"]
    outputs = [item for item in body["input"] if item.get("type") == "function_call_output"]
    assert [item["call_id"] for item in outputs] == ["call_1", "call_2"]
    pictures = [part for part in outputs[0]["output"] if part["type"] == "input_image"]
    assert [part["image_url"] for part in pictures] == [DATA_URL]


def _messages(body: Any) -> None:
    _user, assistant, results = body["messages"]
    assert [b["id"] for b in assistant["content"] if b["type"] == "tool_use"] == [
        "call_1", "call_2"]  # fmt: skip
    assert [block["type"] for block in results["content"]] == ["tool_result", "tool_result", "text"]
    inside = results["content"][0]["content"]
    assert [b["source"]["data"] for b in inside if b["type"] == "image"] == [PNG]


def _gemini(body: Any) -> None:
    parts = [part for content in body["contents"] for part in content["parts"]]
    answered = [part["functionResponse"] for part in parts if "functionResponse" in part]
    assert [one["name"] for one in answered] == ["look", "look"]
    holders = [
        content
        for content in body["contents"]
        if any("functionResponse" in part for part in content["parts"])
    ]
    assert len(holders) == 1
    pictures = [part for one in answered for part in one.get("parts", [])]
    assert [part["inlineData"]["data"] for part in pictures] == [PNG]


def _converse(body: Any) -> None:
    roles = [message["role"] for message in body["messages"]]
    assert roles == ["user", "assistant", "user"]
    content = body["messages"][-1]["content"]
    results = [block["toolResult"] for block in content if "toolResult" in block]
    assert [one["toolUseId"] for one in results] == ["call_1", "call_2"]
    pictures = [block["image"] for block in results[0]["content"] if "image" in block]
    assert [one["source"]["bytes"] for one in pictures] == [PNG]


def _cohere(body: Any) -> None:
    tools = [message for message in body["messages"] if message["role"] == "tool"]
    assert [message["tool_call_id"] for message in tools] == ["call_1", "call_2"]
    users = [m["content"] for m in body["messages"] if m["role"] == "user"]
    urls = [
        part["image_url"]["url"]
        for content in users
        if isinstance(content, list)
        for part in content
        if part["type"] == "image_url"
    ]
    assert urls == [DATA_URL]


JUDGES: dict[str, Callable[[Any], None]] = {
    "chat": _chat,
    "responses": _responses,
    "messages": _messages,
    "gemini": _gemini,
    "converse": _converse,
    "cohere": _cohere,
}


@pytest.mark.parametrize("client", ["responses", "messages", "gemini"])
@each_host
def test_two_calls_two_results_and_a_picture_in_one(sdk: Sdk, client: str, host: str) -> None:
    sdk.says(host, Said("Seen."), stream=False)
    path, body = seen(client, f"m-{host}")
    answer = sdk.gateway.client.post(path, json=body)
    assert answer.status_code == 200, answer.text
    JUDGES[host](sdk.sent)
    told = text_of(sdk.last)
    assert told.count(PNG) == 1
    words = ["Look twice.", "first", "second", "Go on."]
    places = [told.index(text) for text in words]
    assert places == sorted(places)


@each_client
@each_host
@both_ways
def test_a_call_without_arguments(sdk: Sdk, client: str, host: str, stream: bool) -> None:
    if client == host in ("chat", "responses"):
        pytest.skip("relayed byte for byte: what the host left out is left out")
    sdk.says(host, Said("", (Call("call_1", "now", ""),)), stream=stream)
    got = clients.ask(
        client, sdk.gateway.url, f"m-{host}", clients.said(client, "?"), stream=stream
    )
    assert [(name, arguments) for _, name, arguments in got.calls] == [("now", {})]
    sdk.says(host, Said("Noon."), stream=stream)
    again = clients.results(client, got, ["12:00"])
    got = clients.ask(client, sdk.gateway.url, f"m-{host}", again, stream=stream)
    assert got.text == "Noon."


STATEFUL = ("responses", "messages", "gemini", "converse")
PLAIN = ("chat", "cohere")


@each_client
@pytest.mark.parametrize(
    ("host", "after"),
    [
        *zip(STATEFUL, [*STATEFUL[1:], STATEFUL[0]], strict=True),
        *zip(STATEFUL, PLAIN, strict=False),
    ],
)
def test_thoughts_in_a_tool_loop_and_then_another_host(
    sdk: Sdk, client: str, host: str, after: str
) -> None:
    """Two turns at one host with its states, byte for byte; then another host gets none of them."""
    states = [spoken.opaque(f"{host} {number}") for number in range(2)]
    history = clients.said(client, "Begin.")
    for number, state in enumerate(states):
        call = Call(f"call_{number}", "add", '{"a":1,"b":2}')
        sdk.says(host, Said(f"turn {number}", (call,), "hm", state), stream=True)
        got = clients.ask(client, sdk.gateway.url, f"m-{host}", history, stream=True)
        told = text_of(sdk.last)
        assert [known in told for known in states] == [n < number for n in range(2)]
        history = clients.results(client, got, [f"result {number}"])
    sdk.says(after, Said("The end."), stream=True)
    got = clients.ask(client, sdk.gateway.url, f"m-{after}", history, stream=True)
    assert got.text == "The end."
    told = text_of(sdk.last)
    assert not any(state in told for state in states)
    for text in ("turn 0", "result 0", "turn 1", "result 1"):
        assert text in told
    if (client, after) != ("chat", "chat"):  # that client has no state to leave out
        assert "left out" in sdk.entries(3)[-1]["notes"]


# --- length inside the arguments ---

CUT = '{"a":1,"te'


@each_client
@pytest.mark.parametrize("host", ["chat", "responses", "messages", "converse", "cohere"])
def test_a_stream_cut_by_length_inside_arguments(sdk: Sdk, client: str, host: str) -> None:
    """It says so, and what is there of the arguments is never told as a whole call."""
    said = Said("So.", (Call("call_1", "add", CUT),), finish="length")
    sdk.says(host, said, stream=True)
    path, body = asked(client, f"m-{host}")
    answer = sdk.gateway.client.post(path, json=body)
    assert answer.status_code == 200, answer.text
    data = events(answer.content)
    if client == "chat":
        ends = [c["choices"][0].get("finish_reason") for c in data[:-1] if c["choices"]]
        assert [end for end in ends if end] == ["length"]
    elif client == "responses":
        end = data[-1]["response"]
        assert data[-1]["type"] == "response.incomplete"
        assert end["incomplete_details"] == {"reason": "max_output_tokens"}
        if host != client:
            calls = [item for item in end["output"] if item["type"] == "function_call"]
            assert [call["status"] for call in calls] == ["incomplete"]
    elif client == "messages":
        assert data[-2]["delta"]["stop_reason"] == "max_tokens"
    else:
        ends = [chunk["candidates"][0].get("finishReason") for chunk in data]
        assert [end for end in ends if end] == ["MAX_TOKENS"]
        assert "functionCall" not in answer.text
    assert sdk.entries()[0]["outcome"] == "completed"
    assert sdk.entries()[0]["usage_state"] == "reported"


@each_client
@pytest.mark.parametrize("host", ["chat", "responses", "cohere"])
def test_a_whole_answer_cut_by_length_inside_arguments(sdk: Sdk, client: str, host: str) -> None:
    said = Said("So.", (Call("call_1", "add", CUT),), finish="length")
    sdk.says(host, said, stream=False)
    path, body = asked(client, f"m-{host}")
    body.pop("stream", None)
    path = path.replace("streamGenerateContent?alt=sse", "generateContent")
    answer = sdk.gateway.client.post(path, json=body)
    assert answer.status_code == 200, answer.text
    told = answer.json()
    if client == "chat":
        assert told["choices"][0]["finish_reason"] == "length"
    elif client == "responses":
        assert told["incomplete_details"] == {"reason": "max_output_tokens"}
    elif client == "messages":
        assert told["stop_reason"] == "max_tokens"
    else:
        assert told["candidates"][0]["finishReason"] == "MAX_TOKENS"
        assert "functionCall" not in answer.text


def asked(client: str, model: str) -> tuple[str, dict[str, Any]]:
    """Return a streamed request with a tool."""
    user = {"role": "user", "content": "Hi"}
    tools = declared(client, tool()) if client != "gemini" else []
    return {
        "chat": (
            "/v1/chat/completions",
            {"model": model, "messages": [user], "stream": True, "tools": tools},
        ),
        "responses": (
            "/v1/responses",
            {"model": model, "input": [user], "stream": True, "tools": tools},
        ),
        "messages": (
            "/v1/messages",
            {"model": model, "messages": [user], "max_tokens": 50, "stream": True, "tools": tools},
        ),
        "gemini": (
            f"/v1beta/models/{model}:streamGenerateContent?alt=sse",
            {"contents": [{"role": "user", "parts": [{"text": "Hi"}]}]},
        ),
    }[client]
