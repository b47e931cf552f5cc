"""A local model server that the gateway starts itself, watches, and takes down with it.

The server is one child process. Its one line on stdout is ``{"port": N}`` when it listens on
127.0.0.1, or ``{"error": TEXT}``; it answers ``/health`` with 200 when it is ready (503 while it
loads), ends when its stdin ends, and exits with 3 when something is not installed. What it says on
stderr goes to the log.
"""

from __future__ import annotations

import asyncio
import importlib.util
import os
import signal
import sys
import time
from asyncio.subprocess import PIPE, Process
from dataclasses import dataclass
from io import BufferedWriter
from pathlib import Path
from typing import Literal

import msgspec

from providers.client import Client
from providers.errors import ErrorKind, UpstreamError

NOT_INSTALLED = 3
LOG_MAX_BYTES = 5 * 1024 * 1024
REASON_MAX_CHARS = 300
# Loading tens of gigabytes from a slow disk is normal; longer is a fault.
START_WITHIN_S = 300.0
STOP_WITHIN_S = 5.0
FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 30.0
STEADY_AFTER_S = 60.0
POLL_EVERY_S = 0.1
HEALTH_EVERY_S = 5.0
HEALTH_WITHIN_S = 10.0
REFUSED_MOST = 3
# A model server needs none of the gateway's secrets, so it gets no more of the environment.
ENVIRONMENT = frozenset({"PATH", "HOME", "USER", "LANG", "TZ", "TMPDIR", "TEMP", "SYSTEMROOT"})
ENVIRONMENT_SYSTEM = ("LC_", "LD_", "DYLD_", "XDG_", "PYTHON", "VIRTUAL_ENV")
ENVIRONMENT_COMPUTE = ("OMP_", "GOMP_", "GGML_", "CUDA_", "HIP_", "ROCR_")

Phase = Literal["stopped", "starting", "ready", "failed"]


@dataclass(frozen=True, slots=True)
class Launch:
    """What to run, and the file that takes what it says."""

    command: tuple[str, ...]
    log: Path


@dataclass(frozen=True, slots=True)
class State:
    """How a launched server is; ``reason`` says why when there is something to say."""

    phase: Phase
    reason: str = ""


class FirstLine(msgspec.Struct):
    """What a server says on stdout."""

    port: int = 0
    error: str = ""


def command(script: str, *, model: str, context: int, slots: int, threads: int) -> tuple[str, ...]:
    """Return the command line that runs the module ``script`` for ``model`` on a free port.

    The file is named by its path, so that no folder of the user can stand in for it. ``context``
    is what one request may use, in tokens. Raises ``ModuleNotFoundError``.
    """
    spec = importlib.util.find_spec(script)
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(f"there is no module {script}")
    options = {"model": model, "port": 0, "context": context, "slots": slots, "threads": threads}
    words = (word for name, value in options.items() for word in (f"--{name}", str(value)))
    return (sys.executable, "-P", spec.origin, *words, "--die-with-parent")


