"""What a request says beside its words: told to each host in its own way, or refused by name."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import anthropic
import openai
import pytest

from tests.fakes import answers, spoken
from tests.fakes.answers import Behaviour
from tests.fakes.spoken import HOST_WIRES, Call, Said
from tests.fakes.upstream import Request
from tests.sdk.house import Sdk, declared, text_of, tool

USER = [{"role": "user", "content": "Hi"}]
each_host = pytest.mark.parametrize("host", HOST_WIRES)
AT_ANTHROPIC = "/real/anthropic/v1/messages"
AT_OPENAI = "/real/openai/v1/responses"
AT_MISTRAL = "/real/mistral/v1/chat/completions"


def chat(sdk: Sdk, model: str, **given: Any) -> Any:
    """Ask with the chat SDK; the raw answer has the headers too."""
    whole = {"messages": USER, **given}
    return sdk.openai.chat.completions.with_raw_response.create(model=model, **whole)


def messages(sdk: Sdk, model: str, **given: Any) -> Any:
    """Ask with the Messages SDK; the raw answer has the headers too."""
    whole = {"messages": USER, "max_tokens": 100, **given}
    return sdk.anthropic.messages.with_raw_response.create(model=model, **whole)


def lost(raw: Any) -> list[str]:
    """Return what the answer's header names as left out."""
    return [name for name in raw.headers.get("x-entrepot-lost", "").split(",") if name]


# --- forced tools, temperature ---

FORCED: dict[str, Any] = {"tools": declared("chat", tool()), "tool_choice": "required"}


def test_a_forced_tool_at_a_model_that_refuses_it(sdk: Sdk) -> None:
    """The route is none for it: alone that is a 400 with the field's name, else the next is asked."""
    for given in (
        FORCED,
        {**FORCED, "tool_choice": {"type": "function", "function": {"name": "add"}}},
    ):
        with pytest.raises(openai.BadRequestError) as caught:
            chat(sdk, "anthropic", **given)
        assert caught.value.param == "tool_choice"
        assert "cannot be made to call a tool" in caught.value.message
    with pytest.raises(anthropic.BadRequestError, match="tool_choice"):
        messages(sdk, "anthropic", tools=declared("messages", tool()), tool_choice={"type": "any"})
    assert not sdk.upstream.requests
    sdk.says("chat", Said("", (Call("c1", "add", '{"a":1,"b":2}'),)), stream=False)
    raw = chat(sdk, "forced", **FORCED)
    assert raw.headers["x-entrepot-route"] == "on-chat/m"
    assert sdk.sent["tool_choice"] == "required"


@each_host
def test_a_forced_tool_in_each_hosts_words(sdk: Sdk, host: str) -> None:
    sdk.says(host, Said("", (Call("c1", "add", '{"a":1,"b":2}'),)), stream=False)
    named = {"type": "function", "function": {"name": "add"}}
    chat(sdk, f"m-{host}", tools=declared("chat", tool(), tool("mul")), tool_choice=named)
    body = sdk.sent
    expected: dict[str, Any] = {
        "chat": lambda: body["tool_choice"] == named,
        "responses": lambda: body["tool_choice"] == {"type": "function", "name": "add"},
        "messages": lambda: body["tool_choice"] == {"type": "tool", "name": "add"},
        "gemini": lambda: (
            body["toolConfig"]["functionCallingConfig"]
            == {"mode": "ANY", "allowedFunctionNames": ["add"]}
        ),
        "converse": lambda: body["toolConfig"]["toolChoice"] == {"tool": {"name": "add"}},
        "cohere": lambda: (
            body["tool_choice"] == "REQUIRED"
            and [one["function"]["name"] for one in body["tools"]] == ["add"]
        ),
    }
    assert expected[host](), body


@pytest.mark.parametrize("model", ["anthropic", "always-thinks"])
def test_a_temperature_for_models_that_take_none(sdk: Sdk, lenient: Sdk, model: str) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        chat(sdk, model, temperature=0.5)
    assert caught.value.param == "temperature"
    assert not sdk.upstream.requests
    if model == "anthropic":
        lenient.upstream.on(AT_ANTHROPIC, spoken.answer("messages", Said("Hi."), stream=False))
        raw = chat(lenient, model, temperature=0.5)
        assert lost(raw) == ["temperature"]
        assert "temperature" not in lenient.sent
        assert lenient.entries()[0]["lost"] == "temperature"


# --- the wire that tools need ---


