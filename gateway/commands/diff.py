"""``entrepot diff``: what a proposed config would have changed of the requests of the past."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Annotated

import typer

from billing import past
from billing.ledger import Entry
from billing.store import Store, StoreError
from gateway.commands import diff_told, ledger
from gateway.commands.reading import config_path, load_config
from gateway.commands.screen import NOT_SO, WRONG_USAGE, JsonOption, fail, print_json, say
from gateway.commands.spans import moment_of
from gateway.config_file import Loaded
from gateway.replaying import ConfigWorld, compared
from routing.difference import Report, difference

USUAL_FAULTS = "denied,country,operator"
FAULTS = ("denied", "country", "operator")
_COST = re.compile(r"cost>([0-9]{1,6}(?:\.[0-9]{1,3})?)%")


@dataclass(frozen=True, slots=True)
class _FailOn:
    """What makes the command end with 1; ``cost`` is how many percent more are too many."""

    names: frozenset[str]
    cost: Decimal | None


def run(
    config: Annotated[Path, typer.Option("--config", "-c", help="The proposed config.")],
    against: Annotated[
        Path | None,
        typer.Option(help="The config of now, whose ledger is read; else ./config.yaml."),
    ] = None,
    since: Annotated[str, typer.Option(help="30d, 12h, 4w, 2026-11-01 or 2026-11-01T14:00.")] = (
        "30d"
    ),
    until: Annotated[str | None, typer.Option(help="Up to before this day or time.")] = None,
    fail_on: Annotated[
        str,
        typer.Option(help="What ends with 1, with commas between: these, cost>10%, or none."),
    ] = USUAL_FAULTS,
    markdown: Annotated[
        bool, typer.Option("--markdown", help="Print Markdown, for a comment on a pull request.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Decide past requests again, by the config of now and by a proposed one, and say what differs.

    The ledger's metadata alone is read, and nothing is called.
    """
    judged = _fail_on(fail_on)
    if as_json and markdown:
        fail("--json or --markdown, not both")
    _, now = load_config(_current(against))
    _, new = load_config(config)
    zone = now.config.server.zone
    first, last = moment_of(since, "--since", zone), moment_of(until, "--until", zone)
    if first is not None and last is not None and last <= first:
        fail("--until must be later than --since")
    waits = ledger.drained(now.config.journal)
    try:
        with ledger.existing(now.config.ledger) as store:
            if store is None:
                fail(f"there is no ledger yet at {ledger.shown(now.config.ledger)}")
            report = _compare(store, now, new, first, last)
    except (StoreError, ValueError, OverflowError) as fault:
        fail(f"the ledger {ledger.shown(now.config.ledger)}: {fault}")
    broken = _broken(report, judged)
    told = diff_told.Told(report, broken, now.file, new.file, first, last, waits.entries)
    if as_json:
        print_json(diff_told.document(told))
    elif markdown:
        say(*diff_told.markdown(told))
    else:
        diff_told.show_all(told)
    raise typer.Exit(NOT_SO if broken else 0)


def _current(given: Path | None) -> Path:
    path = config_path(given)
    if path is None:
        fail("there is no config.yaml here to compare with; name it with --against")
    return path


def _compare(
    store: Store, now: Loaded, new: Loaded, first: datetime | None, last: datetime | None
) -> Report:
    began = time.perf_counter()
    total = past.count(store, first, last)
    with _watched(past.requests(store, first, last), total) as requests:
        report = difference(compared(requests, ConfigWorld(now), ConfigWorld(new)))
    seconds = max(time.perf_counter() - began, 0.001)
    speed = f"{total} attempts of {report.requests} requests read in {seconds:.1f} s"
    say(f"{speed}, {total / seconds:.0f} a second", to=sys.stderr)
    return report


@contextmanager
def _watched(requests: Iterator[list[Entry]], total: int) -> Iterator[Iterator[list[Entry]]]:
    """Give ``requests``; at a terminal a bar meanwhile shows how far it is."""
    if not sys.stderr.isatty():
        yield requests
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("requests of the past", total=total)

        def counted() -> Iterator[list[Entry]]:
            read = 0
            for attempts in requests:
                yield attempts
                read += len(attempts)
                if read >= past.BATCH // 10:
                    bar.advance(task, read)
                    read = 0

        yield counted()


def _fail_on(text: str) -> _FailOn:
    names: set[str] = set()
    cost: Decimal | None = None
    words = [word.strip() for word in text.split(",")]
    for word in words if words != ["none"] else ():
        limit = _COST.fullmatch(word)
        if limit is not None:
            cost = Decimal(limit[1])
        elif word in FAULTS:
            names.add(word)
        else:
            fail(
                f"--fail-on: {word[:40]!r} is none of {', '.join(FAULTS)}, cost>10% and none",
                WRONG_USAGE,
            )
    return _FailOn(frozenset(names), cost)


def _broken(report: Report, judged: _FailOn) -> list[str]:
    """Return in words what changes of that which must not."""
    found = []
    if "denied" in judged.names and report.denied:
        count = sum(sums.requests for sums in report.denied.values())
        found.append(f"denied: {count} requests would be denied that are not now")
    for fact in ("country", "operator"):
        new = [reach for reach in report.newly_reached if reach.fact == fact]
        if fact in judged.names and new:
            said = ", ".join(f"{reach.word} (label {reach.label})" for reach in new)
            found.append(f"{fact}: newly reached: {said}")
    if judged.cost is not None:
        found += _dearer(report, judged.cost)
    return found


def _dearer(report: Report, most: Decimal) -> list[str]:
    whole = report.whole
    found = []
    if 100 * whole.delta_pico > most * whole.before_pico:
        found.append(f"cost: {diff_told.change(whole)}, more than {most:f} %")
    if whole.lost_price:
        found.append(f"cost: that of {whole.lost_price} requests would be known no more")
    return found
