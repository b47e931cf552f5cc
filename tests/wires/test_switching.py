"""A conversation that changes its host at every turn, and one that goes on where it began."""

from __future__ import annotations

import base64
import time
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import pytest
from google.genai import types as gtypes
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fakes import answers, spoken
from tests.fakes.answers import Behaviour
from tests.fakes.spoken import HOST_WIRES, Call, Said
from tests.fakes.upstream import Request
from tests.wires import clients
from tests.wires.clients import CLIENT_WIRES
from tests.wires.conftest import Pairs
from tests.wires.hosts import path_of
from tests.wires.strict import complaint

WITH_STATE = ("responses", "messages", "gemini", "converse")


PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n a picture").decode()
PATCH = {"name": "patch", "description": "Changes a file."}
EXAMPLES = [5, pytest.param(200, marks=pytest.mark.slow)]


class Strict:
    """The host whose turn it is: a 400 for whatever its documentation forbids."""

    def __init__(self, host: str, said: Said, own: list[str], *, stream: bool) -> None:
        self.host, self.said, self.own, self.stream = host, said, own, stream
        self.complaints: list[str] = []

    def __call__(self, request: Request) -> Behaviour:
        """Answer one request."""
        words = complaint(self.host, request.json(), self.own)
        if not words:
            return spoken.answer(self.host, self.said, stream=self.stream)
        self.complaints.append(words)
        return answers.error(400, words)


