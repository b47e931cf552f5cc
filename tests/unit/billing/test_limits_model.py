"""Whatever comes in whatever order, limits do what a few plain numbers say: both kinds of them."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Coroutine
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, TypeVar

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from redis.asyncio import Redis

from billing.budgets import BudgetRule, Holder, frame
from billing.limits import Hold, Limits, OverLimitError
from billing.limits_memory import MemoryLimits
from billing.limits_redis import Server
from billing.limits_shared import SharedLimits
from billing.money import PICO_PER_USD

T = TypeVar("T")
SPACES = itertools.count()
START = datetime(2026, 10, 24, 12, tzinfo=UTC).timestamp()
# To more than a 64-bit number holds, and one by one where sums of two parts carry.
AMOUNTS = st.one_of(st.integers(0, 3), st.integers(0, 2 * 10**9), st.integers(0, 3 * 10**19))
USERS = st.sampled_from(["ann", "bob", "", None])
PROCESSES = 3


@dataclass
class Plain:
    """What a naive counter knows of one account of one budget."""

    spent: int = 0
    held: int = 0


@dataclass
class Made:
    """A hold, and where the model has it: rule and account, its period, its amount."""

    hold: Hold
    process: int
    places: list[tuple[str, str, int]]
    amount: int
    is_open: bool = True
    is_dead: bool = False


@dataclass
class Model:
    """All accounts by rule, account and the beginning of the step that counts them."""

    rules: list[BudgetRule]
    accounts: dict[tuple[str, str, int], Plain] = field(default_factory=dict)

    def covering(self, who: Holder) -> list[BudgetRule]:
        return [one for one in self.rules if one.covers(who)]

    def used(self, one: BudgetRule, account: str, oldest: int) -> int:
        return sum(
            plain.spent + plain.held
            for (name, of, start), plain in self.accounts.items()
            if (name, of) == (one.name, account) and start >= oldest
        )


class Kept(RuleBasedStateMachine):
    """Limits in memory against the model; the clock moves, over a change of clocks too."""

    holds = Bundle("holds")
    pers = ("day", "hour", "rolling 1h", "month")
    is_shared = False

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.now = START
        self.zone = UTC
        self.processes: list[Limits] = []
        self.made: list[Made] = []

    def limits(self) -> list[Limits]:
        return [MemoryLimits(zone=UTC, spent_since=lambda *_: 0, clock=lambda: self.now)]

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.loop.run_until_complete(work)

    def after(self) -> None:
        """Wait for what is done beside the calls."""

    @initialize(sums=st.lists(st.integers(0, 5 * 10**19), min_size=3, max_size=3))
    def begin(self, sums: list[int]) -> None:
        usd = [Decimal(amount).scaleb(-12) for amount in sums]
        self.model = Model(
            [
                BudgetRule("all", usd[0], self.pers[0]),
                BudgetRule("each", usd[1], self.pers[2], each="user"),
                BudgetRule("ann", usd[2], self.pers[1], user="ann", soft=True),
            ]
        )

        async def made() -> list[Limits]:
            return self.limits()

        self.processes = self.run(made())
        self.configure()

    def configure(self) -> None:
        for one in self.processes:
            self.run(one.configure([], self.model.rules))

    def time(self) -> float:
        return self.now

    @rule(target=holds, user=USERS, amount=AMOUNTS, process=st.integers(0, PROCESSES - 1))
    def hold(self, user: str | None, amount: int, process: int) -> Made | None:
        who = Holder("k", "t", user)
        now = self.time()
        fits, places = True, []
        for one in self.model.covering(who):
            at, account = frame(one.per, now, UTC), one.account_of(who)
            places.append((one.name, account, at.current))
            used = self.model.used(one, account, at.oldest)
            fits = fits and (one.soft or used + amount <= int(one.usd * PICO_PER_USD))
        number = process % len(self.processes)
        try:
            made = self.run(self.processes[number].hold(who, 1, amount))
        except OverLimitError:
            assert not fits
            return None
        assert fits
        for place in places:
            self.model.accounts.setdefault(place, Plain()).held += amount
        self.made.append(Made(made, number, places, amount))
        return self.made[-1]

    @rule(made=holds, cost=st.one_of(st.none(), AMOUNTS))
    def settle(self, made: Made | None, cost: int | None) -> None:
        if made is None:
            return

        if made.is_dead:
            return

        async def settled() -> None:
            made.hold.settle(cost, 1)

        self.run(settled())
        self.after()
        if made.is_open:
            made.is_open = False
            for place in made.places:
                plain = self.model.accounts[place]
                plain.held -= made.amount
                plain.spent += made.amount if cost is None else cost

    @rule(usd=st.integers(0, 5 * 10**19))
    def reload(self, usd: int) -> None:
        first, *others = self.model.rules
        new = BudgetRule(first.name, Decimal(usd).scaleb(-12), first.per)
        self.model.rules = [new, *others]
        self.configure()

    @precondition(lambda self: self.is_shared)
    @rule(process=st.integers(0, PROCESSES - 1))
    def crashes(self, process: int) -> None:
        self.crash(process)
        for made in self.made:
            if made.process != process:
                continue
            made.is_dead = True
            if made.is_open:
                # Nobody settles it any more: all of it is given back, once.
                made.is_open = False
                for place in made.places:
                    self.model.accounts[place].held -= made.amount

    def crash(self, process: int) -> None:
        """End a process, begin another in its place."""

    @precondition(lambda self: not self.is_shared)
    @rule(seconds=st.sampled_from([1, 600, 3600, 90_000, 86_400 * 40]))
    def wait(self, seconds: int) -> None:
        self.now += seconds

    @invariant()
    def stands(self) -> None:
        if not self.processes:
            return
        for one in self.run(self.processes[0].standings()):
            found = [
                plain
                for (name, of, start), plain in self.model.accounts.items()
                if (name, of) == (one.rule.name, one.account) and start >= one.frame.oldest
            ]
            assert one.spent == sum(plain.spent for plain in found)
            assert one.held == sum(plain.held for plain in found)

    def teardown(self) -> None:
        for one in self.processes:
            self.run(one.close())
        self.loop.close()


class Shared(Kept):
    """The same of several processes at one server, of which some die with calls under way."""

    # The server's clock cannot be moved here: see test_limits_shared for the turn of a period.
    is_shared = True
    pers = ("month", "month", "rolling 30d")
    url = ""

    def limits(self) -> list[Limits]:
        self.space = f"model{next(SPACES)}"
        return [self.born() for _ in range(PROCESSES)]

    def born(self) -> SharedLimits:
        return SharedLimits(
            Server(self.url), self.space, zone=UTC, spent_since=lambda *_: 0, fresh=_drained
        )

    def time(self) -> float:
        return datetime.now(UTC).timestamp()

    def after(self) -> None:
        for one in self.processes:
            self.run(told(one))

    def crash(self, process: int) -> None:
        dead = self.processes[process]

        async def killed_and_born() -> Limits:
            assert isinstance(dead, SharedLimits)
            await end_lease(dead, self.url)
            new = self.born()
            await new.configure([], self.model.rules)  # whose first beat gives back what is due
            return new

        self.processes[process] = self.run(killed_and_born())


async def _drained() -> None:
    """Move no journal."""


async def told(limits: Limits) -> None:
    """Wait until the server knows of every settlement."""
    assert isinstance(limits, SharedLimits)
    while limits._flushing is not None:
        await asyncio.wait([limits._flushing])


async def end_lease(limits: SharedLimits, url: str) -> None:
    """Let a process be as dead, and its lease over."""
    if limits._beating is not None:
        limits._beating.cancel()
    redis: Redis = Redis.from_url(url)
    await redis.zadd(limits._leases, {limits._process: 0})
    await redis.aclose()
    await limits._server.close()


QUICK = settings(max_examples=20, stateful_step_count=25, deadline=None)


def test_in_memory() -> None:
    run_state_machine_as_test(Kept, settings=QUICK)


def test_at_a_server(valkey_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Shared, "url", valkey_url)
    run_state_machine_as_test(Shared, settings=QUICK)
