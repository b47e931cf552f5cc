"""What budgets do to calls: whose they count, which routes they leave out, whom they tell."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from billing.limits import Standing
from gateway.auth import key_hash
from tests.exchange.conftest import House, providers
from tests.fakes import answers
from tests.fakes.upstream import Upstream
from tests.limits_seen import held, standings
from tests.running import HELLO
from tests.unit.gateway import commands

Build = Callable[..., House]
KEY = "sk-test"
ASKED = {"authorization": f"Bearer {KEY}"}
TRUSTING = [{"name": "app", "hash": key_hash(KEY), "team": "web", "trust_user": True}]
# A call of ten tokens costs at most some 0.0002 USD, and 0.000025 in the end.
SOME = "0.0004"


def budget(**lines: Any) -> list[dict[str, Any]]:
    return [{"name": "b", "usd": SOME, "per": "month", **lines}]


def at_rest(house: House) -> list[Standing]:
    """Return how budgets stand once no call is under way."""
    house.gateway.until(lambda: not held(house.gateway.house.limits))
    return standings(house.gateway.house.limits)


def spend_all(house: House, headers: dict[str, str] | None = None, **body: Any) -> int:
    """Call until the budget refuses; return how many calls were let in."""
    for count in range(60):
        answer = house.gateway.chat(headers, max_tokens=10, **body)
        if answer.status_code == 402:
            assert answer.json()["error"]["code"] == "budget_exceeded"
            return count
        assert answer.status_code == 200
    pytest.fail("nothing was refused")


@pytest.mark.parametrize(
    ("lines", "binds"),
    [
        ({"team": "web"}, True),
        ({"key": "app"}, True),
        ({"model": "assistant"}, True),
        ({"label": "public"}, True),
        ({"tag": "batch"}, True),
        ({"user": "ann"}, True),
        ({"user": "bob"}, False),
        ({"tag": "batch", "user": "bob"}, False),
        ({"model": "other", "team": "web"}, False),
    ],
)
def test_a_budget_counts_the_calls_that_all_its_lines_fit(
    build: Build, lines: dict[str, str], binds: bool
) -> None:
    models = {"assistant": ["one/m"], "other": ["two/m"]}
    policy = {"labels": ["public", "secret"]}
    house = build(budgets=budget(**lines), keys=TRUSTING, models=models, policy=policy)
    headers = {**ASKED, "x-entrepot-tags": "batch"}
    house.gateway.chat(headers, max_tokens=10, user="ann")
    (one,) = at_rest(house)
    assert one.spent == (25 * 10**6 if binds else 0)


@pytest.mark.parametrize(
    ("path", "body", "user"),
    [
        ("/v1/chat/completions", {"user": "ann"}, "ann"),
        ("/v1/chat/completions", {"safety_identifier": "ann"}, "ann"),
        ("/v1/chat/completions", {"user": "a\n\u202enn" + "x" * 200}, "ann" + "x" * 123),
        ("/v1/responses", {"safety_identifier": "ann", "input": "Hello"}, "ann"),
        ("/v1/messages", {"metadata": {"user_id": "ann"}, "max_tokens": 10}, "ann"),
    ],
)
def test_the_user_stands_in_the_ledger_where_the_key_is_believed(
    build: Build, path: str, body: dict[str, Any], user: str
) -> None:
    others = [{"name": "shy", "hash": key_hash("sk-shy")}]
    house = build(keys=TRUSTING + others)
    whole: dict[str, Any] = {"model": "assistant", **body}
    if "input" not in body:
        whole["messages"] = [{"role": "user", "content": "Hello"}]
    for key in (KEY, "sk-shy"):
        headers = {"authorization": f"Bearer {key}"}
        # Whether the fake host speaks that wire does not matter here.
        house.gateway.client.post(path, json=whole, headers=headers)
    found = {(entry["key"], entry["user"]) for entry in house.gateway.entries(2)}
    assert found == {("app", user), ("shy", "")}


def test_each_user_has_a_budget_of_the_same_size(build: Build) -> None:
    house = build(budgets=budget(user="each"), keys=TRUSTING)
    first = spend_all(house, ASKED, user="ann")
    assert first > 1
    assert spend_all(house, ASKED, user="bob") == first
    assert house.gateway.chat(ASKED, max_tokens=10, user="ann").status_code == 402
    # Who names nobody has one too, and it is one for all of them.
    assert abs(spend_all(house, ASKED) - first) <= 1


def test_a_providers_budget_sends_calls_to_the_next_one(build: Build) -> None:
    house = build(budgets=budget(provider="one"))
    routes = [house.gateway.chat(max_tokens=10).headers["x-entrepot-route"] for _ in range(20)]
    assert routes == sorted(routes)
    assert {*routes} == {"one/m", "two/m"}
    (one,) = at_rest(house)
    assert (one.held, one.spent) == (0, routes.count("one/m") * 25 * 10**6)
    asked = {"model": "assistant", "max_tokens": 90, "messages": HELLO}
    told = house.gateway.client.post("/api/explain", json=asked).json()
    why = {route["route"]: route.get("why") for route in told["routes"]}
    assert why["one/m"] == "budget"


def test_where_every_providers_budget_is_used_up_it_is_said(build: Build) -> None:
    both = [*budget(provider="one"), {"name": "c", "usd": 0, "per": "day", "provider": "two"}]
    house = build(budgets=both)
    assert spend_all(house) > 1


def without_price(first: Upstream, second: Upstream) -> dict[str, Any]:
    found = providers(first, second)
    del found["one"]["prices"]
    return found


@pytest.mark.parametrize(("unpriced", "route"), [("refuse", "two/m"), ("allow", "one/m")])
def test_a_route_without_a_price_is_the_configs_choice(
    build: Build, unpriced: str, route: str
) -> None:
    house = build(budgets=budget(), providers=without_price, unpriced=unpriced)
    assert house.gateway.chat(max_tokens=10).headers["x-entrepot-route"] == route
    (one,) = at_rest(house)
    assert one.unpriced == (unpriced == "allow")


@pytest.mark.parametrize("unpriced", ["refuse", "allow"])
def test_an_unheard_of_tier_makes_no_call_free(build: Build, unpriced: str) -> None:
    house = build(budgets=budget(), unpriced=unpriced, models={"assistant": ["one/m"]})
    echoing = answers.json_body({**answers.chat_answer(), "service_tier": "zzz"})
    house.first.always("/v1/chat/completions", echoing)
    # Nobody knows what such a tier costs: no budget grows by not knowing.
    codes = [house.gateway.chat(max_tokens=10, service_tier="zzz").status_code for _ in range(5)]
    assert codes[-1] == (402 if unpriced == "allow" else codes[0])
    assert (200 in codes) == (unpriced == "allow")


def test_alerts_are_told_once_by_log_and_webhook(build: Build) -> None:
    with Upstream() as hook:
        alerts = {"at": [20, 50], "webhook": f"{hook.base_url}/canary"}
        house = build(budgets=budget(alerts=alerts, soft=True))
        for _ in range(12):
            assert house.gateway.chat(max_tokens=10).status_code == 200
        hook.until(lambda: len(hook.requests) == 2)
        house.gateway.until(
            lambda: (
                'entrepot_budget_alerts_total{budget="b",result="sent"} 2.0'
                in house.gateway.client.get("/metrics").text
            )
        )
        bodies = [json.loads(request.body) for request in hook.requests]
    assert [body["share_percent"] for body in bodies] == [20, 50]
    assert {body["event"] for body in bodies} == {"budget_alert"}
    assert not any("authorization" in request.headers for request in hook.requests)
    (told,) = house.gateway.client.get("/api/budgets").json()["budgets"]
    assert (told["soft"], told["alerts_at_percent"]) == (True, [20, 50])
    assert "canary" not in house.gateway.client.get("/api/budgets").text


def test_a_webhook_that_fails_is_tried_once_more_and_in_nobodys_way(
    build: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.alerting.AGAIN_IN_S", 0.01)
    with Upstream() as hook:
        hook.default = answers.error(500)
        house = build(budgets=budget(alerts=[1]), webhook=hook.base_url)
        assert house.gateway.chat(max_tokens=10).status_code == 200
        hook.until(lambda: len(hook.requests) == 2)
        house.gateway.until(
            lambda: (
                'entrepot_budget_alerts_total{budget="b",result="failed"} 1.0'
                in house.gateway.client.get("/metrics").text
            )
        )
    assert house.gateway.chat(max_tokens=10).status_code == 200


def test_what_a_call_costs_over_its_hold_is_shown(build: Build) -> None:
    house = build(budgets=budget(per="rolling 5h"))
    # The host bills more than was asked for.
    house.first.script(answers.chat(usage={"prompt_tokens": 11, "completion_tokens": 900}))
    assert house.gateway.chat(max_tokens=10).status_code == 200
    (told,) = house.gateway.client.get("/api/budgets").json()["budgets"]
    assert float(told["overrun_usd"]) > 0.001
    assert float(told["over_usd"]) > 0.001
    assert house.gateway.chat(max_tokens=10).status_code == 402
    assert "entrepot_budget_overrun_usd_total" in house.gateway.client.get("/metrics").text


def test_the_command_and_the_api_say_the_same(build: Build, tmp_path: Any) -> None:
    house = build(budgets=budget(), server={"time_zone": "Asia/Kolkata"})
    house.gateway.chat(max_tokens=10)
    house.gateway.entries(1)
    (api,) = house.gateway.client.get("/api/budgets").json()["budgets"]
    (told,) = commands.told("budgets", "--config", house.gateway.path)["budgets"]
    assert (told["spent_usd"], told["until"]) == (api["spent_usd"], api["until"])
    assert api["until"].endswith("T00:00:00+05:30")
    assert "0.000025" in commands.entrepot("budgets", "--config", house.gateway.path).stdout


def test_a_gateway_whose_limits_are_away_refuses_or_owes(build: Build) -> None:
    away = "redis://:canary@127.0.0.1:1/0"
    house = build(budgets=budget(), state=away)
    answer = house.gateway.chat(max_tokens=10)
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "ledger_unavailable")
    assert "canary" not in answer.text
    assert house.gateway.client.get("/v1/models").status_code == 200


def test_a_debt_lets_calls_in_while_the_limits_are_away(build: Build) -> None:
    house = build(budgets=budget(), state="redis://127.0.0.1:1/0", debt_usd=0.001)
    statuses = [house.gateway.chat(max_tokens=10).status_code for _ in range(60)]
    assert statuses[0] == 200
    assert statuses[-1] == 503
    assert {*statuses} == {200, 503}
