"""A small application behind the edge (or behind uvicorn's own protocol), on a real socket."""

from __future__ import annotations

import asyncio
import functools
import json
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import pytest
import uvicorn
import uvloop
from uvicorn.server import ServerState

from gateway.edge import Edge
from gateway.front import BODY, GONE

HOT = "/v1/chat/completions"
WAIT_S = 20.0
DATE = (b"date", b"Thu, 26 Nov 2026 22:00:00 GMT")
LOOPS = {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


def run(loop: str, scenario: Coroutine[Any, Any, None]) -> None:
    """Run ``scenario`` on a kind of loop; fails for an error that nobody handled there."""
    faults: list[dict[str, Any]] = []

    async def whole() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, told: faults.append(told))
        await scenario

    with asyncio.Runner(loop_factory=LOOPS[loop]) as runner:
        runner.run(whole())
    assert not faults


def on_both_loops(scenario: Callable[[], Coroutine[Any, Any, None]]) -> Callable[[str], None]:
    """Make a test of ``scenario`` that runs it on either kind of loop."""

    @pytest.mark.parametrize("loop", LOOPS)
    def test(loop: str) -> None:
        run(loop, scenario())

    test.__name__, test.__doc__ = scenario.__name__, scenario.__doc__
    return test


class Clock:
    """The time of the running loop, which goes on as usual and jumps when told; asyncio's only."""

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self._ahead_s = 0.0
        real = loop.time
        loop.time = lambda: real() + self._ahead_s  # type: ignore[method-assign]

    async def jump(self, seconds: float) -> None:
        """Let ``seconds`` pass at once, and what is due by then happen."""
        self._ahead_s += seconds
        for _ in range(5):
            await asyncio.sleep(0)


