"""The fake upstream does what it says: the other tests stand on it."""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Iterator

import aiohttp
import pytest

from tests.fakes import answers
from tests.fakes.answers import Gate
from tests.fakes.upstream import Upstream, refused_url

ASKED = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}


@pytest.fixture
def client(upstream: Upstream) -> Iterator[http.client.HTTPConnection]:
    connection = http.client.HTTPConnection("127.0.0.1", upstream.port, timeout=5)
    yield connection
    connection.close()


def ask(client: http.client.HTTPConnection, **more: object) -> http.client.HTTPResponse:
    client.request("POST", "/v1/chat/completions", json.dumps({**ASKED, **more}))
    return client.getresponse()


def test_records_what_came_and_keeps_the_connection(
    upstream: Upstream, client: http.client.HTTPConnection
) -> None:
    answer = json.loads(ask(client).read())
    upstream.always("/other", answers.json_body([]))
    client.request("POST", "/other?x=1", iter([b"one", b"two"]), {"X-A": "b"})
    client.getresponse().read()
    first, second = upstream.requests
    assert answer["choices"][0]["message"]["content"] == "Hello there."
    assert first.json() == ASKED
    assert (second.method, second.target, second.path) == ("POST", "/other?x=1", "/other")
    assert second.body == b"onetwo"
    assert second.headers["x-a"] == "b"
    assert first.connection is second.connection
    assert second.at >= first.at


def test_scripts_go_before_standing_answers_and_those_before_the_default(
    upstream: Upstream, client: http.client.HTTPConnection
) -> None:
    upstream.script(answers.rate_limited("7"), answers.html(502))
    upstream.always("/health", answers.json_body({"ok": True}))
    upstream.on("/health", answers.error(503))
    limited = ask(client)
    limited.read()
    assert (limited.status, limited.headers["retry-after"]) == (429, "7")
    for status in (503, 200, 200):
        client.request("GET", "/health")
        health = client.getresponse()
        health.read()
        assert health.status == status
    page = ask(client)
    assert page.read().startswith(b"<!DOCTYPE")
    assert upstream.unused == 0
    assert ask(client).status == 200


def test_a_default_stream_states_usage_only_where_it_was_asked_for(
    client: http.client.HTTPConnection,
) -> None:
    plain = ask(client, stream=True).read()
    told = ask(client, stream=True, stream_options={"include_usage": True}).read()
    assert plain.endswith(b"data: [DONE]\n\n")
    assert b"usage" not in plain
    assert b'"choices":[],"usage":{' in told


def test_framing_of_events(upstream: Upstream, client: http.client.HTTPConnection) -> None:
    events = answers.chat_stream(["a"], usage_place=None, comments=["wait"])
    whole = b"".join(answers.sse(events).pieces)
    upstream.script(
        answers.sse(events, piece_bytes=1),
        answers.sse(events, crlf=True, done=False),
        answers.sse(events, framing="until_close"),
    )
    assert ask(client).read() == whole
    assert ask(client).read() == whole.replace(b"\n", b"\r\n")[: -len("data: [DONE]\r\n\r\n")]
    assert ask(client).read() == whole
    assert whole.startswith(b": wait\n\ndata: {")


@pytest.mark.parametrize("place", ["own", "finish", "every"])
def test_places_of_usage(place: answers.UsagePlace) -> None:
    events = [
        event
        for event in answers.chat_stream(["a", "b"], usage_place=place)
        if isinstance(event, dict)
    ]
    where = ["usage" in event for event in events]
    assert (
        where
        == {
            "own": [False, False, False, False, True],
            "finish": [False, False, False, True],
            "every": [True, True, True, True],
        }[place]
    )


def test_a_gate_lets_events_out_one_by_one(
    upstream: Upstream, client: http.client.HTTPConnection
) -> None:
    gate = Gate()
    upstream.script(answers.sse(["1", "2", "3"], done=False, gate=gate))
    answer = ask(client)
    gate.step()
    assert answer.readline() + answer.readline() == b"data: 1\n\n"
    assert upstream.requests[0].events_sent == 1
    gate.open()
    assert answer.read() == b"data: 2\n\ndata: 3\n\n"
    upstream.until(lambda: upstream.requests[0].answered)


