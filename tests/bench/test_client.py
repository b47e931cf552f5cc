"""The benchmark's own client takes a body out of its framing, however the network cut it."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from bench.client import Body

CHUNKED = b"http/1.1 200 ok\r\ntransfer-encoding: chunked"
PIECES = st.lists(st.binary(min_size=1, max_size=40), max_size=8)


def fed(body: Body, raw: bytes, cuts: list[int]) -> bytes:
    """Give the body its bytes in pieces; it must not be whole before the last one."""
    found = b""
    at = [0, *sorted({cut % len(raw) for cut in cuts}), len(raw)]
    for begin, end in itertools.pairwise(at):
        if begin != end:
            assert not body.whole
            found += body.take(raw[begin:end])
    return found


@given(PIECES, st.lists(st.integers(min_value=0, max_value=10_000), max_size=12))
def test_chunks_are_put_together(pieces: list[bytes], cuts: list[int]) -> None:
    raw = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"
    body = Body(CHUNKED)
    assert fed(body, raw, cuts) == b"".join(pieces)
    assert body.whole


@given(st.binary(min_size=1, max_size=60), st.lists(st.integers(0, 100), max_size=5))
def test_a_length_ends_a_body(raw: bytes, cuts: list[int]) -> None:
    body = Body(b"http/1.1 200 ok\r\ncontent-length: %d\r\nx: y" % len(raw))
    assert fed(body, raw, cuts) == raw
    assert body.whole


def test_without_either_the_connection_ends_it() -> None:
    body = Body(b"http/1.1 200 ok\r\nx: y")
    assert body.take(b"some") == b"some"
    assert body.ends_by_closing
    assert not body.whole
    assert Body(b"http/1.1 200 ok\r\ncontent-length: 0").whole
