"""What is left of plans by their vendors' own word: asked in the background, read in headers.

Each key is sent to the address that it is bound to and nowhere else, through the one client and so
past the guard. A plan is asked while it is in use, every few minutes; no call waits for it. An
endpoint that says nothing readable is asked ever more rarely.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial

from gateway.ending import end
from providers import plan_reading
from providers.client import Client
from providers.endpoint import Endpoint
from providers.errors import UpstreamError
from providers.plan import Quota
from routing.route import Route
from routing.windows import Windows

AGAIN_S = 180.0
# After so many answers in a row that said nothing the wait doubles no more.
DOUBLED_MOST = 5
WITHIN_S = 10.0
ANSWER_MAX_BYTES = 256 * 1024
KEYS_MOST = 1024


@dataclass(slots=True)
class _Asked:
    """When one key was asked last, and how many answers in a row said nothing."""

    at: float = float("-inf")
    silent: int = 0


class PlanReading:
    """Asks vendors what is left of plans; ``clock`` is monotonic seconds."""

    def __init__(
        self, client: Client, windows: Windows, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._client = client
        self._windows = windows
        self._clock = clock
        self._quotas: Mapping[str, Quota] = {}
        self._asked: dict[str, _Asked] = {}
        self._asking: dict[str, asyncio.Task[None]] = {}

    def hold(self, quotas: Mapping[str, Quota]) -> None:
        """Ask for the plans of these providers from now on, and for no others."""
        self._quotas = quotas

    @property
    def is_on(self) -> bool:
        """Whether any plan's vendor can be asked."""
        return bool(self._quotas)

    def look(self, routes: Iterable[Route]) -> None:
        """Have the vendors of the plans among ``routes`` asked, where that is due."""
        now = self._clock()
        for route in routes:
            quota = self._quotas.get(route.provider)
            if quota is None or not quota.path or route.available:
                continue
            for key in route.endpoints:
                self._ask_if_due(route.provider, key, quota, now)

    def headers(self, route: Route, endpoint: Endpoint, headers: Mapping[str, str]) -> None:
        """Read what the headers of an answer (names in lower case) tell of the windows."""
        quota = self._quotas.get(route.provider)
        if quota is not None and quota.headers:
            self._tell(route.provider, endpoint, plan_reading.told(quota.headers, headers))

    async def close(self) -> None:
        """Ask nothing any more."""
        await end(self._asking.values())

    def _ask_if_due(self, provider: str, key: Endpoint, quota: Quota, now: float) -> None:
        if key.quota in self._asking or not key.base_url or key.signer is not None:
            return
        known = self._asked.get(key.quota)
        if known is None:
            if len(self._asked) >= KEYS_MOST:
                self._asked.clear()
            known = self._asked[key.quota] = _Asked()
        if now - known.at < AGAIN_S * 2 ** min(known.silent, DOUBLED_MOST):
            return
        known.at = now
        task = asyncio.ensure_future(self._ask(provider, key, quota, known))
        self._asking[key.quota] = task
        task.add_done_callback(partial(self._over, key.quota))

    def _over(self, key: str, _task: asyncio.Task[None]) -> None:
        self._asking.pop(key, None)

    async def _ask(self, provider: str, key: Endpoint, quota: Quota, known: _Asked) -> None:
        raw = await fetched(self._client, key, quota.path)
        words = plan_reading.answer_told(quota.says, raw)
        known.silent = 0 if words else known.silent + 1
        self._tell(provider, key, words)

    def _tell(self, provider: str, key: Endpoint, words: Iterable[plan_reading.Told]) -> None:
        self._windows.told(provider, key.quota, words)


async def fetched(client: Client, key: Endpoint, path: str) -> bytes:
    """Return what the endpoint of a plan answers to one key; nothing where it does not."""
    base = key.base_url.rstrip("/")
    if path.startswith("/v1/") and base.endswith("/v1"):
        path = path.removeprefix("/v1")
    headers = next(iter(key.headers.values()), {})
    try:
        async with asyncio.timeout(WITHIN_S):
            answer = await client.get(base + path, headers, within_s=WITHIN_S)
            try:
                return await answer.read(ANSWER_MAX_BYTES) if answer.status == 200 else b""
            finally:
                answer.close()
    except (UpstreamError, TimeoutError):
        return b""
