"""The journal: every entry on disk before the client has its last byte, one write each.

A folder of segments, one JSON line an entry, each chained to the one before (``billing.chain``).
Names say whose a segment is and its number, nothing depends on the clock. The writer holds a lock
on the segment it writes and on the file of what it has under way (``billing.opened``), so that
another process can tell a dead writer's from a living one's. A write goes to the operating system,
which survives a killed process; it is not forced to the platter each time.
"""

from __future__ import annotations

import errno
import fcntl
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import msgspec

from billing import bequest, opened
from billing.chain import Chain, new_writer
from billing.ledger import Entry
from billing.opened import NO_SLOT, SLOTS_MAX, Opened, Slots

SUFFIX = ".jsonl"
UNBORN = ".new"  # a segment that its writer has not locked yet
SEGMENT_MAX = 10_000  # entries

_WHY = {
    errno.ENOSPC: "the disk is full; free some space",
    errno.EDQUOT: "the disk quota is used up; free some space",
    errno.ENOENT: "the folder is gone; make it again",
    errno.ESTALE: "the folder is gone; make it again",
    errno.EACCES: "no permission to write there",
    errno.EROFS: "the file system is read-only",
}


class JournalError(Exception):
    """The journal cannot take an entry now; the text names the folder and what would help."""


@dataclass(slots=True)
class Segment:
    """One file of the journal: how many entries, and since when (``time.monotonic``)."""

    path: Path
    entries: int
    since: float


@dataclass(slots=True)
class _Open:
    segment: Segment
    fd: int
    size: int = 0


