"""Sees that a file has changed, and says so."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection
from pathlib import Path

from watchfiles import awatch

DEBOUNCE_MS = 400
STEP_MS = 200  # the watching thread wakes this often, which a busy gateway pays for
# Where a file system tells no changes (some mounts, links), the files are looked at this often.
LOOK_MS = 1000
State = dict[Path, tuple[int, int, int]]


async def watch(
    files: Callable[[], Collection[Path]],
    on_change: Callable[[], Awaitable[None]],
    ready: asyncio.Event | None = None,
) -> None:
    """Call ``on_change`` whenever one of ``files`` has changed, until cancelled.

    Folders are watched, not files: editors write a new file and put it in the old one's place. What
    is watched is asked for anew after each change. ``ready`` is set when watching has begun: from
    then on no change is missed. A folder among ``files`` changes when a file in it comes or goes.
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
    """Return when the files are not as ``seen``."""
    while _state(files) == seen:
        folders = {path.absolute().parent for path in files}
        try:
            # Every event is a reason to look, whatever its name: a link may point elsewhere now.
            async for _ in awatch(
                *(folder for folder in folders if folder.is_dir()),
                watch_filter=None,
                debounce=DEBOUNCE_MS,
                step=STEP_MS,
                rust_timeout=LOOK_MS,
                yield_on_timeout=True,
                recursive=False,
            ):
                if _state(files) != seen:
                    return
        except (OSError, RuntimeError):
            # A folder that went away in between, or no watch left to be had: look by the clock.
            await asyncio.sleep(LOOK_MS / 1000)
