"""The connections of our own client: HTTP/1.1, kept open and used again, so many to a host at most.

Why it is there, what it costs and what is left to the library: docs/decisions/0013.
"""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import suppress

from providers.client_answer import not_http, stale, unmade
from providers.client_connection import Connection
from providers.client_dialling import Dialler
from providers.client_own_answer import OwnAnswer
from providers.client_target import Way

# Below the idle limit of the usual load balancers (60 s), so that we close first.
IDLE_S = 50.0
CLOSING_S = 2.0
PLACES_MAX = 256


class Pool:
    """The connections of one process. Make it inside a running loop; ``close`` it at the end.

    A connection that nobody uses is closed after ``idle_s`` seconds.
    """

    def __init__(
        self, *, connect_s: float, connections_per_host: int, idle_s: float = IDLE_S
    ) -> None:
        self.loop = asyncio.get_running_loop()
        self.limit = connections_per_host
        self.idle_s = idle_s
        self.dialler = Dialler(connect_s)
        self.is_closed = False
        self._places: dict[str, _Place] = {}
        self._sweep: asyncio.TimerHandle | None = None
        self._emptied = self.loop.create_future()

    async def ask(self, way: Way, head: bytes, payload: bytes | None) -> OwnAnswer:
        """Send a request and return its answer when the headers are here.

        ``head`` and ``payload`` are as ``Connection.ask`` takes them. Whoever is cancelled here has
        cut the connection. Raises ``UpstreamError``.
        """
        place = self._places.get(way.origin) or self._place(way)
        connection = place.idle_one() or await place.another()
        answer = connection.ask(head, payload)
        try:
            await answer.more()
        except asyncio.CancelledError:
            answer.close()
            raise
        fault = answer.fault
        if fault is not None and (not answer.status or fault[0] is not_http):
            raise fault[0](fault[1])
        answer.is_given = True
        return answer

    async def close(self) -> None:
        """Cut every connection, and wait until they are closed."""
        self.is_closed = True
        self.dialler.close()
        if self._sweep is not None:
            self._sweep.cancel()
        for place in self._places.values():
            place.close()
        if self._has_open():
            await asyncio.wait([self._emptied], timeout=CLOSING_S)

    def expect_idle(self) -> None:
        """See to it that somebody looks for what has been idle for too long."""
        if self._sweep is None:
            self._sweep = self.loop.call_later(self.idle_s, self._swept)

    def one_less(self) -> None:
        """Take note that a connection is closed."""
        if self.is_closed and not self._emptied.done() and not self._has_open():
            self._emptied.set_result(None)

    def _has_open(self) -> bool:
        return any(place.has_open for place in self._places.values())

    def _place(self, way: Way) -> _Place:
        if len(self._places) >= PLACES_MAX:
            # Servers that were launched anew have had many ports.
            kept = {name: one for name, one in self._places.items() if not one.is_unused}
            self._places = kept
        place = self._places[way.origin] = _Place(self, way)
        return place

    def _swept(self) -> None:
        self._sweep = None
        long_ago = self.loop.time() - self.idle_s
        oldest = [place.swept(long_ago) for place in self._places.values()]
        since = min((one for one in oldest if one is not None), default=None)
        if since is not None:
            self._sweep = self.loop.call_at(since + self.idle_s, self._swept)


