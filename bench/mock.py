"""The upstream of the benchmark: answers at once, streams chunks paced or all at once. No framework.

The path says what comes: ``/paced/on-messages/…`` is 200 chunks of the messages wire 10 ms apart,
``/burst/…`` 2000 in one go.
"""

from __future__ import annotations

import asyncio
import sys

import uvloop

from bench.streams import CHAT_ANSWER, STREAMS, Stream

PACED, BURST, GAP_S = 200, 2000, 0.01


class Mock(asyncio.Protocol):
    """One connection."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self.transport = transport
        self.seen = b""

    def data_received(self, data: bytes) -> None:
        """Answer each request that is whole."""
        self.seen += data
        head, found, body = self.seen.partition(b"\r\n\r\n")
        lower = head.lower()
        length = int(lower.partition(b"content-length:")[2].split(b"\r\n")[0] or 0)
        if not found or len(body) < length:
            return
        self.seen = body[length:]
        _, pace, wire, rest = head.split(b" ")[1].decode().split("/", 3)
        if b'"stream":true' in body[:length] or "stream" in rest:
            stream = STREAMS[wire.removeprefix("on-")]
            self.send(
                b"HTTP/1.1 200 OK\r\ncontent-type: %b\r\ntransfer-encoding: chunked\r\n\r\n"
                % stream.media
            )
            if pace == "paced":
                self.send(_http_chunk(stream.begin))
                self.send_chunk(stream, PACED)
            else:
                parts = [stream.begin, *[stream.chunk] * BURST, stream.end]
                self.send(b"".join(map(_http_chunk, parts)) + b"0\r\n\r\n")
        else:
            self.send(
                b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b"
                % (len(CHAT_ANSWER), CHAT_ANSWER)
            )

    def send_chunk(self, stream: Stream, left: int) -> None:
        """Send one event, and plan the next."""
        if not left:
            self.send(_http_chunk(stream.end) + b"0\r\n\r\n")
            return
        self.send(_http_chunk(stream.chunk))
        asyncio.get_running_loop().call_later(GAP_S, self.send_chunk, stream, left - 1)

    def send(self, data: bytes) -> None:
        """Write to the connection."""
        self.transport.write(data)  # type: ignore[attr-defined]


def _http_chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data) if data else b""


async def serve(port: int) -> None:
    """Serve on 127.0.0.1 until ended."""
    server = await asyncio.get_running_loop().create_server(Mock, "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1])))
