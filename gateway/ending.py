"""How tasks in the background are ended: told so, and waited for."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any


async def end(tasks: Iterable[asyncio.Future[Any]]) -> None:
    """Cancel ``tasks`` and return when each has ended."""
    running = list(tasks)
    for task in running:
        task.cancel()
    if running:
        await asyncio.wait(running)
