"""What a proof finds beside the expectations: what nobody can reach, and what decides in doubt."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Literal

from routing.facts import RequestFacts
from routing.policy import Policy, Verdict
from routing.proof_cases import Cases, Name
from routing.proof_outcomes import Outcome
from routing.route import Route

NoticeKind = Literal[
    "dead_label",
    "unreachable_route",
    "unknown_fact",
    "old_fact",
    "rule_never_applies",
    "rule_decides_nothing",
    "names_not_tried",
]


@dataclass(frozen=True, slots=True)
class Notice:
    """One warning: ``text`` says it, the rest is what it is about.

    ``requests`` is how many kinds of requests it concerns.
    """

    kind: NoticeKind
    text: str
    rules: tuple[str, ...] = ()
    routes: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    facts: tuple[str, ...] = ()
    requests: int = 0


@dataclass(frozen=True, slots=True)
class Ages:
    """When the facts of a route were last confirmed (None: nobody knows), and what is too old."""

    confirmed: Callable[[Route], Mapping[str, date | None]]
    stale_days: int


@dataclass(slots=True)
class _Doubt:
    """What hangs on a doubtful fact: by which rules, for how many requests."""

    rules: dict[str, None] = field(default_factory=dict)
    requests: int = 0

    def add(self, rules: Sequence[str], requests: int) -> None:
        self.rules.update(dict.fromkeys(rules))
        self.requests += requests

    @property
    def said(self) -> str:
        return ", ".join(map(repr, self.rules))


@dataclass(slots=True)
class Tally:
    """Keeps what outcomes tell of routes, labels, facts and rules. ``notices`` says it."""

    policy: Policy
    ages: Ages | None
    _open: dict[tuple[str, int], bool] = field(default_factory=dict)
    _reached: set[str] = field(default_factory=set)
    _refused: dict[str, Verdict] = field(default_factory=dict)
    _lost: dict[str, int] = field(default_factory=dict)
    _unknown: dict[tuple[str, tuple[str, ...]], _Doubt] = field(default_factory=dict)
    _old: dict[tuple[str, str, str], _Doubt] = field(default_factory=dict)
    _old_facts: dict[str, Mapping[str, str]] = field(default_factory=dict)
    _applied: int = 0
    _deciding: set[str] = field(default_factory=set)

    def add(
        self,
        name: Name,
        request: RequestFacts,
        rules: int,
        outcomes: Sequence[Outcome],
        requests: int,
    ) -> None:
        """Take what became of ``requests`` alike; ``rules`` has a bit for each that applied."""
        self._applied |= rules
        for outcome in outcomes:
            if len(outcome.routes) > 1 and outcome.order != name.asked.wish.order:
                self._deciding.add(outcome.ordering)
            for _, breaches in outcome.refused:
                by = {breach.rule for breach in breaches}
                if len(by) == 1:
                    self._deciding |= by
            if name.own:
                self._reached.update(route.name for route in outcome.routes)
                self._reached.update(route.name for route, _ in outcome.copied)
                for route, breaches in outcome.refused:
                    self._refused.setdefault(route.name, breaches[0])
        if name.own:
            self._open[name.text, rules] = any(outcome.routes for outcome in outcomes)
            # How many requests something concerns is counted at this moment's prices.
            self._doubts(request, outcomes[0], requests)

    def _doubts(self, request: RequestFacts, outcome: Outcome, requests: int) -> None:
        for route, breaches in outcome.refused:
            self._lost[route.name] = self._lost.get(route.name, 0) + requests
            rules = [breach.rule for breach in breaches]
            facts = tuple(sorted({breach.fact for breach in breaches}))
            if all(breach.value == "unknown" for breach in breaches):
                doubt = self._unknown.setdefault((route.name, facts), _Doubt())
                doubt.add(rules, requests)
            elif len(facts) == 1 and facts[0] in self._too_old(route):
                doubt = self._old.setdefault((route.name, facts[0], "gain"), _Doubt())
                doubt.add(rules, requests)
        if self.ages is None:
            return
        for route in outcome.routes:
            old = self._too_old(route)
            if not old:
                continue
            asking: dict[str, list[str]] = {}
            for rule in self.policy.applies(request):
                for clause in rule.clauses:
                    if clause.fact in old:
                        asking.setdefault(clause.fact, []).append(rule.name)
            for fact, rules in asking.items():
                doubt = self._old.setdefault((route.name, fact, "lose"), _Doubt())
                doubt.add(rules, requests)

    def _too_old(self, route: Route) -> Mapping[str, str]:
        """Return the facts of a route that are too old, with how old each is in words."""
        found = self._old_facts.get(route.name)
        if found is None:
            found = {}
            today = datetime.now(UTC).date()
            confirmed = self.ages.confirmed(route) if self.ages is not None else {}
            for fact, day in confirmed.items():
                if day is None:
                    found[fact] = "on a day that nobody knows"
                elif self.ages is not None and (today - day).days > self.ages.stale_days:
                    found[fact] = f"{(today - day).days} days ago"
            self._old_facts[route.name] = found
        return found

    def notices(self, found: Cases) -> Iterator[Notice]:
        """Give the warnings: first of labels and routes, then of facts, of rules last."""
        yield from self._dead_labels(found)
        for name, verdict in self._refused.items():
            if name not in self._reached:
                text = f"nobody can reach {name}: rule {verdict.rule!r} {verdict.reason}"
                lost = self._lost.get(name, 0)
                yield Notice(
                    "unreachable_route",
                    text,
                    rules=(verdict.rule,),
                    routes=(name,),
                    facts=(verdict.fact,),
                    requests=lost,
                )
        yield from self._doubtful_facts()
        yield from self._idle_rules()
        for alias in found.too_many:
            text = f"the patterns tell too many names within {alias!r} apart: not all were tried"
            yield Notice("names_not_tried", text, models=(alias,))

    def _dead_labels(self, found: Cases) -> Iterator[Notice]:
        """Name the labels under which nobody may answer, for requests with nothing else to them."""
        of_rules = (1 << len(self.policy.rules)) - 1
        own = [name for name in found.names if name.own]
        dead: dict[str, list[str]] = {}
        for asker in found.askers:
            request = asker.request
            if request.team or request.key or request.tags:
                continue
            for name in own:
                if not self._open.get((name.text, asker.bits & name.bits & of_rules), True):
                    dead.setdefault(name.text, []).append(request.label)
        for label in self.policy.labels:
            if len(own) > 1 and all(label in dead.get(name.text, ()) for name in own):
                text = f"no route of any model may answer under label {label}"
                yield Notice("dead_label", text, labels=(label,), requests=len(own))
        for model, labels in dead.items():
            text = f"no route may answer {model!r} under label {', '.join(labels)}"
            yield Notice(
                "dead_label", text, labels=tuple(labels), models=(model,), requests=len(labels)
            )

    def _doubtful_facts(self) -> Iterator[Notice]:
        for (route, facts), doubt in self._unknown.items():
            be = "is" if len(facts) == 1 else "are"
            text = (
                f"{' and '.join(facts)} of {route} {be} unknown, and that alone refuses it under "
                f"{doubt.said}: were it known and fitting, {_kinds(doubt.requests)} would gain "
                "this route"
            )
            yield _about("unknown_fact", text, route, facts, doubt)
        for (route, fact, change), doubt in self._old.items():
            text = (
                f"{fact} of {route} was confirmed {self._old_facts[route][fact]}, and decides "
                f"under {doubt.said}: were it otherwise, {_kinds(doubt.requests)} might {change} "
                "this route"
            )
            yield _about("old_fact", text, route, (fact,), doubt)

    def _idle_rules(self) -> Iterator[Notice]:
        for place, rule in enumerate(self.policy.rules):
            if not self._applied >> place & 1:
                text = f"no request is one that rule {rule.name!r} is for"
                yield Notice("rule_never_applies", text, rules=(rule.name,))
            # A limit of money decides by the size of a request, and only the smallest were tried.
            elif rule.name not in self._deciding and not rule.limits:
                text = (
                    f"rule {rule.name!r} refuses nothing that others leave: it decides nothing here"
                )
                yield Notice("rule_decides_nothing", text, rules=(rule.name,))


def _about(
    kind: NoticeKind, text: str, route: str, facts: tuple[str, ...], doubt: _Doubt
) -> Notice:
    return Notice(
        kind,
        text,
        rules=tuple(doubt.rules),
        routes=(route,),
        facts=facts,
        requests=doubt.requests,
    )


def _kinds(count: int) -> str:
    return f"{count} kind{'' if count == 1 else 's'} of requests"
