"""When a price holds: zones, weekdays, hours, holidays, and what is not surely known of them."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from types import MappingProxyType
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing import calendar
from billing.bands import ALWAYS, WORKDAYS, Applies, changes, turns
from billing.calendar import Calendar, is_known, library
from providers.prices import Year

SHANGHAI = ZoneInfo("Asia/Shanghai")
CN = Calendar("CN")


def peak(**more: Any) -> Applies:
    """Return working hours of a Chinese working day."""
    said: dict[str, Any] = {
        "start": time(9),
        "end": time(12),
        "weekdays": WORKDAYS,
        "holidays": "never",
        "makeup_days": "unknown",
        "calendar": CN,
        "zone": SHANGHAI,
    }
    return Applies(**{**said, **more})


def there(text: str, zone: ZoneInfo = SHANGHAI) -> datetime:
    """Return a moment of a zone in UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=zone).astimezone(UTC)


@pytest.mark.parametrize(
    ("when", "holds"),
    [
        ("2026-11-26T08:59:59", False),
        ("2026-11-26T09:00", True),
        ("2026-11-26T11:59:59", True),
        ("2026-11-26T12:00", False),
        ("2026-11-28T10:00", False),  # a Saturday
        ("2026-10-01T10:00", False),  # National Day, a Thursday
        ("2026-10-07T10:00", False),  # a day off that was moved there from 2026-10-10
        ("2026-10-08T10:00", True),
    ],
)
def test_peak_hours_are_those_of_a_working_day_there(when: str, holds: bool) -> None:
    assert peak().holds(there(when)) is holds
    assert peak().is_sure(there(when))


@pytest.mark.parametrize(
    ("counts_as", "holds", "sure"),
    [("workday", True, True), ("weekend", False, True), ("unknown", False, False)],
)
def test_a_saturday_on_which_people_work(counts_as: str, holds: bool, sure: bool) -> None:
    one, saturday = peak(makeup_days=counts_as), there("2026-10-10T10:00")
    assert (one.holds(saturday), one.is_sure(saturday)) == (holds, sure)
    assert one.is_sure(there("2026-10-10T13:00")), "the hour is none of its own"
    assert not one.holds(there("2026-10-17T10:00")), "a Saturday like others"


def test_a_year_that_is_not_decided_yet_is_not_sure() -> None:
    one = peak()
    assert not one.is_sure(there("2027-03-03T10:00")), "it may be a day off"
    assert not one.is_sure(there("2027-03-06T10:00")), "and a Saturday may be none"
    assert one.is_sure(there("2027-03-03T13:00"))
    assert one.holds(there("2027-03-03T10:00")), "what is likely"
    stated = {2027: Year(frozenset({date(2027, 3, 3)}), frozenset({date(2027, 3, 6)}))}
    one = peak(calendar=Calendar("CN", MappingProxyType(stated)), makeup_days="workday")
    assert (one.holds(there("2027-03-03T10:00")), one.holds(there("2027-03-06T10:00"))) == (
        False,
        True,
    )
    assert one.is_sure(there("2027-03-03T10:00"))


def test_what_ends_before_the_doubt_begins_is_sure() -> None:
    over = Applies(until=date(2027, 1, 1), zone=SHANGHAI)
    both = peak().within(over)
    assert both.is_sure(there("2027-03-03T10:00"))
    assert not both.holds(there("2027-03-03T10:00"))
    assert both.holds(there("2026-11-26T10:00"))


def test_calendars() -> None:
    assert is_known("CN")
    assert is_known("DE-BY")
    assert is_known("DE")
    assert not is_known("XX")
    assert not is_known("DE-XX")
    assert library("CN", 2026)[1]
    assert not library("CN", 2040)[1]
    assert date(2026, 10, 10) in library("CN", 2026)[0].workdays
    assert library("DE", 2035)[1], "a country that moves no days"
    assert not library("XX", 2026)[1]
    assert not Calendar().is_sure(2026)


