"""A host's facts one by one, as its files have them: value, sources, day, who says otherwise."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from providers.catalog import Written
from providers.catalog_cache_form import CacheForm, HintForm
from providers.catalog_evidence import Sources, day, sources_of, words
from providers.catalog_form import (
    FAMILY_FACTS,
    MODEL_FACTS,
    PLACE_FACTS,
    ChoiceForm,
    ModelForm,
    OperatorForm,
)
from providers.catalog_freeze import MODELS_OWN, Family
from providers.catalog_plan_form import FeeForm, WindowForm
from providers.catalog_price_words import prices_in_words
from providers.catalog_values import NO_PARENT, UNKNOWN, Fact, Form, Org
from providers.source import Source

OPERATOR_FACTS = ("company", "parent", "upstream")
OF_FAMILY = "family:"
UNSAID: Fact[Any] = Fact.model_validate({"is": UNKNOWN})


@dataclass(frozen=True, slots=True)
class Other:
    """What another source says instead of the value that was kept."""

    said: str
    sources: Mapping[str, Source]
    note: str


@dataclass(frozen=True, slots=True)
class Told:
    """One fact: ``said`` in words, ``value`` as plain data, None where it is unknown.

    ``confirmed`` is the day on which it was last confirmed, None where its sources have none.
    ``by`` names the choice of an account's setting that decides it.
    """

    name: str
    said: str
    value: Any
    sources: Mapping[str, Source]
    note: str = ""
    confirmed: date | None = None
    others: tuple[Other, ...] = ()
    by: str = ""


def host_facts(written: Written) -> list[Told]:
    """Return what is said of the host as a whole."""
    form, sources = written.form, sources_of(written.form.sources)
    names = ("status", "models_path", "health_path", "usual_ports", "limits_per")
    found = [_told(name, fact, sources) for name in names if (fact := getattr(form, name))]
    return found + list(_cache(form.cache, sources))


def endpoint_facts(
    written: Written, endpoint: str, choices: Mapping[str, str] | None = None
) -> list[Told]:
    """Return who runs an endpoint and what happens to data there, its account set as said."""
    form, sources = written.form, sources_of(written.form.sources)
    at = form.endpoints[endpoint]
    settings = {**form.settings, **at.settings}
    operator, by = at.operator or form.operator, ""
    facts = {fact: (getattr(at, fact) or getattr(form.place, fact), "") for fact in PLACE_FACTS}
    surcharges = [(at.surcharge, "")] if at.surcharge else []
    for name, choice in (choices or {}).items():
        chosen = settings[name].choices[choice]
        how = f"the account's {name}: {choice}"
        if chosen.operator:
            operator, by = chosen.operator, how
        own = {fact: (getattr(chosen, fact), how) for fact in PLACE_FACTS}
        facts |= {fact: found for fact, found in own.items() if found[0]}
        surcharges += [(chosen.surcharge, how)] if chosen.surcharge else []
    found = list(_operator(operator, sources, by))
    found += [_told(name, fact, sources, by=how) for name, (fact, how) in facts.items() if fact]
    if at.base_url:
        found.append(_told("base_url", at.base_url, sources))
    return found + [_told("surcharge", fact, sources, by=how) for fact, how in surcharges]


def model_facts(written: Written, endpoint: str, name: str) -> list[Told]:
    """Return what is said of a model at an endpoint, by the host or else by its family.

    Raises ``KeyError`` for a model that is not written there.
    """
    sources = sources_of(written.form.sources)
    said = models_at(written, endpoint)[name]
    family = written.families.get(said.family or "")
    found = []
    for fact in FAMILY_FACTS:
        if own := getattr(said, fact):
            found.append(_told(fact, own, sources))
        elif family is not None and getattr(family.form, fact):
            found.append(_of_family(fact, family))
        elif fact in MODEL_FACTS:
            found.append(_told(fact, UNSAID, sources))
    for fact in (*MODELS_OWN, *PLACE_FACTS):
        if own := getattr(said, fact):
            in_words = prices_in_words if fact == "prices" else words
            found.append(_told(fact, own, sources, in_words=in_words))
    if said.operator:
        found += _operator(said.operator, sources)
    return found + list(_cache(said.cache, sources))


def family_facts(written: Written, name: str) -> list[Told]:
    """Return what is said of a family at every host. Raises ``KeyError``."""
    family = written.families[name]
    return [_of_family(fact, family) for fact in FAMILY_FACTS if getattr(family.form, fact)]


def _of_family(fact: str, family: Family) -> Told:
    # Sources of two files may have one key: those of the family say whose they are.
    theirs = {f"{OF_FAMILY}{key}": source for key, source in family.sources.items()}
    return _told(fact, getattr(family.form, fact), theirs, OF_FAMILY)


def models_at(written: Written, endpoint: str) -> dict[str, ModelForm]:
    """Return the models of an endpoint as they are written, patterns included."""
    form = written.form
    forms = {**form.models, **form.endpoints[endpoint].models}
    return {
        name: said
        for name, said in forms.items()
        if said.endpoints is None or said.endpoints.value is None
        or endpoint in said.endpoints.value
    }  # fmt: skip


def setting_facts(written: Written, endpoint: str) -> dict[str, dict[str, list[Told]]]:
    """Return for each setting of an account, and each choice of it, what the choice decides."""
    form, sources = written.form, sources_of(written.form.sources)
    return {
        name: {choice: _choice(chosen, sources) for choice, chosen in said.choices.items()}
        for name, said in {**form.settings, **form.endpoints[endpoint].settings}.items()
    }


def plan_facts(written: Written) -> list[Told]:
    """Return the terms, sizes and windows of a subscription; nothing where there is none."""
    form, sources = written.form, sources_of(written.form.sources)
    if form.plan is None:
        return []
    plan, terms = form.plan, form.plan.terms
    found = [_told("gateway", terms.gateway, sources), _told("clients", terms.clients, sources)]
    if terms.who:
        found.append(_told("who", terms.who, sources))
    for name, tier in plan.tiers.items():
        found.append(_told(f"{name} fees", tier.fees, sources, in_words=_fees))
        found.append(_told(f"{name} windows", tier.windows, sources, in_words=_windows))
    names = ("models", "credits", "concurrency", "quota_path")
    return found + [_told(name, fact, sources) for name in names if (fact := getattr(plan, name))]


def _fees(fees: list[FeeForm] | None) -> str:
    if fees is None:
        return words(None)
    return "; ".join(
        f"{fee.amount:f} {fee.currency} a {fee.per}" + (f" ({fee.note})" if fee.note else "")
        for fee in fees
    )


def _windows(windows: list[WindowForm] | None) -> str:
    if windows is None:
        return words(None)
    return "; ".join(map(_window, windows)) or "none"


def _window(window: WindowForm) -> str:
    amount = "unpublished" if window.amount is None else f"{window.amount:,f}"
    starts = f", {window.starts.replace('_', ' ')}" if window.starts else ""
    note = f" ({window.note})" if window.note else ""
    return f"{amount} {window.unit} in {window.per}{starts}{note}"


def _choice(said: ChoiceForm, sources: Sources) -> list[Told]:
    facts = {name: getattr(said, name) for name in (*PLACE_FACTS, "surcharge")}
    found = list(_operator(said.operator, sources)) if said.operator else []
    return found + [_told(name, fact, sources) for name, fact in facts.items() if fact]


def _operator(said: OperatorForm, sources: Sources, by: str = "") -> Iterator[Told]:
    for name in OPERATOR_FACTS:
        fact = getattr(said, name)
        if fact is not None:
            yield _told(name, fact, sources, by=by, in_words=_org)


def _cache(said: CacheForm | None, sources: Sources) -> Iterator[Told]:
    for name in CacheForm.model_fields if said is not None else ():
        if fact := getattr(said, name):
            in_words = _hints if name == "hints" else words
            yield _told(f"cache {name}", fact, sources, in_words=in_words)


def _hints(hints: dict[str, HintForm] | None) -> str:
    if not hints:
        return words(None)
    return ", ".join(
        f"{wire} {'header' if hint.header else 'field'} {hint.header or hint.field}"
        for wire, hint in hints.items()
    )


def _org(value: Org | None) -> str:
    # A parent without a name is one that is known not to be there.
    return NO_PARENT if value is not None and not value.name else words(value)


def _told(
    name: str,
    fact: Fact[Any],
    sources: Sources,
    prefix: str = "",
    *,
    by: str = "",
    in_words: Callable[[Any], str] = words,
) -> Told:
    def named(keys: list[str]) -> dict[str, Source]:
        return {prefix + key: sources[prefix + key] for key in keys}

    return Told(
        name=name,
        said=in_words(fact.value),
        value=_plain(fact.value),
        sources=named(fact.source),
        note=fact.note,
        confirmed=day(fact, {key.removeprefix(prefix): one for key, one in sources.items()}),
        others=tuple(
            Other(words(claim.value), named(claim.source), claim.note) for claim in fact.conflict
        ),
        by=by,
    )


def _plain(value: Any) -> Any:
    if isinstance(value, Org) and not value.name:
        return NO_PARENT
    if isinstance(value, Form):
        value = value.model_dump(exclude_none=True)
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return f"{value:f}" if isinstance(value, Decimal) else value
