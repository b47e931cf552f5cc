"""``entrepot ledger export``: the entries of a time as a file, in constant memory."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated

import typer

from billing import exports, focus, pages, reports
from billing.exports import MissingError
from billing.ledger import Entry
from billing.reports import Asked
from billing.store import Store
from gateway.commands import books
from gateway.commands.books import SinceOption, UntilOption, WhereOption
from gateway.commands.reading import ConfigOption
from gateway.commands.screen import NOT_SO, fail, say

FORMS = (*exports.FORMS, "focus")
TOLD_EVERY = 50_000


def run(
    form: Annotated[str, typer.Option("--format", help="csv, jsonl, parquet or focus.")] = "csv",
    out: Annotated[Path | None, typer.Option(help="The file to write; without it, stdout.")] = None,
    since: SinceOption = None,
    until: UntilOption = None,
    where: WhereOption = None,
    config: ConfigOption = None,
) -> None:
    """Write entries as a file, oldest first; focus is the FinOps cost format, by hour and slice."""
    if form not in FORMS:
        fail(f"--format: must be one of {', '.join(FORMS)}")
    if out is not None and out.exists() and not out.is_file():
        # Put in its place, the new file would take that of a device: /dev/null among them.
        fail(f"--out: {out} is there and is no file; leave it out for stdout")
    if out is not None and not out.absolute().parent.is_dir():
        fail(f"--out: there is no folder {out.parent}")
    loaded = books.config_of(config)
    asked = books.question("", None, where, books.time_of(since, until, loaded), loaded)

    def write(store: Store) -> str:
        counted = _Counted()
        pieces = _pieces(store, form, asked, counted)
        if out is None:
            for piece in pieces:
                sys.stdout.buffer.write(piece)
            return ""
        part = out.with_name(f"{out.name}.part")
        part.unlink(missing_ok=True)
        try:
            # A link that somebody put there is not followed.
            with part.open("xb") as file:
                for piece in pieces:
                    file.write(piece)
            part.replace(out)
        finally:
            part.unlink(missing_ok=True)
        return f"{out}: {_left_out(store, asked) if form == 'focus' else counted.words}"

    try:
        words, waiting = books.read(loaded, write, "no gateway has written a ledger here yet")
    except MissingError as fault:
        fail(str(fault), NOT_SO)
    # Without a file, stdout holds the entries and nothing else.
    told = sys.stdout if out is not None else sys.stderr
    say(*([words] if words else []), *books.notes(waiting), to=told)


class _Counted:
    """How many entries have gone by; at a terminal it says so meanwhile."""

    def __init__(self) -> None:
        self._n = 0

    def __call__(self, entries: Iterable[Entry]) -> Iterator[Entry]:
        for entry in entries:
            yield entry
            self._n += 1
            if self._n % TOLD_EVERY == 0 and sys.stderr.isatty():
                say(self.words, to=sys.stderr)

    @property
    def words(self) -> str:
        """The number in words."""
        return f"{self._n:,} entries"


def _pieces(store: Store, form: str, asked: Asked, counted: _Counted) -> Iterator[bytes]:
    if form == "focus":
        return focus.focus(store, asked.since, asked.until, asked.where)
    entries = pages.each(store, asked.since, asked.until, asked.where)
    return exports.FORMS[form](counted(entries))


def _left_out(store: Store, asked: Asked) -> str:
    """Return what a file in the FinOps format cannot say."""
    total = reports.total(store, asked.since, asked.until, asked.where)
    if not total.unknown:
        return f"the cost of {total.attempts:,} attempts"
    return (
        f"the cost of {total.attempts - total.unknown:,} attempts; that of {total.unknown:,} is "
        "unknown, which this format cannot say"
    )
