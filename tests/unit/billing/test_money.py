"""Whole numbers of 1e-12 dollars, there and back."""

from __future__ import annotations

from decimal import Decimal, localcontext

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.money import PICO_MAX, half_even, pico, usd_text


@pytest.mark.parametrize(
    ("usd", "units"),
    [
        ("1", 10**12),
        ("0.0028", 2_800_000_000),
        ("0.000000000001", 1),
        ("0.0000000000005", 0),  # a tie goes to the even one
        ("0.0000000000015", 2),
        ("0.00000000000051", 1),
        ("1e-999999999", 0),
        ("0e999999999", 0),
        ("-1.5", -1_500_000_000_000),
        ("9223372.036854775807", PICO_MAX),
    ],
)
def test_dollars_become_whole_numbers(usd: str, units: int) -> None:
    assert pico(Decimal(usd)) == units


@pytest.mark.parametrize("usd", ["NaN", "Infinity", "1e999999999", "9223372.036854775808"])
def test_what_is_no_amount_is_refused(usd: str) -> None:
    with pytest.raises(ValueError, match=r"no amount|more than one entry"):
        pico(Decimal(usd))


@pytest.mark.parametrize(
    ("units", "text"),
    [
        (0, "0"),
        (10**12, "1"),
        (123_000_000, "0.000123"),
        (1, "0.000000000001"),
        (12_500_000_000_000, "12.5"),
        (-1, "-0.000000000001"),
        (PICO_MAX, "9223372.036854775807"),
    ],
)
def test_text_is_the_shortest_exact_one(units: int, text: str) -> None:
    assert usd_text(units) == text


@given(st.integers(-PICO_MAX, PICO_MAX))
def test_text_and_back(units: int) -> None:
    with localcontext() as context:
        context.prec = 5  # the caller's decimal context has no say
        assert pico(Decimal(usd_text(units))) == units


@given(st.integers(-(10**40), 10**40), st.integers(1, 10**20))
def test_half_even_is_nearest(numerator: int, denominator: int) -> None:
    whole = half_even(numerator, denominator)
    distance = abs(2 * (numerator - whole * denominator))
    assert distance < denominator or (distance == denominator and whole % 2 == 0)
