"""What a server at home costs, from the ways in which the config says it."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from urllib.parse import urlsplit

from billing.home_cost import Machine
from gateway.config_providers import ProviderForm
from providers.guard import is_this_machine


def machine(form: ProviderForm) -> Machine | None:
    """Return what a provider's machine costs; None where its owner does not say.

    ``usd_per_hour``, and ``watts`` with ``usd_per_kwh``, are short forms of ``home``.
    """
    if form.home is not None:
        said = form.home
        return Machine(
            said.watts, said.idle_watts, said.usd_per_kwh, said.hardware_usd, said.life_years
        )
    if form.usd_per_hour is not None:
        return Machine(usd_per_busy_hour=form.usd_per_hour)
    if form.watts is not None and form.usd_per_kwh is not None:
        return Machine(form.watts, usd_per_kwh=form.usd_per_kwh)
    return None


def measured(forms: Mapping[str, ProviderForm]) -> dict[str, Decimal]:
    """Return the providers whose power this machine measures, with its watts when it waits.

    Another machine's power cannot be read here: there the stated watts stand.
    """
    return {
        name: form.home.idle_watts
        for name, form in forms.items()
        if form.home is not None and form.home.measured and _is_here(form)
    }


def _is_here(form: ProviderForm) -> bool:
    if form.base_url is None:
        return form.launch is not None
    return is_this_machine(urlsplit(form.base_url).hostname or "")
