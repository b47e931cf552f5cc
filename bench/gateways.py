"""What is measured: how each gateway is started, asked, and left; ours, the floor, and none at all."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from bench import config, load
from bench.asks import Stream, ask
from bench.mock import Mock, status, until
from bench.processes import CORES, Process, free_port
from bench.throughput import Asked

# What each client wire calls the header with its key.
KEY_HEADERS: Mapping[str, Callable[[str], tuple[str, str]]] = {
    "chat": lambda key: ("authorization", f"Bearer {key}"),
    "messages": lambda key: ("x-api-key", key),
    "gemini": lambda key: ("x-goog-api-key", key),
}


class WrongAnswerError(Exception):
    """Not all answers were right, so that a figure would say nothing."""


@dataclass(frozen=True)
class Launch:
    """How one is started."""

    command: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Gateway:
    """One gateway; ``prepare`` writes its config (folder, upstream, port) and says how it starts.

    ``lanes`` leads from the wire of the host that is to be asked to the model to ask for, ``given``
    from such a wire to headers of its own, in which ``{upstream}`` is the mock's address. ``is_slow``: it takes a hundredth of the load. ``key`` is
    that of a client. ``note`` says what its config leaves out.
    """

    name: str
    version: str
    prepare: Callable[[Path, str, int], Launch] | None
    lanes: Mapping[str, str]
    key: str = "sk-bench"
    given: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    is_slow: bool = False
    note: str = ""


@dataclass
class Running:
    """A gateway that runs; ``process`` None is the mock itself, asked directly."""

    gateway: Gateway
    port: int
    process: Process | None
    upstream: str
    start_s: float = 0.0

    def asked(
        self,
        lane: str = "chat",
        wire: str = "chat",
        text: str = "Hello",
        stream: Stream | None = None,
    ) -> Asked:
        """Return a request of a client that speaks ``wire``, for a host that speaks ``lane``."""
        path, body = ask(wire, self.gateway.lanes[lane], text, stream)
        own = self.gateway.given.get(lane, {})
        headers = dict([KEY_HEADERS[wire](self.gateway.key)])
        headers |= {name: value.replace("{upstream}", self.upstream) for name, value in own.items()}
        return Asked(self.port, path, headers, body)

    def probe(self, asked: Asked) -> None:
        """See that an answer is 200. Raises ``WrongAnswerError`` with what came instead."""
        try:
            answer = load.run(load.one(self.port, asked.request))
        except load.FAULTS as fault:
            raise WrongAnswerError(f"no answer: {fault!r}") from None
        if answer.status != 200:
            raise WrongAnswerError(f"{answer.status}: {answer.begin.decode(errors='replace')}")


def _ours(folder: Path, upstream: str, port: int, form: config.Form | None = None) -> Launch:
    path = config.write(folder, upstream, form)
    words = ("-m", "gateway.cli", "serve", "--config", str(path), "--port", str(port))
    return Launch((sys.executable, *words))


def ours(version: str, form: config.Form | None = None) -> Gateway:
    """Return Entrepôt with that much in its config."""
    lanes = {lane: lane for lane in ("chat", "long", *config.TRANSLATED)}
    return Gateway(
        "entrepot", version,
        lambda folder, upstream, port: _ours(folder, upstream, port, form),
        lanes, key=config.KEY,
    )  # fmt: skip


def floor(version: str) -> Gateway:
    """Return the do-nothing pass-through."""
    return Gateway(
        "floor", version,
        lambda _, upstream, port: Launch((sys.executable, "-m", "bench.floor", str(port), upstream)),
        {"chat": "mock", "long": "mock"},
    )  # fmt: skip


def direct() -> Gateway:
    """Return no gateway: the client asks the mock."""
    return Gateway("direct", "", None, {"chat": "mock", "long": "mock"})


@contextlib.contextmanager
def running(
    gateway: Gateway, mock: Mock, folder: Path, core: int | None = None
) -> Iterator[Running]:
    """Run one gateway for the length of a block, its core the gateways' unless said.

    It is there with its first good answer. Raises ``NotStartedError`` where that does not come.
    """
    if gateway.prepare is None:
        yield Running(gateway, mock.port, None, mock.url)
        return
    port = free_port()
    own = folder / gateway.name
    own.mkdir(exist_ok=True)
    launch = gateway.prepare(own, mock.url, port)
    begun = time.perf_counter()
    core = CORES.gateway if core is None else core
    process = Process(
        launch.command, core, own / "said.log", launch.env, folder=_home(gateway, own)
    )
    found = Running(gateway, port, process, mock.url)
    try:
        asked = found.asked()
        until(
            lambda: status(port, "POST", asked.path, asked.body, asked.headers) == 200,
            process, gateway.name,
        )  # fmt: skip
        found.start_s = time.perf_counter() - begun
        yield found
    finally:
        process.stop()


def _home(gateway: Gateway, own: Path) -> Path | None:
    # Our modules are found from here; what others write beside them is their own folder's.
    return None if gateway.name in ("entrepot", "floor") else own
