"""What a config says of a plan that must agree with the plan's host."""

from __future__ import annotations

from collections.abc import Iterator

from gateway.config_providers import ProviderForm
from gateway.problems import Fault, Place
from providers.host import Host


def faults(place: Place, form: ProviderForm, host: Host) -> Iterator[Fault]:
    """Give what a provider says of a plan that its host has not."""
    if host.plan is None:
        for name in ("fee", "overflow"):
            if name in form.model_fields_set:
                yield Fault((*place, name), f"{host.id} is no plan", "leave it out")
        return
    if form.overflow != "payg":
        return
    if form.tier is None:
        what = "nobody can tell when a window is used up and the key is billed by the token"
        yield Fault((*place, "overflow"), what, f"tier: one of {', '.join(host.plan.tiers)}")
    if form.prices or form.free is not None:
        what = "the prices stated here hold for every call, within the plan too"
        yield Fault((*place, "overflow"), what, "leave out one of them")
