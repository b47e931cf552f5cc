"""A made-up gateway (``generated.World``) as a real one, all of it but sockets and disk.

The config is read by its own form and compiled as ever; only what hosts are and cost is put in from
the world. What the gateway then does with requests is its own code from the door on.
"""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC
from pathlib import Path
from random import Random
from typing import Any, cast

from billing.journal import Journal
from billing.limits_memory import MemoryLimits
from gateway.at_home import AtHome
from gateway.auth import key_hash
from gateway.books import Books
from gateway.config import Config
from gateway.config_file import Loaded, read
from gateway.constraints import constrained
from gateway.home_load import HomeLoad
from gateway.house import House
from gateway.log import LineLog
from gateway.metrics import Metrics
from gateway.plan_reading import PlanReading
from gateway.recall import Recall
from gateway.setup import Setup, compile_setup
from gateway.shadow import Shadows
from gateway.sight import Sight
from gateway.stored import Stored
from routing.health import PERCENTILE_LEAST, Health
from routing.policy import load_policy
from routing.windows import Windows
from tests.fakes.in_memory import MemoryClient, MemoryJournal
from tests.property.generated import LABELS, TEAMS, Maker, World
from tests.running import config
from tests.wires.hosts import PATHS, write_host

# The provider -> what its host speaks, the best wire first.
SPOKEN = {
    "home": ["chat", "embeddings", "completions"],
    "Cloud": ["messages"],
    "c": ["responses", "chat", "gemini", "embeddings", "rerank"],
}
PROVIDER_AT = {name.lower(): name for name in SPOKEN}
KEPT_BYTES = 4 * 1024 * 1024
TIMEOUTS = {"connect_s": 2, "first_byte_s": 30, "answer_s": 30, "between_s": 10, "total_s": 90,
            "ping_s": 5}  # fmt: skip


def catalogue(folder: Path) -> Loaded:
    """Return a config of the three hosts, written to ``folder``; others are variants of it."""
    plain = {"embeddings": "/embeddings", "completions": "/completions", "rerank": "/rerank"}
    counting = {
        "messages": {**PATHS["messages"], "count_path": "/messages/count_tokens"},
        "responses": {"path": "/responses", "count_path": "/responses/input_tokens"},
    }
    with _more_paths({**plain, **counting}):
        for name, wires in SPOKEN.items():
            write_host(folder / "catalog", f"at-{name.lower()}", wires)
    path = config(folder, catalog=[str(folder / "catalog")], providers=_providers({}, {}))
    return read(path, {})


@contextmanager
def _more_paths(more: Mapping[str, Any]) -> Iterator[None]:
    before = dict(PATHS)
    PATHS.update(more)
    try:
        yield
    finally:
        PATHS.clear()
        PATHS.update(before)


def _providers(keys: Mapping[str, int], at: Mapping[str, str]) -> dict[str, Any]:
    return {
        name: {
            "catalog": f"at-{name.lower()}",
            "base_url": at.get(name) or f"http://{name.lower()}.test",
            "api_keys": [f"sk-{name.lower()}-{number}" for number in range(keys.get(name, 1))],
        }
        for name in SPOKEN
    }


def widened(made: Maker, world: World) -> World:
    """Return ``world`` with two more keys, and shadows, hedges and continuations in its models."""
    pick, often = made.random.choice, made.often
    keys = [
        *world.config["keys"],
        made.constrained({"name": "l", "team": pick(TEAMS[1:])}, 0.1),
        {"name": "other"},
    ]
    models = {}
    for name, entry in world.config["models"].items():
        if isinstance(entry, dict):
            entry = dict(entry)
            if "shadow" not in entry and often(0.4):
                entry["shadow"] = pick(list(world.routes))
                entry |= {"judge": pick(["m", "mx", *world.routes])} if often(0.7) else {}
            entry |= {"hedge": {"percentile": 50}} if often(0.5) else {}
            entry |= {"continue_streams": True} if often(0.5) else {}
            if often(0.2):
                weights = {route: pick([0, 1, 5]) for route in entry["routes"]}
                weighs = any(weights.values())
                entry |= {"prefer": "weighted", **({"weights": weights} if weighs else {})}
            elif often(0.15):
                entry["prefer"] = {"cheapest": 0.7, "fastest": 0.3}
        models[name] = entry
    detect = {"email": pick(LABELS[1:])} if often(0.3) else {}
    # Where many rules meet, hardly anything is allowed: then nothing is sent that could leak.
    rules = world.policy["rules"][: pick([0, 1, 1, 2, 4])]
    return replace(
        world,
        policy={**world.policy, "rules": rules},
        config={"keys": keys, "models": models, "detect": detect},
    )


