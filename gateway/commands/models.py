"""``entrepot models``: one table of what can be called anywhere, on whose terms, at what price."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any, Literal

import typer

from gateway import offers
from gateway.commands import models_of_config, price_words
from gateway.commands.fact_rows import end_in_words
from gateway.commands.reading import ConfigOption, config_path, load_config, load_setup
from gateway.commands.screen import JsonOption, fail, print_json, progress, say, show
from gateway.commands.where import KNOWN, ConditionError, Test, names_of, number, test_of
from gateway.offers import Offer
from gateway.setup import Setup, compile_setup
from providers.catalog import Catalog, CatalogError, builtin

COLUMNS = (
    "route, or host/model", "in", "out", "context", "maker", "operator", "place", "weights",
    "quantisation",
)  # fmt: skip
RIGHT = ("in", "out", "context")
MARK = "*"
ENDPOINTS_MOST = 2  # named in a row; of more, the rest is counted

SortOption = Annotated[
    Literal["price", "context", "name"] | None,
    typer.Option(
        "--sort", help="price: cheapest first, three tokens in to one out; context: most first."
    ),
]


def run(
    sort: SortOption = None,
    where: Annotated[
        list[str] | None,
        typer.Option(
            "--where",
            metavar="EXPR",
            help="Only what satisfies EXPR, such as operator=EEA, maker!=CN, price<2. More may "
            f"follow; all must hold. The facts: {', '.join(KNOWN)}.",
        ),
    ] = None,
    more: Annotated[list[str] | None, typer.Argument(metavar="EXPR", hidden=True)] = None,
    mine: Annotated[
        bool, typer.Option("--mine", help="Only the names of the config, with their routes.")
    ] = False,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show the models of all hosts and of the config: price, maker, operator, place, weights."""
    conditions = [*(where or ()), *(more or ())]
    if mine and not conditions and sort is None:
        models_of_config.tell(load_setup(config), as_json=as_json)
        return
    setup = _setup(config, needed=mine)
    catalog = setup.catalog if setup is not None else builtin()
    now = datetime.now(UTC)
    tests = _tests(conditions, setup, catalog, now)
    own = offers.configured(setup) if setup is not None else []
    found = own if mine else [*own, *_elsewhere(catalog, own)]
    kept = [offer for offer in found if all(test(offer) for test in tests)]
    kept.sort(key=_order(sort or "name", now))
    if as_json:
        per = {"currency": "USD", "per": "1000000 tokens"}
        told = [document(offer, now) for offer in kept]
        print_json({**per, "where": conditions, "of": len(found), "models": told})
        return
    _tell(kept, len(found), now, is_configured=setup is not None)


def _setup(config: Any, *, needed: bool) -> Setup | None:
    if config is None and config_path(None) is None and not needed:
        return None
    return compile_setup(load_config(config)[1], price_all=True)


def _tests(
    conditions: Iterable[str], setup: Setup | None, catalog: Catalog, now: datetime
) -> list[Test]:
    names = names_of(catalog, setup.providers if setup is not None else ())
    try:
        return [test_of(said, names, now) for said in conditions]
    except ConditionError as fault:
        fail(str(fault))


def _elsewhere(catalog: Catalog, own: list[Offer]) -> Iterable[Offer]:
    """Give what the catalogue's hosts offer, but for what the config has a route to."""
    has = offers.by_host(own)
    for name in progress(list(catalog.hosts), "reading the catalogue"):
        try:
            of_host = offers.of_host(catalog, name)
        except CatalogError as fault:
            fail(str(fault))
        for offer in of_host:
            if not set(offer.endpoints) <= has.get((name, offer.model.id), set()):
                yield offer


def _order(sort: str, now: datetime) -> Callable[[Offer], tuple[Any, ...]]:
    """Return what offers are ordered by; where it is equal, the config's own come first."""

    def by_name(offer: Offer) -> tuple[Any, ...]:
        short = offer.model.id.rpartition("/")[2].casefold()
        return (short, not offer.is_configured, offer.name.casefold())

    def by_figure(offer: Offer) -> tuple[Any, ...]:
        figure = number(sort, offer, now)
        if figure is None:
            # Behind what is priced: what a plan holds, then what the vendor bills otherwise.
            kind = ("plan", "hour", "token", "unknown").index(offer.billing)
            return (True, Decimal(kind), not offer.is_configured, *by_name(offer))
        return (False, -figure if sort == "context" else figure, not offer.is_configured,
                *by_name(offer))  # fmt: skip

    return by_name if sort == "name" else by_figure


