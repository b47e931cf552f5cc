"""Hosts in memory behind the gateway's HTTP client: what is sent is noted, then faults befall it.

Only the library's session below ``providers.client.Client`` is replaced, so that whatever the gateway sends
passes here as it would pass to a socket. To which request a send belongs is known by the context
that it is made in (``WATCH``), which tasks inherit: the gateway is not asked.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from functools import lru_cache
from random import Random
from typing import Any

import aiohttp
import msgspec
from multidict import CIMultiDict

from billing.ledger import Entry
from billing.opened import NO_SLOT, Opened
from gateway.continuing import GO_ON
from gateway.judging import INSTRUCTION
from providers.client import Client
from providers.client_aiohttp import LibraryClient
from tests.fakes import answers, spoken
from tests.fakes.spoken import Said

TAILS = {  # the end of an address -> the wire
    "/chat/completions": "chat",
    "/messages": "messages",
    "/responses": "responses",
    "/embeddings": "embeddings",
    "/completions": "completions",
    "/rerank": "rerank",
}
COUNTS = ("/count_tokens", "/input_tokens", ":countTokens")
JUDGES, GOES_ON = INSTRUCTION[:40].encode(), GO_ON[:40].encode()
# What may befall a send. The last column is how often, against the others.
FAULTS = {
    "none": 12,
    "slow": 6,
    "refused": 4,
    "reset": 4,
    "never answers": 2,
    "429 with a time": 4,
    "429 without": 3,
    "429 as a date": 1,
    "used up": 2,
    "wrong key": 2,
    "forbidden": 1,
    "no such model": 1,
    "too long": 1,
    "bad request": 1,
    "5xx": 5,
    "overloaded": 3,
    "state refused": 3,
    "no JSON": 3,
    "another form": 2,
    "cut before content": 4,
    "cut in the text": 8,
    "stalls in the text": 3,
    "error in the stream": 3,
}
NAMES, WEIGHTS = tuple(FAULTS), tuple(FAULTS.values())
CALM = tuple(20 * weight if name == "none" else weight for name, weight in FAULTS.items())

_decode = msgspec.json.Decoder().decode


@dataclass
class Sent:
    """One send, as it was seen: where to, what of, and what befell it.

    ``late``: the client had its answer by then; ``beside``: another was under way.
    """

    provider: str
    model: str
    wire: str
    does: str  # call, judge, count or continue: what its bytes and its address say
    stream: bool
    late: bool
    beside: bool
    credential: str
    mark: bool
    fault: str


@dataclass
class Watch:
    """One request's sends and entries. ``mark`` stands in its body; ``answered``: it is over.

    ``seen`` is called with each send before anything else happens to it.
    """

    random: Random
    mark: bytes
    seen: Callable[[Sent], None]
    weights: tuple[int, ...] = WEIGHTS
    answered: bool = False
    open: int = 0
    sends: list[Sent] = field(default_factory=list)
    entries: list[Entry] = field(default_factory=list)


WATCH: ContextVar[Watch] = ContextVar("watch")


class MemoryClient(Client):
    """The gateway's client over a session that has no sockets."""

    def __init__(self) -> None:
        self._pool = None
        self._library = _MemoryLibrary()


class _MemoryLibrary(LibraryClient):
    def __init__(self) -> None:
        self._session: Any = _Session()


class MemoryJournal:
    """Takes the entries of the ledger, each for the request that it is written in."""

    def begin(self, attempt: Opened) -> int:
        """Note nothing: nobody is killed here."""
        return NO_SLOT

    def append(self, entry: Entry) -> None:
        """Keep one entry."""
        WATCH.get().entries.append(entry)

    def end(self, slot: int) -> None:
        """Forget nothing."""


class _Session:
    async def request(
        self, method: str, url: Any, *, data: Any, headers: Mapping[str, str], **_how: Any
    ) -> _Response:
        assert method == "POST", f"nobody is to be asked {url}"
        watch = WATCH.get()
        payload = data if isinstance(data, bytes) else data.getvalue()
        sent = _noted(watch, str(url), headers.get("Authorization", ""), payload)
        watch.sends.append(sent)
        watch.seen(sent)
        watch.open += 1
        try:
            return await _befallen(sent, watch.random)
        finally:
            watch.open -= 1

    async def close(self) -> None:
        """Do nothing: nothing is open."""


def aim(path: str, payload: bytes) -> tuple[str, str, str]:
    """Return what a send is for by its bytes and its address, its wire, and the model asked."""
    does = "call"
    if path.endswith(COUNTS):
        does = "count"
        for tail in COUNTS:
            path = path.removesuffix(tail)
    elif JUDGES in payload:
        does = "judge"
    elif GOES_ON in payload:
        does = "continue"
    if "/models/" in path:
        return does, "gemini", path.rpartition("/")[2].partition(":")[0]
    wire = next(wire for tail, wire in TAILS.items() if path.endswith(tail))
    return does, wire, _decode(payload)["model"]


def _noted(watch: Watch, url: str, credential: str, payload: bytes) -> Sent:
    host, _, path = url.removeprefix("http://").partition("/")
    path = "/" + path.partition("?")[0]
    does, wire, model = aim(path, payload)
    return Sent(
        provider=host.removesuffix(".test"),
        model=model,
        wire=wire,
        does=does,
        stream="streamGenerateContent" in path or b'"stream":true' in payload,
        late=watch.answered,
        beside=watch.open > 0,
        credential=credential,
        mark=watch.mark in payload,
        fault=watch.random.choices(NAMES, watch.weights)[0],
    )


