"""Config, catalogue and policy compiled into one value that a request needs no search in.

A reload makes another and swaps it; requests that are under way keep the one they began with.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from billing.budgets import BudgetRule
from billing.limits import RateRule
from gateway import detecting
from gateway.anywhere import PREFIX, NarrowingError, expanded, routes_to
from gateway.auth import Principal
from gateway.bound_hosts import bound_host
from gateway.config import Config, matching
from gateway.config_budgets import BudgetForm, all_of, webhooks
from gateway.config_exchange import exchange
from gateway.config_file import Loaded
from gateway.config_keys import KeyForm
from gateway.config_models import ModelForm
from gateway.plan_prices import by_token
from gateway.problems import Problem
from gateway.routes import Provider, provider, route
from gateway.yaml_lines import Lines
from providers.catalog import Catalog
from providers.home_server import NOTHING_LEARNT, Learnt
from providers.launch import Launch
from routing.detectors.finding import Detectors
from routing.facts import RequestFacts
from routing.plan import Plan
from routing.policy import Policy
from routing.route import Route
from routing.wish import LISTED, Wish

CANDIDATES_MAX = 4096
STANDINGS_MAX = 1024
NO_TEAM = "none"


@dataclass(frozen=True, slots=True)
class Candidates:
    """Who may be asked for one model name, before policy; ``wish`` is the model's own.

    ``entry`` is the name of the config's entry that answers, "" where a route was asked for, and
    ``form`` that entry.
    """

    routes: tuple[Route, ...]
    wish: Wish = LISTED
    entry: str = ""
    form: ModelForm | None = None


@dataclass(slots=True)
class Standing:
    """What a request's key, its headers and its model say, whatever its body is.

    ``plan`` is the plan of its routes where neither its body nor the moment bears on their order,
    but for a prompt of over ``window`` tokens (0: none is too long) and for routes in trouble; None
    where they do, and until a first one was made. ``lasts``: there can be such a plan. ``limited``:
    a rule limits what it may cost, so that the plan is for sizes up to those in ``proven`` alone:
    the most tokens in and out that were found to be within all limits, apart for requests whose
    client sets no limit (True). ``quiet`` are the wires on which each route of the plan takes any
    client's body as it is, but for what it needs of a host. ``decision`` is the plan in the
    ledger's form, "" until it was wanted. ``calm`` is until when no server at home in it has to be
    asked anything (monotonic seconds), as of the news with that number.
    """

    facts: RequestFacts
    prefer: Wish | None
    candidates: Candidates
    chooses: bool
    plan: Plan | None
    window: int
    quiet: frozenset[str]
    lasts: bool = False
    limited: bool = False
    proven: dict[bool, tuple[int, int]] = field(default_factory=dict)
    decision: str = ""
    calm: tuple[int, float] = (0, 0.0)


# The key's name, the model, and the headers x-entrepot-label, -tags, -prefer and user-agent.
StandingKey = tuple[str, str, bytes | None, bytes | None, bytes | None, bytes | None]


@dataclass(frozen=True, slots=True)
class Setup:
    """Everything that the config, the policy and the catalogue say, ready for use.

    ``total_s`` bounds all attempts of a call. ``local`` is who calls a gateway without keys.
    ``servers_tell``: some server at home can be asked what it has loaded, ``queues``: at some the
    calls may not wait for long. ``files`` are those to watch for changes, ``warnings`` what
    ``check`` and the dashboard show. ``webhooks`` leads from a budget's name to where its alerts
    go. ``file`` is the config's own path, as it was given, and ``lines`` where its values stand.
    """

    file: str
    lines: Lines = field(repr=False)
    config: Config
    catalog: Catalog
    policy: Policy
    hash: str
    files: frozenset[Path]
    warnings: tuple[Problem, ...]
    total_s: float
    connect_s: float
    ping_s: float
    retries: int
    body_max_bytes: int
    admin_key: str | None
    principals: Mapping[str, Principal]
    local: Principal | None
    rates: tuple[RateRule, ...]
    budgets: tuple[BudgetRule, ...]
    webhooks: Mapping[str, str] = field(repr=False)
    providers: Mapping[str, Provider]
    launches: Mapping[str, Launch]
    model_names: tuple[str, ...]
    detectors: Detectors | None
    servers_tell: bool
    queues: bool
    price_all: bool = False
    _candidates: dict[str, Candidates | None] = field(default_factory=dict, repr=False)
    _routes: dict[str, Route] = field(default_factory=dict, repr=False)
    _learnt: dict[str, Learnt] = field(default_factory=dict, repr=False)
    _standings: dict[StandingKey, Standing] = field(default_factory=dict, repr=False)

    def stands(self, *place: str | int) -> str:
        """Return where a value of the config stands: ``config.yaml:42``."""
        return f"{Path(self.file).name}:{self.lines.find(place)}"

    def candidates(self, asked: str) -> Candidates | None:
        """Return who may be asked for ``asked``: a model, an alias, a route, or ``any/MODEL``."""
        if asked not in self._candidates:
            if len(self._candidates) >= CANDIDATES_MAX:
                self._candidates.clear()
            self._candidates[asked] = self._find(asked)
        return self._candidates[asked]

    def _find(self, asked: str) -> Candidates | None:
        entry = self.config.entry(asked)
        if entry is not None:
            name, form = entry
            names = expanded(form.routes, self.providers, form.pin)
            return Candidates(tuple(map(self.route, names)), wish_of(form), name, form)
        if asked.startswith(PREFIX):
            try:
                routes = tuple(map(self.route, routes_to(asked, self.providers)))
            except NarrowingError:
                return None
            return Candidates(routes, Wish("cheapest")) if routes else None
        owner, _, model = asked.partition("/")
        # At some hosts the model stands in the address, where dots alone are steps out of it.
        if owner in self.providers and model not in ("", ".", ".."):
            return Candidates((self.route(asked),))
        return None

    def route(self, name: str) -> Route:
        """Return the route ``provider/model``, the same object each time. Raises ``KeyError``."""
        if name not in self._routes:
            if len(self._routes) >= CANDIDATES_MAX:
                self._routes.clear()
            owner, _, model = name.partition("/")
            learnt = self._learnt.get(name, NOTHING_LEARNT)
            self._routes[name] = route(
                self.providers[owner], model, price_all=self.price_all, learnt=learnt
            )
        return self._routes[name]

    def learn(self, name: str, learnt: Learnt) -> None:
        """Take what a server at home said of ``name``: the route is made anew where it is news."""
        learnt = learnt.news
        if learnt == self._learnt.get(name, NOTHING_LEARNT):
            return
        if len(self._learnt) >= CANDIDATES_MAX:
            self._learnt.clear()
        self._learnt[name] = learnt
        self._routes.pop(name, None)
        self._candidates.clear()
        for standing in self._standings.values():
            # Requests that are under way hold them still.
            standing.plan, standing.lasts = None, False
        self._standings.clear()

    def standing(self, key: StandingKey) -> Standing | None:
        """Return what was kept under ``key``; None where nothing was, or a server told news."""
        return self._standings.get(key)

    def stand(self, key: StandingKey, standing: Standing) -> None:
        """Keep ``standing`` for the next request that is alike."""
        if len(self._standings) >= STANDINGS_MAX:
            self._standings.clear()
        self._standings[key] = standing

    def may_ask(self, principal: Principal, model: str) -> bool:
        """Whether the principal's key allows this model name."""
        names = principal.models
        return names is None or matching(names, model) is not None


