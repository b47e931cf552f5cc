"""The journal: every entry on disk before the client has its last byte, one write each.

A folder of segments, one JSON line an entry. The writer holds a lock on the segment it writes, so
that another process can tell a dead writer's segment from a living one's. A write goes to the
operating system, which survives a killed process; it is not forced to the platter each time.
"""

from __future__ import annotations

import errno
import fcntl
import os
import time
from dataclasses import dataclass
from pathlib import Path

import msgspec

from billing.ledger import Entry

SUFFIX = ".jsonl"
UNBORN = ".new"  # a segment that its writer has not locked yet
SEGMENT_MAX = 10_000  # entries
_UNBORN_MAX_S = 60

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
    """One file of the journal: how many entries, and since when (seconds since 1970)."""

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

    Raises ``JournalError`` where the folder cannot be made.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._open: _Open | None = None
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
        line = self._line(entry)
        current = self._open or self._begin()
        try:
            written = os.write(current.fd, line)
            if written != len(line):  # the disk took a part: take that back
                os.ftruncate(current.fd, current.size)
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            if os.fstat(current.fd).st_nlink == 0:
                raise OSError(errno.ENOENT, os.strerror(errno.ENOENT))
        except OSError as fault:
            if fault.errno != errno.ENOSPC:
                self.seal()
            raise self._error(fault) from fault
        current.size += written
        current.segment.entries += 1
        if current.segment.entries >= SEGMENT_MAX:
            self.seal()

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

    def pending(self) -> list[Segment]:
        """Return the sealed segments that are not yet ``done``, oldest first."""
        return sorted(self._sealed.values(), key=lambda segment: segment.path.name)

    def done(self, segment: Segment) -> None:
        """Remove a segment whose entries are safe in the ledger."""
        segment.path.unlink(missing_ok=True)
        self._sealed.pop(segment.path, None)

    def adopt(self) -> int:
        """Take over the segments that dead writers left behind; return how many.

        A living process' sealed segments may be taken too: entries count once, whoever moves them.
        """
        found = [path for path in recover(self.folder) if path not in self._sealed]
        for path in found:
            try:
                entries, since = path.read_bytes().count(b"\n"), path.stat().st_mtime
            except FileNotFoundError:  # its owner was quicker
                continue
            self._sealed[path] = Segment(path, entries, since)
        return len(found)

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
        return max(0.0, time.time() - min(since)) if since else 0.0

    def _line(self, entry: Entry) -> bytes:
        try:
            return self._encode(entry) + b"\n"
        except (UnicodeEncodeError, OverflowError):
            # A host's or a client's words can hold half a character, its numbers can be absurd.
            return self._encode(_written_plainly(entry)) + b"\n"

    def _begin(self) -> _Open:
        """Open a new segment; it gets its name only once it is locked."""
        name = f"{time.time_ns():020d}-{os.getpid()}"
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
        self._open = _Open(Segment(path, 0, time.time()), fd)
        return self._open

    def _error(self, fault: OSError) -> JournalError:
        why = _WHY.get(fault.errno or 0, fault.strerror or str(fault))
        return JournalError(f"cannot write the journal in {self.folder}: {why}")


def _written_plainly(entry: Entry) -> Entry:
    """Return ``entry`` in what JSON in UTF-8 can hold."""
    plain: dict[str, str | int | bool | None] = {}
    for name, value in msgspec.structs.asdict(entry).items():
        if isinstance(value, str):
            plain[name] = value.encode("utf-8", "replace").decode()
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
    """Return the segments in ``folder`` that nobody is writing, oldest first.

    A writer's lock ends with its process, however that ends.
    """
    for unborn in folder.glob(f"*{UNBORN}"):
        if _age_s(unborn) > _UNBORN_MAX_S:
            unborn.unlink(missing_ok=True)
    return [path for path in sorted(folder.glob(f"*{SUFFIX}")) if not _held(path)]


def _age_s(path: Path) -> float:
    try:
        return time.time() - path.stat().st_mtime
    except FileNotFoundError:
        return 0.0


def _held(path: Path) -> bool:
    """Whether a living process writes this segment (or has just removed it)."""
    try:
        with path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except (BlockingIOError, FileNotFoundError):
        return True
    return False
