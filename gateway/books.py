"""What the pages and the API read of the ledger: beside the calls, and never in their way."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from datetime import datetime, tzinfo
from functools import partial
from typing import Any, TypeVar

from billing import exports, flows, focus, pages, reports, waits
from billing.drain import Drain
from billing.flows import FlowRow
from billing.ledger import Entry
from billing.pages import Cursor
from billing.reports import Asked, Report
from billing.store import Store, StoreError
from billing.sums import SpendRow, Where
from billing.waits import Waited
from gateway import savings
from gateway.errors import Refusal
from gateway.savings import Saved
from gateway.setup import Setup

FLUSH_WITHIN_S = 2.0
READ_WITHIN_S = 20.0
# Of the threads that the drain needs too; a report that hangs keeps one of these only.
READERS_MAX = 2
T = TypeVar("T")


class Books:
    """Reads the ledger in worker threads; ``zone`` is where its days begin.

    Every method first moves the journal on, so that a call just made is seen, and raises
    ``Refusal``: ``ledger_unavailable`` (503) where the ledger cannot be read in time,
    ``invalid_request`` for more than a report can hold.
    """

    def __init__(self, store: Store, drain: Drain, zone: tzinfo) -> None:
        self.zone = zone
        self._store = store
        self._drain = drain
        self._readers = asyncio.Semaphore(READERS_MAX)
        self._exporting = False

    @property
    def waiting(self) -> int:
        """How many entries are not in the database yet, and so in no report."""
        return self._drain.depth

    @property
    def trouble(self) -> str:
        """Why they wait, "" where all is well."""
        return self._drain.last_error

    async def spend(
        self, asked: Asked, *, with_waits: bool = False
    ) -> tuple[Report, Waited | None]:
        """Return sums in groups and as one total; and percentiles, where they are wanted."""

        def both() -> tuple[Report, Waited | None]:
            found = reports.spend(self._store, asked)
            return found, waits.waited(self._store, asked) if with_waits else None

        return await self._read(both)

    async def saved(self, setup: Setup, asked: Asked, spent: SpendRow) -> Saved | None:
        """Return what was saved against the config's baseline; None: it has none, or no calls."""
        if not spent.attempts:
            return None
        return await self._read(partial(savings.of, self._store, setup, asked, spent))

    async def last(self, count: int) -> list[Entry]:
        """Return the newest entries."""
        return await self._read(partial(pages.last, self._store, count))

    async def page(
        self,
        count: int,
        before: Cursor | None,
        since: datetime | None,
        until: datetime | None,
        where: Where,
    ) -> list[Entry]:
        """Return the newest entries of a time that ``where`` lets; those before a cursor."""
        return await self._read(
            partial(pages.page, self._store, count, before, since, until, where)
        )

    async def flows(self, asked: Asked) -> list[FlowRow]:
        """Return what label of data went to which operator and place."""
        return await self._read(partial(flows.flows, self._store, asked))

    async def export(
        self, form: str, since: datetime | None, until: datetime | None, where: Where
    ) -> Iterator[bytes]:
        """Return the entries of a time as a file, piece by piece; one export at a time.

        The pieces have to be read in a worker thread, and the iterator closed. Raises ``Refusal``
        (``rate_limited``) while another is under way.
        """
        if self._exporting:
            raise Refusal("rate_limited", "another export is under way; ask when it has ended")
        store = self._store

        def pieces() -> Iterator[bytes]:
            try:
                if form == "focus":
                    yield from focus.focus(store, since, until, where)
                else:
                    yield from exports.FORMS[form](pages.each(store, since, until, where))
            finally:
                self._exporting = False

        made, begun = pieces(), False
        self._exporting = True
        try:
            # What is wrong with the question shows with the first piece, before any answer.
            first = await self._read(partial(next, made))
            begun = True
        finally:
            self._exporting = begun
        return _after(first, made)

    async def read(self, report: Callable[[Store], T]) -> T:
        """Return what a report of another room makes of the ledger."""
        return await self._read(partial(report, self._store))

    async def _read(self, report: Callable[[], T]) -> T:
        try:
            async with asyncio.timeout(READ_WITHIN_S):
                await self._see_the_latest()
                await self._readers.acquire()
                reading = asyncio.get_running_loop().run_in_executor(None, report)
                reading.add_done_callback(self._read_is_over)
                # A thread cannot be stopped: it keeps its place among the readers until it ends.
                return await asyncio.shield(reading)
        except TimeoutError:
            why = f"no answer within {READ_WITHIN_S:.0f} s"
        except ValueError as fault:
            raise Refusal("invalid_request", f"this cannot be reported: {fault}") from None
        except exports.MissingError as fault:
            raise Refusal("invalid_request", str(fault)) from None
        except (StoreError, OverflowError) as fault:
            why = str(fault).removeprefix("the ledger cannot be read: ")
        raise Refusal("ledger_unavailable", f"the ledger cannot be read: {why}")

    async def _see_the_latest(self) -> None:
        try:
            async with asyncio.timeout(FLUSH_WITHIN_S):
                # The first round moves what was waiting, the second what came meanwhile.
                if await self._drain.move() and self._drain.depth:
                    await self._drain.move()
        except TimeoutError:
            return  # what is there is shown, and ``waiting`` says what is not

    def _read_is_over(self, reading: asyncio.Future[Any]) -> None:
        self._readers.release()
        if not reading.cancelled():
            reading.exception()  # somebody has looked, even if nobody waits any more


def _after(first: bytes, others: Iterator[bytes]) -> Iterator[bytes]:
    yield first
    yield from others
