"""Processes that share a server: what is lost, freed, cut off or late is counted all the same."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from decimal import Decimal

import pytest
import pytest_asyncio
from redis.asyncio import Redis

from billing.budgets import BudgetRule, Holder
from billing.limits import Hold, OverLimitError, StateAwayError
from billing.limits_redis import Server
from billing.limits_shared import SharedLimits
from billing.store import StoreError
from tests.unit.billing.test_limits_model import end_lease, told
from tests.valkey import Valkey

USD = 10**12
WHO = Holder("k", "t")
TEN = BudgetRule("ten", Decimal(10), "month")


class Group:
    """Processes at one server and one ledger, whose sum is ``spent``; ``away``: it cannot be read."""

    def __init__(self, url: str, space: str, zone: tzinfo = UTC) -> None:
        self.url, self.space, self.zone = url, space, zone
        self.spent = 0
        self.away = False
        self._born: list[SharedLimits] = []

    async def close(self) -> None:
        """End all processes."""
        for process in self._born:
            await process.close()

    async def born(self, *rules: BudgetRule) -> SharedLimits:
        """Return another process, which has beaten once."""
        made = SharedLimits(
            Server(self.url), self.space, zone=self.zone, spent_since=self._sum, fresh=_drained
        )
        self._born.append(made)
        await made.configure([], rules or (TEN,))
        return made

    def _sum(self, _rule: BudgetRule, _since: datetime) -> int:
        if self.away:
            raise StoreError("the database is away")
        return self.spent

    async def command(self, *words: str) -> None:
        """Do something to the server behind everybody's back."""
        redis: Redis = Redis.from_url(self.url)
        await redis.execute_command(*words)  # type: ignore[no-untyped-call]
        await redis.aclose()


async def _drained() -> None:
    """Move no journal."""


@pytest.fixture(scope="module")
def _names() -> Iterator[int]:
    return itertools.count()


@pytest_asyncio.fixture
async def group(valkey_url: str, _names: Iterator[int]) -> AsyncIterator[Group]:
    """Nobody yet, in a namespace of its own."""
    found = Group(valkey_url, f"shared{next(_names)}")
    yield found
    await found.close()


async def stands(limits: SharedLimits) -> tuple[int, int]:
    """Return what is spent and held of the first budget, once all settlements are told."""
    await told(limits)
    first = (await limits.standings())[0]
    return first.spent, first.held


