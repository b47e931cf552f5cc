"""How clients ask: the request of each wire, its prompt made so that the mock knows what to answer."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

WORDS = "The quick brown fox reads the long file and tells the agents what stands in it. "


@dataclass(frozen=True)
class Stream:
    """So many chunks, ``gap_us`` apart; 0: all at once."""

    chunks: int
    gap_us: int

    def __str__(self) -> str:
        return f"[[{self.chunks}x{self.gap_us}]]"


def prompt(size: int) -> str:
    """Return a text of ``size`` bytes."""
    return (WORDS * (size // len(WORDS) + 1))[:size]


def ask(wire: str, model: str, text: str, stream: Stream | None = None) -> tuple[str, bytes]:
    """Return path and body of a request on a client's wire; ``stream`` None asks for a whole one."""
    said = f"{text} {stream}" if stream else text
    turns = [{"role": "user", "content": said}]
    body: dict[str, Any]
    match wire:
        case "chat":
            path, body = "/v1/chat/completions", {"model": model, "messages": turns}
            if stream:
                body |= {"stream": True, "stream_options": {"include_usage": True}}
        case "messages":
            path, body = "/v1/messages", {"model": model, "max_tokens": 4096, "messages": turns}
            if stream:
                body |= {"stream": True}
        case "gemini":
            method = "streamGenerateContent?alt=sse" if stream else "generateContent"
            path = f"/v1beta/models/{model}:{method}"
            body = {"contents": [{"role": "user", "parts": [{"text": said}]}]}
        case _:
            raise ValueError(f"no client speaks {wire}")
    return path, json.dumps(body, separators=(",", ":")).encode()


def http(port: int, path: str, headers: Mapping[str, str], body: bytes) -> bytes:
    """Return the request as it goes over the socket."""
    lines = [
        f"POST {path} HTTP/1.1",
        f"host: 127.0.0.1:{port}",
        "content-type: application/json",
        *(f"{name}: {value}" for name, value in headers.items()),
        f"content-length: {len(body)}",
    ]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body
