"""How machines at home are shared by the answers that they give at once, and what they draw.

A machine answers several calls at the price of one hour, so each gets its part of the time: of two
that run at once half of it. For that a clock goes for each machine that is the slower the more of
them run; what it shows between the beginning of an answer and its end is the answer's part, and the
parts add up to the time in which the machine was busy.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal

from billing import home_cost
from gateway.power import Power
from routing.route import Route


@dataclass(slots=True)
class _Shared:
    """One machine: ``shown`` by its slow clock at ``at``, both in nanoseconds."""

    at: int
    shown: int = 0
    begun: dict[object, int] = field(default_factory=dict)

    def move(self, now: int) -> None:
        """Let the clock go on to ``now``."""
        if self.begun:
            self.shown += (now - self.at) // len(self.begun)
        self.at = now


@dataclass(frozen=True, slots=True)
class Took:
    """What one answer took of its machine: its part of the time, money and energy.

    ``ns`` nanoseconds, ``pico`` 1e-12 dollars, ``joules`` beyond idling (None: no power is known).
    ``measured`` says that the power was measured and not stated.
    """

    ns: int
    pico: int
    joules: int | None
    measured: bool = False


class HomeMeter:
    """The machines at home; one for the process. ``clock`` is monotonic nanoseconds.

    ``power`` is what this machine says of itself.
    """

    def __init__(
        self, power: Power | None = None, clock: Callable[[], int] = time.perf_counter_ns
    ) -> None:
        self.power = power or Power()
        self._clock = clock
        self._shared: dict[str, _Shared] = {}

    def began(self, route: Route, attempt: object) -> None:
        """Note that an answer is under way."""
        if route.usd_per_hour is None:
            return
        now = self._clock()
        # One for each provider of the config: as many as that has.
        shared = self._shared.setdefault(route.provider, _Shared(now))
        shared.move(now)
        shared.begun[attempt] = shared.shown

    def ended(self, route: Route, attempt: object) -> None:
        """Note that an answer is over that was not settled."""
        if route.usd_per_hour is not None:
            self._part(route, attempt)

    def took(self, route: Route, attempt: object) -> Took | None:
        """Return what an answer took, once: it is over then. None where it never began here."""
        if route.usd_per_hour is None:
            return None
        part = self._part(route, attempt)
        if part is None:
            return None
        usd, watts, drawn = route.usd_per_hour, route.watts, self.power.watts(route.provider)
        if watts and drawn is not None:
            # The tariff is in the price of an hour at the stated watts.
            usd, watts = usd * drawn / watts, drawn
        return Took(part, *home_cost.answer(usd, watts, part), measured=drawn is not None)

    def _part(self, route: Route, attempt: object) -> int | None:
        shared = self._shared.get(route.provider)
        if shared is None or attempt not in shared.begun:
            return None
        shared.move(self._clock())
        return shared.shown - shared.begun.pop(attempt)


def source(took: Took, usd_per_hour: Decimal) -> str:
    """Return in words where the price of an answer at home comes from, for the ledger."""
    how = ", by measured power" if took.measured else ""
    return f"config: {usd_per_hour.normalize():f} USD per hour{how}"
