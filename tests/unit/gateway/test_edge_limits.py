"""What the edge waits for, and for how long: slow senders and readers, idle and full connections."""

from __future__ import annotations

import asyncio
import json
import socket

import pytest

from gateway import edge
from tests.unit.gateway.edge_served import (
    FLOOD,
    FLOOD_PART,
    LOOPS,
    Client,
    Clock,
    Served,
    client,
    on_both_loops,
    request,
    run,
    served,
    with_client,
)

HIGH_WATER = 64 * 1024


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("cut", [3, 40, -4])
@pytest.mark.parametrize("served_before", [0, 1])
def test_a_slow_sender_is_handed_over(
    loop: str, cut: int, served_before: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(edge, "WHOLE_WITHIN_S", 0.02)
    whole = request(b"0123456789")

    async def scenario() -> None:
        async with served(timeout_keep_alive=1000) as place, client(place) as caller:
            for _ in range(served_before):
                await caller.send(request(b"x"))
                await caller.answer()
            await caller.send(whole[:cut])
            await place.until(lambda: place.received)
            (line,) = place.lines
            await place.until(lambda: line not in place.state.connections)
            assert len(place.state.connections) == 1
            await caller.send(whole[cut:])
            assert json.loads((await caller.answer()).body)["body"] == "0123456789"
            assert place.app.by_edge[served_before:] == [False]

    run(loop, scenario())


@pytest.mark.parametrize("loop", LOOPS)
def test_a_body_that_shutdown_waits_for_in_vain_is_handed_over(
    loop: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(edge, "WHOLE_WITHIN_S", 0.02)
    whole = request(b"0123456789")

    async def scenario() -> None:
        async with served() as place, client(place) as caller:
            await caller.send(whole[:-5])
            await place.until(lambda: place.received)
            place.lines[0].shutdown()
            await place.until(lambda: place.lines[0] not in place.state.connections)
            await caller.send(whole[-5:])
            answer = await caller.answer()
            assert (answer.status, answer.headers["connection"]) == (200, "close")
            assert await caller.rest() == b""
            assert place.app.by_edge == [False]

    run(loop, scenario())


@pytest.mark.parametrize("loop", LOOPS)
def test_an_idle_connection_is_closed(loop: str) -> None:
    async def scenario() -> None:
        async with served(timeout_keep_alive=0.05) as place, client(place) as caller:
            await caller.send(request())
            await caller.answer()
            assert await caller.rest() == b""
            await place.until(lambda: not place.state.connections)

    run(loop, scenario())


def test_a_connection_is_idle_since_its_last_answer() -> None:
    async def scenario() -> None:
        async with served(timeout_keep_alive=60) as place, client(place) as caller:
            clock = Clock()
            for _ in range(2):
                await caller.send(request())
                assert (await caller.answer()).status == 200
                await clock.jump(40)
            assert place.state.connections
            await clock.jump(21)
            assert not place.state.connections
            assert await caller.rest() == b""

    run("asyncio", scenario())


def test_a_connection_that_works_is_not_idle() -> None:
    async def scenario() -> None:
        async with served(timeout_keep_alive=60) as place, client(place) as caller:
            clock = Clock()
            await caller.send(request())
            await caller.answer()
            await caller.send(request(do="held"))
            await place.until(lambda: place.app.begun == 2)
            await clock.jump(1000)
            place.app.go.set()
            assert (await caller.answer()).body == b"held"
            await clock.jump(59)
            assert place.state.connections
            await clock.jump(2)
            assert await caller.rest() == b""

    run("asyncio", scenario())


def test_what_was_handed_over_is_not_looked_after_any_more() -> None:
    async def scenario() -> None:
        async with served(timeout_keep_alive=60) as place, client(place) as caller:
            clock = Clock()
            await caller.send(request())
            await caller.answer()
            await caller.send(request(do="deaf", target="/elsewhere"))
            await place.until(lambda: place.app.begun == 2)
            await clock.jump(1000)
            place.app.later.set()
            assert (await caller.answer()).body == b"heard"

    run("asyncio", scenario())


@on_both_loops
@with_client
async def test_who_sends_far_ahead_is_read_no_further(place: Served, caller: Client) -> None:
    one = request(b"x" * 50_000)
    sending = asyncio.ensure_future(caller.send(request(do="held") + one * 200))
    await place.until(lambda: place.received > edge.AHEAD_MAX_BYTES)
    for _ in range(50):
        await asyncio.sleep(0.001)
    # One read of either loop is at most 256 KiB.
    assert place.received < edge.AHEAD_MAX_BYTES + 2 * 262_144
    place.app.go.set()
    assert (await caller.answer()).body == b"held"
    for _ in range(200):
        assert len(json.loads((await caller.answer()).body)["body"]) == 50_000
    await sending
    assert len(place.app.calls) == 201
    assert all(place.app.by_edge)


@on_both_loops
async def test_a_slow_reader_is_waited_for() -> None:
    async with served() as place, client(place, takes_bytes=65_536) as caller:
        await caller.send(request(do="flood"))
        (line,) = place.lines
        await place.until(lambda: line.writable is not None)
        # What the sockets take meanwhile, the application may send on; then it stands still.
        sent = -1
        while sent != place.app.begun or line.writable is None:
            sent = place.app.begun
            await asyncio.sleep(0.05)
        assert place.app.ended == 0
        assert line.transport.get_write_buffer_size() <= HIGH_WATER + 2 * len(FLOOD_PART)
        assert (await caller.answer()).body == FLOOD_PART * FLOOD
        await place.until(lambda: place.app.ended)
        await caller.send(request(b"next"))
        assert json.loads((await caller.answer()).body)["body"] == "next"


@on_both_loops
async def test_a_slow_reader_that_leaves_holds_nobody() -> None:
    async with served() as place, client(place, takes_bytes=65_536) as caller:
        await caller.send(request(do="flood"))
        (line,) = place.lines
        await place.until(lambda: line.writable is not None)
        caller.vanish()
        await place.until(lambda: place.app.ended)
        assert place.app.faults == []


@on_both_loops
async def test_a_write_that_waits_is_known_to_the_other_server() -> None:
    async with served() as place, client(place, takes_bytes=4096) as caller:
        await place.until(lambda: place.state.connections)
        raw = place.lines[0].transport.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        await caller.send(request(do="large") + b"GET / HTTP/1.1\r\n\r\n")
        await place.until(lambda: len(place.app.calls) > 1)
        (other,) = place.state.connections
        assert other.flow.write_paused
        assert (await caller.answer()).body == b"x" * 300_000
        assert (await caller.answer()).status == 200
        assert place.app.by_edge == [True, False]


@on_both_loops
@with_client
async def test_a_body_that_nobody_reads_is_held_back_by_the_other_server(
    place: Served, caller: Client
) -> None:
    ask = request(do="held") + request(b"x" * 3_000_000, do="deaf")
    sending = asyncio.ensure_future(caller.send(ask))
    await place.until(lambda: place.received > edge.AHEAD_MAX_BYTES)
    place.app.go.set()
    assert (await caller.answer()).body == b"held"
    await place.until(lambda: len(place.app.calls) > 1)
    (other,) = place.state.connections
    await place.until(lambda: other.flow.read_paused)
    assert not other.transport.is_reading()
    place.app.later.set()
    assert (await caller.answer()).body == b"heard"
    caller.leave()
    await asyncio.wait([sending])
