"""Sources that an answer names: this wire keeps them beside the candidate, with places in bytes."""

from __future__ import annotations

from typing import Any

from providers.ir import Citation
from providers.wires.wire import Json

MOST = 500


def citations_of(candidate: Json, text: str) -> tuple[Citation, ...]:
    """Return the sources that a candidate names for ``text``, places in characters of it."""
    return (*_grounded(candidate.get("groundingMetadata"), text), *_cited(candidate, text))[:MOST]


def grounding_body(spoken: list[tuple[int, Citation]]) -> Json | None:
    """Return the sources in this wire's words.

    Each comes with the number of bytes that stand before its text in the whole answer; its own
    places are bytes already. None where there are no sources.
    """
    if not spoken:
        return None
    chunks: list[Json] = []
    places: dict[tuple[str, str], int] = {}
    supports: list[Json] = []
    for before, found in spoken:
        source = (found.url, found.title)
        if source not in places:
            places[source] = len(chunks)
            chunks.append({"web": {"uri": found.url, "title": found.title}})
        segment: Json = {"text": found.quote} if found.quote else {}
        if found.start >= 0 and found.end >= 0:
            segment |= {"startIndex": before + found.start, "endIndex": before + found.end}
        if segment:
            supports.append({"segment": segment, "groundingChunkIndices": [places[source]]})
    return {"groundingChunks": chunks, "groundingSupports": supports}


def in_bytes(found: Citation, text: str) -> Citation:
    """Return a source of ``text`` whose places count bytes."""
    if not 0 <= found.start <= found.end <= len(text):
        return Citation(found.url, found.title, found.quote)
    start = len(text[: found.start].encode(errors="replace"))
    end = start + len(text[found.start : found.end].encode(errors="replace"))
    return Citation(found.url, found.title, found.quote, start, end)


def _grounded(said: Any, text: str) -> list[Citation]:
    if not isinstance(said, dict):
        return []
    chunks = [_source(chunk) for chunk in _objects(said.get("groundingChunks"))]
    raw = text.encode(errors="replace")
    out: list[Citation] = []
    supports = _objects(said.get("groundingSupports"))
    for support in supports:
        segment = support.get("segment")
        segment = segment if isinstance(segment, dict) else {}
        quote = segment.get("text")
        quote = quote if isinstance(quote, str) else ""
        start, end = _place(segment, raw)
        indices = support.get("groundingChunkIndices")
        for index in indices if isinstance(indices, list) else []:
            if isinstance(index, int) and 0 <= index < len(chunks) and len(out) < MOST:
                url, title = chunks[index]
                out.append(Citation(url, title, quote, start, end))
    if not out:
        out = [Citation(url, title) for url, title in chunks if url or title]
    return out


def _cited(candidate: Json, text: str) -> list[Citation]:
    said = candidate.get("citationMetadata")
    if not isinstance(said, dict):
        return []
    raw = text.encode(errors="replace")
    out = []
    for item in _objects(said.get("citations") or said.get("citationSources"))[:MOST]:
        start, end = _place(item, raw)
        out.append(Citation(_word(item, "uri"), _word(item, "title"), "", start, end))
    return out


def _source(chunk: Json) -> tuple[str, str]:
    for name in ("web", "retrievedContext", "maps", "image"):
        found = chunk.get(name)
        if isinstance(found, dict):
            return _word(found, "uri") or _word(found, "sourceUri"), _word(found, "title")
    return "", ""


def _place(said: Json, raw: bytes) -> tuple[int, int]:
    # A start of 0 is left out by the wire's mapping.
    start, end = said.get("startIndex", 0), said.get("endIndex")
    if not isinstance(start, int) or not isinstance(end, int) or not 0 <= start < end <= len(raw):
        return -1, -1
    first = len(raw[:start].decode(errors="ignore"))
    return first, first + len(raw[start:end].decode(errors="ignore"))


def _objects(value: Any) -> list[Json]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _word(said: Json, name: str) -> str:
    value = said.get(name)
    return value if isinstance(value, str) else ""
