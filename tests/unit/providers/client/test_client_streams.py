"""Bodies that come and go in pieces: coalescing, back-pressure, early answers, cancellation."""

from __future__ import annotations

import asyncio
import gzip
from random import Random

import pytest

from providers.client import Answer
from providers.client_connection import HELD_MAX_BYTES, WRITE_MAX_BYTES
from providers.client_decoding import PIECE_MAX_BYTES
from providers.errors import UpstreamError
from tests.fakes.raw_host import CHUNKED, LAST, OK, RawHost, Talk, answering, chunk, whole
from tests.unit.providers.client.asking import BODY, Clients, ask, everywhere, said

LARGE = Random(8).randbytes(5 * WRITE_MAX_BYTES + 12_345)


async def until_taken(answer: Answer) -> bytes:
    """Take without waiting, in turns of the loop, until there is something."""
    for _ in range(2000):
        data = answer.take()
        if data is not None:
            return data
        await asyncio.sleep(0.001)
    raise AssertionError("nothing came")


@everywhere
async def test_what_arrived_together_is_given_together(clients: Clients) -> None:
    client = clients()

    async def serve(talk: Talk) -> None:
        await talk.asked()
        await talk.say(CHUNKED)
        await talk.reader.read(1)  # until it is told
        await talk.say(b"".join(chunk(b"%d;" % number) for number in range(50)))
        await talk.say(LAST)
        await talk.left()

    async with RawHost(serve) as host:
        answer = await ask(client, host)
        assert answer.take() is None
        host.talks[0].reader.feed_data(b"x")
        parts = [await answer.chunk()]
        while data := await answer.chunk():
            parts.append(data)
        assert b"".join(parts) == b"".join(b"%d;" % number for number in range(50))
        assert len(parts) < 10, "50 chunks that came at once"
        assert answer.take() == b""
        answer.close()


@everywhere
async def test_pieces_are_taken_without_waiting(clients: Clients) -> None:
    client = clients()
    told = asyncio.Event()

    async def serve(talk: Talk) -> None:
        await talk.asked()
        await talk.say(CHUNKED)
        for word in (b"one", b"two"):
            await told.wait()
            told.clear()
            await talk.say(chunk(word))
        await told.wait()
        await talk.say(LAST)
        await talk.left()

    async with RawHost(serve) as host:
        answer = await ask(client, host)
        for word in (b"one", b"two", b""):
            assert answer.take() is None
            told.set()
            assert await until_taken(answer) == word
        assert answer.take() == await answer.chunk() == b""
        answer.close()


async def count(talk: Talk, end: str) -> None:
    """Answer with a few numbers, each by itself, and then end so."""
    await talk.asked()
    await talk.say(CHUNKED)
    for number in range(7):
        await asyncio.sleep(0.003)
        await talk.say(chunk(b"%d;" % number))
    if end == "whole":
        await talk.say(LAST)
    if end != "cut":
        await talk.left()


@everywhere
@pytest.mark.parametrize("end", ["whole", "cut"])
@pytest.mark.parametrize("wants", [1, 3, 99])
async def test_a_sink_is_given_what_arrives_until_it_wants_no_more(
    clients: Clients, end: str, wants: int
) -> None:
    client = clients()
    parts: list[bytes] = []

    def sink(data: bytes) -> bool:
        parts.append(data)
        return len(parts) % wants != 0

    async with RawHost(lambda talk: count(talk, end)) as host:
        answer = await ask(client, host)
        try:
            for _ in range(20):
                if not await answer.pour(sink):
                    break
                await asyncio.sleep(0.01)  # more arrives while nobody wants it
            ended = "whole"
        except UpstreamError as fault:
            ended = fault.kind
        assert ended == end
        found, every = b"".join(parts), b"0;1;2;3;4;5;6;"
        # What had arrived before a fault the library does not give.
        assert found == every or (clients.kind == "aiohttp" and every.startswith(found))
        answer.close()


