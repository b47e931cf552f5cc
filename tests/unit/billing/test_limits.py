"""A budget is a cap: what is set aside and what is spent never pass it, in memory or at a server."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from datetime import UTC, datetime
from decimal import Decimal

import pytest
import pytest_asyncio
from hypothesis import given, settings
from hypothesis import strategies as st

from billing.budgets import BudgetRule, Holder
from billing.limits import Crossed, Hold, Limits, OverLimitError, RateRule
from billing.limits_memory import MemoryLimits
from billing.limits_redis import Server
from billing.limits_shared import SharedLimits
from billing.money import PICO_PER_USD

CENT = PICO_PER_USD // 100
ALL = BudgetRule("all of us", Decimal("0.10"), "month")
WHO = Holder("k", "t")
NOON = datetime(2026, 11, 25, 12, 0, tzinfo=UTC).timestamp()
NAMESPACES = itertools.count()

Spent = Callable[[BudgetRule, datetime], int]
Make = Callable[..., Limits]


class Clock:
    """A clock that stands until it is moved; seconds since the epoch."""

    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> float:
        return self.now


def nothing(_rule: BudgetRule, _since: datetime) -> int:
    """Return what a ledger without entries says."""
    return 0


async def drained() -> None:
    """Move no journal."""


@pytest_asyncio.fixture(params=["memory", "server"])
async def make(request: pytest.FixtureRequest) -> AsyncIterator[Make]:
    """``make(spent=…)`` gives limits of either kind, without rules."""
    made: list[Limits] = []
    url = request.getfixturevalue("valkey_url") if request.param == "server" else ""

    def limits(spent: Spent = nothing) -> Limits:
        if url:
            space = f"limits{next(NAMESPACES)}"
            found: Limits = SharedLimits(
                Server(url), space, zone=UTC, spent_since=spent, fresh=drained
            )
        else:
            found = MemoryLimits(zone=UTC, spent_since=spent, clock=Clock())
        made.append(found)
        return found

    yield limits
    for one in made:
        await one.close()


async def until(limits: Limits, holds: Callable[[int, int], bool]) -> None:
    """Wait until the first budget's spent and held are so: a server is told beside the calls."""
    async with asyncio.timeout(5):
        while True:
            first = (await limits.standings())[0]
            if holds(first.spent, first.held):
                return
            await asyncio.sleep(0.01)


async def admitted(limits: Limits, most: int, who: Holder = WHO) -> list[Hold]:
    """Return the holds of as many calls as are let in, asked for all at once."""

    async def one() -> Hold | None:
        with suppress(OverLimitError):
            return await limits.hold(who, 1, most)
        return None

    return [hold for hold in await asyncio.gather(*(one() for _ in range(60))) if hold]