def test_reset_and_hang_up_before_any_answer(upstream: Upstream) -> None:
    for behaviour, fault in (
        (answers.reset(), ConnectionResetError),
        (answers.hang_up(), http.client.RemoteDisconnected),
    ):
        upstream.script(behaviour)
        client = http.client.HTTPConnection("127.0.0.1", upstream.port, timeout=5)
        with pytest.raises(fault):
            ask(client)
        client.close()


@pytest.mark.parametrize(
    ("how", "fault"), [("reset", ConnectionResetError), ("close", http.client.IncompleteRead)]
)
def test_break_in_mid_stream(
    upstream: Upstream, client: http.client.HTTPConnection, how: answers.End, fault: type[Exception]
) -> None:
    gate = Gate()
    stream = answers.sse(["1", "2", "3"], gate=gate)
    upstream.script(answers.cut(stream, after=2, how=how))
    answer = ask(client)
    gate.step(2)
    assert [answer.readline() for _ in range(4)] == [b"data: 1\n", b"\n", b"data: 2\n", b"\n"]
    gate.step()
    with pytest.raises(fault):
        answer.read()
    upstream.until(lambda: upstream.requests[0].events_sent == 2)
    assert not upstream.requests[0].connection.closed.is_set()


def test_a_stream_that_ends_cleanly_too_soon(
    upstream: Upstream, client: http.client.HTTPConnection
) -> None:
    upstream.script(answers.cut(answers.sse(["1", "2"]), after=1, how="end"))
    assert ask(client).read() == b"data: 1\n\n"


def test_a_body_cut_by_bytes_breaks_the_promise_of_its_length(
    upstream: Upstream, client: http.client.HTTPConnection
) -> None:
    upstream.script(answers.cut(answers.chat(), after_bytes=20, how="close"))
    with pytest.raises(http.client.IncompleteRead) as caught:
        ask(client).read()
    assert len(caught.value.partial) == 20


def test_it_tells_when_the_client_goes(
    upstream: Upstream, client: http.client.HTTPConnection
) -> None:
    upstream.script(answers.cut(answers.sse(["1", "2"]), after=1, how="stall"))
    answer = ask(client)
    assert answer.readline() == b"data: 1\n"
    connection = upstream.requests[0].connection
    upstream.until(lambda: upstream.requests[0].events_sent == 1)
    assert connection.events_at_close is None
    answer.close()
    client.close()
    assert connection.closed.wait(5)
    assert connection.events_at_close == 1


async def test_a_test_with_a_loop_waits_without_blocking_it(upstream: Upstream) -> None:
    upstream.script(answers.stall())
    async with aiohttp.ClientSession() as session:
        with pytest.raises(TimeoutError):
            await session.post(
                upstream.url, data=b"x", timeout=aiohttp.ClientTimeout(total=None, sock_read=0.05)
            )
        await upstream.dropped(await upstream.hears())
    assert upstream.requests[0].connection.events_at_close == 0


def test_late_answers_come_when_the_gate_opens(
    upstream: Upstream, client: http.client.HTTPConnection
) -> None:
    gate = Gate()
    upstream.script(answers.late(answers.chat("now"), gate=gate))
    client.request("POST", "/v1/chat/completions", json.dumps(ASKED))
    upstream.until(lambda: upstream.requests)
    assert not upstream.requests[0].answered
    gate.open()
    assert b"now" in client.getresponse().read()


def test_refuse_and_accept_again(upstream: Upstream, client: http.client.HTTPConnection) -> None:
    upstream.refuse()
    with pytest.raises(ConnectionRefusedError):
        ask(client)
    client.close()
    upstream.accept()
    assert ask(client).status == 200


def test_raw_bytes_and_a_port_nobody_listens_at(upstream: Upstream) -> None:
    upstream.script(answers.raw(b"SSH-2.0-OpenSSH_9.6\r\n"))
    with socket.create_connection(("127.0.0.1", upstream.port), timeout=5) as wire:
        wire.sendall(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
        assert wire.recv(100) == b"SSH-2.0-OpenSSH_9.6\r\n"
    port = int(refused_url().rsplit(":", 1)[1].removesuffix("/v1"))
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), timeout=5)


def test_what_breaks_inside_the_fake_is_kept() -> None:
    with Upstream() as host:
        host.default = lambda request: answers.json_body(request.json()["absent"])
        client = http.client.HTTPConnection("127.0.0.1", host.port, timeout=5)
        with pytest.raises(ConnectionError):
            ask(client)
        client.close()
        host.until(lambda: host.faults)
        assert isinstance(host.faults[0], KeyError)
