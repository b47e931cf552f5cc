"""``entrepot whatif``: what the calls of the past would have cost at other routes."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any

import typer

from billing.money import usd_text
from billing.past_use import Past
from billing.store import Store
from billing.tokenizer_ratios import MEASURED, Ratio
from gateway import elsewhere
from gateway.commands import books
from gateway.commands.books import UntilOption, WhereOption
from gateway.commands.ledger import Waiting
from gateway.commands.reading import ConfigOption, load_setup
from gateway.commands.screen import JsonOption, fail, print_json, say, show
from gateway.commands.spending import SinceOption
from gateway.elsewhere import CAVEAT, WHY_NOT, Answer, NoRouteError

RIGHT = ("USD", "difference", "%", "unpriced")


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
    try:
        targets = elsewhere.targets(setup, to or [])
    except NoRouteError as fault:
        fail(f"--to: {fault}")

    def read(store: Store) -> Past:
        return elsewhere.read(store, first, last, where_so, targets)

    found, waiting = books.read(setup.config, read, Past([]))
    answers = elsewhere.answers(found, targets, elsewhere.counted_by(setup, found))
    if as_json:
        print_json({**_told(found), "routes": [_plain(one) for one in answers]})
        return
    _tell(found, answers, waiting)


def _tell(past_use: Past, answers: list[Answer], waiting: Waiting) -> None:
    calls = sum(one.requests for one in past_use.used)
    if not calls:
        say("no calls with known usage are in the ledger for this time")
        return
    say(f"{calls} calls cost {usd_text(past_use.pico)} USD; the same tokens would have cost:", "")
    rows = [
        (
            one.route,
            usd_text(one.found.pico) if one.is_priced else "unknown",
            _signed(one.difference) if one.is_whole else "",
            _percent(one.difference, past_use.pico) if one.is_whole else "",
            str(one.found.unknown or ""),
            WHY_NOT.get(one.lacks) or "; ".join([*one.found.assumed, *_counted(one.ratio)]),
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
    return {
        "route": one.route,
        "cost_usd": usd_text(one.found.pico) if one.is_priced else None,
        "difference_usd": usd_text(one.difference) if one.is_whole else None,
        "unpriced": one.found.unknown,
        "assumed": list(one.found.assumed),
        "tokens_for_each": None
        if one.ratio is None
        else {"low": one.ratio.low, "median": one.ratio.median, "high": one.ratio.high},
        "why_not": WHY_NOT.get(one.lacks, ""),
    }
