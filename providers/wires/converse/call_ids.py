"""Ids of tool calls as a host takes them, the same for a call and its result."""

from __future__ import annotations

import hashlib
import re

# The wire takes dots and colons too, but a family of models behind it does not.
PLAIN = re.compile(r"[a-zA-Z0-9_-]{1,64}")
DIGEST_CHARS = 24


class CallIds:
    """The ids of one conversation, in order: no two calls get the same one.

    Hosts of other wires give short ids that come again in a later turn, or even in the same one: a
    result belongs to the first call of its id that has none yet. What is made up depends on the
    conversation alone, so that its beginning is written the same every time and stays in the host's
    cache.
    """

    __slots__ = ("_given", "_last", "_open", "_pattern")

    def __init__(self, pattern: str) -> None:
        self._pattern = re.compile(pattern) if pattern else PLAIN
        self._last: dict[str, str] = {}
        self._open: dict[str, list[str]] = {}
        self._given: set[str] = set()

    def of_call(self, said: str) -> str:
        """Return the host's id for a call that the conversation calls ``said``."""
        found = said
        turn = 0
        while found in self._given or not self._pattern.fullmatch(found):
            found = _made_up(f"{said}/{turn}" if turn else said)
            turn += 1
            if turn > len(self._given) + 1:
                # A pattern that no id of ours fits: the host will say so.
                break
        self._given.add(found)
        self._last[said] = found
        self._open.setdefault(said, []).append(found)
        return found

    def of_result(self, said: str) -> str:
        """Return the host's id for the latest call ``said``, as good as may be where none was."""
        waiting = self._open.get(said)
        if waiting:
            return waiting.pop(0)
        known = self._last.get(said)
        return known if known is not None else self.of_call(said)

    def settle(self) -> None:
        """Wait for no more results of the calls so far."""
        self._open.clear()


def _made_up(said: str) -> str:
    digest = hashlib.sha256(said.encode("utf-8", "surrogatepass")).hexdigest()
    return f"call_{digest[:DIGEST_CHARS]}"
