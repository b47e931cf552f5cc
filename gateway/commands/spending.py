"""What the commands on plans and on machines at home share: their span, and a route beside."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Annotated

import typer

from gateway.commands.screen import fail
from gateway.commands.spans import moment_of
from gateway.config import Config
from gateway.setup import Setup
from routing.policy_form import nearest

SinceOption = Annotated[str, typer.Option(help="30d, 12h, 4w, 2026-11-01 or 2026-11-01T14:00.")]
BesideOption = Annotated[
    str | None, typer.Option(help="A route of the config, to price the same tokens at.")
]
DIGITS = 6


def last_of(since: str, until: str | None, config: Config) -> tuple[datetime, datetime]:
    """Return the span that options name, up to now. Ends with exit code 2 where that is none."""
    zone = config.server.zone
    first = moment_of(since, "--since", zone)
    last = moment_of(until, "--until", zone) or datetime.now(zone)
    if first is None or last <= first:
        fail(f"--since must be earlier than {'now' if until is None else '--until'}")
    return first, last


def checked_beside(setup: Setup, route: str | None) -> str:
    """Return the route that an option names, "" for none. Ends with exit code 2 for no route."""
    if route is None:
        return ""
    owner, _, model = route.partition("/")
    if owner not in setup.providers or not model:
        right = nearest(owner, setup.providers, "PROVIDER/MODEL of the config")
        fail(f"--beside: {route!r} is no route; {right}")
    return route


def usd(pico: int | None) -> str:
    """Return 1e-12 dollars rounded to six decimals, for a table; "unknown" for None."""
    if pico is None:
        return "unknown"
    return f"{Decimal(pico).scaleb(-12):.{DIGITS}f}"
