"""What `POST /api/explain` says of a request is what becomes of it, at any health, budget, warmth.

Made-up gateways in memory are asked to explain each request and get it right afterwards. Hosts fail
meanwhile, so that breakers open and quota groups cool, budgets run out and conversations are warm.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from random import Random
from typing import Any

import pytest
from fastapi import FastAPI

from billing.bands import ALWAYS
from billing.price import Price
from billing.price_list import PriceList
from gateway import admin, exchange, models
from gateway.config_file import Loaded
from gateway.entrances import entrance
from providers.host import Cache
from routing import explain
from tests.fakes.in_memory import CALM, WATCH, WEIGHTS, Watch
from tests.fakes.jumping import jumped
from tests.property.generated import Maker
from tests.property.in_memory_gateway import (
    PROVIDER_AT,
    Asker,
    Asking,
    catalogue,
    house_of,
    setup_of,
    widened,
)

WIRES = {
    "/v1/chat/completions": "chat",
    "/v1/messages": "messages",
    "/v1/responses": "responses",
    "gemini": "gemini",
    "/v1/embeddings": "embeddings",
    "/v1/completions": "completions",
    "/v1/rerank": "rerank",
}
ASGI = {"type": "http", "method": "POST", "http_version": "1.1", "scheme": "http", "root_path": ""}
GATEWAYS = 40
# What has to have decided some requests at least.
DECISIVE = (
    *("admitted", "left out", "policy_denied", "no_healthy_route", "budget_exceeded"),
    *("unsupported_parameter", "policy", "health", "capability", "budget", "price"),
    *("listed", "cheapest", "fastest", "weighted", "0.7 cheapest + 0.3 fastest", "warm"),
)
CACHE = Cache(lifetime_s=300, least_tokens=1, by_itself=True)
CACHED = Price(Decimal(1), Decimal(2), Decimal("0.1"), source="made up")


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Loaded:
    return catalogue(tmp_path_factory.mktemp("hosts"))


class Client:
    """One call without a socket."""

    def __init__(self, body: bytes) -> None:
        self.body = bytearray()
        self.status = 0
        self._given = body

    async def receive(self) -> dict[str, Any]:
        if self._given:
            given, self._given = self._given, b""
            return {"type": "http.request", "body": given}
        return await asyncio.Future()

    async def send(self, message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
        else:
            self.body += message["body"]


def application() -> FastAPI:
    app = FastAPI()
    app.include_router(admin.router)
    models.say_errors_in_the_askers_wire(app)
    return app


async def explained(app: FastAPI, asking: Asking) -> dict[str, Any]:
    """Ask what would become of a request."""
    query = f"wire={WIRES[asking.door]}"
    if asking.door == "gemini":
        query += f"&model={asking.model}"
    client = Client(asking.body)
    scope = {**ASGI, "path": "/api/explain", "query_string": query.encode()}
    await app({**scope, "headers": asking.headers}, client.receive, client.send)
    assert client.status == 200, client.body
    told: dict[str, Any] = json.loads(bytes(client.body))
    return told


async def happened(app: FastAPI, asking: Asking, watch: Watch) -> Client:
    """Make the request itself, and wait for all that follows from it."""
    WATCH.set(watch)
    client, door = Client(asking.body), entrance(asking.path, b"")
    assert door is not None
    scope = {**ASGI, "path": asking.path, "headers": asking.headers}
    await exchange.run(app.state.house, door, scope, client.receive, client.send)
    watch.answered = True
    while rest := asyncio.all_tasks() - {asyncio.current_task()}:
        await asyncio.wait(rest)
    return client


def code_of(client: Client) -> str:
    error = json.loads(bytes(client.body))["error"]
    code = error.get("code")
    return str(code if isinstance(code, str) else error["details"][0]["reason"])


def shape(told: dict[str, Any]) -> list[tuple[str, str, str, str]]:
    """Return every route in order, with why it was left out; "" for those that were not."""
    return [
        (one["route"], one.get("why", ""), one.get("rule", ""), one.get("fact", ""))
        for one in told["routes"]
    ]


def compare(
    asking: Asking, told: dict[str, Any], client: Client, watch: Watch, *, continues: bool
) -> str:
    """Hold what was said against what happened; return in a word what it was."""
    admitted = [one["route"] for one in told["routes"] if one["admitted"]]
    if told["refusal"] is not None:
        found = (client.status, code_of(client))
        assert found == (told["refusal"]["status"], told["refusal"]["code"]), (asking, told)
        assert not watch.sends
        assert not admitted
        return str(told["refusal"]["code"])
    assert admitted
    assert watch.sends, (asking, told, bytes(client.body))
    first = watch.sends[0]
    assert f"{PROVIDER_AT[first.provider]}/{first.model}" == admitted[0], (asking, told)
    entry = next(entry for entry in watch.entries if entry.attempt == 1)
    assert f"{entry.provider}/{entry.model}" == admitted[0]
    kept = explain.told(entry.decision)
    assert shape(kept) == shape(told), (asking, told, kept)
    for part in ("model", "label", "team", "key", "tags", "policy", "rules", "prefer"):
        assert kept[part] == told[part]
    # A stream that may have to be continued is written anew, though its host gets the client's body.
    assert entry.lane == told["lanes"][admitted[0]]["lane"] or (entry.stream and continues)
    return "left out" if len(told["routes"]) > len(admitted) else "admitted"


def agree(app: FastAPI, loaded: Loaded, seed: int, requests: int) -> Counter[str]:
    """Explain and make ``requests`` requests to one made-up gateway; return what was decisive."""
    made = Maker(Random(seed))
    random, seen = made.random, Counter[str]()

    async def play() -> None:
        world = widened(made, made.world(0))
        for name, route in world.routes.items():
            if made.often(0.9):
                price = replace(CACHED, input=Decimal(random.choice([1, 2])))
                prices = PriceList(((ALWAYS, price),))
                world.routes[name] = replace(route, cache=CACHE, prices=prices)
        usd = random.choice([0.0001, 0.02, 0.2])
        budgets = [{"name": "all", "usd": usd, "per": "day"}] if made.often(0.4) else []
        setup = setup_of(loaded, made, world, budgets=budgets)
        app.state.house = await house_of(setup, lambda: 0.5)
        asker, weights = Asker(made, world), random.choice([WEIGHTS, CALM, CALM])
        for _ in range(requests):
            asking = asker.asking()
            while asking.door not in WIRES or "stream" in asking.path:
                asking = asker.asking()
            share = random.random()
            app.state.house.draw = lambda share=share: share
            told = await explained(app, asking)
            watch = Watch(random, asking.mark, lambda _: None, weights)
            client = await happened(app, asking, watch)
            continues = world.config["models"].get(asking.entry, {}).get("continue_streams", False)
            became = compare(asking, told, client, watch, continues=continues)
            seen.update([became, *decisive(told)])
            await asyncio.sleep(random.choice([0, 0, 1, 20, 300]))

    jumped(play())
    return seen


def decisive(told: dict[str, Any]) -> Iterator[str]:
    """Give what decided: the order, why routes were left out, and whether a cache was warm."""
    yield told["prefer"]
    yield from {one["why"] for one in told["routes"] if not one["admitted"]}
    if any("cached" in one["reason"] for one in told["routes"] if one["admitted"]):
        yield "warm"


@pytest.mark.parametrize("requests", [2_500, pytest.param(10_000, marks=pytest.mark.slow)])
def test_requests_become_what_was_said_of_them(loaded: Loaded, requests: int) -> None:
    app, seen = application(), Counter[str]()
    for seed in range(GATEWAYS):
        seen += agree(app, loaded, seed, requests // GATEWAYS)
    assert [what for what in DECISIVE if not seen[what]] == []
