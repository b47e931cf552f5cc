"""Which plans' windows are counted: those of providers that say which tier was bought."""

from __future__ import annotations

from collections.abc import Mapping

from gateway.routes import Provider
from routing.windows import Bought


def bought(owners: Mapping[str, Provider]) -> dict[str, Bought]:
    """Return, by provider, the tier whose windows hold; each quota group of its keys has its own.

    A provider that does not name its tier has windows too, but nobody knows how large they are.
    """
    found = {}
    for name, owner in owners.items():
        plan = owner.host.plan
        tier = plan.tiers.get(owner.form.tier or "") if plan is not None else None
        if plan is not None and tier is not None:
            found[name] = Bought(plan.name, tier, len({at.quota for at in owner.endpoints}))
    return found
