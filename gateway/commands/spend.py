"""``entrepot spend``: what was spent, by whom and where; works with the gateway running or not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer

from billing import reports, waits
from billing.money import usd_text
from billing.reports import Asked, Report
from billing.store import Store
from billing.sums import SpendRow
from billing.waits import PERCENTS, Waited, Waits
from gateway import home_report, savings, told
from gateway.commands import books
from gateway.commands.books import CsvOption, GrainOption, SinceOption, UntilOption, WhereOption
from gateway.commands.ledger import Waiting
from gateway.commands.reading import ConfigOption, load_config
from gateway.commands.screen import JsonOption, print_json, say, show
from gateway.savings import Saved
from gateway.setup import compile_setup

NUMBERS = (
    "requests", "attempts", "tokens in", "cached", "tokens out", "USD", "cost unknown",
    "usage estimated", "usage missing",
)  # fmt: skip
LOST, SEARCHES, ENERGY = "cache lost USD", "searches", "kWh"
TIMES = tuple(f"{what} p{percent} ms" for what in ("first", "total") for percent in PERCENTS)


def run(
    by: Annotated[
        str, typer.Option(help="What the rows are, with commas: team,model or key,day.")
    ] = "provider",
    grain: GrainOption = None,
    where: WhereOption = None,
    since: SinceOption = None,
    until: UntilOption = None,
    latency: Annotated[
        bool, typer.Option("--latency", help="Also percentiles of how long it took.")
    ] = False,
    as_csv: CsvOption = False,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show requests, tokens and exact cost in groups; what is unknown is counted, never guessed."""
    read_config = load_config(config)[1]
    loaded = read_config.config
    asked = books.question(by, grain, where, books.time_of(since, until, loaded), loaded)

    def read(store: Store) -> tuple[Report, Waited | None, Saved | None]:
        found = reports.spend(store, asked)
        saved = None
        if loaded.baseline is not None and found.total.attempts:
            saved = savings.of(store, compile_setup(read_config), asked, found.total)
        return found, waits.waited(store, asked) if latency else None, saved

    nothing: tuple[Report, Waited | None, Saved | None] = Report([], SpendRow()), None, None
    (found, waited, saved), waiting = books.read(loaded, read, nothing)
    if as_json:
        document = _document(found, waited if latency else None, asked, waiting, latency)
        print_json({**document, "baseline": savings.told(saved) if saved else None})
    elif as_csv:
        print(told.spend_csv(found, asked), end="")
    else:
        _tell(found, waited, asked, latency)
        lines = [*(savings.in_words(saved) if saved else ()), *_notes(found), *books.notes(waiting)]
        if latency:
            lines.append(f"Percentiles are {told.precision(waited)}.")
        if lines:
            say("", *lines)


def _document(
    found: Report, waited: Waited | None, asked: Asked, waiting: Waiting, latency: bool
) -> dict[str, object]:
    document = {
        "since": asked.since.isoformat() if asked.since is not None else None,
        "until": asked.until.isoformat() if asked.until is not None else None,
        "time_zone": str(asked.zone),
        **told.report(found, waited, asked),
        "waiting": waiting.entries,
    }
    return {**document, "latency": told.precision(waited)} if latency else document


def _tell(found: Report, waited: Waited | None, asked: Asked, latency: bool) -> None:
    total = found.total
    if not found.rows:
        say("no calls are in the ledger for this time")
        return
    wide = len(asked.by)
    named = [[name or "(none)" for name in row.names] for row in found.rows]
    cells = [
        [*names, *_numbers(row)]
        for names, row in zip(
            [*named, ["total", *[""] * (wide - 1)]], [*found.rows, total], strict=True
        )
    ]
    columns: tuple[str, ...] = NUMBERS
    for name, wanted, cell in (
        (LOST, total.cache_lost_tokens, _lost),
        (SEARCHES, total.searches, lambda row: str(row.searches)),
        (ENERGY, total.energy_j, lambda row: home_report.kwh(row.energy_j)),
    ):
        if wanted:
            columns = (*columns, name)
            for line, row in zip(cells, [*found.rows, total], strict=True):
                line.append(cell(row))
    if latency and waited is not None:
        columns = (*columns, *TIMES)
        nothing = Waits((None,) * len(PERCENTS), (None,) * len(PERCENTS))
        known = [waited.rows.get(row.names, nothing) for row in found.rows]
        for line, times in zip(cells, [*known, waited.total], strict=True):
            line += _times(times)
    show((*asked.by, *columns), cells, right=columns)


def _notes(found: Report) -> list[str]:
    total, lines = found.total, []
    if found.left_out:
        lines.append(f"{found.left_out} more groups are in the total only.")
    if total.unbounded:
        lines.append(f"The cost of {total.unbounded} attempts is unknown, and in no sum.")
    if total.least_pico != total.most_pico:
        lines.append(
            "Two figures with a dash: the true sum lies between, as tokens were counted here or "
            "not reported."
        )
    if total.tokens_cached:
        share = told.share(total.tokens_cached, total.tokens_in)
        lines.append(f"Read from prompt caches: {share} of the tokens in.")
    if total.moves:
        lines.append(_moved(total))
    return lines


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


def _numbers(row: SpendRow) -> list[str]:
    counts = (row.requests, row.attempts, row.tokens_in, row.tokens_cached, row.tokens_out)
    doubts = (row.unbounded, row.estimated, row.missing)
    return [*map(str, counts), told.band(row), *map(str, doubts)]


def _times(found: Waits) -> Sequence[str]:
    return ["–" if ms is None else str(ms) for ms in (*found.first, *found.total)]
