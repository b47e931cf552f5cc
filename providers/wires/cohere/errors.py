"""Errors of the Cohere v2 wire: ``{"id", "message"}`` and a status, with 498 and 499 among them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from providers.dialect import Dialect
from providers.errors import ErrorKind, UpstreamError
from providers.wires.chat.errors import MESSAGE_MAX, set_wait
from providers.wires.error_facts import BY_STATUS

_decode = msgspec.json.Decoder().decode

# Beside the statuses that every host uses: an invalid token, and a call that the host believes its
# client to have left.
OWN_STATUS: Mapping[int, ErrorKind] = {498: ErrorKind.AUTH, 499: ErrorKind.CUT}
# There is no code in the body: where one status stands for several faults, the words decide.
WORDS: Mapping[int, tuple[tuple[str, ErrorKind], ...]] = {
    400: (
        ("too many tokens", ErrorKind.CONTEXT_TOO_LONG),
        ("context length", ErrorKind.CONTEXT_TOO_LONG),
        ("exceeds the limit of", ErrorKind.CONTEXT_TOO_LONG),
    ),
    # The model's fault: the same request may be answered by another.
    422: (("no valid response generated", ErrorKind.SERVER),),
    # A trial key has a cap a month, which no wait of seconds cures.
    429: (("/ month", ErrorKind.QUOTA), ("per month", ErrorKind.QUOTA)),
}


def read_error(
    status: int, headers: Mapping[str, str], raw: bytes, dialect: Dialect
) -> UpstreamError:
    """Return a host's error answer (status other than 2xx) as an ``UpstreamError``."""
    try:
        body = _decode(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        body = None
    said = body if isinstance(body, dict) else {}
    message = message_of(said)
    kind = _kind_of(status, message, dialect)
    if not message:
        message = f"HTTP {status} without a readable error"
        if kind in (ErrorKind.BAD_REQUEST, ErrorKind.FORBIDDEN, ErrorKind.NOT_FOUND):
            # The host explains every refusal: a proxy or a wrong address did this.
            kind = ErrorKind.MALFORMED
    identity = said.get("id")
    fault = UpstreamError(
        kind,
        message,
        status=status,
        request_id=headers.get("x-debug-trace-id") or (identity if _is_text(identity) else None),
    )
    set_wait(fault, headers, dialect)
    return fault


def message_of(said: Mapping[str, Any]) -> str:
    """Return the words of an error body; "" where it has none."""
    for name in ("message", "error"):
        value = said.get(name)
        if isinstance(value, str) and value:
            return value[:MESSAGE_MAX]
    return ""


def failed(native: str, message: str) -> UpstreamError:
    """Return an answer inside a 200 that ended by ``ERROR`` or ``TIMEOUT`` as an error."""
    kind = ErrorKind.TIMEOUT if native == "TIMEOUT" else ErrorKind.SERVER
    said = message or f"the host ended the answer with {native}"
    return UpstreamError(kind, said[:MESSAGE_MAX], status=200, code=native)


def _kind_of(status: int, message: str, dialect: Dialect) -> ErrorKind:
    if str(status) in dialect.error_kinds:
        return ErrorKind(dialect.error_kinds[str(status)])
    words = message.lower()
    for part, kind in WORDS.get(status, ()):
        if part in words:
            return kind
    if status < 400:
        return ErrorKind.MALFORMED
    default = ErrorKind.SERVER if status >= 500 else ErrorKind.BAD_REQUEST
    return OWN_STATUS.get(status) or BY_STATUS.get(status, default)


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value)
