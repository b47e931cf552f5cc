"""How a name becomes a connection: looked up once for all, told to the guard, every address tried."""

from __future__ import annotations

import asyncio
import errno
import socket
import ssl
import sys
from pathlib import Path
from typing import Any

import pytest
from aiohttp import connector

from providers import client_dialling, guard
from providers.client import Client, target
from providers.errors import UpstreamError
from providers.guard import EgressRefusedError
from tests.fakes.raw_host import OK, RawHost, Talk, answering
from tests.unit.providers.client.asking import BODY, Clients, everywhere

NAME = "host.example.com"


class Names:
    """Answers look-ups in the place of the system, and hears what the guard is told."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *addresses: str) -> None:
        self.addresses = list(addresses)
        self.asked = 0
        self.told: list[tuple[Any, ...]] = []
        self.refuses = ""
        self.fault: OSError | None = None
        self.answers = asyncio.Event()
        self.answers.set()
        loop, real = asyncio.get_running_loop(), sys.audit
        self._system = loop.getaddrinfo

        def audit(event: str, *arguments: Any) -> None:
            if event in (guard.LOOKUP, guard.RESOLVED, guard.CALL):
                self.told.append((event, *arguments))
                if event == self.refuses:
                    raise EgressRefusedError(errno.EACCES, f"{arguments[0]} is not on the list")
            real(event, *arguments)

        monkeypatch.setattr(sys, "audit", audit)
        monkeypatch.setattr(loop, "getaddrinfo", self._look_up)

    async def _look_up(self, host: str, port: int, **how: Any) -> list[Any]:
        if host != NAME:
            return await self._system(host, port, **how)  # an address, which a loop asks for, too
        self.asked += 1
        await self.answers.wait()
        if self.fault is not None:
            raise self.fault
        return [
            (socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (address, port))
            for address in self.addresses
        ]


async def call(client: Client, host: RawHost) -> int:
    """Call the host by its name, on a connection of its own."""
    answer = await client.post(target(f"http://{NAME}:{host.port}/", {}), BODY, {})
    answer.close()
    return answer.status


async def once(talk: Talk) -> None:
    await talk.asked()
    await talk.say(OK.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
    await talk.left()


@everywhere
async def test_a_name_is_looked_up_once_for_all_and_the_guard_is_told(
    clients: Clients, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = clients()
    names = Names(monkeypatch, "127.0.0.1")
    async with RawHost(once) as host:
        assert await asyncio.gather(*(call(client, host) for _ in range(5))) == [200] * 5
        assert await call(client, host) == 200
        assert len(host.talks) == 6
    assert names.asked == 1
    place = (NAME, host.port)
    assert [one for one in names.told if one[0] != guard.CALL] == [
        (guard.LOOKUP, *place), (guard.RESOLVED, *place, ["127.0.0.1"]),
    ]  # fmt: skip
    assert names.told.count((guard.CALL, *place)) == 6


@everywhere
@pytest.mark.parametrize("event", [guard.CALL, guard.LOOKUP, guard.RESOLVED])
async def test_what_the_guard_refuses_is_not_connected_to(
    clients: Clients, monkeypatch: pytest.MonkeyPatch, event: str
) -> None:
    client = clients()
    names = Names(monkeypatch, "127.0.0.1")
    async with RawHost(answering(OK)) as host:
        names.refuses = event
        for _ in range(2):
            with pytest.raises(UpstreamError) as caught:
                await call(client, host)
            assert caught.value.message == f"{NAME} is not on the list"
            assert caught.value.kind == "connect"
        assert not host.talks
        names.refuses = ""
        assert await call(client, host) == 200
        # On a connection that is open the guard is still asked.
        names.refuses = guard.CALL
        with pytest.raises(UpstreamError):
            await call(client, host)
        assert [len(talk.requests) for talk in host.talks] == [1]


@everywhere
async def test_a_name_that_is_not_found_is_asked_for_again(
    clients: Clients, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = clients()
    names = Names(monkeypatch, "127.0.0.1")
    names.fault = socket.gaierror(socket.EAI_NONAME, "Name or service not known")
    async with RawHost(answering(OK)) as host:
        with pytest.raises(UpstreamError, match=r"cannot connect \(Name or service not"):
            await call(client, host)
        names.fault = None
        assert await call(client, host) == 200
        assert names.asked == 2


@everywhere
async def test_every_address_of_a_name_is_tried(
    clients: Clients, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = clients()
    Names(monkeypatch, "127.0.0.2", "127.0.0.3", "127.0.0.1")
    async with RawHost(once) as host:
        for _ in range(4):
            assert await call(client, host) == 200


@everywhere
async def test_a_machine_that_is_ill_in_its_tls_is_passed_over(
    clients: Clients, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    pytest.importorskip("cryptography")
    from tests.unit.providers.client.certificates import certificate

    for_host = certificate(tmp_path, NAME)
    monkeypatch.setenv("SSL_CERT_FILE", str(for_host.path))
    context = ssl.create_default_context()
    monkeypatch.setattr(connector, "_SSL_CONTEXT_VERIFIED", context)

    async def ill(talk: Talk) -> None:
        await talk.reader.read(1)
        talk.reset()

    client = clients()
    Names(monkeypatch, "127.0.0.2", "127.0.0.1")
    async with (
        RawHost(once, for_host.server) as host,
        RawHost(ill, port=host.port, at="127.0.0.2") as other,
    ):
        aim = target(f"https://{NAME}:{host.port}/", {})
        for _ in range(4):
            answer = await client.post(aim, BODY, {})
            answer.close()
            assert answer.status == 200
        assert other.talks


@everywhere
async def test_who_leaves_takes_a_look_up_from_nobody(
    clients: Clients, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = clients()
    names = Names(monkeypatch, "127.0.0.1")
    names.answers.clear()
    async with RawHost(answering(OK)) as host:
        calls = [asyncio.create_task(call(client, host)) for _ in range(4)]
        await host.until(lambda: names.asked)
        for one in calls[:2]:
            one.cancel()
        await asyncio.wait(calls[:2])
        names.answers.set()
        assert await asyncio.gather(*calls[2:]) == [200, 200]
        assert names.asked == 1


@everywhere
async def test_a_look_up_whose_askers_have_all_left_may_fail(
    clients: Clients, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = clients()
    names = Names(monkeypatch)
    names.answers.clear()
    names.fault = socket.gaierror(socket.EAI_NONAME, "Name or service not known")
    async with RawHost(answering(OK)) as host:
        one = asyncio.create_task(call(client, host))
        await host.until(lambda: names.asked)
        one.cancel()
        await asyncio.wait([one])
        names.answers.set()
        await asyncio.sleep(0.01)


async def test_what_is_known_of_a_name_is_asked_for_anew_after_its_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    names = Names(monkeypatch, "127.0.0.1")
    monkeypatch.setattr(client_dialling, "KNOWN_S", 0.0)
    client = Client(connect_s=5, connections_per_host=8)
    async with RawHost(once) as host:
        for _ in range(3):
            await call(client, host)
        assert names.asked == 3
        await client.close()


async def test_connections_go_to_each_address_in_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    # All of 127.0.0.0/8 is this machine, and the fake listens at one address of it.
    Names(monkeypatch, "127.0.0.1", "127.0.0.2")
    met: list[str] = []

    async def serve(talk: Talk) -> None:
        met.append(talk.writer.get_extra_info("sockname")[0])
        await once(talk)

    client = Client(connect_s=5, connections_per_host=8)
    async with RawHost(serve, at="0.0.0.0") as host:
        for _ in range(4):
            await call(client, host)
        assert sorted(met) == ["127.0.0.1"] * 2 + ["127.0.0.2"] * 2
        await client.close()


async def test_a_client_that_closes_gives_up_its_look_ups(monkeypatch: pytest.MonkeyPatch) -> None:
    names = Names(monkeypatch, "127.0.0.1")
    names.answers.clear()
    client = Client(connect_s=5, connections_per_host=8)
    async with RawHost(answering(OK)) as host:
        one = asyncio.create_task(call(client, host))
        await host.until(lambda: names.asked)
        await client.close()
        with pytest.raises(UpstreamError, match="the client was closed"):
            await one
