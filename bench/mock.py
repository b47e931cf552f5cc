"""The upstream of the benchmark: `mock.c`, compiled here, run on the load's core, asked what it had."""

from __future__ import annotations

import contextlib
import http.client
import json
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from bench.processes import CORES, Process, free_port

SOURCES = tuple(Path(__file__).parent / name for name in ("mock.c", "answers.h"))
COMPILERS = ("cc", "gcc", "clang")
START_MOST_S = 90.0
ASK_AGAIN_S = 0.01


class NoCompilerError(Exception):
    """There is nothing here that compiles C, or not this; the message says what to do."""


class NotStartedError(Exception):
    """A program that was started does not answer; the message has its last words."""


@dataclass(frozen=True)
class Mock:
    """The upstream that runs."""

    port: int
    process: Process

    @property
    def url(self) -> str:
        """Return its address."""
        return f"http://127.0.0.1:{self.port}"

    def calls(self) -> int:
        """Return how many calls it has had."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        with contextlib.closing(connection):
            connection.request("GET", "/count")
            found: int = json.loads(connection.getresponse().read())["calls"]
            return found


def build(folder: Path) -> Path:
    """Compile the mock into ``folder``; return the program. Raises ``NoCompilerError``."""
    compiler = next(filter(None, map(shutil.which, COMPILERS)), None)
    if compiler is None:
        raise NoCompilerError(
            "the benchmark's upstream is written in C, and no C compiler is here "
            f"({', '.join(COMPILERS)}): Debian's package gcc with libc6-dev has one"
        )
    program = folder / "mock"
    command = [compiler, "-O2", "-Wall", "-o", str(program), str(SOURCES[0])]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise NoCompilerError(f"the benchmark's upstream cannot be compiled: {done.stderr[:2000]}")
    return program


@contextlib.contextmanager
def running(program: Path, folder: Path) -> Iterator[Mock]:
    """Run the mock for the length of a block, its words in ``folder``. Raises ``NotStartedError``."""
    port = free_port()
    process = Process([str(program), str(port)], CORES.load, folder / "mock.log")
    try:
        until(lambda: status(port, "GET", "/count") == 200, process, "the mock")
        yield Mock(port, process)
    finally:
        process.stop()


def until(holds: Callable[[], bool], process: Process, name: str) -> None:
    """Wait until something holds of a process that has just been started. Raises ``NotStartedError``."""
    end = time.monotonic() + START_MOST_S
    while not holds():
        if process.ended() or time.monotonic() > end:
            raise NotStartedError(f"{name} did not start: {process.last_words()}")
        time.sleep(ASK_AGAIN_S)


def status(
    port: int, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None
) -> int:
    """Return the status of one answer, 0 where there was none."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        with contextlib.closing(connection):
            said = {"content-type": "application/json", **(headers or {})}
            connection.request(method, path, body, said)
            return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return 0
