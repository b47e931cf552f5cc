"""How calls end at the edge: clients that leave or read slowly, applications that fail, shutdown."""

from __future__ import annotations

import asyncio
import contextvars
import json
import logging
import socket
from typing import Any

import pytest

from gateway import edge
from gateway.edge import Edge
from tests.unit.gateway.edge_served import (
    DATE,
    LOOPS,
    Client,
    Served,
    client,
    on_both_loops,
    request,
    run,
    served,
    with_client,
)


@pytest.fixture(autouse=True)
def _nothing_waits_to_be_handed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(edge, "WHOLE_WITHIN_S", 1000.0)


@on_both_loops
@with_client
async def test_a_client_that_leaves_before_its_answer_is_told_of_once(
    place: Served, caller: Client
) -> None:
    await caller.send(request(do="held"))
    await place.until(lambda: place.app.begun)
    caller.leave()
    await place.until(lambda: place.app.gone)
    assert not place.state.connections
    # It may go on: what it sends is taken and goes nowhere.
    place.app.go.set()
    await place.until(lambda: place.app.ended)
    assert (place.app.gone, place.app.faults) == (1, [])
    assert place.state.total_requests == 0


@on_both_loops
@with_client
async def test_a_client_that_leaves_in_a_stream_is_told_of_once(
    place: Served, caller: Client
) -> None:
    await caller.send(request(do="held_stream"))
    await caller.until(b"first")
    caller.vanish()
    await place.until(lambda: place.app.gone)
    place.app.go.set()
    await place.until(lambda: place.app.ended)
    assert (place.app.gone, place.app.faults) == (1, [])


@on_both_loops
@with_client
async def test_half_a_goodbye_is_one(place: Served, caller: Client) -> None:
    await caller.send(request(do="held"))
    caller.raw.shutdown(socket.SHUT_WR)
    await place.until(lambda: place.app.gone)
    assert await caller.rest() == b""


@on_both_loops
@with_client
async def test_a_client_that_leaves_with_its_answer_is_not_told_of(
    place: Served, caller: Client
) -> None:
    place.app.go.set()
    await caller.send(request(do="held"))
    assert (await caller.answer()).body == b"held"
    caller.leave()
    await place.until(lambda: not place.state.connections)
    assert (place.app.gone, place.app.ended) == (0, 1)


@on_both_loops
@with_client
async def test_who_wants_to_hear_no_more_is_not_told(place: Served, caller: Client) -> None:
    await caller.send(request(do="no_more"))
    await place.until(lambda: place.app.begun)
    caller.leave()
    await place.until(lambda: not place.state.connections)
    await asyncio.sleep(0)
    assert place.app.gone == 0


@on_both_loops
@with_client
async def test_who_asks_late_is_told_too(place: Served, caller: Client) -> None:
    await caller.send(request(do="late"))
    await place.until(lambda: place.app.begun)
    caller.leave()
    await place.until(lambda: not place.state.connections)
    place.app.go.set()
    await place.until(lambda: place.app.gone)
    assert place.app.gone == 1


@on_both_loops
@with_client
async def test_receive_tells_it_as_well(place: Served, caller: Client) -> None:
    await caller.send(request(do="told"))
    await place.until(lambda: place.app.begun)
    caller.leave()
    await place.until(lambda: place.app.ended)
    assert (place.app.gone, place.app.faults) == (1, [])


@on_both_loops
@with_client
async def test_whoever_listens_hears_that_the_answer_is_complete(
    place: Served, caller: Client
) -> None:
    for do in ("listens", "listens_late"):
        await caller.send(request(do=do))
        assert (await caller.answer()).body == b"said"
    await place.until(lambda: place.app.ended == 2)
    assert place.app.faults == []


@on_both_loops
@with_client
async def test_what_was_sent_ahead_goes_with_the_client(place: Served, caller: Client) -> None:
    await caller.send(request(do="held") + request() + request(b"half")[:-2])
    await place.until(lambda: place.app.begun)
    caller.leave()
    await place.until(lambda: place.app.gone)
    place.app.go.set()
    await place.until(lambda: place.app.ended)
    assert len(place.app.calls) == 1


@on_both_loops
@with_client
async def test_a_client_that_leaves_in_its_request_is_forgotten(
    place: Served, caller: Client
) -> None:
    await caller.send(request(b"half")[:-2])
    await place.until(lambda: place.received)
    caller.leave()
    await place.until(lambda: not place.state.connections)
    assert not place.app.calls


