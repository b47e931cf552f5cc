"""Starts what is measured, on a core of its own, and tells what it took: CPU time and memory."""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import socket
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

STOP_S = 15.0
TICK_NS = 1_000_000_000 // os.sysconf("SC_CLK_TCK")
# How far the two clocks of a process may lie apart by rounding alone.
ROUNDING_NS = 3 * TICK_NS
ROUNDING_SHARE = 0.05


class Cores(NamedTuple):
    """Where the gateway runs, and where the mock and the load; the same where there is only one."""

    gateway: int
    load: int


def _cores() -> Cores:
    found = sorted(os.sched_getaffinity(0))
    return Cores(found[0], found[min(1, len(found) - 1)])


# The first two cores that this process might use when it began, before it pinned itself to one.
CORES = _cores()


def allow_many_sockets() -> None:
    """Let this process, and those it starts, hold as many sockets as the system allows them."""
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def free_port() -> int:
    """Return a port that is free now."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        return port


class Cpu(NamedTuple):
    """CPU time so far, in nanoseconds, by two clocks.

    ``exact`` is that of the threads that live; ``ticks`` counts ended ones too, in hundredths of a
    second.
    """

    exact: int
    ticks: int


class Memory(NamedTuple):
    """What processes hold, in MB; ``shared`` counts a page of several processes by its share."""

    resident: float
    shared: float


class Spent(NamedTuple):
    """CPU between two moments, in milliseconds; ``lost_threads``: the coarse clock had to be read."""

    ms: float
    lost_threads: bool


def spent(before: Cpu, after: Cpu) -> Spent:
    """Return what was spent in between: exactly, unless threads with a share of it have ended."""
    exact, ticks = after.exact - before.exact, after.ticks - before.ticks
    lost = ticks > exact * (1 + ROUNDING_SHARE) + ROUNDING_NS
    return Spent((ticks if lost else exact) / 1e6, lost)


class Process:
    """One program with all that it starts: a session of its own, pinned to one core."""

    def __init__(
        self,
        command: Sequence[str],
        core: int | None,
        log: Path,
        env: Mapping[str, str] | None = None,
        folder: Path | None = None,
    ) -> None:
        """Start it; ``core`` None leaves it where this process may run. Its words go to ``log``."""
        self.log = log

        def pin() -> None:
            if core is not None:
                os.sched_setaffinity(0, {core})

        # What runs here talks to this machine only, whatever proxy the environment names.
        here = {**os.environ, "NO_PROXY": "127.0.0.1,localhost", "no_proxy": "127.0.0.1,localhost"}
        with log.open("ab") as said:
            self._process = subprocess.Popen(
                command, env={**here, **(env or {})}, cwd=folder, stdin=subprocess.DEVNULL,
                stdout=said, stderr=said, start_new_session=True, preexec_fn=pin,
            )  # fmt: skip
        self.pid = self._process.pid

    def ended(self) -> bool:
        """Whether it has ended by itself."""
        return self._process.poll() is not None

    def last_words(self) -> str:
        """Return the end of what it wrote, for whoever asks why it did not start."""
        return self.log.read_text(errors="replace")[-600:]

    def cpu(self) -> Cpu:
        """Return the CPU time of the whole session so far."""
        exact = ticks = 0
        for pid in self._pids():
            with contextlib.suppress(OSError):
                for task in Path(f"/proc/{pid}/task").iterdir():
                    exact += int((task / "schedstat").read_text().split()[0])
                ticks += sum(int(field) for field in _stat(pid)[11:15]) * TICK_NS
        return Cpu(exact, ticks)

    def memory(self) -> Memory:
        """Return the memory of the whole session now."""
        found = {"Rss:": 0, "Pss:": 0}
        for pid in self._pids():
            with contextlib.suppress(OSError):
                for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
                    name, *rest = line.split()
                    if name in found:
                        found[name] += int(rest[0])
        return Memory(found["Rss:"] / 1024, found["Pss:"] / 1024)

    def stop(self) -> None:
        """End it and all that it started."""
        if self._process.poll() is None:
            os.killpg(self.pid, signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(STOP_S)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self._process.wait()

    def _pids(self) -> Iterator[int]:
        for folder in Path("/proc").iterdir():
            if folder.name.isdigit():
                pid = int(folder.name)
                with contextlib.suppress(OSError):
                    if int(_stat(pid)[3]) == self.pid:
                        yield pid


def _stat(pid: int) -> list[str]:
    """Return the fields behind the name: the state is 0, the session 3, CPU ticks 11 to 14."""
    return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
