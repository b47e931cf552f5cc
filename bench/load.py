"""The shapes of load: at a steady rate, streams side by side, one after another, a whole crowd."""

from __future__ import annotations

import asyncio
import math
import statistics
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import uvloop

from bench.asks import Stream
from bench.client import Answer, BrokenError, Pool

FAULTS = (BrokenError, OSError, TimeoutError)


@dataclass
class Taken:
    """The answers of a load, and how many calls got none or a wrong one."""

    answers: list[Answer] = field(default_factory=list)
    wrong: int = 0

    def add(self, answer: Answer, words: int | None = None) -> None:
        """Take an answer; it is wrong with a bad status, or with other than ``words`` words."""
        if answer.status == 200 and (words is None or answer.words == words):
            self.answers.append(answer)
        else:
            self.wrong += 1

    @property
    def words(self) -> int:
        """Return how many words came in all."""
        return sum(answer.words for answer in self.answers)

    def first_ms(self) -> list[float]:
        """Return how long each first word took."""
        return [answer.first_ms for answer in self.answers]

    def worst_gap_ms(self) -> float:
        """Return the longest silence within any stream; not a number without streams."""
        return max((answer.worst_gap / 1e6 for answer in self.answers), default=math.nan)


def quantile(values: Iterable[float], share: float) -> float:
    """Return the value below which that share lies; not a number where there is none."""
    row = sorted(values)
    return row[min(len(row) - 1, int(len(row) * share))] if row else math.nan


def median(values: Sequence[float]) -> float:
    """Return the median; not a number where there is none."""
    return statistics.median(values) if values else math.nan


def run(main: Any) -> Any:
    """Run one load on a loop of its own."""
    return uvloop.run(main)


async def one(port: int, request: bytes) -> Answer:
    """Make one call. Raises what ``Pool.ask`` does."""
    pool = Pool(port)
    try:
        return await pool.ask(request)
    finally:
        pool.close()


async def closed_loop(port: int, request: bytes, parallel: int, seconds: float) -> Taken:
    """Call again as soon as an answer is there, over ``parallel`` connections."""
    pool, taken = Pool(port), Taken()
    end = time.monotonic() + seconds

    async def worker() -> None:
        while time.monotonic() < end:
            try:
                taken.add(await pool.ask(request))
            except FAULTS:
                taken.wrong += 1

    await asyncio.gather(*(worker() for _ in range(parallel)))
    pool.close()
    return taken


async def open_loop(port: int, request: bytes, rate: float, seconds: float) -> Taken:
    """Call ``rate`` times a second, whatever became of the calls before."""
    pool, taken = Pool(port), Taken()

    async def call() -> None:
        try:
            taken.add(await pool.ask(request))
        except FAULTS:
            taken.wrong += 1

    begun, calls = time.perf_counter(), []
    for number in range(int(rate * seconds)):
        await asyncio.sleep(begun + number / rate - time.perf_counter())
        calls.append(asyncio.create_task(call()))
    await asyncio.gather(*calls)
    pool.close()
    return taken


async def serial(port: int, request: bytes, count: int, words: int, pause_s: float = 0.02) -> Taken:
    """Make ``count`` calls one after another, on one connection."""
    pool, taken = Pool(port), Taken()
    for _ in range(count):
        try:
            taken.add(await pool.ask(request), words)
        except FAULTS:
            taken.wrong += 1
        await asyncio.sleep(pause_s)
    pool.close()
    return taken


async def streams(
    port: int, request: bytes, stream: Stream, parallel: int, turns: int, seconds: float = 0.0
) -> Taken:
    """Take streams on ``parallel`` connections, begun a little after each other.

    Each takes ``turns``, and more until ``seconds`` are over.
    """
    pool, taken = Pool(port), Taken()
    apart = stream.gap_us / 1e6 / parallel
    end = time.monotonic() + seconds

    async def worker(number: int) -> None:
        # A third of a turn more for each, so that chunks and beginnings of streams are mixed.
        await asyncio.sleep(number * (apart + stream.gap_us / 3e6))
        done = 0
        while done < turns or time.monotonic() < end:
            done += 1
            try:
                taken.add(await pool.ask(request), stream.chunks)
            except FAULTS:
                taken.wrong += 1

    await asyncio.gather(*(worker(number) for number in range(parallel)))
    pool.close()
    return taken


@dataclass(frozen=True)
class Crowd:
    """So many streams at once, a chunk every ``gap_s``; ``rate`` are begun a second.

    They are watched for ``window_s``, with ``calm_s`` before and after in which none begins or ends.
    """

    count: int
    gap_s: float
    rate: float
    window_s: float
    calm_s: float = 1.0


@dataclass
class Watched:
    """What was seen of a crowd: words that came within the window, and how long it really was."""

    taken: Taken
    words: int = 0
    seconds: float = 0.0


async def crowd(
    port: int,
    make: Callable[[Stream], bytes],
    plan: Crowd,
    at_window: Callable[[], None],
) -> Watched:
    """Begin all streams, watch them while all are there, and take their ends.

    ``make`` writes the request for a stream; ``at_window`` is called at the window's begin and end.
    All streams end at about the same time, soon after the window.
    """
    pool, found = Pool(port), Watched(Taken())
    opening_s = plan.count / plan.rate
    end_s = opening_s + plan.calm_s + plan.window_s + plan.calm_s
    begun = time.monotonic()

    async def worker(number: int) -> None:
        await asyncio.sleep(begun + number / plan.rate - time.monotonic())
        left = end_s - (time.monotonic() - begun)
        stream = Stream(max(2, math.ceil(left / plan.gap_s)), int(plan.gap_s * 1e6))
        try:
            found.taken.add(await pool.ask(make(stream), end_s * 3 + 60), stream.chunks)
        except FAULTS:
            found.taken.wrong += 1

    workers = [asyncio.create_task(worker(number)) for number in range(plan.count)]
    await asyncio.sleep(opening_s + plan.calm_s)
    words = pool.words()
    at_window()
    started = time.monotonic()
    await asyncio.sleep(plan.window_s)
    found.words = pool.words() - words
    found.seconds = time.monotonic() - started
    at_window()
    await asyncio.gather(*workers)
    pool.close()
    return found
