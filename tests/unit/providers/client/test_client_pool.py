"""Connections: used again, limited, waited for in turn, given up when idle, and none left over."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from providers.client import Client, StaleConnectionError
from providers.client_connection import Connection
from providers.client_pool import Pool
from providers.client_target import Way
from providers.errors import UpstreamError
from tests.fakes.raw_host import CHUNKED, LAST, OK, RawHost, Talk, answering, chunk, whole
from tests.unit.providers.client.asking import BODY, Clients, ask, everywhere, said


def sockets() -> int:
    """Count the sockets that this process has open."""
    found = 0
    for one in Path("/proc/self/fd").iterdir():
        with suppress(OSError):
            found += str(one.readlink()).startswith("socket:")
    return found


def unused_port() -> int:
    """Return a port at which nobody listens."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


@everywhere
async def test_one_connection_serves_many_calls_in_turn(clients: Clients) -> None:
    client = clients()
    async with RawHost(answering(OK)) as host:
        for _ in range(10):
            assert await said(client, host) == (200, b"ok")
        assert len(host.talks) == 1
        assert [one.body for one in host.talks[0].requests] == [BODY] * 10


@everywhere
async def test_what_was_used_last_is_used_first(clients: Clients) -> None:
    client = clients()
    if clients.kind == "aiohttp":
        pytest.skip("the library takes what was used first")
    async with RawHost(answering(OK)) as host:
        await asyncio.gather(*(said(client, host) for _ in range(5)))
        assert len(host.talks) == 5
        for _ in range(20):
            await said(client, host)
        assert sorted(len(talk.requests) for talk in host.talks)[:4] == [1] * 4


@everywhere
async def test_a_refused_connection_is_a_fault_and_takes_no_place(clients: Clients) -> None:
    client = clients(connections_per_host=1)
    host = RawHost(answering(OK), port=unused_port())
    for _ in range(2):
        with pytest.raises(UpstreamError, match=r"cannot connect \(Connect") as caught:
            await said(client, host)
        assert caught.value.kind == "connect"
        assert not isinstance(caught.value, StaleConnectionError)
    async with host:
        assert await said(client, host) == (200, b"ok")


@everywhere
async def test_a_connection_that_does_not_come_about_has_a_limit(clients: Clients) -> None:
    client = clients(connect_s=0.2)
    # A queue of one that nobody takes from: what follows is not answered by the kernel.
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        host = RawHost(answering(OK), port=full.getsockname()[1])
        others = []
        for _ in range(4):
            other = socket.socket()
            other.setblocking(False)
            other.connect_ex(("127.0.0.1", host.port))
            others.append(other)
        with pytest.raises(UpstreamError, match="no connection within the connect limit") as caught:
            await said(client, host)
        assert caught.value.kind == "timeout"
        for other in others:
            other.close()


@everywhere
async def test_a_connection_that_the_host_has_closed_is_stale(clients: Clients) -> None:
    client = clients()

    async def serve(talk: Talk) -> None:
        await talk.asked()
        await talk.say(OK)
        await talk.asked()  # and not a byte of answer

    async with RawHost(serve) as host:
        assert await said(client, host) == (200, b"ok")
        with pytest.raises(StaleConnectionError):
            await said(client, host)
        assert len(host.talks) == 1
        assert await said(client, host) == (200, b"ok")
        assert len(host.talks) == 2


@everywhere
@pytest.mark.parametrize("how", ["end", "reset", "words", "answer"])
async def test_what_befalls_an_idle_connection_is_known_before_the_next_call(
    clients: Clients, how: str
) -> None:
    if clients.kind == "aiohttp" and how in ("words", "answer"):
        pytest.skip("the library takes them for the answer to the next call")
    client = clients()
    now = asyncio.Event()

    async def serve(talk: Talk) -> None:
        await talk.asked()
        await talk.say(OK)
        if len(host.talks) > 1:
            await talk.left()
            return
        await now.wait()
        if how == "reset":
            talk.reset()
        elif how != "end":
            await talk.say(b"HTTP/1.1 408 Too Slow\r\n\r\n" if how == "words" else whole(b"no"))
            await talk.left()

    async with RawHost(serve) as host:
        assert await said(client, host) == (200, b"ok")
        now.set()
        await host.until(lambda: host.now == 0)
        await asyncio.sleep(0.02)  # until it has come here
        assert await said(client, host) == (200, b"ok")
        assert len(host.talks) == 2


@everywhere
async def test_there_are_so_many_connections_at_most_and_all_are_answered(clients: Clients) -> None:
    client = clients(connections_per_host=2)

    async def serve(talk: Talk) -> None:
        while True:
            await talk.asked()
            await asyncio.sleep(0.01)
            await talk.say(OK)

    async with RawHost(serve) as host:
        found = await asyncio.gather(*(said(client, host) for _ in range(9)))
        assert found == [(200, b"ok")] * 9
        assert host.most == 2
        assert len(host.talks) == 2


