"""The work that goes on beside the answers to clients: so much at once, and ended at the end."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Coroutine
from typing import Any

from gateway.ending import end
from gateway.log import LineLog

AT_ONCE = 16


class Shadows:
    """The shadow calls that are under way. ``draw`` gives a number from 0 to below 1."""

    def __init__(self, log: LineLog, draw: Callable[[], float] = random.random) -> None:
        self._log = log
        self._running: set[asyncio.Task[None]] = set()
        self.draw = draw

    @property
    def full(self) -> bool:
        """Whether no more may begin now: what is over the bound is dropped, never queued."""
        return len(self._running) >= AT_ONCE

    def begin(self, work: Coroutine[Any, Any, None]) -> None:
        """Let ``work`` run on by itself; ask ``full`` first."""
        task = asyncio.ensure_future(work)
        self._running.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        fault = None if task.cancelled() else task.exception()
        if fault is not None:
            # Nobody waits for it who could tell. Its text may hold what a client sent.
            self._log.write(
                {"event": "internal_error", "in": "shadow", "what": type(fault).__name__}
            )

    async def close(self) -> None:
        """End everything that runs; each settles what it has spent."""
        await end(self._running)
