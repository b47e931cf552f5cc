"""Sans-I/O splitting of event streams: bytes in, whole events out, bounded."""

from __future__ import annotations

import re

EVENT_MAX_BYTES = 16 * 1024 * 1024
_BOUNDARY = re.compile(rb"\r\n\r\n|\n\n|\r\r")


class EventTooLongError(Exception):
    """One event is larger than ``EVENT_MAX_BYTES``: no honest stream has one."""


class EventSplitter:
    """Cuts a server-sent-event stream at its blank lines, whatever the network did to it.

    An event comes out with its blank line, so that the events joined are the stream byte for byte.
    """

    __slots__ = ("_edge", "_held", "_size")

    def __init__(self) -> None:
        self._held: list[bytes] = []
        self._size = 0
        self._edge = b""

    @property
    def holds(self) -> bool:
        """Whether there is a beginning of an event whose end has not come."""
        return bool(self._held)

    def feed(self, data: bytes) -> list[bytes]:
        """Return the events that ``data`` completes. Raises ``EventTooLongError``."""
        if not self._held:
            blank = b"\n\n" if b"\r" not in data else _crlf_alone(data)
            if blank:
                parts = data.split(blank)
                rest = parts.pop()
                if rest:
                    self._hold(rest)
                return [part + blank for part in parts]
        # A boundary may straddle the pieces: look at the new bytes with the three before them, and
        # join what is held only when there is one, so that a long event costs linear time.
        if not _BOUNDARY.search(self._edge + data):
            self._hold(data)
            return []
        whole = b"".join((*self._held, data))
        self._held, self._size, self._edge = [], 0, b""
        events = []
        start = 0
        for match in _BOUNDARY.finditer(whole):
            events.append(whole[start : match.end()])
            start = match.end()
        if start < len(whole):
            self._hold(whole[start:])
        return events

    def _hold(self, data: bytes) -> None:
        self._size += len(data)
        if self._size > EVENT_MAX_BYTES:
            raise EventTooLongError(f"an event is larger than {EVENT_MAX_BYTES} bytes")
        self._held.append(data)
        self._edge = (self._edge + data[-3:])[-3:]

    def rest(self) -> bytes:
        """Return what came after the last blank line, and forget it."""
        held, self._held, self._size, self._edge = self._held, [], 0, b""
        return b"".join(held)


def _crlf_alone(data: bytes) -> bytes:
    """Return the blank line of CRLF where ``data`` can have no other, else b""."""
    return b"\r\n\r\n" if b"\n\n" not in data and b"\r\r" not in data else b""


def event_data(event: bytes) -> bytes | None:
    """Return the data of one event, its lines joined by a newline; None where it carries none."""
    # Nearly every event is one line, `data: …`, or has its name in a line before that.
    if b"\r" not in event:
        end = len(event) - 2
        first = event.find(b"\n")
        if first == end and event.startswith(b"data: "):
            return event[6:end].strip()
        data = first + 1
        if (
            event.startswith(b"event: ")
            and event.startswith(b"data: ", data)
            and event.find(b"\n", data) == end
        ):
            return event[data + 6 : end].strip()
    elif event.startswith(b"data: ") and event.endswith(b"\r\n\r\n"):
        end = len(event) - 4
        if event.find(b"\r") == end and event.find(b"\n") == end + 1:
            return event[6:end].strip()
    lines = [
        line[5:].removeprefix(b" ") for line in event.splitlines() if line.startswith(b"data:")
    ]
    return b"\n".join(lines).strip() if lines else None
