"""Who answered behind an aggregator is in the ledger, where the aggregator says it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from providers.served_by import NAME_MAX, ServedBy
from tests.fakes import answers
from tests.fakes.answers import Behaviour
from tests.fakes.upstream import Upstream
from tests.running import Running, config, running

THERE = {"operator": ["US"], "processed_in": ["US"]}
PRICES = {"*": {"input": "1", "output": "1", "source": "test"}}


@pytest.fixture(scope="module")
def upstream() -> Iterator[Upstream]:
    with Upstream() as host:
        yield host


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory, upstream: Upstream) -> Iterator[Running]:
    folder: Path = tmp_path_factory.mktemp("aggregators")
    given = {"base_url": upstream.base_url, "api_key": "k", "facts": THERE, "prices": PRICES}
    path = config(
        folder,
        providers={"openrouter": given, "huggingface": given},
        models={"by-field": ["openrouter/m"], "by-header": ["huggingface/m"]},
    )
    with running(path) as found:
        yield found


def named(*, stream: bool) -> Behaviour:
    """An answer as this kind of host gives it, the name of who gave it in every object."""
    about = {"id": "gen-1", "provider": "Novita", "model": "m", "object": "chat.completion"}
    usage = {"prompt_tokens": 3, "completion_tokens": 1, "total_tokens": 4}
    end = {"index": 0, "finish_reason": "stop"}
    if not stream:
        message = {"role": "assistant", "content": "hi"}
        return answers.json_body(
            {**about, "choices": [{**end, "message": message}], "usage": usage}
        )
    chunks = [
        {**about, "choices": [{"index": 0, "delta": {"role": "assistant", "content": "hi"}}]},
        {**about, "choices": [{**end, "delta": {}}], "usage": usage},
    ]
    lines = [f"data: {json.dumps(chunk)}\n\n" for chunk in chunks]
    text = ": PROCESSING\n\n" + "".join(lines) + "data: [DONE]\n\n"
    return answers.body(200, text.encode(), "text/event-stream")


@pytest.mark.parametrize("lane", ["relay", "translate"])
@pytest.mark.parametrize("stream", [False, True])
def test_a_field_of_the_answer_names_it(
    gateway: Running, upstream: Upstream, lane: str, stream: bool
) -> None:
    upstream.script(named(stream=stream))
    if lane == "relay":
        answer = gateway.chat(model="by-field", stream=stream)
    else:
        verb = "streamGenerateContent?alt=sse" if stream else "generateContent"
        said = {"contents": [{"role": "user", "parts": [{"text": "Hello"}]}]}
        answer = gateway.client.post(f"/v1beta/models/by-field:{verb}", json=said)
    assert answer.status_code == 200, answer.text
    assert answer.headers["x-entrepot-lane"] == lane
    assert "answered by Novita" in gateway.entries()[-1]["notes"]


def test_a_header_of_the_answer_names_it(gateway: Running, upstream: Upstream) -> None:
    said = answers.chat("hi")
    upstream.script(replace(said, headers=(*said.headers, ("x-inference-provider", "together"))))
    assert gateway.chat(model="by-header").status_code == 200
    assert "answered by together" in gateway.entries()[-1]["notes"]


def test_where_nothing_names_it_nothing_is_said(gateway: Running, upstream: Upstream) -> None:
    upstream.script(answers.chat("hi"))
    assert gateway.chat(model="by-field").status_code == 200
    assert "answered by" not in gateway.entries()[-1]["notes"]


def test_words_of_the_model_name_nobody() -> None:
    at = ServedBy(field="provider")
    assert at.named({}, b'{"content": "{\\"provider\\": \\"Evil\\"}"}') == ""
    assert at.named({}, b'{"provider":' + b'"' + b"x" * (NAME_MAX + 1) + b'"}') == ""
    assert at.named({}, b'{"provider" : "Google Vertex"}') == "Google Vertex"
    assert ServedBy(header="x-by").named({"x-by": "y" * 200}, b"") == "y" * NAME_MAX
