"""Attempts that are under way, noted where a killed process leaves them: in a mapped file.

An entry is written when an attempt ends. A process that is killed before would leave nothing of an
attempt that a host has served, and billed. So each attempt's beginning stands in a slot of a file
until its entry is in the journal. To write a slot is to write memory: no call of the system, and
the file has all of its room from the start, so that a full disk does not matter.

The file is locked by its process for life. What is in its slots afterwards was under way.
"""

from __future__ import annotations

import fcntl
import mmap
import os
import struct
from pathlib import Path

import msgspec

from billing.ledger import Entry

SUFFIX = ".open"
SLOT = 4096
SLOTS, SLOTS_MAX = 1024, 16_384
NO_SLOT = -1
LONG_MAX_CHARS = 300
KILLED = "killed"
_HEAD = struct.Struct("<I")
_encode = msgspec.json.Encoder().encode


class Opened(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What is known of an attempt when it is sent; the fields are those of ``ledger.Entry``.

    What the prompt is at most and what the answer may be at most bounds what it used; None where
    nothing bounds it. At least it used nothing: it may not have reached the host.
    """

    attempt_id: str
    request_id: str
    attempt: int
    at_us: int
    key: str
    team: str
    label: str
    tags: str
    session: str
    wire: str
    stream: bool
    lane: str
    host_wire: str
    model_asked: str
    provider: str
    model: str
    host: str
    endpoint: str
    operator: str
    place: str
    policy_hash: str
    config_hash: str
    purpose: str
    needs: str
    prompt_most: int
    output_most: int | None
    user: str = ""
    plan: str = ""


class Slots:
    """The slots of this process, in a new file at ``path``; the first is called ``first``.

    Slots of a file that was before, and is gone, are none of this one's. Raises ``OSError``.
    """

    def __init__(self, path: Path, first: int = 0) -> None:
        self._first = first
        self.path = path
        unborn = path.with_suffix(".unborn")
        self._fd = os.open(unborn, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600)
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.posix_fallocate(self._fd, 0, SLOT * SLOTS)
            self._map = mmap.mmap(self._fd, SLOT * SLOTS)
            unborn.rename(path)
        except OSError:
            os.close(self._fd)
            unborn.unlink(missing_ok=True)
            raise
        self._free = list(range(SLOTS - 1, -1, -1))
        self._slots = SLOTS

    def begin(self, opened: Opened) -> int:
        """Note that an attempt is sent now; return its slot, ``NO_SLOT`` where there is none."""
        if not self._free and not self._grow():
            return NO_SLOT
        try:
            data = _encode(opened)
        except UnicodeEncodeError:
            data = _encode(_shortened(opened))
        if len(data) > SLOT - _HEAD.size:
            data = _encode(_shortened(opened))
        slot = self._free.pop()
        self._write(slot, data)
        return self._first + slot

    def hold(self, slot: int, entry: bytes) -> None:
        """Put an entry that is nowhere else in the place of its attempt's beginning, if it fits."""
        at = slot - self._first
        if 0 <= at < self._slots and len(entry) <= SLOT - _HEAD.size:
            _HEAD.pack_into(self._map, at * SLOT, 0)
            self._write(at, entry)

    def end(self, slot: int) -> None:
        """Free a slot: the attempt's entry is written."""
        at = slot - self._first
        if 0 <= at < self._slots:
            _HEAD.pack_into(self._map, at * SLOT, 0)
            self._free.append(at)

    def is_there(self) -> bool:
        """Whether the file still has its name, so that others will find it."""
        return self.path.exists()

    def close(self) -> None:
        """Let go of the file; it is removed where no attempt is under way any more."""
        if len(self._free) == self._slots:
            self.path.unlink(missing_ok=True)
        self._map.close()
        os.close(self._fd)

    def _write(self, slot: int, data: bytes) -> None:
        at = slot * SLOT
        self._map[at + _HEAD.size : at + _HEAD.size + len(data)] = data
        # The length last: a slot that was being written when its process was killed is empty.
        _HEAD.pack_into(self._map, at, len(data))

    def _grow(self) -> bool:
        if self._slots >= SLOTS_MAX:
            return False
        try:
            os.posix_fallocate(self._fd, SLOT * self._slots, SLOT * self._slots)
            self._map.resize(SLOT * self._slots * 2)
        except OSError:
            return False
        self._free = list(range(self._slots * 2 - 1, self._slots - 1, -1))
        self._slots *= 2
        return True


def _shortened(opened: Opened) -> Opened:
    """Return ``opened`` with what its client chose cut short, and half characters put right."""
    texts = {
        name: value[:LONG_MAX_CHARS].encode("utf-8", "replace").decode()
        for name, value in msgspec.structs.asdict(opened).items()
        if isinstance(value, str)
    }
    return msgspec.structs.replace(opened, **texts)


def left(path: Path) -> dict[int, Entry]:
    """Return, by slot, an entry for each attempt that a dead process had under way.

    Raises ``OSError``.
    """
    found: dict[int, Entry] = {}
    with path.open("rb") as file:
        for slot in range(os.fstat(file.fileno()).st_size // SLOT):
            file.seek(slot * SLOT)
            (length,) = _HEAD.unpack(file.read(_HEAD.size))
            if 0 < length <= SLOT - _HEAD.size:
                entry = _read(file.read(length))
                if entry is not None:
                    found[slot] = entry
    return found


def forget(path: Path, slots: list[int]) -> None:
    """Empty slots of a dead process' file. Raises ``OSError``."""
    fd = os.open(path, os.O_WRONLY)
    try:
        for slot in slots:
            os.pwrite(fd, _HEAD.pack(0), slot * SLOT)
    finally:
        os.close(fd)


def _read(data: bytes) -> Entry | None:
    try:
        told = msgspec.json.decode(data)
        if isinstance(told, dict) and "outcome" in told:
            return msgspec.convert(told, Entry)
        return killed(msgspec.convert(told, Opened))
    except (msgspec.DecodeError, msgspec.ValidationError):
        return None


def killed(opened: Opened) -> Entry:
    """Return the entry of an attempt whose process was killed before its end."""
    return Entry(
        **msgspec.structs.asdict(opened),
        outcome="cut",
        error=KILLED,
        usage_state="missing",
        reconciled=False,
        cost_pico=None,
        cost_state="unknown",
        tokens_in_least=0,
        tokens_in_most=opened.prompt_most,
        tokens_out_least=0,
        tokens_out_most=opened.output_most,
        cost_least_pico=0,
    )
