"""A plan in the reader's words: why each route stands where it does, and why others are left out.

What hosts, terms and breakers say is made elsewhere and stays as it is; of what the plan itself
says there are texts, and ``tests`` hold these to what it can say.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from gateway.dashboard.lasting import lasting
from gateway.dashboard.rule_words import dollars, fact_name, value_in_words
from gateway.dashboard.words import Words
from gateway.explaining import Ways
from routing.facts import RequestFacts, RouteFacts
from routing.plan import Dropped, Plan
from routing.policy import Policy
from routing.rules import Rule

_NUMBER = r"(-?[0-9][0-9.]*)"
# What the plan says of a place -> the text of it; the parts are its values, in this order.
_REASONS: tuple[tuple[re.Pattern[str], str, tuple[str, ...]], ...] = tuple(
    (re.compile(said), key, values)
    for said, key, values in (
        (r"listed at place ([0-9]+)", "listed", ("place",)),
        (r"listed at place ([0-9]+), no speed known", "listed_no_speed", ("place",)),
        (r"price unknown, so last", "no_price", ()),
        (
            rf"{_NUMBER} USD expected for ([0-9]+) tokens in, ([0-9]+) out",
            "cheapest",
            ("usd", "tokens_in", "tokens_out"),
        ),
        (rf"{_NUMBER} USD per hour, not timed yet", "by_hour_untimed", ("usd",)),
        (rf"{_NUMBER} USD expected, at {_NUMBER} USD per hour", "by_hour", ("usd", "hourly")),
        (rf"{_NUMBER} s expected for ([0-9]+) tokens", "fastest", ("seconds", "tokens")),
        (r"its speed is not known yet", "no_speed", ()),
        (r"drawn by weight ([0-9]+) of ([0-9]+)", "weight", ("weight", "whole")),
        (r"weight 0, so last", "no_weight", ()),
        (rf"{_NUMBER} by (.+), less is better", "blend", ("score", "wish")),
        (
            r"about ([0-9]+) tokens are more than its window of ([0-9]+), so last",
            "likely_too_long",
            ("tokens", "window"),
        ),
        (
            r"the prompt has at least ([0-9]+) tokens, its window ([0-9]+)",
            "too_long",
            ("tokens", "window"),
        ),
    )
)


@dataclass(frozen=True, slots=True)
class Kept:
    """By which fact a route keeps a rule, and who says so."""

    rule: str
    fact: str
    value: str
    source: str


@dataclass(frozen=True, slots=True)
class Admitted:
    """A route that may answer, why it has its place, how its host is asked, and what it keeps.

    ``lane`` is relay, translate or none; ``clients`` are the only programs that its plan is for.
    """

    route: str
    reason: str
    lane: str
    lane_words: str
    clients: str
    keeps: list[Kept]


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A route that may not answer: the ``why`` of it, and of a rule its name, fact and source."""

    route: str
    kind: str
    why: str
    rule: str
    words: str
    source: str
    frees: str


def left_out(dropped: Dropped, t: Words) -> LeftOut:
    """Return in words why a route is left out of a plan."""
    frees = dropped.frees_in_s
    return LeftOut(
        route=dropped.route.name,
        kind=dropped.why,
        why=t(f"why.{dropped.why}"),
        rule=dropped.rule,
        words=_broken(dropped, t) if dropped.fact else reason_words(dropped.reason, t),
        source=dropped.evidence,
        frees="" if frees is None else t("policy.frees", span=lasting(frees, t)),
    )


def _broken(dropped: Dropped, t: Words) -> str:
    value = value_in_words(dropped.fact, dropped.value, t)
    return t("policy.fact_is", fact=fact_name(dropped.fact, t), value=value)


def admitted(
    planned: Plan, request: RequestFacts, policy: Policy, wire: str, by: Ways, t: Words
) -> list[Admitted]:
    """Return the routes of a plan, in the order to try them."""
    applying = policy.applies(request)
    found = []
    for route, reason in zip(planned.routes, planned.reasons, strict=True):
        way = by[route.name]
        lane = "none" if way is None else "relay" if way == wire else "translate"
        found.append(
            Admitted(
                route=route.name,
                reason=reason_words(reason, t),
                lane=lane,
                lane_words=t(f"policy.lane_{lane}", wire=wire, host_wire=way or ""),
                clients=", ".join(route.clients),
                keeps=_keeps(route.facts, applying, t),
            )
        )
    return found


def _keeps(facts: RouteFacts, applying: Sequence[Rule], t: Words) -> list[Kept]:
    kept = []
    for rule in applying:
        for clause in rule.clauses:
            found = getattr(facts, clause.fact)
            value = ", ".join(sorted(found)) if isinstance(found, frozenset) else str(found)
            words = value_in_words(clause.fact, value, t)
            source = facts.evidence.get(clause.fact, "")
            kept.append(Kept(rule.name, fact_name(clause.fact, t), words, source))
        for limit in rule.limits:
            words = t("value.within", usd=dollars(limit.at_most))
            kept.append(Kept(rule.name, fact_name(limit.of, t), words, ""))
    return kept


def reason_words(reason: str, t: Words) -> str:
    """Return what a plan says of a route in the reader's words; unknown reasons as they are."""
    for said, key, names in _REASONS:
        found = said.fullmatch(reason)
        if found is not None:
            values = dict(zip(names, map(_figure, found.groups()), strict=True))
            return t(f"reason.{key}", **values)
    return reason


def _figure(text: str) -> int | str:
    """Return whole numbers as such, so that their thousands are told apart."""
    return int(text) if text.isdecimal() else text
