"""Errors of the Gemini wire: read a host's, write ours.

A host's error has a canonical status word and typed details; those say more than the HTTP status
does. The words of the message decide only where nothing else does, each case named.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from providers.dialect import Dialect
from providers.errors import ErrorKind, UpstreamError
from providers.request_id import request_id
from providers.retry_after import RETRY_AFTER_MAX_S, reset_after, retry_after, wait_in_words
from providers.scrub import scrub_bytes
from providers.wires.gemini.names import named
from providers.wires.unreadable import unreadable
from providers.wires.wire import Json

BY_STATUS = {
    400: ErrorKind.BAD_REQUEST,
    401: ErrorKind.AUTH,
    402: ErrorKind.QUOTA,
    403: ErrorKind.FORBIDDEN,
    404: ErrorKind.NOT_FOUND,
    408: ErrorKind.TIMEOUT,
    413: ErrorKind.CONTEXT_TOO_LONG,
    429: ErrorKind.RATE_LIMITED,
    499: ErrorKind.SERVER,
    503: ErrorKind.OVERLOADED,
    504: ErrorKind.TIMEOUT,
}
BY_WORD = {
    "INVALID_ARGUMENT": ErrorKind.BAD_REQUEST,
    "FAILED_PRECONDITION": ErrorKind.FORBIDDEN,
    "OUT_OF_RANGE": ErrorKind.BAD_REQUEST,
    "UNAUTHENTICATED": ErrorKind.AUTH,
    "PERMISSION_DENIED": ErrorKind.FORBIDDEN,
    "NOT_FOUND": ErrorKind.NOT_FOUND,
    "RESOURCE_EXHAUSTED": ErrorKind.RATE_LIMITED,
    "UNAVAILABLE": ErrorKind.OVERLOADED,
    "DEADLINE_EXCEEDED": ErrorKind.TIMEOUT,
    "INTERNAL": ErrorKind.SERVER,
    "UNKNOWN": ErrorKind.SERVER,
    "UNIMPLEMENTED": ErrorKind.NOT_FOUND,
}
BY_REASON = {
    "API_KEY_INVALID": ErrorKind.AUTH,
    "API_KEY_EXPIRED": ErrorKind.AUTH,
    "ACCESS_TOKEN_EXPIRED": ErrorKind.AUTH,
    "CREDENTIALS_MISSING": ErrorKind.AUTH,
    "CONSUMER_INVALID": ErrorKind.AUTH,
    "CONSUMER_SUSPENDED": ErrorKind.AUTH,
    "BILLING_DISABLED": ErrorKind.QUOTA,
    "SERVICE_DISABLED": ErrorKind.FORBIDDEN,
    "MODEL_CAPACITY_EXHAUSTED": ErrorKind.OVERLOADED,
    "QUOTA_EXHAUSTED": ErrorKind.QUOTA,
}
WAITS = (ErrorKind.RATE_LIMITED, ErrorKind.QUOTA, ErrorKind.OVERLOADED)
# Words of messages, in lower case, for what comes as a bare INVALID_ARGUMENT or PERMISSION_DENIED.
BY_MESSAGE = (
    ("api key not valid", ErrorKind.AUTH),
    ("api key expired", ErrorKind.AUTH),
    ("unregistered callers", ErrorKind.AUTH),
    ("thought signature", ErrorKind.OPAQUE_STATE),
    ("thought_signature", ErrorKind.OPAQUE_STATE),
    ("input token count", ErrorKind.CONTEXT_TOO_LONG),
    ("exceeds the maximum number of tokens", ErrorKind.CONTEXT_TOO_LONG),
)
WORD_OF_STATUS = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    402: "RESOURCE_EXHAUSTED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    408: "DEADLINE_EXCEEDED",
    409: "ABORTED",
    413: "INVALID_ARGUMENT",
    422: "INVALID_ARGUMENT",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    501: "UNIMPLEMENTED",
    502: "UNAVAILABLE",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}
# The status that goes with our own codes where only a code is at hand, in mid-stream.
STATUS_OF_CODE = {
    "rate_limited": 429,
    "budget_exceeded": 402,
    "policy_denied": 403,
    "no_healthy_route": 503,
    "upstream_error": 502,
    "upstream_timeout": 504,
    "context_too_long": 400,
}
DOMAIN = "entrepot"
INFO = "type.googleapis.com/google.rpc.ErrorInfo"
MESSAGE_MAX = 2000

_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode


def read_error(
    status: int, headers: Mapping[str, str], raw: bytes, dialect: Dialect
) -> UpstreamError:
    """Return a host's error answer (status other than 2xx) as an ``UpstreamError``."""
    try:
        body = _decode(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        body = None
    if isinstance(body, list) and body:
        # Streams that are no events wrap it: an array with the error as its only element.
        body = body[0]
    said = body.get("error") if isinstance(body, dict) else None
    fault = error_of(said, status, dialect) if said else unreadable(status, BY_STATUS)
    after = retry_after(headers)
    if after is None and fault.retry_after_s is None and fault.kind in WAITS:
        after = reset_after(headers)
    fault.retry_after_s = after if after is not None else fault.retry_after_s
    fault.request_id = request_id(headers, body)
    if isinstance(said, dict):
        # In the wire's own form: it can go to a client as it came, out of its array.
        fault.body = scrub_bytes(raw if raw.lstrip()[:1] == b"{" else _encode(body))
        fault.content_type = "application/json"
    return fault


def error_of(said: Any, status: int, dialect: Dialect | None = None) -> UpstreamError:
    """Return the ``error`` member of an answer or of a chunk as an ``UpstreamError``."""
    if isinstance(said, str):
        said = {"message": said}
    if not isinstance(said, dict):
        return unreadable(status, BY_STATUS)
    code = said.get("code")
    inner = code if isinstance(code, int) and 400 <= code <= 599 else status
    message = said.get("message")
    message = message if isinstance(message, str) and message else "no message"
    details = _details(said)
    words = _words(said, details)
    kind, wait = _kind(words, inner, message, details, dialect), _retry(details)
    if wait is None and kind in WAITS:
        # "Please retry in 31.5s." stands there too, and in streams often alone.
        wait = wait_in_words(message)
    return UpstreamError(
        kind,
        message[:MESSAGE_MAX],
        status=inner if inner >= 400 else status,
        code=words[0] if words else None,
        retry_after_s=wait,
    )


def _details(said: Json) -> list[Json]:
    found = said.get("details")
    return (
        [named(item) for item in found if isinstance(item, dict)] if isinstance(found, list) else []
    )


def _words(said: Json, details: list[Json]) -> list[str]:
    # The reason before the status word: it is the finer of the two.
    found = [item.get("reason") for item in details if _is(item, "ErrorInfo")]
    found.append(said.get("status"))
    return [word for word in found if isinstance(word, str) and word]


def _kind(
    words: list[str], status: int, message: str, details: list[Json], dialect: Dialect | None
) -> ErrorKind:
    if dialect is not None and dialect.error_kinds:
        for word in (*words, str(status)):
            if word in dialect.error_kinds:
                return ErrorKind(dialect.error_kinds[word])
    for word in words:
        if word in BY_REASON:
            return BY_REASON[word]
    lowered = message.lower()
    if status in (400, 401, 403):
        for sign, kind in BY_MESSAGE:
            if sign in lowered:
                return kind
    found = next((BY_WORD[word] for word in words if word in BY_WORD), None)
    if found is None:
        other = ErrorKind.SERVER if status >= 500 or status < 400 else ErrorKind.BAD_REQUEST
        found = BY_STATUS.get(status, other)
    if found is ErrorKind.RATE_LIMITED and _spent(details, lowered):
        return ErrorKind.QUOTA
    if found is ErrorKind.FORBIDDEN and "billing" in lowered:
        return ErrorKind.QUOTA
    return found


def _spent(details: list[Json], message: str) -> bool:
    # A quota of the day, or one of zero, is not cured by waiting seconds.
    for item in details:
        violations = item.get("violations") if _is(item, "QuotaFailure") else None
        for violation in violations if isinstance(violations, list) else ():
            if isinstance(violation, dict):
                quota = violation.get("quotaId", violation.get("quota_id"))
                if isinstance(quota, str) and "PerDay" in quota:
                    return True
    return "limit: 0," in message or message.endswith("limit: 0")


def _retry(details: list[Json]) -> float | None:
    for item in details:
        delay = item.get("retryDelay") if _is(item, "RetryInfo") else None
        if not isinstance(delay, str) or not delay.endswith("s"):
            continue
        try:
            seconds = float(delay[:-1])
        except ValueError:
            continue
        if 0 <= seconds < float("inf"):
            return min(seconds, RETRY_AFTER_MAX_S)
    return None


def _is(item: Json, name: str) -> bool:
    kind = item.get("@type")
    return isinstance(kind, str) and kind.endswith("." + name)


def error_body(status: int, message: str, code: str, param: str | None, request_id: str) -> Json:
    """Return our error in this wire's words."""
    about = {"request_id": request_id} if request_id else {}
    if param:
        about["param"] = param
    detail: Json = {"@type": INFO, "reason": code, "domain": DOMAIN}
    if about:
        detail["metadata"] = about
    word = WORD_OF_STATUS.get(status, "INTERNAL" if status >= 500 else "INVALID_ARGUMENT")
    error = {"code": status, "message": message, "status": word, "details": [detail]}
    return {"error": error}


def write_error(status: int, message: str, code: str, param: str | None, request_id: str) -> bytes:
    """Return our error as the wire's JSON body."""
    return _encode(error_body(status, message, code, param, request_id))