async def _befallen(sent: Sent, random: Random) -> _Response:
    """Return the answer, or raise what the HTTP library raises for the fault."""
    fault = sent.fault
    if fault == "refused":
        raise aiohttp.ClientOSError(111, "refused")
    if fault == "reset":
        raise aiohttp.ServerDisconnectedError
    if fault == "never answers":
        await asyncio.sleep(100_000)
    if fault == "slow":
        await asyncio.sleep(random.choice([0.1, 1, 6, 20]))
    elif random.random() < 0.3:
        await asyncio.sleep(0.01)
    if fault in ERRORS:
        status, headers, said = ERRORS[fault]
        if fault == "429 as a date":
            soon = datetime.now(UTC) + timedelta(seconds=8)
            headers = {"retry-after": format_datetime(soon, usegmt=True)}
        return _Response(status, {"content-type": "application/json", **headers}, (said,))
    stream = sent.stream
    kind, pieces = answer_of(sent.wire, sent.does, stream=stream)
    if fault == "no JSON":
        pieces = (b"<html>it works",)
    elif fault == "another form":
        kind, pieces = "application/json", (b'{"error":{"message":"no room","type":"x"}}',)
    elif fault == "cut before content":
        return _Response(200, {"content-type": kind}, pieces[:1] if stream else (), "cut")
    elif fault in ("cut in the text", "stalls in the text", "error in the stream"):
        pieces = pieces[: max(1, len(pieces) - random.randint(2, 3))]
        if fault == "error in the stream":
            pieces = (*pieces, b'data: {"error":{"message":"fell over","type":"server_error"}}\n\n')
        return _Response(200, {"content-type": kind}, pieces, fault.partition(" ")[0])
    return _Response(200, {"content-type": kind}, pieces)


@lru_cache(maxsize=64)
def answer_of(wire: str, does: str, *, stream: bool) -> tuple[str, tuple[bytes, ...]]:
    """Return the media type and the pieces of a good answer."""
    if does == "count":
        return "application/json", (b'{"input_tokens":12,"object":"response.input_tokens"}',)
    if wire in PLAIN:
        return "application/json", (PLAIN[wire],)
    text = "A" if does == "judge" else "Well, that is a long story to tell."
    if wire == "completions":
        return "application/json", (COMPLETION,)
    made = spoken.answer(wire, Said(text=text), stream=stream)
    return dict(made.headers)["content-type"], made.pieces


def _error(kind: str, message: str, code: str | None = None) -> bytes:
    # With the words of both families of wires, so that either finds its own.
    error = {"type": kind, "message": message, "code": code, "param": None}
    return msgspec.json.encode({"type": "error", "error": error})


_STATE = "messages.1.content.0: Invalid `signature` in `thinking` block"
ERRORS: Mapping[str, tuple[int, Mapping[str, str], bytes]] = {
    "429 with a time": (429, {"retry-after": "3"}, _error("rate_limit_error", "slow down")),
    "429 without": (429, {}, _error("rate_limit_error", "slow down")),
    "429 as a date": (429, {}, _error("rate_limit_error", "later")),
    "used up": (429, {}, _error("insufficient_quota", "no credit", "insufficient_quota")),
    "wrong key": (401, {}, _error("authentication_error", "who are you", "invalid_api_key")),
    "forbidden": (403, {}, _error("permission_error", "not you")),
    "no such model": (404, {}, _error("not_found_error", "no such model", "model_not_found")),
    "too long": (
        400, {}, _error("invalid_request_error", "prompt is too long", "context_length_exceeded"),
    ),
    "bad request": (400, {}, _error("invalid_request_error", "temperature: must be below 2")),
    "5xx": (500, {}, _error("server_error", "fell over")),
    "overloaded": (503, {"retry-after": "2"}, _error("overloaded_error", "no room")),
    "state refused": (
        400, {}, _error("invalid_request_error", _STATE, "invalid_encrypted_content"),
    ),
}  # fmt: skip
PLAIN: Mapping[str, bytes] = {
    "embeddings": b'{"object":"list","data":[{"object":"embedding","index":0,"embedding":[0.5]}],'
    b'"model":"e","usage":{"prompt_tokens":5,"total_tokens":5}}',
    "rerank": b'{"id":"r","results":[{"index":0,"relevance_score":0.5}]}',
}
COMPLETION = msgspec.json.encode(
    {
        "id": "cmpl-1",
        "object": "text_completion",
        "created": answers.CREATED,
        "model": "m",
        "choices": [{"index": 0, "text": "so it goes", "finish_reason": "stop", "logprobs": None}],
        "usage": answers.USAGE,
    }
)


class _Response:
    """As much of aiohttp's answer as the client looks at."""

    def __init__(
        self, status: int, headers: Mapping[str, str], pieces: tuple[bytes, ...], end: str = "end"
    ) -> None:
        self.status = status
        self.headers = CIMultiDict(headers)
        self.raw_headers = tuple((name.encode(), said.encode()) for name, said in headers.items())
        self.content = self
        self._pieces: Iterator[bytes] = iter(pieces)
        self._end = end
        self._is_over = False

    async def readany(self) -> bytes:
        """Return the next piece; after the last one the end comes, or what is in its place."""
        piece = next(self._pieces, None)
        if piece is not None:
            return piece
        if self._end == "cut":
            raise aiohttp.ClientPayloadError
        if self._end == "stalls":
            await asyncio.sleep(100_000)
        self._is_over = True
        return b""

    def at_eof(self) -> bool:
        """Whether all was read."""
        return self._is_over

    def close(self) -> None:
        """Cut the connection, which is none."""

    def release(self) -> None:
        """Give it back."""
