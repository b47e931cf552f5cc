"""Runs requests and faults through a gateway in memory, and holds every send against a naive reading.

A leak is a send to a route that ``naive_policy`` refuses to the request at that moment: to the
judge's call and to the call it judges, where a judge is asked. Beside that nothing may be sent that
the ledger has not, each once and under its right purpose, and nobody may be denied in vain.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any

from gateway import exchange
from gateway.config_file import Loaded
from gateway.entrances import entrance
from gateway.house import House
from tests.fakes.in_memory import CALM, WATCH, WEIGHTS, Sent, Watch
from tests.fakes.jumping import jumped
from tests.property import naive_policy
from tests.property.generated import Maker, World
from tests.property.in_memory_gateway import (
    PROVIDER_AT,
    Asker,
    Asking,
    Facts,
    house_of,
    setup_of,
    widened,
)

JUDGES_WORD = 16  # tokens that a judge may write
AT_ONCE = (1, 1, 2, 4)


@dataclass
class Found:
    """What was counted, and all that was wrong. ``sends`` are by kind, ``faults`` by kind too.

    ``faulty`` requests are those of whose sends at least one met with a fault.
    """

    requests: int = 0
    denied: int = 0
    faulty: int = 0
    answers: Counter[str] = field(default_factory=Counter)
    sends: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    leaks: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    def add(self, other: Found) -> None:
        """Take over what another run found."""
        self.requests += other.requests
        self.denied += other.denied
        self.faulty += other.faulty
        self.answers += other.answers
        self.sends += other.sends
        self.faults += other.faults
        self.leaks += other.leaks
        self.wrong += other.wrong


@dataclass
class Reading:
    """The naive reading of one world, for requests of any size."""

    world: World
    known: dict[Any, bool] = field(default_factory=dict)

    def allows(self, facts: Facts, name: str, prompt: int, output: int | None) -> bool:
        """Tell whether a request may go to the route ``name`` now.

        ``prompt`` is the most tokens that it has; ``output`` None: as many as the model can write.
        """
        now = datetime.now(UTC)
        # What was allowed a moment ago may have been asked for then.
        return self._at(now, facts, name, prompt, output) or self._at(
            now - timedelta(seconds=2), facts, name, prompt, output
        )

    def _at(
        self, at: datetime, facts: Facts, name: str, prompt: int, output: int | None
    ) -> bool:  # fmt: skip
        key = (facts, name, prompt, output, at.date(), at.hour, at.minute)
        found = self.known.get(key)
        if found is None:
            route = self.world.routes[name]
            money = money_at(route, at, prompt, output)
            refusing = naive_policy.refusing(
                self.world.policy, self.world.config, facts, route.facts, money, at.date()
            )
            found = self.known[key] = not refusing
        return found

    def may_have(self, asking: Asking, does: str, name: str) -> bool:
        """Tell whether a send of a request may go to the route ``name`` now.

        A judge's must be allowed to the request that it reads as well as to its own.
        """
        if does != "judge":
            return self.allows(asking.facts, name, len(asking.body), asking.output)
        judge = self.world.config["models"][asking.entry]["judge"]
        calls = (asking.facts, asking.for_model(judge, self.world.entry(judge)))
        return all(self.allows(call, name, len(asking.body), JUDGES_WORD) for call in calls)

    def listed(self, entry: str, model: str) -> list[str]:
        """Return the routes that may be asked for a name, before any rule."""
        return list(self.world.config["models"][entry]["routes"]) if entry else [model]


def money_at(
    route: Any, at: datetime, prompt: int, output: int | None
) -> dict[str, Decimal | None]:
    """Return the figures of money of a request of so many tokens, begun about ``at``."""
    figures = naive_policy.money_at(route, at)
    moments = (at, at + timedelta(minutes=15))
    prices = [naive_policy.price_at(route, moment) for moment in moments]
    if output is None:
        output = route.max_output
    if output is None and route.prices is not None:
        bands = [price.output for _, price in route.prices.bands]
        output = 0 if all(price == 0 for price in bands) else None
    costs = []
    for into, out in prices:
        if into is None or output is None or (output and out is None):
            return {**figures, "request_usd": None}
        costs.append((into * prompt + (out or 0) * output) / 1_000_000)
    return {**figures, "request_usd": max(costs)}


class Stage:
    """One world's gateway, its clients and what is found of them. Make it with ``play``."""

    def __init__(self, world: World, house: House, asker: Asker, found: Found) -> None:
        self.world = world
        self.house = house
        self.asker = asker
        self.found = found
        self.reading = Reading(world)
        self.weights = asker.made.random.choice([WEIGHTS] * 5 + [CALM])
        self.over: list[tuple[Asking, Watch]] = []  # to be held against the ledger yet

    async def play(self, requests: int) -> None:
        """Make so many requests, some at the same time; returns when nothing runs any more."""
        random = self.asker.made.random
        left = requests
        while left > 0:
            count = min(left, random.choice(AT_ONCE))
            left -= count
            await asyncio.gather(*(asyncio.create_task(self.one()) for _ in range(count)))
            # Shadows and judges go on after the answers.
            while rest := asyncio.all_tasks() - {asyncio.current_task()}:
                await asyncio.wait(rest)
            for asking, watch in self.over:
                self._settled(asking, watch)
            self.over.clear()
            # Breakers close again and groups have cooled, mostly.
            await asyncio.sleep(random.choice([0, 0, 20, 200, 4000]))

    async def one(self) -> None:
        """Make one request, and leave before its answer now and then."""
        random = self.asker.made.random
        asking = self.asker.asking()
        watch = Watch(
            random, asking.mark, lambda sent: self._seen(asking, watch, sent), self.weights
        )
        WATCH.set(watch)
        leaves_after = random.choice([0.05, 1, 5]) if random.random() < 0.04 else None
        client = _Client(asking, watch, leaves_after)
        door = entrance(asking.path, b"alt=sse" if random.random() < 0.7 else b"")
        assert door is not None
        scope = {"type": "http", "method": "POST", "path": asking.path, "headers": asking.headers}
        await exchange.run(self.house, door, scope, client.receive, client.send)
        watch.answered = True
        self.found.requests += 1
        self._answered(asking, watch, client)
        self.over.append((asking, watch))

    def _seen(self, asking: Asking, watch: Watch, sent: Sent) -> None:
        """Hold one send against the naive reading, before anything else happens to it."""
        found, name = self.found, self._name(sent)
        if not sent.mark:
            found.wrong.append(f"{asking} sent what is not its own: {sent}")
        if not sent.credential.startswith(f"Bearer sk-{sent.provider}-"):
            found.wrong.append(f"{asking} sent another host's key: {sent}")
        allowed = self.reading.may_have(asking, sent.does, name)
        form = self.world.config["models"].get(asking.entry) or {}
        if sent.does == "judge":
            listed = self.reading.listed(self.world.entry(form["judge"]), form["judge"])
        elif sent.late:
            listed = [form.get("shadow", "")]
        else:
            listed = self.reading.listed(asking.entry, asking.model)
        if not allowed:
            kind = _kind(sent, asking, name, {self._name(one) for one in watch.sends[:-1]})
            found.leaks.append(f"{kind}: {asking} reached {name}: {sent}, of {self.world}")
        if name not in listed:
            found.wrong.append(f"{asking} reached {name}, which nobody listed: {sent}")

    def _name(self, sent: Sent) -> str:
        return f"{PROVIDER_AT[sent.provider]}/{sent.model}"

    def _answered(self, asking: Asking, watch: Watch, client: _Client) -> None:
        if client.status is None and client.leaves_after is None:
            self.found.wrong.append(f"{asking} got no answer")
        code = client.code
        self.found.answers[str(client.status or "left")] += 1
        ours = ("invalid_request", "invalid_key", "unknown_model") if not watch.sends else ()
        if code in ("internal_error", *ours):
            self.found.wrong.append(f"{asking} got {code}: {bytes(client.body)!r}")
        if code == "policy_denied" and not watch.sends:
            self.found.denied += 1
            listed = self.reading.listed(asking.entry, asking.model)
            if any(self.reading.may_have(asking, "call", name) for name in listed):
                self.found.wrong.append(f"{asking} was denied in vain: {bytes(client.body)!r}")

    def _settled(self, asking: Asking, watch: Watch) -> None:
        """Hold all sends of a request against its entries in the ledger, and count them."""
        said = [
            (f"{entry.provider}/{entry.model}", entry.purpose)
            for entry in watch.entries
            if entry.error != "forbidden" or entry.status
        ]
        names = [(self._name(sent), _purpose(sent)) for sent in watch.sends]
        hedges = sum(purpose == "hedge" for _, purpose in said)
        plain = [(name, "call" if purpose == "hedge" else purpose) for name, purpose in said]
        beside = sum(sent.beside and sent.does != "judge" for sent in watch.sends)
        if Counter(plain) != Counter(names) or hedges > min(1, beside):
            self.found.wrong.append(f"{asking}: sent {names}, but the ledger has {said}")
        self.found.faulty += any(sent.fault != "none" for sent in watch.sends)
        tried: set[str] = set()
        for sent in watch.sends:
            self.found.sends[_kind(sent, asking, self._name(sent), tried)] += 1
            self.found.faults[sent.fault] += 1


