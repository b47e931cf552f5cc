"""Values put into the text of a TOML file, line by line; comments and order stay."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

_HEADER = re.compile(r"^\s*\[")
_BARE = re.compile(r"[A-Za-z0-9_-]+")


def with_values(text: str, values: Mapping[str, Any]) -> str:
    """Return ``text`` with ``values`` set: a known key's line is replaced, others are added.

    It goes by lines and does not understand all of TOML; who calls reads the outcome again.
    """
    lines = text.splitlines()
    for path, table in _tables((), values):
        _set(lines, path, table)
    return "\n".join(lines) + "\n"


def _tables(
    path: tuple[str, ...], values: Mapping[str, Any]
) -> Iterator[tuple[tuple[str, ...], dict[str, Any]]]:
    own = {key: value for key, value in values.items() if not isinstance(value, Mapping)}
    if own:
        yield path, own
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from _tables((*path, key), value)


def _set(lines: list[str], path: tuple[str, ...], values: Mapping[str, Any]) -> None:
    start, end = _section(lines, path)
    if start is None:
        lines += [*([""] if lines else []), f"[{'.'.join(map(_key, path))}]"]
        start = end = len(lines)
    for key, value in values.items():
        line = f"{_key(key)} = {_value(value)}"
        known = re.compile(rf"""^\s*["']?{re.escape(key)}["']?\s*=""")
        at = next((n for n in range(start, end) if known.match(lines[n])), None)
        if at is not None:
            lines[at] = line
        else:
            lines.insert(end, line)
            end += 1


def _section(lines: list[str], path: tuple[str, ...]) -> tuple[int | None, int]:
    """Return the first line after the header of ``path``, and where its last value ends."""
    start = 0
    if path:
        header = "[" + ".".join(map(_key, path)) + "]"
        said = (
            n
            for n, line in enumerate(lines)
            if line.split("#")[0].replace(" ", "").rstrip() == header
        )
        at = next(said, None)
        if at is None:
            return None, len(lines)
        start = at + 1
    end = next((n for n in range(start, len(lines)) if _HEADER.match(lines[n])), len(lines))
    after = end
    while end > start and (not lines[end - 1].strip() or lines[end - 1].lstrip().startswith("#")):
        end -= 1
    # Above the first table a blank line parts the values from it.
    if end == start and not path and after < len(lines):
        lines.insert(start, "")
    return start, end


def _key(text: str) -> str:
    return text if _BARE.fullmatch(text) else json.dumps(text, ensure_ascii=False)


def _value(value: Any) -> str:
    # Text, truth values, whole numbers and lists of them are written in TOML as they are in JSON.
    return json.dumps(value, ensure_ascii=False)
