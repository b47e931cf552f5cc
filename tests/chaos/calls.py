"""A client's call in one of four shapes, and the judgement of what came back.

An answer is **right** (every part, once, in order, from the host that the headers name), an
**error** in the asker's own wire, or **broken off** by an error event after right words. A client
that leaves has **left**. All else is wrong, and the verdict says why.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from gateway.errors import CODES
from tests.chaos.hosts import PART, PARTS

SHAPES = ("chat", "chat stream", "messages", "messages stream")
GOOD = ("right", "error", "broken off", "left")
MARK = ": continued by "


@dataclass(frozen=True, slots=True)
class Leaving:
    """When a client goes: after so many seconds of silence, or so many pieces of the answer."""

    after_s: float
    pieces: int


@dataclass(slots=True)
class Call:
    """One call and what came back. Times are monotonic; ``fault`` is what the client's HTTP said."""

    nonce: str
    model: str
    shape: str
    begun: float = 0.0
    ended: float = 0.0
    status: int = 0
    headers: Mapping[str, str] | None = None
    raw: bytes = b""
    fault: str = ""
    left: bool = False

    @property
    def verdict(self) -> str:
        """One of ``GOOD``, or what is wrong."""
        try:
            return self._judged()
        except (ValueError, KeyError, IndexError, TypeError) as fault:
            return f"unreadable: {fault!r}"

    @property
    def request_id(self) -> str:
        """The gateway's id of it; "" where the client left before it was told."""
        return (self.headers or {}).get("x-entrepot-request-id", "")

    def _judged(self) -> str:
        if self.fault:
            return f"ended without a word: {self.fault}"
        if self.left and (self.status != 200 or not self.shape.endswith("stream")):
            return "left"
        if self.status >= 400:
            return self._error(json.loads(self.raw))
        if self.status != 200:
            return f"status {self.status}"
        host = (self.headers or {})["x-entrepot-route"].partition("/")[0]
        if self.shape.endswith("stream"):
            return self._stream(host)
        body = json.loads(self.raw)
        if self.shape == "chat":
            (choice,) = body["choices"]
            text, finish = choice["message"]["content"], choice["finish_reason"] == "stop"
        else:
            text = "".join(block["text"] for block in body["content"])
            finish = body["stop_reason"] == "end_turn"
        return self._words([(host, text)], whole=True) or ("right" if finish else "no finish")

    def _error(self, body: Any) -> str:
        error = body["error"]
        if self.shape.startswith("chat"):
            known = error["code"] in CODES and error["code"] != "internal_error"
        else:
            known = body["type"] == "error" and bool(error["type"])
        return "error" if known and error["message"] else f"no error of its wire: {body}"

    def _stream(self, host: str) -> str:
        told: list[tuple[str, str]] = []
        finish = done = False
        raw = self.raw
        if self.left:
            raw = raw[: raw.rfind(b"\n\n") + 2]
        for line in filter(None, raw.decode().split("\n")):
            if done:
                return f"goes on after its end: {line}"
            if line.startswith(MARK):
                host = line.removeprefix(MARK).partition("/")[0]
            if not line.startswith("data: "):
                continue
            if line == "data: [DONE]":
                done = True
                continue
            event = json.loads(line.removeprefix("data: "))
            if "error" in event:
                wrong = self._error(event)
                after = raw.partition(line.encode())[2].strip()
                if wrong != "error" or after not in (b"", b"data: [DONE]"):
                    return wrong if wrong != "error" else f"goes on after an error: {after!r}"
                return self._words(told, whole=False) or "broken off"
            text, ends, done = _read(event)
            finish = finish or ends
            if text:
                told.append((host, text))
        if self.left:
            return self._words(told, whole=False) or "left"
        if not (finish and done):
            return f"cut without a word: {self.raw[-200:]!r}"
        return self._words(told, whole=True) or "right"

    def _words(self, told: list[tuple[str, str]], *, whole: bool) -> str:
        """Return what is wrong with the words that each host is said to have said; "" for none."""
        found = []
        for host, text in told:
            parts = PART.findall(text)
            if "".join("<{}.{}.{}>".format(*part) for part in parts) != text:
                return f"no whole parts: {text!r}"
            found += [(nonce, int(place), said, host) for nonce, place, said in parts]
        if any(nonce != self.nonce for nonce, *_ in found):
            return f"words of another call: {told}"
        if [place for _, place, *_ in found] != list(range(len(found))):
            return f"lost or doubled words: {told}"
        if any(said != host for *_, said, host in found):
            return f"words of another host: {told}"
        if whole and len(found) != PARTS:
            return f"too few or too many words for a good answer: {told}"
        return ""


def _read(event: Any) -> tuple[str, bool, bool]:
    """Return an event's words, whether it says why the answer ends, and whether it is the last."""
    if "choices" in event:
        words = [choice["delta"].get("content") or "" for choice in event["choices"]]
        ends = any(choice.get("finish_reason") for choice in event["choices"])
        return "".join(words), ends, False
    kind = event["type"]
    if kind == "content_block_delta":
        return event["delta"]["text"], False, False
    return "", kind == "message_delta", kind == "message_stop"


def make(client: httpx.Client, call: Call, leaving: Leaving | None = None) -> None:
    """Make ``call`` and note in it what came back."""
    chat = call.shape.startswith("chat")
    body: dict[str, Any] = {
        "model": call.model,
        "max_tokens": 64,
        "messages": [{"role": "user", "content": f"call {call.nonce}"}],
        "stream": call.shape.endswith("stream"),
    }
    path = "/v1/chat/completions" if chat else "/v1/messages"
    timeout = httpx.Timeout(30, read=leaving.after_s if leaving is not None else 30)
    call.begun = time.monotonic()
    try:
        with client.stream("POST", path, json=body, timeout=timeout) as answer:
            call.status, call.headers = answer.status_code, answer.headers
            parts = []
            for data in answer.iter_raw():
                parts.append(data)
                call.raw = b"".join(parts)
                if leaving is not None and len(parts) > leaving.pieces:
                    call.left = True
                    break
    except httpx.ReadTimeout as fault:
        call.left = leaving is not None
        call.fault = "" if call.left else repr(fault)
    except httpx.HTTPError as fault:
        call.fault = repr(fault)
    call.ended = time.monotonic()
