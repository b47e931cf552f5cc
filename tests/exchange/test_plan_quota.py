"""What is left of a plan by its vendor's own word, and who pays when a window is used up."""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from gateway.cli import build as commands
from gateway.config_file import read
from gateway.problems import ConfigError
from tests.exchange.conftest import FACTS_AT_HOME, House
from tests.fakes import answers
from tests.fakes.upstream import Upstream

Build = Callable[..., House]
PATIENT = {"timeouts": {"first_byte_s": 20, "answer_s": 20, "total_s": 60}}
KEY = "sk-plan-canary"
QUOTA = "/api/monitor/usage/quota/limit"
FACT: dict[str, Any] = {"source": ["page"]}


PLACE = ("processed_in", "retention_days", "trains_on_data", "zdr")
MODEL = ("context", "licence", "maker", "max_output", "weights")


def unknown(names: tuple[str, ...]) -> dict[str, Any]:
    return {name: {"is": "unknown"} for name in names}


def fact(value: Any) -> dict[str, Any]:
    return {"is": value, **FACT}


def catalog(folder: Path, **plan: Any) -> list[str]:
    """Write two hosts of one vendor: its plan, with two requests a window, and one by the token."""
    host = {
        "kind": "hosted",
        "auth": {"kind": "bearer"},
        "wires": {"chat": {"path": "/chat/completions", **FACT}},
        "operator": {
            "company": fact({"name": "A Vendor", "countries": ["FR"]}),
            "parent": {"is": "none", **FACT},
        },
        "default_endpoint": "usual",
        "endpoints": {"usual": {"base_url": fact("https://vendor.example"), **unknown(PLACE)}},
        "sources": {"page": {"url": "a test", "date": "2026-11-26"}},
    }
    window = {"per": "5h", "unit": "requests", "amount": "2", "starts": "first_use"}
    tier = {
        "fees": fact([{"amount": "30", "currency": "USD", "per": "month"}]),
        "windows": fact([window]),
    }
    terms = {"gateway": fact("allowed"), "clients": fact(["any"])}
    plans = {"name": "A Plan", "payg": "vendor", "tiers": {"small": tier}, "terms": terms, **plan}
    prices = fact({"input": "1", "output": "2"})
    place = folder / "hosts"
    place.mkdir()
    for name, more in (
        ("vendor", {"models": {"m": {"prices": prices, **unknown(MODEL)}}}),
        ("vendor-plan", {"plan": plans, "models": {"m": unknown(MODEL)}}),
    ):
        whole = {"id": name, "name": name, **host, **more}
        (place / f"{name}.yaml").write_text(yaml.safe_dump(whole, sort_keys=False))
    return [str(place)]


def planned(first: Upstream, **more: Any) -> dict[str, Any]:
    return {
        "catalog": "vendor-plan",
        "base_url": first.url,
        "api_key": KEY,
        "tier": "small",
        "facts": FACTS_AT_HOME,
        **more,
    }


def by_token(second: Upstream) -> dict[str, Any]:
    address = {"catalog": "openai", "base_url": second.base_url, "api_key": "sk-other"}
    return {**address, "free": "a test", "facts": FACTS_AT_HOME}


def windows(house: House, provider: str = "one") -> dict[str, Any]:
    told = house.gateway.client.get("/api/providers").json()["providers"]
    (now,) = (one["now"] for one in told if one["name"] == provider)
    return {window["per"]: window for window in now["windows"]}


def entries(house: House) -> list[dict[str, Any]]:
    return list(reversed(house.gateway.client.get("/api/ledger").json()["entries"]))


