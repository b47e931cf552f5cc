"""A fake host: real HTTP/1.1 over a real socket, in a thread and loop of its own.

    with Upstream() as host:
        host.script(answers.rate_limited(), answers.chat("hi"))     # one a request, in this order
        host.on("/v1/models", answers.stall())                      # for one path only
        host.always("/health", answers.json_body({"ok": True}))     # for one path, every time
        ... call host.base_url ...
        host.until(lambda: len(host.requests) == 2)
        assert host.requests[1].json()["model"] == "m"
        host.requests[1].connection.closed.wait(2)                  # the client closed it

When the scripts are used up, ``host.default`` answers (``answers.polite`` unless set). Tests in a
loop of their own wait with ``await host.soon(...)``, which does not block that loop. What went
wrong inside the fake itself (a request that is not HTTP, a responder that raised) is in ``faults``.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import struct
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Self
from urllib.parse import urlsplit

from tests.fakes import answers
from tests.fakes.answers import Behaviour, Script

WAIT_S = 5.0
HEAD_MAX_BYTES = 256 * 1024
BODY_MAX_BYTES = 256 * 1024 * 1024
RST_ON_CLOSE = struct.pack("ii", 1, 0)


@dataclass(eq=False, slots=True)
class Connection:
    """One TCP connection. ``closed`` is set when the client closed or reset it, not when we did.

    ``ended_here`` tells of the latter; that the transport is closing does not, for it does so when
    a write finds the client gone.
    """

    id: int
    closed: threading.Event = field(default_factory=threading.Event)
    closed_at: float | None = None
    ended_here: bool = False
    requests: list[Request] = field(default_factory=list)

    @property
    def events_at_close(self) -> int | None:
        """How many events of the last answer had been written when the client closed."""
        if not self.closed.is_set():
            return None
        return self.requests[-1].events_sent if self.requests else 0


@dataclass(eq=False, slots=True)
class Request:
    """One request as it came. Times are of ``time.monotonic``; header names in lower case.

    ``answered`` turns True just after the last byte left: wait for it with ``until`` or ``soon``.
    """

    method: str
    target: str
    headers: dict[str, str]
    header_lines: list[tuple[str, str]]
    body: bytes
    at: float
    connection: Connection
    events_sent: int = 0
    answered: bool = False

    @property
    def path(self) -> str:
        """The path without the query; that of the absolute form too, as a proxy gets it."""
        return urlsplit(self.target).path

    def json(self) -> Any:
        """Return the body read as JSON."""
        return json.loads(self.body)


class Upstream:
    """The fake host; a context manager. ``refuse`` closes its port, ``accept`` opens it again."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.connections: list[Connection] = []
        self.faults: list[BaseException] = []
        self.default: Script = answers.polite
        self._queue: deque[Script] = deque()
        self._queues: dict[str, deque[Script]] = {}
        self._standing: dict[str, Script] = {}
        self._changed = threading.Condition()
        self._writers: dict[Connection, asyncio.StreamWriter] = {}
        self._server: asyncio.Server | None = None
        self.port = 0
        self._loop = asyncio.SelectorEventLoop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="fake-upstream")
        self._thread.start()
        self.accept()

    def __enter__(self) -> Self:
        """Return the running fake."""
        return self

    def __exit__(self, *exc: object) -> None:
        """Close it."""
        self.close()

    @property
    def url(self) -> str:
        """The address without a path."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def base_url(self) -> str:
        """The address with ``/v1``, as a config file has it."""
        return f"{self.url}/v1"

    def script(self, *behaviours: Script) -> None:
        """Add behaviours for the next requests of any path."""
        self._queue.extend(behaviours)

    def on(self, path: str, *behaviours: Script) -> None:
        """Add behaviours for the next requests of ``path``; they go before those of ``script``."""
        self._queues.setdefault(path, deque()).extend(behaviours)

    def always(self, path: str, behaviour: Script) -> None:
        """Answer every request of ``path`` so, once what ``on`` added for it is used up."""
        self._standing[path] = behaviour

    @property
    def unused(self) -> int:
        """How many scripted behaviours have not been asked for."""
        return len(self._queue) + sum(map(len, self._queues.values()))

    def until(self, holds: Callable[[], object], within_s: float = WAIT_S) -> None:
        """Block until ``holds()`` is true; it is asked again after everything that happens here.

        Raises ``AssertionError`` when the time is over.
        """
        with self._changed:
            if not self._changed.wait_for(holds, within_s):
                raise AssertionError(f"did not come about within {within_s} s: {self._story()}")

    async def soon(self, holds: Callable[[], object], within_s: float = WAIT_S) -> None:
        """Wait like ``until`` without blocking the running loop."""
        await asyncio.to_thread(self.until, holds, within_s)

    async def hears(self, count: int = 1) -> Request:
        """Wait until ``count`` requests have come, and return the last of them."""
        await self.soon(lambda: len(self.requests) >= count)
        return self.requests[count - 1]

    async def dropped(self, request: Request, within_s: float = WAIT_S) -> None:
        """Wait until the client has closed the connection of ``request``."""
        await self.soon(request.connection.closed.is_set, within_s)

    def accept(self) -> None:
        """Listen, on the same port as before if there was one."""
        self._run(self._listen())

    def refuse(self) -> None:
        """Close the port and every connection: the next connect is refused."""
        self._run(self._stop_listening())

    def close(self) -> None:
        """Stop everything; whoever is still connected is cut off."""
        if self._loop.is_closed():
            return
        self.refuse()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _run(self, work: Any) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(WAIT_S)

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(
            self._serve, "127.0.0.1", self.port, limit=HEAD_MAX_BYTES
        )
        self.port = self._server.sockets[0].getsockname()[1]

    async def _stop_listening(self) -> None:
        server, self._server = self._server, None
        for listening in server.sockets if server is not None else ():
            self._loop.remove_reader(listening.fileno())
        # A connection accepted in this very turn has its task, but not yet its writer; and closing
        # the server before it has one would leave its socket open.
        while len(asyncio.all_tasks()) > 1:
            for connection, writer in list(self._writers.items()):
                connection.ended_here = True
                writer.transport.abort()
            await asyncio.sleep(0)
        if server is not None:
            server.close()

    def _story(self) -> str:
        told = [
            f"{request.method} {request.target} ({request.events_sent} events sent"
            f"{', client closed' if request.connection.closed.is_set() else ''})"
            for request in self.requests
        ]
        return f"{len(self.connections)} connections; " + ("; ".join(told) or "no requests")

    def _tell(self) -> None:
        with self._changed:
            self._changed.notify_all()

    def _choose(self, request: Request) -> Behaviour:
        chosen: Script
        if queue := self._queues.get(request.path):
            chosen = queue.popleft()
        elif request.path in self._standing:
            chosen = self._standing[request.path]
        else:
            chosen = self._queue.popleft() if self._queue else self.default
        return chosen if isinstance(chosen, Behaviour) else chosen(request)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = Connection(len(self.connections))
        self.connections.append(connection)
        self._writers[connection] = writer
        # With no mark, drain returns only when the socket took everything: "sent" means sent.
        writer.transport.set_write_buffer_limits(high=0)
        inbox = asyncio.StreamReader(limit=HEAD_MAX_BYTES)
        task = asyncio.create_task(self._exchanges(connection, inbox, writer))
        task.add_done_callback(lambda ended: self._note_fault(ended, connection, writer))
        try:
            # Reading goes on while an answer is written, so that a client's going is seen at once.
            with contextlib.suppress(ConnectionError):
                while data := await reader.read(65536):
                    inbox.feed_data(data)
            if not connection.ended_here:
                connection.closed_at = time.monotonic()
                connection.closed.set()
            inbox.feed_eof()
            task.cancel()
            await asyncio.wait([task])
        finally:
            del self._writers[connection]
            writer.transport.abort()
            self._tell()

    def _note_fault(
        self, ended: asyncio.Task[None], connection: Connection, writer: asyncio.StreamWriter
    ) -> None:
        if not ended.cancelled() and (fault := ended.exception()) is not None:
            self.faults.append(fault)
            connection.ended_here = True
            writer.transport.abort()

    async def _exchanges(
        self, connection: Connection, inbox: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            while True:
                request = await _read_request(inbox, writer, connection)
                connection.requests.append(request)
                self.requests.append(request)
                self._tell()
                behaviour = self._choose(request)
                await self._answer(request, behaviour, writer)
                self._tell()
                if behaviour.end != "end" or behaviour.framing == "until_close":
                    return

    async def _answer(
        self, request: Request, behaviour: Behaviour, writer: asyncio.StreamWriter
    ) -> None:
        if behaviour.head_delay_s:
            await asyncio.sleep(behaviour.head_delay_s)
        if behaviour.head_gate is not None:
            await behaviour.head_gate.passes()
        if behaviour.status and not behaviour.raw:
            await _write(writer, behaviour.head())
        for piece in behaviour.pieces:
            await _pause(behaviour)
            # Counted before it leaves, so that a client that holds n events never reads n - 1 here;
            # taken back where it did not leave.
            request.events_sent += 1
            try:
                await _write_piece(writer, behaviour, piece)
            except (ConnectionError, asyncio.CancelledError):
                request.events_sent -= 1
                raise
            self._tell()
        if behaviour.end != "end":
            await _break_off(request.connection, writer, behaviour)
            return
        if behaviour.framing == "chunked" and not behaviour.raw:
            await _write(writer, b"0\r\n\r\n")
        request.answered = True
        if behaviour.framing == "until_close":
            request.connection.ended_here = True
            writer.close()


async def _pause(behaviour: Behaviour) -> None:
    if behaviour.gate is not None:
        await behaviour.gate.passes()
    if behaviour.gap_s:
        await asyncio.sleep(behaviour.gap_s)


async def _write_piece(writer: asyncio.StreamWriter, behaviour: Behaviour, piece: bytes) -> None:
    size = behaviour.piece_bytes or len(piece) or 1
    for start in range(0, len(piece), size):
        part = piece[start : start + size]
        if behaviour.framing == "chunked" and not behaviour.raw:
            part = b"%x\r\n%b\r\n" % (len(part), part)
        await _write(writer, part)


async def _write(writer: asyncio.StreamWriter, data: bytes) -> None:
    writer.write(data)
    await writer.drain()


async def _break_off(
    connection: Connection, writer: asyncio.StreamWriter, behaviour: Behaviour
) -> None:
    if behaviour.end == "stall":
        await asyncio.Event().wait()
    if behaviour.gate is not None:
        await behaviour.gate.passes()
    connection.ended_here = True
    if behaviour.end == "reset":
        transport_socket = writer.get_extra_info("socket")
        transport_socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RST_ON_CLOSE)
        writer.transport.abort()
    else:
        writer.close()


async def _read_request(
    inbox: asyncio.StreamReader, writer: asyncio.StreamWriter, connection: Connection
) -> Request:
    head = (await inbox.readuntil(b"\r\n\r\n")).decode("latin-1")
    at = time.monotonic()
    first, *rest = head[:-4].split("\r\n")
    method, target, _version = first.split(" ")
    lines = []
    for line in rest:
        name, _, value = line.partition(":")
        lines.append((name, value.strip()))
    headers = {name.lower(): value for name, value in lines}
    if headers.get("expect", "").lower() == "100-continue":
        await _write(writer, b"HTTP/1.1 100 Continue\r\n\r\n")
    if "chunked" in headers.get("transfer-encoding", "").lower():
        data = await _read_chunked(inbox)
    else:
        size = int(headers.get("content-length", "0"))
        if size > BODY_MAX_BYTES:
            raise ConnectionError(f"a body of {size} bytes is more than a test should send")
        data = await inbox.readexactly(size)
    return Request(method, target, headers, lines, data, at, connection)


async def _read_chunked(inbox: asyncio.StreamReader) -> bytes:
    parts = []
    while size := int((await inbox.readuntil(b"\r\n")).split(b";")[0], 16):
        parts.append(await inbox.readexactly(size))
        await inbox.readexactly(2)
    while await inbox.readuntil(b"\r\n") != b"\r\n":
        pass
    return b"".join(parts)


def refused_url() -> str:
    """Return an address whose port is closed now."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{taken.getsockname()[1]}/v1"
