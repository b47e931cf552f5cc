"""Reads one string member of a JSON object out of fragments, as they come."""

from __future__ import annotations

import re

ESCAPES = {
    '"': '"', "\\": "\\", "/": "/", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t",
}  # fmt: skip
HEAD_MAX_CHARS = 200
_SIGN = re.compile(r'["\\]')
_HEX = frozenset("0123456789abcdefABCDEF")


class StringReader:
    """Gives the words of the member ``name`` where it is the first of the object and a string.

    Anything else gives nothing: whoever has the whole object can say what it means. ``given`` is
    all that has come out so far.
    """

    __slots__ = ("_head", "_held", "_over", "_start", "given")

    def __init__(self, name: str) -> None:
        self._start = re.compile(rf'\s*\{{\s*"{re.escape(name)}"\s*:\s*"')
        # What came before the string began, until it has; then an escape that is not whole.
        self._head: str | None = ""
        self._held = ""
        self._over = False
        self.given: list[str] = []

    def read(self, fragment: str) -> str:
        """Return the words that ``fragment`` completes."""
        if self._over:
            return ""
        if self._head is not None:
            head = self._head + fragment
            found = self._start.match(head)
            if found is None:
                self._head = head
                self._over = len(head) > HEAD_MAX_CHARS
                return ""
            self._head = None
            fragment = head[found.end() :]
        words = self._unescaped(self._held + fragment)
        if words:
            self.given.append(words)
        return words

    def _unescaped(self, text: str) -> str:
        self._held = ""
        out: list[str] = []
        at = 0
        while at < len(text):
            found = _SIGN.search(text, at)
            stop = len(text) if found is None else found.start()
            out.append(text[at:stop])
            if found is None:
                break
            if text[stop] == '"':
                self._over = True
                break
            sign, size = _escape(text, stop)
            if size == 0:
                self._held = text[stop:]
                break
            if not sign:
                # No JSON: what is left means nothing.
                self._over = True
                break
            out.append(sign)
            at = stop + size
        return "".join(out)


def _escape(text: str, at: int) -> tuple[str, int]:
    """Return what the escape at ``at`` stands for and its length; 0 where it is not whole yet."""
    if at + 1 >= len(text):
        return "", 0
    sign = text[at + 1]
    if sign != "u":
        return ESCAPES.get(sign, ""), 2
    first = _unit(text, at)
    if first is None:
        return "", 6
    if first < 0:
        return "", 0
    if not 0xD800 <= first <= 0xDFFF:
        return chr(first), 6
    # A character beyond the first plane is two escapes.
    if first <= 0xDBFF and len(text) < at + 12 and "\\u".startswith(text[at + 6 : at + 8]):
        return "", 0
    second = _unit(text, at + 6) if text.startswith("\\u", at + 6) else None
    if first > 0xDBFF or second is None or not 0xDC00 <= second <= 0xDFFF:
        return "\ufffd", 6
    return chr(0x10000 + ((first - 0xD800) << 10) + (second - 0xDC00)), 12


def _unit(text: str, at: int) -> int | None:
    # The number of the escape at ``at``; None where it is none, -1 where it is not whole yet.
    digits = text[at + 2 : at + 6]
    if any(digit not in _HEX for digit in digits):
        return None
    return int(digits, 16) if len(digits) == 4 else -1
