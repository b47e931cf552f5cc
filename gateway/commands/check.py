"""``entrepot check``: what is wrong, where calls would go, and whether the policy keeps its word.

Nothing is called without ``--live``: it works offline and without keys.
"""

from __future__ import annotations

import os
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from billing.journal import JournalError
from billing.migrate import MigrationError
from billing.store import StoreError
from gateway import freshness, told
from gateway.commands import hosts
from gateway.commands.junit import as_junit, unreadable
from gateway.commands.live import Tried, try_routes
from gateway.commands.reading import ConfigOption, load_config, need_path
from gateway.commands.screen import NOT_SO, JsonOption, fail, print_json, say, show
from gateway.config_file import Loaded, read
from gateway.problems import ConfigError, Problem
from gateway.proving import prove
from gateway.setup import Setup, compile_setup
from routing.proof import Proof
from routing.route import Route

LiveOption = Annotated[
    bool,
    typer.Option(
        "--live", help="Also make one tiny call to each route, as a client's call is made."
    ),
]

JunitOption = Annotated[
    Path | None,
    typer.Option("--junit", help="Also write a JUnit report there; `-` prints it, and no more."),
]
PRINTED = Path("-")


def run(
    config: ConfigOption = None,
    as_json: JsonOption = False,
    is_live: LiveOption = False,
    junit: JunitOption = None,
) -> None:
    """Say what is wrong in config and policy, and prove every `expect` of the policy."""
    if as_json and junit == PRINTED:
        fail("--json and --junit - both print a document: give --junit a file")
    if as_json or junit is not None:
        _report_problems(config, junit, as_json=as_json)
    path, loaded = load_config(config)
    setup = compile_setup(loaded, price_all=True)
    found = prove(setup)
    warnings = [*loaded.warnings, *map(loaded.problem, freshness.warnings(setup))]
    tried = _try(path, setup) if is_live else []
    if junit is not None:
        _write(junit, as_junit(loaded.file, setup, found, warnings, tried))
    if junit == PRINTED:
        pass
    elif as_json:
        print_json(
            {**_document(loaded, warnings, setup, found), "live": [asdict(one) for one in tried]}
        )
    else:
        _tell(loaded, warnings, setup, found)
        if is_live:
            _tell_tried(tried)
    raise typer.Exit(0 if found.holds and all(one.good for one in tried) else NOT_SO)


def _try(path: Path, setup: Setup) -> list[Tried]:
    try:
        return try_routes(path, setup)
    except (MigrationError, StoreError, JournalError, OSError) as fault:
        fail(f"no route was called, for what they cost could not be kept: {fault}", NOT_SO)


def _tell_tried(tried: list[Tried]) -> None:
    say("", "one call to each route that has what it needs:")
    show(
        ("route", "answer", "ms", "USD", "what it said"),
        [
            (
                one.route,
                "good" if one.good else str(one.status),
                str(one.ms),
                one.cost_usd,
                one.said,
            )
            for one in tried
        ],
        right=("ms", "USD"),
    )


def _report_problems(config: Path | None, junit: Path | None, *, as_json: bool) -> None:
    """End with what is wrong in the documents asked for, where the config cannot be used."""
    path = need_path(config)
    try:
        read(path, dict(os.environ))
    except ConfigError as fault:
        if junit is not None:
            _write(junit, unreadable(str(path), fault.problems))
        if as_json:
            print_json({"good": False, "problems": [asdict(problem) for problem in fault.problems]})
        fail(str(fault))


def _write(junit: Path, document: str) -> None:
    if junit == PRINTED:
        print(document)
        return
    try:
        junit.write_text(document, encoding="utf-8")
    except OSError as fault:
        fail(f"{junit} cannot be written: {fault.strerror or fault}")


def _document(
    loaded: Loaded, warnings: list[Problem], setup: Setup, found: Proof
) -> dict[str, Any]:
    return {
        "good": found.holds,
        "file": loaded.file,
        "problems": [],
        "warnings": [asdict(warning) for warning in warnings],
        "providers": [
            {
                "name": name,
                "host": owner.host.id,
                "endpoint": owner.at.id,
                "address": hosts.address(owner),
                "key": hosts.key_state(owner),
                "why_not": hosts.why_not(owner) or None,
            }
            for name, owner in setup.providers.items()
        ],
        "unpriced": _unpriced(setup),
        "proof": told.proof(found, setup),
    }


def _tell(loaded: Loaded, warnings: list[Problem], setup: Setup, found: Proof) -> None:
    say(f"{loaded.file} can be used (config {setup.hash}, policy {setup.policy.hash})")
    _list("warnings", [str(warning) for warning in warnings])
    if setup.providers:
        say("")
        show(
            ("provider", "calls go to", "key", "why not"),
            [
                (name, hosts.address(owner), hosts.key_state(owner), hosts.why_not(owner))
                for name, owner in setup.providers.items()
            ],
        )
    _list("models whose price is unknown (their cost is said to be unknown)", _unpriced(setup))
    _list("what the policy does", [notice.text for notice in found.warnings])
    if not found.findings:
        say("", "the policy expects nothing: there is nothing to prove")
        return
    say("", f"the policy's promises, over {found.cases} kinds of requests:")
    for finding in found.findings:
        say(f"  {'holds ' if finding.holds else 'BROKEN'} {finding.expect}")
        if not finding.holds:
            say(f"         {finding.counter_example}")


def _list(title: str, lines: list[str]) -> None:
    if lines:
        say("", f"{title}:", *(f"  {line}" for line in lines))


def _unpriced(setup: Setup) -> list[str]:
    """Return the routes of the config whose tokens have no known price now."""
    now = datetime.now(UTC)
    routes = {
        route.name: route
        for found in map(setup.candidates, setup.config.models)
        for route in (found.routes if found is not None else ())
    }
    return [name for name, route in routes.items() if not _priced(route, now)]


def _priced(route: Route, now: datetime) -> bool:
    price = route.prices.at(now) if route.prices is not None else None
    by_token = price is not None and None not in (price.usd(price.input), price.usd(price.output))
    return by_token or route.usd_per_hour is not None
