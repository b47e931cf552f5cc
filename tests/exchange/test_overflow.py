"""Home first, overflow allowed: a call that would wait too long goes on, and the next one may stay."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx

from tests.exchange.conftest import FACTS_AT_HOME, PRICE, House
from tests.fakes import answers
from tests.fakes.answers import Gate
from tests.fakes.upstream import Upstream

Build = Callable[..., House]
MODELS = {"assistant": ["home/m", "two/m"], "only-home": ["home/m"]}
PATIENT = {"timeouts": {"first_byte_s": 20, "answer_s": 20, "between_s": 20, "total_s": 40}}


def at_home(**more: Any) -> Callable[[Upstream, Upstream], dict[str, Any]]:
    def providers(first: Upstream, second: Upstream) -> dict[str, Any]:
        home = {"catalog": "vllm", "base_url": first.base_url, "free": "our own machine"}
        return {
            "home": {**home, "slots": 1, "max_wait_s": 0.001, **more},
            "two": {
                "catalog": "openai",
                "base_url": second.base_url,
                "api_key": "sk-canary",
                "prices": {"m": PRICE},
                "facts": FACTS_AT_HOME,
            },
        }

    return providers


def chats(house: House) -> list[Any]:
    return [r for r in house.first.requests if r.path == "/v1/chat/completions"]


def route_of(answer: httpx.Response) -> str:
    return answer.headers["x-entrepot-route"]


def test_a_call_that_would_wait_goes_on_and_the_next_one_comes_back(build: Build) -> None:
    house = build(server=PATIENT, providers=at_home(), models=MODELS)
    gate = Gate()
    house.first.on("/v1/chat/completions", answers.late(answers.chat(), gate=gate))
    with ThreadPoolExecutor() as pool:
        long = pool.submit(house.gateway.chat)
        house.gateway.until(lambda: chats(house))
        assert route_of(house.gateway.chat()) == "two/m"
        assert route_of(house.gateway.chat()) == "two/m"
        gate.open()
        assert route_of(long.result()) == "home/m"
    assert route_of(house.gateway.chat()) == "home/m"
    metrics = house.gateway.client.get("/metrics").text
    assert 'entrepot_overflowed_total{route="home/m"} 2.0' in metrics


def test_who_may_go_nowhere_else_waits_at_home(build: Build) -> None:
    house = build(server=PATIENT, providers=at_home(), models=MODELS)
    gate = Gate()
    house.first.on("/v1/chat/completions", answers.late(answers.chat(), gate=gate))
    with ThreadPoolExecutor() as pool:
        long = pool.submit(house.gateway.chat, model="only-home")
        house.gateway.until(lambda: chats(house))
        waits = pool.submit(house.gateway.chat, model="only-home")
        house.gateway.until(lambda: len(chats(house)) == 2)
        gate.open()
        assert [route_of(one.result()) for one in (long, waits)] == ["home/m"] * 2


def test_without_a_limit_nothing_overflows(build: Build) -> None:
    house = build(server=PATIENT, providers=at_home(max_wait_s=None, slots=None), models=MODELS)
    gate = Gate()
    house.first.on("/v1/chat/completions", answers.late(answers.chat(), gate=gate))
    with ThreadPoolExecutor() as pool:
        long = pool.submit(house.gateway.chat)
        house.gateway.until(lambda: chats(house))
        second = pool.submit(house.gateway.chat)
        house.gateway.until(lambda: len(chats(house)) == 2)
        gate.open()
        assert [route_of(one.result()) for one in (long, second)] == ["home/m"] * 2


LOADED = """vllm:num_requests_running{model_name="m"} 1.0
vllm:num_requests_waiting{model_name="m"} 7.0
"""


def test_the_load_of_others_counts_where_the_server_tells_it(build: Build) -> None:
    house = build(server=PATIENT, providers=at_home(), models=MODELS)
    # An answer, so that it is known how long one takes.
    assert route_of(house.gateway.chat()) == "home/m"
    house.first.always("/metrics", answers.body(200, LOADED.encode(), "text/plain"))

    def goes_on() -> bool:
        return route_of(house.gateway.chat()) == "two/m"

    house.gateway.until(goes_on)
    told = house.gateway.client.post(
        "/api/explain",
        json={"model": "assistant", "messages": [{"role": "user", "content": "x"}]},
    ).json()
    assert [route["route"] for route in told["routes"]] == ["two/m", "home/m"]
    assert "would wait about" in told["routes"][1]["reason"]
    house.first.always("/metrics", answers.body(200, LOADED.replace("7.0", "0.0").replace("1.0", "0.0").encode(), "text/plain"))  # fmt: skip
    house.gateway.until(lambda: not goes_on())


def test_home_stays_when_the_budget_is_spent(build: Build) -> None:
    house = build(
        server=PATIENT,
        providers=at_home(),
        models={"assistant": ["two/m", "home/m"]},
        budgets=[{"name": "all of us", "usd": 0.0002, "per": "month"}],
    )
    # Two of them are paid for; a third may cost more than is left.
    routes = [route_of(house.gateway.chat(max_tokens=20)) for _ in range(12)]
    assert routes[0] == "two/m"
    assert routes[-1] == "home/m"
    assert routes == sorted(routes, reverse=True)
    alone = house.gateway.chat(model="two/m", max_tokens=20)
    assert (alone.status_code, alone.json()["error"]["code"]) == (402, "budget_exceeded")
