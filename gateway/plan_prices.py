"""What a plan's calls would cost by the token at the same vendor: for ranking, windows, reports."""

from __future__ import annotations

from collections.abc import Callable

from billing.price_list import PriceList
from gateway.config_providers import ProviderForm
from providers.catalog import Catalog
from providers.host import Host, HostEndpoint, Model
from routing.route import Subscribed

ByToken = tuple[Host, HostEndpoint]


def by_token(form: ProviderForm, host: Host, catalog: Catalog) -> ByToken | None:
    """Return where the vendor of a plan charges by the token: the host, and the like endpoint.

    Its usual endpoint where it has none of the same name; None where none is known.
    """
    if host.plan is None or host.plan.payg not in catalog.hosts:
        return None
    found = catalog.hosts[host.plan.payg]
    endpoint = form.endpoint or host.default_endpoint
    if endpoint not in found.endpoints:
        endpoint = found.default_endpoint
    return catalog.at(found.id, endpoint), found.endpoints[endpoint]


def subscribed(
    form: ProviderForm,
    host: Host,
    at: HostEndpoint,
    payg: ByToken | None,
    model: Model,
    prices_at: Callable[[Host, HostEndpoint, Model], PriceList | None],
) -> Subscribed | None:
    """Return the plan that pays calls of ``model``, with what they would cost by the token.

    None where the config states a price by the token. A plan that lists prices of its own weighs
    its calls by them.
    """
    plan = host.plan
    if plan is None or model.id in form.prices or "*" in form.prices:
        return None
    found = None
    if model.prices is not None:
        found = prices_at(host, at, model)
    elif payg is not None:
        found = prices_at(*payg, payg[0].model(model.id))
    windows = (one for tier in plan.tiers.values() for one in tier.windows or ())
    in_dollars = any(one.unit == "usd" for one in windows)
    return Subscribed(plan.name, plan.weights, found, form.overflow == "payg", in_dollars)
