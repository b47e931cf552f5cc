"""Opens ledger, journal and drain, also where the database is away; and catches up when it is back.

A database that is away keeps nothing shut: entries go to the journal, models and keys are in the
config. Only what a budget had spent before is not known meanwhile: see ``owing``.
"""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

from billing import migrate
from billing.drain import Drain
from billing.journal import Journal
from billing.ledger import Entry
from billing.migrate import LedgerAwayError
from billing.money import PICO_PER_USD
from billing.store import Store
from gateway.house import House
from gateway.log import LineLog
from gateway.setup import Setup
from routing.route import Size, ceiling

CATCH_UP_EVERY_S = 1.0


@dataclass(frozen=True, slots=True)
class OpenBooks:
    """The ledger's store, the journal before it, and what moves entries from one to the other.

    ``away`` is why the database could not be reached, "" where it could.
    """

    store: Store
    journal: Journal
    drain: Drain
    away: str


async def open_books(setup: Setup, log: LineLog, stack: AsyncExitStack) -> OpenBooks:
    """Open all three, each with its closing.

    Raises ``MigrationError``, ``StoreError`` or ``JournalError`` for what a wait cannot cure.
    """
    bring_up = partial(migrate.migrate, setup.config.ledger)
    away = ""
    try:
        await asyncio.to_thread(bring_up)
    except LedgerAwayError as fault:
        away = str(fault)
        log.write({"event": "ledger", "trouble": away})
    store = Store.open(setup.config.ledger)
    stack.callback(store.close)
    journal = Journal(setup.config.journal)
    stack.callback(journal.close)
    drain = Drain(
        journal,
        store,
        lambda text: log.write({"event": "ledger", "trouble": text or "over"}),
        most=partial(_most, setup),
        prepare=bring_up if away else None,
    )
    drain.start()
    stack.push_async_callback(drain.close)
    # What a killed gateway left in its journal counts before the first call is let in.
    await drain.move()
    return OpenBooks(store, journal, drain, away)


async def catch_up(house: House, drain: Drain) -> None:
    """For as long as the gateway runs: save what a full disk held back, count what was uncounted.

    The sums of budgets are read once the journal was moved, so that nothing of before is missing.
    """
    seen = 0
    while True:
        await asyncio.sleep(CATCH_UP_EVERY_S)
        if house.unsaved:
            house.ledger_works()
        if not drain.last_error and drain.rounds != seen:
            seen = drain.rounds
            if await house.limits.recount():
                house.debt.clear("counted")


def configure_debt(house: House, setup: Setup) -> None:
    """Take what a config says of debt, at the start and at every reload."""
    of_keys = {
        key.name: int(key.debt_usd * PICO_PER_USD)
        for key in setup.config.keys
        if key.debt_usd is not None
    }
    house.debt.configure(int(setup.config.debt_usd * PICO_PER_USD), of_keys)


def _most(setup: Setup, entry: Entry) -> int | None:
    """Return what an attempt can have cost at the most whose process was killed; None: unknown."""
    try:
        route = setup.route(f"{entry.provider}/{entry.model}")
    except KeyError:
        return None
    began = datetime.fromtimestamp(entry.at_us / 1e6, UTC)
    return ceiling(route, began, Size(entry.prompt_most, entry.output_most))
