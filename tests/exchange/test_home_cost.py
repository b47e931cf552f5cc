"""A server at home: its answers share its time, and the report says what it really costs."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any

from typer.testing import CliRunner

from gateway.cli import build as commands
from tests.exchange.conftest import FACTS_AT_HOME, House
from tests.fakes import answers
from tests.fakes.upstream import Upstream

Build = Callable[..., House]
POWER = {"watts": 360, "idle_watts": 60, "usd_per_kwh": "0.30", "hardware_usd": 2400}


def providers(first: Upstream, _second: Upstream) -> dict[str, Any]:
    desk = {"catalog": "llama-cpp", "base_url": first.base_url, "home": POWER}
    dear = {
        "catalog": "openai",
        "base_url": first.base_url,
        "api_key": "sk-canary",
        "prices": {"m": {"input": "1000", "output": "1000"}},
        "facts": FACTS_AT_HOME,
    }
    return {"desk": desk, "dear": dear}


def run(house: House, *words: str) -> str:
    arguments = [*words, "--config", str(house.gateway.path)]
    found = CliRunner().invoke(commands(arguments), arguments)
    assert found.exit_code == 0, found.output
    return found.output


def entries(house: House) -> list[dict[str, Any]]:
    return list(house.gateway.client.get("/api/ledger").json()["entries"])


def test_answers_at_once_share_the_machine_and_the_report_adds_what_waiting_costs(
    build: Build,
) -> None:
    patient = {"timeouts": {"answer_s": 20, "first_byte_s": 20, "total_s": 30}}
    house = build(server=patient, providers=providers, models={"assistant": ["desk/m"]})
    house.first.default = answers.late(answers.chat("well"), seconds=0.1)
    with ThreadPoolExecutor(4) as pool:
        statuses = list(pool.map(lambda _: house.gateway.chat().status_code, range(4)))
    assert statuses == [200] * 4
    found = entries(house)
    # 300 W for the time that all of them took together, at 0.30 USD a kWh.
    cost = sum((Decimal(one["cost_usd"]) for one in found), Decimal(0))
    longest_ms = max(one["total_ms"] for one in found)
    whole_ms = sum(one["total_ms"] for one in found)
    per_ms = Decimal("0.09") / 3_600_000
    assert 0 < cost < whole_ms * per_ms
    assert cost >= longest_ms * per_ms / 4
    assert {one["price_source"] for one in found} == {"config: 0.09 USD per hour"}
    assert sum(one["energy_j"] for one in found) <= 300 * whole_ms / 1000
    (told,) = house.gateway.client.get("/api/home?beside=dear/m").json()["servers"]
    assert house.gateway.client.get("/api/home?beside=dear").status_code == 400
    tokens = sum(one["input"] + one["output"] for one in found)
    assert (told["answers"], told["tokens_in"] + told["tokens_out"]) == (4, tokens)
    assert Decimal(told["full_usd"]) > Decimal(told["marginal_usd"])
    assert told["busy_is_exact"]
    assert told["booked_usd"] == f"{cost.normalize():f}"
    (dear,) = told["beside"]
    assert (dear["name"], Decimal(dear["usd"])) == ("dear/m", Decimal(tokens) / 1000)
    assert 0 < Decimal(dear["break_even_utilisation"]) < 1

    told_again = json.loads(run(house, "home", "--since", "2d", "--beside", "dear/m", "--json"))
    assert told_again["servers"][0]["answers"] == 4
    text = run(house, "home", "--beside", "dear/m")
    assert "desk: 360 W answering, 60 W idle, 0.3 USD per kWh, 2400 USD over 4 years" in text
    assert "dear/m" in text


def test_a_plan_beside_home_is_priced_at_the_full_cost(build: Build) -> None:
    def both(first: Upstream, second: Upstream) -> dict[str, Any]:
        plan = {
            "catalog": "alibaba-coding",
            "base_url": first.base_url,
            "api_key": "sk-sp-canary",
            "tier": "pro",
            "terms": "a test",
            "fee": {"usd": 50},
            "facts": FACTS_AT_HOME,
        }
        return {**providers(first, second), "plan": plan}

    models = {"assistant": ["desk/m"], "coder": ["plan/qwen3-coder-plus"]}
    house = build(providers=both, models=models)
    agent = {"user-agent": "opencode/1"}
    assert house.gateway.chat().status_code == 200
    assert house.gateway.chat(headers=agent, model="coder").status_code == 200
    told = json.loads(run(house, "plans", "--beside", "desk/m", "--json"))
    (plan,) = told["plans"]
    assert plan["answers"] == 1
    assert plan["beside"]["tokens"] == plan["tokens"] > 0
    assert Decimal(plan["beside"]["usd"]) > 0
    assert {one["per"]: one["used"] for one in plan["windows"]} == {"5h": 1, "7d": 1, "1month": 1}
    text = run(house, "plans")
    assert "plan: Coding Plan, pro" in text
    assert "this gateway's count" in text
