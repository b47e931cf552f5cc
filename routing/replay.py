"""Past requests decided again, under a config that may be another than the one of then.

A past request is what the ledger keeps of it: who asked for what, how large it was, what it used.
Decisions are those of a quiet moment: every route counts as up, no budget as used up, no prompt as
cached and no speed as known. Which program called is not kept either, so a plan's terms on programs
count as met. Facts and rules are judged as of today, prices as of then.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, TypeVar
from zlib import crc32

import msgspec

from billing import pricing
from providers.usage import Usage
from routing.expected import USUAL, Expected, View
from routing.facts import RequestFacts, RouteFacts
from routing.plan import Dropped, Plan, plan
from routing.policy import LabelError, Policy
from routing.route import Route, Size
from routing.rules import Rule
from routing.wish import ASKABLE, Wish

REMEMBERED = 20_000  # of each kind: clients choose their tags and the names they ask for
# Orders that look at what a single request is like.
_BY_REQUEST = frozenset({"cheapest", "weighted", "blend"})
Reached = frozenset[tuple[str, str]]  # ("country" | "operator", its word)
_Key = tuple[object, ...]
_T = TypeVar("_T")


class Past(msgspec.Struct, frozen=True, gc=False):
    """One past request.

    ``asked_label`` is the label that it was raised to above its key's own, None where it was not;
    ``wish`` the order that its client asked for, "" for none. ``usage`` and ``cost_pico`` (1e-12
    dollars, None where unknown) are those of the attempt that answered, at ``route``; ``is_stated``
    says that the cost is the host's own word. ``paid_pico`` is what all its attempts cost.
    """

    id: str
    at: datetime
    key: str
    label: str
    asked_label: str | None
    tags: frozenset[str]
    model: str
    wire: str
    needs: frozenset[str]
    size: Size
    wish: str
    usage: Usage
    route: str
    cost_pico: int | None
    is_stated: bool
    paid_pico: int | None

    @property
    def tokens(self) -> int:
        """All tokens that went in and came out."""
        return self.usage.prompt_tokens + self.usage.completion_tokens


@dataclass(frozen=True, slots=True)
class Asker:
    """A key as a config has it: its team and the least label of its requests."""

    team: str
    label: str


@dataclass(frozen=True, slots=True)
class Choice:
    """What a config has for one model name: its routes, its own wish, and its entry's name."""

    routes: Sequence[Route]
    wish: Wish
    entry: str


class World(Protocol):
    """A config as far as a replay asks it."""

    @property
    def policy(self) -> Policy:
        """Its policy."""

    def asker(self, key: str) -> Asker | None:
        """Return the key of that name; None: there is none."""

    def may_ask(self, key: str, model: str) -> bool:
        """Tell whether that key may ask for ``model``."""

    def choice(self, model: str) -> Choice | None:
        """Return what answers to the name ``model``; None: nothing."""

    def lacks(self, route: Route, wire: str, needs: frozenset[str]) -> str:
        """Return what keeps ``route`` from such a request in words, "" for nothing."""


@dataclass(frozen=True, slots=True)
class Denial:
    """Why nobody may answer: ``by`` a word for the kind, the ``rule`` where it was one, words."""

    by: str
    rule: str
    reason: str


@dataclass(frozen=True, slots=True, eq=False)
class Decision:
    """Who would answer: the first route and the others' names in order, or why nobody.

    ``first_reach`` is where the first route's data goes, ``reach`` where that of any may go.
    A replay gives one object for all requests that are decided alike.
    """

    first: Route | None
    others: tuple[str, ...]
    denial: Denial | None = None
    first_reach: Reached = frozenset()
    reach: Reached = frozenset()

    @property
    def route(self) -> str:
        """The first route's name, "" where nobody may answer."""
        return self.first.name if self.first is not None else ""

    @property
    def is_home(self) -> bool:
        """Whether the first route is certainly at home."""
        return self.first is not None and self.first.facts.processed_in == frozenset({"home"})


@dataclass(frozen=True, slots=True, eq=False)
class _Case:
    """What requests have in common whose key, label, tags and model are the same."""

    request: RequestFacts
    choice: Choice
    rules: tuple[Rule, ...]
    order: Wish | None  # a rule's, which goes before all others
    contexts: tuple[int, ...]
    counts_money: bool


