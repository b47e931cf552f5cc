"""Compressed bodies: read whatever way they are cut up, in pieces that are bounded."""

from __future__ import annotations

import gzip
import itertools
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.client_decoding import PIECE_MAX_BYTES, Decoder

BODIES = st.one_of(
    st.binary(max_size=300),
    # What grows a thousandfold, some of it right up to the bound.
    st.sampled_from([0, 1, PIECE_MAX_BYTES - 1, PIECE_MAX_BYTES, 3 * PIECE_MAX_BYTES + 7]).map(
        lambda size: b"a" * size
    ),
    # Here the last of it is inside when no byte is left to be given.
    st.integers(PIECE_MAX_BYTES + 30, PIECE_MAX_BYTES + 200).map(lambda size: b"a" * size),
)


def packed(encoding: str, body: bytes) -> bytes:
    if encoding == "gzip":
        return gzip.compress(body)
    if encoding == "deflate":
        return zlib.compress(body)
    bare = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return bare.compress(body) + bare.flush()


def unpacked(decoder: Decoder, parts: list[bytes]) -> bytes:
    out = bytearray()
    for part in parts:
        piece = decoder.decoded(part)
        out += piece
        assert len(piece) <= PIECE_MAX_BYTES
        while decoder.has_more:
            piece = decoder.decoded(b"")
            assert len(piece) <= PIECE_MAX_BYTES
            out += piece
    return bytes(out)


@given(st.sampled_from(["gzip", "deflate", "bare"]), BODIES, st.lists(st.integers(0, 2000)))
def test_what_was_packed_comes_out(encoding: str, body: bytes, cuts: list[int]) -> None:
    raw = packed(encoding, body)
    marks = [0, *sorted(cut % (len(raw) + 1) for cut in cuts), len(raw)]
    parts = [raw[at:end] for at, end in itertools.pairwise(marks)]
    decoder = Decoder("gzip" if encoding == "gzip" else "deflate")
    assert unpacked(decoder, parts) == body
    assert decoder.is_whole


@given(BODIES, BODIES)
def test_several_may_follow_one_another(first: bytes, second: bytes) -> None:
    decoder = Decoder("gzip")
    assert unpacked(decoder, [gzip.compress(first) + gzip.compress(second)]) == first + second
    assert decoder.is_whole


@given(st.binary(min_size=1, max_size=300), st.integers(1, 8))
def test_what_lacks_its_end_is_not_whole(body: bytes, missing: int) -> None:
    decoder = Decoder("gzip")
    unpacked(decoder, [gzip.compress(body)[:-missing]])
    assert not decoder.is_whole


def test_nothing_is_whole() -> None:
    assert Decoder("gzip").is_whole
    assert Decoder("deflate").decoded(b"") == b""


@pytest.mark.parametrize(
    ("encoding", "raw"),
    [
        ("gzip", b"hello"),
        ("gzip", gzip.compress(b"a", mtime=0) + b"junk"),
        ("deflate", zlib.compress(b"a") + b"junk"),
        ("deflate", b"\xff\xff\xff\xff"),
        ("gzip", zlib.compress(b"a")),
    ],
)
def test_what_is_not_in_the_encoding_is_refused(encoding: str, raw: bytes) -> None:
    with pytest.raises(ValueError, match="it says"):
        unpacked(Decoder(encoding), [raw])
