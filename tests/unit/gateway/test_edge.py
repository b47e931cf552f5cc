"""The edge: what it answers itself, what it hands over, and that requests come out as they went in."""

from __future__ import annotations

import json

import pytest

from gateway import edge, edge_head
from gateway.front import BODY
from tests.unit.gateway.edge_served import (
    DATE,
    HOT,
    Client,
    Served,
    client,
    on_both_loops,
    request,
    run,
    served,
    with_client,
)

GEMINI = "/v1beta/models/gemini-x:streamGenerateContent?alt=sse"


@pytest.fixture(autouse=True)
def _nothing_waits_to_be_handed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(edge, "WHOLE_WITHIN_S", 1000.0)


@on_both_loops
@with_client
async def test_a_whole_answer(place: Served, caller: Client) -> None:
    await caller.send(request(b'{"a": 1}', headers="Accept: */*\r\n"))
    answer = await caller.answer()
    assert answer.head == (
        b"HTTP/1.1 200 OK\r\ndate: %b\r\ncontent-type: text/plain\r\ncontent-length: %d\r\n\r\n"
        % (DATE[1], len(answer.body))
    )
    said = json.loads(answer.body)
    assert said["body"] == '{"a": 1}'
    assert said["headers"] == repr(
        [(b"host", b"here"), (b"x-do", b"echo"), (b"accept", b"*/*"), (b"content-length", b"8")]
    )
    assert said["path"] == repr(HOT)
    assert place.app.by_edge == [True]
    assert place.state.total_requests == 1
    scope = place.app.calls[0]
    assert scope["server"] == ("127.0.0.1", place.port)
    assert scope["client"] == caller.raw.getsockname()
    assert scope["scheme"] == "http"


@pytest.mark.parametrize(
    ("target", "path", "query"),
    [
        (GEMINI, GEMINI.partition("?")[0], b"alt=sse"),
        ("/v1/models/a%2Fb:generateContent", "/v1/models/a/b:generateContent", b""),
        (f"{HOT}?api-version=1", HOT, b"api-version=1"),
        ("/v1/%6Dessages?", "/v1/messages", b""),
    ],
)
def test_doors_that_are_not_fixed(target: str, path: str, query: bytes) -> None:
    async def scenario() -> None:
        async with served() as place, client(place) as caller:
            await caller.send(request(target=target))
            assert (await caller.answer()).status == 200
            (scope,) = place.app.calls
            assert place.app.by_edge == [True]
            assert (scope["path"], scope["query_string"]) == (path, query)
            assert scope["raw_path"] == target.encode().partition(b"?")[0]

    run("asyncio", scenario())


@on_both_loops
@with_client
async def test_whoever_takes_the_body_is_the_last_to_hold_it(place: Served, caller: Client) -> None:
    await caller.send(request(b"taken", do="taken"), request(b"read"))
    assert (await caller.answer()).body == b"taken"
    assert json.loads((await caller.answer()).body)["body"] == "read"
    assert all(BODY not in scope["extensions"] for scope in place.app.calls)


def test_a_request_that_is_split_anywhere() -> None:
    whole = request(b"0123456789", headers="A: b\r\n")

    async def scenario() -> None:
        async with served() as place, client(place) as caller:
            for cut in range(1, len(whole)):
                before = place.received
                await caller.send(whole[:cut])
                await place.until(lambda seen=before + cut: place.received == seen)
                await caller.send(whole[cut:])
                answer = await caller.answer()
                assert json.loads(answer.body)["body"] == "0123456789"
            assert all(place.app.by_edge)

    run("uvloop", scenario())


@on_both_loops
@with_client
async def test_a_request_that_comes_byte_by_byte(place: Served, caller: Client) -> None:
    whole = request(b"slow", headers="A: b\r\n") + request(b"slower")
    for number, byte in enumerate(whole, start=1):
        await caller.send(bytes([byte]))
        await place.until(lambda seen=number: place.received == seen)
    assert [json.loads((await caller.answer()).body)["body"] for _ in "12"] == ["slow", "slower"]
    assert all(place.app.by_edge)


