"""One JSON line per exchange, without prompts, answers or keys.

Lines are collected and written ten times a second in one write: a log line must not cost a system
call on the hot path, and a log that cannot be written must not stop a call.
"""

from __future__ import annotations

import asyncio
import sys
from typing import Any, TextIO

import msgspec

FLUSH_EVERY_S = 0.1
LINES_MAX = 10_000


class LineLog:
    """Collects lines and writes them in batches; over ``LINES_MAX`` lines are counted and lost."""

    def __init__(self, out: TextIO | None = None) -> None:
        self._out = out or sys.stderr
        self._lines: list[bytes] = []
        self._encode = msgspec.json.Encoder().encode
        self._flush_planned = False
        self.lost = 0

    def write(self, line: dict[str, Any]) -> None:
        """Take one line; it is on disk or screen within a tenth of a second."""
        if len(self._lines) >= LINES_MAX:
            self.lost += 1
            return
        self._lines.append(self._encode(line))
        if not self._flush_planned:
            self._flush_planned = True
            asyncio.get_running_loop().call_later(FLUSH_EVERY_S, self.flush)

    def flush(self) -> None:
        """Write what has been collected."""
        self._flush_planned = False
        lines, self._lines = self._lines, []
        if not lines:
            return
        try:
            # Straight to the bytes below a text stream, where it has them: this is UTF-8 already.
            below = getattr(self._out, "buffer", None)
            if below is not None:
                below.write(b"\n".join((*lines, b"")))
            else:
                self._out.write(b"\n".join(lines).decode() + "\n")
            self._out.flush()
        except (OSError, ValueError):
            self.lost += len(lines)
