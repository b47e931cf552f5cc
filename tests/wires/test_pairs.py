"""Every client wire over every host wire, by the official SDKs: whole and streamed the same."""

from __future__ import annotations

import time
from typing import Any

import pytest

from tests.fakes import spoken
from tests.fakes.spoken import HOST_WIRES, Call, Said
from tests.wires import clients
from tests.wires.clients import CLIENT_WIRES, Got
from tests.wires.conftest import Pairs
from tests.wires.hosts import path_of

ENDED = {"chat": "stop", "responses": "completed", "messages": "end_turn", "gemini": "STOP"}
CALLED = {"chat": "tool_calls", "responses": "completed", "messages": "tool_use", "gemini": "STOP"}
LENGTH = {
    "chat": "length",
    "responses": "incomplete",
    "messages": "max_tokens",
    "gemini": "MAX_TOKENS",
}
each_client = pytest.mark.parametrize("client", CLIENT_WIRES)
each_host = pytest.mark.parametrize("host", HOST_WIRES)
both_ways = pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])


def turn(
    pairs: Pairs,
    client: str,
    host: str,
    history: list[Any],
    said: Said,
    *,
    stream: bool,
    tools: bool = True,
) -> Got:
    """Ask one turn whose answer is ``said``."""
    pairs.upstream.on(path_of(host, stream=stream), spoken.answer(host, said, stream=stream))
    return clients.ask(client, pairs.gateway.url, f"m-{host}", history, stream=stream, tools=tools)


@each_client
@each_host
@both_ways
def test_words_arrive_with_their_usage(pairs: Pairs, client: str, host: str, stream: bool) -> None:
    said = Said("Grüße, 世界 🙂!", tokens_in=123, tokens_out=45)
    got = turn(pairs, client, host, clients.said(client, "Hello"), said, stream=stream)
    assert got.text == said.text
    assert not got.calls
    assert got.finish == ENDED[client]
    assert got.tokens == (123, 45)


@each_client
@each_host
@both_ways
def test_two_turns_of_an_agent(pairs: Pairs, client: str, host: str, stream: bool) -> None:
    """Two parallel calls, their results, and the final answer."""
    first = Said(
        "Let me add.",
        (Call("call_1", "add", '{"a": 1, "b": 2}'), Call("call_2", "add", '{"a": 3, "b": 4}')),
    )
    got = turn(pairs, client, host, clients.said(client, "Add up."), first, stream=stream)
    assert got.text == first.text
    assert [(name, arguments) for _, name, arguments in got.calls] == [
        ("add", {"a": 1, "b": 2}),
        ("add", {"a": 3, "b": 4}),
    ]
    ids = [name for name, _, _ in got.calls]
    assert len(set(ids)) == 2
    assert all(ids)
    assert got.finish == CALLED[client]
    again = clients.results(client, got, ["3", "7"])
    last = turn(pairs, client, host, again, Said("3 and 7"), stream=stream)
    assert last.text == "3 and 7"
    sent = pairs.upstream.requests[-1]
    told = sent.body.decode()
    assert told.index("Add up.") < told.index("Let me add.")
    # The host is given its own ids again, byte for byte, and both results.
    assert told.count("call_1") >= 2 or host in ("cohere", "gemini")
    assert sent.headers["authorization"] == f"Bearer sk-canary-{host}"
    assert clients.KEY not in told


@each_client
@each_host
@both_ways
def test_an_answer_cut_by_length_says_so(
    pairs: Pairs, client: str, host: str, stream: bool
) -> None:
    said = Said("Once upon a", finish="length")
    got = turn(pairs, client, host, clients.said(client, "Tell."), said, stream=stream, tools=False)
    assert got.text == said.text
    assert got.finish == LENGTH[client]


@each_client
@pytest.mark.parametrize("host", [wire for wire in HOST_WIRES if wire != "cohere"])
@both_ways
def test_a_refusal_is_no_good_end(pairs: Pairs, client: str, host: str, stream: bool) -> None:
    said, history = Said("No.", finish="filter"), clients.said(client, "?")
    got = turn(pairs, client, host, history, said, stream=stream, tools=False)
    assert got.finish != ENDED[client]


@each_client
@each_host
@both_ways
def test_thoughts_are_shown_and_their_state_comes_back(
    pairs: Pairs, client: str, host: str, stream: bool
) -> None:
    """What the host thinks is readable, and its state is handed back to it byte for byte."""
    state = spoken.opaque(host)
    said = Said("So.", (Call("call_9", "add", '{"a": 1, "b": 1}'),), "I think.", state)
    got = turn(pairs, client, host, clients.said(client, "Think."), said, stream=stream)
    assert got.thought == "I think."
    again = clients.results(client, got, ["2"])
    turn(pairs, client, host, again, Said("2"), stream=stream)
    told = pairs.upstream.requests[-1].body.decode()
    if host in ("responses", "messages", "gemini", "converse"):
        assert state in told


@each_client
def test_the_ledger_has_the_same_whatever_the_client(pairs: Pairs, client: str) -> None:
    began = time.time_ns() // 1000
    for host in HOST_WIRES:
        for stream in (False, True):
            said = Said("x", tokens_in=100, tokens_out=10)
            turn(pairs, client, host, clients.said(client, "Hi"), said, stream=stream)
    count = 2 * len(HOST_WIRES)
    gateway = pairs.gateway
    new = gateway.until(
        lambda: len(got := [e for e in gateway.entries() if e["at_us"] >= began]) == count and got
    )
    figures = {(e["input"], e["output"], e["cost_pico"], e["usage_state"]) for e in new}
    assert figures == {(100, 10, 120_000_000, "reported")}
    assert {e["wire"] for e in new} == {client}
    assert {e["host_wire"] for e in new} == set(HOST_WIRES)
    assert all((e["lane"] == "relay") == (e["wire"] == e["host_wire"]) for e in new)
