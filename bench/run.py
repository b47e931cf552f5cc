"""`make bench`: CPU for each call and each chunk, relayed and translated, and the floor's beside it.

Gateway and floor run on one core, the mock and the load on the other. Five rounds, interleaved;
medians. All traffic stays on 127.0.0.1 and ends by itself.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import yaml

from bench.mock import BURST, PACED
from tests.wires.hosts import DIALECTS, write_host

ROUNDS, CALLS, PARALLEL, STREAMS, BURSTS = 5, 4000, 32, 32, 32
KEY = "ek_bench"
CORES = sorted(os.sched_getaffinity(0))
# Wires of hosts that a chat client's call is translated to.
TRANSLATED = ("messages", "gemini", "converse")
PACES = ("paced", "burst")


@dataclass(frozen=True)
class Target:
    """What is measured: a process, and the path and model by which it is asked for chunks."""

    pid: int
    port: int
    wire: str
    is_floor: bool = False

    def url(self, pace: str) -> str:
        """Return where a call for chunks at that pace goes."""
        place = f"/{pace}/on-chat" if self.is_floor else "/v1"
        return f"http://127.0.0.1:{self.port}{place}/chat/completions"


def free_port() -> int:
    """Return a port that is free now."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        return port


def start(core: int, *command: str) -> subprocess.Popen[bytes]:
    """Start a Python module on one core."""
    pinned = ["taskset", "-c", str(CORES[core % len(CORES)]), sys.executable, "-m", *command]
    return subprocess.Popen(pinned, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def cpu_ms(pid: int) -> float:
    """Return the CPU time of all of a process' threads so far, to the nanosecond (Linux)."""
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1e6


def config(folder: Path, upstream: str) -> Path:
    """Write the production form: a key, 20 rules, 10 routes, ledger, journal, metrics.

    Models are named for a pace and a host's wire: ``paced-messages``.
    """
    rules: list[dict[str, Any]] = [
        {"name": f"rule {n}", "when": {"label_at_least": "public"}, "forbid": {"operator": ["RU"]}}
        for n in range(20)
    ]
    facts = {"operator": ["FR"], "processed_in": ["FR"], "trains_on_data": "never"}
    price = {"input": "1", "output": "2", "source": "bench", "date": "2026-11-25"}
    catalog = folder / "catalog"
    for wire in TRANSLATED:
        dialects = {wire: DIALECTS[wire]} if wire in DIALECTS else {}
        write_host(catalog, f"on-{wire}", [wire], dialects)
    hosts = {"chat": "vllm", **{wire: f"on-{wire}" for wire in TRANSLATED}}
    providers: dict[str, Any] = {}
    models: dict[str, list[str]] = {}
    for pace in PACES:
        for wire, host in hosts.items():
            given = {"catalog": host, "base_url": f"{upstream}/{pace}/on-{wire}", "facts": facts,
                     "prices": {"mock": price}}  # fmt: skip
            if host != "vllm":
                given["api_key"] = "sk-bench"
            names = [f"{pace}-{wire}-{n}" for n in range(10)]
            providers |= dict.fromkeys(names, given)
            models[f"{pace}-{wire}"] = [f"{name}/mock" for name in names]
    whole = {
        "ledger": f"sqlite:///{folder}/ledger.db",
        "journal": str(folder / "journal"),
        "catalog": [str(catalog)],
        "policy": {"labels": ["public", "personal"], "rules": rules},
        "providers": providers,
        "models": models,
        "keys": [{"name": "bench", "hash": "sha256:" + hashlib.sha256(KEY.encode()).hexdigest()}],
    }
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump(whole))
    return path


async def call(session: aiohttp.ClientSession, url: str, model: str, *, stream: bool) -> None:
    """Make one call and read its answer."""
    body: dict[str, Any] = {"model": model, "messages": [{"role": "user", "content": "Hello"}]}
    if stream:
        body.update(stream=True, stream_options={"include_usage": True})
    async with session.post(url, data=json.dumps(body, separators=(",", ":")),
                            headers={"authorization": f"Bearer {KEY}"}) as answer:  # fmt: skip
        data = await answer.read()
        if answer.status != 200 or (stream and not data.endswith(b"[DONE]\n\n")):
            raise SystemExit(f"the benchmark got {answer.status}: {data[:200]!r}")


