"""Whatever is asked, and in whatever pieces it comes: the edge answers as uvicorn alone would."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from gateway import edge
from gateway.edge import Edge
from tests.unit.gateway.edge_served import HOT, client, request, run, served


@pytest.fixture(autouse=True)
def _nothing_waits_to_be_handed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(edge, "WHOLE_WITHIN_S", 1000.0)


NAMES = st.sampled_from(
    ["Accept", "x-a", "X-A", "Authorization", "CONTENT-TYPE", "x-entrepot-tags"]
)
VALUES = st.text(st.characters(min_codepoint=32, max_codepoint=255, exclude_characters="\x7f"))
HEADERS = st.lists(
    st.tuples(NAMES, st.just(": ") | st.just(":") | st.just(":\t "), VALUES), max_size=4
)
TARGETS = st.sampled_from(
    [
        HOT, HOT, HOT, "/v1/messages", f"{HOT}?a=b&c", f"{HOT}?a#b", "/v1/models/m:generateContent", "/v1/%63ompletions",
        "/v1beta/models/x%20y:countTokens", f"http://here{HOT}", "/elsewhere", f"{HOT}#part", "*",
    ]
)  # fmt: skip
BODIES = st.binary(min_size=1, max_size=60)


@dataclass(frozen=True)
class Ask:
    """One request as it is sent; the connection ends after one that ``is_last``."""

    raw: bytes
    is_last: bool = False


@st.composite
def calls(draw: st.DrawFn, *, last: bool = False) -> Ask:
    """Well-formed calls, most of them at hot doors."""
    headers = "".join(f"{name}{colon}{value}\r\n" for name, colon, value in draw(HEADERS))
    do = draw(st.sampled_from(["echo", "echo", "stream", "large", "close"]))
    # A stream ends otherwise for a client of HTTP/1.0: another test has that.
    old = do != "stream" and draw(st.integers(0, 9)) == 0
    if last or draw(st.integers(0, 9)) == 0:
        headers += "Connection: close\r\n"
        last = True
    version = "1.0" if old else "1.1"
    whole = request(draw(BODIES), do=do, target=draw(TARGETS), headers=headers, version=version)
    return Ask(whole, last or old or do == "close")


OTHERS = st.sampled_from(
    [
        b"GET /healthz HTTP/1.1\r\n\r\n",
        request(b""),
        f"POST {HOT} HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n".encode(),
        b"\r\n" + request(b"x"),
        request(b"x" * 70_000),
        request(b"x", headers="A: b\r\n" * 140),
    ]
)
BROKEN = st.sampled_from(
    [
        request(length="+2"),
        request(headers="Content-Length: 2\r\n"),
        request(headers="Transfer-Encoding: chunked\r\n"),
        request(headers="A : b\r\n"),
        request(headers="A: b\x00\r\n"),
        request(headers="A: b\r\n c: d\r\n"),
        request(version="1.9"),
        request().replace(b"\r\n", b"\n"),
        f"POST {HOT}\r\n\r\n".encode(),
        b"\x00\x01\x02\r\n\r\n",
    ]
)
ASKS = calls() | OTHERS.map(Ask)
DATES = re.compile(rb"date: [^\r]*\r\n")


def _pieces(raw: bytes, cuts: list[float]) -> list[bytes]:
    places = sorted({round(cut * len(raw)) for cut in cuts} | {0, len(raw)})
    return [raw[start:end] for start, end in pairwise(places)]


async def _answers(
    protocol: type, asks: list[Ask], cuts: list[float], at_once: bool
) -> list[bytes]:
    """What is answered: one by one where each waits for the last, else as one."""
    async with served(protocol) as place, client(place) as caller:
        if at_once:
            # What comes behind the last is not read, and so may break the connection.
            end = next((at for at, ask in enumerate(asks, start=1) if ask.is_last), len(asks))
            asks = asks[:end]
            await caller.send(*_pieces(b"".join(ask.raw for ask in asks), cuts))
            return [DATES.sub(b"", await caller.rest())]
        said = []
        for ask in asks:
            await caller.send(*_pieces(ask.raw, cuts))
            if ask.is_last:
                said.append(DATES.sub(b"", await caller.rest()))
                break
            answer = await caller.answer()
            said += [DATES.sub(b"", answer.head), answer.body]
        return said


def _same(asks: list[Ask], cuts: list[float], at_once: bool) -> None:
    ours: list[bytes] = []
    theirs: list[bytes] = []

    async def both() -> None:
        ours.extend(await _answers(Edge, asks, cuts, at_once))
        theirs.extend(await _answers(HttpToolsProtocol, asks, cuts, at_once))

    run("uvloop", both())
    assert ours == theirs


CUTS = st.lists(st.floats(0, 1), max_size=6)


@given(asks=st.lists(ASKS, max_size=4), last=calls(last=True), cuts=CUTS, at_once=st.booleans())
def test_good_requests(asks: list[Ask], last: Ask, cuts: list[float], at_once: bool) -> None:
    _same([*asks, last], cuts, at_once)


# Sent at once, uvicorn answers the broken one before those that came before it.
@given(asks=st.lists(ASKS, max_size=2), broken=BROKEN, cuts=CUTS)
def test_broken_requests(asks: list[Ask], broken: bytes, cuts: list[float]) -> None:
    _same([*asks, Ask(broken, is_last=True)], cuts, at_once=False)


@given(text=st.binary(max_size=200), cuts=CUTS)
def test_any_bytes_as_headers(text: bytes, cuts: list[float]) -> None:
    raw = f"POST {HOT} HTTP/1.1\r\n".encode() + text + b"\r\ncontent-length: 1\r\n\r\nx"
    _same([Ask(raw)], cuts, at_once=False)
