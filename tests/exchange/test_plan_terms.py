"""A coding plan: a contract of its own, whose terms the gateway keeps and tells nobody wrong."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.config_file import read
from gateway.setup import compile_setup
from tests.exchange.test_deviations import HOST
from tests.fakes import answers
from tests.fakes.upstream import Upstream
from tests.running import HELLO, Running, config, running

PLAN = """
id: coding
like: newcomer
name: The coding plan of the new host
place: {trains_on_data: {is: by_default, source: [plan]}}
default_endpoint: plan
endpoints:
  plan:
    base_url: {is: 'https://plan.newcomer.example/v1', source: [plan]}
    wires: {chat: /chat/completions, messages: /messages}
models:
  small: {}
plan:
  name: Newcomer Coding
  payg: newcomer
  tiers:
    Lite:
      fees: {is: [{amount: '18', currency: USD}], source: [plan]}
      windows: {is: [{per: 5h, unit: prompts, amount: '120', starts: first_use}], source: [plan]}
  terms:
    gateway: {is: GATEWAY, source: [plan]}
    clients: {is: CLIENTS, source: [plan]}
sources:
  plan: {url: 'https://newcomer.example/plan', date: '2026-11-02'}
"""
THERE = {"operator": ["NO"], "processed_in": ["NO"]}
TOLD = {"claude-cli/2.1.4 (external, cli)": 200, "Kilo-Code/4.1": 200, "python-requests/2": 403}


@pytest.fixture(scope="module")
def upstream() -> Iterator[Upstream]:
    with Upstream() as host:
        yield host


def made(folder: Path, host: Upstream, *, gateway: str, clients: str, **said: Any) -> Path:
    own = folder / "catalog"
    own.mkdir()
    (own / "newcomer.yaml").write_text(HOST, encoding="utf-8")
    plan = PLAN.replace("GATEWAY", gateway).replace("CLIENTS", clients)
    (own / "coding.yaml").write_text(plan, encoding="utf-8")
    given = {"base_url": host.base_url, "api_key": "sk-plan", "facts": THERE, **said}
    return config(
        folder,
        catalog=[str(own)],
        providers={"coding": given},
        models={"coder": ["coding/small"]},
    )


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory, upstream: Upstream) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("plan")
    path = made(folder, upstream, gateway="allowed", clients="[claude-code, 'Kilo-Code/*']")
    with running(path) as found:
        yield found


@pytest.mark.parametrize(("client", "status"), TOLD.items())
def test_only_the_programs_of_its_terms_may_call(
    gateway: Running, upstream: Upstream, client: str, status: int
) -> None:
    before = len(upstream.requests)
    answer = gateway.chat({"user-agent": client}, model="coder")
    assert answer.status_code == status, answer.text
    assert len(upstream.requests) - before == (status == 200)
    if status == 403:
        fault = answer.json()["error"]
        assert fault["code"] == "policy_denied"
        assert "plan's terms are for Kilo-Code/*, claude-cli/*" in fault["message"]
        assert client in fault["message"]


def test_the_host_is_told_who_really_calls(gateway: Running, upstream: Upstream) -> None:
    client = "claude-cli/2.1.4 (external, cli)"
    assert gateway.chat({"user-agent": client}, model="coder").status_code == 200
    assert upstream.requests[-1].headers["user-agent"] == client
    # In the other lane, too: the words are ours there, the caller is not.
    asked = {"model": "coder", "max_output_tokens": 64, "input": "Hello"}
    answer = gateway.client.post("/v1/responses", json=asked, headers={"user-agent": client})
    assert answer.status_code == 200, answer.text
    assert answer.headers["x-entrepot-lane"] == "translate"
    assert upstream.requests[-1].headers["user-agent"] == client


def test_a_caller_without_a_name_is_given_none(gateway: Running) -> None:
    request = gateway.client.build_request(
        "POST", "/v1/chat/completions", json={"model": "coder", "messages": HELLO}
    )
    del request.headers["user-agent"]
    answer = gateway.client.send(request)
    assert answer.status_code == 403
    assert "a client without a name" in answer.json()["error"]["message"]


def test_a_call_within_the_plan_costs_nothing_more_by_statement(gateway: Running) -> None:
    gateway.chat({"user-agent": "Kilo-Code/4.1"}, model="coder")
    entry = gateway.entries()[-1]
    assert (entry["cost_pico"], entry["cost_state"]) == (0, "priced")
    assert entry["price_source"] == "within the plan Newcomer Coding"


@pytest.mark.parametrize("says", ["forbidden", "unknown"])
def test_terms_that_do_not_allow_a_gateway_are_kept(
    tmp_path: Path, upstream: Upstream, says: str
) -> None:
    path = made(tmp_path, upstream, gateway=says, clients="[any]")
    loaded = read(path, {})
    (warning,) = [w for w in loaded.warnings if "cannot be used yet" in str(w)]
    assert "Newcomer Coding" in str(warning)
    owner = compile_setup(loaded).providers["coding"]
    assert "calls through a gateway" in owner.available
    assert owner.host.plan is not None
    assert "newcomer.example/plan" in owner.host.plan.evidence["gateway"], "with the source"
    with running(path) as found:
        answer = found.chat(model="coder")
        assert answer.status_code == 503
        assert "`terms: ...`" in answer.json()["error"]["message"]


def test_unless_the_operator_states_why_they_do(tmp_path: Path, upstream: Upstream) -> None:
    path = made(
        tmp_path, upstream, gateway="forbidden", clients="[any]", terms="agreed by mail, 2026-11-03"
    )
    upstream.script(answers.chat("hi"))
    with running(path) as found:
        assert found.chat(model="coder").status_code == 200
        body = {"model": "coder", "messages": HELLO}
        found.client.post("/api/explain", json=body).raise_for_status()


def test_a_plan_is_no_silent_fallback_of_a_key_that_is_charged_by_the_token(
    tmp_path: Path, upstream: Upstream
) -> None:
    path = made(tmp_path, upstream, gateway="allowed", clients="[any]")
    at = compile_setup(read(path, {})).providers["coding"].at
    assert at.place.trains_on_data == "by_default", "the plan's contract, not the brand's"
    assert at.evidence["trains_on_data"].startswith("by_default · https://newcomer.example/plan")