class Launched:
    """One server: started once however many ask, and again when it dies, until ``stop``.

    Make it inside the running loop that asks it. ``name`` is the provider's, for messages.
    """

    def __init__(self, name: str, launch: Launch, client: Client) -> None:
        self.name = name
        self.launch = launch
        self.pid: int | None = None
        self._client = client
        self._state = State("stopped", "starts with the first request")
        self._changed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._base_url = ""
        self._next_try = 0.0
        self._ready_at = float("inf")
        self._closed = False

    @property
    def state(self) -> State:
        """How the server is at this moment."""
        return self._state

    def start(self) -> None:
        """Begin to start the server, if that has not happened yet; does not wait."""
        if self._task is None and not self._closed:
            self._enter("starting")
            self._task = asyncio.create_task(self._watch(), name=f"launched {self.name}")

    async def ready(self, within_s: float) -> str:
        """Return the base URL of the running server, started if it was not.

        Raises ``UpstreamError`` of kind connect that says what is wrong and where the log is: at
        once when waiting ``within_s`` cannot help, else after it.
        """
        self.start()
        deadline = time.monotonic() + within_s
        while True:
            how = self._state
            if how.phase == "ready":
                return self._base_url
            left = deadline - time.monotonic()
            if left <= 0 or (how.phase != "starting" and self._next_try >= deadline):
                raise self._fault(within_s)
            try:
                async with asyncio.timeout(left):
                    await self._changed.wait()
            except TimeoutError:
                raise self._fault(within_s) from None

    async def stop(self) -> None:
        """End the server for good: asked to, then killed; it is gone when this returns."""
        self._closed = True
        self._next_try = float("inf")
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})
        self._enter("stopped", "stopped with the gateway")

    def _enter(self, phase: Phase, why: str = "") -> None:
        self._state = State(phase, why)
        self._changed.set()
        self._changed = asyncio.Event()

    def _fault(self, within_s: float) -> UpstreamError:
        how = self._state
        starting = how.phase == "starting"
        what = f"is not ready after {within_s:g} s" if starting else f"is {how.phase}"
        if how.phase == "failed":
            what = "has failed"
        why = f" ({how.reason})" if how.reason else ""
        text = f"the local server of {self.name} {what}{why}; its log is {self.launch.log}"
        return UpstreamError(ErrorKind.CONNECT, text)

    async def _watch(self) -> None:
        """Run the server again and again, with growing pauses while it does not live."""
        pause = FIRST_PAUSE_S
        why = ""
        while True:
            self._enter("starting", why)
            self._ready_at = float("inf")
            try:
                code, why = await self._run()
            except OSError as fault:
                code, why = 1, f"it cannot be started: {fault}"
            if code == NOT_INSTALLED:
                # Only an installation cures this, and after one the gateway is started anew.
                self._next_try = float("inf")
                self._enter("failed", why)
                return
            if time.monotonic() - self._ready_at >= STEADY_AFTER_S:
                pause = FIRST_PAUSE_S
            self._next_try = time.monotonic() + pause
            self._enter("failed", f"{why}; it is started again {pause:g} s later")
            await asyncio.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE_S)

    async def _run(self) -> tuple[int, str]:
        """Start the server once and stay with it; returns its exit code and why it ended."""
        log = open_log(self.launch)
        try:
            said_before = log.tell()
            process = await asyncio.create_subprocess_exec(
                *self.launch.command,
                stdin=PIPE,
                stdout=PIPE,
                stderr=log,
                env=environment(),
                # Ctrl-C in a terminal is for the gateway, which drains first and then stops this.
                start_new_session=True,
            )
        finally:
            log.close()
        self.pid = process.pid
        try:
            why = await self._live(process)
        finally:
            self.pid = None
            await end(process)
        code = process.returncode or 0
        return code, why or ended(code, last_words(self.launch.log, said_before))

    async def _live(self, process: Process) -> str:
        """Bring the server to readiness and watch it; returns "" when it ended by itself."""
        try:
            async with asyncio.timeout(START_WITHIN_S):
                said = await first_line(process)
                if isinstance(said, str):
                    alive = not await ended_within(process, STOP_WITHIN_S)
                    return said or ("it did not say its port" if alive else "")
                root = f"http://127.0.0.1:{said}"
                while await self._ill(root):
                    if await ended_within(process, POLL_EVERY_S):
                        return ""
        except TimeoutError:
            return f"it was not ready within {START_WITHIN_S:g} s"
        self._base_url = f"{root}/v1"
        self._ready_at = time.monotonic()
        self._enter("ready")
        refused = 0
        while not await ended_within(process, HEALTH_EVERY_S):
            fault = await self._ill(root)
            # Silence is not death: under a full load the health check waits like everybody else.
            refused = refused + 1 if fault is not None and fault.kind is ErrorKind.CONNECT else 0
            if refused >= REFUSED_MOST:
                return "it takes no connections any more"
            loading = fault is not None and fault.kind is ErrorKind.OVERLOADED
            now = State("starting" if loading else "ready", fault.message if fault else "")
            if now != self._state:
                self._enter(now.phase, now.reason)
        return ""

    async def _ill(self, root: str) -> UpstreamError | None:
        """Ask for the server's health; None when it is well."""
        try:
            answer = await self._client.get(f"{root}/health", {}, within_s=HEALTH_WITHIN_S)
        except UpstreamError as fault:
            return fault
        answer.close()
        if answer.status == 200:
            return None
        kind = ErrorKind.OVERLOADED if answer.status == 503 else ErrorKind.SERVER
        return UpstreamError(kind, f"its health check answers {answer.status}")


def environment() -> dict[str, str]:
    """Return the part of our environment that a model server may see."""
    return {
        name: value
        for name, value in os.environ.items()
        if name in ENVIRONMENT or name.startswith(ENVIRONMENT_SYSTEM + ENVIRONMENT_COMPUTE)
    }


def open_log(launch: Launch) -> BufferedWriter:
    """Open the log for appending, set aside when it has grown large. Raises ``OSError``."""
    launch.log.parent.mkdir(parents=True, exist_ok=True)
    if launch.log.exists() and launch.log.stat().st_size > LOG_MAX_BYTES:
        launch.log.replace(launch.log.with_name(launch.log.name + ".1"))
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    log = os.fdopen(os.open(launch.log, flags, 0o600), "ab")
    at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    log.write(f"{at} {' '.join(launch.command)}\n".encode())
    log.flush()
    return log


def last_words(log: Path, since: int) -> str:
    """Return the last line that the log took after byte ``since``, "" when there is none."""
    try:
        with log.open("rb") as file:
            file.seek(max(since, log.stat().st_size - 4096))
            lines = file.read().decode(errors="replace").split("\n")
    except OSError:
        return ""
    return next((line.strip() for line in reversed(lines) if line.strip()), "")[:REASON_MAX_CHARS]


def ended(code: int, words: str) -> str:
    """Say in words how a process ended."""
    if code == NOT_INSTALLED:
        return words or "something that it needs is not installed"
    if code < 0:
        try:
            return f"it was ended by {signal.Signals(-code).name}"
        except ValueError:
            return f"it was ended by signal {-code}"
    return f"it ended with code {code}: {words}" if words else f"it ended with code {code}"


async def first_line(process: Process) -> int | str:
    """Return the port that the server names in its first line, or its error; "" without either."""
    if process.stdout is None:
        return ""
    try:
        line = msgspec.json.decode(await process.stdout.readline(), type=FirstLine)
    except ValueError:
        return ""
    return line.port or line.error[:REASON_MAX_CHARS]


async def ended_within(process: Process, seconds: float) -> bool:
    """Wait up to ``seconds`` for the process to end; whether it has."""
    try:
        async with asyncio.timeout(seconds):
            await process.wait()
    except TimeoutError:
        return False
    return True


async def end(process: Process) -> None:
    """Have the process gone and reaped: asked to leave, killed when it does not."""
    if process.returncode is None:
        process.terminate()
        if not await ended_within(process, STOP_WITHIN_S):
            process.kill()
    await process.wait()
    if process.stdin is not None:
        process.stdin.close()