FAILED = b"Internal Server Error"


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize(
    ("do", "word"),
    [
        ("raise", "LookupError: before"),
        ("raise_started", "LookupError: nothing"),
        ("split_header", "a header has a line break"),
        ("too_long", "longer than Content-Length"),
        ("too_short", "shorter than Content-Length"),
        ("nothing", "returned without starting response"),
    ],
)
def test_an_application_that_fails_before_its_answer(
    loop: str, do: str, word: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def scenario() -> None:
        async with served() as place, client(place) as caller:
            await caller.send(request(do=do) + request())
            answer = await caller.answer()
            assert (answer.status, answer.body) == (500, FAILED)
            assert answer.headers["connection"] == "close"
            assert "date" in answer.headers
            assert await caller.rest() == b""
            await place.until(lambda: not place.state.connections)
            assert not place.state.tasks

    run(loop, scenario())
    (told,) = caplog.records
    assert (told.name, told.levelno) == ("uvicorn.error", logging.ERROR)
    assert word in caplog.text


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize(
    ("do", "word"), [("raise_late", "LookupError: after"), ("half", "without completing response")]
)
def test_an_application_that_fails_in_its_answer(
    loop: str, do: str, word: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def scenario() -> None:
        async with served() as place, client(place) as caller:
            await caller.send(request(do=do))
            assert (await caller.rest()).endswith(b"\r\n\r\n4\r\nhalf\r\n")
            await place.until(lambda: not place.state.connections)

    run(loop, scenario())
    assert word in caplog.text


@pytest.mark.parametrize("do", ["twice", "too_much"])
def test_an_application_that_answers_twice(do: str, caplog: pytest.LogCaptureFixture) -> None:
    async def scenario() -> None:
        async with served() as place, client(place) as caller:
            await caller.send(request(do=do), request(b"next"))
            assert (await caller.answer()).body == b"once"
            # What it did wrong afterwards is not the next request's affair.
            assert json.loads((await caller.answer()).body)["body"] == "next"
            assert isinstance(place.app.faults[0], RuntimeError)

    run("uvloop", scenario())
    assert "out of its turn" in caplog.text


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("do", ["held", "held_stream"])
def test_a_cancelled_call_is_ended(loop: str, do: str, caplog: pytest.LogCaptureFixture) -> None:
    async def scenario() -> None:
        async with served() as place, client(place) as caller:
            await caller.send(request(do=do))
            await place.until(lambda: place.app.begun)
            for task in place.state.tasks:
                task.cancel()
            said = await caller.rest()
            assert said.endswith(FAILED if do == "held" else b"first\r\n")
            await place.until(lambda: not place.state.tasks)
            assert place.app.gone == 0

    run(loop, scenario())
    (told,) = caplog.records
    assert told.exc_info is not None
    assert told.exc_info[0] is asyncio.CancelledError


@on_both_loops
async def test_a_call_that_is_cancelled_before_it_begins() -> None:
    async with served() as place, client(place) as caller:
        await place.until(lambda: place.state.connections)
        place.lines[0].data_received(request(do="held"))
        (task,) = place.state.tasks
        task.cancel()
        assert (await caller.answer()).status == 500
        await place.until(lambda: not place.state.tasks)


@on_both_loops
@with_client
async def test_shutdown_closes_what_is_idle(place: Served, caller: Client) -> None:
    async with client(place) as unused:
        await caller.send(request())
        await caller.answer()
        await place.until(lambda: len(place.state.connections) == 2)
        for line in list(place.state.connections):
            line.shutdown()
        assert await caller.rest() == await unused.rest() == b""
        await place.until(lambda: not place.state.connections)


@on_both_loops
@with_client
async def test_shutdown_lets_an_answer_end(place: Served, caller: Client) -> None:
    await caller.send(request(do="held_stream") + request())
    await caller.until(b"first\r\n")
    place.lines[0].shutdown()
    await asyncio.sleep(0)
    assert place.state.connections
    place.app.go.set()
    assert await caller.rest() == b"4\r\nlast\r\n0\r\n\r\n"
    assert (place.app.gone, len(place.app.calls)) == (0, 1)
    await place.until(lambda: not place.state.connections)


@on_both_loops
@with_client
async def test_shutdown_tells_the_client_where_it_can(place: Served, caller: Client) -> None:
    await caller.send(request(do="held"))
    await place.until(lambda: place.app.begun)
    place.lines[0].shutdown()
    place.app.go.set()
    assert (await caller.answer()).headers["connection"] == "close"
    assert await caller.rest() == b""


@on_both_loops
@with_client
async def test_shutdown_lets_a_body_arrive(place: Served, caller: Client) -> None:
    whole = request(b"0123456789")
    await caller.send(whole[:-5])
    await place.until(lambda: place.received)
    place.lines[0].shutdown()
    await caller.send(whole[-5:])
    answer = await caller.answer()
    assert (answer.status, answer.headers["connection"]) == (200, "close")
    assert await caller.rest() == b""


def test_a_call_may_have_a_context_of_its_own() -> None:
    seen: list[str] = []
    mark: contextvars.ContextVar[str] = contextvars.ContextVar("mark", default="none")

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(mark.get())
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    async def scenario(reset: bool) -> None:
        mark.set("the server's")
        async with served(Edge, app, reset_contextvars=reset) as place, client(place) as caller:
            await caller.send(request(headers="Connection: close\r\n"))
            whole = b"HTTP/1.1 204 No Content\r\ndate: %b\r\nconnection: close\r\n\r\n" % DATE[1]
            assert await caller.rest() == whole

    run("asyncio", scenario(False))
    run("asyncio", scenario(True))
    assert seen == ["the server's", "none"]
