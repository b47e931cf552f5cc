"""How many tokens a text probably has, where no host said so. Never exact, and always called so."""

from __future__ import annotations

# Four bytes a token is the usual figure for English prose; code has fewer, other scripts differ.
BYTES_PER_TOKEN = 4


def estimate(text_bytes: int) -> int:
    """Return the likely number of tokens in ``text_bytes`` bytes of UTF-8, rounded up."""
    return -(-text_bytes // BYTES_PER_TOKEN)


def at_most(text_bytes: int) -> int:
    """Return a number of tokens that ``text_bytes`` bytes cannot exceed.

    Byte-level vocabularies never make more than one token of a byte.
    """
    return text_bytes


# The longest text that vocabularies have one token for is a run of spaces or of one sign; and JSON
# may write a sign of three bytes in six.
_MOST_BYTES_PER_TOKEN = 64


def at_least(text_bytes: int) -> int:
    """Return a number of tokens that a body of ``text_bytes`` bytes of JSON has for certain."""
    return text_bytes // _MOST_BYTES_PER_TOKEN
