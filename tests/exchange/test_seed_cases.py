"""What the gateway was made for, each case by its name, over sockets."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from gateway.auth import key_hash
from tests.exchange.conftest import FACTS_AT_HOME, House
from tests.fakes import answers
from tests.fakes.answers import Behaviour
from tests.fakes.upstream import Upstream
from tests.running import HELLO

Build = Callable[..., House]
POLICY = {
    "rules": [
        {
            "name": "personal data stays in Europe or at home",
            "when": {"label_at_least": "personal"},
            "require": {
                "processed_in": ["EEA", "CH", "home"],
                "operator": ["EEA", "CH", "home"],
                "trains_on_data": "never",
            },
        }
    ]
}
DOWN: dict[str, Behaviour] = {
    "500": answers.error(500),
    "503": answers.error(503, "busy"),
    "429": answers.rate_limited("30"),
    "reset": answers.reset(),
    "stall": answers.stall(),
    "half an answer": answers.cut(answers.chat(), after_bytes=60, how="close"),
    "half a stream": answers.cut(answers.sse(answers.chat_stream(["x"])), after=1, how="reset"),
}
PERSONAL = {"x-entrepot-label": "personal"}


@pytest.mark.parametrize("streaming", [False, True], ids=["plain", "stream"])
@pytest.mark.parametrize("fault", DOWN)
def test_personal_data_never_leaves_europe_even_when_every_european_host_is_down(
    build: Build, fault: str, streaming: bool
) -> None:
    house = build(policy=POLICY, server={"retries": 1})
    house.first.default = DOWN[fault]
    for _ in range(3):
        answer = house.gateway.chat(headers=PERSONAL, stream=streaming)
        assert answer.status_code in (429, 502, 503, 504)
        assert "personal data stays in Europe" in answer.json()["error"]["message"]
    assert not house.second.requests
    assert not house.second.connections


@pytest.mark.parametrize("path", ["/v1/embeddings", "/v1/completions", "/v1/rerank"])
def test_nor_does_it_by_any_other_door(build: Build, path: str) -> None:
    house = build(policy=POLICY)
    house.first.default = answers.error(503, "busy")
    body = {"model": "assistant", "input": "x", "prompt": "x", "query": "x", "documents": ["x"]}
    answer = house.gateway.client.post(path, json=body, headers=PERSONAL)
    assert answer.status_code in (400, 403, 502, 503)
    assert not house.second.connections


def test_nor_when_its_tokens_are_counted(build: Build) -> None:
    house = build(policy=POLICY)
    house.first.default = answers.error(503, "busy")
    for path in ("/v1/messages/count_tokens", "/v1/responses/input_tokens"):
        body = {"model": "assistant", "messages": HELLO, "input": "x", "max_tokens": 1}
        house.gateway.client.post(path, json=body, headers=PERSONAL)
    assert not house.second.connections


def test_a_constraint_may_hang_on_a_key(build: Build) -> None:
    secret = "ek_canary_hr"
    keys = [
        {"name": "hr", "hash": key_hash(secret), "require": {"operator": ["FR"]}},
        {"name": "dev", "hash": key_hash("ek_canary_dev")},
    ]
    house = build(keys=keys)
    house.first.default = answers.error(503, "busy")
    denied = house.gateway.chat(headers={"x-api-key": secret})
    assert denied.status_code == 503
    assert "key hr" in denied.json()["error"]["message"]
    assert not house.second.requests
    assert house.gateway.chat(headers={"x-api-key": "ek_canary_dev"}).status_code == 200
    direct = house.gateway.chat(headers={"x-api-key": secret}, model="two/m")
    assert (direct.status_code, direct.json()["error"]["code"]) == (403, "policy_denied")


def test_a_constraint_may_hang_on_a_model(build: Build) -> None:
    models: dict[str, Any] = {
        "careful": {"routes": ["one/m", "two/m"], "forbid": {"operator": ["US"]}},
        "careless": ["two/m"],
        "also-careful": "careful",
    }
    house = build(models=models)
    house.first.default = answers.error(503, "busy")
    for model in ("careful", "also-careful"):
        assert house.gateway.chat(model=model).status_code == 503
    assert not house.second.requests
    assert house.gateway.chat(model="careless").headers["x-entrepot-route"] == "two/m"


def test_a_plans_window_that_is_used_up_falls_over_to_pay_per_token_and_back(build: Build) -> None:
    def plan_then_tokens(first: Upstream, second: Upstream) -> dict[str, Any]:
        return {
            "plan": {
                "catalog": "zai-coding",
                "base_url": first.base_url,
                "api_key": "sk-canary-plan",
                "terms": "agreed in writing, 2026-11-03",
                "facts": FACTS_AT_HOME,
            },
            "tokens": {
                "catalog": "zai",
                "base_url": second.base_url,
                "api_key": "sk-canary-tokens",
                "facts": FACTS_AT_HOME,
            },
        }

    models = {"coder": ["plan/glm-5.2", "tokens/glm-5.2"]}
    house = build(providers=plan_then_tokens, models=models)

    def route() -> str:
        # The plan is for coding tools, and for nobody else.
        agent = {"user-agent": "opencode/1.0"}
        return house.gateway.chat(agent, model="coder").headers["x-entrepot-route"]

    assert route() == "plan/glm-5.2"
    resets = (datetime.now(UTC) + timedelta(hours=8, seconds=7)).strftime("%Y-%m-%d %H:%M:%S")
    used_up = f"Usage limit reached for 5 hour. Your limit will reset at {resets}"
    house.first.script(answers.error(429, used_up, code="1308"))
    assert route() == "tokens/glm-5.2"
    # The plan is left alone until its window begins anew, and then taken again.
    asked = len(house.first.requests)
    assert route() == "tokens/glm-5.2"
    assert len(house.first.requests) == asked
    house.gateway.until(lambda: route() == "plan/glm-5.2")
    assert len(house.first.requests) == asked + 1
