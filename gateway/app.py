"""The only place that constructs: a config that was read becomes an ASGI application."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from fastapi import FastAPI

from billing import migrate, reports
from billing.drain import Drain
from billing.journal import Journal
from billing.limits import BudgetRule, Limits
from billing.store import Store
from gateway import admin, background, egress, exchange, kept_answers, models
from gateway.at_home import AtHome
from gateway.books import Books
from gateway.config import Config, KeepForm
from gateway.config_file import Loaded, read
from gateway.dashboard import pages
from gateway.entrances import entrance
from gateway.front import Receive, Send
from gateway.home_load import HomeLoad
from gateway.house import House
from gateway.log import LineLog
from gateway.metrics import Metrics
from gateway.plan_windows import bought
from gateway.problems import ConfigError, Fault
from gateway.recall import Recall
from gateway.reload import watch
from gateway.setup import Setup, compile_setup
from gateway.shadow import Shadows
from gateway.sight import Sight
from gateway.stored import Stored
from providers.client import Client
from providers.guard import Guard
from providers.launch import Launched
from routing.health import Health
from routing.windows import Windows

CONNECTIONS_PER_HOST = 1024


class Gateway(FastAPI):
    """The application. The hot path passes in front of the framework, the rest goes through it."""

    house: House

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Answer one ASGI connection."""
        if scope["type"] == "http" and scope["method"] == "POST":
            door = entrance(scope["path"], scope["query_string"])
            if door is not None:
                serve = background.run if door.keep is not None else exchange.run
                await serve(self.house, door, scope, receive, send)
                return
        await super().__call__(scope, receive, send)


@asynccontextmanager
async def opened(
    path: Path,
    setup: Setup,
    environment: Callable[[], dict[str, str]],
    log: LineLog | None = None,
    guard: Guard | None = None,
) -> AsyncIterator[Gateway]:
    """Give the running application of a config that was read, and close its parts at the end.

    ``environment`` gives the variables when ``path`` is read again; ``log`` None is stderr.
    ``guard`` watches the process for the caller: here its list follows the config. Raises
    ``MigrationError``, ``StoreError`` or ``JournalError`` where a part cannot be opened: then
    nothing is served.
    """
    async with AsyncExitStack() as stack:
        house = await _open(setup, log or LineLog(), stack)
        gateway = Gateway(title="Entrepôt", docs_url=None, redoc_url=None)
        gateway.include_router(models.router)
        gateway.include_router(kept_answers.router)
        gateway.include_router(admin.router)
        gateway.include_router(pages.router)
        models.say_errors_in_the_askers_wire(gateway)
        gateway.state.house = gateway.house = house
        if guard is not None:
            _count_refusals(guard, house)
        watcher = asyncio.create_task(
            watch(lambda: set(house.setup.files), _reload(house, path, environment, guard))
        )
        stack.push_async_callback(_stop, watcher)
        _settle_memory()
        yield gateway


async def _open(setup: Setup, log: LineLog, stack: AsyncExitStack) -> House:
    """Open everything in order, each with its closing; what fails here keeps the gateway shut."""
    stack.callback(log.flush)
    ledger = setup.config.ledger
    await asyncio.to_thread(migrate.migrate, ledger)
    store = Store.open(ledger)
    stack.callback(store.close)
    journal = Journal(setup.config.journal)
    drain = Drain(
        journal, store, lambda text: log.write({"event": "ledger", "trouble": text or "over"})
    )
    drain.start()
    stack.push_async_callback(drain.close)
    # What a killed gateway left in its journal counts before the first call is let in.
    await drain.move()
    client = Client(connect_s=setup.connect_s, connections_per_host=CONNECTIONS_PER_HOST)
    stack.push_async_callback(client.close)
    limits = Limits(zone=setup.config.server.zone, spent_since=_spent_since(store))
    await asyncio.to_thread(limits.configure, setup.rates, setup.budgets)
    launched = {name: Launched(name, launch, client) for name, launch in setup.launches.items()}
    for name, server in launched.items():
        stack.push_async_callback(server.stop)
        if setup.providers[name].at_start:
            server.start()
    metrics = Metrics(_gauges(drain, lambda: house))
    at_home = AtHome(client, log, launched)
    home_load = HomeLoad(client, at_home.address)
    windows = Windows()
    await asyncio.to_thread(_remember_windows, windows, setup, store)
    health = Health(changed=lambda *change: metrics.count("breaker_transitions", change))
    house = House(
        setup=setup,
        client=client,
        journal=journal,
        limits=limits,
        metrics=metrics,
        log=log,
        launched=launched,
        books=Books(store, drain, setup.config.server.zone),
        recall=Recall(*_bounds(setup.config.recall)),
        stored=Stored(*_bounds(setup.config.store)),
        at_home=at_home,
        home_load=home_load,
        health=health,
        windows=windows,
        outlook=Sight(health, windows, home_load),
        shadows=Shadows(log),
    )
    for part in (house.stored, house.at_home, house.home_load, house.shadows):
        stack.push_async_callback(part.close)
    return house