@pytest.mark.parametrize("stream", [False, True])
def test_tools_of_a_chat_client_go_by_way_of_responses(sdk: Sdk, stream: bool) -> None:
    """GPT-5.4 and later refuse function tools on the chat wire while they think."""
    call = Said("", (Call("call_1", "add", '{"a":1,"b":2}'),), "hm", spoken.opaque("responses"))
    sdk.upstream.on(AT_OPENAI, spoken.answer("responses", call, stream=stream))
    given: dict[str, Any] = {"model": "openai", "tools": declared("chat", tool())}
    history: list[Any] = [*USER]
    completions = sdk.openai.chat.completions
    if stream:
        with completions.stream(messages=history, **given) as events:
            message = events.get_final_completion().choices[0].message
    else:
        message = completions.create(messages=history, **given).choices[0].message
    assert sdk.sent["store"] is False
    assert sdk.sent["tools"][0]["strict"] is False
    assert sdk.sent["include"] == ["reasoning.encrypted_content"]
    calls = message.tool_calls or []
    assert [one.id for one in calls] == ["call_1"]
    kept = {"role": "assistant", "content": None, "tool_calls": [
        {"id": "call_1", "type": "function",
         "function": {"name": "add", "arguments": calls[0].function.arguments}}]}  # fmt: skip
    history += [kept, {"role": "tool", "tool_call_id": "call_1", "content": "3"}]
    sdk.upstream.on(AT_OPENAI, spoken.answer("responses", Said("It is 3."), stream=False))
    assert completions.create(messages=history, **given).choices[0].message.content == "It is 3."
    # What the chat SDK dropped is there again, right before what it led to.
    kinds = [item.get("type", "message") for item in sdk.sent["input"]]
    assert kinds == ["message", "reasoning", "function_call", "function_call_output"]
    assert sdk.sent["input"][1]["encrypted_content"] == spoken.opaque("responses")
    assert sdk.last.headers["authorization"] == "Bearer sk-canary-openai"


def test_without_tools_it_stays_on_the_chat_wire(sdk: Sdk) -> None:
    sdk.upstream.on("/real/openai/v1/chat/completions", answers.chat("Hi."))
    assert chat(sdk, "openai").headers["x-entrepot-lane"] == "relay"


# --- a host that refuses what it does not know ---

NINE = 9
KNOWN = {
    "model", "messages", "tools", "tool_choice", "parallel_tool_calls", "temperature", "top_p",
    "max_tokens", "stop", "random_seed", "stream", "response_format", "n", "presence_penalty",
    "frequency_penalty", "prompt_mode", "reasoning_effort", "prompt_cache_key", "metadata",
}  # fmt: skip


def picky(request: Request) -> Behaviour:
    """Answer as the host does: 422 for a field it lacks, 400 for an id that is not nine letters."""
    body = request.json()
    extra = sorted(set(body) - KNOWN)
    for message in body["messages"]:
        allowed = {"role", "content", "tool_calls", "tool_call_id", "name", "prefix"}
        extra += sorted(set(message) - allowed)
    if extra:
        detail = [
            {
                "type": "extra_forbidden",
                "loc": ["body", name],
                "msg": "Extra inputs are not permitted",
            }
            for name in extra
        ]
        return answers.json_body(
            {"object": "error", "message": {"detail": detail}, "code": None}, 422
        )
    ids = [call["id"] for m in body["messages"] for call in m.get("tool_calls") or []]
    ids += [m["tool_call_id"] for m in body["messages"] if m["role"] == "tool"]
    if any(len(one) != NINE or not one.isalnum() for one in ids):
        said = "Tool call id was x but must be a-z, A-Z, 0-9, with a length of 9."
        return answers.json_body({"object": "error", "message": said, "code": 3280}, 400)
    return spoken.answer("chat", Said("Fine."), stream=bool(body.get("stream")))


LOOP: list[Any] = [
    {"role": "developer", "content": "Be brief."},
    {"role": "user", "content": "Add up."},
    {"role": "assistant", "content": "", "refusal": None, "annotations": [],
     "reasoning_content": "two sums", "tool_calls": [
        {"id": f"toolu_01{letter}", "type": "function",
         "function": {"name": "add", "arguments": '{"a":1,"b":2}'}} for letter in "AB"]},
    {"role": "tool", "tool_call_id": "toolu_01A", "content": "3"},
    {"role": "tool", "tool_call_id": "toolu_01B", "content": "3"},
]  # fmt: skip


