"""JSON that was cut off in the middle, as far as it goes.

An answer that ended by length may end inside a tool call. In a whole answer its ``input`` has to be
a JSON value all the same: everything that was complete, and nothing made up.
"""

from __future__ import annotations

from typing import Any

import msgspec

_decode = msgspec.json.Decoder().decode
CLOSERS = {"{": "}", "[": "]"}


def completed(text: str) -> Any:
    """Return the value of ``text``; of cut JSON the values in it that are whole, else ``{}``."""
    try:
        return _decode(text)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        pass
    for end in reversed(_scan(text)[0]):
        try:
            return _decode(text[:end] + _scan(text[:end])[1])
        except (msgspec.MsgspecError, UnicodeError, RecursionError):
            continue
    return {}


def _scan(text: str) -> tuple[list[int], str]:
    """Return the last places where ``text`` may end, and what closes it at its own end."""
    places: list[int] = []
    closers: list[str] = []
    in_text = escaped = False
    for at, sign in enumerate(text):
        if in_text:
            if escaped:
                escaped = False
            elif sign == "\\":
                escaped = True
            elif sign == '"':
                in_text = False
        elif sign == '"':
            in_text = True
        elif sign in CLOSERS:
            closers.append(CLOSERS[sign])
            places.append(at + 1)
        elif sign in "}]":
            if closers:
                closers.pop()
            places.append(at + 1)
        elif sign == ",":
            places.append(at)
    if not in_text:
        places.append(len(text))
    return places[-4:], "".join(reversed(closers))
