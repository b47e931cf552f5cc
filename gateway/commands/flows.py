"""``entrepot flows``: the record of which data went to which operator, country and place."""

from __future__ import annotations

from typing import Annotated

import typer

from billing import flows as record
from billing.flows import FlowRow
from billing.reports import Asked
from gateway import told
from gateway.commands import books
from gateway.commands.books import CsvOption, GrainOption, SinceOption, UntilOption, WhereOption
from gateway.commands.reading import ConfigOption
from gateway.commands.screen import JsonOption, fail, print_json, say, show

NUMBERS = ("transfers", "tokens in", "tokens out")
TIMES = ("first", "last")


def run(
    by: Annotated[
        str, typer.Option(help="What the rows are: label,operator,place and more.")
    ] = ",".join(record.USUAL),
    grain: GrainOption = None,
    where: WhereOption = None,
    since: SinceOption = None,
    until: UntilOption = None,
    as_csv: CsvOption = False,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show what label of data went where, by team and policy in force; what sent nothing is not in.

    Operators are the countries whose law they are under, places where data is processed, as the
    facts were at that time. First and last are the hours of the first and the last transfer.
    """
    loaded = books.config_of(config)
    asked = books.question(by, grain, where, books.time_of(since, until, loaded), loaded)
    if not {*record.WAY} <= {*asked.by}:
        fail(f"--by: has to name {', '.join(record.WAY)}; more may stand beside them")
    nothing: list[FlowRow] = []
    found, waiting = books.read(loaded, lambda store: record.flows(store, asked), nothing)
    if as_json:
        print_json(
            {
                "since": asked.since.isoformat() if asked.since is not None else None,
                "until": asked.until.isoformat() if asked.until is not None else None,
                "time_zone": str(asked.zone),
                "by": ",".join(asked.by),
                "flows": [told.flow(row) for row in found],
                "waiting": waiting.entries,
            }
        )
    elif as_csv:
        print(told.flows_csv(found, asked.by), end="")
    else:
        _tell(found, asked)
        if lines := books.notes(waiting):
            say("", *lines)


def _tell(found: list[FlowRow], asked: Asked) -> None:
    if not found:
        say("no data went anywhere in this time")
        return
    more = [name for name in asked.by if name not in record.WAY]
    rows = []
    for row in found:
        numbers = (row.transfers, row.tokens_in, row.tokens_out)
        times = (f"{at:%Y-%m-%d %H:%M}" if at is not None else "" for at in (row.first, row.last))
        names = (row.label, row.operator, row.place, *(row.more[name] for name in more))
        rows.append([*(name or "(none)" for name in names), *map(str, numbers), *times])
    show((*record.WAY, *more, *NUMBERS, *TIMES), rows, right=NUMBERS)
