"""A lively quarter in a ledger: several teams, hosts all over the world, faults, a real policy.

Everything is drawn from one seed, prices and decisions are what the gateway itself makes of them.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml

from billing.ledger import Entry
from billing.migrate import migrate
from billing.pricing import cost
from billing.store import Store
from gateway import choosing
from gateway.auth import key_hash
from gateway.config_file import read
from gateway.setup import Setup, compile_setup
from providers.usage import Usage
from routing import explain
from routing.facts import RequestFacts
from routing.route import Route, Size

DAY_US = 86_400 * 1_000_000
DAYS = 75
BATCH = 20_000
TEAMS = ("platform", "research", "support", "sales")
# Key -> its team, its usual label, the model it asks for, and how much of all calls it makes.
KEYS: Mapping[str, tuple[str, str, str, int]] = {
    "ci": ("platform", "internal", "coder", 30),
    "alice": ("research", "public", "assistant", 18),
    "bob": ("research", "internal", "assistant", 12),
    "helpdesk": ("support", "personal", "careful", 24),
    "mailer": ("support", "personal", "assistant", 6),
    "outreach": ("sales", "public", "assistant", 8),
    "forecasts": ("sales", "internal", "coder", 2),
}
CONFIG: dict[str, Any] = {
    "policy": {
        "labels": ["public", "internal", "personal", "secret"],
        "rules": [
            {
                "name": "secrets stay at home",
                "when": {"label_at_least": "secret"},
                "require": {"operator": ["home"]},
            },
            {
                "name": "personal data goes to nobody under Chinese law",
                "when": {"label_at_least": "personal"},
                "forbid": {"operator": ["CN"]},
            },
            {
                "name": "platform code goes to no operator under PRC law",
                "when": {"team": "platform"},
                "forbid": {"operator": ["CN"]},
            },
            {"name": "ceiling", "require": {"request_usd": {"at_most": 2}}},
            {"name": "batches go where it is cheap", "when": {"tag": "batch"},
             "prefer": "cheapest"},
        ],
        "expect": [
            {"given": {"label": "secret"}, "never": {"operator": ["US", "CN", "EEA"]}},
            {"given": {"label": "personal"}, "never": {"operator": ["CN"]}},
            {"given": {"label": "public", "model": "assistant"}, "first": "desk/qwen3-8b"},
        ],
    },
    "baseline": "openai/gpt-5.5",
    "providers": {
        "desk": {"catalog": "ollama", "base_url": "http://127.0.0.1:9", "free": "our own machine"},
        "mistral": {"endpoint": "eu", "api_key": "sk-mistral-canary"},
        "openai": {"api_key": "sk-openai-canary"},
        "anthropic": {"api_key": "sk-anthropic-canary"},
        "deepseek": {"api_key": "sk-deepseek-canary"},
        "openrouter": {"api_key": "sk-router-canary"},
    },
    "models": {
        "assistant": ["desk/qwen3-8b", "mistral/mistral-small-2603", "deepseek/deepseek-chat"],
        "coder": {"routes": ["anthropic/claude-sonnet-5-5", "openai/gpt-5.5",
                             "deepseek/deepseek-chat"], "prefer": "listed"},
        "careful": ["mistral/mistral-large-2512", "anthropic/claude-sonnet-5-5"],
        "gpt-*": "assistant",
    },
    "budgets": [
        {"name": "all of us", "usd": 2500, "per": "month"},
        {"name": "research", "usd": 40, "per": "week", "team": "research", "soft": True},
        {"name": "each key", "usd": 30, "per": "day", "key": "each"},
    ],
}  # fmt: skip
# Of the routes of a model, how often each comes to answer.
CHANCES = {"assistant": (60, 32, 8), "coder": (72, 24, 4), "careful": (90, 10)}
USERS = tuple(f"visitor-{number}" for number in range(30))
FAULTS = (("rate_limited", 429), ("overloaded", 503), ("timeout", 0))


def config(**parts: Any) -> dict[str, Any]:
    """Return the config of this gateway with ``parts`` beside it."""
    keys = [
        {"name": name, "hash": key_hash(f"key-{name}"), "team": team, "label": label,
         "models": [model, "assistant"], "rpm": 600}
        for name, (team, label, model, _) in KEYS.items()
    ]  # fmt: skip
    return {**CONFIG, "keys": keys, **parts}


def entries(setup: Setup, count: int, now_us: int) -> Iterator[Entry]:
    """Give about ``count`` entries of the last ``DAYS`` days in the order of time."""
    dice = random.Random(11)
    names, weights = list(KEYS), [share for *_, share in KEYS.values()]
    step = DAYS * DAY_US // count
    number = 0
    while number < count:
        at_us = now_us - (count - number) * step
        # Nights and weekends are quiet.
        hour = at_us // 3_600_000_000 % 24
        if dice.random() < (0.55 if hour < 6 or hour > 20 else 0.0):
            number += 1
            continue
        key = dice.choices(names, weights)[0]
        made = list(_request(setup, key, at_us, number, dice))
        number += len(made)
        yield from made


def fill(folder: Path, count: int, now_us: int, **parts: Any) -> Path:
    """Write a config and a ledger of ``count`` entries into ``folder``; return the config's path."""
    path = folder / "config.yaml"
    url = f"sqlite:///{folder}/ledger.db"
    whole = config(ledger=url, journal=str(folder / "journal"), **parts)
    path.write_text(yaml.safe_dump(whole, sort_keys=False), encoding="utf-8")
    setup = compile_setup(read(path, {}), price_all=True)
    migrate(url)
    store = Store.open(url)
    batch: list[Entry] = []
    for entry in entries(setup, count, now_us):
        batch.append(entry)
        if len(batch) == BATCH:
            assert store.insert(batch) == []
            batch = []
    assert store.insert(batch) == []
    store.close()
    return path