@everywhere
async def test_there_are_so_many_connections_at_most_where_none_is_used_again(
    clients: Clients,
) -> None:
    client = clients(connections_per_host=2)

    async def serve(talk: Talk) -> None:
        await talk.asked()
        await asyncio.sleep(0.01)
        await talk.say(whole(b"ok", b"Connection: close"))
        await talk.left()

    async with RawHost(serve) as host:
        for _ in range(3):
            found = await asyncio.gather(*(said(client, host) for _ in range(9)))
            assert found == [(200, b"ok")] * 9
        assert len(host.talks) == 27
        assert host.most <= 3, "the host may see an end a little later than it was made"


@everywhere
async def test_those_who_wait_get_their_turn_in_order(clients: Clients) -> None:
    client = clients(connections_per_host=1)
    async with RawHost(answering(OK)) as host:
        bodies = [b"%d" % number for number in range(8)]
        await asyncio.gather(*(said(client, host, body) for body in bodies))
        assert [one.body for one in host.talks[0].requests] == bodies


@everywhere
@pytest.mark.parametrize("moment", [0, 1, 2, 3, 4, 5, 6])
@pytest.mark.parametrize("again", [True, False], ids=["used again", "closed"])
async def test_one_who_waited_and_was_cancelled_takes_nothing_along(
    clients: Clients, moment: int, again: bool
) -> None:
    """Whenever it is: also in the very turn of the loop in which it gets the connection."""
    if clients.kind == "aiohttp":
        pytest.skip("the library may lose the turn, and then those behind it wait for ever")
    client = clients(connections_per_host=1)
    answer_now = asyncio.Event()

    async def serve(talk: Talk) -> None:
        while True:
            await talk.asked()
            await answer_now.wait()
            await talk.say(OK if again else whole(b"ok", b"Connection: close"))

    async with RawHost(serve) as host:
        first = asyncio.create_task(said(client, host))
        await host.until(lambda: host.talks and host.talks[0].requests)
        waiting = [asyncio.create_task(said(client, host)) for _ in range(4)]
        await asyncio.sleep(0)
        answer_now.set()
        for _ in range(moment):
            await asyncio.sleep(0)
        for one in waiting[:2]:
            one.cancel()
        found = await asyncio.gather(first, *waiting, return_exceptions=True)
        good = [one for one in found if one == (200, b"ok")]
        assert len(good) >= 3
        assert len(good) + sum(isinstance(one, asyncio.CancelledError) for one in found) == 5
        assert await said(client, host) == (200, b"ok")


@everywhere
async def test_one_who_waits_gets_the_place_of_a_connection_that_is_lost(clients: Clients) -> None:
    client = clients(connections_per_host=1)

    async def serve(talk: Talk) -> None:
        await talk.asked()
        if len(host.talks) < 3:
            await asyncio.sleep(0.02)
            talk.reset()
        else:
            await talk.say(OK)
            await talk.left()

    async with RawHost(serve) as host:
        found = await asyncio.gather(
            *(said(client, host) for _ in range(3)), return_exceptions=True
        )
        assert [type(one) for one in found] == [StaleConnectionError, StaleConnectionError, tuple]


@everywhere
async def test_one_who_is_cancelled_while_it_connects_takes_nothing_along(clients: Clients) -> None:
    client = clients(connections_per_host=1)
    async with RawHost(answering(OK)) as host:
        for turns in range(12):
            task = asyncio.create_task(said(client, host))
            for _ in range(turns):
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.wait([task])
            assert await said(client, host) == (200, b"ok")
        assert host.most <= 2, "the host may see an end a little later than it was made"


@everywhere
async def test_limits_are_of_each_host(clients: Clients) -> None:
    client = clients(connections_per_host=1)
    held = asyncio.Event()

    async def serve(talk: Talk) -> None:
        await talk.asked()
        await held.wait()
        await talk.say(OK)

    async with RawHost(serve) as slow, RawHost(answering(OK)) as other:
        task = asyncio.create_task(said(client, slow))
        await slow.until(lambda: slow.talks)
        assert await said(client, other) == (200, b"ok")
        held.set()
        assert await task == (200, b"ok")


async def test_an_idle_connection_is_closed_after_its_time() -> None:
    client = Client(connect_s=5, connections_per_host=8)
    client._pool = pool = Pool(connect_s=5, connections_per_host=8, idle_s=0.05)
    async with RawHost(answering(OK)) as host:
        await asyncio.gather(*(said(client, host) for _ in range(3)))
        assert host.now == 3
        await host.until(lambda: host.now == 0)
        assert not pool._has_open()
        assert await said(client, host) == (200, b"ok")
        await host.until(lambda: host.now == 0)
        assert len(host.talks) == 4
        await client.close()


