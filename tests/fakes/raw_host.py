"""A host that is written byte for byte: what a test's coroutine does on each connection.

async def serve(talk: Talk) -> None:
    await talk.asked()
    await talk.say(b"HTTP/1.1 200 OK\\r\\nContent-Le")
    talk.reset()

async with RawHost(serve) as host:
    ... call host.url ...
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import struct
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Self

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
CHUNKED = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
)
LAST = b"0\r\n\r\n"
RST_ON_CLOSE = struct.pack("ii", 1, 0)
WAIT_S = 5.0


def chunk(data: bytes) -> bytes:
    """Return one chunk of a chunked body."""
    return b"%x\r\n%s\r\n" % (len(data), data)


def whole(body: bytes, *headers: bytes) -> bytes:
    """Return a whole answer with a length."""
    lines = b"".join(header + b"\r\n" for header in headers)
    return b"HTTP/1.1 200 OK\r\n%sContent-Length: %d\r\n\r\n%s" % (lines, len(body), body)


@dataclass
class Asked:
    """One request: its first line, its headers (names in lower case) and its body.

    ``names`` are those of the headers as they came.
    """

    line: str
    headers: dict[str, str]
    names: list[str]
    body: bytes = b""


class Talk:
    """One connection as the host sees it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self.requests: list[Asked] = []

    async def head(self) -> Asked:
        """Read the head of the next request. Raises ``EOFError`` where the client has gone."""
        raw = await self.reader.readuntil(b"\r\n\r\n")
        line, *lines = raw.decode("latin-1").split("\r\n")[:-2]
        pairs = [one.split(": ", 1) for one in lines]
        headers = {name.lower(): said for name, said in pairs}
        asked = Asked(line, headers, [name for name, _ in pairs])
        self.requests.append(asked)
        return asked

    async def asked(self) -> Asked:
        """Read the next request, its body too."""
        asked = await self.head()
        asked.body = await self.reader.readexactly(int(asked.headers.get("content-length", 0)))
        return asked

    async def say(self, *pieces: bytes) -> None:
        """Write each piece by itself."""
        for piece in pieces:
            self.writer.write(piece)
            await self.writer.drain()
            await asyncio.sleep(0)

    def reset(self) -> None:
        """Close with RST instead of FIN."""
        bare: socket.socket = self.writer.get_extra_info("socket")
        bare.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RST_ON_CLOSE)
        self.writer.transport.abort()

    async def left(self) -> None:
        """Wait until the client has closed the connection, whatever it sends before."""
        async with asyncio.timeout(WAIT_S):
            try:
                while await self.reader.read(65536):
                    pass
            except ConnectionError:
                pass


Serve = Callable[[Talk], Awaitable[None]]


class RawHost:
    """Listens on this machine; ``serve`` runs for each connection, which is closed after it.

    ``most`` is how many were open at once, ``now`` how many are.
    """

    def __init__(
        self,
        serve: Serve,
        tls: ssl.SSLContext | None = None,
        port: int = 0,
        at: str = "127.0.0.1",
    ) -> None:
        self._serve = serve
        self._tls = tls
        self._tasks: set[asyncio.Task[None]] = set()
        self.talks: list[Talk] = []
        self.faults: list[Exception] = []
        self.most = self.now = 0
        self.port = port
        self._at = at

    async def __aenter__(self) -> Self:
        """Return the listening host."""
        self._server = await asyncio.start_server(self._met, self._at, self.port, ssl=self._tls)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *exc: object) -> None:
        """Stop it, whatever is under way."""
        await self.stop()
        if exc[0] is None:
            assert not self.faults, self.faults

    async def stop(self) -> None:
        """Close the port and every connection."""
        self._server.close()
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=WAIT_S)

    @property
    def url(self) -> str:
        """Its address."""
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self.port}/v1/chat"

    async def until(self, holds: Callable[[], object]) -> None:
        """Wait until ``holds()`` is true."""
        for _ in range(int(WAIT_S * 1000)):
            if holds():
                return
            await asyncio.sleep(0.001)
        raise AssertionError("it did not come about")

    async def _met(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        talk = Talk(reader, writer)
        self.talks.append(talk)
        self.now += 1
        self.most = max(self.most, self.now)
        try:
            await self._serve(talk)
        except (EOFError, ConnectionError, asyncio.CancelledError):
            pass  # the client has gone, or the test is over
        except Exception as fault:
            self.faults.append(fault)
        finally:
            self.now -= 1
            self._tasks.discard(task)
            writer.close()


def answering(*answers: bytes) -> Serve:
    """Return what gives each of ``answers`` to a request, the last of them to all that follow."""
    left = list(answers)

    async def serve(talk: Talk) -> None:
        while True:
            await talk.asked()
            await talk.say(left.pop(0) if len(left) > 1 else left[0])

    return serve
