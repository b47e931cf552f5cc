"""`make bench`: CPU for each call and for each paced chunk, ours against the floor in one run.

Both run on one core, the mock and the load on the other. Five rounds, interleaved; medians. All
traffic stays on 127.0.0.1 and ends by itself.
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
from pathlib import Path
from typing import Any

import aiohttp
import yaml

ROUNDS, CALLS, PARALLEL, STREAMS = 5, 4000, 32, 32
KEY = "ek_bench"
CORES = sorted(os.sched_getaffinity(0))


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
    """Write the production form: a key, 20 rules, 10 routes, ledger, journal, metrics."""
    rules: list[dict[str, Any]] = [
        {"name": f"rule {n}", "when": {"label_at_least": "public"}, "forbid": {"operator": ["RU"]}}
        for n in range(20)
    ]
    facts = {"operator": ["FR"], "processed_in": ["FR"], "trains_on_data": "never"}
    price = {"input": "1", "output": "2", "source": "bench", "date": "2026-11-25"}
    provider = {"catalog": "vllm", "base_url": upstream, "facts": facts, "prices": {"mock": price}}
    whole = {
        "ledger": f"sqlite:///{folder}/ledger.db",
        "journal": str(folder / "journal"),
        "policy": {"labels": ["public", "personal"], "rules": rules},
        "providers": {f"p{n}": provider for n in range(10)},
        "models": {"mock": [f"p{n}/mock" for n in range(10)]},
        "keys": [{"name": "bench", "hash": "sha256:" + hashlib.sha256(KEY.encode()).hexdigest()}],
    }
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump(whole))
    return path


async def call(session: aiohttp.ClientSession, url: str, *, stream: bool) -> None:
    """Make one call and read its answer."""
    body: dict[str, Any] = {"model": "mock", "messages": [{"role": "user", "content": "Hello"}]}
    if stream:
        body.update(stream=True, stream_options={"include_usage": True})
    async with session.post(url, data=json.dumps(body, separators=(",", ":")),
                            headers={"authorization": f"Bearer {KEY}"}) as answer:  # fmt: skip
        data = await answer.read()
        if answer.status != 200 or (stream and not data.endswith(b"[DONE]\n\n")):
            raise SystemExit(f"the benchmark got {answer.status}: {data[:200]!r}")


async def load(url: str, calls: int, parallel: int, *, stream: bool) -> None:
    """Make ``calls`` calls, ``parallel`` at a time."""
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        left = iter(range(calls))

        async def worker() -> None:
            for _ in left:
                await call(session, url, stream=stream)

        await asyncio.gather(*(worker() for _ in range(parallel)))


def until_up(port: int) -> None:
    """Wait until something listens on ``port``."""
    for _ in range(200):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise SystemExit("what is to be measured did not start")


def measure(pid: int, url: str) -> tuple[float, float]:
    """Return milliseconds of CPU a call and microseconds a chunk."""
    asyncio.run(load(url, 300, PARALLEL, stream=False))
    before = cpu_ms(pid)
    asyncio.run(load(url, CALLS, PARALLEL, stream=False))
    a_call = (cpu_ms(pid) - before) / CALLS
    before = cpu_ms(pid)
    asyncio.run(load(url, STREAMS, 16, stream=True))
    return a_call, (cpu_ms(pid) - before) * 1000 / (STREAMS * 203)


def main() -> None:
    """Run the rounds and print the table."""
    if len(CORES) > 1:
        os.sched_setaffinity(0, {CORES[1]})
    mock = free_port()
    upstream = f"http://127.0.0.1:{mock}/v1"
    results: dict[str, list[tuple[float, float]]] = {"floor": [], "entrepot": []}
    with tempfile.TemporaryDirectory() as folder:
        path = config(Path(folder), upstream)
        servers = [start(1, "bench.mock", str(mock))]
        try:
            ports = {"floor": free_port(), "entrepot": free_port()}
            chat = f"{upstream}/chat/completions"
            servers.append(start(0, "bench.floor", str(ports["floor"]), chat))
            servers.append(
                start(0, "gateway.cli", "serve", "--config", str(path), "--port",
                      str(ports["entrepot"]))
            )  # fmt: skip
            for port in (mock, *ports.values()):
                until_up(port)
            for _ in range(ROUNDS):
                for name, server in zip(results, servers[1:], strict=True):
                    url = f"http://127.0.0.1:{ports[name]}/v1/chat/completions"
                    results[name].append(measure(server.pid, url))
        finally:
            for server in servers:
                server.terminate()
                server.wait(10)
    report(results)


def report(results: dict[str, list[tuple[float, float]]]) -> None:
    """Print medians and ratios."""
    median = {
        name: [statistics.median(row[n] for row in rows) for n in (0, 1)]
        for name, rows in results.items()
    }
    print(f"{'':10} {'CPU ms a call':>14} {'CPU µs a paced chunk':>21}")
    for name, (a_call, chunk) in median.items():
        print(f"{name:10} {a_call:14.3f} {chunk:21.1f}")
    ours, floor = median["entrepot"], median["floor"]
    print(f"{'ratio':10} {ours[0] / floor[0]:14.2f} {ours[1] / floor[1]:21.2f}")


if __name__ == "__main__":
    main()
