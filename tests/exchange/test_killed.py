"""A gateway that is killed in the middle of its work loses nothing that a client was given."""

from __future__ import annotations

import asyncio
import os
import random
import re
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from sqlalchemy import text

from billing.store import open_engine
from tests.exchange.conftest import providers
from tests.fakes.upstream import Upstream
from tests.running import HELLO, config
from tests.source_tree import ROOT

KILLS, CALLERS, SEED = 5, 8, 20261125
ADDRESS = re.compile(r"http://127\.0\.0\.1:\d+")


def start(path: Path) -> tuple[subprocess.Popen[str], str]:
    """Start ``entrepot serve``; return it with its address."""
    server = subprocess.Popen(
        [sys.executable, "-m", "gateway.cli", "serve", "--config", str(path), "--port", "0"],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, cwd=path.parent,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert server.stdout is not None
    for line in server.stdout:
        if found := ADDRESS.search(line):
            return server, found[0]
    pytest.fail("the gateway did not start")


async def call_until_gone(address: str, server: subprocess.Popen[str], after: int) -> list[str]:
    """Call without pause, kill the gateway after so many answers; return ids that were answered."""
    answered: list[str] = []

    async def caller(client: httpx.AsyncClient, number: int) -> None:
        body = {"model": "assistant", "messages": HELLO, "stream": number % 2 == 0}
        while True:
            try:
                answer = await client.post(f"{address}/v1/chat/completions", json=body)
            except httpx.HTTPError:
                return
            assert answer.status_code == 200
            answered.append(answer.headers["x-entrepot-request-id"])
            if len(answered) == after:
                server.send_signal(signal.SIGKILL)

    async with httpx.AsyncClient(timeout=10, trust_env=False) as client:
        await asyncio.gather(*(caller(client, number) for number in range(CALLERS)))
    return answered


def test_every_answer_given_has_one_entry_after_kills(tmp_path: Path) -> None:
    chance = random.Random(SEED)
    with Upstream() as host:
        one = {"one": providers(host, host)["one"]}
        path = config(tmp_path, providers=one, models={"assistant": ["one/m"]})
        answered: list[str] = []
        for _ in range(KILLS):
            server, address = start(path)
            answered += asyncio.run(call_until_gone(address, server, chance.randrange(5, 120)))
            server.wait(10)
            assert server.stdout is not None
            server.stdout.close()
        server, _ = start(path)
        server.send_signal(signal.SIGTERM)
        assert server.wait(20) == 0, "a last start adopts what the killed ones left, and ends well"
        assert server.stdout is not None
        server.stdout.close()
        asked = len(host.requests)
    engine = open_engine(f"sqlite:///{tmp_path}/ledger.db")
    with engine.connect() as connection:
        rows = [row[0] for row in connection.execute(text("SELECT request_id FROM entries"))]
    engine.dispose()
    assert len(rows) == len(set(rows)), "none twice"
    assert set(answered) <= set(rows), "none lost"
    assert len(answered) <= len(rows) <= asked
