"""Numbers as people write them: found by their shape, kept by a check, some only beside a cue word.

A shape is how a number is grouped: ``0`` for a digit, ``A`` for a letter, and the signs between,
such as ``000-00-0000``. One pass over a text finds runs of digits and looks the shapes of their
groups up in a table, so that forty forms cost hardly more than one, in time linear in the text.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from routing.detectors.pattern import Pattern

MOST = 1000  # of a kind; more are not counted
DIGITS_LEAST = 6  # of a run that is looked at
GROUPS_MOST = 8
LETTERS_BESIDE = 3  # how far left and right of a run of digits its letters can lie
CUE_BEFORE, CUE_AFTER = 64, 24  # characters


def _class_of(code: int) -> int:
    sign = chr(code)
    if sign.isascii() and sign.isdigit():
        return ord("0")
    if sign.isascii() and sign.isalpha():
        return ord("A")
    return code if sign in " -./+" else ord("\n")


_CLASSES = bytes(map(_class_of, range(256)))
# Possessive and last, so that a run is read once and never again.
_RUN = re.compile(rb"0[0 ./-]{5,}+")
_GROUP = re.compile(rb"(?<![0A])[0A]{1,20}(?![0A])")
_CAMEL = Pattern(r"([a-z])([A-Z])")


@dataclass(frozen=True, slots=True)
class Scan:
    """A text, the same as ASCII with ``?`` for what is none, and its mask of characters' classes.

    All three are of one length.
    """

    text: str
    ascii: bytes
    mask: bytes


@dataclass(frozen=True, slots=True)
class Rule:
    """When a thing of the right shape is one of a kind.

    ``valid`` takes its letters (upper case as written) and digits without the signs between. With a
    ``cue`` one of its words must stand near: before it, or shortly after where ``after``.
    ``listed``: it counts even among groups like its own, which are mostly a list or a table's row.
    """

    kind: str
    valid: Callable[[str], bool]
    cue: Pattern | None = None
    before: int = CUE_BEFORE
    after: int = CUE_AFTER
    listed: bool = False


Table = Mapping[bytes, tuple[Rule, ...]]


def scan(text: str) -> Scan:
    """Return ``text`` with its mask; what is not ASCII parts words there."""
    encoded = text.encode("ascii", "replace")
    return Scan(text, encoded, encoded.translate(_CLASSES))


def cue(*words: str) -> Pattern:
    """Return what finds one of ``words`` (patterns) that stands by itself, in any case."""
    return Pattern(rf"(?<![a-z])(?:{'|'.join(words)})(?![a-z])", re.IGNORECASE)


def table(rules: Iterable[tuple[str, Rule]]) -> Table:
    """Return rules by the shape that each is for."""
    found: defaultdict[bytes, list[Rule]] = defaultdict(list)
    for shape, rule in rules:
        found[shape.encode()].append(rule)
    return {shape: tuple(ones) for shape, ones in found.items()}


def cued(seen: Scan, start: int, end: int, rule: Rule) -> bool:
    """Whether a cue word of ``rule`` stands near ``start`` to ``end``."""
    if rule.cue is None:
        return True
    before = seen.text[max(0, start - rule.before) : start]
    after = seen.text[end : end + rule.after]
    return rule.cue().search(_CAMEL().sub(r"\1 \2", f"{before} # {after}")) is not None


def kinds_of(seen: Scan, known: Table) -> Iterator[str]:
    """Give the kinds of every number of ``known`` that stands in the text, in its order."""
    longest = max(map(len, known), default=0)
    # Most groups begin nothing that is looked for: one look tells.
    starts = frozenset(shape[:4] for shape in known)
    for run in _RUN.finditer(seen.mask):
        if seen.mask.count(b"0", run.start(), run.end()) < DIGITS_LEAST:
            continue
        start = max(0, run.start() - LETTERS_BESIDE)
        groups = _groups(seen.mask, start, min(len(seen.mask), run.end() + LETTERS_BESIDE))
        at = 0
        while at < len(groups):
            if seen.mask[groups[at][0] : groups[at][0] + 4] not in starts:
                at += 1
                continue
            kinds, to = _longest_at(seen, known, groups, at, longest)
            yield from kinds
            at = to


def _groups(mask: bytes, start: int, end: int) -> list[tuple[int, int]]:
    # The end is one further, so that a word that goes on is seen to.
    return [found.span() for found in _GROUP.finditer(mask, start, end + 1) if found.end() <= end]


def _longest_at(
    seen: Scan, known: Table, groups: list[tuple[int, int]], at: int, longest: int
) -> tuple[tuple[str, ...], int]:
    """Return the kinds of the longest number that begins at a group, and the group to go on at."""
    start = groups[at][0]
    for last in range(min(len(groups), at + GROUPS_MOST) - 1, at - 1, -1):
        end = groups[last][1]
        if end - start > longest:
            continue
        rules = known.get(seen.mask[start:end])
        if rules is None or _part_of_more(seen.mask, start, end):
            continue
        if _listed(seen.mask, groups, at, last):
            rules = tuple(rule for rule in rules if rule.listed)
            if not rules:
                continue
        value = "".join(filter(str.isalnum, seen.text[start:end]))
        kinds = {rule.kind for rule in rules if rule.valid(value) and cued(seen, start, end, rule)}
        if kinds:
            return tuple(kinds), last + 1
    return (), at + 1


def _part_of_more(mask: bytes, start: int, end: int) -> bool:
    """Whether a sign joins it to more digits: a version, a decimal, a date, a UUID, a path."""
    before, after = mask[max(0, start - 2) : start], mask[end : end + 2]
    joined = b".-/"
    return (len(before) == 2 and before[1] in joined and before[:1] == b"0") or (
        len(after) == 2 and after[0] in joined and after[1:] == b"0"
    )


def _listed(mask: bytes, groups: list[tuple[int, int]], at: int, last: int) -> bool:
    """Whether equal groups go on beside it: then it is a piece of a list or of a table's row."""
    return (at > 0 and _alike(mask, groups[at - 1], groups[at])) or (
        last + 1 < len(groups) and _alike(mask, groups[last], groups[last + 1])
    )


def _alike(mask: bytes, one: tuple[int, int], other: tuple[int, int]) -> bool:
    return other[0] - one[1] == 1 and mask[slice(*one)] == mask[slice(*other)]
