"""Price lists: from the genai-prices package, or as somebody states them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from billing.pricing import ALWAYS, Applies, Price, PriceList
from providers.usage import BUCKETS

if TYPE_CHECKING:
    from genai_prices.types import (
        ConditionalPrice,
        ModelPrice,
        StartDateConstraint,
        TieredPrices,
        TimeOfDateConstraint,
    )


def from_genai_prices(provider: str, model: str) -> PriceList | None:
    """Return the package's prices of ``model`` at its own provider id; None where it knows none.

    Importing the package takes 0.15 s, so it is left to the first call. As in the package, cached
    tokens without a price of their own are charged as input, and a tier reprices every token once
    the prompt has more than its number. Unlike there, audio without a price is unknown.
    """
    import genai_prices
    from genai_prices import data_snapshot, types

    snapshot = data_snapshot.get_snapshot()
    try:
        _, known = snapshot.find_provider_model(model, None, provider, None)
    except LookupError:
        return None
    source = f"genai-prices {genai_prices.__version__}"
    prices = known.prices
    if isinstance(prices, types.ModelPrice):
        return PriceList(((ALWAYS, _price(prices, source, "")),))
    return PriceList(tuple(_band(conditional, source) for conditional in prices))


def _band(conditional: ConditionalPrice, source: str) -> tuple[Applies, Price]:
    applies = _applies(conditional.constraint)
    since = applies.since.isoformat() if applies.since is not None else ""
    return applies, _price(conditional.prices, source, since)


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


def _price(prices: ModelPrice, source: str, since: str) -> Price:
    """Return one set of the package's prices, its tiers turned from per bucket to per prompt."""
    from genai_prices.types import TieredPrices

    starts = {
        tier.start
        for value in vars(prices).values()
        if isinstance(value, TieredPrices)
        for tier in value.tiers
    }
    tiers = tuple((start, _flat(prices, start, source, since)) for start in sorted(starts))
    return _flat(prices, None, source, since, tiers)


def _flat(
    prices: ModelPrice,
    start: int | None,
    source: str,
    since: str,
    tiers: tuple[tuple[int, Price], ...] = (),
) -> Price:
    """Return the prices of the tier that begins at ``start``, None for the base."""

    def figure(key: str) -> Decimal | None:
        return _in_tier(getattr(prices, key), start)

    paid_in = figure("input_mtok")
    cache_write = _first(figure("cache_write_mtok"), paid_in)
    per_thousand = figure("requests_kcount")
    return Price(
        input=paid_in,
        output=figure("output_mtok"),
        cache_read=_first(figure("cache_read_mtok"), paid_in),
        cache_write=cache_write,
        cache_write_long=_first(figure("cache_write_1h_mtok"), cache_write),
        audio_input=figure("input_audio_mtok"),
        audio_output=figure("output_audio_mtok"),
        reasoning=figure("output_reasoning_mtok"),
        request=per_thousand / 1000 if per_thousand is not None else Decimal(0),
        source=source,
        date=since,
        above_prompt_tokens=tiers,
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


def stated(
    prices: Mapping[str, Decimal],
    source: str,
    date: str,
    above: Iterable[tuple[int, Mapping[str, Decimal]]] = (),
) -> PriceList:
    """Return a list as somebody states it: bucket to US dollars per million tokens.

    ``above`` has, rising, the numbers of prompt tokens above which other prices hold.

    Buckets that are not stated have no known price; only where every stated figure is 0, and input
    and output are among them, are all 0: a machine at home charges nothing for a cache either.
    Raises ``ValueError`` for a name that is no bucket, or a figure that is no price.
    """
    tiers = tuple(
        (start, Price(**_all_buckets(figures), source=source, date=date))
        for start, figures in above
    )
    price = Price(**_all_buckets(prices), source=source, date=date, above_prompt_tokens=tiers)
    return PriceList(((ALWAYS, price),))


def _all_buckets(prices: Mapping[str, Decimal]) -> dict[str, Any]:
    strange = sorted(set(prices) - set(BUCKETS))
    if strange:
        raise ValueError(f"{', '.join(strange)}: not among {', '.join(BUCKETS)}")
    if {"input", "output"} <= set(prices) and not any(prices.values()):
        return dict.fromkeys(BUCKETS, Decimal(0))
    return {**dict.fromkeys(BUCKETS), **prices}