@on_both_loops
@with_client
async def test_requests_in_one_piece_are_answered_in_order(place: Served, caller: Client) -> None:
    bodies = [f"number {number}" for number in range(30)]
    await caller.send(b"".join(request(body.encode()) for body in bodies))
    assert [json.loads((await caller.answer()).body)["body"] for _ in bodies] == bodies
    assert all(place.app.by_edge)
    assert place.state.total_requests == 30


@on_both_loops
@with_client
async def test_a_head_that_comes_again_is_read_as_if_it_were_new(
    place: Served, caller: Client
) -> None:
    asks = [
        (b"12345", "A: b\r\nB: 5\r\n"),
        (b"12345", "A: b\r\nB: 5\r\n"),
        (b"123456789012", "A: b\r\nB: 5\r\n"),
        (b"1", "A: b\r\nB: 5\r\n"),
        (b"1", "A: b\r\nB: 6\r\n"),
        (b"22", "A: b\r\nB: 6\r\n"),
    ]
    for body, headers in asks:
        await caller.send(request(body, headers=headers))
        said = json.loads((await caller.answer()).body)
        assert said["body"] == body.decode()
        assert f"(b'content-length', b'{len(body)}')" in said["headers"]
        assert f"(b'b', b'{headers[-3]}')" in said["headers"]
    lists = [scope["headers"] for scope in place.app.calls]
    assert len({id(pairs) for pairs in lists}) == len(asks)
    # What an application does with its headers is its own affair.
    lists[-1].clear()
    await caller.send(request(b"22", headers="A: b\r\nB: 6\r\n"))
    assert "(b'b', b'6')" in (await caller.answer()).body.decode()


BIG = edge_head.BODY_MAX_BYTES + 1
CHUNKED = f"POST {HOT} HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n".encode()
LONG = "X-L: " + "y" * 8_000 + "\r\n"
# What is none of the edge's business, with the status that it gets there.
OTHERS = {
    "another method": (b"GET /healthz HTTP/1.1\r\n\r\n", 200),
    "another address": (request(target="/api/explain"), 200),
    "a method that begins alike": (b"PO / HTTP/1.1\r\n\r\n", 400),
    "no method at all": (b"\x16\x03\x01\x02\x00\x01", 400),
    "chunked": (CHUNKED, 200),
    "a method of the wire that is none": (request(target="/v1/models/a:embed"), 200),
    "an absolute address": (request(target=f"http://here{HOT}"), 200),
    "no length": (f"POST {HOT} HTTP/1.1\r\n\r\n".encode(), 200),
    "no body": (request(b""), 200),
    "a part of a page": (request(target="/v1/models/a:generateContent?alt=sse#b"), 200),
    "a large body": (request(b"x" * BIG), 200),
    "an upgrade alone": (request(headers="Upgrade: h2c\r\n"), 200),
    "an upgrade": (request(headers="Connection: upgrade\r\nUpgrade: h2c\r\n"), 200),
    "many headers": (request(headers="A: b\r\n" * 130), 200),
    "a large head": (request(headers=LONG * 9), 200),
    "a length twice": (request(headers="Content-Length: 2\r\n"), 400),
    "a length that is none": (request(length="2x"), 400),
    "two lengths": (request(headers="Transfer-Encoding: chunked\r\n"), 400),
    "a folded header": (request(headers="A: b\r\n c\r\n"), 400),
    "a header without a name": (request(headers=": b\r\n"), 400),
    "a header that is none": (request(headers="broken\r\n"), 400),
    "line feeds alone": (request().replace(b"\r\n", b"\n"), 400),
    "an empty line first": (b"\r\n" + request(), 200),
    "a version of tomorrow": (request(version="1.7"), 400),
}


