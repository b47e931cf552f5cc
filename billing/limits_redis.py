"""The one Redis or Valkey server that gateways share, as ``limits_shared`` asks it.

Every wait is short, no call is tried twice, and while the server is away only the beat asks it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Sequence
from hashlib import sha1
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from billing.limits import StateAwayError

if TYPE_CHECKING:
    from redis.asyncio import Redis

# How long after a fault nobody waits for the server again but the beat.
AWAY_S = 1.0
CONNECT_S = 0.5
REPLY_S = 1.0
# Scripts that are sent in one round.
BATCH_MAX = 128
Reply = list[str]
T = TypeVar("T")


class Call(NamedTuple):
    """The keys and the arguments of a script."""

    keys: list[str]
    arguments: list[str]


class _Asked(NamedTuple):
    """A script that waits to be sent, and who waits for its reply."""

    script: str
    call: Call
    reply: asyncio.Future[Reply]


class Server:
    """A client of the server at ``url`` (redis, rediss, valkey, valkeys); made, it sends nothing.

    Scripts go over one connection, in the order in which they were asked for: what is asked while
    others are under way goes with the next round, all at once. ``away`` is why the server cannot be
    reached, "" where it can. Methods raise ``StateAwayError``, whose text holds no address, since
    that may hold a password. Raises ``ValueError`` for an address that is none.
    """

    def __init__(self, url: str) -> None:
        # Loaded only where it is used: it takes as long as half the gateway's start.
        from redis.asyncio import Redis
        from redis.asyncio.retry import Retry
        from redis.backoff import NoBackoff
        from redis.exceptions import NoScriptError, RedisError

        self._faults = (RedisError, OSError, TimeoutError)
        self._no_script = NoScriptError
        self._redis: Redis = Redis.from_url(
            url.replace("valkey", "redis", 1) if url.startswith("valkey") else url,
            socket_connect_timeout=CONNECT_S,
            socket_timeout=REPLY_S,
            retry=Retry(NoBackoff(), 0),
            decode_responses=True,
        )
        self._shas: dict[str, str] = {}
        self._waiting: list[_Asked] = []
        self._sending: asyncio.Task[None] | None = None
        self._retry_at = 0.0
        self.away = ""

    @property
    def is_out(self) -> bool:
        """Whether the last try has failed just now, so that nobody should wait for another."""
        return bool(self.away) and time.monotonic() < self._retry_at

    async def run(self, script: str, call: Call) -> Reply:
        """Run one script. Cancelled while it waits, it is run all the same."""
        return await self.ask(script, call)

    def ask(self, script: str, call: Call) -> asyncio.Future[Reply]:
        """Have a script run after all that were asked for before; return its reply to be."""
        reply: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Asked(script, call, reply))
        if self._sending is None:
            self._sending = asyncio.create_task(self._send(), name="limits")
        return reply

    async def _send(self) -> None:
        try:
            while self._waiting:
                batch, self._waiting = self._waiting[:BATCH_MAX], self._waiting[BATCH_MAX:]
                try:
                    await self._answer(batch)
                except StateAwayError as away:
                    for asked in batch:
                        _fail(asked, away)
        finally:
            self._sending = None

    async def _answer(self, batch: Sequence[_Asked]) -> None:
        replies = await self._asked(self._all(batch))
        unknown = {
            asked.script
            for asked, reply in zip(batch, replies, strict=True)
            if isinstance(reply, self._no_script)
        }
        if unknown:
            # What is not known has not run; the rest has, and is not sent again.
            for script in unknown:
                await self._asked(self._redis.script_load(script))
            again = [number for number, asked in enumerate(batch) if asked.script in unknown]
            more = await self._asked(self._all([batch[number] for number in again]))
            for number, reply in zip(again, more, strict=True):
                replies[number] = reply
        for asked, reply in zip(batch, replies, strict=True):
            if isinstance(reply, Exception):
                _fail(asked, StateAwayError(f"{type(reply).__name__}: {str(reply)[:200]}"))
            elif not asked.reply.done():
                asked.reply.set_result(reply)

    async def _all(self, batch: Sequence[_Asked]) -> list[Reply | Exception]:
        pipe = self._redis.pipeline(transaction=False)
        for asked in batch:
            keys, arguments = asked.call
            pipe.evalsha(self._sha(asked.script), len(keys), *keys, *arguments)
        replies: list[Reply | Exception] = await pipe.execute(raise_on_error=False)
        return replies

    def _sha(self, script: str) -> str:
        sha = self._shas.get(script)
        if sha is None:
            sha = self._shas[script] = sha1(script.encode(), usedforsecurity=False).hexdigest()
        return sha

    async def count(self, names: str) -> int:
        """Return how many members a sorted set has."""
        return int(await self._asked(self._redis.zcard(names)))

    async def newest(self, names: str, most: int) -> list[str]:
        """Return the members of a sorted set, the highest first."""
        found = await self._asked(self._redis.zrevrange(names, 0, most - 1))
        return list(map(str, found))

    async def fields(self, key: str) -> dict[str, str]:
        """Return a hash."""
        found = await self._asked(self._redis.hgetall(key))
        return {str(name): str(value) for name, value in found.items()}

    async def forget(self, holds: str, leases: str, process: str) -> None:
        """Take away what there is of a process that holds nothing."""
        await self._asked(self._redis.zrem(leases, process))
        await self._asked(self._redis.delete(holds))

    async def close(self) -> None:
        """Close all connections, once what was asked for has gone out."""
        if self._sending is not None:
            await asyncio.wait([self._sending], timeout=REPLY_S)
        await self._redis.aclose()

    async def _asked(self, asked: Awaitable[T]) -> T:
        try:
            reply = await asked
        except self._faults as fault:
            self.away = f"{type(fault).__name__}: {str(fault)[:200]}"
            self._retry_at = time.monotonic() + AWAY_S
            raise StateAwayError(self.away) from None
        self.away = ""
        return reply


def _fail(asked: _Asked, away: StateAwayError) -> None:
    if not asked.reply.done():
        asked.reply.set_exception(StateAwayError(str(away)))
