"""From the catalogue's checked forms to frozen facts, each with its evidence in words."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from types import MappingProxyType
from typing import Any

from providers.catalog_cache import frozen_cache
from providers.catalog_dialects import Layer, dialects, layer
from providers.catalog_evidence import Sources, day, sources_of, told, value
from providers.catalog_form import (
    FAMILY_FACTS,
    PLACE_FACTS,
    AuthForm,
    ChoiceForm,
    EndpointForm,
    FamiliesForm,
    FamilyForm,
    HostForm,
    ModelForm,
    OperatorForm,
    SettingForm,
    WireForm,
)
from providers.catalog_plan import frozen_plan
from providers.catalog_price_form import PricesForm
from providers.catalog_server import frozen_server
from providers.catalog_values import Fact
from providers.host import (
    Country,
    Host,
    HostEndpoint,
    Model,
    Place,
    Setting,
    WirePath,
)
from providers.prices import Prices
from providers.served_by import ServedBy

# Facts that no family has.
MODELS_OWN = (
    "prices",
    "remote",
    "tools_wire",
    "quantisation",
    "endpoints",
    "surcharge",
    "until",
)


@dataclass(frozen=True, slots=True)
class Family:
    """A family of models with the sources of its own file."""

    form: FamilyForm
    sources: Sources
    said: Layer


@dataclass(frozen=True, slots=True)
class _Chosen:
    """A choice that the user stated: ``scope: eu`` with what it says."""

    name: str
    form: ChoiceForm


def _chosen(form: HostForm, at: EndpointForm, choices: Mapping[str, str]) -> list[_Chosen]:
    settings = {**form.settings, **at.settings}
    return [
        _Chosen(f"{name}: {choice}", settings[name].choices[choice])
        for name, choice in choices.items()
    ]


def frozen_families(form: FamiliesForm) -> Mapping[str, Family]:
    """Return the families of one file by name."""
    sources = sources_of(form.sources)
    return {name: Family(family, sources, layer(family)) for name, family in form.families.items()}


def frozen_family(name: str, family: Family) -> Model:
    """Return a family as a model that no host serves: what is known of its weights."""
    return _model(name, ModelForm(family=name), family, family.sources, (), [], [])


def frozen_host(
    form: HostForm,
    families: Mapping[str, Family],
    endpoint: str = "",
    choices: Mapping[str, str] = MappingProxyType({}),
) -> Host:
    """Return the host that a checked form describes, as a whole or as it is at one endpoint.

    ``families`` has those that its models name; ``choices`` are those of the endpoint's settings.
    Raises ``KeyError`` for an endpoint, a setting or a choice that is not there.
    """
    sources = sources_of(form.sources)
    at = form.endpoints[endpoint or form.default_endpoint]
    chosen = _chosen(form, at, choices)
    forms = {**form.models, **at.models} if endpoint else form.models
    operator = (at.operator if endpoint else None) or form.operator
    for one in chosen:
        operator = one.form.operator or operator
    company, parent = value(operator.company), value(operator.parent)
    own_prices = at.genai_prices if endpoint else None
    auth: AuthForm = (at.auth if endpoint else None) or form.auth
    spoken = tuple(dict.fromkeys([*form.wires, *_wires_of(form.endpoints.values())]))
    below = [layer(form)] + ([layer(at)] if endpoint else [])
    above = [layer(one.form) for one in chosen]
    endpoints = {
        name: _endpoint(name, form, said, sources, chosen if name == endpoint else [])
        for name, said in form.endpoints.items()
    }
    return Host(
        id=form.id,
        name=form.name,
        kind=form.kind,
        auth_kind=auth.kind,
        auth_header=auth.header,
        auth_env=auth.env,
        operator_name=company.name if company else "",
        parent_name=(parent.name or None) if parent else None,
        # "" at an endpoint: the package has no prices of it, though it has the host's others.
        genai_prices=form.genai_prices if own_prices is None else own_prices or None,
        default_endpoint=form.default_endpoint,
        endpoints=MappingProxyType(endpoints),
        models=_models(form, forms, endpoint, families, sources, (spoken, below, above)),
        dialects=dialects(spoken, [*below, *above]),
        usual_ports=tuple(value(form.usual_ports) or ()),
        health_path=value(form.health_path),
        launcher=form.launcher,
        models_path=value(form.models_path),
        sources=sources,
        elsewhere=frozenset(name for name, said in forms.items() if not _is_at(endpoint, said)),
        served_by=_served_by(form),
        status=value(form.status),
        plan=frozen_plan(form.plan, sources) if form.plan is not None else None,
        server=frozen_server(form.server) if form.server is not None else None,
        cache=frozen_cache(form.cache, None, sources),
        limits_per=value(form.limits_per),
    )  # fmt: skip


def _models(
    host: HostForm,
    forms: Mapping[str, ModelForm],
    endpoint: str,
    families: Mapping[str, Family],
    sources: Sources,
    speech: tuple[tuple[str, ...], list[Layer], list[Layer]],
) -> Mapping[str, Model]:
    return MappingProxyType(
        {
            name: replace(
                _model(name, said, families.get(said.family or ""), sources, *speech),
                cache=None if value(said.remote) else frozen_cache(host.cache, said.cache, sources),
            )
            for name, said in forms.items()
            if _is_at(endpoint, said)
        }
    )


def _served_by(form: HostForm) -> ServedBy | None:
    said = value(form.served_by)
    return ServedBy(said.header or "", said.field) if said is not None else None


def _is_at(endpoint: str, said: ModelForm) -> bool:
    return not endpoint or endpoint in (value(said.endpoints) or (endpoint,))


def _endpoint(
    name: str, host: HostForm, said: EndpointForm, sources: Sources, chosen: list[_Chosen]
) -> HostEndpoint:
    operator = said.operator or host.operator
    by, surcharge = "", value(said.surcharge) or Decimal(1)
    facts: dict[str, Fact[Any]] = {
        fact: getattr(said, fact) or getattr(host.place, fact) for fact in PLACE_FACTS
    }
    evidence = {fact: told(facts[fact], sources) for fact in PLACE_FACTS}
    headers: dict[str, str] = {}
    for one in chosen:
        by = f" · by the account's {one.name}"
        own = {fact: getattr(one.form, fact) for fact in PLACE_FACTS if getattr(one.form, fact)}
        facts |= own
        evidence |= {fact: told(found, sources) + by for fact, found in own.items()}
        operator = one.form.operator or operator
        surcharge *= value(one.form.surcharge) or 1
        headers |= one.form.headers
    evidence["operator"] = _operator_evidence(operator, sources)
    if surcharge != 1:
        evidence["surcharge"] = told(said.surcharge, sources) if said.surcharge else f"x{surcharge}"
    if said.base_url:
        evidence["base_url"] = told(said.base_url, sources)
    dates = {fact: day(found, sources) for fact, found in facts.items()}
    wires = {str(wire): _wire(where) for wire, where in (said.wires or host.wires).items()}
    if headers:
        wires = {
            wire: replace(where, headers=MappingProxyType({**where.headers, **headers}))
            for wire, where in wires.items()
        }
    return HostEndpoint(
        id=name,
        base_url=value(said.base_url),
        wires=MappingProxyType(wires),
        place=Place(
            operator=_operator_countries(operator),
            processed_in=_set(facts["processed_in"].value),
            trains_on_data=facts["trains_on_data"].value,
            retention_days=facts["retention_days"].value,
            zdr=facts["zdr"].value,
        ),
        surcharge=surcharge,
        evidence=MappingProxyType(evidence),
        region=said.region,
        settings=MappingProxyType(
            {
                setting: _setting(about, sources)
                for setting, about in {**host.settings, **said.settings}.items()
            }
        ),
        dates=MappingProxyType({**dates, "operator": _operator_day(operator, sources)}),
    )


def _setting(said: SettingForm, sources: Sources) -> Setting:
    evidence = {}
    for name, choice in said.choices.items():
        facts = {fact: getattr(choice, fact) for fact in (*PLACE_FACTS, "surcharge")}
        parts = [f"{fact} {told(found, sources)}" for fact, found in facts.items() if found]
        if choice.operator:
            parts.append(f"operator {_operator_evidence(choice.operator, sources)}")
        evidence[name] = "; ".join(filter(None, [*parts, choice.note]))
    return Setting(said.what, tuple(said.choices), MappingProxyType(evidence))


def _wires_of(endpoints: Iterable[EndpointForm]) -> Iterator[str]:
    for said in endpoints:
        yield from said.wires or ()


def _wire(said: WireForm) -> WirePath:
    return WirePath(
        path=said.path,
        stream_path=said.stream_path or said.path,
        base_url=said.base_url,
        count_path=said.count_path,
        headers=MappingProxyType(said.headers),
        forward=frozenset(said.forward),
        auth=(said.auth.kind, said.auth.header) if said.auth else None,
    )


def _operator_facts(operator: OperatorForm) -> list[Fact[Any]]:
    parts: list[Fact[Any]] = [operator.company, operator.parent]
    return [*parts, operator.upstream] if operator.upstream else parts


def _operator_countries(operator: OperatorForm) -> frozenset[Country] | None:
    countries: set[Country] = set()
    for fact in _operator_facts(operator):
        if fact.value is None or fact.value.countries is None:
            return None
        countries.update(fact.value.countries)
    return frozenset(countries)


def _operator_day(operator: OperatorForm, sources: Sources) -> date | None:
    days = [day(fact, sources) for fact in _operator_facts(operator)]
    known = [found for found in days if found is not None]
    return min(known) if len(known) == len(days) else None


def _operator_evidence(operator: OperatorForm, sources: Sources) -> str:
    parts = [told(operator.company, sources)]
    if operator.parent.value is None or operator.parent.value.name:
        parts.append("parent " + told(operator.parent, sources))
    if operator.upstream:
        parts.append("upstream " + told(operator.upstream, sources))
    return "; ".join(parts)


def _model(
    name: str,
    said: ModelForm,
    family: Family | None,
    sources: Sources,
    spoken: tuple[str, ...],
    below: list[Layer],
    above: list[Layer],
) -> Model:
    facts: dict[str, Fact[Any]] = {}
    evidence: dict[str, str] = {}
    dates: dict[str, date | None] = {}
    for fact in FAMILY_FACTS:
        own = getattr(said, fact)
        found = own or (getattr(family.form, fact) if family else None)
        if found is not None:
            facts[fact] = found
            read_in = sources if own or not family else family.sources
            evidence[fact], dates[fact] = told(found, read_in), day(found, read_in)
    for fact in (*PLACE_FACTS, *MODELS_OWN):
        if found := getattr(said, fact):
            evidence[fact], dates[fact] = told(found, sources), day(found, sources)
    if said.operator:
        evidence["operator"] = _operator_evidence(said.operator, sources)
        dates["operator"] = _operator_day(said.operator, sources)
    wires, maker = value(facts.get("wires")), value(facts.get("maker"))
    family_said = [family.said] if family else []
    return Model(
        id=name,
        maker=_set(maker.countries) if maker else None,
        maker_name=maker.name if maker else "",
        weights=value(facts.get("weights")),
        licence=value(facts.get("licence")),
        context=value(facts.get("context")),
        max_output=value(facts.get("max_output")),
        can=_set(value(facts.get("can"))) or frozenset(),
        prices=_prices(said.prices, sources) if said.prices else None,
        family=said.family or "",
        one_model=family is not None and family.form.one_model,
        quantisation=value(said.quantisation),
        surcharge=value(said.surcharge),
        until=date.fromisoformat(said.until.value) if said.until and said.until.value else None,
        remote=bool(value(said.remote)),
        place=MappingProxyType(_place(said)),
        wires=tuple(wires) if wires is not None else None,
        tools_wire=MappingProxyType(value(said.tools_wire) or {}),
        cannot=_set(value(facts.get("cannot"))) or frozenset(),
        tokenizer=value(facts.get("tokenizer")) or "",
        dialects=dialects(spoken, [*family_said, *below, layer(said), *above]),
        evidence=MappingProxyType(evidence),
        dates=MappingProxyType(dates),
    )


def _prices(said: Fact[PricesForm], sources: Sources) -> Prices | None:
    form = said.value
    return form.frozen(sources[said.source[0]], sources) if form is not None else None


def _place(said: ModelForm) -> dict[str, Any]:
    # Only what is said, be it that it is unknown: the endpoint's own facts are below it.
    facts = {fact: getattr(said, fact) for fact in PLACE_FACTS}
    place = {fact: one.value for fact, one in facts.items() if one is not None}
    if "processed_in" in place:
        place["processed_in"] = _set(place["processed_in"])
    if said.operator:
        place["operator"] = _operator_countries(said.operator)
    return place


def _set(values: list[str] | None) -> frozenset[str] | None:
    return None if values is None else frozenset(values)
