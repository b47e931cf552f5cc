"""From a plan's checked form to its frozen facts."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from fractions import Fraction
from math import lcm
from types import MappingProxyType
from typing import Any

from providers import prices
from providers.catalog_evidence import Sources, told, value
from providers.catalog_plan_form import PlanForm, TierForm, ToldForm, WeightForm, WeightsForm
from providers.catalog_values import Fact
from providers.plan import Fee, Hours, Path, Plan, Quota, Tier, Weight, Weights, Window, WindowTold
from providers.prices import WEEKDAYS


def frozen_plan(form: PlanForm, sources: Sources) -> Plan:
    """Return the plan that a checked form describes."""
    facts: dict[str, Fact[Any] | None] = {
        "gateway": form.terms.gateway,
        "clients": form.terms.clients,
        "who": form.terms.who,
        "quota_path": form.quota_path,
        "models": form.models,
        "credits": form.credits,
        "concurrency": form.concurrency,
    }
    evidence = {name: told(fact, sources) for name, fact in facts.items() if fact is not None}
    for name, tier in form.tiers.items():
        evidence[f"{name} fees"] = told(tier.fees, sources)
        evidence[f"{name} windows"] = told(tier.windows, sources)
    clients, weights = value(form.terms.clients), value(form.weights)
    return Plan(
        name=form.name,
        tiers=MappingProxyType({name: _tier(tier) for name, tier in form.tiers.items()}),
        gateway=value(form.terms.gateway),
        clients=None if clients is None else frozenset(clients),
        payg=form.payg or "",
        quota=_quota(form),
        weights=None if weights is None else _weights(weights),
        concurrency=value(form.concurrency),
        evidence=MappingProxyType(evidence),
    )


def _tier(form: TierForm) -> Tier:
    fees, windows = value(form.fees), value(form.windows)
    return Tier(
        fees=None
        if fees is None
        else tuple(Fee(fee.amount, fee.currency, fee.per, fee.note) for fee in fees),
        windows=None
        if windows is None
        else tuple(
            Window(one.per, one.unit, one.amount, one.starts or "", one.note) for one in windows
        ),
    )


def _weight(said: WeightForm, per: Decimal) -> Weight:
    """Return the weights of a model as whole numbers of one unit, which no call rounds."""
    fresh, cached, written = (
        Fraction(one) / Fraction(per) for one in (said.input, said.cache_read, said.output)
    )
    of = lcm(fresh.denominator, cached.denominator, written.denominator)
    return Weight(int(fresh * of), int(cached * of), int(written * of), of)


def _weights(form: WeightsForm) -> Weights:
    listed = form.list_price
    return Weights(
        models=MappingProxyType(
            {name.lower(): _weight(said, form.per) for name, said in form.models.items()}
        ),
        zone=form.zone,
        usual=Fraction(form.usual),
        hours=tuple(
            Hours(
                Fraction(one.factor),
                None if one.weekdays is None else frozenset(map(WEEKDAYS.index, one.weekdays)),
                tuple(map(prices.hours, one.hours)),
            )
            for one in form.hours
        ),
        list_price=None if listed is None else (listed.currency, Fraction(listed.credits)),
    )


def _quota(form: PlanForm) -> Quota | None:
    path, says = value(form.quota_path), value(form.quota_says)
    headers = value(form.quota_headers)
    if not headers and not (path and says):
        return None
    readable = path if path and says else ""
    return Quota(readable or "", _told(says or ()), _told(headers or (), is_header=True))


def _told(forms: Iterable[ToldForm], *, is_header: bool = False) -> tuple[WindowTold, ...]:
    def at(place: str | None) -> Path | None:
        if place is None:
            return None
        return (place,) if is_header else tuple(place.split("."))

    return tuple(
        WindowTold(
            each=at(form.each),
            only=MappingProxyType(dict(form.only)),
            per=form.per or "",
            number=at(form.number),
            unit=at(form.unit),
            units=MappingProxyType(dict(form.units)),
            used=at(form.used),
            left=at(form.left),
            limit=at(form.limit),
            used_percent=at(form.used_percent),
            left_percent=at(form.left_percent),
            used_share=at(form.used_share),
            resets_at=at(form.resets_at),
        )
        for form in forms
    )
