"""A silent stream gets signs of life, and a lively one none."""

from __future__ import annotations

import asyncio

from gateway.keepalive import KeepAlive


async def test_silence_is_broken_again_and_again() -> None:
    pings: list[float] = []
    loop = asyncio.get_running_loop()
    three = asyncio.Event()

    async def ping() -> None:
        pings.append(loop.time())
        if len(pings) == 3:
            three.set()

    alive = KeepAlive(0.02, ping)
    await asyncio.wait_for(three.wait(), 5)
    alive.stop()
    count = len(pings)
    await asyncio.sleep(0.1)
    assert len(pings) == count, "it is still after it was stopped"


async def test_who_is_heard_is_not_pinged() -> None:
    pings: list[None] = []

    async def ping() -> None:
        pings.append(None)

    alive = KeepAlive(0.5, ping)
    for _ in range(20):
        alive.heard_at = asyncio.get_running_loop().time()
        await asyncio.sleep(0.01)
    alive.stop()
    assert not pings


async def test_a_client_that_takes_nothing_gets_one_at_a_time() -> None:
    begun: list[None] = []
    stuck = asyncio.Event()

    async def ping() -> None:
        begun.append(None)
        await stuck.wait()

    alive = KeepAlive(0.01, ping)
    await asyncio.sleep(0.1)
    alive.stop()
    assert len(begun) == 1
