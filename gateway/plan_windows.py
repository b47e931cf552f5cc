"""Which plans' windows are counted, and what the ledger knows was used of them before the start."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from billing import plan_use
from billing.plan_use import Hour
from billing.store import Store
from gateway.routes import Provider
from gateway.setup import Setup
from providers.plan import Plan, Quota, Tier
from routing.route import Subscribed
from routing.weighing import taken
from routing.window_count import Amounts
from routing.windows import Bought, Windows

NO_TIER = Tier(None, None)


def bought(owners: Mapping[str, Provider]) -> dict[str, Bought]:
    """Return, by provider, the tier whose windows hold; each quota group of its keys has its own.

    A provider that does not name its tier has windows too: those that its vendor tells of.
    """
    found = {}
    for name, owner in owners.items():
        plan = owner.host.plan
        tier = plan.tiers.get(owner.form.tier or "") if plan is not None else None
        asked = plan is not None and plan.quota is not None
        if plan is not None and (tier is not None or asked):
            found[name] = Bought(
                plan.name,
                tier or NO_TIER,
                len({at.quota for at in owner.endpoints}),
                goes_on=owner.form.overflow == "payg",
                asked=asked,
                weighed=_weighed(plan),
            )
    return found


def _weighed(plan: Plan) -> frozenset[str]:
    """Return the units in which it is known what a call takes."""
    units = {"requests", "tokens", "usd"}
    return frozenset(units | {"credits"} if plan.weights is not None else units)


def quotas(owners: Mapping[str, Provider]) -> dict[str, Quota]:
    """Return, by provider, where its vendor says what is left of its plan."""
    plans = {name: owner.host.plan for name, owner in owners.items()}
    return {
        name: plan.quota
        for name, plan in plans.items()
        if plan is not None and plan.quota is not None
    }


def remember(windows: Windows, setup: Setup, store: Store) -> None:
    """Count in the windows of plans what the ledger knows of them. Raises ``StoreError``."""
    windows.hold(bought(setup.providers))
    longest_s = windows.longest_s
    if not longest_s:
        return
    now = datetime.now(UTC)
    hours: dict[str, list[Hour]] = {}
    plans = [name for name, owner in setup.providers.items() if owner.host.plan is not None]
    for hour in plan_use.by_hour(store, plans, now - timedelta(seconds=longest_s), now):
        hours.setdefault(hour.provider, []).append(hour)
    for provider, used in hours.items():
        windows.seed(provider, _events(setup, used))


def _events(setup: Setup, hours: Iterable[Hour]) -> Iterable[tuple[float, Amounts]]:
    for hour in hours:
        plan = setup.route(f"{hour.provider}/{hour.model}").plan
        if plan is not None and hour.answers:
            yield float(hour.at), _took(plan, hour)


def _took(plan: Subscribed, hour: Hour) -> Amounts:
    found = taken(plan, hour.model, hour.usage, datetime.fromtimestamp(hour.at, UTC))
    return replace(found, requests=hour.answers)