async def test_a_connection_that_is_closed_as_soon_as_it_stands_is_stale(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    client = Client(connect_s=5, connections_per_host=1)
    assert client._pool is not None
    dialler = client._pool.dialler
    dial = dialler.dial

    async def closed(way: Way, made: Callable[[], Connection]) -> Connection:
        connection = await dial(way, made)
        connection.eof_received()
        await asyncio.sleep(0.01)  # it is lost before anybody can use it
        return connection

    async with RawHost(answering(OK)) as host:
        monkeypatch.setattr(dialler, "dial", closed)
        for _ in range(2):
            with pytest.raises(StaleConnectionError):
                await said(client, host)
        monkeypatch.setattr(dialler, "dial", dial)
        assert await said(client, host) == (200, b"ok")
        await client.close()


async def test_each_idle_connection_has_its_own_time() -> None:
    client = Client(connect_s=5, connections_per_host=8)
    client._pool = Pool(connect_s=5, connections_per_host=8, idle_s=0.1)
    later = asyncio.Event()

    async def serve(talk: Talk) -> None:
        await talk.asked()
        await talk.say(CHUNKED)
        if talk is host.talks[0]:
            await later.wait()
        await talk.say(LAST)
        await talk.left()

    async with RawHost(serve) as host:
        slow = await ask(client, host)
        await said(client, host)
        await asyncio.sleep(0.05)
        later.set()
        assert await slow.read(9) == b""
        await host.until(lambda: host.now == 0)
        await client.close()


async def test_a_connection_that_was_cut_in_this_very_turn_is_not_used_again() -> None:
    client = Client(connect_s=5, connections_per_host=8)
    assert client._pool is not None
    async with RawHost(answering(OK)) as host:
        await said(client, host)
        (place,) = client._pool._places.values()
        place._idle[0].abort()
        assert await said(client, host) == (200, b"ok")
        assert len(host.talks) == 2
        await client.close()


async def test_an_idle_connection_that_nobody_swept_is_not_used_again() -> None:
    client = Client(connect_s=5, connections_per_host=8)
    client._pool = pool = Pool(connect_s=5, connections_per_host=8)
    async with RawHost(answering(OK)) as host:
        await said(client, host)
        pool.idle_s = 0.0
        await said(client, host)
        assert len(host.talks) == 2
        await client.close()


@everywhere
async def test_closing_leaves_no_socket_whatever_is_under_way(clients: Clients) -> None:
    before = sockets()
    client = clients(connections_per_host=2)

    async def serve(talk: Talk) -> None:
        await talk.asked()
        await talk.say(CHUNKED + chunk(b"one"))
        await talk.left()

    async with RawHost(serve) as host, RawHost(answering(OK)) as other:
        await said(client, other)
        streams = [await ask(client, host) for _ in range(2)]
        waiting = asyncio.create_task(said(client, host))
        await asyncio.sleep(0)
        if clients.kind == "aiohttp":
            waiting.cancel()
        await client.close()
        await asyncio.wait([waiting])
        if clients.kind == "own":
            with pytest.raises(UpstreamError, match="the client is closed"):
                await waiting
            with pytest.raises(UpstreamError, match="the client is closed"):
                await said(client, other)
        for one in streams:
            one.close()
        await host.until(lambda: host.now == 0)
        await other.until(lambda: other.now == 0)
    await asyncio.sleep(0)
    assert sockets() <= before


@everywhere
async def test_a_host_that_ends_while_calls_are_under_way_gives_each_a_fault(
    clients: Clients,
) -> None:
    client = clients()

    async def serve(talk: Talk) -> None:
        await talk.asked()
        await talk.say(CHUNKED + chunk(b"one"))
        await talk.left()

    async with RawHost(serve) as host:
        streams = [await ask(client, host) for _ in range(5)]
        await host.stop()
        for one in streams:
            with pytest.raises(UpstreamError, match="broke while answering"):
                await one.read(99)
            one.close()


@everywhere
async def test_hundreds_at_once_are_each_given_their_own(clients: Clients) -> None:
    client = clients(connections_per_host=32)

    async def serve(talk: Talk) -> None:
        while True:
            asked = await talk.asked()
            await talk.say(CHUNKED + chunk(asked.body) + LAST)

    async with RawHost(serve) as host:
        bodies = [b"%d" % number for number in range(300)]
        found = await asyncio.gather(*(said(client, host, body) for body in bodies))
        assert found == [(200, body) for body in bodies]
        assert host.most <= 32
