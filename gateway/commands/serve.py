"""``entrepot serve``: the gateway under its server."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import os
import resource
import signal
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer
import uvicorn

from billing.journal import JournalError
from billing.migrate import MigrationError
from billing.store import StoreError
from gateway import egress, urls
from gateway.app import opened
from gateway.commands.reading import ConfigOption, load_config
from gateway.commands.screen import NOT_SO, fail, say
from gateway.edge import Edge
from gateway.setup import Setup, compile_setup
from providers.guard import Guard

KEEP_ALIVE_S = 75  # above the idle limit of the usual load balancers, so that they close first
DRAIN_S = 30
# How long a second Ctrl-C waits for what is under way to be written down.
AT_ONCE_S = 1.0
INTERRUPTED = 130
BACKLOG = 2048
SOCKETS = 65_536


def run(
    config: ConfigOption = None,
    host: Annotated[str | None, typer.Option(help="Instead of server.host.")] = None,
    port: Annotated[
        int | None, typer.Option(help="Instead of server.port.", min=0, max=65535)
    ] = None,
) -> None:
    """Run the gateway until it is interrupted: once to finish what runs, twice to stop at once."""
    path, loaded = load_config(config)
    said = loaded.config.server
    host, port = host or said.host, said.port if port is None else port
    if not urls.is_loopback(host) and (not loaded.config.keys or said.admin_key is None):
        fail(
            f"on {host} the gateway needs keys and a server.admin_key in {path}; without them it "
            "serves this machine only"
        )
    setup = compile_setup(loaded)
    _allow_many_sockets()
    listening = _listen(host, port)
    # From here on, for good: so not before it is sure that this process is to serve.
    guard = Guard(egress.allowed(setup, os.environ))
    guard.watch_process()
    server = _Server(_options())
    try:
        with asyncio.Runner(loop_factory=server.config.get_loop_factory()) as runner:
            runner.run(_serve(server, path, setup, host, listening, guard))
    except (MigrationError, StoreError, JournalError, OSError) as fault:
        fail(f"the gateway cannot run: {fault}", NOT_SO)


class _Server(uvicorn.Server):
    """The server, its signals left to us: it would raise them again while the parts are closing."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Catch nothing."""
        yield


def _allow_many_sockets() -> None:
    # Each open stream has two. Shells and systemd often give a thousand at first, and many more to
    # whoever asks.
    had, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = SOCKETS if most == resource.RLIM_INFINITY else min(SOCKETS, most)
    if had != resource.RLIM_INFINITY and had < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, most))


def _options() -> uvicorn.Config:
    options = uvicorn.Config(
        "",  # the application is known when its parts are open
        interface="asgi3",
        http=Edge,
        ws="none",
        lifespan="off",
        access_log=False,
        log_level="warning",
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=DRAIN_S,
    )
    logging.getLogger("uvicorn.error").addFilter(_is_a_fault)
    return options


def _is_a_fault(record: logging.LogRecord) -> bool:
    """Whether a line of the server tells of one: a call cut off by our own stopping is none."""
    kind = record.exc_info[0] if record.exc_info else None
    return kind is None or not issubclass(kind, asyncio.CancelledError)


async def _serve(
    server: uvicorn.Server,
    path: Path,
    setup: Setup,
    host: str,
    listening: socket.socket,
    guard: Guard,
) -> None:
    ends: list[asyncio.Task[None]] = []

    def stop() -> None:
        if server.should_exit:
            ends.append(asyncio.create_task(_end_at_once(server)))
        server.should_exit = True

    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop)
    async with opened(path, setup, lambda: dict(os.environ), guard=guard) as app:
        server.config.app = app
        port = listening.getsockname()[1]
        with contextlib.suppress(BrokenPipeError):
            say(*about(setup, host, port))
            sys.stdout.flush()
        await server.serve(sockets=[listening])


async def _end_at_once(server: uvicorn.Server) -> None:
    """End the process as soon as the calls under way have written down what they cost."""
    calls = set(server.server_state.tasks)
    for call in calls:
        call.cancel()
    if calls:
        await asyncio.wait(calls, timeout=AT_ONCE_S)
    # The journal has it all. A thread may still wait for a database: nobody waits for that thread.
    os._exit(INTERRUPTED)


def _listen(host: str, port: int) -> socket.socket:
    """Listen before anything is opened: who connects meanwhile waits and is not refused."""
    listening = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
        listening.listen(BACKLOG)
    except OSError as fault:
        listening.close()
        taken = fault.errno == errno.EADDRINUSE
        hint = "; is a gateway running already? --port takes another" if taken else ""
        fail(f"cannot listen on {host}:{port}: {fault.strerror or fault}{hint}", NOT_SO)
    return listening


def about(setup: Setup, host: str, port: int) -> list[str]:
    """Return what a newcomer wants to know: address, dashboard, home, callers, warnings."""
    address = f"http://{f'[{host}]' if ':' in host else host}:{port}"
    home = [
        f"{name} (started here: {owner.form.launch.model})"
        if owner.form.launch is not None
        else f"{name} (at {owner.endpoint.base_url})"
        for name, owner in setup.providers.items()
        if owner.host.kind == "home"
    ]
    names = ", ".join(who.name for who in setup.principals.values())
    return [
        f"Entrepôt serves {address}/v1",
        f"dashboard: {address}/dashboard",
        f"at home: {', '.join(home) or 'nothing'}",
        f"keys: {names}" if names else 'no keys: serving this machine only, as "local"',
        *(f"warning: {problem}" for problem in setup.warnings),
    ]
