"""A conversation that changes its host at every turn, and one that goes on where it began."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fakes import spoken
from tests.fakes.spoken import HOST_WIRES, Call, Said
from tests.wires import clients
from tests.wires.clients import CLIENT_WIRES
from tests.wires.conftest import Pairs
from tests.wires.hosts import path_of

WITH_STATE = ("responses", "messages", "gemini", "converse")


@pytest.mark.parametrize("client", CLIENT_WIRES)
@settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    hosts=st.lists(st.sampled_from(HOST_WIRES), min_size=4, max_size=6),
    streams=st.lists(st.booleans(), min_size=6, max_size=6),
)
def test_a_conversation_that_moves_at_every_turn(
    pairs: Pairs, client: str, hosts: list[str], streams: list[bool]
) -> None:
    """No turn fails, and no host ever sees the state of another."""
    history = clients.said(client, "Begin.")
    owner: dict[str, str] = {}
    for number, (host, stream) in enumerate(zip(hosts, streams, strict=False)):
        state = spoken.opaque(f"{host} {number}")
        owner[state] = host
        call = Call(f"call_{host}_{number}", "add", '{"a": 1, "b": 2}')
        said = Said(f"turn {number}", (call,), f"thought {number}", state)
        pairs.upstream.on(path_of(host, stream=stream), spoken.answer(host, said, stream=stream))
        got = clients.ask(client, pairs.gateway.url, f"m-{host}", history, stream=stream)
        assert got.text == said.text
        told = pairs.upstream.requests[-1].body.decode()
        foreign = [text for text, whose in owner.items() if text in told and whose != host]
        assert not foreign, f"{host} was given the state of {[owner[text] for text in foreign]}"
        # What all can read is never lost.
        words = told.replace('"},{"text":"', "")
        assert all(f"turn {before}" in words for before in range(number))
        history = clients.results(client, got, [f"result {number}"])


@pytest.mark.parametrize("client", CLIENT_WIRES)
def test_a_move_and_back_hands_each_host_its_own(pairs: Pairs, client: str) -> None:
    route = ["messages", "gemini", "messages", "gemini", "responses", "converse", "messages"]
    history = clients.said(client, "Begin.")
    states: dict[str, list[str]] = {}
    for number, host in enumerate(route):
        state = spoken.opaque(f"{host} {number}")
        call = Call(f"c{number}", "add", '{"a": 1, "b": 2}')
        said = Said(f"turn {number}", (call,), "hm", state)
        pairs.upstream.on(path_of(host, stream=True), spoken.answer(host, said, stream=True))
        got = clients.ask(client, pairs.gateway.url, f"m-{host}", history, stream=True)
        told = pairs.upstream.requests[-1].body.decode()
        for whose, known in states.items():
            for text in known:
                assert (text in told) == (whose == host), (whose, host)
        states.setdefault(host, []).append(state)
        history = clients.results(client, got, ["3"])
    moves = sum(before != after for before, after in pairwise(route))
    notes = [e["notes"] for e in pairs.gateway.entries()[-len(route) :]]
    assert moves
    assert any("states of other hosts" in text for text in notes)
