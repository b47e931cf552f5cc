"""What a subscription's contract allows: whether by way of a gateway, and from which programs.

A plan is sold for certain programs. Who calls is what the client says of itself, which is passed on
as it is: the gateway gives no program another's name.
"""

from __future__ import annotations

from functools import lru_cache

from gateway.config_providers import ProviderForm
from gateway.connect.form import client, names
from providers.plan import Plan

ANY_CLIENT = "any"


def terms_against(plan: Plan, form: ProviderForm) -> str:
    """Return why the plan must not be used through this gateway; "" where it may be.

    What the config states of the terms stands above what the catalogue knows.
    """
    if form.terms or plan.gateway == "allowed":
        return ""
    said = "do not allow" if plan.gateway == "forbidden" else "are not known to allow"
    return (
        f"the terms of {plan.name} {said} calls through a gateway (`entrepot providers NAME` says "
        "where that was read); if yours do, say why: `terms: ...` under the provider"
    )


def allowed_clients(plan: Plan | None) -> tuple[str, ...]:
    """Return patterns of the ``User-Agent`` headers that the plan is for; empty: all.

    Where the catalogue does not know which those are, all may.
    """
    if plan is None or plan.clients is None or ANY_CLIENT in plan.clients:
        return ()
    found: list[str] = []
    for name in sorted(plan.clients):
        found += user_agents().get(name, (name,))
    return tuple(found)


@lru_cache(maxsize=1)
def user_agents() -> dict[str, tuple[str, ...]]:
    """Return for each known client the patterns of its ``User-Agent``."""
    known = map(client, names())
    return {one.name: one.user_agents for one in known if one.user_agents}