@everywhere
async def test_a_sink_whose_caller_is_cancelled_gets_no_more(clients: Clients) -> None:
    client = clients()
    parts: list[bytes] = []

    def sink(data: bytes) -> bool:
        parts.append(data)
        return True

    async with RawHost(lambda talk: count(talk, "left")) as host:
        answer = await ask(client, host)
        task = asyncio.create_task(answer.pour(sink))
        await host.until(lambda: len(parts) >= 3)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        so_far = len(parts)
        # Nobody closes anything: being cancelled is enough.
        await host.until(lambda: host.now == 0)
        assert len(parts) == so_far


@everywhere
async def test_a_sink_is_given_what_was_packed(clients: Clients) -> None:
    client = clients()
    async with RawHost(answering(whole(gzip.compress(LARGE), b"Content-Encoding: gzip"))) as host:
        answer = await ask(client, host)
        parts: list[bytes] = []

        def sink(data: bytes) -> bool:
            parts.append(data)
            return True

        assert not await answer.pour(sink)
        assert b"".join(parts) == LARGE
        if clients.kind == "own":
            assert answer.is_here
        answer.close()


@everywhere
async def test_taking_meets_the_fault_after_what_came(clients: Clients) -> None:
    client = clients()

    async def serve(talk: Talk) -> None:
        await talk.asked()
        await talk.say(CHUNKED + chunk(b"one"))

    async with RawHost(serve) as host:
        answer = await ask(client, host)
        assert await until_taken(answer) == b"one"
        with pytest.raises(UpstreamError, match="the connection broke while answering"):
            await until_taken(answer)
        answer.close()


@everywhere
async def test_a_host_is_not_read_faster_than_its_answer_is_taken(clients: Clients) -> None:
    client = clients()
    written = 0

    async def serve(talk: Talk) -> None:
        nonlocal written
        await talk.asked()
        await talk.say(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body))
        for at in range(0, len(body), 65536):
            await talk.say(body[at : at + 65536])
            written = at
        await talk.left()

    body = LARGE * 4
    async with RawHost(serve) as host:
        answer = await ask(client, host)
        before = -1
        while before != written:
            before = written
            await asyncio.sleep(0.1)
        assert written < len(body) - WRITE_MAX_BYTES, "the host could write it all"
        if clients.kind == "own":
            first = await answer.chunk()
            assert len(first) <= 2 * HELD_MAX_BYTES
        else:
            first = await answer.chunk()
        assert first + await answer.read(len(body)) == body
        answer.close()


@everywhere
@pytest.mark.parametrize("size", [0, 1, 70_000, WRITE_MAX_BYTES, WRITE_MAX_BYTES + 1, len(LARGE)])
async def test_a_body_of_any_size_arrives(clients: Clients, size: int) -> None:
    client = clients()

    async def serve(talk: Talk) -> None:
        while True:
            await talk.head()
            await asyncio.sleep(0.02)  # so that the client has to wait with the rest of it
            (asked,) = talk.requests[-1:]
            asked.body = await talk.reader.readexactly(int(asked.headers["content-length"]))
            await talk.say(OK)

    async with RawHost(serve) as host:
        for _ in range(2):
            assert await said(client, host, LARGE[:size]) == (200, b"ok")
        assert [one.body for one in host.talks[0].requests] == [LARGE[:size]] * 2
        assert len(host.talks) == 1


@everywhere
async def test_a_large_body_holds_nobody_up(clients: Clients) -> None:
    client = clients()
    turns = 0

    async def serve(talk: Talk) -> None:
        await talk.head()
        # Only once the others have had their turns it is read.
        await host.until(lambda: turns >= 20)
        await talk.reader.readexactly(len(LARGE))
        await talk.say(OK)

    async def small() -> None:
        nonlocal turns
        for _ in range(20):
            assert await said(client, other) == (200, b"ok")
            turns += 1

    async with RawHost(serve) as host, RawHost(answering(OK)) as other:
        both = await asyncio.gather(said(client, host, LARGE), small())
        assert both[0] == (200, b"ok")


