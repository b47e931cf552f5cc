"""What tests read of a gateway's limits: without a hold, and without a wait."""

from __future__ import annotations

import asyncio

from billing.limits import Limits, Standing


def standings(limits: Limits) -> list[Standing]:
    """Return how all budgets of limits in memory stand, from any thread."""
    return asyncio.run(limits.standings())


def left(limits: Limits) -> int:
    """Return what the tightest budget has left, 1e-12 dollars."""
    return min(one.rule.limit - one.spent - one.held for one in standings(limits))


def held(limits: Limits) -> int:
    """Return what is set aside now in all budgets together."""
    return sum(one.held for one in standings(limits))
