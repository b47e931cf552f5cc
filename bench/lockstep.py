"""Calls one after the other, each step waited for, so that the same happens in every run.

A host and a client on bare sockets, in one loop: a chunk is sent by the host only when the client has
had the one before, so that the gateway between them wakes once for each, however slow it is.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bench.asks import Stream, ask, http, prompt
from bench.config import KEY

STEP_MOST_S = 60.0
CHUNK_END = b"\n\n\r\n"
BODY_END = b"0\r\n\r\n"
ANSWER = (
    b'{"id":"c","object":"chat.completion","created":1,"model":"mock","choices":[{"index":0,'
    b'"message":{"role":"assistant","content":"Hello there, how are you?"},"finish_reason":"stop"}],'
    b'"usage":{"prompt_tokens":9,"completion_tokens":7,"total_tokens":16}}'
)
# How the request of a stream is known: the mark of `bench.asks`.
STREAMED = b"[["


@dataclass(frozen=True)
class Said:
    """What the host streams on one wire; ``chunk`` says one word and comes many times."""

    begin: bytes
    chunk: bytes
    end: bytes


def _line(value: Any) -> bytes:
    return b"data: " + json.dumps(value, separators=(",", ":")).encode() + b"\n\n"


def _named(kind: str, **said: Any) -> bytes:
    return b"event: " + kind.encode() + b"\n" + _line({"type": kind, **said})


def _chat(**said: Any) -> bytes:
    head = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "mock"}
    return _line({**head, **said})


def _delta(delta: Mapping[str, str], finish: str | None = None) -> bytes:
    return _chat(choices=[{"index": 0, "delta": delta, "finish_reason": finish}])


_BEGUN = {
    "id": "m", "type": "message", "role": "assistant", "model": "mock", "content": [],
    "usage": {"input_tokens": 9, "output_tokens": 1},
}  # fmt: skip
# By the last word of the path that the host is asked at.
STREAMS: Mapping[bytes, Said] = {
    b"completions": Said(
        _delta({"role": "assistant", "content": ""}),
        _delta({"content": " word"}),
        _delta({}, "stop")
        + _chat(choices=[], usage={"prompt_tokens": 9, "completion_tokens": 7, "total_tokens": 16})
        + b"data: [DONE]\n\n",
    ),
    b"messages": Said(
        _named("message_start", message=_BEGUN)
        + _named("content_block_start", index=0, content_block={"type": "text", "text": ""}),
        _named("content_block_delta", index=0, delta={"type": "text_delta", "text": " word"}),
        _named("content_block_stop", index=0)
        + _named("message_delta", delta={"stop_reason": "end_turn", "stop_sequence": None},
                 usage={"output_tokens": 7})
        + _named("message_stop"),
    ),
}  # fmt: skip


class Host(asyncio.Protocol):
    """One connection to the host; a stream of it stands in ``streams`` once it is asked for."""

    def __init__(self, streams: asyncio.Queue[Host]) -> None:
        self._streams = streams
        self._seen = b""
        self.said = STREAMS[b"completions"]

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Answer a request that is whole, but for a stream, which waits to be told."""
        self._seen += data
        head, found, body = self._seen.partition(b"\r\n\r\n")
        size = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0] or 0)
        if not found or len(body) < size:
            return
        self._seen = b""
        if STREAMED in body:
            self.said = STREAMS[head.split(b" ", 2)[1].rpartition(b"/")[2]]
            self._streams.put_nowait(self)
            return
        self._transport.write(
            b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b"
            % (len(ANSWER), ANSWER)
        )

    def begin(self) -> None:
        """Send the stream's head and its beginning."""
        self._transport.write(
            b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n"
            b"transfer-encoding: chunked\r\n\r\n" + _chunk(self.said.begin)
        )

    def chunk(self) -> None:
        """Send one more chunk."""
        self._transport.write(_chunk(self.said.chunk))

    def end(self) -> None:
        """Send the end."""
        self._transport.write(_chunk(self.said.end) + BODY_END)


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


class Client(asyncio.Protocol):
    """One connection of a client, kept alive."""

    def __init__(self) -> None:
        self._seen = b""
        self._mark = b""
        self._waiting: asyncio.Future[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Wake whoever waits for how the data ends."""
        self._seen += data
        self._look()

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell whoever waits; nobody is told in any other case."""
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_exception(ConnectionError("the gateway closed the connection"))

    def ask(self, request: bytes) -> None:
        """Send a request."""
        self._seen = b""
        self._transport.write(request)

    async def until(self, mark: bytes) -> None:
        """Wait until the data ends with ``mark``, and forget it. Raises SystemExit where not."""
        self._mark, self._waiting = mark, asyncio.get_running_loop().create_future()
        self._look()
        try:
            await asyncio.wait_for(self._waiting, STEP_MOST_S)
        except (TimeoutError, ConnectionError) as fault:
            raise SystemExit(f"no answer as it should be ({fault!r}): {self._seen!r}") from None
        self._seen = b""

    def _look(self) -> None:
        waiting = self._waiting
        if waiting is not None and not waiting.done() and self._seen.endswith(self._mark):
            waiting.set_result(None)

    def close(self) -> None:
        """Close the connection."""
        self._transport.close()


class Steps:
    """A client of the gateway at ``port`` and the host behind it, moved together."""

    def __init__(self, port: int, streams: asyncio.Queue[Host], client: Client) -> None:
        self._port = port
        self._streams = streams
        self._client = client

    async def call(self, size: int) -> None:
        """Make one call with a prompt of ``size`` bytes and read its answer."""
        # The model with the long window, which no prompt is too long for.
        self._client.ask(self._request("long", prompt(size), None))
        await self.read(ANSWER)

    async def begin(self, model: str) -> Host:
        """Open a stream; return what streams it, once the client has its first word."""
        # The host does not read the mark's figures: it says what it is told to say.
        self._client.ask(self._request(model, "Hello", Stream(1, 0)))
        host = await asyncio.wait_for(self._streams.get(), STEP_MOST_S)
        host.begin()
        await self.chunks(host, 1)
        return host

    async def chunks(self, host: Host, count: int) -> None:
        """Let ``count`` chunks pass, one after the other."""
        for _ in range(count):
            host.chunk()
            await self.read(CHUNK_END)

    async def read(self, mark: bytes) -> None:
        """Wait until what the client has had ends with ``mark``. Raises SystemExit where not."""
        await self._client.until(mark)

    async def end(self, host: Host) -> None:
        """Let the stream end."""
        host.end()
        await self.read(BODY_END)

    def close(self) -> None:
        """Close the client's connection."""
        self._client.close()

    def _request(self, model: str, text: str, stream: Stream | None) -> bytes:
        path, body = ask("chat", model, text, stream)
        return http(self._port, path, {"authorization": f"Bearer {KEY}"}, body)


async def listen(port: int) -> tuple[asyncio.Server, asyncio.Queue[Host]]:
    """Run the host on ``port``; return its server, and where its streams come."""
    streams: asyncio.Queue[Host] = asyncio.Queue()
    loop = asyncio.get_running_loop()
    return await loop.create_server(lambda: Host(streams), "127.0.0.1", port), streams


async def connect(port: int, streams: asyncio.Queue[Host]) -> Steps:
    """Connect a client to the gateway at ``port``."""
    _, client = await asyncio.get_running_loop().create_connection(Client, "127.0.0.1", port)
    return Steps(port, streams, client)
