"""A client's chat request on its way to a host of the same wire.

What policy judged is what is sent on, every unknown field included; only what the host's dialect
says otherwise is put in its words.
"""

from __future__ import annotations

from typing import Any

import msgspec

from providers.dialect import Dialect
from providers.json_body import decode as decode
from providers.usage import tier_of
from providers.wires.chat.callids import CallIds
from providers.wires.chat.checks import check
from providers.wires.wire import BadRequestError as BadRequestError
from providers.wires.wire import Json, named_user
from providers.wires.wire import Peek as Peek

# What kinds of content parts ask of a route.
NEEDS = {"image_url": "images", "input_audio": "audio", "file": "files"}

_encode = msgspec.json.Encoder().encode


def peek(body: Json, text_bytes: int, _path: str = "") -> Peek:
    """Return what a request asks for. Raises ``BadRequestError`` naming the field at fault."""
    check(body)
    options = body.get("stream_options") or {}
    return Peek(
        model=body["model"],
        stream=bool(body.get("stream")),
        wants_usage=bool(options.get("include_usage")),
        max_output=body.get("max_completion_tokens") or body.get("max_tokens"),
        n=body.get("n") or 1,
        text_bytes=text_bytes,
        needs=_needs(body),
        user=named_user(body),
        tier=tier_of(body.get("service_tier")),
    )


def _needs(body: Json) -> frozenset[str]:
    found = set()
    if body.get("tools") or body.get("functions"):
        found.add("tools")
        if forces_a_tool(body):
            found.add("forced_tool")
    output = body.get("response_format")
    if output and output.get("type") == "json_schema":
        found.add("schema")
    for message in body["messages"]:
        content = message.get("content")
        if type(content) is list:
            for part in content:
                kind = part.get("type") if isinstance(part, dict) else None
                if isinstance(kind, str) and kind in NEEDS:
                    found.add(NEEDS[kind])
    return frozenset(found)


def forces_a_tool(body: Json) -> bool:
    """Whether ``tool_choice`` (or ``function_call``) leaves the model no choice but to call."""
    choice = body.get("tool_choice")
    if choice is None:
        return isinstance(body.get("function_call"), dict)
    if not isinstance(choice, dict):
        return choice in ("required", "any")
    if choice.get("type") != "allowed_tools":
        return True
    allowed = choice.get("allowed_tools")
    return isinstance(allowed, dict) and allowed.get("mode") == "required"


def refused(body: Json, dialect: Dialect) -> str | None:
    """Return the first field of ``body`` that the host would refuse, None where it takes all."""
    if dialect.refuses:
        for name in body:
            if name in dialect.refuses and body[name] is not None:
                return name
    if dialect.structured != "schema":
        kind = (body.get("response_format") or {}).get("type")
        if kind == "json_schema" or (kind == "json_object" and dialect.structured == "none"):
            return "response_format"
    if not dialect.forced_tools and forces_a_tool(body):
        return "tool_choice"
    if not dialect.named_tools and isinstance(body.get("tool_choice"), dict):
        return "tool_choice"
    if dialect.max_stops is not None:
        stop = body.get("stop")
        if isinstance(stop, list) and len(stop) > dialect.max_stops:
            return "stop"
    return None


def patch(body: Json, model: str, dialect: Dialect) -> bytes:
    """Return the bytes for a host: the judged body in the host's own words.

    A stream asks for its usage where the host allows it, whether or not the client did; the relay
    takes the answer to that out again. ``body`` is left as it was.
    """
    out = {**body, "model": model}
    if out.get("stream"):
        if dialect.ask_stream_usage:
            out["stream_options"] = {**(out.get("stream_options") or {}), "include_usage": True}
        else:
            out.pop("stream_options", None)
    if dialect.tool_choice_words:
        _say_choice(out, dialect)
    if not dialect.developer_role or dialect.tool_ids or dialect.strips:
        out["messages"] = _messages(out["messages"], dialect)
    return _encode(out)


def _say_choice(out: Json, dialect: Dialect) -> None:
    said = out.get("tool_choice")
    if not isinstance(said, str) or said not in dialect.tool_choice_words:
        return
    word = dialect.tool_choice_words[said]
    if word:
        out["tool_choice"] = word
    else:
        del out["tool_choice"]


def _messages(messages: list[Json], dialect: Dialect) -> list[Json]:
    ids = CallIds(dialect.tool_ids)
    out = []
    for message in messages:
        change: Json = {}
        role = message["role"]
        if role == "developer" and not dialect.developer_role:
            change["role"] = "system"
        elif (
            dialect.tool_ids and role == "assistant" and isinstance(message.get("tool_calls"), list)
        ):
            change["tool_calls"] = [_with_id(call, ids) for call in message["tool_calls"]]
        elif dialect.tool_ids and role == "tool" and isinstance(message.get("tool_call_id"), str):
            change["tool_call_id"] = ids.theirs(message["tool_call_id"])
        if change:
            message = {**message, **change}
        if not dialect.strips.isdisjoint(message):
            message = {name: v for name, v in message.items() if name not in dialect.strips}
        out.append(message)
    return out


def _with_id(call: Any, ids: CallIds) -> Any:
    if isinstance(call, dict) and isinstance(call.get("id"), str):
        return {**call, "id": ids.theirs(call["id"])}
    return call
