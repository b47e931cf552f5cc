"""The one pooled HTTP client to the hosts.

The only file that knows aiohttp, which was chosen by measurement (docs/decisions/0002): one pool,
TLS verified, redirects not followed, cookies ignored, proxies of the environment honoured. A
``Target`` binds address and credential when the config loads, so that no request can pair them
otherwise. Every fault leaves here as an ``UpstreamError``.
"""

from __future__ import annotations

import asyncio
import io
import socket
import ssl
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp
from aiohttp.abc import ResolveResult
from multidict import CIMultiDict
from yarl import URL

from providers import guard
from providers.errors import ErrorKind, UpstreamError
from providers.guard import EgressRefusedError, Place

ERROR_BODY_MAX_BYTES = 64 * 1024
WHOLE_MAX_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Target:
    """One address with the headers (the credential among them) that belong to it and no other.

    ``place`` is what the guard is asked for, None where that is this machine.
    """

    url: URL
    headers: CIMultiDict[str]
    proxy: str | None
    place: Place | None

    def __repr__(self) -> str:
        """Show the address only: the headers hold a credential."""
        return f"Target({self.url})"


def target(url: str, headers: Mapping[str, str]) -> Target:
    """Bind ``url`` and ``headers`` once, with the proxy that the environment names for it."""
    fixed = CIMultiDict(
        {
            "Content-Type": "application/json",
            "Accept-Encoding": "identity",
            "User-Agent": "entrepot",
        }
    )
    fixed.update(headers)
    place = guard.place_of(url)
    away = None if guard.is_this_machine(place[0]) else place
    return Target(URL(url, encoded=True), fixed, environment_proxy(url), away)


def environment_proxy(url: str) -> str | None:
    """Return the proxy of HTTP_PROXY / HTTPS_PROXY / ALL_PROXY for ``url``, NO_PROXY honoured.

    This machine is never reached through a proxy: what is said at home must not leave it.
    """
    parts = urlsplit(url)
    proxies = getproxies()
    proxy = proxies.get(parts.scheme) or proxies.get("all")
    name = parts.hostname
    if not proxy or not name or guard.is_this_machine(name) or proxy_bypass(name):
        return None
    return proxy


