"""A client that takes nothing of its answer: its call ends in time, and its host is not blamed."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest

from tests.chaos.stage import GOING_ON, STEADY, TIMEOUTS, staged
from tests.fakes import answers

LONG = answers.sse(answers.chat_stream(["x" * 100_000] * 100))
# Enough that a breaker would open, were they the host's fault.
CLIENTS = 6
# Six bodies of 10 MB at once: a busy machine may need its time for the first words.
PATIENT = {**TIMEOUTS, "first_byte_s": 4}


def asked(url: str, model: str) -> socket.socket:
    """Ask for a stream, and read nothing of it."""
    host, port = url.removeprefix("http://").split(":")
    client = socket.create_connection((host, int(port)))
    said = [{"role": "user", "content": "call a-1"}]
    body = json.dumps({"model": model, "stream": True, "max_tokens": 64, "messages": said}).encode()
    head = "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
    client.sendall(head.encode() + b"content-length: %d\r\n\r\n%b" % (len(body), body))
    return client


@pytest.mark.parametrize("model", [STEADY, GOING_ON])
def test_who_does_not_read_holds_nothing_and_opens_no_breaker(tmp_path: Path, model: str) -> None:
    with staged(tmp_path, timeouts=PATIENT) as stage:
        host = stage.hosts[0].upstream
        host.script(*[LONG] * CLIENTS)
        clients = [asked(stage.gateway.url, model) for _ in range(CLIENTS)]
        host.until(lambda: len(host.requests) == CLIENTS)
        stage.gateway.until(lambda: not stage.gateway.house.in_flight)
        assert not stage.counts("breaker_transitions")
        assert not any(other.upstream.requests for other in stage.hosts[1:])
        for client in clients:
            client.close()
        stage.check()
