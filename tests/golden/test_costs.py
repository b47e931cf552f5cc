"""What calls cost, worked out by hand, and what catalogue, config and pricing come to.

Each case goes the way of a call in the running gateway: the setup that a config compiles to, the
route of the model at the provider, the prices of that route, the moment of the call.
"""

from __future__ import annotations

from datetime import UTC, datetime
from fractions import Fraction

import pytest

from billing import pricing
from billing.money import half_even
from billing.pricing import Cost
from tests.golden.cases import UNKNOWN, Golden, cases, setup, worked_out, written

CASES = cases()
LEAST = 60


def cost_of(case: Golden, *, with_rates: bool = True) -> Cost:
    """Return what the gateway says that a case costs."""
    route = setup(with_rates).route(f"{case.provider}/{case.model}")
    return pricing.cost(case.usage, route.prices, case.at)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_a_call_costs_what_was_worked_out_by_hand(case: Golden) -> None:
    found = cost_of(case)
    assert found.pico == case.pico, found.why
    if case.pico is not None and case.usage.stated_usd is None:
        assert (found.native_pico, found.currency) == (case.native_pico, case.currency)
    if case.usage.stated_usd is not None:
        assert found.state == "stated"
        assert case.computed_pico is None or found.computed_pico == case.computed_pico


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_the_work_comes_to_the_figures_that_are_written(case: Golden) -> None:
    if case.computed:
        assert _pico(worked_out(case.computed)) == case.computed_pico
    if not case.work:
        return
    native = worked_out(case.work)
    rate = Fraction(case.said.get("rate", "1"))
    assert (_pico(native), _pico(native * rate)) == (case.native_pico, case.pico)


@pytest.mark.parametrize(
    "case", [case for case in CASES if case.currency != "USD"], ids=lambda case: case.id
)
def test_without_a_rate_it_is_known_in_the_currency_only(case: Golden) -> None:
    found = cost_of(case, with_rates=False)
    assert (found.pico, found.native_pico, found.currency) == (
        None,
        case.native_pico,
        case.currency,
    )
    assert found.why


def test_there_are_enough_of_them_and_each_says_where_it_is_from() -> None:
    assert len(CASES) >= LEAST
    assert len({case.id for case in CASES}) == len(CASES)
    assert all(case.said["fact"] for case in CASES)
    assert any(case.said["usd"] == UNKNOWN for case in CASES)


def test_a_cost_that_was_found_says_which_price_and_since_when() -> None:
    now = datetime(2026, 11, 26, 12, tzinfo=UTC)
    told = [
        found
        for case in CASES
        if case.at == now and (found := cost_of(case)).state == "priced" and found.pico
    ]
    assert told
    assert all(found.price is not None and found.price.source for found in told)


def test_every_currency_of_the_cases_has_a_rate() -> None:
    assert {case.currency for case in CASES} - {"USD"} == set(written()["exchange"])


def _pico(amount: Fraction) -> int:
    exact = amount * 10**12
    return half_even(exact.numerator, exact.denominator)
