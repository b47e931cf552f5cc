"""What could be called: each model at each host of the catalogue, and the routes of a config.

An offer is a model on the terms of one contract. Endpoints of a host that offer it on the same
terms are one offer.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from types import MappingProxyType
from typing import Literal

from billing.price import Price
from billing.price_list import PriceList
from gateway.route_prices import prices_at
from gateway.routes import Provider, facts_at, route
from gateway.setup import Setup
from providers.catalog import Catalog
from providers.host import Host, HostEndpoint, Model
from providers.prices import Prices
from providers.source import Source
from routing.facts import RouteFacts
from routing.route import Route

Billing = Literal["token", "plan", "hour", "unknown"]
# Where a price was read makes no other terms of it.
NO_SOURCE = Source("", "")


@dataclass(frozen=True, slots=True)
class Offer:
    """One model on one contract's terms.

    ``name`` is the route's where the config has one, else ``host/model``; ``asked_as`` are the
    names under which clients of the config get it. ``endpoints`` are those with these terms, and
    ``everywhere`` says that the host has no others. ``prices`` are what calls are
    charged by, in the vendor's currency, ``native`` what the catalogue states.
    """

    name: str
    host: str
    endpoints: tuple[str, ...]
    everywhere: bool
    model: Model
    facts: RouteFacts
    kind: str
    status: str | None
    billing: Billing
    prices: PriceList | None
    native: Prices | None
    usd_per_hour: Decimal | None = None
    asked_as: tuple[str, ...] = ()

    @property
    def is_configured(self) -> bool:
        """Whether the config names it as a route."""
        return bool(self.asked_as)

    def price(self, now: datetime) -> Price | None:
        """Return its price per million tokens at ``now``; None: unknown, or not by the token."""
        if self.prices is None or self.billing != "token":
            return None
        return self.prices.at(now)


def configured(setup: Setup) -> list[Offer]:
    """Return every route that the models of a config lead to, in their order, none twice."""
    names: dict[str, list[str]] = {}
    routes: dict[str, Route] = {}
    for asked in setup.config.models:
        found = setup.candidates(asked)
        for one in found.routes if found is not None else ():
            routes[one.name] = one
            names.setdefault(one.name, []).append(asked)
    return [
        _of_route(setup.providers[one.provider], one, tuple(names[name]))
        for name, one in routes.items()
    ]


def all_priced(setup: Setup, found: Iterable[Offer]) -> list[Offer]:
    """Return offers of a config with the prices of those too that cannot be called.

    May be done in a thread; reading the list of prices takes time at first.
    """
    made = []
    for offer in found:
        name, _, model = offer.name.partition("/")
        owner = setup.providers[name]
        if owner.available:
            offer = _of_route(owner, route(owner, model, price_all=True), offer.asked_as)
        made.append(offer)
    return made


def of_provider(owner: Provider) -> list[Offer]:
    """Return the models of a provider of the config, on its own terms."""
    return [
        replace(_of_route(owner, route(owner, name, price_all=True), ()), everywhere=True)
        for name in owner.host.models
        if "*" not in name
    ]


def of_route(setup: Setup, name: str) -> Offer:
    """Return the route ``provider/model`` of a config, whether a model leads to it or not."""
    found = setup.route(name)
    return _of_route(setup.providers[found.provider], found, ())


def _of_route(owner: Provider, found: Route, asked_as: tuple[str, ...]) -> Offer:
    host, model = owner.host, owner.host.model(found.model)
    billing: Billing = "unknown"
    if found.usd_per_hour is not None:
        billing = "hour"
    elif host.plan is not None and not owner.form.prices and owner.form.free is None:
        billing = "plan"
    elif found.prices is not None:
        billing = "token"
    return Offer(
        name=found.name,
        host=host.id,
        endpoints=(owner.at.id,),
        everywhere=len(host.endpoints) == 1,
        model=replace(model, context=found.context, max_output=found.max_output),
        facts=found.facts,
        kind=host.kind,
        status=host.status,
        billing=billing,
        prices=found.prices,
        native=None if owner.form.prices or owner.form.free is not None else model.prices,
        usd_per_hour=found.usd_per_hour,
        asked_as=asked_as,
    )


def of_host(catalog: Catalog, name: str) -> list[Offer]:
    """Return the models of a host of the catalogue, at all its endpoints."""
    whole = catalog.hosts[name]
    found: dict[str, list[Offer]] = {}
    # The usual endpoint first: its terms are what the name alone means.
    for endpoint in sorted(whole.endpoints, key=lambda one: one != whole.default_endpoint):
        here = catalog.at(name, endpoint)
        for offer in _at(here, here.endpoints[endpoint]):
            same = found.setdefault(offer.model.id, [])
            for number, other in enumerate(same):
                if _terms(other) == _terms(offer):
                    endpoints = (*other.endpoints, *offer.endpoints)
                    same[number] = replace(other, endpoints=endpoints)
                    break
            else:
                same.append(offer)
    return [
        replace(offer, everywhere=len(offer.endpoints) == len(whole.endpoints))
        for offers in found.values()
        for offer in offers
    ]


def _at(host: Host, at: HostEndpoint) -> Iterator[Offer]:
    for model in host.models.values():
        if "*" in model.id:
            continue
        prices = None if host.plan is not None else prices_at(host, at, model)
        yield Offer(
            name=f"{host.id}/{model.id}",
            host=host.id,
            endpoints=(at.id,),
            everywhere=False,
            model=model,
            facts=_facts(host, at, model),
            kind=host.kind,
            status=host.status,
            billing=_billing(host, prices),
            prices=prices,
            native=model.prices,
        )


def _billing(host: Host, prices: PriceList | None) -> Billing:
    if host.plan is not None:
        return "plan"
    return "token" if prices is not None else "unknown"


def _facts(host: Host, at: HostEndpoint, model: Model) -> RouteFacts:
    evidence = MappingProxyType({**at.evidence, **model.evidence})
    return facts_at(host.id, model, at.place_of(model), evidence, {})


def _terms(offer: Offer) -> tuple[object, ...]:
    """Return what two endpoints must have in common to be one offer."""
    model, native = offer.model, offer.native
    figures = replace(native, source=NO_SOURCE) if native is not None else None
    known = (model.context, model.max_output, model.can, model.cannot, model.family)
    return (offer.facts, offer.prices, figures, known)


def by_host(offers: Iterable[Offer]) -> Mapping[tuple[str, str], set[str]]:
    """Return for each host and model the endpoints at which ``offers`` have it."""
    found: dict[tuple[str, str], set[str]] = {}
    for offer in offers:
        found.setdefault((offer.host, offer.model.id), set()).update(offer.endpoints)
    return found