class Replay:
    """Decides past requests in one world; what is decided alike is planned once."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._cases: dict[_Key, _Case | Decision] = {}
        self._planned: dict[_Key, Decision] = {}
        self._alike: dict[_Key, Decision] = {}

    def decision(self, past: Past) -> Decision:
        """Return who would answer ``past`` here."""
        case = self._known(past)
        if isinstance(case, Decision):
            return case
        wish = case.order or ASKABLE.get(past.wish) or case.choice.wish
        if case.counts_money or wish.order in _BY_REQUEST:
            return self._plan(past, case, wish)
        # Neither its cost nor its moment decides: only who and what it is, and if it fits.
        fits = bisect_left(case.contexts, past.size.prompt_likely)
        alike = case.rules, past.model, past.wire, past.needs, wish.order, fits
        found = self._planned.get(alike)
        if found is None:
            found = self._plan(past, case, wish)
            _remember(self._planned, alike, found)
        return found

    def usual(self, past: Past) -> str:
        """Return the order of such requests whose client asks for none, "" where nobody may ask."""
        case = self._known(past)
        return "" if isinstance(case, Decision) else (case.order or case.choice.wish).text

    def _known(self, past: Past) -> _Case | Decision:
        key = past.key, past.asked_label, past.tags, past.model
        case = self._cases.get(key)
        if case is None:
            case = self._case(past)
            _remember(self._cases, key, case)
        return case

    def _case(self, past: Past) -> _Case | Decision:
        world, policy = self._world, self._world.policy
        asker = world.asker(past.key)
        if asker is None:
            return self._denied("unknown key", f"there is no key {past.key!r}")
        choice = world.choice(past.model)
        if choice is None:
            return self._denied("unknown model", f"there is no model {past.model[:200]!r}")
        if not world.may_ask(past.key, past.model):
            return self._denied("model not allowed", f"key {past.key!r} may not ask for it")
        try:
            label = policy.raise_label(asker.label, past.asked_label, past.tags)
        except LabelError as fault:
            return self._denied("unknown label", str(fault))
        request = RequestFacts(
            label, asker.team, past.key, past.tags, past.model, entry=choice.entry
        )
        order = policy.preference(request)
        return _Case(
            request,
            choice,
            policy.applies(request),
            Wish(order) if order is not None else None,
            tuple(sorted(route.context for route in choice.routes if route.context is not None)),
            bool(policy.limited(request)),
        )

    def _plan(self, past: Past, case: _Case, wish: Wish) -> Decision:
        view = View(past.at, _expected(past.usage), draw=draw_of(past.id))
        policy, request = self._world.policy, case.request
        made = plan(case.choice.routes, wish, policy, request, past.at, past.size, view=view)
        lacking = [
            Dropped(route, "capability", "", why)
            for route in made.routes
            if (why := self._world.lacks(route, past.wire, past.needs))
        ]
        without = {dropped.route.name for dropped in lacking}
        routes = [route for route in made.routes if route.name not in without]
        if not routes:
            return self._denied(*_reason(made, lacking))
        names = tuple(route.name for route in routes)
        found = self._alike.get(names)
        if found is None:
            found = Decision(
                routes[0],
                names[1:],
                None,
                _reached(routes[0].facts),
                frozenset().union(*(_reached(route.facts) for route in routes)),
            )
            _remember(self._alike, names, found)
        return found

    def _denied(self, by: str, reason: str, rule: str = "") -> Decision:
        """Return the denial of that kind; one by a rule has the reason of the first such one."""
        key = None, by, rule or reason
        found = self._alike.get(key)
        if found is None:
            found = Decision(None, (), Denial(by, rule, reason))
            _remember(self._alike, key, found)
        return found


def cost_at(past: Past, route: Route) -> int | None:
    """Return what the usage of ``past`` costs at ``route``, in 1e-12 dollars; None: unknown.

    The same tokens in the same buckets are priced, at the prices in force then. What a host stated
    itself, and the hours of a machine, are known only where they happened.
    """
    if route.name == past.route and (past.is_stated or route.usd_per_hour is not None):
        return past.cost_pico
    if route.usd_per_hour is not None and past.usage.state != "none":
        return None
    return pricing.cost(past.usage, route.prices, past.at, route.surcharge).pico


def _expected(usage: Usage) -> Expected:
    """Return what a request took, as if it had been foreseen; the usual where nothing is known."""
    if not usage.prompt_tokens:
        return USUAL
    return Expected(usage.prompt_tokens, usage.completion_tokens)


def draw_of(request_id: str) -> float:
    """Return a number from 0 to below 1, always the same for a request: each world draws alike."""
    return crc32(request_id.encode("utf-8", "replace")) / 2**32


def _reason(made: Plan, lacking: list[Dropped]) -> tuple[str, str, str]:
    """Return by what, why, and by which rule nobody may answer; rules alone speak first."""
    dropped = [*made.dropped, *lacking]
    if not dropped:
        return "no route", "it has no routes", ""
    first = next((one for one in dropped if one.why != "policy"), dropped[0])
    rule = next((one.rule for one in dropped if one.rule), "")
    told = f"{first.route.name}: {first.reason}"
    return first.why, told, rule


def _reached(facts: RouteFacts) -> Reached:
    said = {("country", word) for word in facts.processed_in or ("unknown",)}
    return frozenset(said | {("operator", word) for word in facts.operator or ("unknown",)})


def _remember(table: dict[_Key, _T], key: _Key, value: _T) -> None:
    if len(table) >= REMEMBERED:
        table.clear()
    table[key] = value
