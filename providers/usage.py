"""Token usage of one attempt, in disjoint buckets.

Hosts count in three rival conventions (cached tokens inside the prompt, beside it, or overlapping);
the wire readers undo that, so that everything after them adds plain numbers. No bucket is part of
another: ``prompt_tokens`` and ``completion_tokens`` are their sums.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Literal

from msgspec import Struct
from msgspec.structs import replace

UsageState = Literal["reported", "estimated", "missing", "none"]
# reported by the host; estimated by us; missing (consumed, nobody knows how much); none consumed.

BUCKETS = (
    "input",
    "cache_read",
    "cache_write",
    "cache_write_long",
    "audio_input",
    "image_input",
    "output",
    "reasoning",
    "audio_output",
    "image_output",
)


class Usage(Struct, frozen=True):
    """Tokens of one attempt; every bucket is at least 0 and no token stands in two of them.

    ``output`` is what the reader sees, without ``reasoning``. ``stated_usd`` is the charge that the
    host itself stated, in US dollars. ``reconciled`` is False where the host's figures contradict
    each other, so that nobody prices them in good faith. ``searches`` counts what the host searched
    for, where it charges that apart. ``tier`` is the tier of service that it says it answered in
    (batch, flex, priority), "" for the usual one.
    """

    input: int = 0
    cache_read: int = 0
    cache_write: int = 0
    cache_write_long: int = 0
    audio_input: int = 0
    image_input: int = 0
    output: int = 0
    reasoning: int = 0
    audio_output: int = 0
    image_output: int = 0
    searches: int = 0
    tier: str = ""
    state: UsageState = "reported"
    reconciled: bool = True
    stated_usd: Decimal | None = None

    @property
    def prompt_tokens(self) -> int:
        """All tokens that went in."""
        return (
            self.input
            + self.cache_read
            + self.cache_write
            + self.cache_write_long
            + self.audio_input
            + self.image_input
        )

    @property
    def completion_tokens(self) -> int:
        """All tokens that came out, reasoning included."""
        return self.output + self.reasoning + self.audio_output + self.image_output


NOTHING = Usage(state="none")
MISSING = Usage(state="missing")

# No call has used so much: a figure beyond it is a mistake, and many of them must fit a sum.
TOKENS_MAX = 10**12
TIER_MAX_CHARS = 32
# What a tier is called whose word cannot be kept: whatever it is, it is not the usual one.
UNREADABLE_TIER = "unreadable"
# What hosts call the tier of service that everybody gets.
USUAL_TIERS = frozenset(
    {"default", "standard", "standard_only", "on_demand", "auto", "unspecified"}
)  # fmt: skip


def believed(usage: Usage) -> Usage:
    """Return ``usage`` as the ledger may have it: an absurd figure is cut, and contradicts."""
    # None of them is below zero, so that none is over what all of them come to.
    if usage.prompt_tokens + usage.completion_tokens + usage.searches <= TOKENS_MAX:
        return usage
    figures = {name: getattr(usage, name) for name in (*BUCKETS, "searches")}
    if max(figures.values()) <= TOKENS_MAX:
        return usage
    bounded = {name: min(figure, TOKENS_MAX) for name, figure in figures.items()}
    return replace(usage, reconciled=False, **bounded)


def tier_of(said: Any) -> str:
    """Return the tier of service that a host's word means, "" for the usual one.

    Vertex says how its traffic was paid in one word (``ON_DEMAND_FLEX``), which is the tier's name
    behind a beginning.
    """
    if not isinstance(said, str) or not said:
        return ""
    word = said[:TIER_MAX_CHARS].lower().removeprefix("service_tier_")
    if word in USUAL_TIERS or word.endswith("_unspecified"):
        return ""
    word = word.removeprefix("on_demand_")
    plain = word.replace("_", "").replace("-", "").replace(".", "")
    return word if plain.isalnum() and word.isascii() else UNREADABLE_TIER
