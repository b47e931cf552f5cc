"""What one running gateway is made of; ``app`` builds it, the stations of a request use it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from random import random

from billing.journal import Journal, JournalError
from billing.ledger import Entry
from billing.limits import Limits
from billing.opened import NO_SLOT
from gateway.at_home import AtHome
from gateway.books import Books
from gateway.counters import LedgerSums
from gateway.debt import Debt
from gateway.home_load import HomeLoad
from gateway.home_meter import HomeMeter
from gateway.ids import Ids
from gateway.log import LineLog
from gateway.metrics import Metrics
from gateway.plan_reading import PlanReading
from gateway.recall import Recall
from gateway.recount import Recounts
from gateway.setup import Setup
from gateway.shadow import Shadows
from gateway.stored import Stored
from providers.client import Client
from providers.endpoint import Endpoint
from providers.errors import ErrorKind, UpstreamError
from providers.launch import Launched
from providers.tokens import Tokenizers
from routing.affinity import Affinity
from routing.expected import Answers
from routing.health import Health
from routing.outlook import Outlook
from routing.windows import Windows

UNSAVED_MAX = 10_000


@dataclass(slots=True)
class House:
    """The parts that live as long as the process, and the ``setup`` that a reload swaps.

    ``unsaved`` holds entries that the journal could not take (a full disk): while there are any,
    a new call is let in only on ``debt``, so that what can be lost is bounded.
    ``reload_problem`` is what was wrong with the last edit of the config, "" where it was taken.
    ``draw`` gives random numbers from 0 to below 1.
    """

    setup: Setup
    client: Client
    journal: Journal
    limits: Limits
    metrics: Metrics
    log: LineLog
    launched: dict[str, Launched]
    books: Books
    recall: Recall
    stored: Stored
    at_home: AtHome
    home_load: HomeLoad
    plan_reading: PlanReading
    health: Health
    windows: Windows
    outlook: Outlook
    shadows: Shadows
    home_meter: HomeMeter = field(default_factory=HomeMeter)
    affinity: Affinity = field(default_factory=Affinity)
    answers: Answers = field(default_factory=Answers)
    tokenizers: Tokenizers = field(default_factory=Tokenizers)
    recounts: Recounts = field(default_factory=Recounts)
    draw: Callable[[], float] = random
    ids: Ids = field(default_factory=Ids)
    debt: Debt = field(default_factory=Debt)
    sums: LedgerSums | None = None
    unsaved: deque[Entry] = field(default_factory=lambda: deque(maxlen=UNSAVED_MAX))
    slots: dict[str, int] = field(default_factory=dict)
    trouble: str = ""
    in_flight: int = 0
    reload_problem: str = ""

    async def base_url(self, endpoint: Endpoint, within_s: float) -> str:
        """Return the address of ``endpoint``'s own server; waits for a launched one to be ready.

        "" where the endpoint has a fixed address. Raises ``UpstreamError`` of kind connect where
        the server is not ready, or is no longer launched.
        """
        if endpoint.base_url:
            return ""
        server = self.launched.get(endpoint.provider)
        if server is None:
            # A call keeps the setup it began with, and that may have been edited since.
            text = f"the config no longer launches {endpoint.provider}"
            raise UpstreamError(ErrorKind.CONNECT, text)
        return await server.ready(within_s)

    def keep(self, entry: Entry, slot: int = NO_SLOT) -> None:
        """Write ``entry`` to the journal, or hold it and say so where the disk refuses.

        ``slot`` is what ``Journal.begin`` gave for its attempt.
        """
        try:
            self.journal.append(entry)
        except JournalError as fault:
            self.journal.hold(slot, entry)
            self.slots[entry.attempt_id] = slot
            self.unsaved.append(entry)
            cost = entry.cost_pico
            self.debt.owe(entry.key, entry.cost_most_pico if cost is None else cost, "written")
            if not self.trouble:
                self.log.write({"event": "journal_refused", "why": str(fault)})
            self.trouble = str(fault)
        else:
            self.journal.end(slot)

    def ledger_works(self) -> bool:
        """Whether entries can be kept; tries first to save those that could not be."""
        try:
            while self.unsaved:
                self.journal.append(self.unsaved[0])
                self.journal.end(self.slots.pop(self.unsaved.popleft().attempt_id, NO_SLOT))
        except JournalError as fault:
            self.trouble = str(fault)
            return False
        if self.trouble:
            self.log.write({"event": "journal_refused", "why": "over"})
        self.trouble = ""
        self.slots.clear()
        self.debt.clear("written")
        return True
