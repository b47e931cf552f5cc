"""Every host that this process can ever contact, each with its reason: the list the guard keeps.

Made from the config, the catalogue and the environment alone, without asking anybody. What may be
contacted stands here or is refused (``providers.guard``). At ``egress: home_only`` only what is at
home is on the list: this machine, and addresses and names of the network around it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Literal
from urllib.parse import urlsplit

from gateway import ledger_hosts, urls
from gateway.routes import Provider
from gateway.setup import Setup
from providers.auth.asked import asked_at
from providers.client import environment_proxy
from providers.guard import Allowed, Place, place_of

Purpose = Literal["provider", "credential", "ledger", "state", "webhook", "proxy"]
REDIS_PORT = 6379
# What other programs of this kind contact beside, and this one never does.
NOBODY: Mapping[str, str] = {
    "price updates": "none (prices come with the program and from the config)",
    "telemetry": "none",
    "webhooks": "none but those that the config names for alerts of budgets",
}


@dataclass(frozen=True, slots=True)
class Contact:
    """One host and why it is contacted; ``port`` 0 is picked when a server is launched.

    ``who`` is the provider, or what else contacts it. ``proxy`` is where its calls go first.
    ``not_now`` is why it cannot be contacted as things stand; "" where it can.
    """

    host: str
    port: int
    scheme: str
    purpose: Purpose
    who: str
    reason: str
    proxy: str = ""
    not_now: str = ""

    @property
    def place(self) -> Place:
        """Host and port, as the guard has them."""
        return self.host, self.port


def contacts(setup: Setup, environment: Mapping[str, str]) -> list[Contact]:
    """Return all of them, providers first; one that cannot be used is among them, and says so."""
    found = [one for owner in setup.providers.values() for one in _of_provider(owner, environment)]
    direct = [replace(one, proxy=_proxy(one)) for one in found]
    home_only = setup.config.egress == "home_only"
    told = [replace(one, proxy=_proxy(one)) for one in _webhooks(setup)]
    direct += told
    return [
        *direct,
        *_ledger(setup.config.ledger, environment),
        *_state(setup.config.state),
        *_proxies(direct, home_only=home_only),
    ]


def allowed(setup: Setup, environment: Mapping[str, str]) -> Allowed:
    """Return the list as the guard takes it: what can be contacted as things stand."""
    home_only = setup.config.egress == "home_only"
    places = {one.place for one in contacts(setup, environment) if not one.not_now and one.port}
    if home_only:
        # Providers elsewhere say so themselves; whatever else may come to be listed does not.
        places = {(host, port) for host, port in places if urls.is_home(host)}
    return Allowed(frozenset(places), home_only)


def _of_provider(owner: Provider, environment: Mapping[str, str]) -> Iterator[Contact]:
    not_now = owner.available
    if owner.launch is not None:
        reason = "a server that the gateway starts, on a port that is free then"
        yield Contact("127.0.0.1", 0, "http", "provider", owner.name, reason, not_now=not_now)
    spoken: dict[tuple[str, Place], list[str]] = {}
    for wire, at in owner.endpoint.wires.items():
        base = at.base_url or owner.endpoint.base_url
        if base:
            words = spoken.setdefault((urlsplit(base).scheme, place_of(base)), [])
            words += [wire, *([f"{wire} token counts"] if at.count_path else [])]
    for (scheme, (host, port)), words in spoken.items():
        asked = ["what the server tells of itself"] if owner.endpoint.server is not None else []
        reason = f"calls to {owner.host.name}: {', '.join([*words, *asked])}"
        yield Contact(host, port, scheme, "provider", owner.name, reason, not_now=not_now)
    if owner.endpoint.signer is None:
        return
    kind, credentials = owner.host.auth_kind, owner.form.credentials
    for url in asked_at(kind, owner.at.region, credentials, environment):
        host, port = place_of(url)
        reason = f"the {kind} credential is made anew there"
        scheme = urlsplit(url).scheme
        yield Contact(host, port, scheme, "credential", owner.name, reason, not_now=not_now)


def _ledger(ledger: str, environment: Mapping[str, str]) -> Iterator[Contact]:
    for host, port in ledger_hosts.places(ledger, environment):
        reason = "the ledger's database; its driver is C code, so the host is checked at the start"
        yield Contact(host, port, "postgresql", "ledger", "ledger", reason)


def _state(state: str) -> Iterator[Contact]:
    host, port = place_of(state)
    if host:
        reason = "the server at which rates and budgets are counted"
        yield Contact(host, port or REDIS_PORT, "redis", "state", "state", reason)


def _webhooks(setup: Setup) -> Iterator[Contact]:
    """Give where alerts go; of an address no more than its host is shown."""
    home_only = setup.config.egress == "home_only"
    budgets: dict[tuple[str, Place], list[str]] = {}
    for budget, url in setup.webhooks.items():
        budgets.setdefault((urlsplit(url).scheme, place_of(url)), []).append(budget)
    for (scheme, (host, port)), names in budgets.items():
        away = home_only and not urls.is_home(host)
        not_now = "egress is home_only" if away else ""
        reason = f"alerts of budgets: {', '.join(names)}"
        yield Contact(host, port, scheme, "webhook", "budgets", reason, not_now=not_now)


def _proxy(one: Contact) -> str:
    host = f"[{one.host}]" if ":" in one.host else one.host
    # A port of 0 is a launched server's, which is here.
    return (environment_proxy(f"{one.scheme}://{host}:{one.port}") or "") if one.port else ""


def _proxies(found: Iterable[Contact], *, home_only: bool) -> Iterator[Contact]:
    behind: dict[str, list[str]] = {}
    for one in found:
        if one.proxy:
            behind.setdefault(one.proxy, []).append(one.host)
    for url, hosts in behind.items():
        host, port = place_of(url)
        reason = f"a proxy of the environment: {', '.join(dict.fromkeys(hosts))} through it"
        # It would be handed what is meant for home, and nobody knows where it sends it.
        not_now = "egress is home_only: put the servers at home into NO_PROXY" if home_only else ""
        scheme = urlsplit(url).scheme
        yield Contact(host, port, scheme, "proxy", "environment", reason, not_now=not_now)
