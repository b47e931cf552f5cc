"""Errors of this wire: read a host's, wherever it puts them, and write ours."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import msgspec

from providers.dialect import Dialect
from providers.errors import ErrorKind, UpstreamError
from providers.wires.chat import errors as chat
from providers.wires.wire import Json

_decode = msgspec.json.Decoder().decode

# Codes that only this wire has.
BY_CODE: Mapping[str, ErrorKind] = MappingProxyType(
    {
        "bio_policy": ErrorKind.FILTERED,
        "misalignment_policy_violation": ErrorKind.FILTERED,
        "image_content_policy_violation": ErrorKind.FILTERED,
        "invalid_encrypted_content": ErrorKind.OPAQUE_STATE,
        "invalid_prompt": ErrorKind.BAD_REQUEST,
        "data_residency_mismatch": ErrorKind.BAD_REQUEST,
        "vector_store_timeout": ErrorKind.TIMEOUT,
        "previous_response_not_found": ErrorKind.BAD_REQUEST,
        "server_is_overloaded": ErrorKind.OVERLOADED,
        "slow_down": ErrorKind.OVERLOADED,
        "failed_to_download_image": ErrorKind.BAD_REQUEST,
        "image_file_not_found": ErrorKind.BAD_REQUEST,
        "image_too_large": ErrorKind.BAD_REQUEST,
        "image_too_small": ErrorKind.BAD_REQUEST,
        "image_parse_error": ErrorKind.BAD_REQUEST,
        "image_file_too_large": ErrorKind.BAD_REQUEST,
        "invalid_image": ErrorKind.BAD_REQUEST,
        "invalid_image_format": ErrorKind.BAD_REQUEST,
        "invalid_base64_image": ErrorKind.BAD_REQUEST,
        "invalid_image_url": ErrorKind.BAD_REQUEST,
        "invalid_image_mode": ErrorKind.BAD_REQUEST,
        "unsupported_image_media_type": ErrorKind.BAD_REQUEST,
        "empty_image_file": ErrorKind.BAD_REQUEST,
    }
)
# Our codes as clients of this wire know them inside a stream; any other is a "server_error".
STREAM_CODES: Mapping[str, str] = MappingProxyType(
    {
        "rate_limited": "rate_limit_exceeded",
        "context_too_long": "context_length_exceeded",
        "budget_exceeded": "insufficient_quota",
    }
)
# Hosts say in words alone that thoughts in the request are not theirs, or that a part is missing.
STATE_WORDS = (
    "encrypted content could not be",
    "could not be verified",
    "without its required",
    "items are not persisted",
)


def read_error(
    status: int, headers: Mapping[str, str], raw: bytes, dialect: Dialect
) -> UpstreamError:
    """Return a host's error answer (status other than 2xx) as an ``UpstreamError``."""
    fault = chat.read_error(status, headers, raw, dialect)
    if fault.code is None:
        # Some hosts have the words under ``error`` and the code beside it.
        try:
            code = _decode(raw)["code"]
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, KeyError, TypeError):
            code = None
        fault.code = code if isinstance(code, str) and code else None
    return _sharpened(fault, dialect)


def _sharpened(fault: UpstreamError, dialect: Dialect) -> UpstreamError:
    # What only this wire's codes and words tell.
    if fault.code in dialect.error_kinds:
        return fault
    if fault.kind in (ErrorKind.BAD_REQUEST, ErrorKind.NOT_FOUND):
        words = fault.message.lower()
        if any(said in words for said in STATE_WORDS):
            fault.kind = ErrorKind.OPAQUE_STATE
    fault.kind = BY_CODE.get(fault.code or "", fault.kind)
    return fault


def fault_of(said: Any, dialect: Dialect) -> UpstreamError:
    """Return an error that came inside a 200: of a failed answer, or an event of a stream."""
    if isinstance(said, dict) and isinstance(said.get("error"), dict | str):
        said = said["error"]
    return _sharpened(chat.error_of(said, 200, dialect), dialect)


def malformed(message: str, raw: bytes | None = None) -> UpstreamError:
    """Return the fault of an answer that is none of this wire."""
    return UpstreamError(ErrorKind.MALFORMED, message, status=200, body=raw and raw[:2048])


def decoded(raw: bytes, dialect: Dialect) -> Json:
    """Return a whole answer as plain values.

    Raises ``UpstreamError``: an error inside a 200, or no answer of this wire.
    """
    try:
        body = _decode(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise malformed("the answer is not JSON", raw) from None
    if not isinstance(body, dict):
        raise malformed("the answer is not an object")
    if body.get("error") or body.get("status") == "failed":
        raise fault_of(body.get("error") or {"message": "the answer failed"}, dialect)
    if body.get("status") == "cancelled":
        raise UpstreamError(ErrorKind.CUT, "the answer was cancelled", status=200)
    if not isinstance(body.get("output"), list):
        raise malformed("the answer has no output")
    return body
