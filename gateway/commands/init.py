"""``entrepot init``: look what is on this machine, and write a config with comments that works."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer

from gateway.commands import (
    catalog_texts,
    hosts,
    init_from,
    init_text,
    init_write,
    keyed_hosts,
    local_servers,
)
from gateway.commands.init_text import Found, Launchable, Local
from gateway.commands.local_servers import HERE, LocalServer
from gateway.commands.screen import JsonOption, fail, print_json, say
from providers.catalog import Host, builtin

USUAL_PORT, PORTS_TRIED = 8080, 20


def run(
    out: Annotated[Path, typer.Option("--out", "--config", "-c", help="The file to write.")] = Path(
        "config.yaml"
    ),
    force: Annotated[
        bool, typer.Option("--force", help="Replace the file if it is there.")
    ] = False,
    source: Annotated[
        Path | None,
        typer.Option(
            "--from",
            help="Carry another gateway's config over instead: its config.yaml or config.json.",
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Find local servers and API keys, and write a config, and a policy where there is none."""
    if out.exists() and not force:
        fail(f"{out} is there already; --force replaces it, --out FILE writes another")
    if source is not None:
        init_from.run(source, out, as_json=as_json)
        return
    found = _found()
    written = init_write.write(out, init_text.config(found))
    if as_json:
        print_json({"written": written, "found": init_text.as_data(found)})
    else:
        say(*init_text.summary(found, out, written))
    init_write.end_if_unusable(out)


def _found() -> Found:
    catalog = builtin()
    texts = catalog_texts.read()
    at_home = [catalog.hosts[name] for name in texts.at_home()]
    servers = local_servers.find(at_home)
    given = [name for name, value in os.environ.items() if value]
    return Found(
        port=_free_port(servers),
        locals=_locals(server for server in servers if not server.ourselves),
        launchable=_launchable(at_home),
        keyed=keyed_hosts.find(catalog, texts.with_variable(given), os.environ),
    )


def _locals(servers: Iterable[LocalServer]) -> list[Local]:
    named: list[Local] = []
    for server in servers:
        name = server.host.id
        if any(other.name == name for other in named):
            name = f"{name}-{server.port}"
        remote = [model for model in server.models if server.host.model(model).remote]
        here = [model for model in server.models if model not in remote]
        may_be = list(server.may_be)
        named.append(Local(name, server.host.id, server.base_url, here, remote, may_be))
    return named


def _launchable(known: Iterable[Host]) -> Launchable | None:
    """Return the first model that the gateway can run itself, as installed on this machine."""
    for host in known:
        for model in host.models if host.launcher else ():
            if "*" not in model and not hosts.not_installed(host, model):
                return Launchable(host.id, model)
    return None


def _free_port(servers: Iterable[LocalServer]) -> int:
    """Return the usual port, or the next free one where some other server has it."""
    if any(server.ourselves and server.port == USUAL_PORT for server in servers):
        return USUAL_PORT
    for port in range(USUAL_PORT, USUAL_PORT + PORTS_TRIED):
        with socket.socket() as trial:
            trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                trial.bind((HERE, port))
            except OSError:
                continue
            return port
    return USUAL_PORT