def test_a_day_begins_with_the_zone_and_a_moment_where_it_is() -> None:
    day = Applies(since=date(2026, 12, 1), until=date(2026, 12, 2), zone=SHANGHAI)
    assert not day.holds(datetime(2026, 11, 30, 15, 59, 59, tzinfo=UTC))
    assert day.holds(datetime(2026, 11, 30, 16, tzinfo=UTC))
    assert not day.holds(datetime(2026, 12, 1, 16, tzinfo=UTC))
    moment = Applies(since=datetime(2026, 12, 1, 8), zone=SHANGHAI)  # noqa: DTZ001 - of the zone
    assert moment.begins == datetime(2026, 12, 1, 0, tzinfo=UTC)
    aware = Applies(since=datetime(2026, 12, 1, 8, tzinfo=UTC), zone=SHANGHAI)
    assert aware.begins == datetime(2026, 12, 1, 8, tzinfo=UTC)


def test_what_is_always_and_what_is_never() -> None:
    assert ALWAYS.is_always
    assert Applies(zone=SHANGHAI).is_always
    assert not peak().is_always
    early, late = Applies(until=date(2026, 1, 1)), Applies(since=date(2026, 1, 1))
    assert early.within(late).is_never
    assert not early.is_never
    assert early.within(ALWAYS) == early == ALWAYS.within(early)


ZONES = st.sampled_from(
    ["UTC", "Asia/Shanghai", "Asia/Kolkata", "Europe/Paris", "America/New_York",
     "Australia/Lord_Howe"]
)  # fmt: skip
TIMES = st.sampled_from([time(0), time(2), time(2, 30), time(9), time(16, 30), time(23, 59)])
DAYS = st.sampled_from(
    [date(2026, 3, 8), date(2026, 3, 29), date(2026, 4, 4), date(2026, 10, 4), date(2026, 10, 25),
     date(2026, 11, 1), date(2026, 10, 1), date(2026, 10, 10), date(2027, 2, 8)]
)  # fmt: skip


@st.composite
def bands(draw: st.DrawFn) -> Applies:
    """Draw what is said of a time, sometimes with more that must hold too."""
    start, end = draw(TIMES), draw(TIMES)
    one = Applies(
        since=draw(st.none() | DAYS),
        until=draw(st.none() | DAYS),
        start=start if start != end else None,
        end=end if start != end else None,
        weekdays=draw(st.none() | st.frozensets(st.integers(0, 6), min_size=1)),
        holidays=draw(st.sampled_from([None, "only", "never"])),
        makeup_days=draw(st.sampled_from(["workday", "weekend", "unknown"])),
        calendar=CN,
        zone=ZoneInfo(draw(ZONES)),
    )
    return one.within(draw(bands())) if draw(st.integers(0, 3)) == 0 else one


@given(bands(), DAYS, st.integers(0, 24 * 60 - 1))
def test_between_two_changes_nothing_changes(one: Applies, day: date, minute: int) -> None:
    midnight = datetime.combine(day, time(), UTC)
    moment = midnight + timedelta(minutes=minute)
    last = max({midnight, *(at for at in changes([one], day) if at <= moment)})
    assert one.holds(moment) == one.holds(last)
    assert one.is_sure(moment) == one.is_sure(last)


@given(bands(), DAYS)
def test_each_turn_of_today_is_among_those_ahead(one: Applies, day: date) -> None:
    now = datetime.combine(day, time(12), UTC)
    assert set(changes([one], day)) <= set(turns([one], now))


def test_hours_over_midnight_and_the_change_of_clocks() -> None:
    paris = ZoneInfo("Europe/Paris")
    night = Applies(start=time(22), end=time(2, 30), zone=paris)
    assert night.holds(there("2026-11-26T23:00", paris))
    assert night.holds(there("2026-11-27T02:29", paris))
    assert not night.holds(there("2026-11-27T02:30", paris))
    # At 01:00 UTC of 2026-03-29 it becomes three o'clock: half past two never comes.
    assert night.holds(datetime(2026, 3, 29, 0, 59, tzinfo=UTC))
    assert not night.holds(datetime(2026, 3, 29, 1, 0, tzinfo=UTC))


def test_without_the_library_a_year_that_nobody_states_is_unknown_and_never_sure(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(calendar, "has_library", lambda: False)
    assert calendar.is_known("XX")
    year, sure = calendar.library.__wrapped__("CN", 2026)
    assert (year.days, year.workdays, sure) == (frozenset(), frozenset(), False)