def begun(client: str, *, custom: bool) -> list[Any]:
    """Return a conversation's beginning; ``custom``: a tool with free text was called in it."""
    history = clients.said(client, "Begin.")
    if not custom:
        return history
    if client == "chat":
        call = {"id": "cust_0", "type": "custom", "custom": {"name": "patch", "input": "*** é"}}
        return [
            *history,
            {"role": "assistant", "content": None, "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "cust_0", "content": "patched"},
        ]
    return [
        *history,
        {"type": "custom_tool_call", "call_id": "cust_0", "name": "patch", "input": "*** é"},
        {"type": "custom_tool_call_output", "call_id": "cust_0", "output": "patched"},
    ]


def pictured(client: str, history: list[Any]) -> list[Any]:
    """Return a conversation whose last result has a picture beside its words."""
    url = f"data:image/png;base64,{PNG}"
    *before, last = history
    if client == "chat":
        text = {"type": "text", "text": last["content"]}
        picture: Any = {"type": "image_url", "image_url": {"url": url}}
        return [*before, {**last, "content": [text, picture]}]
    if client == "responses":
        text = {"type": "input_text", "text": last["output"]}
        picture = {"type": "input_image", "image_url": url, "detail": "auto"}
        return [*before, {**last, "output": [text, picture]}]
    if client == "messages":
        *results, result = last["content"]
        source = {"type": "base64", "media_type": "image/png", "data": PNG}
        content = [{"type": "text", "text": result["content"]}, {"type": "image", "source": source}]
        return [*before, {**last, "content": [*results, {**result, "content": content}]}]
    blob = gtypes.FunctionResponseBlob(mime_type="image/png", data=base64.b64decode(PNG))
    part = last.parts[-1].model_copy(deep=True)
    part.function_response.parts = [gtypes.FunctionResponsePart(inline_data=blob)]
    return [*before, last.model_copy(update={"parts": [*last.parts[:-1], part]})]


@dataclass(frozen=True)
class Turn:
    """One turn of a conversation: who answers it, with how many calls, and what they give."""

    host: str
    stream: bool
    calls: int
    picture: bool


TURNS = st.lists(
    st.builds(Turn, st.sampled_from(HOST_WIRES), st.booleans(), st.integers(1, 2), st.booleans()),
    min_size=4,
    max_size=7,
)


@pytest.mark.parametrize("client", CLIENT_WIRES)
@pytest.mark.parametrize("examples", EXAMPLES)
def test_a_conversation_that_moves_at_every_turn(pairs: Pairs, client: str, examples: int) -> None:
    """No strict host refuses a turn, none sees the state of another, each gets all of its own."""

    @settings(max_examples=examples, deadline=None)
    @given(turns=TURNS, custom=st.booleans())
    def holds(turns: list[Turn], custom: bool) -> None:
        # The SDK's stream helper of the chat wire takes functions alone.
        whole = not any(turn.stream for turn in turns)
        custom = custom and (client == "responses" or (client == "chat" and whole))
        history = begun(client, custom=custom)
        own: dict[str, list[str]] = {host: [] for host in HOST_WIRES}
        results = ["patched"] if custom else []
        for number, turn in enumerate(turns):
            state = spoken.opaque(f"{turn.host} {number}")
            strict = Strict(
                turn.host, _says(turn, number, state), own[turn.host], stream=turn.stream
            )
            got = _asked(pairs, client, turn, history, strict, custom=custom)
            told = pairs.upstream.requests[-1].body.decode()
            others = [text for host in own if host != turn.host for text in own[host]]
            assert not [text for text in others if text in told]
            # What all can read is never lost.
            words = told.replace('"},{"text":"', "")
            assert all(f"turn {before}" in words for before in range(number))
            assert all(result in told for result in results)
            assert told.count(PNG) == sum(before.picture for before in turns[:number])
            if turn.host in WITH_STATE:
                own[turn.host].append(state)
            outcomes = [f"result {number} {at}" for at in range(turn.calls)]
            results += outcomes
            history = clients.results(client, got, outcomes)
            if turn.picture:
                history = pictured(client, history)

    holds()


def _says(turn: Turn, number: int, state: str) -> Said:
    made = [
        Call(f"call_{turn.host}_{number}_{at}", "add", '{"a": 1, "b": 2}')
        for at in range(turn.calls)
    ]
    return Said(f"turn {number}", tuple(made), f"thought {number}", state)


def _asked(
    pairs: Pairs, client: str, turn: Turn, history: list[Any], strict: Strict, *, custom: bool
) -> clients.Got:
    pairs.upstream.requests.clear()
    pairs.upstream.on(path_of(turn.host, stream=turn.stream), strict)
    more = {"custom": [PATCH]} if custom else {}
    try:
        got = clients.ask(
            client, pairs.gateway.url, f"m-{turn.host}", history, stream=turn.stream, **more
        )
    finally:
        assert not strict.complaints
    assert len(pairs.upstream.requests) == 1
    assert got.text == strict.said.text
    return got


@pytest.mark.parametrize("client", CLIENT_WIRES)
def test_a_move_and_back_hands_each_host_its_own(pairs: Pairs, client: str) -> None:
    route = ["messages", "gemini", "messages", "gemini", "responses", "converse", "messages"]
    began = time.time_ns() // 1000
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
    assert moves
    # Entries reach the database a moment after the answer.
    gateway = pairs.gateway
    new = gateway.until(
        lambda: len(e := [e for e in gateway.entries() if e["at_us"] >= began]) == len(route) and e
    )
    assert any("states of other hosts" in entry["notes"] for entry in new)


@pytest.mark.parametrize(
    ("wire", "body", "words"),
    [
        ("messages", {"messages": [{"role": "assistant", "content": "a"}]}, "first turn"),
        (
            "messages",
            {
                "messages": [
                    {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "x"}]}
                ]
            },
            "results",
        ),
        (
            "responses",
            {
                "input": [
                    {"type": "reasoning", "encrypted_content": "theirs"},
                    {"type": "message", "role": "user", "content": "a"},
                ]
            },
            "not mine",
        ),
        ("chat", {"messages": [{"role": "tool", "tool_call_id": "c", "content": ""}]}, "no call"),
        (
            "gemini",
            {
                "contents": [
                    {"role": "user", "parts": [{"text": "a"}]},
                    {"role": "model", "parts": [{"functionCall": {"name": "f", "args": {}}}]},
                ]
            },
            "without its signature",
        ),
        (
            "converse",
            {
                "messages": [
                    {"role": "user", "content": [{"text": "a"}]},
                    {"role": "user", "content": [{"text": "b"}]},
                ]
            },
            "in a row",
        ),
        ("cohere", {"messages": [{"role": "developer", "content": "a"}]}, "developer"),
    ],
)
def test_strict_hosts_are_strict(wire: str, body: dict[str, Any], words: str) -> None:
    assert words in complaint(wire, body, [])
    good = {"messages": [{"role": "user", "content": "a"}]}
    assert "missing" in complaint("messages", good, ["mine"])
