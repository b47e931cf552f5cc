"""The official SDKs as clients, each asked the same thing in its own way.

    got = clients.ask("messages", gateway.url, Turn(...), stream=True)

Every client gives a ``Got``: what its user would read, and the conversation to go on with.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar, cast

import anthropic
import openai
from google import genai
from google.genai import types as gtypes

_SdkT = TypeVar("_SdkT")
_OPEN: dict[tuple[str, str], Any] = {}

CLIENT_WIRES = ("chat", "responses", "messages", "gemini")
KEY = "sk-client-canary"
ADD = {
    "name": "add",
    "description": "Add two numbers.",
    "parameters": {
        "type": "object",
        "properties": {"a": {"type": "number"}, "b": {"type": "number"}},
        "required": ["a", "b"],
    },
}


@dataclass
class Got:
    """What came: the words, the calls as (id, name, arguments), why it ended, tokens in and out.

    ``history`` is the conversation so far in the client's own form, the answer included.
    """

    text: str
    calls: list[tuple[str, str, Any]]
    finish: str
    tokens: tuple[int, int]
    thought: str = ""
    history: list[Any] = field(default_factory=list)


def ask(
    wire: str,
    url: str,
    model: str,
    history: list[Any],
    *,
    stream: bool,
    tools: bool = True,
    **more: Any,
) -> Got:
    """Ask for one turn on ``wire`` with the wire's own SDK."""
    return _ASKERS[wire](url, model, history, stream, [ADD] if tools else [], more)


def said(wire: str, text: str) -> list[Any]:
    """Return a conversation that begins with the user's ``text``."""
    if wire == "gemini":
        return [gtypes.Content(role="user", parts=[gtypes.Part(text=text)])]
    return [{"role": "user", "content": text}]


def results(wire: str, got: Got, outcomes: list[str]) -> list[Any]:
    """Return the conversation of ``got`` with the result of each of its calls."""
    pairs = list(zip(got.calls, outcomes, strict=True))
    if wire == "chat":
        return got.history + [
            {"role": "tool", "tool_call_id": call[0], "content": outcome} for call, outcome in pairs
        ]
    if wire == "responses":
        return got.history + [
            {"type": "function_call_output", "call_id": call[0], "output": outcome}
            for call, outcome in pairs
        ]
    if wire == "messages":
        blocks = [
            {"type": "tool_result", "tool_use_id": call[0], "content": outcome}
            for call, outcome in pairs
        ]
        return [*got.history, {"role": "user", "content": blocks}]
    parts = [
        gtypes.Part(
            function_response=gtypes.FunctionResponse(
                id=call[0], name=call[1], response={"result": outcome}
            )
        )
        for call, outcome in pairs
    ]
    return [*got.history, gtypes.Content(role="user", parts=parts)]


def openai_client(url: str) -> openai.OpenAI:
    """Return the SDK for an address, its retries off; ``close_all`` closes it."""
    return _opened(
        "openai",
        url,
        lambda: openai.OpenAI(base_url=f"{url}/v1", api_key=KEY, max_retries=0, timeout=20),
    )


def anthropic_client(url: str) -> anthropic.Anthropic:
    """Return the SDK for an address, its retries off; ``close_all`` closes it."""
    return _opened(
        "anthropic",
        url,
        lambda: anthropic.Anthropic(base_url=url, api_key=KEY, max_retries=0, timeout=20),
    )


def gemini_client(url: str) -> genai.Client:
    """Return the SDK at our address; ``close_all`` closes it."""
    options = gtypes.HttpOptions(base_url=url, timeout=20_000)
    return _opened("gemini", url, lambda: genai.Client(api_key=KEY, http_options=options))


def _opened(kind: str, url: str, make: Callable[[], _SdkT]) -> _SdkT:
    # To make one costs many times what a call costs.
    if (kind, url) not in _OPEN:
        _OPEN[kind, url] = make()
    return cast("_SdkT", _OPEN[kind, url])


