"""How commands that report on the ledger ask for it: their options, and its faults as words."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Annotated, TypeVar

import typer

from billing.calendar_cuts import GRAINS
from billing.reports import Asked
from billing.store import Store, StoreError
from gateway import asked
from gateway.commands import ledger
from gateway.commands.ledger import Waiting
from gateway.commands.reading import load_config
from gateway.commands.screen import NOT_SO, fail
from gateway.commands.spans import moment_of
from gateway.config import Config

T = TypeVar("T")

SinceOption = Annotated[
    str | None, typer.Option(help="30d, 12h, 4w, 2026-11-01 or 2026-11-01T14:00.")
]
UntilOption = Annotated[str | None, typer.Option(help="Up to before this day or time.")]
WhereOption = Annotated[
    list[str] | None, typer.Option(help="Only these: team=research. May stand often.")
]
GrainOption = Annotated[str | None, typer.Option(help="Also by time: hour, day, week or month.")]
CsvOption = Annotated[bool, typer.Option("--csv", help="Print CSV instead, for spreadsheets.")]


def config_of(given: Path | None) -> Config:
    """Return the config that a command reads; ends with exit code 2 where it cannot."""
    _, loaded = load_config(given)
    return loaded.config


def time_of(
    since: str | None, until: str | None, config: Config
) -> tuple[datetime | None, datetime | None]:
    """Return what two options say; ends with exit code 2 where that is no time."""
    zone = config.server.zone
    first, last = moment_of(since, "--since", zone), moment_of(until, "--until", zone)
    if first is not None and last is not None and last <= first:
        fail("--until must be later than --since")
    return first, last


def filters(where: Sequence[str] | None) -> dict[str, list[str]]:
    """Return the filters that options name; ends with exit code 2 where one is none."""
    try:
        return asked.filters(where or ())
    except ValueError as fault:
        fail(f"--where: {fault}")


def question(
    by: str,
    grain: str | None,
    where: Sequence[str] | None,
    time: tuple[datetime | None, datetime | None],
    config: Config,
) -> Asked:
    """Return what options ask; ends with exit code 2 where that is nothing."""
    wanted = filters(where)
    try:
        return asked.asked(by, grain, wanted, *time, config.server.zone)
    except ValueError as fault:
        fail(f"{'--by' if grain in (None, *GRAINS) else '--grain'}: {fault}")


def read(config: Config, report: Callable[[Store], T], nothing: T) -> tuple[T, Waiting]:
    """Return what a report makes of the ledger, ``nothing`` where there is none yet; what waits.

    Ends with exit code 1 where it cannot be read, or the report is too long.
    """
    waits = ledger.drained(config.journal)
    try:
        with ledger.existing(config.ledger) as store:
            return (report(store) if store is not None else nothing), waits
    except (StoreError, ValueError, OverflowError) as fault:
        fail(f"the ledger {ledger.shown(config.ledger)}: {fault}", NOT_SO)


def notes(waits: Waiting) -> list[str]:
    """Return what a report has to say of the journal."""
    found = []
    if waits.entries:
        found.append(f"{waits.entries} entries wait in the journal, and are in no sum yet.")
    if waits.damaged:
        found.append(f"{waits.damaged} lines of the journal are damaged.")
    return found