def _request(
    setup: Setup, key: str, at_us: int, number: int, dice: random.Random
) -> Iterator[Entry]:
    """Give the attempts of one request."""
    team, label, model, _ = KEYS[key]
    tags = "batch" if key == "forecasts" and dice.random() < 0.5 else ""
    asked = "gpt-4.1" if model == "assistant" and dice.random() < 0.1 else model
    decided = _decided(setup, key, team, label, asked, tags)
    chances = CHANCES[model][: len(decided.routes)]
    chosen = dice.choices(decided.routes, chances)[0]
    request = f"req_{at_us // 1000:011x}{number:016x}"
    common: dict[str, Any] = {
        "request_id": request, "key": key, "team": team, "label": label, "tags": tags,
        "user": dice.choice(USERS) if key == "helpdesk" else "", "wire": "chat",
        "stream": dice.random() < 0.7, "model_asked": asked,
        "policy_hash": setup.policy.hash,
        "config_hash": setup.hash, "decision": decided.text, "prompt_most": 4_000,
        "needs": "tools" if model == "coder" else "",
    }  # fmt: skip
    attempt = 1
    if dice.random() < 0.03:
        error, status = dice.choice(FAULTS)
        yield _failed(chosen, at_us, dice.randrange(80, 4_000), error, status, common)
        following = decided.routes.index(chosen) + 1
        attempt, chosen = 2, decided.routes[following % len(decided.routes)]
    yield _answered(setup, chosen, at_us, attempt, dice, common)


def _answered(
    setup: Setup, route: Route, at_us: int, attempt: int, dice: random.Random,
    common: Mapping[str, Any],
) -> Entry:  # fmt: skip
    cut = dice.random()
    moved = attempt == 2 and dice.random() < 0.5
    usage = Usage(
        input=int(dice.lognormvariate(7.2, 0.8)),
        cache_read=int(dice.lognormvariate(7.5, 0.6)) if dice.random() < 0.4 else 0,
        output=int(dice.lognormvariate(5.6, 0.7)),
        reasoning=int(dice.lognormvariate(5, 0.8)) if common["model_asked"] == "coder" else 0,
        state="estimated" if cut < 0.004 else "reported",
    )
    when = datetime.fromtimestamp((at_us + attempt * 1000) / 1e6, UTC)
    priced = cost(usage, route.prices, when, route.surcharge)
    price = priced.price
    first = int(dice.lognormvariate(6.2, 0.5))
    band = priced.pico if usage.state == "reported" else None
    return Entry(
        **common,
        attempt_id=f"{common['request_id']}.{attempt}",
        attempt=attempt,
        at_us=at_us + attempt * 1000,
        **_place(route),
        lane="relay",
        host_wire="chat",
        outcome="cancelled" if cut > 0.995 else "completed",
        status=200,
        finish="stop",
        usage_state=usage.state,
        input=usage.input,
        cache_read=usage.cache_read,
        output=usage.output,
        reasoning=usage.reasoning,
        cost_pico=priced.pico,
        cost_state=priced.state,
        currency=priced.currency,
        rate=priced.rate,
        native_pico=priced.native_pico,
        prices=price.unit_prices if price is not None else "",
        price_source=price.where_from if price is not None else "",
        price_date=price.date if price is not None else "",
        cost_least_pico=band if band is not None or priced.pico is None else priced.pico // 2,
        cost_most_pico=band if band is not None or priced.pico is None else priced.pico * 2,
        first_content_ms=first,
        total_ms=first + int(usage.output * dice.uniform(5, 25)),
        served_model=route.model,
        moved_from="desk/qwen3-8b" if moved else "",
        cache_lost_tokens=dice.randrange(500, 4_000) if moved else 0,
        cache_lost_pico=dice.randrange(10**7, 10**9) if moved else 0,
        output_most=1_000,
    )


def _failed(
    route: Route, at_us: int, total_ms: int, error: str, status: int, common: Mapping[str, Any]
) -> Entry:
    return Entry(
        **common,
        attempt_id=f"{common['request_id']}.1",
        attempt=1,
        at_us=at_us,
        **_place(route),
        lane="relay",
        host_wire="chat",
        outcome="failed",
        error=error,
        status=status,
        usage_state="none",
        cost_pico=0,
        cost_state="nothing",
        cost_least_pico=0,
        cost_most_pico=0,
        native_pico=0,
        total_ms=total_ms,
    )


def _place(route: Route) -> dict[str, str]:
    def told(found: frozenset[str] | None) -> str:
        return ",".join(sorted(found)) if found else "unknown"

    return {
        "provider": route.provider,
        "model": route.model,
        "host": route.provider,
        "endpoint": "default",
        "operator": told(route.facts.operator),
        "place": told(route.facts.processed_in),
    }


@dataclass(frozen=True, slots=True)
class Decided:
    """The routes that may answer one kind of request, and the decision as the ledger has it."""

    routes: tuple[Route, ...]
    text: str


_DECIDED: dict[tuple[str, ...], Decided] = {}


def _decided(setup: Setup, key: str, team: str, label: str, model: str, tags: str) -> Decided:
    """Return how the gateway would choose."""
    name = (setup.hash, key, label, model, tags)
    if name not in _DECIDED:
        found = setup.candidates(model)
        assert found is not None
        named = frozenset(filter(None, [tags]))
        facts = RequestFacts(label, team, key, named, model, "", found.entry)
        plan = choosing.consider(setup, facts, Size(1_000, 1_000), None)
        _DECIDED[name] = Decided(plan.routes, explain.compact(plan, facts, setup.policy))
    return _DECIDED[name]
