"""Ids of requests."""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

DRAWN_AT_ONCE = 256
# Milliseconds since 1970 in hexadecimal, and 16 digits of chance.
_ID = re.compile(r"req_([0-9a-f]{8,11})[0-9a-f]{16}")
# Clocks of several machines differ.
_BEFORE = timedelta(minutes=5)


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


def around(request_id: str, within: timedelta) -> tuple[datetime, datetime] | None:
    """Return a time in which all attempts at a request began that came ``within`` its beginning.

    None for an id that is not ours, which says nothing of when it was.
    """
    found = _ID.fullmatch(request_id)
    if found is None:
        return None
    began = datetime.fromtimestamp(int(found[1], 16) / 1000, UTC)
    return began - _BEFORE, began + within
