"""Whether the configured addresses take connections: TCP, and TLS where they ask for it."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import urlsplit

from gateway import urls
from gateway.routes import Provider
from providers.client import environment_proxy

WITHIN_S = 2.0
_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Tried:
    """How it went at one address; ``works`` is also true for one that was not tried."""

    works: bool
    text: str


def try_all(owners: Iterable[Provider], *, outside: bool) -> dict[str, Tried]:
    """Try every provider's address at once, each for two seconds.

    Addresses beyond this machine are tried only with ``outside``.
    """

    async def together() -> list[Tried]:
        return await asyncio.gather(*(_try(owner.endpoint.base_url, outside) for owner in found))

    found = list(owners)
    return {owner.name: tried for owner, tried in zip(found, asyncio.run(together()), strict=True)}


async def _try(base_url: str, outside: bool) -> Tried:
    if not base_url:
        return Tried(True, "it has no address until it is started")
    parts = urlsplit(base_url)
    host, port = parts.hostname or "", parts.port or _PORTS.get(parts.scheme, 443)
    if not outside and not urls.is_loopback(host):
        return Tried(True, f"{host}:{port} was not tried")
    tls = ssl.create_default_context() if parts.scheme == "https" else None
    by = ""
    proxy = environment_proxy(base_url)
    if proxy is not None:
        # Calls go through it, so that is what has to answer; a proxy may hide the rest.
        way = urlsplit(proxy if "//" in proxy else f"//{proxy}")
        host, port, tls = way.hostname or "", way.port or 80, None
        by = "the proxy "
    try:
        async with asyncio.timeout(WITHIN_S):
            _, writer = await asyncio.open_connection(host, port, ssl=tls)
        writer.close()
    except TimeoutError:
        return Tried(False, f"{by}{host}:{port} does not answer within {WITHIN_S:g} s")
    except (OSError, ValueError) as fault:
        reason = getattr(fault, "verify_message", "") or getattr(fault, "strerror", "") or fault
        return Tried(False, f"{by}{host}:{port} cannot be reached: {reason}")
    return Tried(True, f"{by}{host}:{port} answers{' with TLS' if tls is not None else ''}")