class _Place:
    """One scheme, host and port: its connections, and who waits for one where there are enough."""

    def __init__(self, pool: Pool, way: Way) -> None:
        self._pool = pool
        self._way = way
        self._taken = 0  # of the limit, by those that are being opened, too
        self._open: set[Connection] = set()
        self._idle: list[Connection] = []  # the one that became so last is last
        self._waiting: deque[asyncio.Future[Connection | None]] = deque()
        self._hoping: deque[asyncio.Future[Connection]] = deque()  # while they open their own

    @property
    def has_open(self) -> bool:
        """Whether a connection is open."""
        return bool(self._open)

    @property
    def is_unused(self) -> bool:
        """Whether nothing is open, or being opened, or waited for."""
        return not self._taken and not self._waiting

    def idle_one(self) -> Connection | None:
        """Return the idle connection that was used last; None where there is none."""
        idle = self._idle
        while idle:
            connection = idle.pop()
            if connection.is_open:
                if connection.since > self._pool.loop.time() - self._pool.idle_s:
                    return connection
                connection.abort()
        return None

    async def another(self) -> Connection:
        """Return a new connection, or where there are enough, one that others are done with.

        Those who wait get them in turn. Raises ``UpstreamError``.
        """
        while self._taken >= self._pool.limit:
            connection = await self._in_turn()
            if connection is None:
                return await self._dialled()
            if connection.is_open:
                return connection
        self._taken += 1
        return await (self._sooner() if self._open else self._dialled())

    def swept(self, long_ago: float) -> float | None:
        """Close what is idle since ``long_ago``; return since when the oldest that is left is."""
        idle = self._idle
        while idle and idle[0].since <= long_ago:
            idle.pop(0).abort()
        return idle[0].since if idle else None

    def close(self) -> None:
        """Cut all connections, and send away whoever waits for one."""
        for connection in tuple(self._open):
            connection.abort()
        for waiter in tuple(self._waiting):
            self._taken += 1
            waiter.set_result(None)
        self._waiting.clear()

    async def _in_turn(self) -> Connection | None:
        """Wait for a connection; None means that one may be opened, which is counted already."""
        waiter: asyncio.Future[Connection | None] = self._pool.loop.create_future()
        self._waiting.append(waiter)
        try:
            return await waiter
        except asyncio.CancelledError:
            if waiter.cancelled():
                with suppress(ValueError):
                    self._waiting.remove(waiter)
            elif (connection := waiter.result()) is None:
                self._vacant()
            elif connection.is_open:
                self._free(connection)
            raise

    async def _sooner(self) -> Connection:
        """Open a connection, which is counted already, or take one that becomes free before that.

        What is opened all the same is for whoever comes next.
        """
        opening = self._pool.loop.create_task(self._dialled())
        hope: asyncio.Future[Connection] = self._pool.loop.create_future()
        self._hoping.append(hope)
        try:
            await asyncio.wait((opening, hope), return_when=asyncio.FIRST_COMPLETED)
            if not (hope.done() and hope.result().is_open):
                await asyncio.wait((opening,))
        except asyncio.CancelledError:
            opening.cancel()
            opening.add_done_callback(self._opened_for_others)
            if hope.done() and hope.result().is_open:
                self._free(hope.result())
            raise
        finally:
            if not hope.done():
                self._hoping.remove(hope)
        if hope.done() and hope.result().is_open:
            opening.add_done_callback(self._opened_for_others)
            return hope.result()
        return opening.result()

    def _opened_for_others(self, opening: asyncio.Task[Connection]) -> None:
        if not opening.cancelled() and opening.exception() is None and opening.result().is_open:
            self._free(opening.result())

    async def _dialled(self) -> Connection:
        """Open a connection, which is counted already."""
        connection = None
        try:
            if self._pool.is_closed:
                raise unmade("the client is closed")
            made = await self._pool.dialler.dial(self._way, self._made)
            if self._pool.is_closed:
                made.abort()
                raise unmade("the client is closed")
            if not made.is_open:
                raise stale()
            connection = made
            self._open.add(connection)
            return connection
        finally:
            if connection is None:
                self._vacant()

    def _made(self) -> Connection:
        return Connection(self._pool.loop, self._free, self._lost)

    def _free(self, connection: Connection) -> None:
        """Give a connection that can be used again to who waits first, or keep it for later."""
        while self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.done():
                waiter.set_result(connection)
                return
        if self._hoping:
            self._hoping.popleft().set_result(connection)
            return
        connection.since = self._pool.loop.time()
        self._idle.append(connection)
        self._pool.expect_idle()

    def _lost(self, connection: Connection) -> None:
        """Forget a connection that is closed. One that never was ours is its opener's to count."""
        if connection in self._open:
            self._open.remove(connection)
            with suppress(ValueError):
                self._idle.remove(connection)
            self._vacant()
            self._pool.one_less()

    def _vacant(self) -> None:
        """Let who waits first open a connection in the place of one that is gone."""
        self._taken -= 1
        while self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.done():
                self._taken += 1
                waiter.set_result(None)
                return
