"""``entrepot whatif``: what the calls of the past would have cost at other routes."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, Any

import typer

from billing.money import usd_text
from billing.past_use import Past, past
from billing.price_list import PriceList
from billing.store import Store
from billing.tokenizer_ratios import MEASURED, Ratio, between
from billing.whatif import Elsewhere, elsewhere, thresholds
from gateway import offers
from gateway.commands import books
from gateway.commands.books import UntilOption, WhereOption
from gateway.commands.ledger import Waiting
from gateway.commands.reading import ConfigOption, load_setup
from gateway.commands.screen import JsonOption, fail, print_json, say, show
from gateway.commands.spending import SinceOption
from gateway.offers import Offer
from gateway.setup import Setup
from routing.policy_form import nearest

CAVEAT = (
    "Other models count other tokens for the same text, and write answers of another length: what "
    "is compared is the price of these tokens."
)
RIGHT = ("USD", "difference", "%", "unpriced")


@dataclass(frozen=True, slots=True)
class Answer:
    """What one route would have cost, and how much more or less than it did (1e-12 dollars).

    ``ratio`` is how many tokens it counts for one that was counted; None: nobody measured that.
    """

    route: str
    found: Elsewhere
    difference: int
    why_not: str = ""
    ratio: Ratio | None = None


def run(
    to: Annotated[
        list[str] | None,
        typer.Option(help="A route, or HOST/MODEL of the catalogue; repeat. Else all routes."),
    ] = None,
    since: SinceOption = "30d",
    until: UntilOption = None,
    where: WhereOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Price the same tokens at other routes: each at its own hours, tiers and currency."""
    setup = load_setup(config)
    first, last = books.time_of(since, until, setup.config)
    where_so = books.filters(where)
    targets = _targets(setup, to or [])
    starts = thresholds(one.prices for one in targets.values() if one.prices is not None)

    def read(store: Store) -> Past:
        return past(store, first, last, where_so, starts)

    found, waiting = books.read(setup.config, read, Past([]))
    answers = []
    counted_by = {_tokenizer(setup, *route) for route in found.routes}
    for name, target in targets.items():
        there = elsewhere(found.used, target.prices)
        ratio = between(target.tokenizer, *counted_by) if len(counted_by) == 1 else None
        answers.append(Answer(name, there, there.pico - found.pico, target.why_not, ratio))
    answers.sort(key=lambda one: (one.found.unknown > 0, one.found.pico, one.route))
    if as_json:
        print_json({**_told(found), "routes": [_plain(one) for one in answers]})
        return
    _tell(found, answers, waiting)


@dataclass(frozen=True, slots=True)
class Target:
    """A route that is asked about: its prices, else why there are none; who counts its tokens."""

    prices: PriceList | None
    why_not: str
    tokenizer: str


def _target(one: Offer) -> Target:
    return Target(one.prices, _why_not(one), one.model.tokenizer)


def _tokenizer(setup: Setup, provider: str, model: str) -> str:
    if provider not in setup.providers:
        return ""
    return setup.route(f"{provider}/{model}").tokenizer


def _targets(setup: Setup, names: list[str]) -> dict[str, Target]:
    """Return each route that was asked about."""
    if not names:
        return {one.name: _target(one) for one in offers.configured(setup)}
    found = {}
    for name in names:
        owner, _, model = name.partition("/")
        if owner in setup.providers and model:
            one = offers.of_route(setup, name)
        elif owner in setup.catalog.hosts and model:
            here = [one for one in offers.of_host(setup.catalog, owner) if one.model.id == model]
            if not here:
                known = [one.model.id for one in offers.of_host(setup.catalog, owner)]
                fail(f"--to: {owner} has no model {model!r} here; {nearest(model, known, '')}")
            one = here[0]
        else:
            known = [*setup.providers, *setup.catalog.hosts]
            right = nearest(owner, known, "PROVIDER/MODEL of the config, or HOST/MODEL")
            fail(f"--to: {name!r} is no route; {right}")
        found[name] = _target(one)
    return found


def _why_not(one: Offer) -> str:
    """Return why a route has no price of tokens, "" where it has one."""
    if one.billing == "hour":
        return "paid by the hour: `entrepot home` says what its tokens cost"
    if one.billing == "plan":
        return "paid by a plan: `entrepot plans` says what its tokens cost"
    return "" if one.prices is not None else "no price is known"


def _tell(past_use: Past, answers: list[Answer], waiting: Waiting) -> None:
    calls = sum(one.requests for one in past_use.used)
    if not calls:
        say("no calls with known usage are in the ledger for this time")
        return
    say(f"{calls} calls cost {usd_text(past_use.pico)} USD; the same tokens would have cost:", "")
    rows = [
        (
            one.route,
            usd_text(one.found.pico) if one.found.requests and not one.why_not else "unknown",
            _signed(one.difference) if not one.found.unknown and not one.why_not else "",
            _percent(one.difference, past_use.pico)
            if not one.found.unknown and not one.why_not
            else "",
            str(one.found.unknown or ""),
            one.why_not or "; ".join([*one.found.assumed, *_counted(one.ratio)]),
        )
        for one in answers
    ]
    show(("route", "USD", "difference", "%", "unpriced", "note"), rows, right=RIGHT)
    say("", *_notes(past_use, waiting))


def _counted(ratio: Ratio | None) -> list[str]:
    """Return in words how many tokens a route counts where these were counted."""
    if ratio is None:
        return []
    if ratio.of == ratio.to:
        return ["counts tokens alike"]
    return [f"counts {ratio.low}-{ratio.high} tokens for each ({MEASURED})"]


def _notes(past_use: Past, waiting: Waiting) -> list[str]:
    notes = [CAVEAT]
    if past_use.unknown:
        notes.append(f"Of {past_use.unknown} of these calls the cost is unknown, and in no sum.")
    if past_use.guessed:
        notes.append(f"The tokens of {past_use.guessed} were estimated.")
    if past_use.left_out:
        notes.append(f"{past_use.left_out} more calls have no known usage, and are left out.")
    return [*notes, *books.notes(waiting)]


def _signed(pico: int) -> str:
    return f"{'+' if pico > 0 else ''}{usd_text(pico)}"


def _percent(difference: int, pico: int) -> str:
    return f"{Decimal(100 * difference) / pico:+.1f}" if pico else ""


def _told(past_use: Past) -> dict[str, Any]:
    return {
        "calls": sum(one.requests for one in past_use.used),
        "cost_usd": usd_text(past_use.pico),
        "cost_unknown": past_use.unknown,
        "estimated": past_use.guessed,
        "left_out": past_use.left_out,
        "caveat": CAVEAT,
    }


def _plain(one: Answer) -> dict[str, Any]:
    priced = not one.why_not and one.found.requests > 0
    return {
        "route": one.route,
        "cost_usd": usd_text(one.found.pico) if priced else None,
        "difference_usd": usd_text(one.difference) if priced and not one.found.unknown else None,
        "unpriced": one.found.unknown,
        "assumed": list(one.found.assumed),
        "tokens_for_each": None
        if one.ratio is None
        else {"low": one.ratio.low, "median": one.ratio.median, "high": one.ratio.high},
        "why_not": one.why_not,
    }