def _gauges(drain: Drain, now: Callable[[], House]) -> dict[str, tuple[str, Callable[[], float]]]:
    """Return what a scrape reads of the parts; ``now`` gives the house once it stands."""
    return {
        "entrepot_journal_entries": (
            "Entries that are not in the database yet",
            lambda: float(drain.depth),
        ),
        "entrepot_entries_refused": (
            "Entries that the database would never take (refused.txt beside the journal)",
            lambda: float(drain.refused),
        ),
        "entrepot_config_refused": (
            "1 while the last edit of the config is refused",
            lambda: float(bool(now().reload_problem)),
        ),
        "entrepot_calls_in_flight": ("Client calls now", lambda: float(now().in_flight)),
        "entrepot_groups_cooling": (
            "Quota groups that a host told to wait, and that get nothing now",
            lambda: float(len(now().health.snapshot().cooling)),
        ),
        "entrepot_breakers_open": (
            "Routes whose breaker is not closed",
            lambda: float(
                sum(one.state != "closed" for one in now().health.snapshot().routes.values())
            ),
        ),
    }


def _remember_windows(windows: Windows, setup: Setup, store: Store) -> None:
    """Count in the windows of plans what the ledger knows was used of them."""
    windows.hold(bought(setup.providers))
    longest_s = windows.longest_s
    for provider in setup.providers if longest_s else ():
        since = datetime.now(UTC) - timedelta(seconds=longest_s)
        windows.seed(provider, reports.used_by_hour(store.engine, provider, since))


def _bounds(form: KeepForm | None) -> tuple[float, int]:
    """Return for how many seconds and in how many bytes something is kept."""
    return (form.minutes * 60, form.max_mb * 1024 * 1024) if form is not None else (0.0, 0)


def _spent_since(store: Store) -> Callable[[BudgetRule, datetime], int]:
    def spent(rule: BudgetRule, since: datetime) -> int:
        return reports.spent(store.engine, since=since, key=rule.key, team=rule.team)

    return spent


def _count_refusals(guard: Guard, house: House) -> None:
    loop = asyncio.get_running_loop()

    def refused(host: str) -> None:
        # It may come from any thread, and in the middle of anything.
        if not loop.is_closed():
            loop.call_soon_threadsafe(house.metrics.count, "egress_refused", (host,))

    guard.refused = refused


def _reload(
    house: House,
    path: Path,
    environment: Callable[[], dict[str, str]],
    guard: Guard | None,
) -> Callable[[], Awaitable[None]]:
    async def changed() -> None:
        """Swap the setup for what the files say now; a wrong file leaves everything as it was."""
        try:
            loaded = await asyncio.to_thread(read, path, environment())
            setup = await asyncio.to_thread(compile_setup, loaded)
            _refuse_what_needs_a_restart(house.setup.config, loaded)
        except ConfigError as fault:
            house.reload_problem = str(fault)
            house.log.write({"event": "config_refused", "problems": str(fault).splitlines()})
            return
        house.reload_problem = ""
        if setup.hash == house.setup.hash:
            return
        if guard is not None:
            guard.allow(await asyncio.to_thread(egress.allowed, setup, environment()))
        await _swap(house, setup)
        house.log.write({"event": "config_taken", "hash": setup.hash, "policy": setup.policy.hash})

    return changed


async def _swap(house: House, setup: Setup) -> None:
    before = house.setup
    await asyncio.to_thread(house.limits.configure, setup.rates, setup.budgets)
    gone = {}
    for name in before.launches.keys() | setup.launches.keys():
        if before.launches.get(name) == setup.launches.get(name):
            continue
        if name in house.launched:
            gone[name] = house.launched.pop(name)
        if name in setup.launches:
            house.launched[name] = Launched(name, setup.launches[name], house.client)
            if setup.providers[name].at_start:
                house.launched[name].start()
    house.windows.hold(bought(setup.providers))
    house.setup = setup
    house.recall.configure(*_bounds(setup.config.recall))
    house.stored.configure(*_bounds(setup.config.store))
    for server in gone.values():
        await server.stop()


def _refuse_what_needs_a_restart(before: Config, loaded: Loaded) -> None:
    """Raise ``ConfigError`` for edits that only a restart can take: half an edit is worse."""
    after = loaded.config
    fixed: list[tuple[tuple[str, ...], bool]] = [
        (("ledger",), before.ledger != after.ledger),
        (("journal",), before.journal != after.journal),
        (("server", "host"), before.server.host != after.server.host),
        (("server", "port"), before.server.port != after.server.port),
        (("server", "time_zone"), before.server.time_zone != after.server.time_zone),
    ]
    # Started for others, it must not come to serve them without asking who they are.
    fixed.append((("keys",), bool(before.keys) and not after.keys))
    locked = before.server.admin_key is not None
    fixed.append((("server", "admin_key"), locked and after.server.admin_key is None))
    right = "restart the gateway to take it"
    wrong = [Fault(place, f"`{'.'.join(place)}` changed", right) for place, new in fixed if new]
    if wrong:
        raise ConfigError(map(loaded.problem, wrong))


async def _stop(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.wait([task])


def _settle_memory() -> None:
    # What was built at start stays: leave it out of collections, and collect rarely. Measured:
    # a fifth less CPU for each call, and no pauses of 20 ms at saturation.
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 50, 1000)
