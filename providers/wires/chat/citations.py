"""Sources that an answer names: ``annotations`` of the chat wire."""

from __future__ import annotations

from typing import Any

from providers.ir import Citation
from providers.wires.wire import Json


def citations_of(annotations: Any) -> list[Citation]:
    """Return the sources in ``annotations``; what is no citation of an address is left out."""
    if not isinstance(annotations, list):
        return []
    found = []
    for item in annotations:
        if not isinstance(item, dict) or item.get("type") != "url_citation":
            continue
        said = item.get("url_citation")
        said = said if isinstance(said, dict) else item
        url = _text(said.get("url"))
        if url:
            quote = _text(said.get("content")) or _text(said.get("summary"))
            found.append(
                Citation(
                    url,
                    _text(said.get("title")),
                    quote,
                    _count(said.get("start_index")),
                    _count(said.get("end_index")),
                )
            )
    return found


def cited_urls(urls: Any) -> list[Citation]:
    """Return the sources that some hosts list beside the answer, as plain addresses."""
    if not isinstance(urls, list):
        return []
    return [Citation(url) for url in urls if url and isinstance(url, str)]


def annotations_of(citations: tuple[Citation, ...], shift: int = 0) -> list[Json]:
    """Return citations as ``annotations``; ``shift`` is where their text begins in the answer.

    The wire knows places in the answer's text only: a source without a place gets an empty one.
    """
    return [
        {
            "type": "url_citation",
            "url_citation": {
                "url": one.url,
                "title": one.title or one.url,
                "start_index": shift + max(0, one.start),
                "end_index": shift + max(0, one.start, one.end),
            },
        }
        for one in citations
        if one.url
    ]


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _count(value: Any) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else -1
