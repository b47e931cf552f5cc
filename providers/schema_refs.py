"""References inside one JSON schema: where they lead, and whether one leads back to itself."""

from __future__ import annotations

import graphlib
from typing import Any
from urllib.parse import unquote

Json = dict[str, Any]

# A hostile schema may point into itself from everywhere; the search for circles ends here.
MAX_STEPS = 200_000
DEFINITIONS = ("$defs", "definitions")


def resolve(root: Json, ref: str) -> Any:
    """Return what a JSON pointer (RFC 6901) in a fragment leads to; None where it leads nowhere."""
    if ref == "#":
        return root
    if not ref.startswith("#/"):
        return None
    found: Any = root
    for step in ref[2:].split("/"):
        name = unquote(step).replace("~1", "/").replace("~0", "~")
        if isinstance(found, dict):
            found = found.get(name)
        elif isinstance(found, list) and name.isdecimal() and len(name) < 8:
            found = found[int(name)] if int(name) < len(found) else None
        else:
            return None
    return found


def definition_of(root: Json, ref: str) -> str | None:
    """Return the name of the definition that ``ref`` leads to; None where it leads elsewhere.

    Where both words for definitions hold one name, the newer word's counts.
    """
    for word in DEFINITIONS:
        start = f"#/{word}/"
        if ref.startswith(start) and "/" not in ref[len(start) :]:
            name = unquote(ref[len(start) :]).replace("~1", "/").replace("~0", "~")
            named = root.get(word)
            if not isinstance(named, dict) or name not in named:
                return None
            newer = root.get(DEFINITIONS[0])
            shadowed = word != DEFINITIONS[0] and isinstance(newer, dict) and name in newer
            return None if shadowed else name
    return None


def definitions(root: Json) -> Json:
    """Return all definitions by name."""
    out: Json = {}
    for word in DEFINITIONS:
        named = root.get(word)
        if isinstance(named, dict):
            out = {**named, **out}
    return out


def pointer(name: str) -> str:
    """Return the reference that leads to a definition."""
    return f"#/{DEFINITIONS[0]}/" + name.replace("~", "~0").replace("/", "~1")


def circular(root: Json) -> bool:
    """Return whether a reference leads back to itself, or whether that was too long to find out."""
    steps = MAX_STEPS
    graph: dict[str, set[str]] = {}
    first, steps = _inside(root, steps)
    waiting = list(first)
    while waiting:
        ref = waiting.pop()
        if ref in graph:
            continue
        graph[ref], steps = _inside(resolve(root, ref), steps)
        if steps <= 0:
            return True
        waiting.extend(graph[ref])
    try:
        graphlib.TopologicalSorter(graph).prepare()
    except graphlib.CycleError:
        return True
    return False


def _inside(value: Any, steps: int) -> tuple[set[str], int]:
    # All references in a value, however deep, and how many steps are left.
    found: set[str] = set()
    waiting = [value]
    while waiting and steps > 0:
        steps -= 1
        item = waiting.pop()
        if isinstance(item, dict):
            ref = item.get("$ref")
            if isinstance(ref, str):
                found.add(ref)
            waiting.extend(item.values())
        elif isinstance(item, list):
            waiting.extend(item)
    return found, steps


def size(value: Any, most: int) -> int:
    """Return how many values there are in ``value``, itself included; not above ``most``."""
    count = 0
    waiting = [value]
    while waiting and count < most:
        count += 1
        item = waiting.pop()
        if isinstance(item, dict):
            waiting.extend(item.values())
        elif isinstance(item, list):
            waiting.extend(item)
    return count
