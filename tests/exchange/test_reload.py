"""The file is edited while calls run: the next call sees it, the running one does not feel it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from gateway.auth import key_hash
from providers.errors import ErrorKind, UpstreamError
from tests.exchange.conftest import QUICK, House
from tests.fakes import answers
from tests.fakes.answers import Gate
from tests.running import HELLO


def edit(path: Path, **parts: object) -> None:
    """Replace parts of the config the way an editor does: a new file in the old one's place."""
    whole = yaml.safe_load(path.read_text())
    whole.update(parts)
    fresh = path.with_suffix(".new")
    fresh.write_text(yaml.safe_dump(whole, sort_keys=False))
    fresh.replace(path)


def test_an_edit_takes_effect_while_a_long_stream_ends_where_it_began(house: House) -> None:
    gateway, gate = house.gateway, Gate()
    house.first.script(answers.sse(answers.chat_stream(["a", "b", "c"]), gate=gate))
    gate.step(2)
    body = {"model": "assistant", "messages": HELLO, "stream": True}
    with gateway.client.stream("POST", "/v1/chat/completions", json=body) as stream:
        lines = stream.iter_lines()
        assert next(lines)
        before = gateway.house.setup.hash
        edit(gateway.path, models={"assistant": ["two/m"], "another": "assistant"})
        gateway.until(lambda: gateway.house.setup.hash != before)
        answer = gateway.chat()
        assert answer.headers["x-entrepot-route"] == "two/m"
        assert gateway.chat(model="another").headers["x-entrepot-route"] == "two/m"
        gate.open()
        assert "data: [DONE]" in list(lines)
    long = next(entry for entry in gateway.entries(3) if entry["stream"])
    assert (long["provider"], long["outcome"], long["config_hash"]) == ("one", "completed", before)


def test_a_wrong_edit_is_refused_named_and_changes_nothing(house: House) -> None:
    gateway = house.gateway
    before = gateway.house.setup
    edit(gateway.path, models={"assistant": ["tow/m"]}, sever={})
    problem = gateway.until(lambda: gateway.house.reload_problem)
    assert "did you mean 'two'" in problem
    assert "unknown key `sever`" in problem
    assert f"{gateway.path}:" in problem
    assert gateway.house.setup is before
    assert gateway.chat().headers["x-entrepot-route"] == "one/m"
    assert "entrepot_config_refused 1.0" in gateway.client.get("/metrics").text
    whole = yaml.safe_load(gateway.path.read_text())
    whole.pop("sever")
    whole["models"] = {"assistant": ["two/m"]}
    gateway.path.write_text(yaml.safe_dump(whole))
    gateway.until(lambda: not gateway.house.reload_problem)
    gateway.until(lambda: gateway.house.setup is not before)
    assert gateway.chat().headers["x-entrepot-route"] == "two/m"


def test_what_needs_a_restart_says_so(house: House, tmp_path: Path) -> None:
    edit(house.gateway.path, ledger=f"sqlite:///{tmp_path}/other.db")
    problem = house.gateway.until(lambda: house.gateway.house.reload_problem)
    assert "`ledger` changed, restart the gateway" in problem


def test_the_client_to_the_hosts_is_one_line_away_and_a_restart(
    build: Callable[..., House],
) -> None:
    house = build(server={"http_client": "aiohttp"})
    gateway = house.gateway
    assert gateway.house.client._pool is None
    assert gateway.chat().headers["x-entrepot-route"] == "one/m"
    edit(gateway.path, server={"timeouts": QUICK, "http_client": "own"})
    problem = gateway.until(lambda: gateway.house.reload_problem)
    assert "`server.http_client` changed, restart the gateway" in problem


def test_a_policy_of_its_own_is_watched_too(build: Callable[..., House], tmp_path: Path) -> None:
    policy = tmp_path / "policy.yaml"
    policy.write_text("labels: [public]\nrules: []\n")
    house = build(policy="policy.yaml")
    assert house.gateway.chat().headers["x-entrepot-route"] == "one/m"
    before = house.gateway.house.setup
    policy.write_text(
        "labels: [public]\nrules:\n  - name: nothing French\n    forbid: {operator: [FR]}\n"
    )
    house.gateway.until(lambda: house.gateway.house.setup is not before)
    assert house.gateway.chat().headers["x-entrepot-route"] == "two/m"
    hashes = [entry["policy_hash"] for entry in house.gateway.entries(2)]
    assert len(set(hashes)) == 2


def test_an_edit_cannot_open_what_was_closed(build: Callable[..., House]) -> None:
    key = [{"name": "ci", "hash": key_hash("ek_x")}]
    house = build(keys=key, server={"admin_key": "admin"})
    gateway = house.gateway
    edit(gateway.path, keys=[], server={})
    problem = gateway.until(lambda: gateway.house.reload_problem)
    assert "`keys` changed, restart" in problem
    assert "`server.admin_key` changed, restart" in problem
    assert gateway.chat().status_code == 401
    assert gateway.client.get("/api/spend").status_code == 401


async def test_a_call_whose_server_is_no_longer_launched_can_go_elsewhere(house: House) -> None:
    known = house.gateway.setup.route("one/m").endpoint
    gone = replace(known, provider="gone", base_url="")
    with pytest.raises(UpstreamError, match="no longer launches gone") as caught:
        await house.gateway.house.base_url(gone, 1)
    assert caught.value.kind is ErrorKind.CONNECT