def document(offer: Offer, now: datetime) -> dict[str, Any]:
    """Return one offer as plain data, its prices those of ``now``."""
    price, facts, native = offer.price(now), offer.facts, offer.native
    return {
        "name": offer.name,
        "configured": offer.is_configured,
        "asked_as": offer.asked_as,
        "host": offer.host,
        "endpoints": offer.endpoints,
        "model": offer.model.id,
        "family": offer.model.family or None,
        "kind": offer.kind,
        "status": offer.status or "unknown",
        "until": offer.model.until,
        "billing": offer.billing,
        "usd_in": _figure(price.usd(price.input) if price is not None else None),
        "usd_out": _figure(price.usd(price.output) if price is not None else None),
        "usd_per_hour": _figure(offer.usd_per_hour),
        "longer_prompts_cost_more": bool(price is not None and price.above_prompt_tokens),
        "price_from": " · ".join(filter(None, (price.source, price.date))) if price else None,
        "prices": price_words.told(offer.prices, now) if offer.billing == "token" else None,
        "native": None if native is None else {
            "currency": native.currency,
            **{bucket: f"{figure:f}" for bucket, figure in native.figures.items()},
        },
        "context": offer.model.context,
        "max_output": offer.model.max_output,
        "maker": _known(facts.maker),
        "operator": _known(facts.operator),
        "processed_in": _known(facts.processed_in),
        "trains_on_data": facts.trains_on_data or "unknown",
        "retention_days": "unknown" if facts.retention_days is None else facts.retention_days,
        "weights": facts.weights or "unknown",
        "licence": facts.licence or "unknown",
        "quantisation": facts.quantisation or "unknown",
        "can": sorted(offer.model.can),
        "cannot": sorted(offer.model.cannot),
    }  # fmt: skip


def _tell(kept: list[Offer], among: int, now: datetime, *, is_configured: bool) -> None:
    if kept:
        show(COLUMNS, [_row(offer, now, marks=is_configured) for offer in kept], RIGHT, dense=True)
        say("")
    marked = f" {MARK} marks the routes of the config." if is_configured else ""
    say(
        f"{len(kept)} of {among}.{marked} Prices: a million tokens in and out, now,",
        "in USD where no currency stands.",
        price_words.LEGEND,
        "`--where operator=EEA weights=open price<2` narrows, `--json` has everything.",
    )


def _row(offer: Offer, now: datetime, *, marks: bool) -> tuple[str, ...]:
    facts = offer.facts
    mark = f"{MARK if offer.is_configured else ' '} " if marks else ""
    return (
        mark + _name(offer, now),
        *prices_in_cells(offer, now),
        "?" if offer.model.context is None else tokens_in_short(offer.model.context),
        *(_words(value) for value in (facts.maker, facts.operator, facts.processed_in)),
        facts.weights or "unknown",
        facts.quantisation or "unknown",
    )


def _name(offer: Offer, now: datetime) -> str:
    notes = [offer.status] if offer.status in ("closed", "retired") else []
    if offer.model.until is not None:
        notes.append(end_in_words(offer.model.until, now))
    return f"{offer.name}{endpoints_in_words(offer)}" + "".join(f" [{note}]" for note in notes)


def endpoints_in_words(offer: Offer) -> str:
    """Return which endpoints have these terms, as a note behind a name; "" where all have."""
    if offer.everywhere:
        return ""
    rest = len(offer.endpoints) - ENDPOINTS_MOST
    named = ", ".join(offer.endpoints[:ENDPOINTS_MOST])
    return f" ({named}{f' and {rest} more' if rest > 0 else ''})"


def prices_in_cells(offer: Offer, now: datetime) -> tuple[str, str]:
    """Return what a million tokens cost in and out, in the vendor's currency if not in dollars."""
    if offer.usd_per_hour is not None:
        return f"{_figure(offer.usd_per_hour)}/h", ""
    if offer.billing == "plan":
        return "plan", "plan"
    return price_words.cells(offer.prices, offer.price(now), now)


def tokens_in_short(count: int) -> str:
    """Return a number of tokens as people say it: 128k, 1M, 262k."""
    if count >= 1_000_000:
        return f"{count / 1_000_000:.3g}M"
    return f"{count // 1000}k" if count >= 1000 else str(count)


def _figure(value: Decimal | None) -> str | None:
    return None if value is None else f"{value.normalize():f}"


def _known(value: frozenset[str] | None) -> list[str] | str:
    return sorted(value) if value else "unknown"


def _words(value: frozenset[str] | None) -> str:
    return ", ".join(sorted(value)) if value else "unknown"
