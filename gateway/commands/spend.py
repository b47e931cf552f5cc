"""``entrepot spend``: what was spent, by whom and where; works with the gateway running or not."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, tzinfo
from typing import Annotated, Literal

import typer

from billing import reports
from billing.money import usd_text
from billing.reports import SpendRow
from billing.store import StoreError
from gateway import told
from gateway.commands import ledger
from gateway.commands.ledger import Waiting
from gateway.commands.reading import ConfigOption, load_config
from gateway.commands.screen import NOT_SO, JsonOption, fail, print_json, say, show
from gateway.periods import midnight, moment

Groups = Literal["provider", "model", "day", "key", "team", "label", "operator"]
NUMBERS = (
    "requests", "attempts", "tokens in", "cached", "tokens out", "USD", "cost unknown",
    "usage estimated", "usage missing",
)  # fmt: skip
_SPAN = re.compile(r"([1-9][0-9]{0,3})([hdw])")


def run(
    by: Annotated[Groups, typer.Option(help="What the rows are.")] = "provider",
    since: Annotated[
        str | None, typer.Option(help="30d, 12h, 4w, 2026-11-01 or 2026-11-01T14:00.")
    ] = None,
    until: Annotated[str | None, typer.Option(help="Up to before this day or time.")] = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show requests, tokens and exact cost in groups; what is unknown is counted, never guessed."""
    _, loaded = load_config(config)
    zone = loaded.config.server.zone
    first, last = _moment(since, "--since", zone), _moment(until, "--until", zone)
    if first is not None and last is not None and last <= first:
        fail("--until must be later than --since")
    rows: list[SpendRow] = []
    total = SpendRow("")
    waits = ledger.drained(loaded.config.journal)
    try:
        with ledger.existing(loaded.config.ledger) as store:
            if store is not None:
                rows = reports.spend(store.engine, by, first, last, zone)
                total = reports.total(store.engine, first, last)
    except (StoreError, ValueError, OverflowError) as fault:
        fail(f"the ledger {ledger.shown(loaded.config.ledger)}: {fault}", NOT_SO)
    if as_json:
        print_json(
            {
                "by": by,
                "since": first.isoformat() if first is not None else None,
                "until": last.isoformat() if last is not None else None,
                "time_zone": str(zone),
                "currency": "USD",
                "rows": [told.spend_row(row) for row in rows],
                "total": told.spend_row(total),
                "waiting": waits.entries,
            }
        )
        return
    _tell(by, rows, total, waits)


def _tell(by: str, rows: list[SpendRow], total: SpendRow, waits: Waiting) -> None:
    if rows:
        named = [(row.group or "(none)", row) for row in rows]
        show((by, *NUMBERS), [_row(*each) for each in [*named, ("total", total)]], right=NUMBERS)
    else:
        say("no calls are in the ledger for this time")
    notes = []
    if total.unknown:
        notes.append(f"The cost of {total.unknown} attempts is unknown, and in no sum.")
    if waits.entries:
        notes.append(f"{waits.entries} entries wait in the journal, and are in no sum yet.")
    if waits.damaged:
        notes.append(f"{waits.damaged} lines of the journal are damaged.")
    if notes:
        say("", *notes)


def _row(name: str, row: SpendRow) -> list[str]:
    counts = (row.requests, row.attempts, row.tokens_in, row.tokens_cached, row.tokens_out)
    doubts = (row.unknown, row.estimated, row.missing)
    return [name, *map(str, counts), usd_text(row.cost_pico), *map(str, doubts)]


def _moment(text: str | None, option: str, zone: tzinfo) -> datetime | None:
    """Return the moment that an option names; days are whole days, the last of them today."""
    if text is None:
        return None
    span = _SPAN.fullmatch(text)
    now = datetime.now(zone)
    try:
        if span is None:
            return moment(text, zone)
        count, unit = int(span[1]), span[2]
        if unit == "h":
            return now - timedelta(hours=count)
        days = count * (7 if unit == "w" else 1)
        return midnight(now.date() - timedelta(days=days - 1), zone)
    except (ValueError, OverflowError) as fault:
        fail(f"{option}: {fault}; 30d, 12h and 4w are too")
