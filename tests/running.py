"""A gateway that runs: the real application under the real server, on a real socket."""

from __future__ import annotations

import asyncio
import json
import os
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import uvicorn
import yaml
from sqlalchemy import text

from billing.store import Store
from gateway.app import Gateway, opened
from gateway.config_file import read
from gateway.edge import Edge
from gateway.house import House
from gateway.setup import compile_setup
from gateway.sight import Sight
from routing.health import Health
from tests.double_check import rollups_agree

WAIT_S = 10.0
HELLO = [{"role": "user", "content": "Hello"}]


# The gateways that run now, which tests share.
ALIVE: list[Running] = []


class Running:
    """One gateway in a thread of its own; ``url`` is its address."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.setup = compile_setup(read(path, dict(os.environ)))
        self.app: Gateway | None = None
        self.server: uvicorn.Server | None = None
        self.fault: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="gateway")
        self._thread.start()
        self.until(lambda: (self.server and self.server.started) or not self._thread.is_alive())
        if self.fault is not None:
            raise self.fault
        assert self.server is not None
        port = self.server.servers[0].sockets[0].getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        self.client = httpx.Client(base_url=self.url, timeout=20, trust_env=False)

    @property
    def house(self) -> House:
        """The running parts."""
        assert self.app is not None
        return self.app.house

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except BaseException as fault:
            self.fault = fault

    async def _serve(self) -> None:
        async with opened(self.path, self.setup, lambda: dict(os.environ)) as self.app:
            self.server = uvicorn.Server(
                uvicorn.Config(
                    self.app,
                    port=0,
                    http=Edge,
                    lifespan="off",
                    log_level="error",
                    access_log=False,
                    timeout_graceful_shutdown=1,
                )
            )
            await self.server.serve()

    def recover(self) -> None:
        """Forget what went wrong so far, so that no breaker is open and no quota group cools."""
        self.house.health = Health()
        self.house.outlook = Sight(self.house.health, self.house.windows, self.house.home_load)

    def close(self) -> None:
        """Stop it the way a signal would; a second time does nothing."""
        if not self._thread.is_alive():
            return
        self.client.close()
        assert self.server is not None
        self.server.should_exit = True
        self._thread.join(WAIT_S)
        assert not self._thread.is_alive(), "the gateway did not stop"
        rollups_agree(self.house.setup.config.ledger)

    def until(self, holds: Any, within_s: float = WAIT_S) -> Any:
        """Wait until ``holds()`` is true and return its value; fail after ``within_s`` seconds."""
        end = time.monotonic() + within_s
        while not (value := holds()):
            assert time.monotonic() < end, "waited in vain"
            time.sleep(0.01)
        return value

    def chat(self, headers: Mapping[str, str] | None = None, **body: Any) -> httpx.Response:
        """Make one chat call; ``model`` and ``messages`` have defaults."""
        return self.client.post(
            "/v1/chat/completions",
            json={"model": "assistant", "messages": HELLO, **body},
            headers=dict(headers or {}),
        )

    def entries(self, count: int | None = None) -> list[dict[str, Any]]:
        """The ledger's rows, oldest first; waits until there are ``count``."""
        rows: list[dict[str, Any]] = []
        # Whoever reads the books moves the journal on; without it the next round is waited for.
        self.client.get("/api/ledger?limit=1")

        def there() -> bool:
            rows[:] = self.rows()
            return count is None or len(rows) >= count

        self.until(there)
        return rows

    def rows(self, since_us: int = 0) -> list[dict[str, Any]]:
        """What the ledger's databases have of the time since a moment, as it stands there."""
        store = Store.open(self.house.setup.config.ledger)
        query = text("SELECT * FROM entries WHERE at_us >= :since")
        rows: list[dict[str, Any]] = []
        for part in store.parts(None, None):
            with part.connect() as connection:
                rows += map(dict, connection.execute(query, {"since": since_us}).mappings())
        store.close()
        return sorted(rows, key=lambda row: (row["at_us"], row["attempt"]))


@contextmanager
def running(path: Path) -> Iterator[Running]:
    """Run a gateway for the length of a block."""
    gateway = Running(path)
    ALIVE.append(gateway)
    try:
        yield gateway
    finally:
        ALIVE.remove(gateway)
        gateway.close()


def config(folder: Path, **parts: Any) -> Path:
    """Write a config under ``folder`` whose ledger stands there too; return its path.

    Without ``server.retries`` there is one round over the routes, so that attempts can be counted.
    """
    server = {"retries": 0, **parts.pop("server", {})}
    whole = {
        "ledger": f"sqlite:///{folder}/ledger.db",
        "journal": str(folder / "journal"),
        "server": server,
        **parts,
    }
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump(whole, sort_keys=False), encoding="utf-8")
    return path


def events(raw: bytes) -> list[Any]:
    """The data of a stream's events, JSON decoded; ``[DONE]`` as that string."""
    data = [line.removeprefix(b"data: ") for line in raw.splitlines() if line.startswith(b"data: ")]
    return [item.decode() if item == b"[DONE]" else json.loads(item) for item in data]
