"""Prices beside one another: exact, in dollars, with what the figures of now do not say."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.bands import ALWAYS, WORKDAYS, Applies
from billing.exchange import Exchange, Rate
from billing.price import Price
from billing.price_list import PriceList
from billing.pricing import cost
from billing.sums import SpendRow
from gateway.dashboard.price_lines import Typical, call_pico, lines, typical, when
from gateway.dashboard.words import words
from gateway.offers import Offer
from providers.host import Model
from providers.usage import Usage
from routing.facts import RouteFacts

NOW = datetime(2026, 11, 27, 10, 0, tzinfo=UTC)  # a Friday
MEAN = Typical(7, 2_000, 500, 300)
ENGLISH = words("en")
SHANGHAI = ZoneInfo("Asia/Shanghai")


def price(into: str, out: str, **more: Any) -> Price:
    """Return a price of tokens in and out."""
    return Price(Decimal(into), Decimal(out), source="list", date="2026-11-01", **more)


def offer(
    name: str, prices: PriceList | Price | None, billing: Any = "token", **more: Any
) -> Offer:
    """Return a configured route with these prices."""
    found = PriceList(((ALWAYS, prices),)) if isinstance(prices, Price) else prices
    return Offer(name, "host", ("default",), True, Model("m"), RouteFacts("p", "m"), "hosted",
                 "live", billing, found, None, asked_as=("assistant",), **more)  # fmt: skip


def test_the_cheapest_call_comes_first_and_the_unknown_last() -> None:
    found = lines(
        [
            offer("p/dear", price("10", "30")),
            offer("p/none", None, "unknown"),
            offer("p/plan", price("0", "0"), "plan"),
            offer("p/home", None, "hour", usd_per_hour=Decimal("0.09")),
            offer("p/cheap", price("0.1", "0.4")),
        ],
        MEAN,
        NOW,
        ENGLISH,
    )
    assert [line.route for line in found] == ["p/cheap", "p/dear", "p/home", "p/none", "p/plan"]
    assert [line.bar for line in found] == [2, 100, 0, 0, 0]
    cheap, dear, home, none, plan = found
    assert dear.pico == 2_000 * 10_000_000 + 300 * 30_000_000
    assert dear.typical.exact == "0.029 USD"
    assert (dear.source, dear.date) == ("list", "2026-11-01")
    assert dear.into.text == "$10.00"
    assert cheap.out.text == "$0.40"
    assert home.way == "$0.09 an hour of answering"
    assert plan.way == "paid by a plan"
    assert (plan.pico, none.pico, none.way) == (None, None, "")


def test_without_a_mean_nothing_is_priced() -> None:
    (line,) = lines([offer("p/m", price("1", "2"))], None, NOW, ENGLISH)
    assert (line.pico, line.bar, line.into.exact) == (None, 0, "1 USD")


@given(
    st.integers(0, 10**6), st.integers(0, 10**6), st.integers(0, 10**6),
    st.decimals(0, 1_000, places=4), st.decimals(0, 1_000, places=4), st.decimals(0, 1_000, places=4),
)  # fmt: skip
def test_a_call_is_priced_as_every_call_is(
    fresh: int, cached: int, out: int, into: Decimal, read: Decimal, output: Decimal
) -> None:
    one = offer("p/m", Price(into, output, cache_read=read))
    mean = Typical(1, fresh + cached, cached, out)
    usage = Usage(input=fresh, cache_read=cached, output=out)
    assert call_pico(one, mean, NOW) == (cost(usage, one.prices, NOW).pico, False)


def test_without_a_price_of_cached_tokens_they_count_as_fresh_and_that_is_said() -> None:
    (line,) = lines([offer("p/m", price("1", "2"))], MEAN, NOW, ENGLISH)
    assert line.pico == 2_000 * 10**6 + 300 * 2 * 10**6
    assert line.notes == [ENGLISH("price.no_cache")]
    assert line.cached.exact == ""
    assert call_pico(offer("p/m", price("1", "2")), Typical(1, 9, 0, 1), NOW)[1] is False


def test_the_long_prompts_of_a_typical_call_cost_what_long_prompts_cost() -> None:
    steps = price("1", "2", above_prompt_tokens=((1_000, price("5", "9")),))
    (line,) = lines([offer("p/m", steps)], Typical(1, 1_001, 0, 10), NOW, ENGLISH)
    assert line.pico == 1_001 * 5 * 10**6 + 10 * 9 * 10**6
    assert line.notes == ["above 1,000 tokens of prompt: $5.00 in, $9.00 out"]


def test_bands_say_when_each_holds_and_which_holds_now() -> None:
    day = Applies(start=time(16), end=time(20), weekdays=WORKDAYS, zone=SHANGHAI)
    moves = PriceList(((ALWAYS, price("1", "2")), (day, price("3", "6").named("peak"))))
    (line,) = lines([offer("p/m", moves)], MEAN, NOW, ENGLISH)
    assert line.into.exact == "3 USD", "18:00 in Shanghai"
    assert line.notes[1:] == [
        "$1.00 in, $2.00 out: at all other times",
        "peak: $3.00 in, $6.00 out: Mon–Fri, 16:00–20:00 (Asia/Shanghai), now",
    ]


def test_another_currency_is_noted_with_its_rate() -> None:
    rates = Exchange({"CNY": (Rate(Decimal("0.14"), None, "the bank"),)})
    listed = PriceList(((ALWAYS, price("2", "8", currency="CNY", rate=None)),), exchange=rates)
    (line,) = lines([offer("p/m", listed)], Typical(1, 10, 0, 0), NOW, ENGLISH)
    assert (line.into.text, line.into.exact) == ("$0.28", "0.28 USD")
    assert line.notes == ["billed in CNY; 1 CNY is 0.14 USD by the bank"]
    unrated = PriceList(((ALWAYS, price("2", "8", currency="CNY", rate=None)),))
    (line,) = lines([offer("p/m", unrated)], MEAN, NOW, ENGLISH)
    assert (line.into.text, line.pico) == ("2 CNY", None)
    assert "no rate of it is known" in line.notes[0]


def test_fees_and_tiers_are_noted() -> None:
    one = price("1", "2", request=Decimal("0.005"), search=Decimal("0.01"),
                services=(("batch", price("0.5", "0.00001")),))  # fmt: skip
    (line,) = lines([offer("p/m", one)], Typical(1, 10, 0, 0), NOW, ENGLISH)
    assert line.notes == [
        "tier batch: $0.50 in, < $0.0001 out",
        "$0.005 for a request",
        "$0.01 for a search",
    ]


@pytest.mark.parametrize(
    ("applies", "said"),
    [
        (ALWAYS, "at all other times"),
        (Applies(weekdays=frozenset((5, 6))), "Sat–Sun (UTC)"),
        (Applies(weekdays=frozenset((0, 2))), "Mon Wed (UTC)"),
        (Applies(since=date(2026, 1, 1), until=date(2027, 1, 1)),
         "from 2026-01-01, until 2027-01-01 (UTC)"),
        (Applies(start=time(9), end=time(12), also=Applies(since=date(2026, 1, 1))),
         "09:00–12:00 (UTC); from 2026-01-01 (UTC)"),
    ],
)  # fmt: skip
def test_when_a_price_holds(applies: Applies, said: str) -> None:
    assert when(applies, ENGLISH) == said


def test_what_compares_and_counts_beside_calls_is_not_typical() -> None:
    rows = [
        SpendRow(("call",), requests=3, tokens_in=100, tokens_cached=10, tokens_out=50),
        SpendRow(("hedge",), tokens_in=20, tokens_out=4),
        SpendRow(("shadow",), tokens_in=9_000, tokens_out=9_000),
        SpendRow(("count",), tokens_in=9_000),
    ]
    assert typical(rows, 0) == Typical(3, 40, 3, 18)
    assert typical(rows[1:], 0) is None
