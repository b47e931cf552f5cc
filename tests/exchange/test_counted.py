"""What no host reported is counted: with the model's vocabulary, or by the server that answered."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from providers.vocabularies import load
from tests.exchange.conftest import FACTS_AT_HOME, PRICE, House
from tests.exchange.cut_streams import (
    LIMIT,
    PROMPT,
    before_words,
    body_of,
    leave_after,
    stream,
    word,
)
from tests.fakes import answers
from tests.fakes.answers import Behaviour, Gate
from tests.fakes.upstream import Request

MODEL = "gpt-5.4-of-tests"
CHAT = "/v1/chat/completions"


def openai(first: Any, second: Any) -> dict[str, Any]:
    return {
        "one": {"catalog": "openai", "base_url": first.base_url, "api_key": "sk-canary",
                "prices": {MODEL: PRICE}, "facts": FACTS_AT_HOME},
        "two": {"catalog": "openai", "base_url": second.base_url, "api_key": "sk-canary",
                "prices": {MODEL: PRICE}, "facts": FACTS_AT_HOME},
    }  # fmt: skip


def cut_after(house: House, words: int, body: dict[str, Any]) -> None:
    """Let a client of the chat wire leave after so many words."""
    gate = Gate()
    gate.step(before_words("chat") + words)
    house.first.on(CHAT, replace(stream("chat"), gate=gate, end="stall"))
    asyncio.run(leave_after(house.gateway.url, CHAT, body, words, house.first, gate))


def whole(rows: list[dict[str, Any]], name: str) -> int:
    """A figure of an entry with its corrections."""
    return sum(row[name] for row in rows)


def test_a_known_vocabulary_counts_exactly(build: Callable[..., House]) -> None:
    house = build(providers=openai, models={"assistant": [f"one/{MODEL}"]})
    _, body = body_of("chat", "assistant")
    truth = load("o200k_base")
    out = truth.count("".join(map(word, range(20))))
    cut_after(house, 20, body)
    first, correction = sorted(house.gateway.entries(2), key=lambda row: row["purpose"] != "call")
    # The vocabulary is loaded when it is first wanted, and no call waits for it.
    assert (first["tokenizer"], first["usage_state"]) == ("bytes/4", "estimated")
    assert (correction["purpose"], correction["corrects"]) == ("correction", first["attempt_id"])
    assert (correction["tokenizer"], correction["at_us"]) == ("o200k_base", first["at_us"])
    assert whole([first, correction], "output") == out
    cut_after(house, 20, body)
    (second,) = [row for row in house.gateway.entries(3) if row["tokenizer"] == "o200k_base" and
                 row["purpose"] == "call"]  # fmt: skip
    assert (second["output"], second["tokens_out_most"]) == (out, LIMIT)
    assert out - 3 <= second["tokens_out_least"] <= out
    said = truth.count(PROMPT)
    assert said <= second["input"] <= said + 16
    assert second["tokens_in_least"] <= said <= second["tokens_in_most"] <= said + 160
    names = ("input", "output", "tokens_in_least", "tokens_in_most", "tokens_out_least",
             "cost_pico", "cost_least_pico", "cost_most_pico")  # fmt: skip
    for name in names:
        assert whole([first, correction], name) == second[name], name


def test_a_whole_answer_of_an_old_server_is_counted_too(build: Callable[..., House]) -> None:
    house = build(providers=openai, models={"assistant": [f"one/{MODEL}"]})
    # The first one makes it known that a vocabulary is wanted.
    house.first.script(answers.chat("hi", usage=None))
    house.gateway.chat()
    house.gateway.entries(2)
    text = "Something that took some tokens to say, é and 漢字 included."
    house.first.script(answers.chat(text, usage=None))
    house.gateway.chat(max_tokens=100)
    (entry,) = [row for row in house.gateway.entries(3) if row["output_most"] == 100]
    assert (entry["usage_state"], entry["tokenizer"]) == ("estimated", "o200k_base")
    assert entry["output"] == load("o200k_base").count(text)
    assert entry["tokens_out_least"] <= entry["output"] <= entry["tokens_out_most"] == 100


def test_a_failed_first_attempt_that_may_have_been_billed_is_kept_as_an_interval(
    build: Callable[..., House],
) -> None:
    house = build(providers=openai, models={"assistant": [f"one/{MODEL}", f"two/{MODEL}"]})
    house.first.script(answers.stall())
    house.second.script(answers.chat("hi"))
    house.gateway.chat(max_tokens=50)
    rows = {row["attempt"]: row for row in house.gateway.entries(2)}
    assert (rows[1]["outcome"], rows[1]["usage_state"]) == ("failed", "missing")
    assert rows[1]["cost_pico"] is None
    assert (rows[1]["tokens_in_least"], rows[1]["tokens_out_least"]) == (0, 0)
    assert rows[1]["tokens_out_most"] == 50
    assert rows[1]["cost_least_pico"] == 0
    assert rows[1]["cost_most_pico"] > 0
    assert rows[2]["usage_state"] == "reported"


@pytest.mark.parametrize("answer", [answers.error(500), answers.rate_limited(), answers.reset()])
def test_a_refusal_costs_nothing(build: Callable[..., House], answer: Behaviour) -> None:
    house = build(providers=openai, models={"assistant": [f"one/{MODEL}", f"two/{MODEL}"]})
    house.first.script(answer, answer, answer)
    house.second.script(answers.chat("hi"))
    house.gateway.chat()
    failed = [row for row in house.gateway.entries() if row["outcome"] == "failed"]
    house.gateway.until(lambda: house.gateway.entries())
    for row in failed:
        assert (row["usage_state"], row["cost_pico"]) == ("none", 0)
        assert row["tokens_in_least"] is row["tokens_out_most"] is None
        assert (row["cost_least_pico"], row["cost_most_pico"]) == (0, 0)


def counts_words(request: Request) -> Behaviour:
    """Answer as vLLM's ``/tokenize``: a token for each word, and four for the template."""
    said = " ".join(message["content"] for message in request.json()["messages"])
    return answers.json_body({"count": 4 + len(said.split()), "max_model_len": 4096})


