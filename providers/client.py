"""The HTTP client to the hosts, as everybody knows it; which one it is, the config says.

Our own (``client_pool``) or a library's (``client_aiohttp``), with one contract: connections kept
and used again, TLS verified, redirects not followed, cookies ignored, proxies of the environment
honoured. A ``Target`` binds address and credential when the config loads, so that no request can
pair them otherwise. Every fault leaves here as an ``UpstreamError``. Ours does not know proxies, so
calls through one are the library's in any case, as are those to unusual addresses (``Target.way``).
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Literal
from urllib.request import getproxies

from providers.client_aiohttp import LibraryClient
from providers.client_answer import ERROR_BODY_MAX_BYTES, Answer, StaleConnectionError, unmade
from providers.client_pool import Pool
from providers.client_target import (
    Target,
    ask_guard,
    environment_proxy,
    head,
    head_with,
    is_framed,
    target,
)
from providers.errors import ErrorKind, UpstreamError

__all__ = [
    "ERROR_BODY_MAX_BYTES",
    "Answer",
    "Client",
    "Kind",
    "StaleConnectionError",
    "Target",
    "environment_proxy",
    "target",
]

Kind = Literal["own", "aiohttp"]

_UNSENDABLE = "a header that cannot be sent"


class Client:
    """The client. Make one per process inside a running loop; ``close`` it at the end.

    ``connect_s`` is the seconds within which a connection must stand, ``kind`` which client it is.
    """

    def __init__(self, *, connect_s: float, connections_per_host: int, kind: Kind = "own") -> None:
        self._bounds = (connect_s, connections_per_host)
        self._library: LibraryClient | None = None
        self._pool: Pool | None = None
        if kind == "own":
            self._pool = Pool(connect_s=connect_s, connections_per_host=connections_per_host)
        if kind == "aiohttp" or not getproxies().keys().isdisjoint(("http", "https", "all")):
            self._library_client()  # now, since loading it later would hold calls up

    async def post(self, target: Target, payload: bytes, extra: Mapping[str, str]) -> Answer:
        """Send ``payload`` and return when the answer's headers are here.

        ``extra`` headers take the place of the target's of the same name. The caller owns the time
        limit of the first byte; whoever is cancelled here has cut the connection. Raises
        ``UpstreamError`` of kind connect, timeout, malformed or cut.
        """
        ask_guard(target)
        pool, way = self._pool, target.way
        if pool is None or way is None or (extra and is_framed(extra)):
            return await self._library_client().post(target, payload, extra)
        first = head_with(target, way, extra) if extra else way.head
        if not first:
            raise unmade(_UNSENDABLE)
        return await pool.ask(way, first, payload)

    async def get(self, url: str, headers: Mapping[str, str], *, within_s: float) -> Answer:
        """Fetch ``url`` (health, model lists), off the hot path. Raises ``UpstreamError``."""
        aim = target(url, headers)
        ask_guard(aim)
        try:
            async with asyncio.timeout(within_s):
                if self._pool is None or aim.way is None:
                    return await self._library_client().get(aim)
                first = head("GET", aim.url, aim.way.path, aim.headers, {})
                if not first:
                    raise unmade(_UNSENDABLE)
                return await self._pool.ask(aim.way, first, None)
        except TimeoutError as fault:
            raise UpstreamError(ErrorKind.TIMEOUT, f"no answer within {within_s} s") from fault

    async def close(self) -> None:
        """Close every connection."""
        if self._library is not None:
            await self._library.close()
        if self._pool is not None:
            await self._pool.close()

    def _library_client(self) -> LibraryClient:
        if self._library is None:
            connect_s, connections = self._bounds
            self._library = LibraryClient(connect_s=connect_s, connections_per_host=connections)
        return self._library
