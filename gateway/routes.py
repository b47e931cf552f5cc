"""From a configured provider and a model's id to a route: address, facts, prices."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date
from functools import partial
from pathlib import Path
from secrets import token_bytes
from types import MappingProxyType
from urllib.parse import urlsplit

from billing.exchange import NO_RATES, Exchange
from billing.home_cost import Machine
from billing.price_list import PriceList
from gateway import home_only, route_prices, urls
from gateway.bound_hosts import STATED
from gateway.config import TimeoutsForm
from gateway.config_providers import ProviderForm
from gateway.home_machine import machine
from gateway.plan_prices import ByToken, subscribed
from gateway.plan_terms import allowed_clients, terms_against
from gateway.signing import SIGNED, signer
from providers.dialect import Dialect
from providers.endpoint import Endpoint, Signer, Timeouts, endpoint
from providers.home_reading import as_found
from providers.home_server import NOTHING_LEARNT, Learnt
from providers.host import NOWHERE_KNOWN, Cache, Host, HostEndpoint, Model, Place, WirePath
from providers.launch import Launch, command
from routing.facts import RouteFacts
from routing.route import Queue, Route, Subscribed

PLACE_FACTS = ("operator", "processed_in", "trains_on_data", "retention_days", "zdr")
ELSEWHERE = "unknown: the address is not"  # how evidence begins of a place that nobody vouches for
_SALT = token_bytes(32)  # of this process, for the names of quota groups


@dataclass(frozen=True, slots=True)
class Provider:
    """One configured provider. ``available`` is "" or why it cannot be called.

    ``endpoints`` has its address with each of its keys, ``endpoint`` with the first of them.
    ``launch`` is the server that the gateway starts for it, ``at_start`` whether with itself.
    ``stays_home``: a model that its server passes on to machines elsewhere cannot be called either.
    ``by_token`` is where the vendor of its plan charges by the token. ``machine`` is what a server
    at home costs, None where its owner does not say. ``exchange`` has the rates of currencies.
    """

    name: str
    form: ProviderForm
    host: Host
    at: HostEndpoint
    endpoint: Endpoint
    endpoints: tuple[Endpoint, ...]
    available: str
    launch: Launch | None
    at_start: bool
    stays_home: bool = False
    by_token: ByToken | None = None
    machine: Machine | None = None
    exchange: Exchange = NO_RATES


def provider(
    name: str,
    form: ProviderForm,
    host: Host,
    missing: Iterable[str],
    timeouts: TimeoutsForm,
    folder: Path,
    *,
    stays_home: bool = False,
    by_token: ByToken | None = None,
    exchange: Exchange = NO_RATES,
) -> Provider:
    """Bind a provider's address, credential and time limits.

    ``missing`` names the environment variables that its block needs and that are not set.
    ``folder`` takes the log of a launched server. ``stays_home``: one that is not at home cannot
    be called.
    """
    at = host.endpoints[form.endpoint or host.default_endpoint]
    secrets = form.secrets
    signed = host.auth_kind in SIGNED and not secrets
    made = signer(host.auth_kind, at, form.credentials) if signed else None
    signs = None if isinstance(made, str) else made
    keys = secrets or (None,)
    bound = tuple(_endpoint(name, form, host, at, key, signs, timeouts) for key in keys)
    away = home_only.why_away(bound[0]) if stays_home else ""
    return Provider(
        name=name,
        form=form,
        host=host,
        at=at,
        endpoint=bound[0],
        endpoints=bound,
        available=made
        if isinstance(made, str)
        else away or _available(form, host, at, secrets, tuple(missing)),
        launch=_launch(name, form, host, folder),
        at_start=form.launch is not None and form.launch.start == "at_start",
        stays_home=stays_home,
        by_token=by_token,
        machine=machine(form),
        exchange=exchange,
    )


def _endpoint(
    name: str,
    form: ProviderForm,
    host: Host,
    at: HostEndpoint,
    secret: str | None,
    signs: Signer | None,
    timeouts: TimeoutsForm,
) -> Endpoint:
    """Bind the provider's address to one of its keys, or to what signs in the place of one."""
    base, own = "", form.timeouts
    fixed = None if at.blanks else at.base_url
    if form.launch is None and (form.base_url or fixed):
        # A path without blanks completes the user's address even where the name has some.
        known = None if "{" in urlsplit(at.base_url or "").path else at.base_url
        base = urls.base_url(form.base_url or fixed or "", known)
    return endpoint(
        provider=name,
        host=host.id,
        endpoint_id=at.id,
        base_url=base,
        wires=_own_address(at.wires) if form.base_url else at.wires,
        auth_kind=host.auth_kind,
        auth_header=host.auth_header,
        secret=secret,
        extra_headers=tuple(form.headers.items()),
        forward=_forwarded(form, host),
        timeouts=Timeouts(
            first_byte_s=own.first_byte_s or timeouts.first_byte_s,
            answer_s=own.answer_s or timeouts.answer_s,
            between_s=own.between_s or timeouts.between_s,
            total_s=own.total_s or timeouts.total_s,
        ),
        signer=signs,
        server=host.server,
        served_by=host.served_by,
        quota=form.quota or (quota_group(host.id, secret) if secret else name),
    )


