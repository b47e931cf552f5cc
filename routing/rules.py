"""One rule, compiled: which requests it is for, and what it asks of a route.

``require`` is kept where the fact is known and lies within the words given, ``forbid`` where the
fact is known and touches none of them. So an unknown fact is refused by both.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from fnmatch import fnmatchcase
from types import MappingProxyType

from providers import precision
from routing import groups
from routing.facts import Money, RequestFacts, RouteFacts
from routing.policy_form import (
    ExpectForm,
    FactsForm,
    GivenForm,
    Prefer,
    RequireForm,
    RuleForm,
    WhenForm,
)

COUNTRY_FACTS = frozenset({"maker", "operator", "processed_in"})
NAME_FACTS = frozenset({"licence", "provider", "model"})
# The only values these facts have; any other is a mistake in the data, and so unknown.
VOCABULARY: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "weights": frozenset({"open", "closed"}),
        "trains_on_data": frozenset({"never", "opt_out", "by_default"}),
        "zdr": frozenset({"default", "on_approval", "no"}),
        "quantisation": frozenset((*precision.BITS, *(f"{name}+" for name in precision.BITS))),
    }
)


@dataclass(frozen=True, slots=True)
class Breach:
    """A fact of a route that breaks a clause; ``value`` is "unknown" where nobody knows it."""

    fact: str
    value: str
    evidence: str
    asked: str  # "requires operator to be within CH, EEA"


@dataclass(frozen=True, slots=True)
class Clause:
    """What a rule asks of one fact.

    ``words`` holds the countries with their groups resolved, the values, or name patterns; ``said``
    the words as written; ``at_most`` the limit of a number instead.
    """

    fact: str
    demand: bool  # True for require, False for forbid
    words: frozenset[str]
    said: str
    at_most: int | None = None

    def breach(self, route: RouteFacts) -> Breach | None:
        """Return how ``route`` breaks this clause, or None where it keeps it."""
        value = _known(self.fact, getattr(route, self.fact))
        if value is not None and self._kept(value):
            return None
        return Breach(self.fact, _text(value), route.evidence.get(self.fact, ""), self.asked)

    @property
    def asked(self) -> str:
        """What is asked, in words that follow the rule's name."""
        if self.at_most is not None:
            verb = "requires {} of at most" if self.demand else "forbids {} over"
            return f"{verb.format(self.fact)} {self.at_most}"
        if self.demand:
            return f"requires {self.fact} to be within {self.said}"
        return f"forbids {self.fact} {self.said}"

    def _kept(self, value: frozenset[str] | str | int) -> bool:
        if isinstance(value, frozenset):
            return value <= self.words if self.demand else value.isdisjoint(self.words)
        if isinstance(value, int):
            return self.at_most is not None and value <= self.at_most
        if self.fact in NAME_FACTS:
            return any(fits(pattern, value) for pattern in self.words) is self.demand
        return (value in self.words) is self.demand


# How a limit of money reads, and which figure it is of.
_LIMITED: Mapping[str, tuple[str, Callable[[Money], Decimal | None]]] = MappingProxyType(
    {
        "request_usd": ("{} USD a request: this one can cost", lambda money: money.request),
        "price": (
            "{} USD per million tokens (3 in : 1 out): the price is",
            lambda money: money.price,
        ),
        "input price": ("{} USD per million tokens in: the price is", lambda money: money.input),
        "output price": ("{} USD per million tokens out: the price is", lambda money: money.output),
    }
)


@dataclass(frozen=True, slots=True)
class Limit:
    """The most US dollars that a request, or a million of its tokens, may cost.

    ``of`` is "request_usd", "price", "input price" or "output price".
    """

    of: str
    at_most: Decimal

    def breach(self, money: Money) -> Breach | None:
        """Return how ``money`` is over this limit or not known, or None where it is within."""
        text, figure = _LIMITED[self.of]
        usd = figure(money)
        if usd is not None and usd <= self.at_most:
            return None
        value = "unknown" if usd is None else f"{usd:f}"
        return Breach(self.of, value, "", f"allows at most {text.format(f'{self.at_most:f}')}")


@dataclass(frozen=True, slots=True)
class Which:
    """Which requests something is for: every set that is given must hold; None is any.

    ``entries`` are models of the config; a request that does not say its own may be for any.
    ``others`` turns round who asks: all those for whom labels, teams, tags and keys do not hold.
    """

    labels: frozenset[str] | None = None
    teams: frozenset[str] | None = None
    tags: frozenset[str] | None = None
    keys: frozenset[str] | None = None
    models: tuple[str, ...] | None = None  # patterns of the name asked for
    entries: frozenset[str] | None = None
    others: bool = False

    def holds(self, request: RequestFacts) -> bool:
        """Tell whether ``request`` is one of them."""
        return self.asked_by(request) and self.asked_for(request.model, request.entry)

    def asked_by(self, request: RequestFacts) -> bool:
        """Tell whether it is for whoever asks so, whatever model is asked for."""
        of_them = (
            (self.labels is None or request.label in self.labels)
            and (self.teams is None or request.team in self.teams)
            and (self.tags is None or not self.tags.isdisjoint(request.tags))
            and (self.keys is None or request.key in self.keys)
        )
        return of_them is not self.others

    def asked_for(self, model: str, entry: str | None) -> bool:
        """Tell whether it is for that model, whoever asks."""
        return (self.models is None or any(fits(m, model) for m in self.models)) and (
            self.entries is None or entry is None or entry in self.entries
        )