@pytest.mark.parametrize("served_before", [0, 2])
@pytest.mark.parametrize("name", OTHERS)
def test_everything_else_is_handed_over(name: str, served_before: int) -> None:
    raw, status = OTHERS[name]

    async def scenario() -> None:
        async with served() as place, client(place) as caller:
            for _ in range(served_before):
                await caller.send(request(b"x"))
                await caller.answer()
            middle = min(len(raw) // 2, 60)
            await caller.send(raw[:middle], raw[middle:])
            answer = await caller.answer()
            assert answer.status == status
            if status == 200:
                # For good: there is one server behind a connection from here on.
                await caller.send(request(b"and then"))
                assert json.loads((await caller.answer()).body)["body"] == "and then"
                assert place.app.by_edge[served_before:] == [False, False]
            else:
                await caller.rest()
            assert len(place.state.connections) <= 1
            assert place.lines[0] not in place.state.connections

    run("uvloop", scenario())


@on_both_loops
@with_client
async def test_expect_is_answered_by_the_other_server(place: Served, caller: Client) -> None:
    whole = request(b"later", headers="Expect: 100-continue\r\n")
    await caller.send(whole[:-5])
    assert await caller.until(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
    await caller.send(whole[-5:])
    assert json.loads((await caller.answer()).body)["body"] == "later"
    assert place.app.by_edge == [False]


@on_both_loops
@with_client
async def test_what_is_handed_over_waits_for_the_answers_before_it(
    place: Served, caller: Client
) -> None:
    await caller.send(request(do="held") + request(b"2") + CHUNKED + request(b"4"))
    await place.until(lambda: place.app.begun)
    assert place.app.begun == 1
    place.app.go.set()
    assert (await caller.answer()).body == b"held"
    bodies = [json.loads((await caller.answer()).body)["body"] for _ in "234"]
    assert bodies == ["2", "abc", "4"]
    assert place.app.by_edge == [True, True, False, False]


@on_both_loops
@with_client
async def test_a_stream_is_chunked(place: Served, caller: Client) -> None:
    await caller.send(request(do="stream"), request(b"next"))
    answer = await caller.answer()
    assert answer.head == (
        b"HTTP/1.1 200 OK\r\ndate: %b\r\nx-a: b\r\ntransfer-encoding: chunked\r\n\r\n" % DATE[1]
    )
    assert answer.body == b"one" + b"two" * 30 + b"last"
    assert json.loads((await caller.answer()).body)["body"] == "next"


@on_both_loops
@with_client
async def test_a_stream_of_http_1_0_ends_with_the_connection(place: Served, caller: Client) -> None:
    await caller.send(request(do="stream", version="1.0", headers="Connection: keep-alive\r\n"))
    head, _, body = (await caller.rest()).partition(b"\r\n\r\n")
    assert head == b"HTTP/1.1 200 OK\r\ndate: %b\r\nx-a: b\r\nconnection: close" % DATE[1]
    assert body == b"one" + b"two" * 30 + b"last"
    assert place.app.by_edge == [True]


@on_both_loops
@with_client
async def test_a_client_that_wants_no_second_answer(place: Served, caller: Client) -> None:
    await caller.send(request(headers="Connection: close\r\n") + request())
    answer = await caller.answer()
    assert answer.headers["connection"] == "close"
    assert await caller.rest() == b""
    assert len(place.app.calls) == 1
    await place.until(lambda: not place.state.connections)


@on_both_loops
@with_client
async def test_an_application_that_wants_no_second_request(place: Served, caller: Client) -> None:
    await caller.send(request(do="close") + request())
    answer = await caller.answer()
    assert (answer.status, answer.body) == (429, b"no")
    assert answer.head.count(b"connection: close") == 1
    assert await caller.rest() == b""
    assert len(place.app.calls) == 1


@on_both_loops
@with_client
async def test_a_large_answer(place: Served, caller: Client) -> None:
    await caller.send(request(do="large"), request(do="large"))
    for _ in "12":
        assert (await caller.answer()).body == b"x" * 300_000


@on_both_loops
@with_client
async def test_the_date_is_the_servers(place: Served, caller: Client) -> None:
    await caller.send(request())
    assert (await caller.answer()).headers["date"] == DATE[1].decode()
    place.state.default_headers = [(b"date", b"tomorrow"), (b"via", b"x")]
    await caller.send(request())
    answer = await caller.answer()
    assert (answer.headers["date"], answer.headers["via"]) == ("tomorrow", "x")
