"""`entrepot doctor --live`: lists and one tiny call, held against the catalogue, over sockets."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from billing.pages import last
from billing.store import Store
from gateway.commands import listed_models
from tests.fakes import answers
from tests.fakes.upstream import Upstream
from tests.unit.gateway.commands import CANARY, entrepot, told

FACTS = {"operator": ["FR"], "processed_in": ["FR"], "trains_on_data": "never"}
MODEL = "mistral-small-2603"


@pytest.fixture
def path(tmp_path: Path, upstream: Upstream) -> Path:
    """A config of one host whose list is known, at the fake's address, and one without a key."""
    whole: dict[str, Any] = {
        "ledger": f"sqlite:///{tmp_path}/l.db",
        "journal": f"{tmp_path}/journal",
        "policy": {},
        "providers": {
            "paid": {
                "catalog": "mistral",
                "base_url": upstream.base_url,
                "api_key": CANARY,
                "facts": FACTS,
                "prices": {MODEL: {"input": 1, "output": 2}},
            },
            "openai": {"api_key": "${OPENAI_API_KEY}"},
        },
        "models": {"assistant": [f"paid/{MODEL}", "paid/other"]},
    }
    path = tmp_path / "config.yaml"
    path.write_text(json.dumps(whole))
    return path


def lists(upstream: Upstream, *rows: dict[str, Any], **more: Any) -> None:
    """Let the fake host list these models."""
    upstream.always("/v1/models", answers.json_body({"object": "list", "data": [*rows], **more}))


def test_lists_and_a_call_are_compared_with_the_catalogue(path: Path, upstream: Upstream) -> None:
    lists(
        upstream,
        {"id": MODEL, "context_length": 4321, "pricing": {"prompt": "0.000003", "completion": "0.000002"}},
        {"id": "brand-new-model"},
    )  # fmt: skip
    upstream.on("/v1/chat/completions", answers.chat("yes", model="mistral-small-2699"))
    document = told("doctor", "--live", "--config", path)
    (looked,) = document["providers"]
    assert document["good"] is True
    assert (looked["provider"], looked["listed"], looked["route"]) == ("paid", 2, f"paid/{MODEL}")
    assert looked["buckets"][:1] == ["input"]
    assert "output" in looked["buckets"]
    found = {one["what"]: (one["catalogue"], one["host"]) for one in looked["differences"]}
    assert found["models not in the catalogue"] == ("", "brand-new-model")
    assert "mistral-large" in found["models not in the host's list"][0]
    assert found[f"context of {MODEL}"][1] == "4321"
    assert found[f"input price of {MODEL}, USD/M"] == ("1", "3")
    assert f"output price of {MODEL}, USD/M" not in found
    assert found[f"model that answers for {MODEL}"] == (MODEL, "mistral-small-2699")
    assert [one["provider"] for one in document["passed_over"]] == ["openai"]
    asked, called = upstream.requests
    assert (asked.method, asked.path) == ("GET", "/v1/models")
    assert asked.headers["authorization"] == called.headers["authorization"] == f"Bearer {CANARY}"
    assert called.json()["max_tokens"] == 16
    shown = entrepot("doctor", "--live", "--config", path)
    assert "the host and the catalogue differ:" in shown.stdout
    assert "OPENAI_API_KEY is not set" in shown.stdout


def test_what_it_can_cost_is_said_first_and_what_it_did_is_in_the_ledger(
    path: Path, upstream: Upstream, tmp_path: Path
) -> None:
    lists(upstream)
    shown = entrepot("doctor", "--live", "--config", path)
    assert shown.stderr.startswith("calls to make: 1, each with an answer of 16 tokens")
    assert "; 0.0002" in shown.stderr
    store = Store.open(f"sqlite:///{tmp_path}/l.db")
    (entry,) = last(store, 10)
    store.close()
    assert (entry.key, entry.model) == ("doctor --live", MODEL)


def test_without_live_nothing_is_asked_of_a_host(path: Path, upstream: Upstream) -> None:
    entrepot("doctor", "--offline", "--config", path)
    assert all("authorization" not in request.headers for request in upstream.requests)
    assert not [one for one in upstream.requests if one.method == "POST"]


