"""One connection of our own client: a request at a time is written to it, its answer read from it.

What the parser finds goes straight into a list and a mapping, without a call of ours for each piece
and each header. Nobody waits but the one who reads, on one future.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

from providers.client_answer import cut, not_http, stale, words
from providers.client_own_answer import Ending, OwnAnswer
from providers.errors import UpstreamError

# Above it the host is not read any further, until what has arrived is taken.
HELD_MAX_BYTES = 256 * 1024
# What may come without one byte of body: headers, interim answers, extensions, trailers.
HEAD_MAX_BYTES = 64 * 1024
HEADERS_MAX = 256
# What is written at once; more than that goes in pieces, so that no other call waits for it.
WRITE_MAX_BYTES = 1024 * 1024
PIECE_BYTES = 256 * 1024


class Connection(asyncio.Protocol):
    """One connection. ``free`` is told when it can be used again, ``lost`` once it is closed.

    ``since`` is when it became free, as the loop tells the time; ``held`` is how many bytes have
    arrived that were not taken yet, and ``is_paused``, that no more are read until they are.
    """

    __slots__ = (
        "_free", "_is_clean", "_is_full", "_is_interim", "_is_over", "_lost", "_parser",
        "_quiet_bytes", "_rest", "_wrong", "answer", "feed", "fields", "held", "is_open",
        "is_paused", "loop", "on_body", "on_header", "pieces", "since", "transport",
    )  # fmt: skip

    transport: asyncio.Transport

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        free: Callable[[Connection], None],
        lost: Callable[[Connection], None],
    ) -> None:
        self.loop = loop
        self.answer: OwnAnswer | None = None
        self.pieces: list[bytes] = []
        self.fields: dict[bytes, bytes] = {}
        self.is_open = self.is_paused = False
        self._is_full = self._is_interim = self._is_over = self._is_clean = False
        self._wrong = ""
        self.held = 0
        self.since = 0.0
        self._free = free
        self._lost = lost
        self._rest: memoryview | None = None
        # The parser looks here for what it is to call: of these two it needs no frame of Python.
        self.on_body = self.pieces.append
        self.on_header = self.fields.setdefault
        parser = HttpResponseParser(self)
        self._parser: HttpResponseParser | None = parser
        # As lenient as the library is, so that no host can be reached by one client alone.
        parser.set_dangerous_leniencies(
            lenient_headers=True,
            lenient_optional_cr_before_lf=True,
            lenient_spaces_after_chunk_size=True,
        )
        self.feed: Callable[[bytes], Any] = parser.feed_data

    def ask(self, head: bytes, payload: bytes | None) -> OwnAnswer:
        """Send a request, and return its answer, of which nothing is here yet.

        ``head`` ends where the length of ``payload`` comes; without a payload it is whole.
        """
        answer = self.answer = OwnAnswer(self)
        self.held = self._quiet_bytes = 0
        self._is_over = False
        if self.fields:
            self.fields.clear()  # trailers, which nobody reads
        if payload is None:
            self.transport.write(head)
        elif len(payload) <= WRITE_MAX_BYTES:
            self.transport.write(b"".join((head, b"%d\r\n\r\n" % len(payload), payload)))
        else:
            self._rest = memoryview(payload)
            self.transport.write(b"%s%d\r\n\r\n" % (head, len(payload)))
            self._write_on()
        return answer

    def abort(self) -> None:
        """Close it at once, whatever is under way."""
        self.answer = self._rest = None
        self.is_open = False
        self.transport.abort()

    def taken(self) -> None:
        """Read on: what had arrived was taken."""
        self.is_paused = False
        if self.is_open:
            self.transport.resume_reading()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin: the loop calls this, and each of those below."""
        self.transport = transport  # type: ignore[assignment]  # one that reads and writes
        self.is_open = True

    def data_received(self, data: bytes) -> None:
        """Read on in the answer, and wake whoever waits for it."""
        answer = self.answer
        if answer is None:
            # Nobody asked, so it could be taken for the answer to what is asked next.
            self.abort()
            return
        size = len(data)
        self._quiet_bytes += size
        try:
            self.feed(data)
        except (HttpParserError, HttpParserUpgrade) as fault:
            self._unreadable(answer, self._wrong or str(fault))
            return
        if self._is_over:
            self._finish(answer)
        elif self.pieces:
            self._quiet_bytes = 0
            self.held += size
            if self.held > HELD_MAX_BYTES and not self.is_paused:
                self.is_paused = True
                self.transport.pause_reading()
            sink = answer.sink
            if sink is not None:
                if sink(answer.take() or b""):
                    return
                answer.sink = None
            waiter = answer.waiter
            if waiter is not None:
                answer.waiter = None
                if not waiter.done():
                    waiter.set_result(None)
        elif self._quiet_bytes > HEAD_MAX_BYTES:
            self._unreadable(answer, "headers without an end")

    def eof_received(self) -> None:
        """Take it that the host has said everything."""
        if self.answer is not None:
            self._broken(self.answer, None)
        self.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell whoever reads, and the pool."""
        self.is_open = False
        if self.answer is not None:
            self._broken(self.answer, exc)
        # The parser knows this object: without it nothing goes in a circle.
        self._parser = self._rest = None
        self.feed = _unheard
        self._lost(self)

    def pause_writing(self) -> None:
        """Wait with the rest of a large request."""
        self._is_full = True

    def resume_writing(self) -> None:
        """Go on with the rest of a large request."""
        self._is_full = False
        self._write_on()

    def on_message_begin(self) -> None:
        """Stop at an answer that nobody asked for: the parser calls this, and those below."""
        if self._is_over:
            raise ValueError("more than was asked for")

    def on_headers_complete(self) -> None:
        """Begin the answer, unless it is an interim one."""
        answer, parser = self.answer, self._parser
        if answer is None or parser is None:
            return
        status = parser.get_status_code()
        fields = self.fields.copy()
        self.fields.clear()
        if 100 <= status < 200 and status != 101:
            self._is_interim = True
            return
        self._wrong = self._wrong_with(status, fields) or answer.begin(status, fields)
        if self._wrong:
            raise ValueError(self._wrong)
        if status >= 400 and self._rest is not None:
            self._rest = memoryview(b"")  # it was enough of the request for the host

    def on_message_complete(self) -> None:
        """Note that the answer is whole, and whether another may follow."""
        if self._is_interim:
            self._is_interim = False
        elif self._parser is not None:
            self._is_over = True
            self._is_clean = self._parser.should_keep_alive()

    def _wrong_with(self, status: int, fields: dict[bytes, bytes]) -> str:
        if status < 200:
            return "it would speak another protocol" if status == 101 else "no such status"
        if len(fields) > HEADERS_MAX:
            return "too many headers"
        if self._quiet_bytes > HEAD_MAX_BYTES:
            size = sum(len(name) + len(said) for name, said in fields.items())
            if size > HEAD_MAX_BYTES:
                return "too large headers"
        return "a header holds a zero byte" if b"\0" in b"".join(fields.values()) else ""

    def _finish(self, answer: OwnAnswer) -> None:
        """Hand over what is left of the answer; the connection is for the next one, if it can."""
        self._end(answer)
        if self.is_paused:
            self.taken()
        if self._is_clean and self._rest is None and not self.transport.get_write_buffer_size():
            self._free(self)
        else:
            self.abort()

    def _unreadable(self, answer: OwnAnswer, why: str) -> None:
        if self._is_over:
            self._end(answer)  # it came whole, and something after it
        else:
            self._end(answer, (cut if answer.is_given else not_http, why))
        self.abort()

    def _broken(self, answer: OwnAnswer, fault: Exception | None) -> None:
        why = "it was closed" if fault is None else words(fault)
        if answer.status == 0 and self._quiet_bytes == 0:
            self._end(answer, (_stale, why))
        elif answer.status and fault is None and not answer.is_framed:
            self._end(answer)
        else:
            self._end(answer, (cut, why))

    def _end(self, answer: OwnAnswer, fault: Ending | None = None) -> None:
        self.answer = None
        answer.end(self.pieces.copy(), fault)
        self.pieces.clear()

    def _write_on(self) -> None:
        rest = self._rest
        if not rest or self._is_full:
            return
        self._rest = rest[PIECE_BYTES:] or None
        self.transport.write(rest[:PIECE_BYTES])
        if self._rest is not None and not self._is_full:
            self.loop.call_soon(self._write_on)


def _unheard(_data: bytes) -> None:
    """Take no notice of what comes after the end."""


def _stale(_why: str) -> UpstreamError:
    return stale()
