"""``entrepot egress``: every host that the gateway can ever contact, each with its reason."""

from __future__ import annotations

import os
from dataclasses import asdict
from typing import Any

from gateway.commands.reading import ConfigOption, load_config
from gateway.commands.screen import JsonOption, print_json, say, show
from gateway.egress import NOBODY, Contact, contacts
from gateway.setup import Setup, compile_setup

ITSELF = (
    "this machine itself (127.0.0.0/8, ::1, unix sockets) may always be contacted; names are "
    "looked up by the system's resolver, those on this list alone"
)
REFUSED = "everything else is refused inside the process"
PROCESSES = (
    "other processes are not bound by this: a server that the gateway launches (it is started "
    "offline), and a program that a profile of cloud credentials names"
)


def run(config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Show every host that the gateway can ever contact, each with its reason. Asks nobody."""
    setup = compile_setup(load_config(config)[1])
    found = contacts(setup, os.environ)
    if as_json:
        print_json(document(setup, found))
        return
    say(f"egress: {setup.config.egress}", "")
    show(
        ("host", "for", "why", "not now, because"),
        [(address(one), _whom(one), _why(one), one.not_now) for one in found],
    )
    say("", *(f"{what}: {who}" for what, who in NOBODY.items()))
    say("", f"{ITSELF}.", f"{REFUSED}.", f"{PROCESSES}.")


def address(one: Contact) -> str:
    """Return a contact as people write it."""
    host = f"[{one.host}]" if ":" in one.host else one.host
    return f"{one.scheme}://{host}:{one.port or '(picked at its start)'}"


def document(setup: Setup, found: list[Contact]) -> dict[str, Any]:
    """Return all of it as one JSON document."""
    return {
        "egress": setup.config.egress,
        "contacts": [asdict(one) for one in found],
        "nobody": dict(NOBODY),
        "always": ITSELF,
        "else": REFUSED,
        "other_processes": PROCESSES,
    }


def _whom(one: Contact) -> str:
    return one.who if one.purpose in ("provider", "ledger") else f"{one.purpose} of {one.who}"


def _why(one: Contact) -> str:
    return f"{one.reason}; through the proxy {one.proxy}" if one.proxy else one.reason
