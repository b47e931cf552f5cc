"""What the pages and the API read of the ledger: beside the calls, and never in their way."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, tzinfo
from functools import partial
from typing import Any, TypeVar

from billing import reports
from billing.drain import Drain
from billing.ledger import Entry
from billing.reports import By, FlowRow, SpendRow
from billing.store import Store, StoreError
from gateway.errors import Refusal

FLUSH_WITHIN_S = 2.0
READ_WITHIN_S = 20.0
# Of the threads that the drain needs too; a report that hangs keeps one of these only.
READERS_MAX = 2
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Overview:
    """A period's sums in every way that a page shows them, and the newest entries of all."""

    total: SpendRow
    days: list[SpendRow]
    providers: list[SpendRow]
    models: list[SpendRow]
    flows: list[FlowRow]
    entries: list[Entry]


class Books:
    """Reads the ledger in worker threads; ``zone`` is where its days begin.

    Every method first moves the journal on, so that a call just made is seen, and raises
    ``Refusal`` (``ledger_unavailable``, 503) where the ledger cannot be read in time.
    """

    def __init__(self, store: Store, drain: Drain, zone: tzinfo) -> None:
        self.zone = zone
        self._store = store
        self._drain = drain
        self._readers = asyncio.Semaphore(READERS_MAX)

    @property
    def waiting(self) -> int:
        """How many entries are not in the database yet, and so in no report."""
        return self._drain.depth

    @property
    def trouble(self) -> str:
        """Why they wait, "" where all is well."""
        return self._drain.last_error

    async def spend(
        self, by: By, since: datetime | None, until: datetime | None
    ) -> tuple[list[SpendRow], SpendRow]:
        """Return sums from ``since`` to before ``until`` in groups, and as one total."""
        engine = self._store.engine

        def both() -> tuple[list[SpendRow], SpendRow]:
            grouped = reports.spend(engine, by, since, until, self.zone)
            return grouped, reports.total(engine, since, until)

        return await self._read(both)

    async def last(self, count: int, before: str | None = None) -> list[Entry]:
        """Return the newest entries, or those older than the attempt id ``before``."""
        return await self._read(partial(reports.last, self._store.engine, count, before))

    async def flows(self, since: datetime | None, until: datetime | None) -> list[FlowRow]:
        """Return what label of data went to which operator and place."""
        return await self._read(partial(reports.flows, self._store.engine, since, until))

    async def overview(self, since: datetime, until: datetime, count: int) -> Overview:
        """Return a period's sums, and the ``count`` newest entries of any time."""
        engine, zone = self._store.engine, self.zone

        def all_of_it() -> Overview:
            return Overview(
                total=reports.total(engine, since, until),
                days=reports.spend(engine, "day", since, until, zone),
                providers=reports.spend(engine, "provider", since, until, zone),
                models=reports.spend(engine, "model", since, until, zone),
                flows=reports.flows(engine, since, until),
                entries=reports.last(engine, count),
            )

        return await self._read(all_of_it)

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
        except (StoreError, ValueError, OverflowError) as fault:
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
