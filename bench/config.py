"""The production form that is measured: a key, rules, routes, a ledger with its journal, metrics."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

KEY = "ek_bench"
CATALOG = Path(__file__).parent / "catalog"
# Hosts that a chat client's call is relayed to, and a model that each of them has.
CHAT_HOSTS: Mapping[str, str] = {
    "mistral": "mistral-small-2603",
    "scaleway": "gpt-oss-120b",
    "nebius": "openai/gpt-oss-120b",
    "ovhcloud": "gpt-oss-120b",
    "cerebras": "gpt-oss-120b",
    "groq": "openai/gpt-oss-120b",
    "together-ai": "openai/gpt-oss-120b",
    "deepseek": "deepseek-flash",
    "openai": "gpt-6-luna",
    "vllm": "mock",
}
# Wires that a chat client's call is translated to: a host, where the mock is for it, its model.
TRANSLATED: Mapping[str, tuple[str, str, str]] = {
    "messages": ("anthropic", "", "claude-sonnet-5-5"),
    "gemini": ("gemini-alone", "/v1beta", "mock"),
    "converse": ("amazon-bedrock", "", "eu.amazon.nova-micro-v1:0"),
}
FACTS = {
    "operator": ["FR"],
    "processed_in": ["FR"],
    "trains_on_data": "never",
    "retention_days": 0,
}
PRICE = {"input": "1", "output": "2", "source": "bench", "date": "2026-11-25"}
EURO = {"usd": "1.16", "source": "bench", "date": "2026-11-25"}
# What no catalogue knows of: a window for the longest prompt that is measured.
OWN_MODEL = {"context": 4_000_000, "max_output": 8192}

# What companies ask for, by turns; each is given its number, so that no two rules are the same.
RULES: tuple[Callable[[int], dict[str, Any]], ...] = (
    lambda n: {"when": {"label_at_least": "personal"}, "require": {"processed_in": ["EEA", "CH"]}},
    lambda n: {"forbid": {"operator": ["RU", "BY"] if n % 2 else ["KP"]}},
    lambda n: {"when": {"team": f"team {n}"}, "forbid": {"operator": ["CN", "US"]}},
    lambda n: {"require": {"request_usd": {"at_most": 50 + n}}},
    lambda n: {"when": {"tag": f"batch {n}"}, "prefer": "cheapest"},
    lambda n: {"require": {"trains_on_data": "never", "retention_days": {"at_most": 30 + n}}},
)


@dataclass(frozen=True)
class Form:
    """How much stands in the config.

    ``routes`` of each model, ``models`` of so many chat routes each, ``rules`` of the policy;
    ``limited``: the key has rates and a budget. ``state`` is where those are counted.
    """

    routes: int = 10
    models: int = 1
    rules: int = 20
    limited: bool = False
    state: str = "memory"


def write(folder: Path, upstream: str, form: Form | None = None) -> Path:
    """Write the config whose hosts are all at ``upstream``, its ledger in ``folder``; return it.

    Models are named for the wire that their hosts speak; ``long`` is chat with the longest window.
    """
    form = form or Form()
    hosts = list(CHAT_HOSTS.items())
    providers: dict[str, Any] = {}
    models: dict[str, list[str]] = {"long": []}
    for number in range(form.models):
        name = f"chat-{number}" if number else "chat"
        models[name] = []
        for route in range(form.routes):
            host, model = hosts[route % len(hosts)]
            provider = f"{name}-{route}-{host}"
            providers[provider] = _provider(host, f"{upstream}/v1")
            models[name].append(f"{provider}/{model}")
            if not number:
                models["long"].append(f"{provider}/mock")
    for wire, (host, at, model) in TRANSLATED.items():
        given = _provider(host, upstream + at)
        names = [f"{wire}-{route}" for route in range(min(form.routes, 10))]
        providers |= dict.fromkeys(names, given)
        models[wire] = [f"{name}/{model}" for name in names]
    whole = {
        "ledger": f"sqlite:///{folder}/ledger.db",
        "journal": str(folder / "journal"),
        "state": form.state,
        "catalog": [str(CATALOG)],
        "exchange": {"EUR": EURO},
        "policy": {"labels": ["public", "personal"], "rules": _rules(form.rules)},
        "providers": providers,
        "models": models,
        "keys": [_key(form)],
    }
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump(whole, sort_keys=False), encoding="utf-8")
    return path


def _provider(host: str, base_url: str) -> dict[str, Any]:
    given = {
        "catalog": host,
        "base_url": base_url,
        "facts": FACTS,
        "prices": {"*": PRICE},
        "models": {"mock": OWN_MODEL},
    }
    return given if host == "vllm" else {**given, "api_key": "sk-bench"}


def _rules(count: int) -> list[dict[str, Any]]:
    return [{"name": f"rule {n}", **RULES[n % len(RULES)](n)} for n in range(count)]


def _key(form: Form) -> dict[str, Any]:
    key: dict[str, Any] = {
        "name": "bench",
        "team": "bench",
        "hash": "sha256:" + hashlib.sha256(KEY.encode()).hexdigest(),
    }
    if form.limited:
        key |= {
            "rpm": 100_000_000,
            "tpm": 100_000_000_000,
            "budget": {"usd": 1_000_000, "per": "month"},
        }
    return key