def setup_of(
    loaded: Loaded, made: Maker, world: World, at: Mapping[str, str] = {}, **parts: Any
) -> Setup:
    """Return the setup of a world; ``parts`` are more of its config.

    ``at`` says at which addresses its hosts are, else they are in memory.
    """
    data = {
        "server": {"timeouts": TIMEOUTS, "retries": made.random.choice([0, 1, 2])},
        "providers": _providers({name: made.random.choice([1, 1, 2]) for name in SPOKEN}, at),
        "models": {name: _form(entry) for name, entry in world.config["models"].items()},
        "keys": [
            {**key, "hash": key_hash(f"sk-client-{key['name']}")} for key in world.config["keys"]
        ],
        "detect": world.config["detect"],
        **parts,
    }
    form = Config.model_validate(data)
    form = form.model_copy(update={"catalog": loaded.config.catalog})
    policy = constrained(form, load_policy(world.policy))
    setup = compile_setup(replace(loaded, config=form, policy=policy))
    routes = {}
    for name, given in world.routes.items():
        routes[name] = replace(
            setup.route(name),
            facts=given.facts,
            prices=given.prices,
            surcharge=given.surcharge,
            max_output=given.max_output,
            cache=given.cache,
            context=None,
        )
    return replace(setup, _routes=routes)


def _form(entry: Any) -> Any:
    if not isinstance(entry, dict):
        return entry
    form = {name: value for name, value in entry.items() if name != "judge"}
    if "shadow" in entry:
        judge = {"judge": entry["judge"]} if entry.get("judge") else {}
        form["shadow"] = {"route": entry["shadow"], "share": 1, **judge}
    return form


async def house_of(setup: Setup, draw: Callable[[], float]) -> House:
    """Return a house whose hosts are in memory. Call it in the loop whose clock it shall keep."""
    clock = asyncio.get_running_loop().time
    client, log = MemoryClient(), LineLog(io.StringIO())
    at_home = AtHome(client, log, {})
    home_load = HomeLoad(client, at_home.address, clock)
    health, windows = Health(clock, draw), Windows()
    for route in setup._routes.values():
        # Their speeds are known, so that a slow answer is one after which another host is asked.
        usual_s = 0.02 + draw() / 50
        for _ in range(PERCENTILE_LEAST):
            health.good(route, route.endpoint, usual_s, 50.0)
    limits = MemoryLimits(zone=UTC, spent_since=lambda _rule, _since: 0)
    await limits.configure(setup.rates, setup.budgets)
    return House(
        setup=setup,
        client=client,
        journal=cast(Journal, MemoryJournal()),
        limits=limits,
        metrics=Metrics({}),
        log=log,
        launched={},
        books=cast(Books, None),
        recall=Recall(3600, KEPT_BYTES),
        stored=Stored(3600, KEPT_BYTES),
        at_home=at_home,
        home_load=home_load,
        health=health,
        windows=windows,
        outlook=Sight(health, windows, home_load),
        plan_reading=PlanReading(client, windows),
        shadows=Shadows(log, draw),
        draw=draw,
    )


@dataclass
class Asking:
    """One request of a client. ``output`` is the most tokens that it allows, None: it says none.

    ``label`` is its real one: that of its key, its header and what is in its text.
    """

    mark: bytes
    key: Mapping[str, Any]
    label: str
    tags: frozenset[str]
    model: str
    entry: str
    path: str
    door: str
    headers: list[tuple[bytes, bytes]]
    body: bytes
    output: int | None

    @property
    def team(self) -> str:
        """As a rule sees it."""
        return str(self.key.get("team") or "none")

    def for_model(self, model: str, entry: str) -> Facts:
        """Return what the naive reading looks at, of this request or of one that it causes."""
        return Facts(self.label, self.team, self.key["name"], self.tags, model, entry)

    @property
    def facts(self) -> Facts:
        """What the naive reading looks at."""
        return self.for_model(self.model, self.entry)


@dataclass(frozen=True)
class Facts:
    """A request as a rule sees it."""

    label: str
    team: str
    key: str
    tags: frozenset[str]
    model: str
    entry: str


