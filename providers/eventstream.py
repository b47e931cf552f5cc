"""Sans-I/O decoding of ``application/vnd.amazon.eventstream``: bytes in, whole frames out, bounded.

A frame is big-endian: total length, length of the headers, CRC-32 of those eight bytes, headers,
payload, CRC-32 of everything before it. The layout is the vendor's published one ("Event stream
encoding"); it was checked against the vendor's own SDK.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import NamedTuple
from zlib import crc32

from providers.errors import ErrorKind, UpstreamError
from providers.framing import EVENT_MAX_BYTES

HeaderValue = str | int | bool | bytes

_PRELUDE = struct.Struct("!III")
_CRC = struct.Struct("!I")
_LENGTH = struct.Struct("!H")
_OVERHEAD = _PRELUDE.size + _CRC.size
_STRING = 7
# Types of header values with a fixed size: byte, short, int, long, timestamp (milliseconds).
_NUMBERS: Mapping[int, struct.Struct] = {
    2: struct.Struct("!b"),
    3: struct.Struct("!h"),
    4: struct.Struct("!i"),
    5: struct.Struct("!q"),
    8: struct.Struct("!q"),
}
_TRUE, _FALSE, _BYTES, _UUID = 0, 1, 6, 9
_UUID_BYTES = 16


class Frame(NamedTuple):
    """One message: its headers, names as sent (``:event-type``), and its payload."""

    headers: Mapping[str, HeaderValue]
    payload: bytes

    def header(self, name: str) -> str:
        """Return a header that is text; "" where it is absent or something else."""
        value = self.headers.get(name)
        return value if isinstance(value, str) else ""


class FrameDecoder:
    """Cuts a stream into frames, whatever the network did to it.

    ``fault`` is set by the first frame that is broken (a wrong CRC, lengths that cannot be) or
    larger than ``EVENT_MAX_BYTES``; the frames before it still come out, and none after it.
    """

    __slots__ = ("_headers", "_held", "_need", "_read", "fault")

    def __init__(self) -> None:
        self._held = bytearray()
        # How many bytes must be held before there is something to look at.
        self._need = _PRELUDE.size
        # The last frame's headers and what they say: most frames of an answer have the same.
        self._headers = b""
        self._read: Mapping[str, HeaderValue] = {}
        self.fault: UpstreamError | None = None

    def feed(self, data: bytes) -> list[Frame]:
        """Return the frames that ``data`` completes."""
        if self.fault is not None:
            return []
        held = self._held
        held += data
        frames: list[Frame] = []
        start = 0
        while len(held) - start >= self._need:
            if self._need == _PRELUDE.size:
                # Looked at as soon as it is here: a false length is never waited for.
                self._need = self._total(held, start)
                if self.fault is not None:
                    break
                continue
            frame = self._frame(bytes(held[start : start + self._need]))
            if frame is None:
                break
            frames.append(frame)
            start += self._need
            self._need = _PRELUDE.size
        if self.fault is not None:
            held.clear()
        elif start:
            del held[:start]
        return frames

    @property
    def pending(self) -> int:
        """The bytes of a frame that has begun and is not whole."""
        return len(self._held)

    def _total(self, held: bytearray, start: int) -> int:
        total, headers, crc = _PRELUDE.unpack_from(held, start)
        if crc32(memoryview(held)[start : start + 8]) != crc:
            self._broken("a frame's lengths do not match their checksum")
        elif total > EVENT_MAX_BYTES:
            self._broken(f"a frame is larger than {EVENT_MAX_BYTES} bytes")
        elif headers + _OVERHEAD > total:
            self._broken("a frame is shorter than its headers")
        return int(total)

    def _frame(self, raw: bytes) -> Frame | None:
        end = len(raw) - _CRC.size
        if crc32(memoryview(raw)[:end]) != _CRC.unpack_from(raw, end)[0]:
            self._broken("a frame does not match its checksum")
            return None
        after = _PRELUDE.size + _PRELUDE.unpack_from(raw)[1]
        written = raw[_PRELUDE.size : after]
        if written != self._headers:
            headers = _headers(raw, _PRELUDE.size, after)
            if headers is None:
                self._broken("a frame's headers cannot be read")
                return None
            self._headers, self._read = written, headers
        return Frame(self._read, raw[after:end])

    def _broken(self, why: str) -> None:
        self.fault = UpstreamError(ErrorKind.MALFORMED, f"the event stream is broken: {why}")


def _headers(raw: bytes, at: int, end: int) -> dict[str, HeaderValue] | None:
    found: dict[str, HeaderValue] = {}
    try:
        while at < end:
            size = raw[at]
            name = raw[at + 1 : at + 1 + size].decode()
            at += 1 + size
            value, at = _value(raw[at], raw, at + 1)
            if not name or name in found:
                return None
            found[name] = value
    except (UnicodeDecodeError, struct.error, IndexError, KeyError):
        return None
    return found if at == end else None


def _value(kind: int, raw: bytes, at: int) -> tuple[HeaderValue, int]:
    if kind in (_STRING, _BYTES):
        (size,) = _LENGTH.unpack_from(raw, at)
        at += _LENGTH.size
        value = raw[at : at + size]
        return (value.decode() if kind == _STRING else value), at + size
    if kind in (_TRUE, _FALSE):
        return kind == _TRUE, at
    if kind == _UUID:
        return raw[at : at + _UUID_BYTES], at + _UUID_BYTES
    form = _NUMBERS[kind]
    return form.unpack_from(raw, at)[0], at + form.size
