"""Sees that a file has changed, and says so.

The files are looked at by the clock. A notice of the system would come for each write to any file
of their folders, which a ledger beside the config makes at every call, and some mounts give none.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection
from pathlib import Path

LOOK_S = 0.5
# A file is written in steps: it is taken for whole when it has not changed for so long, or at once
# after so many looks.
SETTLED_S, SETTLING_LOOKS = 0.1, 20
State = dict[Path, tuple[int, int, int]]


async def watch(
    files: Callable[[], Collection[Path]],
    on_change: Callable[[], Awaitable[None]],
    ready: asyncio.Event | None = None,
) -> None:
    """Call ``on_change`` whenever one of ``files`` has changed, until cancelled.

    What is watched is asked for anew after each change. ``ready`` is set when watching has begun:
    from then on no change is missed. A folder among ``files`` changes when a file in it comes or
    goes.
    """
    seen = _state(files())
    while True:
        if ready is not None:
            ready.set()
        await _one_change(files(), seen)
        # Before the files are read: an edit while they are being read is one more change.
        seen = _state(files())
        await on_change()


def _state(files: Collection[Path]) -> State:
    found = {}
    for path in files:
        try:
            stat = path.stat()
        except OSError:
            continue
        found[path] = (stat.st_mtime_ns, stat.st_ino, stat.st_size)
    return found


async def _one_change(files: Collection[Path], seen: State) -> None:
    """Return when the files are not as ``seen``, and are left alone again."""
    now = _state(files)
    while now == seen:
        await asyncio.sleep(LOOK_S)
        now = _state(files)
    for _ in range(SETTLING_LOOKS):
        await asyncio.sleep(SETTLED_S)
        before, now = now, _state(files)
        if now == before:
            return
