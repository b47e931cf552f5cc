"""Looks along the chains of entries for what was edited, removed, inserted or moved.

Pure: rows come in order, findings go out, and nothing is kept but the row before.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Literal, NamedTuple

from billing.chain import Head, form_of, hash_of, start

Kind = Literal["edited", "removed", "inserted", "cut", "head", "unchained", "rolled off"]


class Row(NamedTuple):
    """An entry as its chain sees it. ``digest`` is of what the entry says now; "" in no form known.

    ``copies``: how often it is in the database; 0: it is in the journal, or set aside.
    """

    day: str
    writer: str
    seq: int
    attempt_id: str
    digest: str
    hash: str
    copies: int


@dataclass(frozen=True, slots=True)
class Finding:
    """What is wrong with one entry, or with what should stand beside it.

    ``attempt_id`` is the entry itself; for what is gone, the one before the gap and the one after
    it, with " … " between. ``count`` is how many entries it is about.
    """

    kind: Kind
    day: str
    writer: str
    seq: int
    attempt_id: str
    what: str
    count: int = 1


def along(
    day: str, writer: str, rows: Iterable[Row], head: Head | None, exported: dict[int, str]
) -> Iterator[Finding]:
    """Look along one writer's day; ``rows`` are in the order of their numbers.

    ``head`` is how far the database says that it has come. ``exported`` holds hashes by number, as
    heads that were exported before have them.
    """
    walk = _Walk(day, writer, head)
    for seq, found in groupby(rows, lambda row: row.seq):
        yield from walk.step(seq, list(found), exported.get(seq))
    yield from walk.end(max(exported, default=0))


class _Walk:
    """Where one look along a chain is. ``before``: the hashes that the next may follow.

    After an entry that was edited these are two, since its hash may be what was edited. Empty:
    what stood before is gone, and nobody can say.
    """

    def __init__(self, day: str, writer: str, head: Head | None) -> None:
        self.day = day
        self.writer = writer
        self.head = head
        self.at = 0
        self.last = ""
        self.last_hash = ""
        self.last_is_good = True
        self.headless = False
        self.before = {start(day, writer)}

    def step(self, seq: int, found: list[Row], exported: str | None) -> Iterator[Finding]:
        """Look at what stands at one number."""
        if seq > self.at + 1:
            beside = f"{self.last or 'the beginning'} … {found[0].attempt_id}"
            what = f"{seq - self.at - 1} before it are gone, from number {self.at + 1} on"
            yield self._finding("removed", self.at + 1, beside, what, seq - self.at - 1)
            self.before = set()
        good = [row for row in found if self._follows(row)]
        true = (good or found)[0]
        for row in found:
            if row.copies > 1:
                what = f"it is there {row.copies} times"
                yield self._finding("inserted", seq, row.attempt_id, what, row.copies - 1)
            if row is not true:
                what = f"{true.attempt_id} has its number"
                yield self._finding("inserted", seq, row.attempt_id, what)
        if self.before and not good:
            what = "what it says is not what its hash was made of"
            yield self._finding("edited", seq, true.attempt_id, what)
        elif exported is not None and true.hash != exported:
            what = "its hash is not that of the exported head"
            yield self._finding("edited", seq, true.attempt_id, what)
        elif self.head is None and true.copies and not self.headless:
            self.headless = True
            what = "the database has no head of this writer's day"
            yield self._finding("inserted", seq, true.attempt_id, what)
        elif self.head is not None and seq > self.head.seq and true.copies:
            what = f"the chain ended with number {self.head.seq}"
            yield self._finding("inserted", seq, true.attempt_id, what)
        self.last_is_good = bool(good) or not self.before
        self.before = {true.hash} if good else {true.hash, *self._would_be(true)}
        self.at, self.last, self.last_hash = seq, true.attempt_id, true.hash

    def end(self, exported: int) -> Iterator[Finding]:
        """Look at where the chain ends; ``exported`` is the last number of an exported head."""
        head = self.head
        ends = head is not None and head.seq == self.at and self.last_is_good
        if ends and head is not None and head.hash != self.last_hash:
            what = "the head of the chain has another hash"
            yield self._finding("head", self.at, self.last, what)
        known = max(exported, head.seq if head is not None else 0)
        if known > self.at:
            beside = f"{self.last or 'the beginning'} … the end"
            what = f"the last {known - self.at} are gone, from number {self.at + 1} on"
            yield self._finding("cut", self.at + 1, beside, what, known - self.at)

    def _follows(self, row: Row) -> bool:
        return row.hash in self._would_be(row)

    def _would_be(self, row: Row) -> list[str]:
        try:
            form = form_of(row.hash)
        except ValueError:
            form = "1"
        return [hash_of(before, row.digest, form) for before in self.before]

    def _finding(self, kind: Kind, seq: int, attempt_id: str, what: str, count: int = 1) -> Finding:
        return Finding(kind, self.day, self.writer, seq, attempt_id, what, count)