def at_home(first: Any, second: Any) -> dict[str, Any]:
    return {"one": {"catalog": "vllm", "base_url": first.base_url, "prices": {"m": PRICE}}}


def test_a_server_at_home_counts_what_it_gave(build: Callable[..., House]) -> None:
    house = build(providers=at_home, models={"assistant": ["one/m"]})
    house.first.always("/tokenize", counts_words)
    _, body = body_of("chat", "assistant")
    cut_after(house, 20, body)
    rows = sorted(house.gateway.entries(2), key=lambda row: row["purpose"] != "call")
    assert [row["tokenizer"] for row in rows] == ["bytes/4", "server"]
    assert rows[1]["corrects"] == rows[0]["attempt_id"]
    assert rows[1]["total_ms"] == 0
    words = len(PROMPT.split())
    assert (whole(rows, "input"), whole(rows, "output")) == (words + 4, 20)
    assert whole(rows, "tokens_in_least") == whole(rows, "tokens_in_most") == words + 4
    assert whole(rows, "tokens_out_least") <= 20
    assert whole(rows, "tokens_out_most") == LIMIT
    cost = (words + 4) * 10**6 + 20 * 2 * 10**6
    assert whole(rows, "cost_pico") == cost
    assert whole(rows, "cost_least_pico") <= cost <= whole(rows, "cost_most_pico")
    assert any(request.target == "/tokenize" for request in house.first.requests)


def test_nothing_is_counted_again_where_the_server_cannot(build: Callable[..., House]) -> None:
    house = build(providers=at_home, models={"assistant": ["one/m"]})
    house.first.always("/tokenize", answers.error(404))
    _, body = body_of("chat", "assistant")
    cut_after(house, 5, body)
    house.gateway.until(lambda: not house.gateway.house.recounts.busy)
    (entry,) = house.gateway.entries(1)
    assert (entry["tokenizer"], entry["purpose"]) == ("bytes/4", "call")


def test_absurd_figures_are_cut_and_marked(build: Callable[..., House]) -> None:
    house = build()
    usage = {"prompt_tokens": 10**30, "completion_tokens": 3 * 10**12, "total_tokens": 5}
    house.first.script(answers.chat("hi", usage=usage))
    answer = house.gateway.chat()
    assert json.loads(answer.content)["usage"] == usage
    (entry,) = house.gateway.entries(1)
    assert (entry["reconciled"], entry["cost_pico"]) == (False, None)
    assert (entry["input"], entry["output"]) == (10**12, 10**12)
