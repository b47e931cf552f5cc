"""A plain question on each client wire, and the answer as the wire's own SDK understands it.

Everything that comes back is first held against the SDK's types, and streams go through the SDK's
own accumulator where it has one; what the order of events must be is asserted beside.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from anthropic.lib.streaming._messages import accumulate_event
from anthropic.types import Message, RawMessageStreamEvent
from google.genai import types as gtypes
from openai.lib.streaming.chat import ChatCompletionStreamState
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import TypeAdapter

from tests.replay.readers import MESSAGES_ENDS
from tests.replay.said import (
    CHOICES,
    LOGPROBS,
    MEDIA,
    OWN_WORK,
    SOURCES,
    THOUGHTS,
    Alternative,
)

Json = dict[str, Any]
QUESTION = "What now?"
RESPONSE_EVENTS: TypeAdapter[Any] = TypeAdapter(ResponseStreamEvent)
MESSAGE_EVENTS: TypeAdapter[Any] = TypeAdapter(RawMessageStreamEvent)


@dataclass
class Seen:
    """What a client reads. ``error`` is its message, "" where there is none."""

    choices: list[Alternative] = field(default_factory=list)
    usage: tuple[int, int] | None = None
    shows: set[str] = field(default_factory=set)
    error: str = ""


def question(client: str, model: str, *, stream: bool, thoughts: bool) -> tuple[str, Json]:
    """Return path and body of a plain question; ``thoughts``: the client wants to see them."""
    user = {"role": "user", "content": QUESTION}
    if client == "chat":
        asked: Json = {"model": model, "messages": [user]}
        if stream:
            asked |= {"stream": True, "stream_options": {"include_usage": True}}
        return "/v1/chat/completions", asked
    if client == "responses":
        asked = {"model": model, "input": QUESTION, "stream": stream}
        return "/v1/responses", {**asked, "reasoning": {"summary": "auto"}} if thoughts else asked
    if client == "messages":
        asked = {"model": model, "messages": [user], "max_tokens": 4000, "stream": stream}
        shown = {"thinking": {"type": "enabled", "budget_tokens": 2000}} if thoughts else {}
        return "/v1/messages", {**asked, **shown}
    setting = {"generationConfig": {"thinkingConfig": {"includeThoughts": True}}}
    asked = {"contents": [{"role": "user", "parts": [{"text": QUESTION}]}]}
    return gemini_path(model, stream=stream), {**asked, **setting} if thoughts else asked


def gemini_path(model: str, *, stream: bool) -> str:
    """Return the address of a call on the Gemini wire."""
    method = "streamGenerateContent?alt=sse" if stream else "generateContent"
    return f"/v1beta/models/{quote(model, safe='/')}:{method}"


def seen(client: str, raw: bytes, *, stream: bool) -> Seen:
    """Return what a client of the wire ``client`` reads in a 200. Fails where it is not valid."""
    found = _READERS[client](raw, stream)
    if len(found.choices) > 1:
        found.shows.add(CHOICES)
    if any(one.thought.strip() for one in found.choices):
        found.shows.add(THOUGHTS)
    return found


def error_of(client: str, raw: bytes) -> str:
    """Return the message of a whole error body, which must have its wire's form."""
    body = json.loads(raw)
    error = body["error"]
    if client == "messages":
        assert body["type"] == "error"
        assert error["type"]
    elif client == "gemini":
        assert isinstance(error["code"], int)
        assert error["status"]
    else:
        assert error["type"]
        assert "code" in error
    assert error["message"]
    return str(error["message"])


def data_of(raw: bytes) -> list[Any]:
    """Return the data of a stream's events; ``[DONE]`` as that string."""
    text = raw.decode()  # a stream is never cut inside a character
    found = []
    for block in text.replace("\r\n", "\n").split("\n\n"):
        lines = [line[5:].removeprefix(" ") for line in block.split("\n") if line[:5] == "data:"]
        if lines:
            said = "\n".join(lines)
            found.append(said if said == "[DONE]" else json.loads(said))
    return found


def _error_in(said: Any) -> str:
    error = said.get("error") if isinstance(said, dict) else None
    return str(error["message"]) if isinstance(error, dict) and "choices" not in said else ""


# Chat.

CHAT_ENDS = {"stop": "stop", "tool_calls": "tool", "length": "length", "content_filter": "filter",
             "function_call": "tool"}  # fmt: skip


