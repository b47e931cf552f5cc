"""Whether the policy's expectations hold for every request that could come, not only the usual.

Every route that a request may be sent to counts, not only the first: any other may be down. So do
routes that cannot be called today, the copies that a shadow route gets, and the calls of a judge.
Prices are tried at every moment at which one of them changes, limits of money with the smallest
request, which they refuse last. ``first`` is about the smallest requests that bring no order of
their own and find every route well: it holds where no other route can be first.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from routing.facts import RequestFacts
from routing.policy import Policy
from routing.proof_cases import Asker, Cases, Kind, Name, Principal, Resolve, cases
from routing.proof_outcomes import Outcome, Outcomes
from routing.proof_warnings import Ages, Notice, Tally
from routing.rules import Expect

_NOBODY = "no request is like this: is a model or key misspelt?"


@dataclass(frozen=True, slots=True)
class Finding:
    """One expectation: whether it holds, and if not the shortest request that shows it.

    ``shows`` is that request, None where the expectation is about none at all.
    """

    expect: str
    holds: bool
    cases: int
    counter_example: str = ""
    shows: RequestFacts | None = None


@dataclass(frozen=True, slots=True)
class Proof:
    """What was found over ``cases`` requests; warnings are not failures."""

    findings: tuple[Finding, ...]
    warnings: tuple[Notice, ...]
    cases: int

    @property
    def holds(self) -> bool:
        """Tell whether every expectation holds."""
        return all(finding.holds for finding in self.findings)


def prove(
    policy: Policy,
    resolve: Resolve,
    own: Iterable[str],
    principals: Sequence[Principal],
    now: datetime,
    others: Iterable[str] = (),
    tags: Iterable[str] = (),
    ages: Ages | None = None,
) -> Proof:
    """Try every model name, label, key, team and tag against the policy's expectations.

    ``resolve`` tells who may be asked for a name, None: there is no such name. ``own`` are the
    config's names, aliases and patterns among them; ``others`` what else can be asked for, such as
    ``provider/model``. An expectation on who is first is about ``own`` names where it covers any,
    and warnings on routes and labels are about those only. Besides ``principals`` any other key is
    tried, in no team and in every team that is named anywhere, because keys can be made at run
    time. With ``ages`` facts that are too old and decide something are told.
    """
    found = cases(policy, resolve, own, others, principals, tags)
    outcomes = Outcomes(policy, resolve, now)
    searches = [_Search(expect) for expect in policy.expects]
    tally = Tally(policy, ages)
    for place, (name, kinds) in enumerate(zip(found.names, found.kinds, strict=True)):
        _try(policy, found, place, name, kinds, outcomes, searches, tally)
    total = sum(kind.count for kinds in found.kinds for kind in kinds)
    findings = tuple(search.finding(is_empty=not total) for search in searches)
    return Proof(findings, tuple(tally.notices(found)), total)


@dataclass(slots=True)
class _Shown:
    """What a search has seen: how many requests, and the shortest one that breaks the promise."""

    covered: int = 0
    shortest: tuple[int, int] | None = None  # the places of asker and name
    text: str = ""
    request: RequestFacts | None = None


@dataclass(slots=True)
class _Search:
    """The search for the shortest request that breaks one expectation."""

    expect: Expect
    own: _Shown = field(default_factory=_Shown)
    all: _Shown = field(default_factory=_Shown)

    def look(
        self, place: int, name: Name, kind: Kind, asker: Asker, outcomes: list[Outcome]
    ) -> None:
        """Look at one kind of request; ``asker`` is the first of its kind."""
        for shown in (self.own, self.all) if name.own else (self.all,):
            shown.covered += kind.count
            here = (kind.first, place)
            if shown.shortest is not None and shown.shortest <= here:
                continue
            for number, outcome in enumerate(outcomes):
                broken = _broken(self.expect, outcome)
                if broken:
                    when = f" (from {outcome.at:%Y-%m-%d %H:%M} UTC)" if number else ""
                    shown.shortest = here
                    shown.request = replace(asker.request, model=name.text, entry=name.asked.entry)
                    shown.text = f"{_text(shown.request)}: {broken}{when}"
                    break

    def finding(self, *, is_empty: bool) -> Finding:
        """Return what was found; ``is_empty``: nothing can be asked for, so nothing broken."""
        shown = self.own if self.expect.first and self.own.covered else self.all
        counter_example = shown.text if shown.covered or is_empty else _NOBODY
        return Finding(
            self.expect.text, not counter_example, shown.covered, counter_example, shown.request
        )


def _try(
    policy: Policy,
    found: Cases,
    place: int,
    name: Name,
    kinds: Sequence[Kind],
    outcomes: Outcomes,
    searches: Sequence[_Search],
    tally: Tally,
) -> None:
    """Try every kind of request for one name; each set of rules is judged once."""
    of_rules = (1 << len(policy.rules)) - 1
    judged: dict[tuple[int, int], list[Outcome]] = {}
    example: dict[tuple[int, int], RequestFacts] = {}
    counts: Counter[tuple[int, int]] = Counter()
    for kind in kinds:
        asker = found.askers[kind.first]
        alike = kind.bits & of_rules, kind.judge_bits & of_rules
        if alike not in judged:
            request = replace(asker.request, model=name.text, entry=name.asked.entry)
            judged[alike] = list(outcomes.of(request, name.asked))
            example[alike] = request
        counts[alike] += kind.count
        for number, search in enumerate(searches, start=len(policy.rules)):
            if kind.bits >> number & 1:
                search.look(place, name, kind, asker, judged[alike])
    for alike, came in judged.items():
        tally.add(name, example[alike], alike[0], came, counts[alike])


def _broken(expect: Expect, outcome: Outcome) -> str:
    """Say how ``outcome`` breaks ``expect``; "" where it keeps it."""
    reached = [*((route, "may answer") for route in outcome.routes), *outcome.copied]
    for route, how in reached if expect.never else ():
        for clause in expect.never:
            breach = clause.breach(route.facts)
            if breach is not None:
                return f"{route.name} {how}, its {breach.fact} is {breach.value}"
    if expect.denied and outcome.routes:
        return f"{outcome.routes[0].name} may answer"
    if not expect.first:
        return ""
    if not outcome.routes:
        refused = (
            f"; {route.name}: rule {breaches[0].rule!r} {breaches[0].reason}"
            for route, breaches in outcome.refused[:1]
        )
        return "no route may answer" + "".join(refused)
    other = next((route for route in outcome.firsts if route.name != expect.first), None)
    if other is None:
        return ""
    return f"{other.name} {'is' if len(outcome.firsts) == 1 else 'may be'} first"


def _text(request: RequestFacts) -> str:
    parts = [f"label {request.label}", f"model {request.model}"]
    parts += [f"team {request.team}"] if request.team else []
    parts += [f"key {request.key}"] if request.key else []
    parts += [f"tags {', '.join(sorted(request.tags))}"] if request.tags else []
    return ", ".join(parts)
