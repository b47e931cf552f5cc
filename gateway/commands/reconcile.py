"""``entrepot reconcile``: does the ledger agree with a provider's bill, and if not, why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from billing.bill import Cell
from billing.reconcile import Reconciled
from billing.store import StoreError
from gateway import bill_forms, kept_bills, reconciling
from gateway.bill_forms import BillForm
from gateway.bill_reading import MOST_BYTES
from gateway.commands import ledger
from gateway.commands.reading import ConfigOption, load_config
from gateway.commands.screen import (
    GOOD,
    NOT_SO,
    JsonOption,
    fail,
    print_json,
    say,
    show,
)
from gateway.commands.spans import moment_of
from gateway.config import Config
from gateway.config_values import zone as zone_of
from gateway.problems import ConfigError
from gateway.reconciling import AskedError, Question

RIGHT = ("billed", "booked", "difference", "tokens billed", "tokens booked")
SHOWN_MOST = 60
# What is wrong of a question -> how its option says so.
SAID = {
    "provider": "--provider: {why}",
    "host": "{why}; --provider names whose bill it is",
    "key": "--key: {why}",
    "days": "--since and --until are for a bill without days; this one has some",
    "since": "this bill has no days; --since says when it begins (and --until when it ends)",
    "until": "--until must be later than --since",
}


def run(
    kind: Annotated[
        str, typer.Argument(metavar="KIND", help="The kind of bill, or a file that describes one.")
    ] = "",
    files: Annotated[
        list[Path] | None,
        typer.Argument(metavar="FILE...", help="The export; of a balance two, earlier first."),
    ] = None,
    provider: Annotated[
        list[str] | None,
        typer.Option(help="Whose bill: a provider of the config; else all at that host."),
    ] = None,
    key: Annotated[
        list[str] | None,
        typer.Option(help="BILLED=PROVIDER: which provider uses the key that the bill names."),
    ] = None,
    since: Annotated[
        str | None, typer.Option(help="For a bill without days: when it begins.")
    ] = None,
    until: Annotated[str | None, typer.Option(help="And when it ends.")] = None,
    keep: Annotated[
        bool, typer.Option("--keep", help="Keep the comparison: the dashboard shows it too.")
    ] = False,
    whole: Annotated[bool, typer.Option("--all", help="Show the days that match too.")] = False,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Compare a provider's export with the ledger, by day, model and key, and name the causes."""
    if not kind:
        _list_kinds(as_json=as_json)
        raise typer.Exit(GOOD)
    asked, loaded = _question(kind, files, provider, key, (since, until), config)
    found = _compared(asked, loaded)
    names = asked.providers
    if keep:
        _keep(asked, found, loaded)
    if as_json:
        print_json(_told(found, names))
    else:
        _tell(found, names, whole=whole)
    raise typer.Exit(GOOD if found.agrees else NOT_SO)


def _question(
    kind: str,
    files: Sequence[Path] | None,
    provider: Sequence[str] | None,
    key: Sequence[str] | None,
    time: tuple[str | None, str | None],
    config: Path | None,
) -> tuple[Question, Config]:
    """Return what is asked, the bill read; ends with exit code 2 where that is nothing."""
    try:
        form = _form(kind)
        if not files:
            fail(f"no file; {form.fetch or 'export it from the provider and name it here'}")
        _, loaded = load_config(config)
        names = reconciling.providers_of(loaded.config, form, provider or [])
        keys = reconciling.keys_of(key or [], names)
        zone = zone_of(form.zone)
        since, until = moment_of(time[0], "--since", zone), moment_of(time[1], "--until", zone)
        read = [(str(path), _content(path)) for path in files]
        asked = reconciling.question(kind, form, names, keys, read, since, until)
    except AskedError as fault:
        fail(SAID.get(fault.at, "{why}").format(why=fault))
    except ConfigError as fault:
        fail(str(fault))
    except OSError as fault:
        fail(f"{fault.filename}: {fault.strerror}")
    return asked, loaded.config


