"""What in a config's prices must agree with something else: rates, calendars, the catalogue."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from billing import calendar, stated_prices
from billing.calendar import Calendar
from billing.price import Price
from gateway.config import Config
from gateway.config_models import ModelForm
from gateway.config_values import PRICE_MOST_USD
from gateway.home_machine import machine
from gateway.problems import Fault, Place
from providers.host import Host
from providers.prices import Prices
from providers.usage import BUCKETS
from routing.policy_form import nearest

# A calendar that is missing then is told now.
AHEAD = timedelta(days=30)


def faults(config: Config, hosts: Mapping[str, Host]) -> Iterator[Fault]:
    """Give what is wrong with stated prices; ``hosts`` are those of the config's providers."""
    now = datetime.now(UTC)
    for place, name, said in _stated(config, hosts):
        yield from _rate(config, place, name, said)
        yield from _holidays(place, name, said, now)
    yield from _baseline(config, hosts)


def _baseline(config: Config, hosts: Mapping[str, Host]) -> Iterator[Fault]:
    """Give what makes a baseline none: it has to be a route that is paid by the token."""
    if config.baseline is None:
        return
    place = ("baseline",)
    owner, _, model = config.baseline.partition("/")
    form = config.providers.get(owner)
    if form is None:
        what = f"{config.baseline!r} is no route: there is no provider {owner!r}"
        yield Fault(place, what, nearest(owner, config.providers, "a provider of this config"))
    elif model in ("", ".", ".."):
        yield Fault(place, f"{config.baseline!r} is no route", f"{owner}/MODEL")
    elif machine(form) is not None:
        what = f"{owner} is paid by the hour, and has no price of its tokens to compare with"
        yield Fault(place, what, "a route that is paid by the token")
    elif owner in hosts and hosts[owner].plan is not None and not form.prices and not form.free:
        what = f"{owner} is paid by a plan, and has no price of its tokens to compare with"
        yield Fault(place, what, "a route that is paid by the token")


def _stated(config: Config, hosts: Mapping[str, Host]) -> Iterator[tuple[Place, str, Prices]]:
    """Give every price that the config states, and those of its routes that the catalogue does."""
    for owner, form in config.providers.items():
        for model, price in form.prices.items():
            yield ("providers", owner, "prices", model), f"{owner}/{model}", price.frozen()
    told = set()
    for name, entry in config.models.items():
        for number, route in enumerate(entry.routes if isinstance(entry, ModelForm) else ()):
            owner, _, model = route.partition("/")
            host = hosts.get(owner)
            if host is None or route in told or model in config.providers[owner].prices:
                continue
            told.add(route)
            said = host.model(model).prices
            if said is not None and host.plan is None:
                yield ("models", name, "routes", number), route, said


def _rate(config: Config, place: Place, name: str, said: Prices) -> Iterator[Fault]:
    if said.currency == "USD":
        return
    rates = config.exchange.get(said.currency)
    if not rates:
        yield Fault(
            place,
            f"{name} is billed in {said.currency}, so its cost in USD is unknown",
            f"exchange: {{{said.currency}: USD for one}}",
            warning=True,
        )
        return
    dearest = max(rate.usd for rate in rates) * _dearest(said)
    if dearest > PRICE_MOST_USD:
        yield Fault(
            place,
            f"{name} comes to over {PRICE_MOST_USD} USD per million tokens by exchange."
            f"{said.currency}",
            "US dollars for one of the currency, and prices per million tokens",
        )


def _dearest(said: Prices) -> Decimal:
    """Return the most that a million tokens of one kind come to, at any time and in any tier."""
    prices = [price for _, price in stated_prices.from_statement(said).bands]
    return max(map(_dearest_at, prices), default=Decimal(0))


def _dearest_at(price: Price) -> Decimal:
    own = [getattr(price, bucket) for bucket in BUCKETS]
    nested = [*price.above_prompt_tokens, *price.services]
    known = [figure for figure in own if figure is not None]
    return max([*known, *(_dearest_at(one) for _, one in nested)], default=Decimal(0))


def _holidays(place: Place, name: str, said: Prices, now: datetime) -> Iterator[Fault]:
    country = said.holidays_of
    if country is None:
        return
    if not calendar.is_known(country):
        what = f"no calendar of {country!r} is known, so the days of {name}'s prices are unsure"
        yield Fault(place, what, "two capitals (ISO 3166), or `holidays` of each year")
        return
    year = (now + AHEAD).year
    if not Calendar(country, said.holidays).is_sure(year):
        yield Fault(
            place,
            f"the public holidays of {year} in {country} are not surely known, so {name} is held "
            "at the dearest price that may hold",
            f"holidays: {{{year}: {{days: [...], workdays: [...]}}}} under its prices",
            warning=True,
        )
