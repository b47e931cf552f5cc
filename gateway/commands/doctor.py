"""``entrepot doctor``: what is installed, configured and reachable. No key's value is ever said.

Of a host only its address is tried, by opening a connection: nothing is sent, nothing is paid. A
server at home is asked what it tells of itself, too. With ``--live`` each host is asked for its
models and for one word.
"""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

import typer

from billing.drain import REFUSED
from billing.schema import HEAD
from billing.store import StoreError
from gateway import urls
from gateway.commands import (
    catalog_texts,
    doctor_live,
    hosts,
    ledger,
    local_servers,
    reach,
    told_at_home,
)
from gateway.commands.reading import USUAL_CONFIGS, ConfigOption, config_path
from gateway.commands.screen import (
    GOOD,
    NOT_SO,
    JsonOption,
    fail,
    print_json,
    say,
    show,
)
from gateway.config_file import Loaded, read
from gateway.dashboard import library
from gateway.problems import ConfigError
from gateway.setup import Setup, compile_setup
from providers.catalog import builtin

DISTRIBUTION = "entrepot"
# A gateway that runs moves its entries twice a second.
WAITS_LONG_S = 60
_NAME = re.compile(r"[A-Za-z0-9._-]+")


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at. ``bad`` is configured and does not work; a ``note`` may be as meant."""

    what: str
    state: Literal["good", "bad", "note"]
    text: str


def run(
    config: ConfigOption = None,
    offline: Annotated[
        bool, typer.Option("--offline", help="Try no address outside this machine.")
    ] = False,
    live: Annotated[
        bool,
        typer.Option(
            "--live",
            help="Only ask each provider for its models and for one word, and say what differs "
            "from the catalogue. It costs a little; how much at most is said first.",
        ),
    ] = False,
    provider: Annotated[
        str | None, typer.Option("--provider", help="With --live: this provider alone.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Say what is installed, which keys are set, and whether all that is configured works."""
    if live:
        doctor_live.run(config, provider, as_json=as_json, offline=offline)
    elif provider is not None:
        fail("--provider narrows --live; without it every provider is looked at")
    path = config_path(config)
    found = [*_installed(), _charts()]
    problems: list[str] = []
    if path is None:
        names = " or ".join(USUAL_CONFIGS)
        found.append(Finding("config", "note", f"no {names} here; `entrepot init` writes one"))
        found += _ports(None)
    else:
        try:
            found += _configured(read(path, dict(os.environ)), path, offline)
        except ConfigError as fault:
            problems = [str(problem) for problem in fault.problems]
            found.append(
                Finding("config", "bad", f"{path} cannot be used: {len(problems)} mistakes")
            )
    bad = any(finding.state == "bad" for finding in found)
    if as_json:
        told = [asdict(finding) for finding in found]
        print_json({"good": not bad, "findings": told, "problems": problems})
    else:
        show(("what", "state", "how it is"), [(f.what, f.state, f.text) for f in found])
        say("", "what is bad does not work" if bad else "all that is configured works")
    if problems:
        fail("\n".join(problems))
    raise typer.Exit(NOT_SO if bad else GOOD)


def _installed() -> Iterator[Finding]:
    yield Finding("python", "good", f"{platform.python_version()} on {platform.platform()}")
    try:
        wanted = metadata.requires(DISTRIBUTION) or []
        yield Finding(DISTRIBUTION, "good", metadata.version(DISTRIBUTION))
    except metadata.PackageNotFoundError:
        yield Finding(DISTRIBUTION, "note", "runs from its folder, not installed as a package")
        return
    there, missing = [], []
    for line in wanted:
        needed, _, condition = line.partition(";")
        name = (_NAME.match(needed.strip()) or [""])[0]
        try:
            there.append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            missing.append((name, condition))
    yield Finding("packages", "good", ", ".join(there))
    for name, condition in missing:
        if "extra" in condition:
            text = "not installed; only models that the gateway runs itself need it"
            yield Finding(f"package {name}", "note", text)
        elif not condition:
            yield Finding(f"package {name}", "bad", "not installed, and needed")


def _charts() -> Finding:
    built = library.is_built()
    return Finding("charts", "good" if built else "note", "built" if built else library.HOW)


