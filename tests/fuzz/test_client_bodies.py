"""Clients that send anything at all: a 4xx in their own wire's form, or an answer; never a 5xx."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.entrances import entrance
from tests.fakes import spoken
from tests.fakes.answers import Behaviour
from tests.fakes.spoken import HOST_WIRES, Said
from tests.fakes.upstream import Request
from tests.fuzz import mutations as m
from tests.fuzz.asking import CLIENT_WIRES, Watched, error_of, read_back, watched
from tests.fuzz.bodies import BODIES

EXAMPLES = [12, pytest.param(2500, marks=pytest.mark.slow)]
examples = pytest.mark.parametrize("examples", EXAMPLES)
each_client = pytest.mark.parametrize("client", CLIENT_WIRES)
PATHS = {
    "chat": "/v1/chat/completions",
    "responses": "/v1/responses",
    "messages": "/v1/messages",
    "gemini": "/v1beta/models/{model}:streamGenerateContent?alt=sse",
}
COUNTS = {
    "messages": "/v1/messages/count_tokens",
    "gemini": "/v1beta/models/{model}:countTokens",
}
FIGURE = re.compile(rb"(?<=[ \[:])-?\d+(?=[,}\]])")
HUGE = (
    b"9" * 25, b"-" + b"9" * 25, b"9" * 6000, b"-" + b"9" * 6000, b"1e400", b"-1e400", b"1e-400",
    b"9" * 400 + b".5", b"-0", b"0.1e1", b"18446744073709551616", b"9223372036854775808",
)  # fmt: skip


def speaks(request: Request) -> Behaviour:
    """Answer on the wire and in the manner that were asked for."""
    wire = request.path.split("/")[1].removeprefix("at-")
    body = json.loads(request.body)
    stream = bool(body.get("stream")) or "tream" in request.path
    return spoken.answer(wire, Said("Fine."), stream=stream)


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    """What a host cannot be told is dropped, so that every writer is reached."""
    parts = {"translate": {"on_unsupported": "drop", "emulate_schema": True}, "store": {}}
    with watched(tmp_path_factory.mktemp("bodies"), **parts) as found:
        found.upstream.default = speaks
        yield found


def spoiled(raw: bytes, how: int) -> bytes:
    """Return a body that a JSON library would not have written."""
    kind, at = how % 6, how // 6
    if kind == 0:
        names = re.findall(rb'"(\w+)": ', raw)
        name = names[at % len(names)] if names else b"model"
        return raw[:-1] + b', "' + name + b'": ' + (b"1", b"null", b'"x"', b"{}")[at % 4] + b"}"
    if kind == 1:
        places = [found.span() for found in FIGURE.finditer(raw)]
        if not places:
            return raw
        start, end = places[at % len(places)]
        return raw[:start] + HUGE[at % len(HUGE)] + raw[end:]
    if kind == 2:
        # Half of a pair of surrogates, in the midst of a text.
        places = [found.end() for found in re.finditer(rb'"\w', raw)]
        place = places[at % len(places)] if places else 0
        return (
            raw[:place]
            + (b"\\ud800", b"\\udc00x", b"\\u0000", b"\xed\xa0\x80")[at % 4]
            + raw[place:]
        )
    if kind == 3:
        depth = (500, 5000, 100_000)[at % 3]
        return raw[:-1] + b', "deep": ' + b"[" * depth + b"]" * depth + b"}"
    return m.noisy(raw, kind, at)


def send(seen: Watched, client: str, path: str, raw: bytes, headers: dict[str, str]) -> int:
    """Send, and judge what comes back; gives the status."""
    answer = seen.gateway.client.post(
        path, content=raw, headers={"content-type": "application/json", **headers}
    )
    assert answer.status_code == 200 or 400 <= answer.status_code < 500, seen.log.lines
    for name, value in answer.headers.raw:
        assert all(32 <= sign < 127 for sign in value), (name, value)
    if answer.status_code != 200:
        error_of(client, answer)
    elif not path.endswith(("count_tokens", ":countTokens")):
        stream = answer.headers["content-type"].startswith("text/event-stream")
        assert read_back(client, answer.content, stream=stream) is None
    return answer.status_code


@each_client
@examples
def test_mutated_bodies(gateway: Watched, client: str, examples: int) -> None:
    good = json.dumps(BODIES[client])

    @settings(max_examples=examples, deadline=None)
    @given(
        host=st.sampled_from(HOST_WIRES),
        mutations=m.MUTATIONS,
        spoil=st.none() | st.integers(0, 9999),
        counting=st.integers(0, 4),
    )
    def holds(host: str, mutations: list[m.Mutation], spoil: int | None, counting: int) -> None:
        gateway.begin()
        body: Any = json.loads(good)
        if "model" in body:
            body["model"] = f"m-{host}"
        for what, where, how in mutations:
            body = m.changed(body, what % 5, where, how)
        raw = m.text(body)
        if spoil is not None:
            raw = spoiled(raw, spoil)
        path = PATHS[client].format(model=f"m-{host}")
        if not counting and client in COUNTS:
            other = COUNTS[client].format(model=f"m-{host}")
            path = other if entrance(other, b"") is not None else path
        send(gateway, client, path, raw, {})
        if "ount" not in path:
            gateway.all_is_well()

    holds()


@each_client
@pytest.mark.parametrize("host", HOST_WIRES)
def test_the_whole_body_is_taken_on_every_wire(gateway: Watched, client: str, host: str) -> None:
    """What is mutated above is good, and reaches every writer but where a part has no words."""
    gateway.begin()
    body = dict(BODIES[client])
    if "model" in body:
        body["model"] = f"m-{host}"
    path = PATHS[client].format(model=f"m-{host}")
    status = send(gateway, client, path, json.dumps(body).encode(), {})
    told = gateway.upstream.requests
    assert (status == 200) == bool(told)
    gateway.all_is_well()


HOSTILE_NAMES = (
    "../../../etc/passwd", "..%2f..%2fsecret", "a%0d%0ax-made-up:1", "a%00b", "%e2%80%ae", "x" * 300,
    "a:b:c", "m-chat:generateContent", "%", "%zz", "a b", "models/m-chat", "/", "//", ".", "..",
    "on-chat/m", "on-chat/..", "on-gemini/m%3fkey=1", "on-gemini/a%2fb", "on-converse/a%2f..%2fb",
    "\xff".encode().decode("latin-1"), "%ff", "*", "m-*", "{model}", "on-gemini/m:countTokens", "",
    "on-messages/" + "y" * 240, "on-converse/%2e%2e", "on-gemini/%2e%2e%2f%2e%2e", "on-gemini/m%23x",
)  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE_NAMES)
def test_hostile_models_in_the_address(gateway: Watched, name: str) -> None:
    body = json.dumps({"contents": [{"parts": [{"text": "Hi"}]}]}).encode()
    for method in ("generateContent", "streamGenerateContent", "countTokens", "nothing"):
        gateway.begin()
        answer = gateway.gateway.client.post(
            f"/v1beta/models/{name}:{method}",
            content=body,
            headers={"content-type": "application/json"},
        )
        assert answer.status_code < 500, (name, answer.text)
        assert "x-made-up" not in answer.headers
        at = {wire: f"/at-{wire}/" for wire in HOST_WIRES}
        for request in gateway.upstream.requests:
            # It stays under its host's own address, one segment for the model.
            wire = request.path.split("/")[1].removeprefix("at-")
            assert request.target.startswith(at[wire])
            assert ".." not in request.target.split("/")
            assert "\r" not in request.target
            if wire in ("gemini", "converse"):
                assert request.path.count("/") == 3 + (wire == "converse"), request.target
        gateway.gateway.until(lambda: gateway.gateway.house.in_flight == 0)
        assert not [line for line in gateway.log.lines if line.get("event") == "internal_error"]


@pytest.mark.parametrize("name", HOSTILE_NAMES)
def test_hostile_models_in_the_body(gateway: Watched, name: str) -> None:
    gateway.begin()
    # One client a name, so that every client has a third of them.
    client = CLIENT_WIRES[HOSTILE_NAMES.index(name) % 3]
    for given_name in (name, f"on-gemini/{name}", f"on-converse/{name}", "a\r\nb: c", "\x00"):
        body = {**BODIES[client], "model": given_name}
        send(gateway, client, PATHS[client], json.dumps(body).encode(), {})
    gateway.gateway.until(lambda: gateway.gateway.house.in_flight == 0)
    assert not [line for line in gateway.log.lines if line.get("event") == "internal_error"]
    for request in gateway.upstream.requests:
        assert ".." not in request.target.split("/")


CONTROL = (
    "a\r\nx-made-up: 1",
    "a\nb",
    "\x00",
    "\x1b[31m",
    "é\u2028",
    "\U0001f642",
    "a,b",
    "x" * 20_000,
    "\x7f",
)


@each_client
@pytest.mark.parametrize("name", CONTROL)
def test_the_names_of_what_is_lost_are_the_clients(
    gateway: Watched, client: str, name: str
) -> None:
    """A field's name comes from the client, and goes out in a header: no sign of it may break out."""
    for host in HOST_WIRES:
        gateway.begin()
        body: dict[str, Any] = {**BODIES[client], name: 1}
        if client == "gemini":
            body["generationConfig"] = {**body["generationConfig"], name: 1}
        else:
            body["model"] = f"m-{host}"
            tool = {"type": name or "x", "name": name}
            body["tools"] = [*body["tools"], tool]
        path = PATHS[client].format(model=f"m-{host}")
        send(gateway, client, path, json.dumps(body).encode(), {})
        gateway.all_is_well()


