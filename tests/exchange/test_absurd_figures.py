"""Clients and hosts that state absurd figures: every call is booked all the same, and dearly."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.exchange.conftest import FACTS_AT_HOME, PRICE, House
from tests.fakes import answers

CHAT = "/v1/chat/completions"


def said(**usage: Any) -> dict[str, Any]:
    return {"prompt_tokens": 9, "completion_tokens": 3, "total_tokens": 12, **usage}


@pytest.mark.parametrize(
    "body", [{"max_tokens": 10**19}, {"max_tokens": 10**40}, {"n": 10**19}, {"max_tokens": 10**13}]
)
def test_an_absurd_limit_does_not_keep_a_call_out_of_the_ledger(
    house: House, body: dict[str, Any]
) -> None:
    assert house.gateway.chat(**body).status_code == 200
    (entry,) = house.gateway.entries(1)
    assert entry["cost_pico"] > 0
    assert entry["reconciled"]


@pytest.mark.parametrize("cost", ["1e9999999999", 10**300, "9" * 5000, "1e-9999999999", -1, "NaN"])
def test_an_absurd_charge_is_no_charge_and_the_call_is_booked(
    build: Callable[..., House], cost: Any
) -> None:
    def hosts(first: Any, _: Any) -> dict[str, Any]:
        return {"one": {"catalog": "openrouter", "base_url": first.base_url, "api_key": "sk-x",
                        "prices": {"m": PRICE}, "facts": FACTS_AT_HOME}}  # fmt: skip

    house = build(providers=hosts, models={"assistant": ["one/m"]})
    house.first.on(CHAT, answers.chat(usage=said(cost=cost)))
    assert house.gateway.chat().status_code == 200
    (entry,) = house.gateway.entries(1)
    assert (entry["input"], entry["output"]) == (9, 3)
