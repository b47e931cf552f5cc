"""What currencies are worth in US dollars, as the config file says it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, time
from decimal import Decimal
from types import MappingProxyType
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from billing.exchange import Exchange, Rate
from gateway.config_values import Form, Number, Places, Text
from gateway.problems import WrongError
from providers import prices
from providers.catalog_price_form import Moment

RATES_MOST = 1000

# A rate outside of these is turned around, or in another unit.
UsdPerUnit = Annotated[Decimal, Number, Field(gt=0, le=100, allow_inf_nan=False), Places]
Foreign = Literal["EUR", "CNY", "CHF", "GBP"]


class RateForm(Form):
    """US dollars for one of a currency, from a day or moment in UTC on; None: at any time."""

    usd: UsdPerUnit
    since: Moment | None = Field(default=None, alias="from")
    source: Text = "config"
    date: Annotated[str, Field(pattern=r"^\d{4}-\d{2}-\d{2}$")] | None = None


def _one_as_list(value: object) -> object:
    """Read one rate, as a mapping or as a bare number, as a list of it."""
    if isinstance(value, str | int | float | Decimal) and not isinstance(value, bool):
        value = {"usd": value}
    return [value] if isinstance(value, Mapping) else value


def _in_order(value: tuple[RateForm, ...]) -> tuple[RateForm, ...]:
    begins = [_since(rate) for rate in value]
    later = [moment for moment in begins if moment is not None]
    if None in begins[1:] or later != sorted(set(later)):
        raise WrongError("has rates out of order", "the oldest first, each but that with its from")
    return value


Rates = Annotated[
    tuple[RateForm, ...],
    BeforeValidator(_one_as_list),
    Field(min_length=1, max_length=RATES_MOST),
    AfterValidator(_in_order),
]
ExchangeForm = Mapping[Foreign, Rates]


def no_rates() -> ExchangeForm:
    """Return no rate for any currency."""
    return MappingProxyType({})


def exchange(form: ExchangeForm) -> Exchange:
    """Return the rates that the config states."""
    return Exchange(
        MappingProxyType({name: tuple(map(_rate, said)) for name, said in form.items()})
    )


def _rate(form: RateForm) -> Rate:
    source = " ".join(filter(None, (form.source, form.date)))
    return Rate(form.usd, _since(form), source)


def _since(form: RateForm) -> datetime | None:
    if form.since is None:
        return None
    moment = prices.moment(form.since)
    if not isinstance(moment, datetime):
        moment = datetime.combine(moment, time())
    return moment.astimezone(UTC) if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