def test_the_nine_letters_of_an_id(sdk: Sdk) -> None:
    sdk.upstream.on(AT_MISTRAL, picky, picky)
    raw = chat(sdk, "mistral", messages=LOOP, tools=declared("chat", tool()), seed=7,
               max_completion_tokens=50)  # fmt: skip
    assert raw.headers["x-entrepot-lane"] == "relay"
    body = sdk.sent
    asked = [call["id"] for call in body["messages"][2]["tool_calls"]]
    assert asked == [message["tool_call_id"] for message in body["messages"][3:]]
    assert len(set(asked)) == len(asked)
    assert (body["random_seed"], body["max_tokens"]) == (7, 50)
    blocks = [{"type": "tool_use", "id": "toolu_01A", "name": "add", "input": {"a": 1, "b": 2}}]
    result = {"type": "tool_result", "tool_use_id": "toolu_01A", "content": "3"}
    history = [
        *USER,
        {"role": "assistant", "content": blocks},
        {"role": "user", "content": [result]},
    ]
    raw = messages(sdk, "mistral", messages=history, tools=declared("messages", tool()))
    assert raw.headers["x-entrepot-lane"] == "translate"
    body = sdk.sent
    assert body["messages"][1]["tool_calls"][0]["id"] == body["messages"][2]["tool_call_id"]


def test_a_422_is_the_requests_own_fault(sdk: Sdk) -> None:
    """A field that the catalogue knows is refused here; another one is told in the host's words."""
    with pytest.raises(openai.BadRequestError) as refused:
        chat(sdk, "mistral", logit_bias={"50256": -100})
    assert refused.value.param == "logit_bias"
    assert not sdk.upstream.requests
    sdk.upstream.on(AT_MISTRAL, picky)
    with pytest.raises(openai.UnprocessableEntityError, match="extra_forbidden"):
        chat(sdk, "mistral", extra_body={"brand_new": 1})
    assert sdk.entries()[0]["error"] == "bad_request"


# --- system messages between the others, prefill ---


@each_host
def test_a_system_message_in_mid_conversation_keeps_its_place(sdk: Sdk, host: str) -> None:
    sdk.says(host, Said("Oui."), stream=False)
    history: list[Any] = [
        {"role": "system", "content": "RULE ONE"},
        {"role": "user", "content": "FIRST"},
        {"role": "assistant", "content": "SECOND"},
        {"role": "system", "content": "RULE TWO"},
        {"role": "user", "content": "THIRD"},
    ]
    chat(sdk, f"m-{host}", messages=history)
    body = sdk.sent
    # A top-level system text stands where its host wants it, before or after the messages.
    turns = text_of(sdk.last).replace("RULE ONE", "")
    places = [turns.index(text) for text in ("FIRST", "SECOND", "RULE TWO", "THIRD")]
    assert places == sorted(places)
    top = json.dumps(
        {name: body.get(name) for name in ("system", "systemInstruction", "instructions")}
    )
    assert "RULE TWO" not in top
    if host in ("messages", "converse", "gemini"):
        assert "RULE ONE" in top
        turns_of = body.get("messages") or body["contents"]
        roles = [turn["role"] for turn in turns_of]
        assert all(one != two for one, two in pairwise(roles))
    else:
        assert "RULE ONE" in json.dumps(body)


def test_a_system_message_where_the_model_takes_one(sdk: Sdk) -> None:
    sdk.upstream.on(AT_ANTHROPIC, spoken.answer("messages", Said("Oui."), stream=False))
    history: list[Any] = [*USER, {"role": "assistant", "content": "Yes?"},
                          {"role": "user", "content": "Go on."},
                          {"role": "system", "content": "In French."}]  # fmt: skip
    chat(sdk, "anthropic", messages=history)
    assert [turn["role"] for turn in sdk.sent["messages"]][-1] == "system"


def test_a_prefill_is_gone_on_with_or_refused(sdk: Sdk) -> None:
    begun: list[Any] = [*USER, {"role": "assistant", "content": "Once upon"}]
    sdk.says("messages", Said(" a time"), stream=False)
    messages(sdk, "m-messages", messages=begun)
    assert sdk.sent["messages"][-1]["role"] == "assistant"
    sdk.upstream.on(AT_MISTRAL, picky)
    messages(sdk, "mistral", messages=begun)
    assert sdk.sent["messages"][-1]["prefix"] is True
    asked = len(sdk.upstream.requests)
    for model in ("anthropic", "m-responses", "m-cohere"):
        with pytest.raises(openai.BadRequestError):
            chat(sdk, model, messages=begun)
    assert len(sdk.upstream.requests) == asked


