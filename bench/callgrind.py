"""How many instructions a process executes, counted by valgrind's callgrind; the kernel's are not."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from bench.processes import Process

MOST_S = 120
# What Python would otherwise do otherwise in every run; and libuv's ring is nothing valgrind knows.
SAME = {"PYTHONHASHSEED": "0", "UV_USE_IO_URING": "0"}
COLLECTED = re.compile(rb"Collected : (\d+)")
TOTALS = re.compile(r"^totals: (\d+)", re.MULTILINE)


class NoCountError(Exception):
    """Nothing can be counted here; the message says why."""


def version() -> str:
    """Return valgrind's version. Raises ``NoCountError``."""
    if shutil.which("valgrind") is None or shutil.which("vgdb") is None:
        raise NoCountError("valgrind is not installed (Debian's package valgrind)")
    done = subprocess.run(["valgrind", "--version"], capture_output=True, text=True, check=False)
    return done.stdout.strip().removeprefix("valgrind-")


def whole(*command: str) -> int:
    """Run a Python command to its end; return all its instructions. Raises ``NoCountError``."""
    words = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", sys.executable]
    done = subprocess.run(
        [*words, *command], capture_output=True, check=False, env={**os.environ, **SAME}
    )
    found = COLLECTED.search(done.stderr)
    if done.returncode or found is None:
        raise NoCountError(f"valgrind failed: {done.stderr[-600:].decode(errors='replace')}")
    return int(found[1])


class Counted(Process):
    """A Python program under callgrind, that counts nothing until ``on``."""

    def __init__(self, command: Sequence[str], core: int | None, folder: Path) -> None:
        """Start it; counts and its words go to ``folder``."""
        self._folder = folder
        out = f"--callgrind-out-file={folder}/counts"
        words = ("valgrind", "--tool=callgrind", "--instr-atstart=no")
        super().__init__([*words, out, *command], core, folder / "said.log", SAME)

    def on(self) -> None:
        """Count from here on. Raises ``NoCountError`` where the process cannot be told."""
        self._tell("instrumentation on")

    def take(self) -> int:
        """Return the instructions of all threads since the last ``take``.

        The first count is not to be used: it holds some of what was before. Raises ``NoCountError``.
        """
        self._tell("dump")
        parts = list(self._folder.glob("counts.*"))
        if not parts:
            raise NoCountError(f"callgrind wrote no count: {self.last_words()}")
        found = sum(map(_totals, parts))
        for part in parts:
            part.unlink()
        return found

    def _tell(self, words: str) -> None:
        command = ["vgdb", f"--pid={self.pid}", *words.split()]
        try:
            done = subprocess.run(command, capture_output=True, timeout=MOST_S, check=False)
        except subprocess.TimeoutExpired:
            raise NoCountError(f"valgrind does not answer to `{words}`") from None
        if done.returncode:
            raise NoCountError(f"vgdb failed: {done.stderr[-600:].decode(errors='replace')}")


def _totals(part: Path) -> int:
    found = TOTALS.search(part.read_text())
    return int(found[1]) if found else 0
