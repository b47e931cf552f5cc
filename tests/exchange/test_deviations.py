"""A host that nobody here knows: one file in a folder, its deviations included, no code."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.fakes import answers
from tests.fakes.upstream import Upstream
from tests.running import Running, config, running

HOST = """
id: newcomer
name: A host that is new
kind: hosted
auth: {kind: header, header: x-key, env: NEWCOMER_API_KEY}
wires: {chat: /chat/completions}
operator:
  company: {is: {name: Newcomer AS, countries: ['NO']}, source: [terms]}
  parent: {is: none, source: [terms]}
place:
  processed_in: {is: ['NO'], source: [terms]}
  trains_on_data: {is: never, source: [terms]}
  retention_days: {is: 0, source: [terms]}
  zdr: {is: default, source: [terms]}
default_endpoint: oslo
endpoints:
  oslo: {base_url: {is: 'https://api.newcomer.example/v1', source: [terms]}}
settings:
  region:
    what: where the account keeps its data
    source: [terms]
    choices:
      north: {dialects: {chat: {source: [terms], sets: {routing.region: north}}}}
      world: {processed_in: {is: unknown}}
dialects:
  chat:
    source: [terms]
    rename: {max_completion_tokens: max_tokens, top_k: extra.top_k}
    takes: [top_k]
    efforts: {minimal: low, xhigh: ''}
    refuses: [logit_bias]
    drops: [user]
    allows: {n: [1]}
    clamps:
      temperature: {at_least: '0', at_most: '1'}
      max_tokens: {at_most: '4096', alters: false}
    defaults: {max_tokens: 1024}
    cases:
      - {when: [thinks], refuses: [top_p], forced_tools: false, source: [terms]}
      - {when: [stream], drops: [seed], source: [terms]}
models:
  small:
    family: glm-5.2
    context: {is: 32000, source: [terms]}
    max_output: {is: 4096, source: [terms]}
    quantisation: {is: fp8, source: [terms]}
    prices: {is: {input: '0.5', output: '1.5'}, source: [terms]}
  always:
    context: {is: unknown}
    max_output: {is: unknown}
    maker: {is: unknown}
    weights: {is: unknown}
    licence: {is: unknown}
    dialects: {chat: {source: [terms], thinks: always, thinking_off: false, efforts: {none: low}}}
sources:
  terms: {url: 'https://newcomer.example/terms', date: '2026-11-01'}
