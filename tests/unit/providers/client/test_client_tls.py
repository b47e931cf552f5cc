"""TLS and proxies: whom the client trusts, what it says of whom it does not, and who goes between."""

from __future__ import annotations

import asyncio
import ssl
from random import Random

import pytest
from aiohttp import connector

pytest.importorskip("cryptography")

from providers.client import Client, target
from providers.errors import UpstreamError
from tests.fakes.raw_host import CHUNKED, LAST, OK, RawHost, Talk, answering, chunk, whole
from tests.unit.providers.client.asking import BODY, Clients, ask, everywhere, said
from tests.unit.providers.client.certificates import Certificate, certificate

LARGE = Random(9).randbytes(3 * 1024 * 1024)


@pytest.fixture(scope="module")
def for_us(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    """A certificate for this machine."""
    return certificate(tmp_path_factory.mktemp("us"), "127.0.0.1", "localhost")


@pytest.fixture(scope="module")
def for_others(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    """A certificate for another machine."""
    return certificate(tmp_path_factory.mktemp("others"), "api.example.com")


def trusted(one: Certificate, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the system trust a certificate, as an operator does for an authority of their own."""
    monkeypatch.setenv("SSL_CERT_FILE", str(one.path))
    # The library made its context when it was imported, and keeps it.
    context = ssl.create_default_context()
    context.set_alpn_protocols(["http/1.1"])
    monkeypatch.setattr(connector, "_SSL_CONTEXT_VERIFIED", context)


@everywhere
async def test_a_trusted_host_is_reached_and_its_connection_used_again(
    clients: Clients, for_us: Certificate, monkeypatch: pytest.MonkeyPatch
) -> None:
    trusted(for_us, monkeypatch)
    client = clients()
    async with RawHost(answering(OK), for_us.server) as host:
        for _ in range(3):
            assert await said(client, host) == (200, b"ok")
        assert len(host.talks) == 1
        over_tls = host.talks[0].writer.get_extra_info("ssl_object")
        assert over_tls.selected_alpn_protocol() == "http/1.1"
        named = target(host.url.replace("127.0.0.1", "localhost"), {})
        answer = await client.post(named, BODY, {})
        assert await answer.read(9) == b"ok"
        answer.close()


@everywhere
async def test_an_untrusted_host_is_not_called(clients: Clients, for_us: Certificate) -> None:
    client = clients()
    async with RawHost(answering(OK), for_us.server) as host:
        for _ in range(2):
            with pytest.raises(UpstreamError, match=r"^TLS failed") as caught:
                await said(client, host)
            assert caught.value.kind == "connect"
        assert not host.talks


@everywhere
async def test_a_trusted_host_of_another_name_is_not_called(
    clients: Clients, for_others: Certificate, monkeypatch: pytest.MonkeyPatch
) -> None:
    trusted(for_others, monkeypatch)
    client = clients()
    async with RawHost(answering(OK), for_others.server) as host:
        with pytest.raises(UpstreamError, match=r"^TLS failed"):
            await said(client, host)
        assert not host.talks


@everywhere
async def test_a_host_without_tls_is_said_so(clients: Clients) -> None:
    client = clients()

    async def serve(talk: Talk) -> None:
        await talk.reader.read(100)
        await talk.say(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await talk.left()

    async with RawHost(serve) as host:
        with pytest.raises(UpstreamError, match=r"^(TLS failed|cannot connect)"):
            await client.post(target(host.url.replace("http:", "https:"), {}), BODY, {})


@everywhere
async def test_a_host_that_is_silent_in_the_handshake_has_a_limit(clients: Clients) -> None:
    client = clients(connect_s=0.2)

    async def serve(talk: Talk) -> None:
        await talk.left()

    async with RawHost(serve) as host:
        with pytest.raises(UpstreamError, match="no connection within the connect limit"):
            await client.post(target(host.url.replace("http:", "https:"), {}), BODY, {})
        await host.until(lambda: host.now == 0)


@everywhere
async def test_bodies_large_and_streamed_pass_through_tls(
    clients: Clients, for_us: Certificate, monkeypatch: pytest.MonkeyPatch
) -> None:
    trusted(for_us, monkeypatch)
    client = clients()

    async def serve(talk: Talk) -> None:
        asked = await talk.asked()
        await talk.say(whole(asked.body))
        await talk.asked()
        await talk.say(CHUNKED, *(chunk(b"%d;" % number) for number in range(100)), LAST)
        await talk.asked()
        await talk.say(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nab")

    async with RawHost(serve, for_us.server) as host:
        assert await said(client, host, LARGE) == (200, LARGE)
        assert (await said(client, host))[1] == b"".join(b"%d;" % number for number in range(100))
        with pytest.raises(UpstreamError, match="broke while answering"):
            await said(client, host)
        assert len(host.talks) == 1


@everywhere
@pytest.mark.parametrize("when", ["while it connects", "before the headers", "in the body"])
async def test_who_is_cancelled_over_tls_is_gone_at_once(
    clients: Clients, for_us: Certificate, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    trusted(for_us, monkeypatch)
    client = clients(connections_per_host=1)

    async def serve(talk: Talk) -> None:
        await talk.asked()
        if when == "in the body":
            await talk.say(CHUNKED + chunk(b"one"))
        await talk.left()

    async def call() -> None:
        answer = await ask(client, host)
        assert await answer.chunk() == b"one"
        await answer.chunk()

    async with RawHost(serve, for_us.server) as host:
        task = asyncio.create_task(call())
        if when == "while it connects":
            await asyncio.sleep(0.001)
        else:
            await host.until(lambda: host.talks and host.talks[0].requests)
            await asyncio.sleep(0.05)
        task.cancel()
        await asyncio.wait([task])
        await host.until(lambda: host.now == 0)


async def proxied(talk: Talk) -> None:
    """Answer as a proxy: a plain call itself, a tunnel with a no."""
    while True:
        asked = await talk.asked()
        if asked.line.startswith("CONNECT"):
            await talk.say(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
        else:
            await talk.say(whole(asked.line.encode()))


async def via(client: Client, url: str) -> bytes:
    answer = await client.post(target(url, {}), BODY, {})
    try:
        return await answer.read(999)
    finally:
        answer.close()


@everywhere
async def test_the_proxy_of_the_environment_goes_between(
    clients: Clients, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with RawHost(proxied) as proxy, RawHost(answering(OK)) as host:
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{proxy.port}")
        monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{proxy.port}")
        monkeypatch.setenv("no_proxy", "direct.localhost")
        client = clients()
        url = "http://api.example.com/v1/chat"
        assert await via(client, url) == b"POST http://api.example.com/v1/chat HTTP/1.1"
        with pytest.raises(UpstreamError) as caught:
            await via(client, "https://api.example.com/v1/chat")
        assert "Bearer" not in caught.value.message
        assert proxy.talks[-1].requests[-1].line == "CONNECT api.example.com:443 HTTP/1.1"
        # This machine is never reached through one, nor is what NO_PROXY names.
        asked = len(proxy.talks)
        assert await said(client, host) == (200, b"ok")
        assert target("http://direct.localhost:1/", {}).proxy is None
        assert target("http://localhost:1/", {}).proxy is None
        assert len(proxy.talks) == asked


@everywhere
async def test_a_proxy_that_is_away_is_a_fault(
    clients: Clients, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with RawHost(proxied) as proxy:
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{proxy.port}")
    with pytest.raises(UpstreamError, match="cannot connect"):
        await via(clients(), "http://api.example.com/v1/chat")
