"""Marks for caching on parts of a chat request."""

from __future__ import annotations

from providers.wires.wire import Json

USUAL_TTL = "5m"


def cache_of(holder: Json) -> str:
    """Return the lifetime that a mark for caching asks for, "" where there is no mark."""
    mark = holder.get("cache_control")
    if isinstance(mark, dict):
        ttl = mark.get("ttl")
        return ttl if ttl and isinstance(ttl, str) else USUAL_TTL
    return USUAL_TTL if isinstance(holder.get("prompt_cache_breakpoint"), dict) else ""


def with_mark(part: Json, cache: str) -> Json:
    """Return a part with the mark of that lifetime, as it is where ``cache`` is ""."""
    if not cache:
        return part
    mark = {"type": "ephemeral"} if cache == USUAL_TTL else {"type": "ephemeral", "ttl": cache}
    return {**part, "cache_control": mark}