def close_all() -> None:
    """Close every SDK that was opened."""
    while _OPEN:
        _OPEN.popitem()[1].close()


def _chat(
    url: str,
    model: str,
    history: list[Any],
    stream: bool,
    tools: list[dict[str, Any]],
    more: dict[str, Any],
) -> Got:
    custom = [{"type": "custom", "custom": tool} for tool in more.pop("custom", [])]
    given: dict[str, Any] = {"model": model, "messages": history, **more}
    if tools:
        given["tools"] = [{"type": "function", "function": tool} for tool in tools] + custom
    client = openai_client(url)
    if stream and not tools:
        return _chat_chunks(client, given, history)
    if stream:
        with client.chat.completions.stream(
            stream_options={"include_usage": True}, **given
        ) as events:
            for _ in events:
                pass
            answer: Any = events.get_final_completion()
    else:
        answer = client.chat.completions.create(**given)
    choice = answer.choices[0]
    message = choice.message
    calls = [
        (call.id, call.function.name, json.loads(call.function.arguments))
        for call in message.tool_calls or []
    ]
    # The SDK's own round trip: what a user appends to the conversation.
    kept = message.model_dump(exclude_none=True, exclude={"parsed"})
    for call in kept.get("tool_calls", []):
        call["function"].pop("parsed_arguments", None)
        call.pop("index", None)
    for extra in ("reasoning_content", "reasoning_details"):
        kept.pop(extra, None)
    return Got(
        text=message.content or "",
        calls=calls,
        finish=choice.finish_reason,
        tokens=(answer.usage.prompt_tokens, answer.usage.completion_tokens),
        thought=getattr(message, "reasoning_content", None) or "",
        history=[*history, kept],
    )


def _chat_chunks(client: openai.OpenAI, given: dict[str, Any], history: list[Any]) -> Got:
    """Without the SDK's accumulator, which raises where an answer was cut."""
    chunks: list[Any] = list(
        client.chat.completions.create(stream=True, stream_options={"include_usage": True}, **given)
    )
    text = "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
    ends = [c.choices[0].finish_reason for c in chunks if c.choices if c.choices[0].finish_reason]
    usage = [chunk.usage for chunk in chunks if chunk.usage][-1]
    tokens = (usage.prompt_tokens, usage.completion_tokens)
    return Got(text, [], ends[-1], tokens, history=history)


def _responses(
    url: str,
    model: str,
    history: list[Any],
    stream: bool,
    tools: list[dict[str, Any]],
    more: dict[str, Any],
) -> Got:
    custom = [{"type": "custom", **tool} for tool in more.pop("custom", [])]
    given: dict[str, Any] = {
        "model": model,
        "input": history,
        "include": ["reasoning.encrypted_content"],
        **more,
    }
    if tools:
        functions = [{"type": "function", "strict": False, **tool} for tool in tools]
        given["tools"] = functions + custom
    client = openai_client(url)
    if stream:
        # Not get_final_response: it takes an answer that was cut for none at all.
        with client.responses.stream(**given) as events:
            answer: Any = [event.response for event in events if hasattr(event, "response")][-1]
    else:
        answer = client.responses.create(**given)
    calls = [
        (item.call_id, item.name, json.loads(item.arguments))
        for item in answer.output
        if item.type == "function_call"
    ]
    thought = "".join(
        part.text for item in answer.output if item.type == "reasoning" for part in item.summary
    )
    items = [item.model_dump(exclude_none=True) for item in answer.output]
    for item in items:
        item.pop("parsed_arguments", None)
        item.pop("status", None)
        for part in item.get("content") or []:
            part.pop("parsed", None)
    return Got(
        text=answer.output_text,
        calls=calls,
        finish=answer.status,
        tokens=(answer.usage.input_tokens, answer.usage.output_tokens),
        thought=thought,
        history=[*history, *items],
    )


