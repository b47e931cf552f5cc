"""Checks the types of what a client sends, and names the field at fault."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from providers.json_body import kind_of
from providers.wires.wire import BadRequestError, Json

NUMBER = (int, float)
# Top-level fields whose type every host agrees on; a field that is not here passes unread.
TYPES: Mapping[str, tuple[tuple[type, ...], str]] = {
    "model": ((str,), "a string"),
    "messages": ((list,), "a list of messages"),
    "stream": ((bool,), "true or false"),
    "stream_options": ((dict,), "an object"),
    "temperature": (NUMBER, "a number"),
    "top_p": (NUMBER, "a number"),
    "presence_penalty": (NUMBER, "a number"),
    "frequency_penalty": (NUMBER, "a number"),
    "n": ((int,), "a whole number"),
    "seed": ((int,), "a whole number"),
    "max_tokens": ((int,), "a whole number"),
    "max_completion_tokens": ((int,), "a whole number"),
    "top_logprobs": ((int,), "a whole number"),
    "stop": ((str, list), "a string or a list of strings"),
    "tools": ((list,), "a list of tools"),
    "tool_choice": ((str, dict), "a string or an object"),
    "parallel_tool_calls": ((bool,), "true or false"),
    "response_format": ((dict,), "an object"),
    "logit_bias": ((dict,), "an object"),
    "metadata": ((dict,), "an object"),
    "user": ((str,), "a string"),
}
# The service tiers that the wire knows; hosts have words of their own besides.
TIERS = frozenset({"auto", "default", "flex", "scale", "priority", "fast"})
MODEL_MAX_CHARS = 256
AT_LEAST_ONE = ("n", "max_tokens", "max_completion_tokens")


def check(body: Json) -> None:
    """Check what every host agrees on. Raises ``BadRequestError`` naming the field at fault."""
    for name, value in body.items():
        if name in TYPES:
            _check_type(name, value)
    model = body.get("model")
    if not model:
        raise BadRequestError("`model` is missing: name one of GET /v1/models", "model")
    if len(model) > MODEL_MAX_CHARS or not model.isprintable():
        raise BadRequestError(
            f"`model` must be at most {MODEL_MAX_CHARS} printable characters", "model"
        )
    _check_messages(body.get("messages"))


def _check_type(name: str, value: Any) -> None:
    if value is None:
        return
    types, words = TYPES[name]
    # bool is an int to Python, but not to any host.
    if not isinstance(value, types) or (isinstance(value, bool) and bool not in types):
        raise BadRequestError(f"`{name}` must be {words}, not {kind_of(value)}", name)
    if name in AT_LEAST_ONE and isinstance(value, int) and value < 1:
        raise BadRequestError(f"`{name}` must be at least 1, not {value}", name)


def _check_messages(messages: Any) -> None:
    if not messages:
        raise BadRequestError(
            '`messages` must have at least one message, such as {"role": "user", "content": "…"}',
            "messages",
        )
    for index, message in enumerate(messages):
        if not isinstance(message, dict):
            raise BadRequestError(
                f"`messages[{index}]` must be an object, not {kind_of(message)}",
                f"messages[{index}]",
            )
        if not isinstance(message.get("role"), str):
            raise BadRequestError(
                f"`messages[{index}].role` must be a string such as user or assistant",
                f"messages[{index}].role",
            )
        content = message.get("content")
        if content is not None and not isinstance(content, str | list):
            raise BadRequestError(
                f"`messages[{index}].content` must be a string or a list of parts, "
                f"not {kind_of(content)}",
                f"messages[{index}].content",
            )


def text_at(holder: Json, name: str, path: str) -> str:
    """Return the text ``name`` of ``holder``, "" where it is null or absent.

    ``path`` is where ``holder`` stands, "" for the body. Raises ``BadRequestError``.
    """
    value = holder.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise _wrong(path, name, "a string", value)
    return value


def object_at(holder: Json, name: str, path: str) -> Json:
    """Return the object ``name`` of ``holder``, {} where it is absent; as ``text_at``."""
    value = holder.get(name)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise _wrong(path, name, "an object", value)
    return value


def objects_at(holder: Json, name: str, path: str) -> list[tuple[str, Json]]:
    """Return the objects of the list ``name``, each with its own path; as ``text_at``."""
    value = holder.get(name)
    if value is None:
        return []
    if not isinstance(value, list):
        raise _wrong(path, name, "a list", value)
    found = []
    for index, item in enumerate(value):
        if not isinstance(item, dict):
            raise _wrong(path, f"{name}[{index}]", "an object", item)
        found.append((f"{joined(path, name)}[{index}]", item))
    return found


def flag_at(holder: Json, name: str, path: str) -> bool | None:
    """Return the switch ``name`` of ``holder``, None where it is absent; as ``text_at``."""
    value = holder.get(name)
    if value is not None and not isinstance(value, bool):
        raise _wrong(path, name, "true or false", value)
    return value


def joined(path: str, name: str) -> str:
    """Return the path of ``name`` within what stands at ``path``."""
    return f"{path}.{name}" if path else name


def _wrong(path: str, name: str, words: str, value: Any) -> BadRequestError:
    full = joined(path, name)
    return BadRequestError(f"`{full}` must be {words}, not {kind_of(value)}", full)
