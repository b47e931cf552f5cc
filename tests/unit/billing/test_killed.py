"""kill -9 at any point: what was acknowledged is in the ledger, once."""

from __future__ import annotations

import random
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from billing import pages, reports
from billing.drain import Drain
from billing.journal import Journal, read_segment, recover
from billing.store import Store

APPENDS = """
import sys
from pathlib import Path
from billing.journal import Journal
from tests.unit.billing.samples import an_entry
journal = Journal(Path(sys.argv[1]))
number = 0
while True:
    number += 1
    journal.append(an_entry(sys.argv[2] + "-" + str(number)))
    sys.stdout.write(sys.argv[2] + "-" + str(number) + "\\n")
    sys.stdout.flush()
"""

DRAINS_TOO = """
import asyncio, sys
from pathlib import Path
from billing import drain
from billing.journal import Journal
from billing.store import Store
from tests.unit.billing.samples import an_entry
drain.EVERY_S = 0.001

async def main():
    journal = Journal(Path(sys.argv[1]))
    drain.Drain(journal, Store.open(sys.argv[3])).start()
    number = 0
    while True:
        number += 1
        journal.append(an_entry(sys.argv[2] + "-" + str(number)))
        sys.stdout.write(sys.argv[2] + "-" + str(number) + "\\n")
        sys.stdout.flush()
        if number % 5 == 0:
            await asyncio.sleep(0.0005)

asyncio.run(main())
"""


def killed_after(code: str, acknowledged: int, *arguments: str) -> set[str]:
    """Run ``code``, kill it after so many lines, and return all the attempt ids it gave out."""
    with subprocess.Popen(
        [sys.executable, "-c", code, *arguments], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(acknowledged)]
        process.kill()
        lines += process.stdout.read().splitlines(keepends=True)
    return {f"req_{line.strip()}.1" for line in lines if line.endswith("\n")}


def test_a_killed_writer_loses_nothing(tmp_path: Path) -> None:
    chance = random.Random(7)
    for run in range(20):
        folder = tmp_path / str(run)
        given = killed_after(APPENDS, chance.randrange(1, 300), str(folder), str(run))
        found = Counter(
            entry.attempt_id for path in recover(folder) for entry in read_segment(path)[0]
        )
        assert given <= set(found)
        assert len(set(found) - given) <= 1, "at most the one that was not acknowledged yet"
        assert set(found.values()) == {1}


@pytest.mark.parametrize("runs", [6])
async def test_a_killed_drain_loses_nothing_and_doubles_nothing(
    tmp_path: Path, store: Store, ledger_url: str, runs: int
) -> None:
    chance = random.Random(11)
    folder = tmp_path / "journal"
    given: set[str] = set()
    for run in range(runs):
        arguments = (str(folder), str(run), ledger_url)
        given |= killed_after(DRAINS_TOO, chance.randrange(1, 600), *arguments)
    assert await Drain(Journal(folder), store).move()
    found = {entry.attempt_id for entry in pages.last(store, 100_000)}
    assert given <= found
    assert len(found - given) <= runs
    assert reports.total(store, None, None).attempts == len(found)
    assert list(folder.glob("*.jsonl")) == []