def _configured(loaded: Loaded, path: Path, offline: bool) -> Iterator[Finding]:
    setup = compile_setup(loaded)
    yield Finding("config", "good", f"{path} can be used (config {setup.hash})")
    for warning in loaded.warnings:
        yield Finding("config", "note", str(warning))
    yield _ledger(setup)
    yield _journal(setup)
    tried = reach.try_all(setup.providers.values(), outside=not offline)
    for name, owner in setup.providers.items():
        lacks = hosts.why_not(owner)
        key = "" if (state := hosts.key_state(owner)) == "not needed" else f"key {state}; "
        what = f"provider {name}"
        if owner.form.launch is not None:
            text = (
                f"cannot start: {lacks}"
                if lacks
                else f"the gateway can start {owner.form.launch.model}"
            )
            yield Finding(what, "bad" if lacks else "good", text)
        elif lacks:
            # Not set may be as meant: the gateway passes such a provider over.
            yield Finding(what, "note", f"{lacks}; {tried[name].text}")
        else:
            yield Finding(what, "good" if tried[name].works else "bad", key + tried[name].text)
    yield from _at_home(setup, offline)
    yield from _ports(setup)


def _at_home(setup: Setup, offline: bool) -> Iterator[Finding]:
    """Say what the servers at home tell of their load and of the models that the config names."""
    owners = [
        owner
        for owner in setup.providers.values()
        if not offline or urls.is_loopback(urlsplit(owner.endpoint.base_url).hostname or "")
    ]
    models: dict[str, dict[str, None]] = {}
    for asked in setup.config.models:
        candidates = setup.candidates(asked)
        for route in candidates.routes if candidates is not None else ():
            models.setdefault(route.provider, {})[route.model] = None
    kind = setup.config.server.http_client
    for name, text in told_at_home.ask_all(owners, models, kind).items():
        yield Finding(f"server of {name}", "note", text)


def _ledger(setup: Setup) -> Finding:
    given = setup.config.ledger
    address = ledger.shown(given)
    try:
        with ledger.existing(given) as store:
            if store is not None:
                return Finding("ledger", "good", f"{address}: schema {HEAD}")
        folder = ledger.folder(given)
        if folder is not None and not os.access(folder, os.W_OK | os.X_OK):
            return Finding("ledger", "bad", f"{address}: cannot be made, {folder} is not writable")
        return Finding("ledger", "good", f"{address}: the gateway's first start makes it")
    except StoreError as fault:
        return Finding("ledger", "bad", f"{address}: {fault}")


def _journal(setup: Setup) -> Finding:
    folder = setup.config.journal
    waits = ledger.waiting(folder)
    if folder.exists() and not os.access(folder, os.W_OK | os.X_OK):
        return Finding("journal", "bad", f"{folder} cannot be written")
    text = f"{folder}: {waits.entries} entries wait for the ledger"
    if waits.entries:
        text += f", the oldest for {waits.oldest_s:.0f} s"
    if waits.refused:
        text += f"; {waits.refused} were set aside in {folder / REFUSED}: no database takes them"
    if waits.damaged:
        return Finding("journal", "note", f"{text}; {waits.damaged} lines are damaged")
    if waits.refused or waits.oldest_s > WAITS_LONG_S:
        return Finding("journal", "note", text)
    return Finding("journal", "good", text)


def _ports(setup: Setup | None) -> Iterator[Finding]:
    """Say which model servers answer on this machine, configured or not."""
    known = setup.catalog.hosts if setup is not None else builtin().hosts
    used = {owner.endpoint.base_url for owner in setup.providers.values()} if setup else set()
    at_home = [known[name] for name in catalog_texts.read().at_home() if name in known]
    found = local_servers.find(at_home)
    for server in found:
        if server.ourselves:
            text = "a gateway of this kind answers"
        else:
            state = "configured" if server.base_url in used else "in no provider of the config"
            text = f"{server.host.name}, by its port; {len(server.models)} models; {state}"
        yield Finding(f"port {server.port}", "note", text)
    if not found:
        ports = sorted({port for host in at_home for port in host.usual_ports})
        yield Finding(
            "local ports", "note", f"no model server answers on {', '.join(map(str, ports))}"
        )
