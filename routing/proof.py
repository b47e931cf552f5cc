"""Whether the policy's expectations hold for every request that could come, not only the usual.

Every route counts as available: what is down or has no key today may be up tomorrow. Limits of
money are tried with the smallest request, which they refuse last. ``first`` is about requests that
bring no order of their own.

Not every set of tags has to be tried. More tags only add rules, a rule asks for one tag, and rules
only take away: where a set of tags breaks an expectation, the one tag (beside the one given) that
brings in the decisive rule, or no tag at all, breaks it too. So none, each, and each beside a given
one are enough; a property test holds this against all subsets.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import chain

from routing.facts import RequestFacts
from routing.plan import Dropped, Plan, Route, Size, plan
from routing.policy import Policy
from routing.rules import Expect, Rule, Which, fits

_SMALLEST = Size(prompt_tokens=1, output_tokens=1)


@dataclass(frozen=True, slots=True)
class Principal:
    """A key as far as the policy sees it; ``label`` is the least that its requests have."""

    key: str
    team: str
    label: str


@dataclass(frozen=True, slots=True)
class Finding:
    """One expectation: whether it holds, and if not the shortest request that shows it."""

    expect: str
    holds: bool
    cases: int
    counter_example: str = ""


@dataclass(frozen=True, slots=True)
class Proof:
    """What was found over ``cases`` requests; warnings are not failures."""

    findings: tuple[Finding, ...]
    warnings: tuple[str, ...]
    cases: int

    @property
    def holds(self) -> bool:
        """Tell whether every expectation holds."""
        return all(finding.holds for finding in self.findings)


def prove(
    policy: Policy,
    routes_by_model: Mapping[str, Sequence[Route]],
    principals: Iterable[Principal],
    tags: Iterable[str],
    now: datetime,
    prefer_by_model: Mapping[str, str] | None = None,
) -> Proof:
    """Try every model name, label, key, team and tag against the policy's expectations.

    ``routes_by_model`` holds every name that can be asked for: models, aliases (patterns too) and
    ``provider/model`` names. Besides ``principals`` any other key is tried, in no team and in every
    team that is named anywhere, because keys can be made at run time.
    """
    everywhere = {
        name: [replace(route, available="") for route in routes]
        for name, routes in _names(policy, routes_by_model).items()
    }
    prefer = prefer_by_model or {}
    cases = list(_cases(policy, everywhere, list(principals), frozenset(tags)))
    outcomes: dict[tuple[tuple[Rule, ...], str], Plan] = {}
    judged: list[tuple[RequestFacts, Plan]] = []
    for request in cases:
        alike = policy.applies(request), request.model
        if alike not in outcomes:
            routes = everywhere[request.model]
            wish = prefer.get(request.model, "listed")
            outcomes[alike] = plan(routes, wish, policy, request, now, _SMALLEST)
        judged.append((request, outcomes[alike]))
    return Proof(
        findings=tuple(_finding(expect, judged) for expect in policy.expects),
        warnings=(*_label_warnings(judged), *_route_warnings(outcomes.values())),
        cases=len(cases),
    )


def _names(
    policy: Policy, routes_by_model: Mapping[str, Sequence[Route]]
) -> dict[str, Sequence[Route]]:
    """Add, for alias patterns, the names that rules tell apart within them."""
    names = dict(routes_by_model)
    said = sorted({name for which in _all_which(policy) for name in which.models or ()})
    # Of two patterns that fit a name the longer one answers, so it has the first word.
    for alias in sorted(routes_by_model, key=len, reverse=True):
        for pattern in said if "*" in alias else ():
            for name in (pattern, pattern.replace("*", "")):
                if fits(alias, name):
                    names.setdefault(name, routes_by_model[alias])
    return names


def _cases(
    policy: Policy, models: Iterable[str], principals: list[Principal], tags: frozenset[str]
) -> list[RequestFacts]:
    """Return every request that could differ, those with the fewest parts first."""
    which = _all_which(policy)
    named = frozenset(chain.from_iterable(w.tags or () for w in which))
    given = frozenset(chain.from_iterable(e.given.tags or () for e in policy.expects))
    tag_sets = {frozenset(), *(frozenset({tag}) for tag in tags | named)}
    tag_sets |= {frozenset({one, other}) for one in given for other in tags | named}
    everybody = [*_others(policy, which, principals), *principals]
    found = [
        RequestFacts(label, principal.team, principal.key, tag_set, model)
        for tag_set in sorted(tag_sets, key=lambda tag_set: (len(tag_set), sorted(tag_set)))
        for principal in everybody
        for label in policy.labels[policy.label_rank(principal.label) :]
        for model in models
    ]
    found.sort(key=lambda r: len(r.tags) + bool(r.team) + bool(r.key))
    return found


def _others(policy: Policy, which: list[Which], principals: list[Principal]) -> Iterator[Principal]:
    """Give keys that could be made: without a name or with one that is spoken of, in any team."""
    known = {principal.key for principal in principals}
    teams = {"", *(principal.team for principal in principals)}
    teams |= set(chain.from_iterable(w.teams or () for w in which))
    keys = {"", *chain.from_iterable(w.keys or () for w in which)} - known
    for key in sorted(keys):
        for team in sorted(teams):
            yield Principal(key, team, policy.labels[0])


def _all_which(policy: Policy) -> list[Which]:
    return [*(rule.which for rule in policy.rules), *(expect.given for expect in policy.expects)]


def _finding(expect: Expect, judged: list[tuple[RequestFacts, Plan]]) -> Finding:
    covered = 0
    counter_example = ""
    clear: set[int] = set()  # plans that were looked at and keep the expectation
    for request, outcome in judged:
        if not expect.given.holds(request):
            continue
        covered += 1
        if counter_example or id(outcome) in clear:
            continue
        broken = _broken(expect, outcome)
        if broken:
            counter_example = f"{_request_text(request)}: {broken}"
        else:
            clear.add(id(outcome))
    if not covered:
        counter_example = "no request is like this: is a model or key misspelt?"
    return Finding(expect.text, not counter_example, covered, counter_example)


def _broken(expect: Expect, outcome: Plan) -> str:
    """Say how ``outcome`` breaks ``expect``; "" where it keeps it."""
    for route in outcome.routes:
        for clause in expect.never:
            breach = clause.breach(route.facts)
            if breach is not None:
                return f"{route.name} may answer, its {breach.fact} is {breach.value}"
    if expect.denied and outcome.routes:
        return f"{outcome.routes[0].name} may answer"
    if expect.first and not outcome.routes:
        return "no route may answer" + "".join(f"; {_why(d)}" for d in outcome.dropped[:1])
    if expect.first and outcome.routes[0].name != expect.first:
        return f"{outcome.routes[0].name} is first"
    return ""


def _request_text(request: RequestFacts) -> str:
    parts = [f"label {request.label}", f"model {request.model}"]
    parts += [f"team {request.team}"] if request.team else []
    parts += [f"key {request.key}"] if request.key else []
    parts += [f"tags {', '.join(sorted(request.tags))}"] if request.tags else []
    return ", ".join(parts)


def _why(dropped: Dropped) -> str:
    return f"{dropped.route.name}: rule {dropped.rule!r} {dropped.reason}"


def _label_warnings(judged: list[tuple[RequestFacts, Plan]]) -> Iterator[str]:
    """Name the labels under which nobody may answer, for requests with nothing else to them."""
    dead: dict[str, list[str]] = {}
    for request, outcome in judged:
        if not (request.team or request.key or request.tags or outcome.routes):
            dead.setdefault(request.model, []).append(request.label)
    for model, labels in dead.items():
        yield f"no route may answer {model!r} under label {', '.join(labels)}"


def _route_warnings(outcomes: Iterable[Plan]) -> Iterator[str]:
    """Name the routes that nobody can reach, and the unknown facts that decide."""
    reached: set[str] = set()
    refused: dict[str, str] = {}
    unknown: dict[tuple[str, str], list[str]] = {}
    for outcome in outcomes:
        reached.update(route.name for route in outcome.routes)
        for dropped in outcome.dropped:
            name = dropped.route.name
            refused.setdefault(name, _why(dropped))
            if dropped.value == "unknown":
                rules = unknown.setdefault((name, dropped.fact), [])
                if dropped.rule not in rules:
                    rules.append(dropped.rule)
    for name, reason in refused.items():
        if name not in reached:
            yield f"nobody can reach {reason}"
    for (name, fact), rules in unknown.items():
        said = ", ".join(repr(rule) for rule in rules)
        yield f"{fact} of {name} is unknown, and that alone refuses it under {said}"
