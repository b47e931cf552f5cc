"""Token counts of this wire, read into disjoint buckets and written out of them.

``input_tokens`` has no cached tokens in it; ``output_tokens`` has the thoughts in it.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from providers.dialect import Dialect
from providers.usage import MISSING, Usage, tier_of
from providers.wires.chat.counts import searched
from providers.wires.tolerant import count, mapping
from providers.wires.wire import Json, money


def merge(said: Json, more: Any) -> None:
    """Lay a later ``usage`` over ``said``: its counts are totals; what it leaves null stays."""
    if not isinstance(more, dict):
        return
    before = said.get("cache_creation_input_tokens")
    for name, value in more.items():
        if value is not None:
            said[name] = value
    if "cache_creation" not in more and said.get("cache_creation_input_tokens") != before:
        # The new total has no split: the old one is no part of it.
        said.pop("cache_creation", None)


def usage_of(said: Any, dialect: Dialect) -> Usage:
    """Return ``usage`` as the host said it, in disjoint buckets; MISSING where it said nothing.

    Where the figures contradict each other ``reconciled`` is False, and the buckets still add up to
    the host's totals.
    """
    if not isinstance(said, dict):
        return MISSING
    fresh, output = count(said.get("input_tokens")), count(said.get("output_tokens"))
    if fresh is None or output is None:
        return MISSING
    write, write_long, agrees = _written(said)
    details = said.get("output_tokens_details")
    thoughts = count(details.get("thinking_tokens")) if isinstance(details, dict) else 0
    thoughts = thoughts or 0
    inside = thoughts if dialect.reasoning == "inside" else 0
    if inside > output:
        inside, thoughts, agrees = output, output, False
    return Usage(
        input=fresh,
        cache_read=count(said.get("cache_read_input_tokens")) or 0,
        cache_write=write,
        cache_write_long=write_long,
        output=output - inside,
        reasoning=thoughts,
        searches=_searches(said, dialect),
        tier=_tier(said),
        reconciled=agrees and not _more_elsewhere(said),
        stated_usd=_charge(said, dialect),
    )


def _searches(said: Json, dialect: Dialect) -> int:
    seen = count(mapping(said.get("server_tool_use")).get("web_search_requests"))
    return searched(said, dialect, seen or 0)


def _tier(said: Json) -> str:
    # What is answered at a higher speed has prices of its own, as a tier has.
    return tier_of(said.get("service_tier")) or tier_of(said.get("speed"))


def _written(said: Json) -> tuple[int, int, bool]:
    total = count(said.get("cache_creation_input_tokens"))
    split = said.get("cache_creation")
    short = long = 0
    if isinstance(split, dict):
        short = count(split.get("ephemeral_5m_input_tokens")) or 0
        long = count(split.get("ephemeral_1h_input_tokens")) or 0
    if total is None:
        return short, long, True
    if short + long in (0, total):
        return total - long, long, True
    long = min(long, total)
    return total - long, long, False


def _more_elsewhere(said: Json) -> bool:
    """Whether a call of another model within the answer is counted in its own place alone.

    Those tokens have another price, and no one says what it is.
    """
    rounds = said.get("iterations")
    if not isinstance(rounds, list):
        return False
    return any(
        isinstance(one, dict) and one.get("type") not in (None, "message")
        and ((count(one.get("input_tokens")) or 0) + (count(one.get("output_tokens")) or 0)) > 0
        for one in rounds
    )  # fmt: skip


def _charge(said: Json, dialect: Dialect) -> Decimal | None:
    if not dialect.cost_path:
        return None
    found: Any = said
    for name in dialect.cost_path:
        found = found.get(name) if isinstance(found, dict) else None
    amount = money(found)
    return None if amount is None else amount * Decimal(dialect.cost_unit)


def usage_json(usage: Usage) -> dict[str, Any]:
    """Return the buckets as this wire counts."""
    said: dict[str, Any] = {
        "input_tokens": usage.input + usage.audio_input + usage.image_input,
        "cache_creation_input_tokens": usage.cache_write + usage.cache_write_long,
        "cache_read_input_tokens": usage.cache_read,
        "output_tokens": usage.completion_tokens,
    }
    if usage.reasoning:
        said["output_tokens_details"] = {"thinking_tokens": usage.reasoning}
    return said


def split_of(usage: Usage) -> Mapping[str, int]:
    """Return how the tokens written to the cache are split by lifetime."""
    return {
        "ephemeral_5m_input_tokens": usage.cache_write,
        "ephemeral_1h_input_tokens": usage.cache_write_long,
    }
