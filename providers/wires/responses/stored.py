"""A kept answer as the beginning of the next request: pure, the keeping is done elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from providers.wires.wire import Json

# What a response object says of items and a request may not.
ANSWER_ONLY = frozenset({"parsed", "parsed_arguments", "logprobs", "obfuscation"})


def input_items(body: Json) -> list[Json]:
    """Return a request's ``input`` as items, whichever way the client wrote it."""
    said = body.get("input")
    if isinstance(said, str):
        return [{"type": "message", "role": "user", "content": said}]
    return [item for item in said if isinstance(item, dict)] if isinstance(said, list) else []


def with_history(body: Json, items: list[Json]) -> Json:
    """Return ``body`` with ``items`` before its own input and no word of where they were kept.

    ``body`` is left as it was.
    """
    out = {
        name: value
        for name, value in body.items()
        if name not in ("previous_response_id", "conversation")
    }
    said = body.get("input")
    # An item that is none stays where it is, to be told of by the reader.
    own = said if isinstance(said, list) else input_items(body)
    out["input"] = [*items, *own]
    return out


def references(body: Json) -> tuple[str, ...]:
    """Return the ids of kept items to which ``input`` refers, in order."""
    said = body.get("input")
    found = [_referred(item) for item in said] if isinstance(said, list) else []
    return tuple(at for at in found if at)


def with_items(body: Json, kept: Mapping[str, Json]) -> Json:
    """Return ``body`` with the items of ``kept`` in the place of references to their ids."""
    said = body.get("input")
    if not isinstance(said, list):
        return body
    return {**body, "input": [kept.get(_referred(item), item) for item in said]}


def _referred(item: Any) -> str:
    if not isinstance(item, dict):
        return ""
    kind = item.get("type")
    bare = kind is None and "role" not in item
    at = item.get("id") if bare or kind == "item_reference" else None
    return at if isinstance(at, str) else ""


def items_of(response: Json) -> list[Json]:
    """Return the output of a response object in the form that ``input`` takes."""
    output = response.get("output")
    if not isinstance(output, list):
        return []
    return [_as_input(item) for item in output if isinstance(item, dict)]


def _as_input(item: Json) -> Json:
    out = {
        name: value for name, value in item.items() if value is not None and name not in ANSWER_ONLY
    }
    if item.get("type") == "reasoning":
        out.setdefault("summary", [])
    content = out.get("content")
    if item.get("type") == "message" and isinstance(content, list):
        out["content"] = [
            {name: value for name, value in part.items() if name not in ANSWER_ONLY}
            for part in content
            if isinstance(part, dict)
        ]
    return out
