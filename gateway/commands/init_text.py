"""The files that ``init`` writes, with their comments, and what it says."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from gateway.commands.keyed_hosts import Keyed, KeyedHost, KeyedPlan

MODELS_SHOWN = 12
COMMENT_WIDTH = 96


@dataclass(frozen=True, slots=True)
class Local:
    """A model server on this machine; ``remote`` models run on somebody else's though.

    ``may_be`` are other kinds of server that usually have its port.
    """

    name: str
    host: str
    base_url: str
    models: list[str]
    remote: list[str]
    may_be: list[str]


@dataclass(frozen=True, slots=True)
class Launchable:
    """A model that the gateway can run itself."""

    host: str
    model: str


@dataclass(frozen=True, slots=True)
class Found:
    """What is on this machine, and the port that is free for the gateway."""

    port: int
    locals: list[Local]
    launchable: Launchable | None
    keyed: Keyed

    @property
    def routes(self) -> list[str]:
        """The first model's routes: local servers, then hosts, then what the gateway runs."""
        first = [f"{local.name}/{local.models[0]}" for local in self.locals if local.models]
        first += [
            f"{host.name}/{host.models[0]}"
            for host in self.keyed.hosts
            if host.models and not host.needs
        ]
        return first + ([f"home/{self.launchable.model}"] if self.launchable else [])


HEAD = """\
# Entrepôt's config, written by `entrepot init`. The file is watched: a valid edit takes effect at
# once, an invalid one is refused and named. `entrepot check` reads it without starting anything.
#
# ${{VAR}} comes from the environment; a provider whose variable is not set is passed over.

server:
  host: 127.0.0.1              # any other address needs keys (below) and an admin_key
  port: {port}
  # admin_key: ${{ENTREPOT_ADMIN_KEY}}   # opens /dashboard, /api and /metrics

ledger: sqlite:///var/entrepot.db      # or postgresql://user:password@host/database
policy: policy.yaml                    # which data may go where

# Who can be asked: your own name for each, with the host that it is. `entrepot providers` shows the
# hosts and what is known of each. Keys stay in the environment; only their names stand here.
"""
NO_PROVIDERS = """\
# Nothing was found. Install the extra `local`, start a model server, or set a host's key, and run
# `entrepot init --force` again; or write it yourself:
# providers:
#   mine: {catalog: HOST, api_key: "${HOST_API_KEY}"}
"""
NO_MODELS = """\
# models:
#   assistant: [mine/MODEL]
"""
MODELS = """
# What clients ask for -> who may answer, in this order: the next one is tried when one fails before
# its first word. Local servers stand first, then hosts, their cheapest model each, the cheapest
# host first. Clients may also ask for `provider/model`.
"""
PLANS = """
# Subscriptions. A plan's key is a contract of its own, sold for certain programs: nothing here is
# used until its signs of a comment are gone. Where its terms are not known to allow a gateway,
# `terms` has to say why yours do.
"""
SHARED = """
# One variable, several hosts that people keep their key in it for: uncomment the one that yours is
# of. No key is sent to a host that it may not belong to.
"""
TAIL = """
# Without keys the gateway serves this machine alone. `entrepot keys create NAME` makes one and
# prints the lines that belong here; the key itself never stands in this file.
# keys:

# budgets:
#   - {name: all of us, usd: 50, per: month}
"""
POLICY = """\
# Which data may go where. Every request is judged by these rules before each attempt, fallbacks and
# retries included; no request can relax one. A fact that nobody knows never meets a `require` and
# never escapes a `forbid`. `entrepot explain MODEL --label personal` shows what a rule does.
#
# Facts: maker, weights, licence, operator (who runs the machines, and its parents), processed_in,
# trains_on_data (never, opt_out, by_default), retention_days, zdr, provider, model, request_usd.
# Countries are ISO codes, `home` is your own machine; EU, EEA, EFTA, five_eyes, BRICS are groups.

# From the least to the most sensitive. A key has a label; a client may raise it with
# `x-entrepot-label`, and never lower it.
labels: [public, internal, personal, secret]

rules:
  - name: personal data stays in Europe or at home
    when: {label_at_least: personal}
    require:
      processed_in: [EEA, CH, home]
      operator: [EEA, CH, home]
      trains_on_data: never

  - name: secrets stay at home
    when: {label: secret}
    require: {operator: home, processed_in: home}

  - name: nothing internal trains a model
    when: {label_at_least: internal}
    require: {trains_on_data: never}

# What must hold for every model, key, team, label and tag; `entrepot check` proves it.
expect:
  - {given: {label: [personal, secret]}, never: {operator: [US, CN]}}
  - {given: {label: [internal, personal, secret]}, never: {trains_on_data: [opt_out, by_default]}}
"""


def config(found: Found) -> str:
    """Return the text of the config."""
    providers = [*_locals(found), *_hosts(found), *_launched(found)]
    text = HEAD.format(port=found.port)
    text += "\n".join(["providers:", *providers, ""]) if providers else NO_PROVIDERS
    shared = [line for some in found.keyed.shared.values() for line in _out_of_use(some)]
    text += "\n".join([SHARED + shared[0], *shared[1:], ""]) if shared else ""
    plans = [line for plan in found.keyed.plans for line in _plan(plan)]
    text += "\n".join([PLANS + plans[0], *plans[1:], ""]) if plans else ""
    text += MODELS
    routes = [f"      - {_quoted(route)}" for route in found.routes]
    text += (
        "\n".join(["models:", "  assistant:", "    routes:", *routes, ""]) if routes else NO_MODELS
    )
    return text + TAIL


