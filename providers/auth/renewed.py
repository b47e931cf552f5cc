"""A credential that ends and is made anew: one exchange at a time, the old one serving so long."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime, timedelta

from providers.errors import UpstreamError

# What ends within this time is renewed; while that fails it still serves to its end.
RENEW_BEFORE = timedelta(minutes=5)
Clock = Callable[[], datetime]
Renew = Callable[[], Awaitable[tuple[Mapping[str, str], datetime]]]


def now() -> datetime:
    """Return the time of day, in UTC."""
    return datetime.now(UTC)


class Renewed:
    """Headers that carry a credential for a while.

    ``renew`` gives new ones and when they end, or raises ``UpstreamError``; it is never called
    twice at once.
    """

    def __init__(self, renew: Renew, clock: Clock) -> None:
        self._renew = renew
        self._clock = clock
        self._lock = asyncio.Lock()
        self._headers: Mapping[str, str] = {}
        self._until = datetime.min.replace(tzinfo=UTC)

    async def headers(self) -> dict[str, str]:
        """Return good headers, made anew where need be. Raises what ``renew`` raises.

        However many ask at once, one exchange is made.
        """
        if not self._lasts(RENEW_BEFORE):
            async with self._lock:
                if not self._lasts(RENEW_BEFORE):
                    try:
                        self._headers, self._until = await self._renew()
                    except UpstreamError:
                        if not self._lasts(timedelta()):
                            raise
        return dict(self._headers)

    def _lasts(self, longer_than: timedelta) -> bool:
        return bool(self._headers) and self._clock() < self._until - longer_than
