"""From the catalogue's checked forms to frozen facts, each with its evidence in words."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from types import MappingProxyType
from typing import Any

from providers.catalog_form import (
    MODEL_FACTS,
    PLACE_FACTS,
    UNKNOWN,
    DialectForm,
    EndpointForm,
    Fact,
    FamiliesForm,
    FamilyForm,
    Form,
    HostForm,
    ModelForm,
    OperatorForm,
    SpeechForm,
    WireForm,
)
from providers.dialect import Dialect, merged
from providers.host import Country, Host, HostEndpoint, Model, Place, Source, WirePath

MODELS_OWN = ("prices", "remote", "wires", "tools_wire")  # facts that no family has


@dataclass(frozen=True, slots=True)
class Family:
    """A family of models with the sources of its own file."""

    form: FamilyForm
    sources: Mapping[str, Source]


def frozen_families(form: FamiliesForm) -> Mapping[str, Family]:
    """Return the families of one file by name."""
    sources = _sources(form)
    return {name: Family(family, sources) for name, family in form.families.items()}


def frozen_host(form: HostForm, families: Mapping[str, Family]) -> Host:
    """Return the host that a checked form describes; ``families`` has those its models name."""
    sources = _sources(form)
    company, parent = form.operator.company.value, form.operator.parent.value
    spoken = tuple(dict.fromkeys([*form.wires, *_wires_of(form.endpoints.values())]))
    return Host(
        id=form.id,
        name=form.name,
        kind=form.kind,
        auth_kind=form.auth.kind,
        auth_header=form.auth.header,
        auth_env=form.auth.env,
        operator_name=company.name if company else "",
        parent_name=(parent.name or None) if parent else None,
        genai_prices=form.genai_prices,
        default_endpoint=form.default_endpoint,
        endpoints=MappingProxyType(
            {name: _endpoint(name, form, form.endpoints[name], sources) for name in form.endpoints}
        ),
        models=MappingProxyType(
            {
                name: _model(
                    name,
                    said,
                    families.get(said.family or ""),
                    sources,
                    _dialects(spoken, form, families.get(said.family or ""), said),
                )
                for name, said in form.models.items()
            }
        ),
        dialects=_dialects(spoken, form),
        usual_ports=tuple(_value(form.usual_ports) or ()),
        health_path=_value(form.health_path),
        launcher=form.launcher,
        models_path=_value(form.models_path),
        sources=sources,
    )


def _endpoint(
    name: str, host: HostForm, said: EndpointForm, sources: Mapping[str, Source]
) -> HostEndpoint:
    operator = said.operator or host.operator
    facts = {fact: getattr(said, fact) or getattr(host.place, fact) for fact in PLACE_FACTS}
    evidence = {fact: _evidence(facts[fact], sources) for fact in PLACE_FACTS}
    evidence["operator"] = _operator_evidence(operator, sources)
    if said.surcharge:
        evidence["surcharge"] = _evidence(said.surcharge, sources)
    if said.base_url:
        evidence["base_url"] = _evidence(said.base_url, sources)
    return HostEndpoint(
        id=name,
        base_url=_value(said.base_url),
        wires=MappingProxyType(
            {wire: _wire(where) for wire, where in (said.wires or host.wires).items()}
        ),
        place=Place(
            operator=_operator_countries(operator),
            processed_in=_set(facts["processed_in"].value),
            trains_on_data=facts["trains_on_data"].value,
            retention_days=facts["retention_days"].value,
            zdr=facts["zdr"].value,
        ),
        surcharge=_value(said.surcharge) or Decimal(1),
        evidence=MappingProxyType(evidence),
        region=said.region,
    )


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


def _operator_countries(operator: OperatorForm) -> frozenset[Country] | None:
    orgs = [operator.company.value, operator.parent.value]
    if operator.upstream:
        orgs.append(operator.upstream.value)
    countries: set[Country] = set()
    for org in orgs:
        if org is None or org.countries is None:
            return None
        countries.update(org.countries)
    return frozenset(countries)


def _operator_evidence(operator: OperatorForm, sources: Mapping[str, Source]) -> str:
    parts = [_evidence(operator.company, sources)]
    if operator.parent.value is None or operator.parent.value.name:
        parts.append("parent " + _evidence(operator.parent, sources))
    if operator.upstream:
        parts.append("upstream " + _evidence(operator.upstream, sources))
    return "; ".join(parts)


def _model(
    name: str,
    said: ModelForm,
    family: Family | None,
    sources: Mapping[str, Source],
    dialects: Mapping[str, Dialect],
) -> Model:
    facts: dict[str, Fact[Any]] = {}
    evidence: dict[str, str] = {}
    for fact in (*MODEL_FACTS, "can", "cannot"):
        own = getattr(said, fact)
        told = own or (getattr(family.form, fact) if family else None)
        if told is not None:
            facts[fact] = told
            evidence[fact] = _evidence(told, sources if own or not family else family.sources)
    for fact in (*PLACE_FACTS, *MODELS_OWN):
        if told := getattr(said, fact):
            evidence[fact] = _evidence(told, sources)
    prices, wires = _value(said.prices), _value(said.wires)
    maker = _value(facts.get("maker"))
    return Model(
        id=name,
        maker=_set(maker.countries) if maker else None,
        maker_name=maker.name if maker else "",
        weights=_value(facts.get("weights")),
        licence=_value(facts.get("licence")),
        context=_value(facts.get("context")),
        max_output=_value(facts.get("max_output")),
        can=_set(_value(facts.get("can"))) or frozenset(),
        prices=MappingProxyType(prices.model_dump(exclude_none=True)) if prices else None,
        price_source=sources[said.prices.source[0]] if said.prices and prices else None,
        remote=bool(_value(said.remote)),
        place=MappingProxyType(_place(said)),
        wires=tuple(wires) if wires is not None else None,
        tools_wire=MappingProxyType(_value(said.tools_wire) or {}),
        cannot=_set(_value(facts.get("cannot"))) or frozenset(),
        dialects=dialects,
        evidence=MappingProxyType(evidence),
    )


def _place(said: ModelForm) -> dict[str, Any]:
    # Only what is said, be it that it is unknown: the endpoint's own facts are below it.
    told = {fact: getattr(said, fact) for fact in PLACE_FACTS}
    place = {fact: one.value for fact, one in told.items() if one is not None}
    if "processed_in" in place:
        place["processed_in"] = _set(place["processed_in"])
    return place


def _dialects(
    wires: tuple[str, ...],
    host: SpeechForm,
    family: Family | None = None,
    model: SpeechForm | None = None,
) -> Mapping[str, Dialect]:
    """Return the dialect of each wire: that of the family, of the host, of the model there."""
    layers = [
        (
            _said(form.dialect) if form.dialect else {},
            {str(wire): _said(said) for wire, said in form.dialects.items()},
        )
        for form in (family.form if family else None, host, model)
        if form is not None
    ]
    found: dict[str, Dialect] = {}
    for wire in wires:
        dialect = Dialect()
        for on_all, by_wire in layers:
            for said in (on_all, by_wire.get(wire)):
                # Most layers say nothing of most wires, and the catalogue has many models.
                dialect = merged(dialect, said) if said else dialect
        found[wire] = dialect
    return MappingProxyType(found)


def _said(form: DialectForm) -> dict[str, Any]:
    # The form's words in the types that a dialect holds; what was not said is left out.
    said = form.model_dump(exclude_none=True, exclude={"source", "note"})
    for name, value in said.items():
        if name.endswith("_paths"):
            said[name] = tuple(tuple(path.split(".")) for path in value)
        elif name.endswith("_path"):
            said[name] = tuple(value.split("."))
    return said


def _sources(form: HostForm | FamiliesForm) -> Mapping[str, Source]:
    return MappingProxyType(
        {key: Source(source.url, source.date) for key, source in form.sources.items()}
    )


def _value(fact: Fact[Any] | None) -> Any:
    return fact.value if fact else None


def _set(values: list[str] | None) -> frozenset[str] | None:
    return None if values is None else frozenset(values)


def _evidence(fact: Fact[Any], sources: Mapping[str, Source]) -> str:
    parts = [_words(fact.value), _said_by(fact.source, sources)]
    if fact.note:
        parts.append(fact.note)
    parts += [
        f"but {_words(claim.value)} · {_said_by(claim.source, sources)}"
        + (f" · {claim.note}" if claim.note else "")
        for claim in fact.conflict
    ]
    return " · ".join(part for part in parts if part)


def _said_by(keys: list[str], sources: Mapping[str, Source]) -> str:
    return "; ".join(f"{sources[key].url} · {sources[key].date}" for key in keys)


def _words(value: Any) -> str:
    if value is None:
        return UNKNOWN
    if isinstance(value, list):
        return ", ".join(str(item) for item in value)
    if isinstance(value, Form):
        told = value.model_dump(exclude_none=True)
        name, countries = told.pop("name", ""), told.pop("countries", None)
        if name:
            return f"{name} ({', '.join(countries) if countries else UNKNOWN})"
        return ", ".join(f"{key} {item}" for key, item in told.items())
    return str(value)
