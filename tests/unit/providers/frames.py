"""Writes frames of the binary event stream, as the vendor's layout says, for tests to read."""

from __future__ import annotations

import json
import struct
import zlib
from typing import Any


def frame(headers: dict[str, str], payload: bytes) -> bytes:
    """Return one frame; header values are text."""
    head = b"".join(
        bytes([len(name)])
        + name.encode()
        + b"\x07"
        + struct.pack("!H", len(value))
        + value.encode()
        for name, value in headers.items()
    )
    prelude = struct.pack("!II", len(head) + len(payload) + 16, len(head))
    body = prelude + struct.pack("!I", zlib.crc32(prelude)) + head + payload
    return body + struct.pack("!I", zlib.crc32(body))


def event(name: str, payload: Any) -> bytes:
    """Return an event of the given type with a JSON payload."""
    headers = {":event-type": name, ":content-type": "application/json", ":message-type": "event"}
    return frame(headers, json.dumps(payload).encode())


def exception(name: str, payload: Any) -> bytes:
    """Return an exception within a stream."""
    headers = {":exception-type": name, ":message-type": "exception"}
    return frame(headers, json.dumps(payload).encode())


def stream(*events: tuple[str, Any]) -> bytes:
    """Return the frames of events, one after another."""
    return b"".join(event(name, payload) for name, payload in events)
