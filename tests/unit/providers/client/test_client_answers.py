"""What a host may answer, byte for byte, and what becomes of it: the same with both clients."""

from __future__ import annotations

import asyncio
import gzip
import zlib
from collections.abc import Callable

import pytest

from providers.client import StaleConnectionError
from providers.errors import UpstreamError
from tests.fakes.raw_host import CHUNKED, LAST, OK, RawHost, Talk, answering, chunk, whole
from tests.unit.providers.client.asking import Clients, ask, everywhere, said

HEAD = b"HTTP/1.1 200 OK\r\n"
TEXT = b"hello " * 100


def raw_deflate(data: bytes) -> bytes:
    packed = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packed.compress(data) + packed.flush()


# What is sent -> what is read: status and body. The connection stays good.
GOOD: dict[str, tuple[bytes, int, bytes]] = {
    "a length": (OK, 200, b"ok"),
    "no reason": (b"HTTP/1.1 200\r\nContent-Length: 2\r\n\r\nok", 200, b"ok"),
    "lines that end with LF": (b"HTTP/1.1 200 OK\nContent-Length: 2\n\nok", 200, b"ok"),
    "a line before it": (b"\r\n" + OK, 200, b"ok"),
    "a folded header": (HEAD + b"A: b\r\n c\r\nContent-Length: 2\r\n\r\nok", 200, b"ok"),
    "continue": (b"HTTP/1.1 100 Continue\r\n\r\n" + OK, 200, b"ok"),
    "early hints": (b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" * 3 + OK, 200, b"ok"),
    "no content": (b"HTTP/1.1 204 No Content\r\n\r\n", 204, b""),
    "not modified, with a length": (b"HTTP/1.1 304 N\r\nContent-Length: 7\r\n\r\n", 304, b""),
    "an empty body": (whole(b""), 200, b""),
    "chunks": (CHUNKED + chunk(b"o") + chunk(b"k") + LAST, 200, b"ok"),
    "extensions": (CHUNKED + b'2;a=b;c="d"\r\nok\r\n0;e\r\n\r\n', 200, b"ok"),
    "trailers": (CHUNKED + chunk(b"ok") + b"0\r\nX-Sum: 1\r\nLimit: 2\r\n\r\n", 200, b"ok"),
    "a blank after a size": (CHUNKED + b"2 \r\nok\r\n" + LAST, 200, b"ok"),
    "an offer of another protocol": (
        whole(b"ok", b"Upgrade: h2,h2c", b"Connection: Upgrade, Keep-Alive"), 200, b"ok",
    ),
    "gzip": (whole(gzip.compress(TEXT), b"Content-Encoding: gzip"), 200, TEXT),
    "GZIP": (whole(gzip.compress(TEXT), b"CONTENT-ENCODING: GZip"), 200, TEXT),
    "gzip in two parts": (
        whole(gzip.compress(TEXT) + gzip.compress(b"end"), b"Content-Encoding: gzip"),
        200,
        TEXT + b"end",
    ),
    "gzip of nothing": (whole(b"", b"Content-Encoding: gzip"), 200, b""),
    "gzip in chunks": (
        CHUNKED.replace(b"\r\n\r\n", b"\r\nContent-Encoding: gzip\r\n\r\n")
        + b"".join(chunk(bytes((one,))) for one in gzip.compress(TEXT))
        + LAST,
        200,
        TEXT,
    ),
    "deflate": (whole(zlib.compress(TEXT), b"Content-Encoding: deflate"), 200, TEXT),
    "deflate without its frame": (whole(raw_deflate(TEXT), b"content-encoding: deflate"), 200, TEXT),
    "identity": (whole(b"ok", b"Content-Encoding: identity"), 200, b"ok"),
    "two encodings, which nobody undoes": (
        whole(b"ok", b"Content-Encoding: gzip, gzip"), 200, b"ok",
    ),
}  # fmt: skip
# Good, too, but the connection is not used again.
GOOD_ONCE: dict[str, tuple[bytes, str, bytes]] = {
    "until the end": (HEAD + b"\r\nok", "fin", b"ok"),
    "until the end, after a while": (HEAD + b"\r\no|k", "fin", b"ok"),
    "HTTP/1.0": (b"HTTP/1.0 200 OK\r\n\r\nok", "fin", b"ok"),
    "another coding than chunks": (HEAD + b"Transfer-Encoding: gzip\r\n\r\nok", "fin", b"ok"),
    "an announced end": (whole(b"ok", b"Connection: close"), "", b"ok"),
    "a second answer": (OK + OK, "", b"ok"),
}
# What is sent, how it ends, and what kind of fault it is. "|" is a pause.
BAD: dict[str, tuple[bytes, str, str]] = {
    "nothing": (b"", "fin", "stale"),
    "a reset": (b"", "rst", "stale"),
    "a piece of the first line": (b"HTTP/1.1 20", "fin", "cut"),
    "a piece of the headers": (HEAD + b"Content-Le", "fin", "cut"),
    "a cut body": (HEAD + b"Content-Length: 9\r\n\r\nab", "fin", "cut"),
    "a reset in the body": (HEAD + b"Content-Length: 9\r\n\r\nab", "rst", "cut"),
    "a cut chunk": (CHUNKED + b"5\r\nab", "fin", "cut"),
    "a missing last chunk": (CHUNKED + chunk(b"ab"), "fin", "cut"),
    "a reset in a chunk": (CHUNKED + b"5\r\nab", "rst", "cut"),
    "a wrong chunk at once": (CHUNKED + b"zz\r\nab", "", "malformed"),
    "another protocol": (b"SSH-2.0-OpenSSH_9.2\r\n", "", "malformed"),
    "a page without headers": (b"<html>it works</html>", "", "malformed"),
    "a status of two digits": (b"HTTP/1.1 99 X\r\nContent-Length: 0\r\n\r\n", "", "malformed"),
    "a status of four": (b"HTTP/1.1 1000 X\r\nContent-Length: 0\r\n\r\n", "", "malformed"),
    "a change of protocol": (
        b"HTTP/1.1 101 S\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n", "", "malformed",
    ),
    "a change to no protocol": (b"HTTP/1.1 101 S\r\n\r\n" + OK, "", "malformed"),
    "a header without a name": (HEAD + b"no colon\r\n\r\n", "", "malformed"),
    "a blank in a name": (HEAD + b"A b: c\r\nContent-Length: 0\r\n\r\n", "", "malformed"),
    "a zero byte": (HEAD + b"A: b\0c\r\nContent-Length: 0\r\n\r\n", "", "malformed"),
    "two lengths": (HEAD + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\nok", "", "malformed"),
    "a length below zero": (HEAD + b"Content-Length: -2\r\n\r\nok", "", "malformed"),
    "a length and chunks": (
        CHUNKED.replace(b"\r\n\r\n", b"\r\nContent-Length: 2\r\n\r\n") + chunk(b"ok") + LAST,
        "",
        "malformed",
    ),
    "a large header": (HEAD + b"A: " + b"x" * 100_000 + b"\r\n\r\n", "", "malformed"),
    "headers without an end": (HEAD + b"A: " + b"x" * 300_000, "", "malformed"),
    "many headers": (
        HEAD + b"".join(b"A%d: b\r\n" % at for at in range(300)) + b"Content-Length: 0\r\n\r\n",
        "",
        "malformed",
    ),
    "an encoding that nobody reads": (whole(b"ok", b"Content-Encoding: br"), "", "malformed"),
    "no gzip": (whole(b"hello", b"Content-Encoding: gzip"), "", "cut"),
    "something after the gzip": (
        whole(gzip.compress(TEXT) + b"junk", b"Content-Encoding: gzip"), "", "cut",
    ),
}  # fmt: skip
# Where ours tells of what the library does not: it takes these for good, for another fault, or
# waits until the caller's time is over.
BAD_FOR_OURS: dict[str, tuple[bytes, str, str]] = {
    "a wrong chunk": (CHUNKED + chunk(b"ab") + b"|zz\r\n", "", "cut"),
    "a reset in the headers": (HEAD + b"Content-Le", "rst", "cut"),
    "only an interim answer": (b"HTTP/1.1 100 Continue\r\n\r\n", "fin", "cut"),
    "a reset of what goes to the end": (HEAD + b"\r\nok", "rst", "cut"),
    "a gzip without its end": (
        whole(gzip.compress(TEXT)[:-9], b"Content-Encoding: gzip"), "", "cut",
    ),
    "interim answers without an end": (b"HTTP/1.1 100 C\r\n\r\n" * 4000, "", "malformed"),
    "trailers without an end": (
        CHUNKED + chunk(b"ab") + b"|0\r\n" + b"A: b\r\n" * 20_000, "", "cut",
    ),
    "an extension without an end": (CHUNKED + chunk(b"ab") + b"|5;" + b"x" * 99_999, "", "cut"),
}  # fmt: skip
WORDS = {
    "stale": "the connection was closed before any answer",
    "cut": "the connection broke while answering (",
    "malformed": "the answer is not HTTP (",
}


def giving(sent: bytes, end: str = "") -> Callable[[Talk], object]:
    async def serve(talk: Talk) -> None:
        while True:
            await talk.asked()
            for number, part in enumerate(sent.split(b"|")):
                if number:
                    await asyncio.sleep(0.002)  # one loop serves both: so it is read by itself
                await talk.say(part)
            if end:
                await asyncio.sleep(0.002)  # and what was sent arrives before the end does
                talk.reset() if end == "rst" else talk.writer.close()
                return

    return serve


@pytest.mark.parametrize("name", GOOD)
@everywhere
async def test_a_good_answer_is_read_and_the_connection_used_again(
    clients: Clients, name: str
) -> None:
    client = clients()
    sent, status, body = GOOD[name]
    async with RawHost(giving(sent)) as host:
        assert await said(client, host) == (status, body)
        assert await said(client, host) == (status, body)
        assert len(host.talks) == 1


@pytest.mark.parametrize("name", GOOD_ONCE)
@everywhere
async def test_the_connection_is_not_used_again_when_it_cannot_be(
    clients: Clients, name: str
) -> None:
    client = clients()
    sent, end, body = GOOD_ONCE[name]
    async with RawHost(giving(sent, end)) as host:
        assert await said(client, host) == (200, body)
        assert await said(client, host) == (200, body)
        assert len(host.talks) == 2


@pytest.mark.parametrize("name", [*BAD, *BAD_FOR_OURS])
@everywhere
async def test_a_bad_answer_is_a_fault_in_words(clients: Clients, name: str) -> None:
    client = clients()
    if name in BAD_FOR_OURS and clients.kind == "aiohttp":
        pytest.skip("the library does not tell")
    sent, end, expected = (BAD | BAD_FOR_OURS)[name]
    async with RawHost(giving(sent, end)) as host:
        for _ in range(2):
            with pytest.raises(UpstreamError) as caught:
                # What is no answer at all is not even given to the caller.
                await (said if expected == "cut" else ask)(client, host)
            fault = caught.value
            assert isinstance(fault, StaleConnectionError) == (expected == "stale")
            assert fault.kind == ("connect" if expected == "stale" else expected)
            assert fault.message.startswith(WORDS[expected])
            assert "Bearer" not in fault.message


@everywhere
async def test_what_came_before_a_fault_is_given_first(clients: Clients) -> None:
    client = clients()
    async with RawHost(giving(CHUNKED + chunk(b"ab"), "rst")) as host:
        answer = await ask(client, host)
        assert await answer.chunk() == b"ab"
        for _ in range(2):
            with pytest.raises(UpstreamError):
                await answer.chunk()
        answer.close()


@pytest.mark.parametrize("sent", [OK + b"junk", OK + b"HTT"], ids=["junk", "half an answer"])
@everywhere
async def test_what_follows_an_answer_spoils_the_connection_but_not_the_answer(
    clients: Clients, sent: bytes
) -> None:
    client = clients()
    if clients.kind == "aiohttp" and sent.endswith(b"junk"):
        pytest.skip("the library refuses the answer, too")
    async with RawHost(giving(sent)) as host:
        assert await said(client, host) == (200, b"ok")
        assert await said(client, host) == (200, b"ok")
        if clients.kind == "own":
            assert len(host.talks) == 2


@everywhere
async def test_an_answer_may_come_byte_by_byte(clients: Clients) -> None:
    client = clients()
    sent = (
        b"HTTP/1.1 100 Continue\r\n\r\n"
        + CHUNKED.replace(b"\r\n\r\n", b"\r\nX-Limit: 1\r\n\r\n")
        + chunk(b"hello ") + b"5;x=y\r\nworld\r\n0\r\nX-Sum: 1\r\n\r\n"
    )  # fmt: skip

    async def serve(talk: Talk) -> None:
        while True:
            await talk.asked()
            await talk.say(*(bytes((one,)) for one in sent))

    async with RawHost(serve) as host:
        for _ in range(2):
            answer = await ask(client, host)
            assert answer.limits == {"x-limit": "1"}
            assert await answer.read(99) == b"hello world"
            answer.close()
        assert len(host.talks) == 1


@everywhere
async def test_an_answer_may_be_split_anywhere(clients: Clients) -> None:
    client = clients()
    sent = CHUNKED + chunk(b"hello ") + chunk(b"world") + LAST
    cuts = iter(range(1, len(sent)))

    async def serve(talk: Talk) -> None:
        while True:
            await talk.asked()
            at = next(cuts)
            await talk.say(sent[:at], sent[at:])

    async with RawHost(serve) as host:
        for _ in range(1, len(sent)):
            assert await said(client, host) == (200, b"hello world")
        assert len(host.talks) == 1


@everywhere
async def test_headers_are_read_in_whatever_case_and_bytes(clients: Clients) -> None:
    client = clients()
    sent = whole(
        b"ok", b"Retry-After:  7 \t", b"x-RateLimit-Left: 3", b"content-TYPE: text/plain; a=\xc3\xa9",
        b"X-Twice: one", b"X-Twice: two", b"X-TWICE: three", b"X-Bytes: \xff\xe9",
    )  # fmt: skip
    async with RawHost(answering(sent, OK)) as host:
        answer = await ask(client, host)
        assert answer.header("retry-after") == answer.header("RETRY-AFTER") == "7"
        assert answer.header("x-twice") == answer.headers["x-twice"] == "one"
        assert answer.header("x-bytes") == answer.headers["x-bytes"] == "\xff\xe9"
        assert answer.header("x-missing") is None
        assert answer.content_type == "text/plain; a=\xc3\xa9"
        assert answer.limits == {"x-ratelimit-left": "3"}
        assert set(answer.headers) == {
            "retry-after", "x-ratelimit-left", "content-type", "x-twice", "x-bytes", "content-length",
        }  # fmt: skip
        answer.close()
        answer = await ask(client, host)
        assert answer.limits == {}
        assert answer.content_type == ""
        answer.close()


@everywhere
async def test_an_answer_over_the_callers_bound_is_refused(clients: Clients) -> None:
    client = clients()
    async with RawHost(answering(whole(b"x" * 100_000))) as host:
        answer = await ask(client, host)
        with pytest.raises(UpstreamError, match="larger than 1000 bytes"):
            await answer.read(1000)
        answer.close()
        answer = await ask(client, host)
        assert await answer.read_some(1000) == b"x" * 1000
        answer.close()


@everywhere
async def test_some_of_a_broken_body_is_better_than_none(clients: Clients) -> None:
    client = clients()
    async with RawHost(giving(HEAD + b"Content-Length: 9\r\n\r\nab", "fin")) as host:
        answer = await ask(client, host)
        assert await answer.read_some() == b"ab"
        answer.close()


@everywhere
async def test_a_get_has_no_body(clients: Clients) -> None:
    client = clients()
    async with RawHost(answering(OK)) as host:
        answer = await client.get(host.url, {"x-key": "k"}, within_s=5)
        assert (answer.status, await answer.read(9)) == (200, b"ok")
        answer.close()
        (asked,) = host.talks[0].requests
        assert asked.line == "GET /v1/chat HTTP/1.1"
        assert asked.headers["x-key"] == "k"
        assert "content-length" not in asked.headers


@everywhere
async def test_a_get_has_a_limit(clients: Clients) -> None:
    client = clients()

    async def serve(talk: Talk) -> None:
        await talk.asked()
        await talk.left()

    async with RawHost(serve) as host:
        with pytest.raises(UpstreamError, match=r"no answer within 0\.05 s") as caught:
            await client.get(host.url, {}, within_s=0.05)
        assert caught.value.kind == "timeout"
