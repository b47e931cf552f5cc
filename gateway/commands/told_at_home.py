"""What the configured servers at home tell of themselves, in a line each, for ``doctor``."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping

from gateway.routes import Provider
from providers import home_asking
from providers.client import Client, Kind
from providers.home_server import NOTHING_LEARNT, Learnt, Load

CONNECT_S = 2.0
CONNECTIONS = 8
MODELS_MAX = 20


def ask_all(
    owners: Iterable[Provider], models: Mapping[str, Iterable[str]], kind: Kind
) -> dict[str, str]:
    """Return what each server says of its load and of ``models``, where it says anything.

    ``kind`` is the client that asks.
    """

    async def together() -> list[str]:
        client = Client(connect_s=CONNECT_S, connections_per_host=CONNECTIONS, kind=kind)
        try:
            return await asyncio.gather(
                *(_ask(client, owner, list(models.get(owner.name, ()))) for owner in found)
            )
        finally:
            await client.close()

    found = [owner for owner in owners if owner.endpoint.server and owner.endpoint.base_url]
    texts = asyncio.run(together()) if found else []
    return {owner.name: text for owner, text in zip(found, texts, strict=True) if text}


async def _ask(client: Client, owner: Provider, models: list[str]) -> str:
    endpoint = owner.endpoint
    learnt = (
        home_asking.learn(client, endpoint, endpoint.base_url, model)
        for model in models[:MODELS_MAX]
    )
    load = await home_asking.load(client, endpoint, endpoint.base_url)
    said = [_load(load)] if load is not None else []
    if owner.host.health_path is not None:
        well = await home_asking.healthy(
            client, endpoint, endpoint.base_url, owner.host.health_path
        )
        said += [] if well is None else ["healthy" if well else "not healthy, or still loading"]
    for model, one in zip(models, await asyncio.gather(*learnt), strict=False):
        if one != NOTHING_LEARNT and (words := _words(one)):
            said.append(f"{model}: {words}")
    return "; ".join(said)


def _load(load: Load) -> str:
    told = []
    if load.running is not None:
        told.append(f"{load.running} requests under way")
    if load.waiting is not None:
        told.append(f"{load.waiting} wait")
    return ", ".join(told)


def _words(learnt: Learnt) -> str:
    told = []
    if learnt.remote:
        told.append("runs on other machines")
    if learnt.context is not None:
        told.append(f"window {learnt.context}")
    if learnt.tools is not None:
        told.append("takes tools" if learnt.tools else "takes no tools")
    if learnt.loaded is not None:
        told.append("loaded" if learnt.loaded else "not loaded")
    return ", ".join(told)
