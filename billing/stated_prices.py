"""From what a vendor or a config states to a price list, and one list laid over another."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, tzinfo
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from billing.bands import ALWAYS, Applies
from billing.calendar import Calendar
from billing.list_prices import all_buckets
from billing.price import Price
from billing.price_list import PriceList
from providers.prices import FEES, Band, Prices, Terms

Bands = list[tuple[Applies, Price]]


def from_statement(said: Prices) -> PriceList:
    """Return a list as it is stated; outside of its validity there is no price."""
    return over(None, said)


def over(base: PriceList | None, said: Prices) -> PriceList:
    """Return ``base`` with a statement laid over it: instead of it as long as the statement holds.

    A statement that adds keeps the figures of ``base`` that it says nothing of, at any time; where
    there is none it has the figures that it states and no other.
    """
    valid = Applies(since=said.since, until=said.until, zone=_zone(said))
    if said.adds:
        added = [(applies, _added(price, said)) for applies, price in base.bands] if base else []
        own: Bands = added or [(ALWAYS, _price(said.terms, _bare(said)))]
    else:
        own = _with_bands(said)
    if valid.is_always:
        return PriceList(tuple(own), lapses=base.lapses if base and said.adds else False)
    own = [(one, price) for applies, price in own if not (one := applies.within(valid)).is_never]
    return PriceList((*(base.bands if base else ()), *own), lapses=base is None or base.lapses)


def times(base: PriceList, factor: Decimal) -> PriceList:
    """Return a list with every price of tokens multiplied."""
    if factor == 1:
        return base
    # Multiplied here once, so that pricing a call multiplies whole numbers only.
    bands = tuple((applies, price.times(factor)) for applies, price in base.bands)
    return replace(base, bands=bands)


def changed(base: PriceList, when: Applies, factor: Decimal) -> PriceList:
    """Return a list of which everything, fees too, is multiplied at the times of ``when``."""
    return replace(base, bands=tuple(_factored(list(base.bands), [when], factor, "", fees=True)))


def _zone(said: Prices) -> tzinfo:
    return UTC if said.time_zone == "UTC" else ZoneInfo(said.time_zone)


def _with_bands(said: Prices) -> Bands:
    """Return the usual prices and those of each band, in the order in which they count."""
    usual = _price(said.terms, _bare(said))
    found: Bands = [(ALWAYS, usual)]
    for band in said.bands:
        times_of = list(_times(band, said))
        if band.terms.factor is not None:
            found = _factored(found, times_of, band.terms.factor, band.name, fees=False)
            continue
        source = band.source or said.source
        bare = replace(_bare(said), source=source.url, date=source.date)
        kept = {name: one for name, one in said.tiers.items() if one.factor is not None}
        own = replace(band.terms, tiers={**kept, **band.terms.tiers})
        price = _price(own, bare, usual).named(band.name)
        found += [(when, price) for when in times_of]
    return found


def _factored(
    found: Bands, when: list[Applies], factor: Decimal, name: str, *, fees: bool
) -> Bands:
    """Return prices with what a factor makes of each of them, at the times when it holds."""
    more: Bands = []
    for one in when:
        for applies, price in found:
            both = applies.within(one)
            if not both.is_never:
                named = " ".join(filter(None, (price.band, name)))
                more.append((both, price.times(factor, fees=fees).named(named)))
    # What holds always needs nothing below it.
    return more if any(one.is_always for one in when) else [*found, *more]


def _times(band: Band, said: Prices) -> Iterator[Applies]:
    """Give when a band holds, once for each of its hours of the day."""
    calendar = None
    if said.holidays_of is not None or said.holidays:
        calendar = Calendar(said.holidays_of, said.holidays)
    for start, end in band.hours or ((None, None),):
        yield Applies(
            since=band.since,
            start=start,
            end=end,
            until=band.until,
            weekdays=band.weekdays,
            holidays=band.holidays,
            makeup_days=band.makeup_days,
            calendar=calendar if band.holidays or band.weekdays else None,
            zone=_zone(said),
        )


def _bare(said: Prices) -> Price:
    """Return a price without a figure, with the statement's currency and source."""
    rate = Decimal(1) if said.currency == "USD" else None
    return Price(
        None, None, source=said.source.url, date=said.source.date, currency=said.currency, rate=rate
    )


def _price(terms: Terms, bare: Price, usual: Price | None = None) -> Price:
    """Return the price of terms with figures; ``usual`` has the fees that they do not state."""
    figures = dict(terms.figures)
    if usual is not None:
        figures = {**_fees(usual), **figures}
    price = replace(bare, **all_buckets(figures))
    above = tuple((start, _tier(one, price, start=start)) for start, one in terms.above)
    price = replace(price, above_prompt_tokens=above)
    services = tuple((name, _tier(one, price, name=name)) for name, one in terms.tiers.items())
    return replace(price, services=services)


def _tier(terms: Terms, usual: Price, *, start: int = 0, name: str = "") -> Price:
    """Return the price in a tier, of a long context or of service, beside the usual price."""
    start, name = start or usual.above, name or usual.service
    if terms.factor is not None:
        above = tuple(
            (at, replace(price.times(terms.factor), service=name))
            for at, price in usual.above_prompt_tokens
        )
        scaled = replace(usual, above_prompt_tokens=(), services=()).times(terms.factor)
        return replace(scaled, above=start, service=name, above_prompt_tokens=above)
    bare = Price(
        None,
        None,
        source=usual.source,
        date=usual.date,
        currency=usual.currency,
        rate=usual.rate,
        above=start,
        service=name,
    )
    return _price(terms, bare, usual)


def _fees(price: Price) -> Mapping[str, Decimal]:
    fees = {name: getattr(price, name) for name in FEES}
    return {name: fee for name, fee in fees.items() if fee is not None}


def _added(price: Price, said: Prices) -> Price:
    """Return a price of the list below with what a statement adds to it."""
    own: dict[str, Any] = dict(said.figures)
    source = " + ".join(filter(None, (price.source, said.source.url)))
    fees = {name: own[name] for name in FEES if name in own}
    above = tuple(
        (at, replace(one, **fees, source=source)) for at, one in price.above_prompt_tokens
    )
    price = replace(price, **own, source=source, above_prompt_tokens=above)
    services = dict(price.services)
    services |= {name: _tier(one, price, name=name) for name, one in said.tiers.items()}
    return replace(price, services=tuple(services.items()))
