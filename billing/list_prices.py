"""Price lists: from the genai-prices package, or as somebody states them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from billing.bands import ALWAYS, Applies
from billing.price import Price
from billing.price_list import PriceList
from providers.prices import FIGURES, Moment
from providers.usage import BUCKETS, USUAL_TIERS

if TYPE_CHECKING:
    from genai_prices.types import (
        PriceVariant,
        StartDateConstraint,
        TieredPrices,
        TimeOfDateConstraint,
    )


# The package's words for what tells tiers of service apart.
TIERS = frozenset({"service_tier", "processing", "speed"})
Figures = Mapping[str, Any]


def from_genai_prices(provider: str, model: str) -> PriceList | None:
    """Return the package's prices of ``model`` at its own provider id; None where it knows none.

    Importing the package takes 0.15 s, so it is left to the first call. As in the package, cached
    tokens without a price of their own are charged as input, and a tier reprices every token once
    the prompt has more than its number. Unlike there, audio without a price is unknown, and so is
    a longer write to the cache where only the shorter one has a price.
    """
    import genai_prices
    from genai_prices import data_snapshot, types

    snapshot = data_snapshot.get_snapshot()
    try:
        _, known = snapshot.find_provider_model(model, None, provider, None)
    except LookupError:
        return None
    source = f"genai-prices {genai_prices.__version__}"
    usual: list[tuple[Applies, Figures]] = (
        [(ALWAYS, vars(known.prices))]
        if isinstance(known.prices, types.ModelPrice)
        else [(_applies(one.constraint), vars(one.prices)) for one in known.prices]
    )
    if usual and not usual[0][0].is_always:
        usual.insert(0, (ALWAYS, usual[0][1]))  # what holds where none of them does
    tiers = _tiers(known.price_variants or ())
    bands = [
        (applies, _price(figures, source, _in_words(applies), tiers_then))
        for applies, figures, tiers_then in _by_date(usual, tiers)
    ]
    return PriceList(tuple(bands))


def _tiers(variants: Iterable[PriceVariant]) -> list[tuple[str, Moment | None, Figures]]:
    """Return the tiers of service that the package has, each with since when: none is the oldest.

    What is asked for in another way (a kind of search, a route) is no tier that an answer names.
    """
    found: list[tuple[str, Moment | None, Figures]] = []
    for one in variants:
        asked = [value for key, value in one.when.items() if key in TIERS]
        if len(asked) == len(one.when) == 1 and asked[0] not in USUAL_TIERS:
            found.append((asked[0], _applies(one.constraint).since, vars(one.prices)))
    return sorted(found, key=lambda one: str(one[1] or ""))


def _by_date(
    usual: list[tuple[Applies, Figures]], tiers: list[tuple[str, Moment | None, Figures]]
) -> Iterator[tuple[Applies, Figures, Mapping[str, Figures]]]:
    """Give the usual figures and the tiers of service by the day from which both hold."""
    if any(applies.start is not None for applies, _ in usual):
        # By hours of the day: the package has no tiers beside them.
        yield from ((applies, figures, {}) for applies, figures in usual)
        return
    days = {applies.since for applies, _ in usual} | {since for _, since, _ in tiers}
    for day in sorted(days, key=lambda day: str(day or "")):
        then = [figures for applies, figures in usual if _is_by(applies.since, day)]
        since = {name: figures for name, begins, figures in tiers if _is_by(begins, day)}
        yield (ALWAYS if day is None else Applies(since=day)), then[-1], since


def _is_by(begins: Moment | None, day: Moment | None) -> bool:
    return begins is None or (day is not None and str(begins) <= str(day))


def _in_words(applies: Applies) -> str:
    return applies.since.isoformat() if applies.since is not None else ""


def _applies(constraint: StartDateConstraint | TimeOfDateConstraint | None) -> Applies:
    from genai_prices.types import StartDateConstraint

    if constraint is None:
        return ALWAYS
    if isinstance(constraint, StartDateConstraint):
        return Applies(since=constraint.start_date)
    return Applies(start=_utc(constraint.start_time), end=_utc(constraint.end_time))


def _utc(of_day: time) -> time:
    """Return a time of day in UTC, without its zone; one without a zone is in UTC already."""
    if of_day.tzinfo is None:
        return of_day
    return datetime.combine(date(1970, 1, 1), of_day).astimezone(UTC).time()


def _price(prices: Figures, source: str, since: str, tiers: Mapping[str, Figures]) -> Price:
    """Return one set of the package's prices, its tiers turned from per bucket to per prompt."""
    price = _long(prices, source, since)
    # A tier of service says only what is otherwise in it.
    services = tuple(
        (name, replace(_long({**prices, **own}, source, since), service=name))
        for name, own in tiers.items()
    )
    return replace(price, services=services)


