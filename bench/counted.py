"""Whether a call costs what it did: instructions of the gateway, against those recorded.

A gateway in its production form runs under callgrind, and a client and a host on bare sockets lead
it step by step. What it executes for each call and each chunk is counted and put in proportion to a
fixed piece of Python (``bench/yardstick.py``), counted in the same run. More than ``TOLERANCE`` above
what stands in ``bench/recorded.yaml`` fails. Where nothing can be counted, CPU time is compared with
that of a pass-through, the bounds being wider.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from bench import callgrind, config, lockstep, recorded
from bench.callgrind import Counted, NoCountError
from bench.lockstep import Steps
from bench.processes import CORES, Process, free_port
from bench.recorded import Measured

Figures = dict[str, float]
YARD = Path(__file__).parent / "yardstick.py"
YARD_TURNS = 150
KINDS = (
    "small request", "30 KB prompt", "5 MB prompt", "short stream", "relayed chunk", "translated chunk"
)  # fmt: skip
SMALL_BYTES, BIG_BYTES, HUGE_BYTES = 20, 30_000, 5_000_000
IDLE_S = 2.0
START_MOST_S = 240.0
# Of CPU time, which is noisy; instructions need one.
ROUNDS = 5
# CPU time of a shared machine is worth no more.
TIMED_TOLERANCE = 40.0


class Meter(Protocol):
    """What tells how much a process has done."""

    def zero(self) -> None:
        """Forget what has been."""

    def take(self) -> float:
        """Return how much it was since ``zero``."""


@dataclass(frozen=True)
class Scale:
    """How often each kind is done, before it is measured and then."""

    warm: int = 50
    calls: int = 100
    big_calls: int = 30
    huge_calls: int = 2
    streams: int = 30
    chunks: int = 1000


TIMED = Scale(warm=200, calls=2000, big_calls=300, streams=200, chunks=2000)


class Instructions:
    """Counts all that a process does, less what it would have done with nothing to do."""

    def __init__(self, process: Counted) -> None:
        self._process = process
        self._idle_per_s = 0.0
        self._since = 0.0

    def settle(self) -> None:
        """Find out what it does when there is nothing to do, once what was begun is over."""
        time.sleep(IDLE_S)
        self.zero()
        time.sleep(IDLE_S)
        self._idle_per_s = self.take() / IDLE_S

    def zero(self) -> None:
        """Forget what has been."""
        self._process.take()
        self._since = time.monotonic()

    def take(self) -> float:
        """Return the instructions since ``zero``."""
        took_s = time.monotonic() - self._since
        return self._process.take() - self._idle_per_s * took_s


class CpuTime:
    """Takes the CPU time of a whole process, in nanoseconds."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self._before = 0

    def zero(self) -> None:
        """Forget what has been."""
        self._before = self._process.cpu().exact

    def take(self) -> float:
        """Return the nanoseconds since ``zero``."""
        return float(self._process.cpu().exact - self._before)


