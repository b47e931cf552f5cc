"""`entrepot doctor` and `entrepot init`: what is on this machine, and a config made of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

from billing.journal import Journal
from gateway.commands import doctor, init, local_servers
from gateway.config_file import read
from gateway.dashboard import library
from providers.catalog import builtin
from tests.fakes import answers
from tests.fakes.upstream import Upstream
from tests.unit.billing.samples import an_entry
from tests.unit.gateway.commands import CANARY, entrepot, told

Config = Callable[..., Path]
FREE: dict[str, Any] = {"ledger": "sqlite:///l.db", "journal": "journal", "policy": {}}


@pytest.fixture
def second() -> Iterator[Upstream]:
    """Another fake server."""
    with Upstream() as host:
        yield host


@pytest.fixture(autouse=True)
def usual(upstream: Upstream, second: Upstream, monkeypatch: pytest.MonkeyPatch) -> None:
    """A catalogue whose usual ports are those of the fakes, not of what really runs here.

    The first fake stands for a server whose names may be somebody else's; nothing can be launched.
    """
    real = builtin()
    hosts = {
        name: replace(host, usual_ports=()) if host.kind == "home" else host
        for name, host in real.hosts.items()
    }
    hosts["ollama"] = replace(hosts["ollama"], usual_ports=(upstream.port,))
    hosts["vllm"] = replace(hosts["vllm"], usual_ports=(second.port,))
    for name in ("llama-cpp", "bitnet"):
        hosts[name] = replace(hosts[name], launcher=None)
    known = replace(real, hosts=MappingProxyType(hosts))
    for host in hosts.values():
        if host.auth_env:
            monkeypatch.delenv(host.auth_env, raising=False)
    for module in (doctor, init):
        monkeypatch.setattr(module, "builtin", lambda: known)
    monkeypatch.setattr("gateway.config_file.load", lambda *_: known)


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def lists(*names: object, owner: str = "library") -> answers.Behaviour:
    """A list of models, as servers have it."""
    data = [{"id": name, "object": "model", "owned_by": owner} for name in names]
    return answers.json_body({"object": "list", "data": data})


def findings(*words: object) -> dict[str, dict[str, str]]:
    """What the doctor found, by what it looked at; of several the last."""
    return {found["what"]: found for found in told("doctor", *words)["findings"]}


def test_a_config_of_what_is_here_is_written_and_passes_check(
    upstream: Upstream, second: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    upstream.always("/v1/models", lists("big-cloud", "qwen3:8b", 'odd "name": #1'))
    second.always("/v1/models", lists("mine"))
    monkeypatch.setenv("MISTRAL_API_KEY", CANARY)
    monkeypatch.setenv("OPENAI_API_KEY", CANARY)
    shown = entrepot("init")
    assert shown.exit_code == 0
    for words in (
        "MISTRAL_API_KEY",
        f"127.0.0.1:{upstream.port}",
        "wrote config.yaml and policy.yaml",
    ):
        assert words in shown.stdout
    text = Path("config.yaml").read_text()
    assert CANARY not in text + Path("policy.yaml").read_text()
    loaded = read(Path("config.yaml"), {"MISTRAL_API_KEY": "x", "OPENAI_API_KEY": "x"})
    assert loaded.warnings == ()
    found = loaded.config.entry("assistant")
    assert found is not None
    assert found[1].routes[:2] == ("ollama/qwen3:8b", "vllm/mine")
    assert found[1].routes[2].startswith("mistral/"), "the cheapest host comes first"
    assert found[1].routes[3].startswith("openai/")
    assert "these run elsewhere, not here: big-cloud" in text
    assert entrepot("check").exit_code == 0
    assert len(told("check")["proof"]["expectations"]) > 1


def test_local_servers_are_asked_for_their_models_only_and_without_a_key(
    upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", CANARY)
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    upstream.always("/v1/models", lists("m"))
    assert told("init")["found"]["locals"][0]["models"] == ["m"]
    (asked,) = upstream.requests
    assert (asked.method, asked.path) == ("GET", "/v1/models")
    assert set(asked.headers) == {"host"}


@pytest.mark.parametrize(
    "answer",
    [
        answers.html(),
        answers.stall(),
        answers.hang_up(),
        answers.json_body([1, 2]),
        answers.json_body({"data": "x"}),
        answers.error(500),
        answers.redirect("http://127.0.0.1:1/v1/models"),
        answers.raw(b"\x00\xff\r\n\r\n"),
    ],
)
def test_what_is_no_model_server_is_passed_over(
    answer: answers.Behaviour, upstream: Upstream, second: Upstream
) -> None:
    upstream.always("/v1/models", answer)
    second.always("/v1/models", lists("mine"))
    found = told("init")["found"]["locals"]
    assert [(local["name"], local["models"]) for local in found] == [("vllm", ["mine"])]


def test_names_that_cannot_stand_in_a_config_are_left_out(
    upstream: Upstream, second: Upstream
) -> None:
    second.refuse()
    upstream.always(
        "/v1/models", lists("a\nb", "", " x", "${HOME}", "\x1b[31m", "y" * 300, "Ünï:1")
    )
    assert told("init")["found"]["locals"][0]["models"] == ["Ünï:1"]
    assert entrepot("check").exit_code == 0


def test_a_gateway_that_runs_here_is_not_taken_for_a_model_server(upstream: Upstream) -> None:
    upstream.always("/v1/models", lists("assistant", owner=local_servers.OURSELVES))
    assert "ollama" not in {local["name"] for local in told("init")["found"]["locals"]}
    assert "a gateway of this kind" in findings()[f"port {upstream.port}"]["text"]


def test_with_nothing_here_the_config_still_passes_check(
    upstream: Upstream, second: Upstream
) -> None:
    upstream.refuse()
    second.refuse()
    shown = entrepot("init")
    assert shown.exit_code == 0
    assert "found no model server" in shown.stdout
    assert entrepot("check").exit_code == 0
    assert told("models", "--mine")["models"] == []


def test_nothing_is_overwritten_unless_forced(upstream: Upstream) -> None:
    Path("config.yaml").write_text("mine: true\n")
    shown = entrepot("init")
    assert shown.exit_code == 2
    assert "--force" in shown.stderr
    assert Path("config.yaml").read_text() == "mine: true\n"
    assert not Path("policy.yaml").exists()
    Path("policy.yaml").write_text("labels: [mine]\n")
    assert entrepot("init", "--force").exit_code == 0
    assert "providers:" in Path("config.yaml").read_text()
    assert Path("policy.yaml").read_text() == "labels: [mine]\n", "a policy is never replaced"
    assert [path.name for path in Path().iterdir() if path.name.endswith(".new")] == []


def test_another_file_can_be_written(tmp_path: Path) -> None:
    Path("sub").mkdir()
    document = told("init", "--out", "sub/my.yaml")
    assert document["written"] == ["sub/my.yaml", "sub/policy.yaml"]
    assert entrepot("check", "--config", "sub/my.yaml").exit_code == 0
    missing = entrepot("init", "--out", "nowhere/my.yaml")
    assert missing.exit_code == 1
    assert "nowhere" in missing.stderr


def test_a_policy_that_is_wrong_already_is_said(upstream: Upstream) -> None:
    Path("policy.yaml").write_text("lables: [a]\n")
    shown = entrepot("init")
    assert shown.exit_code == 1
    assert "policy.yaml:1: " in shown.stderr


def test_a_port_that_is_taken_is_not_proposed(
    upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(init, "USUAL_PORT", upstream.port)
    assert told("init")["found"]["port"] != upstream.port


def test_the_doctor_finds_all_well(
    upstream: Upstream, second: Upstream, tmp_config: Config
) -> None:
    upstream.always("/v1/models", lists("m"))
    second.refuse()
    own = {
        "catalog": "openai",
        "facts": {"operator": ["FR"], "processed_in": ["FR"]},
        "base_url": upstream.base_url,
        "api_key": CANARY,
    }
    here = {"catalog": "ollama", "base_url": upstream.base_url}
    path = tmp_config({**FREE, "providers": {"paid": own, "here": here, "mistral": {}}})
    assert entrepot("doctor", "--offline").exit_code == 0
    found = findings("--offline", "--config", path)
    assert found["provider paid"] == {
        "what": "provider paid", "state": "good", "text": f"key set; 127.0.0.1:{upstream.port} answers",
    }  # fmt: skip
    assert found["provider here"]["state"] == "good"
    assert found["provider mistral"]["state"] == "note", "a host without a key is passed over"
    assert "was not tried" in found["provider mistral"]["text"]
    assert "first start makes it" in found["ledger"]["text"]
    assert "configured" in found[f"port {upstream.port}"]["text"]
    assert "fastapi" in found["packages"]["text"]
    assert found["charts"]["state"] == ("good" if library.is_built() else "note")
    asked = {request.path for request in upstream.requests}
    assert asked <= {"/v1/models", "/health", "/metrics", "/api/version"}, "nothing is paid"


def test_the_doctor_says_what_does_not_work(
    tmp_config: Config, tmp_path: Path, upstream: Upstream
) -> None:
    upstream.refuse()
    (tmp_path / "l.db").write_text("this is no database, whatever its name says")
    journal = Journal(tmp_path / "journal")
    journal.append(an_entry())
    down = {
        "catalog": "openai",
        "facts": {"operator": ["FR"], "processed_in": ["FR"]},
        "base_url": upstream.base_url,
        "api_key": CANARY,
    }
    tls = {
        "catalog": "openai",
        "facts": {"operator": ["FR"], "processed_in": ["FR"]},
        "base_url": "https://127.0.0.1:1/v1",
        "api_key": CANARY,
    }
    path = tmp_config({**FREE, "providers": {"down": down, "tls": tls}})
    shown = entrepot("doctor", "--offline", "--config", path)
    assert shown.exit_code == 1
    found = findings("--offline", "--config", path)
    assert found["provider down"]["state"] == found["provider tls"]["state"] == "bad"
    assert "cannot be reached" in found["provider down"]["text"]
    assert found["ledger"]["state"] == "bad"
    assert found["journal"]["text"].startswith(f"{tmp_path}/journal: 1 entries wait")
    journal.close()


def test_the_doctor_goes_by_the_proxy_that_calls_go_by(
    tmp_config: Config, upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", f"http://me:canary-proxy@127.0.0.1:{upstream.port}")
    path = tmp_config({**FREE, "providers": {"openai": {"api_key": CANARY}}})
    assert findings("--config", path)["provider openai"]["text"] == (
        f"key set; the proxy 127.0.0.1:{upstream.port} answers"
    )


def test_the_doctor_knows_whether_a_model_can_be_run_here(
    tmp_config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    launch = {"catalog": "llama-cpp", "launch": {"model": "no-such-model.gguf"}}
    path = tmp_config({**FREE, "providers": {"home": launch}})
    shown = entrepot("doctor", "--offline", "--config", path, "--json")
    assert shown.exit_code == 1
    found = {item["what"]: item for item in json.loads(shown.stdout)["findings"]}
    assert found["provider home"]["state"] == "bad"
    assert found["provider home"]["text"].startswith("cannot start: ")
