"""Errors of the Converse wire: a host's answer that is no 2xx, and exceptions within a stream.

The class stands in the header ``x-amzn-ErrorType`` (with an address after a colon) or in ``__type``
of the body (with a namespace before a sign); within a stream it is the frame's ``:exception-type``.
Names and statuses are those of the service's published model.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from providers.dialect import Dialect
from providers.errors import ErrorKind, UpstreamError
from providers.eventstream import Frame
from providers.wires.chat.errors import MESSAGE_MAX, set_wait
from providers.wires.error_facts import BY_STATUS
from providers.wires.unreadable import unreadable

_decode = msgspec.json.Decoder().decode

# In lower case and without "exception" at the end: a stream writes them otherwise than a header.
BY_TYPE: Mapping[str, ErrorKind] = {
    "accessdenied": ErrorKind.FORBIDDEN,
    "conflict": ErrorKind.BAD_REQUEST,
    "expiredtoken": ErrorKind.AUTH,
    "incompletesignature": ErrorKind.AUTH,
    "internalserver": ErrorKind.SERVER,
    "internalfailure": ErrorKind.SERVER,
    "invalidclienttokenid": ErrorKind.AUTH,
    "invalidsignature": ErrorKind.AUTH,
    "missingauthenticationtoken": ErrorKind.AUTH,
    "modelerror": ErrorKind.SERVER,
    "modelnotready": ErrorKind.OVERLOADED,
    "modelstreamerror": ErrorKind.SERVER,
    "modeltimeout": ErrorKind.TIMEOUT,
    "resourcenotfound": ErrorKind.NOT_FOUND,
    "servicequotaexceeded": ErrorKind.QUOTA,
    "serviceunavailable": ErrorKind.OVERLOADED,
    "throttling": ErrorKind.RATE_LIMITED,
    "toomanyrequests": ErrorKind.RATE_LIMITED,
    "unknownoperation": ErrorKind.NOT_FOUND,
    "unrecognizedclient": ErrorKind.AUTH,
    "validation": ErrorKind.BAD_REQUEST,
}
# One class stands for several faults here, and nothing but the words tells them apart.
VALIDATION_WORDS = (
    ("input tokens exceeded", ErrorKind.CONTEXT_TOO_LONG),
    ("exceeds maximum length", ErrorKind.CONTEXT_TOO_LONG),
    ("input is too long", ErrorKind.CONTEXT_TOO_LONG),
    ("prompt is too long", ErrorKind.CONTEXT_TOO_LONG),
    ("maximum context length", ErrorKind.CONTEXT_TOO_LONG),
    ("exceed context limit", ErrorKind.CONTEXT_TOO_LONG),
    ("on-demand throughput", ErrorKind.NOT_FOUND),
    ("model identifier is invalid", ErrorKind.NOT_FOUND),
)
# "Too many tokens per day": no wait of seconds cures it.
DAILY_WORDS = ("per day", "daily")
REQUEST_ID = "x-amzn-requestid"


def read_error(
    status: int, headers: Mapping[str, str], raw: bytes, dialect: Dialect
) -> UpstreamError:
    """Return a host's error answer (status other than 2xx) as an ``UpstreamError``."""
    try:
        body = _decode(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        body = None
    said = body if isinstance(body, dict) else {}
    word = _class_of(headers.get("x-amzn-errortype")) or _class_of(said.get("__type"))
    message = message_of(said)
    if not word and not message:
        fault = unreadable(status, BY_STATUS, "the Converse wire")
    else:
        kind = kind_of(word, message, status, dialect)
        fault = UpstreamError(
            kind, message or f"HTTP {status} {word}", status=status, code=word or None
        )
    set_wait(fault, headers, dialect)
    fault.request_id = headers.get(REQUEST_ID)
    return fault


def stream_error(frame: Frame, dialect: Dialect) -> UpstreamError:
    """Return a frame of the type exception or error as an ``UpstreamError``."""
    try:
        body = _decode(frame.payload) if frame.payload else {}
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        body = {}
    said = body if isinstance(body, dict) else {}
    word = frame.header(":exception-type") or frame.header(":error-code")
    message = message_of(said) or frame.header(":error-message") or f"the host ended with {word}"
    original = said.get("originalStatusCode")
    status = original if isinstance(original, int) and 400 <= original <= 599 else 200
    fault = UpstreamError(
        kind_of(word, message, status, dialect),
        message[:MESSAGE_MAX],
        status=200,
        code=word or None,
    )
    set_wait(fault, {}, dialect)
    return fault


def message_of(said: Mapping[str, Any]) -> str:
    """Return the words of an error body; some services write the name with a capital."""
    for name in ("message", "Message", "originalMessage"):
        value = said.get(name)
        if isinstance(value, str) and value:
            return value[:MESSAGE_MAX]
    return ""


def kind_of(word: str, message: str, status: int, dialect: Dialect) -> ErrorKind:
    """Return the kind of an error by its class, and by its status where the class is unknown.

    A status counts before the class ``ModelStreamError``, which only says that the model's own
    server failed, with its status beside.
    """
    if word in dialect.error_kinds:
        return ErrorKind(dialect.error_kinds[word])
    known = word.lower().removesuffix("exception")
    kind = BY_TYPE.get(known)
    words = message.lower()
    if kind is ErrorKind.SERVER and known == "modelstreamerror":
        return BY_STATUS.get(status, ErrorKind.SERVER)
    if kind is None:
        kind = BY_STATUS.get(status, ErrorKind.BAD_REQUEST if 400 <= status < 500 else None)
    if kind is ErrorKind.BAD_REQUEST:
        return next((found for part, found in VALIDATION_WORDS if part in words), kind)
    if kind is ErrorKind.RATE_LIMITED and any(part in words for part in DAILY_WORDS):
        return ErrorKind.QUOTA
    return kind or ErrorKind.SERVER


def _class_of(said: Any) -> str:
    if not isinstance(said, str):
        return ""
    return said.partition(":")[0].rpartition("#")[2].strip()
