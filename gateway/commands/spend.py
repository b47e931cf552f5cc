"""``entrepot spend``: what was spent, by whom and where; works with the gateway running or not."""

from __future__ import annotations

from typing import Annotated

import typer

from billing import reports
from billing.money import usd_text
from billing.reports import By, SpendRow
from billing.store import StoreError
from gateway import told
from gateway.commands import ledger
from gateway.commands.ledger import Waiting
from gateway.commands.reading import ConfigOption, load_config
from gateway.commands.screen import NOT_SO, JsonOption, fail, print_json, say, show
from gateway.commands.spans import moment_of

NUMBERS = (
    "requests", "attempts", "tokens in", "cached", "tokens out", "USD", "cost unknown",
    "usage estimated", "usage missing",
)  # fmt: skip
LOST = "cache lost USD"


def run(
    by: Annotated[By, typer.Option(help="What the rows are.")] = "provider",
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
    first, last = moment_of(since, "--since", zone), moment_of(until, "--until", zone)
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
        cells = [_row(*each) for each in [*named, ("total", total)]]
        columns: tuple[str, ...] = NUMBERS
        if total.cache_lost_tokens:
            columns = (*NUMBERS, LOST)
            cells = [
                [*row, _lost(summed)] for row, summed in zip(cells, [*rows, total], strict=True)
            ]
        show((by, *columns), cells, right=columns)
    else:
        say("no calls are in the ledger for this time")
    notes = []
    if total.unknown:
        notes.append(f"The cost of {total.unknown} attempts is unknown, and in no sum.")
    if total.tokens_cached:
        share = told.share(total.tokens_cached, total.tokens_in)
        notes.append(f"Read from prompt caches: {share} of the tokens in.")
    if total.moves:
        notes.append(_moved(total))
    if waits.entries:
        notes.append(f"{waits.entries} entries wait in the journal, and are in no sum yet.")
    if waits.damaged:
        notes.append(f"{waits.damaged} lines of the journal are damaged.")
    if notes:
        say("", *notes)


def _moved(total: SpendRow) -> str:
    moves = "1 answer" if total.moves == 1 else f"{total.moves} answers"
    found = (
        f"{moves} came from another route than the one that had the conversation cached; that "
        f"lost {total.cache_lost_tokens} cached tokens, {usd_text(total.cache_lost_pico)} USD"
    )
    unknown = total.cache_lost_unknown
    return f"{found} ({unknown} more of unknown price)." if unknown else f"{found}."


def _lost(row: SpendRow) -> str:
    known, unknown = usd_text(row.cache_lost_pico), row.cache_lost_unknown
    if not unknown:
        return known
    return f"{known} + {unknown} unknown" if row.cache_lost_pico else "unknown"


def _row(name: str, row: SpendRow) -> list[str]:
    counts = (row.requests, row.attempts, row.tokens_in, row.tokens_cached, row.tokens_out)
    doubts = (row.unknown, row.estimated, row.missing)
    return [name, *map(str, counts), usd_text(row.cost_pico), *map(str, doubts)]
