"""What in a config must agree with something else: routes with providers, labels with rules."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from importlib.util import find_spec
from urllib.parse import urlsplit

from gateway import (
    anywhere,
    config_budgets,
    config_debt,
    config_plan_checks,
    config_price_checks,
    constraints,
    detecting,
    ledger_hosts,
    urls,
)
from gateway.bound_hosts import bound_host
from gateway.config import Config, matching
from gateway.config_models import ModelForm
from gateway.config_providers import ProviderForm
from gateway.plan_terms import terms_against
from gateway.problems import Fault, Place
from gateway.signing import SIGNED
from providers.catalog import Catalog, Host
from routing.policy import Policy
from routing.policy_form import nearest


def faults(config: Config, policy: Policy | None) -> Iterator[Fault]:
    """Give what is wrong within the config; ``policy`` None is one that could not be read."""
    yield from _server(config)
    yield from _home_only(config)
    if anywhere.ANY in config.providers:
        what = f"`{anywhere.ANY}/MODEL` means a model at every provider"
        yield Fault(("providers", anywhere.ANY), what, "give the provider another name")
    if config.policy is None:
        what = "no policy is stated, so every route may answer every request"
        if constraints.is_constrained(config):
            what = "no policy is stated: only what keys, models and providers ask for holds"
        yield Fault(("policy",), what, "policy: policy.yaml", warning=True)
    if config.translate.emulate_schema and find_spec("jsonschema") is None:
        right = "pip install 'entrepot[schema]'"
        yield Fault(("translate", "emulate_schema"), "needs the extra `schema`", right)
    for name, entry in config.models.items():
        if isinstance(entry, ModelForm):
            for number, route in enumerate(entry.routes):
                # In the short form the list stands where the mapping would.
                yield from _route(config, ("models", name, "routes", number), route)
                if route in entry.routes[:number]:
                    what = f"route {route!r} stands here twice"
                    yield Fault(("models", name, "routes", number), what, "keep one of them")
            yield from _shadow(config, name, entry)
        else:
            yield from _alias(config, name, entry)
    yield from _keys(config, policy)
    if policy is not None:
        yield from constraints.faults(config, policy)
    yield from _budgets(config, policy)
    yield from config_debt.faults(config.debt_usd, config.keys)
    yield from detecting.faults(config, policy)


def _home_only(config: Config) -> Iterator[Fault]:
    if config.egress != "home_only":
        return
    at = urlsplit(config.state).hostname
    if at is not None and not urls.is_home(at):
        what = f"egress is home_only, and the server at {at} is not known to be at home"
        yield Fault(("state",), what, "one on this machine or its network, or memory")
    for budget, url in config_budgets.webhooks(config.webhook, config.budgets).items():
        if not urls.is_private(url):
            what = f"egress is home_only, and alerts of budget {budget!r} would leave the house"
            yield Fault(("budgets",), what, "a webhook at home, or none")
    for host in ledger_hosts.away(config.ledger, os.environ):
        what = f"egress is home_only, and the database at {host} is not known to be at home"
        yield Fault(("ledger",), what, "one on this machine or its network, or sqlite:///FILE")


def _alias(config: Config, name: str, said: str) -> Iterator[Fault]:
    place = ("models", name)
    found = matching(config.models, said)
    if found is None:
        right = nearest(said, [other for other in config.models if other != name] or ["a model"])
        if said.partition("/")[0] in config.providers:
            right = f"a route stands in a list: [{said}]"
        yield Fault(place, f"alias {name!r} leads to no model {said!r}", right)
        return
    passed: set[str] = set()
    while found is not None and found not in passed:
        passed.add(found)
        following = config.models[found]
        found = matching(config.models, following) if isinstance(following, str) else None
    # An alias that only leads into a circle, or to one that leads nowhere, is told there.
    if name in passed:
        right = "let one of the names list its routes"
        yield Fault(place, f"alias {name!r} leads back to itself", right)


def _budgets(config: Config, policy: Policy | None) -> Iterator[Fault]:
    names = {
        "key": [key.name for key in config.keys],
        "team": [key.team for key in config.keys if key.team is not None],
        "provider": list(config.providers),
        "model": list(config.models),
    }
    if policy is not None:
        names["label"] = list(policy.labels)
    users = any(key.trust_user for key in config.keys)
    yield from config_budgets.named(config.budgets, names, users=users)
    if config.webhook is not None:
        yield from config_budgets.webhook_faults(("webhook",), config.webhook)


def _server(config: Config) -> Iterator[Fault]:
    host = config.server.host
    if urls.is_loopback(host):
        if config.keys and config.server.admin_key is None:
            yield Fault(
                ("keys",),
                "keys without a server.admin_key leave the dashboard and /api open to every "
                "program here, and to whatever a proxy lets through",
                "add server.admin_key: ${ENTREPOT_ADMIN_KEY}",
                warning=True,
            )
        return
    if not config.keys:
        yield Fault(
            ("server", "host"),
            f"without keys the gateway serves this machine only, not {host}",
            "add keys (`entrepot keys create NAME`), or host: 127.0.0.1",
        )
    if config.server.admin_key is None:
        yield Fault(
            ("server", "host"),
            f"on {host} the dashboard would be open to everybody",
            "add server.admin_key: ${ENTREPOT_ADMIN_KEY}",
        )


def _route(config: Config, here: Place, route: str) -> Iterator[Fault]:
    owner, slash, model = route.partition("/")
    if not slash or not model or not owner:
        yield Fault(here, f"{route!r} is not a route", "provider/model, such as home/smollm2-135m")
    elif owner not in config.providers and owner != anywhere.ANY:
        right = nearest(owner, config.providers, f"add {owner!r} under providers")
        yield Fault(here, f"route {route!r} names no provider of this config", right)


def _shadow(config: Config, name: str, entry: ModelForm) -> Iterator[Fault]:
    if entry.shadow is None:
        return
    place, route, judge = ("models", name, "shadow"), entry.shadow.route, entry.shadow.judge
    if route.startswith(anywhere.PREFIX):
        yield Fault((*place, "route"), "a shadow is one route", "provider/model")
    else:
        yield from _route(config, (*place, "route"), route)
    if entry.routes == (route,):
        what = f"{route!r} is the only route of {name!r}, so there is nothing to compare"
        yield Fault((*place, "route"), what, "another route")
    if judge is None or matching(config.models, judge) is not None:
        return
    if judge.partition("/")[0] not in config.providers:
        yield Fault(
            (*place, "judge"), f"there is no model {judge!r}", nearest(judge, config.models)
        )


def _keys(config: Config, policy: Policy | None) -> Iterator[Fault]:
    seen: dict[tuple[str, str], int] = {}
    for number, key in enumerate(config.keys):
        for field, value in (("name", key.name), ("hash", key.hash)):
            if (field, value) in seen:
                shown = f" {value!r}" if field == "name" else ""
                yield Fault(
                    ("keys", number, field),
                    f"a second key has the {field}{shown} of keys[{seen[field, value]}]",
                    f"each key has a {field} of its own",
                )
            seen[field, value] = number
        if policy is not None and key.label is not None and key.label not in policy.labels:
            yield Fault(
                ("keys", number, "label"),
                f"the policy has no label {key.label!r}",
                nearest(key.label, policy.labels),
            )
        for asked in key.models or ():
            if "*" not in asked and "/" not in asked and matching(config.models, asked) is None:
                yield Fault(
                    ("keys", number, "models"),
                    f"there is no model {asked!r}",
                    nearest(asked, config.models),
                    warning=True,
                )


def catalogue_faults(config: Config, catalog: Catalog, partly: Collection[str]) -> Iterator[Fault]:
    """Give what does not agree with the catalogue; an unknown model is a warning.

    ``partly`` names the providers of which something could not be read: they may say more.
    """
    for name, form in config.providers.items():
        place = ("providers", name)
        host = catalog.hosts.get(config.host_of(name))
        if host is None:
            right = nearest(config.host_of(name), catalog.hosts, "see `entrepot providers`")
            where = (*place, "catalog") if form.catalog else place
            yield Fault(where, f"the catalogue has no host {config.host_of(name)!r}", right)
            continue
        if form.endpoint is not None and form.endpoint not in host.endpoints:
            yield Fault(
                (*place, "endpoint"),
                f"{host.id} has no endpoint {form.endpoint!r}",
                nearest(form.endpoint, host.endpoints),
            )
            continue
        yield from _account(place, form, host, catalog)
        if name not in partly:
            yield from _address(place, form, host)
    yield from _models(config, catalog)
    bound = {name: _bound(config, catalog, name) for name in config.providers}
    hosts = {name: host for name, host in bound.items() if host is not None}
    yield from config_price_checks.faults(config, hosts)


def _address(place: tuple[str, str], form: ProviderForm, host: Host) -> Iterator[Fault]:
    at = host.endpoints[form.endpoint or host.default_endpoint]
    if form.launch is not None and host.launcher is None:
        right = "start it yourself and give its base_url"
        yield Fault((*place, "launch"), f"the gateway cannot launch {host.id}", right)
    if form.launch is None and form.base_url is None and at.base_url is None:
        port = host.usual_ports[0] if host.usual_ports else 8000
        right = f"add base_url: http://127.0.0.1:{port}/v1"
        yield Fault(place, f"{host.id} has no address of its own", right)
    if host.auth_kind not in ("none", *SIGNED) and not form.secrets:
        right = f"add api_key: ${{{host.auth_env or 'ITS_API_KEY'}}}"
        yield Fault(place, "has no api_key, so it cannot be used", right, warning=True)
    if form.base_url is None:
        return
    where = (*place, "base_url")
    if urls.clear_text(form.base_url):
        what = "the address is not encrypted and not in your network"
        yield Fault(where, what, "an https:// address", warning=True)
    stated = form.facts.operator is not None and form.facts.processed_in is not None
    if host.kind != "home" and urls.is_private(form.base_url) and not stated:
        what = f"{host.id} does not run on this machine or its network"
        right = "say under facts who operates this address and where it processes"
        yield Fault(where, what, right)
    if host.kind == "home" and not urls.is_private(form.base_url):
        what = "the address is not on this machine or its network, so nothing is known of its place"
        yield Fault(where, what, "state what you know under facts", warning=True)


def _account(
    place: tuple[str, str], form: ProviderForm, host: Host, catalog: Catalog
) -> Iterator[Fault]:
    """Give what a provider says of its account and its own models that the catalogue has not."""
    settings = host.endpoints[form.endpoint or host.default_endpoint].settings
    for name, choice in form.settings.items():
        where = (*place, "settings", name)
        known = settings[name].choices if name in settings else ()
        if name not in settings:
            right = nearest(name, settings) if settings else "leave settings out"
            yield Fault(where, f"{host.id} has no setting {name!r} there", right)
        elif choice not in known:
            yield Fault(where, f"{name} cannot be {choice!r}", nearest(choice, known))
    for name, said in form.models.items():
        if said.family is not None and said.family not in catalog.families():
            what = f"the catalogue has no family {said.family!r}"
            yield Fault(
                (*place, "models", name, "family"), what, nearest(said.family, catalog.families())
            )
    if host.plan is not None and (why := terms_against(host.plan, form)):
        yield Fault(place, "cannot be used yet", why, warning=True)
    if form.tier is not None and host.plan is None:
        yield Fault((*place, "tier"), f"{host.id} is no plan, so it has no tiers", "leave it out")
    elif form.tier is not None and host.plan is not None and form.tier not in host.plan.tiers:
        what = f"{host.plan.name} has no tier {form.tier!r}"
        yield Fault((*place, "tier"), what, nearest(form.tier, host.plan.tiers))
    yield from config_plan_checks.faults(place, form, host)


def _anywhere(
    config: Config, catalog: Catalog, place: Place, asked: str, pin: str | None
) -> Iterator[Fault]:
    try:
        family, rounded = anywhere.parts(asked)
    except anywhere.NarrowingError as fault:
        yield Fault(place, str(fault), f"{anywhere.PREFIX}MODEL@fp8+")
        return
    if family not in catalog.families() or not catalog.family(family).one_model:
        ones = [name for name in catalog.families() if catalog.family(name).one_model]
        what = f"the catalogue knows no one model {family!r}"
        yield Fault(place, what, nearest(family, ones, "see `entrepot models`"))
        return
    names = [name for name in config.providers if pin in (None, name)]
    if any(_serves(config, catalog, name, family) for name in names):
        return
    who = f"the provider {pin!r}" if pin is not None else "no provider of this config"
    yield Fault(
        place,
        f"{who} {'does not serve' if pin is not None else 'serves'} {family}",
        "see `entrepot models --where family=" + family + "`",
        warning=rounded is not None,
    )


def _serves(config: Config, catalog: Catalog, name: str, family: str) -> bool:
    host = _bound(config, catalog, name)
    return host is None or any(model.family == family for model in host.models.values())


def _bound(config: Config, catalog: Catalog, name: str) -> Host | None:
    """Return a provider's host; None where it names what is not known, which is told elsewhere."""
    try:
        return bound_host(config.providers[name], config.host_of(name), catalog)
    except KeyError:
        return None