def _compared(asked: Question, config: Config) -> Reconciled:
    """Return the comparison; ends with a reason where there can be none."""
    ledger.drained(config.journal)
    try:
        with ledger.existing(config.ledger) as store:
            return asked.compared(asked.reading(store) if store is not None else [])
    except StoreError as fault:
        fail(f"the ledger {ledger.shown(config.ledger)}: {fault}", NOT_SO)
    except AskedError as fault:
        fail(str(fault))


def _content(path: Path) -> bytes:
    """Return a file, of one that is too large only so much that this is seen."""
    with path.open("rb") as file:
        return file.read(MOST_BYTES + 1)


def _list_kinds(*, as_json: bool) -> None:
    known = {name: bill_forms.named(name) for name in bill_forms.names()}
    if as_json:
        print_json([{"kind": name, **form.model_dump()} for name, form in known.items()])
        return
    show(("kind", "what", "how to get it"), [(n, f.title, f.fetch or "") for n, f in known.items()])
    say("", "Any other CSV or JSON: describe it in a file (docs/reconcile.md) and name that.")


def _form(kind: str) -> BillForm:
    if "/" in kind or kind.endswith((".yaml", ".yml")):
        return bill_forms.load(Path(kind))
    return reconciling.known_form(kind)


def _keep(asked: Question, found: Reconciled, config: Config) -> None:
    """Keep a comparison for the dashboard's page of bills."""
    folder = kept_bills.folder(config)
    try:
        kept_bills.keep(folder, asked, found)
    except OSError as fault:
        fail(f"{folder}: it cannot be kept: {fault.strerror or fault}", NOT_SO)


def _tell(found: Reconciled, names: Sequence[str], *, whole: bool) -> None:
    cells = [cell for cell in found.cells if whole or cell.state != "matched"]
    if cells:
        rows = [_row(cell) for cell in cells[:SHOWN_MOST]]
        columns = ("day", "model", "key", "state", *RIGHT, "likely cause")
        used = [number for number, _ in enumerate(columns) if any(row[number] for row in rows)]
        show(
            [columns[number] for number in used],
            [[row[number] for number in used] for row in rows],
            right=RIGHT,
        )
        if len(cells) > SHOWN_MOST:
            say(f"… and {len(cells) - SHOWN_MOST} more; --json has all of them")
        say("")
    for cause in found.causes:
        say(f"{cause.kind}: {cause.text}")
    counts = Counter(cell.state for cell in found.cells)
    told = ", ".join(f"{count} {state}" for state, count in counts.items()) or "nothing to compare"
    say(f"{told}; providers: {', '.join(names)}")
    if found.error_percent is None:
        say(f"billed {found.billed:.6f} {found.currency}; no percentage: see the causes")
    else:
        say(
            f"billed {found.billed:.6f} {found.currency}, booked {found.booked:.6f}: the ledger is "
            f"{found.error_percent:+.4f} % off, {found.gross_percent:.4f} % without setting "
            "differences off against each other"
        )


def _row(cell: Cell) -> list[str]:
    billed = cell.billed
    tokens = billed.tokens if billed is not None else None
    return [
        cell.day.isoformat() if cell.day is not None else "",
        cell.model,
        cell.key,
        cell.state,
        f"{billed.cost:f}" if billed is not None and billed.cost is not None else "",
        f"{cell.cost:f}" if cell.cost is not None else "",
        f"{cell.gap:+f}" if billed is not None and billed.cost is not None else "",
        str(tokens) if tokens is not None else "",
        str(cell.booked.tokens),
        "; ".join(f"{cause.kind}: {cause.text}" for cause in cell.causes),
    ]


def _told(found: Reconciled, names: Sequence[str]) -> dict[str, Any]:
    return {
        "agrees": found.agrees,
        "providers": list(names),
        "currency": found.currency,
        "billed": found.billed,
        "booked": found.booked,
        "error_percent": found.error_percent,
        "gross_percent": found.gross_percent,
        "causes": [asdict(cause) for cause in found.causes],
        "cells": [asdict(cell) for cell in found.cells],
    }
