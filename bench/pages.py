"""The dashboard at size: how long each page takes, and what comes over the wire.

``python -m bench.pages [--entries 10000000] [--keep FOLDER]``: makes entries of the last four weeks in
SQLite (or takes those that FOLDER has from a run before), serves a gateway over them on one core, and asks for
each page again and again, as a browser would, with gzip and without a cache. Prints a table for
``docs/benchmarks.md``; ten million entries take a quarter of an hour and 7 GB.
"""

from __future__ import annotations

import argparse
import base64
import gzip
import json
import random
import statistics
import sys
import tempfile
import time
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import yaml

from bench import ledger, mock
from bench.processes import CORES, Process, free_port
from billing.migrate import migrate
from billing.store import Store

ADMIN_KEY = "bench-admin-key"
DAYS = 28
BATCH = 20_000
# So often each page is asked for, after the first time, which is told apart.
TIMES = 15
FLOOR = "/healthz"
FIRST_VIEW = "/dashboard"
PAGES = (
    FIRST_VIEW,
    "/dashboard?period=30d",
    "/dashboard/explore",
    "/dashboard/explore?period=30d&by=team&and=model&compare=1",
    "/dashboard/explore?period=30d&by=user",
    "/dashboard/flows?period=30d",
    "/dashboard/requests",
    "/dashboard/requests?period=30d&failed=1",
    "/dashboard/requests?period=30d&where=user%3Duser7&where=team%3Dteam3",
    "/dashboard/requests?period=30d&where=key%3Dnobody",
    "/dashboard/requests/{request}",
    "/dashboard/providers",
    "/dashboard/providers?period=30d",
    "/dashboard/policy",
    "/dashboard/budgets",
    "/dashboard/budgets?period=30d",
    "/dashboard/whatif",
    "/dashboard/whatif?period=30d",
    "/dashboard/bills",
    "/dashboard/playground",
)
CONFIG = {
    "policy": {"labels": ["public", "internal", "personal"], "rules": [
        {"name": "personal data stays out of China", "when": {"label_at_least": "personal"},
         "forbid": {"operator": ["CN"]}}]},
    "baseline": "host1/mistral-large-2512",
    "providers": {
        "host0": {"catalog": "ollama", "base_url": "http://127.0.0.1:9", "free": "ours"},
        "host1": {"catalog": "mistral", "endpoint": "eu", "api_key": "sk-bench"},
        "host3": {"catalog": "deepseek", "api_key": "sk-bench"},
    },
    "models": {"assistant": ["host0/small", "host1/mistral-small-2603", "host3/deepseek-chat"]},
    "budgets": [{"name": "all of us", "usd": 500_000, "per": "month"},
                {"name": "each key", "usd": 5_000, "per": "day", "key": "each"}],
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Took:
    """What one page took: seconds at first, then often; and its bytes as they came."""

    path: str
    first_s: float
    often_s: list[float]
    size: int


def fill(url: str, count: int) -> None:
    """Put ``count`` entries of the last ``DAYS`` days into an empty ledger, in the order of time."""
    migrate(url)
    store = Store.open(url)
    dice = random.Random(7)
    end_us = time.time_ns() // 1000
    step = DAYS * 86_400_000_000 // count
    for start in range(0, count, BATCH):
        numbers = range(start, min(count, start + BATCH))
        store.insert([ledger.made(n, end_us - (count - n) * step, dice) for n in numbers])
        if start % 1_000_000 == 0:
            print(f"{start:,} of {count:,} entries are in", flush=True)
    store.close()


def asked(port: int, path: str) -> tuple[float, bytes, int]:
    """Return the seconds that a page took, the page, and its bytes as they came."""
    named = base64.b64encode(f"me:{ADMIN_KEY}".encode()).decode()
    headers = {"authorization": f"Basic {named}", "accept-encoding": "gzip"}
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", headers=headers)
    begun = time.perf_counter()
    with urllib.request.urlopen(request, timeout=60) as answer:
        raw: bytes = answer.read()
        packed = answer.headers.get("content-encoding") == "gzip"
    took = time.perf_counter() - begun
    return took, gzip.decompress(raw) if packed else raw, len(raw)


def measured(port: int, path: str) -> Took:
    """Ask for one page ``TIMES`` and once more."""
    first_s, _, size = asked(port, path)
    return Took(path, first_s, [asked(port, path)[0] for _ in range(TIMES)], size)


def first_view_bytes(port: int) -> int:
    """Return what a browser without a cache fetches for the first page: it and its files."""
    _, text, whole = asked(port, FIRST_VIEW)
    files = [part.partition('"')[0] for part in text.decode().split('"/dashboard/static/')[1:]]
    for name in (*dict.fromkeys(files), "built/echarts.js"):
        whole += asked(port, f"/dashboard/static/{name}")[2]
    return whole


def run(folder: Path, count: int) -> None:
    """Measure all pages over the ledger in ``folder``, which is filled where it is empty."""
    url = f"sqlite:///{folder}/ledger.db"
    if not (folder / "ledger.db").exists():
        fill(url, count)
    path, port = folder / "pages.yaml", free_port()
    whole = {**CONFIG, "ledger": url, "journal": str(folder / "journal"),
             "server": {"admin_key": ADMIN_KEY, "port": port}}  # fmt: skip
    path.write_text(yaml.safe_dump(whole, sort_keys=False), encoding="utf-8")
    words = ("-m", "gateway.cli", "serve", "--config", str(path))
    server = Process([sys.executable, *words], CORES.gateway, folder / "said.log")
    try:
        mock.until(lambda: mock.status(port, "GET", FLOOR) == 200, server, "the gateway")
        _, text, _ = asked(port, "/api/ledger?limit=1")
        request = json.loads(text)["entries"][0]["request_id"]
        tell(
            list(map(partial(measured, port), [FLOOR, *(p.format(request=request) for p in PAGES)]))
        )
        print(f"\nThe first view, without a cache: {first_view_bytes(port) / 1000:,.0f} kB")
    finally:
        server.stop()


def tell(found: Sequence[Took]) -> None:
    """Print the table."""
    floor = statistics.median(found[0].often_s)
    print("\n| page | first | median | worst of 15 | to /healthz | kB |")
    print("|---|---:|---:|---:|---:|---:|")
    for one in found:
        middle, worst = statistics.median(one.often_s), max(one.often_s)
        figures = [f"{s * 1000:,.0f} ms" for s in (one.first_s, middle, worst)]
        told = [f"`{one.path}`", *figures, f"{middle / floor:,.0f}", f"{one.size / 1000:,.1f}"]
        print(f"| {' | '.join(told)} |", flush=True)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--entries", type=int, default=1_000_000)
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="where the ledger is kept")
    given = parser.parse_args(arguments)
    if given.keep is not None:
        given.keep.mkdir(parents=True, exist_ok=True)
        run(given.keep, given.entries)
        return
    with tempfile.TemporaryDirectory(prefix="pages") as folder:
        run(Path(folder), given.entries)


if __name__ == "__main__":
    main()
