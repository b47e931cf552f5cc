"""An event loop whose clock jumps: nobody waits, and every time limit is met all the same."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")
STEP_S = 1e-6


class _Selector(selectors.DefaultSelector):
    """Instead of waiting it moves ``now``, in seconds, to when the next timer is due."""

    now = 1000.0

    def select(self, timeout: float | None = None) -> list[Any]:
        """Return what is ready; nothing ever is but what another thread has for the loop."""
        if timeout is None:
            # Only another thread could still bring something, and none here takes long.
            found = super().select(5)
            if not found:
                raise RuntimeError("the loop waits for something that will never come")
            return found
        # It never stands still: who finds a timer a trifle early may look again at once.
        self.now += max(timeout, STEP_S)
        return []


class JumpingLoop(asyncio.SelectorEventLoop):
    """Runs everything that needs no I/O; ``time`` is its own."""

    def __init__(self) -> None:
        self._clock = _Selector()
        super().__init__(self._clock)

    def time(self) -> float:
        """Seconds of the loop's own clock."""
        return self._clock.now


def jumped(work: Coroutine[Any, Any, T]) -> T:
    """Run ``work`` to its end in a loop of its own."""
    with asyncio.Runner(loop_factory=JumpingLoop) as runner:
        return runner.run(work)
