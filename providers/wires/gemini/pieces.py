"""Cuts a stream that is one JSON array into its elements, whatever the network did to it."""

from __future__ import annotations

import re

from providers.framing import EVENT_MAX_BYTES, EventTooLongError

_OUTSIDE = re.compile(rb'["{}\[\]]')
_INSIDE = re.compile(rb'["\\]')


class ElementSplitter:
    """Gives pairs: the bytes as they came, up to and with the end of an element, and the element.

    All first members and ``rest`` joined are the stream byte for byte. A body that is one object
    without an array around it counts as one element. ``closed`` is True after the array's end.
    """

    __slots__ = ("_begin", "_depth", "_held", "_opened", "_skip", "_string", "closed")

    def __init__(self) -> None:
        self._held = bytearray()
        self._begin = -1
        self._depth = 0
        self._opened = False
        self._string = False
        self._skip = False
        self.closed = False

    def feed(self, data: bytes) -> list[tuple[bytes, bytes]]:
        """Return the elements that ``data`` completes. Raises ``EventTooLongError``."""
        out: list[tuple[bytes, bytes]] = []
        at = len(self._held)
        self._held += data
        held = self._held
        if self._skip and data:
            at += 1
            self._skip = False
        cut = 0
        while True:
            match = (_INSIDE if self._string else _OUTSIDE).search(held, at)
            if match is None:
                break
            at = match.end()
            sign = held[at - 1]
            if self._string:
                if sign == 0x22:
                    self._string = False
                elif at < len(held):
                    at += 1
                else:
                    self._skip = True
                    break
            elif self._outside(sign, at):
                out.append((bytes(held[cut:at]), bytes(held[self._begin : at])))
                self._begin = -1
                cut = at
        if cut:
            del held[:cut]
            if self._begin >= 0:
                self._begin -= cut
        if len(held) > EVENT_MAX_BYTES:
            raise EventTooLongError(f"an element is larger than {EVENT_MAX_BYTES} bytes")
        return out

    def _outside(self, sign: int, at: int) -> bool:
        # Whether ``sign``, which ends at ``at``, completes an element.
        if sign == 0x22:
            self._string = True
        elif sign == 0x5B and not self._depth and not self._opened:
            self._opened = True
        elif sign in (0x7B, 0x5B):
            if not self._depth:
                self._begin = at - 1
            self._depth += 1
        elif self._depth:
            self._depth -= 1
            return not self._depth
        else:
            self.closed = True
        return False

    def rest(self) -> bytes:
        """Return what came after the last element, and forget it."""
        out = bytes(self._held)
        self._held.clear()
        return out

    @property
    def half(self) -> bool:
        """Whether an element has begun and not ended."""
        return self._depth > 0 or self._string