class _ToldResolver(aiohttp.ThreadedResolver):
    """The system's resolver, whose look-ups the guard is told of: an event loop's are no events."""

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Return the addresses of ``host``. Raises ``OSError`` where there are none to be used."""
        sys.audit(guard.LOOKUP, host, port)
        found = await super().resolve(host, port, family)
        sys.audit(guard.RESOLVED, host, port, [one["host"] for one in found])
        return found


class Answer:
    """An answer whose status and headers are here and whose body is still to be read."""

    __slots__ = ("_content", "_response", "status")

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self._response = response
        self._content = response.content
        self.status = response.status

    def header(self, name: str) -> str | None:
        """One response header."""
        value = self._response.headers.get(name)
        return None if value is None else _as_sent(value)

    @property
    def headers(self) -> dict[str, str]:
        """All response headers, names in lower case."""
        return {name.lower(): _as_sent(value) for name, value in self._response.headers.items()}

    @property
    def limits(self) -> dict[str, str]:
        """The headers that tell of limits, names in lower case; mostly none, and then at once."""
        response = self._response
        if not any(b"imit" in name for name, _ in response.raw_headers):
            return {}
        return {name: value for name, value in self.headers.items() if "limit" in name}

    @property
    def content_type(self) -> str:
        """The media type as sent, with its parameters."""
        return _as_sent(self._response.headers.get("Content-Type", ""))

    async def chunk(self) -> bytes:
        """Return what has arrived, at least one byte; b"" at the end. Raises ``UpstreamError``."""
        try:
            return await self._content.readany()
        except (aiohttp.ClientError, OSError) as fault:
            raise UpstreamError(
                ErrorKind.CUT, f"the connection broke while answering ({_words(fault)})"
            ) from fault

    async def read(self, most_bytes: int) -> bytes:
        """Return the whole body. Raises ``UpstreamError`` when it breaks or is over the bound."""
        parts: list[bytes] = []
        size = 0
        while data := await self.chunk():
            parts.append(data)
            size += len(data)
            if size > most_bytes:
                raise UpstreamError(
                    ErrorKind.MALFORMED, f"the answer is larger than {most_bytes} bytes"
                )
        return parts[0] if len(parts) == 1 else b"".join(parts)

    async def read_some(self, most_bytes: int = ERROR_BODY_MAX_BYTES) -> bytes:
        """Return the body up to a bound and leave the rest; a broken body gives what came."""
        parts: list[bytes] = []
        size = 0
        try:
            while size < most_bytes and (data := await self.chunk()):
                parts.append(data)
                size += len(data)
        except UpstreamError:
            pass
        return b"".join(parts)[:most_bytes]

    def close(self) -> None:
        """Give the connection back when the body was read, else cut it at once."""
        self._response.close() if not self._content.at_eof() else self._response.release()


class Client:
    """The pool. Make one per process inside a running loop; ``close`` it at the end."""

    def __init__(self, *, connect_s: float, connections_per_host: int) -> None:
        connector = aiohttp.TCPConnector(
            limit=0,
            limit_per_host=connections_per_host,
            ttl_dns_cache=60,
            resolver=_ToldResolver(),
            # Below the idle limit of the usual load balancers (60 s), so that we close first.
            keepalive_timeout=50,
        )
        self._session = aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=connect_s),
            skip_auto_headers=("Accept", "Accept-Encoding", "User-Agent"),
            read_bufsize=256 * 1024,
        )

    async def post(self, target: Target, payload: bytes, extra: Mapping[str, str]) -> Answer:
        """Send ``payload`` and return when the answer's headers are here.

        The caller owns the time limit of the first byte. Raises ``UpstreamError`` of kind connect
        or timeout.
        """
        headers = target.headers
        if extra:
            headers = headers.copy()
            headers.update(extra)
        try:
            if target.place is not None:
                # On a connection that is open, or behind a proxy, nothing else would ask.
                sys.audit(guard.CALL, *target.place)
            response = await self._session.request(
                "POST",
                target.url,
                # In pieces where it is large, so that no other call waits for one write.
                data=payload if len(payload) <= WHOLE_MAX_BYTES else io.BytesIO(payload),
                headers=headers,
                proxy=target.proxy,
                allow_redirects=False,
            )
        except (aiohttp.ClientError, OSError) as fault:
            raise _opening_fault(fault) from fault
        return Answer(response)

    async def get(self, url: str, headers: Mapping[str, str], *, within_s: float) -> Answer:
        """Fetch ``url`` (health, model lists), off the hot path. Raises ``UpstreamError``."""
        aim = target(url, headers)
        try:
            if aim.place is not None:
                sys.audit(guard.CALL, *aim.place)
            async with asyncio.timeout(within_s):
                response = await self._session.get(
                    aim.url, headers=aim.headers, proxy=aim.proxy, allow_redirects=False
                )
        except TimeoutError as fault:
            raise UpstreamError(ErrorKind.TIMEOUT, f"no answer within {within_s} s") from fault
        except (aiohttp.ClientError, OSError) as fault:
            raise _opening_fault(fault) from fault
        return Answer(response)

    async def close(self) -> None:
        """Close every connection."""
        await self._session.close()


class StaleConnectionError(UpstreamError):
    """The connection was closed before one byte of answer, as a stale pooled one is.

    It may be tried once more on the same route.
    """


def _as_sent(value: str) -> str:
    """Return a header's value with one sign for each of its bytes, whatever they were."""
    # The library takes them for UTF-8, and what is none for surrogates, which nothing can write.
    return value if value.isascii() else value.encode("utf-8", "surrogateescape").decode("latin-1")


def _opening_fault(fault: Exception) -> UpstreamError:
    refused = getattr(fault, "os_error", fault)
    if isinstance(refused, EgressRefusedError):
        return UpstreamError(ErrorKind.CONNECT, _words(refused))
    if isinstance(fault, aiohttp.ClientSSLError | ssl.SSLError):
        return UpstreamError(ErrorKind.CONNECT, f"TLS failed ({_words(fault)})")
    if isinstance(fault, aiohttp.ServerTimeoutError | TimeoutError):
        return UpstreamError(ErrorKind.TIMEOUT, "no connection within the connect limit")
    if isinstance(fault, aiohttp.ClientConnectorError | aiohttp.ClientProxyConnectionError):
        return UpstreamError(ErrorKind.CONNECT, f"cannot connect ({_words(fault)})")
    if isinstance(fault, aiohttp.ServerDisconnectedError | ConnectionError | aiohttp.ClientOSError):
        return StaleConnectionError(
            ErrorKind.CONNECT, "the connection was closed before any answer"
        )
    if isinstance(fault, aiohttp.ClientResponseError):
        return UpstreamError(ErrorKind.MALFORMED, f"the answer is not HTTP ({_words(fault)})")
    return UpstreamError(ErrorKind.CONNECT, f"the call could not be made ({_words(fault)})")


def _words(fault: BaseException) -> str:
    # str() of some client errors shows the request's headers; the class and errno never do.
    os_error: Any = getattr(fault, "os_error", fault)
    text = getattr(os_error, "strerror", None)
    return text or type(fault).__name__
