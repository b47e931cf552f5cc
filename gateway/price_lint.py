"""What is doubtful about prices in the catalogue: none where one is billed, or not the list's."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from datetime import UTC, datetime

from billing import list_prices
from gateway import offers
from gateway.freshness import GONE
from gateway.offers import Offer
from providers.catalog import Catalog, CatalogError
from providers.catalog_lint import Finding, some

COMPARED = ("input", "output", "cache_read")


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
        yield from _other_prices(catalog, name, found)


def _unpriced(catalog: Catalog, name: str, found: Collection[Offer]) -> Iterator[Finding]:
    bare = dict.fromkeys(offer.model.id for offer in found if offer.billing == "unknown")
    if bare:
        place = catalog.written(name).layers.place(("models",))
        words = f"no price is known of {some(bare)}"
        yield Finding(place, name, "price", words, is_error=False)


def _other_prices(catalog: Catalog, name: str, found: Collection[Offer]) -> Iterator[Finding]:
    written, now = catalog.written(name), datetime.now(UTC)
    for offer in found:
        said, model = offer.native, offer.model
        package = catalog.at(name, offer.endpoints[0]).genai_prices
        if said is None or said.currency != "USD" or not package or offer.billing != "token":
            continue
        listed = list_prices.from_genai_prices(package, model.id)
        price = listed.at(now) if listed is not None else None
        if price is None:
            continue
        other = {
            bucket: figure
            for bucket in COMPARED
            if (figure := getattr(price, bucket)) is not None
            and said.figures.get(bucket) not in (None, figure)
        }
        if other:
            here = ("models", model.id, "prices")
            own = written.form.endpoints[offer.endpoints[0]].models.get(model.id)
            loc = ("endpoints", offer.endpoints[0], *here) if own and own.prices else here
            shown = ", ".join(f"{bucket} {said.figures[bucket]:f}, not {figure:f}"
                              for bucket, figure in other.items())  # fmt: skip
            words = f"`{model.id}` costs otherwise than by {price.source}: {shown}"
            yield Finding(written.layers.place(loc), name, "other price", words, is_error=False)
