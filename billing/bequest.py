"""What a dead gateway leaves in the journal's folder, brought in order before it is adopted.

Its file of attempts under way (``billing.opened``) is settled first: an attempt whose entry stands
in one of its segments ended, and is crossed out; each other one becomes an entry in a segment of
its own. Then the file goes. Each step may be broken off and done again by whoever comes next.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable
from pathlib import Path

import msgspec

from billing import opened
from billing.chain import Chain, new_writer
from billing.ledger import Entry

_SEGMENTS = ".jsonl"
_UNBORN = ".new"
_OF_THE_KILLED = "-killed"

# What an attempt that is known by its beginning alone can have cost at the most, 1e-12 dollars.
Most = Callable[[Entry], int | None]


class _Named(msgspec.Struct):
    attempt_id: str


def unknown(_entry: Entry) -> int | None:
    """Say that nobody knows what it can have cost."""
    return None


def owner(segment: Path) -> str:
    """Return the name of the journal that wrote a segment."""
    return segment.name.partition("-")[0]


def settle_all(folder: Path, most: Most, clock: Callable[[], int]) -> set[str]:
    """Settle what every dead gateway had under way; return the names of those that live.

    The segments of a living one, and of one that another process is just settling, are not to be
    touched.
    """
    busy: set[str] = set()
    for path in sorted(folder.glob(f"*{opened.SUFFIX}")):
        try:
            if not _settled(path, most, clock):
                busy.add(path.stem)
        except FileNotFoundError:  # another has just settled it
            continue
        except OSError:
            busy.add(path.stem)
    _sweep(folder, busy)
    return busy


def _settled(path: Path, most: Most, clock: Callable[[], int]) -> bool:
    """Settle one file; False where its process, or another one that settles it, is alive."""
    with path.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        if not path.exists():  # just settled by another
            return True
        there = opened.left(path)
        ended = _ended(path, {entry.attempt_id for entry in there.values()})
        opened.forget(path, [n for n, entry in there.items() if entry.attempt_id in ended])
        killed = [entry for entry in there.values() if entry.attempt_id not in ended]
        try:
            if killed:
                _write(path.with_name(f"{path.stem}{_OF_THE_KILLED}"), killed, most, clock)
            path.unlink()
        except OSError:
            # A full disk: they stay in the file. The segments are free, since what ended is
            # crossed out, and to move them is what makes room.
            return True
    return True


def _ended(path: Path, ids: set[str]) -> set[str]:
    """Return which of ``ids`` stand in the segments that the owner of ``path`` wrote.

    None of them can have been moved: they are not touched before this is done.
    """
    decode = msgspec.json.Decoder(_Named).decode
    found: set[str] = set()
    for segment in path.parent.glob(f"{path.stem}-*{_SEGMENTS}") if ids else ():
        for line in segment.read_bytes().split(b"\n")[:-1]:
            try:
                found.add(decode(line).attempt_id)
            except (msgspec.DecodeError, UnicodeDecodeError):
                continue
    return found & ids


def _write(stem: Path, entries: list[Entry], most: Most, clock: Callable[[], int]) -> None:
    """Write a segment of ``entries``, in a chain of their own, whole or not at all."""
    encode = msgspec.json.Encoder().encode
    chain, lines = Chain(new_writer()), []
    for entry in entries:
        known = entry
        if entry.error == opened.KILLED and entry.cost_most_pico is None:
            known = msgspec.structs.replace(entry, cost_most_pico=most(entry))
        link = chain.link(encode(known), clock() // 1000)
        chain.take(link)
        lines.append(link.line)
    unborn = stem.with_suffix(_UNBORN)
    unborn.write_bytes(b"".join(lines))
    unborn.rename(stem.with_suffix(_SEGMENTS))


def _sweep(folder: Path, busy: set[str]) -> None:
    """Remove files that were never named because their process was killed just then."""
    for path in (*folder.glob(f"*{_UNBORN}"), *folder.glob("*.unborn")):
        if owner(path).partition(".")[0] in busy:
            continue
        try:
            with path.open("rb") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if os.fstat(file.fileno()).st_nlink:
                    path.unlink(missing_ok=True)
        except (BlockingIOError, FileNotFoundError):
            continue
