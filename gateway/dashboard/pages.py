"""``GET /dashboard``: pages rendered here that need no script and show no secret."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, Response
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from billing.limits import Standing
from billing.reports import Asked
from gateway import admin_budgets
from gateway.admin import house_for_admin, parameters
from gateway.dashboard import accounts, budgets, view
from gateway.dashboard.figures import short
from gateway.errors import Refusal
from gateway.house import House
from gateway.periods import PERIODS, first_and_last_day, midnight

ENTRIES = 25
# Budgets that the first page shows, the fullest.
FULLEST = 5
USUAL_PERIOD = "7d"
TITLE_MAX_CHARS = 300
HERE = Path(__file__).parent
HEADERS = {
    "content-security-policy": "default-src 'none'; style-src 'self'; img-src data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cache-control": "no-store",
}
ASK_FOR_KEY = {"www-authenticate": 'Basic realm="Entrepot admin key", charset="UTF-8"'}

router = APIRouter()


def _environment() -> Environment:
    made = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters["short"] = short
    made.filters["whole"] = lambda text: short(text, TITLE_MAX_CHARS)
    made.filters["count"] = lambda number: f"{number:,}"
    return made


TEMPLATES = _environment()


@dataclass(frozen=True, slots=True)
class Shown:
    """Whose books a page shows, and of which days: from ``first`` to ``last``, today."""

    house: House
    period: str
    first: date
    last: date
    now: datetime

    def parts(self) -> dict[str, Any]:
        """Return what every page's template needs of it."""
        return {
            "first": self.first,
            "last": self.last,
            "now": self.now,
            "period": self.period,
            "periods": PERIODS,
            "zone": str(self.house.books.zone),
            "alarms": view.alarms(self.house),
            "config_hash": self.house.setup.hash,
            "policy_hash": self.house.setup.policy.hash,
        }


@router.get("/dashboard")
async def dashboard(request: Request) -> Response:
    """Spend, tokens, entries and providers; ``?period=`` today, 7d, 30d or month."""
    try:
        house = house_for_admin(request)
    except Refusal as refusal:
        return _closed(refusal)
    shown, zone = _shown(request, house), house.books.zone
    since, until = midnight(shown.first, zone), midnight(shown.last + timedelta(days=1), zone)
    figures, fault = None, ""
    try:
        seen = await house.books.overview(since, until, ENTRIES)
        saved = await house.books.saved(house.setup, Asked((), since, until, zone), seen.total)
        figures = view.figures(seen, saved, house, shown.first, shown.last, zone)
    except Refusal as refusal:
        # The rest of the page needs no ledger, and is wanted most when something is wrong.
        fault = refusal.message
    standings, away = await _standings(house)
    page = TEMPLATES.get_template("dashboard.html").render(
        figures=figures,
        fault=fault,
        budgets=budgets.lines(
            standings, [None] * len(standings), shown.now.timestamp(), zone, FULLEST
        ),
        more_budgets=max(0, len(standings) - FULLEST),
        away=away,
        **shown.parts(),
        **_about(house, request),
    )
    return HTMLResponse(page, status_code=503 if fault else 200, headers=HEADERS)


@router.get("/dashboard/budgets")
async def accounts_page(request: Request) -> Response:
    """Budgets with forecasts, plans, servers at home, and how the ledger itself is."""
    try:
        house = house_for_admin(request)
    except Refusal as refusal:
        return _closed(refusal)
    shown, zone = _shown(request, house), house.books.zone
    plans: list[accounts.PlanLine] = []
    at_home: list[accounts.HomeLine] = []
    fault = ""
    try:
        span = (midnight(shown.first, zone), shown.now)
        plans, at_home = await house.books.read(lambda store: accounts.read(house, store, span))
    except Refusal as refusal:
        fault = refusal.message
    standings, away = await _standings(house)
    standings.sort(key=budgets.fullness, reverse=True)
    late = await admin_budgets.paces(house, standings, shown.now.timestamp())
    page = TEMPLATES.get_template("accounts.html").render(
        fault=fault,
        budgets=budgets.lines(standings, late, shown.now.timestamp(), zone),
        more_budgets=max(0, len(standings) - budgets.LINES_MOST),
        away=away,
        plans=plans,
        at_home=at_home,
        ledger=accounts.ledger(house),
        **shown.parts(),
    )
    return HTMLResponse(page, status_code=503 if fault else 200, headers=HEADERS)


@router.get("/dashboard/style.css")
async def style() -> Response:
    """The pages' one style sheet; nothing in it is anybody's secret."""
    headers = {**HEADERS, "cache-control": "no-cache"}
    return Response((HERE / "style.css").read_bytes(), media_type="text/css", headers=headers)


def _shown(request: Request, house: House) -> Shown:
    period = parameters(request, "period").get("period", USUAL_PERIOD)
    if period not in PERIODS:
        raise Refusal(
            "invalid_request", f"`period` must be one of {', '.join(PERIODS)}", param="period"
        )
    now = datetime.now(house.books.zone)
    first, last = first_and_last_day(period, now)
    return Shown(house, period, first, last, now)


async def _standings(house: House) -> tuple[list[Standing], str]:
    """Return how budgets stand, or why that is not known."""
    try:
        return await admin_budgets.standings(house), ""
    except Refusal as refusal:
        return [], refusal.message


def _about(house: House, request: Request) -> dict[str, Any]:
    # Where the socket listens, not what a Host header says.
    host, port = request.scope.get("server") or ("", None)
    if port is None:
        host, port = house.setup.config.server.host, house.setup.config.server.port
    address = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
    return {
        "warnings": [str(problem) for problem in house.setup.warnings],
        "providers": view.providers(house),
        "first_call": view.first_call(house, address),
    }


def _closed(refusal: Refusal) -> Response:
    """Return the page of somebody without the admin key; a browser then asks for it."""
    page = TEMPLATES.get_template("closed.html").render(words=refusal.message)
    asks = ASK_FOR_KEY if refusal.code == "invalid_key" else {}
    return HTMLResponse(page, status_code=refusal.status, headers={**HEADERS, **asks})
