"""Reads the corpus of recorded traffic that lies beside the repository.

The recordings are not part of the repository: where they are absent, the tests that need them are
skipped with that reason. Streams keep their bytes as recorded; JSON bodies keep their values only,
so they are written anew.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.answers import Behaviour

CORPUS = Path(__file__).parents[3] / "shared" / "corpus"
CHAT = "openai_chat"
# They belong to the recorded connection and not to the one that plays it again.
FRAMING_HEADERS = frozenset({"transfer-encoding", "content-length", "connection"})
STREAM_PIECE_BYTES = 1000


@dataclass(frozen=True, slots=True)
class Case:
    """One recorded exchange.

    ``host`` is "" and ``request`` None where only the answer was kept. ``is_stream`` says what came
    back, not what was asked for: an error to a stream request is JSON.
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
    if "sse_text" in kept:
        body = kept["sse_text"].encode()
    elif "response_text" in kept:
        body = kept["response_text"].encode()
    else:
        body = json.dumps(kept["response_body"], ensure_ascii=False).encode()
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
        is_stream="sse_text" in kept,
    )
