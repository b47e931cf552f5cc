"""Tells of budgets: a line in the log, and a call to a webhook, where the config names one.

Never in the way of calls: alerts wait in a bounded queue, each is sent with a limit of time, and
tried once more. The body is JSON: ``event`` ("budget_alert"), ``text`` (a sentence, which is what
chat programs show), ``budget``, ``account`` (the key or user, "" for all), ``share_percent``,
``spent_usd`` and ``usd`` (decimal texts), ``per``, ``since`` and ``until`` (the period), ``soft``.
It holds no key, no address and nothing of a prompt.
"""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime, tzinfo
from typing import Any

from billing.limits import Crossed
from billing.money import usd_text
from gateway.log import LineLog
from gateway.metrics import Metrics
from gateway.setup import Setup
from providers.client import Client, target
from providers.errors import UpstreamError

QUEUE_MAX = 100
TOLD_MAX = 10_000
WITHIN_S = 5.0
AGAIN_IN_S = 2.0
ANSWER_MAX_BYTES = 1024


class Alerts:
    """Takes what passes a share of a budget. ``setup`` gives the one in force."""

    def __init__(
        self, client: Client, log: LineLog, metrics: Metrics, setup: Callable[[], Setup]
    ) -> None:
        self._client = client
        self._log = log
        self._metrics = metrics
        self._setup = setup
        self._waiting: deque[tuple[str, str, bytes]] = deque()
        self._sending: asyncio.Task[None] | None = None
        self._told: dict[tuple[str, str, int], int] = {}

    def crossed(self, one: Crossed) -> None:
        """Tell of it once a period: a window that rolls passes a share again and again."""
        key = (one.rule.ident, one.account, one.share)
        if self._told.get(key, 0) > one.frame.current:
            return
        if len(self._told) >= TOLD_MAX:
            self._told.clear()
        self._told[key] = one.frame.current + one.frame.end - one.frame.oldest
        setup = self._setup()
        body = said(one, setup.config.server.zone)
        self._log.write({name: value for name, value in body.items() if name != "text"})
        url = setup.webhooks.get(one.rule.name)
        if url is None:
            return
        if len(self._waiting) >= QUEUE_MAX:
            self._count(one.rule.name, "dropped")
            return
        self._waiting.append((one.rule.name, url, json.dumps(body).encode()))
        if self._sending is None:
            self._sending = asyncio.get_running_loop().create_task(self._send(), name="alerts")

    async def close(self) -> None:
        """Give what waits a moment, and end."""
        if self._sending is not None:
            await asyncio.wait([self._sending], timeout=WITHIN_S)
        if self._sending is not None:
            self._sending.cancel()
            await asyncio.wait([self._sending])

    async def _send(self) -> None:
        try:
            while self._waiting:
                budget, url, body = self._waiting.popleft()
                if not await self._sent(url, body):
                    await asyncio.sleep(AGAIN_IN_S)
                    if not await self._sent(url, body):
                        self._count(budget, "failed")
                        self._log.write({"event": "alert_not_sent", "budget": budget})
                        continue
                self._count(budget, "sent")
        finally:
            self._sending = None

    async def _sent(self, url: str, body: bytes) -> bool:
        try:
            async with asyncio.timeout(WITHIN_S):
                answer = await self._client.post(target(url, {}), body, {})
                await answer.read_some(ANSWER_MAX_BYTES)
                answer.close()
        except (UpstreamError, TimeoutError, OSError):
            return False
        return 200 <= answer.status < 300

    def _count(self, budget: str, result: str) -> None:
        self._metrics.count("budget_alerts", (budget, result))


def said(one: Crossed, zone: tzinfo) -> dict[str, Any]:
    """Return the body of an alert, with times in ``zone``."""
    rule = one.rule
    since, until = (
        datetime.fromtimestamp(at, UTC).astimezone(zone).isoformat()
        for at in (one.frame.oldest, one.frame.end)
    )
    whose = f" of {one.account!r}" if one.account else ""
    left = "only told" if rule.soft else "calls that may pass it are refused"
    return {
        "event": "budget_alert",
        "text": f"Budget {rule.name!r}{whose}: {usd_text(one.spent)} of {rule.usd} USD per "
        f"{rule.per} are spent, past {one.share} %; {left}.",
        "budget": rule.name,
        "account": one.account,
        "share_percent": one.share,
        "spent_usd": usd_text(one.spent),
        "usd": f"{rule.usd:f}",
        "per": rule.per,
        "since": since,
        "until": until,
        "soft": rule.soft,
    }
