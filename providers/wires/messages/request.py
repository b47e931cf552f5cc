"""A client's own body: what the gateway must know of it, and how a host of this wire gets it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from providers.carrier import open_seal
from providers.dialect import Dialect
from providers.usage import tier_of
from providers.wires.messages.read import check_types
from providers.wires.messages.thinking import amid_foreign_loop
from providers.wires.wire import BadRequestError, Json, Peek, named_user, searches_most

MODEL_MAX_CHARS = 256
# What stands in a body that has opaque state in it.
STATE_MARKS = (b'"signature"', b'"redacted_thinking"')
# What a request to count tokens may hold; everything else is refused there.
COUNTED = frozenset(
    {
        "model", "messages", "system", "tools", "tool_choice", "thinking", "output_config",
        "output_format", "cache_control", "context_management", "mcp_servers", "speed",
        "user_profile_id", "workspace_id",
    }
)  # fmt: skip
NEED_OF_BLOCK = {"image": "images", "document": "files"}
# Documents that are words already need no host that reads files.
PLAIN_SOURCES = ("text", "content")

_encode = msgspec.json.Encoder().encode


def peek(body: Json, text_bytes: int, _path: str = "") -> Peek:
    """Return what a request asks for. Raises ``BadRequestError`` naming the field at fault."""
    check_types(body)
    model = body.get("model")
    if not model:
        raise BadRequestError("`model` is missing: name one of GET /v1/models", "model")
    if len(model) > MODEL_MAX_CHARS or not model.isprintable():
        raise BadRequestError(
            f"`model` must be at most {MODEL_MAX_CHARS} printable characters", "model"
        )
    messages = body.get("messages")
    if not messages:
        raise BadRequestError("`messages` must have at least one message", "messages")
    for place, message in enumerate(messages):
        if not isinstance(message, dict) or not isinstance(message.get("role"), str):
            raise BadRequestError(
                f"`messages[{place}]` must be an object with a role", f"messages[{place}]"
            )
    return Peek(
        model=model,
        stream=bool(body.get("stream")),
        wants_usage=True,
        max_output=body.get("max_tokens"),
        n=1,
        text_bytes=text_bytes,
        needs=frozenset(_needs(body, messages)),
        user=named_user(body.get("metadata") or {}, "user_id"),
        # What is answered at a higher speed has prices of its own, as a tier has.
        tier=tier_of(body.get("service_tier")) or tier_of(body.get("speed")),
        searches=searches_most(body.get("tools")),
    )


def _needs(body: Json, messages: list[Any]) -> set[str]:
    needs = set()
    if body.get("tools"):
        needs.add("tools")
    choice = body.get("tool_choice") or {}
    if choice.get("type") in ("any", "tool"):
        needs.add("forced_tool")
    if (body.get("output_config") or {}).get("format") or body.get("output_format"):
        needs.add("schema")
    for message in messages:
        _needs_of(message.get("content"), needs)
    return needs


def _needs_of(content: Any, needs: set[str]) -> None:
    if not isinstance(content, list):
        return
    for block in content:
        if not isinstance(block, dict):
            continue
        kind = block.get("type")
        if kind == "tool_result":
            for inner in block["content"] if isinstance(block.get("content"), list) else ():
                _need_of(inner, needs)
        else:
            _need_of(block, needs)


def _need_of(block: Any, needs: set[str]) -> None:
    kind = block.get("type") if isinstance(block, dict) else None
    need = NEED_OF_BLOCK.get(kind) if isinstance(kind, str) else None
    if need is None:
        return
    source = block.get("source")
    plain = isinstance(source, dict) and source.get("type") in PLAIN_SOURCES
    if need != "files" or not plain:
        needs.add(need)


def patch(body: Json, model: str, dialect: Dialect) -> bytes:
    """Return the bytes for a host: the judged body under the host's name for the model."""
    out = {**body, "model": model}
    if not dialect.names_model:
        del out["model"]
    return _encode(out)


def refused(body: Json, dialect: Dialect) -> str | None:
    """Return the first field of ``body`` that the host would refuse, None where it takes all."""
    if not dialect.forced_tools or not dialect.named_tools:
        choice = body.get("tool_choice")
        kind = choice.get("type") if isinstance(choice, dict) else None
        if kind == "tool" or (kind == "any" and not dialect.forced_tools):
            return "tool_choice"
    if not dialect.refuses:
        return None
    return next((name for name in body if name in dialect.refuses and body[name] is not None), None)


def without_state(body: Json, keep: Callable[[str], bool]) -> tuple[Json, int]:
    """Return the body without the thinking blocks whose state ``keep`` is False of, and how many.

    State in a seal of ours is another host's and never stays. Where a loop of tool calls is left
    without the thoughts that began it, a ``thinking`` by budget goes too: the host would refuse it.
    ``body`` is left as it was.
    """
    messages = body.get("messages")
    if not isinstance(messages, list):
        return body, 0
    out: list[Any] = []
    dropped = 0
    for message in messages:
        content = message.get("content") if isinstance(message, dict) else None
        if not isinstance(content, list):
            out.append(message)
            continue
        kept = [block for block in content if _may_stay(block, keep)]
        dropped += len(content) - len(kept)
        if len(kept) == len(content):
            out.append(message)
        elif kept:
            out.append({**message, "content": kept})
    if not dropped:
        return body, 0
    new = {**body, "messages": out}
    thinking = new.get("thinking")
    by_budget = isinstance(thinking, dict) and thinking.get("type") == "enabled"
    if by_budget and amid_foreign_loop(out):
        del new["thinking"]
    return new, dropped


def _may_stay(block: Any, keep: Callable[[str], bool]) -> bool:
    kind = block.get("type") if isinstance(block, dict) else None
    if kind not in ("thinking", "redacted_thinking"):
        return True
    state = block.get("signature" if kind == "thinking" else "data")
    if not isinstance(state, str) or not state:
        return True
    return open_seal(state) is None and keep(state)


def as_call(body: Json) -> Json:
    """Return a question for the number of tokens as the call whose prompt it is."""
    return {name: value for name, value in body.items() if name != "stream"}


def count_body(body: Json, model: str) -> Json:
    """Return what of a call's body the host's token counter takes."""
    kept = {name: value for name, value in body.items() if name in COUNTED}
    return {**kept, "model": model}


def read_count(said: Json) -> int | None:
    """Return the number of tokens in a host's answer; None where it has none."""
    found = said.get("input_tokens")
    good = isinstance(found, int) and not isinstance(found, bool) and found >= 0
    return found if good else None


def write_count(number: int) -> Json:
    """Return a client's answer."""
    return {"input_tokens": number}
