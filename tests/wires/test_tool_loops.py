"""Hosts that refuse a tool turn without their own reasoning, and SDKs that drop it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.fakes import answers, spoken
from tests.fakes.answers import Behaviour
from tests.fakes.spoken import Call, Said
from tests.fakes.upstream import Request, Upstream
from tests.running import Running, config, running
from tests.wires import clients
from tests.wires.clients import CLIENT_WIRES
from tests.wires.hosts import PRICE, write_host

FIELD = "reasoning_content"


def strict(request: Request) -> Behaviour:
    """Answer as a strict thinking host does: 400 where a tool turn lacks the exact reasoning."""
    body = request.json()
    turn = sum(message["role"] == "assistant" for message in body["messages"])
    for number, message in enumerate(
        message for message in body["messages"] if message["role"] == "assistant"
    ):
        if message.get("tool_calls") and message.get(FIELD) != f"thought {number}":
            return answers.error(
                400, f"{FIELD} is missing in assistant tool call message at index {number}"
            )
    said = Said(f"turn {turn}", (Call(f"c{turn}", "add", '{"a": 1, "b": 2}'),), f"thought {turn}")
    return spoken.answer("chat", said, stream=bool(body.get("stream")))


@pytest.fixture
def gateway(tmp_path: Path, upstream: Upstream) -> Iterator[Running]:
    with running(_config(tmp_path, upstream)) as found:
        yield found


def _config(folder: Path, upstream: Upstream, **parts: Any) -> Path:
    write_host(folder / "catalog", "thinker", ["chat"], {"chat": {"replay_reasoning": FIELD}})
    upstream.default = strict
    return config(
        folder,
        catalog=[str(folder / "catalog")],
        providers={
            "thinker": {"base_url": upstream.base_url, "api_key": "x", "prices": {"*": PRICE}}
        },
        models={"t": ["thinker/m"]},
        **parts,
    )


@pytest.mark.parametrize("client", CLIENT_WIRES)
@pytest.mark.parametrize("stream", [False, True])
def test_five_turns_without_a_refusal(gateway: Running, client: str, stream: bool) -> None:
    history = clients.said(client, "Begin.")
    for number in range(5):
        got = clients.ask(client, gateway.url, "t", history, stream=stream)
        assert got.text == f"turn {number}"
        history = clients.results(client, got, ["3"])
    entries = gateway.entries(5)
    assert {entry["outcome"] for entry in entries} == {"completed"}
    if client == "chat":
        assert "put back the reasoning of 4 turns" in entries[-1]["notes"]


def test_it_can_be_turned_off(tmp_path: Path, upstream: Upstream) -> None:
    with running(_config(tmp_path, upstream, recall="off")) as gateway:
        got = clients.ask("chat", gateway.url, "t", clients.said("chat", "Go."), stream=False)
        body = {"model": "t", "messages": clients.results("chat", got, ["3"])}
        answer = gateway.client.post("/v1/chat/completions", json=body)
        assert answer.status_code == 400
        assert FIELD in answer.text
        assert gateway.house.recall.size == 0


def test_another_key_gets_nothing_of_it(tmp_path: Path, upstream: Upstream) -> None:
    from gateway.auth import key_hash

    keys = [{"name": name, "hash": key_hash(name)} for name in ("alice", "bob")]
    with running(_config(tmp_path, upstream, keys=keys)) as gateway:

        def ask(key: str, history: list[Any]) -> Any:
            return gateway.client.post(
                "/v1/chat/completions",
                json={"model": "t", "messages": history},
                headers={"authorization": f"Bearer {key}"},
            )

        first = ask("alice", clients.said("chat", "Go.")).json()["choices"][0]["message"]
        first.pop(FIELD)
        history = [
            *clients.said("chat", "Go."),
            first,
            {"role": "tool", "tool_call_id": "c0", "content": "3"},
        ]
        assert ask("bob", history).status_code == 400
        assert ask("alice", history).status_code == 200


def test_nothing_of_it_is_on_disk(gateway: Running, tmp_path: Path) -> None:
    clients.ask("chat", gateway.url, "t", clients.said("chat", "Go."), stream=True)
    gateway.entries(1)
    found = [
        path for path in tmp_path.rglob("*") if path.is_file() and b"thought 0" in path.read_bytes()
    ]
    assert not found


def test_state_that_a_host_refuses_is_left_out_once(tmp_path: Path, upstream: Upstream) -> None:
    """A signature of unknown origin goes on where there is one route; refused, it is taken out."""
    write_host(tmp_path / "catalog", "signer", ["messages"], {"messages": {"max_output": 100}})

    def picky(request: Request) -> Behaviour:
        if b"signature" in request.body:
            return answers.json_body(
                {
                    "type": "error",
                    "error": {
                        "type": "invalid_request_error",
                        "message": "messages.1.content.0: Invalid `signature` in `thinking` block",
                    },
                },
                400,
            )
        return spoken.answer("messages", Said("fine"), stream=False)

    upstream.default = picky
    path = config(
        tmp_path,
        catalog=[str(tmp_path / "catalog")],
        providers={
            "signer": {"base_url": upstream.base_url, "api_key": "x", "prices": {"*": PRICE}}
        },
        models={"s": ["signer/m"]},
    )
    thinking = {"type": "thinking", "thinking": "old", "signature": "c2lnbmVkIGxvbmcgYWdv"}
    history = [
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": [thinking, {"type": "text", "text": "Hello"}]},
        {"role": "user", "content": "Again"},
    ]
    with running(path) as gateway:
        answer = gateway.client.post(
            "/v1/messages", json={"model": "s", "max_tokens": 9, "messages": history}
        )
        assert answer.status_code == 200, answer.text
        assert len(upstream.requests) == 2
        assert "Hello" in json.dumps(upstream.requests[1].json())
        entries = gateway.entries(2)
        assert [entry["error"] for entry in entries] == ["opaque_state", ""]
