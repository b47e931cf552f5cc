"""What a fake upstream may do with one request: plain data, built and combined by functions.

    answers.chat("hi")                          a whole chat answer
    answers.sse(answers.chat_stream(["a", "b"]))   a stream, ``gate=`` lets it out event by event
    answers.cut(STREAM, after=2, how="reset")   the same, broken off after two pieces
    answers.late(ANSWER, gate=gate)             the same, held back before its first byte

A ``Behaviour`` says what is written; a ``Responder`` chooses one by the request.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from tests.fakes.upstream import Request

Event = bytes | str | Mapping[str, Any]
Framing = Literal["length", "chunked", "until_close"]
End = Literal["end", "close", "reset", "stall"]
UsagePlace = Literal["own", "finish", "every"]

REASONS = {
    200: "OK",
    302: "Found",
    400: "Bad Request",
    401: "Unauthorized",
    402: "Payment Required",
    403: "Forbidden",
    404: "Not Found",
    429: "Too Many Requests",
    500: "Internal Server Error",
    502: "Bad Gateway",
    503: "Service Unavailable",
    529: "Overloaded",
}
USAGE = {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18}
MODEL = "fake-1"
ANSWER_ID = "chatcmpl-fake"
CREATED = 1_790_000_000


class Gate:
    """Lets a stream out piece by piece: ``step`` one more, ``open`` all that come.

    Every piece passes the gate, the ending too where it is not an ordinary one. Any thread may
    step; the pieces wait in the loop of the fake.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._permits = 0
        self._is_open = False
        self._waiting: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []

    def step(self, pieces: int = 1) -> None:
        """Let ``pieces`` more pass."""
        with self._lock:
            self._permits += pieces
            self._wake()

    def open(self) -> None:
        """Let all pass from now on."""
        with self._lock:
            self._is_open = True
            self._wake()

    async def passes(self) -> None:
        """Wait for a permit and use it up."""
        while True:
            with self._lock:
                if self._is_open:
                    return
                if self._permits:
                    self._permits -= 1
                    return
                woken = asyncio.Event()
                self._waiting.append((asyncio.get_running_loop(), woken))
            await woken.wait()

    def _wake(self) -> None:
        waiting, self._waiting = self._waiting, []
        for loop, woken in waiting:
            if not loop.is_closed():
                loop.call_soon_threadsafe(woken.set)


@dataclass(frozen=True, slots=True)
class Behaviour:
    """What the fake writes for one request.

    ``pieces`` is the body, one piece an event; ``piece_bytes`` cuts each into writes of that size.
    ``end`` after them: ``end`` closes the body as HTTP wants it, ``close`` sends FIN in the middle,
    ``reset`` sends RST, ``stall`` writes nothing more until the client goes. ``status`` 0: not even
    a head is written, ``raw`` True: the pieces are all that is written, head included.
    """

    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()
    pieces: tuple[bytes, ...] = ()
    framing: Framing = "length"
    end: End = "end"
    raw: bool = False
    piece_bytes: int | None = None
    gap_s: float = 0.0
    gate: Gate | None = None
    head_delay_s: float = 0.0
    head_gate: Gate | None = None
    body_bytes: int | None = None

    def head(self) -> bytes:
        """Return the status line and the headers, with those that the framing needs."""
        lines = [f"HTTP/1.1 {self.status} {REASONS.get(self.status, 'Other')}"]
        lines += [f"{name}: {value}" for name, value in self.headers]
        if self.framing == "chunked":
            lines.append("transfer-encoding: chunked")
        elif self.framing == "length":
            size = sum(map(len, self.pieces)) if self.body_bytes is None else self.body_bytes
            lines.append(f"content-length: {size}")
        else:
            lines.append("connection: close")
        return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n"


Responder = Callable[["Request"], Behaviour]
Script = Behaviour | Responder


def body(status: int, data: bytes, content_type: str, headers: Mapping[str, str] = {}) -> Behaviour:
    """Answer with ``data`` as it stands."""
    return Behaviour(status, (("content-type", content_type), *headers.items()), (data,))


def json_body(value: Any, status: int = 200, headers: Mapping[str, str] = {}) -> Behaviour:
    """Answer with ``value`` as JSON."""
    return body(status, _json(value), "application/json", headers)


def html(status: int = 200) -> Behaviour:
    """Answer with a page, as a proxy or a wrong address does."""
    page = b"<!DOCTYPE html><html><body><h1>Bad gateway</h1></body></html>"
    return body(status, page, "text/html; charset=utf-8")


def raw(data: bytes, end: End = "close") -> Behaviour:
    """Write ``data`` as all there is, status line included or not."""
    return Behaviour(pieces=(data,), raw=True, end=end)


def error(
    status: int,
    message: str = "",
    *,
    kind: str = "server_error",
    code: str | None = None,
    headers: Mapping[str, str] = {},
) -> Behaviour:
    """Answer with an error of the chat wire: 500, 503, 529 and the others."""
    said = {"message": message or f"fake {status}", "type": kind, "param": None, "code": code}
    return json_body({"error": said}, status, headers)


def rate_limited(retry_after: str | None = "2") -> Behaviour:
    """Answer 429; ``retry_after`` is seconds, a date, or None for no such header."""
    headers = {"retry-after": retry_after} if retry_after is not None else {}
    return error(429, "slow down", kind="rate_limit_error", headers=headers)


def redirect(location: str, status: int = 302) -> Behaviour:
    """Send the client elsewhere."""
    return body(status, b"", "text/plain", {"location": location})


