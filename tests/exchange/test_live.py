"""``check --live``: each route is called by the code that serves clients, and told as it went."""

from __future__ import annotations

from pathlib import Path

from billing.pages import last
from billing.store import Store
from tests.exchange.conftest import providers
from tests.fakes import answers
from tests.fakes.upstream import Upstream
from tests.running import config
from tests.unit.gateway.commands import entrepot, told


def test_every_spelling_of_an_address_leads_to_one_place_by_the_path_of_traffic(
    tmp_path: Path, upstream: Upstream
) -> None:
    spelled = ["", "/", "/v1", "/v1/", "/v1/chat/completions", "/chat/completions"]
    one = providers(upstream, upstream)["one"]
    whole = {f"p{n}": {**one, "base_url": upstream.url + end} for n, end in enumerate(spelled)}
    path = config(tmp_path, providers=whole, models={"all": [f"{name}/m" for name in whole]})
    found = told("check", "--live", "--config", path)
    assert {provider["address"] for provider in found["providers"]} == {
        f"{upstream.url}/v1/responses"
    }
    assert [(tried["route"], tried["good"]) for tried in found["live"]] == [
        (f"{name}/m", True) for name in whole
    ]
    assert {request.path for request in upstream.requests} == {"/v1/chat/completions"}
    assert {request.headers["authorization"] for request in upstream.requests} == {
        "Bearer sk-canary-one"
    }
    store = Store.open(f"sqlite:///{tmp_path}/ledger.db")
    keys = [entry.key for entry in last(store, 10)]
    store.close()
    assert keys == ["check --live"] * len(spelled), "what it cost is in the ledger"


def test_a_route_that_fails_is_told_and_the_exit_code_says_so(
    tmp_path: Path, upstream: Upstream
) -> None:
    whole = providers(upstream, upstream)
    path = config(tmp_path, providers=whole, models={"both": ["one/m", "two/m"]})
    upstream.script(answers.error(401, "Incorrect API key sk-canary-one"), answers.chat("yes"))
    shown = entrepot("check", "--live", "--config", path)
    assert shown.exit_code == 1
    assert "refused this gateway's credential" in shown.stdout
    assert "good" in shown.stdout
