"""A function call that comes in pieces: each names a place in the arguments and what to put there.

Hosts send it where a client asked for ``streamFunctionCallArguments``. Places are written as
``$.operations[0].name``; a text that goes on is put behind what stands there.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from providers.wires.wire import Json

VALUES = ("stringValue", "numberValue", "boolValue")
MAX_STEPS = 64
MAX_INDEX = 10_000


class PartialCall:
    """One call on its way; ``args`` is what is there of its arguments."""

    __slots__ = ("args", "id", "name", "signature")

    def __init__(self, name: str, call_id: str, signature: str) -> None:
        self.name = name
        self.id = call_id
        self.signature = signature
        self.args: Json = {}

    def add(self, pieces: Any) -> bool:
        """Put ``partialArgs`` where they belong; False where one has no such place."""
        if pieces is None:
            return True
        if not isinstance(pieces, list):
            return False
        return all(self._put(piece) for piece in pieces)

    def _put(self, piece: Any) -> bool:
        if not isinstance(piece, dict) or not isinstance(piece.get("jsonPath"), str):
            return False
        steps = steps_of(piece["jsonPath"])
        value = next((piece[name] for name in VALUES if piece.get(name) is not None), None)
        if not steps or not isinstance(steps[0], str):
            return False
        at: Any = self.args
        for step, following in pairwise(steps):
            at = _at(at, step, [] if isinstance(following, int) else {})
            if at is None:
                return False
        return _set(at, steps[-1], value)


def steps_of(path: str) -> list[str | int]:
    """Return the steps of a path; empty where it is none."""
    steps: list[str | int] = []
    rest = path.removeprefix("$")
    while rest and len(steps) < MAX_STEPS:
        if rest.startswith("["):
            inner, closed, rest = rest[1:].partition("]")
            if not closed:
                return []
            if inner[:1] in ("'", '"'):
                steps.append(inner[1:-1])
            elif inner.isascii() and inner.isdigit() and int(inner) <= MAX_INDEX:
                steps.append(int(inner))
            else:
                return []
        else:
            rest = rest.removeprefix(".")
            ends = [place for sign in ".[" if (place := rest.find(sign)) >= 0]
            end = min(ends, default=len(rest))
            if not end:
                return []
            steps.append(rest[:end])
            rest = rest[end:]
    return [] if rest else steps


def _at(holder: Any, step: str | int, empty: Any) -> Any:
    if isinstance(step, str):
        if not isinstance(holder, dict):
            return None
        found = holder.setdefault(step, empty)
    else:
        if not isinstance(holder, list) or step > len(holder):
            return None
        if step == len(holder):
            holder.append(empty)
        found = holder[step]
    return found if isinstance(found, dict | list) else None


def _set(holder: Any, step: str | int, value: Any) -> bool:
    if isinstance(step, str):
        if not isinstance(holder, dict):
            return False
        before = holder.get(step)
    else:
        if not isinstance(holder, list) or step > len(holder):
            return False
        if step == len(holder):
            holder.append(None)
        before = holder[step]
    if isinstance(before, str) and isinstance(value, str):
        value = before + value
    holder[step] = value
    return True