class Journal:
    """Appends entries to ``folder``, which is made where missing. For one thread.

    ``clock`` gives nanoseconds since 1970, and may step. Raises ``JournalError`` where the folder
    cannot be made.
    """

    def __init__(self, folder: Path, clock: Callable[[], int] = time.time_ns) -> None:
        self.folder = folder
        self._clock = clock
        self._name = new_writer()
        self._number = 0
        self._chain = Chain(self._name)
        self._open: _Open | None = None
        self._slots: Slots | None = None
        self._noted = 0
        self._sealed: dict[Path, Segment] = {}
        self._encode = msgspec.json.Encoder().encode
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as fault:
            raise self._error(fault) from fault

    def append(self, entry: Entry) -> None:
        """Write ``entry``; when this returns, a killed process does not lose it.

        Raises ``JournalError``, and then nothing of the entry stays.
        """
        link = self._chain.link(self._json(entry), self._clock() // 1000)
        current = self._open or self._begin()
        try:
            written = os.write(current.fd, link.line)
            if written != len(link.line):  # the disk took a part: take that back
                os.ftruncate(current.fd, current.size)
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            if os.fstat(current.fd).st_nlink == 0:
                raise OSError(errno.ENOENT, os.strerror(errno.ENOENT))
        except OSError as fault:
            if fault.errno != errno.ENOSPC:
                self.seal()
            raise self._error(fault) from fault
        self._chain.take(link)
        current.size += written
        current.segment.entries += 1
        if current.segment.entries >= SEGMENT_MAX:
            self.seal()

    def begin(self, attempt: Opened) -> int:
        """Note that an attempt is sent now; return its slot, to be ended with its entry.

        A process that is killed meanwhile leaves it to whoever adopts: it becomes an entry too.
        """
        if self._slots is None:
            self._note()
        return self._slots.begin(attempt) if self._slots is not None else NO_SLOT

    def hold(self, slot: int, entry: Entry) -> None:
        """Keep an entry that could not be appended where a killed process leaves it."""
        if self._slots is not None and slot != NO_SLOT:
            self._slots.hold(slot, self._json(entry))

    def end(self, slot: int) -> None:
        """End what ``begin`` noted: the attempt's entry is appended."""
        if self._slots is not None and slot != NO_SLOT:
            self._slots.end(slot)

    def seal(self) -> None:
        """End the segment being written, if it has entries; the next entry begins another."""
        current = self._open
        if current is None or (not current.segment.entries and current.segment.path.exists()):
            return
        self._open = None
        os.close(current.fd)
        if current.segment.entries:
            self._sealed[current.segment.path] = current.segment

    def close(self) -> None:
        """End the segment being written; an empty one is removed."""
        self.seal()
        if self._open is not None:
            os.close(self._open.fd)
            self._open.segment.path.unlink(missing_ok=True)
            self._open = None
        if self._slots is not None:
            self._slots.close()
            self._slots = None

    def pending(self) -> list[Segment]:
        """Return the sealed segments that are not yet ``done``, as they were sealed or adopted."""
        return list(self._sealed.values())

    def done(self, segment: Segment) -> None:
        """Remove a segment whose entries are safe in the ledger."""
        segment.path.unlink(missing_ok=True)
        self._sealed.pop(segment.path, None)

    def adopt(self, most: bequest.Most = bequest.unknown) -> int:
        """Take over the segments that dead writers left behind; return how many."""
        found = self.left_behind(most)
        self.take(found)
        return len(found)

    def left_behind(self, most: bequest.Most = bequest.unknown) -> list[Segment]:
        """Return the segments of dead writers that are not here yet; any thread may ask.

        What those had under way becomes entries first; ``most`` says what such an attempt can have
        cost at the most.
        """
        alive = bequest.settle_all(self.folder, most, self._clock)
        known = set(self._sealed)
        found = []
        for path in sorted(self.folder.glob(f"*{SUFFIX}")):
            if path in known or bequest.owner(path) in alive or _held(path):
                continue
            try:
                entries = path.read_bytes().count(b"\n")
                waited_s = max(0.0, self._clock() / 1e9 - path.stat().st_mtime)
            except FileNotFoundError:  # its owner was quicker
                continue
            found.append(Segment(path, entries, time.monotonic() - waited_s))
        return found

    def take(self, found: list[Segment]) -> None:
        """Make ``found`` this journal's own."""
        for segment in found:
            self._sealed.setdefault(segment.path, segment)

    @property
    def depth(self) -> int:
        """How many entries wait here for the ledger."""
        waiting = sum(segment.entries for segment in self._sealed.values())
        return waiting + (self._open.segment.entries if self._open is not None else 0)

    @property
    def oldest_s(self) -> float:
        """How many seconds the oldest waiting entry has waited, 0 for none."""
        since = [segment.since for segment in self._sealed.values()]
        if self._open is not None and self._open.segment.entries:
            since.append(self._open.segment.since)
        return max(0.0, time.monotonic() - min(since)) if since else 0.0

    def _json(self, entry: Entry) -> bytes:
        """Return ``entry`` as JSON, in what every database gives back as it was.

        A host's or a client's words can hold half a character or none at all, its numbers can be
        absurd; and an entry that comes from elsewhere is chained anew.
        """
        if entry.hash:
            entry = msgspec.structs.replace(entry, recorded_us=0, writer="", seq=0, hash="")
        try:
            line = self._encode(entry)
        except (UnicodeEncodeError, OverflowError):
            return self._encode(_written_plainly(entry))
        return line if line.find(b"\\u0000") < 0 else self._encode(_written_plainly(entry))

    def _begin(self) -> _Open:
        """Open a new segment; it gets its name only once it is locked."""
        if self._slots is not None and not self._slots.is_there():
            # The folder was removed. What is under way ends unnoted; what comes is noted again.
            self._slots.close()
            self._slots = None
        if self._slots is None:
            self._note()
        self._number += 1
        name = f"{self._name}-{self._number:08d}"
        unborn, path = self.folder / f"{name}{UNBORN}", self.folder / f"{name}{SUFFIX}"
        try:
            fd = os.open(unborn, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_APPEND, 0o600)
        except OSError as fault:
            raise self._error(fault) from fault
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            unborn.rename(path)
        except OSError as fault:
            os.close(fd)
            raise self._error(fault) from fault
        self._open = _Open(Segment(path, 0, time.monotonic()), fd)
        return self._open

    def _note(self) -> None:
        path = self.folder / f"{self._name}{opened.SUFFIX}"
        try:
            self._slots = Slots(path, self._noted * SLOTS_MAX)
            self._noted += 1
        except OSError:  # no room now: tried again with the next attempt
            self._slots = None

    def _error(self, fault: OSError) -> JournalError:
        why = _WHY.get(fault.errno or 0, fault.strerror or str(fault))
        return JournalError(f"cannot write the journal in {self.folder}: {why}")


def _written_plainly(entry: Entry) -> Entry:
    """Return ``entry`` in what JSON in UTF-8 and every database can hold."""
    plain: dict[str, str | int | bool | None] = {}
    for name, value in msgspec.structs.asdict(entry).items():
        if isinstance(value, str):
            plain[name] = value.encode("utf-8", "replace").decode().replace("\0", "\ufffd")
        elif isinstance(value, int) and abs(value) >= 2**63:
            plain[name] = 0
            plain["reconciled"] = False
        else:
            plain.setdefault(name, value)
    return msgspec.convert(plain, Entry)


def read_segment(path: Path) -> tuple[list[Entry], list[bytes]]:
    """Return the entries of a segment, and the whole lines of it that are none.

    A last line without its end was never acknowledged, and is left out. Raises ``OSError``.
    """
    decode = msgspec.json.Decoder(Entry).decode
    entries: list[Entry] = []
    damaged: list[bytes] = []
    for line in path.read_bytes().split(b"\n")[:-1]:
        try:
            entries.append(decode(line))
        except (msgspec.DecodeError, UnicodeDecodeError):
            damaged.append(line)
    return entries, damaged


def recover(folder: Path) -> list[Path]:
    """Return the segments in ``folder`` that nobody is writing, by name.

    A writer's lock ends with its process, however that ends.
    """
    return [path for path in sorted(folder.glob(f"*{SUFFIX}")) if not _held(path)]


def _held(path: Path) -> bool:
    """Whether a living process writes this segment (or has just removed it)."""
    try:
        with path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except (BlockingIOError, FileNotFoundError):
        return True
    return False
