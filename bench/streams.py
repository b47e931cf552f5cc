"""What the benchmark's upstream streams on each wire: a beginning, one chunk, an end."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from tests.unit.providers import frames

CHAT_ANSWER = (
    b'{"id":"c","object":"chat.completion","created":1,"model":"mock","choices":[{"index":0,'
    b'"message":{"role":"assistant","content":"Hello there, how are you?"},"finish_reason":"stop"}],'
    b'"usage":{"prompt_tokens":9,"completion_tokens":7,"total_tokens":16}}'
)


@dataclass(frozen=True)
class Stream:
    """One wire's stream; ``chunk`` says one word and comes many times."""

    media: bytes
    begin: bytes
    chunk: bytes
    end: bytes


def _line(value: Any, end: bytes = b"\n\n") -> bytes:
    return b"data: " + json.dumps(value, separators=(",", ":")).encode() + end


def _named(kind: str, **said: Any) -> bytes:
    return b"event: " + kind.encode() + b"\n" + _line({"type": kind, **said})


def _gemini(text: str, **more: Any) -> bytes:
    candidate = {"content": {"parts": [{"text": text}], "role": "model"}, "index": 0, **more}
    usage = {"promptTokenCount": 9, "candidatesTokenCount": 200, "totalTokenCount": 209}
    said = {"candidates": [candidate], "usageMetadata": usage, "modelVersion": "mock"}
    return _line({**said, "responseId": "r"}, b"\r\n\r\n")


EVENTS = b"text/event-stream"
CHAT = Stream(
    EVENTS,
    b"",
    b'data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"mock","choices":'
    b'[{"index":0,"delta":{"content":" word"},"finish_reason":null}]}\n\n',
    b'data: {"id":"c","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n'
    b'data: {"id":"c","choices":[],"usage":'
    b'{"prompt_tokens":9,"completion_tokens":200,"total_tokens":209}}\n\n'
    b"data: [DONE]\n\n",
)
MESSAGES = Stream(
    EVENTS,
    _named(
        "message_start",
        message={
            "id": "m", "type": "message", "role": "assistant", "model": "mock", "content": [],
            "usage": {"input_tokens": 9, "output_tokens": 1},
        },
    )
    + _named("content_block_start", index=0, content_block={"type": "text", "text": ""}),
    _named("content_block_delta", index=0, delta={"type": "text_delta", "text": " word"}),
    _named("content_block_stop", index=0)
    + _named(
        "message_delta",
        delta={"stop_reason": "end_turn", "stop_sequence": None},
        usage={"output_tokens": 200},
    )
    + _named("message_stop"),
)  # fmt: skip
GEMINI = Stream(EVENTS, b"", _gemini(" word"), _gemini(".", finishReason="STOP"))
CONVERSE = Stream(
    b"application/vnd.amazon.eventstream",
    frames.event("messageStart", {"role": "assistant"}),
    frames.event("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": " word"}}),
    frames.stream(
        ("contentBlockStop", {"contentBlockIndex": 0}),
        ("messageStop", {"stopReason": "end_turn"}),
        (
            "metadata",
            {"usage": {"inputTokens": 9, "outputTokens": 200, "totalTokens": 209}},
        ),
    ),
)
# By the wire that stands in the path.
STREAMS = {"chat": CHAT, "messages": MESSAGES, "gemini": GEMINI, "converse": CONVERSE}
