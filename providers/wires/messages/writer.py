"""Writes an answer for a client, as a stream or whole."""

from __future__ import annotations

from typing import Any

import msgspec

from providers import ir, tokens
from providers.assemble import events_of
from providers.ir import Counted, Event, Started
from providers.usage import MISSING, Usage
from providers.wires.messages.author import Author, asked_for_thoughts
from providers.wires.messages.cut_json import completed
from providers.wires.messages.errors import write_stream_error
from providers.wires.messages.usage import split_of, usage_json
from providers.wires.wire import Context, Json

PING = b'event: ping\ndata: {"type": "ping"}\n\n'
STOP = b'event: message_stop\ndata: {"type":"message_stop"}\n\n'
TIERS = frozenset({"standard", "priority", "batch"})

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode


class StreamWriter:
    """Events → the client's stream."""

    __slots__ = ("_author", "_context", "_sink", "_started", "_usage")

    def __init__(self, context: Context) -> None:
        self._context = context
        self._sink = _StreamSink()
        self._author = Author(self._sink, asked_for_thoughts(context.body))
        self._usage: Usage = MISSING
        self._started = False

    def write(self, event: Event) -> bytes:
        """Return the bytes of the events that ``event`` makes; b"" for none yet."""
        if isinstance(event, Counted):
            self._usage = event.usage
            return b""
        first = b"" if self._started else self._start(event)
        if isinstance(event, Started):
            return first
        self._author.write(event)
        return first + self._sink.take()

    def _start(self, event: Event) -> bytes:
        self._started = True
        known = event if isinstance(event, Started) else Started()
        usage = known.usage or Usage(input=max(self._context.prompt_tokens, 1))
        # Clients that look no further take these counts for the answer's own: none may be zero.
        said = {**usage_json(usage), "cache_creation": split_of(usage)}
        said["output_tokens"] = max(usage.completion_tokens, 1)
        message = _message(self._context, known.model, [], said)
        return _event("message_start", {"type": "message_start", "message": message})

    def end(self) -> bytes:
        """Return the end of a whole answer: its counts, why it ended, and the end mark."""
        first = b"" if self._started else self._start(Started())
        if self._author.stop is None:
            self._author.write(ir.Finished("end"))
        usage = usage_json(_known(self._usage, self._context, self._author))
        last = {"type": "message_delta", "delta": self._author.stop, "usage": usage}
        return first + self._sink.take() + _event("message_delta", last) + STOP

    def fail(self, message: str, _kind: str, code: str) -> bytes:
        """Return the wire's error event; nothing may follow it."""
        return write_stream_error(message, code)


class _StreamSink:
    """Blocks as events of the stream, with indexes that rise by one."""

    __slots__ = ("_index", "_out")

    def __init__(self) -> None:
        self._index = -1
        self._out: list[bytes] = []

    def take(self) -> bytes:
        out = b"".join(self._out)
        self._out.clear()
        return out

    def open(self, block: Json) -> None:
        self._index += 1
        start = {"type": "content_block_start", "index": self._index, "content_block": block}
        self._out.append(_event("content_block_start", start))

    def delta(self, delta: Json) -> None:
        said = {"type": "content_block_delta", "index": self._index, "delta": delta}
        self._out.append(_event("content_block_delta", said))

    def close(self) -> None:
        stop = {"type": "content_block_stop", "index": self._index}
        self._out.append(_event("content_block_stop", stop))


class _WholeSink:
    """Blocks as the content of a whole answer, as a client would add them up."""

    __slots__ = ("_arguments", "content")

    def __init__(self) -> None:
        self.content: list[Json] = []
        self._arguments: list[str] = []

    def open(self, block: Json) -> None:
        self.content.append(dict(block))

    def delta(self, delta: Json) -> None:
        block, kind = self.content[-1], delta["type"]
        if kind == "text_delta":
            block["text"] += delta["text"]
        elif kind == "thinking_delta":
            block["thinking"] += delta["thinking"]
        elif kind == "signature_delta":
            block["signature"] = delta["signature"]
        elif kind == "citations_delta":
            block.setdefault("citations", []).append(delta["citation"])
        else:
            self._arguments.append(delta["partial_json"])

    def close(self) -> None:
        if self._arguments:
            self.content[-1]["input"] = completed("".join(self._arguments))
            self._arguments.clear()


def write(answer: ir.Answer, context: Context) -> bytes:
    """Return a whole answer as the client's body: of its first choice, the only one asked for."""
    sink = _WholeSink()
    author = Author(sink, asked_for_thoughts(context.body))
    for event in events_of(answer):
        author.write(event)
    if author.stop is None:
        author.write(ir.Finished("end"))
    usage = _known(answer.usage, context, author)
    said = {**usage_json(usage), "cache_creation": split_of(usage)}
    if answer.service_tier in TIERS:
        said["service_tier"] = answer.service_tier
    return _encode({**_message(context, answer.model, sink.content, said), **(author.stop or {})})


def _known(usage: Usage, context: Context, author: Author) -> Usage:
    if usage.state in ("reported", "estimated"):
        return usage
    written = tokens.estimate(author.text_bytes)
    return Usage(input=max(context.prompt_tokens, 1), output=written, state="estimated")


def _message(context: Context, model: str, content: list[Json], usage: Json) -> dict[str, Any]:
    return {
        "id": context.id if context.id.startswith("msg_") else f"msg_{context.id}",
        "type": "message",
        "role": "assistant",
        "model": model or context.model,
        "content": content,
        "stop_reason": None,
        "stop_sequence": None,
        "usage": usage,
    }


def _event(name: str, data: Json) -> bytes:
    return b"event: " + name.encode() + b"\ndata: " + _encode(data) + b"\n\n"
