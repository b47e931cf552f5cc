"""``entrepot doctor --live``: what hosts say of their models, and one tiny call to each.

Lists are fetched with the provider's own credential, calls are made by the code that serves
clients, and what they cost is in the ledger. No key's value is ever said.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any

import msgspec

from billing import pricing
from billing.ledger import Entry
from billing.money import usd_text
from billing.price import Price
from gateway.commands import live
from gateway.commands.listed_models import Difference, compare, read_list
from gateway.errors import Refusal
from gateway.house import House
from gateway.routes import Provider
from gateway.setup import Setup
from providers.dialect import Dialect
from providers.errors import ErrorKind, UpstreamError
from providers.wires.registry import WIRES
from routing.route import Route

CALLER = "doctor --live"
WITHIN_S = 20.0
LAUNCH_WITHIN_S = 60.0
LIST_MAX_BYTES = 16 * 1024 * 1024
# What a tiny call can take: its question, with what a host puts around it, and its answer.
PROMPT_TOKENS = 200
BUCKETS = ("input", "cache_read", "cache_write", "output", "reasoning")

CURES: Mapping[ErrorKind, str] = MappingProxyType(
    {
        ErrorKind.CONNECT: "look at base_url, the network and the proxy of the environment",
        ErrorKind.TIMEOUT: "try again later, or raise the provider's timeouts",
        ErrorKind.RATE_LIMITED: "wait, or let the vendor raise the limit",
        ErrorKind.QUOTA: "credit or plan is used up: top it up, or wait for the plan's next window",
        ErrorKind.OVERLOADED: "the host has no room now: try again later",
        ErrorKind.SERVER: "the host's own fault: try again later",
        ErrorKind.AUTH: "set another key, of this very host, endpoint and plan",
        ErrorKind.FORBIDDEN: "the key is good but may not do this: ask the vendor for access",
        ErrorKind.NOT_FOUND: "look at the model's name, the endpoint and base_url",
        ErrorKind.BAD_REQUEST: "the host refused the request's form: see what it says",
        ErrorKind.CONTEXT_TOO_LONG: "the model's window is smaller than a word: see its settings",
        ErrorKind.FILTERED: "the host's filter refused a plain question: ask the vendor",
        ErrorKind.OPAQUE_STATE: "try again",
        ErrorKind.MALFORMED: "something else than a model server answers at that address",
        ErrorKind.CUT: "the answer was cut: look at proxies on the way",
    }
)


@dataclass(slots=True)
class Looked:
    """How it went at one provider. ``failed`` are (what, class, words, cure)."""

    provider: str
    host: str
    endpoint: str
    listed: int | None = None
    whole: bool = True
    route: str = ""
    ms: int = 0
    cost_usd: str = ""
    buckets: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    failed: list[tuple[str, str, str, str]] = field(default_factory=list)
    differences: list[Difference] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Wanted:
    """Whom to ask: providers, each with the first route that the config has there, or ""."""

    owners: tuple[tuple[Provider, str], ...]
    at_most_usd: str
    unpriced: int


def wanted(setup: Setup, only: str | None) -> Wanted:
    """Return whom to ask, and what that can cost at most."""
    owners: list[tuple[Provider, str]] = []
    routes: list[Route] = []
    for owner in setup.providers.values():
        if owner.available or only not in (None, owner.name):
            continue
        first = _first_route(setup, owner.name)
        owners.append((owner, first.name if first is not None else ""))
        routes += [first] if first is not None else []
    now = datetime.now(UTC)
    costs = [
        pricing.ceiling(route.prices, now, PROMPT_TOKENS, live.ANSWER_TOKENS, route.surcharge)
        for route in routes
    ]
    known = sum(cost for cost in costs if cost is not None)
    return Wanted(tuple(owners), usd_text(known), costs.count(None))


def _first_route(setup: Setup, provider: str) -> Route | None:
    for name in setup.config.models:
        found = setup.candidates(name)
        for route in found.routes if found is not None else ():
            if route.provider == provider:
                return route
    return None


def look(path: Path, setup: Setup, asked: Wanted) -> list[Looked]:
    """Ask every provider of ``asked``. Raises what ``opened`` raises."""

    async def together() -> list[Looked]:
        async with live.house_for(path, setup, CALLER) as house:
            return [await _look(house, setup, owner, route) for owner, route in asked.owners]

    return asyncio.run(together())


async def _look(house: House, setup: Setup, owner: Provider, route: str) -> Looked:
    looked = Looked(owner.name, owner.host.id, owner.at.id)
    if owner.host.models_path is None:
        looked.notes.append("the catalogue knows no list of its models")
    else:
        await _list(house, setup, owner, looked)
    if route:
        await _call(house, route, looked)
    else:
        looked.notes.append("no model of the config has a route there, so nothing was asked")
    return looked


async def _list(house: House, setup: Setup, owner: Provider, looked: Looked) -> None:
    try:
        raw = await _fetch(house, owner)
        found = read_list(msgspec.json.decode(raw))
    except UpstreamError as fault:
        # What a host says of a key it refuses may hold the key.
        words = "" if fault.kind is ErrorKind.AUTH else fault.message
        looked.failed.append(("list of models", fault.kind.value, words, CURES[fault.kind]))
        return
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        found = None
    if found is None:
        kind = ErrorKind.MALFORMED
        looked.failed.append(("list of models", kind.value, "no list", CURES[kind]))
        return
    looked.listed, looked.whole = len(found.models), found.whole
    if not found.whole:
        looked.notes.append("only the first page of its list was read")

    def price_of(model: str) -> Price | None:
        route = setup.route(f"{owner.name}/{model}")
        price = route.prices.at(datetime.now(UTC)) if route.prices is not None else None
        return price.times(route.surcharge) if price is not None else None

    looked.differences += compare(owner.host, found, price_of)


async def _fetch(house: House, owner: Provider) -> bytes:
    """Return the list as it came. Raises ``UpstreamError``."""
    endpoint = owner.endpoint
    wire = next(iter(endpoint.wires))
    base = await house.base_url(endpoint, LAUNCH_WITHIN_S) or endpoint.base_url
    models_path = owner.host.models_path or ""
    if models_path.startswith("/v1/") and base.endswith("/v1"):
        models_path = models_path.removeprefix("/v1")
    url = base.rstrip("/") + models_path
    headers = dict(endpoint.headers[wire])
    if endpoint.signer is not None:
        headers |= await endpoint.signer.sign("GET", url, headers, b"")
    answer = await house.client.get(url, headers, within_s=WITHIN_S)
    try:
        async with asyncio.timeout(WITHIN_S):
            if answer.status == 200:
                return await answer.read(LIST_MAX_BYTES)
            raw = await answer.read_some()
    except TimeoutError:
        raise UpstreamError(ErrorKind.TIMEOUT, f"no whole answer in {WITHIN_S:g} s") from None
    finally:
        answer.close()
    dialect = owner.host.dialects.get(wire) or Dialect()
    raise WIRES[wire].host.read_error(answer.status, answer.headers, raw, dialect)


async def _call(house: House, route: str, looked: Looked) -> None:
    answered = await live.ask(house, route)
    looked.route, looked.ms = route, answered.ms
    looked.cost_usd = answered.headers.get(b"x-entrepot-cost-usd", b"").decode()
    entry = await _entry(house, answered.headers.get(b"x-entrepot-request-id", b"").decode())
    if answered.status != 200:
        kind = ErrorKind(entry.error) if entry is not None and entry.error else None
        error: dict[str, Any] = answered.body.get("error") or {}
        told = kind.value if kind is not None else str(error.get("code") or answered.status)
        cure = CURES[kind] if kind is not None else "the gateway itself refused: see its words"
        looked.failed.append((f"call of {route}", told, live.said(answered.body), cure))
        return
    model = route.partition("/")[2]
    said = answered.body.get("model")
    if isinstance(said, str) and said and said not in (model, route):
        looked.differences.append(Difference(f"model that answers for {model}", model, said))
    if entry is None:
        return
    looked.buckets = [bucket for bucket in BUCKETS if getattr(entry, bucket)]
    if entry.usage_state != "reported":
        looked.differences.append(Difference(f"usage of {model}", "reported", entry.usage_state))


async def _entry(house: House, request_id: str) -> Entry | None:
    """Return the ledger's entry of a call's last attempt."""
    try:
        newest = await house.books.last(8)
    except Refusal:
        return None  # the call was made; only what the ledger has of it is not told
    entries = [one for one in newest if one.request_id == request_id]
    return max(entries, key=lambda one: one.attempt, default=None)
