"""Numbers as people read them: rounded for the eye, and never into what is not so."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.money import pico
from billing.sums import SpendRow
from gateway.dashboard import charts, figures
from gateway.dashboard.forecast import forecast
from gateway.dashboard.lasting import lasting, took
from gateway.dashboard.regions import REGIONS, region, shares
from gateway.dashboard.words import words
from routing import groups
from tests.unit.billing.samples import an_entry

USD = 10**12


@pytest.mark.parametrize(
    ("usd", "decimals", "text"),
    [
        ("0", 6, "$0"),
        ("0.000123", 6, "$0.000123"),
        ("0.0000001", 6, "< $0.000001"),
        ("0.004", 2, "< $0.01"),
        ("1234.565", 2, "$1,234.56"),
        ("1234.575", 2, "$1,234.58"),
        ("-0.5", 4, "−$0.5000"),
    ],
)
def test_money_is_rounded_for_the_eye_and_never_to_nothing(
    usd: str, decimals: int, text: str
) -> None:
    assert figures.usd(pico(Decimal(usd)), decimals) == text


@pytest.mark.parametrize(
    ("part", "whole", "text"),
    [(0, 0, "–"), (0, 9, "0 %"), (9, 9, "100 %"), (1, 1000, "< 1 %"), (999, 1000, "> 99 %")],
)
def test_all_and_nothing_are_said_only_of_all_and_nothing(part: int, whole: int, text: str) -> None:
    assert figures.percent(part, whole) == text


@pytest.mark.parametrize(
    ("part", "whole", "text"),
    [(0, 0, "–"), (0, 9, "0.0 %"), (3, 2, "+150.0 %"), (-1, 3, "−33.3 %"), (1, 8, "+12.5 %")],
)
def test_a_change_may_be_more_than_all(part: int, whole: int, text: str) -> None:
    assert figures.share_of(part, whole) == text


def test_what_is_not_known_exactly_is_shown_as_a_band() -> None:
    row = SpendRow(attempts=3, cost_pico=USD, least_pico=USD // 2, most_pico=2 * USD)
    assert figures.spent(row, 2) == figures.Money("$0.50 – $2.00", "0.5 – 2 USD")
    one = SpendRow(attempts=2, cost_pico=USD, least_pico=USD, most_pico=USD, unbounded=1)
    assert figures.spent(one, 2) == figures.Money("$1.00", "1 USD", 1)
    assert figures.spent(SpendRow(attempts=1, unbounded=1), 2).text == "unknown"
    guessed = an_entry(1, cost_least_pico=10**11, cost_most_pico=3 * 10**11)
    assert figures.amount(guessed, 1).text == "$0.1 – $0.3"


@pytest.mark.parametrize(
    ("countries", "name"),
    [
        ("home", "home"),
        ("FR", "europe"),
        ("CH,EEA", "europe"),
        ("DE,home", "europe"),
        ("GB", "europe"),
        ("DE,US", "us"),
        ("CN,US", "china"),
        ("BRICS", "china"),
        ("HK", "other"),
        ("JP,DE", "other"),
        ("unknown", "unknown"),
        ("US,unknown", "unknown"),
        ("", "unknown"),
        ("<b>", "other"),
    ],
)
def test_of_several_countries_the_furthest_from_home_counts(countries: str, name: str) -> None:
    assert region(countries) == name


@given(st.lists(st.sampled_from(sorted(groups.KNOWN)), min_size=1, max_size=5))
def test_more_countries_are_never_nearer_to_home(words: list[str]) -> None:
    order = ("home", "europe", "other", "us", "china")
    whole = order.index(region(",".join(words)))
    assert whole == max(order.index(region(word)) for word in words)


def test_shares_add_up_both_ways() -> None:
    rows = [
        SpendRow(("home", "home"), attempts=1, tokens_in=60),
        SpendRow(("US", "EEA"), attempts=1, tokens_in=20, cost_pico=5),
        SpendRow(("unknown", "CN"), attempts=1, tokens_in=20),
    ]
    found = {one.region: one for one in shares(rows, 0, 1)}
    assert list(found) == list(REGIONS)
    assert found["us"].by_operator.tokens == found["europe"].by_place.tokens == 20
    assert sum(one.by_operator.tokens for one in found.values()) == 100
    assert sum(one.by_place.tokens for one in found.values()) == 100


def day(name: str, usd: int, **more: int) -> SpendRow:
    """Return a day's row that cost so many dollars."""
    bounds = {"least_pico": usd * USD, "most_pico": usd * USD, **more}
    return SpendRow((name,), attempts=1, cost_pico=usd * USD, **bounds)


