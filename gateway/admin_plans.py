"""The operators' API of what is not paid by the token: subscriptions, and machines at home."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response

from billing.store import Store
from gateway import home_report, plan_report
from gateway.admin import answer, house_for_admin, parameters, span, span_told, wrong
from gateway.house import House

USUAL_DAYS = 30

router = APIRouter()


@router.get("/api/plans")
async def plans(request: Request) -> Response:
    """What each plan took in, cost and saved, and what is left: ``?since=&until=&beside=ROUTE``.

    The usual span is the last 30 days.
    """
    house, time, beside = _asked(request)
    setup, zone = house.setup, house.books.zone

    def report(store: Store) -> list[dict[str, Any]]:
        found = plan_report.reports(setup, store, house.windows, time, beside)
        return [plan_report.told(one, zone) for one in found]

    found = await house.books.read(report)
    return answer({**span_told(*time, zone), "plans": found, "waiting": house.books.waiting})


@router.get("/api/home")
async def home(request: Request) -> Response:
    """What each server at home cost, marginal and full: ``?since=&until=&beside=ROUTE``."""
    house, time, beside = _asked(request)
    setup = house.setup

    def report(store: Store) -> list[dict[str, Any]]:
        found = home_report.reports(setup, store, time, beside=beside)
        return [home_report.told(one) for one in found]

    found = await house.books.read(report)
    told = {"servers": found, "waiting": house.books.waiting}
    return answer({**span_told(*time, house.books.zone), **told})


def _asked(request: Request) -> tuple[House, tuple[datetime, datetime], str]:
    """Return the house, the span and the route to compare with. Raises ``Refusal``."""
    house = house_for_admin(request)
    given = parameters(request, "since", "until", "beside")
    since, until = span(given, house.books.zone)
    last = until or datetime.now(house.books.zone)
    try:
        first = since or last - timedelta(days=USUAL_DAYS)
    except OverflowError:
        raise wrong("until", "must be a time that a ledger can have") from None
    if last <= first:
        raise wrong("since", "must be earlier than now")
    beside = given.get("beside", "")
    owner, _, model = beside.partition("/")
    if beside and (owner not in house.setup.providers or not model):
        raise wrong("beside", "must be a route of the config, PROVIDER/MODEL")
    return house, (first, last), beside
