"""Money as integers of 1e-12 US dollars, so that sums are exact and nothing is rounded twice.

A token priced with at most six decimals per million costs a whole number of these units.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TypeAlias

PICO_PER_USD = 10**12
# What a 64-bit column holds: about 9.2 million dollars.
PICO_MAX = 2**63 - 1

Pico: TypeAlias = int


def half_even(numerator: int, denominator: int) -> int:
    """Return ``numerator / denominator`` rounded to a whole number, a tie to the even one.

    ``denominator`` must be above 0.
    """
    whole, rest = divmod(numerator, denominator)
    twice = 2 * rest
    if twice > denominator or (twice == denominator and whole % 2):
        whole += 1
    return whole


def pico(usd: Decimal) -> Pico:
    """Return US dollars as 1e-12 dollars, rounded half to even; whatever the decimal context is.

    Raises ``ValueError`` for what is no number, or more dollars than a ledger entry holds.
    """
    if not usd.is_finite():
        raise ValueError(f"{usd} is no amount of money")
    if not usd or usd.adjusted() < -13:  # below half a unit; and 1e-999999999 has no size to build
        return 0
    if usd.adjusted() > 6:
        raise ValueError(f"{usd} USD is more than one entry can hold (9223372 USD)")
    numerator, denominator = usd.as_integer_ratio()
    amount = half_even(numerator * PICO_PER_USD, denominator)
    if abs(amount) > PICO_MAX:
        raise ValueError(f"{usd} USD is more than one entry can hold (9223372 USD)")
    return amount


def usd_text(pico: Pico) -> str:
    """Return 1e-12 dollars as the shortest exact decimal text in US dollars: "0.000123", "12"."""
    whole, rest = divmod(abs(pico), PICO_PER_USD)
    sign = "-" if pico < 0 else ""
    if not rest:
        return f"{sign}{whole}"
    return f"{sign}{whole}.{rest:012d}".rstrip("0")