def test_a_forecast_goes_on_at_the_pace_of_the_last_whole_days() -> None:
    now = datetime(2026, 11, 21, tzinfo=UTC)  # ten days of November are left
    days = [day("2026-11-20", 3), day("2026-11-18", 6), day("2026-11-01", 100)]
    found = forecast(days, day("", 109), now, UTC)
    assert found is not None
    # Nine dollars in the three days since the first of late: three a day, for ten days.
    assert (found.days, found.least_pico, found.most_pico) == (3, 139 * USD, 139 * USD)


def test_a_forecast_keeps_what_is_not_known_exactly() -> None:
    now = datetime(2026, 11, 30, 12, tzinfo=UTC)
    late = day("2026-11-29", 2, least_pico=USD, most_pico=4 * USD)
    found = forecast([late], day("", 10, least_pico=5 * USD, unbounded=3), now, UTC)
    assert found is not None
    assert (found.least_pico, found.most_pico) == (5 * USD + USD // 2, 12 * USD)
    assert found.unbounded == 3


def test_no_forecast_before_a_whole_day() -> None:
    now = datetime(2026, 11, 21, 12, tzinfo=UTC)
    assert forecast([day("2026-11-21", 3)], day("", 3), now, UTC) is None
    assert forecast([day("2026-11-10", 3)], day("", 3), now, UTC) is None
    nowhere = [SpendRow(("2026-11-20",))]
    assert forecast(nowhere, SpendRow(), now, UTC) is None


def test_the_rest_of_a_month_minds_the_change_of_clocks() -> None:
    paris = ZoneInfo("Europe/Paris")
    now = datetime(2026, 10, 25, tzinfo=paris)  # that day has 25 hours
    found = forecast([day("2026-10-24", 24)], day("", 0), now, paris)
    assert found is not None
    assert found.least_pico == 24 * 7 * USD + USD


def test_a_chart_has_colours_for_the_largest_and_one_for_all_others() -> None:
    rows = [SpendRow(("d1", f"g{n:02d}"), requests=1, tokens_in=n) for n in range(1, 13)]
    told = json.loads(charts.stack(rows, ["d0", "d1"], "tokens", "rest", "nobody") or "")
    assert [one["name"] for one in told["series"]][:2] == ["g12", "g11"]
    assert [one["slot"] for one in told["series"]] == [*range(charts.SLOTS), charts.OTHERS]
    assert told["series"][-1]["values"] == [0, 1 + 2 + 3 + 4]
    assert told["series"][0]["texts"] == ["0", "12"]


def test_the_time_before_stands_at_its_own_times() -> None:
    rows = [SpendRow(("d2", "a"), requests=1, tokens_in=1)]
    late = [SpendRow(("c1",), tokens_in=7), SpendRow(("c3",), tokens_in=9)]
    before = charts.Before("then", ["c1", "c2", "c3", "c4"], late)
    told = json.loads(charts.stack(rows, ["d1", "d2", "d3"], "tokens", "-", "-", before) or "")
    assert told["series"][-1]["values"] == [7, 0, 9]
    short = charts.Before("then", ["c1"], late)
    told = json.loads(charts.stack(rows, ["d1", "d2", "d3"], "tokens", "-", "-", short) or "")
    assert told["series"][-1]["values"] == [7, 0, 0]


def test_a_chart_says_money_in_words_and_nothing_of_nothing() -> None:
    assert charts.stack([], ["d0"], "cost", "rest", "nobody") is None
    rows = [SpendRow(("d0", ""), attempts=2, cost_pico=USD, least_pico=USD, most_pico=USD,
                     unbounded=1)]  # fmt: skip
    told = json.loads(charts.stack(rows, ["d0"], "cost", "rest", "nobody") or "")
    assert told["series"] == [
        {"name": "nobody", "slot": 0, "values": [1.0], "texts": ["$1.0000 + 1 ?"]}
    ]


def test_what_a_chart_is_drawn_from_ends_no_script() -> None:
    told = charts.spec({"a": "</script><!--&\u2028"})
    assert not set("<>&\u2028") & set(told)
    assert json.loads(told) == {"a": "</script><!--&\u2028"}


def test_times_are_in_one_unit() -> None:
    t = words("en")
    assert [lasting(s, t) for s in (0.2, 119, 120, 7200, 172_800)] == [
        "1 s", "119 s", "2 min", "2 h", "2 days",
    ]  # fmt: skip
    assert [took(ms) for ms in (None, 0, 999, 1000, 61_250)] == [
        "–", "0 ms", "999 ms", "1.00 s", "61.25 s",
    ]  # fmt: skip