def _alone(name: str, entry: ModelForm) -> Iterator[Fault]:
    """Give the wishes of a model that one route alone cannot fulfil."""
    if len(entry.routes) > 1 or entry.routes[0].startswith(anywhere.PREFIX):
        return
    for wish, is_said in {"hedge": entry.hedge, "continue_streams": entry.continue_streams}.items():
        if is_said:
            what = f"{wish} needs a second route, and this model has one"
            yield Fault(("models", name, wish), what, "another route", warning=True)


def _models(config: Config, catalog: Catalog) -> Iterator[Fault]:
    told = set()
    for name, entry in config.models.items():
        if not isinstance(entry, ModelForm):
            continue
        yield from _alone(name, entry)
        if entry.pin is not None and not any(
            route.startswith((f"{entry.pin}/", anywhere.PREFIX)) for route in entry.routes
        ):
            what = f"none of its routes is at {entry.pin!r}"
            yield Fault(("models", name, "pin"), what, nearest(entry.pin, config.providers))
        for number, route in enumerate(entry.routes):
            if route.startswith(anywhere.PREFIX):
                here = ("models", name, "routes", number)
                yield from _anywhere(config, catalog, here, route, entry.pin)
                continue
            owner, _, model = route.partition("/")
            host = _bound(config, catalog, owner)
            if host is None or host.kind == "home" or host.knows(model) or route in told:
                continue
            told.add(route)
            yield Fault(
                ("models", name, "routes", number),
                f"the catalogue has no {model!r} at {host.id}, so nothing is known of its maker",
                nearest(model, host.models, "if the name is right, all is well"),
                warning=True,
            )
