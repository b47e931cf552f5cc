"""Whether the client of a call is still there: when it has gone, the call is cancelled at once."""

from __future__ import annotations

import asyncio
from collections.abc import MutableMapping
from typing import Any

from gateway.front import GONE, Receive
from gateway.record import Record


class Presence:
    """Cancels the task that makes it when the client goes before its answer was complete.

    Our own server tells of that by itself (the extension ``GONE``). Under any other a task waits
    on ``receive()``: without somebody there a server never learns that its client has gone.
    """

    __slots__ = ("_gone", "_record", "_subscribe", "_task", "_watcher")

    def __init__(self, record: Record, scope: MutableMapping[str, Any], receive: Receive) -> None:
        self._record = record
        self._task = asyncio.current_task()
        self._gone = False
        self._watcher: asyncio.Task[None] | None = None
        extensions = scope.get("extensions")
        self._subscribe = extensions.get(GONE) if extensions else None
        if self._subscribe is not None:
            self._subscribe(self._leave)
        else:
            self._watcher = asyncio.ensure_future(self._watch(receive))

    def ended_it(self) -> bool:
        """Whether a cancellation of the task came from here; it is over then."""
        if not self._gone or self._task is None:
            return False
        self._task.uncancel()
        return True

    def close(self) -> None:
        """Look no more."""
        if self._watcher is not None:
            self._watcher.cancel()
        elif self._subscribe is not None:
            self._subscribe(None)

    def _leave(self) -> None:
        if self._task is not None and not self._record.answered:
            self._gone = True
            self._task.cancel()

    async def _watch(self, receive: Receive) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        self._leave()
