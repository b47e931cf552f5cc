"""One model at many hosts: ``any/MODEL`` means wherever policy and price allow."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.config_file import read
from gateway.problems import ConfigError
from gateway.setup import compile_setup
from tests.exchange.test_deviations import HOST
from tests.fakes import answers
from tests.fakes.upstream import Upstream
from tests.running import Running, config, running

THERE = {"operator": ["NO"], "processed_in": ["NO"], "trains_on_data": "never",
         "retention_days": 0}  # fmt: skip
# Three hosts of the same weights; each rounds them otherwise, and one says nothing of it.
HOSTS = {"exact": ("bf16", "2"), "rounded": ("fp4", "0.5"), "silent": ("", "0.1")}


def write_hosts(folder: Path) -> None:
    folder.mkdir()
    for name, (quantisation, price) in HOSTS.items():
        text = HOST.replace("id: newcomer", f"id: {name}").replace(
            "input: '0.5'", f"input: '{price}'"
        )
        said = f"quantisation: {{is: {quantisation}, source: [terms]}}" if quantisation else ""
        text = text.replace(
            "quantisation: {is: fp8, source: [terms]}", said or "zdr: {is: unknown}"
        )
        (folder / f"{name}.yaml").write_text(text, encoding="utf-8")


def made(folder: Path, upstreams: dict[str, Upstream], **parts: Any) -> Path:
    if not (folder / "catalog").exists():
        write_hosts(folder / "catalog")
    providers = {
        name: {"base_url": host.base_url, "api_key": "sk-canary", "facts": THERE}
        for name, host in upstreams.items()
    }
    given: dict[str, Any] = {
        "models": {
            "coder": "any/glm-5.2",
            "fine": "any/glm-5.2@fp8+",
            "listed": {"routes": ["any/glm-5.2"]},
            "pinned": {"routes": ["any/glm-5.2"], "pin": "rounded"},
        },
        **parts,
    }
    return config(folder, catalog=[str(folder / "catalog")], providers=providers, **given)


@pytest.fixture(scope="module")
def hosts() -> Iterator[dict[str, Upstream]]:
    with Upstream() as a, Upstream() as b, Upstream() as c:
        yield {"exact": a, "rounded": b, "silent": c}


@pytest.fixture(scope="module")
def gateway(
    tmp_path_factory: pytest.TempPathFactory, hosts: dict[str, Upstream]
) -> Iterator[Running]:
    with running(made(tmp_path_factory.mktemp("any"), hosts)) as found:
        yield found


def planned(gateway: Running, model: str) -> list[str]:
    body = {"model": model, "messages": [{"role": "user", "content": "x"}]}
    told = gateway.client.post("/api/explain", json=body).json()
    return [route["route"] for route in told["routes"] if route["admitted"]]


def test_it_means_every_provider_that_has_the_weights_the_cheapest_first(gateway: Running) -> None:
    assert planned(gateway, "coder") == ["silent/small", "rounded/small", "exact/small"]
    assert planned(gateway, "any/glm-5.2") == planned(gateway, "coder"), "nobody need configure it"
    assert planned(gateway, "listed") == ["exact/small", "rounded/small", "silent/small"]


def test_it_is_narrowed_by_what_the_weights_are_rounded_to(gateway: Running) -> None:
    assert planned(gateway, "fine") == ["exact/small"], "unknown is never fine enough"
    assert planned(gateway, "any/glm-5.2@fp4") == ["rounded/small"]
    assert planned(gateway, "any/glm-5.2@fp4+") == ["rounded/small", "exact/small"]


def test_one_word_pins_it(gateway: Running, hosts: dict[str, Upstream]) -> None:
    assert planned(gateway, "pinned") == ["rounded/small"]
    hosts["rounded"].script(answers.rate_limited())
    before = [len(host.requests) for name, host in hosts.items() if name != "rounded"]
    answer = gateway.chat(model="pinned")
    assert answer.status_code == 429
    assert [len(host.requests) for name, host in hosts.items() if name != "rounded"] == before


def test_who_served_it_is_in_the_header_and_the_ledger(
    gateway: Running, hosts: dict[str, Upstream]
) -> None:
    answer = gateway.chat(model="coder")
    assert answer.headers["x-entrepot-route"] == "silent/small"
    hosts["silent"].script(answers.error(500))
    answer = gateway.chat(model="coder")
    assert answer.headers["x-entrepot-route"] == "rounded/small", "the same weights elsewhere"
    last = gateway.entries()[-1]
    assert (last["provider"], last["model"], last["endpoint"]) == ("rounded", "small", "oslo")


def test_a_policy_may_ask_for_fine_weights(tmp_path: Path, hosts: dict[str, Upstream]) -> None:
    rule = {"name": "fine weights only", "require": {"quantisation": ["fp8+"]}}
    policy = {"labels": ["public"], "rules": [rule]}
    with running(made(tmp_path, hosts, policy=policy)) as found:
        assert planned(found, "coder") == ["exact/small"]
        body = {"model": "coder", "messages": [{"role": "user", "content": "x"}]}
        told = json.dumps(found.client.post("/api/explain", json=body).json())
    assert "quantisation is fp4" in told
    assert "quantisation is unknown" in told


def test_a_name_at_home_may_be_said_to_be_the_same_weights(tmp_path: Path) -> None:
    mine = {"my-coder": {"family": "glm-5.2", "quantisation": "int4", "context": 32_000}}
    path = config(
        tmp_path,
        providers={
            "home": {"catalog": "vllm", "base_url": "http://127.0.0.1:9/v1", "models": mine}
        },
        models={"coder": "any/glm-5.2"},
    )
    (route,) = compile_setup(read(path, {})).candidates("coder").routes
    assert (route.name, route.context) == ("home/my-coder", 32_000)
    assert (route.facts.maker, route.facts.weights) == ({"CN"}, "open")
    assert route.facts.operator == {"home"}
    assert route.facts.quantisation == "int4"


@pytest.mark.parametrize(
    ("models", "words"),
    [
        ({"m": "any/glm-5.22"}, "did you mean 'glm-5.2'?"),
        ({"m": "any/glm"}, "no one model 'glm'"),
        ({"m": "any/glm-5.2@fine"}, "'fine' is no quantisation"),
        ({"m": "any/kimi-k3"}, "no provider of this config serves kimi-k3"),
        ({"m": {"routes": ["any/glm-5.2"], "pin": "nobody"}}, "nobody"),
        ({"m": {"routes": ["exact/small"], "pin": "silent"}}, "none of its routes is at 'silent'"),
    ],
)
def test_what_it_cannot_mean_is_said_with_what_would_be_right(
    tmp_path: Path, hosts: dict[str, Upstream], models: dict[str, Any], words: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        read(made(tmp_path, hosts, models=models), {})
    assert words in " ".join(map(str, caught.value.problems))


def test_a_base_model_goes_on_with_texts_and_answers_no_chat(tmp_path: Path) -> None:
    with Upstream() as server:
        path = config(
            tmp_path,
            providers={
                "home": {
                    "catalog": "vllm",
                    "base_url": server.base_url,
                    "models": {"afrique": {"family": "afriqueqwen-14b"}},
                }
            },
            models={"swahili": "any/afriqueqwen-14b"},
        )
        said = {"id": "x", "object": "text_completion", "choices": [{"text": " yako", "index": 0,
                "finish_reason": "stop"}], "usage": {"prompt_tokens": 3, "completion_tokens": 2,
                "total_tokens": 5}}  # fmt: skip
        server.always("/v1/completions", answers.json_body(said))
        with running(path) as found:
            refused = found.chat(model="swahili")
            assert refused.status_code == 400
            assert "speaks completions" in refused.json()["error"]["message"]
            asked = {"model": "swahili", "prompt": "Habari"}
            answer = found.client.post("/v1/completions", json=asked)
    assert answer.json()["choices"][0]["text"] == " yako"


def test_a_model_that_its_host_has_ended_is_none_of_them(
    tmp_path: Path, hosts: dict[str, Upstream]
) -> None:
    write_hosts(tmp_path / "catalog")
    file = tmp_path / "catalog" / "silent.yaml"
    text = file.read_text(encoding="utf-8")
    ended = "family: glm-5.2\n    until: {is: '2026-11-16', source: [terms]}"
    file.write_text(text.replace("family: glm-5.2", ended), encoding="utf-8")
    setup = compile_setup(read(made(tmp_path, hosts), {}))
    found = setup.candidates("listed")
    assert found is not None
    assert [route.name for route in found.routes] == ["exact/small", "rounded/small"]
