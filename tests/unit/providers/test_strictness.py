"""Which of two values of a fact promises more."""

from __future__ import annotations

from typing import Any

import pytest

from providers.strictness import laxer

ACME = {"name": "Acme", "countries": ["FR"]}
OF_US = {"name": "Acme", "countries": ["FR", "US"]}


@pytest.mark.parametrize(
    ("fact", "lax", "strict"),
    [
        ("trains_on_data", "never", "opt_out"),
        ("trains_on_data", "opt_out", "by_default"),
        ("zdr", "default", "on_approval"),
        ("zdr", "on_approval", "no"),
        ("status", "live", "retired"),
        ("gateway", "allowed", "forbidden"),
        ("weights", "open", "closed"),
        ("retention_days", 0, 30),
        ("surcharge", "1", "1.1"),
        ("context", 1_000_000, 200_000),
        ("max_output", 65536, 8192),
        ("quantisation", "bf16", "fp8"),
        ("processed_in", ["FR"], ["FR", "US"]),
        ("cannot", [], ["tools"]),
        ("clients", ["a", "b"], ["a"]),
        ("company", ACME, OF_US),
        ("parent", "none", ACME),
    ],
)
def test_the_laxer_one_is_told(fact: str, lax: Any, strict: Any) -> None:
    assert laxer(fact, lax, strict)
    assert not laxer(fact, strict, lax)
    assert not laxer(fact, lax, lax)


@pytest.mark.parametrize("fact", ["trains_on_data", "processed_in", "context", "parent", "licence"])
def test_unknown_promises_nothing_and_contradicts_nobody(fact: str) -> None:
    for value in ("never", ["FR"], 10, ACME, "MIT"):
        assert not laxer(fact, "unknown", value)
        assert not laxer(fact, value, "unknown")


def test_what_has_no_order_is_not_judged() -> None:
    assert not laxer("licence", "MIT", "Apache-2.0")
    assert not laxer("clients", ["a"], ["any"])
    assert not laxer("context", "many", 10)
