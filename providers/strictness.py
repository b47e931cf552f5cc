"""Which of two values of a fact promises more: the stricter one is to be kept."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from types import MappingProxyType
from typing import Any

from providers.catalog_values import NO_PARENT, UNKNOWN
from providers.precision import BITS

# Each from the laxest value to the strictest.
WORDS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "trains_on_data": ("never", "opt_out", "by_default"),
        "zdr": ("default", "on_approval", "no"),
        "status": ("live", "preview", "closed", "retired"),
        "gateway": ("allowed", "forbidden"),
        "weights": ("open", "closed"),
    }
)
MORE_IS_STRICTER = frozenset({"retention_days", "surcharge"})
LESS_IS_STRICTER = frozenset({"context", "max_output", "concurrency"})
ORGANISATIONS = frozenset({"company", "parent", "upstream", "maker"})


def laxer(fact: str, kept: Any, other: Any) -> bool:
    """Whether ``kept`` promises more than ``other``, both as a file has them.

    Unknown promises nothing, and a source that does not know says nothing against one that does.
    """
    if UNKNOWN in (kept, other):
        return False
    if fact in WORDS:
        order = WORDS[fact]
        return kept in order and other in order and order.index(kept) < order.index(other)
    if fact in MORE_IS_STRICTER | LESS_IS_STRICTER:
        mine, theirs = _number(kept), _number(other)
        if mine is None or theirs is None:
            return False
        return mine < theirs if fact in MORE_IS_STRICTER else mine > theirs
    if fact in ORGANISATIONS:
        return not _countries(other) <= _countries(kept) and bool(_countries(kept) or kept)
    if fact == "quantisation":
        return kept in BITS and other in BITS and BITS[kept] > BITS[other]
    if not isinstance(kept, list) or not isinstance(other, list):
        return False
    if fact in ("processed_in", "cannot"):
        return not set(other) <= set(kept)
    return fact == "clients" and "any" not in other and not set(kept) <= set(other)


def _countries(value: Any) -> set[str]:
    if value == NO_PARENT or not isinstance(value, dict):
        return set()
    found = value.get("countries")
    return set(found) if isinstance(found, list) else set()


def _number(value: Any) -> Decimal | None:
    try:
        return Decimal(str(value))
    except InvalidOperation:
        return None
