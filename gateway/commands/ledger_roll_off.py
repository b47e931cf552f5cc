"""``entrepot ledger roll-off``: entries of old months to Parquet, and out of the database."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from billing import retention
from billing.retention import RolledOff
from billing.store import Store, StoreError
from gateway.commands import ledger
from gateway.commands.reading import ConfigOption, load_config
from gateway.commands.screen import NOT_SO, JsonOption, fail, print_json, say, show


def run(
    before: Annotated[
        str | None,
        typer.Option(metavar="MONTH", help="The first month that stays, as 2026-01."),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do it, rather than show it.")] = False,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Move months out of the ledger into an archive; their sums stay in every report.

    Without --before it is what `keep: {months: …}` in the config says.
    """
    _, loaded = load_config(config)
    keep = loaded.config.keep
    if before is None:
        if keep.months is None:
            fail("say which months: --before 2026-01, or `keep: {months: 13}` in the config")
        before = retention.first_kept(keep.months, datetime.now(UTC))
    done: list[RolledOff] = []
    found: list[tuple[str, int]] = []
    try:
        with ledger.existing(loaded.config.ledger) as store:
            if store is not None:
                found = retention.due(store, before)
                if yes:
                    done = _moved(store, before, keep.archive, as_json)
    except ValueError as fault:
        fail(f"--before {before}: {fault}")
    except (StoreError, OSError) as fault:
        fail(f"the ledger {ledger.shown(loaded.config.ledger)}: {fault}", NOT_SO)
    if as_json:
        print_json(
            {
                "before": before,
                "archive": str(keep.archive),
                "months": [{"month": month, "entries": entries} for month, entries in found],
                "done": [
                    {"month": one.month, "entries": one.entries, "file": one.archive}
                    for one in done
                ],
            }
        )
    elif not yes:
        _tell(before, keep.archive, found)
    elif not done:
        say(f"no entries are from before {before}")


def _moved(store: Store, before: str, folder: Path, quiet: bool) -> list[RolledOff]:
    done = []
    for one in retention.roll_off(store, before, folder):
        done.append(one)
        if not quiet:
            say(f"{one.month}: {one.entries} entries are in {one.archive}")
    return done


def _tell(before: str, folder: Path, found: list[tuple[str, int]]) -> None:
    if not found:
        say(f"no entries are from before {before}")
        return
    rows = [[month, str(entries)] for month, entries in found]
    show(("month", "entries"), rows, right=("entries",))
    say("", f"With --yes these go to Parquet files in {folder}, and out of the ledger.")
