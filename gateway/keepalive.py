"""A sign of life on a stream that is silent while the model thinks.

Proxies and clients cut a connection on which nothing comes for a minute or so. After ``every_s``
seconds of silence the stream begins, if it had not, and gets the wire's own ping, which means
nothing; so a fault within that time still has a status of its own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable


class KeepAlive:
    """Watches one stream; one timer for all of it, none for a chunk.

    ``heard_at`` is set by the loop of the stream whenever the host has sent something, in seconds
    of the running loop; ``ping`` sends one sign of life and is called only between events.
    """

    __slots__ = ("_every_s", "_loop", "_ping", "_task", "_timer", "heard_at")

    def __init__(self, every_s: float, ping: Callable[[], Awaitable[None]]) -> None:
        self._loop = asyncio.get_running_loop()
        self._every_s = every_s
        self._ping = ping
        self._task: asyncio.Future[None] | None = None
        self.heard_at = self._loop.time()
        self._timer = self._loop.call_later(every_s, self._look)

    def _look(self) -> None:
        silent_s = self._loop.time() - self.heard_at
        wait_s = self._every_s - silent_s
        if wait_s <= 0:
            # A client that takes nothing keeps its ping waiting: then there is no second one.
            if self._task is None or self._task.done():
                self._task = asyncio.ensure_future(self._ping())
            self.heard_at = self._loop.time()
            wait_s = self._every_s
        self._timer = self._loop.call_later(wait_s, self._look)

    def stop(self) -> None:
        """Stop watching; a ping that waits for the client to take it waits no longer."""
        self._timer.cancel()
        if self._task is not None:
            self._task.cancel()
