"""Secrets: private keys, tokens known by their beginning, passwords in addresses, keys by name."""

from __future__ import annotations

import math
import re
import tomllib
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

from routing.detectors.numbers import Scan
from routing.detectors.pattern import Pattern

PRIVATE_KEY, API_TOKEN = "private_key", "api_token"
PREFIXES_FILE = Path(__file__).with_name("token_prefixes.toml")

# --- private keys ---

_ARMOUR = Pattern(r"-----BEGIN (?:[A-Z0-9]{1,12} ){0,3}PRIVATE KEY(?: BLOCK)?-----")
# A line that only names the header has no such run behind it.
_ARMOURED = Pattern(r"[A-Za-z0-9+/]{32}")
_ARMOUR_NEAR = 600  # the headers of an encrypted key stand between
_OTHER_KEYS = (
    Pattern(r"AGE-SECRET-KEY-1[A-Z0-9]{58}"),
    Pattern(r"PuTTY-User-Key-File-[0-9]: .{4,64}"),
    # "openssh-key-v1" in base64: the body without its header.
    Pattern(r"b3BlbnNzaC1rZXktdjE[A-Za-z0-9+/]{32}"),
)


def private_keys(seen: Scan) -> Iterator[str]:
    """Give the kind for each private key of which more stands there than its header."""
    whole = 0
    for found in _ARMOUR().finditer(seen.text):
        if _ARMOURED().search(seen.text, found.end(), found.end() + _ARMOUR_NEAR):
            whole += 1
            yield PRIVATE_KEY
    if whole:
        return
    for pattern in _OTHER_KEYS:
        yield from (PRIVATE_KEY for _ in pattern().finditer(seen.text))


# --- tokens ---

_ALPHABETS = {
    "alnum": "[A-Za-z0-9]",
    "word": r"[\w-]",
    "dotted": r"[\w.-]",
    "hex": "[0-9a-fA-F]",
}
_LONGEST = 4000  # of a token whose issuer gives no length
RUN_LEAST = 20
_WORD = bytes(
    ord("w") if chr(code).isascii() and (chr(code).isalnum() or chr(code) in "_-.") else ord(" ")
    for code in range(256)
)
_RUN = b"w" * RUN_LEAST
_HEAD = 3  # signs by which a token's pattern is looked up


@cache
def prefixes() -> Mapping[str, tuple[Pattern, ...]]:
    """Return what a token must be like, by its first signs."""
    found: defaultdict[str, list[Pattern]] = defaultdict(list)
    for row in tomllib.loads(PREFIXES_FILE.read_text(encoding="utf-8"))["token"]:
        size = f"{{{row['least']},{row['most'] or _LONGEST}}}+(?![A-Za-z0-9_])"
        for prefix in row["prefix"]:
            pattern = Pattern(re.escape(prefix) + _ALPHABETS[row["alphabet"]] + size, re.ASCII)
            found[prefix[:_HEAD]].append(pattern)
    return {head: tuple(patterns) for head, patterns in found.items()}


_JWT = Pattern(r"eyJ[\w-]{8,4000}+\.eyJ[\w-]{8,8000}+\.[\w-]{16,1400}+", re.ASCII)
_ACCESS_HEADS = frozenset({"AKI", "ASI"})
_ACCESS_ID = Pattern(r"A[KS]IA[A-Z2-7]{16}(?![A-Za-z0-9])")
_ACCESS_SECRET = Pattern(r"(?<![A-Za-z0-9/+])[A-Za-z0-9/+]{40}(?![A-Za-z0-9/+])")
_SECRET_NEAR = 240
_ASSIGNED = Pattern(
    r"(?:api[ _-]?key|secret(?:[ _-]?(?:access[ _-]?)?key)?|[a-z]?token|passw(?:or)?d|passwort|pwd"
    r"|account[ _-]?key|access[ _-]?key|private[ _-]?key|auth(?:orization)?|bearer|credential)"
    r"[\"']{0,2} {0,4}(?::=|=>|[:=]) {0,4}(?:bearer |basic )?[\"'`]{0,3}[A-Za-z0-9+/]{0,40}\Z",
    re.IGNORECASE,
)
_ASSIGNED_NEAR = 100
_DIGITS_LEAST, _LOOKED_AT = 2, 256
_ENTROPY_LEAST = 3.3  # bits a sign; words and names lie under it, or have no digit
_MADE_UP = Pattern(
    r"example|your|placeholder|xxxx|\.\.\.|dummy|sample|changeme|redacted|1234567890", re.IGNORECASE
)


def tokens(seen: Scan) -> Iterator[str]:
    """Give the kind for each token, and for each password in an address."""
    known = prefixes()
    for start, end in _runs(seen):
        if _is_token(seen, start, end, known):
            yield API_TOKEN
    yield from (API_TOKEN for _ in _passwords(seen.text))


def _runs(seen: Scan) -> Iterator[tuple[int, int]]:
    """Give where runs of letters, digits, ``_``, ``-`` and ``.`` stand that could hold a secret."""
    words = seen.ascii.translate(_WORD)
    at = words.find(_RUN)
    while at >= 0:
        # A search lands at the first place where so many stand together: that is a run's start.
        end = words.find(b" ", at)
        end = len(words) if end < 0 else end
        yield at, end
        at = words.find(_RUN, end)


def _is_token(seen: Scan, start: int, end: int, known: Mapping[str, tuple[Pattern, ...]]) -> bool:
    text = seen.text
    # Signs that may stand before a token as well as in it.
    while start < end and text[start] in ".-_":
        start += 1
    head = text[start : start + _HEAD]
    for pattern in known.get(head, ()):
        if pattern().match(text, start, end) and not _MADE_UP().search(text, start, end):
            return True
    if head in _ACCESS_HEADS:
        near = text[max(0, start - _SECRET_NEAR) : end + _SECRET_NEAR]
        named = _ACCESS_ID().match(text, start, end)
        return bool(named and _ACCESS_SECRET().search(near) and "EXAMPLE" not in text[start:end])
    if head == "eyJ" and _JWT().match(text, start, end):
        return True
    # The cheapest question first: most long words of code have no digits.
    if seen.mask.count(b"0", start, end) < _DIGITS_LEAST:
        return False
    before = text[max(0, start - _ASSIGNED_NEAR) : start]
    return _ASSIGNED().search(before) is not None and random_looking(text[start:end][:_LOOKED_AT])


def random_looking(word: str) -> bool:
    """Whether ``word`` has letters and digits in no order that a person would have made."""
    mixed = any(map(str.isdigit, word)) and any(map(str.isalpha, word))
    if not mixed or _MADE_UP().search(word):
        return False
    times = Counter(word).values()
    entropy = -sum(n / len(word) * math.log2(n / len(word)) for n in times)
    return entropy >= _ENTROPY_LEAST


_ADDRESS = Pattern(r"://([^\s:/@\"'<>]{0,64}):([^\s@/\"'<>]{3,128})@[\w.\[]")
# A place for a password, or one that everybody knows: no secret.
_NO_PASSWORD = Pattern(
    r"[\[{<$%*]|x{3}|passw(?:or)?d?\d{0,3}\Z|pass\Z|pwd\Z|secret\Z|changeme|example|your|test\Z",
    re.IGNORECASE,
)


def _passwords(text: str) -> Iterator[str]:
    for found in _ADDRESS().finditer(text):
        user, password = found.groups()
        if user != password and not _NO_PASSWORD().match(password):
            yield password
