"""What the policy promises, proven over everything that clients of this config can ask for."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from gateway import auth, freshness
from gateway.setup import Setup
from routing import proof
from routing.proof import Proof
from routing.proof_cases import Asked, Principal
from routing.proof_warnings import Ages
from routing.route import Route

ANY_MODEL = "*"


def prove(setup: Setup) -> Proof:
    """Return what holds, over every model, alias and ``provider/model``, known to us or not.

    An expectation on who is first is about the config's own names: who asks for ``provider/model``
    has chosen. Warnings too are about those only.
    """
    # Apart from a setup in use: its routes may lack the prices of those that cannot be called, and
    # what the policy remembers is for real requests.
    own = replace(
        setup,
        price_all=True,
        policy=replace(setup.policy),
        _candidates={},
        _routes={},
        _standings={},
    )
    asked = [found for name in own.config.models if (found := own.candidates(name)) is not None]
    routes = {route.name for found in asked for route in found.routes}
    known = {
        f"{name}/{model}"
        for name, owner in own.providers.items()
        for model in (*owner.host.models, ANY_MODEL)
    }
    return proof.prove(
        own.policy,
        lambda name: _asked(own, name),
        own.config.models,
        [_principal(found) for found in own.principals.values()],
        datetime.now(UTC),
        others=sorted(routes | known),
        ages=Ages(lambda route: freshness.confirmed(own, route), own.config.facts_stale_days),
    )


def _principal(found: auth.Principal) -> Principal:
    models = None if found.models is None else tuple(sorted(found.models))
    return Principal(found.name, found.team, found.label, models)


def _asked(setup: Setup, name: str) -> Asked | None:
    found = setup.candidates(name)
    if found is None:
        return None
    shadow = found.form.shadow if found.form is not None else None
    return Asked(
        found.routes,
        found.wish,
        found.entry,
        _shadow(setup, shadow.route) if shadow is not None else None,
        (shadow.judge or "") if shadow is not None else "",
    )


def _shadow(setup: Setup, name: str) -> Route | None:
    """Return the route that gets copies; None where the config has no such provider."""
    found = setup.candidates(name)
    return found.routes[0] if found is not None and found.routes else None
