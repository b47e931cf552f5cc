"""Reading what a host said without trusting its types."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def mapping(value: Any) -> dict[str, Any]:
    """Return ``value`` where it is an object, an empty one where it is anything else."""
    return value if isinstance(value, dict) else {}


def text_at(said: Mapping[str, Any], name: str) -> str:
    """Return a member that is text; "" where it is anything else."""
    value = said.get(name)
    return value if isinstance(value, str) else ""


# Anything a host may say must fit a ledger's whole numbers, sums of it too.
COUNT_MAX = 2**53


def count(value: Any) -> int | None:
    """Return a count of tokens, which may come as a whole float; None where it is none.

    What is beyond ``COUNT_MAX`` counts as that, which nobody believes (``usage.believed``).
    """
    if type(value) is int and 0 <= value <= COUNT_MAX:
        return value
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    good = isinstance(value, int) and not isinstance(value, bool) and value >= 0
    return min(value, COUNT_MAX) if good else None


def call_id(said: Any, index: int, taken: set[str]) -> str:
    """Return the id of a call, another one where the host's is empty or in ``taken``; take it."""
    found = said if isinstance(said, str) else ""
    if not found or found in taken:
        found = f"{found or 'call'}_{index}"
    while found in taken:
        found += "_"
    taken.add(found)
    return found
