"""One provider or host on the screen: facts with age and sources, models, plan, what is unknown."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime

from gateway.commands import hosts, price_words
from gateway.commands.fact_rows import FACT_COLUMNS, Clock, days_in_words, fact_rows
from gateway.commands.models import endpoints_in_words, prices_in_cells, tokens_in_short
from gateway.commands.provider_told import (
    About,
    At,
    depends,
    oldest,
    shared,
    stale,
    unknown,
)
from gateway.commands.screen import say, show
from gateway.offers import Offer
from providers.catalog_facts import OPERATOR_FACTS, Told
from providers.catalog_form import PLACE_FACTS
from providers.fact_age import age_days
from providers.source import Source

MODEL_COLUMNS = ("model", "in", "out", "context", "largest out", "rounded to", "facts", "family")
# What a model's row has no room for, and what differs from the endpoint.
OWN_FACTS = ("remote", *OPERATOR_FACTS, *PLACE_FACTS, "surcharge", "tools_wire", "until")
NAMED_MOST = 4


def show_about(about: About, clock: Clock) -> None:
    """Show all of one entry; what is said of a single model ``show_model`` has."""
    say(*_head(about))
    if about.owner is not None:
        say(*(f"{wire} calls go to: {to}" for wire, to in hosts.wires(about.owner).items()))
    needs = depends(about)
    say("", "depends on:" if needs else "depends on nothing: what is said here holds for all of it")
    if needs:
        show(("what", "what it decides"), needs)
    _show_facts(about, clock)
    _show_settings(about, clock)
    _show_plan(about, clock)
    _show_models(about, clock)
    _show_last(about, clock)


def show_model(about: About, name: str, clock: Clock) -> None:
    """Show every fact of one model with its sources."""
    facts = about.models.get(name) or about.patterns[name]
    say(f"{about.host.id}/{name}: a model of {about.host.name}", "")
    show(FACT_COLUMNS, fact_rows(facts, clock))
    now = datetime.now(UTC)
    for offer in about.offers:
        lines = price_words.in_words(offer.prices, now) if offer.model.id == name else []
        if lines:
            say("", f"charged{endpoints_in_words(offer)}:", *(f"  {line}" for line in lines))
    _show_sources(facts)


def _head(about: About) -> Iterator[str]:
    host, owner = about.host, about.owner
    if owner is not None:
        yield f"{owner.name}: {host.name} ({host.kind}), endpoint {owner.at.id}"
        yield f"key: {hosts.key_state(owner)}"
        others = [name for name in host.endpoints if name != owner.at.id]
        if others:
            yield f"other endpoints: {', '.join(others)}"
        if why := hosts.why_not(owner):
            yield f"cannot be called: {why}"
        return
    yield f"{host.id}: {host.name} ({host.kind}), a host of the catalogue"
    keys = dict.fromkeys(at.key_variable for at in about.endpoints if at.key_variable)
    if keys:
        yield f"its key is usually in {' or '.join(keys)}"


def _show_facts(about: About, clock: Clock) -> None:
    same = shared(about) if len(about.endpoints) > 1 else []
    if about.facts or same:
        say("")
        show(FACT_COLUMNS, fact_rows([*about.facts, *same], clock))
    names = {one.name for one in same}
    for at in about.endpoints:
        usual = " (the usual one)" if at.at.id == about.host.default_endpoint else ""
        say("", f"endpoint {at.at.id}{usual if len(about.endpoints) > 1 else ''}: {_spoken(at)}")
        rest = [one for one in at.facts if one.name not in names]
        if rest:
            show(FACT_COLUMNS, fact_rows(rest, clock))


def _spoken(at: At) -> str:
    key = f", key in {at.key_variable}" if at.key_variable else ""
    return f"speaks {', '.join(at.at.wires)}{key}"


def _show_settings(about: About, clock: Clock) -> None:
    """Show what an account's settings decide, those of several endpoints once."""
    shown: list[object] = []
    for at in about.endpoints:
        for name, choices in at.settings.items():
            setting = at.at.settings[name]
            if (name, setting.evidence) in shown:
                continue
            shown.append((name, setting.evidence))
            chosen = about.owner.form.settings.get(name) if about.owner is not None else None
            state = f"the config says {chosen}" if chosen else "the config does not say it"
            state = f" ({state})" if about.owner is not None else ""
            say("", f"setting {name}: {setting.what}{state}")
            rows: list[tuple[str, str, str]] = []
            for choice, facts in choices.items():
                said = list(fact_rows(facts, clock))
                note = about_choice(about, at, name, choice)
                if note or not said:
                    rows.append((choice, "", note or "how it is asked"))
                rows += [(choice, age, f"{fact} {what}".strip()) for fact, age, what in said]
            show(("choice", "age", "what it decides"), rows)


