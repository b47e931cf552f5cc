"""A gateway with a host for each wire, and a desk for an agent in front of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from gateway.auth import key_hash
from tests.clients.agents import KEY, Desk
from tests.fakes.spoken import HOST_WIRES
from tests.fakes.upstream import Upstream
from tests.running import Running, running
from tests.wires.hosts import every_wire

# A name that codex knows: it offers that model its free-form patch tool.
KNOWN = "gpt-5.5"


@dataclass
class Office:
    """The gateway, the upstream that plays every host, and the desk."""

    gateway: Running
    upstream: Upstream
    desk: Desk

    def known_model_on(self, wire: str) -> str:
        """Return a name that codex takes for a model it knows, led to the host of ``wire``."""
        return f"{KNOWN}-{wire}"


@pytest.fixture
def office(tmp_path: Path, upstream: Upstream) -> Iterator[Office]:
    """A gateway of this test's own, with one client key."""
    models = {f"m-{wire}": [f"on-{wire}/m"] for wire in HOST_WIRES}
    models |= {f"{KNOWN}-{wire}": [f"on-{wire}/m"] for wire in HOST_WIRES}
    keys = [{"name": "agent", "hash": key_hash(KEY)}]
    path = every_wire(tmp_path, upstream, models=models, keys=keys)
    with running(path) as gateway:
        yield Office(gateway, upstream, Desk(tmp_path / "desk", path, gateway.url))
