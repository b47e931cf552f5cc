"""Costs in other currencies: what is known where a rate is, and what where none is."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from types import MappingProxyType

from hypothesis import given
from hypothesis import strategies as st

from billing.bands import ALWAYS
from billing.exchange import NO_RATES, Exchange, Rate
from billing.money import half_even
from billing.price import Price
from billing.price_list import PriceList
from billing.pricing import bounds, ceiling, cost
from providers.usage import Usage

D = Decimal
NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
NOVEMBER = datetime(2026, 11, 1, tzinfo=UTC)
RATES = Exchange(
    MappingProxyType(
        {"CNY": (Rate(D("0.14"), datetime(2026, 1, 1, tzinfo=UTC), "bank, January"),
                 Rate(D("0.1405"), NOVEMBER, "bank, November"))}
    )
)  # fmt: skip
YUAN = PriceList(((ALWAYS, Price(D(1), D(4), currency="CNY", rate=None)),), exchange=RATES)
USED = Usage(input=1_000_000, output=3)


def test_the_rate_of_the_day_makes_dollars_of_yuan() -> None:
    found = cost(USED, YUAN, NOW)
    assert (found.native_pico, found.currency) == (1_000_012_000_000, "CNY")
    assert (found.pico, found.rate, found.state) == (140_501_686_000, "0.1405", "priced")
    assert found.price is not None
    assert found.price.where_from == "; rate: bank, November"
    assert '"currency": "CNY"' in found.price.unit_prices
    before = cost(USED, YUAN, datetime(2026, 10, 31, 23, 59, 59, tzinfo=UTC))
    assert (before.pico, before.rate) == (140_001_680_000, "0.14")


def test_without_a_rate_the_cost_is_known_in_yuan_only() -> None:
    for prices, when in ((replace(YUAN, exchange=NO_RATES), NOW),
                         (YUAN, datetime(2025, 12, 31, tzinfo=UTC))):  # fmt: skip
        found = cost(USED, prices, when)
        assert (found.pico, found.state, found.rate) == (None, "unknown", "")
        assert (found.native_pico, found.currency) == (1_000_012_000_000, "CNY")
        assert "exchange.CNY" in found.why
        assert ceiling(prices, when, 10, 10) is None
        assert bounds(prices, when, (1, 1), (2, 2)) == (None, None)


def test_a_rate_that_begins_within_a_hold_counts() -> None:
    before = datetime(2026, 10, 31, 23, 50, tzinfo=UTC)
    assert ceiling(YUAN, before, 1_000_000, 0) == 140_500_000_000
    assert ceiling(YUAN, datetime(2026, 10, 31, 23, tzinfo=UTC), 1_000_000, 0) == 140_000_000_000


@given(st.integers(0, 10**7), st.integers(0, 10**7), st.decimals(D("0.001"), 2, places=7))
def test_dollars_are_rounded_once_and_lie_below_the_ceiling(into: int, out: int, usd: D) -> None:
    price = Price(D("0.3333333333"), D("4.1"), currency="CNY", rate=None)
    rates = Exchange(MappingProxyType({"CNY": (Rate(usd, None, ""),)}))
    prices = PriceList(((ALWAYS, price),), exchange=rates)
    found = cost(Usage(input=into, output=out), prices, NOW)
    exact = (into * D("0.3333333333") + out * D("4.1")) * usd * 10**6
    numerator, denominator = exact.as_integer_ratio()
    assert found.pico == half_even(numerator, denominator)
    most = ceiling(prices, NOW, into, out)
    least, upper = bounds(prices, NOW, (into, out), (into, out))
    assert most is not None
    assert least is not None
    assert upper is not None
    assert least <= found.pico <= upper <= most
