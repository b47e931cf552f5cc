"""One tiny call to a route, by the very code that serves clients: for all of ``check --live``."""

from __future__ import annotations

import asyncio
import io
import json
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from gateway import exchange
from gateway.app import opened
from gateway.auth import Principal
from gateway.entrance import Entrance
from gateway.front import Message
from gateway.house import House
from gateway.log import LineLog
from gateway.setup import NO_TEAM, Setup
from providers.wires.registry import WIRES

CALLER = "check --live"
QUESTION = [{"role": "user", "content": "Say yes."}]
ANSWER_TOKENS = 16


@dataclass(frozen=True, slots=True)
class Tried:
    """One route's answer: HTTP status, milliseconds, cost in US dollars, and what was said."""

    route: str
    good: bool
    status: int
    ms: int
    cost_usd: str
    said: str


@dataclass(frozen=True, slots=True)
class Answered:
    """What a client would have got: status, headers (names in lower case), body, milliseconds."""

    status: int
    headers: dict[bytes, bytes]
    body: dict[str, Any]
    ms: int


def try_routes(path: Path, setup: Setup) -> list[Tried]:
    """Call each route of the config's models once; the calls are in the ledger like any other.

    Routes that cannot be called (no key) are left out. Raises what ``opened`` raises.
    """
    found = map(setup.candidates, setup.config.models)
    routes = {route.name: route for some in found if some is not None for route in some.routes}
    names = [name for name, route in routes.items() if not route.available]
    return asyncio.run(_all(path, setup, names))


@asynccontextmanager
async def house_for(path: Path, setup: Setup, caller: str) -> AsyncIterator[House]:
    """Give the parts of a gateway that nobody else calls; ``caller`` is whose calls the ledger has.

    Raises what ``opened`` raises.
    """
    ours = replace(setup, local=Principal(caller, NO_TEAM, setup.policy.labels[0]))
    quiet = LineLog(io.StringIO())
    async with opened(path, ours, lambda: dict(os.environ), quiet) as gateway:
        yield gateway.house


async def _all(path: Path, setup: Setup, names: list[str]) -> list[Tried]:
    async with house_for(path, setup, CALLER) as house:
        return [await _one(house, name) for name in names]


async def _one(house: House, name: str) -> Tried:
    found = await ask(house, name)
    return Tried(
        route=name,
        good=found.status == 200,
        status=found.status,
        ms=found.ms,
        cost_usd=found.headers.get(b"x-entrepot-cost-usd", b"").decode(),
        said=said(found.body),
    )


async def ask(house: House, name: str) -> Answered:
    """Ask the route ``name`` for a word."""
    asked = {"model": name, "messages": QUESTION, "max_completion_tokens": ANSWER_TOKENS}
    unread = [json.dumps(asked).encode()]
    answered: list[Message] = []

    async def receive() -> Message:
        if unread:
            return {"type": "http.request", "body": unread.pop()}
        return await asyncio.Future()  # we stay until the answer is there

    async def send(message: Message) -> None:
        answered.append(message)

    began = time.perf_counter()
    await exchange.run(house, Entrance(WIRES["chat"]), {"headers": []}, receive, send)
    took = int((time.perf_counter() - began) * 1000)
    headers = dict(answered[0]["headers"])
    status: int = answered[0]["status"]
    body = b"".join(message.get("body", b"") for message in answered[1:])
    return Answered(status, headers, json.loads(body), took)


def said(answer: dict[str, Any]) -> str:
    """Return the answer's first words, or what the error says."""
    if "error" in answer:
        return str(answer["error"].get("message", ""))
    return str(answer["choices"][0].get("message", {}).get("content") or "")[:60]