DOORS = {  # where to ask -> how often, against the others
    "/v1/chat/completions": 12,
    "/v1/messages": 5,
    "/v1/responses": 4,
    "gemini": 3,
    "/v1/embeddings": 2,
    "/v1/completions": 1,
    "/v1/rerank": 1,
    "/v1/messages/count_tokens": 2,
    "/v1/responses/input_tokens": 1,
    "gemini count": 1,
}
MAIL = "write to jane.doe@posteo.de, "
THOUGHT = {"type": "thinking", "thinking": "well", "signature": "c2lnbmF0dXJl"}
ENCRYPTED = {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "c3RhdGU="}


@dataclass
class Asker:
    """Draws requests to one world's gateway."""

    made: Maker
    world: World
    number: int = 0
    names: tuple[str, ...] = field(init=False)

    def __post_init__(self) -> None:
        self.names = ("m", "m", "mx", "g-1", "g-mx", "gx", *self.world.routes)

    def asking(self) -> Asking:
        """Return another request."""
        random, often = self.made.random, self.made.often
        pick = random.choice
        self.number += 1
        mark = f"mark-{self.number}-"
        key = pick(self.world.config["keys"])
        least = LABELS.index(key.get("label", LABELS[0]))
        headers = [(b"authorization", f"Bearer sk-client-{key['name']}".encode())]
        if often(0.6):
            said = pick(LABELS)
            headers.append((b"x-entrepot-label", said.encode()))
            least = max(least, LABELS.index(said))
        tags = frozenset(tag for tag in ("t", "u", "v") if often(0.3))
        if tags:
            headers.append((b"x-entrepot-tags", ",".join(sorted(tags)).encode()))
        if often(0.15):
            headers.append((b"x-entrepot-prefer", pick([b"listed", b"cheapest", b"fastest"])))
        if often(0.6):
            headers.append((b"x-entrepot-session", pick([b"one", b"two"])))
        text = f"{mark} and tell me more"
        if often(0.2):
            text = MAIL + text
            detects = self.world.config["detect"].get("email", LABELS[0])
            least = max(least, LABELS.index(detects))
        model, door = pick(self.names), random.choices(list(DOORS), list(DOORS.values()))[0]
        output = None if often(0.4) else pick([1, 100])
        path, body = _body(door, model, text, output, random)
        if door == "/v1/messages":
            output = output or 1024
        if door in ("/v1/embeddings", "/v1/rerank"):
            output = 0
        elif "count" in door or door.endswith("/input_tokens"):
            output = None
        return Asking(
            mark=mark.encode(),
            key=key,
            label=LABELS[least],
            tags=tags,
            model=model,
            entry=self.world.entry(model),
            path=path,
            door=door,
            headers=headers,
            body=json.dumps(body, separators=(",", ":")).encode(),
            output=output,
        )


def _body(
    door: str, model: str, text: str, output: int | None, random: Random
) -> tuple[str, dict[str, Any]]:
    """Return the path and the body of a request at ``door``."""
    stream = {"stream": True} if random.random() < 0.6 else {}
    named = {"model": model}
    said = [{"role": "user", "content": text}]
    if door.startswith("gemini"):
        contents = {"contents": [{"role": "user", "parts": [{"text": text}]}]}
        if door == "gemini count":
            return f"/v1beta/models/{model}:countTokens", contents
        most = {"generationConfig": {"maxOutputTokens": output}} if output else {}
        method = "streamGenerateContent" if stream else "generateContent"
        return f"/v1beta/models/{model}:{method}", {**contents, **most}
    if door == "/v1/messages":
        if random.random() < 0.3:
            before = {"role": "user", "content": "begin"}
            turn = {"role": "assistant", "content": [THOUGHT, {"type": "text", "text": "so"}]}
            said = [before, turn, *said]
        return door, {**named, "messages": said, "max_tokens": output or 1024, **stream}
    if door == "/v1/messages/count_tokens":
        return door, {**named, "messages": said}
    if door == "/v1/responses":
        items = [ENCRYPTED, *said] if random.random() < 0.3 else said
        most = {"max_output_tokens": output} if output else {}
        return door, {**named, "input": items, **most, **stream}
    if door == "/v1/responses/input_tokens":
        return door, {**named, "input": text}
    if door == "/v1/embeddings":
        return door, {**named, "input": text}
    if door == "/v1/rerank":
        return door, {**named, "query": text, "documents": ["a", "b"]}
    most = {"max_tokens": output} if output else {}
    if door == "/v1/completions":
        return door, {**named, "prompt": text, **most}
    return door, {**named, "messages": said, **most, **stream}
