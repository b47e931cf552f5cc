"""Embeddings, reranking and plain completions: relayed under the same policy, budget and ledger."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from openai import OpenAI

from gateway.auth import key_hash
from tests.fakes import answers
from tests.fakes.upstream import Upstream
from tests.running import Running, config, running

PRICE = {"input": "2", "output": "4", "source": "test", "date": "2026-11-26"}
KEY = "sk-client-canary"
VECTORS = {
    "object": "list",
    "model": "e",
    "data": [{"object": "embedding", "index": 0, "embedding": [0.5, -0.25]}],
    "usage": {"prompt_tokens": 500, "total_tokens": 500},
}
ORDER = {
    "id": "r",
    "model": "e",
    "results": [{"index": 1, "relevance_score": 0.9}],
    "usage": {"total_tokens": 77},
}
TEXT = {
    "id": "cmpl-1",
    "object": "text_completion",
    "created": 1,
    "model": "e",
    "choices": [{"index": 0, "text": " a time", "finish_reason": "stop", "logprobs": None}],
    "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5},
}
RULE = {
    "name": "personal stays home",
    "when": {"label_at_least": "personal"},
    "require": {"operator": ["home"]},
}


@pytest.fixture
def gateway(tmp_path: Path, upstream: Upstream) -> Iterator[Running]:
    path = config(
        tmp_path,
        policy={"labels": ["public", "personal"], "rules": [RULE]},
        providers={
            "away": {
                "catalog": "vllm",
                "base_url": upstream.base_url,
                "facts": {"operator": ["US"], "processed_in": ["US"]},
                "prices": {"*": PRICE},
            }
        },
        models={"e": ["away/e"]},
        keys=[{"name": "k", "hash": key_hash(KEY), "budget": {"usd": "0.01", "per": "day"}}],
    )
    with running(path) as found:
        found.client.headers["authorization"] = f"Bearer {KEY}"
        upstream.always("/v1/models", answers.error(404))  # what it is asked before its first call
        yield found


CALLS: list[tuple[str, dict[str, Any], dict[str, Any], int]] = [
    ("/v1/embeddings", {"input": "words"}, VECTORS, 500 * 2_000_000),
    ("/v1/rerank", {"query": "q", "documents": ["a", "b"]}, ORDER, 77 * 2_000_000),
    (
        "/v1/completions",
        {"prompt": "Once upon", "max_tokens": 4, "suffix": " end"},
        TEXT,
        3 * 2_000_000 + 2 * 4_000_000,
    ),
]
each = pytest.mark.parametrize(("path", "body", "said", "pico"), CALLS, ids=lambda v: str(v)[:16])


@each
def test_it_passes_byte_for_byte_and_is_charged(
    gateway: Running, upstream: Upstream, path: str, body: Any, said: Any, pico: int
) -> None:
    upstream.script(answers.json_body(said))
    answer = gateway.client.post(path, json={"model": "e", **body})
    assert answer.status_code == 200, answer.text
    assert answer.json() == said
    sent = upstream.requests[-1]
    assert sent.path == path
    assert sent.json() == {"model": "e", **body}
    entry = gateway.entries(1)[0]
    assert entry["cost_pico"] == pico
    assert (entry["lane"], entry["wire"], entry["usage_state"]) == (
        "relay",
        path.rpartition("/")[2],
        "reported",
    )


@each
def test_policy_holds_here_too(
    gateway: Running, upstream: Upstream, path: str, body: Any, said: Any, pico: int
) -> None:
    headers = {"x-entrepot-label": "personal"}
    answer = gateway.client.post(path, json={"model": "e", **body}, headers=headers)
    assert answer.status_code == 403
    assert "personal stays home" in answer.json()["error"]["message"]
    assert not upstream.requests


@each
def test_a_budget_holds_here_too(
    gateway: Running, upstream: Upstream, path: str, body: Any, said: Any, pico: int
) -> None:
    big = {**body, next(iter(body)): "x" * 20_000}
    answer = gateway.client.post(path, json={"model": "e", **big})
    assert answer.status_code == 402
    assert not [sent for sent in upstream.requests if sent.path == path]


def test_a_host_without_the_wire_is_not_asked(tmp_path: Path, upstream: Upstream) -> None:
    path = config(
        tmp_path,
        providers={
            "a": {
                "catalog": "anthropic",
                "base_url": upstream.base_url,
                "api_key": "x",
                "facts": {"operator": ["US"], "processed_in": ["US"]},
            }
        },
        models={"e": ["a/e"]},
    )
    with running(path) as gateway:
        answer = gateway.client.post("/v1/embeddings", json={"model": "e", "input": "x"})
    assert answer.status_code == 400
    assert "speaks messages" in answer.json()["error"]["message"]


def test_the_sdk_reads_it(gateway: Running, upstream: Upstream) -> None:
    upstream.script(answers.json_body(VECTORS), answers.json_body(TEXT))
    with OpenAI(base_url=f"{gateway.url}/v1", api_key=KEY, max_retries=0) as client:
        found = client.embeddings.create(model="e", input="words", encoding_format="float")
        assert found.data[0].embedding == [0.5, -0.25]
        text = client.completions.create(model="e", prompt="Once upon", max_tokens=4)
        assert text.choices[0].text == " a time"


def test_a_plain_completion_is_streamed(gateway: Running, upstream: Upstream) -> None:
    pieces = [{**TEXT, "usage": None, "choices": [{**TEXT["choices"][0], "text": t}]} for t in "ab"]
    upstream.script(answers.sse([*pieces, {**TEXT, "choices": []}]))
    body = {"model": "e", "prompt": "x", "stream": True, "max_tokens": 4}
    answer = gateway.client.post("/v1/completions", json=body)
    assert answer.status_code == 200
    assert answer.text.endswith("data: [DONE]\n\n")
    assert gateway.entries(1)[0]["input"] == 3
