"""One gateway for a whole file: a plain host for each wire, all at one fake upstream."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.fakes.upstream import Upstream
from tests.running import Running, running
from tests.wires import clients
from tests.wires.hosts import every_wire


@dataclass
class Pairs:
    """The gateway and the upstream that plays every host."""

    gateway: Running
    upstream: Upstream


@pytest.fixture(scope="package", autouse=True)
def _sdks_are_closed() -> Iterator[None]:
    yield
    clients.close_all()


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pairs]:
    """The gateway of one file of tests."""
    folder: Path = tmp_path_factory.mktemp("wires")
    with Upstream() as upstream, running(every_wire(folder, upstream)) as gateway:
        yield Pairs(gateway, upstream)


@pytest.fixture
def pairs(shared: Pairs) -> Iterator[Pairs]:
    """The same gateway, its upstream fresh; what went wrong inside the fake fails the test."""
    shared.upstream.requests.clear()
    yield shared
    assert not shared.upstream.faults
    assert not shared.upstream.unused