def _chat(raw: bytes, stream: bool) -> Seen:
    found = Seen()
    if not stream:
        answer: Any = ChatCompletion.model_validate(json.loads(raw), strict=True)
        _chat_choices(answer, found)
        return found
    state: Any = ChatCompletionStreamState()
    ended: set[int] = set()
    begun: set[int] = set()
    events = data_of(raw)
    for event in events:
        if event == "[DONE]":
            assert event is events[-1]
            continue
        if error := _error_in(event):
            assert event is events[-1]
            found.error = error
            return found
        chunk: Any = ChatCompletionChunk.model_validate(event, strict=True)
        for choice in chunk.choices:
            assert choice.index not in ended, "a delta after the end of its choice"
            assert choice.index in begun or choice.delta.role == "assistant", "no role first"
            begun.add(choice.index)
            if choice.finish_reason:
                ended.add(choice.index)
            if getattr(choice.delta, "annotations", None):
                found.shows.add(SOURCES)
            if getattr(choice.delta, "images", None):
                found.shows.add(MEDIA)
        state.handle_chunk(chunk)
    assert events[-1] == "[DONE]", "no end mark"
    assert ended == begun, "a choice without an end"
    _chat_choices(state.current_completion_snapshot, found)
    return found


def _chat_choices(answer: Any, found: Seen) -> None:
    for choice in sorted(answer.choices, key=lambda one: int(one.index)):
        message = choice.message
        one = Alternative(
            message.content or "",
            finish=CHAT_ENDS[choice.finish_reason],
            refusal=message.refusal or "",
            thought=getattr(message, "reasoning_content", None) or "",
        )
        ids = set()
        for call in message.tool_calls or ():
            assert call.id, "a call without an id"
            ids.add(call.id)
            made = call.function if call.type == "function" else call.custom
            text = made.arguments if call.type == "function" else json.dumps({"input": made.input})
            one.calls.append((made.name, text))
        assert len(ids) == len(one.calls), "two calls of one id"
        found.choices.append(one)
        if getattr(message, "annotations", None):
            found.shows.add(SOURCES)
        if getattr(message, "images", None):
            found.shows.add(MEDIA)
        if choice.logprobs and choice.logprobs.content:
            found.shows.add(LOGPROBS)
    if answer.usage:
        found.usage = answer.usage.prompt_tokens, answer.usage.completion_tokens
        total = answer.usage.prompt_tokens + answer.usage.completion_tokens
        assert answer.usage.total_tokens == total, "a total that is none"


# Responses.


def _responses(raw: bytes, stream: bool) -> Seen:
    found = Seen()
    if not stream:
        body = json.loads(raw)
        _response(body, Response.model_validate(body, strict=True), found)
        return found
    events = [event for event in data_of(raw) if event != "[DONE]"]
    numbers = [event["sequence_number"] for event in events]
    assert numbers == list(range(len(events))), "sequence numbers that do not rise by one"
    texts: dict[tuple[int, int], str] = {}
    arguments: dict[int, str] = {}
    added: set[int] = set()
    done: dict[int, Json] = {}
    last = events[-1]
    for event in events:
        kind = event["type"]
        # Another wire's own work is passed on as its host said it, whatever the types make of it.
        if "output_item" not in kind and "response" not in event:
            RESPONSE_EVENTS.validate_python(event, strict=True)
        if kind == "error":
            # Two ways to say it: some clients look for the one, some for the other.
            assert [one["type"] for one in events[-2:]] == ["error", "response.failed"]
            found.error = event["message"]
            assert last["response"]["error"]["message"] == found.error
            return found
        if kind == "response.output_item.added":
            added.add(event["output_index"])
        elif kind == "response.output_item.done":
            done[event["output_index"]] = event["item"]
        elif kind == "response.output_text.delta":
            key = event["output_index"], event["content_index"]
            texts[key] = texts.get(key, "") + event["delta"]
        elif kind == "response.function_call_arguments.delta":
            place = event["output_index"]
            arguments[place] = arguments.get(place, "") + event["delta"]
    assert last["type"] in ("response.completed", "response.incomplete"), last["type"]
    response = last["response"]
    assert added == done.keys()
    assert [done[place] for place in sorted(done)] == response["output"], "items unlike the whole"
    for (item, part), text in texts.items():
        assert done[item]["content"][part]["text"] == text, "deltas unlike their whole"
    for place, text in arguments.items():
        assert done[place]["arguments"] == text, "arguments unlike their whole"
    _response(response, Response.model_validate(response, strict=True), found)
    return found


def _response(body: Json, answer: Any, found: Seen) -> None:
    one = Alternative()
    for item in body["output"]:
        kind = item["type"]
        if kind == "message":
            for part in item["content"]:
                one.text += part.get("text") or ""
                one.refusal += part.get("refusal") or ""
                if part.get("annotations"):
                    found.shows.add(SOURCES)
                if part.get("logprobs"):
                    found.shows.add(LOGPROBS)
        elif kind == "function_call":
            one.calls.append((item["name"], item["arguments"]))
        elif kind == "custom_tool_call":
            one.calls.append((item["name"], json.dumps({"input": item["input"]})))
        elif kind == "reasoning":
            for part in [*(item.get("summary") or ()), *(item.get("content") or ())]:
                one.thought += part["text"]
        else:
            found.shows.add(OWN_WORK)
    if answer.incomplete_details:
        reason = answer.incomplete_details.reason
        one.finish = "length" if reason == "max_output_tokens" else "filter"
        assert answer.status == "incomplete"
    else:
        assert answer.status == "completed"
        one.finish = "tool" if one.calls else "filter" if one.refusal else "stop"
    found.choices = [one]
    if answer.usage:
        found.usage = answer.usage.input_tokens, answer.usage.output_tokens


