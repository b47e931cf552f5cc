"""Errors of the chat wire: read a host's, write ours.

Which kind an error is comes from its status and its structured fields; the words decide only where
a host puts the class nowhere else, and each such case names its host's behaviour.
"""

from __future__ import annotations

import email.utils
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec

from providers.errors import ErrorKind, UpstreamError

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode

BY_STATUS = {
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
BY_CODE = {
    "insufficient_quota": ErrorKind.QUOTA,
    "billing_hard_limit_reached": ErrorKind.QUOTA,
    "exceeded_current_quota_error": ErrorKind.QUOTA,
    "insufficient_balance": ErrorKind.QUOTA,
    "rate_limit_exceeded": ErrorKind.RATE_LIMITED,
    "rate_limit_error": ErrorKind.RATE_LIMITED,
    "context_length_exceeded": ErrorKind.CONTEXT_TOO_LONG,
    "exceed_context_size_error": ErrorKind.CONTEXT_TOO_LONG,
    "content_filter": ErrorKind.FILTERED,
    "content_policy_violation": ErrorKind.FILTERED,
    "invalid_api_key": ErrorKind.AUTH,
    "authentication_error": ErrorKind.AUTH,
    "model_not_found": ErrorKind.NOT_FOUND,
    "overloaded_error": ErrorKind.OVERLOADED,
}
# Words so general that a status says more; they count for an error inside a 200.
BY_GENERAL_CODE = {
    "server_error": ErrorKind.SERVER,
    "invalid_request_error": ErrorKind.BAD_REQUEST,
}
RETRY_AFTER_MAX_S = 24 * 3600.0
MESSAGE_MAX = 2000


def read_error(status: int, headers: Mapping[str, str], raw: bytes) -> UpstreamError:
    """Return a host's error answer (status other than 2xx) as an ``UpstreamError``.

    The body is read as JSON whatever its content type says: some hosts send it as octets.
    """
    try:
        body = _decode(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        body = None
    said = body.get("error", body) if isinstance(body, dict) else None
    fault = error_of(said, status) if said else _bare(status)
    fault.retry_after_s = retry_after(headers)
    fault.request_id = headers.get("x-request-id")
    if isinstance(body, dict) and isinstance(body.get("error"), dict):
        # Already in the wire's own form: it can go to a client as it came.
        fault.body = raw
        fault.content_type = "application/json"
    return fault


def error_of(said: Any, status: int) -> UpstreamError:
    """Return the ``error`` member of an answer or of a stream's event as an ``UpstreamError``."""
    if isinstance(said, str):
        said = {"message": said}
    if not isinstance(said, dict):
        return _bare(status)
    code = said.get("code")
    # A number in `code` is the status that the host had wanted to send (errors inside a 200).
    inner = _status(code) or (status if status >= 400 else None)
    kind = _kind_of(said, inner)
    message = said.get("message") or said.get("detail") or "no message"
    return UpstreamError(
        kind,
        str(message)[:MESSAGE_MAX],
        status=status,
        code=str(code) if code not in (None, "") else None,
    )


def _bare(status: int) -> UpstreamError:
    if status < 400:
        return UpstreamError(
            ErrorKind.MALFORMED, f"HTTP {status}: not an answer of the chat wire", status=status
        )
    kind = BY_STATUS.get(status, ErrorKind.SERVER if status >= 500 else ErrorKind.BAD_REQUEST)
    if kind in (ErrorKind.BAD_REQUEST, ErrorKind.FORBIDDEN, ErrorKind.NOT_FOUND):
        # No host of this wire explains a refusal without JSON: a proxy or a wrong address did.
        kind = ErrorKind.MALFORMED
    return UpstreamError(kind, f"HTTP {status} without a readable error", status=status)


def _status(code: Any) -> int | None:
    if isinstance(code, str) and code.isdigit():
        code = int(code)
    return code if isinstance(code, int) and 400 <= code <= 599 else None


def _kind_of(said: dict[str, Any], status: int | None) -> ErrorKind:
    words = [str(said.get(field)) for field in ("code", "type")]
    for table in (BY_CODE,) if status is not None else (BY_CODE, BY_GENERAL_CODE):
        for word in words:
            if word in table:
                return table[word]
    message = str(said.get("message", "")).lower()
    if status in (400, 413, 500) and "context" in message and "length" in message:
        # Some servers say it in words alone: "This model's maximum context length is …".
        return ErrorKind.CONTEXT_TOO_LONG
    if status is None or status >= 500:
        return BY_STATUS.get(status or 500, ErrorKind.SERVER)
    return BY_STATUS.get(status, ErrorKind.BAD_REQUEST)


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the wait that ``retry-after-ms`` or ``retry-after`` asks for, in seconds.

    RFC 9110 §10.2.3: a number of seconds or an HTTP date. None where neither is readable.
    """
    milliseconds = _number(headers.get("retry-after-ms"))
    if milliseconds is not None:
        return min(milliseconds / 1000, RETRY_AFTER_MAX_S)
    text = headers.get("retry-after")
    seconds = _number(text)
    if seconds is None and text:
        try:
            when = email.utils.parsedate_to_datetime(text)
        except ValueError:
            return None
        seconds = max(0.0, (when - datetime.now(UTC)).total_seconds())
    return None if seconds is None else min(seconds, RETRY_AFTER_MAX_S)


def _number(text: str | None) -> float | None:
    try:
        value = float(text or "")
    except ValueError:
        return None
    return value if 0 <= value < float("inf") else None


def write_error(message: str, kind: str, code: str | None, param: str | None) -> bytes:
    """Return our error as the wire's JSON body."""
    return _encode({"error": {"message": message, "type": kind, "param": param, "code": code}})


def write_stream_error(message: str, kind: str, code: str | None) -> bytes:
    """Return our error as the last event of a stream; no ``[DONE]`` follows it."""
    return b"data: " + write_error(message, kind, code, None) + b"\n\n"
