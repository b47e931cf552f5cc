"""Which days a page shows, and which time it compares them with."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.dashboard.spans import DAYS_MAX, span_of
from gateway.errors import Refusal
from gateway.periods import PERIODS

PARIS = ZoneInfo("Europe/Paris")
NOW = datetime(2026, 11, 27, 14, 38, 12, tzinfo=PARIS)  # a Friday


@pytest.mark.parametrize(
    ("period", "first", "last", "grain"),
    [
        ("today", "2026-11-27", "2026-11-27", "hour"),
        ("yesterday", "2026-11-26", "2026-11-26", "hour"),
        ("7d", "2026-11-21", "2026-11-27", "day"),
        ("last-week", "2026-11-16", "2026-11-22", "day"),
        ("30d", "2026-10-29", "2026-11-27", "day"),
        ("month", "2026-11-01", "2026-11-27", "day"),
        ("last-month", "2026-10-01", "2026-10-31", "day"),
    ],
)
def test_a_period_is_whole_days(period: str, first: str, last: str, grain: str) -> None:
    span = span_of({"period": period}, NOW, PARIS)
    assert (span.first.isoformat(), span.last.isoformat()) == (first, last)
    assert span.grain == grain
    assert span.parameters() == {"period": period}


def test_days_can_be_named() -> None:
    span = span_of({"from": "2026-01-01", "to": "2026-12-31"}, NOW, PARIS)
    assert span.days == 365
    assert span.grain == "week"
    assert span.parameters() == {"from": "2026-01-01", "to": "2026-12-31"}
    assert span_of({"from": "2026-11-20"}, NOW, PARIS).last == NOW.date()


@pytest.mark.parametrize(
    "given",
    [
        {"period": "fortnight"},
        {"from": "2026-11-20", "to": "2026-11-19"},
        {"from": "yesterday"},
        {"from": "0001-01-01"},
        {"from": "1990-01-01", "to": "2026-01-01"},
    ],
)
def test_what_is_no_time_is_refused_by_name(given: dict[str, str]) -> None:
    with pytest.raises(Refusal) as refused:
        span_of(given, NOW, PARIS)
    assert refused.value.param in given


@pytest.mark.parametrize(
    ("given", "since", "until"),
    [
        ({"period": "today"}, "2026-11-26T00:00:00+01:00", "2026-11-26T14:30:00+01:00"),
        ({"period": "yesterday"}, "2026-11-25T00:00:00+01:00", "2026-11-26T00:00:00+01:00"),
        ({"period": "7d"}, "2026-11-14T00:00:00+01:00", "2026-11-20T14:30:00+01:00"),
        ({"period": "month"}, "2026-10-01T00:00:00+02:00", "2026-10-27T14:30:00+01:00"),
        ({"period": "last-month"}, "2026-09-01T00:00:00+02:00", "2026-10-01T00:00:00+02:00"),
        ({"from": "2026-11-03", "to": "2026-11-04"}, "2026-11-01T00:00:00+01:00",
         "2026-11-03T00:00:00+01:00"),
    ],
)  # fmt: skip
def test_the_time_before_is_as_long_as_this_has_lasted(
    given: dict[str, str], since: str, until: str
) -> None:
    found = span_of(given, NOW, PARIS).before(NOW)
    assert [one.isoformat() for one in found] == [since, until]


@given(
    st.datetimes(datetime(2024, 1, 1), datetime(2028, 1, 1)),  # noqa: DTZ001 - zone comes beside
    st.sampled_from(PERIODS),
    st.sampled_from(["UTC", "Europe/Paris", "Asia/Kolkata", "America/New_York", "Pacific/Apia"]),
)
def test_the_time_before_never_reaches_into_the_time_itself(
    at: datetime, period: str, zone: str
) -> None:
    now = at.replace(tzinfo=ZoneInfo(zone))
    span = span_of({"period": period}, now, ZoneInfo(zone))
    since, until = span.before(now)
    assert since <= until <= span.since < span.until
    assert until.minute % 15 == 0
    assert len(span.times(now)) <= 31
    assert span.until - span.since <= timedelta(days=31, hours=2)


def test_a_chart_has_no_bars_for_what_is_to_come() -> None:
    span = span_of({"period": "today"}, NOW, PARIS)
    assert len(span.times(NOW)) == 15
    ahead = span_of({"from": "2026-12-01", "to": "2026-12-03"}, NOW, PARIS)
    assert ahead.times(NOW) == []
    assert ahead.before(NOW)[0].date() == date(2026, 11, 28)
    assert DAYS_MAX > 3650
