"""Asks a server at home what it tells of itself: bounded, and a fault means that nothing is known.

Only names of models go out here; the words of a prompt in ``count`` alone.
"""

from __future__ import annotations

import asyncio
from typing import Any
from urllib.parse import quote

import msgspec

from providers import home_reading
from providers.client import Client, target
from providers.endpoint import Endpoint
from providers.errors import ErrorKind, UpstreamError
from providers.home_reading import MODEL
from providers.home_server import NOTHING_LEARNT, Learnt, Load, Probe, Tokenise

WITHIN_S = 3.0
ANSWER_MAX_BYTES = 2 * 1024 * 1024

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode


async def learn(client: Client, endpoint: Endpoint, base_url: str, model: str) -> Learnt:
    """Return what the server at ``base_url`` says of ``model``: all its questions at once."""
    if endpoint.server is None:
        return NOTHING_LEARNT
    asked = (_one(client, endpoint, base_url, probe, model) for probe in endpoint.server.probes)
    return home_reading.together(await asyncio.gather(*asked))


async def load(client: Client, endpoint: Endpoint, base_url: str) -> Load | None:
    """Return how many requests the server answers now and how many wait; None: it does not say."""
    for at in endpoint.server.loads if endpoint.server is not None else ():
        try:
            raw = await _fetch(client, endpoint, base_url, at.path, None)
        except UpstreamError:
            continue
        if raw is not None and (found := home_reading.read_load(at, raw)) is not None:
            return found
    return None


async def healthy(client: Client, endpoint: Endpoint, base_url: str, path: str) -> bool | None:
    """Return whether the server calls itself healthy; None: it does not answer at all."""
    try:
        return await _fetch(client, endpoint, base_url, path, None) is not None
    except UpstreamError:
        return None


async def count(
    client: Client, endpoint: Endpoint, base_url: str, at: Tokenise, asked: dict[str, Any]
) -> int | None:
    """Return how many tokens the server counts in ``asked``; None where it gives no number."""
    try:
        raw = await _fetch(client, endpoint, base_url, at.path, _encode(asked))
    except UpstreamError:
        return None
    return home_reading.counted(at, _read(raw))


async def _one(
    client: Client, endpoint: Endpoint, base_url: str, probe: Probe, model: str
) -> Learnt:
    body = home_reading.question(probe, model)
    try:
        path = probe.path.replace(MODEL, quote(model, safe=""))
        said = _read(await _fetch(client, endpoint, base_url, path, body))
    except UpstreamError as fault:
        # A server that takes no connection takes no prompt either; a slow one may.
        return Learnt(silent="remote" in probe.finds and fault.kind is ErrorKind.TIMEOUT)
    return NOTHING_LEARNT if said is None else home_reading.read(probe, said, model)


def _read(raw: bytes | None) -> Any:
    try:
        return None if raw is None else _decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


async def _fetch(
    client: Client, endpoint: Endpoint, base_url: str, path: str, body: bytes | None
) -> bytes | None:
    """Return the body of a good answer, None for another one. Raises ``UpstreamError``."""
    url = home_reading.root(base_url) + path
    headers = next(iter(endpoint.headers.values()), {})
    try:
        async with asyncio.timeout(WITHIN_S):
            if body is None:
                answer = await client.get(url, headers, within_s=WITHIN_S)
            else:
                answer = await client.post(target(url, headers), body, {})
            try:
                return await answer.read(ANSWER_MAX_BYTES) if answer.status == 200 else None
            finally:
                answer.close()
    except TimeoutError:
        raise UpstreamError(ErrorKind.TIMEOUT, f"no answer within {WITHIN_S:g} s") from None