def _long(prices: Figures, source: str, since: str) -> Price:
    from genai_prices.types import TieredPrices

    starts = {
        tier.start
        for value in prices.values()
        if isinstance(value, TieredPrices)
        for tier in value.tiers
    }
    tiers = tuple((start, _flat(prices, start, source, since)) for start in sorted(starts))
    return _flat(prices, None, source, since, tiers)


def _flat(
    prices: Figures,
    start: int | None,
    source: str,
    since: str,
    tiers: tuple[tuple[int, Price], ...] = (),
) -> Price:
    """Return the prices of the tier that begins at ``start``, None for the base."""

    def figure(key: str) -> Decimal | None:
        return _in_tier(prices.get(key), start)

    def each(key: str) -> Decimal | None:
        per_thousand = figure(key)
        return None if per_thousand is None else per_thousand / 1000

    paid_in, written = figure("input_mtok"), figure("cache_write_mtok")
    return Price(
        input=paid_in,
        output=figure("output_mtok"),
        cache_read=_first(figure("cache_read_mtok"), paid_in),
        cache_write=_first(written, paid_in),
        cache_write_long=_first(
            figure("cache_write_1h_mtok"), paid_in if written is None else None
        ),
        audio_input=figure("input_audio_mtok"),
        image_input=figure("input_image_mtok"),
        audio_output=figure("output_audio_mtok"),
        image_output=figure("output_image_mtok"),
        reasoning=figure("output_reasoning_mtok"),
        request=each("requests_kcount") or Decimal(0),
        search=each("web_searches_kcount"),
        source=source,
        date=since,
        above_prompt_tokens=tiers,
        above=start or 0,
    )


def _first(own: Decimal | None, other: Decimal | None) -> Decimal | None:
    return own if own is not None else other


def _in_tier(value: Decimal | TieredPrices | None, start: int | None) -> Decimal | None:
    if value is None or isinstance(value, Decimal):
        return value
    price = value.base
    for tier in value.tiers:
        if start is not None and tier.start <= start:
            price = tier.price
    return price


def stated(prices: Mapping[str, Decimal], source: str, date: str) -> PriceList:
    """Return a list of one price as somebody states it: bucket to US dollars per million tokens.

    Raises ``ValueError`` for a name that is no figure, or a figure that is no price.
    """
    return PriceList(((ALWAYS, Price(**all_buckets(prices), source=source, date=date)),))


def all_buckets(prices: Mapping[str, Decimal]) -> dict[str, Any]:
    """Return stated figures with None for every other one.

    Only where every stated figure is 0, and input and output are among them, are all 0: a machine
    at home charges nothing for a cache either. Raises ``ValueError`` for a name that is no figure.
    """
    strange = sorted(set(prices) - set(FIGURES))
    if strange:
        raise ValueError(f"{', '.join(strange)}: not among {', '.join(FIGURES)}")
    if {"input", "output"} <= set(prices) and not any(prices.values()):
        return dict.fromkeys(FIGURES, Decimal(0))
    return {**dict.fromkeys((*BUCKETS, "search")), **prices}