def test_a_used_up_window_is_left_by_the_vendors_word(build: Build) -> None:
    def providers(first: Upstream, second: Upstream) -> dict[str, Any]:
        plan = planned(first, catalog="zai-coding", tier="lite", terms="a test")
        return {"one": plan, "two": by_token(second)}

    house = build(
        server=PATIENT, providers=providers, models={"assistant": ["one/glm-5.3", "two/m"]}
    )
    limits = [
        {"type": "TOKENS_LIMIT", "unit": 3, "number": 5, "percentage": 100},
        {"type": "TOKENS_LIMIT", "unit": 6, "number": 1, "percentage": 40},
    ]
    house.first.always(QUOTA, answers.json_body({"data": {"limits": limits}}))
    agent = {"user-agent": "opencode/1"}
    assert house.gateway.chat(headers=agent).headers["x-entrepot-route"] == "one/glm-5.3"
    house.gateway.until(lambda: windows(house)["5h"]["by"] == "vendor")
    found = windows(house)
    assert (found["5h"]["used"], found["5h"]["most"], found["7d"]["used"]) == (2000, 2000, 4000)
    assert house.gateway.chat(headers=agent).headers["x-entrepot-route"] == "two/m"
    (asked,) = (one for one in house.first.requests if one.path == QUOTA)
    assert asked.headers["authorization"] == f"Bearer {KEY}"
    assert all(one.path != QUOTA for one in house.second.requests), "a key stays at its host"
    first, other = entries(house)
    assert (first["plan"], first["cost_usd"], other["plan"]) == ("GLM Coding Plan", "0", "")


def test_an_endpoint_that_says_nothing_leaves_the_count(build: Build) -> None:
    def providers(first: Upstream, second: Upstream) -> dict[str, Any]:
        plan = planned(first, catalog="zai-coding", tier="lite", terms="a test")
        return {"one": plan, "two": by_token(second)}

    house = build(
        server=PATIENT, providers=providers, models={"assistant": ["one/glm-5.3", "two/m"]}
    )
    house.first.always(QUOTA, answers.error(401, "no"))
    assert house.gateway.chat(headers={"user-agent": "opencode/1"}).status_code == 200
    house.first.until(lambda: any(one.path == QUOTA for one in house.first.requests))
    found = windows(house)["5h"]
    assert found["by"] == "count"
    assert found["used"] != 0, "credits by the published formula"


def test_headers_of_an_answer_tell_of_windows(build: Build, tmp_path: Path) -> None:
    told = [{"per": "7d", "used_share": "x-limit-7d-used", "resets_at": "x-limit-7d-reset"}]
    folders = catalog(tmp_path, quota_headers=fact(told))
    house = build(
        server=PATIENT,
        catalog=folders,
        providers=lambda first, second: {"one": planned(first), "two": by_token(second)},
        models={"assistant": ["one/m", "two/m"]},
    )
    headers = {"x-limit-7d-used": "0.75", "x-limit-7d-reset": "4102444800"}
    house.first.script(answers.json_body(answers.chat_answer("well"), headers=headers))
    assert house.gateway.chat().status_code == 200
    found = windows(house)
    assert (found["7d"]["used"], found["7d"]["unit"], found["7d"]["by"]) == (
        "0.75",
        "share",
        "vendor",
    )
    assert found["7d"]["ends_in_s"] > 0
    assert (found["5h"]["used"], found["5h"]["by"]) == (1, "count")


def test_the_next_route_takes_over_and_the_plan_pays_nothing_more(
    build: Build, tmp_path: Path
) -> None:
    house = build(
        server=PATIENT,
        catalog=catalog(tmp_path),
        providers=lambda first, second: {"one": planned(first), "two": by_token(second)},
        models={"assistant": ["one/m", "two/m"]},
    )
    routes = [house.gateway.chat().headers["x-entrepot-route"] for _ in range(3)]
    assert routes == ["one/m", "one/m", "two/m"]
    assert [one["plan"] for one in entries(house)] == ["A Plan", "A Plan", ""]