@pytest.mark.parametrize(("most", "spent"), [(CENT, 0), (3 * CENT, 0), (CENT, 95 * CENT // 10)])
async def test_parallel_calls_admit_what_fits_and_no_more(
    make: Make, most: int, spent: int
) -> None:
    limits = make(lambda _rule, _since: spent)
    await limits.configure([], [ALL])
    assert len(await admitted(limits, most)) == (10 * CENT - spent) // most


async def test_settling_puts_the_true_cost_in_the_place_of_the_hold(make: Make) -> None:
    limits = make()
    await limits.configure([], [ALL])
    hold = await limits.hold(WHO, 1, 9 * CENT)
    with pytest.raises(OverLimitError):
        await limits.hold(WHO, 1, 2 * CENT)
    assert hold.settle(CENT, 10) == 0
    assert hold.settle(CENT, 10) == 0
    await until(limits, lambda spent, held: (spent, held) == (CENT, 0))
    await limits.hold(WHO, 1, 9 * CENT)
    with pytest.raises(OverLimitError) as over:
        await limits.hold(WHO, 1, 1)
    assert over.value.left == 0


async def test_an_unknown_cost_counts_as_the_whole_hold_and_is_counted(make: Make) -> None:
    limits = make()
    await limits.configure([], [ALL])
    (await limits.hold(WHO, 1, 9 * CENT)).settle(None, 0)
    await until(limits, lambda spent, held: (spent, held) == (9 * CENT, 0))
    assert (await limits.standings())[0].unpriced == 1


async def test_what_a_call_costs_over_its_hold_is_its_overrun(make: Make) -> None:
    limits = make()
    await limits.configure([], [ALL])
    assert (await limits.hold(WHO, 1, 9 * CENT)).settle(12 * CENT, 0) == 3 * CENT
    await until(limits, lambda spent, held: (spent, held) == (12 * CENT, 0))
    (standing,) = await limits.standings()
    assert standing.overrun == 3 * CENT


async def test_an_unknown_price_is_refused_under_a_budget_and_free_is_let_in(make: Make) -> None:
    limits = make(lambda _rule, _since: 10 * CENT)
    await limits.configure([], [ALL])
    with pytest.raises(OverLimitError, match="no route for it has a known price"):
        await limits.hold(WHO, 1, None)
    await limits.hold(WHO, 1, 0)


async def test_budgets_of_others_do_not_bind_and_a_soft_one_binds_nobody(make: Make) -> None:
    limits = make()
    soft = BudgetRule("told", Decimal("0.01"), "day", soft=True, alert_at=(100,))
    ci = BudgetRule("ci", Decimal("0.01"), "day", key="ci")
    platform = BudgetRule("platform", Decimal("0.02"), "day", team="platform")
    await limits.configure([], [ci, platform, soft])
    told: list[Crossed] = []
    heard = asyncio.Event()

    def hear(one: Crossed) -> None:
        told.append(one)
        heard.set()

    limits.crossed = hear
    (await limits.hold(Holder("other", "research"), 1, 500 * CENT)).settle(500 * CENT, 0)
    await limits.hold(Holder("other", "research"), 1, None)
    assert limits.budgeted(Holder("ci", "x"))
    assert not limits.budgeted(Holder("other", "research"))
    with pytest.raises(OverLimitError, match="'ci'"):
        await limits.hold(Holder("ci", "platform"), 1, 2 * CENT)
    await limits.hold(Holder("x", "platform"), 1, 2 * CENT)
    async with asyncio.timeout(5):
        await heard.wait()
    assert [(one.rule.name, one.share, one.spent) for one in told] == [("told", 100, 500 * CENT)]


async def test_each_user_has_the_whole_sum(make: Make) -> None:
    limits = make()
    await limits.configure([], [BudgetRule("each", Decimal("0.10"), "rolling 5h", each="user")])
    for user in ("ann", "bob", ""):
        assert len(await admitted(limits, 3 * CENT, Holder("k", "t", user))) == 3
    assert len(await admitted(limits, 3 * CENT, Holder("k", "t"))) == 60
    assert {one.account for one in await limits.standings()} == {"ann", "bob", ""}


async def test_a_providers_budget_is_held_by_its_attempts(make: Make) -> None:
    limits = make()
    await limits.configure([], [BudgetRule("far", Decimal("0.10"), "day", provider="far")])
    assert limits.per_route
    assert not limits.budgeted(WHO)
    await limits.hold(WHO, 1, 50 * CENT)
    first = await limits.hold_route(WHO, "far", 6 * CENT)
    assert limits.room(WHO, "far") == 4 * CENT
    assert limits.room(WHO, "near") is None
    with pytest.raises(OverLimitError, match="'far'"):
        await limits.hold_route(WHO, "far", 6 * CENT)
    await limits.hold_route(WHO, "near", 6 * CENT)
    first.settle(CENT, 0)
    await until(limits, lambda spent, held: (spent, held) == (CENT, 0))


async def test_alerts_tell_each_share_once(make: Make) -> None:
    limits = make(lambda _rule, _since: 4 * CENT)
    told: list[int] = []
    limits.crossed = lambda one: told.append(one.share)
    rule = BudgetRule("b", Decimal("0.10"), "day", alert_at=(30, 50, 80, 100))
    await limits.configure([], [rule])
    for cost in (CENT, 0, 2 * CENT, 2 * CENT, CENT):
        (await limits.hold(WHO, 1, cost)).settle(cost, 0)
    await until(limits, lambda spent, held: (spent, held, len(told)) == (10 * CENT, 0, 3))
    # What was passed before counting began was told by whoever counted then.
    assert sorted(told) == [50, 80, 100]


async def test_a_reload_keeps_what_was_counted_also_with_another_sum(make: Make) -> None:
    limits = make()
    rule = BudgetRule("day", Decimal("0.02"), "day")
    await limits.configure([], [rule])
    under_way = await limits.hold(WHO, 1, CENT)
    await limits.configure([], [BudgetRule("day", Decimal("0.01"), "day"), ALL])
    with pytest.raises(OverLimitError, match=r"'day' \(0.01 USD per day\) has 0 USD left"):
        await limits.hold(WHO, 1, 1)
    under_way.settle(0, 0)
    await until(limits, lambda spent, held: (spent, held) == (0, 0))
    await limits.hold(WHO, 1, CENT)


async def test_rates_count_requests_and_tokens(make: Make) -> None:
    limits = make()
    await limits.configure([RateRule("k", rpm=3, tpm=100)], [])
    (await limits.hold(WHO, 60, 0)).settle(0, 10)
    async with asyncio.timeout(5):
        while True:
            with suppress(OverLimitError):
                await limits.hold(WHO, 90, 0)
                break
            await asyncio.sleep(0.01)
    with pytest.raises(OverLimitError, match="100 tokens a minute") as over:
        await limits.hold(WHO, 1, 0)
    assert over.value.retry_after_s is not None
    await limits.hold(WHO, 0, 0)
    with pytest.raises(OverLimitError, match="3 requests a minute"):
        await limits.hold(WHO, 0, 0)
    await limits.hold(Holder("another", "t"), 10**9, 0)
    await limits.hold(WHO, 10**9, 0, rated=False)


@given(st.integers(1, 60 * CENT // 10), st.integers(0, 10 * CENT))
@settings(max_examples=60)
def test_in_memory_it_is_so_for_all_amounts(most: int, spent: int) -> None:
    async def play() -> int:
        limits = MemoryLimits(zone=UTC, spent_since=lambda _rule, _since: spent, clock=Clock())
        await limits.configure([], [ALL])
        return len(await admitted(limits, most))

    assert asyncio.run(play()) == min(60, (10 * CENT - spent) // most)


async def test_in_memory_a_new_period_starts_anew_and_belongs_to_who_was_let_in_then() -> None:
    clock = Clock()
    limits = MemoryLimits(zone=UTC, spent_since=nothing, clock=clock)
    await limits.configure([], [BudgetRule("day", Decimal("0.01"), "day")])
    late = await limits.hold(WHO, 1, CENT)
    with pytest.raises(OverLimitError, match="starts anew at 2026-11-26T00:00"):
        await limits.hold(WHO, 1, 1)
    clock.now += 12 * 3600
    await limits.hold(WHO, 1, CENT)
    late.settle(CENT, 1)
    (standing,) = await limits.standings()
    assert (standing.spent, standing.held) == (0, CENT)
