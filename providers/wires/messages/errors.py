"""Errors of this wire: read a host's, write ours.

Which kind an error is comes from its own code, its type and its status; the words decide only where
a host puts the class nowhere else.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from providers.dialect import Dialect
from providers.errors import ErrorKind, UpstreamError
from providers.request_id import request_id
from providers.scrub import scrub_bytes
from providers.wires.chat.errors import set_wait
from providers.wires.error_facts import by_code, by_strong_words, by_words
from providers.wires.unreadable import unreadable

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode

BY_TYPE: Mapping[str, ErrorKind] = {
    "invalid_request_error": ErrorKind.BAD_REQUEST,
    "authentication_error": ErrorKind.AUTH,
    "billing_error": ErrorKind.QUOTA,
    "permission_error": ErrorKind.FORBIDDEN,
    "not_found_error": ErrorKind.NOT_FOUND,
    "request_too_large": ErrorKind.CONTEXT_TOO_LONG,
    "rate_limit_error": ErrorKind.RATE_LIMITED,
    "api_error": ErrorKind.SERVER,
    "timeout_error": ErrorKind.TIMEOUT,
    "overloaded_error": ErrorKind.OVERLOADED,
}
BY_STATUS: Mapping[int, ErrorKind] = {
    400: ErrorKind.BAD_REQUEST,
    401: ErrorKind.AUTH,
    402: ErrorKind.QUOTA,
    403: ErrorKind.FORBIDDEN,
    404: ErrorKind.NOT_FOUND,
    405: ErrorKind.NOT_FOUND,
    408: ErrorKind.TIMEOUT,
    413: ErrorKind.CONTEXT_TOO_LONG,
    422: ErrorKind.BAD_REQUEST,
    429: ErrorKind.RATE_LIMITED,
    451: ErrorKind.FILTERED,
    503: ErrorKind.OVERLOADED,
    504: ErrorKind.TIMEOUT,
    529: ErrorKind.OVERLOADED,
}
# `error.details.error_code`: money, or the plan, is used up; waiting seconds does not help.
QUOTA_CODES = frozenset(
    {
        "enforced_spend_limit_reached", "contract_spend_limit_reached",
        "linked_organization_spend_limit_reached", "linked_organization_billing_unavailable",
        "user_profile_billing_not_authorized", "organization_on_hold",
    }
)  # fmt: skip
# Hosts say these in words alone, under types and statuses that mean other things (400, 429, 500).
TOO_LONG_WORDS = ("prompt is too long", "exceed context limit", "context window", "context length")
QUOTA_WORDS = (
    "credit balance", "insufficient balance", "spend limit", "usage limit", "insufficient_quota",
)  # fmt: skip
STATE_WORDS = ("signature", "cannot be modified")
MESSAGE_MAX = 2000
# Whose credit is used up: the status alone would say that a wait helps.
TYPE_BY_CODE = {"insufficient_quota": "billing_error", "budget_exceeded": "billing_error"}
TYPE_BY_STATUS: Mapping[int, str] = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    503: "overloaded_error",
    504: "timeout_error",
    529: "overloaded_error",
}
# In mid-stream there is no status: our own codes stand for one.
STATUS_BY_CODE: Mapping[str, int] = {
    "policy_denied": 403,
    "budget_exceeded": 402,
    "rate_limited": 429,
    "no_healthy_route": 503,
    "unknown_model": 404,
    "unsupported_parameter": 400,
    "context_too_long": 400,
    "upstream_error": 502,
    "upstream_timeout": 504,
    "invalid_request": 400,
}
# Coding agents look for these words to know that they have to shorten the conversation.
TOO_LONG = "prompt is too long"
# SDKs that find this code in the details go on without turns that the host holds.
UNTHREADED = "thread_unsupported_request"


def read_error(
    status: int, headers: Mapping[str, str], raw: bytes, dialect: Dialect
) -> UpstreamError:
    """Return a host's error answer (status other than 2xx) as an ``UpstreamError``.

    The body is read as JSON whatever its content type says.
    """
    try:
        body = _decode(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        body = None
    said = body.get("error", body) if isinstance(body, dict) else None
    fault = error_of(said, status, dialect) if said else unreadable(status, BY_STATUS)
    set_wait(fault, headers, dialect, said)
    fault.request_id = request_id(headers, body)
    if isinstance(body, dict) and body.get("type") == "error" and isinstance(said, dict):
        # Already in the wire's own form: it can go to a client as it came.
        fault.body = scrub_bytes(raw)
        fault.content_type = "application/json"
    return fault


def error_of(said: Any, status: int, dialect: Dialect) -> UpstreamError:
    """Return the ``error`` member of an answer or of a stream's event as an ``UpstreamError``."""
    if isinstance(said, str):
        said = {"message": said}
    if not isinstance(said, dict):
        return unreadable(status, BY_STATUS)
    message = said.get("message") or said.get("detail") or "no message"
    text = str(message)[:MESSAGE_MAX]
    codes = _codes(said, text)
    fault = UpstreamError(
        _kind_of(codes, text.lower(), status, dialect),
        text,
        status=status,
        code=codes[0] if codes else None,
    )
    # Within a stream nothing but the words says how long to wait.
    set_wait(fault, {}, dialect, said)
    return fault