"""
TOOL = {"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}


@pytest.fixture(scope="module")
def upstream() -> Iterator[Upstream]:
    with Upstream() as host:
        yield host


def gateway(folder: Path, upstream: Upstream, **parts: Any) -> Path:
    own = folder / "catalog"
    own.mkdir()
    (own / "newcomer.yaml").write_text(HOST, encoding="utf-8")
    there = {"operator": ["NO"], "processed_in": ["NO"]}
    given = {"base_url": upstream.base_url, "api_key": "sk-canary", "facts": there}
    return config(
        folder,
        catalog=[str(own)],
        providers={"new": {"catalog": "newcomer", "settings": {"region": "north"}, **given}},
        models={"small": ["new/small"], "always": ["new/always"]},
        **parts,
    )


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory, upstream: Upstream) -> Iterator[Running]:
    with running(gateway(tmp_path_factory.mktemp("strict"), upstream)) as found:
        yield found


@pytest.fixture(scope="module")
def lenient(tmp_path_factory: pytest.TempPathFactory, upstream: Upstream) -> Iterator[Running]:
    may = {"translate": {"on_unsupported": "drop"}}
    with running(gateway(tmp_path_factory.mktemp("lenient"), upstream, **may)) as found:
        yield found


def sent(upstream: Upstream) -> dict[str, Any]:
    body: dict[str, Any] = upstream.requests[-1].json()
    return {name: value for name, value in body.items() if name not in ("model", "messages")}


def chat(where: Running, model: str = "small", **body: Any) -> Any:
    return where.chat(model=model, **body)


def test_it_is_called_in_its_own_words(strict: Running, upstream: Upstream) -> None:
    answer = chat(strict, max_completion_tokens=50, top_k=3, temperature=0.5, user="me")
    assert answer.status_code == 200, answer.text
    assert upstream.requests[-1].headers["x-key"] == "sk-canary"
    assert sent(upstream) == {
        "max_tokens": 50,
        "extra": {"top_k": 3},
        "temperature": 0.5,
        "routing": {"region": "north"},
    }
    assert answer.headers["x-entrepot-lost"] == "user"
    assert answer.headers["x-entrepot-lane"] == "relay"
    assert "x-entrepot-changed" not in answer.headers


def test_what_a_limit_bounds_anyway_is_put_to_it_and_said(
    strict: Running, upstream: Upstream
) -> None:
    answer = chat(strict, max_tokens=100_000)
    assert sent(upstream)["max_tokens"] == 4096
    assert answer.headers["x-entrepot-changed"] == "max_tokens 100000 to 4096"
    answer = chat(strict)
    assert sent(upstream)["max_tokens"] == 1024
    assert answer.headers["x-entrepot-changed"] == "max_tokens set to 1024"


@pytest.mark.parametrize(
    ("body", "field", "words"),
    [
        ({"logit_bias": {"5": 1}}, "logit_bias", "takes no `logit_bias`"),
        ({"n": 2}, "n", "takes `n` only as 1"),
        ({"temperature": 1.7}, "temperature", "takes `temperature` only from 0 up to 1"),
        ({"top_p": 0.5, "reasoning_effort": "high"}, "top_p", "takes no `top_p`"),
    ],
)
def test_what_would_alter_the_answer_is_refused_by_name(
    strict: Running, upstream: Upstream, body: dict[str, Any], field: str, words: str
) -> None:
    before = len(upstream.requests)
    answer = chat(strict, **body)
    fault = answer.json()["error"]
    assert (answer.status_code, fault["code"]) == (400, "unsupported_parameter")
    assert fault["param"] == field
    assert words in fault["message"]
    assert len(upstream.requests) == before


def test_or_dropped_and_bounded_where_the_config_allows_it(
    lenient: Running, upstream: Upstream
) -> None:
    answer = chat(lenient, n=2, temperature=1.7, logit_bias={"5": 1})
    assert answer.status_code == 200, answer.text
    body = sent(upstream)
    assert "n" not in body
    assert "logit_bias" not in body
    assert body["temperature"] == 1
    assert set(answer.headers["x-entrepot-lost"].split(",")) == {"n", "logit_bias"}
    assert "temperature 1.7 to 1" in answer.headers["x-entrepot-changed"]
    (*_, entry) = lenient.entries()
    assert "temperature 1.7 to 1" in entry["notes"]


def test_words_for_effort_are_the_hosts_own(strict: Running, upstream: Upstream) -> None:
    answer = chat(strict, reasoning_effort="minimal")
    assert sent(upstream)["reasoning_effort"] == "low"
    assert "reasoning_effort minimal to low" in answer.headers["x-entrepot-changed"]
    answer = chat(strict, reasoning_effort="xhigh")
    assert "reasoning_effort" not in sent(upstream), "it has no word for that"
    assert answer.headers["x-entrepot-lost"] == "reasoning_effort"
    chat(strict, reasoning_effort="high")
    assert sent(upstream)["reasoning_effort"] == "high"


def test_a_model_that_always_thinks_is_not_told_otherwise_in_silence(
    strict: Running, lenient: Running, upstream: Upstream
) -> None:
    answer = chat(strict, "always", reasoning_effort="none")
    assert answer.status_code == 400
    assert answer.json()["error"]["param"] == "reasoning_effort"
    assert "cannot be told not to think" in answer.json()["error"]["message"]
    answer = chat(lenient, "always", reasoning_effort="none")
    assert sent(upstream)["reasoning_effort"] == "low"
    assert "reasoning_effort none to low" in answer.headers["x-entrepot-changed"]


class TestConditions:
    def test_a_field_is_refused_only_while_the_model_thinks(
        self, strict: Running, upstream: Upstream
    ) -> None:
        assert chat(strict, top_p=0.5).status_code == 200
        assert sent(upstream)["top_p"] == 0.5
        assert chat(strict, top_p=0.5, reasoning_effort="none").status_code == 200
        assert chat(strict, top_p=0.5, reasoning_effort="low").status_code == 400
        assert chat(strict, "always", top_p=0.5).status_code == 400, "a model that always thinks"

    def test_a_tool_can_be_forced_only_while_it_does_not(self, strict: Running) -> None:
        forced = {"tools": [TOOL], "tool_choice": "required"}
        assert chat(strict, **forced).status_code == 200
        answer = chat(strict, **forced, reasoning_effort="high")
        assert answer.status_code == 400
        assert answer.json()["error"]["param"] == "tool_choice"

    def test_and_one_is_left_out_of_streams_only(self, strict: Running, upstream: Upstream) -> None:
        assert chat(strict, seed=5).status_code == 200
        assert sent(upstream)["seed"] == 5
        upstream.script(answers.chat_stream())
        answer = chat(strict, seed=5, stream=True)
        assert "seed" not in sent(upstream)
        assert answer.headers["x-entrepot-lost"] == "seed"


class TestTranslated:
    """The same host, asked by a client of another wire: it is put right in the same place."""

    def ask(self, where: Running, **body: Any) -> Any:
        messages = [{"role": "user", "content": "Hello"}]
        asked = {"model": "small", "max_tokens": 100, "messages": messages, **body}
        return where.client.post("/v1/messages", json=asked)

    def test_in_its_own_words(self, strict: Running, upstream: Upstream) -> None:
        answer = self.ask(strict, max_tokens=9000, top_k=3)
        assert answer.status_code == 200, answer.text
        assert answer.headers["x-entrepot-lane"] == "translate"
        assert sent(upstream) == {
            "max_tokens": 4096,
            "extra": {"top_k": 3},
            "routing": {"region": "north"},
        }
        assert answer.headers["x-entrepot-changed"] == "max_tokens 9000 to 4096"

    def test_a_refusal_has_the_clients_own_name_of_the_field(self, strict: Running) -> None:
        answer = self.ask(strict, thinking={"type": "enabled", "budget_tokens": 2000}, top_p=0.5)
        assert answer.status_code == 400
        assert answer.json()["error"]["type"] == "invalid_request_error"
        assert "`top_p`" in answer.json()["error"]["message"]


def test_explain_says_what_would_be_changed(strict: Running) -> None:
    body = {"model": "small", "messages": [{"role": "user", "content": "x"}], "max_tokens": 9000}
    told = strict.client.post("/api/explain", json=body).json()
    assert "max_tokens 9000 to 4096" in json.dumps(told)


def test_the_accounts_setting_decides_a_fact(tmp_path: Path, upstream: Upstream) -> None:
    path = gateway(tmp_path, upstream)
    said = path.read_text(encoding="utf-8")
    path.write_text(said.replace("region: north", "region: world"), encoding="utf-8")
    with running(path) as found:
        at = found.setup.providers["new"].at
    assert at.place.processed_in is None
    assert at.evidence["processed_in"] == "unknown · by the account's region: world"
