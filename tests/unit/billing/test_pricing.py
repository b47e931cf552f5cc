"""Costs worked out by hand, and the most that a call can cost."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.bands import ALWAYS, Applies
from billing.list_prices import stated
from billing.money import PICO_MAX
from billing.price import Price
from billing.price_list import PriceList
from billing.pricing import ceiling, cost
from providers.usage import BUCKETS, MISSING, NOTHING, Usage

D = Decimal
NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)


def flat(**figures: Any) -> PriceList:
    """Return a list of one price; figures as text."""
    prices: dict[str, Any] = {"input": None, "output": None}
    prices.update((name, D(figure)) for name, figure in figures.items())
    return PriceList(((ALWAYS, Price(**prices)),))


CLOUD = flat(input="2", output="10", cache_read="0.1", cache_write="2.5", cache_write_long="4")
LONG = PriceList(
    ((ALWAYS, Price(D(3), D(15), above_prompt_tokens=((200_000, Price(D(6), D("22.5"))),))),)
)
HOME = stated({"input": D(0), "output": D(0)}, "config", "")
NIGHTS = PriceList(
    (
        (ALWAYS, Price(D("0.2"), D("0.4"))),
        (Applies(start=time(16, 30), end=time(0, 30)), Price(D("0.1"), D("0.2"))),
        (Applies(since=date(2027, 1, 1)), Price(D("0.5"), D("0.5"))),
    )
)

# name: usage, prices, surcharge, 1e-12 dollars, state
GOLDEN: dict[str, tuple[Usage, PriceList | None, str, int | None, str]] = {
    "flat": (Usage(input=1000, output=500), CLOUD, "1", 7_000_000_000, "priced"),
    "one token": (Usage(input=1), flat(input="0.0028", output="1"), "1", 2_800, "priced"),
    "cached read": (Usage(input=1000, cache_read=9000), CLOUD, "1", 2_900_000_000, "priced"),
    "cached writes": (
        Usage(cache_write=1000, cache_write_long=1000),
        CLOUD,
        "1",
        6_500_000_000,
        "priced",
    ),
    "no price for a cached read": (
        Usage(input=1000, cache_read=1),
        flat(input="2", output="10"),
        "1",
        None,
        "unknown",
    ),
    "reasoning as output": (Usage(output=100, reasoning=900), CLOUD, "1", 10_000_000_000, "priced"),
    "reasoning by itself": (
        Usage(output=100, reasoning=900),
        flat(input="1", output="10", reasoning="3"),
        "1",
        3_700_000_000,
        "priced",
    ),
    "audio": (
        Usage(audio_input=100, audio_output=10),
        flat(input="1", output="1", audio_input="40", audio_output="80"),
        "1",
        4_800_000_000,
        "priced",
    ),
    "at the edge of a tier": (Usage(input=200_000), LONG, "1", 600_000_000_000, "priced"),
    "above it, all of it": (
        Usage(input=200_001, output=10),
        LONG,
        "1",
        1_200_231_000_000,
        "priced",
    ),
    "cached tokens count for the tier": (
        Usage(input=1, audio_input=0, output=10, cache_write=200_000),
        PriceList(
            (
                (
                    ALWAYS,
                    Price(
                        D(1),
                        D(1),
                        cache_write=D(1),
                        above_prompt_tokens=((200_000, Price(D(2), D(2), cache_write=D(2))),),
                    ),
                ),
            )
        ),
        "1",
        400_022_000_000,
        "priced",
    ),
    "surcharge": (Usage(input=1000, output=500), CLOUD, "1.1", 7_700_000_000, "priced"),
    # 3 x 0.0416666666666667 = 0.1250000000000001 per million, so 125000.0000000001: down
    "more than six decimals": (
        Usage(cache_write=3),
        flat(input="1", output="1", cache_write="0.0416666666666667"),
        "1",
        125_000,
        "priced",
    ),
    "a tie goes to the even one": (
        Usage(input=1),
        flat(input="0.0000005", output="1"),
        "1",
        0,
        "priced",
    ),
    "rounded once, not per bucket": (
        Usage(input=1, output=1),
        flat(input="0.0000005", output="0.0000005"),
        "1",
        1,
        "priced",
    ),
    "a fee for the call": (
        Usage(input=1),
        flat(input="1", output="1", request="0.005"),
        "1",
        5_001_000_000,
        "priced",
    ),
    "home, zero by statement": (Usage(input=10, cache_read=5, output=9), HOME, "1", 0, "priced"),
    "no price list": (Usage(input=10), None, "1", None, "unknown"),
    "an empty price list": (Usage(input=10), PriceList(()), "1", None, "unknown"),
    "usage missing": (MISSING, CLOUD, "1", None, "unknown"),
    "usage missing at home": (MISSING, HOME, "1", None, "unknown"),
    "nothing used": (NOTHING, None, "1", 0, "nothing"),
    "estimated": (Usage(input=1000, state="estimated"), CLOUD, "1", 2_000_000_000, "priced"),
    "contradictory": (Usage(input=1000, reconciled=False), CLOUD, "1", None, "unknown"),
    "the host's own charge": (
        Usage(input=1000, stated_usd=D("0.00123"), reconciled=False),
        CLOUD,
        "1.1",
        1_230_000_000,
        "stated",
    ),
    "the host's charge of nothing": (Usage(input=9, stated_usd=D(0)), CLOUD, "1", 0, "stated"),
    "a charge below zero": (Usage(input=9, stated_usd=D(-1)), CLOUD, "1", None, "unknown"),
    "a charge that is no number": (
        Usage(input=9, stated_usd=D("NaN")),
        CLOUD,
        "1",
        None,
        "unknown",
    ),
    "absurd counts": (Usage(input=10**30), CLOUD, "1", None, "unknown"),
}


@pytest.mark.parametrize("name", GOLDEN)
def test_costs_by_hand(name: str) -> None:
    usage, prices, surcharge, units, state = GOLDEN[name]
    found = cost(usage, prices, NOW, D(surcharge))
    assert (found.pico, found.state) == (units, state)
    assert bool(found.why) == (state == "unknown"), "an unknown cost says why"


@pytest.mark.parametrize(
    ("when", "expected"),
    [
        (datetime(2026, 11, 25, 16, 29, 59, tzinfo=UTC), "0.2"),
        (datetime(2026, 11, 25, 16, 30, tzinfo=UTC), "0.1"),
        (datetime(2026, 11, 25, 0, 29, tzinfo=UTC), "0.1"),
        (datetime(2026, 11, 25, 0, 30, tzinfo=UTC), "0.2"),
        (datetime(2026, 11, 25, 17, 0), "0.1"),  # noqa: DTZ001 - without a zone it is UTC
        (datetime(2026, 11, 25, 22, 0, tzinfo=timezone(timedelta(hours=5, minutes=30))), "0.1"),
        (datetime(2026, 12, 31, 23, 59, tzinfo=UTC), "0.1"),
        (datetime(2027, 1, 1, 0, 0, tzinfo=UTC), "0.5"),
        (datetime(2027, 1, 1, 1, 0, tzinfo=timezone(timedelta(hours=2))), "0.1"),
    ],
)
def test_the_last_price_that_holds_counts(when: datetime, expected: str) -> None:
    price = NIGHTS.at(when)
    assert price is not None
    assert price.input == D(expected)


def test_the_oldest_price_counts_where_none_holds() -> None:
    later = PriceList(
        tuple((Applies(since=date(year, 1, 1)), Price(D(year), D(1))) for year in (2030, 2031))
    )
    price = later.at(NOW)
    assert price is not None
    assert price.input == 2030


def test_the_cost_tells_the_prices_that_were_multiplied() -> None:
    found = cost(Usage(input=200_001), LONG, NOW, D("1.1"))
    assert found.price is not None
    assert json.loads(found.price.unit_prices) == {"input": "6.6", "output": "24.75"}


@pytest.mark.parametrize("figure", ["-1", "NaN", "Infinity", "1e31", "1e-31"])
def test_what_is_no_price_is_refused(figure: str) -> None:
    with pytest.raises(ValueError, match=r"input: .* is no price"):
        flat(input=figure, output="1")


def test_tiers_must_rise() -> None:
    tier = Price(D(1), D(1))
    with pytest.raises(ValueError, match="must rise"):
        Price(D(1), D(1), above_prompt_tokens=((2, tier), (1, tier)))


def test_a_list_that_is_not_all_zero_says_nothing_of_other_buckets() -> None:
    prices = stated({"input": D(1), "output": D(0)}, "config", "2026-11-25")
    assert cost(Usage(input=1), prices, NOW).pico == 1_000_000
    assert cost(Usage(cache_read=1), prices, NOW).state == "unknown"
    assert cost(Usage(reasoning=1), prices, NOW).pico == 0


def test_zero_for_input_alone_is_no_statement_about_output() -> None:
    assert cost(Usage(output=1), stated({"input": D(0)}, "config", ""), NOW).state == "unknown"


def test_a_stated_name_that_is_no_bucket_is_refused() -> None:
    with pytest.raises(ValueError, match="cached"):
        stated({"cached": D(1)}, "config", "")


@pytest.mark.parametrize(
    ("prices", "prompt", "output", "most"),
    [
        (CLOUD, 1000, 100, 5_000_000_000),  # every token a long cache write
        (LONG, 200_000, 0, 600_000_000_000),
        (LONG, 200_001, 0, 1_200_006_000_000),
        (HOME, 10**6, 10**6, 0),
        (None, 1, 1, None),
        (PriceList(()), 1, 1, None),
        (flat(output="1"), 1, 1, None),
        (flat(input="1"), 1, 1, None),
        (flat(input="1"), 1, 0, 1_000_000),  # embeddings have no output
    ],
)
def test_ceiling(prices: PriceList | None, prompt: int, output: int, most: int | None) -> None:
    assert ceiling(prices, NOW, prompt, output) == most


def test_a_ceiling_looks_ahead_to_a_dearer_hour() -> None:
    just_before_day = datetime(2026, 11, 25, 0, 20, tzinfo=UTC)
    assert ceiling(NIGHTS, just_before_day, 1000, 0) == 200_000_000


FIGURES = st.decimals(0, 100, places=4) | st.decimals(0, 1, places=17)
COUNTS = st.integers(0, 300_000)


@st.composite
def price_lists(draw: st.DrawFn) -> PriceList:
    """Draw a list with every bucket priced, perhaps with a tier."""

    def price(**more: Any) -> Price:
        figures: dict[str, Any] = {name: draw(FIGURES) for name in (*BUCKETS, "request")}
        return Price(**figures, **more)

    tiers = ((draw(st.integers(0, 400_000)), price()),) if draw(st.booleans()) else ()
    return PriceList(((ALWAYS, price(above_prompt_tokens=tiers)),))


USAGES = st.builds(Usage, **dict.fromkeys(BUCKETS, COUNTS))
SURCHARGES = st.sampled_from([D(1), D("1.1"), D("1.055"), D("0.5")])


@given(price_lists(), USAGES, SURCHARGES)
def test_no_call_costs_more_than_its_ceiling(prices: PriceList, usage: Usage, surcharge: D) -> None:
    found = cost(usage, prices, NOW, surcharge).pico
    most = ceiling(prices, NOW, usage.prompt_tokens, usage.completion_tokens, surcharge)
    assert found is not None
    assert most is not None
    assert found <= most <= PICO_MAX


@given(price_lists(), USAGES, SURCHARGES)
def test_a_cost_is_the_exact_sum_rounded_once(
    prices: PriceList, usage: Usage, surcharge: Decimal
) -> None:
    found = cost(usage, prices, NOW, surcharge)
    assert found.price is not None
    units = json.loads(found.price.unit_prices)
    exact = 0
    for name in BUCKETS:
        exact += getattr(usage, name) * int(D(units[name]).scaleb(30))
    exact += 10**6 * int(D(units.get("request", "0")).scaleb(30))
    assert found.pico is not None
    assert abs(found.pico * 10**24 - exact) <= 10**24 // 2
