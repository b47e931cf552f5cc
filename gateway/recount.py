"""What is counted again after an answer is over: one thing after the other, and so many at most."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable

from gateway.ending import end

# Each of them holds a prompt and an answer: what is over the bound keeps its first count.
WAITING_MAX = 64
Work = Callable[[], Awaitable[None]]


class Recounts:
    """The work that waits, and the one task that does it; both are there only while there is some.

    ``dropped`` counts what had no room, ``failed`` what a fault of ours ended.
    """

    def __init__(self) -> None:
        self._waiting: deque[Work] = deque()
        self._task: asyncio.Task[None] | None = None
        self.dropped = 0
        self.failed = 0

    @property
    def busy(self) -> bool:
        """Whether anything waits or is under way."""
        return self._task is not None and not self._task.done()

    def later(self, work: Work) -> None:
        """Do ``work`` when its turn comes; it is dropped where too much waits."""
        if len(self._waiting) >= WAITING_MAX:
            self.dropped += 1
            return
        self._waiting.append(work)
        if not self.busy:
            self._task = asyncio.ensure_future(self._work())
            self._task.add_done_callback(self._ended)

    async def _work(self) -> None:
        while self._waiting:
            await self._waiting.popleft()()

    def _ended(self, task: asyncio.Task[None]) -> None:
        if task.cancelled() or task.exception() is None:
            return
        self.failed += 1
        if self._waiting:
            self._task = asyncio.ensure_future(self._work())
            self._task.add_done_callback(self._ended)

    async def close(self) -> None:
        """Do nothing any more: what waits keeps its first count."""
        self._waiting.clear()
        if self._task is not None:
            await end([self._task])
