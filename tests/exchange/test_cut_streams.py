"""Streams that end before their end: an entry of one kind, and the truth inside its interval."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from tests.exchange.cut_streams import (
    LIMIT,
    PROMPT,
    TOKENS_IN,
    WORDS,
    before_words,
    body_of,
    leave_after,
    stream,
)
from tests.fakes.answers import Gate, cut
from tests.fakes.upstream import Upstream
from tests.running import Running, events, running
from tests.wires.hosts import every_wire, path_of

WIRES = ("chat", "responses", "messages", "gemini")
PICO_IN, PICO_OUT = 10**6, 2 * 10**6  # a token, at a dollar and two for a million


@dataclass
class Cut:
    """The gateway, and the one upstream that plays every host."""

    gateway: Running
    upstream: Upstream

    def entry(self, ids: set[str]) -> dict[str, Any]:
        """The entry that is new since ``ids``."""
        find = self.gateway.entries
        (found,) = self.gateway.until(
            lambda: [row for row in find() if row["request_id"] not in ids]
        )
        return dict(found)

    def ids(self) -> set[str]:
        """The requests that have entries."""
        return {row["request_id"] for row in self.gateway.entries()}


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cut]:
    """A gateway with a host for each wire."""
    folder: Path = tmp_path_factory.mktemp("cuts")
    with Upstream() as upstream, running(every_wire(folder, upstream)) as gateway:
        yield Cut(gateway, upstream)


def holds(entry: dict[str, Any], made: int) -> None:
    """Assert that ``made`` tokens, and what they cost, lie inside the interval of ``entry``."""
    assert entry["tokens_in_least"] <= TOKENS_IN <= entry["tokens_in_most"]
    assert entry["tokens_out_least"] <= made <= entry["tokens_out_most"]
    cost = TOKENS_IN * PICO_IN + made * PICO_OUT
    assert entry["cost_least_pico"] <= cost <= entry["cost_most_pico"]
    assert entry["cost_least_pico"] <= entry["cost_pico"] <= entry["cost_most_pico"]


@pytest.mark.parametrize("words", [0, WORDS // 10, WORDS - 1])
@pytest.mark.parametrize("host", WIRES)
@pytest.mark.parametrize("client", WIRES)
def test_a_client_that_leaves(house: Cut, client: str, host: str, words: int) -> None:
    before, gate = house.ids(), Gate()
    gate.step(before_words(host) + words if words else 0)
    path, body = body_of(client, f"m-{host}")
    house.upstream.on(path_of(host, stream=True), replace(stream(host), gate=gate, end="stall"))
    asyncio.run(leave_after(house.gateway.url, path, body, words, house.upstream, gate))
    entry = house.entry(before)
    assert (entry["outcome"], entry["usage_state"]) == ("cancelled", "estimated")
    assert entry["tokenizer"] == "bytes/4"
    assert entry["lane"] == ("relay" if client == host else "translate")
    # What it wrote until it noticed lies somewhere between these.
    for made in (words, WORDS, LIMIT):
        holds(entry, made)
    assert entry["tokens_out_most"] == LIMIT
    if words:
        assert entry["input"] > 0
        assert entry["output"] >= words


@pytest.mark.parametrize("host", WIRES)
@pytest.mark.parametrize("client", ["chat", "messages"])
def test_a_host_that_breaks_off(house: Cut, client: str, host: str) -> None:
    before = house.ids()
    path, body = body_of(client, f"m-{host}")
    broken = cut(stream(host, words=10, ended=False), how="close")
    house.upstream.on(path_of(host, stream=True), broken)
    house.gateway.recover()
    house.gateway.client.post(path, json=body)
    entry = house.entry(before)
    assert (entry["outcome"], entry["usage_state"]) == ("cut", "estimated")
    holds(entry, 10)
    holds(entry, LIMIT)


@pytest.mark.parametrize("host", WIRES)
@pytest.mark.parametrize("client", ["chat", "gemini"])
def test_a_host_that_never_says_what_was_used(house: Cut, client: str, host: str) -> None:
    before = house.ids()
    path, body = body_of(client, f"m-{host}")
    house.upstream.on(path_of(host, stream=True), stream(host, usage=False))
    house.gateway.recover()
    assert house.gateway.client.post(path, json=body).status_code == 200
    entry = house.entry(before)
    assert (entry["outcome"], entry["usage_state"]) == ("completed", "estimated")
    holds(entry, WORDS)


@pytest.mark.parametrize("client", WIRES)
def test_usage_is_asked_for_and_exact_where_the_stream_ends_well(house: Cut, client: str) -> None:
    before = house.ids()
    path, body = body_of(client, "m-chat")
    house.upstream.on(path_of("chat", stream=True), stream("chat"))
    house.gateway.recover()
    answer = house.gateway.client.post(path, json=body)
    assert house.upstream.requests[-1].json()["stream_options"] == {"include_usage": True}
    if client == "chat":
        assert all(event["choices"] for event in events(answer.content)[:-1])
    entry = house.entry(before)
    assert (entry["usage_state"], entry["tokenizer"]) == ("reported", "")
    assert (entry["input"], entry["output"]) == (TOKENS_IN, WORDS)
    assert entry["tokens_in_least"] is entry["tokens_out_most"] is None
    cost = TOKENS_IN * PICO_IN + WORDS * PICO_OUT
    assert entry["cost_pico"] == entry["cost_least_pico"] == entry["cost_most_pico"] == cost


def test_usage_that_comes_late_counts_though_the_client_has_left(house: Cut) -> None:
    before, gate = house.ids(), Gate()
    path, body = body_of("chat", "m-chat")
    whole = stream("chat")
    gate.step(len(whole.pieces) - 1)
    house.upstream.on(path_of("chat", stream=True), replace(whole, gate=gate, end="stall"))

    async def leave() -> None:
        await leave_after(house.gateway.url, path, body, WORDS, house.upstream, gate)

    asyncio.run(leave())
    entry = house.entry(before)
    assert entry["outcome"] == "cancelled"
    if entry["usage_state"] == "reported":  # it had been read before the client was seen to go
        assert entry["output"] == WORDS
    else:
        holds(entry, WORDS)


def test_without_any_limit_nobody_knows_the_most(house: Cut) -> None:
    before, gate = house.ids(), Gate()
    gate.step(before_words("chat") + 5)
    path, body = body_of("chat", "m-chat", limit=None)
    house.upstream.on(path_of("chat", stream=True), replace(stream("chat"), gate=gate, end="stall"))
    asyncio.run(leave_after(house.gateway.url, path, body, 5, house.upstream, gate))
    entry = house.entry(before)
    assert (entry["tokens_out_most"], entry["cost_most_pico"]) == (None, None)
    assert entry["cost_least_pico"] > 0 or entry["tokens_in_least"] == 0
    assert entry["tokens_in_most"] >= len(PROMPT)
