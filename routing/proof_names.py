"""Every kind of name that can be asked for, where the config or the policy speaks in patterns.

An alias such as ``gpt-*`` stands for more names than can be tried, but only those differ that some
pattern tells apart. They are found by walking through the patterns at once, letter by letter: the
shortest text that fits a set of patterns and no other stands for all of its kind.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection
from dataclasses import dataclass, field

STATES_MOST = 20_000  # walked through for one alias
_AGAIN = 3  # texts that are tried for one state, for some are names of something else
_OTHERS = "xzqjwyk0123456789"  # of these, one that no pattern names stands for any other letter

_State = tuple[frozenset[int], ...]


def within(alias: str, told: Collection[str], taken: Collection[str]) -> tuple[list[str], bool]:
    """Return a name within ``alias`` for each set of patterns in ``told`` that some name fits.

    Also whether that is every kind: a bound ends the walk where patterns make too many of them.
    The case of letters counts in ``alias`` only. ``taken`` are names with a meaning of their own.
    The alias itself stands for its commonest kind, and is not among the names.
    """
    names: list[str] = []
    patterns = _Patterns(tuple(sorted({text.casefold() for text in told if "*" in text})))
    letters = _letters(alias, patterns.texts)
    taken = {name.casefold() for name in taken}
    found = {patterns.fitting(alias)}
    start = (_closed(alias, {0}), patterns.start())
    queue = deque([("", *start)])
    tried: dict[tuple[frozenset[int], _State], int] = {}
    while queue and len(tried) < STATES_MOST:
        text, here, told_here = queue.popleft()
        if len(alias) in here and text and text.casefold() not in taken:
            kind = patterns.accepting(told_here)
            if kind not in found:
                found.add(kind)
                names.append(text)
        for letter in letters:
            onward = _step(alias, here, letter)
            if not onward:
                continue
            state = (onward, patterns.step(told_here, letter.casefold()))
            if tried.get(state, 0) < _AGAIN:
                tried[state] = tried.get(state, 0) + 1
                queue.append((text + letter, *state))
    return names, not queue


@dataclass(slots=True)
class _Patterns:
    """Several patterns read at once; a state has for each the places reached in it."""

    texts: tuple[str, ...]
    _known: dict[tuple[_State, str], _State] = field(default_factory=dict)

    def start(self) -> _State:
        return tuple(_closed(text, {0}) for text in self.texts)

    def step(self, state: _State, letter: str) -> _State:
        known = self._known.get((state, letter))
        if known is None:
            known = tuple(
                _step(text, places, letter) for text, places in zip(self.texts, state, strict=True)
            )
            self._known[state, letter] = known
        return known

    def accepting(self, state: _State) -> frozenset[str]:
        return frozenset(
            text for text, places in zip(self.texts, state, strict=True) if len(text) in places
        )

    def fitting(self, name: str) -> frozenset[str]:
        state = self.start()
        for letter in name.casefold():
            state = self.step(state, letter)
        return self.accepting(state)


def _letters(alias: str, patterns: tuple[str, ...]) -> list[str]:
    named = sorted(set(alias).union(*patterns) - {"*"})
    other = next((letter for letter in _OTHERS if letter not in named), "")
    # The other one first, so that a name is rarely one that somebody has chosen.
    return [*other, *named]


def _step(pattern: str, places: frozenset[int], letter: str) -> frozenset[int]:
    """Return the places in ``pattern`` behind one more letter."""
    onward = set()
    for place in places:
        if place < len(pattern):
            if pattern[place] == "*":
                onward.add(place)
            elif pattern[place] == letter:
                onward.add(place + 1)
    return _closed(pattern, onward)


def _closed(pattern: str, places: set[int]) -> frozenset[int]:
    """Return the places and those behind stars at them, which may stand for nothing."""
    found = set(places)
    for place in sorted(places):
        while place < len(pattern) and pattern[place] == "*":
            place += 1
            found.add(place)
    return frozenset(found)
