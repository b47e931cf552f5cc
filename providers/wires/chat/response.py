"""Reads a host's whole chat answer, and writes one for a client."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from providers import ir
from providers.assemble import Collector
from providers.carrier import seal
from providers.dialect import Dialect
from providers.errors import ErrorKind, UpstreamError
from providers.usage import Usage
from providers.wires.chat.checks import TIERS
from providers.wires.chat.citations import annotations_of
from providers.wires.chat.counts import usage_of as usage_of
from providers.wires.chat.errors import error_of
from providers.wires.chat.events import Cleaner
from providers.wires.chat.finish import WORDS, error_in, fault_of
from providers.wires.chat.reasoning import (
    TEXT_FIELDS,
    block_items,
    text_item,
    with_signature,
)
from providers.wires.chat.states import states_in
from providers.wires.wire import Context, Json, Tap

_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode


def tap(raw: bytes, dialect: Dialect) -> Tap:
    """Return what a whole answer says. Raises ``UpstreamError``: an error in a 200, or no answer.

    An answer counts as one when it has ``choices`` that did not end in a fault of the host.
    """
    body, choices = _opened(raw, dialect)
    first = choices[0] if isinstance(choices[0], dict) else {}
    usage = usage_of(_usage_in(body, first), dialect, body.get("service_tier"))
    messages = [
        choice["message"]
        for choice in choices
        if isinstance(choice, dict) and isinstance(choice.get("message"), dict)
    ]
    return Tap(
        usage=usage,
        finish=str(first.get("finish_reason") or ""),
        model=str(body.get("model") or ""),
        text_bytes=0 if usage.state == "reported" else _text_bytes(messages),
        states=tuple([state for message in messages for state in states_in(message)]),
        calls=tuple(_call_ids(messages)),
    )


def thoughts(raw: bytes) -> str:
    """Return the reasoning of a whole answer's first choice, for a host that wants it back."""
    try:
        body = _decode(raw)
        message = body["choices"][0]["message"]
        found = [message.get(name) for name in TEXT_FIELDS]
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, LookupError, TypeError,
            AttributeError):  # fmt: skip
        return ""
    return next((text for text in found if text and isinstance(text, str)), "")


def read(raw: bytes, dialect: Dialect, issuer: str) -> ir.Answer:
    """Return a whole answer in the neutral form. Raises ``UpstreamError`` as ``tap``.

    Raises it too where the arguments of a tool call are no JSON object.
    """
    body, _ = _opened(raw, dialect)
    cleaner = Cleaner(dialect, issuer)
    collector = Collector()
    for event in (*cleaner.take(body, whole=True), *cleaner.end()):
        collector.add(event)
    if cleaner.fault is not None:
        raise cleaner.fault
    return ir.Answer(
        choices=collector.choices(),
        usage=cleaner.usage,
        id=collector.id,
        model=cleaner.model,
        native_finish=cleaner.finish,
        service_tier=cleaner.service_tier,
    )


