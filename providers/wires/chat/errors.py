"""Errors of the chat wire: read a host's, write ours.

Which kind an error is comes from its status and its structured fields; the words decide only where
a host puts the class nowhere else, and each such case names its host's behaviour.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from providers.dialect import Dialect
from providers.errors import ErrorKind, UpstreamError
from providers.request_id import request_id
from providers.retry_after import RETRY_AFTER_MAX_S as RETRY_AFTER_MAX_S
from providers.retry_after import retry_after as retry_after
from providers.retry_after import span, told_wait
from providers.scrub import scrub_bytes
from providers.wires.chat.finish import error_in
from providers.wires.error_facts import (
    BY_GENERAL_CODE,
    BY_STATUS,
    by_code,
    by_strong_words,
    by_words,
)
from providers.wires.unreadable import unreadable
from providers.wires.wire import Json

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode

# The type that goes with our own codes, where the status does not tell it.
TYPES = {
    "policy_denied": "policy_error",
    "budget_exceeded": "budget_error",
    "no_healthy_route": "upstream_error",
    "upstream_error": "upstream_error",
    "upstream_timeout": "upstream_error",
    "forbidden_origin": "authentication_error",
}
TYPES_BY_STATUS = {401: "authentication_error", 429: "rate_limit_error"}
PLAIN = Dialect()
MESSAGE_MAX = 2000
# A host that says so of a limit means one that no short wait cures.
NO_RETRY = "false"
SHORT_WAIT_S = 60.0
WAITS = (ErrorKind.RATE_LIMITED, ErrorKind.QUOTA, ErrorKind.OVERLOADED)
# What an aggregator's own host said counts where it tells more than the aggregator's status.
TELLING = (
    ErrorKind.CONTEXT_TOO_LONG,
    ErrorKind.FILTERED,
    ErrorKind.OPAQUE_STATE,
    ErrorKind.RATE_LIMITED,
    ErrorKind.OVERLOADED,
)


def read_error(
    status: int, headers: Mapping[str, str], raw: bytes, dialect: Dialect = PLAIN
) -> UpstreamError:
    """Return a host's error answer (status other than 2xx) as an ``UpstreamError``.

    The body is read as JSON whatever its content type says: some hosts send it as octets.
    """
    body = _decoded(raw)
    said = said_in(body)
    fault = (
        error_of(said, status, dialect) if said else unreadable(status, BY_STATUS, "the chat wire")
    )
    set_wait(fault, headers, dialect, said)
    fault.request_id = request_id(headers, body)
    if isinstance(body, dict) and isinstance(body.get("error"), dict):
        # Already in the wire's own form: it can go to a client as it came.
        fault.body = scrub_bytes(raw)
        fault.content_type = "application/json"
    return fault


def set_wait(
    fault: UpstreamError, headers: Mapping[str, str], dialect: Dialect, said: Any = None
) -> None:
    """Set how long the host wants us to wait, for the kinds of errors that a wait may cure.

    A limit whose host says ``x-should-retry: false`` and names no short wait is a used-up one.
    """
    wait = retry_after(headers)
    if wait is None and fault.kind in WAITS:
        wait = told_wait({**_headers_in(said), **headers}, fault.message, dialect.zone_hours)
        flush = said.get("next_flush_time") if wait is None and isinstance(said, dict) else None
        if isinstance(flush, str):
            wait = span(flush, dialect.zone_hours)
    fault.retry_after_s = wait
    stop = headers.get("x-should-retry", "").strip().lower() == NO_RETRY
    if stop and fault.kind is ErrorKind.RATE_LIMITED and (wait is None or wait > SHORT_WAIT_S):
        fault.kind = ErrorKind.QUOTA


def said_in(body: Any) -> Any:
    """Return the error in the body of an answer that is no 2xx, wherever the host put it."""
    if isinstance(body, list) and body:
        body = body[0]
    if not isinstance(body, dict):
        return None
    error = body.get("error")
    if isinstance(error, str) and error:
        # The words alone, with what else there is beside them.
        return {**body, "message": error}
    if error:
        return error
    several = body.get("errors")
    if isinstance(several, list) and several:
        return several[0]
    return error_in(body) or body


def error_of(said: Any, status: int, dialect: Dialect = PLAIN) -> UpstreamError:
    """Return the ``error`` member of an answer or of a stream's event as an ``UpstreamError``."""
    if isinstance(said, str):
        said = {"message": said}
    if not isinstance(said, dict):
        return unreadable(status, BY_STATUS, "the chat wire")
    message = message_of(said)
    codes = codes_in(said, message)
    # A number in `code` is the status that the host had wanted to send (errors inside a 200).
    statuses = [_status(said.get(name)) for name in ("code", "http_code", "status_code")]
    inner = next((found for found in statuses if found), status if status >= 400 else None)
    kind = kind_of(codes, message.lower(), inner, dialect)
    within = _within(said, status, dialect)
    if within is not None:
        message = f"{message}: {within.message}"
        kind = within.kind if within.kind in TELLING else kind
    code = said.get("code")
    if code in (None, "") or isinstance(code, dict | list):
        code = codes[0] if codes and codes[0].isdigit() else None
    fault = UpstreamError(
        kind,
        message[:MESSAGE_MAX],
        status=status,
        code=str(code)[:MESSAGE_MAX] if code is not None else None,
        # No host says of itself that it is malformed: it could not read what its model wrote.
        of_model=kind is ErrorKind.MALFORMED,
    )
    # Within a stream or a 200 nothing but the words and the fields says how long to wait.
    set_wait(fault, {}, dialect, said)
    return fault


