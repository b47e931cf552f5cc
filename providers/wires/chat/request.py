"""Reads a client's chat request, and writes it for a host.

The body is decoded once with a strict parser into plain values; what policy judged is what is sent
on, every unknown field included.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from providers.dialect import Dialect

Json = dict[str, Any]

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
    "logprobs": ((bool,), "true or false"),
    "stop": ((str, list), "a string or a list of strings"),
    "tools": ((list,), "a list of tools"),
    "tool_choice": ((str, dict), "a string or an object"),
    "parallel_tool_calls": ((bool,), "true or false"),
    "response_format": ((dict,), "an object"),
    "logit_bias": ((dict,), "an object"),
    "metadata": ((dict,), "an object"),
    "user": ((str,), "a string"),
}
MODEL_MAX_CHARS = 256
AT_LEAST_ONE = ("n", "max_tokens", "max_completion_tokens")

_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode


class BadRequestError(Exception):
    """The client's body is not a chat request; ``param`` is the path of the field at fault."""

    def __init__(self, message: str, param: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.param = param


@dataclass(frozen=True, slots=True)
class Peek:
    """What the gateway needs to know of a request before it goes anywhere.

    ``text_bytes`` is the size of the body, an upper bound for its prompt. ``max_output`` is the
    client's own limit of output tokens for one choice.
    """

    model: str
    stream: bool
    wants_usage: bool
    max_output: int | None
    n: int
    text_bytes: int


def decode(raw: bytes) -> Json:
    """Return the body as plain values. Raises ``BadRequestError`` where it is not a JSON object."""
    try:
        body = _decode(raw)
    except UnicodeDecodeError as fault:
        raise BadRequestError(
            f"the body is not UTF-8 (byte {fault.start}); send JSON encoded as UTF-8"
        ) from None
    except RecursionError:
        raise BadRequestError("the body is nested too deeply") from None
    except msgspec.MsgspecError as fault:
        raise BadRequestError(f"the body is not valid JSON: {_first_line(fault)}") from None
    if not isinstance(body, dict):
        raise BadRequestError("the body must be a JSON object with `model` and `messages`")
    return body


def peek(body: Json, text_bytes: int) -> Peek:
    """Return what a request asks for. Raises ``BadRequestError`` naming the field at fault."""
    for name in body.keys() & TYPES.keys():
        _check_type(name, body[name])
    model = body.get("model")
    if not model:
        raise BadRequestError("`model` is missing: name one of GET /v1/models", "model")
    if len(model) > MODEL_MAX_CHARS or not model.isprintable():
        raise BadRequestError(
            f"`model` must be at most {MODEL_MAX_CHARS} printable characters", "model"
        )
    _check_messages(body.get("messages"))
    options = body.get("stream_options") or {}
    return Peek(
        model=model,
        stream=bool(body.get("stream")),
        wants_usage=bool(options.get("include_usage")),
        max_output=body.get("max_completion_tokens") or body.get("max_tokens"),
        n=body.get("n") or 1,
        text_bytes=text_bytes,
    )


def _check_type(name: str, value: Any) -> None:
    if value is None:
        return
    types, words = TYPES[name]
    # bool is an int to Python, but not to any host.
    if not isinstance(value, types) or (isinstance(value, bool) and bool not in types):
        raise BadRequestError(f"`{name}` must be {words}, not {_kind(value)}", name)
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
                f"`messages[{index}]` must be an object, not {_kind(message)}", f"messages[{index}]"
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
                f"not {_kind(content)}",
                f"messages[{index}].content",
            )


def refused(body: Json, dialect: Dialect) -> str | None:
    """Return the first field of ``body`` that the host would refuse, None where it takes all."""
    if not dialect.refuses:
        return None
    return next((name for name in body if name in dialect.refuses and body[name] is not None), None)


def write(body: Json, model: str, dialect: Dialect) -> bytes:
    """Return the bytes for a host: the judged body under the host's names for model and fields.

    A stream asks for its usage where the host allows it, whether or not the client did; the relay
    takes the answer to that out again. ``body`` is left as it was.
    """
    out = {**body, "model": model}
    if out.get("stream"):
        if dialect.ask_stream_usage:
            out["stream_options"] = {**(out.get("stream_options") or {}), "include_usage": True}
        else:
            out.pop("stream_options", None)
    for name, theirs in dialect.rename.items():
        if name in out:
            value = out.pop(name)
            out.setdefault(theirs, value)
    return _encode(out)


def _first_line(fault: Exception) -> str:
    return str(fault).partition("\n")[0]


def _kind(value: Any) -> str:
    if value is None:
        return "null"
    kinds = {
        bool: "true or false", int: "a number", float: "a number",
        str: "a string", list: "a list", dict: "an object",
    }  # fmt: skip
    return kinds[type(value)]
