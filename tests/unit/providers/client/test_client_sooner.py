"""Who opens a connection takes one that becomes free before that, and leaves the other to others."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from providers.client import Client
from providers.client_connection import Connection
from providers.errors import ErrorKind, UpstreamError
from tests.fakes.raw_host import OK, RawHost, Talk
from tests.unit.providers.client.asking import Clients, everywhere, said


class Dialling:
    """Holds back each connection but the first until ``go``; ``fails`` then, where that is set."""

    def __init__(self, client: Client) -> None:
        assert client._pool is not None
        dialler = client._pool.dialler
        self.begun = 0
        self.go = asyncio.Event()
        self.fails = False
        self.opened: Callable[[], object] = lambda: None
        dial = dialler.dial

        async def held(*given: Any) -> Connection:
            self.begun += 1
            if self.begun > 1:
                await self.go.wait()
                if self.fails:
                    raise UpstreamError(ErrorKind.CONNECT, "no way")
            made: Connection = await dial(*given)
            if self.begun > 1:
                self.opened()
            return made

        setattr(dialler, "dial", held)  # noqa: B010 - in the place of a method


def gated(host: asyncio.Event) -> Callable[[Talk], Coroutine[Any, Any, None]]:
    async def serve(talk: Talk) -> None:
        while True:
            await talk.asked()
            await host.wait()
            await talk.say(OK)

    return serve


@everywhere
@pytest.mark.parametrize("fails", [False, True])
async def test_a_connection_that_becomes_free_is_taken_before_one_is_open(
    clients: Clients, fails: bool
) -> None:
    client = clients()
    if clients.kind == "aiohttp":
        pytest.skip("aiohttp waits for the connection that it opens, whatever becomes free")
    answer_now = asyncio.Event()
    async with RawHost(gated(answer_now)) as host:
        dialling = Dialling(client)
        dialling.fails = fails
        first = asyncio.create_task(said(client, host))
        await host.until(lambda: host.talks and host.talks[0].requests)
        second = asyncio.create_task(said(client, host))
        await host.until(lambda: dialling.begun == 2)
        answer_now.set()
        assert await asyncio.gather(first, second) == [(200, b"ok")] * 2
        assert len(host.talks) == 1
        dialling.go.set()
        if not fails:  # what was opened all the same is there for the next ones
            await host.until(lambda: len(host.talks) == 2)
        for _ in range(3):
            calls = [said(client, host) for _ in range(1 if fails else 2)]
            assert await asyncio.gather(*calls) == [(200, b"ok")] * len(calls)
        assert dialling.begun == 2


@everywhere
@pytest.mark.parametrize("gets", ["nothing", "a free one", "its own"])
async def test_one_who_hoped_and_was_cancelled_takes_nothing_along(
    clients: Clients, gets: str
) -> None:
    """Also in the very turn of the loop in which it gets a connection."""
    client = clients(connections_per_host=2)
    if clients.kind == "aiohttp":
        pytest.skip("aiohttp waits for the connection that it opens, whatever becomes free")
    answer_now = asyncio.Event()
    async with RawHost(gated(answer_now)) as host:
        dialling = Dialling(client)
        first = asyncio.create_task(said(client, host))
        await host.until(lambda: host.talks and host.talks[0].requests)
        second = asyncio.create_task(said(client, host))
        await host.until(lambda: dialling.begun == 2)
        assert client._pool is not None
        (place,) = client._pool._places.values()
        if gets == "nothing":
            second.cancel()
        elif gets == "a free one":
            place._hoping[0].add_done_callback(lambda _: second.cancel())
            answer_now.set()
        else:
            dialling.opened = lambda: asyncio.get_running_loop().call_soon(second.cancel)
            dialling.go.set()
        await asyncio.wait([second])
        assert second.cancelled()
        answer_now.set()
        dialling.go.set()
        await first
        assert not place._hoping
        await host.until(lambda: place._taken == len(place._open) == len(place._idle))
        for _ in range(3):
            found = await asyncio.gather(*(said(client, host) for _ in range(3)))
            assert found == [(200, b"ok")] * 3
