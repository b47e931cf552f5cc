"""The prices of the configured routes beside one another, and what a typical call costs at each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_HALF_EVEN, Decimal

from billing.bands import SATURDAY, WORKDAYS, Applies
from billing.ledger import ANSWERING
from billing.money import half_even
from billing.price import USD, Price
from billing.price_list import PriceList
from billing.pricing import cost
from billing.sums import SpendRow
from gateway.dashboard.figures import Money, lengths, places, usd
from gateway.dashboard.words import Words
from gateway.offers import Offer
from providers.prices import WEEKDAYS
from providers.usage import Usage

_FINEST = Decimal("0.0001")
_WEEKEND = frozenset((SATURDAY, SATURDAY + 1))


@dataclass(frozen=True, slots=True)
class Typical:
    """The mean of ``calls`` calls: whole tokens in (``cached`` are among them) and out."""

    calls: int
    tokens_in: int
    cached: int
    tokens_out: int


@dataclass(frozen=True, slots=True)
class PriceLine:
    """One route: what a million tokens cost there now, and a typical call.

    ``way`` says how it is paid where not by the token. ``bar`` is the call's share of the dearest
    in hundredths. ``notes`` are what else has to be known, ``source`` and ``date`` where the price
    was read.
    """

    route: str
    provider: str
    asked_as: tuple[str, ...]
    way: str
    into: Money
    cached: Money
    out: Money
    typical: Money
    pico: int | None
    bar: int
    notes: list[str]
    source: str
    date: str


def typical(rows: Iterable[SpendRow], purpose: int) -> Typical | None:
    """Return the mean call of rows whose purpose is their name at ``purpose``; None without any.

    What compares or counts beside clients' calls is left out.
    """
    whole = SpendRow()
    for row in rows:
        if row.names[purpose] in ANSWERING:
            whole.add(row)
    if not whole.requests:
        return None
    means = (half_even(count, whole.requests)
             for count in (whole.tokens_in, whole.tokens_cached, whole.tokens_out))  # fmt: skip
    return Typical(whole.requests, *means)


def lines(
    offers: Iterable[Offer], mean: Typical | None, now: datetime, t: Words
) -> list[PriceLine]:
    """Return routes by what the mean call costs there, the cheapest first, the unknown last."""
    found = []
    for offer in offers:
        pico, notes = _call(offer, mean, now, t) if mean is not None else (None, [])
        found.append((offer, pico, notes))
    found.sort(key=lambda one: (one[1] is None, one[1] or 0, one[0].name))
    drawn = lengths([pico or 0 for _, pico, _ in found])
    decimals = places(pico for _, pico, _ in found if pico is not None)
    return [
        _line(offer, pico, notes, bar, decimals, now, t)
        for (offer, pico, notes), bar in zip(found, drawn, strict=True)
    ]


def call_pico(offer: Offer, mean: Typical, now: datetime) -> tuple[int | None, bool]:
    """Return what the mean call costs at an offer, 1e-12 dollars, None where that is not known.

    And whether cached tokens had to count as fresh ones, for there is no price of such.
    """
    if offer.billing != "token":
        return None, False
    usage = Usage(input=mean.tokens_in - mean.cached, cache_read=mean.cached,
                  output=mean.tokens_out)  # fmt: skip
    price = offer.price(now)
    fresh = price is not None and price.cache_read is None and mean.cached > 0
    if fresh:
        usage = Usage(input=mean.tokens_in, output=mean.tokens_out)
    return cost(usage, offer.prices, now).pico, fresh


def _call(offer: Offer, mean: Typical, now: datetime, t: Words) -> tuple[int | None, list[str]]:
    pico, fresh = call_pico(offer, mean, now)
    return pico, [t("price.no_cache")] if fresh and pico is not None else []


def _line(
    offer: Offer,
    pico: int | None,
    notes: list[str],
    bar: int,
    decimals: int,
    now: datetime,
    t: Words,
) -> PriceLine:
    price = offer.price(now)
    nothing = Money("", "")
    shown = [nothing] * 3
    if price is not None:
        shown = [_figure(price, one) for one in (price.input, price.cache_read, price.output)]
    way = ""
    if offer.usd_per_hour is not None:
        way = t("price.by_hour", usd=_rounded(offer.usd_per_hour))
    elif offer.billing == "plan":
        way = t("price.by_plan")
    call = Money(usd(pico, decimals), Money.exactly(pico)) if pico is not None else nothing
    return PriceLine(
        route=offer.name,
        provider=offer.name.partition("/")[0],
        asked_as=offer.asked_as,
        way=way,
        into=shown[0],
        cached=shown[1],
        out=shown[2],
        typical=call,
        pico=pico,
        bar=bar,
        notes=[*notes, *_notes(offer.prices, price, now, t)],
        source=price.source if price is not None else "",
        date=price.date if price is not None else "",
    )


def _figure(price: Price, figure: Decimal | None) -> Money:
    """Return one figure in dollars; in its own currency where no rate is known."""
    if figure is None:
        return Money("", "")
    dollars = price.usd(figure)
    if dollars is None:
        exact = f"{figure.normalize():f} {price.currency}"
        return Money(exact, exact)
    return Money(_rounded(dollars), f"{dollars.normalize():f} USD")


def _rounded(dollars: Decimal) -> str:
    """Return dollars with two to four decimals; what is not nothing never reads as nothing."""
    if not dollars:
        return "$0"
    near = dollars.quantize(_FINEST, ROUND_HALF_EVEN)
    if not near:
        return f"< ${_FINEST}"
    text = f"{near:,f}".rstrip("0")
    whole, _, rest = text.partition(".")
    return f"${whole}.{rest:0<2}"


def _notes(prices: PriceList | None, price: Price | None, now: datetime, t: Words) -> Iterator[str]:
    """Give what the figures of now do not say."""
    if prices is None or price is None:
        return
    if price.currency != USD:
        if price.rate is None:
            yield t("price.no_rate", currency=price.currency)
        else:
            rate = f"{price.rate.normalize():f}"
            yield t("price.rate", currency=price.currency, rate=rate, by=price.rate_source)
    ahead = prices.ahead(now)
    if len(ahead) > 1:
        for applies, one in ahead:
            holds = one.unit_prices == price.unit_prices
            key = "price.band_now" if holds else "price.band"
            yield t(key, prices=_short(one, t), when=when(applies, t))
    for start, one in price.above_prompt_tokens:
        yield t("price.long", tokens=start, prices=_short(one, t))
    for name, one in price.services:
        yield t("price.tier", name=name, prices=_short(one, t))
    if price.request:
        yield t("price.request", amount=_money(price, price.request))
    if price.search is not None:
        yield t("price.search", amount=_money(price, price.search))


def _short(price: Price, t: Words) -> str:
    into, out = (_money(price, one) for one in (price.input, price.output))
    unknown = t("money.unknown")
    told = t("price.in_out", into=into or unknown, out=out or unknown)
    return f"{price.band}: {told}" if price.band else told


def _money(price: Price, figure: Decimal | None) -> str:
    return _figure(price, figure).text


def when(applies: Applies, t: Words) -> str:
    """Return when a price holds, such as "Mon–Fri, 09:00–12:00 (Asia/Shanghai)"."""
    said = [words for one in applies.all() if (words := _when(one, t))]
    return t("price.and").join(said) or t("price.else")


def _when(applies: Applies, t: Words) -> str:
    parts = list(_bounds(applies, t))
    days = applies.weekdays
    if days == WORKDAYS:
        parts.append(t("price.workdays"))
    elif days == _WEEKEND:
        parts.append(t("price.weekend"))
    elif days is not None:
        parts.append(" ".join(t(f"weekday.{WEEKDAYS[day]}") for day in sorted(days)))
    if applies.start is not None and applies.end is not None:
        parts.append(f"{applies.start:%H:%M}–{applies.end:%H:%M}")
    if applies.holidays is not None:
        country = applies.calendar.country if applies.calendar is not None else ""
        key = "only_holidays" if applies.holidays == "only" else "no_holidays"
        parts.append(t(f"price.{key}", country=country))
    return f"{', '.join(parts)} ({applies.zone})" if parts else ""


def _bounds(applies: Applies, t: Words) -> Iterator[str]:
    if applies.since is not None:
        yield t("price.since", day=applies.since.isoformat())
    if applies.until is not None:
        yield t("price.until", day=applies.until.isoformat())
