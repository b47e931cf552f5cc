"""From the catalogue's checked forms to frozen facts, each with its evidence in words."""

from __future__ import annotations

from collections.abc import Mapping
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
)
from providers.dialect import Dialect, merged
from providers.host import Country, Host, HostEndpoint, Model, Place, Source


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
                name: _model(name, said, families.get(said.family or ""), sources)
                for name, said in form.models.items()
            }
        ),
        dialect=_dialect(form.dialect) if form.dialect else Dialect(),
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
        wires=MappingProxyType(dict([*host.wires.items(), *(said.wires or {}).items()])),
        place=Place(
            operator=_operator_countries(operator),
            processed_in=_set(facts["processed_in"].value),
            trains_on_data=facts["trains_on_data"].value,
            retention_days=facts["retention_days"].value,
            zdr=facts["zdr"].value,
        ),
        surcharge=_value(said.surcharge) or Decimal(1),
        evidence=MappingProxyType(evidence),
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
    name: str, said: ModelForm, family: Family | None, sources: Mapping[str, Source]
) -> Model:
    facts: dict[str, Fact[Any]] = {}
    evidence: dict[str, str] = {}
    for fact in (*MODEL_FACTS, "can"):
        own = getattr(said, fact)
        told = own or (getattr(family.form, fact) if family else None)
        if told is not None:
            facts[fact] = told
            evidence[fact] = _evidence(told, sources if own or not family else family.sources)
    prices = _value(said.prices)
    if said.prices:
        evidence["prices"] = _evidence(said.prices, sources)
    if said.remote:
        evidence["remote"] = _evidence(said.remote, sources)
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
        evidence=MappingProxyType(evidence),
    )


def _dialect(form: DialectForm) -> Dialect:
    def paths(dotted: list[str] | None) -> tuple[tuple[str, ...], ...] | None:
        return None if dotted is None else tuple(tuple(path.split(".")) for path in dotted)

    return merged(
        Dialect(),
        ask_stream_usage=form.ask_stream_usage,
        rename=form.rename,
        reasoning=form.reasoning,
        cached_read_paths=paths(form.cached_read_paths),
        cached_write_paths=paths(form.cached_write_paths),
        reasoning_paths=paths(form.reasoning_paths),
        cost_path=tuple(form.cost_path.split(".")) if form.cost_path else None,
        refuses=_set(form.refuses),
    )


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
