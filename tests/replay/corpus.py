"""Reads the corpus of recorded traffic that lies beside the repository.

The recordings are not part of the repository: where they are absent, the tests that need them are
skipped with that reason. Streams keep their bytes as recorded; JSON bodies keep their values only,
so they are written anew.
"""

from __future__ import annotations

import base64
import json
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.answers import Behaviour
from tests.unit.providers.frames import stream as frames

CORPUS = Path(__file__).parents[3] / "shared" / "corpus"
CHAT = "openai_chat"
# Kinds of recording, and the host's wire that each is of.
WIRES: Mapping[str, str] = {
    CHAT: "chat",
    "openai_responses": "responses",
    "anthropic_messages": "messages",
    "vertex_anthropic": "messages",
    "gemini_generate": "gemini",
    "bedrock_converse": "converse",
    "cohere_chat": "cohere",
}
# Endpoints with one wire only: relayed, never translated.
RELAYED: Mapping[str, str] = {
    "openai_completions": "completions",
    "embeddings": "embeddings",
    "rerank": "rerank",
}
EVENTS = "text/event-stream"
STREAM_TYPES = {"converse": "application/vnd.amazon.eventstream"}
# They belong to the recorded connection and not to the one that plays it again.
FRAMING_HEADERS = frozenset({"transfer-encoding", "content-length", "connection"})
# What the recorders put in the place of a header's value.
HIDDEN = "**REDACTED**"
STREAM_PIECE_BYTES = 1000


@dataclass(frozen=True, slots=True)
class Case:
    """One recorded exchange.

    ``host`` is "" and ``request`` None where only the answer was kept. ``is_stream`` says what came
    back, not what was asked for: an error to a stream request is JSON. ``asked_stream`` says what
    was asked for. ``endpoint`` is the path that was asked, "" where nobody kept it.
    """

    id: str
    host: str
    provider: str
    model: str
    features: frozenset[str]
    request: dict[str, Any] | None
    status: int
    headers: Mapping[str, str]
    body: bytes
    is_stream: bool
    kind: str = CHAT
    endpoint: str = ""
    asked_stream: bool = False

    @property
    def wire(self) -> str:
        """The host's wire; "" where it is none that the gateway speaks."""
        return WIRES.get(self.kind) or RELAYED.get(self.kind, "")

    def in_pieces(self, pieces: Sequence[bytes]) -> Behaviour:
        """Return what makes the fake upstream give this answer again in just these chunks."""
        kind = STREAM_TYPES.get(self.wire, EVENTS) if self.is_stream else "application/json"
        given = {
            name: value
            for name, value in self.headers.items()
            if name not in FRAMING_HEADERS and value != HIDDEN
        }
        if self.is_stream or "content-type" not in given:
            # Of some streams only the answer's events were kept, under another header.
            given["content-type"] = kind
        return Behaviour(
            self.status,
            tuple(given.items()),
            tuple(pieces),
            framing="chunked" if self.is_stream else "length",
        )

    def behaviour(self, piece_bytes: int = STREAM_PIECE_BYTES) -> Behaviour:
        """Return what makes the fake upstream give this answer again.

        ``piece_bytes`` is the size of the chunks of a stream, whatever events they cut.
        """
        kind = "text/event-stream" if self.is_stream else "application/json"
        headers = {"content-type": kind, **self.headers}
        size = piece_bytes if self.is_stream else len(self.body) or 1
        return Behaviour(
            self.status,
            tuple(item for item in headers.items() if item[0] not in FRAMING_HEADERS),
            tuple(self.body[at : at + size] for at in range(0, len(self.body), size)),
            framing="chunked" if self.is_stream else "length",
        )


def index() -> list[dict[str, Any]]:
    """Return the rows of the corpus's index in order of path. Skips the test where it is absent."""
    path = CORPUS / "index.jsonl"
    if not path.is_file():
        pytest.skip(
            "the recorded corpus does not lie beside the repository", allow_module_level=True
        )
    with path.open(encoding="utf-8") as lines:
        rows: list[dict[str, Any]] = [json.loads(line) for line in lines]
    return sorted(rows, key=lambda row: str(row["path"]))


