"""How far the tokens of one prompt differ by who counts them, as measured: for comparisons.

Measured on 2026-11-26 over 663 prompts of recorded traffic (messages, declarations of tools and
calls: 777,481 bytes of UTF-8, from 200 bytes to 29 KB each, none twice, 585 of them with tools;
nearly all of it English and JSON), with the vocabularies of tiktoken 0.14. The test
``tests/replay/test_tokenizer_ratios.py`` measures it again.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

MEASURED = "663 recorded prompts, 2026-11-26"


@dataclass(frozen=True, slots=True)
class Ratio:
    """Tokens as ``of`` counts them for each one that ``to`` counts in the same prompt.

    ``low`` and ``high`` are the 5th and the 95th percentile of the single prompts, ``least`` and
    ``most`` the furthest that was seen.
    """

    of: str
    to: str
    low: Decimal
    median: Decimal
    high: Decimal
    least: Decimal
    most: Decimal


def _ratio(of: str, to: str, *figures: str) -> Ratio:
    return Ratio(of, to, *map(Decimal, figures))


RATIOS = (
    _ratio("cl100k_base", "o200k_base", "0.964", "1.000", "1.025", "0.904", "1.326"),
    _ratio("bytes/4", "o200k_base", "0.878", "1.105", "1.279", "0.630", "1.993"),
)


def between(of: str, to: str) -> Ratio | None:
    """Return how many tokens ``of`` counts for each one of ``to``; None: never measured.

    Both are names of vocabularies, "" for one that nobody knows.
    """
    if of and of == to:
        return _ratio(of, to, *["1"] * 5)
    return next((one for one in RATIOS if (one.of, one.to) == (of, to)), None)
