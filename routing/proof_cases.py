"""Every request that could differ, sorted into the few kinds that a policy tells apart.

Who asks (label, team, key, tags) and what is asked for (a name) meet in the conditions of rules and
expectations only. So each of the two is held against every condition once, and a request's rules
are what both have in common: thousands of requests come down to a few sets of rules for each name.

Not every set of tags has to be tried. More tags only add rules, a rule asks for one tag, and rules
only take away: where a set of tags breaks an expectation, the one tag (beside the one given) that
brings in the decisive rule, or no tag at all, breaks it too. So none, each, and each beside a given
one are enough; a property test holds this against all subsets.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

from routing.facts import RequestFacts
from routing.policy import Policy
from routing.proof_names import within
from routing.route import Route
from routing.rules import Which, fits
from routing.wish import LISTED, Wish


@dataclass(frozen=True, slots=True)
class Principal:
    """A key as far as the policy sees it; ``label`` is the least that its requests have.

    ``models`` are patterns of the names that it may ask for, None: any.
    """

    key: str
    team: str
    label: str
    models: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Asked:
    """Who may be asked for one name: routes in the order listed, and which order is wanted.

    ``entry`` is the config's entry that answers, "" where a route itself is asked for. ``shadow``
    gets copies of calls; ``judge`` is the name that is asked to compare the answers, "" is none.
    """

    routes: tuple[Route, ...]
    wish: Wish = LISTED
    entry: str = ""
    shadow: Route | None = None
    judge: str = ""


Resolve = Callable[[str], Asked | None]


@dataclass(frozen=True, slots=True)
class Name:
    """A name that can be asked for; ``own``: the config lists it, or it is within such an alias.

    ``bits`` has one bit for each condition that this name meets.
    """

    text: str
    asked: Asked
    own: bool
    bits: int


@dataclass(frozen=True, slots=True)
class Asker:
    """Who asks, and how: a request without its model. ``bits`` as of a name."""

    request: RequestFacts
    models: tuple[str, ...] | None
    bits: int

    def may_ask(self, name: str) -> bool:
        """Tell whether the key may ask for ``name``."""
        return self.models is None or any(fits(pattern, name) for pattern in self.models)


@dataclass(frozen=True, slots=True)
class Kind:
    """All askers of a name for whom the same conditions hold.

    ``bits`` are those conditions, ``judge_bits`` those of a judge's call for them. ``first`` is the
    place of the first of them among all askers, ``count`` how many they are.
    """

    bits: int
    judge_bits: int
    first: int
    count: int


@dataclass(frozen=True, slots=True)
class Cases:
    """All that is tried. ``too_many`` are aliases of which not every kind of name is among it."""

    names: tuple[Name, ...]
    askers: tuple[Asker, ...]
    kinds: tuple[tuple[Kind, ...], ...]  # for each name
    too_many: tuple[str, ...]


def conditions(policy: Policy) -> list[Which]:
    """Return the conditions that bits stand for: of the rules, then of the expectations."""
    return [*(rule.which for rule in policy.rules), *(expect.given for expect in policy.expects)]


def cases(
    policy: Policy,
    resolve: Resolve,
    own: Iterable[str],
    others: Iterable[str],
    principals: Sequence[Principal],
    tags: Iterable[str],
) -> Cases:
    """Return every request that could differ: ``own`` and ``others`` are the names to ask for."""
    which = conditions(policy)
    names, too_many = _names(which, resolve, list(own), list(others), principals)
    askers = _askers(policy, which, list(principals), frozenset(tags))
    bits_of = {name.text: name.bits for name in names}
    memory: dict[tuple[int, int, tuple[bool, ...]], tuple[Kind, ...]] = {}
    restricted = [asker for asker in askers if asker.models is not None]
    kinds = []
    for name in names:
        judge = name.asked.judge
        judge_bits = bits_of.get(judge, 0) if judge else 0
        alike = name.bits, judge_bits, tuple(asker.may_ask(name.text) for asker in restricted)
        if alike not in memory:
            memory[alike] = _kinds(name, judge_bits, askers)
        kinds.append(memory[alike])
    return Cases(tuple(names), tuple(askers), tuple(kinds), tuple(too_many))


def _kinds(name: Name, judge_bits: int, askers: Sequence[Asker]) -> tuple[Kind, ...]:
    found: dict[tuple[int, int], tuple[int, int]] = {}
    for place, asker in enumerate(askers):
        if asker.may_ask(name.text):
            both = asker.bits & name.bits, asker.bits & judge_bits
            first, count = found.get(both, (place, 0))
            found[both] = first, count + 1
    return tuple(Kind(*both, *counted) for both, counted in found.items())


def _names(
    which: Sequence[Which],
    resolve: Resolve,
    own: list[str],
    others: list[str],
    principals: Sequence[Principal],
) -> tuple[list[Name], list[str]]:
    """Return the names, and those that are told apart within patterns among them."""
    told = {pattern for one in which for pattern in one.models or ()}
    told |= {pattern for principal in principals for pattern in principal.models or ()}
    plain = {name for name in (*own, *others) if "*" not in name}
    too_many = []
    found: dict[str, Name] = {}

    def add(text: str, *, is_own: bool) -> None:
        asked = resolve(text)
        if asked is not None and text not in found:
            holding = (one.asked_for(text, asked.entry) for one in which)
            found[text] = Name(text, asked, is_own, _bits(holding))

    for names, is_own in ((own, True), (others, False)):
        for name in names:
            add(name, is_own=is_own)
        for alias in (name for name in names if "*" in name):
            inner, is_whole = within(alias, {*told, *own}, plain)
            if not is_whole:
                too_many.append(alias)
            spoken_of = sorted(name for name in told if fits(alias, name))
            for text in (*spoken_of, *inner):
                add(text, is_own=is_own)
    return list(found.values()), too_many


def _askers(
    policy: Policy, which: Sequence[Which], principals: list[Principal], tags: frozenset[str]
) -> list[Asker]:
    """Return everybody who could ask, those with the fewest parts first."""
    named = frozenset(chain.from_iterable(one.tags or () for one in which))
    named |= policy.tag_labels.keys()
    given = frozenset(chain.from_iterable(one.given.tags or () for one in policy.expects))
    tag_sets = {frozenset(), *(frozenset({tag}) for tag in tags | named)}
    tag_sets |= {frozenset({one, other}) for one in given for other in tags | named}
    everybody = [*_others(policy, which, principals), *principals]
    asking = [
        (RequestFacts(label, principal.team, principal.key, tag_set, ""), principal.models)
        for tag_set in sorted(tag_sets, key=lambda tag_set: (len(tag_set), sorted(tag_set)))
        for principal in everybody
        for label in policy.labels[
            policy.label_rank(policy.raise_label(principal.label, None, tag_set)) :
        ]
    ]
    asking.sort(key=lambda one: len(one[0].tags) + bool(one[0].team) + bool(one[0].key))
    return [
        Asker(request, models, _bits(one.asked_by(request) for one in which))
        for request, models in asking
    ]


def _others(
    policy: Policy, which: Sequence[Which], principals: list[Principal]
) -> Iterator[Principal]:
    """Give keys that could be made: without a name or with one that is spoken of, in any team."""
    known = {principal.key for principal in principals}
    teams = {"", *(principal.team for principal in principals)}
    teams |= set(chain.from_iterable(one.teams or () for one in which))
    keys = {"", *chain.from_iterable(one.keys or () for one in which)} - known
    for key in sorted(keys):
        for team in sorted(teams):
            yield Principal(key, team, policy.labels[0])


def _bits(holding: Iterable[bool]) -> int:
    return sum(1 << place for place, holds in enumerate(holding) if holds)