@pytest.mark.parametrize("processes", [1, 2, 4])
async def test_as_many_are_let_in_by_one_process_as_by_four(group: Group, processes: int) -> None:
    rule = BudgetRule("twenty", Decimal(20), "day")
    born = [await group.born(rule) for _ in range(processes)]

    async def one(number: int) -> Hold | None:
        try:
            return await born[number % processes].hold(WHO, 1, USD)
        except OverLimitError:
            return None

    found = [hold for hold in await asyncio.gather(*map(one, range(200))) if hold is not None]
    assert len(found) == 20
    for hold in found:
        hold.settle(USD // 2, 0)
    for process in born:
        await told(process)
    assert await stands(born[0]) == (10 * USD, 0)


async def test_a_dead_process_frees_once_and_what_its_journal_had_counts(group: Group) -> None:
    dead, alive = await group.born(), await group.born()
    for _ in range(3):
        await dead.hold(WHO, 1, 3 * USD)
    with pytest.raises(OverLimitError):
        await alive.hold(WHO, 1, 3 * USD)
    await end_lease(dead, group.url)
    await alive._beat()
    await alive._beat()
    assert (await stands(alive), alive.freed) == ((0, 0), 3)
    # Its journal is drained by whoever starts next.
    group.spent = 4 * USD
    await alive.hold(WHO, 1, 0)
    assert await alive._reconcile()
    assert await stands(alive) == (4 * USD, 0)
    group.spent = 0
    await alive.hold(WHO, 1, 0)
    assert await alive._reconcile()
    assert (await stands(alive))[0] == 4 * USD


async def test_a_process_that_slept_settles_what_was_freed_and_holds_the_rest(group: Group) -> None:
    slow, other = await group.born(), await group.born()
    first, second = await slow.hold(WHO, 1, 3 * USD), await slow.hold(WHO, 1, 2 * USD)
    await group.command("ZADD", slow._leases, "0", slow._process)
    await other._beat()
    assert await stands(other) == (0, 0)
    first.settle(USD, 0)
    await told(slow)
    assert await stands(other) == (USD, 0)
    await slow._beat()
    assert await stands(other) == (USD, 2 * USD)
    second.settle(USD, 0)
    second.settle(USD, 0)
    assert await stands(slow) == (2 * USD, 0)


async def test_a_server_that_lost_everything_is_told_again(group: Group) -> None:
    process = await group.born()
    hold = await process.hold(WHO, 1, 3 * USD)
    (await process.hold(WHO, 1, USD)).settle(USD, 0)
    await told(process)
    group.spent = USD
    await group.command("FLUSHALL")
    await process._beat()
    await process.hold(WHO, 1, 0)
    assert await stands(process) == (USD, 3 * USD)
    hold.settle(2 * USD, 0)
    assert await stands(process) == (3 * USD, 0)


async def test_a_period_turns_by_the_servers_clock(group: Group) -> None:
    # A zone whose midnight is in a moment.
    now = datetime.now(UTC)
    since_midnight = timedelta(hours=now.hour, minutes=now.minute, seconds=now.second)
    zone = timezone(timedelta(hours=24) - since_midnight - timedelta(seconds=2))
    if zone.utcoffset(None) > timedelta(hours=23, minutes=59):
        pytest.skip("midnight is too near")
    group.zone = zone
    rule = BudgetRule("day", Decimal(10), "day")
    process = await group.born(rule)
    # A clock of the gateway that is wrong changes nothing.
    process._clock = lambda: time.time() - 5000
    late = await process.hold(WHO, 1, 10 * USD)
    async with asyncio.timeout(20):
        while True:
            try:
                await process.hold(WHO, 1, 9 * USD)
                break
            except OverLimitError:
                await asyncio.sleep(0.1)
    late.settle(10 * USD, 0)
    assert await stands(process) == (0, 9 * USD)


async def test_a_hold_that_nobody_waits_for_any_more_is_given_back(group: Group) -> None:
    process = await group.born()
    (await process.hold(WHO, 1, 0)).settle(0, 0)
    for steps in range(6):
        asking = asyncio.ensure_future(process.hold(WHO, 1, 5 * USD))
        for _ in range(steps):
            await asyncio.sleep(0)
        asking.cancel()
        made = (await asyncio.gather(asking, return_exceptions=True))[0]
        if isinstance(made, Hold):
            made.settle(0, 0)
    assert await stands(process) == (0, 0)
    assert not process._open


async def test_a_sum_that_cannot_be_read_is_read_later(group: Group) -> None:
    group.away, group.spent = True, 6 * USD
    process = await group.born()
    await process.hold(WHO, 1, 2 * USD)
    assert process.some_uncounted
    assert process.uncounted(WHO)
    assert not await process.recount()
    group.away = False
    assert await process.recount()
    assert not process.uncounted(WHO)
    assert await stands(process) == (6 * USD, 2 * USD)
    with pytest.raises(OverLimitError):
        await process.hold(WHO, 1, 3 * USD)


async def test_while_the_server_is_away_nothing_waits_and_then_all_is_told(
    group: Group, own_valkey: Valkey
) -> None:
    group.url = own_valkey.url
    process = await group.born()
    under_way = await process.hold(WHO, 1, 3 * USD)
    own_valkey.stop()
    for _ in range(3):
        with pytest.raises(StateAwayError):
            await process.hold(WHO, 1, USD)
    under_way.settle(2 * USD, 0)
    assert process.away
    assert not await process.recount()
    group.spent = 2 * USD
    own_valkey.start()
    async with asyncio.timeout(10):
        while True:
            await asyncio.sleep(0.05)
            if not process.away and not process._pending:
                break
    # What the ledger knows counts, also what was let in meanwhile.
    group.spent = 7 * USD
    assert await process.recount()
    assert await stands(process) == (7 * USD, 0)


async def test_nothing_that_is_told_holds_the_password() -> None:
    server = Server("valkey://user:canary@127.0.0.1:1/0")
    limits = SharedLimits(server, "x", zone=UTC, spent_since=lambda *_: 0, fresh=_drained)
    await limits.configure([], [TEN])
    with pytest.raises(StateAwayError) as away:
        await limits.hold(WHO, 1, USD)
    assert "canary" not in f"{away.value}{limits.away}{server!r}"
    await limits.close()
