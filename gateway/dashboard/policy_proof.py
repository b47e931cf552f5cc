"""What the policy promises, and whether it holds: the proof, in the reader's words."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache

from gateway.dashboard.rule_words import expectation, fact_name
from gateway.dashboard.sentences import Sentence, alternatives, said, together
from gateway.dashboard.words import Words
from gateway.proving import prove
from gateway.setup import NO_TEAM, Setup
from routing.facts import RequestFacts
from routing.proof import Finding, Proof
from routing.proof_warnings import Notice

# Proofs that are kept: the one in force, and one before it while a config is being edited.
KEPT = 2


@dataclass(frozen=True, slots=True)
class _Case:
    """What is proven: a setup, as long as it is the same one, for an hour of its facts and prices.

    The setup is kept with it, so that its id stays its own.
    """

    identity: int
    hour: datetime
    setup: Setup = field(compare=False)


@dataclass(frozen=True, slots=True)
class Promise:
    """One expectation: whom it is about, what it says, and whether that holds for ``cases``.

    ``shows`` is the request that breaks it, None where no request is like that, and ``broken`` says
    how, in the proof's own words. ``asked`` are the page's parameters that explain it.
    """

    given: Sentence
    says: list[Sentence]
    holds: bool
    cases: int
    broken: str
    shows: RequestFacts | None
    asked: dict[str, str]


@dataclass(frozen=True, slots=True)
class Proven:
    """The proof as it is shown; ``at`` is when it was made. ``broken`` counts the promises."""

    promises: list[Promise]
    broken: int
    warnings: list[Sentence]
    cases: int
    at: datetime


async def proven(setup: Setup, t: Words) -> Proven:
    """Return what was proven of a setup. Takes as long as that: a second, then none for an hour."""
    hour = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    found, at = await asyncio.to_thread(_prove, _Case(id(setup), hour, setup))
    promises = [
        _promise(setup, finding, *expectation(expect, setup.policy.labels, t))
        for expect, finding in zip(setup.policy.expects, found.findings, strict=True)
    ]
    broken = sum(not one.holds for one in promises)
    warnings = [warning(notice, t) for notice in found.warnings]
    return Proven(promises, broken, warnings, found.cases, at)


@lru_cache(maxsize=KEPT)
def _prove(case: _Case) -> tuple[Proof, datetime]:
    return prove(case.setup), datetime.now(UTC)


def _promise(setup: Setup, finding: Finding, given: Sentence, says: list[Sentence]) -> Promise:
    shows = finding.shows
    asked: dict[str, str] = {}
    # The proof tries keys too that nobody has made yet: these cannot be chosen here.
    if shows is not None and shows.key in {"", *(one.name for one in setup.principals.values())}:
        asked = {
            "model": shows.model,
            "label": shows.label,
            "key": shows.key,
            "team": "" if shows.team == NO_TEAM else shows.team,
            "tags": ",".join(sorted(shows.tags)),
        }
    broken = _how(finding.counter_example, shows) if shows is not None else ""
    return Promise(given, says, finding.holds, finding.cases, broken, shows, asked)


def _how(counter_example: str, shows: RequestFacts) -> str:
    """Return how a request breaks a promise, without the request, which is shown beside it."""
    _, _, rest = counter_example.partition(f"model {shows.model}")
    return rest.partition(": ")[2] or counter_example


def warning(notice: Notice, t: Words) -> Sentence:
    """Return in words what a proof warns of."""
    key = f"notice.{notice.kind}"
    if notice.kind == "dead_label" and not notice.models:
        key += "_everywhere"
    names = {
        "rules": together(notice.rules, t),
        "routes": alternatives(notice.routes, t),
        "labels": alternatives(notice.labels, t),
        "models": alternatives(notice.models, t),
        "facts": together((fact_name(fact, t) for fact in notice.facts), t),
    }
    # First the number, which may choose the text; the names' places are kept for what is marked.
    text = t(key, n=notice.requests, **{name: f"{{{name}}}" for name in names})
    return said(text, **names)
