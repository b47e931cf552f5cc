"""A gateway with everything that its pages read: a real config, a real ledger, and no hot path."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC
from pathlib import Path
from typing import Any, cast

import yaml
from fastapi import FastAPI

from billing.drain import Drain
from billing.journal import Journal
from billing.ledger import Entry
from billing.limits import Limits
from billing.limits_memory import MemoryLimits
from billing.migrate import migrate
from billing.store import Store
from gateway.auth import key_hash
from gateway.books import Books
from gateway.config_file import read
from gateway.counters import LedgerSums
from gateway.debt import Debt
from gateway.home_load import HomeLoad
from gateway.house import House
from gateway.metrics import Metrics
from gateway.recall import Recall
from gateway.setup import Setup, compile_setup
from gateway.sight import Sight
from gateway.site import site
from gateway.stored import Stored
from providers.client import Client
from routing.affinity import Affinity
from routing.expected import Answers
from routing.health import Health
from routing.outlook import Outlook
from routing.route import Route
from routing.windows import Windows
from tests.double_check import rollups_agree
from tests.unit.billing.samples import an_entry

ADMIN_KEY = "admin-canary-key"
CLIENT_KEY = "client-canary-key"
HOST_KEY = "sk-host-canary-key"
HOUR_US = 3600 * 1_000_000
POLICY = {
    "labels": ["public", "internal", "personal"],
    "rules": [
        {
            "name": "personal data stays at home",
            "when": {"label_at_least": "personal"},
            "require": {"operator": ["home"]},
        },
        {"name": "ceiling", "require": {"request_usd": {"at_most": 5}}},
    ],
    "expect": [
        {"given": {"label": "personal"}, "never": {"operator": ["US", "CN"]}},
        {"given": {"label": "public"}, "first": "desk/small"},
    ],
}
CONFIG: dict[str, Any] = {
    "policy": POLICY,
    "providers": {
        "desk": {"catalog": "ollama", "base_url": "http://127.0.0.1:9", "free": "our own machine"},
        "mistral": {"endpoint": "eu", "api_key": HOST_KEY, "headers": {"x-extra": HOST_KEY}},
        "deepseek": {"api_key": "${DEEPSEEK_API_KEY}"},
    },
    "models": {
        "assistant": ["desk/small", "mistral/mistral-small-2603", "deepseek/deepseek-chat"],
        "far": ["deepseek/deepseek-chat"],
        "gpt-*": "assistant",
    },
}


async def _nowhere(_route: Route) -> str:
    return ""


@dataclass
class FakeHouse:
    """What the pages and the API look at of ``gateway.house.House``.

    Nothing is known of its hosts but what a test tells ``health``, ``windows`` and ``home_load``.
    """

    setup: Setup
    books: Books
    journal: Journal
    drain: Drain
    store: Store
    recall: Recall = field(default_factory=lambda: Recall(60, 0))
    stored: Stored = field(default_factory=lambda: Stored(60, 0))
    launched: dict[str, Any] = field(default_factory=dict)
    unsaved: deque[Entry] = field(default_factory=deque)
    debt: Debt = field(default_factory=Debt)
    sums: LedgerSums | None = None
    trouble: str = ""
    reload_problem: str = ""
    limits: Limits = field(
        default_factory=lambda: MemoryLimits(zone=UTC, spent_since=lambda _rule, _since: 0)
    )
    metrics: Metrics = field(default_factory=lambda: Metrics({}))
    health: Health = field(default_factory=Health)
    windows: Windows = field(default_factory=Windows)
    # No server is asked for its load here, so that no client is needed.
    home_load: HomeLoad = field(default_factory=lambda: HomeLoad(cast("Client", None), _nowhere))
    outlook: Outlook = field(init=False)
    affinity: Affinity = field(default_factory=Affinity)
    answers: Answers = field(default_factory=Answers)
    draw: Callable[[], float] = lambda: 0.5
    in_flight: int = 0

    def __post_init__(self) -> None:
        self.outlook = Sight(self.health, self.windows, self.home_load)

    def keep(self, *entries: Entry) -> None:
        """Write entries where the gateway writes them: to the journal."""
        for entry in entries:
            self.journal.append(entry)

    def app(self) -> FastAPI:
        """Return an application with the pages and the API of this house."""
        return site(cast(House, self))


def a_key(name: str = "ci", **more: Any) -> dict[str, Any]:
    """Return a configured client key, whose secret is ``CLIENT_KEY``."""
    return {"name": name, "hash": key_hash(CLIENT_KEY), **more}


@contextmanager
def house(folder: Path, config: Mapping[str, Any] = CONFIG, **parts: Any) -> Iterator[FakeHouse]:
    """Give a house whose config has ``parts`` beside the usual ones, and an empty ledger."""
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump({**config, **parts}, sort_keys=False), encoding="utf-8")
    loaded = read(path, {})
    url = f"sqlite:///{folder}/ledger.db"
    migrate(url)
    store, journal = Store.open(url), Journal(folder / "journal")
    drain = Drain(journal, store)
    books = Books(store, drain, loaded.config.server.zone)
    try:
        yield FakeHouse(compile_setup(loaded), books, journal, drain, store)
    finally:
        journal.close()
        store.close()
        rollups_agree(url)


def ago_us(hours: float) -> int:
    """Return the microseconds since 1970 of so many hours ago."""
    return time.time_ns() // 1000 - int(hours * HOUR_US)


def some_entries() -> list[Entry]:
    """Return a lively fortnight: several hosts, a fallback, unknown and estimated costs."""
    found = []
    for number in range(60):
        far = number % 3
        found.append(
            an_entry(
                number,
                at_us=ago_us(0.2 + number * 5.3),
                key=("ci", "alice", "batch")[number % 3],
                label=("public", "internal", "personal")[number % 3],
                model_asked=("assistant", "gpt-4.1", "far")[number % 3],
                provider=("desk", "mistral", "deepseek")[far],
                model=("smollm2-135m", "mistral-small-2603", "deepseek-chat")[far],
                operator=("home", "FR", "CN")[far],
                place=("home", "EEA", "CN")[far],
                input=900 + 137 * number % 2100,
                output=80 + 91 * number % 700,
                cache_read=400 if far else 0,
                cost_pico=(0, 214_300_000 + number * 7_654_321, 96_120_000)[far],
                usage_state="estimated" if number == 7 else "reported",
            )
        )
    found.append(
        an_entry(
            100,
            at_us=ago_us(0.1),
            key="alice",
            model_asked="assistant",
            provider="mistral",
            model="mistral-small-2603",
            operator="FR",
            place="EEA",
            outcome="failed",
            error="overloaded",
            status=503,
            usage_state="none",
            input=0,
            cache_read=0,
            output=0,
            cost_pico=0,
            cost_state="nothing",
        )
    )
    found.append(
        an_entry(
            101,
            attempt_id="req_100.2",
            request_id="req_100",
            attempt=2,
            at_us=ago_us(0.09),
            key="alice",
            model_asked="assistant",
            provider="router",
            model="some-lab/a-model-with-a-rather-long-name:free",
            operator="unknown",
            place="unknown",
            cost_pico=None,
            cost_state="unknown",
        )
    )
    return found