def about_choice(about: About, at: At, name: str, choice: str) -> str:
    """Return the note of a setting's choice."""
    form = about.written.form
    return {**form.settings, **form.endpoints[at.at.id].settings}[name].choices[choice].note


def _show_plan(about: About, clock: Clock) -> None:
    if about.host.plan is not None:
        say("", f"plan: {about.host.plan.name}")
        show(FACT_COLUMNS, fact_rows(about.plan, clock))


def _show_models(about: About, clock: Clock) -> None:
    if about.offers:
        say("")
        now = datetime.now(UTC)
        rows = [_model_row(about, offer, now, clock) for offer in about.offers]
        show(MODEL_COLUMNS, rows, ("in", "out", "context", "largest out"), dense=True)
    if about.patterns:
        say("", f"also every model called {', '.join(about.patterns)}")
    for name, facts in {**about.models, **about.patterns}.items():
        own = [one for one in facts if one.name in OWN_FACTS or one.others]
        if own:
            say("", f"model {name}")
            show(FACT_COLUMNS, fact_rows(own, clock))


def _model_row(about: About, offer: Offer, now: datetime, clock: Clock) -> tuple[str, ...]:
    model = offer.model
    days = age_days(oldest(about.models[model.id]), clock.today)
    mark = ", stale" if days is not None and days > clock.stale_days else ""
    return (
        f"{model.id}{endpoints_in_words(offer)}",
        *prices_in_cells(offer, now),
        "unknown" if model.context is None else tokens_in_short(model.context),
        "unknown" if model.max_output is None else tokens_in_short(model.max_output),
        model.quantisation or "unknown",
        "undated" if days is None else f"{days_in_words(days)}{mark}",
        model.family or "unknown",
    )


def _show_last(about: About, clock: Clock) -> None:
    none = unknown(about)
    say("", "unknown:" if none else "nothing is unknown")
    for fact, places in none.items():
        say(f"  {fact}{_where(places, about)}")
    old = stale(about, clock)
    if old:
        say("", f"older than {clock.stale_days} days:")
        by_fact: dict[str, list[str]] = {}
        for where, one in old:
            by_fact.setdefault(one.name, []).append(where)
        say(*(f"  {fact}{_where(places, about)}" for fact, places in by_fact.items()))
    _show_sources(told for _, told in _shown(about))
    if about.models:
        first = next(iter(about.models))
        name = about.owner.name if about.owner is not None else about.host.id
        say("", f"`entrepot providers {name}/{first}` shows every fact of one model")


def _where(places: list[str], about: About) -> str:
    """Return of what something is said: all models, so many of them, or each by name."""
    models = [place.removeprefix("model ") for place in places if place.startswith("model ")]
    others = [place for place in places if place and not place.startswith("model ")]
    if about.models and len(models) > NAMED_MOST:
        known = set(about.models)
        count = len(known & set(models))
        others.append("all models" if count == len(known) else f"{count} of {len(known)} models")
    elif models:
        others.append(f"model{'s' if len(models) > 1 else ''} {', '.join(models)}")
    return f": {'; '.join(others)}" if others else ""


def _shown(about: About) -> Iterator[tuple[str, Told]]:
    """Give the facts whose sources have been named."""
    for where, told in about.every():
        if not where.startswith("model ") or told.name in OWN_FACTS or told.others:
            yield where, told
    for at in about.endpoints:
        for choices in at.settings.values():
            for facts in choices.values():
                yield from (("", told) for told in facts)


def _show_sources(facts: Iterable[Told]) -> None:
    sources: dict[str, Source] = {}
    for told in facts:
        sources |= told.sources
        for other in told.others:
            sources |= other.sources
    if sources:
        say("")
        rows = [(key, source.date, source.url) for key, source in sources.items()]
        show(("source", "of", "where"), rows)
