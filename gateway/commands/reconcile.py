"""``entrepot reconcile``: does the ledger agree with a provider's bill, and if not, why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, replace
from datetime import datetime, timedelta, tzinfo
from pathlib import Path
from typing import Annotated, Any

import typer

from billing.bill import BillLine, Cell, Quarter
from billing.booked import booked
from billing.reconcile import Reconciled, reconcile
from billing.store import StoreError
from gateway import bill_forms
from gateway.bill_forms import BillForm
from gateway.bill_reading import MOST_BYTES, WrongBillError, read_bill
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
from gateway.periods import midnight
from gateway.problems import ConfigError
from routing.policy_form import nearest

RIGHT = ("billed", "booked", "difference", "tokens billed", "tokens booked")
SHOWN_MOST = 60
NONE = timedelta()


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
    whole: Annotated[bool, typer.Option("--all", help="Show the days that match too.")] = False,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Compare a provider's export with the ledger, by day, model and key, and name the causes."""
    if not kind:
        _list_kinds(as_json=as_json)
        raise typer.Exit(GOOD)
    form = _form(kind)
    if not files:
        fail(f"no file; {form.fetch or 'export it from the provider and name it here'}")
    _, loaded = load_config(config)
    names = _providers(loaded.config, form, provider or [])
    keys = _keys(key or [], names)
    try:
        bill = read_bill(form, [(str(path), _content(path)) for path in files])
    except OSError as fault:
        fail(f"{fault.filename}: {fault.strerror}")
    except WrongBillError as fault:
        fail(str(fault))
    bill = [replace(line, key=keys.get(line.key, line.key) if keys else "") for line in bill]
    zone = zone_of(form.zone)
    first, last = _span(bill, zone, since, until)
    ledger.drained(loaded.config.journal)
    quarters: list[Quarter] = []
    try:
        with ledger.existing(loaded.config.ledger) as store:
            if store is not None:
                quarters = booked(store, names, {line.model for line in bill}, first, last)
    except StoreError as fault:
        fail(f"the ledger {ledger.shown(loaded.config.ledger)}: {fault}", NOT_SO)
    try:
        found = reconcile(bill, quarters, int((zone.utcoffset(first) or NONE).total_seconds()))
    except ValueError as fault:
        fail(str(fault))
    if as_json:
        print_json(_told(found, names))
    else:
        _tell(found, names, whole=whole)
    raise typer.Exit(GOOD if found.agrees else NOT_SO)


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
    own = "/" in kind or kind.endswith((".yaml", ".yml"))
    if not own and kind not in bill_forms.names():
        right = nearest(kind, bill_forms.names(), "one of these kinds, or the path of a file")
        fail(f"{kind!r} is no kind of bill that is known; {right}")
    try:
        return bill_forms.load(Path(kind)) if own else bill_forms.named(kind)
    except ConfigError as fault:
        fail(str(fault))


def _providers(config: Config, form: BillForm, given: Sequence[str]) -> list[str]:
    """Return whose bill it is: as given, else every provider at the bill's host."""
    strange = [name for name in given if name not in config.providers]
    if strange:
        right = nearest(strange[0], config.providers, "a provider of the config")
        fail(f"--provider: {strange[0]!r} is no provider of the config; {right}")
    found = list(given) or [
        name for name in config.providers if form.host and config.host_of(name) == form.host
    ]
    if not found:
        fail("no provider of the config is at that host; --provider names whose bill it is")
    return found


def _keys(given: Sequence[str], providers: Sequence[str]) -> dict[str, str]:
    found = {}
    for pair in given:
        billed, _, name = pair.rpartition("=")
        if not billed or name not in providers:
            fail(f"--key: {pair!r} is not BILLED=PROVIDER, of {', '.join(providers)}")
        found[billed] = name
    return found


def _span(
    bill: Sequence[BillLine], zone: tzinfo, since: str | None, until: str | None
) -> tuple[datetime, datetime]:
    """Return the time to look at: the bill's days and one more on both sides, or as given."""
    days = [line.day for line in bill if line.day is not None]
    if days:
        if since or until:
            fail("--since and --until are for a bill without days; this one has some")
        day = timedelta(days=1)
        return midnight(min(days) - day, zone), midnight(max(days) + 2 * day, zone)
    first, last = moment_of(since, "--since", zone), moment_of(until, "--until", zone)
    if first is None:
        fail("this bill has no days; --since says when it begins (and --until when it ends)")
    return first, last if last is not None else datetime.now(zone)


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
