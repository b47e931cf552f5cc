"""A budget is a cap: what is set aside and what is spent never pass it together."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.limits import BudgetRule, Limits, OverLimitError, RateRule, period_end, period_start
from billing.money import PICO_PER_USD


class Clock:
    """A clock that stands until it is moved; seconds since the epoch."""

    def __init__(self, now: datetime) -> None:
        self.now = now.timestamp()

    def __call__(self) -> float:
        return self.now


NOON = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)


def limits_of(*budgets: BudgetRule, rate: RateRule | None = None, spent: int = 0) -> Limits:
    limits = Limits(zone=UTC, spent_since=lambda rule, since: spent, clock=Clock(NOON))
    limits.configure([rate] if rate else [], budgets)
    return limits


CENT = PICO_PER_USD // 100
ALL = BudgetRule("all of us", Decimal("0.10"), "month")


@given(st.integers(1, 60 * CENT // 10), st.integers(0, 10 * CENT))
def test_parallel_calls_admit_at_most_what_fits(most: int, spent: int) -> None:
    limits = limits_of(ALL, spent=spent)
    admitted = 0
    with suppress(OverLimitError):
        while admitted < 200:
            limits.hold("k", "t", 1, most)
            admitted += 1
    left = 10 * CENT - spent
    assert admitted == min(200, left // most)


def test_settling_puts_the_true_cost_in_the_place_of_the_hold() -> None:
    limits = limits_of(ALL)
    hold = limits.hold("k", "t", 1, 9 * CENT)
    with pytest.raises(OverLimitError):
        limits.hold("k", "t", 1, 2 * CENT)
    hold.settle(CENT, 10)
    hold.settle(CENT, 10)
    limits.hold("k", "t", 1, 9 * CENT)
    with pytest.raises(OverLimitError):
        limits.hold("k", "t", 1, 1)


def test_an_unknown_cost_counts_as_the_whole_hold() -> None:
    limits = limits_of(ALL)
    limits.hold("k", "t", 1, 9 * CENT).settle(None, 0)
    with pytest.raises(OverLimitError):
        limits.hold("k", "t", 1, 2 * CENT)


def test_an_unknown_price_is_refused_under_a_budget_and_free_is_let_in() -> None:
    limits = limits_of(ALL, spent=10 * CENT)
    with pytest.raises(OverLimitError, match="no route for it has a known price"):
        limits.hold("k", "t", 1, None)
    limits.hold("k", "t", 1, 0)


def test_budgets_of_others_do_not_bind() -> None:
    limits = limits_of(
        BudgetRule("ci", Decimal("0.01"), "day", key="ci"),
        BudgetRule("platform", Decimal("0.02"), "day", team="platform"),
    )
    limits.hold("other", "research", 1, 500 * CENT)
    assert limits.budgeted("ci", "x")
    assert not limits.budgeted("other", "research")
    with pytest.raises(OverLimitError, match="'ci'"):
        limits.hold("ci", "platform", 1, 2 * CENT)
    limits.hold("x", "platform", 1, 2 * CENT)


def test_a_new_period_starts_anew_and_a_reload_keeps_what_was_counted() -> None:
    clock = Clock(NOON)
    limits = Limits(zone=UTC, spent_since=lambda rule, since: 0, clock=clock)
    rule = BudgetRule("day", Decimal("0.01"), "day")
    limits.configure([], [rule])
    limits.hold("k", "t", 1, CENT).settle(CENT, 1)
    limits.configure([], [rule, ALL])
    with pytest.raises(OverLimitError, match="starts anew at 2026-11-26T00:00"):
        limits.hold("k", "t", 1, 1)
    clock.now += 12 * 3600
    limits.hold("k", "t", 1, CENT)


def test_requests_and_tokens_a_minute_slide() -> None:
    clock = Clock(NOON)
    limits = Limits(zone=UTC, spent_since=lambda rule, since: 0, clock=clock)
    limits.configure([RateRule("k", rpm=2, tpm=100)], [])
    limits.hold("k", "t", 60, 0).settle(0, 10)
    limits.hold("k", "t", 60, 0)
    with pytest.raises(OverLimitError, match="2 requests a minute") as over:
        limits.hold("k", "t", 1, 0)
    assert over.value.retry_after_s is not None
    clock.now += over.value.retry_after_s
    with pytest.raises(OverLimitError, match="100 tokens a minute"):
        limits.hold("k", "t", 101, 0)
    limits.hold("k", "t", 100, 0)
    limits.hold("another", "t", 10**9, 0)


@pytest.mark.parametrize("zone", ["UTC", "Europe/Paris", "Asia/Kolkata", "America/New_York"])
@given(st.integers(1_704_067_200, 1_798_761_600))
def test_periods_tile_the_calendar(zone: str, at: int) -> None:
    now = datetime.fromtimestamp(at, ZoneInfo(zone))
    for per in ("minute", "hour", "day", "week", "month"):
        start, end = period_start(per, now), period_end(per, now)
        assert start <= now < end
        assert period_start(per, end) == end
