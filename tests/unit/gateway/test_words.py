"""What a client's answer says is heard whole, in either form, or not at all."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gateway.front import Message
from gateway.words import WORDS_MAX_CHARS, Heard, words
from providers import ir
from providers.wires.registry import WIRES
from tests.fakes import answers

CHAT = WIRES["chat"]


async def heard(pieces: list[bytes], *, stream: bool) -> str | None:
    """What was heard of an answer that went out in ``pieces``, none of which was changed."""
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    ear = Heard(CHAT, stream=stream)
    through = ear.listening(send)
    bodies: list[Message] = [{"type": "http.response.body", "body": piece} for piece in pieces]
    started: Message = {"type": "http.response.start", "status": 200}
    for message in [started, *bodies]:
        await through(message)
    assert sent == [started, *bodies]
    return ear.text()


def stream_of(parts: list[str]) -> list[bytes]:
    return list(answers.sse(answers.chat_stream(parts)).pieces)


def whole_of(text: str, **more: Any) -> list[bytes]:
    return [json.dumps(answers.chat_answer(text, **more)).encode()]


@pytest.mark.parametrize("size", [1, 7, 10_000])
async def test_a_stream_is_heard_however_it_is_cut(size: int) -> None:
    raw = b": ping\n\n" + b"".join(stream_of(["Hel", "lo ", "there."]))
    pieces = [raw[at : at + size] for at in range(0, len(raw), size)]
    assert await heard(pieces, stream=True) == "Hello there."


async def test_a_whole_answer_is_heard_with_its_calls() -> None:
    call = {"id": "c", "type": "function", "function": {"name": "look", "arguments": '{"a":1}'}}
    said = await heard(whole_of("So:", tool_calls=[call], finish="tool_calls"), stream=False)
    assert said == 'So:\n[calls look({"a":1})]\n'


@pytest.mark.parametrize(
    ("pieces", "stream"),
    [
        ([], False),
        ([b"<html>"], False),
        (stream_of(["Hello"])[:-3], True),
        ([*stream_of(["Hello"])[:2], b'data: {"error": {"message": "broke off"}}\n\n'], True),
        (stream_of(["x" * 1024] * (WORDS_MAX_CHARS // 1024 + 1)), True),
        (whole_of("x" * (WORDS_MAX_CHARS + 1)), False),
    ],
)
async def test_half_an_answer_is_none(pieces: list[bytes], *, stream: bool) -> None:
    assert await heard(pieces, stream=stream) is None


async def test_names_of_tools_count_too() -> None:
    ear = Heard(WIRES["messages"], stream=True)

    async def send(_: Message) -> None:
        return None

    through = ear.listening(send)
    for number in range(2 * WORDS_MAX_CHARS // 1000):
        tool = {"type": "tool_use", "id": f"t{number}", "name": "n" * 1000, "input": {}}
        events: list[dict[str, Any]] = [
            {"type": "content_block_start", "index": number, "content_block": tool},
            {"type": "content_block_stop", "index": number},
        ]
        for event in events:
            said = f"event: {event['type']}\ndata: {json.dumps(event)}\n\n"
            await through({"type": "http.response.body", "body": said.encode()})
    assert not ear._events
    assert ear.text() is None


def test_the_first_of_several_answers_speaks() -> None:
    assert words([ir.TextDelta("a"), ir.TextDelta("b", 1), ir.TextDelta("c")]) == "ac"
