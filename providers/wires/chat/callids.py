"""Ids of tool calls as a host takes them.

Some hosts take ids of a certain form only. An id that does not fit is replaced by one that is made
of it, always the same, so that a conversation sent again is the same conversation.
"""

from __future__ import annotations

import re
from hashlib import sha256

LENGTHS = (9, 24, 32, 40, 8, 16, 12)
PREFIXES = ("", "call_", "tool_")
# base 36 letters and digits: what every known form allows.
SIGNS = "0123456789abcdefghijklmnopqrstuvwxyz"
TRIES = 8


class CallIds:
    """The ids of one request. ``form`` is the regular expression that they must fit, "" any."""

    __slots__ = ("_form", "_given", "_made")

    def __init__(self, form: str) -> None:
        self._form = re.compile(form) if form else None
        self._made: dict[str, str] = {}
        self._given: set[str] = set()

    def theirs(self, ours: str) -> str:
        """Return the id that the host gets for ``ours``; unlike ids stay unlike."""
        if self._form is None:
            return ours
        made = self._made.get(ours)
        if made is None:
            made = ours if self._form.fullmatch(ours) else self._fitting(ours, self._form)
            self._made[ours] = made
            self._given.add(made)
        return made

    def _fitting(self, ours: str, form: re.Pattern[str]) -> str:
        for attempt in range(TRIES):
            signs = digest(f"{attempt} {ours}")
            for prefix in PREFIXES:
                for length in LENGTHS:
                    made = prefix + signs[:length]
                    if made not in self._given and form.fullmatch(made):
                        return made
        # No form that we can make: the host says so better than we could.
        return ours


def digest(text: str) -> str:
    """Return about fifty letters and digits that are always the same for ``text``."""
    number = int.from_bytes(sha256(text.encode("utf-8", "surrogatepass")).digest(), "big")
    signs = []
    while number:
        number, rest = divmod(number, len(SIGNS))
        signs.append(SIGNS[rest])
    return "".join(signs)


def new_id(seed: str, choice: int, index: int) -> str:
    """Return an id for a call that its host gave none; ``seed`` is the answer's own id."""
    return "call_" + digest(f"{seed} {choice} {index}")[:24]