def cases(kinds: Collection[str] = WIRES) -> Iterator[Case]:
    """Yield every recording of ``kinds``, always in the same order."""
    for row in index():
        if row["kind"] in kinds:
            yield _read(row)


def chat_cases(
    host_prefix: str | None = None,
    stream: bool | None = None,
    limit: int | None = None,
    *,
    provider: str | None = None,
    feature: str | None = None,
) -> Iterator[Case]:
    """Yield the recordings of the OpenAI chat wire, always in the same order.

    ``stream`` chooses by what came back. ``limit`` takes that many, spread evenly over the others,
    so that a few still show many hosts. ``provider`` is the corpus's own name of the host, which
    recordings without a ``host`` have too; ``feature`` one of its features ("tool_call", …).
    """
    rows = [
        row
        for row in index()
        if row["kind"] == CHAT
        and (stream is None or (row["body"] == "sse_text") == stream)
        and (provider is None or row["provider"] == provider)
        and (feature is None or feature in row["features"])
    ]
    cases = [case for case in map(_read, rows) if case.host.startswith(host_prefix or "")]
    if limit is not None and limit < len(cases):
        cases = [cases[place * len(cases) // limit] for place in range(limit)]
    yield from cases


def recorded(path: str) -> Case:
    """Return the recording that has this path in the corpus; skips where there is none."""
    if not (CORPUS / path).is_file():
        pytest.skip("no recorded traffic: ../shared/corpus is not there")
    kept = json.loads((CORPUS / path).read_text(encoding="utf-8"))
    return _read({"path": path, "kind": kept["kind"], "stream": kept.get("stream")})


def counts() -> dict[str, Counter[str]]:
    """Return how many chat recordings there are by provider, status and form of the answer."""
    rows = [row for row in index() if row["kind"] == CHAT]
    return {
        "provider": Counter(str(row["provider"]) for row in rows),
        "status": Counter(str(row["status"]) for row in rows),
        "body": Counter(str(row["body"]) for row in rows),
    }


def _read(row: Mapping[str, Any]) -> Case:
    kept = json.loads((CORPUS / str(row["path"])).read_text(encoding="utf-8"))
    body, is_stream = _body(kept)
    return Case(
        id=str(row["path"]).removesuffix(".json"),
        host=kept.get("host") or "",
        provider=kept["provider"],
        model=kept.get("model") or "",
        features=frozenset(kept.get("features") or ()),
        request=kept.get("request"),
        status=kept["status"],
        headers={name.lower(): value for name, value in kept["response_headers"].items()},
        body=body,
        is_stream=is_stream,
        kind=str(row["kind"]),
        endpoint=kept.get("endpoint") or "",
        asked_stream=bool(row["stream"]),
    )


def _body(kept: Mapping[str, Any]) -> tuple[bytes, bool]:
    """Return the bytes of an answer, and whether they are a stream."""
    if "sse_text" in kept:
        return kept["sse_text"].encode(), True
    if "eventstream_b64" in kept:
        return base64.b64decode(kept["eventstream_b64"]), True
    if "events_only" in kept:
        return frames(*(next(iter(one.items())) for one in kept["events_only"])), True
    if "ndjson_text" in kept:
        return kept["ndjson_text"].encode(), True
    if "response_text" in kept:
        return kept["response_text"].encode(), False
    said = kept["response_body"]
    if kept["kind"] == "gemini_generate" and isinstance(said, list) and kept["status"] == 200:
        # A stream as one array, for who does not ask for events; a gateway asks for them.
        lines = (json.dumps(one, ensure_ascii=False) for one in said)
        return "".join(f"data: {line}\r\n\r\n" for line in lines).encode(), True
    return json.dumps(said, ensure_ascii=False).encode(), False
