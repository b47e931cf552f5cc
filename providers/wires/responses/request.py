"""Looks at a client's body before it goes anywhere, and makes it ready for a host of this wire."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import msgspec

from providers.dialect import Dialect
from providers.wires.responses.fields import NUMBER, tier_named, wrong
from providers.wires.wire import BadRequestError, Json, Peek, named_user, searches_most

# Top-level fields whose type every host agrees on; a field that is not here passes unread.
TYPES: Mapping[str, tuple[tuple[type, ...], str]] = MappingProxyType(
    {
        "model": ((str,), "a string"),
        "input": ((str, list), "a string or a list of items"),
        "instructions": ((str,), "a string"),
        "stream": ((bool,), "true or false"),
        "stream_options": ((dict,), "an object"),
        "temperature": (NUMBER, "a number"),
        "top_p": (NUMBER, "a number"),
        "max_output_tokens": ((int,), "a whole number"),
        "top_logprobs": ((int,), "a whole number"),
        "tools": ((list,), "a list of tools"),
        "tool_choice": ((str, dict), "a string or an object"),
        "parallel_tool_calls": ((bool,), "true or false"),
        "text": ((dict,), "an object"),
        "reasoning": ((dict,), "an object"),
        "include": ((list,), "a list of strings"),
        "metadata": ((dict,), "an object"),
        "store": ((bool,), "true or false"),
        "user": ((str,), "a string"),
        "safety_identifier": ((str,), "a string"),
        "prompt_cache_key": ((str,), "a string"),
        "service_tier": ((str,), "a string"),
        "previous_response_id": ((str,), "a string"),
        "truncation": ((str,), "a string"),
        "background": ((bool,), "true or false"),
    }
)
MODEL_MAX_CHARS = 256
# Items whose id the host made, and which it takes without one.
OWN_ITEMS = frozenset({"message", "function_call", "custom_tool_call"})
NEED_OF_PART = MappingProxyType(
    {"input_image": "images", "input_file": "files", "input_audio": "audio"}
)

_encode = msgspec.json.Encoder().encode


def check_types(body: Json) -> None:
    """Raise ``BadRequestError`` where a known field of ``body`` has a wrong type."""
    for name, value in body.items():
        if value is None or name not in TYPES:
            continue
        types, words = TYPES[name]
        # bool is an int to Python, but not to any host.
        if not isinstance(value, types) or (isinstance(value, bool) and bool not in types):
            raise wrong(name, words, value)
    model = body.get("model")
    if not model or len(model) > MODEL_MAX_CHARS:
        words = f"`model` must be a name of 1 to {MODEL_MAX_CHARS} characters"
        raise BadRequestError(words, "model")
    most = body.get("max_output_tokens")
    if most is not None and most < 1:
        words = f"`max_output_tokens` must be at least 1, not {most}"
        raise BadRequestError(words, "max_output_tokens")


def peek(body: Json, text_bytes: int, _path: str = "") -> Peek:
    """Return what a request asks for. Raises ``BadRequestError`` naming the field at fault."""
    check_types(body)
    said = body.get("input")
    if not said and not any(body.get(name) for name in ("previous_response_id", "prompt")):
        raise BadRequestError("`input` must be a text or a list with at least one item", "input")
    return Peek(
        model=body["model"],
        stream=bool(body.get("stream")),
        wants_usage=True,
        max_output=body.get("max_output_tokens"),
        n=1,
        text_bytes=text_bytes,
        needs=frozenset(_needs(body, said)),
        user=named_user(body),
        tier=tier_named(body.get("service_tier")),
        searches=searches_most(body.get("tools"), body.get("max_tool_calls")),
    )


def _needs(body: Json, said: Any) -> set[str]:
    needs: set[str] = set()
    if body.get("tools"):
        needs.add("tools")
    form = (body.get("text") or {}).get("format")
    if isinstance(form, dict) and form.get("type") == "json_schema":
        needs.add("schema")
    choice = body.get("tool_choice")
    if choice == "required" or (isinstance(choice, dict) and choice.get("mode") != "auto"):
        needs.add("forced_tool")
    if isinstance(said, list):
        for at, item in enumerate(said):
            if not isinstance(item, dict):
                raise wrong(f"input[{at}]", "an object", item)
            for parts in (item.get("content"), item.get("output")):
                if isinstance(parts, list):
                    _needs_of(parts, needs)
    return needs


def _needs_of(parts: list[Any], needs: set[str]) -> None:
    for part in parts:
        kind = part.get("type") if isinstance(part, dict) else None
        if isinstance(kind, str) and kind in NEED_OF_PART:
            needs.add(NEED_OF_PART[kind])


def refused(body: Json, dialect: Dialect) -> str | None:
    """Return the first field of ``body`` that the host would refuse, None where it takes all."""
    if not dialect.refuses:
        return None
    return next((name for name in body if name in dialect.refuses and body[name] is not None), None)


def patch(body: Json, model: str, dialect: Dialect) -> bytes:
    """Return the bytes for a host: the judged body under the host's names for model and fields.

    Where the client does not say whether the host may store the answer, it may not. ``body`` is
    left as it was.
    """
    out = {**body, "model": model}
    if out.get("store") is None and "store" not in dialect.refuses:
        out["store"] = False
    return _encode(out)


def without_state(body: Json, keep: Callable[[str], bool]) -> tuple[Json, int]:
    """Return ``body`` without the thoughts whose state ``keep`` is False of, and their number.

    With the first of them the ids of the other items go too: a host that finds one of them in its
    store misses the thoughts that belong to it.
    """
    said = body.get("input")
    if not isinstance(said, list):
        return body, 0
    kept = [item for item in said if not _is_foreign(item, keep)]
    dropped = len(said) - len(kept)
    if not dropped:
        return body, 0
    return {**body, "input": [_nameless(item) for item in kept if not _is_stored(item)]}, dropped


def _is_foreign(item: Any, keep: Callable[[str], bool]) -> bool:
    if not isinstance(item, dict) or item.get("type") != "reasoning":
        return False
    state = item.get("encrypted_content")
    return isinstance(state, str) and bool(state) and not keep(state)


def _is_stored(item: Any) -> bool:
    # Thoughts by name alone: they lie at a host that keeps answers, if anywhere.
    if not isinstance(item, dict) or item.get("type") != "reasoning":
        return False
    return not item.get("encrypted_content") and not item.get("content")


def _nameless(item: Any) -> Any:
    if not isinstance(item, dict) or "id" not in item:
        return item
    kind = item.get("type", "message")
    if not isinstance(kind, str) or kind not in OWN_ITEMS:
        return item
    return {name: value for name, value in item.items() if name != "id"}
