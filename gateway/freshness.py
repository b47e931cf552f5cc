"""Which facts of configured routes have grown old, and which hosts are no longer there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from gateway.bound_hosts import STATED
from gateway.problems import Fault
from gateway.setup import Setup
from providers.fact_age import age_days
from routing.policy import Policy
from routing.route import Route

MODEL_FACTS = ("weights", "licence", "quantisation")
AGED = "facts_age_days"  # what a rule calls the age of all facts
GONE = ("closed", "retired")
SOON = timedelta(days=60)  # before a model's end it is said that it comes


@dataclass(frozen=True, slots=True)
class OldFact:
    """A fact of a provider's routes that a rule judges by; ``age_days`` None: of no known day."""

    provider: str
    fact: str
    age_days: int | None
    models: tuple[str, ...]

    def __str__(self) -> str:
        """Say it in words, without what would be right."""
        few = ", ".join(self.models[:3]) + (", …" if len(self.models) > 3 else "")
        if self.age_days is None:
            return f"nobody knows how old `{self.fact}` of {self.provider} is ({few})"
        return f"`{self.fact}` of {self.provider} was confirmed {self.age_days} days ago ({few})"


def confirmed(setup: Setup, route: Route) -> dict[str, date | None]:
    """Return for each known fact of a route the day of its last confirmation; None: no known day.

    What the config states, and what a machine at home is, does not age.
    """
    owner, facts = setup.providers[route.provider], route.facts
    model = owner.host.model(route.model)
    own = {
        fact: model.dates.get(fact)
        for fact in MODEL_FACTS
        if getattr(facts, fact) is not None and facts.evidence.get(fact) not in (STATED, None)
    }
    return {**facts.confirmed, **own}


def deciding(policy: Policy) -> frozenset[str]:
    """Return the facts that a rule of the policy judges by."""
    return frozenset(clause.fact for rule in policy.rules for clause in rule.clauses)


def old_facts(setup: Setup, today: date | None = None) -> list[OldFact]:
    """Return the facts that decide something and are older than they may be, or of no known day."""
    asked, most = deciding(setup.policy), setup.config.facts_stale_days
    day = today or datetime.now(UTC).date()
    found: dict[tuple[str, str, int | None], list[str]] = {}
    for route in _routes(setup):
        for fact, seen in confirmed(setup, route).items():
            days = age_days(seen, day)
            if (fact in asked or AGED in asked) and (days is None or days > most):
                models = found.setdefault((route.provider, fact, days), [])
                models.append(route.model)
    return [OldFact(*key, tuple(models)) for key, models in found.items()]


def _ending(setup: Setup, today: date) -> Iterator[Fault]:
    """Give the models that their host ends soon, or has ended."""
    seen: set[str] = set()
    for name in setup.config.models:
        found = setup.candidates(name)
        for route in found.routes if found is not None else ():
            until = setup.providers[route.provider].host.model(route.model).until
            if route.name in seen or until is None or until - today > SOON:
                continue
            seen.add(route.name)
            verb = "has ended" if until <= today else "ends"
            what = f"{route.provider} {verb} {route.model} on {until.isoformat()}"
            yield Fault(("models", name), what, "let another route answer in time", warning=True)


def warnings(setup: Setup, today: date | None = None) -> Iterator[Fault]:
    """Give what has to be looked at again: old facts that decide, hosts that have closed."""
    for name, owner in setup.providers.items():
        if owner.host.status in GONE:
            what = f"the host {owner.host.id} of {name!r} is {owner.host.status}"
            right = f"`entrepot providers {name}` says since when; take another host"
            yield Fault(("providers", name), what, right, warning=True)
    yield from _ending(setup, today or datetime.now(UTC).date())
    for old in old_facts(setup, today):
        right = f"look at its source (`entrepot providers {old.provider}`), or state it: `facts:`"
        yield Fault(("providers", old.provider), str(old), right, warning=True)


def _routes(setup: Setup) -> Iterable[Route]:
    found = (setup.candidates(name) for name in setup.config.models)
    routes = {route.name: route for some in found if some is not None for route in some.routes}
    return routes.values()
