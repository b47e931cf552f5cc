"""The policy as it is judged by: rules over the facts of a request and of a route. Pure.

Closed when in doubt: an unknown fact, label or cost is refused. Rules only ever take away, so
adding one never admits a route that was refused before.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from types import MappingProxyType
from typing import Any

from routing.facts import UNKNOWN_MONEY, Asker, Money, RequestFacts, RouteFacts
from routing.policy_form import (
    FactsForm,
    PolicyError,
    PolicyForm,
    Prefer,
    Problem,
    RequireForm,
    nearest,
    read_policy,
)
from routing.policy_words import all_groups, problems
from routing.rules import (
    Breach,
    Expect,
    Limit,
    Rule,
    Which,
    compile_expect,
    compile_rule,
    demands,
)

DAY_S = 86_400
_REMEMBERED = 4096  # verdicts kept; a client chooses its tags, so there is a bound
_Limits = tuple[tuple[str, Limit], ...]  # each with its rule's name


class LabelError(ValueError):
    """A label that the policy does not have; the message names the nearest."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a route may answer, and if not: the rule, its fact, the value and the evidence.

    ``reason`` says the same in words that follow the rule's name.
    """

    allowed: bool
    rule: str = ""
    reason: str = ""
    fact: str = ""
    value: str = ""
    evidence: str = ""


ALLOWED = Verdict(True)


@dataclass(frozen=True, slots=True)
class _Applying:
    """The rules that are for one asker, the order that they ask for, and their limits of money.

    Each limit is with its rule's name; ``limited`` are the figures that they are on.
    """

    rules: tuple[Rule, ...]
    prefer: Prefer | None
    limits: _Limits
    limited: frozenset[str]


@dataclass(frozen=True, slots=True)
class Constraint:
    """What is asked beside the policy's own rules: of a key's calls, a model's or a provider's."""

    name: str
    which: Which
    require: RequireForm | None
    forbid: FactsForm | None


@dataclass(frozen=True, slots=True, eq=False)
class Policy:
    """A compiled policy; ``hash`` names it in the ledger. ``ages``: a rule asks for fresh facts.

    ``groups`` are the built-in groups of countries and its own, by name; ``tag_labels`` leads from
    a tag to the label that it raises to.

    An instance remembers its own verdicts, so judging again before each send costs next to nothing;
    those that time alone can change it remembers for a day.
    """

    labels: tuple[str, ...]
    rules: tuple[Rule, ...]
    expects: tuple[Expect, ...]
    hash: str
    groups: Mapping[str, frozenset[str]]
    ages: bool = False
    tag_labels: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    _rules_of: dict[Asker, _Applying] = field(default_factory=dict, init=False, repr=False)
    _verdicts: dict[tuple[Asker, int, int], tuple[RouteFacts, Verdict, _Limits]] = field(
        default_factory=dict, init=False, repr=False
    )

    def label_rank(self, label: str) -> int:
        """Return the label's place, 0 for the least sensitive; raises LabelError."""
        if label not in self.labels:
            raise LabelError(f"unknown label {label!r}: {nearest(label, self.labels)}")
        return self.labels.index(label)

    def raise_label(self, key_label: str, asked: str | None, tags: Iterable[str] = ()) -> str:
        """Return the most sensitive of a key's label, the one a client asked for, and its tags'.

        So a client may raise its key's label and never lower it. Raises LabelError.
        """
        rank = self.label_rank(key_label)
        label = asked if asked is not None and self.label_rank(asked) > rank else key_label
        if self.tag_labels:
            for tag in tags:
                label = self.raise_label(label, self.tag_labels.get(tag))
        return label

    def applies(self, request: RequestFacts) -> tuple[Rule, ...]:
        """Return the rules that are for ``request``, in the order of the file."""
        return self._applying(request).rules

    def _applying(self, request: RequestFacts) -> _Applying:
        found = self._rules_of.get(request.asker)
        if found is None:
            rules = tuple(rule for rule in self.rules if rule.which.holds(request))
            prefer = next((rule.prefer for rule in rules if rule.prefer), None)
            limits = tuple((rule.name, limit) for rule in rules for limit in rule.limits)
            limited = frozenset(limit.of for _, limit in limits)
            found = _Applying(rules, prefer, limits, limited)
            if len(self._rules_of) >= _REMEMBERED:
                self._rules_of.clear()
            self._rules_of[request.asker] = found
        return found

    def preference(self, request: RequestFacts) -> Prefer | None:
        """Return the order that the first rule with a wish asks for, if any."""
        return self._applying(request).prefer

    def limited(self, request: RequestFacts) -> frozenset[str]:
        """Return the figures (``rules.Limit.of``) that rules limit for ``request``.

        These judging has to be given as money; none: it needs no money.
        """
        return self._applying(request).limited

    def judge(
        self, request: RequestFacts, route: RouteFacts, money: Money = UNKNOWN_MONEY
    ) -> Verdict:
        """Tell whether ``route`` may answer ``request``; the first breach in the file speaks.

        ``money`` is what the request costs there at this moment; what of it is unknown, a rule on
        it refuses. Limits of money are judged after all facts, and each time anew.
        """
        # By identity: two settings may know different facts under one route's name. The route is
        # kept beside its verdict, so that its id stays its own.
        seen = (request.asker, id(route), int(time.time() // DAY_S) if self.ages else 0)
        found = self._verdicts.get(seen)
        if found is None:
            applying = self._applying(request)
            verdict = next(self._fact_breaches(request, applying.rules, route), ALLOWED)
            found = (route, verdict, applying.limits)
            if len(self._verdicts) >= _REMEMBERED:
                self._verdicts.clear()
            self._verdicts[seen] = found
        _, verdict, limits = found
        return next(_over(limits, money), ALLOWED) if limits and verdict.allowed else verdict

    def breaches(self, request: RequestFacts, route: RouteFacts, money: Money) -> Iterator[Verdict]:
        """Give every reason why ``route`` may not answer, the one that ``judge`` gives first."""
        rules = self.applies(request)
        yield from self._fact_breaches(request, rules, route)
        yield from _over([(rule.name, limit) for rule in rules for limit in rule.limits], money)

    def _fact_breaches(
        self, request: RequestFacts, rules: tuple[Rule, ...], route: RouteFacts
    ) -> Iterator[Verdict]:
        if request.label not in self.labels:
            reason = f"label {request.label!r} is not one of the policy's labels"
            yield Verdict(False, "labels", reason, "label", request.label)
        for rule in rules:
            for asked in rule.clauses:
                breach = asked.breach(route)
                if breach is not None:
                    yield _refused(rule, breach)


def compile_policy(form: PolicyForm) -> Policy:
    """Return the policy that ``form`` describes.

    Raises PolicyError with every word that means nothing: labels, countries, groups, values.
    """
    own = all_groups(form)
    found = list(problems(form, own))
    if found:
        raise PolicyError(found)
    rules = tuple(compile_rule(rule, form.labels, own) for rule in form.rules)
    return Policy(
        labels=form.labels,
        rules=rules,
        expects=tuple(compile_expect(expect, own) for expect in form.expect),
        hash=_hash(form.model_dump(mode="python", exclude_none=True)),
        groups=own,
        tag_labels=MappingProxyType(dict(form.tags or {})),
        ages=_asks_for_ages(rules),
    )


def constrain(policy: Policy, constraints: Sequence[Constraint]) -> Policy:
    """Return ``policy`` with one rule more for each constraint, after its own; the hash tells.

    The words of the constraints must mean something (``policy_words.fact_problems``).
    """
    if not constraints:
        return policy
    more = []
    said: dict[str, Any] = {"policy": policy.hash}
    for one in constraints:
        clauses, limits = demands(one.require, one.forbid, policy.groups)
        more.append(Rule(one.name, one.which, clauses, limits))
        asked = {"require": one.require, "forbid": one.forbid}
        said[one.name] = {
            part: form.model_dump(mode="python", exclude_none=True)
            for part, form in asked.items()
            if form is not None
        }
        # The name says of the others whom they are for.
        if one.which.others:
            sets = (one.which.labels, one.which.teams, one.which.keys)
            said[one.name]["only_for"] = [None if s is None else sorted(s) for s in sets]
    rules = (*policy.rules, *more)
    return replace(policy, rules=rules, hash=_hash(said), ages=_asks_for_ages(rules))


def _asks_for_ages(rules: Sequence[Rule]) -> bool:
    return any(asked.fact == "facts_age_days" for rule in rules for asked in rule.clauses)


def load_policy(data: object) -> Policy:
    """Return the policy of what a policy file holds; raises PolicyError with every mistake.

    Where some rules or expectations have no good shape, the words of the others are still checked,
    so that one reading of the file shows all that is wrong.
    """
    try:
        form = read_policy(data)
    except PolicyError as fault:
        rest = _without(data, fault.problems)
        more = list(problems(rest, all_groups(rest))) if rest is not None else []
        raise PolicyError([*fault.problems, *more]) from None
    return compile_policy(form)


def no_policy() -> Policy:
    """Return the policy of a config that has none: the usual labels and no rule."""
    return compile_policy(PolicyForm())


def _without(data: Any, found: Sequence[Problem]) -> PolicyForm | None:
    """Return the form with its misshapen rules and expectations blanked; None: not just those."""
    bad = {problem.path[:2] for problem in found}
    if not isinstance(data, dict) or any(
        len(path) < 2 or path[0] not in ("rules", "expect") for path in bad
    ):
        return None
    rest = dict(data)
    rest["rules"] = [
        {"name": f"misshapen rule {index}", "prefer": "listed"} if ("rules", index) in bad else rule
        for index, rule in enumerate(data.get("rules", ()))
    ]
    rest["expect"] = [
        {"denied": True} if ("expect", index) in bad else expect
        for index, expect in enumerate(data.get("expect", ()))
    ]
    return read_policy(rest)


def _over(limits: Sequence[tuple[str, Limit]], money: Money) -> Iterator[Verdict]:
    for rule, limit in limits:
        breach = limit.breach(money)
        if breach is not None:
            reason = f"{breach.asked} {breach.value}"
            yield Verdict(False, rule, reason, breach.fact, breach.value)


def _refused(rule: Rule, breach: Breach) -> Verdict:
    source = f" ({breach.evidence})" if breach.evidence else ""
    reason = f"{breach.asked}: {breach.fact} is {breach.value}{source}"
    return Verdict(False, rule.name, reason, breach.fact, breach.value, breach.evidence)


def _hash(plain: Mapping[str, Any]) -> str:
    """Name a policy by its meaning: comments, spacing and the order of words do not count."""
    text = json.dumps(plain, sort_keys=True, ensure_ascii=False, default=_plain)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _plain(value: object) -> object:
    if isinstance(value, Decimal):
        return f"{value.normalize():f}"
    raise TypeError(f"no canonical form of {value!r}")
