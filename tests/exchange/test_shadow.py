"""A shadow: a copy goes to another route, through every check, and the client notices nothing."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from billing import pages
from billing.store import Store
from gateway.auth import key_hash
from gateway.shadow import AT_ONCE
from tests.exchange.conftest import PRICE, House, providers
from tests.fakes import answers
from tests.fakes.answers import Behaviour
from tests.fakes.upstream import Request, Upstream
from tests.limits_seen import left
from tests.running import events

KEY = "ek_canary_ci"
Build = Callable[..., House]
SHADOW = {"route": "two/m", "share": 1}
SHADOWED: dict[str, Any] = {"assistant": {"routes": ["one/m"], "shadow": SHADOW}}
JUDGED: dict[str, Any] = {
    "assistant": {"routes": ["one/m"], "shadow": {**SHADOW, "judge": "judge"}},
    "judge": ["three/judge"],
}
NOT_TO_US: dict[str, Any] = {"rules": [{"name": "not to the US", "forbid": {"operator": ["US"]}}]}
THEIRS, SHADOWS = "Paris, I am sure.", "It is Paris."


def counted(house: House, name: str, **labels: str) -> float:
    """The value of a counter, 0 where it has none yet."""
    said = ",".join(f'{key}="{value}"' for key, value in sorted(labels.items()))
    wanted = f"entrepot_{name}_total{{{said}}} "
    lines = house.gateway.client.get("/metrics").text.splitlines()
    return sum(float(line.removeprefix(wanted)) for line in lines if line.startswith(wanted))


def soon(house: House, name: str, **labels: str) -> None:
    """Wait until something has been counted."""
    house.gateway.until(lambda: counted(house, name, **labels))


def shadows_result(house: House, result: str) -> None:
    soon(house, "shadows", route="two/m", result=result)


def with_judge(first: Upstream, second: Upstream) -> dict[str, Any]:
    """The judge is a third provider at the first host, told apart by its model."""
    two = providers(first, second)
    return {**two, "three": {**two["one"], "prices": {"judge": PRICE}}}


def by_model(judging: Callable[[Request], Behaviour] | Behaviour) -> Callable[[Request], Behaviour]:
    """The first host: answers a client, or judges."""

    def answer(request: Request) -> Behaviour:
        if request.json()["model"] != "judge":
            if request.json().get("stream"):
                return answers.sse(answers.chat_stream([THEIRS[:6], THEIRS[6:]]))
            return answers.chat(THEIRS)
        return judging if isinstance(judging, Behaviour) else judging(request)

    return answer


def prefers(text: str) -> Callable[[Request], Behaviour]:
    """A judge that finds ``text`` better, wherever it stands."""

    def judge(request: Request) -> Behaviour:
        asked = request.json()["messages"][-1]["content"]
        said = re.fullmatch(
            "<request>\nHello\n</request>\n<answer_a>\n(.*)\n</answer_a>\n"
            "<answer_b>\n(.*)\n</answer_b>\n.*",
            asked,
        )
        assert said is not None
        assert set(said.groups()) == {THEIRS, SHADOWS}
        return answers.chat("A" if said[1] == text else "B")

    return judge


@pytest.mark.parametrize("stream", [False, True])
def test_a_copy_goes_to_the_shadow_and_the_client_gets_its_own_answer(
    build: Build, *, stream: bool
) -> None:
    house = build(models=SHADOWED)
    house.second.default = answers.chat("another answer", usage={**answers.USAGE})
    answer = house.gateway.chat(stream=stream, temperature=0.5)
    assert answer.status_code == 200
    assert b"another" not in answer.content
    house.second.until(lambda: house.second.requests)
    (copy,) = house.second.requests
    assert {"stream", "stream_options"}.isdisjoint(copy.json())
    assert copy.json()["temperature"] == 0.5
    assert copy.json()["messages"] == house.first.requests[0].json()["messages"]
    call, shadow = house.gateway.entries(2)
    assert (call["purpose"], shadow["purpose"]) == ("call", "shadow")
    assert shadow["attempt_id"] == f"{call['request_id']}.s1"
    assert shadow["request_id"] == call["request_id"] == answer.headers["x-entrepot-request-id"]
    assert (shadow["outcome"], shadow["finish"], shadow["stream"]) == ("completed", "stop", 0)
    assert shadow["cost_pico"] == 11 * 10**6 + 7 * 2 * 10**6
    for same in ("key", "label", "session", "wire", "model_asked"):
        assert shadow[same] == call[same]
    if not stream:
        # What the shadow cost is not the client's.
        assert answer.headers["x-entrepot-cost-usd"] == "0.000025"
    assert answer.headers["x-entrepot-attempts"] == "1"
    shadows_result(house, "completed")


def test_a_forbidden_shadow_gets_no_byte_and_the_metric_says_why(build: Build) -> None:
    house = build(models=SHADOWED, policy=NOT_TO_US)
    assert house.gateway.chat().status_code == 200
    shadows_result(house, "policy")
    assert not house.second.connections
    assert len(house.gateway.entries(1)) == 1


def test_the_requests_own_label_decides(build: Build) -> None:
    rule = {**NOT_TO_US["rules"][0], "when": {"label_at_least": "personal"}}
    house = build(models=SHADOWED, policy={"labels": ["public", "personal"], "rules": [rule]})
    assert house.gateway.chat({"x-entrepot-label": "personal"}).status_code == 200
    shadows_result(house, "policy")
    assert not house.second.connections
    assert house.gateway.chat().status_code == 200
    shadows_result(house, "completed")
    assert [entry["label"] for entry in house.gateway.entries(3)].count("personal") == 1


def test_a_models_own_constraint_holds_for_its_shadow(build: Build) -> None:
    entry = {**SHADOWED["assistant"], "forbid": {"operator": ["US"]}}
    house = build(models={"assistant": entry})
    assert house.gateway.chat().status_code == 200
    shadows_result(house, "policy")
    assert not house.second.connections


def test_a_cooling_shadow_is_left_alone(build: Build) -> None:
    house = build(models=SHADOWED)
    house.second.script(answers.rate_limited("60"))
    assert house.gateway.chat().status_code == 200
    shadows_result(house, "failed")
    assert house.gateway.chat().status_code == 200
    shadows_result(house, "health")
    assert len(house.second.requests) == 1


def test_a_shadow_without_room_in_the_budget_is_none(build: Build) -> None:
    def dear(first: Upstream, second: Upstream) -> dict[str, Any]:
        two = providers(first, second)
        two["two"]["prices"] = {"m": {**PRICE, "output": "1000"}}
        return two

    budgets = [{"name": "all of us", "usd": 0.01, "per": "month"}]
    house = build(models=SHADOWED, budgets=budgets, providers=dear)
    assert house.gateway.chat(max_tokens=100).status_code == 200
    shadows_result(house, "budget")
    assert not house.second.connections


def test_what_a_shadow_costs_counts_against_the_budget_and_is_held(build: Build) -> None:
    budgets = [{"name": "all of us", "usd": 0.01, "per": "month"}]
    house = build(models=SHADOWED, budgets=budgets)
    assert house.gateway.chat(max_tokens=100).status_code == 200
    shadows_result(house, "completed")
    assert left(house.gateway.house.limits) == 10**10 - 2 * 25 * 10**6


def test_a_shadow_is_no_request_of_the_clients_own(build: Build) -> None:
    house = build(models=SHADOWED, keys=[{"name": "ci", "hash": key_hash(KEY), "rpm": 2}])
    answered = [house.gateway.chat({"authorization": f"Bearer {KEY}"}) for _ in range(3)]
    assert [answer.status_code for answer in answered] == [200, 200, 429]
    house.gateway.until(lambda: counted(house, "shadows", route="two/m", result="completed") == 2)


@pytest.mark.parametrize(
    "fault", [answers.reset(), answers.html(), answers.error(500), answers.body(200, b"", "text/x")]
)
def test_a_shadows_fault_is_nobodys_but_its_own(build: Build, fault: Behaviour) -> None:
    house = build(models=SHADOWED)
    house.second.default = fault
    answer = house.gateway.chat()
    assert (answer.status_code, answer.json()["choices"][0]["finish_reason"]) == (200, "stop")
    shadows_result(house, "failed")
    call, shadow = house.gateway.entries(2)[:2]
    assert (call["outcome"], shadow["outcome"]) == ("completed", "failed")


def test_sixteen_at_once_the_rest_is_dropped_and_all_end_with_the_gateway(build: Build) -> None:
    house = build(models=SHADOWED, server={"timeouts": {"answer_s": 60, "total_s": 60}})
    house.second.default = answers.stall()
    for _ in range(AT_ONCE + 3):
        assert house.gateway.chat().status_code == 200
    house.second.until(lambda: len(house.second.requests) == AT_ONCE)
    assert counted(house, "shadows", route="two/m", result="full") == 3
    ledger = house.gateway.house.setup.config.ledger
    house.gateway.close()
    store = Store.open(ledger)
    ended = [entry for entry in pages.last(store, 100) if entry.purpose == "shadow"]
    store.close()
    assert [entry.outcome for entry in ended] == ["cancelled"] * AT_ONCE


def test_the_share_decides_by_a_draw(build: Build) -> None:
    shadow = {**SHADOW, "share": 0.1}
    house = build(models={"assistant": {"routes": ["one/m"], "shadow": shadow}})
    for drawn, results in ((0.1, 0), (0.5, 0), (0.099, 1)):
        house.gateway.house.shadows.draw = partial(float, drawn)
        assert house.gateway.chat().status_code == 200
        if results:
            shadows_result(house, "completed")
    assert len(house.second.requests) == 1


def test_a_route_does_not_stand_against_itself(build: Build) -> None:
    house = build(models={"assistant": {"routes": ["one/m", "two/m"], "shadow": SHADOW}})
    house.first.script(answers.error(503))
    assert house.gateway.chat().headers["x-entrepot-route"] == "two/m"
    following = house.gateway.chat()
    assert following.headers["x-entrepot-route"] == "one/m"
    shadows_result(house, "completed")
    shadows = [entry for entry in house.gateway.entries(4) if entry["purpose"] == "shadow"]
    ids = [entry["request_id"] for entry in shadows]
    assert ids == [following.headers["x-entrepot-request-id"]]


def test_what_a_host_would_do_twice_is_not_copied(build: Build) -> None:
    house = build(models=SHADOWED)
    body = {"model": "assistant", "input": "Hello", "tools": [{"type": "web_search"}]}
    house.gateway.client.post("/v1/responses", json=body)
    shadows_result(house, "hosted_tools")
    assert not house.second.connections


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(("better", "verdict"), [(SHADOWS, "better"), (THEIRS, "worse")])
def test_a_judge_reads_both_blind_and_its_word_is_in_its_entry(
    build: Build, better: str, verdict: str, *, stream: bool
) -> None:
    house = build(models=JUDGED, providers=with_judge)
    house.second.default = answers.chat(SHADOWS)
    house.first.default = by_model(prefers(better))
    for drawn in (0.0, 0.9):
        house.gateway.house.shadows.draw = partial(float, drawn)
        answer = house.gateway.chat(stream=stream)
        assert answer.status_code == 200
        if stream:
            assert events(answer.content)[-1] == "[DONE]"
    house.gateway.until(lambda: counted(house, "judges", model="judge", result=verdict) == 2)
    judges = [entry for entry in house.gateway.entries(6) if entry["purpose"] == "judge"]
    assert [entry["verdict"] for entry in judges] == [verdict] * 2
    assert [entry["attempt_id"] for entry in judges] == [f"{e['request_id']}.j1" for e in judges]
    assert {entry["model_asked"] for entry in judges} == {"judge"}
    asked = [r.json() for r in house.first.requests if r.json()["model"] == "judge"]
    assert all(body["max_tokens"] == 16 for body in asked)


def test_another_word_is_no_verdict(build: Build) -> None:
    house = build(models=JUDGED, providers=with_judge)
    house.first.default = by_model(answers.chat("Both have their merits."))
    assert house.gateway.chat().status_code == 200
    soon(house, "judges", model="judge", result="no_verdict")
    (judge,) = [entry for entry in house.gateway.entries(3) if entry["purpose"] == "judge"]
    assert (judge["verdict"], judge["outcome"]) == ("", "completed")


@pytest.mark.parametrize("where", ["policy", "model"])
def test_a_judge_that_must_not_see_the_request_is_not_asked(build: Build, where: str) -> None:
    def abroad(first: Upstream, second: Upstream) -> dict[str, Any]:
        three = with_judge(first, second)
        three["three"]["facts"] = {"operator": ["CN"], "processed_in": ["CN"]}
        return three

    forbid = {"operator": ["CN"]}
    models, rules = JUDGED, [{"name": "not there", "forbid": forbid}]
    if where == "model":
        models, rules = {**JUDGED, "assistant": {**JUDGED["assistant"], "forbid": forbid}}, []
    house = build(models=models, providers=abroad, policy={"rules": rules})
    assert house.gateway.chat().status_code == 200
    soon(house, "judges", model="judge", result="policy")
    assert [request.json()["model"] for request in house.first.requests] == ["m"]
