"""Several gateways at one Valkey and one ledger: a budget is one budget, whoever dies meanwhile."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest
from redis import Redis

from gateway.counters import namespace
from tests.exchange.conftest import FACTS_AT_HOME
from tests.fakes import answers
from tests.fakes.answers import Gate
from tests.fakes.upstream import Upstream
from tests.running import HELLO, config
from tests.source_tree import ROOT

# Only what is written costs, so that each call holds the same: a thousand tokens of it.
PRICE = {"input": "0", "output": "2", "source": "test", "date": "2026-11-25"}
MOST = 1000 * 2_000_000
COST = 7 * 2_000_000
FITS = 20
ADDRESS = re.compile(r"http://127\.0\.0\.1:\d+")
CALLS = 200
LONG = dict.fromkeys(("first_byte_s", "answer_s", "between_s", "total_s"), 60)


def start(path: Path) -> tuple[subprocess.Popen[str], str]:
    """Start ``entrepot serve``; return it with its address."""
    process = subprocess.Popen(
        [sys.executable, "-m", "gateway.cli", "serve", "--config", str(path), "--port", "0"],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, cwd=path.parent,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert process.stdout is not None
    for line in process.stdout:
        if found := ADDRESS.search(line):
            return process, found[0]
    pytest.fail("the gateway did not start")


class Site:
    """Gateways of one config, each a process of its own, and what they share."""

    def __init__(self, folder: Path, upstream: Upstream, valkey_url: str, count: int) -> None:
        self.upstream = upstream
        one = {
            "catalog": "openai", "base_url": upstream.base_url, "api_key": "sk-canary",
            "prices": {"m": PRICE}, "facts": FACTS_AT_HOME,
        }  # fmt: skip
        self.url = f"{valkey_url.rpartition('/')[0]}/7"
        usd = (FITS * MOST + MOST - 1) / 10**12
        self.path = config(
            folder,
            state=self.url,
            server={"timeouts": LONG},
            providers={"one": one},
            models={"assistant": ["one/m"]},
            budgets=[{"name": "all", "usd": f"{usd:.12f}", "per": "month"}],
        )
        self.ledger = f"sqlite:///{folder}/ledger.db"
        self.gateways: list[tuple[subprocess.Popen[str], str]] = []
        for _ in range(count):
            self.begin()

    def begin(self) -> None:
        """Start one more."""
        self.gateways.append(start(self.path))

    def kill(self, number: int) -> None:
        """Kill one, as a crash would."""
        process, _ = self.gateways.pop(number)
        process.send_signal(signal.SIGKILL)
        _ended(process)

    def close(self) -> None:
        """Stop all that run."""
        for process, _ in self.gateways:
            process.terminate()
        for process, _ in self.gateways:
            _ended(process)

    async def calls(self, client: httpx.AsyncClient, count: int) -> list[asyncio.Task[int]]:
        """Begin calls at all gateways by turns; each gives its status, 0 where its gateway died."""
        body = {"model": "assistant", "messages": HELLO, "max_tokens": 1000}

        async def one(number: int) -> int:
            address = self.gateways[number % len(self.gateways)][1]
            try:
                return (await client.post(f"{address}/v1/chat/completions", json=body)).status_code
            except httpx.HTTPError:
                return 0

        return [asyncio.ensure_future(one(number)) for number in range(count)]

    def budget(self) -> dict[str, Any]:
        """Return how the budget stands, as the last gateway says; money in 1e-12 dollars."""
        answer = httpx.get(f"{self.gateways[-1][1]}/api/budgets", timeout=20, trust_env=False)
        (found,) = answer.raise_for_status().json()["budgets"]
        return {name: _pico(found[name]) for name in ("spent_usd", "held_usd", "over_usd")}

    def until(self, **wanted: int) -> None:
        """Wait until the budget stands like that, and never more than all of it."""
        end = time.monotonic() + 60
        while True:
            found = self.budget()
            assert found["spent_usd"] + found["held_usd"] <= (FITS + 1) * MOST
            if found.items() >= wanted.items():
                return
            assert time.monotonic() < end, found
            time.sleep(0.1)

    def end_leases(self) -> None:
        """Let all leases be over: who is alive renews its own at the next beat."""
        server = Redis.from_url(self.url)
        leases = f"entrepot:{{{namespace(self.ledger)}}}:leases"
        for process in server.zrange(leases, 0, -1):
            server.zadd(leases, {process: 0})
        server.close()


def _ended(process: subprocess.Popen[str]) -> None:
    process.wait(20)
    if process.stdout is not None:
        process.stdout.close()


async def _so_many(tasks: list[asyncio.Task[int]], count: int) -> list[int]:
    """Wait until ``count`` calls are over; return the numbers of the others."""
    async with asyncio.timeout(60):
        for _, over in zip(range(count), asyncio.as_completed(tasks), strict=False):
            await over
    return [number for number, task in enumerate(tasks) if not task.done()]


def _pico(usd: str) -> int:
    whole, _, part = usd.partition(".")
    return int(whole) * 10**12 + int(part.ljust(12, "0") or 0)


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    """What a test begins and must end."""
    with ExitStack() as found:
        yield found


async def _play(site: Site, gate: Gate, count: int, *, waits_for_lease: bool) -> None:
    async with httpx.AsyncClient(timeout=60, trust_env=False, limits=httpx.Limits()) as client:
        tasks = await site.calls(client, count)
        # All that are let in are at the host at once; the others have been told no.
        under_way = await _so_many(tasks, count - FITS)
        assert {task.result() for task in tasks if task.done()} == {402}
        await asyncio.to_thread(site.upstream.until, lambda: len(site.upstream.requests) == FITS)
        busy = Counter(number % len(site.gateways) for number in under_way)
        await asyncio.to_thread(site.kill, busy.most_common()[-1][0])
        if not waits_for_lease:
            site.end_leases()
        gate.open()
        told = Counter(await asyncio.gather(*tasks))
    died = told[0]
    assert (told[402], told[200] + died) == (count - FITS, FITS)
    assert died
    # What lived has its true cost; what died is given back, and nobody is stuck with it.
    site.until(spent_usd=told[200] * COST, held_usd=0)
    # Its journal says what it may have cost, once another one has read it.
    site.begin()
    site.until(spent_usd=told[200] * COST + died * MOST, held_usd=0)
    left = (FITS * MOST + MOST - 1) - told[200] * COST - died * MOST
    async with httpx.AsyncClient(timeout=60, trust_env=False) as client:
        site.upstream.default = answers.late(answers.chat(), gate=(second := Gate()))
        again = await site.calls(client, count)
        await _so_many(again, count - left // MOST)
        second.open()
        more = Counter(await asyncio.gather(*again))
    assert more == Counter({200: left // MOST, 402: count - left // MOST})


def test_a_killed_gateway_is_no_hole_in_a_budget_of_two(
    tmp_path: Path, upstream: Upstream, valkey_url: str, stack: ExitStack
) -> None:
    gate = Gate()
    upstream.default = answers.late(answers.chat(), gate=gate)
    site = Site(tmp_path, upstream, valkey_url, 2)
    stack.callback(site.close)
    asyncio.run(_play(site, gate, 60, waits_for_lease=False))


@pytest.mark.slow
def test_two_hundred_calls_over_four_gateways_of_which_one_is_killed(
    tmp_path: Path, upstream: Upstream, valkey_url: str, stack: ExitStack
) -> None:
    gate = Gate()
    upstream.default = answers.late(answers.chat(), gate=gate)
    site = Site(tmp_path, upstream, valkey_url, 4)
    stack.callback(site.close)
    asyncio.run(_play(site, gate, CALLS, waits_for_lease=True))
