"""``entrepot ledger verify``: was an entry edited, removed or inserted since it was made?"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from billing import audit_store
from billing.audit import Finding
from billing.audit_rows import Counts, Fields, Gathered, from_journal, gathering, judged
from billing.chain import Head
from billing.store import Store, StoreError
from gateway.commands import heads_file, ledger
from gateway.commands.heads_file import HeadsError
from gateway.commands.reading import ConfigOption, load_config
from gateway.commands.screen import GOOD, NOT_SO, JsonOption, fail, print_json, say, show
from gateway.commands.spans import moment_of

SHOWN_MAX = 200
STEP = 1000


def run(
    since: Annotated[
        str | None, typer.Option(help="From this day of UTC on: 2026-11-01, 30d, 4w.")
    ] = None,
    until: Annotated[str | None, typer.Option(help="Up to before this day of UTC.")] = None,
    heads: Annotated[
        Path | None, typer.Option(help="Heads that `entrepot ledger heads` wrote before.")
    ] = None,
    verify_with: Annotated[
        Path | None, typer.Option(help="The public key (PEM) that FILE.sig beside --heads is of.")
    ] = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Recompute the chains of entries and name what is wrong, with its day; exit 1 if anything is.

    Works beside a running gateway. Entries that still wait in the journal are no fault.
    """
    _, loaded = load_config(config)
    first, last = moment_of(since, "--since", UTC), moment_of(until, "--until", UTC)
    exported = _exported(heads, verify_with)
    journal, given = loaded.config.journal, loaded.config.ledger
    try:
        with ledger.existing(given) as store, gathering() as gathered:
            _gather(gathered, store, journal, first, last)
            known = audit_store.heads(store) if store is not None else iter(())
            left = audit_store.rolled_off_days(store) if store is not None else frozenset()
            low, high = _day(first), _day(last) or "~"
            found = judged(
                gathered, known, exported, left.__contains__, lambda day: low <= day < high
            )
            count, shown = 0, list[Finding]()
            for finding in found:
                count += 1
                if len(shown) < SHOWN_MAX:
                    shown.append(finding)
            counts = gathered.counts
    except (StoreError, OSError) as fault:
        fail(f"the ledger {ledger.shown(given)}: {fault}", NOT_SO)
    _tell(counts, shown, count, len(exported), as_json=as_json)
    raise typer.Exit(NOT_SO if count else GOOD)


def _exported(path: Path | None, key: Path | None) -> list[Head]:
    if path is None:
        if key is not None:
            fail("--verify-with is the key of a file of --heads")
        return []
    try:
        if key is not None and not heads_file.is_signed(path, key):
            fail(f"the signature beside {path} is not that of its bytes by {key}", NOT_SO)
        return heads_file.read(path)
    except (HeadsError, OSError) as fault:
        fail(str(fault))


def _gather(
    gathered: Gathered,
    store: Store | None,
    journal: Path,
    first: datetime | None,
    last: datetime | None,
) -> None:
    """Read everything: the journal before the database, since entries move from one to the other.

    And once more after it, since a gateway that runs may have moved later ones before earlier ones.
    """
    from_journal(gathered, journal)
    if store is not None:
        total = audit_store.count(store) if sys.stderr.isatty() else 0
        with _watched(audit_store.each_entry(store, first, last), total) as entries:
            for entry in entries:
                gathered.add(entry)
    from_journal(gathered, journal)


@contextmanager
def _watched(entries: Iterator[Fields], total: int) -> Iterator[Iterable[Fields]]:
    """Give ``entries``; at a terminal a bar meanwhile shows how far it is."""
    if not sys.stderr.isatty():
        yield entries
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("entries", total=total)

        def counted() -> Iterator[Fields]:
            for number, entry in enumerate(entries):
                if number % STEP == 0:
                    bar.update(task, completed=number)
                yield entry

        yield counted()


def _day(when: datetime | None) -> str:
    return when.astimezone(UTC).date().isoformat() if when is not None else ""


def _tell(
    counts: Counts, shown: list[Finding], count: int, exported: int, *, as_json: bool
) -> None:
    if as_json:
        told = [asdict(finding) for finding in shown]
        print_json({"good": not count, **asdict(counts), "found": count, "findings": told})
        return
    if shown:
        rows = [(f.kind, f.day, f.writer, str(f.seq), f.attempt_id, f.what) for f in shown]
        show(("what", "day", "writer", "number", "attempt", "why"), rows, right=("number",))
        more = f"and {count - len(shown)} more" if count > len(shown) else ""
        say(*([more] if more else []), "")
    say(f"{counts.chained:,} entries in chains" + (f", {exported} heads" if exported else ""))
    notes = (
        (counts.unchained, "are of before there were chains"),
        (counts.waiting, "wait in the journal"),
        (counts.refused, "were set aside in refused.txt, which no database takes"),
        (counts.rolled_off, "left with their month"),
    )
    say(*(f"{number:,} {what}" for number, what in notes if number))
    say(f"{count} findings" if count else "nothing was edited, removed or inserted")