def compile_setup(loaded: Loaded, *, price_all: bool = False) -> Setup:
    """Return the setup of a config that was read.

    Prices of routes that cannot be called (no key) are looked up only with ``price_all``: the list
    of prices takes time to load, and a gateway at home needs none of it.
    """
    config, catalog = loaded.config, loaded.catalog
    server, rates = config.server, exchange(config.exchange)
    hosts = {
        name: bound_host(form, config.host_of(name), catalog)
        for name, form in config.providers.items()
    }
    providers = {
        name: provider(
            name,
            form,
            hosts[name],
            loaded.missing.get(name, ()),
            server.timeouts,
            config.journal.parent,
            stays_home=config.egress == "home_only",
            by_token=by_token(form, hosts[name], catalog),
            exchange=rates,
        )
        for name, form in config.providers.items()
    }
    return Setup(
        file=loaded.file,
        lines=loaded.lines,
        config=config,
        catalog=catalog,
        policy=loaded.policy,
        hash=loaded.hash,
        files=frozenset(loaded.files),
        warnings=loaded.warnings,
        total_s=server.timeouts.total_s,
        connect_s=server.timeouts.connect_s,
        ping_s=server.timeouts.ping_s,
        retries=server.retries,
        body_max_bytes=server.body_max_mb * 1024 * 1024,
        admin_key=server.admin_key.get_secret_value() if server.admin_key else None,
        principals={form.hash: _principal(form, loaded.policy) for form in config.keys},
        local=None if config.keys else _local(loaded.policy),
        rates=tuple(RateRule(form.name, form.rpm, form.tpm) for form in config.keys),
        budgets=tuple(form.rule() for form in _budgets(config)),
        webhooks=webhooks(config.webhook, _budgets(config)),
        providers=providers,
        launches={
            name: found.launch for name, found in providers.items() if found.launch is not None
        },
        model_names=tuple(name for name in config.models if "*" not in name),
        detectors=detecting.detectors(config, loaded.policy),
        servers_tell=any(
            found.endpoint.server is not None and found.endpoint.server.probes
            for found in providers.values()
        ),
        queues=any(form.max_wait_s is not None for form in config.providers.values()),
        price_all=price_all,
    )


def wish_of(form: ModelForm) -> Wish:
    """Return the order that a model's entry asks for."""
    if isinstance(form.prefer, str):
        return Wish(form.prefer, form.weights)
    shares = form.prefer.model_dump(exclude_none=True)
    return Wish("blend", blend=MappingProxyType(shares))


def _principal(form: KeyForm, policy: Policy) -> Principal:
    return Principal(
        name=form.name,
        team=form.team or NO_TEAM,
        label=form.label or policy.labels[0],
        models=frozenset(form.models) if form.models is not None else None,
        trust_user=form.trust_user,
    )


def _local(policy: Policy) -> Principal:
    return Principal("local", NO_TEAM, policy.labels[0])


def _budgets(config: Config) -> tuple[BudgetForm, ...]:
    return all_of(((key.name, key.budget) for key in config.keys), config.budgets)
