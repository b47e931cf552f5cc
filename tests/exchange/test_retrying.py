"""Retries, back-off, breaker and cooling, over sockets: when a host is asked again and when not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from tests.exchange.conftest import FACTS_AT_HOME, House
from tests.fakes import answers
from tests.running import HELLO

Build = Callable[..., House]
ONE_ROUTE = {"models": {"assistant": ["one/m"]}}


def test_a_lone_route_is_asked_again_after_a_wait_and_the_client_sees_the_answer(
    build: Build,
) -> None:
    house = build(server={"retries": 2}, **ONE_ROUTE)
    house.first.script(answers.error(500), answers.error(503, "busy"), answers.chat("at last"))
    answer = house.gateway.chat()
    assert answer.status_code == 200
    assert answer.headers["x-entrepot-attempts"] == "3"
    rows = house.gateway.entries(3)
    assert [row["error"] for row in rows] == ["server", "overloaded", ""]


def test_no_more_rounds_than_the_config_says(build: Build) -> None:
    house = build(server={"retries": 1})
    house.first.default = house.second.default = answers.error(500)
    assert house.gateway.chat().status_code == 502
    assert (len(house.first.requests), len(house.second.requests)) == (2, 2)


@pytest.mark.parametrize(
    "fault",
    [answers.stall(), answers.html(200), answers.cut(answers.chat(), after_bytes=40, how="close")],
    ids=["timeout", "malformed", "cut"],
)
def test_what_may_have_been_billed_is_not_bought_twice(build: Build, fault: Any) -> None:
    house = build(server={"retries": 2}, **ONE_ROUTE)
    house.first.script(fault)
    assert house.gateway.chat().status_code in (502, 504)
    assert len(house.first.requests) == 1


def test_a_fault_of_the_request_itself_is_not_repeated_anywhere(build: Build) -> None:
    house = build(server={"retries": 2})
    house.first.script(answers.error(400, "bad temperature"))
    assert house.gateway.chat().status_code == 400
    assert (len(house.first.requests), len(house.second.requests)) == (1, 0)


def test_retry_after_is_waited_for_where_it_is_short(build: Build) -> None:
    house = build(server={"retries": 1}, **ONE_ROUTE)
    house.first.script(answers.rate_limited("1"), answers.chat("now"))
    assert house.gateway.chat().status_code == 200
    first, second = house.first.requests
    assert second.at - first.at >= 1.0


def test_a_cooling_group_receives_nothing_and_the_client_gets_the_earliest_recovery(
    build: Build,
) -> None:
    house = build(server={"retries": 2})
    house.first.script(answers.rate_limited("40"))
    house.second.script(answers.rate_limited("25"))
    answer = house.gateway.chat()
    assert answer.status_code == 429
    assert 20 <= int(answer.headers["retry-after"]) <= 25
    for _ in range(5):
        refused = house.gateway.chat()
        assert refused.status_code == 503
        assert refused.json()["error"]["code"] == "no_healthy_route"
        assert 15 <= int(refused.headers["retry-after"]) <= 25
        assert "cools" in refused.json()["error"]["message"]
    assert (len(house.first.requests), len(house.second.requests)) == (1, 1)


def test_one_limit_shared_by_two_providers_cools_both(build: Build) -> None:
    def same_account(first: Any, second: Any) -> dict[str, Any]:
        common = {"catalog": "openai", "facts": FACTS_AT_HOME, "quota": "our-account"}
        return {
            "one": {**common, "base_url": first.base_url, "api_key": "sk-canary-one"},
            "two": {**common, "base_url": second.base_url, "api_key": "sk-canary-two"},
        }

    house = build(providers=same_account)
    house.first.script(answers.rate_limited("30"))
    assert house.gateway.chat().status_code == 429
    assert house.gateway.chat().status_code == 503
    assert len(house.second.requests) == 0


def test_a_breaker_opens_on_a_rate_of_failures_and_is_seen_in_the_metrics(build: Build) -> None:
    house = build()
    house.first.default = answers.error(500)
    for _ in range(12):
        assert house.gateway.chat().headers["x-entrepot-route"] == "two/m"
    asked = len(house.first.requests)
    assert asked < 12
    assert house.gateway.chat().headers["x-entrepot-route"] == "two/m"
    assert len(house.first.requests) == asked
    metrics = house.gateway.client.get("/metrics").text
    assert (
        'entrepot_breaker_transitions_total{after="open",before="closed",route="one/m"} 1.0'
        in metrics
    )
    told = house.gateway.client.post(
        "/api/explain", json={"model": "assistant", "messages": HELLO}
    ).json()
    (left_out,) = [route for route in told["routes"] if not route["admitted"]]
    assert (left_out["route"], left_out["why"]) == ("one/m", "health")
    assert "breaker is open" in left_out["reason"]


def test_one_stray_fault_benches_nobody(build: Build) -> None:
    house = build()
    house.first.script(answers.error(500))
    assert house.gateway.chat().headers["x-entrepot-route"] == "two/m"
    assert house.gateway.chat().headers["x-entrepot-route"] == "one/m"


def test_a_wait_ends_at_once_when_the_client_leaves(build: Build) -> None:
    house = build(server={"retries": 3}, **ONE_ROUTE)
    house.first.default = answers.rate_limited("4")
    with pytest.raises(httpx.TimeoutException):
        house.gateway.client.post(
            "/v1/chat/completions", json={"model": "assistant", "messages": HELLO}, timeout=0.5
        )
    house.gateway.until(lambda: house.gateway.house.in_flight == 0)
    # Had the wait gone on to its end, the host would have been asked again.
    assert len(house.first.requests) == 1


def test_several_keys_of_one_provider_take_turns_and_a_limited_one_rests(build: Build) -> None:
    def keys(first: Any, second: Any) -> dict[str, Any]:
        return {
            "one": {
                "catalog": "openai",
                "base_url": first.base_url,
                "facts": FACTS_AT_HOME,
                "api_keys": ["sk-canary-a", "sk-canary-b"],
            }
        }

    house = build(providers=keys, **ONE_ROUTE)
    for _ in range(4):
        assert house.gateway.chat().status_code == 200
    used = [request.headers["authorization"] for request in house.first.requests]
    assert sorted(set(used)) == ["Bearer sk-canary-a", "Bearer sk-canary-b"]
    house.first.script(answers.rate_limited("60"))
    limited = house.gateway.chat()
    # The other key answers the same call.
    assert (limited.status_code, limited.headers["x-entrepot-attempts"]) == (200, "2")
    rests = house.first.requests[-2].headers["authorization"]
    for _ in range(4):
        assert house.gateway.chat().status_code == 200
        assert house.first.requests[-1].headers["authorization"] != rests


def test_a_conversation_keeps_to_one_key(build: Build) -> None:
    def keys(first: Any, second: Any) -> dict[str, Any]:
        three = [f"sk-canary-{number}" for number in range(3)]
        common = {"catalog": "openai", "base_url": first.base_url, "facts": FACTS_AT_HOME}
        return {"one": {**common, "api_keys": three}}

    house = build(providers=keys, **ONE_ROUTE)
    for _ in range(6):
        house.gateway.chat(headers={"x-entrepot-session": "conversation-7"})
    assert len({request.headers["authorization"] for request in house.first.requests}) == 1


def test_where_all_keys_are_limited_the_next_route_answers(build: Build) -> None:
    def keys(first: Any, second: Any) -> dict[str, Any]:
        common = {"catalog": "openai", "facts": FACTS_AT_HOME}
        two = ["sk-canary-a", "sk-canary-b"]
        return {
            "one": {**common, "base_url": first.base_url, "api_keys": two},
            "two": {**common, "base_url": second.base_url, "api_key": "sk-canary-c"},
        }

    house = build(providers=keys)
    house.first.default = answers.rate_limited("60")
    answer = house.gateway.chat()
    assert (answer.headers["x-entrepot-route"], answer.headers["x-entrepot-attempts"]) == (
        "two/m",
        "3",
    )
    assert house.gateway.chat().headers["x-entrepot-attempts"] == "1"
    assert len(house.first.requests) == 2


def test_a_refused_key_does_not_keep_the_others_from_answering(build: Build) -> None:
    def keys(first: Any, second: Any) -> dict[str, Any]:
        common = {"catalog": "openai", "base_url": first.base_url, "facts": FACTS_AT_HOME}
        return {"one": {**common, "api_keys": ["sk-canary-a", "sk-canary-b"]}}

    house = build(providers=keys, **ONE_ROUTE)
    house.first.script(answers.error(401, "Incorrect API key", code="invalid_api_key"))
    assert house.gateway.chat().headers["x-entrepot-attempts"] == "2"
    assert [house.gateway.chat().status_code for _ in range(4)] == [200] * 4


def test_what_a_model_writes_badly_on_demand_benches_no_host(build: Build) -> None:
    house = build(**ONE_ROUTE)
    spoiled = {"kind": "invalid_request_error", "code": "json_validate_failed"}
    house.first.default = answers.error(400, "Failed to generate JSON", **spoiled)
    for _ in range(12):
        house.gateway.chat()
    assert len(house.first.requests) == 12
    house.first.default = answers.chat("well")
    assert house.gateway.chat().status_code == 200
