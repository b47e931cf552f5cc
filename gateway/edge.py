"""Our own server for the hot path, in front of uvicorn's: one connection of a client.

An ordinary call at a door of the hot path is read, given to the application and answered here, for
a third of what the general server costs. At the first request that is anything else the connection
goes to that server for good, with the bytes of that request, as if this room were not there
(docs/decisions/0014).
"""

from __future__ import annotations

import asyncio
import contextvars
from typing import Any, cast

from uvicorn import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.utils import get_local_addr, get_remote_addr, is_ssl
from uvicorn.server import ServerState

from gateway.edge_head import Head, NotOursError, read
from gateway.edge_turn import Turn
from gateway.front import BODY, GONE

# How long a request may take to arrive whole; who is slower is the other server's.
WHOLE_WITHIN_S = 5.0
# What a client may send ahead while it is being answered, before nothing more is read.
AHEAD_MAX_BYTES = 64 * 1024
# A timer may ring this much before its time.
EARLY_S = 0.01

_ASGI = {"version": "3.0", "spec_version": "2.3"}


class Edge(asyncio.Protocol):
    """One connection; made by the server with what it gives each of its protocols.

    Of the options it reads ``timeout_keep_alive``, ``date_header``, ``headers`` and
    ``reset_contextvars``; those that ``serve`` does not use are the other server's alone.
    """

    __slots__ = (
        "_alarm",
        "_alarm_at",
        "_app",
        "_app_state",
        "_arrived",
        "_client",
        "_config",
        "_ending",
        "_head",
        "_held",
        "_missing",
        "_read_paused",
        "_scheme",
        "_server",
        "_server_state",
        "_since",
        "_standing",
        "_standing_of",
        "_turn",
        "loop",
        "tasks",
        "transport",
        "writable",
    )

    transport: asyncio.Transport

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        if not config.loaded:
            config.load()
        self.loop = _loop or asyncio.get_running_loop()
        self.tasks: set[Any] = server_state.tasks
        # There while nothing may be sent, and set when it may again.
        self.writable: asyncio.Event | None = None
        self._config = config
        self._app: Any = config.loaded_app
        self._app_state = app_state
        self._server_state = server_state
        self._server: tuple[str, int | None] | None = None
        self._client: tuple[str, int] | None = None
        self._scheme = "http"
        self._turn: Turn | None = None
        # What came of the request under way: before its head is whole, and then by parts.
        self._held = b""
        self._head: Head | None = None
        self._arrived: list[bytes] = []
        self._missing = 0
        # Since when the connection is idle, or a request under way.
        self._since = 0.0
        self._alarm: asyncio.TimerHandle | None = None
        self._alarm_at = 0.0
        self._read_paused = self._ending = False
        self._standing_of: list[tuple[bytes, bytes]] = []
        self._standing = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client has connected."""
        connections: set[Any] = self._server_state.connections
        connections.add(self)
        self.transport = cast("asyncio.Transport", transport)
        self._server = get_local_addr(self.transport)
        self._client = get_remote_addr(self.transport)
        self._scheme = "https" if is_ssl(self.transport) else "http"

    def connection_lost(self, _exc: Exception | None) -> None:
        """The client has gone, or we have closed the connection."""
        self._let_go()
        self.resume_writing()
        turn, self._turn = self._turn, None
        if turn is not None:
            turn.leave()

    def data_received(self, data: bytes) -> None:
        """Something of a request has come, one or several."""
        if self._turn is not None:
            self._held += data
            if len(self._held) > AHEAD_MAX_BYTES and not self._read_paused:
                self._read_paused = True
                self.transport.pause_reading()
        elif self._arrived:
            self._go_on(data)
        else:
            self._begin(self._held + data if self._held else data)

    def eof_received(self) -> None:
        """The client sends no more: as under the other server, it has gone then."""

    def pause_writing(self) -> None:
        """The client reads more slowly than we write."""
        if self.writable is None:
            self.writable = asyncio.Event()

    def resume_writing(self) -> None:
        """What was written has gone out."""
        if self.writable is not None:
            self.writable.set()
            self.writable = None

    def shutdown(self) -> None:
        """Close the connection, at once where it is idle, else after the answer under way."""
        self._ending = True
        if self._turn is not None:
            self._turn.keep_alive = False
        elif not self._arrived:
            self.transport.close()

    def standing_headers(self) -> bytes:
        """Return the lines that the server puts into every answer, the date among them."""
        now = self._server_state.default_headers
        if now is not self._standing_of:
            self._standing_of = now
            self._standing = b"".join([b"%b: %b\r\n" % pair for pair in now])
        return self._standing

    def answered(self) -> None:
        """Take the next request, which may be here already; or close."""
        self._server_state.total_requests += 1
        turn, self._turn = self._turn, None
        if self.transport.is_closing():
            return
        if turn is None or not turn.keep_alive:
            self.transport.close()
            return
        self._since = self.loop.time()
        if self._alarm is None:
            self._ring_at(self._since + self._config.timeout_keep_alive)
        if self._held:
            data, self._held = self._held, b""
            self._begin(data)
        if self._read_paused and len(self._held) <= AHEAD_MAX_BYTES:
            self._read_paused = False
            self.transport.resume_reading()

    def _begin(self, data: bytes) -> None:
        """Read a request from its first byte."""
        head = self._head
        if head is None or not head.takes_over(data):
            try:
                head = read(data)
            except NotOursError:
                self._hand_over(data)
                return
            if head is None:
                self._wait_for_more(not self._held)
                self._held = data
                return
            self._head = head
        whole = head.size + head.length
        if len(data) < whole:
            self._wait_for_more(not self._held)
            self._held = b""
            self._arrived = [data]
            self._missing = whole - len(data)
            return
        self._held = data[whole:]
        self._answer(head, data[head.size : whole])

    def _go_on(self, data: bytes) -> None:
        """Take more of a request whose head is here."""
        arrived = self._arrived
        arrived.append(data)
        self._missing -= len(data)
        head = self._head
        if self._missing > 0 or head is None:
            return
        if self._missing:
            self._held = data[self._missing :]
            arrived[-1] = data[: self._missing]
        self._arrived = []
        arrived[0] = arrived[0][head.size :]
        # Where the head came by itself its body is one piece, and copied by nothing.
        self._answer(head, b"".join(arrived if arrived[0] else arrived[1:]))

    def _answer(self, head: Head, body: bytes) -> None:
        extensions: dict[str, Any] = {BODY: body}
        turn = Turn(self, extensions, head.keep_alive and not self._ending, head.version == "1.0")
        extensions[GONE] = turn.subscribe
        scope = {
            "type": "http",
            "asgi": _ASGI,
            "http_version": head.version,
            "method": "POST",
            "path": head.path,
            "raw_path": head.raw_path,
            "query_string": head.query,
            "root_path": "",
            "scheme": self._scheme,
            "headers": head.headers.copy(),
            "client": self._client,
            "server": self._server,
            "state": self._app_state.copy(),
            "extensions": extensions,
        }
        self._turn = turn
        call = self._app(scope, turn.receive, turn)
        if self._config.reset_contextvars:
            task = self.loop.create_task(call, context=contextvars.Context())
        else:
            task = self.loop.create_task(call)
        self.tasks.add(task)
        task.add_done_callback(turn.end)

    def _hand_over(self, data: bytes) -> None:
        """Give the connection to the other server, ``data`` being what it has to read first."""
        self._let_go()
        inner = HttpToolsProtocol(self._config, self._server_state, self._app_state, self.loop)
        inner.connection_made(self.transport)
        if self.writable is not None:
            inner.pause_writing()
        self.transport.set_protocol(inner)
        if self._read_paused:
            self._read_paused = False
            self.transport.resume_reading()
        inner.data_received(data)
        if self._ending:
            inner.shutdown()

    def _let_go(self) -> None:
        connections: set[Any] = self._server_state.connections
        connections.discard(self)
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        self._head = None
        self._held = b""
        self._arrived = []

    def _wait_for_more(self, first: bool) -> None:
        if first:
            self._since = self.loop.time()
            self._ring_at(self._since + WHOLE_WITHIN_S)

    def _ring_at(self, when: float) -> None:
        """Look after the connection by then. One timer is enough: it looks what is to be done."""
        if self._alarm is not None:
            if self._alarm_at <= when:
                return
            self._alarm.cancel()
        self._alarm_at = when
        self._alarm = self.loop.call_at(when, self._look)

    def _look(self) -> None:
        self._alarm = None
        if self._turn is not None or self.transport.is_closing():
            return
        under_way = b"".join(self._arrived) or self._held
        limit = WHOLE_WITHIN_S if under_way else self._config.timeout_keep_alive
        if self.loop.time() < self._since + limit - EARLY_S:
            self._ring_at(self._since + limit)
        elif under_way:
            self._hand_over(under_way)
        else:
            self.transport.close()
