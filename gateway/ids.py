"""Ids of requests."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator

DRAWN_AT_ONCE = 256


class Ids:
    """Gives ids of requests: they are ours, sort by time, and cannot be guessed."""

    __slots__ = ("_drawn",)

    def __init__(self) -> None:
        self._drawn: Iterator[str] = iter(())

    def new(self) -> str:
        """Return the next one."""
        chance = next(self._drawn, None)
        if chance is None:
            # Of the system, and so much at once that not every call has to ask it.
            drawn = secrets.token_hex(8 * DRAWN_AT_ONCE)
            self._drawn = iter([drawn[at : at + 16] for at in range(0, len(drawn), 16)])
            chance = next(self._drawn)
        return f"req_{time.time_ns() // 1_000_000:x}{chance}"
