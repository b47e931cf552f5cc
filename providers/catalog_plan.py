"""From a plan's checked form to its frozen facts."""

from __future__ import annotations

from types import MappingProxyType
from typing import Any

from providers.catalog_evidence import Sources, told, value
from providers.catalog_plan_form import PlanForm, TierForm
from providers.catalog_values import Fact
from providers.host import Fee, Plan, Tier, Window


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
    clients = value(form.terms.clients)
    return Plan(
        name=form.name,
        tiers=MappingProxyType({name: _tier(tier) for name, tier in form.tiers.items()}),
        gateway=value(form.terms.gateway),
        clients=None if clients is None else frozenset(clients),
        payg=form.payg or "",
        quota_path=value(form.quota_path),
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
