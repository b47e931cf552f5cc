"""Runs a test over both clients, and our own under both event loops, and asks hosts in it."""

from __future__ import annotations

import asyncio
import functools
import inspect
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
import uvloop

from providers.client import Answer, Client, Kind, target
from tests.fakes.raw_host import RawHost

BODY = b'{"model":"m"}'
VARIANTS: dict[str, tuple[Kind, Callable[[], asyncio.AbstractEventLoop]]] = {
    "own": ("own", asyncio.new_event_loop),
    "own over uvloop": ("own", uvloop.new_event_loop),
    "aiohttp": ("aiohttp", asyncio.new_event_loop),
}
GRACE_S = 2.0

Test = Callable[..., Coroutine[Any, Any, None]]


class Clients:
    """Makes the clients of a test: of ``kind``, with the usual bounds unless it says others."""

    def __init__(self, kind: Kind) -> None:
        self.kind = kind
        self._made: list[Client] = []

    def __call__(self, **options: Any) -> Client:
        """Return a new client, which is closed after the test."""
        bounds = {"connect_s": 5, "connections_per_host": 8, "kind": self.kind, **options}
        self._made.append(Client(**bounds))
        return self._made[-1]

    async def close(self) -> None:
        """Close them, and see that nothing of ours stays open."""
        for client in self._made:
            await client.close()
            if client._pool is not None:
                assert not client._pool._has_open(), "a closed client has a connection"


def everywhere(test: Test) -> Callable[..., None]:
    """Make of a coroutine, which takes ``clients`` first, a test that runs once a variant."""

    def run(variant: str, **given: Any) -> None:
        kind, new_loop = VARIANTS[variant]
        with asyncio.Runner(loop_factory=new_loop) as runner:
            runner.run(_clean(Clients(kind), test, given))

    first, *others = inspect.signature(test).parameters.values()
    assert first.name == "clients"
    shown = inspect.Parameter("variant", inspect.Parameter.KEYWORD_ONLY)
    functools.update_wrapper(run, test)
    del run.__wrapped__  # type: ignore[attr-defined]  # or pytest would ask for its parameters
    run.__signature__ = inspect.Signature(  # type: ignore[attr-defined]  # that is what it reads
        [one.replace(kind=inspect.Parameter.KEYWORD_ONLY) for one in (*others, shown)]
    )
    return pytest.mark.parametrize("variant", VARIANTS)(run)


async def _clean(clients: Clients, test: Test, given: dict[str, Any]) -> None:
    """Run ``test``; fail where it leaves a task, or an error that nobody handled in the loop."""
    faults: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: faults.append(context))
    try:
        await test(clients, **given)
    finally:
        await clients.close()
    left = asyncio.all_tasks() - {asyncio.current_task()}
    if left:
        _, left = await asyncio.wait(left, timeout=GRACE_S)
    assert not left, f"tasks still run after the test: {left}"
    assert not faults, f"errors nobody handled in the loop: {faults}"


async def ask(client: Client, host: RawHost, payload: bytes = BODY, **extra: str) -> Answer:
    """Post to the host and return the answer, of which only the headers are read."""
    named = {name.replace("_", "-"): said for name, said in extra.items()}
    return await client.post(target(host.url, {"authorization": "Bearer k"}), payload, named)


async def said(client: Client, host: RawHost, payload: bytes = BODY) -> tuple[int, bytes]:
    """Post to the host and return the status and the whole body."""
    answer = await ask(client, host, payload)
    try:
        return answer.status, await answer.read(64 * 1024 * 1024)
    finally:
        answer.close()