def test_the_same_key_is_billed_by_the_token_where_the_contract_goes_on(
    build: Build, tmp_path: Path
) -> None:
    house = build(
        server=PATIENT,
        catalog=catalog(tmp_path),
        providers=lambda first, _: {"one": planned(first, overflow="payg", fee={"usd": "18"})},
        models={"assistant": ["one/m"]},
    )
    for _ in range(3):
        assert house.gateway.chat().status_code == 200
    first, second, third = entries(house)
    assert [one["plan"] for one in (first, second, third)] == ["A Plan", "A Plan", ""]
    assert (first["cost_usd"], second["cost_usd"]) == ("0", "0")
    tokens_in, tokens_out = third["input"], third["output"]
    assert Decimal(third["cost_usd"]) * 10**6 == tokens_in + 2 * tokens_out
    (plan,) = house.gateway.client.get("/api/plans").json()["plans"]
    used = first["input"] + first["output"] + second["input"] + second["output"]
    assert (plan["tokens"], plan["fee"]) == (used, "18 USD a month, by the config")
    assert plan["billed_beside"]["usd"] == third["cost_usd"]
    assert plan["by_the_token"]["tokens"] == used
    assert plan["pays"] is False


def test_what_the_plan_cannot_say_is_no_fault(build: Build, tmp_path: Path) -> None:
    house = build(
        server=PATIENT,
        catalog=catalog(tmp_path),
        providers=lambda first, _: {"one": planned(first, tier=None)},
        models={"assistant": ["one/m"]},
    )
    for _ in range(3):
        assert house.gateway.chat().status_code == 200
    (plan,) = house.gateway.client.get("/api/plans").json()["plans"]
    assert plan["windows"] == []
    assert "which size was bought is not said" in plan["fee_unknown"]
    assert house.gateway.client.get("/api/plans?beside=three/m").status_code == 400


def test_the_command_asks_the_vendor_where_it_is_told_to(build: Build) -> None:
    def providers(first: Upstream, _second: Upstream) -> dict[str, Any]:
        return {"one": planned(first, catalog="zai-coding", tier="lite", terms="a test")}

    house = build(server=PATIENT, providers=providers, models={"assistant": ["one/glm-5.3"]})
    limits = [{"type": "TOKENS_LIMIT", "unit": 6, "number": 1, "percentage": 75}]
    house.first.always(QUOTA, answers.json_body({"data": {"limits": limits}}))
    arguments = ["plans", "--ask", "--json", "--config", str(house.gateway.path)]
    said = CliRunner().invoke(commands(arguments), arguments)
    assert said.exit_code == 0, said.output
    (plan,) = json.loads(said.output)["plans"]
    told = {one["per"]: (one["used"], one["by"]) for one in plan["windows"]}
    assert told == {"5h": (0, "count"), "7d": (7500, "vendor")}
    assert KEY not in said.output


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"overflow": "payg", "tier": None}, "nobody can tell when a window is used up"),
        ({"overflow": "payg", "free": "yes"}, "hold for every call, within the plan too"),
        ({"catalog": "openai", "tier": None, "fee": {"usd": 1}}, "openai is no plan"),
        ({"catalog": "openai", "tier": None, "overflow": "payg"}, "openai is no plan"),
        ({"fee": {"usd": 1, "per": "week"}}, "per"),
        ({"home": {"watts": 10, "idle_watts": 20, "usd_per_kwh": 1}}, "idles at 20 watts"),
        ({"home": {"watts": 10, "usd_per_kwh": 1}, "free": "yes"}, "says its price by free and by"),
    ],
)
def test_what_does_not_agree_is_refused(tmp_path: Path, more: dict[str, Any], why: str) -> None:
    one = {"catalog": "zai-coding", "api_key": KEY, "tier": "lite", "terms": "a test", **more}
    path = tmp_path / "config.yaml"
    said = {name: value for name, value in one.items() if value is not None}
    path.write_text(yaml.safe_dump({"providers": {"one": said}, "models": {"m": ["one/m"]}}))
    with pytest.raises(ConfigError, match=why):
        read(path, {})
