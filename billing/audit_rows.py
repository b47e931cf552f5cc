"""Gathers what ``ledger verify`` looks along: every entry, wherever it is, in the order of chains.

Entries come in the order of time, from several databases, from the journal and from what was set
aside. Of each only its place, its digest and its hash are kept, in a temporary file that sorts
them, so that a ledger of any size is verified in little memory.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path

import msgspec

from billing import chain
from billing.audit import Finding, Row, along
from billing.chain import DAY_US, Head
from billing.drain import REFUSED
from billing.journal import SUFFIX, read_segment
from billing.ledger import Entry

_BATCH = 1000
_TABLE = """
CREATE TABLE rows (
  day TEXT, writer TEXT, seq INTEGER, attempt_id TEXT, digest TEXT, hash TEXT, copies INTEGER,
  PRIMARY KEY (day, writer, seq, attempt_id, digest)
) WITHOUT ROWID
"""
_INSERT = """
INSERT INTO rows VALUES (?, ?, ?, ?, ?, ?, ?)
ON CONFLICT DO UPDATE SET copies = copies + excluded.copies
"""
Fields = Mapping[str, str | int | bool | None]


@dataclass(slots=True)
class Counts:
    """How many entries were looked at, and how many of them stand in no chain.

    ``waiting`` are in the journal, ``refused`` set aside beside it; ``rolled_off`` were moved out
    of the database with their month.
    """

    chained: int = 0
    unchained: int = 0
    waiting: int = 0
    refused: int = 0
    rolled_off: int = 0


@dataclass(slots=True)
class Gathered:
    """All rows, sorted, in a temporary file that goes with ``database``."""

    database: sqlite3.Connection
    counts: Counts = field(default_factory=Counts)
    _held: list[tuple[str | int, ...]] = field(default_factory=list)

    def add(self, entry: Fields, *, copies: int = 1) -> None:
        """Take one entry, given by its fields; ``copies`` 0 is one that is in no database."""
        hashed, seq = str(entry["hash"]), int(entry["seq"] or 0)
        attempt_id = str(entry["attempt_id"])
        if not hashed and not seq:
            began_us = int(entry["at_us"] or 0)
            # A place of its own before all days, in the order of time.
            self._hold("", "", began_us, attempt_id, "", "", copies)
            return
        try:
            digest = chain.digest_of(entry, chain.form_of(hashed))
        except ValueError:
            digest = ""
        day = _day(int(entry["recorded_us"] or 0))
        self._hold(day, str(entry["writer"]), seq, attempt_id, digest, hashed, copies)

    def _hold(self, *row: str | int) -> None:
        self._held.append(row)
        if len(self._held) >= _BATCH:
            self.flush()

    def flush(self) -> None:
        """Write what is held back."""
        self.database.execute("BEGIN")
        self.database.executemany(_INSERT, self._held)
        self.database.execute("COMMIT")
        self._held.clear()

    def rows(self) -> Iterator[Row]:
        """Give the chained rows, by day, writer and number."""
        self.flush()
        query = "SELECT * FROM rows WHERE day != '' ORDER BY day, writer, seq, attempt_id"
        yield from map(Row._make, self.database.execute(query))

    def unchained(self) -> Iterator[tuple[int, str]]:
        """Give when each entry without a chain began, and its attempt id, oldest first."""
        self.flush()
        yield from self.database.execute(
            "SELECT seq, attempt_id FROM rows WHERE day = '' ORDER BY seq, attempt_id"
        )


@contextmanager
def gathering() -> Iterator[Gathered]:
    """Give an empty collection, whose temporary file goes at the end."""
    with closing(sqlite3.connect("", isolation_level=None)) as database:
        database.execute(_TABLE)
        yield Gathered(database)


def from_journal(gathered: Gathered, folder: Path) -> None:
    """Take what waits in the journal, and what was set aside because no database takes it."""
    for path in sorted(folder.glob(f"*{SUFFIX}")):
        try:
            entries, _ = read_segment(path)
        except FileNotFoundError:  # just moved into the database
            continue
        for entry in entries:
            gathered.add(msgspec.structs.asdict(entry), copies=0)
    gathered.counts.refused = 0
    for entry in _set_aside(folder / REFUSED):
        gathered.counts.refused += 1
        gathered.add(msgspec.structs.asdict(entry), copies=0)


def _set_aside(path: Path) -> Iterator[Entry]:
    decode = msgspec.json.Decoder(Entry).decode
    try:
        with path.open("rb") as file:
            for line in file:
                try:
                    yield decode(line.partition(b"\t")[2])
                except (msgspec.DecodeError, UnicodeDecodeError):
                    continue
    except FileNotFoundError:
        return


def judged(
    gathered: Gathered,
    heads: Iterable[Head],
    exported: Iterable[Head],
    is_rolled_off: Callable[[str], bool],
    within: Callable[[str], bool],
) -> Iterator[Finding]:
    """Look along every chain whose day is ``within``; count, and give what is wrong.

    ``heads`` are those of the database, ``exported`` of a file. What is gone of a day that
    ``is_rolled_off`` is told as a finding of that kind, which is nothing wrong.
    """
    known = highest(head for head in heads if within(head.day))
    told: dict[tuple[str, str], dict[int, str]] = {}
    for head in exported:
        if within(head.day):
            told.setdefault((head.day, head.writer), {})[head.seq] = head.hash
    begun = ""
    places = iter(sorted(known.keys() | told.keys()))
    absent = next(places, None)
    for place, rows in groupby(gathered.rows(), lambda row: (row.day, row.writer)):
        begun = begun or place[0]
        while absent is not None and absent < place:
            found = along(*absent, (), known.get(absent), told.get(absent, {}))
            yield from _told(gathered.counts, found, is_rolled_off)
            absent = next(places, None)
        if absent == place:
            absent = next(places, None)
        if not within(place[0]):
            continue
        found = along(
            *place, _counted(gathered.counts, rows), known.get(place), told.get(place, {})
        )
        yield from _told(gathered.counts, found, is_rolled_off)
    while absent is not None:
        found = along(*absent, (), known.get(absent), told.get(absent, {}))
        yield from _told(gathered.counts, found, is_rolled_off)
        absent = next(places, None)
    yield from _unchained(gathered, begun or min((place[0] for place in known), default=""))


def _counted(counts: Counts, rows: Iterable[Row]) -> Iterator[Row]:
    for row in rows:
        counts.chained += 1
        counts.waiting += not row.copies
        yield row


def _told(
    counts: Counts, found: Iterable[Finding], is_rolled_off: Callable[[str], bool]
) -> Iterator[Finding]:
    for finding in found:
        if finding.kind in ("removed", "cut") and is_rolled_off(finding.day):
            counts.rolled_off += finding.count
        else:
            yield finding


def _unchained(gathered: Gathered, begun: str) -> Iterator[Finding]:
    """Count what stands in no chain; what began after the chain had is told."""
    for began_us, attempt_id in gathered.unchained():
        day = _day(began_us)
        gathered.counts.unchained += 1
        if begun and day > begun:
            what = f"it stands in no chain, and there was one since {begun}"
            yield Finding("unchained", day, "", 0, attempt_id, what)


def highest(heads: Iterable[Head]) -> dict[tuple[str, str], Head]:
    """Return the furthest of the heads of each day and writer."""
    found: dict[tuple[str, str], Head] = {}
    for head in heads:
        place = head.day, head.writer
        if place not in found or found[place].seq < head.seq:
            found[place] = head
    return found


def _day(us: int) -> str:
    try:
        return chain.day_text(us // DAY_US)
    except OverflowError:
        return f"day {us // DAY_US}"