def _codes(said: dict[str, Any], message: str) -> list[str]:
    """Return the host's words for what kind of error it is, the finest first."""
    details = said.get("details")
    found = [details.get("error_code") if isinstance(details, dict) else None, said.get("code")]
    if message.endswith(")"):
        # Some hosts put their business code at the end of the words: "insufficient balance (1008)".
        number = message[message.rfind("(") + 1 : -1]
        found.append(number if number.isascii() and number.isdigit() else None)
    found.append(said.get("type"))
    return [
        str(code)
        for code in found
        if isinstance(code, str | int) and not isinstance(code, bool) and code != ""
    ]


def _kind_of(codes: list[str], message: str, status: int, dialect: Dialect) -> ErrorKind:
    own = dialect.error_kinds
    said = next((key for key in own if " " in key and key in message), None)
    for code in [said] if said else codes:
        if code in own:
            return ErrorKind(own[code])
    if any(code in QUOTA_CODES for code in codes):
        return ErrorKind.QUOTA
    if any(words in message for words in TOO_LONG_WORDS):
        return ErrorKind.CONTEXT_TOO_LONG
    if any(words in message for words in QUOTA_WORDS):
        return ErrorKind.QUOTA
    if "thinking" in message and any(words in message for words in STATE_WORDS):
        # "Invalid `signature` in `thinking` block", under the type of every other bad request.
        return ErrorKind.OPAQUE_STATE
    found = by_strong_words(message) or by_code(codes) or by_words(message, status)
    if found is not None:
        return found
    for code in codes:
        if code in BY_TYPE:
            return BY_TYPE[code]
    # A number in `code` is the status that the host had wanted to send (errors inside a 200).
    inner = next((int(c) for c in codes if len(c) == 3 and c.isdigit()), status)
    status = inner if 400 <= inner <= 599 else status
    if status < 400 or status >= 500:
        return BY_STATUS.get(status, ErrorKind.SERVER)
    return BY_STATUS.get(status, ErrorKind.BAD_REQUEST)


def write_error(status: int, message: str, code: str, param: str | None, request_id: str) -> bytes:
    """Return our error as the wire's JSON body; our stable code stands in it as a field more."""
    return _encode({**_body(status, message, code, param), "request_id": request_id})


def write_stream_error(message: str, code: str) -> bytes:
    """Return our error as the last event of a stream; no ``message_stop`` follows it."""
    body = _body(STATUS_BY_CODE.get(code, 500), message, code, None)
    return b"event: error\ndata: " + _encode(body) + b"\n\n"


def _body(status: int, message: str, code: str, param: str | None) -> dict[str, Any]:
    if code == "context_too_long" and not message.startswith(TOO_LONG):
        message = f"{TOO_LONG}: {message}"
    kind = TYPE_BY_CODE.get(code) or TYPE_BY_STATUS.get(status)
    if kind is None:
        kind = "api_error" if status >= 500 else "invalid_request_error"
    error: dict[str, Any] = {"type": kind, "message": message, "code": code}
    if param is not None:
        error["param"] = param
    if code == UNTHREADED:
        error["details"] = {"error_code": code, "unsupported": [param]}
    return {"type": "error", "error": error}
