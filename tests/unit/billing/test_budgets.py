"""Periods tile time in every zone, windows that roll never let go early, rules fit who they name."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.budgets import CALENDAR, STEPS, BudgetRule, Holder, frame, rolling_s
from billing.forecasts import forecasts, recent_s

ZONES = (
    "UTC", "Europe/Paris", "Asia/Kolkata", "America/New_York", "America/Havana", "Asia/Beirut",
    "Pacific/Apia",
)  # fmt: skip
SOME_TIME = st.integers(1_704_067_200, 1_830_297_600)
WINDOWS = ("rolling 1m", "rolling 5h", "rolling 1d", "rolling 30d", "rolling 52w")


@pytest.mark.parametrize("zone", ZONES)
@given(SOME_TIME)
def test_periods_tile_the_calendar(zone: str, at: int) -> None:
    for per in CALENDAR:
        found = frame(per, at, ZoneInfo(zone))
        assert found.oldest == found.current <= at < found.end
        assert frame(per, found.current, ZoneInfo(zone)) == found
        assert frame(per, found.end - 1, ZoneInfo(zone)) == found
        assert frame(per, found.end, ZoneInfo(zone)).current == found.end


@pytest.mark.parametrize("zone", ZONES)
@given(SOME_TIME)
def test_days_begin_at_midnight_of_the_reporting_zone(zone: str, at: int) -> None:
    tz = ZoneInfo(zone)
    found = frame("day", at, tz)
    # The same clock as reports: what has one date there is one day here.
    assert datetime.fromtimestamp(found.current, tz).date() == datetime.fromtimestamp(at, tz).date()
    before = datetime.fromtimestamp(found.current - 1, tz).date()
    assert before < datetime.fromtimestamp(found.current, tz).date()


@pytest.mark.parametrize(
    ("zone", "day", "hours"),
    [("Europe/Paris", "2026-03-29", 23), ("Europe/Paris", "2026-10-25", 25)],
)
def test_days_of_a_change_of_clocks_are_shorter_and_longer(zone: str, day: str, hours: int) -> None:
    noon = datetime.fromisoformat(f"{day}T12:00").replace(tzinfo=ZoneInfo(zone))
    found = frame("day", noon.timestamp(), ZoneInfo(zone))
    assert found.end - found.current == hours * 3600
    # Each hour of it is one, also the one that comes twice.
    starts = {
        frame("hour", at, ZoneInfo(zone)).current for at in range(found.current, found.end, 600)
    }
    assert len(starts) == hours
    assert all(later - sooner == 3600 for sooner, later in pairwise(sorted(starts)))


@pytest.mark.parametrize("per", WINDOWS)
@given(SOME_TIME, st.integers(0, 10**8))
def test_a_window_that_rolls_counts_what_is_in_it_and_a_step_more_at_most(
    per: str, spent_at: int, later: int
) -> None:
    window, step = rolling_s(per), rolling_s(per) // STEPS
    counted_at = frame(per, spent_at, UTC).current
    now = frame(per, spent_at + later, UTC)
    counts = counted_at >= now.oldest
    assert counts or later >= window
    assert not counts or later < window + step


@pytest.mark.parametrize(
    "per", ["", "rolling", "rolling 5", "rolling 5y", "rolling 0h", "rolling -5h"]
)
def test_what_is_no_period_is_said(per: str) -> None:
    with pytest.raises(ValueError, match=r"period|between"):
        rolling_s(per)


WHO = Holder("ci", "platform", "ann", frozenset({"batch", "x"}), "internal", "claude-x", "coder")


def test_every_line_of_a_rule_must_fit() -> None:
    def fits(**lines: str) -> bool:
        return BudgetRule("b", Decimal(1), "day", **lines).covers(WHO)  # type: ignore[arg-type]

    assert fits()
    good = {
        "key": "ci", "team": "platform", "user": "ann", "tag": "batch", "label": "internal",
        "model": "coder",
    }  # fmt: skip
    assert fits(**good)
    assert fits(model="claude-x")
    for line in good:
        assert not fits(**{**good, line: "another"})


def test_each_user_has_an_account_and_who_names_none_shares_one() -> None:
    rule = BudgetRule("b", Decimal(1), "day", each="user")
    assert rule.account_of(WHO) == "ann"
    assert rule.covers(WHO._replace(user=""))
    assert not rule.covers(WHO._replace(user=None))
    assert rule.of("ann") == BudgetRule("b", Decimal(1), "day", user="ann")


def test_an_edit_of_the_sum_keeps_the_counts_and_one_of_the_calls_does_not() -> None:
    rule = BudgetRule("b", Decimal(1), "day", key="k")
    assert (
        rule.ident == BudgetRule("b", Decimal(9), "day", key="k", alert_at=(50,), soft=True).ident
    )
    assert rule.ident != BudgetRule("b", Decimal(1), "day", team="k").ident
    assert rule.ident != BudgetRule("b", Decimal(1), "hour", key="k").ident


def test_a_forecast_goes_on_at_two_paces_that_it_names() -> None:
    at = frame("month", datetime(2026, 11, 11, tzinfo=UTC).timestamp(), UTC)
    now = int(datetime(2026, 11, 11, tzinfo=UTC).timestamp())
    so_far, late = forecasts("month", at, now, 30, 15, 3)
    # Fifteen in ten days: the other fifteen in ten more.
    assert so_far.at == int(datetime(2026, 11, 21, tzinfo=UTC).timestamp())
    # Three in a day and a half: fifteen in seven and a half.
    assert late.over_s == recent_s(at) == 36 * 3600
    assert late.at == now + int(timedelta(days=7.5).total_seconds())


@given(
    st.sampled_from(CALENDAR + WINDOWS), SOME_TIME, st.integers(0, 10**15), st.integers(0, 10**15)
)
def test_forecasts_lie_ahead_and_within_the_period(
    per: str, now: int, limit: int, spent: int
) -> None:
    at = frame(per, now, UTC)
    for one in forecasts(per, at, now, limit, spent, spent // 2):
        assert one.at is None or one.at >= now
        if spent >= limit:
            assert one.at == now
        elif not rolling_s(per):
            assert one.at is None or one.at < at.end