FORWARDED = ("anthropic-beta", "anthropic-version", "x-entrepot-session", "x-entrepot-tags")


@pytest.mark.parametrize("value", ["a\tb", "é", "\xff", "x" * 8000, "a, b", "", "a;b=c\\", '"'])
def test_hostile_headers(gateway: Watched, value: str) -> None:
    for client in CLIENT_WIRES:
        for name in (*FORWARDED, "x-entrepot-label", "x-entrepot-prefer", "authorization"):
            gateway.begin()
            body = {**BODIES[client], "model": "m-messages"}
            path = PATHS[client].format(model="m-messages")
            answer = gateway.gateway.client.post(
                path,
                content=json.dumps(body).encode(),
                headers=[
                    (b"content-type", b"application/json"),
                    (name.encode(), value.encode("latin-1")),
                ],
            )
            assert answer.status_code < 500, (name, value, answer.text)
            gateway.all_is_well()
            for request in gateway.upstream.requests:
                assert "sk-canary-messages" in request.headers.get("authorization", "")


def test_a_header_that_ends_the_line_early_never_arrives(gateway: Watched) -> None:
    """The server itself refuses it; what is forwarded is what it has taken."""
    import socket

    host, port = gateway.gateway.url.removeprefix("http://").split(":")
    raw = json.dumps({**BODIES["messages"], "model": "m-messages"}).encode()
    for evil in (b"a\rx-made-up: 1", b"a\nx-made-up: 1", b"a\x00b", b"a\r\n x: 1"):
        gateway.begin()
        with socket.create_connection((host, int(port)), timeout=5) as line:
            line.sendall(
                b"POST /v1/messages HTTP/1.1\r\nhost: x\r\nconnection: close\r\nanthropic-beta: "
                + evil
                + b"\r\ncontent-length: %d\r\n\r\n" % len(raw)
                + raw
            )
            got = b""
            while data := line.recv(65536):
                got += data
        assert got.startswith((b"HTTP/1.1 4", b"HTTP/1.1 200")), got[:200]
        for request in gateway.upstream.requests:
            assert "x-made-up" not in request.headers
        gateway.gateway.until(lambda: gateway.gateway.house.in_flight == 0)
