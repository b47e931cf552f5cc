"""A model that thinks for long: the stream stays alive, and early faults keep their status."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.fakes import answers, spoken
from tests.fakes.answers import Behaviour, Gate
from tests.fakes.spoken import HOST_WIRES, Said
from tests.fakes.upstream import Upstream
from tests.running import Running, running
from tests.wires import clients
from tests.wires.clients import CLIENT_WIRES
from tests.wires.hosts import every_wire, path_of

PING_S = 0.05
TIMES = {"connect_s": 2, "first_byte_s": 8, "answer_s": 8, "between_s": 8, "total_s": 20}
PATHS = {
    "chat": ("/v1/chat/completions", "messages"),
    "responses": ("/v1/responses", "input"),
    "messages": ("/v1/messages", "messages"),
}


@pytest.fixture
def gateway(tmp_path: Path, upstream: Upstream) -> Iterator[Running]:
    path = every_wire(tmp_path, upstream, server={"timeouts": {**TIMES, "ping_s": PING_S}})
    with running(path) as found:
        yield found


def silent(host: str, *, after: int, seconds: float) -> Behaviour:
    """An answer whose host says nothing for a while, before piece number ``after``."""
    whole = spoken.answer(host, Said("At last some words."), stream=True)
    return (
        replace(whole, gap_s=seconds / max(1, len(whole.pieces)))
        if after
        else answers.late(whole, seconds=seconds)
    )


PING = {"messages": 'data: {"type": "ping"}', "gemini": ""}


def is_ping(client: str, line: str) -> bool:
    return line == PING.get(client, ": ping")


@pytest.mark.parametrize("client", CLIENT_WIRES)
@pytest.mark.parametrize("host", HOST_WIRES)
def test_signs_of_life_come_until_the_model_speaks(
    gateway: Running, upstream: Upstream, client: str, host: str
) -> None:
    upstream.on(path_of(host, stream=True), silent(host, after=0, seconds=0.4))
    if client == "gemini":
        path = f"/v1beta/models/m-{host}:streamGenerateContent?alt=sse"
        body = {"contents": [{"role": "user", "parts": [{"text": "Hi"}]}]}
    else:
        path, field = PATHS[client]
        user = [{"role": "user", "content": "Hi"}]
        body = {"model": f"m-{host}", field: user, "stream": True, "max_tokens": 50}
        if client == "responses":
            body.pop("max_tokens")
    answer = gateway.client.post(path, json=body)
    assert answer.status_code == 200
    lines = [
        line.replace('{"type":"ping"}', '{"type": "ping"}') for line in answer.text.splitlines()
    ]
    pings = [at for at, line in enumerate(lines) if is_ping(client, line)]
    words = next(at for at, line in enumerate(lines) if "At " in line or "At last" in line)
    assert len(pings) >= 2
    assert pings[0] < words


@pytest.mark.parametrize("client", CLIENT_WIRES)
def test_every_sdk_reads_on_past_them(gateway: Running, upstream: Upstream, client: str) -> None:
    for host in HOST_WIRES:
        upstream.on(path_of(host, stream=True), silent(host, after=0, seconds=0.2))
        got = clients.ask(client, gateway.url, f"m-{host}", clients.said(client, "Hi"), stream=True)
        assert got.text == "At last some words."
        upstream.on(path_of(host, stream=True), silent(host, after=1, seconds=1.0))
        got = clients.ask(client, gateway.url, f"m-{host}", clients.said(client, "Hi"), stream=True)
        assert got.text == "At last some words."


def test_a_fast_fault_keeps_its_status(gateway: Running, upstream: Upstream) -> None:
    upstream.on(path_of("chat", stream=True), answers.error(429, "slow down"))
    body = {"model": "m-chat", "messages": [{"role": "user", "content": "x"}], "stream": True}
    assert gateway.client.post("/v1/chat/completions", json=body).status_code == 429


def test_a_silence_longer_than_a_proxys_patience_survives(
    gateway: Running, upstream: Upstream
) -> None:
    """Twelve pings' worth of silence: no gap between bytes is near it."""
    gate = Gate()
    upstream.on(
        path_of("messages", stream=True),
        answers.late(spoken.answer("messages", Said("Done."), stream=True), gate=gate),
    )
    body = {"model": "m-messages", "max_tokens": 5, "stream": True,
            "messages": [{"role": "user", "content": "x"}]}  # fmt: skip
    seen = 0
    with gateway.client.stream("POST", "/v1/messages", json=body) as answer:
        for line in answer.iter_lines():
            seen += '"ping"' in line
            if seen == 12:
                gate.open()
            if "message_stop" in line:
                break
    assert seen >= 12
