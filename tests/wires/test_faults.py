"""What a host does wrong, before and after its first content, as each kind of client sees it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from tests.fakes import answers, spoken
from tests.fakes.answers import Behaviour
from tests.fakes.spoken import HOST_WIRES, Said
from tests.fakes.upstream import Upstream
from tests.running import Running, running
from tests.wires.clients import CLIENT_WIRES
from tests.wires.hosts import every_wire, path_of

QUICK = {"connect_s": 1, "first_byte_s": 0.5, "answer_s": 0.5, "between_s": 0.5, "total_s": 6}
SECRET = "sk-canary-chat"
# An error event in mid-stream, as each wire has it.
ERROR_EVENT: dict[str, bytes] = {
    "chat": b'data: {"error": {"message": "no room", "code": 503}}\n\n',
    "responses": b'event: error\ndata: {"type": "error", "code": "server_error",'
    b' "message": "no room", "param": null, "sequence_number": 9}\n\n',
    "messages": b'event: error\ndata: {"type": "error", "error":'
    b' {"type": "overloaded_error", "message": "no room"}}\n\n',
    "gemini": b'data: {"error": {"code": 503, "message": "no room", "status": "UNAVAILABLE"}}\r\n\r\n',
    "converse": spoken.frame("serviceUnavailableException", {"message": "no room"}, "exception"),
    "cohere": b'event: message-end\ndata: {"type": "message-end", "delta":'
    b' {"finish_reason": "ERROR", "error": "no room"}}\n\n',
}
NOT_JSON: dict[str, bytes] = {
    **dict.fromkeys(HOST_WIRES, b'data: {"choices": [{"delta\n\n'),
    "converse": b"\x00\x00\x00\x10 this is no frame of the stream",
}


@dataclass
class Faulty:
    """The gateway with its one upstream."""

    gateway: Running
    upstream: Upstream

    def entry(self, request_id: str) -> dict[str, Any]:
        """The entry of one call, once the ledger has it; others may come before it."""
        find = self.gateway.entries
        (found,) = self.gateway.until(
            lambda: [row for row in find() if row["request_id"] == request_id]
        )
        return dict(found)


@pytest.fixture(scope="module")
def faulty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Faulty]:
    """A gateway with short time limits."""
    folder: Path = tmp_path_factory.mktemp("faults")
    models = {
        **{f"m-{wire}": [f"on-{wire}/m"] for wire in HOST_WIRES},
        **{f"then-{wire}": [f"on-{wire}/m", "on-chat/second"] for wire in HOST_WIRES},
    }
    with Upstream() as upstream:
        path = every_wire(folder, upstream, server={"timeouts": QUICK}, models=models)
        with running(path) as gateway:
            yield Faulty(gateway, upstream)


def good(host: str) -> Behaviour:
    return spoken.answer(host, Said("First words, then more."), stream=True)


def first_content(host: str) -> int:
    """How many pieces of ``good`` hold the answer's beginning and its first words."""
    pieces = good(host).pieces
    return next(at for at, piece in enumerate(pieces, 1) if b"First" in piece)


def broken(host: str, fault: str, *, after: bool) -> Behaviour:
    """Return a stream that goes wrong before or after its first content."""
    whole = good(host)
    kept = whole.pieces[: first_content(host)] if after else ()
    if fault == "refused":
        return answers.error(503, "no room")
    if fault == "error in the stream":
        return replace(whole, pieces=(*kept, ERROR_EVENT[host]))
    if fault == "stall":
        return replace(whole, pieces=kept, end="stall", body_bytes=None)
    if fault == "cut":
        begun = whole.pieces[: first_content(host) - 1] if not after else kept
        return replace(whole, pieces=begun, end="reset" if after else "close")
    return replace(whole, pieces=(*kept, NOT_JSON[host]))


FAULTS = ("error in the stream", "stall", "cut", "bad JSON")


def ask(faulty: Faulty, client: str, model: str) -> Any:
    """Ask for a stream on the wire ``client``, without an SDK: every byte counts."""
    user = {"role": "user", "content": "Hi"}
    path, body = {
        "chat": ("/v1/chat/completions", {"model": model, "messages": [user], "stream": True}),
        "responses": ("/v1/responses", {"model": model, "input": [user], "stream": True}),
        "messages": (
            "/v1/messages",
            {"model": model, "messages": [user], "max_tokens": 50, "stream": True},
        ),
        "gemini": (
            f"/v1beta/models/{model}:streamGenerateContent?alt=sse",
            {"contents": [{"role": "user", "parts": [{"text": "Hi"}]}]},
        ),
    }[client]
    return faulty.gateway.client.post(path, json=body)


def error_of(client: str, body: dict[str, Any]) -> tuple[Any, str]:
    """Return the code and the message of an error body, in its wire's own form."""
    error = body["error"]
    if client == "messages":
        assert body["type"] == "error"
        assert error["type"]
    if client == "gemini":
        assert isinstance(error["code"], int)
        return error["status"], error["message"]
    return error.get("code"), error["message"]


@pytest.mark.parametrize("client", CLIENT_WIRES)
@pytest.mark.parametrize("host", HOST_WIRES)
@pytest.mark.parametrize("fault", ["refused", *FAULTS])
def test_before_the_first_content_the_next_route_answers(
    faulty: Faulty, client: str, host: str, fault: str
) -> None:
    faulty.upstream.on(path_of(host, stream=True), broken(host, fault, after=False))
    second = spoken.answer("chat", Said("From the second."), stream=True)
    faulty.upstream.on(path_of("chat", stream=True), second)
    answer = ask(faulty, client, f"then-{host}")
    assert answer.status_code == 200, answer.text
    assert answer.headers["x-entrepot-route"] == "on-chat/second"
    assert answer.headers["x-entrepot-attempts"] == "2"


@pytest.mark.parametrize("client", CLIENT_WIRES)
@pytest.mark.parametrize("host", HOST_WIRES)
@pytest.mark.parametrize("fault", ["refused", *FAULTS])
def test_with_no_other_route_the_fault_has_its_status(
    faulty: Faulty, client: str, host: str, fault: str
) -> None:
    faulty.upstream.on(path_of(host, stream=True), broken(host, fault, after=False))
    answer = ask(faulty, client, f"m-{host}")
    assert answer.status_code == {"refused": 503, "stall": 504}.get(fault, answer.status_code)
    assert answer.status_code in (502, 503, 504)
    assert answer.headers["content-type"] == "application/json"
    code, message = error_of(client, answer.json())
    assert code
    assert f"on-{host}/m" in message


@pytest.mark.parametrize("client", CLIENT_WIRES)
@pytest.mark.parametrize("host", HOST_WIRES)
@pytest.mark.parametrize("fault", FAULTS)
def test_after_the_first_content_the_stream_ends_in_an_error(
    faulty: Faulty, client: str, host: str, fault: str
) -> None:
    faulty.upstream.on(path_of(host, stream=True), broken(host, fault, after=True))
    answer = ask(faulty, client, f"then-{host}")
    assert answer.status_code == 200
    assert "First" in answer.text
    last = [line for line in answer.text.splitlines() if line.startswith("data:")][-1]
    told = json.loads(last[5:])
    assert "error" in last
    assert "[DONE]" not in answer.text
    assert "message_stop" not in answer.text
    assert '"response.completed"' not in answer.text
    if client in ("chat", "messages", "gemini"):
        assert error_of(client, told)[1]
    entry = faulty.entry(answer.headers["x-entrepot-request-id"])
    assert entry["outcome"] == "cut"
    assert entry["usage_state"] in ("estimated", "reported", "missing")
