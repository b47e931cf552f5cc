"""A second attempt beside a slow first one: one answer for the client, an entry for each."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from typing import Any

import httpx
import pytest

from tests.exchange.conftest import House
from tests.fakes import answers
from tests.fakes.answers import Behaviour, Gate
from tests.limits_seen import left
from tests.running import events

Build = Callable[..., House]
HEDGED = {"models": {"assistant": {"routes": ["one/m", "two/m"], "hedge": {"percentile": 90}}}}
SLOW = {"timeouts": {"first_byte_s": 10, "answer_s": 10, "between_s": 10, "total_s": 20}}
STREAM = answers.chat_stream(["Hel", "lo"])


@pytest.fixture
def house(build: Build) -> House:
    """A gateway that knows how long the first host usually takes."""
    house = build(server=SLOW, **HEDGED)
    for _ in range(10):
        assert house.gateway.chat(stream=True).headers["x-entrepot-route"] == "one/m"
    house.gateway.entries(10)
    return house


def text_of(raw: bytes) -> str:
    return "".join(
        choice["delta"].get("content") or ""
        for event in events(raw)
        if isinstance(event, dict)
        for choice in event["choices"]
    )


def meanwhile(house: House, gate: Gate) -> httpx.Response:
    """Make a call, and let the first host answer once the second has been asked."""
    with ThreadPoolExecutor() as pool:
        asked = pool.submit(house.gateway.chat, stream=True)
        house.second.until(lambda: house.second.requests)
        gate.open()
        return asked.result()


def first_alone_is_asked(house: House, answer: Behaviour, *, stream: bool) -> None:
    """Make the eleventh call, answered late: the second host hears nothing meanwhile."""
    gate = Gate()
    house.first.script(answers.late(answer, gate=gate))
    with ThreadPoolExecutor() as pool:
        asked = pool.submit(house.gateway.chat, stream=stream)
        house.first.until(lambda: len(house.first.requests) == 11)
        wait([asked], timeout=0.5)
        assert not house.second.requests
        gate.open()
    assert asked.result().headers["x-entrepot-route"] == "one/m"


def hedged(house: House, count: int = 12) -> list[dict[str, Any]]:
    return house.gateway.entries(count)[10:]


def test_the_second_answers_where_the_first_is_slow(house: House) -> None:
    gate = Gate()
    house.first.script(answers.late(answers.chat(), gate=gate))
    answer = house.gateway.chat(stream=True)
    assert answer.status_code == 200
    assert answer.headers["x-entrepot-route"] == "two/m"
    # The loser is let go at once, not when it would have answered.
    assert house.first.requests[-1].connection.closed.wait(5)
    lost, won = sorted(hedged(house), key=lambda row: row["provider"])
    assert (lost["provider"], lost["outcome"], lost["purpose"]) == ("one", "cancelled", "hedge")
    assert (won["provider"], won["outcome"], won["purpose"]) == ("two", "completed", "call")
    metrics = house.gateway.client.get("/metrics").text
    assert 'entrepot_hedges_total{result="won",route="two/m"} 1.0' in metrics
    gate.open()


def test_the_first_may_still_win(house: House) -> None:
    gate = Gate()
    house.first.script(answers.late(answers.sse(STREAM), gate=gate))
    house.second.script(answers.stall())
    answer = meanwhile(house, gate)
    assert answer.headers["x-entrepot-route"] == "one/m"
    assert text_of(answer.content) == "Hello"
    assert house.second.requests[-1].connection.closed.wait(5)
    rows = {row["provider"]: row for row in hedged(house)}
    assert (rows["one"]["outcome"], rows["one"]["purpose"]) == ("completed", "call")
    assert (rows["two"]["outcome"], rows["two"]["purpose"]) == ("cancelled", "hedge")


def test_both_fail_and_the_client_is_told_of_both(house: House) -> None:
    gate = Gate()
    house.first.script(answers.late(answers.error(500, "first is ill"), gate=gate))
    house.second.script(answers.error(500, "second is ill"))
    answer = meanwhile(house, gate)
    assert answer.status_code == 502
    assert "first is ill" in answer.text
    assert "second is ill" in answer.text


def test_an_answer_that_comes_whole_is_not_hedged(house: House) -> None:
    first_alone_is_asked(house, answers.chat(), stream=False)


def test_it_is_off_by_default(build: Build) -> None:
    house = build(server=SLOW)
    for _ in range(10):
        house.gateway.chat(stream=True)
    first_alone_is_asked(house, answers.sse(STREAM), stream=True)


def test_a_budget_counts_what_each_attempt_can_have_cost_and_no_more(build: Build) -> None:
    budgets = [{"name": "all of us", "usd": 1, "per": "month"}]
    house = build(budgets=budgets)
    house.first.script(answers.stall())
    answer = house.gateway.chat(max_tokens=1000)
    assert (answer.status_code, answer.headers["x-entrepot-attempts"]) == (200, "2")
    failed, good = house.gateway.entries(2)
    assert (failed["usage_state"], failed["cost_pico"]) == ("missing", None)
    spent = 10**12 - left(house.gateway.house.limits)
    # A thousand tokens out at 2 USD a million, and each byte of the prompt a token at 1.
    assert failed["cost_most_pico"] >= 1000 * 2_000_000 + failed["prompt_most"] * 1_000_000
    assert spent == failed["cost_most_pico"] + good["cost_pico"]
