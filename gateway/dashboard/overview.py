"""``GET /dashboard``: what was spent, on what and where; what is not well; what goes on now."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from functools import partial

from fastapi import APIRouter
from fastapi.responses import JSONResponse, Response

from billing import pages, reports
from billing.budgets import BudgetRule
from billing.limits import Standing
from billing.reports import Asked
from billing.store import Store
from billing.sums import SpendRow
from gateway import admin_budgets, savings
from gateway.budget_told import whose
from gateway.dashboard import budgets, charts
from gateway.dashboard.entry_lines import EntryLine, entry_lines
from gateway.dashboard.figures import Money, band, percent, places, spent, usd
from gateway.dashboard.forecast import PACE_DAYS, Forecast, forecast
from gateway.dashboard.group_lines import group_lines
from gateway.dashboard.page import HEADERS, View, shown
from gateway.dashboard.regions import Share, shares
from gateway.dashboard.saved import saved_lines
from gateway.dashboard.welcome import first_call
from gateway.errors import Refusal
from gateway.periods import midnight
from gateway.savings import Saved

# What a period's sums are read by, once, and added up in each way.
WAYS = ("provider", "model", "operator", "place", "purpose")
# And of them what is shown: fewer numbers are read faster.
NUMBERS = (
    *charts.NUMBERS, "failed", "tokens_cached", "unknown", "estimated", "missing", "moves",
    "cache_lost_tokens", "cache_lost_pico", "cache_lost_unknown",
)  # fmt: skip
STACKS = ("provider", "operator", "model", "team", "key")
# What days need for what was spent.
COSTS = ("requests", "attempts", "cost_pico", "least_pico", "most_pico", "unbounded")
NEWEST, GROUPS, FULLEST, DRAWN_MOST = 8, 8, 5, 200

router = APIRouter()


@dataclass(frozen=True, slots=True)
class Read:
    """What the ledger says: a period in every way, the days of late, and the newest entries."""

    rows: list[SpendRow]
    total: SpendRow
    drawn: list[SpendRow]
    days: list[SpendRow]
    newest: list[EntryLine]
    saved: Saved | None


@dataclass(frozen=True, slots=True)
class DrawnLine:
    """What a chart shows of one time and group."""

    names: tuple[str, ...]
    row: SpendRow
    money: Money


@dataclass(frozen=True, slots=True)
class Cards:
    """Today, this month and its forecast; ``limit`` is the budget for all calls of a month.

    ``used`` is how much of it is spent, in hundredths; ``over``: it will not last the month.
    """

    today: SpendRow
    today_money: Money
    month_money: Money
    forecast: Forecast | None
    forecast_money: Money
    limit: BudgetRule | None
    limit_text: str
    used: int
    over: bool


@router.get("/dashboard")
@shown("", "by", "show")
async def overview(view: View) -> Response:
    """Show the first page; ``?by=`` is what its chart is stacked by, ``show`` what it is of."""
    by, show = view.choice("by", STACKS), view.choice("show", tuple(charts.MEASURES))
    read, fault = None, ""
    try:
        read = await view.house.books.read(partial(_read, view, by))
    except Refusal as refusal:
        # The rest of the page needs no ledger, and is wanted most when something is wrong.
        fault = refusal.message
    if read is not None and "show" not in view.given and not read.total.most_pico:
        show = "tokens"  # where nothing cost anything there is no cost to draw
    standings, away = await _standings(view)
    is_new = read is not None and not read.newest
    page: dict[str, object] = {
        "fault": fault,
        "away": away,
        "read": read,
        "is_new": is_new,
        "first_call": first_call(view.house, view.request) if is_new else "",
        "by": by,
        "show": show,
        "stacks": STACKS,
        "measures": tuple(charts.MEASURES),
        "budgets": budgets.lines(
            standings, [None] * len(standings), view.now.timestamp(), view.span.zone, view.t,
            FULLEST,
        ),
        "more_budgets": max(0, len(standings) - FULLEST),
    }  # fmt: skip
    if read is not None:
        page |= _figures(view, read, show)
    return view.render(503 if fault else 200, **page)


@router.get("/dashboard/live")
@shown("live")
async def live(view: View) -> Response:
    """Return how many calls are under way, and which entry is the newest: JSON for ``live.js``."""
    newest = await view.house.books.last(1)
    mark = newest[0].attempt_id if newest else ""
    return JSONResponse({"calls": view.house.in_flight, "newest": mark}, headers=HEADERS)


def _read(view: View, by: str, store: Store) -> Read:
    """Read everything of the ledger. In a thread. Raises ``StoreError``."""
    span, zone = view.span, view.house.books.zone
    rows, total = reports.grouped(store, Asked(WAYS, span.since, span.until, zone), NUMBERS)
    drawn, _ = reports.grouped(
        store, Asked((span.grain, by), span.since, span.until, zone), charts.NUMBERS
    )
    asked = Asked(("day",), midnight(_late(view.now.date()), zone), None, zone)
    days, _ = reports.grouped(store, asked, COSTS)
    saved = None
    if total.attempts:
        saved = savings.of(store, view.house.setup, Asked((), span.since, span.until, zone), total)
    newest = entry_lines(pages.last(store, NEWEST), zone, view.t)
    return Read(rows, total, drawn, days, newest, saved)


def _late(today: date) -> date:
    """Return since when days are read: this month's, and as many as a forecast looks at."""
    return min(today.replace(day=1), today - timedelta(days=PACE_DAYS))


