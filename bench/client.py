"""The load's own client: keep-alive connections over bare sockets, that count words and take times."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import cast

# What each chunk of the mock says, on every wire.
WORD = b" word"
KEPT_BYTES = 400


class BrokenError(Exception):
    """The connection ended before its answer did."""


@dataclass(slots=True)
class Answer:
    """What came; times are ``perf_counter_ns``, 0 where there was no such moment.

    ``byte`` is of the body's first one, ``first`` and ``last`` are of words; ``worst_gap`` is the
    longest time between two reads with words in them, in nanoseconds. ``begin`` is how its body
    begins.
    """

    sent: int
    status: int = 0
    head: bytes = b""
    begin: bytes = b""
    words: int = 0
    byte: int = 0
    first: int = 0
    last: int = 0
    done: int = 0
    worst_gap: int = 0

    @property
    def byte_ms(self) -> float:
        """Return how long the first byte of the body took."""
        return (self.byte - self.sent) / 1e6

    @property
    def first_ms(self) -> float:
        """Return how long the first word took."""
        return (self.first - self.sent) / 1e6

    @property
    def took_ms(self) -> float:
        """Return how long the whole answer took."""
        return (self.done - self.sent) / 1e6


class Body:
    """Takes the body of one answer out of its framing, and tells when it is whole."""

    __slots__ = ("_chunked", "_held", "_left", "whole")

    def __init__(self, head: bytes) -> None:
        _, told, rest = head.partition(b"\r\ncontent-length:")
        self._chunked = b"\r\ntransfer-encoding: chunked" in head
        # Bytes that are still to come: of the body, or of its chunk with the line end behind it.
        self._left = int(rest.split(b"\r\n", 1)[0]) if told else 0
        self._held = b""
        self.whole = bool(told) and not self._left

    @property
    def ends_by_closing(self) -> bool:
        """Whether nothing but the connection's end tells that it is whole."""
        return not self._chunked and not self._left and not self.whole

    def take(self, data: bytes) -> bytes:
        """Return what of the body is in ``data``."""
        if self._chunked:
            return self._unchunked(data)
        if self._left:
            self._left -= len(data)
            self.whole = self._left <= 0
        return data

    def _unchunked(self, data: bytes) -> bytes:
        found, at = [], 0
        data, self._held = self._held + data, b""
        while at < len(data):
            if self._left:
                piece = data[at : at + self._left]
                at += len(piece)
                self._left -= len(piece)
                # The last two bytes are the line end, and may come by themselves.
                found.append(piece[: max(0, len(piece) + min(0, self._left - 2))])
                continue
            end = data.find(b"\r\n", at)
            size = int(data[at:end].partition(b";")[0], 16) if end >= 0 else 0
            # The last chunk has nothing but its line end; nobody here sends trailers.
            if end < 0 or (not size and len(data) < end + 4):
                self._held = data[at:]
                break
            if not size:
                self.whole = True
                break
            at, self._left = end + 2, size + 2
        return b"".join(found)


class Connection(asyncio.Protocol):
    """One connection, one request at a time."""

    def __init__(self) -> None:
        self.closed = False
        self._transport: asyncio.Transport | None = None
        self._waiting: asyncio.Future[Answer] | None = None
        self.answer = Answer(0)
        self._body: Body | None = None
        self._head = bytearray()
        self._tail = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        # uvloop's transports have all that is asked here, and are no subclass.
        self._transport = cast(asyncio.Transport, transport)

    def ask(self, request: bytes) -> asyncio.Future[Answer]:
        """Send a request; the future has its answer, or ``BrokenError``."""
        assert self._transport is not None
        self.answer = Answer(time.perf_counter_ns())
        self._body = None
        self._head.clear()
        self._tail = b""
        self._waiting = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return self._waiting

    def close(self) -> None:
        """Leave, whatever is under way."""
        if self._transport is not None:
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        """Take what came."""
        if self._waiting is None:
            return
        now = time.perf_counter_ns()
        answer = self.answer
        if self._body is None:
            self._head += data
            head, found, data = bytes(self._head).partition(b"\r\n\r\n")
            if not found:
                return
            answer.head = head.lower()
            answer.status = int(head[9:12])
            self._body = Body(answer.head)
        if data := self._body.take(data):
            self._said(data, now)
        if self._body.whole:
            self._finish(now)

    def _said(self, data: bytes, now: int) -> None:
        answer = self.answer
        if not answer.byte:
            answer.byte = now
        text = self._tail + data
        self._tail = text[1 - len(WORD) :]
        if words := text.count(WORD):
            if answer.first:
                answer.worst_gap = max(answer.worst_gap, now - answer.last)
            else:
                answer.first = now
            answer.last = now
            answer.words += words
        if len(answer.begin) < KEPT_BYTES:
            answer.begin += data[:KEPT_BYTES]

    def connection_lost(self, _fault: Exception | None) -> None:
        """Note that it is gone; an answer without a length ends so."""
        self.closed = True
        if self._body is not None and self._body.ends_by_closing:
            self._finish(time.perf_counter_ns())
        elif self._waiting is not None and not self._waiting.done():
            self._waiting.set_exception(BrokenError("the connection ended before its answer did"))

    def _finish(self, now: int) -> None:
        self.answer.done = now
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(self.answer)
        self._waiting = None


async def connect(port: int) -> Connection:
    """Open one. Raises OSError where nobody listens."""
    _, connection = await asyncio.get_running_loop().create_connection(
        Connection, "127.0.0.1", port
    )
    return connection


class Pool:
    """Connections of one load that wait to be used again."""

    def __init__(self, port: int) -> None:
        self.port = port
        self._free: list[Connection] = []
        self._busy: set[Connection] = set()
        self._words = 0

    async def ask(self, request: bytes, within_s: float = 60.0) -> Answer:
        """Ask over one that is free, or a new one. Raises ``BrokenError``, OSError, TimeoutError."""
        while self._free and self._free[-1].closed:
            self._free.pop()
        connection = self._free.pop() if self._free else await connect(self.port)
        self._busy.add(connection)
        try:
            answer = await asyncio.wait_for(connection.ask(request), within_s)
        except BaseException:
            connection.close()
            raise
        finally:
            self._busy.discard(connection)
            self._words += connection.answer.words
        self._free.append(connection)
        return answer

    def words(self) -> int:
        """Return how many words came so far, those of answers under way among them."""
        return self._words + sum(connection.answer.words for connection in self._busy)

    def close(self) -> None:
        """Leave all of them."""
        for connection in self._free:
            connection.close()
