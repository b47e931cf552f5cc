"""What a host says was used, in disjoint buckets."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from providers.dialect import Dialect
from providers.usage import MISSING, Usage
from providers.wires.tolerant import count
from providers.wires.wire import money

AUDIO_IN = (("prompt_tokens_details", "audio_tokens"),)
AUDIO_OUT = (("completion_tokens_details", "audio_tokens"),)


def usage_of(said: Any, dialect: Dialect) -> Usage:
    """Return ``usage`` as the host said it, in disjoint buckets; MISSING where it said nothing.

    Where the figures contradict each other or the dialect's convention, ``reconciled`` is False
    and the buckets still add up to the host's prompt and completion counts.
    """
    if not isinstance(said, dict):
        return MISSING
    prompt, completion = count(said.get("prompt_tokens")), count(said.get("completion_tokens"))
    if prompt is None or completion is None:
        return MISSING
    read_ = _first(said, dialect.cached_read_paths)
    write = _first(said, dialect.cached_write_paths)
    audio_in = _first(said, AUDIO_IN)
    audio_out = _first(said, AUDIO_OUT)
    reasoning = _first(said, dialect.reasoning_paths)
    total = count(said.get("total_tokens"))
    beside = reasoning if dialect.reasoning == "beside" else 0
    inside = reasoning - beside
    fresh, again, drafts = beside_all(said, dialect)
    spent = prompt + completion + beside
    reconciled = (
        read_ + write + audio_in <= prompt
        and inside + audio_out <= completion
        and (total is None or total in (spent, spent + fresh + again + drafts))
    )
    if not reconciled:
        read_, write = min(read_, prompt), min(write, max(0, prompt - read_))
        audio_in = min(audio_in, max(0, prompt - read_ - write))
        inside = min(inside, completion)
        audio_out = min(audio_out, completion - inside)
    return Usage(
        input=prompt - read_ - write - audio_in + fresh,
        cache_read=read_ + again,
        cache_write=write,
        audio_input=audio_in,
        output=completion - inside - audio_out,
        reasoning=inside + beside + drafts,
        audio_output=audio_out,
        reconciled=reconciled,
        stated_usd=_charge(said, dialect) if dialect.cost_path else None,
    )


def beside_all(said: dict[str, Any], dialect: Dialect) -> tuple[int, int, int]:
    """Return what is charged beside the wire's own counts: fresh input, cached input, output."""
    if not (dialect.extra_input_paths or dialect.extra_output_paths):
        return 0, 0, 0
    read_ = _first(said, dialect.extra_input_paths)
    again = min(_first(said, dialect.extra_cached_paths), read_)
    return read_ - again, again, _first(said, dialect.extra_output_paths)


def usage_elsewhere(body: Any, dialect: Dialect) -> dict[str, Any] | None:
    """Return what a host states at a place of its own, where it states nothing at the wire's."""
    found = _walk(body, dialect.usage_path) if dialect.usage_path else None
    return found if isinstance(found, dict) else None


def _first(said: dict[str, Any], paths: tuple[tuple[str, ...], ...]) -> int:
    for path in paths:
        # Most hosts say little: what is not there need not be walked to.
        found = _at(said, path) if path[0] in said else 0
        if found:
            return found
    return 0


def _at(said: dict[str, Any], path: tuple[str, ...]) -> int:
    return count(_walk(said, path)) or 0


def _charge(said: dict[str, Any], dialect: Dialect) -> Decimal | None:
    stated = money(_walk(said, dialect.cost_path or ()))
    return None if stated is None else stated * Decimal(dialect.cost_unit)


def _walk(said: Any, path: tuple[str, ...]) -> Any:
    for name in path:
        if not isinstance(said, dict):
            return None
        said = said.get(name)
    return said
