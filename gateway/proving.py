"""What the policy promises, proven over everything that clients of this config can ask for."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime

from gateway.setup import Setup
from routing import proof
from routing.proof import Proof

ANY_MODEL = "*"


def prove(setup: Setup) -> Proof:
    """Return what holds, over every model, alias and ``provider/model``, known to us or not.

    An expectation on who is first is about the config's own names: who asks for ``provider/model``
    has chosen. Warnings too are about those only.
    """
    # Apart from a setup in use: its routes may lack the prices of those that cannot be called, and
    # what the policy remembers is for real requests.
    own = replace(setup, price_all=True, _candidates={}, _routes={})
    asked = [found for name in own.config.models if (found := own.candidates(name)) is not None]
    routes = {route.name for found in asked for route in found.routes}
    known = {
        f"{name}/{model}"
        for name, owner in own.providers.items()
        for model in (*owner.host.models, ANY_MODEL)
    }
    narrow = _prove(own, own.config.models)
    wide = _prove(own, [*own.config.models, *sorted(routes | known)])
    findings = tuple(
        near if expect.first and near.cases else far
        for expect, near, far in zip(
            own.policy.expects, narrow.findings, wide.findings, strict=True
        )
    )
    if not wide.cases:  # nothing can be asked for, so nothing can be broken
        findings = tuple(replace(finding, holds=True, counter_example="") for finding in findings)
    return Proof(findings, narrow.warnings, wide.cases)


def _prove(setup: Setup, names: Iterable[str]) -> Proof:
    by_model = {name: found for name in names if (found := setup.candidates(name)) is not None}
    return proof.prove(
        replace(setup.policy),
        {name: found.routes for name, found in by_model.items()},
        [proof.Principal(p.name, p.team, p.label) for p in setup.principals.values()],
        (),
        datetime.now(UTC),
        {name: found.prefer for name, found in by_model.items()},
    )