class App:
    """Does what the header ``x-do`` names; what waits goes on when ``go`` or ``later`` is set."""

    def __init__(self) -> None:
        self.calls: list[dict[str, Any]] = []
        self.by_edge: list[bool] = []
        self.go, self.later = asyncio.Event(), asyncio.Event()
        self.begun = self.ended = self.gone = 0
        self.faults: list[BaseException] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.calls.append(scope)
        self.by_edge.append(GONE in scope.get("extensions", {}))
        do = dict(scope["headers"]).get(b"x-do", b"echo").decode()
        self.begun += 1
        try:
            await getattr(self, f"_{do}")(scope, receive, send)
        except BaseException as fault:
            self.faults.append(fault)
            raise
        finally:
            self.ended += 1

    async def _echo(self, scope: Any, receive: Any, send: Any) -> None:
        body = await self._read(receive)
        told = {name: repr(scope[name]) for name in SAID}
        await self._say(send, json.dumps({**told, "body": body.decode("latin-1")}).encode())

    async def _read(self, receive: Any) -> bytes:
        body = b""
        while (message := await receive())["type"] == "http.request":
            body += message["body"]
            if not message.get("more_body"):
                break
        return body

    async def _taken(self, scope: Any, receive: Any, send: Any) -> None:
        await self._say(send, scope["extensions"].pop(BODY))

    async def _say(self, send: Any, body: bytes) -> None:
        headers = [(b"content-type", b"text/plain"), (b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async def _stream(self, scope: Any, receive: Any, send: Any) -> None:
        await self._read(receive)
        await send({"type": "http.response.start", "status": 200, "headers": [(b"x-a", b"b")]})
        for part in (b"one", b"", b"two" * 30):
            await send({"type": "http.response.body", "body": part, "more_body": True})
        await send({"type": "http.response.body", "body": b"last"})

    async def _held(self, scope: Any, receive: Any, send: Any) -> None:
        scope["extensions"][GONE](self._leave)
        await self.go.wait()
        await self._say(send, b"held")

    async def _held_stream(self, scope: Any, receive: Any, send: Any) -> None:
        scope["extensions"][GONE](self._leave)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"first", "more_body": True})
        await self.go.wait()
        await send({"type": "http.response.body", "body": b"last"})

    async def _no_more(self, scope: Any, receive: Any, send: Any) -> None:
        subscribe = scope["extensions"][GONE]
        subscribe(self._leave)
        subscribe(None)
        await self.go.wait()

    async def _late(self, scope: Any, receive: Any, send: Any) -> None:
        await self.go.wait()
        scope["extensions"][GONE](self._leave)

    async def _deaf(self, scope: Any, receive: Any, send: Any) -> None:
        await self.later.wait()
        await self._say(send, b"heard")

    async def _listens(self, scope: Any, receive: Any, send: Any) -> None:
        await self._read(receive)
        listening = asyncio.ensure_future(receive())
        await asyncio.sleep(0)
        await self._say(send, b"said")
        assert await listening == await receive() == {"type": "http.disconnect"}

    async def _listens_late(self, scope: Any, receive: Any, send: Any) -> None:
        await self._say(send, b"said")
        assert await receive() == {"type": "http.disconnect"}

    async def _told(self, scope: Any, receive: Any, send: Any) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        self.gone += 1
        # Of no use, and no error.
        await self._say(send, b"to nobody")

    async def _flood(self, scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for _ in range(FLOOD):
            await send({"type": "http.response.body", "body": FLOOD_PART, "more_body": True})
            self.begun += 1
        await send({"type": "http.response.body", "body": b""})

    async def _large(self, scope: Any, receive: Any, send: Any) -> None:
        await self._read(receive)
        await self._say(send, b"x" * 300_000)

    async def _raise(self, scope: Any, receive: Any, send: Any) -> None:
        raise LookupError("before")

    async def _raise_started(self, scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        raise LookupError("nothing of it had gone out")

    async def _raise_late(self, scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"half", "more_body": True})
        raise LookupError("after")

    async def _nothing(self, scope: Any, receive: Any, send: Any) -> None:
        pass

    async def _half(self, scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"half", "more_body": True})

    async def _split_header(self, scope: Any, receive: Any, send: Any) -> None:
        headers = [(b"x-a", b"b\r\nset-cookie: c")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})

    async def _too_long(self, scope: Any, receive: Any, send: Any) -> None:
        headers = [(b"content-length", b"2")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"three"})

    async def _too_short(self, scope: Any, receive: Any, send: Any) -> None:
        headers = [(b"content-length", b"9")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"three"})

    async def _too_much(self, scope: Any, receive: Any, send: Any) -> None:
        await self._say(send, b"once")
        await send({"type": "http.response.body", "body": b"more"})

    async def _close(self, scope: Any, receive: Any, send: Any) -> None:
        await self._read(receive)
        headers = [(b"content-length", b"2"), (b"connection", b"close")]
        await send({"type": "http.response.start", "status": 429, "headers": headers})
        await send({"type": "http.response.body", "body": b"no"})

    async def _twice(self, scope: Any, receive: Any, send: Any) -> None:
        await self._say(send, b"once")
        await self._say(send, b"twice")

    def _leave(self) -> None:
        self.gone += 1


FLOOD, FLOOD_PART = 300, b"z" * 16_384
# What of a scope is the same under both servers.
SAID = (
    "type", "http_version", "method", "path", "raw_path", "query_string", "root_path", "scheme",
    "headers", "asgi", "state",
)  # fmt: skip


@dataclass
class Served:
    """An application that is served at ``port``; ``lines`` are the connections that were made."""

    app: App
    state: ServerState
    port: int = 0
    lines: list[asyncio.Protocol] = field(default_factory=list)
    received: int = 0

    async def until(self, holds: Callable[[], Any]) -> None:
        """Wait until ``holds()`` is true."""
        async with asyncio.timeout(WAIT_S):
            while not holds():  # noqa: ASYNC110 - what it looks at tells nobody
                await asyncio.sleep(0.001)


@asynccontextmanager
async def served(
    protocol: type[asyncio.Protocol] = Edge, app: Any = None, **options: Any
) -> AsyncIterator[Served]:
    """Serve the application, or ``app``, for the length of a block."""
    own = App()
    config = uvicorn.Config(
        app or own, interface="asgi3", http=protocol, ws="none", lifespan="off", log_config=None,
        access_log=False, proxy_headers=False, **options,
    )  # fmt: skip
    made = Served(own, ServerState())
    made.state.default_headers = [DATE]
    config.load()
    loop = asyncio.get_running_loop()

    class Counted(protocol):  # type: ignore[misc,valid-type]
        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            made.received += len(data)

    def connected() -> asyncio.Protocol:
        made.lines.append(Counted(config, made.state, {}, loop))
        return made.lines[-1]

    server = await loop.create_server(connected, "127.0.0.1", 0)
    made.port = server.sockets[0].getsockname()[1]
    try:
        yield made
        own.go.set()
        for task in made.state.tasks:
            task.cancel()
        await made.until(lambda: not made.state.tasks)
        for line in made.state.connections:
            line.transport.abort()
        await made.until(lambda: not made.state.connections)
        # The sockets close in the round after that.
        await asyncio.sleep(0)
    finally:
        server.close()


