"""Long streams of one word an event, as each kind of host writes them, and clients that leave."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

from tests.fakes.answers import Behaviour, Gate
from tests.fakes.upstream import Upstream

WORDS = 100
PROMPT = "Count the words of this sentence, and then go on until somebody stops you, please."
# What the host counts of it, template and all; and a limit that the client sets.
TOKENS_IN, LIMIT = 29, 200


def word(number: int) -> str:
    """The word that stands in one event, and in no other."""
    return f" word{number:03d}"


def _data(value: Any) -> bytes:
    name = f"event: {value['type']}\n" if "type" in value else ""
    return f"{name}data: {json.dumps(value)}\n\n".encode()


def _chat(usage: bool) -> tuple[list[bytes], list[bytes], list[bytes]]:
    def chunk(delta: dict[str, Any], finish: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "finish_reason": finish}
        return _data({"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m",
                      "choices": [choice]})  # fmt: skip

    used = {"prompt_tokens": TOKENS_IN, "completion_tokens": WORDS,
            "total_tokens": TOKENS_IN + WORDS}  # fmt: skip
    own = _data({"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m",
                 "choices": [], "usage": used})  # fmt: skip
    end = [chunk({}, "stop"), *([own] if usage else []), b"data: [DONE]\n\n"]
    words = [chunk({"content": word(n)}) for n in range(WORDS)]
    return [chunk({"role": "assistant", "content": ""})], words, end


def _responses(usage: bool) -> tuple[list[bytes], list[bytes], list[bytes]]:
    item = {"id": "msg_1", "type": "message", "role": "assistant", "status": "in_progress",
            "content": []}  # fmt: skip
    response = {"id": "resp_1", "object": "response", "created_at": 1, "model": "m",
                "status": "in_progress", "output": []}  # fmt: skip
    part = {"type": "output_text", "text": "", "annotations": []}
    at = {"item_id": "msg_1", "output_index": 0, "content_index": 0}
    text = "".join(map(word, range(WORDS)))
    whole = {**item, "status": "completed", "content": [{**part, "text": text}]}
    used = {"input_tokens": TOKENS_IN, "output_tokens": WORDS, "total_tokens": TOKENS_IN + WORDS}
    ended = {**response, "status": "completed", "output": [whole]}
    begin = [
        _data({"type": "response.created", "response": response}),
        _data({"type": "response.output_item.added", "output_index": 0, "item": item}),
        _data({"type": "response.content_part.added", "part": part, **at}),
    ]
    words = [
        _data({"type": "response.output_text.delta", "delta": word(n), **at}) for n in range(WORDS)
    ]
    end = [
        _data({"type": "response.output_text.done", "text": text, **at}),
        _data({"type": "response.output_item.done", "output_index": 0, "item": whole}),
        _data({"type": "response.completed",
               "response": {**ended, "usage": used} if usage else ended}),
    ]  # fmt: skip
    return begin, words, end


def _messages(usage: bool) -> tuple[list[bytes], list[bytes], list[bytes]]:
    message = {"id": "msg_1", "type": "message", "role": "assistant", "model": "m", "content": [],
               "stop_reason": None, "stop_sequence": None}  # fmt: skip
    first = {"usage": {"input_tokens": TOKENS_IN, "output_tokens": 1}} if usage else {}
    last = {"usage": {"input_tokens": TOKENS_IN, "output_tokens": WORDS}} if usage else {}
    begin = [
        _data({"type": "message_start", "message": {**message, **first}}),
        _data({"type": "content_block_start", "index": 0,
               "content_block": {"type": "text", "text": ""}}),
    ]  # fmt: skip
    words = [
        _data({"type": "content_block_delta", "index": 0,
               "delta": {"type": "text_delta", "text": word(n)}})
        for n in range(WORDS)
    ]  # fmt: skip
    end = [
        _data({"type": "content_block_stop", "index": 0}),
        _data({"type": "message_delta", "delta": {"stop_reason": "end_turn"}, **last}),
        _data({"type": "message_stop"}),
    ]
    return begin, words, end


def _gemini(usage: bool) -> tuple[list[bytes], list[bytes], list[bytes]]:
    def chunk(text: str, so_far: int, finish: str = "") -> bytes:
        candidate: dict[str, Any] = {"content": {"role": "model", "parts": [{"text": text}]}}
        if finish:
            candidate["finishReason"] = finish
        used = {"promptTokenCount": TOKENS_IN, "candidatesTokenCount": so_far,
                "totalTokenCount": TOKENS_IN + so_far}  # fmt: skip
        more = {"usageMetadata": used} if usage else {}
        body = {"candidates": [candidate], "modelVersion": "m", **more}
        return f"data: {json.dumps(body)}\r\n\r\n".encode()

    words = [chunk(word(n), n + 1) for n in range(WORDS)]
    return [], words, [chunk("", WORDS, "STOP")]


_STREAMS: dict[str, Callable[[bool], tuple[list[bytes], list[bytes], list[bytes]]]] = {
    "chat": _chat, "responses": _responses, "messages": _messages, "gemini": _gemini,
}  # fmt: skip


def stream(wire: str, *, words: int = WORDS, usage: bool = True, ended: bool = True) -> Behaviour:
    """The stream of a host on ``wire``, or its first words; ``ended``: with all that follows."""
    begin, all_words, end = _STREAMS[wire](usage)
    pieces = (*begin, *all_words[:words], *(end if ended else ()))
    return Behaviour(
        headers=(("content-type", "text/event-stream"),), pieces=pieces, framing="chunked"
    )


def before_words(wire: str) -> int:
    """How many events come before the first word."""
    return len(_STREAMS[wire](True)[0])


def body_of(wire: str, model: str, limit: int | None = LIMIT) -> tuple[str, dict[str, Any]]:
    """The path and the body of a request for a stream on a client's wire."""
    if wire == "gemini":
        body: dict[str, Any] = {"contents": [{"role": "user", "parts": [{"text": PROMPT}]}]}
        if limit is not None:
            body["generationConfig"] = {"maxOutputTokens": limit}
        return f"/v1beta/models/{model}:streamGenerateContent?alt=sse", body
    said = [{"role": "user", "content": PROMPT}]
    if wire == "responses":
        more = {"max_output_tokens": limit} if limit is not None else {}
        return "/v1/responses", {"model": model, "input": said, "stream": True, **more}
    more = {"max_tokens": limit} if limit is not None else {}
    path = "/v1/messages" if wire == "messages" else "/v1/chat/completions"
    return path, {"model": model, "messages": said, "stream": True, **more}


async def leave_after(
    url: str, path: str, body: dict[str, Any], words: int, upstream: Upstream, gate: Gate
) -> None:
    """Ask for a stream, and leave when so many words are here."""
    reader, writer = await asyncio.open_connection("127.0.0.1", int(url.rpartition(":")[2]))
    asked = len(upstream.requests)
    raw = json.dumps(body).encode()
    head = f"POST {path} HTTP/1.1\r\nhost: x\r\ncontent-length: {len(raw)}\r\n\r\n"
    writer.write(head.encode() + raw)
    await asyncio.to_thread(upstream.until, lambda: len(upstream.requests) > asked)
    last, seen = word(words - 1).encode() if words else b"", b""
    async with asyncio.timeout(5):
        while last and last not in seen:
            seen += await reader.read(65536)
    writer.close()
    await writer.wait_closed()
    connection = upstream.requests[-1].connection
    assert await asyncio.to_thread(connection.closed.wait, 2), "the host still works for nobody"
    gate.open()
