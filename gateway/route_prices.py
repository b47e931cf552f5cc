"""What a route costs: the price package, overlaid by the catalogue, overlaid by the config."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC
from decimal import Decimal
from zoneinfo import ZoneInfo

from billing import list_prices, stated_prices
from billing.bands import Applies
from billing.exchange import NO_RATES, Exchange
from billing.price_list import PriceList
from gateway.config_prices import ChangeForm
from gateway.config_providers import ProviderForm
from providers.host import Host, HostEndpoint, Model
from providers.prices import FIGURES

_WHOLE = Decimal(100)


def prices_at(
    host: Host, at: HostEndpoint, model: Model, exchange: Exchange = NO_RATES
) -> PriceList | None:
    """Return what a host lists for a model at an endpoint; None where nobody knows.

    The catalogue stands over the price package as long as it says that it holds; the place's
    surcharge multiplies both. Without a rate for its currency a price is none in US dollars.
    """
    factor = at.surcharge if model.surcharge is None else model.surcharge
    said = None if model.remote else model.prices
    listed = None
    if host.genai_prices and (said is None or said.adds or said.since or said.until):
        listed = list_prices.from_genai_prices(host.genai_prices, model.id)
    if said is not None:
        listed = stated_prices.over(listed, said)
    if listed is None:
        return None
    return replace(stated_prices.times(listed, factor), exchange=exchange)


def on_terms(
    listed: PriceList | None, form: ProviderForm, model: str, exchange: Exchange
) -> PriceList | None:
    """Return what a model costs on a provider's terms: ``listed``, as the config changes it.

    Discounts and surcharges are on what is listed; a price that the config states is what is paid,
    as long as it says that it holds.
    """
    off = [(_when(one), 1 - one.percent / _WHOLE) for one in form.discounts if _is_for(one, model)]
    on = [(_when(one), 1 + one.percent / _WHOLE) for one in form.surcharges if _is_for(one, model)]
    if listed is not None:
        for when, factor in (*off, *on):
            listed = stated_prices.changed(listed, when, factor)
    own = form.prices.get(model) or form.prices.get("*")
    if own is not None:
        listed = stated_prices.over(listed, own.frozen())
    if listed is None and not on:
        return None
    # A list without any price still knows what comes on top of the host's own statement.
    return replace(listed or PriceList(()), exchange=exchange, on_stated=tuple(on))


def free(why: str) -> PriceList:
    """Return a list that says zero to everything, and why."""
    return list_prices.stated(dict.fromkeys(FIGURES, Decimal(0)), why, "")


def _is_for(change: ChangeForm, model: str) -> bool:
    return change.models is None or model in change.models


def _when(change: ChangeForm) -> Applies:
    zone = UTC if change.time_zone == "UTC" else ZoneInfo(change.time_zone)
    since, until = change.bounds
    return Applies(since=since, until=until, zone=zone)
