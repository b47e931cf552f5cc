"""Gateways that are killed at random points under load, and the count of what is left of it.

The host counts what it was asked. Every call has words of its own, which stand in its entry too (as
its session), so that each request of the host is laid beside the entries of its call.
"""

from __future__ import annotations

import asyncio
import os
import re
import select
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random
from typing import Any, Self

import httpx
from sqlalchemy import select as query

from billing.database import StoreError, reading
from billing.schema import entries as table
from billing.store import Store
from tests.exchange.conftest import providers
from tests.fakes import answers
from tests.fakes.answers import Behaviour
from tests.fakes.upstream import Request, Upstream
from tests.running import config
from tests.source_tree import ROOT

ADDRESS = re.compile(rb"http://127\.0\.0\.1:\d+")
CALLERS = 8
WITHIN_S = 60.0
# A gateway is killed a moment after so many answers at the most, or while it starts.
ANSWERS_MOST, MOMENT_S, STARTING_S = 60, 0.05, 1.5
LOADED = {"retries": 0, "timeouts": {"total_s": 20, "first_byte_s": 10, "between_s": 10}}


def mixed(chance: Random) -> Callable[[Request], Behaviour]:
    """Return how the host answers: mostly well, some slowly, few with a fault."""

    def answer(request: Request) -> Behaviour:
        found, drawn = answers.polite(request), chance.random()
        if drawn < 0.02:
            return answers.error(503, "busy")
        if drawn < 0.3:
            return answers.late(found, seconds=0.04)
        if drawn < 0.6 and len(found.pieces) > 1:
            return replace(found, gap_s=0.02)
        return answers.cut(found, after=2, how="close") if drawn < 0.63 else found

    return answer


class Process:
    """One ``entrepot serve``."""

    def __init__(self, path: Path, log: Path) -> None:
        self.began = time.monotonic()
        self._log = log.open("ab")
        self._process = subprocess.Popen(
            [sys.executable, "-m", "gateway.cli", "serve", "--config", str(path), "--port", "0"],
            stdout=subprocess.PIPE,
            stderr=self._log,
            cwd=path.parent,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )

    def address(self, within_s: float = WITHIN_S) -> str:
        """Return where it serves; "" where it does not say so in time."""
        out = self._process.stdout
        assert out is not None
        told, end = b"", time.monotonic() + within_s
        while (left := end - time.monotonic()) > 0:
            if not select.select([out], [], [], left)[0]:
                break
            data = os.read(out.fileno(), 65536)
            told += data
            if found := ADDRESS.search(told):
                return found[0].decode()
            assert data, f"the gateway did not start: {Path(self._log.name).read_text()[-2000:]}"
        return ""

    def kill(self) -> None:
        """Kill it as nothing can be caught; one that has ended stays as it is."""
        self._process.send_signal(signal.SIGKILL)
        self._end()

    def stop(self) -> int:
        """Let it end well; return its exit code."""
        self._process.send_signal(signal.SIGTERM)
        return self._end()

    def _end(self) -> int:
        code = self._process.wait(WITHIN_S)
        assert self._process.stdout is not None
        self._process.stdout.close()
        self._log.close()
        return code


@dataclass
class Tally:
    """What came of all runs. ``asked`` counts the host's requests, ``entries`` the ledger's.

    ``killed`` are entries of attempts that were under way when their process was killed, ``unseen``
    those of them that the host has no request of: nobody can know whether it would have got one.
    ``unsent`` are entries that say that the host could not be reached, and it was not.
    """

    runs: int = 0
    killed_starting: int = 0
    answered: int = 0
    refused: int = 0
    asked: int = 0
    entries: int = 0
    killed: int = 0
    unseen: int = 0
    unsent: int = 0
    lost: list[str] = field(default_factory=list)
    twice: list[str] = field(default_factory=list)
    without: list[str] = field(default_factory=list)

    @property
    def is_exact(self) -> bool:
        """Whether each request of the host has its one entry, and no entry is of nothing."""
        wrong = self.lost or self.twice or self.without
        return not wrong and self.entries == self.asked + self.unseen + self.unsent


class _Enough:
    """Says when so many answers have come."""

    def __init__(self, count: int) -> None:
        self._left = count
        self.reached = asyncio.Event()

    def one_more(self) -> None:
        """Count one."""
        self._left -= 1
        if self._left <= 0:
            self.reached.set()


