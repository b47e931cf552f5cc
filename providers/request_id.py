"""The host's own id of a call, under whatever name it gives it, for a question to its support."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

# The finest first: an edge's id of the connection says little to the host behind it.
HEADERS = (
    "x-request-id",
    "request-id",
    "x-amzn-requestid",
    "x-amzn-request-id",
    "apim-request-id",
    "x-ms-request-id",
    "x-goog-request-id",
    "x-debug-trace-id",
    "trace-id",
    "x-trace-id",
    "cf-ray",
)
FIELDS = ("request_id", "requestId", "RequestId", "trace_id")
MAX_CHARS = 200


def request_id(headers: Mapping[str, str], body: Any = None) -> str | None:
    """Return the id from the headers (names in lower case), else from the body, else None."""
    for name in HEADERS[:-1]:
        if headers.get(name):
            return headers[name][:MAX_CHARS]
    if isinstance(body, dict):
        inner = body.get("error")
        for holder in (body, inner if isinstance(inner, dict) else {}):
            for name in FIELDS:
                value = holder.get(name)
                if isinstance(value, str) and value:
                    return value[:MAX_CHARS]
    edge = headers.get(HEADERS[-1])
    return edge[:MAX_CHARS] if edge else None
