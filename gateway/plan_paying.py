"""Who pays a call to a plan: the plan while it lasts, else its key by the token."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache

from billing.price_list import PriceList
from gateway import route_prices
from gateway.house import House
from providers.usage import Usage
from routing.route import Route
from routing.weighing import taken


def paid_by(house: House, route: Route) -> str:
    """Return the name of the plan that pays a call that ends now; "" where it has its price."""
    plan = route.plan
    if plan is None or (plan.goes_on and not house.windows.pays(route)):
        return ""
    return plan.name


def prices(route: Route, plan: str) -> PriceList | None:
    """Return the prices of a call to ``route`` that ``plan`` paid: nothing; "" for none."""
    if plan and route.plan is not None and route.plan.goes_on:
        return _within(plan)
    return route.prices


def count(house: House, route: Route, usage: Usage, at_us: int) -> None:
    """Count in the windows of the route's plan what an answered call took, by us since 1970."""
    if route.plan is not None:
        began = datetime.fromtimestamp(at_us / 1e6, UTC)
        house.windows.used(route.provider, taken(route.plan, route.model, usage, began))


@lru_cache(maxsize=256)
def _within(plan: str) -> PriceList:
    return route_prices.free(f"within the plan {plan}")
