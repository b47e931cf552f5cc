"""Takes key material out of what a host said: its error may quote the key that it was given."""

from __future__ import annotations

import re

MASK = "***"
# Each pattern is read once from left to right: no part of it can match in two ways.
_KEYS = re.compile(
    r"(?:"
    # How keys of the usual makers begin. Hosts mask the middle with stars themselves.
    r"\b(?:sk|pk|rk)[-_][A-Za-z0-9_*-]{6,}"
    r"|\bAIza[0-9A-Za-z_-]{10,}"
    r"|\b(?:gsk|csk|hf|r8|tgp|fw|x[a]i)[-_][A-Za-z0-9_*-]{16,}"
    r"|\b(?:AKIA|ASIA)[0-9A-Z]{12,}"
    r"|\bya29\.[0-9A-Za-z_.-]{10,}"
    # JSON web tokens.
    r"|\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_.-]{8,}"
    # Any run with stars in it is a key that its host masked, but not whole.
    r"|(?<![A-Za-z0-9_*-])[A-Za-z0-9_-]{0,100}\*{3,100}[A-Za-z0-9_-]{1,100}"
    r")"
)
_BEARER = re.compile(r"\b(bearer|basic) +[A-Za-z0-9._~+/=*-]{6,}", re.IGNORECASE)
_QUERY = re.compile(
    r"([?&](?:api_?key|key|access_token|token|sig)=)[^&\s\"'<>]{1,500}", re.IGNORECASE
)
# A long run with a figure in it soon after such a word: hexadecimal or base64.
_NAMED = re.compile(
    r"((?:key|token|secret|credential|password|authorization)s?[\"']?"
    r"(?: (?:provided|given|is|was))?[\s:='\"`(]{1,4})"
    r"(?=[A-Za-z_+/=.-]{0,100}[0-9])[A-Za-z0-9_+/=.-]{20,}",
    re.IGNORECASE,
)


def scrub(text: str) -> str:
    """Return ``text`` with everything that looks like a key masked.

    Ids of calls and names of models stay. A key that a person could have chosen, short and without
    a known beginning, cannot be told from a word.
    """
    text = _KEYS.sub(MASK, text)
    text = _BEARER.sub(rf"\1 {MASK}", text)
    text = _QUERY.sub(rf"\1{MASK}", text)
    return _NAMED.sub(rf"\1{MASK}", text)


def scrub_bytes(raw: bytes) -> bytes:
    """Return an error's body with everything that looks like a key masked, else byte for byte."""
    text = raw.decode("utf-8", "surrogateescape")
    clean = scrub(text)
    return raw if clean == text else clean.encode("utf-8", "surrogateescape")
