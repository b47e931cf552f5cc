"""`entrepot serve` as its own process: what it says, how it starts, how it stops."""

from __future__ import annotations

import contextlib
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from billing.journal import SUFFIX, read_segment
from gateway.auth import key_hash
from gateway.commands import serve
from gateway.config_file import read
from gateway.setup import compile_setup
from tests.fakes import answers
from tests.fakes.answers import Gate
from tests.fakes.upstream import Upstream
from tests.unit.gateway.commands import entrepot, environment, own_process

Config = Callable[..., Path]
ADDRESS = re.compile(r"http://[\d.]+:\d+")
WAIT_S = 30
HELLO = {"model": "assistant", "messages": [{"role": "user", "content": "Hello"}]}
FREE: dict[str, Any] = {"ledger": "sqlite:///l.db", "journal": "journal", "server": {"port": 0}}


class Served:
    """A gateway from the command line; ``lines`` is what it said at its start."""

    def __init__(self, path: Path, *words: str) -> None:
        command = [sys.executable, "-m", "gateway.cli", "serve", "--config", str(path), *words]
        self.process = subprocess.Popen(
            command, cwd=path.parent, env=environment(), text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        assert self.process.stdout is not None
        self.lines = [self.process.stdout.readline().rstrip() for _ in range(4)]
        found = ADDRESS.search(self.lines[0])
        self.url = found[0] if found else ""

    @property
    def place(self) -> tuple[str, int]:
        """Where it listens."""
        return "127.0.0.1", int(self.url.rpartition(":")[2])

    def ends(self) -> tuple[int, str]:
        """Wait for the end; return its code and what stands on stderr."""
        _, errors = self.process.communicate(timeout=WAIT_S)
        assert "Traceback" not in errors, errors
        assert "canary" not in errors
        return self.process.returncode, errors

    def signal(self, number: int = signal.SIGINT) -> None:
        """Send a signal, as Ctrl-C does."""
        self.process.send_signal(number)


@contextlib.contextmanager
def served(path: Path, *words: str) -> Iterator[Served]:
    """Serve for the length of a block."""
    gateway = Served(path, *words)
    try:
        yield gateway
    finally:
        gateway.process.kill()
        gateway.process.communicate()


@pytest.fixture
def paid(upstream: Upstream, tmp_config: Config) -> Path:
    """A config with the fake host as its only provider."""
    own = {
        "catalog": "openai",
        "facts": {"operator": ["FR"], "processed_in": ["FR"]},
        "base_url": upstream.base_url,
        "api_key": "sk-canary",
    }
    return tmp_config({**FREE, "providers": {"p": own}, "models": {"assistant": ["p/m"]}})


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_says_its_address_answers_and_ends(number: int, paid: Path) -> None:
    with served(paid) as gateway:
        assert gateway.lines[0] == f"Entrepôt serves {gateway.url}/v1"
        assert gateway.lines[1] == f"dashboard: {gateway.url}/dashboard"
        assert gateway.lines[2:] == [
            "at home: nothing",
            'no keys: serving this machine only, as "local"',
        ]
        with httpx.Client(base_url=gateway.url, trust_env=False) as client:
            assert client.get("/healthz").json() == {"status": "ok"}
            assert client.post("/v1/chat/completions", json=HELLO).status_code == 200
            assert "server" not in client.get("/healthz").headers
        gateway.signal(number)
        code, _ = gateway.ends()
        assert code == 0


def test_an_answer_under_way_is_finished_first(paid: Path, upstream: Upstream) -> None:
    gate = Gate()
    upstream.script(answers.late(answers.chat("to the end"), gate=gate))
    with served(paid) as gateway:
        said: list[httpx.Response] = []
        client = httpx.Client(base_url=gateway.url, trust_env=False, timeout=WAIT_S)
        call = threading.Thread(
            target=lambda: said.append(client.post("/v1/chat/completions", json=HELLO))
        )
        call.start()
        upstream.until(lambda: upstream.requests)
        gateway.signal()
        # Nothing new is taken from here on; then the old answer comes.
        _deaf(gateway.place)
        gate.open()
        call.join(WAIT_S)
        client.close()
        assert said[0].json()["choices"][0]["message"]["content"] == "to the end"
        assert gateway.ends()[0] == 0


def test_a_second_interrupt_ends_it_at_once_and_the_call_is_accounted_for(
    paid: Path, upstream: Upstream
) -> None:
    upstream.script(answers.stall())
    body = httpx.Request("POST", "http://x", json=HELLO).content
    head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n"
    with served(paid) as gateway, socket.create_connection(gateway.place) as client:
        client.sendall(head.encode() + body)
        upstream.until(lambda: upstream.requests)
        gateway.signal()
        _deaf(gateway.place)
        gateway.signal()
        assert gateway.ends()[0] == 130
    entries = [
        entry
        for file in (paid.parent / "journal").glob(f"*{SUFFIX}")
        for entry in read_segment(file)[0]
    ]
    assert [entry.outcome for entry in entries] == ["cancelled"]


def test_what_is_missing_is_said_before_the_port_is_taken(tmp_config: Config) -> None:
    path = tmp_config({**FREE, "providers": {"mistral": {"api_key": "${MISTRAL_API_KEY}"}}})
    done = own_process("serve", "-c", path, "--host", "0.0.0.0", folder=path.parent)
    assert done.returncode == 2
    assert "needs keys and a server.admin_key" in done.stderr


def test_a_port_in_use_is_said(tmp_config: Config) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        path = tmp_config({**FREE, "server": {"port": port}})
        shown = entrepot("serve", "--config", path)
        assert shown.exit_code == 1
        assert f"cannot listen on 127.0.0.1:{port}: Address already in use" in shown.stderr
        assert not (path.parent / "l.db").exists()


@pytest.mark.parametrize("port", ["-1", "65536", "eighty"])
def test_a_port_that_is_none_is_wrong_usage(port: str, tmp_config: Config) -> None:
    assert entrepot("serve", "--port", port, "-c", tmp_config(FREE)).exit_code == 2


def test_an_address_of_somebody_else_is_said(tmp_config: Config) -> None:
    key = {"name": "ci", "hash": key_hash("x")}
    server = {"port": 0, "admin_key": "canary-admin"}
    path = tmp_config({**FREE, "server": server, "keys": [key]})
    shown = entrepot("serve", "--host", "192.0.2.1", "--config", path)
    assert shown.exit_code == 1
    assert "cannot listen on 192.0.2.1:0" in shown.stderr


def _locked(folder: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(folder / "l.db", isolation_level=None)
    connection.execute("CREATE TABLE mine (x)")
    connection.execute("BEGIN EXCLUSIVE")
    return connection


def test_a_ledger_that_somebody_holds_is_said_and_calls_are_served(
    tmp_config: Config, tmp_path: Path
) -> None:
    holder = _locked(tmp_path)
    command = [sys.executable, "-m", "gateway.cli", "serve", "-c", str(tmp_config(FREE))]
    server = subprocess.Popen(
        [*command, "--port", "0"], cwd=tmp_path, env=environment(), text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    assert server.stdout is not None
    assert "serves http://" in server.stdout.readline()
    server.send_signal(signal.SIGTERM)
    _, said = server.communicate(timeout=60)
    holder.close()
    assert server.returncode == 0
    assert "database is locked" in said


def test_a_journal_that_cannot_be_made_is_said(tmp_config: Config, tmp_path: Path) -> None:
    (tmp_path / "journal").write_text("a file")
    done = own_process("serve", "-c", tmp_config(FREE), folder=tmp_path)
    assert done.returncode == 1
    assert "cannot write the journal" in done.stderr


def test_who_may_call_and_what_is_at_home_are_said(tmp_config: Config) -> None:
    launch = {"catalog": "llama-cpp", "launch": {"model": "smollm2-135m"}}
    whole = {
        **FREE,
        "providers": {
            "home": launch,
            "box": {"catalog": "vllm", "base_url": "http://127.0.0.1:8000"},
        },
        "keys": [{"name": "ci", "hash": key_hash("x")}, {"name": "me", "hash": key_hash("y")}],
    }
    setup = compile_setup(read(tmp_config(whole), {}))
    lines = serve.about(setup, "::1", 8080)
    assert lines[:4] == [
        "Entrepôt serves http://[::1]:8080/v1",
        "dashboard: http://[::1]:8080/dashboard",
        "at home: home (started here: smollm2-135m), box (at http://127.0.0.1:8000/v1)",
        "keys: ci, me",
    ]
    assert lines[4].startswith("warning: ")


def _deaf(place: tuple[str, int]) -> None:
    """Wait until nothing listens there any more."""
    end = time.monotonic() + WAIT_S
    while time.monotonic() < end:
        with socket.socket() as trial:
            trial.settimeout(1)
            if trial.connect_ex(place):
                return
        time.sleep(0.02)
    pytest.fail("it still listens")
