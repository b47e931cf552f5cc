"""``GET /api/budgets``: what is spent, held and left of each budget, and when it is used up."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from fastapi import APIRouter, Request, Response

from billing.limits import Standing, StateAwayError
from billing.store import StoreError
from gateway import budget_told
from gateway.admin import answer, house_for_admin, parameters
from gateway.errors import Refusal
from gateway.house import House

# Accounts whose pace of late is read; of the others it is not told.
PACED_MAX = 100

router = APIRouter()


@router.get("/api/budgets")
async def budgets(request: Request) -> Response:
    """Every budget with its accounts; where the ledger is away, without the pace of late."""
    house = house_for_admin(request)
    parameters(request)
    return answer(await standing(house))


async def standing(house: House) -> dict[str, Any]:
    """Return how all budgets stand. Raises ``Refusal`` where the limits' server is away."""
    zone, now_s = house.setup.config.server.zone, time.time()
    found = await standings(house)
    late = await paces(house, found, now_s)
    rows = [
        budget_told.told(one, of_late, now_s, zone)
        for one, of_late in zip(found, late, strict=True)
    ]
    return {"time_zone": str(zone), "budgets": rows}


async def standings(house: House) -> list[Standing]:
    """Return how all accounts stand. Raises ``Refusal`` where the limits' server is away."""
    try:
        return await house.limits.standings()
    except StateAwayError as away:
        raise Refusal("ledger_unavailable", f"the limits cannot be read: {away}") from None


async def paces(house: House, found: list[Standing], now_s: float) -> list[int | None]:
    """Return what the first ``PACED_MAX`` accounts spent of late, 1e-12 dollars; None: unknown."""
    late: list[int | None] = [None] * len(found)
    if house.sums is not None:
        first = found[:PACED_MAX]
        try:
            of_late = await asyncio.to_thread(budget_told.recent, house.sums, first, now_s)
            late[: len(of_late)] = of_late
        except StoreError:
            pass  # what is spent is told in any case
    return late
