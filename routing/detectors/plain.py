"""Text as it is read rather than as it is written: without invisible signs, digits as digits."""

from __future__ import annotations

import re
import unicodedata

from routing.detectors.pattern import Pattern

_ESCAPE = Pattern(r"\\(?:u([0-9a-fA-F]{4})|([nrtbf\"/\\]))")
_FEW = 24  # signs; so many are faster replaced one by one
# Of what Unicode calls alike only this is in anything that is looked for.
_MATTERS = Pattern(r"[A-Za-z0-9@+./:=_()' \"-]")
_BLANK = frozenset("nrtbf")


def plain(text: str) -> str:
    """Return ``text`` with every sign that has a plain form in it, and no invisible ones.

    Full-width signs, other scripts' digits and whatever else is an ASCII sign by NFKC become that
    sign, all spaces and dashes one kind of each; escapes of JSON and of code are undone. ASCII
    text without a backslash is returned as it is.
    """
    if "\\" in text:
        text = _ESCAPE().sub(_unescaped, text)
    if text.isascii():
        return text
    changed = {
        ord(sign): other
        for sign in set(text)
        if sign > "\x7f" and (other := _plain_sign(sign)) != sign
    }
    if len(changed) > _FEW:
        return text.translate(changed)
    for code, other in changed.items():
        text = text.replace(chr(code), other)
    return text


def _plain_sign(sign: str) -> str:
    kind = unicodedata.category(sign)
    if kind in ("Cf", "Mn", "Me") or 0xE0000 <= ord(sign) <= 0xE0FFF:
        # Marks that are put over letters go too: none is in what is looked for.
        return ""
    if kind == "Nd":
        return str(unicodedata.decimal(sign))
    if kind in ("Zs", "Pd"):
        return " " if kind == "Zs" else "-"
    alike = unicodedata.normalize("NFKC", sign)
    return alike if _MATTERS().search(alike) else sign


def _unescaped(found: re.Match[str]) -> str:
    code, sign = found.groups()
    if code is not None:
        return chr(int(code, 16))
    return "\n" if sign in _BLANK else sign
