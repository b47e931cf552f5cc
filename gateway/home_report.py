"""What each server at home really cost over a span, and what the same tokens cost elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from fractions import Fraction
from typing import Any

from billing import home_cost, plan_use, plans
from billing.home_cost import Costs, Machine
from billing.money import usd_text
from billing.plan_use import Hour
from billing.plans import Elsewhere
from billing.price_list import PriceList
from billing.store import Store
from gateway.route_prices import prices_at
from gateway.setup import Setup
from gateway.told import share

Span = tuple[datetime, datetime]
# Of all who have the same weights so many are shown, the cheapest.
BESIDE_MOST = 8


@dataclass(frozen=True, slots=True)
class Beside:
    """What the tokens of a span cost at another route or host, and from which use on home pays.

    ``break_even`` is the busy part of all time at which home's full cost is the same; None: never.
    """

    name: str
    cost: Elsewhere
    break_even: Fraction | None


@dataclass(slots=True)
class Report:
    """One server at home. Times are in milliseconds; ``booked`` is what the ledger has, 1e-12 USD.

    ``busy_ms`` None: its answers are too many to be laid on one another, and ``answering_ms``, the
    sum of their times, is the most that it can have been busy. ``beside`` are those who have the
    same weights, the cheapest first.
    """

    provider: str
    machine: Machine
    wall_ms: int
    busy_ms: int | None
    costs: Costs
    answering_ms: int = 0
    answers: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    booked: int = 0
    energy_j: int = 0
    beside: list[Beside] = field(default_factory=list)

    @property
    def utilisation(self) -> str | None:
        """How much of the time it was busy, from "0.0000" to "1.0000"."""
        return share(self.at_most_busy_ms, self.wall_ms)

    @property
    def at_most_busy_ms(self) -> int:
        """How long it was busy, or at most can have been."""
        return min(self.wall_ms, self.answering_ms if self.busy_ms is None else self.busy_ms)


def reports(
    setup: Setup, store: Store | None, span: Span, *, only: str = "", beside: str = ""
) -> list[Report]:
    """Return a report of every provider whose machine's cost is stated (or of the one named).

    ``beside`` is a route to price the same tokens at; without ``only`` hosts of the catalogue with
    the same weights are looked for too. Raises ``StoreError``, and ``KeyError`` for no route.
    """
    names = [
        name
        for name, owner in setup.providers.items()
        if owner.machine is not None and (not only or name == only)
    ]
    hours: dict[str, list[Hour]] = {name: [] for name in names}
    if store is not None and names:
        for hour in plan_use.by_hour(store, names, *span):
            hours[hour.provider].append(hour)
    found = [_report(setup, store, name, hours[name], span) for name in names]
    for one in found if not only else ():
        _look_around(setup, one, hours[one.provider], beside)
    return found


def _report(setup: Setup, store: Store | None, name: str, hours: list[Hour], span: Span) -> Report:
    machine = setup.providers[name].machine or Machine()
    wall_ms = int((span[1] - span[0]).total_seconds() * 1000)
    at_work = plan_use.spans(store, name, *span) if store is not None else []
    busy = None if at_work is None else home_cost.busy_ms(at_work)
    answering = sum(hour.total_ms for hour in hours)
    spent = min(wall_ms, answering if busy is None else busy)
    return Report(
        provider=name,
        machine=machine,
        wall_ms=wall_ms,
        busy_ms=busy,
        costs=home_cost.span(machine, spent, wall_ms),
        answering_ms=answering,
        answers=sum(hour.answers for hour in hours),
        tokens_in=sum(hour.usage.prompt_tokens for hour in hours),
        tokens_out=sum(hour.usage.completion_tokens for hour in hours),
        booked=sum(hour.cost for hour in hours),
        energy_j=sum(hour.energy_j for hour in hours),
    )


def _look_around(setup: Setup, found: Report, hours: list[Hour], beside: str) -> None:
    owner = setup.providers[found.provider]
    families = {owner.host.model(hour.model).family for hour in hours} - {""}
    others = [
        _beside(found, hours, name, prices)
        for family in sorted(families)
        for name, prices in _with_weights(setup, family)
    ]
    priced = [one for one in others if not one.cost.unpriced and one.cost.tokens]
    priced.sort(key=lambda one: (one.cost.pico, one.name))
    found.beside = priced[:BESIDE_MOST]
    if beside:
        there = setup.route(beside)
        found.beside.insert(0, _beside(found, hours, there.name, there.prices))


def _with_weights(setup: Setup, family: str) -> Iterator[tuple[str, PriceList | None]]:
    """Give who is known to have the weights of a family, by the token, and its prices."""
    for name, host in setup.catalog.hosts.items():
        if host.plan is not None or host.kind == "home":
            continue
        at = host.endpoints[host.default_endpoint]
        for model in host.models.values():
            if model.family == family and model.one_model and "*" not in model.id:
                yield f"{name}/{model.id}", prices_at(host, at, model)


def _beside(found: Report, hours: list[Hour], name: str, prices: PriceList | None) -> Beside:
    cost = Elsewhere()
    for hour in hours:
        plans.reprice(cost, hour, prices)
    whole = not cost.unpriced and found.at_most_busy_ms > 0
    even = home_cost.break_even(found.machine, found.at_most_busy_ms, cost.pico) if whole else None
    return Beside(name, cost, even)


def told(found: Report) -> dict[str, Any]:
    """Return a report as plain data for JSON; money exact, as text."""
    machine, costs = found.machine, found.costs
    tokens = found.tokens_in + found.tokens_out
    joules = costs.joules
    return {
        "provider": found.provider,
        "watts": _text(machine.watts),
        "idle_watts": _text(machine.idle_watts),
        "usd_per_kwh": _text(machine.usd_per_kwh),
        "hardware_usd": _text(machine.hardware_usd),
        "life_years": _text(machine.life_years),
        "usd_per_busy_hour": _text(machine.usd_per_busy_hour),
        "answers": found.answers,
        "tokens_in": found.tokens_in,
        "tokens_out": found.tokens_out,
        "busy_s": found.at_most_busy_ms // 1000,
        "busy_is_exact": found.busy_ms is not None,
        "wall_s": found.wall_ms // 1000,
        "utilisation": found.utilisation,
        "energy_kwh": None if joules is None else kwh(joules),
        "energy_of_answers_kwh": kwh(found.energy_j) if found.energy_j else None,
        "marginal_usd": usd_text(costs.marginal),
        "idle_usd": usd_text(costs.idle),
        "hardware_share_usd": usd_text(costs.hardware),
        "full_usd": usd_text(costs.full),
        "booked_usd": usd_text(found.booked),
        "marginal_usd_per_million": _usd(home_cost.per_million(costs.marginal, tokens)),
        "full_usd_per_million": _usd(home_cost.per_million(costs.full, tokens)),
        "full_usd_per_million_out": _usd(home_cost.per_million(costs.full, found.tokens_out)),
        "beside": [
            {
                "name": one.name,
                "usd": usd_text(one.cost.pico),
                "unpriced_tokens": one.cost.unpriced,
                "usd_per_million": _usd(home_cost.per_million(one.cost.pico, one.cost.tokens)),
                "break_even_utilisation": parts(one.break_even),
            }
            for one in found.beside
        ],
    }


def parts(of_one: Fraction | None) -> str | None:
    """Return a share with four places; None stays None."""
    return None if of_one is None else share(of_one.numerator, of_one.denominator)


def kwh(joules: int) -> str:
    """Return joules as kWh, rounded to a thousandth."""
    thousandths = round(Fraction(joules, 3600))
    return f"{thousandths // 1000}.{thousandths % 1000:03d}"


def _text(figure: Any) -> str | None:
    return None if figure is None else f"{figure.normalize():f}"


def _usd(pico: int | None) -> str | None:
    return None if pico is None else usd_text(pico)
