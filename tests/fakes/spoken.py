"""The same answer as each kind of host would say it: bytes written by hand from each wire's spec.

    spoken.answer("messages", Said(text="hi", calls=[Call("toolu_1", "add", '{"a":1}')]), stream=True)

gives a ``Behaviour`` for the fake upstream. Nothing here uses the gateway's own codecs.
"""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from tests.fakes import answers
from tests.fakes.answers import Behaviour
from tests.unit.providers import frames

HOST_WIRES = ("chat", "responses", "messages", "gemini", "converse", "cohere")
MODEL = "fake-model"


@dataclass(frozen=True)
class Call:
    """One tool call; ``arguments`` is JSON text, cut or "" where the host says no more of them."""

    id: str
    name: str
    arguments: str = "{}"


@dataclass(frozen=True)
class Said:
    """What the model says. ``finish`` None follows from the rest; tokens are what is billed.

    ``state`` is the opaque state that comes with ``thought``, where the wire has one. ``cache_read``
    and ``cache_write`` are parts of ``tokens_in``, ``reasoning`` is a part of ``tokens_out``; a
    wire that does not count one of them leaves it out.
    """

    text: str = ""
    calls: tuple[Call, ...] = ()
    thought: str = ""
    state: str = ""
    finish: str | None = None
    tokens_in: int = 11
    tokens_out: int = 7
    cache_read: int = 0
    cache_write: int = 0
    reasoning: int = 0

    @property
    def fresh(self) -> int:
        """The prompt's tokens that no cache had."""
        return self.tokens_in - self.cache_read - self.cache_write

    @property
    def why(self) -> str:
        """``end``, ``tool``, ``length`` or ``filter``."""
        return self.finish or ("tool" if self.calls else "end")


def answer(wire: str, said: Said, *, stream: bool) -> Behaviour:
    """Return what makes the fake upstream say ``said`` on ``wire``."""
    whole, streamed = _SPEAKERS[wire]
    if not stream:
        return answers.json_body(whole(said))
    if wire == "converse":
        return Behaviour(
            headers=(("content-type", "application/vnd.amazon.eventstream"),),
            pieces=tuple(streamed(said)),
            framing="chunked",
        )
    return Behaviour(
        headers=(("content-type", "text/event-stream"),),
        pieces=tuple(streamed(said)),
        framing="chunked",
    )


