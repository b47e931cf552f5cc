"""What has become of the attempts at one call so far."""

from __future__ import annotations

import asyncio

from msgspec import Struct, field

from gateway.at_home import UnfitError
from gateway.call import Call
from gateway.house import House
from gateway.lanes import Cannot
from providers.errors import UpstreamError
from routing import retry
from routing.route import Route


class Tries(Struct, eq=False):
    """The attempts at one call. ``total_at``, when it must be over, is loop time.

    ``passed`` are the routes that were not asked, with the seconds until they may be.
    """

    house: House
    call: Call
    total_at: float
    number: int = 0
    faults: list[tuple[Route, UpstreamError]] = field(default_factory=list)
    cannot: list[tuple[Route, Cannot]] = field(default_factory=list)
    passed: list[tuple[Route, str, float]] = field(default_factory=list)

    @property
    def left_s(self) -> float:
        """Seconds until the call must be over."""
        return self.total_at - asyncio.get_running_loop().time()

    @property
    def over(self) -> bool:
        """Whether no other route may be tried: the fault is the request's own, or time is up."""
        if not self.faults:
            return False
        fault = self.faults[-1][1]
        final = not retry.CURES[fault.kind].other and not isinstance(fault, UnfitError)
        return final or self.left_s <= 0
