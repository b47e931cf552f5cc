"""What ``entrepot doctor --live`` says: costs first, then lists, calls and differences."""

from __future__ import annotations

import sys
import textwrap
from dataclasses import asdict
from pathlib import Path
from typing import Any, NoReturn

import typer

from billing.journal import JournalError
from billing.migrate import MigrationError
from billing.store import StoreError
from gateway.commands import live
from gateway.commands.live_hosts import Looked, Wanted, look, wanted
from gateway.commands.reading import load_config
from gateway.commands.screen import GOOD, NOT_SO, fail, print_json, say, show
from gateway.setup import compile_setup
from routing.policy_form import nearest

SHOWN_CHARS = 90


def run(config: Path | None, only: str | None, *, as_json: bool, offline: bool) -> NoReturn:
    """Ask the configured providers, all or ``only`` one, and end with what came of it."""
    if offline:
        fail("--live asks hosts, and --offline none: give one of the two")
    path, loaded = load_config(config)
    setup = compile_setup(loaded, price_all=True)
    if only is not None and only not in setup.providers:
        fail(f"the config has no provider {only!r}; {nearest(only, setup.providers)}")
    asked = wanted(setup, only)
    # On stderr, so that a document on stdout stays one.
    say(_costs(asked), to=sys.stderr)
    try:
        looked = look(path, setup, asked)
    except (MigrationError, StoreError, JournalError) as fault:
        fail(str(fault), NOT_SO)
    good = not any(one.failed for one in looked)
    passed = [
        (name, owner.available)
        for name, owner in setup.providers.items()
        if owner.available and only in (None, name)
    ]
    if as_json:
        print_json(_document(good, asked, looked, passed))
    else:
        _tell(looked, passed)
    raise typer.Exit(GOOD if good else NOT_SO)


def _costs(asked: Wanted) -> str:
    calls = sum(bool(route) for _, route in asked.owners)
    each = f"each with an answer of {live.ANSWER_TOKENS} tokens at most"
    text = f"calls to make: {calls}, {each}; {asked.at_most_usd} USD at most"
    if asked.unpriced:
        text += f", without those whose price is unknown ({asked.unpriced})"
    return text


def _document(
    good: bool, asked: Wanted, looked: list[Looked], passed: list[tuple[str, str]]
) -> dict[str, Any]:
    return {
        "good": good,
        "at_most_usd": asked.at_most_usd,
        "unpriced_calls": asked.unpriced,
        "providers": [
            {
                **asdict(one),
                "failed": [
                    dict(zip(("what", "class", "said", "cure"), fault, strict=True))
                    for fault in one.failed
                ],
            }
            for one in looked
        ],
        "passed_over": [{"provider": name, "why": why} for name, why in passed],
    }


def _tell(looked: list[Looked], passed: list[tuple[str, str]]) -> None:
    if not looked:
        say("", "no provider of the config can be called")
    else:
        say("")
        show(
            ("provider", "listed", "asked", "ms", "cost USD", "usage told", "notes"),
            [_row(one) for one in looked],
            right=("listed", "ms"),
        )
    found = [(one.provider, each) for one in looked for each in one.differences]
    if found:
        say("", "the host and the catalogue differ:")
        rows = [(name, d.what, _short(d.catalogue), _short(d.host)) for name, d in found]
        show(("provider", "what", "the catalogue says", "the host says"), rows)
    elif looked:
        say("", "nothing that a host said differs from the catalogue")
    failed = [(one.provider, *fault) for one in looked for fault in one.failed]
    if failed:
        say("", "failed:")
        show(("provider", "what", "class", "the host said", "cure"), failed)
    if passed:
        say("", "passed over:", *(f"  {name}: {why}" for name, why in passed))


def _short(told: str) -> str:
    """Return what one side says, a long list of names shortened; --json has it whole."""
    return textwrap.shorten(told, SHOWN_CHARS, placeholder=" and more") or "-"


def _row(one: Looked) -> tuple[str, ...]:
    return (
        one.provider,
        "-" if one.listed is None else f"{one.listed}{'' if one.whole else '+'}",
        one.route.partition("/")[2] or "-",
        str(one.ms) if one.route else "-",
        one.cost_usd or "-",
        ", ".join(one.buckets) or "-",
        "; ".join(one.notes),
    )