def reset() -> Behaviour:
    """Send RST when the request is here, before any answer."""
    return Behaviour(status=0, end="reset")


def hang_up() -> Behaviour:
    """Send FIN when the request is here, before any answer, as a stale pooled connection does."""
    return Behaviour(status=0, end="close")


def stall() -> Behaviour:
    """Never answer."""
    return Behaviour(status=0, end="stall")


def sse(
    events: Iterable[Event],
    *,
    done: bool = True,
    gate: Gate | None = None,
    gap_s: float = 0.0,
    crlf: bool = False,
    piece_bytes: int | None = None,
    framing: Framing = "chunked",
    headers: Mapping[str, str] = {},
) -> Behaviour:
    """Stream ``events``: a mapping becomes a data event, str one with that text, bytes go as is.

    ``done`` adds ``data: [DONE]``. ``gate`` or ``gap_s`` stand before each event. ``piece_bytes=1``
    writes byte by byte, each in a chunk of its own.
    """
    pieces = [_event(event) for event in events]
    if done:
        pieces.append(b"data: [DONE]\n\n")
    if crlf:
        pieces = [piece.replace(b"\n", b"\r\n") for piece in pieces]
    return Behaviour(
        headers=(("content-type", "text/event-stream; charset=utf-8"), *headers.items()),
        pieces=tuple(pieces),
        framing=framing,
        gate=gate,
        gap_s=gap_s,
        piece_bytes=piece_bytes,
    )


def cut(
    answer: Behaviour, *, after: int | None = None, after_bytes: int | None = None, how: End
) -> Behaviour:
    """Break ``answer`` off after so many pieces (events) or bytes of its body.

    How ``end`` ends the body cleanly, so that only the wire can tell that something is missing.
    """
    pieces, whole = answer.pieces[:after], b"".join(answer.pieces)
    if after_bytes is not None:
        pieces = (whole[:after_bytes],)
    promised = None if how == "end" else len(whole)
    return replace(answer, pieces=pieces, end=how, body_bytes=promised)


def late(answer: Behaviour, *, seconds: float = 0.0, gate: Gate | None = None) -> Behaviour:
    """Hold ``answer`` back before the first byte of its head."""
    return replace(answer, head_delay_s=seconds, head_gate=gate)


def chat_answer(
    text: str = "Hello there.",
    *,
    model: str = MODEL,
    usage: Mapping[str, Any] | None = USAGE,
    finish: str = "stop",
    **more: Any,
) -> dict[str, Any]:
    """Return a whole answer of the chat wire; ``more`` are further fields of its message."""
    answer: dict[str, Any] = {
        "id": ANSWER_ID,
        "object": "chat.completion",
        "created": CREATED,
        "model": model,
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": text, **more},
                "finish_reason": finish,
            }
        ],
    }
    if usage is not None:
        answer["usage"] = dict(usage)
    return answer


def chat_stream(
    text_parts: Sequence[str] = ("Hel", "lo ", "there."),
    *,
    model: str = MODEL,
    usage: Mapping[str, Any] | None = USAGE,
    usage_place: UsagePlace | None = "own",
    role_chunk: bool = True,
    comments: Sequence[str] = (),
    finish: str | None = "stop",
) -> list[bytes | dict[str, Any]]:
    """Return the events of a chat stream without ``[DONE]``, for ``sse``.

    In order: the comments, the role chunk, one chunk a part, the finish chunk, the usage chunk.
    ``usage_place`` says where hosts differ: in a chunk of its own without choices, in the finish
    chunk, in every chunk, or nowhere (None).
    """
    said = dict(usage) if usage is not None and usage_place is not None else None

    def chunk(delta: dict[str, Any], reason: str | None = None) -> dict[str, Any]:
        made = _chunk(model, [{"index": 0, "delta": delta, "finish_reason": reason}])
        if said and (usage_place == "every" or (usage_place == "finish" and reason)):
            made["usage"] = said
        return made

    events: list[bytes | dict[str, Any]] = [f": {text}\n\n".encode() for text in comments]
    if role_chunk:
        events.append(chunk({"role": "assistant", "content": ""}))
    events += [chunk({"content": part}) for part in text_parts]
    if finish is not None:
        events.append(chunk({}, finish))
    if said and usage_place == "own":
        events.append({**_chunk(model, []), "usage": said})
    return events


def error_event(message: str = "fake fault", **fields: Any) -> dict[str, Any]:
    """Return the event that hosts send for a fault inside a 200 stream."""
    return {"error": {"message": message, "type": "server_error", **fields}}


def chat(text: str = "Hello there.", **how: Any) -> Behaviour:
    """Answer a chat request whole; ``how`` as for ``chat_answer``."""
    return json_body(chat_answer(text, **how))


def polite(request: Request) -> Behaviour:
    """Answer any chat request as a well-behaved host: streams and usage as they were asked for."""
    asked = request.json() if request.body else {}
    model = str(asked.get("model", MODEL))
    if not asked.get("stream"):
        return chat(model=model)
    wants_usage = bool((asked.get("stream_options") or {}).get("include_usage"))
    return sse(chat_stream(model=model, usage_place="own" if wants_usage else None))


def _chunk(model: str, choices: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "id": ANSWER_ID,
        "object": "chat.completion.chunk",
        "created": CREATED,
        "model": model,
        "choices": choices,
    }


def _event(event: Event) -> bytes:
    if isinstance(event, bytes):
        return event
    text = event.encode() if isinstance(event, str) else _json(event)
    return b"data: " + text + b"\n\n"


def _json(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
