"""The HTTP client of a library, aiohttp, behind our boundary: for proxies, or for everything.

Its import takes a quarter of a second and 13 MB, so it comes with the first call that needs it.
"""

from __future__ import annotations

import asyncio
import io
import socket
import ssl
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from providers import guard
from providers.client_answer import Answer, cut, not_http, stale, unmade, words
from providers.client_target import Target, merged
from providers.errors import ErrorKind, UpstreamError
from providers.guard import EgressRefusedError

if TYPE_CHECKING:
    import aiohttp
    from aiohttp.abc import ResolveResult

# Larger ones go in pieces, so that no other call waits for one write.
WHOLE_MAX_BYTES = 1024 * 1024


class LibraryClient:
    """The library's pool. Make it inside a running loop; ``close`` it at the end."""

    def __init__(self, *, connect_s: float, connections_per_host: int) -> None:
        import aiohttp

        connector = aiohttp.TCPConnector(
            limit=0,
            limit_per_host=connections_per_host,
            ttl_dns_cache=60,
            resolver=_told_resolver(),
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
        """Send ``payload`` and return the answer when its headers are here.

        Raises ``UpstreamError``.
        """
        data = payload if len(payload) <= WHOLE_MAX_BYTES else io.BytesIO(payload)
        return await self._asked("POST", target, extra, data)

    async def get(self, target: Target) -> Answer:
        """Fetch a target. Raises ``UpstreamError``."""
        return await self._asked("GET", target, {}, None)

    async def close(self) -> None:
        """Close every connection."""
        await self._session.close()

    async def _asked(
        self, method: str, target: Target, extra: Mapping[str, str], data: Any
    ) -> Answer:
        from yarl import URL

        headers = merged(target.headers, extra) if extra else target.headers
        try:
            response = await self._session.request(
                method,
                URL(target.url, encoded=True),
                data=data,
                headers=headers,
                proxy=target.proxy,
                allow_redirects=False,
            )
        except _faults() as fault:
            raise _opening_fault(fault) from fault
        except ValueError as fault:
            raise unmade("a header that cannot be sent") from fault
        if response.status < 200:
            response.close()
            raise not_http("it would speak another protocol")
        return LibraryAnswer(response)


class LibraryAnswer(Answer):
    """An answer of the library's."""

    __slots__ = ("_content", "_response")

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self._response = response
        self._content = response.content
        self.status = response.status

    def header(self, name: str) -> str | None:
        """One response header, the first of its name."""
        value = self._response.headers.get(name)
        return None if value is None else _as_sent(value)

    @property
    def headers(self) -> dict[str, str]:
        """All response headers, names in lower case."""
        found: dict[str, str] = {}
        for name, value in self._response.headers.items():
            found.setdefault(name.lower(), _as_sent(value))
        return found

    @property
    def limits(self) -> dict[str, str]:
        """The headers that tell of limits, names in lower case; mostly none, and then at once."""
        if not any(b"imit" in name for name, _ in self._response.raw_headers):
            return {}
        return {name: value for name, value in self.headers.items() if "limit" in name}

    @property
    def content_type(self) -> str:
        """The media type as sent, with its parameters."""
        return _as_sent(self._response.headers.get("Content-Type", ""))

    def take(self) -> bytes | None:
        """Return what has arrived without waiting: b"" at the end, None if there is nothing yet.

        Raises ``UpstreamError``.
        """
        try:
            data = self._content.read_nowait(-1)
        except _faults() as fault:
            raise cut(words(fault)) from fault
        return data if data or self._content.at_eof() else None

    async def chunk(self) -> bytes:
        """Return what has arrived, at least one byte; b"" at the end. Raises ``UpstreamError``.

        Whoever is cancelled here has cut the connection.
        """
        try:
            return await self._content.readany()
        except asyncio.CancelledError:
            self._response.close()
            raise
        except _faults() as fault:
            raise cut(words(fault)) from fault

    def close(self) -> None:
        """Let the answer be: cut the connection at once, unless the whole body has come."""
        self._response.close() if not self._content.at_eof() else self._response.release()


def _told_resolver() -> Any:
    import aiohttp

    class Told(aiohttp.ThreadedResolver):
        """The system's resolver, whose look-ups the guard is told of: a loop's are no events."""

        async def resolve(
            self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
        ) -> list[ResolveResult]:
            """Return the addresses of ``host``. Raises ``OSError`` where none are to be used."""
            sys.audit(guard.LOOKUP, host, port)
            found = await super().resolve(host, port, family)
            sys.audit(guard.RESOLVED, host, port, [one["host"] for one in found])
            return found

    return Told()


def _faults() -> tuple[type[Exception], ...]:
    """Return what the library raises; it is asked only once something was raised."""
    import aiohttp

    return (aiohttp.ClientError, OSError)


def _as_sent(value: str) -> str:
    """Return a header's value with one sign for each of its bytes, whatever they were."""
    # The library takes them for UTF-8, and what is none for surrogates, which nothing can write.
    return value if value.isascii() else value.encode("utf-8", "surrogateescape").decode("latin-1")


def _opening_fault(fault: Exception) -> UpstreamError:
    import aiohttp

    refused = getattr(fault, "os_error", fault)
    if isinstance(refused, EgressRefusedError):
        return UpstreamError(ErrorKind.CONNECT, words(refused))
    if isinstance(fault, aiohttp.ClientSSLError | ssl.SSLError):
        return UpstreamError(ErrorKind.CONNECT, f"TLS failed ({words(fault)})")
    if isinstance(fault, aiohttp.ServerTimeoutError | TimeoutError):
        return UpstreamError(ErrorKind.TIMEOUT, "no connection within the connect limit")
    if isinstance(fault, aiohttp.ClientConnectorError | aiohttp.ClientProxyConnectionError):
        return UpstreamError(ErrorKind.CONNECT, f"cannot connect ({words(fault)})")
    if isinstance(fault, aiohttp.ServerDisconnectedError) and not isinstance(fault.message, str):
        return cut("it was closed")  # with a part of the headers
    if isinstance(fault, aiohttp.ServerDisconnectedError | ConnectionError | aiohttp.ClientOSError):
        return stale()
    if isinstance(fault, aiohttp.ClientResponseError):
        return not_http(words(fault))
    return unmade(words(fault))
