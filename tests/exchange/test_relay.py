"""The relay: what goes in reaches the host, what comes out is the host's, byte for byte."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import openai
import pytest

from tests.exchange.conftest import House
from tests.fakes import answers
from tests.fakes.answers import Gate
from tests.running import HELLO, events

TOOL = {
    "type": "function",
    "function": {
        "name": "look",
        "parameters": {"type": "object", "properties": {"x": {"type": "number"}}},
    },
}


def sdk(house: House, **how: Any) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{house.gateway.url}/v1", api_key="any", max_retries=0, **how)


def test_the_sdks_every_field_reaches_the_host_untouched(house: House) -> None:
    answer = sdk(house).chat.completions.create(
        model="assistant",
        messages=[{"role": "user", "content": "Hello"}],
        tools=[TOOL],  # type: ignore[list-item]
        n=2,
        seed=11,
        logprobs=True,
        top_logprobs=3,
        temperature=0.1,
        extra_body={"x_unknown": {"deep": [1, None, "é"]}, "top_k": 5},
    )
    assert answer.choices[0].message.content
    sent = house.first.requests[0]
    assert sent.json() == {
        "model": "m",
        "messages": [{"role": "user", "content": "Hello"}],
        "tools": [TOOL],
        "n": 2,
        "seed": 11,
        "logprobs": True,
        "top_logprobs": 3,
        "temperature": 0.1,
        "x_unknown": {"deep": [1, None, "é"]},
        "top_k": 5,
    }
    assert sent.headers["authorization"] == "Bearer sk-canary-one"
    assert not any(name.startswith("x-stainless") for name in sent.headers)


async def test_the_async_sdk_streams_tools(house: House) -> None:
    call = {
        "index": 0,
        "id": "call_1",
        "type": "function",
        "function": {"name": "look", "arguments": ""},
    }
    parts = [
        {"choices": [{"index": 0, "delta": {"role": "assistant", "content": None}}]},
        {"choices": [{"index": 0, "delta": {"tool_calls": [call]}}]},
        {"choices": [{"index": 0, "delta": {"tool_calls": [{"index": 0, "function": {"arguments": '{"x":'}}]}}]},
        {"choices": [{"index": 0, "delta": {"tool_calls": [{"index": 0, "function": {"arguments": "1}"}}]}}]},
        {"choices": [{"index": 0, "delta": {}, "finish_reason": "tool_calls"}]},
    ]  # fmt: skip
    for part in parts:
        part.update({"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m"})  # type: ignore[dict-item]
    house.first.script(answers.sse(parts))
    async with openai.AsyncOpenAI(base_url=f"{house.gateway.url}/v1", api_key="any") as client:
        arguments = ""
        stream = await client.chat.completions.create(
            model="assistant",
            messages=HELLO,
            tools=[TOOL],
            stream=True,  # type: ignore[arg-type, list-item]
        )
        async for chunk in stream:
            for tool in chunk.choices[0].delta.tool_calls or []:
                arguments += (tool.function.arguments or "") if tool.function else ""
    assert json.loads(arguments) == {"x": 1}


def test_an_answer_is_the_hosts_byte_for_byte(house: House) -> None:
    odd = b'{"id":"c", "choices":[{"message":{"content":"hi","x":1.10},"finish_reason":"stop"}] ,"n":1e2}\n'
    house.first.script(answers.body(200, odd, "application/json; charset=utf-8"))
    answer = house.gateway.chat()
    assert answer.content == odd
    assert answer.headers["content-type"] == "application/json; charset=utf-8"


@pytest.mark.parametrize("asked", [False, True])
@pytest.mark.parametrize("place", ["own", "finish", "every"])
def test_usage_is_asked_for_and_taken_out_again_where_the_client_had_not(
    house: House, asked: bool, place: str
) -> None:
    parts = answers.chat_stream(["Hel", "lo"], usage_place=place)  # type: ignore[arg-type]
    house.first.script(answers.sse(parts))
    options = {"stream_options": {"include_usage": True}} if asked else {}
    got = events(house.gateway.chat(stream=True, **options).content)
    assert house.first.requests[0].json()["stream_options"] == {"include_usage": True}
    own_chunks = [event for event in got[:-1] if not event["choices"]]
    assert len(own_chunks) == (1 if place == "own" and asked else 0)
    (entry,) = house.gateway.entries(1)
    assert entry["usage_state"] == "reported"
    assert entry["input"] > 0
    assert entry["output"] > 0


def test_a_stream_arrives_as_it_is_made(house: House) -> None:
    gate = Gate()
    house.first.script(answers.sse(answers.chat_stream(["a", "b", "c"]), gate=gate))
    gate.step(2)
    body = {"model": "assistant", "messages": HELLO, "stream": True}
    with house.gateway.client.stream("POST", "/v1/chat/completions", json=body) as answer:
        lines = answer.iter_lines()
        assert '"a"' in _content(lines)
        gate.step()
        assert '"b"' in _content(lines)
        gate.open()
        assert "[DONE]" in "".join(lines)


def _content(lines: Any) -> str:
    return next(line for line in lines if line.startswith("data:") and '"content"' in line and '"content": ""' not in line and '"content":""' not in line)  # fmt: skip


def test_headers_say_who_answered_and_what_it_cost(house: House) -> None:
    usage = {"prompt_tokens": 1000, "completion_tokens": 10, "total_tokens": 1010,
             "prompt_tokens_details": {"cached_tokens": 400}}  # fmt: skip
    house.first.script(answers.chat("hi", usage=usage))
    answer = house.gateway.chat(
        headers={"x-entrepot-tags": "batch, night", "x-entrepot-session": "s1"}
    )
    assert answer.headers["x-entrepot-route"] == "one/m"
    assert answer.headers["x-entrepot-operator"] == "FR"
    assert answer.headers["x-entrepot-lane"] == "relay"
    assert answer.headers["x-entrepot-attempts"] == "1"
    # 600 at 1 USD, 400 cached at 0.1, 10 out at 2, each per million tokens
    assert Decimal(answer.headers["x-entrepot-cost-usd"]) == Decimal("0.00066")
    (entry,) = house.gateway.entries(1)
    assert entry["request_id"] == answer.headers["x-entrepot-request-id"]
    assert entry["cost_pico"] == 660_000_000
    assert (entry["tags"], entry["session"], entry["key"]) == ("batch,night", "s1", "local")
    assert (entry["input"], entry["cache_read"], entry["output"]) == (600, 400, 10)
    assert json.loads(entry["prices"])["cache_read"] == "0.1"
    assert entry["price_source"] == "test"


def test_an_unknown_price_stays_unknown(build: Callable[..., House]) -> None:
    house = build(models={"assistant": ["one/some-new-model"]})
    answer = house.gateway.chat()
    assert answer.headers["x-entrepot-cost-usd"] == "unknown"
    (entry,) = house.gateway.entries(1)
    assert (entry["cost_pico"], entry["cost_state"]) == (None, "unknown")
    assert entry["input"] > 0


def test_a_machine_at_home_costs_by_the_hour_where_that_is_stated(
    build: Callable[..., House],
) -> None:
    def at_home(first: Any, second: Any) -> dict[str, Any]:
        return {"one": {"catalog": "vllm", "base_url": first.base_url, "usd_per_hour": 3600}}

    house = build(providers=at_home, models={"assistant": ["one/m"]})
    house.gateway.chat()
    (entry,) = house.gateway.entries(1)
    assert entry["cost_state"] == "priced"
    assert entry["price_source"] == "config: 3600 USD per hour"
    # A dollar a second; the entry's own time is taken a moment later.
    assert 0 <= entry["cost_pico"] <= (entry["total_ms"] + 1) * 10**9


def test_ids_are_ours_whatever_the_host_calls_its_answers(house: House) -> None:
    for _ in range(3):
        house.first.script(answers.chat("same id"))
        house.gateway.chat()
    assert len({entry["attempt_id"] for entry in house.gateway.entries(3)}) == 3


@pytest.mark.parametrize("when", ["before the answer", "in mid-stream", "plain"])
def test_a_client_that_leaves_closes_the_host_at_once(house: House, when: str) -> None:
    gate = Gate()
    body: dict[str, Any] = {"model": "assistant", "messages": HELLO, "stream": when != "plain"}
    if when == "in mid-stream":
        house.first.script(answers.sse(answers.chat_stream(["some words", "b"]), gate=gate))
        gate.step(2)
    else:
        house.first.script(answers.stall())
    gone = threading.Event()

    def leave() -> None:
        house.first.until(lambda: house.first.requests)
        if when == "in mid-stream":
            house.gateway.until(lambda: house.first.requests[0].events_sent >= 2)
        gone.set()

    thread = threading.Thread(target=leave)
    thread.start()
    asyncio.run(_call_and_leave(house.gateway.url, body, gone))
    thread.join()
    connection = house.first.requests[0].connection
    assert connection.closed.wait(1), "the host still works for nobody"
    (entry,) = house.gateway.entries(1)
    assert entry["outcome"] == "cancelled"
    assert entry["input"] > 0
    if when == "in mid-stream":
        assert entry["usage_state"] == "estimated"
        assert entry["output"] == 3
        assert entry["cost_pico"] > 0
    assert not house.second.requests


async def _call_and_leave(url: str, body: dict[str, Any], gone: threading.Event) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", int(url.rpartition(":")[2]))
    raw = json.dumps(body).encode()
    head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: {len(raw)}\r\n\r\n"
    writer.write(head.encode() + raw)
    await asyncio.to_thread(gone.wait, 5)
    if body["stream"] and gone.is_set():
        try:
            async with asyncio.timeout(0.3):
                await reader.read(1)
        except TimeoutError:
            pass
    writer.close()
    await writer.wait_closed()


def test_a_thousand_answers_on_few_connections(house: House) -> None:
    for _ in range(30):
        house.gateway.chat(stream=True)
        house.gateway.chat()
    connections = {request.connection.id for request in house.first.requests}
    assert len(connections) <= 2, "connections are kept and used again"
