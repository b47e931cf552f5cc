"""Recorded streams of real hosts, spoiled: what a host sends on a bad day is like what it sends."""

from __future__ import annotations

import base64
import json
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from providers.dialect import Dialect
from tests.fakes.spoken import HOST_WIRES
from tests.fuzz import mutations as m
from tests.fuzz.test_readers import clean, events_of, regrouped, sane
from tests.replay.corpus import CORPUS, index

KINDS = {
    "chat": "openai_chat",
    "responses": "openai_responses",
    "messages": "anthropic_messages",
    "gemini": "gemini_generate",
    "converse": "bedrock_converse",
    "cohere": "cohere_chat",
}
# So many recordings of a wire, spread over all; long ones say the same things again.
MOST, MOST_BYTES = 60, 60_000
EXAMPLES = [5, pytest.param(1500, marks=pytest.mark.slow)]
DIALECT = Dialect()


@cache
def recorded(wire: str) -> tuple[tuple[m.Piece, ...], ...]:
    """Return recorded streams, event by event. Skips where the corpus is absent."""
    rows = [
        row
        for row in index()
        if row["kind"] == KINDS[wire]
        and row["body"] in ("sse_text", "eventstream_b64")
        and row["status"] == 200
        and row["bytes"] < MOST_BYTES
    ]
    chosen = [rows[place * len(rows) // MOST] for place in range(MOST)] if rows[MOST:] else rows
    found = []
    for row in chosen:
        kept = json.loads((CORPUS / str(row["path"])).read_text(encoding="utf-8"))
        if "eventstream_b64" in kept:
            raw = _frames(base64.b64decode(kept["eventstream_b64"]))
        else:
            text = kept["sse_text"].replace("\r\n", "\n").encode()
            raw = [event + b"\n\n" for event in text.split(b"\n\n") if event.strip()]
        found.append(tuple(m.pieces(raw)))
    return tuple(found)


def _frames(data: bytes) -> list[bytes]:
    found, at = [], 0
    while at < len(data):
        size = int.from_bytes(data[at : at + 4])
        found.append(data[at : at + size])
        at += size
    return found


@pytest.mark.parametrize("wire", HOST_WIRES)
@pytest.mark.parametrize("examples", EXAMPLES)
def test_spoiled_recordings(wire: str, examples: int) -> None:
    streams = recorded(wire)

    @settings(max_examples=examples, deadline=None)
    @given(
        which=st.integers(0, len(streams) - 1),
        mutations=m.MUTATIONS,
        sizes=st.lists(st.integers(1, 300), min_size=1, max_size=4),
    )
    def holds(which: int, mutations: list[m.Mutation], sizes: list[int]) -> None:
        data = b"".join(m.mutated(streams[which], mutations))
        events, reading = events_of(wire, DIALECT, [data])
        clean(events, whole=reading.fault is None)
        sane(reading.usage)
        again, cut = events_of(wire, DIALECT, regrouped(data, sizes))
        assert again == events
        assert (cut.fault is None, cut.usage) == (reading.fault is None, reading.usage)

    holds()
