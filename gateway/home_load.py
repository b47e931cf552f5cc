"""How long a call would wait at a server at home: counted here, and read where the server says it.

Only providers with ``max_wait_s`` are looked after. What is under way is counted for each of them,
with how long an answer takes there lately; a server that tells its load is asked for it in the
background, so that the calls of others count too. No call waits for such an answer.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from functools import partial

from gateway.ending import end
from providers import home_asking
from providers.client import Client
from providers.home_server import Load
from routing.outlook import Blocked
from routing.route import Route

AGAIN_S = 1.0
# What a server said so long ago is not true any more.
GOOD_FOR_S = 5.0
NEWEST = 0.2  # how much the newest answer counts in the usual time of one


@dataclass(slots=True)
class _Known:
    """One provider's server; times are of the clock. ``usual_s`` is how long an answer takes."""

    begun: dict[object, float] = field(default_factory=dict)
    usual_s: float | None = None
    load: Load | None = None
    load_at: float = float("-inf")
    asked_at: float = float("-inf")


@dataclass(frozen=True, slots=True)
class Queued:
    """A server at home at one moment: calls that run, those that wait, and how long one would."""

    running: int
    waiting: int
    waits_s: float


class HomeLoad:
    """The queues at home, as far as they are known; one for the process.

    ``address`` gives where the server of a route is, "" for one that does not run yet.
    """

    def __init__(
        self,
        client: Client,
        address: Callable[[Route], Awaitable[str]],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client = client
        self._address = address
        self._clock = clock
        self._known: dict[str, _Known] = {}
        self._asking: dict[str, asyncio.Task[None]] = {}

    @property
    def is_clear(self) -> bool:
        """Whether no server at home is looked after."""
        return not self._known

    def blocked(self, route: Route) -> Blocked | None:
        """Return that ``route`` is busy where a call would wait there longer than its limit."""
        queue = route.queue
        if queue is None:
            return None
        wait = self.waits_s(route)
        if wait <= queue.max_wait_s:
            return None
        what = f"a call would wait about {wait:.0f} s at home, more than {queue.max_wait_s:g} s"
        return Blocked("busy", what, wait)

    def waits_s(self, route: Route) -> float:
        """Return about how many seconds a call would wait at the server of ``route`` now."""
        known, queue = self._known.get(route.provider), route.queue
        if known is None or queue is None:
            return 0.0
        now = self._clock()
        running, waiting = self._there(known, now)
        before = max(running - queue.slots + 1, waiting) if queue.slots is not None else waiting
        if before <= 0:
            return 0.0
        longest = max((now - at for at in known.begun.values()), default=0.0)
        usual = max(known.usual_s or 0.0, longest)
        return before * usual / (queue.slots or max(1, running - waiting))

    def queue(self, route: Route) -> Queued | None:
        """Return the queue at the server of ``route``; None where none is looked after."""
        if route.queue is None:
            return None
        known = self._known.get(route.provider)
        if known is None:
            return Queued(0, 0, 0.0)
        there, waiting = self._there(known, self._clock())
        if route.queue.slots is not None:
            waiting = max(waiting, there - route.queue.slots)
        return Queued(there - waiting, waiting, self.waits_s(route))

    def _there(self, known: _Known, now: float) -> tuple[int, int]:
        """Return how many calls are at a server, and how many of them wait as far as it says."""
        there, waiting = len(known.begun), 0
        if known.load is not None and now - known.load_at <= GOOD_FOR_S:
            # Those of ours are among them, so the larger figure is all there are.
            waiting = known.load.waiting or 0
            there = max(there, (known.load.running or 0) + waiting)
        return there, waiting

    def began(self, route: Route, attempt: object) -> None:
        """Note that ``attempt`` is under way."""
        if route.queue is not None:
            self._of(route).begun[attempt] = self._clock()

    def ended(self, route: Route, attempt: object, *, good: bool) -> None:
        """Note that ``attempt`` is over; only a good one tells how long an answer takes."""
        known = self._known.get(route.provider)
        began = known.begun.pop(attempt, None) if known is not None else None
        if known is None or began is None or not good:
            return
        took = self._clock() - began
        before = known.usual_s
        known.usual_s = took if before is None else before + NEWEST * (took - before)

    def look(self, routes: Iterable[Route]) -> None:
        """Have the servers of ``routes`` asked for their load, where that is due."""
        now = self._clock()
        for route in routes:
            server = route.endpoint.server
            if route.queue is None or server is None or not server.loads:
                continue
            known = self._of(route)
            if now - known.asked_at >= AGAIN_S and route.provider not in self._asking:
                known.asked_at = now
                task = asyncio.ensure_future(self._ask(route, known))
                self._asking[route.provider] = task
                task.add_done_callback(partial(self._asked, route.provider))

    async def close(self) -> None:
        """Ask nothing any more."""
        await end(self._asking.values())

    def _asked(self, provider: str, _task: asyncio.Task[None]) -> None:
        self._asking.pop(provider, None)

    async def _ask(self, route: Route, known: _Known) -> None:
        address = await self._address(route)
        if not address:
            return
        load = await home_asking.load(self._client, route.endpoint, address)
        if load is not None:
            known.load, known.load_at = load, self._clock()

    def _of(self, route: Route) -> _Known:
        # One for each provider of the config: as many as that has.
        return self._known.setdefault(route.provider, _Known())
