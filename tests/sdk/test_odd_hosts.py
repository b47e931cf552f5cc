"""Hosts with ways of their own, as the catalogue has them or as streams have been seen."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.fakes import answers, spoken
from tests.fakes.answers import Behaviour
from tests.fakes.spoken import HOST_WIRES, Call, Said
from tests.fakes.upstream import Request
from tests.sdk.house import Sdk
from tests.sdk.test_tool_cases import asked
from tests.wires import clients
from tests.wires.clients import CLIENT_WIRES

each_client = pytest.mark.parametrize("client", CLIENT_WIRES)
both_ways = pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
FIELD = "reasoning_content"

# --- reasoning that has to come back ---

THINKERS = {
    "deepseek": "/real/deepseek/chat/completions",
    "zai": "/real/zai/paas/v4/chat/completions",
    "moonshot": "/real/moonshot/v1/chat/completions",
    "alibaba": "/real/alibaba/compatible-mode/v1/chat/completions",
    "xiaomi-mimo": "/real/mimo/v1/chat/completions",
}


def strict(request: Request) -> Behaviour:
    """Answer 400 where a tool turn comes without its own reasoning; one turn thought nothing."""
    body = request.json()
    turns = [message for message in body["messages"] if message["role"] == "assistant"]
    for number, message in enumerate(turns):
        if message.get(FIELD) != thought(number):
            said = f"{FIELD} is missing in assistant tool call message at index {number}"
            return answers.error(400, said)
    number = len(turns)
    call = Call(f"c{number}", "add", '{"a":1,"b":2}')
    return spoken.answer(
        "chat", Said(f"turn {number}", (call,), thought(number)), stream=bool(body.get("stream"))
    )


def thought(number: int) -> str:
    return f"thought {number}"


# These hosts speak some of the other clients' wires themselves, where the client keeps the state.
@pytest.mark.parametrize("client", ["chat", "gemini"])
@pytest.mark.parametrize("name", THINKERS)
def test_a_five_turn_tool_loop_at_a_thinking_host(sdk: Sdk, client: str, name: str) -> None:
    """An SDK that drops what it does not know: the gateway puts the reasoning back and says so."""
    history = clients.said(client, "Begin.")
    for number in range(5):
        stream = number % 2 == 0
        sdk.upstream.on(THINKERS[name], strict)
        got = clients.ask(client, sdk.gateway.url, name, history, stream=stream)
        assert got.text == f"turn {number}"
        history = clients.results(client, got, ["3"])
    entries = sdk.entries(5)
    assert {entry["outcome"] for entry in entries} == {"completed"}
    if client == "chat":
        assert "put back the reasoning of 4 turns" in entries[-1]["notes"]


# --- malformed calls in a stream ---


def fragment(index: int | None, name: str | None, text: str, call_id: Any = "") -> dict[str, Any]:
    """One delta of a call; ``call_id`` or ``index`` None: the field is not there."""
    function: dict[str, Any] = {"arguments": text}
    if name is not None:
        function["name"] = name
    said: dict[str, Any] = {"type": "function", "function": function}
    if index is not None:
        said["index"] = index
    if call_id is not None:
        said["id"] = call_id
    return said


ONE, TWO = '{"a":1,"b":2}', '{"a":3,"b":4}'
MALFORMED: dict[str, list[list[dict[str, Any]]]] = {
    "no index": [
        [fragment(None, "add", ONE[:6], "c1")],
        [fragment(None, None, ONE[6:], None)],
        [fragment(None, "add", TWO, "c2")],
    ],
    "one index for all": [
        [fragment(0, "add", ONE, "c1")],
        [fragment(0, "add", TWO, "c2")],
    ],
    "counted from 1": [
        [fragment(1, "add", "", "c1")],
        [fragment(1, None, ONE, None)],
        [fragment(2, "add", TWO, "c2")],
    ],
    "empty ids": [[fragment(0, "add", ONE)], [fragment(1, "add", TWO)]],
    "one id for all": [[fragment(0, "add", ONE, "c1")], [fragment(1, "add", TWO, "c1")]],
    "id and name again": [
        [fragment(0, "add", ONE[:6], "c1")],
        [fragment(0, "add", ONE[6:], "c1")],
        [fragment(1, "add", TWO, "c2")],
    ],
    "all in one chunk": [[fragment(0, "add", ONE, "c1"), fragment(1, "add", TWO, "c2")]],
}


def stream_of(chunks: list[list[dict[str, Any]]]) -> Behaviour:
    """A chat stream with these deltas of calls."""
    shell = {"id": "x", "object": "chat.completion.chunk", "created": 1, "model": "m"}

    def said(delta: dict[str, Any], finish: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "finish_reason": finish}
        return b"data: " + json.dumps({**shell, "choices": [choice]}).encode() + b"\n\n"

    usage = {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18}
    pieces = [said({"role": "assistant", "content": ""})]
    pieces += [said({"tool_calls": deltas}) for deltas in chunks]
    pieces.append(said({}, "tool_calls"))
    pieces.append(
        b"data: " + json.dumps({**shell, "choices": [], "usage": usage}).encode() + b"\n\n"
    )
    pieces.append(b"data: [DONE]\n\n")
    head = (("content-type", "text/event-stream"),)
    return Behaviour(headers=head, pieces=tuple(pieces), framing="chunked")


@each_client
@pytest.mark.parametrize("case", MALFORMED)
def test_malformed_calls_are_clean_for_every_sdk(sdk: Sdk, client: str, case: str) -> None:
    """Translated always; relayed where the host is known for it, and then the entry says so."""
    path = "/at-messy/chat/completions"
    sdk.upstream.on(path, stream_of(MALFORMED[case]))
    got = clients.ask(client, sdk.gateway.url, "messy", clients.said(client, "Go."), stream=True)
    called = [(name, arguments) for _, name, arguments in got.calls]
    assert called == [("add", {"a": 1, "b": 2}), ("add", {"a": 3, "b": 4})]
    ids = [call_id for call_id, _, _ in got.calls]
    assert len(set(ids)) == 2
    assert all(ids)
    if client == "chat" and case != "all in one chunk":
        assert "repaired" in sdk.entries()[0]["notes"]


@each_client
def test_arguments_that_do_not_parse_are_an_error_event(sdk: Sdk, client: str) -> None:
    """It may have had fragments, which no SDK takes for a call before the end says so."""
    broken = [[fragment(0, "add", '{"a":1,,', "c1")]]
    sdk.upstream.on("/at-messy/chat/completions", stream_of(broken))
    path, body = asked(client, "messy")
    answer = sdk.gateway.client.post(path, json=body)
    last = [line for line in answer.text.splitlines() if line.startswith("data:")][-1:]
    if answer.status_code == 200:
        assert "error" in last[0]
        for end in ("[DONE]", "message_stop", "response.completed", '"tool_calls","', "STOP"):
            assert end not in answer.text
    else:
        assert answer.status_code == 502
    assert sdk.entries()[0]["error"] == "malformed"


# --- how long an answer may be ---

LIMITS: dict[str, Any] = {
    "chat": lambda body: body.get("max_completion_tokens") or body.get("max_tokens"),
    "responses": lambda body: body["max_output_tokens"],
    "messages": lambda body: body["max_tokens"],
    "gemini": lambda body: body["generationConfig"]["maxOutputTokens"],
    "converse": lambda body: body["inferenceConfig"]["maxTokens"],
    "cohere": lambda body: body["max_tokens"],
}


@pytest.mark.parametrize("field", ["max_tokens", "max_completion_tokens"])
@pytest.mark.parametrize("host", HOST_WIRES)
def test_the_longest_answer_in_each_hosts_words(sdk: Sdk, host: str, field: str) -> None:
    sdk.says(host, Said("Hi."), stream=False)
    given: dict[str, Any] = {field: 321}
    user: Any = [{"role": "user", "content": "Hi"}]
    sdk.openai.chat.completions.create(model=f"m-{host}", messages=user, **given)
    assert LIMITS[host](sdk.sent) == 321


@pytest.mark.parametrize("field", ["max_tokens", "max_completion_tokens"])
@pytest.mark.parametrize(
    ("name", "path", "theirs"),
    [
        ("openai", "/real/openai/v1/chat/completions", "max_completion_tokens"),
        ("mistral", "/real/mistral/v1/chat/completions", "max_tokens"),
        ("zai", THINKERS["zai"], "max_tokens"),
    ],
)
def test_its_name_at_a_host_of_the_catalogue(
    sdk: Sdk, name: str, path: str, theirs: str, field: str
) -> None:
    sdk.upstream.on(path, answers.chat("Hi."))
    given: dict[str, Any] = {field: 321}
    user: Any = [{"role": "user", "content": "Hi"}]
    sdk.openai.chat.completions.create(model=name, messages=user, **given)
    sent = {key: value for key, value in sdk.sent.items() if key.startswith("max_")}
    assert sent == {theirs: 321}


# --- reasoning beside the answer's count ---


@both_ways
def test_figures_that_contradict_each_other_are_marked(sdk: Sdk, stream: bool) -> None:
    """Reasoning that is more than all output: priced by what adds up, and flagged."""
    usage = {
        "prompt_tokens": 10,
        "completion_tokens": 5,
        "total_tokens": 35,
        "completion_tokens_details": {"reasoning_tokens": 20},
    }
    said = (
        answers.sse(answers.chat_stream(["Hi"], usage=usage))
        if stream
        else answers.chat("Hi", usage=usage)
    )
    sdk.does("chat", said, stream=stream)
    ask: Any = sdk.openai.chat.completions.create
    user = [{"role": "user", "content": "Hi"}]
    answer = ask(model="m-chat", messages=user, stream=stream)
    if stream:
        list(answer)
    (entry,) = sdk.entries()
    assert not entry["reconciled"]
    assert min(entry[name] for name in ("input", "output", "reasoning")) >= 0
