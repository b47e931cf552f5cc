"""What an attempt sets aside in the budgets of the provider that it goes to, right before it goes.

The plan has left out routes without room, by what was known then; here it is certain. What a call
may cost in budgets that do not depend on the route was set aside before (``choosing``).
"""

from __future__ import annotations

from datetime import UTC, datetime

from billing.limits import FREE, Hold, OverLimitError, StateAwayError
from billing.money import PICO_PER_USD
from gateway.call import Call
from gateway.choosing import on_debt
from gateway.errors import Refusal
from gateway.house import House
from routing.route import Route, ceiling, hold_most

AGAIN_IN_S = 1.0


class NoRoomError(Exception):
    """The provider's budget has no room for an attempt; the text says why.

    ``frees_in_s`` is when there may be some.
    """

    def __init__(self, reason: str, frees_in_s: float) -> None:
        super().__init__(reason)
        self.frees_in_s = frees_in_s


async def held_at(house: House, call: Call, route: Route) -> Hold:
    """Set aside what an attempt at ``route`` can cost. Raises ``NoRoomError``."""
    limits = house.limits
    if not limits.per_route:
        return FREE
    now = datetime.now(UTC)
    most = ceiling(route, now, call.size)
    if most is None and call.setup.config.unpriced == "allow":
        most = hold_most(route, now, call.size) or 0
    try:
        return await limits.hold_route(call.who, route.provider, most)
    except OverLimitError as over:
        raise NoRoomError(over.message, over.retry_after_s or AGAIN_IN_S) from None
    except StateAwayError as away:
        try:
            return on_debt(house, call.who, most, away)
        except Refusal as refusal:
            raise NoRoomError(refusal.message, AGAIN_IN_S) from None


def overran(house: House, call: Call, over: int) -> None:
    """Note what a call cost over what was set aside for it, 1e-12 dollars; nearly always 0."""
    if over:
        call.record.overrun_pico += over
        house.metrics.count("budget_overrun_usd", (call.who.key,), over / PICO_PER_USD)
