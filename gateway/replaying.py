"""Requests of the ledger, decided again by two configs: the one they came to and a proposed one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from types import MappingProxyType

import msgspec

from billing.ledger import Entry
from gateway.auth import Principal
from gateway.config_file import Loaded
from gateway.lanes import NEEDS, host_wire
from gateway.setup import Setup, compile_setup
from providers.usage import Usage, UsageState
from providers.wires.registry import WIRES
from providers.wires.wire import Peek
from routing import explain
from routing.difference import Compared
from routing.policy import Policy
from routing.replay import Asker, Choice, Past, Replay
from routing.route import Route, Size
from routing.wish import ASKABLE

# Of several attempts the one that answered, else the one that came nearest to it.
_NEARNESS = MappingProxyType({"completed": 3, "cut": 2, "cancelled": 1})
_STATES: Mapping[str, UsageState] = MappingProxyType(
    {"reported": "reported", "estimated": "estimated", "none": "none"}
)


class ConfigWorld:
    """A config as a replay asks it; see ``routing.replay.World``.

    A provider that lacks a variable of the environment counts as there: where a proposal is
    checked, nobody has its keys.
    """

    def __init__(self, loaded: Loaded) -> None:
        self.setup: Setup = compile_setup(loaded, price_all=True)
        self._missing = frozenset(loaded.missing)
        self._by_name = {one.name: one for one in self.setup.principals.values()}
        if self.setup.local is not None:
            self._by_name[self.setup.local.name] = self.setup.local

    @property
    def policy(self) -> Policy:
        """Its policy, the constraints of keys, models and providers among its rules."""
        return self.setup.policy

    def principal(self, key: str) -> Principal | None:
        """Return the key of that name; None: there is none."""
        return self._by_name.get(key)

    def asker(self, key: str) -> Asker | None:
        """Return the same as a replay needs it."""
        found = self._by_name.get(key)
        return None if found is None else Asker(found.team, found.label)

    def may_ask(self, key: str, model: str) -> bool:
        """Tell whether that key may ask for ``model``."""
        found = self._by_name.get(key)
        return found is not None and self.setup.may_ask(found, model)

    def choice(self, model: str) -> Choice | None:
        """Return what answers to the name ``model``; None: nothing."""
        found = self.setup.candidates(model)
        if found is None:
            return None
        routes = [
            replace(route, available="") if route.provider in self._missing else route
            for route in found.routes
        ]
        return Choice(routes, found.wish, found.entry)

    def lacks(self, route: Route, wire: str, needs: frozenset[str]) -> str:
        """Return what keeps ``route`` from a request with such needs, "" for nothing known."""
        asked = WIRES.get(wire)
        if asked is None:
            return ""
        name = host_wire(asked, route, Peek("", False, True, None, 1, 0, needs))
        if name is None:
            return f"its host is not asked by a client of {wire}"
        dialect = route.dialects[name]
        for need in needs:
            fact, words = NEEDS.get(need, (need, f"takes no {need}"))
            missing = fact in route.cannot
            missing = missing or (need == "forced_tool" and not dialect.forced_tools)
            if need == "schema" and not self.setup.config.translate.emulate_schema:
                missing = missing or dialect.structured != "schema"
            if missing:
                return f"its host {words}"
        return ""


def compared(
    requests: Iterable[list[Entry]], against: ConfigWorld, proposed: ConfigWorld
) -> Iterator[Compared]:
    """Decide each of ``requests`` (its attempts) as ``against`` does, and as ``proposed`` does."""
    before, after = Replay(against), Replay(proposed)
    for attempts in requests:
        past = _past(attempts, against)
        wished = _wished(attempts[0], past, before, against)
        if wished:
            past = msgspec.structs.replace(past, wish=wished)
        yield past, before.decision(past), after.decision(past)


def _past(attempts: list[Entry], against: ConfigWorld) -> Past:
    entry = attempts[0]
    if len(attempts) > 1:
        entry = max(attempts, key=lambda one: (_NEARNESS.get(one.outcome, 0), one.attempt))
    key = against.principal(entry.key)
    usage = _usage(entry)
    costs = [one.cost_pico for one in attempts]
    known = [cost for cost in costs if cost is not None]
    return Past(
        id=entry.request_id,
        at=datetime.fromtimestamp(entry.at_us / 1e6, UTC),
        key=entry.key,
        label=entry.label,
        # A label that is its key's own may be another where the key has another.
        asked_label=None if key is not None and key.label == entry.label else entry.label,
        tags=frozenset(entry.tags.split(",")) if entry.tags else frozenset(),
        model=entry.model_asked,
        wire=entry.wire,
        needs=frozenset(entry.needs.split(",")) if entry.needs else frozenset(),
        # Entries of older versions do not say how large a request may have been.
        size=Size(
            entry.prompt_most or usage.prompt_tokens,
            entry.output_most,
            prompt_likely=usage.prompt_tokens,
        ),
        wish="",  # what it was can be told once the rest is known
        usage=usage,
        route=f"{entry.provider}/{entry.model}",
        cost_pico=entry.cost_pico,
        is_stated=entry.cost_state == "stated",
        paid_pico=sum(known) if len(known) == len(costs) else None,
    )


def _usage(entry: Entry) -> Usage:
    return Usage(
        input=entry.input,
        cache_read=entry.cache_read,
        cache_write=entry.cache_write,
        cache_write_long=entry.cache_write_long,
        audio_input=entry.audio_input,
        image_input=entry.image_input,
        output=entry.output,
        reasoning=entry.reasoning,
        audio_output=entry.audio_output,
        image_output=entry.image_output,
        state=_STATES.get(entry.usage_state, "missing"),
        reconciled=entry.reconciled,
    )


def _wished(entry: Entry, past: Past, before: Replay, against: ConfigWorld) -> str:
    """Return the order that the client asked for; "" where it did not, or nobody can tell.

    The ledger has the order that held. Where that is not the config's, it was the client's; under
    another config than ``against`` it may have been that one's.
    """
    held = explain.wish(entry.decision)
    if held not in ASKABLE or entry.config_hash != against.setup.hash:
        return ""
    return held if held != before.usual(past) else ""
