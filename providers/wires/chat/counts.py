"""What a host says was used, in disjoint buckets."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from providers.dialect import Dialect, Path
from providers.usage import MISSING, Usage, tier_of
from providers.wires.tolerant import count
from providers.wires.wire import money

AUDIO_IN = (("prompt_tokens_details", "audio_tokens"),)
AUDIO_OUT = (("completion_tokens_details", "audio_tokens"),)
# Some hosts say it outside of the details. Either is a part of the prompt, cached or not.
IMAGE_IN = (("prompt_tokens_details", "image_tokens"), ("image_tokens",))
IMAGE_OUT = (("completion_tokens_details", "image_tokens"),)


def usage_of(said: Any, dialect: Dialect, tier: Any = None) -> Usage:
    """Return ``usage`` as the host said it, in disjoint buckets; MISSING where it said nothing.

    Where the figures contradict each other or the dialect's convention, ``reconciled`` is False
    and the buckets still add up to the host's prompt and completion counts. ``tier`` is the host's
    word for the tier of service, where it stands outside of the usage.
    """
    if not isinstance(said, dict):
        return missing(tier)
    prompt, completion = count(said.get("prompt_tokens")), count(said.get("completion_tokens"))
    if prompt is None or completion is None:
        return missing(tier)
    read_ = _first(said, dialect.cached_read_paths)
    write = _first(said, dialect.cached_write_paths)
    audio_in = _first(said, AUDIO_IN)
    audio_out = _first(said, AUDIO_OUT)
    image_out = _first(said, IMAGE_OUT)
    reasoning = _first(said, dialect.reasoning_paths)
    total = count(said.get("total_tokens"))
    beside = reasoning if dialect.reasoning == "beside" else 0
    inside = reasoning - beside
    heard = audio_in if dialect.audio == "beside" else 0
    fresh, again, drafts = beside_all(said, dialect)
    spent = prompt + heard + completion + beside
    reconciled = (
        read_ + write + audio_in - heard <= prompt
        and inside + audio_out + image_out <= completion
        and (total is None or total in (spent, spent + fresh + again + drafts))
    )
    if not reconciled:
        read_, write = min(read_, prompt), min(write, max(0, prompt - read_))
        audio_in = heard or min(audio_in, max(0, prompt - read_ - write))
        inside = min(inside, completion)
        audio_out = min(audio_out, completion - inside)
        image_out = min(image_out, completion - inside - audio_out)
    text_in = prompt - read_ - write - audio_in + heard
    # What was cached may be a picture too, and nobody says which: the rest is one for certain.
    image_in = min(_first(said, IMAGE_IN), text_in)
    return Usage(
        input=text_in - image_in + fresh,
        cache_read=read_ + again,
        cache_write=write,
        audio_input=audio_in,
        image_input=image_in,
        output=completion - inside - audio_out - image_out,
        reasoning=inside + beside + drafts,
        audio_output=audio_out,
        image_output=image_out,
        searches=searched(said, dialect, 0),
        tier=tier_of(tier or said.get("service_tier")),
        reconciled=reconciled,
        stated_usd=_charge(said, dialect) if dialect.cost_path else None,
    )


def missing(tier: Any) -> Usage:
    """Return that nothing is known but the tier, where the host says that."""
    word = tier_of(tier) if tier else ""
    return Usage(state="missing", tier=word) if word else MISSING


def searched(said: dict[str, Any], dialect: Dialect, seen: int) -> int:
    """Return what is charged as searches: as the host's usage counts it, else those ``seen``."""
    found = seen
    if dialect.search_paths:
        counts = [count(_walk(said, path)) for path in dialect.search_paths]
        known = [number for number in counts if number is not None]
        found = sum(known) if known else seen
    return found if dialect.searches == "each" else min(found, 1)


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


def _first(said: dict[str, Any], paths: tuple[Path, ...]) -> int:
    for path in paths:
        # Most hosts say little: what is not there need not be walked to.
        found = _at(said, path) if path[0] in said else 0
        if found:
            return found
    return 0


def _at(said: dict[str, Any], path: Path) -> int:
    return count(_walk(said, path)) or 0


def _charge(said: dict[str, Any], dialect: Dialect) -> Decimal | None:
    stated = money(_walk(said, dialect.cost_path or ()))
    return None if stated is None else stated * Decimal(dialect.cost_unit)


def _walk(said: Any, path: Path) -> Any:
    for name in path:
        if not isinstance(said, dict):
            return None
        said = said.get(name)
    return said
