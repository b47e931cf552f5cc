"""What fuzzing has found, each as small as it could be made."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from providers import ir
from providers.assemble import events_of as spread
from providers.dialect import Dialect
from providers.usage import Usage
from providers.wires.registry import WIRES
from providers.wires.wire import Context
from tests.fakes import answers
from tests.fakes.spoken import frame
from tests.fuzz.asking import CLIENT_WIRES, Watched, error_of, question, watched
from tests.fuzz.test_readers import clean, events_of
from tests.wires.hosts import path_of

PLAIN = Dialect()


def sse(*said: dict[str, Any]) -> bytes:
    return b"".join([b"data: " + json.dumps(one).encode() + b"\n\n" for one in said])


def test_nothing_comes_after_the_end_of_a_messages_answer() -> None:
    block = {"type": "text", "text": "late"}
    data = sse(
        {"type": "message_start", "message": {"id": "m", "usage": {"input_tokens": 1}}},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}},
        {"type": "content_block_start", "index": 0, "content_block": block},
        {"type": "content_block_stop", "index": 0},
        {"type": "message_stop"},
    )
    events, reader = events_of("messages", PLAIN, [data])
    clean(events, whole=reader.fault is None)
    assert not any(isinstance(event, ir.TextDelta) for event in events)


def test_a_converse_call_that_breaks_off_ends_the_stream() -> None:
    start = {"toolUse": {"toolUseId": "c", "name": "f"}}
    data = [
        frame("messageStart", {"role": "assistant"}),
        frame("contentBlockStart", {"contentBlockIndex": 0, "start": start}),
        frame("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"toolUse": {"input": "{"}}}),
        frame("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": "and then"}}),
    ]
    events, reader = events_of("converse", PLAIN, data)
    clean(events, whole=False)
    assert reader.fault is not None


def test_a_cohere_call_that_breaks_off_ends_the_stream() -> None:
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{"}}
    data = sse(
        {"type": "message-start", "id": "c1"},
        {"type": "tool-call-start", "index": 0, "delta": {"message": {"tool_calls": call}}},
        {"type": "content-delta", "index": 0, "delta": {"message": {"content": {"text": "a"}}}},
    )
    events, reader = events_of("cohere", PLAIN, [data])
    clean(events, whole=False)
    assert reader.fault is not None


def test_a_conversation_of_blanks_is_still_one() -> None:
    blank = ir.Request("chat", "m", (ir.Message("user", (ir.Text(" "),)),))
    written = WIRES["messages"].host.write(blank, "m", PLAIN)
    (turn,) = written.body["messages"]
    assert turn["role"] == "user"
    assert turn["content"].strip()


def test_two_thoughts_are_apart_in_a_chat_stream_too() -> None:
    parts = (ir.Reasoning("One."), ir.Reasoning("Two."))
    answer = ir.Answer((ir.Choice(parts, "end"),), Usage(input=1, output=1))
    context = Context("r", "m", {}, 1, 1)
    front = WIRES["chat"].front
    writer = front.writer(context)
    raw = b"".join([writer.write(event) for event in spread(answer)])
    streamed = [
        json.loads(line[6:])["choices"][0]["delta"].get("reasoning_content", "")
        for line in raw.splitlines()
        if line.startswith(b"data: {")
    ]
    message = json.loads(front.write(answer, context))["choices"][0]["message"]
    assert "".join(streamed) == message["reasoning_content"] == "One.\n\nTwo."


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    folder: Path = tmp_path_factory.mktemp("found")
    with watched(folder) as found:
        yield found


@pytest.mark.parametrize("client", CLIENT_WIRES)
@pytest.mark.parametrize("host", ["messages", "converse", "gemini"])
def test_a_header_that_is_no_text_is_passed_on_as_bytes(
    gateway: Watched, client: str, host: str
) -> None:
    odd = "\xff\xfe é"
    headers = {"x-amzn-errortype": odd, "request-id": odd, "x-request-id": odd}
    gateway.begin()
    gateway.upstream.on(
        path_of(host, stream=True), answers.json_body({"message": "no"}, 503, headers)
    )
    path, body = question(client, f"m-{host}", stream=True)
    answer = gateway.gateway.client.post(path, json=body)
    assert answer.status_code in (502, 503)
    error_of(client, answer)
    gateway.all_is_well()


@pytest.mark.parametrize("name", [".", ".."])
def test_a_model_is_no_step_in_a_path(gateway: Watched, name: str) -> None:
    gateway.begin()
    for client in ("chat", "responses", "messages"):
        path, body = question(client, f"on-converse/{name}", stream=False)
        answer = gateway.gateway.client.post(path, json=body)
        assert answer.status_code == 404
    assert not gateway.upstream.requests


def test_a_safety_setting_of_another_type_is_read(gateway: Watched) -> None:
    gateway.begin()
    path, body = question("gemini", "m-chat", stream=False)
    body["safetySettings"] = [{"category": "x", "threshold": ["BLOCK_NONE"]}]
    answer = gateway.gateway.client.post(path, json=body)
    # The setting has no meaning and is named as what the other wire cannot say.
    assert answer.status_code == 400
    assert "safetySettings" in error_of("gemini", answer)["message"]


def test_the_end_of_a_messages_stream_forgives_no_earlier_fault() -> None:
    """Half an event at the end is a cut; what was broken before it stays broken."""
    data = sse({"type": "message_delta", "delta": {"stop_reason": "end_turn"}})
    events, reader = events_of("messages", PLAIN, [data + b"data: {\n\n" + b"data: {"])
    clean(events, whole=False)
    assert reader.fault is not None
    passing = WIRES["messages"].host.reader(PLAIN, "r", False)
    passing.feed(data + b"data: {\n\n" + b"data: {")
    passing.end()
    assert passing.fault is not None
