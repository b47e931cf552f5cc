"""Values put into the text of a YAML file, line by line; comments and order stay."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from gateway.yaml_lines import parse

# Text that YAML reads as text without quotes, whatever comes of it.
_PLAIN = re.compile(r"[A-Za-z/$][\w./:@+${} -]*(?<![\s:])")
_NOT_TEXT = frozenset({"true", "false", "null", "yes", "no", "on", "off", "y", "n"})


def with_values(text: str, values: Mapping[str, Any]) -> str:
    """Return ``text`` with ``values`` set at its top level; entries of lists go by their name.

    It goes by lines and does not understand all of YAML; who calls reads the outcome again. The
    text given has to be YAML that can be read.
    """
    lines = text.splitlines()
    for key, value in values.items():
        if isinstance(value, list) and value and isinstance(value[0], Mapping):
            for entry in value:
                _set_entry(lines, key, entry)
        else:
            _set(lines, key, [f"{key}: {_value(value)}"])
    return "\n".join(lines) + "\n"


def _set(lines: list[str], key: str, block: list[str]) -> None:
    """Put ``block`` where ``key`` stands with its value, else at the end."""
    data, starts = _read(lines)
    if key in data:
        at = starts[(key,)]
        lines[at : _end(lines, at, [n for place, n in starts.items() if len(place) == 1])] = block
    else:
        while lines and not lines[-1].strip():
            lines.pop()
        lines += block


def _set_entry(lines: list[str], key: str, entry: Mapping[str, Any]) -> None:
    """Put ``entry`` into the list ``key``, in place of one with its name where there is one."""
    data, starts = _read(lines)
    entries = data.get(key)
    if not entries or not isinstance(entries, list):
        _set(lines, key, [f"{key}:", *_block(entry, "  ")])
        return
    last = starts[(key, len(entries) - 1)]
    indent = lines[last][: len(lines[last]) - len(lines[last].lstrip())]
    tops = [n for place, n in starts.items() if len(place) == 1]
    for number, old in enumerate(entries):
        if isinstance(old, Mapping) and old.get("name") == entry.get("name"):
            at = starts[(key, number)]
            others = [starts[(key, other)] for other in range(len(entries))]
            lines[at : _end(lines, at, tops + others)] = _block(entry, indent)
            return
    end = _end(lines, last, tops)
    lines[end:end] = _block(entry, indent)


def _read(lines: list[str]) -> tuple[dict[str, Any], dict[tuple[str | int, ...], int]]:
    """Return the data and the line, from 0, on which each value starts."""
    data, found = parse("\n".join(lines).encode(), "it")
    return data if isinstance(data, dict) else {}, {
        place: line - 1 for place, line in found.by_place.items() if place
    }


def _end(lines: list[str], at: int, starts: list[int]) -> int:
    """Return the line after the value at line ``at``: before the next one and its comments."""
    end = min((n for n in starts if n > at), default=len(lines))
    while end > at + 1 and (not lines[end - 1].strip() or lines[end - 1].lstrip()[:1] == "#"):
        end -= 1
    return end


def _block(entry: Mapping[str, Any], indent: str) -> Iterator[str]:
    for number, (key, value) in enumerate(entry.items()):
        yield f"{indent}{'  ' if number else '- '}{key}: {_value(value)}"


def _value(value: Any) -> str:
    if isinstance(value, list):
        return "[" + ", ".join(map(_value, value)) + "]"
    if isinstance(value, str):
        plain = _PLAIN.fullmatch(value) and value.lower() not in _NOT_TEXT and ": " not in value
        return value if plain else json.dumps(value, ensure_ascii=False)
    return json.dumps(value, ensure_ascii=False)
