"""Many streams at once on one core, and one huge body among a few."""

from __future__ import annotations

import asyncio
import math
import time
from dataclasses import replace

from bench import load
from bench.asks import Stream, prompt
from bench.client import Answer
from bench.gateways import Running, WrongAnswerError
from bench.load import Crowd, Taken
from bench.measures import (
    HEAVY_BYTES,
    PACED,
    SIDE_BY_SIDE,
    Figures,
    Scale,
    cpu,
    judge,
    memory,
)
from bench.mock import Mock
from bench.processes import spent

# What a gateway gets that would be saturated by the whole crowd: fewer streams, with longer gaps.
SLOW = Crowd(count=100, gap_s=2.0, rate=10, window_s=6)
WARM = Stream(5, 0)
# How much later the body goes out than the streams begin: in the middle of them.
HEAVY_AFTER_S = 0.7


def crowd(running: Running, scale: Scale, plan: Crowd) -> Figures:
    """Return CPU a chunk, memory a stream and delays with all streams of ``plan`` open.

    The gateway is fresh but for some calls and streams before; memory is compared with that.
    """
    if running.gateway.is_slow:
        plan = replace(SLOW, window_s=plan.window_s)
    request = running.asked().request
    load.run(load.serial(running.port, request, 30, 0, 0.0))
    request = running.asked(stream=WARM).request
    load.run(load.streams(running.port, request, WARM, SIDE_BY_SIDE, 5))
    time.sleep(scale.settle_s)
    before = memory(running)
    seen: list[tuple[float, float]] = []
    used = [cpu(running)]
    own: list[float] = []

    def look() -> None:
        used.append(cpu(running))
        found = memory(running)
        seen.append((found.resident, found.shared))
        own.append(time.process_time())

    watched = load.run(
        load.crowd(
            running.port,
            lambda stream: running.asked(stream=stream).request,
            plan,
            look,
        )
    )
    judge(watched.taken)
    if not watched.words:
        raise WrongAnswerError("no word came while all streams were open")
    within = spent(used[1], used[2])
    delays = watched.taken.first_ms()
    held = (max(rss for rss, _ in seen) - before.resident) * 1024 / plan.count
    return {
        "streams": plan.count,
        "gap_s": plan.gap_s,
        "cpu_us": within.ms * 1000 / watched.words,
        "busy": within.ms / 1000 / watched.seconds,
        "stream_kb": held,
        "first_p50_ms": load.quantile(delays, 0.5),
        "first_p99_ms": load.quantile(delays, 0.99),
        "first_worst_ms": max(delays),
        "worst_gap_ms": watched.taken.worst_gap_ms(),
        "client_busy": (own[1] - own[0]) / watched.seconds,
    }


def heavy(running: Running, _: Mock, __: Scale) -> Figures:
    """Return the longest silence of 16 paced streams, alone and beside one body of 5 MB."""
    alone = load.run(_streams(running, None))
    heavy_body = running.asked("long", text=prompt(HEAVY_BYTES)).request
    load.run(load.one(running.port, heavy_body))
    took: list[Answer] = []
    beside = load.run(_streams(running, heavy_body, took))
    for taken in (alone, beside):
        judge(taken)
    if not took or took[0].status != 200:
        raise WrongAnswerError(f"the body of {HEAVY_BYTES} bytes: {took[0].status if took else 0}")
    return {
        "alone_ms": alone.worst_gap_ms(),
        "beside_ms": beside.worst_gap_ms(),
        "body_ms": took[0].took_ms if took else math.nan,
    }


async def _streams(running: Running, body: bytes | None, took: list[Answer] | None = None) -> Taken:
    request = running.asked(stream=PACED).request
    streams = asyncio.create_task(load.streams(running.port, request, PACED, SIDE_BY_SIDE, 1))
    if body is not None and took is not None:
        await asyncio.sleep(HEAVY_AFTER_S)
        took.append(await load.one(running.port, body))
    return await streams