def _opened(raw: bytes, dialect: Dialect) -> tuple[Json, list[Any]]:
    try:
        body = _decode(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise UpstreamError(
            ErrorKind.MALFORMED, "the answer is not JSON", status=200, body=raw[:2048]
        ) from None
    error = error_in(body)
    if error is not None:
        raise error_of(error, 200, dialect)
    choices = body.get("choices") if isinstance(body, dict) else None
    if not isinstance(choices, list) or not choices:
        raise UpstreamError(ErrorKind.MALFORMED, "the answer has no choices", status=200)
    for choice in choices:
        if not isinstance(choice, dict):
            continue
        if isinstance(choice.get("error"), dict):
            raise error_of(choice["error"], 200, dialect)
        if (fault := fault_of(choice.get("finish_reason"))) is not None:
            raise fault
    return body, choices


def _usage_in(body: Json, first: Json) -> Any:
    # Some hosts state it inside the choice.
    return body["usage"] if isinstance(body.get("usage"), dict) else first.get("usage")


def _text_bytes(messages: Iterable[Json]) -> int:
    values = [
        value for message in messages for name, value in message.items() if name != "role" and value
    ]
    return sum(len(value) if isinstance(value, str) else len(str(value)) for value in values)


def _call_ids(messages: Iterable[Json]) -> Iterable[str]:
    for message in messages:
        calls = message.get("tool_calls")
        for call in calls if isinstance(calls, list) else ():
            known = call.get("id") if isinstance(call, dict) else None
            if known and isinstance(known, str):
                yield known


def write(answer: ir.Answer, context: Context) -> bytes:
    """Return a whole answer as a client of this wire reads it."""
    body: Json = {
        "id": answer.id or context.id,
        "object": "chat.completion",
        "created": context.created,
        "model": answer.model or context.model,
        "choices": [
            _choice(place, choice, old_functions=speaks_old_functions(context.body))
            for place, choice in enumerate(answer.choices)
        ],
    }
    usage = usage_for(answer.usage)
    if usage is not None:
        body["usage"] = usage
    if answer.service_tier in TIERS:
        body["service_tier"] = answer.service_tier
    return _encode(body)


def speaks_old_functions(body: Json) -> bool:
    """Whether a client declared ``functions``, before there were ``tools``."""
    return bool(body.get("functions")) and not body.get("tools")


def _choice(place: int, choice: ir.Choice, *, old_functions: bool) -> Json:
    message: Json = {"role": "assistant", "content": None, "refusal": None}
    texts = [part.text for part in choice.parts if isinstance(part, ir.Text)]
    if any(texts):
        message["content"] = "".join(texts)
    refusals = [part.text for part in choice.parts if isinstance(part, ir.Refused)]
    if refusals:
        message["refusal"] = "".join(refusals)
    _reason(message, choice.parts)
    annotations = _annotations(choice.parts)
    if annotations:
        message["annotations"] = annotations
    calls = [part for part in choice.parts if isinstance(part, ir.ToolCall)]
    if calls and old_functions:
        message["function_call"] = {"name": calls[0].name, "arguments": calls[0].arguments}
    elif calls:
        message["tool_calls"] = [call_for(call) for call in calls]
    elif not texts and not refusals:
        message["content"] = ""
    finish = WORDS[choice.finish]
    return {
        "index": place,
        "message": message,
        "logprobs": logprobs_for(choice.logprobs),
        "finish_reason": "function_call" if old_functions and finish == "tool_calls" else finish,
    }


def _reason(message: Json, parts: tuple[ir.Part, ...]) -> None:
    blocks = [part for part in parts if isinstance(part, ir.Reasoning)]
    text = "\n\n".join([block.text for block in blocks if block.text])
    if text:
        message["reasoning_content"] = text
    of_text = tuple(state for part in parts if isinstance(part, ir.Text) for state in part.opaque)
    if not of_text and not any(block.opaque for block in blocks):
        return
    items: list[Json] = []
    for block in blocks:
        items += block_items(block, len(items))
    if of_text:
        items.append(text_item(of_text, len(items)))
    message["reasoning_details"] = items


def _annotations(parts: tuple[ir.Part, ...]) -> list[Json]:
    found: list[Json] = []
    before = 0
    for part in parts:
        if isinstance(part, ir.Text):
            found += annotations_of(part.citations, before)
            before += len(part.text)
    return found


def call_for(call: ir.ToolCall) -> Json:
    """Return a tool call as a client reads it; foreign state goes along as a seal."""
    said: Json = {"id": call.id, **call_body(call.kind, call.name, call.arguments)}
    if call.opaque:
        said["extra_content"] = with_signature(seal(call.opaque))
    return said


def call_body(kind: str, name: str, arguments: str) -> Json:
    """Return what of a tool call depends on its kind."""
    if kind == "custom":
        return {"type": "custom", "custom": {"name": name, "input": arguments}}
    return {"type": "function", "function": {"name": name, "arguments": arguments}}


def logprobs_for(tokens: list[Any] | None) -> Json | None:
    """Return log probabilities as a choice holds them."""
    return {"content": tokens, "refusal": None} if tokens else None


def usage_for(usage: Usage) -> Json | None:
    """Return usage as a client reads it; None where nobody knows it."""
    if usage.state in ("missing", "none"):
        return None
    return {
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "total_tokens": usage.prompt_tokens + usage.completion_tokens,
        "prompt_tokens_details": {
            "cached_tokens": usage.cache_read,
            "cache_write_tokens": usage.cache_write + usage.cache_write_long,
            "audio_tokens": usage.audio_input,
        },
        "completion_tokens_details": {
            "reasoning_tokens": usage.reasoning,
            "audio_tokens": usage.audio_output,
        },
    }