# --- several answers, probabilities, tiers, caches ---


def gemini_two(request: Request) -> Behaviour:
    """Two candidates with the probabilities of their tokens."""
    assert request.json()["generationConfig"]["candidateCount"] == 2
    token = {"token": "Hi", "logProbability": -0.25, "tokenId": 7}
    logprobs = {
        "topCandidates": [
            {"candidates": [token, {"token": "Ho", "logProbability": -2.5, "tokenId": 8}]}
        ],
        "chosenCandidates": [token],
    }
    candidates = [
        {
            "content": {"role": "model", "parts": [{"text": "Hi"}]},
            "index": index,
            "finishReason": "STOP",
            "logprobsResult": logprobs,
        }
        for index in range(2)
    ]
    usage = {"promptTokenCount": 3, "candidatesTokenCount": 2, "totalTokenCount": 5}
    return answers.json_body({"candidates": candidates, "usageMetadata": usage})


def test_two_answers_and_their_probabilities_from_gemini(sdk: Sdk) -> None:
    sdk.does("gemini", gemini_two, stream=False)
    answer = chat(sdk, "m-gemini", n=2, logprobs=True, top_logprobs=2).parse()
    config = sdk.sent["generationConfig"]
    assert (config["responseLogprobs"], config["logprobs"]) == (True, 2)
    assert [choice.message.content for choice in answer.choices] == ["Hi", "Hi"]
    assert [choice.index for choice in answer.choices] == [0, 1]
    content = answer.choices[0].logprobs.content
    assert [(one.token, one.logprob) for one in content] == [("Hi", -0.25)]
    assert [one.token for one in content[0].top_logprobs] == ["Hi", "Ho"]


@pytest.mark.parametrize("host", ["messages", "responses", "converse", "cohere"])
def test_two_answers_are_refused_where_a_host_gives_one(sdk: Sdk, host: str) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        chat(sdk, f"m-{host}", n=2)
    assert caught.value.param == "n"
    assert not sdk.upstream.requests


@each_host
def test_a_service_tier_in_each_hosts_words(sdk: Sdk, host: str) -> None:
    sdk.says(host, Said("Hi."), stream=False)
    raw = chat(sdk, f"m-{host}", service_tier="flex")
    body = sdk.sent
    found = {
        "chat": body.get("service_tier"),
        "responses": body.get("service_tier"),
        "gemini": body.get("serviceTier"),
        "converse": body.get("serviceTier"),
    }
    if host in found:
        assert found[host] in ("flex", {"type": "flex"})
        assert not lost(raw)
    else:
        # It changes the price and the speed, not the answer: left out, and said.
        assert lost(raw) == ["service_tier"]


MARK = {"type": "ephemeral"}
CACHED: dict[str, Any] = {
    "system": [{"type": "text", "text": "A long rule.", "cache_control": MARK}],
    "messages": [
        {"role": "user", "content": [
            {"type": "text", "text": "A long text.", "cache_control": {**MARK, "ttl": "1h"}},
            {"type": "text", "text": "Hi"}]}],
}  # fmt: skip


@each_host
def test_the_marks_of_a_cache(sdk: Sdk, host: str) -> None:
    sdk.says(host, Said("Hi."), stream=False)
    raw = messages(sdk, f"m-{host}", **CACHED)
    body = sdk.sent
    if host == "messages":
        assert body["system"] == CACHED["system"]
        assert body["messages"] == CACHED["messages"]
    elif host == "converse":
        assert body["system"][1]["cachePoint"]["type"] == "default"
        assert body["messages"][0]["content"][1]["cachePoint"] == {"type": "default", "ttl": "1h"}
    else:
        assert lost(raw) == ["cache_control"]
        assert "cache" not in json.dumps(body)


def test_the_key_of_a_cache_from_chat_to_responses(sdk: Sdk) -> None:
    sdk.says("responses", Said("Hi."), stream=False)
    chat(sdk, "m-responses", prompt_cache_key="session-1")
    assert sdk.sent["prompt_cache_key"] == "session-1"
    sdk.says("messages", Said("Hi."), stream=False)
    raw = chat(sdk, "m-messages", prompt_cache_key="session-1")
    assert lost(raw) == ["prompt_cache_key"]
