"""``GET /dashboard``: one page, rendered here, that needs no script and shows no secret."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, Response
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from gateway.admin import house_for_admin, parameters
from gateway.dashboard import view
from gateway.dashboard.figures import short
from gateway.errors import Refusal
from gateway.house import House
from gateway.periods import PERIODS, first_and_last_day, midnight

ENTRIES = 25
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


@router.get("/dashboard")
async def dashboard(request: Request) -> Response:
    """Spend, tokens, entries and providers; ``?period=`` today, 7d, 30d or month."""
    try:
        house = house_for_admin(request)
    except Refusal as refusal:
        return _closed(refusal)
    period = parameters(request, "period").get("period", USUAL_PERIOD)
    if period not in PERIODS:
        raise Refusal(
            "invalid_request", f"`period` must be one of {', '.join(PERIODS)}", param="period"
        )
    zone = house.books.zone
    now = datetime.now(zone)
    first, last = first_and_last_day(period, now)
    figures, fault = None, ""
    try:
        since, until = midnight(first, zone), midnight(last + timedelta(days=1), zone)
        seen = await house.books.overview(since, until, ENTRIES)
        figures = view.figures(seen, house, first, last, zone)
    except Refusal as refusal:
        # The rest of the page needs no ledger, and is wanted most when something is wrong.
        fault = refusal.message
    page = TEMPLATES.get_template("dashboard.html").render(
        figures=figures,
        fault=fault,
        first=first,
        last=last,
        now=now,
        period=period,
        periods=PERIODS,
        zone=str(zone),
        **_about(house, request),
    )
    return HTMLResponse(page, status_code=503 if fault else 200, headers=HEADERS)


@router.get("/dashboard/style.css")
async def style() -> Response:
    """The page's one style sheet; nothing in it is anybody's secret."""
    headers = {**HEADERS, "cache-control": "no-cache"}
    return Response((HERE / "style.css").read_bytes(), media_type="text/css", headers=headers)


def _about(house: House, request: Request) -> dict[str, Any]:
    # Where the socket listens, not what a Host header says.
    host, port = request.scope.get("server") or ("", None)
    if port is None:
        host, port = house.setup.config.server.host, house.setup.config.server.port
    address = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
    return {
        "alarms": view.alarms(house),
        "warnings": [str(problem) for problem in house.setup.warnings],
        "providers": view.providers(house),
        "config_hash": house.setup.hash,
        "policy_hash": house.setup.policy.hash,
        "first_call": view.first_call(house, address),
    }


def _closed(refusal: Refusal) -> Response:
    """Return the page of somebody without the admin key; a browser then asks for it."""
    page = TEMPLATES.get_template("closed.html").render(words=refusal.message)
    asks = ASK_FOR_KEY if refusal.code == "invalid_key" else {}
    return HTMLResponse(page, status_code=refusal.status, headers={**HEADERS, **asks})