def _figures(view: View, read: Read, show: str) -> dict[str, object]:
    """Return what a template shows of the books."""
    total, regions = read.total, _regions(read)
    calls = SpendRow()
    for row in read.rows:
        if row.names[WAYS.index("purpose")] == "call":
            calls.add(row)
    further = max(0, calls.attempts - calls.requests)
    return {
        "total": total,
        "money": spent(total, places([total.most_pico])),
        "cards": _cards(view, read),
        "saved": saved_lines(read.saved, view.t),
        "has_baseline": view.house.setup.config.baseline is not None,
        "errors": percent(total.failed, total.attempts),
        "further": further,
        "fallbacks": percent(further, calls.requests),
        "in_flight": view.house.in_flight,
        "cached": percent(total.tokens_cached, total.tokens_in),
        "cache_lost": _lost(total),
        "regions": regions,
        "strips": {of: _strip(regions, of) for of in ("operated_share", "placed_share")},
        "chart": charts.stack(
            read.drawn,
            view.span.times(view.now),
            show,
            view.t("chart.others"),
            view.t("chart.nobody"),
        ),
        "drawn": _drawn(read.drawn[:DRAWN_MOST]),
        "drawn_more": max(0, len(read.drawn) - DRAWN_MOST),
        "providers": group_lines(reports.folded(read.rows, 0), total, GROUPS),
        "models": group_lines(reports.folded(read.rows, 1), total, GROUPS),
        "groups_shown": GROUPS,
    }


def _cards(view: View, read: Read) -> Cards:
    today, month = view.now.date(), SpendRow()
    of_today = SpendRow()
    for row in read.days:
        day = date.fromisoformat(row.names[0])
        if day == today:
            of_today.add(row)
        if (day.year, day.month) == (today.year, today.month):
            month.add(row)
    ahead = forecast(read.days, month, view.now, view.span.zone)
    rules = (rule for rule in view.house.setup.budgets if rule.per == "month")
    limit = next((rule for rule in rules if not whose(rule)), None)
    decimals = places([month.most_pico])
    return Cards(
        today=of_today,
        today_money=spent(of_today, decimals),
        month_money=spent(month, decimals),
        forecast=ahead,
        forecast_money=_ahead(ahead, decimals) if ahead is not None else Money("–", ""),
        limit=limit,
        limit_text=usd(limit.limit, 2) if limit is not None else "",
        used=min(100, 100 * month.most_pico // limit.limit) if limit and limit.limit else 0,
        over=limit is not None and ahead is not None and ahead.most_pico > limit.limit,
    )


def _ahead(found: Forecast, decimals: int) -> Money:
    return band(found.least_pico, found.most_pico, decimals, found.unbounded)


def _lost(total: SpendRow) -> Money:
    """Return what route changes cost in cached tokens."""
    pico, unknown = total.cache_lost_pico, total.cache_lost_unknown
    if unknown and not pico:
        return Money("unknown", "", unknown)
    return Money(usd(pico, places([pico])), Money.exactly(pico), unknown)


@dataclass(frozen=True, slots=True)
class RegionLine:
    """What one region had of a time, by who runs the machines and by where they stand."""

    region: str
    operated: Money
    operated_tokens: int
    operated_share: str
    placed: Money
    placed_tokens: int
    placed_share: str


@dataclass(frozen=True, slots=True)
class StripPart:
    """One region's part of a strip: where it begins and how wide it is, in thousandths."""

    region: str
    x: int
    width: int


def _regions(read: Read) -> list[RegionLine]:
    found = shares(read.rows, WAYS.index("operator"), WAYS.index("place"))
    decimals, whole = places(one.by_operator.most_pico for one in found), read.total.tokens

    def line(one: Share) -> RegionLine:
        operated, placed = one.by_operator, one.by_place
        return RegionLine(
            one.region,
            spent(operated, decimals),
            operated.tokens,
            percent(operated.tokens, whole),
            spent(placed, decimals),
            placed.tokens,
            percent(placed.tokens, whole),
        )

    return [line(one) for one in found if one.by_operator.attempts or one.by_place.attempts]


def _strip(lines: list[RegionLine], of: str) -> list[StripPart]:
    """Return the parts of a strip, side by side."""
    tokens = [one.operated_tokens if of == "operated_share" else one.placed_tokens for one in lines]
    whole, gone, parts = sum(tokens), 0, []
    for line, count in zip(lines, tokens, strict=True):
        if count > 0:
            begin, end = 1000 * gone // whole, 1000 * (gone + count) // whole
            parts.append(StripPart(line.region, begin, end - begin))
        gone += count
    return parts


def _drawn(rows: list[SpendRow]) -> list[DrawnLine]:
    decimals = places(row.most_pico for row in rows)
    return [DrawnLine(row.names, row, spent(row, decimals)) for row in rows]


async def _standings(view: View) -> tuple[list[Standing], str]:
    """Return how budgets stand, or why that is not known."""
    try:
        return await admin_budgets.standings(view.house), ""
    except Refusal as refusal:
        return [], refusal.message
