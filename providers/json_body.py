"""A client's body as plain values, by a strict parser, once; and back."""

from __future__ import annotations

from typing import Any

import msgspec

from providers.wires.wire import BadRequestError, Json

KINDS = (
    (bool, "true or false"),
    (int, "a number"),
    (float, "a number"),
    (str, "a string"),
    (list, "a list"),
    (dict, "an object"),
)

_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode


def encode(body: Json) -> bytes:
    """Return a body of plain values as bytes."""
    return _encode(body)


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
        words = str(fault).partition("\n")[0]
        raise BadRequestError(f"the body is not valid JSON: {words}") from None
    if not isinstance(body, dict):
        raise BadRequestError("the body must be a JSON object")
    return body


def kind_of(value: Any) -> str:
    """Say what a JSON value is, in words for whoever wrote it."""
    # A truth value is a whole number too, so that it is asked first.
    return next((words for kind, words in KINDS if isinstance(value, kind)), "null")