# Messages.


def _messages(raw: bytes, stream: bool) -> Seen:
    found = Seen()
    if not stream:
        _message(Message.model_validate(json.loads(raw), strict=True), json.loads(raw), found)
        return found
    snapshot: Any = None
    buffers: dict[int, bytes] = {}
    order = []
    open_block = -1
    events = data_of(raw)
    for event in events:
        kind = event["type"]
        if kind == "ping":
            continue
        if kind == "error":
            assert event is events[-1]
            found.error = event["error"]["message"]
            return found
        order.append(kind)
        if kind == "content_block_start":
            assert (open_block, event["index"]) == (-1, order.count("content_block_start") - 1)
            open_block = event["index"]
        elif kind in ("content_block_delta", "content_block_stop"):
            assert open_block == event["index"], "a delta outside of its block"
            open_block = -1 if kind == "content_block_stop" else open_block
        snapshot = accumulate_event(
            event=MESSAGE_EVENTS.validate_python(event, strict=True),
            current_snapshot=snapshot,
            json_bufs=buffers,
        )
    assert order[0] == "message_start"
    assert order[-2:] == ["message_delta", "message_stop"]
    assert order.count("message_start") == order.count("message_delta") == 1
    first = next(event for event in events if event["type"] == "message_start")["message"]["usage"]
    assert first["input_tokens"] + first["output_tokens"] > 0, "message_start without usage"
    _message(snapshot, None, found)
    return found


def _message(answer: Any, _raw: Json | None, found: Seen) -> None:
    one = Alternative(finish=MESSAGES_ENDS[answer.stop_reason])
    for block in answer.content:
        if block.type == "text":
            one.text += block.text
            if block.citations:
                found.shows.add(SOURCES)
        elif block.type == "thinking":
            one.thought += block.thinking
        elif block.type == "tool_use":
            assert block.id
            one.calls.append((block.name, json.dumps(block.input)))
        elif block.type != "redacted_thinking":
            found.shows.add(OWN_WORK)
    found.choices = [one]
    used = answer.usage
    cached = (used.cache_read_input_tokens or 0) + (used.cache_creation_input_tokens or 0)
    found.usage = used.input_tokens + cached, used.output_tokens


# Gemini.


def _gemini(raw: bytes, stream: bool) -> Seen:
    found = Seen()
    bodies = data_of(raw) if stream else [json.loads(raw)]
    places: dict[int, Alternative] = {}
    ended: set[int] = set()
    for body in bodies:
        if error := _error_in(body):
            assert body is bodies[-1]
            found.error = error
            return found
        answer: Any = gtypes.GenerateContentResponse.model_validate(body)
        for candidate in answer.candidates or ():
            place = candidate.index or 0
            assert place not in ended, "a chunk after the end of its candidate"
            one = places.setdefault(place, Alternative())
            for part in (candidate.content and candidate.content.parts) or ():
                _gemini_part(part, one, found)
            if candidate.finish_reason:
                ended.add(place)
                native = candidate.finish_reason.value
                known = {"STOP": "stop", "MAX_TOKENS": "length", "OTHER": "pause"}
                one.finish = known.get(native, "filter")
                if one.finish == "stop" and one.calls:
                    one.finish = "tool"
            if candidate.grounding_metadata or candidate.citation_metadata:
                found.shows.add(SOURCES)
            if candidate.logprobs_result:
                found.shows.add(LOGPROBS)
        used = answer.usage_metadata
        if used:
            out = (used.candidates_token_count or 0) + (used.thoughts_token_count or 0)
            into = (used.prompt_token_count or 0) + (used.tool_use_prompt_token_count or 0)
            found.usage = into, out
    assert ended == places.keys(), "a candidate without an end"
    found.choices = [places[place] for place in sorted(places)]
    return found


def _gemini_part(part: Any, one: Alternative, found: Seen) -> None:
    if part.thought:
        one.thought += part.text or ""
    elif part.text is not None:
        one.text += part.text
    elif part.function_call:
        assert part.function_call.name
        one.calls.append((part.function_call.name, json.dumps(part.function_call.args or {})))
    elif part.inline_data:
        found.shows.add(MEDIA)
    elif part.executable_code or part.code_execution_result:
        found.shows.add(OWN_WORK)


_READERS: dict[str, Callable[[bytes, bool], Seen]] = {
    "chat": _chat,
    "responses": _responses,
    "messages": _messages,
    "gemini": _gemini,
}
