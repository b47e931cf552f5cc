"""How much of its rate limits a host says is left, in the headers of its answers. Pure.

Their names differ from host to host, in order as well (``x-ratelimit-remaining-tokens``,
``anthropic-ratelimit-tokens-remaining``, as recorded): alike are only the words remaining, limit
and reset, which stand in the same place.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from providers.retry_after import span

# What a limit is of, where a name says it; hosts write more around it.
KINDS = ("input-tokens", "output-tokens", "tokens", "requests")
LIMITS_MOST = 8
NUMBER_MAX_CHARS = 18


@dataclass(frozen=True, slots=True)
class LimitLeft:
    """One limit: ``left`` of ``most`` (None: not said) of ``kind``; "" where its name says none.

    ``resets_s`` is in how many seconds from the answer on all of it is there again, None: not said.
    """

    kind: str
    left: int
    most: int | None
    resets_s: float | None


def limits_left(headers: Mapping[str, str]) -> list[LimitLeft]:
    """Return what headers (names in lower case) say of limits, each once, in the order of names.

    What is no whole number is left out, and so is a limit of 0, which hosts send for "no limit".
    """
    found = []
    for name in sorted(headers):
        if "remaining" not in name or "ratelimit" not in name:
            continue
        left = _whole(headers[name])
        most = _whole(headers.get(name.replace("remaining", "limit"), ""))
        if left is None or most == 0:
            continue
        kind = next((one for one in KINDS if one in name), "")
        resets = span(headers.get(name.replace("remaining", "reset"), ""))
        found.append(LimitLeft(kind, left, most, resets))
    return found[:LIMITS_MOST]


def _whole(text: str) -> int | None:
    text = text.strip()
    is_number = text.isascii() and text.isdigit() and len(text) <= NUMBER_MAX_CHARS
    return int(text) if is_number else None
