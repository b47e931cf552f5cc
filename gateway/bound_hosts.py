"""A host of the catalogue as one provider of the config has it: endpoint, account, own models."""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType
from typing import Any

from gateway.config_providers import OwnModelForm, ProviderForm
from providers.catalog import Catalog
from providers.host import Host, Model

STATED = "stated in the config"


def bound_host(form: ProviderForm, host_id: str, catalog: Catalog) -> Host:
    """Return the host ``host_id`` at the provider's endpoint, with what the provider states.

    Raises ``KeyError`` for what the catalogue has not, which reading the config has refused.
    """
    endpoint = form.endpoint or catalog.hosts[host_id].default_endpoint
    host = catalog.at(host_id, endpoint, form.settings)
    if not form.models:
        return host
    own = {name: _own(name, said, host, catalog) for name, said in form.models.items()}
    # Before the patterns, of which the first that fits counts.
    return replace(host, models=MappingProxyType({**own, **host.models, **own}))


def _own(name: str, said: OwnModelForm, host: Host, catalog: Catalog) -> Model:
    model = host.model(name)
    if said.family is not None:
        known = catalog.family(said.family)
        model = replace(
            model,
            family=said.family,
            one_model=known.one_model,
            maker=known.maker,
            maker_name=known.maker_name,
            weights=known.weights,
            licence=known.licence,
            context=known.context,
            max_output=known.max_output,
            can=model.can | known.can,
            cannot=model.cannot | known.cannot,
            wires=known.wires or model.wires,
            evidence=MappingProxyType({**model.evidence, **known.evidence}),
            dates=MappingProxyType({**model.dates, **known.dates}),
        )
    stated: dict[str, Any] = {
        "quantisation": said.quantisation,
        "context": said.context,
        "max_output": said.max_output,
    }
    given = {fact: value for fact, value in stated.items() if value is not None}
    told = {**model.evidence, **dict.fromkeys(given, STATED)}
    return replace(model, evidence=MappingProxyType(told), **given)