def pieces(text: str, count: int = 3) -> list[str]:
    """Cut ``text`` into about ``count`` pieces, never an empty one."""
    size = max(1, -(-len(text) // count))
    return [text[at : at + size] for at in range(0, len(text), size)]


def _object(call: Call) -> Any:
    # A host that writes an object, not a text, has nothing where the text was cut.
    try:
        return json.loads(call.arguments or "{}")
    except ValueError:
        return {}


def _data(value: Any) -> bytes:
    return b"data: " + json.dumps(value, ensure_ascii=False).encode() + b"\n\n"


def _event(value: dict[str, Any]) -> bytes:
    return b"event: " + value["type"].encode() + b"\n" + _data(value)


# --- chat ---

_CHAT_FINISH = {"end": "stop", "tool": "tool_calls", "length": "length", "filter": "content_filter"}


def _chat_usage(said: Said) -> dict[str, Any]:
    usage: dict[str, Any] = {
        "prompt_tokens": said.tokens_in,
        "completion_tokens": said.tokens_out,
        "total_tokens": said.tokens_in + said.tokens_out,
    }
    if said.cache_read or said.cache_write:
        usage["prompt_tokens_details"] = {
            "cached_tokens": said.cache_read,
            "cache_write_tokens": said.cache_write,
        }
    if said.reasoning:
        usage["completion_tokens_details"] = {"reasoning_tokens": said.reasoning}
    return usage


def _chat_calls(said: Said) -> list[dict[str, Any]]:
    return [
        {
            "id": call.id,
            "type": "function",
            "function": {"name": call.name, "arguments": call.arguments},
        }
        for call in said.calls
    ]


def _chat(said: Said) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": said.text or None}
    if said.thought:
        message["reasoning_content"] = said.thought
    if said.calls:
        message["tool_calls"] = _chat_calls(said)
    choice = {"index": 0, "message": message, "finish_reason": _CHAT_FINISH[said.why]}
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": MODEL,
        "choices": [choice],
        "usage": _chat_usage(said),
    }


def _chat_stream(said: Said) -> Iterator[bytes]:
    def chunk(delta: dict[str, Any], finish: str | None = None) -> bytes:
        return _data(
            {
                "id": "chatcmpl-1",
                "object": "chat.completion.chunk",
                "created": 1,
                "model": MODEL,
                "choices": [{"index": 0, "delta": delta, "finish_reason": finish}],
            }
        )

    yield chunk({"role": "assistant", "content": ""})
    for piece in pieces(said.thought):
        yield chunk({"reasoning_content": piece})
    for piece in pieces(said.text):
        yield chunk({"content": piece})
    for index, call in enumerate(_chat_calls(said)):
        first = {**call, "index": index, "function": {**call["function"], "arguments": ""}}
        yield chunk({"tool_calls": [first]})
        for piece in pieces(said.calls[index].arguments):
            yield chunk({"tool_calls": [{"index": index, "function": {"arguments": piece}}]})
    yield chunk({}, _CHAT_FINISH[said.why])
    usage = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": MODEL}
    yield _data({**usage, "choices": [], "usage": _chat_usage(said)})
    yield b"data: [DONE]\n\n"


# --- responses ---


def _mark(text: str) -> str:
    # No two items of a conversation have one id; an SDK looks.
    return f"{zlib.crc32(text.encode()):08x}"


def _responses_items(said: Said) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = []
    if said.thought or said.state:
        mark = _mark(said.thought + said.state)
        item: dict[str, Any] = {"type": "reasoning", "id": f"rs_{mark}", "summary": []}
        if said.thought:
            item["summary"] = [{"type": "summary_text", "text": said.thought}]
        if said.state:
            item["encrypted_content"] = said.state
        items.append(item)
    if said.text:
        part = {"type": "output_text", "text": said.text, "annotations": []}
        items.append(
            {
                "type": "message",
                "id": f"msg_{_mark(said.text)}",
                "role": "assistant",
                "status": "completed",
                "content": [part],
            }
        )
    items += [
        {
            "type": "function_call",
            "id": f"fc_{call.id}",
            "call_id": call.id,
            "name": call.name,
            "arguments": call.arguments,
            "status": "completed",
        }
        for call in said.calls
    ]
    return items


def _responses(said: Said) -> dict[str, Any]:
    cut = {"length": "max_output_tokens", "filter": "content_filter"}.get(said.why)
    return {
        "id": "resp_1",
        "object": "response",
        "created_at": 1,
        "model": MODEL,
        "status": "incomplete" if cut else "completed",
        "error": None,
        "incomplete_details": {"reason": cut} if cut else None,
        "instructions": None,
        "metadata": {},
        "output": _responses_items(said),
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
        "temperature": 1.0,
        "top_p": 1.0,
        "usage": {
            "input_tokens": said.tokens_in,
            "input_tokens_details": {
                "cached_tokens": said.cache_read,
                "cache_write_tokens": said.cache_write,
            },
            "output_tokens": said.tokens_out,
            "output_tokens_details": {"reasoning_tokens": said.reasoning},
            "total_tokens": said.tokens_in + said.tokens_out,
        },
    }


def _responses_stream(said: Said) -> Iterator[bytes]:
    number = 0

    def event(kind: str, **fields: Any) -> bytes:
        nonlocal number
        number += 1
        return _event({"type": kind, "sequence_number": number - 1, **fields})

    begun = {**_responses(said), "status": "in_progress", "output": [], "usage": None}
    yield event("response.created", response=begun)
    yield event("response.in_progress", response=begun)
    for place, item in enumerate(_responses_items(said)):
        at = {"output_index": place, "item_id": item["id"]}
        if item["type"] == "reasoning":
            empty = {**item, "summary": []}
            yield event("response.output_item.added", output_index=place, item=empty)
            if item["summary"]:
                part = {"type": "summary_text", "text": ""}
                yield event(
                    "response.reasoning_summary_part.added", **at, summary_index=0, part=part
                )
                for piece in pieces(said.thought):
                    yield event(
                        "response.reasoning_summary_text.delta", **at, summary_index=0, delta=piece
                    )
                yield event(
                    "response.reasoning_summary_text.done",
                    **at,
                    summary_index=0,
                    text=said.thought,
                )
                yield event(
                    "response.reasoning_summary_part.done",
                    **at,
                    summary_index=0,
                    part=item["summary"][0],
                )
        elif item["type"] == "message":
            yield event(
                "response.output_item.added",
                output_index=place,
                item={**item, "content": [], "status": "in_progress"},
            )
            part = {"type": "output_text", "text": "", "annotations": []}
            yield event("response.content_part.added", **at, content_index=0, part=part)
            for piece in pieces(said.text):
                yield event(
                    "response.output_text.delta", **at, content_index=0, delta=piece, logprobs=[]
                )
            yield event(
                "response.output_text.done", **at, content_index=0, text=said.text, logprobs=[]
            )
            whole = item["content"][0]
            yield event("response.content_part.done", **at, content_index=0, part=whole)
        else:
            empty = {**item, "arguments": "", "status": "in_progress"}
            yield event("response.output_item.added", output_index=place, item=empty)
            for piece in pieces(item["arguments"]):
                yield event("response.function_call_arguments.delta", **at, delta=piece)
            yield event(
                "response.function_call_arguments.done",
                **at,
                arguments=item["arguments"],
                name=item["name"],
            )
        yield event("response.output_item.done", output_index=place, item=item)
    whole = _responses(said)
    yield event(f"response.{whole['status']}", response=whole)


# --- messages ---

_MESSAGES_FINISH = {
    "end": "end_turn",
    "tool": "tool_use",
    "length": "max_tokens",
    "filter": "refusal",
}


def _messages_blocks(said: Said) -> list[dict[str, Any]]:
    blocks: list[dict[str, Any]] = []
    if said.thought or said.state:
        blocks.append({"type": "thinking", "thinking": said.thought, "signature": said.state})
    if said.text:
        blocks.append({"type": "text", "text": said.text})
    blocks += [
        {"type": "tool_use", "id": c.id, "name": c.name, "input": _object(c)} for c in said.calls
    ]
    return blocks


def _messages(said: Said) -> dict[str, Any]:
    return {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": MODEL,
        "content": _messages_blocks(said),
        "stop_reason": _MESSAGES_FINISH[said.why],
        "stop_sequence": None,
        "usage": {**_messages_prompt(said), "output_tokens": said.tokens_out}
        | (
            {"output_tokens_details": {"thinking_tokens": said.reasoning}} if said.reasoning else {}
        ),
    }


def _messages_prompt(said: Said) -> dict[str, Any]:
    counts: dict[str, Any] = {"input_tokens": said.fresh}
    if said.cache_read or said.cache_write:
        counts["cache_read_input_tokens"] = said.cache_read
        counts["cache_creation_input_tokens"] = said.cache_write
        counts["cache_creation"] = {
            "ephemeral_5m_input_tokens": said.cache_write,
            "ephemeral_1h_input_tokens": 0,
        }
    return counts


def _messages_stream(said: Said) -> Iterator[bytes]:
    begun = {
        **_messages(said),
        "content": [],
        "stop_reason": None,
        "usage": {**_messages_prompt(said), "output_tokens": 1},
    }
    yield _event({"type": "message_start", "message": begun})
    yield _event({"type": "ping"})
    for place, block in enumerate(_messages_blocks(said)):
        empty: dict[str, Any] = {
            "thinking": {"type": "thinking", "thinking": "", "signature": ""},
            "text": {"type": "text", "text": ""},
            "tool_use": {**block, "input": {}},
        }[block["type"]]
        yield _event({"type": "content_block_start", "index": place, "content_block": empty})
        deltas: list[dict[str, Any]]
        if block["type"] == "thinking":
            deltas = [{"type": "thinking_delta", "thinking": p} for p in pieces(said.thought)]
            deltas.append({"type": "signature_delta", "signature": said.state})
        elif block["type"] == "text":
            deltas = [{"type": "text_delta", "text": piece} for piece in pieces(said.text)]
        else:
            call = next(call for call in said.calls if call.id == block["id"])
            deltas = [
                {"type": "input_json_delta", "partial_json": piece}
                for piece in pieces(call.arguments)
            ]
        for delta in deltas:
            yield _event({"type": "content_block_delta", "index": place, "delta": delta})
        yield _event({"type": "content_block_stop", "index": place})
    yield _event(
        {
            "type": "message_delta",
            "delta": {"stop_reason": _MESSAGES_FINISH[said.why], "stop_sequence": None},
            "usage": {"output_tokens": said.tokens_out}
            | (
                {"output_tokens_details": {"thinking_tokens": said.reasoning}}
                if said.reasoning
                else {}
            ),
        }
    )
    yield _event({"type": "message_stop"})


# --- gemini ---

_GEMINI_FINISH = {"end": "STOP", "tool": "STOP", "length": "MAX_TOKENS", "filter": "SAFETY"}


def _gemini_parts(said: Said) -> list[dict[str, Any]]:
    parts: list[dict[str, Any]] = []
    if said.thought:
        parts.append({"text": said.thought, "thought": True})
    if said.text:
        parts.append({"text": said.text})
    for place, call in enumerate(said.calls):
        part: dict[str, Any] = {
            "functionCall": {
                "id": call.id,
                "name": call.name,
                "args": _object(call),
            }
        }
        if said.state and place == 0:
            part["thoughtSignature"] = said.state
        parts.append(part)
    if said.state and not said.calls and parts:
        parts[-1]["thoughtSignature"] = said.state
    return parts


def _gemini_answer(
    parts: list[dict[str, Any]], finish: str | None, usage: dict[str, Any]
) -> dict[str, Any]:
    candidate: dict[str, Any] = {"content": {"role": "model", "parts": parts}, "index": 0}
    if finish is not None:
        candidate["finishReason"] = finish
    return {
        "candidates": [candidate],
        "usageMetadata": usage,
        "modelVersion": MODEL,
        "responseId": "r1",
    }


def _gemini_usage(said: Said) -> dict[str, Any]:
    usage = {
        "promptTokenCount": said.tokens_in,
        "candidatesTokenCount": said.tokens_out - said.reasoning,
        "totalTokenCount": said.tokens_in + said.tokens_out,
    }
    if said.cache_read:
        usage["cachedContentTokenCount"] = said.cache_read
    if said.reasoning:
        usage["thoughtsTokenCount"] = said.reasoning
    return usage


def _gemini(said: Said) -> dict[str, Any]:
    return _gemini_answer(_gemini_parts(said), _GEMINI_FINISH[said.why], _gemini_usage(said))


def _gemini_stream(said: Said) -> Iterator[bytes]:
    first = {"promptTokenCount": said.tokens_in, "totalTokenCount": said.tokens_in}
    for part in _gemini_parts(said):
        if "functionCall" in part:
            texts = [part]
        else:
            texts = [
                {"text": p} | ({"thought": True} if part.get("thought") else {})
                for p in pieces(part["text"])
            ]
            if "thoughtSignature" in part:
                texts[-1]["thoughtSignature"] = part["thoughtSignature"]
        for piece in texts:
            yield _data(_gemini_answer([piece], None, first)).replace(b"\n\n", b"\r\n\r\n")
    last = _gemini_answer([{"text": ""}], _GEMINI_FINISH[said.why], _gemini_usage(said))
    yield _data(last).replace(b"\n\n", b"\r\n\r\n")


# --- converse ---

_CONVERSE_FINISH = {
    "end": "end_turn",
    "tool": "tool_use",
    "length": "max_tokens",
    "filter": "content_filtered",
}


def _converse_usage(said: Said) -> dict[str, Any]:
    usage = {
        "inputTokens": said.fresh,
        "outputTokens": said.tokens_out,
        "totalTokens": said.tokens_in + said.tokens_out,
    }
    if said.cache_read or said.cache_write:
        usage["cacheReadInputTokens"] = said.cache_read
        usage["cacheWriteInputTokens"] = said.cache_write
    return usage


def _converse(said: Said) -> dict[str, Any]:
    content: list[dict[str, Any]] = []
    if said.thought or said.state:
        text = {"text": said.thought, "signature": said.state}
        content.append({"reasoningContent": {"reasoningText": text}})
    if said.text:
        content.append({"text": said.text})
    content += [
        {"toolUse": {"toolUseId": c.id, "name": c.name, "input": _object(c)}} for c in said.calls
    ]
    return {
        "output": {"message": {"role": "assistant", "content": content}},
        "stopReason": _CONVERSE_FINISH[said.why],
        "usage": _converse_usage(said),
        "metrics": {"latencyMs": 5},
    }


def frame(kind: str, payload: dict[str, Any], message: str = "event") -> bytes:
    """Return one frame of the binary event stream; ``message`` is event or exception."""
    return frames.event(kind, payload) if message == "event" else frames.exception(kind, payload)


def _converse_stream(said: Said) -> Iterator[bytes]:
    yield frame("messageStart", {"role": "assistant"})
    place = 0

    def delta(value: dict[str, Any]) -> bytes:
        return frame("contentBlockDelta", {"contentBlockIndex": place, "delta": value})

    if said.thought or said.state:
        for piece in pieces(said.thought):
            yield delta({"reasoningContent": {"text": piece}})
        if said.state:
            yield delta({"reasoningContent": {"signature": said.state}})
        yield frame("contentBlockStop", {"contentBlockIndex": place})
        place += 1
    if said.text:
        for piece in pieces(said.text):
            yield delta({"text": piece})
        yield frame("contentBlockStop", {"contentBlockIndex": place})
        place += 1
    for call in said.calls:
        start = {"toolUse": {"toolUseId": call.id, "name": call.name}}
        yield frame("contentBlockStart", {"contentBlockIndex": place, "start": start})
        for piece in pieces(call.arguments):
            yield delta({"toolUse": {"input": piece}})
        yield frame("contentBlockStop", {"contentBlockIndex": place})
        place += 1
    yield frame("messageStop", {"stopReason": _CONVERSE_FINISH[said.why]})
    yield frame("metadata", {"usage": _converse_usage(said), "metrics": {"latencyMs": 5}})


# --- cohere ---

_COHERE_FINISH = {"end": "COMPLETE", "tool": "TOOL_CALL", "length": "MAX_TOKENS", "filter": "ERROR"}


def _cohere_usage(said: Said) -> dict[str, Any]:
    counts = {"input_tokens": said.tokens_in, "output_tokens": said.tokens_out}
    return {"billed_units": counts, "tokens": counts}


def _cohere(said: Said) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant"}
    content: list[dict[str, Any]] = []
    if said.thought and not said.calls:
        content.append({"type": "thinking", "thinking": said.thought})
    if said.text:
        content.append({"type": "text", "text": said.text})
    if content:
        message["content"] = content
    if said.calls:
        message["tool_calls"] = _chat_calls(said)
        if said.thought:
            message["tool_plan"] = said.thought
    return {
        "id": "c1",
        "finish_reason": _COHERE_FINISH[said.why],
        "message": message,
        "usage": _cohere_usage(said),
    }


def _cohere_stream(said: Said) -> Iterator[bytes]:
    yield _event({"type": "message-start", "id": "c1", "delta": {"message": {"role": "assistant"}}})
    place = 0
    blocks = [("text", said.text)]
    if said.thought and not said.calls:
        blocks.insert(0, ("thinking", said.thought))
    for kind, text in blocks:
        if not text:
            continue
        start = {"message": {"content": {"type": kind, kind: ""}}}
        yield _event({"type": "content-start", "index": place, "delta": start})
        for piece in pieces(text):
            part = {"message": {"content": {kind: piece}}}
            yield _event({"type": "content-delta", "index": place, "delta": part})
        yield _event({"type": "content-end", "index": place})
        place += 1
    if said.calls:
        for piece in pieces(said.thought):
            yield _event({"type": "tool-plan-delta", "delta": {"message": {"tool_plan": piece}}})
    for index, call in enumerate(_chat_calls(said)):
        first = {**call, "function": {**call["function"], "arguments": ""}}
        yield _event(
            {"type": "tool-call-start", "index": index, "delta": {"message": {"tool_calls": first}}}
        )
        for piece in pieces(said.calls[index].arguments):
            part = {"message": {"tool_calls": {"function": {"arguments": piece}}}}
            yield _event({"type": "tool-call-delta", "index": index, "delta": part})
        yield _event({"type": "tool-call-end", "index": index})
    end = {"finish_reason": _COHERE_FINISH[said.why], "usage": _cohere_usage(said)}
    yield _event({"type": "message-end", "id": "c1", "delta": end})
    yield b"data: [DONE]\n\n"


_SPEAKERS: dict[str, tuple[Callable[[Said], dict[str, Any]], Callable[[Said], Iterator[bytes]]]] = {
    "chat": (_chat, _chat_stream),
    "responses": (_responses, _responses_stream),
    "messages": (_messages, _messages_stream),
    "gemini": (_gemini, _gemini_stream),
    "converse": (_converse, _converse_stream),
    "cohere": (_cohere, _cohere_stream),
}


def opaque(name: str) -> str:
    """Return something that looks like a host's opaque state: base64 of ``name``."""
    return base64.b64encode(f"state of {name} ".encode() * 4).decode()