@everywhere
@pytest.mark.parametrize("leaves", [True, False], ids=["and leaves", "and stays"])
async def test_an_early_answer_is_delivered_and_the_connection_closed(
    clients: Clients, leaves: bool
) -> None:
    client = clients()
    early = b"HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\n\r\nno!"

    async def serve(talk: Talk) -> None:
        await talk.head()
        await talk.say(early)
        if not leaves:
            await talk.left()

    async with RawHost(serve) as host:
        answer = await ask(client, host, LARGE)
        assert answer.status == 413
        if not leaves:
            assert await answer.read(9) == b"no!"
        answer.close()
        await host.until(lambda: host.now == 0)
        answer = await ask(client, host, LARGE)
        answer.close()
        assert len(host.talks) == 2


@everywhere
async def test_a_small_bomb_is_read_in_bounded_pieces(clients: Clients) -> None:
    client = clients()
    size = 20 * PIECE_MAX_BYTES
    bomb = gzip.compress(b"\0" * size)
    async with RawHost(answering(whole(bomb, b"Content-Encoding: gzip"))) as host:
        answer = await ask(client, host)
        sizes = []
        while data := await answer.chunk():
            sizes.append(len(data))
        assert sum(sizes) == size
        if clients.kind == "own":
            assert max(sizes) <= PIECE_MAX_BYTES
        answer.close()
        answer = await ask(client, host)
        with pytest.raises(UpstreamError, match="larger than"):
            await answer.read(size // 2)
        answer.close()


@everywhere
@pytest.mark.parametrize("when", ["before the headers", "in the body"])
async def test_the_host_sees_at_once_that_a_caller_was_cancelled(
    clients: Clients, when: str
) -> None:
    client = clients()
    seen: list[str] = []

    async def serve(talk: Talk) -> None:
        await talk.asked()
        if when == "in the body":
            await talk.say(CHUNKED + chunk(b"one"))
        await talk.left()
        seen.append("gone")

    async def call() -> None:
        answer = await ask(client, host)
        assert await answer.chunk() == b"one"
        await answer.chunk()

    async with RawHost(serve) as host:
        task = asyncio.create_task(call())
        await host.until(lambda: host.talks and host.talks[0].requests)
        await asyncio.sleep(0.05)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        # Nobody closes anything: being cancelled is enough.
        await host.until(lambda: seen)


@everywhere
async def test_a_connection_whose_answer_was_left_is_cut_and_not_used_again(
    clients: Clients,
) -> None:
    client = clients()

    async def serve(talk: Talk) -> None:
        await talk.asked()
        await talk.say(CHUNKED + chunk(b"one"))
        await talk.left()

    async with RawHost(serve) as host:
        for number in (1, 2):
            answer = await ask(client, host)
            assert await answer.chunk() == b"one"
            answer.close()
            answer.close()
            await host.until(lambda: host.now == 0)
            assert len(host.talks) == number


@everywhere
async def test_what_has_come_whole_stays_when_it_is_closed(clients: Clients) -> None:
    client = clients()
    async with RawHost(answering(OK)) as host:
        answer = await ask(client, host)
        assert await answer.read(9) == b"ok"
        answer.close()
        assert answer.status == 200
        assert answer.header("content-length") == "2"
        assert await said(client, host) == (200, b"ok")
        assert len(host.talks) == 1


@everywhere
async def test_two_streams_do_not_mix(clients: Clients) -> None:
    client = clients()

    async def serve(talk: Talk) -> None:
        while True:
            asked = await talk.asked()
            await talk.say(CHUNKED)
            for _ in range(20):
                await talk.say(chunk(asked.body))
            await talk.say(LAST)

    async with RawHost(serve) as host:
        words = [BODY + b"%d" % number for number in range(40)]
        found = await asyncio.gather(*(said(client, host, word) for word in words))
        assert [body for _, body in found] == [word * 20 for word in words]
        assert len(host.talks) <= 8
