"""Whatever a host sends, however it is cut up: one meaning, an end, and nothing raised in the loop."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.client_connection import HEAD_MAX_BYTES, Connection
from providers.client_own_answer import OwnAnswer
from providers.errors import UpstreamError

# What answers are made of, good and bad, in any order.
PARTS = st.sampled_from(
    [
        b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 404 Not Found\r\n", b"HTTP/1.0 200 OK\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 204 No Content\r\n\r\n", b"HTTP/1.1 101 S\r\n",
        b"Content-Length: 3\r\n", b"Content-Length: 0\r\n", b"Transfer-Encoding: chunked\r\n",
        b"Connection: close\r\n", b"Connection: upgrade\r\nUpgrade: x\r\n",
        b"Content-Encoding: gzip\r\n", b"X-Limit: 1\r\n", b"A: b\r\n c\r\n", b"\r\n", b"\n", b"abc",
        b"3\r\nabc\r\n", b"3;e=f\r\nabc\r\n", b"0\r\n\r\n", b"0\r\nX-Sum: 1\r\n\r\n", b"junk", b"\0",
        b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
    ]
)  # fmt: skip
SENT = st.one_of(
    st.lists(PARTS, max_size=8).map(b"".join),
    st.binary(max_size=60),
    st.tuples(st.lists(PARTS, max_size=5).map(b"".join), st.binary(max_size=20)).map(b"".join),
)
GOOD = st.tuples(
    st.sampled_from([b"", b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 103 E\r\nLink: x\r\n\r\n"]),
    st.lists(st.binary(min_size=1, max_size=40), max_size=6),
    st.sampled_from(["length", "chunks", "trailers"]),
)
CUTS = st.lists(st.integers(0, 500), max_size=12)


class Wire(asyncio.Transport):
    """A transport that goes nowhere; ``is_cut`` once it was aborted."""

    def __init__(self) -> None:
        super().__init__()
        self.is_cut = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Forget it."""

    def get_write_buffer_size(self) -> int:
        """Return nothing."""
        return 0

    def pause_reading(self) -> None:
        """Go on."""

    def resume_reading(self) -> None:
        """Go on."""

    def abort(self) -> None:
        """Take note."""
        self.is_cut = True


class Asked:
    """One request on a connection without a socket. ``free`` counts how often it became free."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.free = self.lost = 0
        self.wire = Wire()
        self.connection = Connection(loop, self._freed, self._ended)
        self.connection.connection_made(self.wire)
        self.answer: OwnAnswer = self.connection.ask(b"POST / HTTP/1.1\r\nContent-Length: ", b"x")

    def _freed(self, _connection: Connection) -> None:
        self.free += 1

    def _ended(self, _connection: Connection) -> None:
        self.lost += 1

    def given(self, parts: list[bytes]) -> None:
        """Let these arrive, each by itself, until the connection is cut."""
        for part in parts:
            if part and not self.wire.is_cut:
                self.connection.data_received(part)

    def outcome(self) -> tuple[int, bytes, str]:
        """Take all: status, body, and the kind of the fault, "" for an end, "open" for neither."""
        body = bytearray()
        try:
            while data := self.answer.take():
                body += data
        except UpstreamError as fault:
            return self.answer.status, bytes(body), fault.kind
        return self.answer.status, bytes(body), "open" if data is None else ""


@contextmanager
def asked() -> Iterator[Asked]:
    loop = asyncio.new_event_loop()
    try:
        yield Asked(loop)
    finally:
        loop.close()


def cut_up(sent: bytes, cuts: list[int]) -> list[bytes]:
    marks = sorted({0, len(sent), *(cut % (len(sent) + 1) for cut in cuts)})
    return [sent[at:end] for at, end in zip(marks, [*marks[1:], len(sent)], strict=True)]


@given(SENT, CUTS, st.sampled_from(["end", "reset"]))
def test_how_it_is_cut_up_makes_no_difference(sent: bytes, cuts: list[int], end: str) -> None:
    found = []
    for parts in ([sent], cut_up(sent, cuts), [bytes((one,)) for one in sent]):
        with asked() as one:
            one.given(parts)
            before = one.outcome()
            if end == "end" and not one.wire.is_cut:
                one.connection.eof_received()
            one.connection.connection_lost(None if end == "end" else ConnectionResetError())
            status, body, after = one.outcome()
            assert after != "open", "whoever waits for it waits for ever"
            assert one.lost == 1
            assert one.free <= 1
            found.append((before, status, body, after))
    assert found[0] == found[1] == found[2]


@given(GOOD, CUTS)
def test_a_good_answer_is_read_whole_and_leaves_the_connection_free(
    answer: tuple[bytes, list[bytes], str], cuts: list[int]
) -> None:
    before, body, framing = answer
    whole = b"".join(body)
    if framing == "length":
        sent = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(whole), whole)
    else:
        last = b"0\r\n\r\n" if framing == "chunks" else b"0\r\nX-Sum: 1\r\nX-More: 2\r\n\r\n"
        chunks = b"".join(b"%x\r\n%s\r\n" % (len(one), one) for one in body)
        sent = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks + last
    with asked() as one:
        for number in (1, 2, 3):
            one.given(cut_up(before + sent, cuts))
            assert one.outcome() == (200, whole, "")
            # What ended the answer before this one is not taken for the beginning of it.
            assert set(one.answer.headers) <= {"content-length", "transfer-encoding"}
            assert (one.free, one.wire.is_cut) == (number, False)
            one.answer = one.connection.ask(b"POST / HTTP/1.1\r\nContent-Length: ", b"y")


@pytest.mark.parametrize("size", [60_000, 70_000])
def test_headers_have_a_bound_though_they_come_at_once(size: int) -> None:
    with asked() as one:
        one.given([b"HTTP/1.1 200 OK\r\nA: %s\r\nContent-Length: 2\r\n\r\nok" % (b"x" * size)])
        good = size < HEAD_MAX_BYTES
        assert one.outcome() == ((200, b"ok", "") if good else (0, b"", "malformed"))
        assert one.free == good


def test_a_large_body_that_comes_with_its_headers_is_no_large_header() -> None:
    with asked() as one:
        body = b"x" * 200_000
        one.given([b"HTTP/1.1 200 OK\r\nContent-Length: 200000\r\n\r\n" + body])
        assert one.outcome() == (200, body, "")


@given(SENT)
def test_what_comes_while_nothing_was_asked_cuts_the_connection(sent: bytes) -> None:
    with asked() as one:
        one.given([b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"])
        assert one.free == 1
        one.given([sent])
        assert one.wire.is_cut == bool(sent)
        assert one.outcome() == (200, b"", "")
