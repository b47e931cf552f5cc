"""Home is not free: by hand, and whatever the figures are."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing import home_cost
from billing.home_cost import Machine

HOUR_MS, YEAR_MS = 3_600_000, 8766 * 3_600_000
USD = 10**12
# 350 W at work and 60 W at rest, 0.32 USD a kWh, 2400 USD over four years.
DESK = Machine(Decimal(350), Decimal(60), Decimal("0.32"), Decimal(2400), Decimal(4))
WATTS = st.decimals(0, 5000, places=1)


def test_an_answer_costs_what_it_draws_beyond_idling() -> None:
    # 290 W for two minutes: 34,800 J, 9.6667 Wh.
    pico, joules = home_cost.answer(DESK.busy_usd_per_hour, DESK.busy_watts, 120 * 10**9)
    assert joules == 34_800
    assert pico == 3_093_333_333
    assert home_cost.answer(Decimal(3), None, 1200 * 10**9) == (USD, None)


def test_a_year_at_a_tenth_of_its_time() -> None:
    found = home_cost.span(DESK, YEAR_MS // 10, YEAR_MS)
    # 876.6 h of 290 W, 8766 h of 60 W, and a quarter of the price.
    assert found.marginal == 81_348_480_000_000
    assert found.idle == 168_307_200_000_000
    assert found.hardware == 600 * USD
    assert found.full == 849_655_680_000_000
    assert found.joules is not None
    assert Fraction(found.joules, home_cost.JOULES_PER_KWH) == Fraction("780.174")


def test_it_cannot_be_busy_for_longer_than_there_was_time() -> None:
    assert home_cost.span(DESK, 3 * HOUR_MS, HOUR_MS) == home_cost.span(DESK, HOUR_MS, HOUR_MS)


def test_from_what_utilisation_on_home_is_cheaper() -> None:
    # What an hour makes costs 0.50 USD elsewhere; home has 0.0928 of it, and 0.0876 in any hour.
    share = home_cost.break_even(DESK, HOUR_MS, USD // 2)
    assert share is not None
    fixed = Fraction("0.0192") + Fraction(2400, 4 * 8766)
    assert share == fixed / (Fraction("0.5") - Fraction("0.0928"))
    assert Fraction("0.21") < share < Fraction("0.22")
    # At it, both cost the same.
    hours = 10_000
    at_home = home_cost.span(DESK, int(share * hours * HOUR_MS), hours * HOUR_MS).full
    assert at_home == pytest.approx(int(share * hours * USD) // 2, rel=1e-6)


def test_where_elsewhere_is_cheaper_than_the_power_home_never_pays() -> None:
    assert home_cost.break_even(DESK, HOUR_MS, USD // 20) is None
    assert home_cost.break_even(DESK, HOUR_MS, USD // 8) is None, "not even when always busy"
    assert home_cost.break_even(DESK, 0, USD) is None
    assert home_cost.break_even(Machine(), HOUR_MS, USD) == 0


def test_a_rented_machine_has_a_price_by_the_busy_hour_and_no_energy() -> None:
    found = home_cost.span(Machine(usd_per_busy_hour=Decimal("1.5")), HOUR_MS, 10 * HOUR_MS)
    assert (found.marginal, found.full, found.joules) == (3 * USD // 2, 3 * USD // 2, None)


@pytest.mark.parametrize(
    ("spans", "busy"),
    [
        ([], 0),
        ([(0, 10)], 10),
        ([(0, 10), (5, 8)], 10),
        ([(5, 8), (0, 6), (20, 21)], 9),
        ([(0, 10), (10, 20)], 20),
    ],
)
def test_busy_is_when_at_least_one_answer_was_under_way(
    spans: list[tuple[int, int]], busy: int
) -> None:
    assert home_cost.busy_ms(spans) == busy


@given(st.lists(st.tuples(st.integers(0, 200), st.integers(0, 40)), max_size=30))
def test_busy_agrees_with_counting_every_millisecond(spans: list[tuple[int, int]]) -> None:
    given_spans = [(begin, begin + length) for begin, length in spans]
    every = {ms for begin, end in given_spans for ms in range(begin, end)}
    assert home_cost.busy_ms(given_spans) == len(every)


@given(
    WATTS, WATTS, st.decimals(0, 2, places=4), st.decimals(0, 100_000, places=2),
    st.integers(0, YEAR_MS), st.integers(0, YEAR_MS), st.integers(0, YEAR_MS),
)  # fmt: skip
def test_full_is_never_below_marginal_and_rises_with_the_time(
    watts: Decimal, idle: Decimal, tariff: Decimal, usd: Decimal, busy: int, more: int, wall: int
) -> None:
    machine = Machine(max(watts, idle), min(watts, idle), tariff, usd)
    found = home_cost.span(machine, busy, wall)
    busier = home_cost.span(machine, busy + more, wall)
    assert 0 <= found.marginal <= found.full
    assert found.marginal <= busier.marginal
    assert (found.idle, found.hardware) == (busier.idle, busier.hardware)
    without = home_cost.span(replace(machine, hardware_usd=Decimal(0)), busy, wall)
    assert without.full + found.hardware == found.full


@given(WATTS, st.decimals(0, 2, places=4), st.lists(st.integers(0, 10**15), max_size=20))
def test_answers_add_up_to_the_time_that_they_share(
    watts: Decimal, tariff: Decimal, shares: list[int]
) -> None:
    usd = watts / 1000 * tariff
    parts = [home_cost.answer(usd, watts, share) for share in shares]
    whole = home_cost.answer(usd, watts, sum(shares))
    assert abs(sum(pico for pico, _ in parts) - whole[0]) <= len(shares)
    assert abs(sum(joules or 0 for _, joules in parts) - (whole[1] or 0)) <= len(shares)
