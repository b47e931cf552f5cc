"""Made-up gateways: routes with facts and prices, a policy, keys, models and requests.

Everything is drawn from one ``random.Random``: seeded it gives the same again, fast enough for
millions of requests; Hypothesis hands in its own and can shrink what fails (``worlds``).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from functools import cached_property
from itertools import combinations
from random import Random
from typing import Any

from hypothesis import strategies as st

from billing.bands import ALWAYS, Applies
from billing.price import Price
from billing.price_list import PriceList
from gateway.config import matching
from providers.dialect import Dialect
from providers.endpoint import Endpoint, Timeouts
from routing.facts import RequestFacts, RouteFacts
from routing.policy import Constraint, Policy, constrain, load_policy
from routing.policy_form import FactsForm, RequireForm
from routing.proof_cases import Asked
from routing.route import Route
from routing.rules import Which
from routing.wish import Wish

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
LABELS = ("public", "internal", "personal")
TEAMS = ("", "a", "b")
TAGS = ("t", "u", "v")
KEYS = ("k", "l")
GROUPS: Mapping[str, list[str]] = {"ours": ["DE", "CH", "home"], "near": ["ours", "FR"]}
COUNTRIES = ("DE", "FR", "CH", "NO", "US", "CN", "home")
PLACES = (*COUNTRIES, "EEA", "EU", "EFTA", "five_eyes", "BRICS")
ORDERS = ("listed", "cheapest", "fastest")
VALUES: Mapping[str, tuple[str, ...]] = {
    "weights": ("open", "closed"),
    "trains_on_data": ("never", "opt_out", "by_default"),
    "zdr": ("default", "on_approval", "no"),
    "quantisation": ("fp4", "int8", "fp8", "bf16"),
}
SAID_VALUES = {**VALUES, "quantisation": (*VALUES["quantisation"], "int4+", "fp8+", "bf16+")}
SETS = ("maker", "operator", "processed_in")
PATTERNS: Mapping[str, tuple[str, ...]] = {
    "licence": ("mit", "*-2.0", "llama*", "?", "ll[a]ma"),
    "provider": ("home", "c*", "?", "cloud", "[c]"),
    "model": ("qwen*", "LUNA", "*", "*-3"),
}
ASKED_PATTERNS = ("m*", "MX", "?", "[m]", "*x", "g-*", "m", "home/*", "*luna")


@dataclass(frozen=True)
class World:
    """One gateway, as plain data (``policy``, ``config``) and as the engine has it.

    ``config`` has ``keys`` (each with name, team, label) and ``models``: entries with routes and
    prefer, or the name of another as an alias; both may hold require and forbid.
    """

    policy: dict[str, Any]
    config: dict[str, Any]
    routes: dict[str, Route]

    @cached_property
    def compiled(self) -> Policy:
        """The policy with the constraints of the config."""
        stated = []
        for key in self.config["keys"]:
            which = Which(keys=frozenset({key["name"]}))
            stated.append(_constraint(f"key {key['name']}", which, key))
        for name, entry in self.config["models"].items():
            if isinstance(entry, dict):
                which = Which(entries=frozenset({name}))
                stated.append(_constraint(f"model {name}", which, entry))
        return constrain(load_policy(self.policy), [one for one in stated if one is not None])

    def entry(self, asked: str) -> str:
        """Return the entry that answers to a name, aliases followed; "" where none does."""
        name = matching(self.config["models"], asked)
        for _ in self.config["models"]:
            found = self.config["models"].get(name)
            if found is None or isinstance(found, dict):
                return name or ""
            name = matching(self.config["models"], found)
        return ""

    def asked(self, name: str) -> Asked | None:
        """Return who may be asked for a name; None where nobody can be."""
        entry = self.entry(name)
        if not entry:
            return Asked((self.routes[name],)) if name in self.routes else None
        form = self.config["models"][entry]
        return Asked(
            tuple(self.routes[route] for route in form["routes"]),
            Wish(form.get("prefer", "listed")),
            entry,
            self.routes.get(form.get("shadow", "")),
            form.get("judge", ""),
        )


def _constraint(name: str, which: Which, said: dict[str, Any]) -> Constraint | None:
    require, forbid = said.get("require"), said.get("forbid")
    if require is None and forbid is None:
        return None
    return Constraint(
        name,
        which,
        None if require is None else RequireForm.model_validate(require),
        None if forbid is None else FactsForm.model_validate(forbid),
    )


@dataclass(frozen=True)
class Maker:
    """Draws everything from ``random``."""

    random: Random

    def some(self, words: tuple[str, ...], most: int = 3) -> list[str]:
        """Return one to ``most`` of ``words``."""
        return self.random.sample(words, self.random.randint(1, min(most, len(words))))

    def often(self, chance: float) -> bool:
        """Tell whether something is to be, with that chance."""
        return self.random.random() < chance

    def places(self) -> frozenset[str] | None:
        """Return the countries of a fact, or nothing known."""
        if self.often(0.2):
            return None
        return frozenset(self.some(PLACES, 2)) if self.often(0.9) else frozenset()

    def facts(self, provider: str, model: str) -> RouteFacts:
        """Return the facts of one route, some unknown."""
        pick = self.random.choice
        confirmed: dict[str, date | None] = {}
        today = datetime.now(UTC).date()
        for fact in self.some((*SETS, *VALUES), 3) if self.often(0.8) else ():
            days = pick([0, 6, 29, 30, 31, 200])
            confirmed[fact] = None if self.often(0.1) else today - timedelta(days=days)
        return RouteFacts(
            provider,
            model,
            maker=self.places(),
            operator=self.places(),
            processed_in=self.places(),
            licence=pick([None, "MIT", "Apache-2.0", "llama"]),
            retention_days=pick([None, 0, 7, 31]),
            **{fact: pick([None, *values]) for fact, values in VALUES.items()},
            confirmed=confirmed,
        )

    def prices(self) -> PriceList | None:
        """Return what a route costs: unknown, one price, or another at night."""
        if self.often(0.2):
            return None
        bands = [(ALWAYS, self.price())]
        if self.often(0.3):
            bands.append((Applies(start=time(16), end=time(0, 30)), self.price()))
        return PriceList(tuple(bands))

    def price(self) -> Price:
        """Return a price of tokens in and out, in US dollars a million."""
        figures = [Decimal(0), Decimal("0.5"), Decimal(1), Decimal(2), Decimal(5)]
        into, out = self.random.choice(figures), self.random.choice(figures)
        return Price(into, None if self.often(0.1) else out, source="made up")

    def route(self, name: str) -> Route:
        """Return a route without an address."""
        provider, _, model = name.partition("/")
        endpoint = Endpoint(provider, "host", "default", "", {}, Timeouts(1, 1, 1, 1))
        return Route(
            name=name,
            provider=provider,
            model=model,
            endpoint=endpoint,
            dialects={"chat": Dialect()},
            facts=self.facts(provider, model),
            prices=self.prices(),
            surcharge=self.random.choice([Decimal(1), Decimal("1.1")]),
            max_output=self.random.choice([None, 1000]),
        )

    def words(self, fact: str) -> list[str]:
        """Return what a rule may say of a fact that is words."""
        if fact in SETS:
            return self.some((*PLACES, "ours", "near", "Five Eyes"))
        return self.some(SAID_VALUES.get(fact) or PATTERNS[fact])

    def said(self, part: str, most: int = 2) -> dict[str, Any]:
        """Return what a rule says under require or forbid."""
        days = ("retention_days", "facts_age_days")
        money = ("price", "request_usd") if part == "require" else ()
        found: dict[str, Any] = {}
        for fact in self.some((*SETS, *VALUES, *PATTERNS, *days, *money), most):
            if fact in days:
                word = "at_most" if part == "require" else "over"
                found[fact] = {word: self.random.choice([0, 7, 30])}
            elif fact == "price":
                limits = self.some(("at_most", "input_at_most", "output_at_most"), 2)
                found[fact] = {limit: self.random.choice([0, 1, 2.5]) for limit in limits}
            elif fact == "request_usd":
                found[fact] = {"at_most": self.random.choice([0, 0.000001, 0.5])}
            else:
                found[fact] = self.words(fact)
        return found

    def when(self, parts: tuple[str, ...]) -> dict[str, Any]:
        """Return which requests a rule or an expectation is for."""
        said: dict[str, Any] = {
            "label_at_least": self.random.choice(LABELS),
            "label": self.some(LABELS, 2),
            "team": self.some(TEAMS[1:], 2),
            "tag": self.some(TAGS, 2),
            "key": self.some(KEYS, 2),
            "model": self.some(ASKED_PATTERNS, 2),
        }
        chosen = self.some(parts, 2) if self.often(0.7) else []
        return {part: said[part] for part in chosen}

    def rule(self, name: str) -> dict[str, Any]:
        """Return one rule."""
        rule: dict[str, Any] = {
            "name": name,
            "when": self.when(("label_at_least", "label", "team", "tag", "key", "model")),
        }
        for part in ("require", "forbid"):
            if self.often(0.4):
                rule[part] = self.said(part)
        if self.often(0.2) or len(rule) == 2:
            rule["prefer"] = self.random.choice(ORDERS)
        return rule

    def expect(self, routes: tuple[str, ...]) -> dict[str, Any]:
        """Return one expectation."""
        given = self.when(("label", "team", "tag", "key", "model"))
        kind = self.random.choice(["never", "never", "denied", "first"])
        if kind == "never":
            return {"given": given, "never": self.said("forbid", 1)}
        return {"given": given, kind: True if kind == "denied" else self.random.choice(routes)}

    def constrained(self, said: dict[str, Any], chance: float) -> dict[str, Any]:
        """Return ``said`` with a require or a forbid of its own, now and then."""
        for part in ("require", "forbid"):
            if self.often(chance):
                said[part] = self.said(part, 1)
        return said

    def world(self, expects: int = 1) -> World:
        """Return a whole gateway."""
        names = self.some(("home/qwen-3", "home/luna", "Cloud/Qwen", "c/luna", "c/qwen-3"), 4)
        models: dict[str, Any] = {}
        for name in ("m", "mx", "g-*"):
            entry = {"routes": self.some(tuple(names), 3), "prefer": self.random.choice(ORDERS)}
            if self.often(0.2):
                entry["shadow"] = self.random.choice(names)
                entry |= {"judge": "m"} if self.often(0.5) else {}
            models[name] = self.constrained(entry, 0.15)
        models["gx"] = self.random.choice(["m", "mx", "g-1"])
        if self.often(0.3):
            models["*"] = "m"
        policy = {
            "labels": list(LABELS),
            "groups": dict(GROUPS),
            "rules": [self.rule(f"r{number}") for number in range(self.random.randint(0, 4))],
            "expect": [self.expect(tuple(names)) for _ in range(expects)],
        }
        key = {"name": "k", "team": self.random.choice(TEAMS[1:]), "label": "internal"}
        config = {"keys": [self.constrained(key, 0.15)], "models": models}
        return World(policy, config, {name: self.route(name) for name in names})

    def request(self, world: World, name: str | None = None) -> RequestFacts:
        """Return a request of anybody for a name that can be asked for."""
        pick = self.random.choice
        asked = name or pick(["m", "mx", "g-1", "g-mx", "gx", *world.routes])
        key = pick(["k", "l", ""])
        team = world.config["keys"][0]["team"] if key == "k" else pick(TEAMS)
        label = pick(LABELS[1:] if key == "k" else LABELS)
        tags = frozenset(tag for tag in TAGS if self.often(0.3))
        return RequestFacts(label, team, key, tags, asked, "", world.entry(asked))


def every_request(world: World, names: tuple[str, ...]) -> Iterator[RequestFacts]:
    """Give all requests for ``names``: every label, key, team and set of tags."""
    own = world.config["keys"][0]
    people = [(key, team, label) for key in ("", "l") for team in TEAMS for label in LABELS]
    people += [("k", own["team"], label) for label in LABELS[LABELS.index(own["label"]) :]]
    tag_sets = [
        frozenset(tags) for size in range(len(TAGS) + 1) for tags in combinations(TAGS, size)
    ]
    for name in names:
        entry = world.entry(name)
        for key, team, label in people:
            for tags in tag_sets:
                yield RequestFacts(label, team, key, tags, name, None, entry)


def worlds(expects: int = 1) -> st.SearchStrategy[World]:
    """Give made-up gateways to Hypothesis, which can shrink them: every choice is its own."""
    randoms = st.randoms(use_true_random=False)
    return randoms.map(lambda random: Maker(random).world(expects))


def seeds() -> st.SearchStrategy[Random]:
    """Give seeded generators to Hypothesis: it can shrink nothing, and each is made at once."""
    return st.integers(0, 2**32).map(Random)
