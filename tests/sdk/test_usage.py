"""What was used and what it cost: the same whichever client asked, streamed or not."""

from __future__ import annotations

from typing import Any

import pytest

from tests.fakes.spoken import HOST_WIRES, Said
from tests.sdk.house import Sdk
from tests.wires.clients import CLIENT_WIRES

SAID = Said("x", tokens_in=1000, tokens_out=50, cache_read=600, cache_write=100, reasoning=20)
# input, cache read, cache write, output, reasoning; and 1e-12 USD at 1, 0.1, 1.25, 2 and 2 USD
# a million. What a wire does not count stands in the bucket that it is billed as there.
WHOLE = (300, 600, 100, 30, 20), 585_000_000
BUCKETS: dict[str, tuple[tuple[int, ...], int]] = {
    "chat": WHOLE,
    "responses": WHOLE,
    "messages": WHOLE,
    "gemini": ((400, 600, 0, 30, 20), 560_000_000),
    "converse": ((300, 600, 100, 50, 0), 585_000_000),
    "cohere": ((1000, 0, 0, 50, 0), 1_100_000_000),
}
USER = [{"role": "user", "content": "Hi"}]


def told(sdk: Sdk, client: str, model: str, *, stream: bool) -> tuple[int, ...]:
    """Return what the SDK says was used: in, cache read, cache write, out, reasoning."""
    if client == "gemini":
        ask = sdk.gemini.models
        if stream:
            answer: Any = list(ask.generate_content_stream(model=model, contents="Hi"))[-1]
        else:
            answer = ask.generate_content(model=model, contents="Hi")
        usage = answer.usage_metadata
        out, thought = usage.candidates_token_count, usage.thoughts_token_count or 0
        assert usage.total_token_count == usage.prompt_token_count + out + thought
        read = usage.cached_content_token_count or 0
        return usage.prompt_token_count, read, 0, out + thought, thought
    if client == "messages":
        given: dict[str, Any] = {"model": model, "max_tokens": 50, "messages": USER}
        if stream:
            with sdk.anthropic.messages.stream(**given) as events:
                message: Any = events.get_final_message()
        else:
            message = sdk.anthropic.messages.create(**given)
        usage = message.usage
        read, write = usage.cache_read_input_tokens or 0, usage.cache_creation_input_tokens or 0
        details = usage.output_tokens_details
        thought = details.thinking_tokens if details else 0
        return usage.input_tokens + read + write, read, write, usage.output_tokens, thought
    if client == "responses":
        if stream:
            with sdk.openai.responses.stream(model=model, input="Hi") as events:
                usage = events.get_final_response().usage
        else:
            usage = sdk.openai.responses.create(model=model, input="Hi").usage
        inside, details = usage.input_tokens_details, usage.output_tokens_details
        assert usage.total_tokens == usage.input_tokens + usage.output_tokens
        write = inside.cache_write_tokens
        counts = (usage.input_tokens, inside.cached_tokens, write, usage.output_tokens)
        return (*counts, details.reasoning_tokens)
    chat = sdk.openai.chat.completions
    if stream:
        options: Any = {"include_usage": True}
        chunks = chat.create(model=model, messages=USER, stream=True, stream_options=options)
        usage = list(chunks)[-1].usage
    else:
        usage = chat.create(model=model, messages=USER).usage
    assert usage.total_tokens == usage.prompt_tokens + usage.completion_tokens
    inside, details = usage.prompt_tokens_details, usage.completion_tokens_details
    read = inside.cached_tokens or 0 if inside else 0
    write = inside.cache_write_tokens or 0 if inside else 0
    thought = details.reasoning_tokens or 0 if details else 0
    return usage.prompt_tokens, read, write, usage.completion_tokens, thought


@pytest.mark.parametrize("client", CLIENT_WIRES)
def test_every_bucket_and_the_exact_cost(sdk: Sdk, client: str) -> None:
    for host in HOST_WIRES:
        (fresh, read, write, out, thought), _ = BUCKETS[host]
        expected = (fresh + read + write, read, write, out + thought, thought)
        if client == "gemini":  # that wire has no word for what was written to a cache
            expected = (*expected[:2], 0, *expected[3:])
        if client == host == "cohere":
            continue
        for stream in (False, True):
            sdk.says(host, SAID, stream=stream)
            assert told(sdk, client, f"m-{host}", stream=stream) == expected, (host, stream)
    for entry in sdk.entries(2 * len(HOST_WIRES)):
        buckets, cost = BUCKETS[entry["host_wire"]]
        names = ("input", "cache_read", "cache_write", "output", "reasoning")
        assert tuple(entry[name] for name in names) == buckets
        assert entry["cost_pico"] == cost
        assert (entry["usage_state"], entry["cost_state"]) == ("reported", "priced")
        assert entry["reconciled"]
        assert entry["wire"] == client


def test_a_whole_answer_says_its_cost(sdk: Sdk) -> None:
    for host in HOST_WIRES:
        sdk.says(host, SAID, stream=False)
        raw = sdk.openai.chat.completions.with_raw_response.create(
            model=f"m-{host}", messages=[{"role": "user", "content": "Hi"}]
        )
        cost = BUCKETS[host][1]
        assert float(raw.headers["x-entrepot-cost-usd"]) == cost / 1e12
