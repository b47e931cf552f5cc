"""One request at our own edge while it is answered: what the application is given of it by ASGI."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from http import HTTPStatus
from typing import Any, Protocol

from gateway.front import BODY, Headers, Message

# Above it the parts of a write are handed on one by one: to join them would copy it once more.
JOINED_MAX_BYTES = 64 * 1024

_STATUS_LINES = {
    status.value: b"HTTP/1.1 %d %b\r\n" % (status, status.phrase.encode()) for status in HTTPStatus
}
_WITHOUT_BODY = (204, 304)
_FRAMING = frozenset({b"content-length", b"transfer-encoding", b"connection"})
_CONTROLS = bytes([*range(9), *range(10, 32), 127])
_FAILED = (
    b"content-type: text/plain; charset=utf-8\r\ncontent-length: 21\r\nconnection: close\r\n\r\n"
    b"Internal Server Error"
)


class Line(Protocol):
    """The connection as a turn knows it; ``writable`` is there while nothing may be sent."""

    transport: asyncio.Transport
    writable: asyncio.Event | None
    loop: asyncio.AbstractEventLoop
    tasks: set[Any]

    def standing_headers(self) -> bytes:
        """The lines that stand in every answer, each with its end."""

    def answered(self) -> None:
        """The turn has sent its whole answer."""


class Turn:
    """One request and its answer; an answer takes one write, a stream one for each message."""

    __slots__ = (
        "_callback",
        "_chunked",
        "_event",
        "_extensions",
        "_http_1_0",
        "_left",
        "_line",
        "_opening",
        "_sent",
        "_started",
        "gone",
        "keep_alive",
        "over",
    )

    def __init__(
        self, line: Line, extensions: dict[str, Any], keep_alive: bool, http_1_0: bool
    ) -> None:
        """Begin on ``line``; ``extensions`` has the request's body until somebody takes it."""
        self._line = line
        self._extensions = extensions
        self.keep_alive = keep_alive
        self._http_1_0 = http_1_0
        self._callback: Callable[[], None] | None = None
        self._event: asyncio.Event | None = None
        # The head of the answer, which waits for the first of its body.
        self._opening = b""
        self._started = self._sent = self._chunked = False
        # Bytes of the body still owed; None where its end is told otherwise.
        self._left: int | None = None
        self.over = self.gone = False

    def subscribe(self, callback: Callable[[], None] | None) -> None:
        """Let ``callback`` be called once when the client goes before its answer is complete.

        A second call puts its own in the place of the first, None takes it away.
        """
        self._callback = callback
        if callback is not None and self.gone:
            self._line.loop.call_soon(self._tell)

    async def receive(self) -> Message:
        """Return the whole body, where nobody has taken it yet; then wait for the end."""
        if self.gone or self.over:
            return {"type": "http.disconnect"}
        if BODY in self._extensions:
            return {"type": "http.request", "body": self._extensions.pop(BODY), "more_body": False}
        if self._event is None:
            self._event = asyncio.Event()
        await self._event.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        """Send a part of the answer; with the client gone it does nothing.

        Raises ``RuntimeError`` for what ASGI does not allow, a header with a line break among it.
        """
        if self._line.writable is not None and not self.gone:
            await self._line.writable.wait()
        if self.gone:
            return
        kind = message["type"]
        if self._started and not self.over and kind == "http.response.body":
            self._write(message.get("body", b""), message.get("more_body", False))
        elif not self._started and kind == "http.response.start":
            self._opening = self._open(message["status"], message.get("headers", ()))
            self._started = True
        else:
            raise RuntimeError(f"ASGI message {kind!r} was sent out of its turn")

    __call__ = send

    def pour(self, data: bytes) -> bool:
        """Send a part of a stream that has begun, without waiting.

        Returns False where the client is slow, so that ``send`` would wait, or has gone.
        """
        if self.gone:
            return False
        self._write(data, True)
        return self._line.writable is None

    def leave(self) -> None:
        """The client has gone."""
        self.gone = True
        self._wake()
        self._tell()

    def end(self, task: asyncio.Task[None]) -> None:
        """The application has ended: what it owes is made good, or the connection closed."""
        line = self._line
        line.tasks.discard(task)
        self._callback = None
        # They hold `subscribe`, and so this turn.
        self._extensions = {}
        fault = asyncio.CancelledError() if task.cancelled() else task.exception()
        if fault is not None:
            _log().error("Exception in ASGI application\n", exc_info=fault)
        if self.over or self.gone:
            return
        if fault is None:
            what = "completing" if self._started else "starting"
            _log().error("ASGI callable returned without %s response.", what)
        if self._sent:
            line.transport.close()
            return
        line.transport.write(_STATUS_LINES[500] + line.standing_headers() + _FAILED)
        self.keep_alive = False
        self._finish()

    def _open(self, status: int, headers: Headers) -> bytes:
        line = _STATUS_LINES.get(status) or b"HTTP/1.1 %d \r\n" % status
        lines = b"\r\n".join([*map(b": ".join, headers), b""])
        # One look at all of them: there are no control characters but the ends of these lines.
        if len(lines.translate(None, _CONTROLS)) != len(lines) - 2 * len(headers):
            raise RuntimeError("a header has a line break or another control character in it")
        ends = b"" if self.keep_alive else b"connection: close\r\n"
        told = False
        for name, value in headers:
            if name in _FRAMING:
                if name == b"content-length":
                    self._left = int(value)
                    told = True
                elif name == b"transfer-encoding":
                    self._chunked = told = True
                elif b"close" in value.lower():
                    self.keep_alive = False
                    ends = b""
        if not told:
            ends += self._frame(status)
        return b"".join((line, self._line.standing_headers(), lines, ends, b"\r\n"))

    def _frame(self, status: int) -> bytes:
        """Choose how the end of a body of unknown length is told; return the header for it."""
        if status in _WITHOUT_BODY:
            self._left = 0
        elif not self._http_1_0:
            self._chunked = True
            return b"transfer-encoding: chunked\r\n"
        return b""

    def _write(self, body: bytes, more: bool) -> None:
        parts: tuple[bytes, ...]
        if self._chunked:
            last = b"" if more else b"0\r\n\r\n"
            if body:
                parts = (self._opening, b"%x\r\n" % len(body), body, b"\r\n" + last)
            else:
                parts = (self._opening, last)
        else:
            self._count(len(body), more)
            parts = (self._opening, body)
        self._opening = b""
        self._sent = True
        if len(body) > JOINED_MAX_BYTES:
            self._line.transport.writelines(parts)
        elif data := b"".join(parts):
            self._line.transport.write(data)
        if not more:
            self._finish()

    def _count(self, size: int, more: bool) -> None:
        if self._left is None:
            return
        self._left -= size
        if self._left < 0:
            raise RuntimeError("Response content longer than Content-Length")
        if self._left and not more:
            raise RuntimeError("Response content shorter than Content-Length")

    def _finish(self) -> None:
        self.over = True
        self._wake()
        self._line.answered()

    def _wake(self) -> None:
        if self._event is not None:
            self._event.set()

    def _tell(self) -> None:
        callback, self._callback = self._callback, None
        if callback is not None:
            callback()


def _log() -> logging.Logger:
    return logging.getLogger("uvicorn.error")
