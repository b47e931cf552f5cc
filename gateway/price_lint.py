"""What is doubtful about prices in the catalogue: none where one is billed, or not the list's."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from datetime import UTC, datetime

from billing import calendar, list_prices
from billing.bands import turns
from billing.price import USD
from billing.price_list import PriceList
from billing.stated_prices import from_statement
from gateway import offers
from gateway.freshness import GONE
from gateway.offers import Offer
from providers.catalog import Catalog, CatalogError
from providers.catalog_lint import Finding, some

COMPARED = ("input", "output", "cache_read")
SHOWN_MOST = 6  # differences of one model


def lint_prices(catalog: Catalog, hosts: Iterable[str]) -> Iterator[Finding]:
    """Give for each host which models have no price, and which differ from the price package."""
    for name in hosts:
        try:
            found = offers.of_host(catalog, name)
        except CatalogError:
            continue  # what cannot be read is told by the other checks
        if catalog.hosts[name].kind == "home" or catalog.hosts[name].status in GONE:
            continue
        yield from _unpriced(catalog, name, found)
        yield from _calendars(catalog, name, found)
        yield from _other_prices(catalog, name, found)


def _unpriced(catalog: Catalog, name: str, found: Collection[Offer]) -> Iterator[Finding]:
    bare = dict.fromkeys(offer.model.id for offer in found if offer.billing == "unknown")
    if bare:
        place = catalog.written(name).layers.place(("models",))
        words = f"no price is known of {some(bare)}"
        yield Finding(place, name, "price", words, is_error=False)


def _calendars(catalog: Catalog, name: str, found: Collection[Offer]) -> Iterator[Finding]:
    """Give the countries whose public holidays decide a price and that have no calendar."""
    countries = {offer.native.holidays_of for offer in found if offer.native is not None}
    strange = [country for country in countries if country and not calendar.is_known(country)]
    if strange:
        place = catalog.written(name).layers.place(("models",))
        words = f"no calendar is known of {some(strange)}, on whose holidays prices depend"
        yield Finding(place, name, "price", words, is_error=True)


def _other_prices(catalog: Catalog, name: str, found: Collection[Offer]) -> Iterator[Finding]:
    written, now = catalog.written(name), datetime.now(UTC)
    for offer in found:
        said, model = offer.native, offer.model
        package = catalog.at(name, offer.endpoints[0]).genai_prices
        if said is None or said.currency != USD or said.adds or not package:
            continue
        if offer.billing != "token":
            continue
        listed = list_prices.from_genai_prices(package, model.id)
        if listed is None:
            continue
        other = list(_differences(from_statement(said), listed, now))
        if other:
            here = ("models", model.id, "prices")
            own = written.form.endpoints[offer.endpoints[0]].models.get(model.id)
            loc = ("endpoints", offer.endpoints[0], *here) if own and own.prices else here
            more = f" and {len(other) - SHOWN_MOST} more" if len(other) > SHOWN_MOST else ""
            words = (
                f"`{model.id}` costs otherwise than by {listed.bands[0][1].source}: "
                f"{', '.join(other[:SHOWN_MOST])}{more}"
            )
            yield Finding(written.layers.place(loc), name, "other price", words, is_error=False)


def _differences(ours: PriceList, theirs: PriceList, now: datetime) -> Iterator[str]:
    """Give in words what differs now or later, each once with the first moment of it."""
    seen: set[object] = set()
    bands = [applies for prices in (ours, theirs) for applies, _ in prices.bands]
    for moment in (now, *(at for at in turns(bands, now) if at > now)):
        own, listed = ours.at(moment), theirs.at(moment)
        if own is None or listed is None:
            continue
        when = f" ({own.band + ', ' if own.band else ''}{moment:%a %d %b %H:%M} UTC)"
        for bucket in COMPARED:
            mine, figure = getattr(own, bucket), getattr(listed, bucket)
            key = (own.band, bucket, mine, figure)
            if None not in (mine, figure) and mine != figure and key not in seen:
                seen.add(key)
                yield f"{bucket} {mine.normalize():f}, not {figure.normalize():f}{when}"
        if listed.above_prompt_tokens and not own.above_prompt_tokens and own.band not in seen:
            seen.add(own.band)
            yield f"no price of long prompts{when}"
