"""Writes the end of docs/reliability.md: what stands in the ledger after gateways were killed.

    python -m tests.chaos.crashes

Takes some ten minutes. Exit 1, and no page, where an entry was lost or counted twice.
"""

from __future__ import annotations

import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

from tests.chaos.crashing import Crashes, Tally
from tests.chaos.reliability import CRASHES, PAGE
from tests.databases import start_postgres
from tests.fakes.upstream import Upstream

SEED = 20261126
THREE = "three gateways over one journal, SQLite"
AWAY = "two over one journal, PostgreSQL away for the middle of it"
TEXT = """
`entrepot serve` under load from {callers} clients a process, killed by SIGKILL after 0 to 60 answers, or while it
starts, and started again over the same journal and ledger. The host answers at once, late, event by event, with an
error or broken off, and counts what it was asked; each call has words of its own, by which its requests and its entries are
laid beside each other. Below, **every request of the host has exactly one entry, every answer whose end a client saw
has its entry, no entry is there twice, and `entrepot ledger verify` finds the chains whole**; otherwise there would be
no section.

An attempt is noted in memory that is mapped to a file right before it is sent, so that one that a kill cuts off
becomes an entry as well (*Killed*: outcome `cut`, error `killed`, between nothing and the most that it can have cost). Some of
those the host has never got (*Unseen*: the kill came between the note and the send, and nobody can know on which side); an entry may also say
that the host could not be reached (*Unsent*). So entries = requests of the host + unseen + unsent.

| | Kills | While starting | Answers | Refused | Requests of the host | Entries | Killed | Unseen | Unsent | Lost | Twice |
|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|
{rows}

The same on a file system of 48 MB that is full is a test (`tests/chaos/test_ledger_crash.py`, `make slow`): calls are refused, or with
`debt_usd` let in, and a gateway that is killed meanwhile leaves every entry in its mapped file.
"""


def row(name: str, tally: Tally) -> str:
    """Return one line of the table. Raises ``AssertionError`` where a tally is not exact."""
    assert tally.is_exact, f"{name}: {tally}"
    cells = (
        name, tally.runs, tally.killed_starting, tally.answered, tally.refused, tally.asked,
        tally.entries, tally.killed, tally.unseen, tally.unsent, len(tally.lost), len(tally.twice),
    )  # fmt: skip
    return f"| {' | '.join(f'{cell:,}' if isinstance(cell, int) else cell for cell in cells)} |"


def main() -> int:
    """Kill, count, and write."""
    rows: list[str] = []
    try:
        with ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            host = stack.enter_context(Upstream())
            crashes = stack.enter_context(Crashes(folder, host, SEED))
            crashes.run(200, at_once=3)
            rows.append(row(THREE, crashes.count(f"sqlite:///{folder}/ledger.db")))
            rows.append(_away(stack))
    except AssertionError as fault:
        sys.stderr.write(f"{fault}\n")
        return 1
    write(rows)
    return 0


def _away(stack: ExitStack) -> str:
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
    server = start_postgres(Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="pg"))))
    stack.callback(server.cleanup)
    host = stack.enter_context(Upstream())
    crashes = stack.enter_context(Crashes(folder, host, SEED, ledger=server.get_uri()))
    crashes.run(4)
    server.stop()
    crashes.run(6, at_once=2)
    server.ensure_postgres_running()
    crashes.run(4)
    return row(AWAY, crashes.count(server.get_uri()))


def write(rows: list[str]) -> None:
    """Put the section at the end of the page, in the place of the one before it."""
    before = PAGE.read_text(encoding="utf-8").partition(CRASHES)[0]
    text = TEXT.format(callers=8, rows="\n".join(rows))
    PAGE.write_text(before + CRASHES + text, encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
