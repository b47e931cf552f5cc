"""Every configured provider: how it is at this moment, and how it served in a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import tzinfo

from billing.ledger import ANSWERING
from billing.money import half_even
from billing.sums import Names, SpendRow
from billing.waits import PERCENTS, Waits
from gateway import freshness, told
from gateway.condition import Condition, Room, RouteNow, conditions
from gateway.dashboard.fact_lines import FactCell, FactLine, ModelFacts, cell, of_model, of_provider
from gateway.dashboard.figures import percent
from gateway.dashboard.lasting import lasting, took
from gateway.dashboard.troubles import is_out, trouble
from gateway.dashboard.windows import WindowLine, window_line
from gateway.dashboard.words import Words
from gateway.house import House
from gateway.routes import Provider
from gateway.setup import Setup

SHOWN = (50, 90, 99)
# Models of one provider that are shown: clients may name any.
MODELS_MOST = 60
# A quota group that nobody named has a name of our own making, which says nothing to anybody.
_UNNAMED = "quota:"


@dataclass(frozen=True, slots=True)
class Served:
    """What one provider or model did in a time: its sums, and how long that took.

    ``first`` and ``total`` are the times at ``SHOWN``, ``speed`` tokens out per second.
    """

    row: SpendRow
    failed: str
    first: tuple[str, ...]
    total: tuple[str, ...]
    speed: str


@dataclass(frozen=True, slots=True)
class RouteLine:
    """One model at a provider: how it is now (``state`` as in ``ProviderLine``), what it did.

    ``breaker`` is what its breaker does, ``lately`` how much of the last half minute failed, and
    ``reason`` why it must not be asked, as the gateway decides by it.
    """

    model: str
    state: str
    words: str
    breaker: str
    lately: str
    reason: str
    served: Served


@dataclass(frozen=True, slots=True)
class ProviderLine:
    """One configured provider now. ``state`` is good, bad or odd; ``words`` say how it is.

    ``troubles`` are lines on what is not well there, ``limits`` on what its keys may still ask.
    ``more_routes`` and ``more_models`` count those that are left out.
    """

    name: str
    host: str
    endpoint: str
    run_by: str
    operator: FactCell
    place: FactCell
    training: FactCell
    address: str
    state: str
    words: str
    troubles: list[str]
    served: Served
    routes: list[RouteLine]
    more_routes: int
    limits: list[str]
    queue: str
    windows: list[WindowLine]
    facts: list[FactLine]
    models: list[ModelFacts]
    more_models: int


@dataclass(frozen=True, slots=True)
class Busy:
    """What the ledger says of a time, by ``(provider,)`` and by ``(provider, model)``.

    ``sums`` are of everything and of clients' answers alone, the dearest first; ``waits`` None:
    they cannot be known. ``is_exact``: waits are no middles of buckets.
    """

    sums: Mapping[Names, tuple[SpendRow, SpendRow]] = field(default_factory=dict)
    waits: Mapping[Names, Waits] | None = None
    is_exact: bool = True

    def of(self, *names: str) -> Served:
        """Return what a provider, or one model there, did."""
        whole, answering = self.sums.get(names, (SpendRow(), SpendRow()))
        found = self.waits.get(names) if self.waits is not None else None
        return Served(
            whole,
            percent(whole.failed, whole.attempts),
            _shown(found.first if found is not None else None),
            _shown(found.total if found is not None else None),
            _speed(answering),
        )

    def models(self, provider: str) -> list[str]:
        """Return the models that a provider was asked for, the dearest first."""
        return [names[1] for names in self.sums if len(names) == 2 and names[0] == provider]


def added_up(rows: Iterable[SpendRow]) -> dict[Names, tuple[SpendRow, SpendRow]]:
    """Return rows by provider, model and purpose as ``Busy`` has them."""
    found: dict[Names, tuple[SpendRow, SpendRow]] = {}
    for row in rows:
        provider, model, purpose = row.names
        for names in ((provider,), (provider, model)):
            whole, answering = found.setdefault(names, (SpendRow(), SpendRow()))
            whole.add(row)
            if purpose in ANSWERING:
                answering.add(row)
    return found


def lines(house: House, busy: Busy, zone: tzinfo, t: Words) -> list[ProviderLine]:
    """Return every configured provider with how it is at this moment, and what it did."""
    now = conditions(house)
    return [
        _line(owner, house, now[name], busy, zone, t)
        for name, owner in house.setup.providers.items()
    ]


def _line(
    owner: Provider, house: House, now: Condition, busy: Busy, zone: tzinfo, t: Words
) -> ProviderLine:
    facts, host, setup = told.place(owner), owner.host, house.setup
    state, words = _state(owner, house, t)
    found = trouble(now, t)
    if found is not None and state == "good":
        state, words = found.state, found.words
    stale = setup.config.facts_stale_days
    known = told.configured_models(setup, owner.name)
    heard = {one.name.partition("/")[2]: one for one in now.routes}
    names = list(dict.fromkeys([*known, *busy.models(owner.name), *heard]))
    return ProviderLine(
        name=owner.name,
        host=host.name,
        endpoint=owner.at.id,
        run_by=_run_by(owner, t),
        operator=cell(facts, "operator", stale, t),
        place=cell(facts, "processed_in", stale, t),
        training=cell(facts, "trains_on_data", stale, t),
        address=owner.endpoint.base_url,
        state=state,
        words=words,
        troubles=found.lines if found is not None else [],
        served=busy.of(owner.name),
        routes=[
            _route(
                name,
                heard.get(name),
                _why_not(setup, owner.name, name),
                busy.of(owner.name, name),
                t,
            )
            for name in names[:MODELS_MOST]
        ],
        more_routes=max(0, len(names) - MODELS_MOST),
        limits=list(_limits(owner, now, t)),
        queue=_queue(now, t),
        windows=[window_line(one, zone, t) for one in now.windows],
        facts=of_provider(owner, setup, t),
        models=[
            of_model(setup, setup.route(f"{owner.name}/{model}"), t)
            for model in known[:MODELS_MOST]
        ],
        more_models=max(0, len(known) - MODELS_MOST),
    )


def _run_by(owner: Provider, t: Words) -> str:
    host = owner.host
    if not host.parent_name:
        return host.operator_name
    return t("provider.part_of", operator=host.operator_name, parent=host.parent_name)


def _state(owner: Provider, house: House, t: Words) -> tuple[str, str]:
    if owner.available:
        return "odd", owner.available
    if owner.host.status in freshness.GONE:
        return "bad", t(f"provider.{owner.host.status}")
    server = house.launched.get(owner.name)
    if server is None:
        return "good", t("provider.available")
    colours = {"ready": "good", "failed": "bad"}
    phase, reason = server.state.phase, server.state.reason
    words = t(f"phase.{phase}")
    if reason and phase != "ready":
        words = f"{words}: {reason}"
    return colours.get(phase, "odd"), words


def _route(model: str, now: RouteNow | None, why_not: str, served: Served, t: Words) -> RouteLine:
    if why_not:
        return RouteLine(model, "odd", t("route_now.unavailable"), "–", "", why_not, served)
    if now is None:
        return RouteLine(model, "good", t("route_now.not_configured"), "–", "", "", served)
    health, blocked = now.health, now.blocked
    state, words = "good", t("route_now.may_be_asked")
    if blocked is not None:
        left = lasting(blocked.frees_in_s, t)
        state, words = "bad" if is_out(now) else "odd", t(f"route_now.{blocked.why}", left=left)
    elif health.state != "closed":
        state, words = "odd", t("route_now.tried_again")
    failed = round(health.failure_rate * health.attempts)
    lately = t("route_now.lately", n=health.attempts, share=percent(failed, health.attempts))
    return RouteLine(
        model,
        state,
        words,
        t(f"breaker.{health.state}"),
        lately if health.attempts else "",
        blocked.reason if blocked is not None else "",
        served,
    )


def _why_not(setup: Setup, provider: str, model: str) -> str:
    """Return why a route cannot be called at all, "" where it can."""
    return setup.route(f"{provider}/{model}").available


def _limits(owner: Provider, now: Condition, t: Words) -> Iterator[str]:
    """Give what is known of how much its keys may still ask: what the host said, and no guess."""
    for group, left in sorted(now.cooling.items()):
        named = "" if group.startswith(_UNNAMED) else group
        key = "headroom.cools_named" if named else "headroom.cools"
        yield t(key, group=named, left=lasting(left, t))
    if owner.host.kind == "home":
        return
    if not now.cooling:
        yield t("headroom.none_cools")
    keys = len(owner.endpoints)
    if keys > 1:
        yield t("headroom.keys", n=keys)
    yield t(f"headroom.per_{owner.host.limits_per or 'unknown'}")
    for room in now.rooms:
        yield _room(room, t)
    if not now.rooms:
        yield t("headroom.remaining_unknown")


def _room(room: Room, t: Words) -> str:
    """Return what a host said is left of one quota group's limits."""
    told = []
    for one in room.limits:
        kind = t(f"headroom.kind_{one.kind.replace('-', '_') or 'unsaid'}")
        key = "headroom.left" if one.most is None else "headroom.left_of"
        words = t(key, left=one.left, most=one.most or 0, kind=kind)
        if one.resets_s:
            words += t("headroom.resets", span=lasting(one.resets_s, t))
        told.append(words)
    group = "" if room.group.startswith(_UNNAMED) else f"{room.group}: "
    return f"{group}{'; '.join(told)} {t('headroom.said', ago=lasting(room.ago_s, t))}"


def _queue(now: Condition, t: Words) -> str:
    queue = now.queue
    if queue is None:
        return ""
    wait = lasting(queue.waits_s, t)
    return t("provider.queue", running=queue.running, waiting=queue.waiting, wait=wait)


def _shown(times: tuple[int | None, ...] | None) -> tuple[str, ...]:
    if times is None:
        return ("–",) * len(SHOWN)
    return tuple(took(times[PERCENTS.index(percentile)]) for percentile in SHOWN)


def _speed(row: SpendRow) -> str:
    """Return tokens out per second of the time that attempts took, with one decimal."""
    if not row.total_ms or not row.tokens_out:
        return "–"
    tenths = half_even(10_000 * row.tokens_out, row.total_ms)
    return f"{tenths // 10:,}.{tenths % 10}"