def as_data(found: Found) -> dict[str, Any]:
    """Return what was found, for JSON."""
    return {**asdict(found), "routes": found.routes}


def summary(found: Found, out: Path, written: list[Path]) -> Iterator[str]:
    """Say what was found, what was written, and what to do next."""
    for local in found.locals:
        yield f"found a server at {local.base_url}: {local.name}, {len(local.models)} models"
    yield from _told(found.keyed)
    if found.launchable:
        yield f"found {found.launchable.model}, which the gateway can run itself"
    if not found.routes:
        yield "found no model server on its usual port, no key of a known host, no local model"
    yield f"wrote {' and '.join(map(str, written))}"
    option = "" if out == Path("config.yaml") else f" --config {out}"
    yield ""
    yield "next:"
    yield f"  entrepot check{option}"
    yield f"  entrepot serve{option}     then http://127.0.0.1:{found.port}/dashboard"


def _locals(found: Found) -> Iterator[str]:
    for local in found.locals:
        yield f"  {local.name}:"
        yield from ([f"    catalog: {local.host}"] if local.name != local.host else [])
        yield f"    base_url: {local.base_url}"
        yield from _comment("its port is usual for these, too; catalog: says which", local.may_be)
        yield from _comment("its models", local.models)
        yield from _comment("these run elsewhere, not here", local.remote)


def _told(keyed: Keyed) -> Iterator[str]:
    for host in keyed.hosts:
        at = f" ({host.endpoint}; there are also {', '.join(host.others)})" if host.others else ""
        yield f"found {host.variable} in the environment: {host.name}{at}"
        if host.needs:
            yield f"  its address needs {', '.join(host.needs)}, too"
    for variable, hosts in keyed.shared.items():
        names = " or ".join(host.name for host in hosts)
        yield f"found {variable} in the environment: {names}; uncomment the one that it is of"
    for plan in keyed.plans:
        yield f"found {plan.variable} in the environment: {plan.name}, a plan; {_terms(plan)}"
    for variable, name, status in keyed.gone:
        yield f"found {variable} in the environment: {name} is {status}, so it was left out"


def _terms(plan: KeyedPlan) -> str:
    if plan.allowed:
        return "its terms allow a gateway"
    said = "do not allow" if plan.allowed is False else "are not known to allow"
    return f"its terms {said} a gateway"


def _hosts(found: Found) -> Iterator[str]:
    for host in found.keyed.hosts:
        yield from _host(host)


def _host(host: KeyedHost) -> Iterator[str]:
    yield f"  {host.name}:"
    yield f'    api_key: "${{{host.variable}}}"'
    if host.base_url:
        yield f'    base_url: "{host.base_url}"'
    if not host.usual:
        yield f"    endpoint: {host.endpoint}"
    if host.others:
        at = f"{host.endpoint}, {host.address}" if host.address else host.endpoint
        others = f"others, each with a law and a place of its own: {', '.join(host.others)}"
        yield from _folded("    # ", f"endpoint {at}; {others}")
    yield from _comment("its known models, cheapest first", host.models)


def _out_of_use(hosts: list[KeyedHost]) -> Iterator[str]:
    for host in hosts:
        for line in _host(host):
            yield "#" + line


def _plan(plan: KeyedPlan) -> Iterator[str]:
    payg = f"; by the token the same vendor is {plan.payg}" if plan.payg else ""
    yield f"#  {plan.name}:  # {plan.title}{payg}"
    yield f'#    api_key: "${{{plan.variable}}}"'
    if not plan.usual:
        yield f"#    endpoint: {plan.endpoint}"
    if not plan.allowed:
        yield "#    terms: why your contract allows it"
    yield from _folded("#    # ", f"{_terms(plan)}: {plan.told}")
    if plan.clients:
        yield from _folded("#    # ", f"it is sold for: {', '.join(plan.clients)}")


def _folded(marks: str, text: str) -> Iterator[str]:
    """Give a long comment as lines that begin with ``marks``; an address stays whole."""
    width = COMMENT_WIDTH - len(marks)
    for line in textwrap.wrap(text, width, break_long_words=False, break_on_hyphens=False):
        yield marks + line


def _launched(found: Found) -> Iterator[str]:
    if found.launchable is not None:
        yield "  home:                        # the gateway starts it with the first request"
        yield f"    catalog: {found.launchable.host}"
        yield f"    launch: {{model: {found.launchable.model}, context: 4096, slots: 2}}"


def _comment(title: str, models: list[str]) -> Iterator[str]:
    if models:
        rest = len(models) - MODELS_SHOWN
        more = f" and {rest} more" if rest > 0 else ""
        yield f"    # {title}: {', '.join(models[:MODELS_SHOWN])}{more}"


def _quoted(text: str) -> str:
    """Return text as YAML, in quotes: what a server calls its models may be anything."""
    return json.dumps(text, ensure_ascii=False)
