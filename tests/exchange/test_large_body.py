"""A body of 5 MB beside sixteen streams: whatever it waits for, no stream waits for it.

No time is measured. The streams' host lets out one chunk for each when it is told, and each client
must have it before the large call gets on: a stream that waited for it would never come.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

from tests.exchange.conftest import FACTS_AT_HOME, PRICE, House
from tests.fakes import answers
from tests.fakes.answers import Gate
from tests.fakes.upstream import Upstream

STREAMS = 16
# Nothing here may end because this machine is slow.
PATIENT = {"connect_s": 30, "first_byte_s": 100, "answer_s": 100, "between_s": 100, "total_s": 110}
SMALL_BUFFER = 64 * 1024
TEXT = 'the "quick" fox\n' * 350_000
WITHIN_S = 60.0


class SlowHost:
    """A host that reads a request's head at once, and its body and what comes then when told."""

    def __init__(self) -> None:
        self.asked, self.may_read, self.has_read = (asyncio.Event() for _ in range(3))
        self.may_answer = asyncio.Event()
        self.body = b""
        self.url = ""

    @contextlib.asynccontextmanager
    async def listening(self) -> AsyncIterator[SlowHost]:
        """Listen for the length of a block, with buffers that no large body fits into."""
        with socket.socket() as listening:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL_BUFFER)
            listening.bind(("127.0.0.1", 0))
            self.url = f"http://127.0.0.1:{listening.getsockname()[1]}/v1"
            server = await asyncio.start_server(self._serve, sock=listening, limit=SMALL_BUFFER)
            async with server:
                yield self

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        self.asked.set()
        await self.may_read.wait()
        self.body = await reader.readexactly(length_of(head))
        self.has_read.set()
        await self.may_answer.wait()
        answer = json.dumps(answers.chat_answer(TEXT)).encode()
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n")
        writer.write(b"content-length: %d\r\n\r\n%b" % (len(answer), answer))
        await writer.drain()
        writer.close()


def length_of(head: bytes) -> int:
    return int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0])


@dataclass
class Listener:
    """A client that reads a stream."""

    gate: Gate
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def hears(self, word: str) -> None:
        """Let one more chunk out and read on until it is here."""
        self.gate.step()
        await self.reader.readuntil(f'"{word}"'.encode())

    async def ends(self) -> None:
        """Let the rest out and read it."""
        self.gate.open()
        await self.reader.readuntil(b"data: [DONE]\n\n")
        self.writer.close()
        await self.writer.wait_closed()


async def connected(house: House) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    port = int(house.gateway.url.rpartition(":")[2])
    return await asyncio.open_connection("127.0.0.1", port, limit=SMALL_BUFFER)


def request(**body: Any) -> bytes:
    content = json.dumps(body).encode()
    head = (
        "POST /v1/chat/completions HTTP/1.1\r\nhost: gateway\r\ncontent-type: application/json\r\n"
    )
    return head.encode() + b"content-length: %d\r\n\r\n%b" % (len(content), content)


async def streaming(house: House, host: Upstream, words: list[str], last: int) -> Listener:
    """Open one stream and read its first chunks, up to the word ``last``."""
    gate = Gate()
    host.script(answers.sse(answers.chat_stream(words, role_chunk=False), gate=gate))
    reader, writer = await connected(house)
    said = [{"role": "user", "content": "Hello"}]
    writer.write(request(model="assistant", messages=said, stream=True))
    listener = Listener(gate, reader, writer)
    for word in words[: last + 1]:
        await listener.hears(word)
    return listener


async def test_no_stream_waits_for_a_large_body(
    build: Callable[..., House], upstream: Upstream
) -> None:
    async with asyncio.timeout(WITHIN_S), SlowHost().listening() as slow:
        house = await asyncio.to_thread(build, server={"timeouts": PATIENT}, **at(upstream, slow))
        words = [f"word {number}" for number in range(6)]
        left = iter(words)
        listeners = [await streaming(house, upstream, words, 0) for _ in range(STREAMS)]
        next(left)

        async def all_go_on() -> None:
            word = next(left)
            await asyncio.gather(*(listener.hears(word) for listener in listeners))

        asked = request(model="large", messages=[{"role": "user", "content": TEXT}])
        reader, writer = await connected(house)
        half = len(asked) // 2
        writer.write(asked[:half])
        await writer.drain()
        await all_go_on()  # half of the body has come
        writer.write(asked[half:])
        await slow.asked.wait()
        await all_go_on()  # it has been judged, and its host does not take it
        slow.may_read.set()
        await slow.has_read.wait()
        assert json.loads(slow.body)["messages"][0]["content"] == TEXT
        await all_go_on()  # the host is thinking
        slow.may_answer.set()
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200")
        await all_go_on()  # a large answer, of which the client has only the head
        whole = json.loads(await reader.readexactly(length_of(head)))
        assert whole["choices"][0]["message"]["content"] == TEXT
        await asyncio.gather(*(listener.ends() for listener in listeners))
        writer.close()
        await writer.wait_closed()
    kept = await asyncio.to_thread(house.gateway.entries, STREAMS + 1)
    assert {entry["outcome"] for entry in kept} == {"completed"}


def at(fast: Upstream, slow: SlowHost) -> dict[str, Any]:
    """Return a config with a model of the streams' host and one of the slow host."""
    hosts = {"one": fast.base_url, "two": slow.url}
    return {
        "providers": {
            name: {
                "catalog": "openai",
                "base_url": url,
                "api_key": f"sk-canary-{name}",
                "prices": {"m": PRICE},
                "facts": FACTS_AT_HOME,
            }
            for name, url in hosts.items()
        },
        "models": {"assistant": ["one/m"], "large": ["two/m"]},
    }