class Crashes:
    """A config, its host, and runs of gateways over one ledger and one journal."""

    def __init__(self, folder: Path, host: Upstream, seed: int, **parts: Any) -> None:
        self.chance = Random(seed)
        self.host = host
        host.default = mixed(Random(seed + 1))
        one = {"one": providers(host, host)["one"]}
        whole = {"providers": one, "models": {"assistant": ["one/m"]}, "server": LOADED, **parts}
        self.path = config(folder, **whole)
        self.log = folder.with_name(f"{folder.name}.log")
        self.tally = Tally()
        self._answered: list[str] = []
        self._number = 0
        self._processes: list[Process] = []

    def __enter__(self) -> Self:
        """Return it."""
        return self

    def __exit__(self, *exc: object) -> None:
        """Leave no gateway behind."""
        for process in self._processes:
            process.kill()

    def start(self) -> Process:
        """Start a gateway."""
        self._processes.append(Process(self.path, self.log))
        return self._processes[-1]

    def run(self, count: int, *, at_once: int = 1) -> None:
        """Start and kill so many gateways, ``at_once`` of them beside each other."""
        asyncio.run(self._run(count, at_once))

    async def _run(self, count: int, at_once: int) -> None:
        async with httpx.AsyncClient(timeout=15, trust_env=False) as client:
            lanes = [count // at_once + (n < count % at_once) for n in range(at_once)]
            await asyncio.gather(*(self._lane(client, runs) for runs in lanes))

    async def _lane(self, client: httpx.AsyncClient, runs: int) -> None:
        for _ in range(runs):
            process = self.start()
            self.tally.runs += 1
            if self.chance.random() < 0.15:
                await asyncio.sleep(self.chance.uniform(0.2, STARTING_S))
                self.tally.killed_starting += 1
                await asyncio.to_thread(process.kill)
                continue
            address = await asyncio.to_thread(process.address)
            enough = _Enough(self.chance.randrange(ANSWERS_MOST))
            callers = [
                asyncio.create_task(self._call(client, address, enough=enough))
                for _ in range(CALLERS)
            ]
            await asyncio.wait_for(enough.reached.wait(), WITHIN_S)
            await asyncio.sleep(self.chance.uniform(0.0, MOMENT_S))
            await asyncio.to_thread(process.kill)
            await asyncio.wait(callers)
            for caller in callers:
                caller.result()

    async def load(self, address: str, seconds: float) -> None:
        """Call a gateway that is not killed for some time."""
        until = time.monotonic() + seconds
        async with httpx.AsyncClient(timeout=15, trust_env=False) as client:
            await asyncio.gather(*(self._call(client, address, until) for _ in range(CALLERS)))

    async def _call(
        self,
        client: httpx.AsyncClient,
        address: str,
        until: float = float("inf"),
        enough: _Enough | None = None,
    ) -> None:
        """Call without pause until the gateway is gone, or the time is over."""
        while time.monotonic() < until:
            self._number += 1
            name = f"call-{self._number}"
            body = {
                "model": "assistant",
                "messages": [{"role": "user", "content": name}],
                "stream": self._number % 2 == 0,
                "max_tokens": 50,
            }
            headers = {"x-entrepot-session": name}
            try:
                answer = await client.post(
                    f"{address}/v1/chat/completions", json=body, headers=headers
                )
            except httpx.HTTPError:
                if until == float("inf"):
                    return
                continue
            if enough is not None:
                enough.one_more()
            if answer.status_code == 200 and (not body["stream"] or b"[DONE]" in answer.content):
                self._answered.append(name)
                self.tally.answered += 1
            elif answer.status_code == 503 and b"ledger_unavailable" in answer.content:
                self.tally.refused += 1
                await asyncio.sleep(0.02)

    def count(self, ledger: str) -> Tally:
        """Let a last gateway bring all in order, and lay host and ledger beside each other."""
        last = self.start()
        assert last.address(), "the last start"
        assert last.stop() == 0, "a last start adopts what the killed ones left, and ends well"
        asked = Counter(request.json()["messages"][0]["content"] for request in self.host.requests)
        rows = _entries(ledger)
        per_call = Counter(row[1] for row in rows)
        killed = Counter(row[1] for row in rows if row[2] == "killed")
        connect = Counter(row[1] for row in rows if row[2] == "connect")
        tally = self.tally
        tally.asked, tally.entries, tally.killed = asked.total(), len(rows), killed.total()
        tally.lost = [name for name, count in asked.items() if per_call[name] < count]
        ids = Counter(row[0] for row in rows)
        tally.twice = [name for name, count in ids.items() if count > 1]
        for name, count in per_call.items():
            more = max(count - asked[name], 0)
            unsent = min(more, connect[name])
            unseen = min(more - unsent, killed[name])
            tally.unsent, tally.unseen = tally.unsent + unsent, tally.unseen + unseen
            if more > unsent + unseen:
                tally.twice.append(name)
        good = {row[1] for row in rows if row[3] == "completed"}
        tally.without = [name for name in self._answered if name not in good]
        return tally


def _entries(ledger: str) -> list[tuple[str, str, str, str]]:
    store = Store.open(ledger)
    columns = table.c.attempt_id, table.c.session, table.c.error, table.c.outcome
    found: list[tuple[str, str, str, str]] = []
    try:
        for engine in store.parts(None, None):
            with reading(engine) as connection:
                rows = connection.execute(query(*columns).where(table.c.session != ""))
                found += [(row[0], row[1], row[2], row[3]) for row in rows]
    except StoreError as fault:
        raise AssertionError(str(fault)) from fault
    finally:
        store.close()
    return found