@pytest.mark.parametrize(
    ("answer", "kind", "cure"),
    [
        (answers.error(401, f"Incorrect API key {CANARY}"), "auth", "set another key"),
        (answers.error(403, "no access"), "forbidden", "ask the vendor"),
        (answers.rate_limited(), "rate_limited", "wait"),
        (answers.error(500), "server", "try again later"),
        (answers.html(), "malformed", "something else"),
        (answers.hang_up(), "connect", "look at base_url"),
    ],
)
def test_a_failure_is_told_with_its_class_and_cure(
    answer: answers.Behaviour, kind: str, cure: str, path: Path, upstream: Upstream
) -> None:
    upstream.always("/v1/models", answer)
    upstream.always("/v1/chat/completions", answer)
    shown = entrepot("doctor", "--live", "--config", path, "--json")
    assert shown.exit_code == 1
    (looked,) = json.loads(shown.stdout)["providers"]
    assert [fault["what"] for fault in looked["failed"]] == [
        "list of models",
        f"call of paid/{MODEL}",
    ]
    for fault in looked["failed"]:
        assert fault["class"] == kind
        assert cure in fault["cure"]
    assert entrepot("doctor", "--live", "--config", path).exit_code == 1


def test_one_provider_can_be_named(path: Path, upstream: Upstream) -> None:
    lists(upstream)
    assert told("doctor", "--live", "--provider", "openai", "--config", path)["providers"] == []
    assert upstream.requests == []
    unknown = entrepot("doctor", "--live", "--provider", "payed", "--config", path)
    assert unknown.exit_code == 2
    assert "'paid'" in unknown.stderr
    assert entrepot("doctor", "--provider", "paid", "--config", path).exit_code == 2
    assert entrepot("doctor", "--live", "--offline", "--config", path).exit_code == 2


def test_further_pages_are_not_taken_for_missing_models(path: Path, upstream: Upstream) -> None:
    lists(upstream, {"id": MODEL}, has_more=True)
    (looked,) = told("doctor", "--live", "--config", path)["providers"]
    assert "only the first page of its list was read" in looked["notes"]
    assert not [d for d in looked["differences"] if d["what"] == "models not in the host's list"]


def test_usage_that_is_not_told_is_a_difference(path: Path, upstream: Upstream) -> None:
    lists(upstream)
    body = answers.chat_answer("yes")
    del body["usage"]
    upstream.always("/v1/chat/completions", answers.json_body(body))
    (looked,) = told("doctor", "--live", "--config", path)["providers"]
    found = {one["what"]: one["host"] for one in looked["differences"]}
    assert found[f"usage of {MODEL}"] == "estimated"


@pytest.mark.parametrize(
    ("said", "ids"),
    [
        ({"data": [{"id": "a"}]}, ["a"]),
        ([{"id": "a"}, {"id": "b"}], ["a", "b"]),
        ({"models": [{"name": "models/g-1", "inputTokenLimit": 5}]}, ["g-1"]),
        ({"result": [{"name": "@cf/x"}]}, ["@cf/x"]),
        ({"data": [1, {}, {"id": 3}]}, []),
    ],
)
def test_lists_of_several_shapes_are_read(said: Any, ids: list[str]) -> None:
    found = listed_models.read_list(said)
    assert found is not None
    assert [row.id for row in found.models] == ids


@pytest.mark.parametrize("said", [{}, 3, None, {"data": {}}, "x"])
def test_what_is_no_list_is_none(said: Any) -> None:
    assert listed_models.read_list(said) is None


def test_prices_are_read_in_the_unit_that_they_can_only_have() -> None:
    rows = [
        {"id": "a", "pricing": {"prompt": "0.0000006", "completion": 0}},
        {"id": "b", "pricing": {"input": 0.6, "output": 2.2}},
        {"id": "c", "pricing": {"input": "free", "output": -1}},
        {"id": "d", "metadata": {"context_length": 9, "pricing": {"input_tokens": 0.1}}},
    ]
    found = listed_models.read_list({"data": rows})
    assert found is not None
    shown = [{name: f"{usd.normalize():f}" for name, usd in row.prices} for row in found.models]
    assert shown == [
        {"input": "0.6", "output": "0"},
        {"input": "0.6", "output": "2.2"},
        {},
        {"input": "0.1"},
    ]
    assert found.models[3].context == 9
