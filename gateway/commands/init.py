"""``entrepot init``: look what is on this machine, and write a config with comments that works."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Annotated

import typer

from billing import list_prices
from gateway.commands import hosts, init_text, local_servers
from gateway.commands.init_text import Found, Launchable, Local, Vendor
from gateway.commands.local_servers import HERE, LocalServer
from gateway.commands.screen import NOT_SO, JsonOption, fail, print_json, say
from gateway.config_file import read
from gateway.problems import ConfigError
from gateway.proving import prove
from gateway.setup import compile_setup
from providers.catalog import Host, builtin

POLICY = "policy.yaml"
USUAL_PORT, PORTS_TRIED = 8080, 20
DEAREST = Decimal("Infinity")


def run(
    out: Annotated[Path, typer.Option("--out", "--config", "-c", help="The file to write.")] = Path(
        "config.yaml"
    ),
    force: Annotated[
        bool, typer.Option("--force", help="Replace the file if it is there.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Find local servers and API keys, and write a config, and a policy where there is none."""
    if out.exists() and not force:
        fail(f"{out} is there already; --force replaces it, --out FILE writes another")
    known = builtin().hosts
    servers = local_servers.find(known.values())
    found = Found(
        port=_free_port(servers),
        locals=_locals(server for server in servers if not server.ourselves),
        launchable=_launchable(known.values()),
        vendors=_vendors(known.values(), os.environ),
    )
    policy = out.parent / POLICY
    written = [out]
    try:
        if not policy.exists():
            policy.write_text(init_text.POLICY, encoding="utf-8")
            written.append(policy)
        _replace(out, init_text.config(found))
    except OSError as fault:
        fail(f"{fault.filename or out} cannot be written: {fault.strerror or fault}", NOT_SO)
    if as_json:
        print_json({"written": written, "found": init_text.as_data(found)})
    else:
        say(*init_text.summary(found, out, written))
    wrong = _wrong_with(out)
    if wrong:
        fail("\n".join(["", "but it cannot be used as it is:", *wrong]), NOT_SO)


def _locals(servers: Iterable[LocalServer]) -> list[Local]:
    named: list[Local] = []
    for server in servers:
        name = server.host.id
        if any(other.name == name for other in named):
            name = f"{name}-{server.port}"
        remote = [model for model in server.models if server.host.model(model).remote]
        here = [model for model in server.models if model not in remote]
        named.append(Local(name, server.host.id, server.base_url, here, remote))
    return named


def _launchable(known: Iterable[Host]) -> Launchable | None:
    """Return the first model that the gateway can run itself, as installed on this machine."""
    for host in known:
        for model in host.models if host.launcher else ():
            if "*" not in model and not hosts.not_installed(host, model):
                return Launchable(host.id, model)
    return None


def _vendors(known: Iterable[Host], environment: Mapping[str, str]) -> list[Vendor]:
    """Return the hosts whose key is set, those with the cheapest model first."""
    found: list[tuple[Decimal, Vendor]] = []
    for host in known:
        if not host.auth_env or not environment.get(host.auth_env):
            continue
        priced = sorted((_price(host, model), model) for model in host.models if "*" not in model)
        models = [model for _, model in priced]
        found.append((priced[0][0] if priced else DEAREST, Vendor(host.id, host.auth_env, models)))
    return [vendor for _, vendor in sorted(found, key=lambda pair: (pair[0], pair[1].name))]


def _price(host: Host, model: str) -> Decimal:
    """Return US dollars per million tokens, three in to one out; unknown is the dearest."""
    prices = list_prices.from_genai_prices(host.genai_prices, model) if host.genai_prices else None
    price = prices.at(datetime.now(UTC)) if prices is not None else None
    if price is None or price.input is None or price.output is None:
        return DEAREST
    return (3 * price.input + price.output) / 4


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


def _replace(path: Path, text: str) -> None:
    # Whole or not at all: a running gateway watches this file.
    new = path.with_name(f".{path.name}.new")
    new.write_text(text, encoding="utf-8")
    new.replace(path)


def _wrong_with(path: Path) -> list[str]:
    """Return what `check` would refuse, such as a policy that was there before."""
    try:
        loaded = read(path, dict(os.environ))
    except ConfigError as fault:
        return [str(problem) for problem in fault.problems]
    findings = prove(compile_setup(loaded, price_all=True)).findings
    return [f"{f.expect}: {f.counter_example}" for f in findings if not f.holds]
