"""What is measured of every gateway: calls, chunks, delays, memory. Each gives figures by name."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from bench import load, throughput
from bench.asks import Stream, prompt
from bench.gateways import Running, WrongAnswerError
from bench.load import Crowd, Taken
from bench.mock import Mock
from bench.processes import Cpu, Memory, spent
from bench.throughput import Asked

Figures = dict[str, float]
NOTHING = Cpu(0, 0)
CHUNKS = 200
BIG_PROMPT = 31_000
PARALLEL = 64
SIDE_BY_SIDE = 16
PACED = Stream(CHUNKS, 10_000)
BURST = Stream(CHUNKS, 0)
SHORT = Stream(5, 0)
HEAVY_BYTES = 5_000_000
# A gateway that answers few calls a second is given more time for them.
SLOW_TIMES = 3


@dataclass(frozen=True)
class Scale:
    """How long each part takes. ``rounds`` are interleaved; ``crowds`` are streams at once."""

    rounds: int = 3
    warm_s: float = 1
    small_s: float = 4
    prompt_s: float = 3
    latency_s: float = 6
    paced_turns: int = 2
    burst_s: float = 2
    firsts: int = 60
    lane_s: float = 2
    grown_s: float = 2
    size_s: float = 2
    settle_s: float = 1.5
    crowds: tuple[Crowd, ...] = (Crowd(500, 0.2, 200, 4), Crowd(2000, 0.5, 200, 5))


QUICK = Scale(
    rounds=1, warm_s=1, small_s=1, prompt_s=1, latency_s=2, paced_turns=1, burst_s=1, firsts=20,
    lane_s=1, grown_s=1, size_s=1, settle_s=0.5, crowds=(Crowd(500, 0.2, 250, 2),),
)  # fmt: skip


def cpu(running: Running) -> Cpu:
    """Return the CPU time of a gateway so far; none where there is no gateway."""
    return NOTHING if running.process is None else running.process.cpu()


def memory(running: Running) -> Memory:
    """Return the memory of a gateway now."""
    return Memory(math.nan, math.nan) if running.process is None else running.process.memory()


def warm(running: Running, asked: Asked, scale: Scale) -> None:
    """See that an answer is right, then make calls that are not measured.

    Raises ``WrongAnswerError``.
    """
    running.probe(asked)
    times = SLOW_TIMES if running.gateway.is_slow else 1
    throughput.measure([asked], PARALLEL, scale.warm_s * times)


def calls(
    running: Running, mock: Mock, asked: Asked, seconds: float, parallel: int = PARALLEL
) -> Figures:
    """Return CPU milliseconds a call, calls a second, delays under full load."""
    if running.gateway.is_slow:
        seconds *= SLOW_TIMES
    had, before = mock.calls(), cpu(running)
    rate = throughput.measure([asked], parallel, seconds)
    used, came = spent(before, cpu(running)), mock.calls() - had
    good = rate.calls - rate.wrong
    if rate.wrong or not good:
        raise WrongAnswerError(f"{rate.wrong} of {rate.calls} calls")
    if running.process is not None and abs(came - good) > parallel * 2 + good * 0.02:
        raise WrongAnswerError(f"the mock was asked {came} times for {good} answers")
    return {
        "cpu_ms": used.ms / good,
        "rps": good / rate.seconds,
        "busy": used.ms / 1000 / rate.seconds,
        "p50_ms": rate.p50_ms,
        "p99_ms": rate.p99_ms,
    }


def chunks(
    running: Running, asked: Asked, stream: Stream, turns: int, seconds: float = 0.0
) -> Figures:
    """Return CPU microseconds a chunk: 16 streams beside each other, ``turns`` of each.

    More are taken until ``seconds`` are over.
    """
    before = cpu(running)
    taken = load.run(
        load.streams(running.port, asked.request, stream, SIDE_BY_SIDE, turns, seconds)
    )
    used = spent(before, cpu(running))
    judge(taken)
    return {
        "cpu_us": used.ms * 1000 / taken.words,
        "streams": len(taken.answers),
        "first_ms": load.median(taken.first_ms()),
        "worst_gap_ms": taken.worst_gap_ms(),
    }


def judge(taken: Taken) -> None:
    """Raise ``WrongAnswerError`` unless all answers of a load were right."""
    if taken.wrong or not taken.answers:
        raise WrongAnswerError(f"{taken.wrong} of {taken.wrong + len(taken.answers)} calls")


def small(running: Running, mock: Mock, scale: Scale) -> Figures:
    """Measure small requests, 64 at a time."""
    asked = running.asked()
    warm(running, asked, scale)
    return calls(running, mock, asked, scale.small_s)


def big_prompt(running: Running, mock: Mock, scale: Scale) -> Figures:
    """Measure prompts of 30 KB, 64 at a time."""
    return calls(running, mock, running.asked(text=prompt(BIG_PROMPT)), scale.prompt_s)


def latency(running: Running, _: Mock, scale: Scale) -> Figures:
    """Measure the delay of whole answers at 50 requests a second."""
    request = running.asked().request
    load.run(load.open_loop(running.port, request, 50, 0.5))
    before = cpu(running)
    taken = load.run(load.open_loop(running.port, request, 50, scale.latency_s))
    used = spent(before, cpu(running))
    judge(taken)
    took = [answer.took_ms for answer in taken.answers]
    return {
        "p50_ms": load.quantile(took, 0.5),
        "p99_ms": load.quantile(took, 0.99),
        "worst_ms": max(took),
        "cpu_ms": used.ms / len(took),
    }


def first_byte(running: Running, _: Mock, scale: Scale) -> Figures:
    """Measure the delay of a stream's first byte and first word, one short stream after another."""
    request = running.asked(stream=SHORT).request
    load.run(load.serial(running.port, request, 5, SHORT.chunks))
    taken = load.run(load.serial(running.port, request, scale.firsts, SHORT.chunks))
    judge(taken)
    delays = [answer.byte_ms for answer in taken.answers]
    return {
        "p50_ms": load.quantile(delays, 0.5),
        "p99_ms": load.quantile(delays, 0.99),
        "word_p50_ms": load.quantile(taken.first_ms(), 0.5),
    }


def paced(running: Running, _: Mock, scale: Scale) -> Figures:
    """Measure chunks that come 10 ms apart."""
    return chunks(running, running.asked(stream=PACED), PACED, scale.paced_turns)


def burst(running: Running, _: Mock, scale: Scale) -> Figures:
    """Measure chunks that come all at once."""
    return chunks(running, running.asked(stream=BURST), BURST, 1, scale.burst_s)


def idle(running: Running, _: Mock, scale: Scale) -> Figures:
    """Tell how long the start took, and the memory some moments after it."""
    if running.process is None:
        return {}
    took = running.process.cpu().ticks / 1e9
    time.sleep(scale.settle_s)
    found = memory(running)
    return {
        "start_s": running.start_s, "start_cpu_s": took,
        "rss_mb": found.resident, "pss_mb": found.shared,
    }  # fmt: skip


def loaded(running: Running, _: Mock, __: Scale) -> Figures:
    """Tell the memory after all the load before."""
    found = memory(running)
    return {"rss_mb": found.resident, "pss_mb": found.shared}


Measure = Callable[[Running, Mock, Scale], Figures]
# In the order in which they are made; memory stands before what needs more of it than common calls.
COMMON: Mapping[str, Measure] = {
    "idle": idle,
    "small": small,
    "prompt": big_prompt,
    "latency": latency,
    "burst": burst,
    "paced": paced,
    "first": first_byte,
    "loaded": loaded,
}
