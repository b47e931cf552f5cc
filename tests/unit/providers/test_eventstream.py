"""Frames of the binary event stream: cut anywhere, broken, hostile."""

from __future__ import annotations

import struct
import zlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.errors import ErrorKind
from providers.eventstream import Frame, FrameDecoder
from providers.framing import EVENT_MAX_BYTES
from tests.unit.providers.frames import event, frame

TWO = event("messageStart", {"role": "assistant"}) + frame({}, b"")


def read(data: bytes, *cuts: int) -> tuple[list[Frame], FrameDecoder]:
    decoder = FrameDecoder()
    frames = []
    for start, end in zip((0, *cuts), (*cuts, len(data)), strict=True):
        frames += decoder.feed(data[start:end])
    return frames, decoder


def test_frames_come_whole_at_every_cut() -> None:
    whole, _ = read(TWO)
    assert [one.header(":event-type") for one in whole] == ["messageStart", ""]
    assert whole[0].payload == b'{"role": "assistant"}'
    for cut in range(len(TWO) + 1):
        frames, decoder = read(TWO, cut)
        assert frames == whole
        assert decoder.pending == 0


def test_byte_by_byte() -> None:
    assert read(TWO, *range(1, len(TWO)))[0] == read(TWO)[0]


@given(st.lists(st.integers(0, len(TWO)), max_size=8))
def test_cuts_never_change_the_frames(cuts: list[int]) -> None:
    assert read(TWO, *sorted(cuts))[0] == read(TWO)[0]


@pytest.mark.parametrize("place", range(len(TWO) - 16))
def test_a_changed_byte_is_found(place: int) -> None:
    changed = bytearray(TWO)
    changed[place] ^= 1
    frames, decoder = read(bytes(changed))
    assert not frames
    assert decoder.fault is not None
    assert decoder.fault.kind is ErrorKind.MALFORMED
    assert decoder.feed(TWO) == []


def test_frames_before_a_broken_one_still_come() -> None:
    changed = TWO[:-1] + bytes([TWO[-1] ^ 1])
    frames, decoder = read(changed)
    assert len(frames) == 1
    assert decoder.fault is not None


def prelude(total: int, headers: int) -> bytes:
    said = struct.pack("!II", total, headers)
    return said + struct.pack("!I", zlib.crc32(said))


@pytest.mark.parametrize(
    ("total", "headers"),
    [
        (0, 0),
        (15, 0),
        (16, 1),
        (100, 85),
        (EVENT_MAX_BYTES + 1, 0),
        (2**32 - 1, 0),
        (20, 2**32 - 1),
    ],
)
def test_lengths_that_cannot_be_are_not_waited_for(total: int, headers: int) -> None:
    _, decoder = read(prelude(total, headers))
    assert decoder.fault is not None
    assert decoder.pending == 0


def with_headers(head: bytes) -> bytes:
    said = prelude(len(head) + 16, len(head)) + head
    return said + struct.pack("!I", zlib.crc32(said))


@pytest.mark.parametrize(
    "head",
    [
        b"\x01",
        b"\x05ab",
        b"\x01a",
        b"\x01a\x0a",
        b"\x01a\x07\x00\x05ab",
        b"\x01a\x07\x00\x01\xff",
        b"\x01\xff\x00",
        b"\x00\x00",
        b"\x01a\x00\x01a\x00",
        b"\x01a\x09123",
        b"\x01a\x04\x00",
    ],
)
def test_headers_that_cannot_be_read(head: bytes) -> None:
    frames, decoder = read(with_headers(head))
    assert not frames
    assert decoder.fault is not None


def test_every_type_of_header() -> None:
    head = (
        b"\x01a\x00" + b"\x01b\x01" + b"\x01c\x02\xff" + b"\x01d\x03\x00\x02"
        b"\x01e\x04\x00\x00\x00\x03" + b"\x01f\x05" + bytes(7) + b"\x04" + b"\x01g\x06\x00\x01x"
        b"\x01h\x07\x00\x02\xc3\xa9" + b"\x01i\x08" + bytes(7) + b"\x05" + b"\x01j\x09" + bytes(16)
    )  # fmt: skip
    frames, decoder = read(with_headers(head))
    assert decoder.fault is None
    assert dict(frames[0].headers) == {
        "a": True, "b": False, "c": -1, "d": 2, "e": 3, "f": 4, "g": b"x", "h": "é", "i": 5,
        "j": bytes(16),
    }  # fmt: skip
    assert frames[0].header("c") == ""


@given(st.binary(max_size=200), st.integers(0, 200))
def test_any_bytes_are_read_or_refused(data: bytes, cut: int) -> None:
    _, decoder = read(data, min(cut, len(data)))
    assert decoder.pending <= len(data)


def test_the_vendors_own_parser_reads_the_same() -> None:
    vendor: Any = pytest.importorskip("botocore.eventstream", reason="botocore is not installed")
    buffer = vendor.EventStreamBuffer()
    buffer.add_data(TWO)
    theirs = [(dict(one.headers), one.payload) for one in buffer]
    assert theirs == [(dict(one.headers), one.payload) for one in read(TWO)[0]]
