"""``GET /dashboard/explore``: sums of any time by anything, beside those of the time before."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from fastapi import APIRouter
from fastapi.responses import Response

from billing import reports
from billing.calendar_cuts import GRAINS
from billing.reports import Asked, Report
from billing.store import Store
from billing.sums import DIMENSIONS, SpendRow
from gateway.dashboard import charts
from gateway.dashboard.figures import Money, lengths, percent, places, share_of, spent
from gateway.dashboard.page import View, filtered, shown

# Rows on the page; the files for spreadsheets have all that a report gives.
ROWS_MAX = 200
USUAL = "provider"
# The parameters that say what a report is by.
BY = ("by", "and", "third")
MEASURES = tuple(charts.MEASURES)
# What is shown of the sums, and no more: fewer numbers are read faster.
NUMBERS = (*charts.NUMBERS, "failed", "tokens_cached")

router = APIRouter()


@dataclass(frozen=True, slots=True)
class Line:
    """One group: its sums, those of the time before (None: not asked for), and how they differ."""

    names: tuple[str, ...]
    row: SpendRow
    money: Money
    cached: str
    share: str
    bar: int
    before: Money | None
    change: str


@dataclass(frozen=True, slots=True)
class Read:
    """What is shown in the table and drawn in the chart; ``before`` is None where not asked for."""

    found: Report
    before: Report | None
    drawn: list[SpendRow]
    drawn_before: list[SpendRow]


@router.get("/dashboard/explore")
@shown("explore", *BY, "grain", "show", "compare", "field", "value", filtered=True)
async def explore(view: View) -> Response:
    """Show a report; ``?by=``, ``and`` and ``third`` are what it is by, ``grain`` a time.

    ``compare=1`` sets the time before beside it;
    ``field`` and ``value`` add a filter: the browser is sent to the address that has it.
    """
    if "field" in view.given or "value" in view.given:
        return filtered(view)
    by, grain, show = (
        _dimensions(view),
        view.choice("grain", ("", *GRAINS)),
        view.choice("show", MEASURES),
    )
    read, fault = await view.read(partial(_read, view, by, grain))
    names = (*((grain,) if grain else ()), *by)
    page: dict[str, object] = {
        "fault": fault,
        "chosen": dict(zip(BY, (*by, "", ""), strict=False)),
        "by": by[0],
        "grain": grain,
        "show": show,
        "compare": bool(view.given.get("compare")),
        "names": names,
        "dimensions": tuple(DIMENSIONS),
        "grains": GRAINS,
        "measures": MEASURES,
        "lines": [],
        "read": read,
        "files": {
            "groups": view.api("/api/spend", by=",".join(names), format="csv"),
            "entries": view.api("/api/ledger/export", format="csv"),
        },
        "command": view.command("spend", "--by", ",".join(names)),
    }
    if read is not None:
        page |= _shown(view, read, grain, show)
    return view.render(503 if fault else 200, **page)


def _dimensions(view: View) -> tuple[str, ...]:
    first = view.choice(BY[0], (USUAL, *DIMENSIONS))
    others = [view.choice(name, ("", *DIMENSIONS)) for name in BY[1:]]
    return tuple(dict.fromkeys(filter(None, (first, *others))))


def _read(view: View, by: tuple[str, ...], grain: str, store: Store) -> Read:
    """Read a report, and the one before. In a thread. Raises ``StoreError``, ``ValueError``."""
    span, where = view.span, view.where
    names = (*((grain,) if grain else ()), *by)
    over_time = Asked((span.grain, by[0]), span.since, span.until, span.zone, where)
    drawn, total = reports.grouped(store, over_time, NUMBERS)
    if names == by[:1]:
        # What is drawn has the table in it: read once, where users and tags take their time.
        rows = reports.folded(drawn, 1)
        found = Report(rows[: reports.ROWS_MAX], total, max(0, len(rows) - reports.ROWS_MAX))
    else:
        found = _report(store, Asked(names, span.since, span.until, span.zone, where))
    before: Report | None = None
    drawn_before: list[SpendRow] = []
    if view.given.get("compare"):
        since, until = span.before(view.now)
        before = _report(store, Asked(names, since, until, span.zone, where))
        drawn_before, _ = reports.grouped(
            store, Asked((span.grain,), since, until, span.zone, where), charts.NUMBERS
        )
    return Read(found, before, drawn, drawn_before)


def _report(store: Store, asked: Asked) -> Report:
    rows, total = reports.grouped(store, asked, NUMBERS)
    return Report(rows[: reports.ROWS_MAX], total, max(0, len(rows) - reports.ROWS_MAX))


def _shown(view: View, read: Read, grain: str, show: str) -> dict[str, object]:
    found, total = read.found.rows, read.found.total
    # With a time among its names no group has its like in the time before.
    earlier = {} if grain or read.before is None else {r.names: r for r in read.before.rows}
    decimals = places(row.most_pico for row in (*found, *earlier.values()))
    measure = charts.MEASURES[show]
    drawn = lengths([measure(row) for row in found[:ROWS_MAX]])
    compared = read.before is not None and not grain
    lines = [
        _line(row, earlier.get(row.names, SpendRow()) if compared else None, total, decimals, bar)
        for row, bar in zip(found[:ROWS_MAX], drawn, strict=True)
    ]
    before = read.before.total if read.before is not None else None
    whole = places([total.most_pico, before.most_pico if before is not None else 0])
    times = view.span.times(view.now)
    return {
        "lines": lines,
        "more": len(found) - len(lines) + read.found.left_out,
        "compared": compared,
        "total": _line(total, before, total, whole, 0),
        "before_span": view.span.before(view.now) if before is not None else None,
        "chart": charts.stack(
            read.drawn, times, show, view.t("chart.others"), view.t("chart.nobody"),
            _before(view, read) if before else None,
        ),
    }  # fmt: skip


def _before(view: View, read: Read) -> charts.Before:
    times = view.span.times_before(view.now)
    return charts.Before(view.t("explore.before"), times, read.drawn_before)


def _line(row: SpendRow, before: SpendRow | None, total: SpendRow, decimals: int, bar: int) -> Line:
    part, whole = row.cost_pico, total.cost_pico
    if not whole:
        part, whole = row.tokens, total.tokens
    return Line(
        names=row.names,
        row=row,
        money=spent(row, decimals),
        cached=percent(row.tokens_cached, row.tokens_in),
        share=percent(part, whole),
        bar=bar,
        before=spent(before, decimals) if before is not None else None,
        change=share_of(row.cost_pico - before.cost_pico, before.cost_pico) if before else "",
    )