def _messages(
    url: str,
    model: str,
    history: list[Any],
    stream: bool,
    tools: list[dict[str, Any]],
    more: dict[str, Any],
) -> Got:
    given: dict[str, Any] = {"model": model, "messages": history, "max_tokens": 500, **more}
    if tools:
        given["tools"] = [
            {"name": t["name"], "description": t["description"], "input_schema": t["parameters"]}
            for t in tools
        ]
    client = anthropic_client(url)
    if stream:
        with client.messages.stream(**given) as events:
            for _ in events:
                pass
            answer: Any = events.get_final_message()
    else:
        answer = client.messages.create(**given)
    usage = answer.usage
    read = (usage.cache_read_input_tokens or 0) + (usage.cache_creation_input_tokens or 0)
    kept = [
        {k: v for k, v in block.model_dump(exclude_none=True).items() if k != "parsed_output"}
        for block in answer.content
    ]
    return Got(
        text="".join(block.text for block in answer.content if block.type == "text"),
        calls=[(b.id, b.name, b.input) for b in answer.content if b.type == "tool_use"],
        finish=answer.stop_reason,
        tokens=(usage.input_tokens + read, usage.output_tokens),
        thought="".join(b.thinking for b in answer.content if b.type == "thinking"),
        history=[*history, {"role": "assistant", "content": kept}],
    )


def _gemini(
    url: str,
    model: str,
    history: list[Any],
    stream: bool,
    tools: list[dict[str, Any]],
    more: dict[str, Any],
) -> Got:
    setting: dict[str, Any] = {
        "automatic_function_calling": gtypes.AutomaticFunctionCallingConfig(disable=True),
        "thinking_config": gtypes.ThinkingConfig(include_thoughts=True),
        **more,
    }
    if tools:
        declared = [
            gtypes.FunctionDeclaration(
                name=tool["name"],
                description=tool["description"],
                parameters_json_schema=tool["parameters"],
            )
            for tool in tools
        ]
        setting["tools"] = [gtypes.Tool(function_declarations=declared)]
    options = gtypes.GenerateContentConfig(**setting)
    client = gemini_client(url)
    if stream:
        chunks = list(
            client.models.generate_content_stream(model=model, contents=history, config=options)
        )
    else:
        chunks = [client.models.generate_content(model=model, contents=history, config=options)]
    parts = [
        part
        for chunk in chunks
        for candidate in chunk.candidates or []
        for part in (candidate.content and candidate.content.parts) or []
    ]
    finishes = [c.finish_reason for chunk in chunks for c in chunk.candidates or []]
    parts = _joined(parts)
    usage: Any = [chunk.usage_metadata for chunk in chunks if chunk.usage_metadata][-1]
    calls = [
        (part.function_call.id or "", part.function_call.name or "", part.function_call.args)
        for part in parts
        if part.function_call
    ]
    last = [finish for finish in finishes if finish is not None]
    return Got(
        text="".join(part.text or "" for part in parts if not part.thought),
        calls=calls,
        finish=last[-1].value if last else "",
        tokens=(
            usage.prompt_token_count or 0,
            (usage.candidates_token_count or 0) + (usage.thoughts_token_count or 0),
        ),
        thought="".join(part.text or "" for part in parts if part.thought),
        history=[*history, gtypes.Content(role="model", parts=parts)],
    )


def _joined(parts: list[Any]) -> list[Any]:
    """Put a streamed text together again, as a client that keeps a conversation does."""
    joined: list[Any] = []
    for part in parts:
        last = joined[-1] if joined else None
        both = last is not None and last.text is not None and part.text is not None
        if both and bool(last.thought) == bool(part.thought) and not last.thought_signature:
            joined[-1] = last.model_copy(
                update={
                    "text": last.text + part.text,
                    "thought_signature": part.thought_signature,
                }
            )
        else:
            joined.append(part)
    return joined


_ASKERS: dict[str, Callable[..., Got]] = {
    "chat": _chat,
    "responses": _responses,
    "messages": _messages,
    "gemini": _gemini,
}
