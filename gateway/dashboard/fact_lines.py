"""Facts of providers and of their models: what is so, since when, and by which source."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime

from gateway import told
from gateway.bound_hosts import STATED
from gateway.dashboard.words import Words
from gateway.routes import Provider
from gateway.setup import Setup
from providers.fact_age import age_days
from routing.facts import RouteFacts
from routing.route import Route

Value = frozenset[str] | str | int | date | None
# Of a provider; the facts of a model that are the provider's too are shown there.
PLACE = ("operator", "processed_in", "trains_on_data", "retention_days", "zdr")
OF_RULES = ("maker", "weights", "licence", "quantisation")
OF_MODEL = ("context", "max_output", "can", "cannot", "until")
# Shown where nobody established them, too.
ASKED_FOR = ("context", "max_output", "can")
# Their evidence begins with names, and not with what is shown beside it already.
_NAMED = ("operator", "maker")
_BETWEEN = " · "


@dataclass(frozen=True, slots=True)
class FactCell:
    """One fact: what is so, and since when that was last confirmed, "" where no age says anything.

    ``is_doubtful``: it is older than the config lets facts be, or nobody knows how old.
    """

    words: str
    age: str = ""
    is_doubtful: bool = False


@dataclass(frozen=True, slots=True)
class FactLine:
    """One fact by its name, with what its sources say of it, part by part."""

    name: str
    cell: FactCell
    sources: list[str]


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """One configured model at a provider: its facts; ``summary`` has the most asked for."""

    model: str
    family: str
    summary: str
    facts: list[FactLine]


def of_provider(owner: Provider, setup: Setup, t: Words) -> list[FactLine]:
    """Return what holds for every model of a provider that is at home there."""
    facts = told.place(owner)
    stale = setup.config.facts_stale_days
    return [_of_route(facts, name, stale, t) for name in PLACE]


def of_model(setup: Setup, route: Route, t: Words) -> ModelFacts:
    """Return what is known of a model at a provider, and where it differs from the provider."""
    owner, stale = setup.providers[route.provider], setup.config.facts_stale_days
    model, facts = owner.host.model(route.model), route.facts
    at_home = told.place(owner)
    found = [_of_route(facts, name, stale, t, model.dates) for name in OF_RULES]
    own: dict[str, Value] = {
        "context": route.context,
        "max_output": route.max_output,
        "can": route.can,
        "cannot": route.cannot,
        "until": model.until,
    }
    for name in OF_MODEL:
        evidence = model.evidence.get(name, "")
        if own[name] or evidence or name in ASKED_FOR:
            found.append(_line(name, own[name] or None, evidence, model.dates, stale, t))
    differ = [name for name in PLACE if getattr(facts, name) != getattr(at_home, name)]
    found += [_of_route(facts, name, stale, t) for name in differ]
    return ModelFacts(route.model, model.family, _summary(route, t), found)


def cell(facts: RouteFacts, name: str, stale_days: int, t: Words) -> FactCell:
    """Return a fact of a route with its age; what the config states, or nobody knows, has none."""
    return _of_route(facts, name, stale_days, t).cell


def words(name: str, value: Value, t: Words) -> str:
    """Return what a fact says; "unknown" where nobody established it."""
    if value is None or value in (frozenset(), ""):
        return t("fact.unknown")
    if isinstance(value, frozenset):
        return ", ".join(sorted(value))
    if name == "retention_days":
        return t("fact.retained", n=value) if value else t("fact.not_retained")
    if isinstance(value, int):
        return t("fact.tokens", n=value)
    if isinstance(value, date):
        return value.isoformat()
    return t.known("fact", f"{name}_{value}").removeprefix(f"{name}_")


def _of_route(
    facts: RouteFacts,
    name: str,
    stale_days: int,
    t: Words,
    dates: Mapping[str, date | None] | None = None,
) -> FactLine:
    # What is not among what rules know the age of has the day of the catalogue.
    known = facts.confirmed if name in facts.confirmed or dates is None else dates
    evidence = facts.evidence.get(name, "")
    return _line(name, getattr(facts, name), evidence, known, stale_days, t)


def _line(
    name: str,
    value: Value,
    evidence: str,
    dates: Mapping[str, date | None],
    stale_days: int,
    t: Words,
) -> FactLine:
    said, sources = words(name, value, t), _sources(name, evidence)
    if value is None or name not in dates or evidence == STATED:
        return FactLine(name, FactCell(said), sources)
    days = age_days(dates[name], datetime.now(UTC).date())
    if days is None:
        return FactLine(name, FactCell(said, t("fact.undated"), is_doubtful=True), sources)
    old = t("fact.new_today") if days == 0 else t("fact.days_old", n=days)
    if days > stale_days:
        return FactLine(name, FactCell(said, t("fact.stale", age=old), is_doubtful=True), sources)
    return FactLine(name, FactCell(said, old), sources)


def _sources(name: str, evidence: str) -> list[str]:
    """Return evidence part by part; what the fact itself says is not said again."""
    if evidence == told.UNKNOWN:
        return []
    parts = [part for some in evidence.split(_BETWEEN) for part in some.split("; ") if part]
    return parts[1:] if _BETWEEN in evidence and name not in _NAMED else parts


def _summary(route: Route, t: Words) -> str:
    return ", ".join(_short_facts(route, t))


def _short_facts(route: Route, t: Words) -> Iterator[str]:
    for name, value in (("context", route.context), ("max_output", route.max_output)):
        shown = t("fact.unknown") if value is None else f"{value:,}"
        yield t(f"fact.short_{name}", value=shown)
    quantisation = route.facts.quantisation or t("fact.unknown")
    yield t("fact.short_quantisation", value=quantisation)
