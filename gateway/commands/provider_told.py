"""All that is known of one host, or of a provider of the config that is one, put in order."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime

from gateway import offers, told
from gateway.bound_hosts import STATED
from gateway.commands.fact_rows import Clock
from gateway.config import Config
from gateway.config_providers import OwnModelForm
from gateway.offers import Offer
from gateway.routes import ELSEWHERE, PLACE_FACTS, Provider
from gateway.setup import Setup
from providers.catalog import Catalog, Written
from providers.catalog_evidence import words
from providers.catalog_facts import (
    OPERATOR_FACTS,
    Told,
    endpoint_facts,
    family_facts,
    host_facts,
    model_facts,
    models_at,
    plan_facts,
    setting_facts,
)
from providers.catalog_form import PLACE_FACTS as OWN_PLACE_FACTS
from providers.host import Host, HostEndpoint

NAMED_MOST = 6
STALE_DAYS: int = Config.model_fields["facts_stale_days"].default


@dataclass(frozen=True, slots=True)
class At:
    """One endpoint: its facts, and for each setting and choice what the choice decides."""

    at: HostEndpoint
    key_variable: str | None
    facts: list[Told]
    settings: Mapping[str, Mapping[str, list[Told]]]


@dataclass(frozen=True, slots=True)
class About:
    """One host at all its endpoints, or a provider of the config at its own.

    ``models`` leads from a model to what is said of it at the first endpoint that has it;
    ``patterns`` are names that stand for more models than the file lists.
    """

    written: Written
    host: Host
    owner: Provider | None
    facts: list[Told]
    endpoints: list[At]
    plan: list[Told]
    offers: list[Offer]
    models: Mapping[str, list[Told]]
    patterns: Mapping[str, list[Told]]

    def every(self) -> Iterator[tuple[str, Told]]:
        """Give every fact with the part of the entry of which it is said."""
        for told_ in self.facts:
            yield "", told_
        for at in self.endpoints:
            where = f"endpoint {at.at.id}" if len(self.endpoints) > 1 else ""
            yield from ((where, told_) for told_ in at.facts)
        yield from (("the plan", told_) for told_ in self.plan)
        for name, facts in {**self.models, **self.patterns}.items():
            yield from ((f"model {name}", told_) for told_ in facts)


def clock(setup: Setup | None) -> Clock:
    """Return today, and how old facts may be by the config, or as they may without one."""
    days = setup.config.facts_stale_days if setup is not None else STALE_DAYS
    return Clock(datetime.now(UTC).date(), days)


def about_host(catalog: Catalog, name: str) -> About:
    """Return what the catalogue knows of a host, at every endpoint."""
    written, host = catalog.written(name), catalog.hosts[name]
    ids = sorted(host.endpoints, key=lambda one: one != host.default_endpoint)
    endpoints = [_at(written, host, one, {}) for one in ids]
    return _about(written, host, None, endpoints, offers.of_host(catalog, name))


def about_provider(catalog: Catalog, owner: Provider) -> About:
    """Return what is known of a provider of the config: at its endpoint, its account as it is."""
    written = catalog.written(owner.host.id)
    at = _at(written, owner.host, owner.at.id, owner.form.settings)
    at = replace(at, facts=list(_stated_over(owner, at.facts)))
    about = _about(written, owner.host, owner, [at], offers.of_provider(owner))
    own = {name: list(_own_model(about, name)) for name in owner.form.models}
    return replace(about, models={**about.models, **own})


def _own_model(about: About, name: str) -> Iterator[Told]:
    """Give the facts of a model that the config names: what it states, its family, the host."""
    form = about.owner.form.models[name] if about.owner is not None else OwnModelForm()
    stated = {"family": form.family, "quantisation": form.quantisation, "context": form.context,
              "max_output": form.max_output}  # fmt: skip
    given = {fact: value for fact, value in stated.items() if value is not None}
    yield from (Told(fact, str(value), value, {}, STATED) for fact, value in given.items())
    known = about.models.get(name, ())
    if form.family is not None:
        theirs = family_facts(about.written, form.family)
        names = {one.name for one in theirs}
        known = [*theirs, *(one for one in known if one.name not in names)]
    yield from (one for one in known if one.name not in given)


def _about(
    written: Written, host: Host, owner: Provider | None, endpoints: list[At], found: list[Offer]
) -> About:
    models: dict[str, list[Told]] = {}
    for at in endpoints:
        for name in models_at(written, at.at.id):
            models.setdefault(name, model_facts(written, at.at.id, name))
    return About(
        written=written,
        host=host,
        owner=owner,
        facts=host_facts(written),
        endpoints=endpoints,
        plan=plan_facts(written),
        offers=found,
        models={name: facts for name, facts in models.items() if "*" not in name},
        patterns={name: facts for name, facts in models.items() if "*" in name},
    )


def _at(written: Written, host: Host, name: str, choices: Mapping[str, str]) -> At:
    auth = written.form.endpoints[name].auth or written.form.auth
    return At(
        at=host.endpoints[name],
        key_variable=auth.env,
        facts=endpoint_facts(written, name, choices),
        settings=setting_facts(written, name),
    )


def _stated_over(owner: Provider, facts: Iterable[Told]) -> Iterator[Told]:
    """Give the facts as they hold for this provider: what its config states stands above all."""
    place = told.place(owner)
    # Not what a pattern for unlisted models says: that is told with the models.
    differ = {
        fact: evidence
        for fact in PLACE_FACTS
        if (evidence := place.evidence.get(fact, "")) == STATED or evidence.startswith(ELSEWHERE)
    }
    for fact, evidence in differ.items():
        value = told.facts(place, [fact])[fact]["is"]
        yield Told(
            name=fact,
            said=words(value),
            value=None if value == told.UNKNOWN else value,
            sources={},
            note=evidence.removeprefix("unknown: "),
        )
    gone = {*differ, *(OPERATOR_FACTS if "operator" in differ else ())}
    if owner.form.base_url is not None or owner.form.launch is not None:
        gone.add("base_url")  # the catalogue's own address is not the one that is called
    yield from (one for one in facts if one.name not in gone)


def depends(about: About) -> list[tuple[str, str]]:
    """Return on what the facts of this entry depend, each with what it decides."""
    found = [("the address", words_) for words_ in _by_address(about)]
    own = ("remote", *OPERATOR_FACTS, *OWN_PLACE_FACTS, "surcharge")
    by_model: dict[str, list[str]] = {}
    for name, facts in {**about.models, **about.patterns}.items():
        if said := ", ".join(one.name for one in facts if one.name in own):
            by_model.setdefault(said, []).append(name)
    found += [("the model's name", f"{said}, for {_some(of)}") for said, of in by_model.items()]
    settings: dict[str, str] = {}
    for at in about.endpoints:
        for name, choices in at.settings.items():
            decided = dict.fromkeys(one.name for said in choices.values() for one in said)
            settings[name] = f"{', '.join(decided) or 'how it is asked'}, by {name}"
    found += [("an account's setting", said) for said in settings.values()]
    if about.host.plan is not None:
        payg = f"; by the token the same vendor is {about.host.plan.payg}"
        found.append(("the plan", f"its key is bound to {about.host.plan.name}"
                      + (payg if about.host.plan.payg else "")))  # fmt: skip
    return found


def _by_address(about: About) -> Iterator[str]:
    at = {one.at.id: one for one in about.endpoints}
    if len(at) > 1:
        differ = [fact for fact in names_of(about) if fact != "base_url" and not _same(about, fact)]
        if len({one.key_variable for one in at.values()}) > 1:
            differ.append("the key")
        if not all(offer.everywhere for offer in about.offers):
            differ.append("models or their prices")
        if differ:
            yield f"{', '.join(differ)} ({len(at)} endpoints)"
    blank = [name for name, one in at.items() if one.at.blanks]
    if blank:
        yield f"what its blanks are filled with, at {', '.join(blank)}"


def _some(names: list[str]) -> str:
    rest = len(names) - NAMED_MOST
    return ", ".join(names[:NAMED_MOST]) + (f" and {rest} more" if rest > 0 else "")


def names_of(about: About) -> list[str]:
    """Return the names of the facts that endpoints have, in their order."""
    return list(dict.fromkeys(one.name for at in about.endpoints for one in at.facts))


def _same(about: About, fact: str) -> bool:
    first, *others = [set(_key(at, fact)) for at in about.endpoints]
    return all(first == other for other in others)


def _key(at: At, fact: str) -> Iterator[tuple[object, ...]]:
    for one in at.facts:
        if one.name == fact:
            sources = tuple(one.sources)
            yield (one.said, one.note, sources, one.by, tuple(o.said for o in one.others))


def shared(about: About) -> list[Told]:
    """Return the facts that are the same at every endpoint."""
    return [one for one in about.endpoints[0].facts if _same(about, one.name)]


def unknown(about: About) -> dict[str, list[str]]:
    """Return each fact that nobody established, with the parts of the entry where that is so."""
    found: dict[str, list[str]] = {}
    if not any(one.name == "status" for one in about.facts):
        found["status"] = []
    for where, one in about.every():
        # What stands for names that nobody listed has nothing of its own to know.
        whose = where.removeprefix("model ")
        skipped = where != whose and (about.host.kind == "home" or whose in about.patterns)
        if one.value is None and not skipped:
            found.setdefault(one.name, []).append(where)
    for offer in about.offers:
        if offer.billing == "unknown" and about.host.kind != "home":
            named = f"model {offer.model.id}"
            places = found.setdefault("prices", [])
            if named not in places:
                places.append(named)
        if not offer.model.family and about.host.kind != "home":
            found.setdefault("family", []).append(f"model {offer.model.id}")
    return found


def stale(about: About, clock: Clock) -> list[tuple[str, Told]]:
    """Return the facts that are older than they may be."""
    return [(where, one) for where, one in about.every() if clock.is_stale(one)]


def oldest(facts: Iterable[Told]) -> date | None:
    """Return the day on which the oldest of the facts was confirmed."""
    return min((one.confirmed for one in facts if one.confirmed is not None), default=None)
