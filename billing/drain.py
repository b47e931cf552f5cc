"""Moves the journal into the ledger's database, beside the requests and never in their way.

An entry leaves the journal only after the database has committed it, and the database takes it
once, so that a crash at any point loses nothing and doubles nothing.
"""

from __future__ import annotations

import asyncio
import errno
import os
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from billing import bequest
from billing.journal import Journal, Segment, read_segment
from billing.migrate import MigrationError
from billing.store import Store, StoreError

EVERY_S = 0.5
BACK_OFF_MAX_S = 5.0
ADOPT_EVERY_S = 30.0
REFUSED = "refused.txt"


class Drain:
    """A task that moves entries every ``EVERY_S``, and less often, up to every 5 s, after a fault.

    ``last_error`` is why the last try failed, "" after a good one; ``rounds`` counts the good ones,
    and ``refused`` the entries that the database will never take: they are set aside in the
    journal's folder, in ``refused.txt``.
    ``say`` is called with a text when trouble begins, and with "" when it is over. ``most`` is what
    an attempt can have cost whose process was killed. ``prepare`` brings a database up to date that
    was away when the gateway began: it is tried before each move until it has once succeeded.
    """

    def __init__(
        self,
        journal: Journal,
        store: Store,
        say: Callable[[str], None] = lambda _: None,
        *,
        most: bequest.Most = bequest.unknown,
        prepare: Callable[[], None] | None = None,
    ) -> None:
        self._journal = journal
        self._store = store
        self._say = say
        self._most = most
        self._prepare = prepare
        self._stop = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._turn = asyncio.Lock()
        self._adopted_at = 0.0
        self.rounds = 0
        self.last_error = ""
        self.refused = 0

    @property
    def depth(self) -> int:
        """How many entries are not yet in the database."""
        return self._journal.depth

    @property
    def oldest_s(self) -> float:
        """How many seconds the oldest of them has waited."""
        return self._journal.oldest_s

    def start(self) -> None:
        """Begin, in the running event loop; segments left by dead processes come first."""
        self._task = asyncio.create_task(self._run(), name="drain")
        self._task.add_done_callback(self._ended)

    async def close(self, within_s: float = 5.0) -> None:
        """End after one last try at everything; what is left waits in the journal for a start."""
        self._stop.set()
        if self._task is not None:
            await asyncio.wait({self._task}, timeout=within_s)
            self._task.cancel()
            await asyncio.wait({self._task})

    async def move(self) -> bool:
        """Try once to move everything; return whether nothing is in the way. Never raises."""
        async with self._turn:
            return await self._move()

    async def _move(self) -> bool:
        try:
            await self._gather()
            if self._prepare is not None:
                await asyncio.to_thread(self._prepare)
                self._prepare = None
            for segment in self._journal.pending():
                self.refused += await asyncio.to_thread(self._one, segment)
                self._journal.done(segment)
        except (StoreError, MigrationError, OSError) as fault:
            if not self.last_error:
                self._say(f"the ledger waits in the journal: {fault}")
            self.last_error = str(fault)
            return False
        if self.last_error:
            self._say("")
        self.last_error = ""
        self.rounds += 1
        return True

    async def _gather(self) -> None:
        """See to it that what is to be moved is sealed."""
        now = time.monotonic()
        if not self._adopted_at or now - self._adopted_at > ADOPT_EVERY_S:
            self._adopted_at = now
            self._journal.take(await asyncio.to_thread(self._journal.left_behind, self._most))
        if not self._journal.pending():  # else the database is away, and small files would pile up
            self._journal.seal()

    def _ended(self, task: asyncio.Task[None]) -> None:
        fault = None if task.cancelled() else task.exception()
        if fault is not None:  # a fault of ours: said, rather than a journal that only grows
            self.last_error = f"the drain has ended: {fault!r}"
            self._say(self.last_error)

    async def _run(self) -> None:
        pause = EVERY_S
        while not self._stop.is_set():
            good = await self.move()
            pause = EVERY_S if good else min(BACK_OFF_MAX_S, pause * 2)
            try:
                await asyncio.wait_for(self._stop.wait(), pause)
            except TimeoutError:
                continue
        # The first round ends what was waiting, the second what came meanwhile.
        if await self.move():
            await self.move()

    def _one(self, segment: Segment) -> int:
        """Move one segment; return how many of its entries were set aside. In a worker thread."""
        try:
            entries, damaged = read_segment(segment.path)
        except FileNotFoundError:
            # Another process has moved it; or the folder was removed, and nobody can.
            return 0
        refused = self._store.insert(entries)
        lines = [b"%b\t%b" % (why.encode(), msgspec.json.encode(e)) for e, why in refused]
        lines += [b"not an entry\t" + line for line in damaged]
        if lines:
            _append(self._journal.folder / REFUSED, b"\n".join(lines) + b"\n")
        return len(lines)


def _append(path: Path, data: bytes) -> None:
    """Append ``data`` whole or not at all. Raises ``OSError``."""
    fd = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o600)
    try:
        before = os.fstat(fd).st_size
        try:
            if os.write(fd, data) != len(data):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError:
            os.ftruncate(fd, before)
            raise
    finally:
        os.close(fd)