async def load(url: str, model: str, calls: int, parallel: int, *, stream: bool) -> None:
    """Make ``calls`` calls, ``parallel`` at a time."""
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        left = iter(range(calls))

        async def worker() -> None:
            for _ in left:
                await call(session, url, model, stream=stream)

        await asyncio.gather(*(worker() for _ in range(parallel)))


def until_up(port: int) -> None:
    """Wait until something listens on ``port``."""
    for _ in range(1200):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise SystemExit("what is to be measured did not start")


def measure(target: Target) -> list[float | None]:
    """Return milliseconds of CPU a call, microseconds a paced chunk, and one in a burst.

    Only chat calls are made whole: what is translated is measured by its chunks.
    """
    found: list[float | None] = [None]
    if target.wire == "chat":
        model = "paced-chat"
        asyncio.run(load(target.url("paced"), model, 300, PARALLEL, stream=False))
        before = cpu_ms(target.pid)
        asyncio.run(load(target.url("paced"), model, CALLS, PARALLEL, stream=False))
        found = [(cpu_ms(target.pid) - before) / CALLS]
    for pace, streams, chunks, parallel in (
        ("paced", STREAMS, PACED + 3, 16),
        ("burst", BURSTS, BURST, 4),
    ):
        url, model = target.url(pace), f"{pace}-{target.wire}"
        asyncio.run(load(url, model, 2, 2, stream=True))
        before = cpu_ms(target.pid)
        asyncio.run(load(url, model, streams, parallel, stream=True))
        found.append((cpu_ms(target.pid) - before) * 1000 / (streams * chunks))
    return found


def main() -> None:
    """Run the rounds and print the table."""
    if len(CORES) > 1:
        os.sched_setaffinity(0, {CORES[1]})
    mock = free_port()
    upstream = f"http://127.0.0.1:{mock}"
    with tempfile.TemporaryDirectory() as folder:
        path = config(Path(folder), upstream)
        servers = [start(1, "bench.mock", str(mock))]
        try:
            floor, ours = free_port(), free_port()
            servers.append(start(0, "bench.floor", str(floor), upstream))
            servers.append(
                start(0, "gateway.cli", "serve", "--config", str(path), "--port", str(ours))
            )
            for port in (mock, floor, ours):
                until_up(port)
            targets = {
                "floor": Target(servers[1].pid, floor, "chat", is_floor=True),
                "relayed": Target(servers[2].pid, ours, "chat"),
                **{f"chat to {w}": Target(servers[2].pid, ours, w) for w in TRANSLATED},
            }
            results: dict[str, list[list[float | None]]] = {name: [] for name in targets}
            for _ in range(ROUNDS):
                for name, target in targets.items():
                    results[name].append(measure(target))
        finally:
            for server in servers:
                server.terminate()
                server.wait(10)
    report(results)


def report(results: Mapping[str, Sequence[Sequence[float | None]]]) -> None:
    """Print medians, and in brackets what they are to the floor's."""
    median = {
        name: [
            statistics.median([row[n] or 0.0 for row in rows]) if rows[0][n] is not None else None
            for n in range(3)
        ]
        for name, rows in results.items()
    }
    print(f"{'':18} {'CPU ms a call':>16} {'µs a paced chunk':>18} {'µs one in a burst':>18}")
    for name, figures in median.items():
        shown = [
            "–" if mine is None or floor is None else f"{mine:.{places}f} ({mine / floor:.2f})"
            for mine, floor, places in zip(figures, median["floor"], (3, 1, 2), strict=True)
        ]
        print(f"{name:18} {shown[0]:>16} {shown[1]:>18} {shown[2]:>18}")


if __name__ == "__main__":
    main()