async def figures(steps: Steps, meter: Meter, scale: Scale, *, translates: bool = True) -> Figures:
    """Return what one of each kind takes by ``meter``."""
    found: Figures = {}
    for kind, size, warm, count in (
        ("small request", SMALL_BYTES, scale.warm, scale.calls),
        ("30 KB prompt", BIG_BYTES, scale.big_calls // 3, scale.big_calls),
        ("5 MB prompt", HUGE_BYTES, 1, scale.huge_calls),
    ):
        await _calls(steps, size, warm)
        meter.zero()
        await _calls(steps, size, count)
        found[kind] = meter.take() / count
    await _short_streams(steps, scale.streams // 4)
    meter.zero()
    await _short_streams(steps, scale.streams)
    found["short stream"] = meter.take() / scale.streams
    lanes = {"relayed chunk": "chat", **({"translated chunk": "messages"} if translates else {})}
    for kind, model in lanes.items():
        host = await steps.begin(model)
        await steps.chunks(host, scale.warm)
        meter.zero()
        await steps.chunks(host, scale.chunks)
        found[kind] = meter.take() / scale.chunks
        await steps.end(host)
    return found


async def _calls(steps: Steps, size: int, count: int) -> None:
    for _ in range(count):
        await steps.call(size)


async def _short_streams(steps: Steps, count: int) -> None:
    for _ in range(count):
        await steps.end(await steps.begin("chat"))


@contextlib.asynccontextmanager
async def _host() -> AsyncIterator[tuple[int, asyncio.Queue[lockstep.Host]]]:
    port = free_port()
    server, streams = await lockstep.listen(port)
    try:
        yield port, streams
    finally:
        server.close()


async def counted(folder: Path, scale: Scale) -> Figures:
    """Return what each kind takes, in yards. Raises ``NoCountError``."""
    yard = _yard()
    async with _host() as (host, streams):
        path = _config(folder, f"http://127.0.0.1:{host}")
        port = free_port()
        process = Counted(_serve("bench.still", path, port), CORES.gateway, folder)
        try:
            await _up(process, port)
            process.on()
            meter = Instructions(process)
            steps = await lockstep.connect(port, streams)
            await _calls(steps, SMALL_BYTES, scale.warm)
            await asyncio.to_thread(meter.settle)
            found = await figures(steps, meter, scale)
            steps.close()
        finally:
            process.stop()
    return {kind: count / yard for kind, count in found.items()}


async def _up(process: Process, port: int) -> None:
    """Wait until ``process`` listens. Raises SystemExit where it does not."""
    end = time.monotonic() + START_MOST_S
    while not process.ended() and time.monotonic() < end:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            await asyncio.sleep(0.2)
        else:
            writer.close()
            return
    raise SystemExit(f"what is measured did not start: {process.last_words()}")


def _config(folder: Path, upstream: str) -> Path:
    """Write the config into a folder of its own, since what is written beside it wakes its watch."""
    alone = folder / "config"
    alone.mkdir()
    return config.write(folder, upstream).rename(alone / "config.yaml")


def _serve(module: str, path: Path, port: int) -> list[str]:
    return [sys.executable, "-m", module, "serve", "--config", str(path), "--port", str(port)]


def _yard() -> float:
    """Return the instructions of one turn of the yardstick. Raises ``NoCountError``."""
    once, twice = (callgrind.whole("-S", str(YARD), str(n * YARD_TURNS)) for n in (1, 2))
    return (twice - once) / YARD_TURNS


async def timed(folder: Path, scale: Scale) -> Figures:
    """Return the CPU time of each kind as a multiple of the floor's, medians of some rounds."""
    async with _host() as (host, streams):
        upstream = f"http://127.0.0.1:{host}"
        ports = free_port(), free_port()
        floor = [sys.executable, "-m", "bench.floor", str(ports[0]), upstream]
        commands = floor, _serve("gateway.cli", _config(folder, upstream), ports[1])
        processes = [
            Process(command, CORES.gateway, folder / f"said-{n}.log")
            for n, command in enumerate(commands)
        ]
        rounds: list[Figures] = []
        try:
            for port, process in zip(ports, processes, strict=True):
                await _up(process, port)
            both = [
                (await lockstep.connect(port, streams), CpuTime(process))
                for port, process in zip(ports, processes, strict=True)
            ]
            for _ in range(ROUNDS):
                under, ours = [
                    await figures(steps, meter, scale, translates=bool(n))
                    for n, (steps, meter) in enumerate(both)
                ]
                under["translated chunk"] = under["relayed chunk"]
                rounds.append({kind: ours[kind] / under[kind] for kind in ours})
            for steps, _ in both:
                steps.close()
        finally:
            for process in processes:
                process.stop()
    return {kind: statistics.median([one[kind] for one in rounds]) for kind in rounds[0]}


def _made(folder: str, name: str) -> Path:
    made = Path(folder) / name
    made.mkdir()
    return made


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print the table, and record or judge; 1 where something costs too much."""
    parser = argparse.ArgumentParser(prog="python -m bench.counted", description=__doc__)
    parser.add_argument("--record", action="store_true", help="write down what is measured")
    parser.add_argument("--timed", action="store_true", help="CPU time, as where nothing counts")
    asked = parser.parse_args(arguments)
    name = recorded.build()
    with tempfile.TemporaryDirectory() as folder:
        try:
            if asked.timed:
                raise NoCountError("so it was asked")
            print(f"counted by valgrind {callgrind.version()}, {name}", flush=True)
            found = asyncio.run(counted(_made(folder, "counted"), Scale()))
            measured = Measured("instructions", "instructions, in turns", name, found)
        except NoCountError as reason:
            print(f"CPU time instead of instructions: {reason}", flush=True)
            found = asyncio.run(timed(_made(folder, "timed"), TIMED))
            measured = Measured("cpu", "CPU, of the floor's", name, found, TIMED_TOLERANCE)
    if asked.record:
        recorded.write(measured.means, name, found)
        print(f"recorded in {recorded.PLACE}")
    return recorded.judge(measured, print)


if __name__ == "__main__":
    sys.exit(main())