def message_of(said: Json) -> str:
    """Return an error's words; "no message" where it has none."""
    for name in ("message", "detail", "description", "msg", "status_msg"):
        value = said.get(name)
        if value and isinstance(value, str):
            return (value + _reason(said.get("param"), value))[:MESSAGE_MAX]
        if value:
            # The list of what a validator found, field by field.
            return _encode(value).decode()[:MESSAGE_MAX]
    return "no message"


def _reason(param: Any, message: str) -> str:
    # Some hosts say "Param Incorrect", and what is wrong stands where others name the field.
    told = isinstance(param, str) and " " in param and param not in message
    return f": {param}" if told else ""


def codes_in(said: Json, message: str) -> list[str]:
    """Return the host's words for what kind of error it is, the finest first."""
    inner = said.get("innererror")
    found: list[Any] = [inner.get("code") if isinstance(inner, dict) else None, said.get("code")]
    if message.endswith(")"):
        # Some hosts put their business code at the end of the words: "insufficient balance (1008)".
        number = message[message.rfind("(") + 1 : -1]
        found.insert(0, number if number.isascii() and number.isdigit() else None)
    found += [said.get("type"), said.get("reason")]
    return [
        str(code)
        for code in found
        if isinstance(code, str | int) and not isinstance(code, bool) and code != ""
    ]


def kind_of(codes: list[str], message: str, status: int | None, dialect: Dialect) -> ErrorKind:
    """Return the kind of an error by its codes, its words (in lower case) and its status.

    What the host's own file says stands before what all hosts share. ``status`` None: it came
    inside a 200.
    """
    own = dialect.error_kinds
    for key, kind in own.items():
        if " " in key and key in message:
            return ErrorKind(kind)
    for code in codes:
        if code in own:
            return ErrorKind(own[code])
    found = by_strong_words(message) or by_code(codes) or by_words(message, status)
    if found is not None:
        return found
    if status is None:
        general = [BY_GENERAL_CODE[code] for code in codes if code in BY_GENERAL_CODE]
        return general[0] if general else ErrorKind.SERVER
    return BY_STATUS.get(status, ErrorKind.SERVER if status >= 500 else ErrorKind.BAD_REQUEST)


def _within(said: Json, status: int, dialect: Dialect) -> UpstreamError | None:
    # An aggregator hands on what its own host said, as text.
    metadata = said.get("metadata")
    raw = metadata.get("raw") if isinstance(metadata, dict) else None
    if not isinstance(raw, str) or not raw:
        return None
    body = _decoded(raw.encode("utf-8", "replace"))
    inner = said_in(body) if body is not None else raw
    if isinstance(inner, dict):
        inner = {name: value for name, value in inner.items() if name != "metadata"}
    return error_of(inner, status, dialect) if inner else None


def _headers_in(said: Any) -> dict[str, str]:
    metadata = said.get("metadata") if isinstance(said, dict) else None
    headers = metadata.get("headers") if isinstance(metadata, dict) else None
    if not isinstance(headers, dict):
        return {}
    return {str(name).lower(): value for name, value in headers.items() if isinstance(value, str)}


def _decoded(raw: bytes) -> Any:
    try:
        return _decode(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None


def _status(code: Any) -> int | None:
    if isinstance(code, str) and len(code) == 3 and code.isascii() and code.isdigit():
        code = int(code)
    return code if isinstance(code, int) and 400 <= code <= 599 else None


def write_error(status: int, message: str, code: str, param: str | None, _request_id: str) -> bytes:
    """Return our error as the wire's JSON body; the id of the call goes in a header."""
    return _said(message, _type_of(code, status), code, param)


def write_stream_error(message: str, kind: str, code: str | None) -> bytes:
    """Return our error as the last event of a stream; no ``[DONE]`` follows it."""
    return b"data: " + _said(message, kind, code, None) + b"\n\n"


def _type_of(code: str, status: int) -> str:
    found = TYPES.get(code) or TYPES_BY_STATUS.get(status)
    return found or ("server_error" if status >= 500 else "invalid_request_error")


def _said(message: str, kind: str, code: str | None, param: str | None) -> bytes:
    return _encode({"error": {"message": message, "type": kind, "param": param, "code": code}})