def quota_group(host: str, secret: str) -> str:
    """Return a name for whatever shares the limits of one key at one host.

    Providers with the same key have the same name. It is another in each process, so that nobody
    can try keys on a name from a log.
    """
    digest = hashlib.blake2b(secret.encode(), key=_SALT, digest_size=6).hexdigest()
    return f"quota:{host}:{digest}"


def _forwarded(form: ProviderForm, host: Host) -> frozenset[bytes]:
    # A plan's terms say which programs may call: it is told truly which one does.
    own = ("user-agent",) if host.plan is not None else ()
    return frozenset(header.encode() for header in (*form.forward, *own))


def _own_address(wires: Mapping[str, WirePath]) -> Mapping[str, WirePath]:
    """All wires under the one address that the config gives: none leads back to the host's own."""
    return {wire: replace(at, base_url=None) for wire, at in wires.items()}


def _available(
    form: ProviderForm,
    host: Host,
    at: HostEndpoint,
    secrets: tuple[str, ...],
    missing: tuple[str, ...],
) -> str:
    if missing:
        are = "is" if len(missing) == 1 else "are"
        return f"{', '.join(missing)} {are} not set in the environment"
    if host.auth_kind not in ("none", *SIGNED) and not secrets:
        return f"no api_key; in the config: `api_key: ${{{host.auth_env or 'ITS_API_KEY'}}}`"
    if host.plan is not None and (why := terms_against(host.plan, form)):
        return why
    if form.launch is None and at.blanks and not form.base_url:
        return f"no base_url; fill in the blanks of {at.base_url}"
    if form.launch is None and not (form.base_url or at.base_url):
        return "no base_url, and nothing to launch"
    return ""


def _launch(name: str, form: ProviderForm, host: Host, folder: Path) -> Launch | None:
    if form.launch is None or host.launcher is None:
        return None
    words = command(
        host.launcher,
        model=form.launch.model,
        context=form.launch.context,
        slots=form.launch.slots,
        threads=form.launch.threads or os.cpu_count() or 1,
    )
    return Launch(words, folder / f"{name}.log")


def route(
    owner: Provider, model_id: str, *, price_all: bool, learnt: Learnt = NOTHING_LEARNT
) -> Route:
    """Return the route to ``model_id`` at ``owner``; an unknown model has unknown facts.

    ``learnt`` is what its server said of it.
    """
    model = owner.host.model(model_id)
    if learnt != NOTHING_LEARNT:
        model = as_found(model, learnt)
    passed_on = home_only.why_passed_on(model) if owner.stays_home else ""
    wants_prices = price_all or not owner.available
    plan = _plan(owner, model) if wants_prices else None
    return Route(
        name=f"{owner.name}/{model_id}",
        provider=owner.name,
        model=model_id,
        endpoint=owner.endpoint,
        endpoints=owner.endpoints,
        shares_limits=owner.host.limits_per != "model",
        dialects=_dialects(owner, model),
        facts=facts(owner, model),
        prices=_prices(owner, model, plan) if wants_prices else None,
        context=model.context,
        max_output=model.max_output,
        tokenizer=model.tokenizer,
        can=model.can,
        cannot=model.cannot,
        tools_wire=model.tools_wire,
        clients=allowed_clients(owner.host.plan),
        available=owner.available or passed_on or _not_there(owner, model),
        launched=owner.launch is not None,
        queue=_queue(owner.form),
        usd_per_hour=owner.machine.busy_usd_per_hour if owner.machine is not None else None,
        watts=owner.machine.busy_watts if owner.machine is not None else None,
        plan=plan,
        cache=_cache(owner, model),
    )


def _cache(owner: Provider, model: Model) -> Cache | None:
    """Return the host's prompt cache; nothing is known of that at an address of somebody else's."""
    if model.remote or not _is_own(owner.at, owner.endpoint.base_url):
        return None
    return model.cache or owner.host.cache