def request(
    body: bytes = b"{}", *, do: str = "echo", target: str = HOT, headers: str = "",
    version: str = "1.1", length: str | None = None,
) -> bytes:  # fmt: skip
    """Write one request; ``length`` None is that of the body."""
    told = str(len(body)) if length is None else length
    text = f"POST {target} HTTP/{version}\r\nHost: here\r\nX-Do: {do}\r\n{headers}"
    return f"{text}Content-Length: {told}\r\n\r\n".encode("latin-1") + body


@dataclass
class Answer:
    """One answer; ``head`` is what stands before its body, as it came."""

    status: int
    head: bytes
    headers: dict[str, str]
    body: bytes


class Client:
    """One connection. What came before it broke is still read, as the kernel keeps it."""

    def __init__(self, raw: socket.socket) -> None:
        self.raw = raw
        self.loop = asyncio.get_running_loop()
        self._unread = b""

    async def send(self, *pieces: bytes) -> None:
        """Send in pieces, giving the server its turn after each; nobody listening is no error."""
        for piece in pieces:
            with suppress(OSError):
                await self.loop.sock_sendall(self.raw, piece)
            for _ in range(3):
                await asyncio.sleep(0)

    async def answer(self) -> Answer:
        """Read one answer to its end."""
        head = await self.until(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").strip().split("\r\n")
        headers = dict(line.split(": ", 1) for line in lines)
        if "content-length" in headers:
            body = await self._exactly(int(headers["content-length"]))
        elif headers.get("transfer-encoding") == "chunked":
            body = await self._chunks()
        else:
            body = b""
        return Answer(int(first.split()[1]), head, headers, body)

    async def _chunks(self) -> bytes:
        parts = []
        while size := int(await self.until(b"\r\n"), 16):
            parts.append((await self._exactly(size + 2))[:-2])
        assert await self._exactly(2) == b"\r\n"
        return b"".join(parts)

    async def until(self, end: bytes) -> bytes:
        """Read until ``end`` has come."""
        while end not in self._unread:
            assert await self._more(), f"closed after {self._unread!r}"
        size = self._unread.index(end) + len(end)
        return await self._exactly(size)

    async def _exactly(self, size: int) -> bytes:
        while len(self._unread) < size:
            assert await self._more(), f"closed after {self._unread!r}"
        taken, self._unread = self._unread[:size], self._unread[size:]
        return taken

    async def rest(self) -> bytes:
        """Read until the server closes the connection."""
        while await self._more():
            pass
        return self._unread

    async def _more(self) -> bool:
        async with asyncio.timeout(WAIT_S):
            try:
                data = await self.loop.sock_recv(self.raw, 262_144)
            except OSError:
                data = b""
        self._unread += data
        return bool(data)

    def leave(self) -> None:
        """Close the connection."""
        self.raw.close()

    def vanish(self) -> None:
        """Break the connection off."""
        self.raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.raw.close()


@asynccontextmanager
async def client(place: Served, takes_bytes: int = 0) -> AsyncIterator[Client]:
    """Connect to what is served; ``takes_bytes`` is about what waits unread, 0 the usual much."""
    with socket.socket() as raw:
        if takes_bytes:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, takes_bytes)
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        raw.setblocking(False)
        await asyncio.get_running_loop().sock_connect(raw, ("127.0.0.1", place.port))
        yield Client(raw)


def with_client(
    scenario: Callable[[Served, Client], Awaitable[None]],
) -> Callable[[], Coroutine[Any, Any, None]]:
    """Give ``scenario`` the edge and a client."""

    @functools.wraps(scenario)
    async def whole() -> None:
        async with served() as place, client(place) as caller:
            await scenario(place, caller)

    return whole
