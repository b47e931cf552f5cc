"""Token usage of one attempt, in disjoint buckets.

Hosts count in three rival conventions (cached tokens inside the prompt, beside it, or overlapping);
the wire readers undo that, so that everything after them adds plain numbers. No bucket is part of
another: ``prompt_tokens`` and ``completion_tokens`` are their sums.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

UsageState = Literal["reported", "estimated", "missing", "none"]
# reported by the host; estimated by us; missing (consumed, nobody knows how much); none consumed.

BUCKETS = (
    "input",
    "cache_read",
    "cache_write",
    "cache_write_long",
    "audio_input",
    "output",
    "reasoning",
    "audio_output",
)


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one attempt; every bucket is at least 0 and no token stands in two of them.

    ``output`` is what the reader sees, without ``reasoning``. ``stated_usd`` is the charge that the
    host itself stated, in US dollars. ``reconciled`` is False where the host's figures contradict
    each other, so that nobody prices them in good faith.
    """

    input: int = 0
    cache_read: int = 0
    cache_write: int = 0
    cache_write_long: int = 0
    audio_input: int = 0
    output: int = 0
    reasoning: int = 0
    audio_output: int = 0
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
        )

    @property
    def completion_tokens(self) -> int:
        """All tokens that came out, reasoning included."""
        return self.output + self.reasoning + self.audio_output


NOTHING = Usage(state="none")
MISSING = Usage(state="missing")