def _queue(form: ProviderForm) -> Queue | None:
    """Return how long a call may wait at a server of one's own; None: as long as it takes."""
    if form.max_wait_s is None:
        return None
    slots = form.slots or (form.launch.slots if form.launch is not None else None)
    return Queue(form.max_wait_s, slots)


def _not_there(owner: Provider, model: Model) -> str:
    if model.id not in owner.host.elsewhere:
        return ""
    return f"{owner.host.id} does not serve {model.id} at its endpoint {owner.at.id}"


def _dialects(owner: Provider, model: Model) -> Mapping[str, Dialect]:
    """The wires of a model here, in the catalogue's order, each with the dialect of it."""
    wires = [wire for wire in owner.at.wires if model.wires is None or wire in model.wires]
    return MappingProxyType({wire: owner.host.dialect_of(model, wire) for wire in wires})


def facts(owner: Provider, model: Model) -> RouteFacts:
    """Return what policy may know of ``model`` at ``owner``."""
    place, evidence = _place(owner, model)
    known = {fact: getattr(place, fact) for fact in PLACE_FACTS} | {"maker": model.maker}
    dates = {**owner.at.dates, **model.dates}
    # What is stated of this very place is no reading of somebody's document, and does not age.
    confirmed = {
        fact: dates.get(fact)
        for fact, value in known.items()
        if value is not None and not _is_ours(owner, fact, evidence)
    }
    return facts_at(owner.name, model, place, evidence, confirmed)


def facts_at(
    provider: str,
    model: Model,
    place: Place,
    evidence: Mapping[str, str],
    confirmed: Mapping[str, date | None],
) -> RouteFacts:
    """Return what policy may know of ``model`` at a place under the name ``provider``."""
    return RouteFacts(
        provider=provider,
        model=model.id,
        maker=model.maker,
        weights=model.weights,
        licence=model.licence,
        operator=place.operator,
        processed_in=place.processed_in,
        trains_on_data=place.trains_on_data,
        retention_days=place.retention_days,
        zdr=place.zdr,
        quantisation=model.quantisation,
        evidence=evidence,
        confirmed=MappingProxyType(confirmed),
    )


def _is_ours(owner: Provider, fact: str, evidence: Mapping[str, str]) -> bool:
    return evidence.get(fact) == STATED or (owner.host.kind == "home" and fact in PLACE_FACTS)


def _place(owner: Provider, model: Model) -> tuple[Place, Mapping[str, str]]:
    """What holds for a model here: the endpoint's facts, then what the config states itself."""
    place, evidence = owner.at.place_of(model), {**owner.at.evidence, **model.evidence}
    address = owner.endpoint.base_url
    if model.remote:
        # It runs elsewhere, so nothing that is stated of this provider is stated of it.
        return place, evidence
    elsewhere = ""
    if owner.host.kind == "home" and address and not urls.is_private(address):
        elsewhere = f"{ELSEWHERE} on this machine or its network"
    elif not _is_own(owner.at, address):
        elsewhere = f"{ELSEWHERE} the host's own"
    if elsewhere:
        place = NOWHERE_KNOWN
        evidence.update(dict.fromkeys(PLACE_FACTS, elsewhere))
    elif "operator" in model.place:
        # Somebody else runs it: what is stated of this provider is not stated of them.
        return place, evidence
    stated = {name: value for name, value in owner.form.facts if value is not None}
    for name, value in stated.items():
        stated[name] = frozenset(value) if isinstance(value, tuple) else value
        evidence[name] = STATED
    return replace(place, **stated), evidence


def _is_own(at: HostEndpoint, address: str) -> bool:
    """Whether ``address`` is the endpoint's, so that what is known of it holds there."""
    if at.blanks:
        return at.fits(address)
    return at.base_url is None or urls.same_host(address, at.base_url)


def _plan(owner: Provider, model: Model) -> Subscribed | None:
    prices_at = partial(route_prices.prices_at, exchange=owner.exchange)
    return subscribed(owner.form, owner.host, owner.at, owner.by_token, model, prices_at)


def _prices(owner: Provider, model: Model, plan: Subscribed | None) -> PriceList | None:
    """The config's statement, over what the provider lists or what the plan is worth."""
    form, host = owner.form, owner.host
    if owner.machine is not None:
        return None
    if form.free is not None:
        listed: PriceList | None = route_prices.free(f"config: {form.free}")
    elif plan is not None and plan.goes_on:
        listed = plan.payg
    elif host.plan is not None:
        listed = route_prices.free(f"within the plan {host.plan.name}")
    else:
        listed = route_prices.prices_at(host, owner.at, model)
    return route_prices.on_terms(listed, form, model.id, owner.exchange)
