"""The upstream of the benchmark: answers at once, streams 200 chunks 10 ms apart. No framework."""

from __future__ import annotations

import asyncio
import sys

import uvloop

ANSWER = (
    b'{"id":"c","object":"chat.completion","created":1,"model":"mock","choices":[{"index":0,'
    b'"message":{"role":"assistant","content":"Hello there, how are you?"},"finish_reason":"stop"}],'
    b'"usage":{"prompt_tokens":9,"completion_tokens":7,"total_tokens":16}}'
)
CHUNK = (
    b'data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"mock","choices":'
    b'[{"index":0,"delta":{"content":" word"},"finish_reason":null}]}\n\n'
)
LAST = (
    b'data: {"id":"c","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n'
    b'data: {"id":"c","choices":[],"usage":{"prompt_tokens":9,"completion_tokens":200,"total_tokens":209}}\n\n'
    b"data: [DONE]\n\n"
)
CHUNKS, GAP_S = 200, 0.01


class Mock(asyncio.Protocol):
    """One connection; requests are told apart by ``"stream":true`` in them."""

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
        if b'"stream":true' in body[:length]:
            self.transport.write(  # type: ignore[attr-defined]
                b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
            )
            self.send_chunk(CHUNKS)
        else:
            self.transport.write(  # type: ignore[attr-defined]
                b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b"
                % (len(ANSWER), ANSWER)
            )

    def send_chunk(self, left: int) -> None:
        """Send one event, and plan the next."""
        data = CHUNK if left else LAST
        end = b"" if left else b"0\r\n\r\n"
        self.transport.write(b"%x\r\n%b\r\n%b" % (len(data), data, end))  # type: ignore[attr-defined]
        if left:
            asyncio.get_running_loop().call_later(GAP_S, self.send_chunk, left - 1)


async def serve(port: int) -> None:
    """Serve on 127.0.0.1 until ended."""
    server = await asyncio.get_running_loop().create_server(Mock, "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1])))