def _purpose(sent: Sent) -> str:
    """Return what the ledger has to call a send, but for hedges."""
    return "shadow" if sent.late and sent.does == "call" else sent.does


KINDS = {
    "judge": "judge",
    "count": "token count",
    "continue": "continuation of a stream",
    "shadow": "shadow",
}


def _kind(sent: Sent, asking: Asking, name: str, tried: set[str]) -> str:
    """Return which kind of send it is, in words; ``tried`` are the routes asked before."""
    purpose = _purpose(sent)
    again, first = name in tried, not tried
    if purpose == "call":
        tried.add(name)
    if purpose != "call":
        return KINDS[purpose]
    if sent.beside:
        return "hedge"
    if again:
        return "retry of a route"
    if not first:
        return "fallback"
    plain = asking.door in ("/v1/embeddings", "/v1/rerank", "/v1/completions")
    return "first attempt (embeddings, rerank, completions)" if plain else "first attempt"


class _Client:
    """The client's end of one call; it leaves after so many seconds, or stays."""

    def __init__(self, asking: Asking, watch: Watch, leaves_after: float | None) -> None:
        self.status: int | None = None
        self.body = bytearray()
        self.leaves_after = leaves_after
        self._watch = watch
        self._asked = False
        self._asking = asking

    @property
    def code(self) -> str:
        """The gateway's own code of a refusal, else ""."""
        if self.status in (None, 200):
            return ""
        told = json.loads(bytes(self.body)).get("error", {})
        told = told if isinstance(told, dict) else {}
        details = told.get("details") or [{}]
        return str(
            told.get("code") if isinstance(told.get("code"), str) else details[0].get("reason", "")
        )

    async def receive(self) -> dict[str, Any]:
        """Give the body at once, and then nothing until the client leaves."""
        if not self._asked:
            self._asked = True
            return {"type": "http.request", "body": self._asking.body}
        if self.leaves_after is None:
            await asyncio.Future()
        await asyncio.sleep(self.leaves_after or 0)
        return {"type": "http.disconnect"}

    async def send(self, message: dict[str, Any]) -> None:
        """Take a part of the answer."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
        else:
            self.body += message["body"]
            self._watch.answered = not message.get("more_body")


def played(
    loaded: Loaded,
    seed: int,
    requests: int,
    world_of: Callable[[Maker, World], World] = widened,
) -> Found:
    """Return what was found of ``requests`` requests to the gateway that ``seed`` makes."""
    made = Maker(Random(seed))
    found = Found()

    async def play() -> None:
        world = world_of(made, made.world(0))
        house = await house_of(setup_of(loaded, made, world), made.random.random)
        await Stage(world, house, Asker(made, world), found).play(requests)

    jumped(play())
    return found
