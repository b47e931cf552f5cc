"""The hosts whose key is in the environment: pay-as-you-go ones, plans apart, and unclear ones."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal

from gateway.route_prices import prices_at
from providers.catalog import Catalog
from providers.host import Host, HostEndpoint, Model
from providers.plan import Plan

DEAREST = Decimal("Infinity")
GONE = ("closed", "retired")
# What a base model alone speaks is no wire for an assistant.
COMPLETIONS = "completions"


@dataclass(frozen=True, slots=True)
class KeyedHost:
    """A host whose key is set in ``variable``; its models, cheapest first.

    ``endpoint`` is the one whose variable it is, ``usual`` whether it is the host's own default,
    ``others`` are its further endpoints. ``base_url`` is "" where the catalogue has it whole; else
    its blanks are the variables ``needs``, of which some are not set.
    """

    name: str
    variable: str
    models: list[str]
    endpoint: str
    usual: bool
    address: str
    others: list[str]
    base_url: str = ""
    needs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class KeyedPlan:
    """A subscription whose key may be in ``variable``; ``allowed`` None is unknown."""

    name: str
    title: str
    variable: str
    endpoint: str
    usual: bool
    allowed: bool | None
    clients: list[str]
    told: str
    payg: str


@dataclass(frozen=True, slots=True)
class Keyed:
    """What was found. ``shared`` leads from a variable to the hosts of which it may be the key."""

    hosts: list[KeyedHost]
    plans: list[KeyedPlan]
    shared: dict[str, list[KeyedHost]]
    gone: list[tuple[str, str, str]]


def find(catalog: Catalog, names: Iterable[str], environment: Mapping[str, str]) -> Keyed:
    """Return what of ``names`` has its key in the environment, the cheapest host first."""
    found: list[tuple[Decimal, KeyedHost]] = []
    plans: list[KeyedPlan] = []
    gone: list[tuple[str, str, str]] = []
    for name in names:
        host = _at_its_variable(catalog, name, environment)
        if host is None or not host[0].auth_env:
            continue
        bound, at = host
        variable = bound.auth_env or ""
        if bound.status in GONE:
            gone.append((variable, name, bound.status or ""))
        elif bound.plan is not None:
            plans.append(_plan(bound, at, variable, bound.plan))
        else:
            priced = sorted((_price(bound, model), model.id) for model in _asked(bound))
            price = priced[0][0] if priced else DEAREST
            found.append((price, _host(bound, at, variable, [model for _, model in priced])))
    hosts = [one for _, one in sorted(found, key=lambda pair: (pair[0], pair[1].name))]
    by_variable: dict[str, list[KeyedHost]] = {}
    for one in hosts:
        by_variable.setdefault(one.variable, []).append(one)
    shared = {variable: some for variable, some in by_variable.items() if len(some) > 1}
    return Keyed([one for one in hosts if one.variable not in shared], plans, shared, gone)


def _at_its_variable(
    catalog: Catalog, name: str, environment: Mapping[str, str]
) -> tuple[Host, HostEndpoint] | None:
    """Return the host at its usual endpoint, else at the first one whose variable is set."""
    host = catalog.hosts[name]
    usual = host.default_endpoint
    for endpoint in (usual, *(other for other in host.endpoints if other != usual)):
        bound = catalog.at(name, endpoint)
        if bound.auth_env and environment.get(bound.auth_env):
            return bound, bound.endpoints[endpoint]
    return None


def _asked(host: Host) -> Iterable[Model]:
    today = datetime.now(UTC).date()
    for model in host.models.values():
        if "*" not in model.id and model.wires != (COMPLETIONS,) and not model.ended(today):
            yield model


def _host(host: Host, at: HostEndpoint, variable: str, models: list[str]) -> KeyedHost:
    base_url, needs = "", tuple(_variable(host.id, blank) for blank in at.blanks)
    if at.blanks:
        base_url = filled(
            at.base_url or "", {b: f"${{{_variable(host.id, b)}}}" for b in at.blanks}
        )
    elif at.base_url is None:
        needs = (_variable(host.id, "base_url"),)
        base_url = f"${{{needs[0]}}}"
    return KeyedHost(
        name=host.id,
        variable=variable,
        models=models,
        endpoint=at.id,
        usual=at.id == host.default_endpoint,
        address=at.base_url or "",
        others=[name for name in host.endpoints if name != at.id],
        base_url=base_url,
        needs=needs,
    )


def _plan(host: Host, at: HostEndpoint, variable: str, plan: Plan) -> KeyedPlan:
    return KeyedPlan(
        name=host.id,
        title=plan.name,
        variable=variable,
        endpoint=at.id,
        usual=at.id == host.default_endpoint,
        allowed=None if plan.gateway is None else plan.gateway == "allowed",
        clients=sorted(plan.clients or ()),
        told=plan.evidence.get("gateway", ""),
        payg=plan.payg,
    )


def filled(base_url: str, values: Mapping[str, str]) -> str:
    """Return a base URL with its blanks filled."""
    return re.sub(r"\{([a-z_]+)\}", lambda blank: values.get(blank[1], blank[0]), base_url)


def _variable(host: str, what: str) -> str:
    return re.sub(r"[^A-Z0-9]+", "_", f"{host}_{what}".upper())


def _price(host: Host, model: Model) -> Decimal:
    """Return US dollars per million tokens, three in to one out; unknown is the dearest."""
    listed = prices_at(host, host.endpoints[host.default_endpoint], model)
    price = listed.at(datetime.now(UTC)) if listed is not None else None
    if price is None or price.input is None or price.output is None:
        return DEAREST
    usd = price.usd((3 * price.input + price.output) / 4)
    return DEAREST if usd is None else usd