@dataclass(frozen=True, slots=True, eq=False)
class Rule:
    """One rule, equal to itself only."""

    name: str
    which: Which
    clauses: tuple[Clause, ...]
    limits: tuple[Limit, ...] = ()
    prefer: Prefer | None = None


@dataclass(frozen=True, slots=True)
class Expect:
    """One expectation; exactly one of ``never``, ``first`` and ``denied`` is set."""

    text: str
    given: Which
    never: tuple[Clause, ...]
    first: str
    denied: bool


def fits(pattern: str, name: str) -> bool:
    """Tell whether ``name`` fits ``pattern``, where ``*`` is any text and case does not count.

    Only ``*`` is special: names of models hold brackets and question marks.
    """
    plain = pattern.casefold().replace("[", "[[]").replace("?", "[?]")
    return fnmatchcase(name.casefold(), plain)


def compile_rule(
    form: RuleForm, labels: tuple[str, ...], own: Mapping[str, frozenset[str]]
) -> Rule:
    """Compile a rule whose words are known to mean something."""
    which = _which(form.when, labels)
    clauses, limits = demands(form.require, form.forbid, own)
    return Rule(form.name, which, clauses, limits, form.prefer)


def demands(
    require: RequireForm | None, forbid: FactsForm | None, own: Mapping[str, frozenset[str]]
) -> tuple[tuple[Clause, ...], tuple[Limit, ...]]:
    """Return what is asked of a route's facts, and of what it costs."""
    clauses = [*_clauses(require, True, own), *_clauses(forbid, False, own)]
    money = require.money() if require is not None else {}
    return tuple(clauses), tuple(Limit(of, most) for of, most in money.items())


def _clauses(
    facts: RequireForm | FactsForm | None, demand: bool, own: Mapping[str, frozenset[str]]
) -> Iterator[Clause]:
    if facts is None:
        return
    for fact, words in facts.named().items():
        yield _clause(fact, demand, words, own)
    for fact, most in facts.days().items():
        yield Clause(fact, demand, frozenset(), "", most)


def _which(form: WhenForm | GivenForm, labels: tuple[str, ...]) -> Which:
    named = None if form.label is None else frozenset(form.label)
    if isinstance(form, WhenForm) and form.label_at_least is not None:
        rising = frozenset(labels[labels.index(form.label_at_least) :])
        named = rising if named is None else rising & named
    return Which(
        labels=named,
        teams=None if form.team is None else frozenset(form.team),
        tags=None if form.tag is None else frozenset(form.tag),
        keys=None if form.key is None else frozenset(form.key),
        models=form.model,
    )


def compile_expect(form: ExpectForm, own: Mapping[str, frozenset[str]]) -> Expect:
    """Compile an expectation whose words are known to mean something."""
    said = form.model_dump(mode="json", exclude_unset=True)
    return Expect(
        text=json.dumps(said, ensure_ascii=False).replace('"', ""),
        given=_which(form.given, ()),
        never=tuple(_clauses(form.never, False, own)),
        first=form.first or "",
        denied=bool(form.denied),
    )


def _clause(
    fact: str, demand: bool, said: Iterable[str], own: Mapping[str, frozenset[str]]
) -> Clause:
    """Compile words asked of ``fact``; ``own`` holds all groups, built-in and the file's."""
    words = frozenset(said)
    if fact in COUNTRY_FACTS:
        countries = groups.members(words, own)
        words = groups.within(countries) if demand else groups.touching(countries)
    elif fact == "quantisation":
        words = frozenset().union(*map(precision.meant, words))
    return Clause(fact, demand, words, ", ".join(sorted(said)))


def _known(
    fact: str, value: frozenset[str] | str | int | None
) -> frozenset[str] | str | int | None:
    """Return the value, or None where it says nothing that a rule can rely on."""
    if value is None or value == "" or value == frozenset():
        return None
    if isinstance(value, frozenset):
        return value if value <= groups.KNOWN else None
    if fact in VOCABULARY and value not in VOCABULARY[fact]:
        return None
    return value


def _text(value: frozenset[str] | str | int | None) -> str:
    if value is None:
        return "unknown"
    return ", ".join(sorted(value)) if isinstance(value, frozenset) else str(value)
