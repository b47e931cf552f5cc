"""YAML read strictly: plain data, and the line of every value.

Stricter than YAML's old rules where those surprise: keys are text as written, only ``true`` and
``false`` are truth values (``NO`` is Norway), dates stay text, numbers with a point are exact
decimals, and a key that stands twice is an error.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import yaml

from gateway.problems import ConfigError, Place, Problem

MOST_BYTES = 1_000_000
MOST_VALUES = 100_000  # counted after anchors are followed, which can multiply

_TRUTH = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_NOTHING = frozenset({"", "~", "null", "Null", "NULL"})
_WHOLE = re.compile(r"[-+]?(0|[1-9][0-9]{0,30})")
_DECIMAL = re.compile(r"[-+]?([0-9]{1,30}(\.[0-9]{0,30})?|\.[0-9]{1,30})([eE][-+]?[0-9]{1,3})?")
_LEADING_ZERO = re.compile(r"[-+]?0[0-9]")
_TAG = "tag:yaml.org,2002:"


@dataclass(frozen=True, slots=True)
class Lines:
    """Where the values stand; a key stands where its name does."""

    by_place: Mapping[Place, int]

    def find(self, place: Place) -> int:
        """Return the line of ``place``, or of the nearest value around it that is in the file.

        Parts that are not in the file are passed over: they are the form's, not the writer's.
        """
        here: Place = ()
        for part in place:
            if (*here, part) in self.by_place:
                here = (*here, part)
        return self.by_place.get(here, 1)

    def under(self, *prefix: str | int) -> Lines:
        """Return the lines as seen from the value at ``prefix``."""
        depth = len(prefix)
        return Lines(
            {
                place[depth:]: line
                for place, line in self.by_place.items()
                if place[:depth] == prefix
            }
        )


def parse(text: bytes, file: str) -> tuple[object, Lines]:
    """Return the data of one YAML document and its lines.

    Raises ``ConfigError`` with the one syntax error, or with all keys that stand twice.
    """
    if len(text) > MOST_BYTES:
        raise ConfigError([Problem(file, 1, "is larger than 1 MB", "a config is a few pages")])
    root = _node(_decoded(text, file), file)
    reader = _Reader(file)
    data = reader.read(root, (), ()) if root else None
    if reader.problems:
        raise ConfigError(reader.problems)
    return data, Lines(reader.lines)


def _node(text: str, file: str) -> yaml.Node | None:
    try:
        loader = yaml.SafeLoader(text)
        try:
            return loader.get_single_node()
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as fault:
        mark = fault.problem_mark or fault.context_mark
        what, right = f"not YAML: {fault.problem or fault.context}", _syntax_advice(fault)
        raise ConfigError([Problem(file, mark.line + 1 if mark else 1, what, right)]) from None
    except yaml.reader.ReaderError as fault:
        line = text.count("\n", 0, fault.position) + 1
        what = "holds a character that YAML does not allow"
        raise ConfigError([Problem(file, line, what, "plain UTF-8 text")]) from None
    except RecursionError:
        raise ConfigError([Problem(file, 1, "is nested too deeply", "a few levels")]) from None


def _decoded(text: bytes, file: str) -> str:
    try:
        return text.decode("utf-8-sig")
    except UnicodeDecodeError as fault:
        line = text.count(b"\n", 0, fault.start) + 1
        raise ConfigError([Problem(file, line, "is not UTF-8 text", "save it as UTF-8")]) from None


def _syntax_advice(fault: yaml.MarkedYAMLError) -> str:
    problem = fault.problem or ""
    if "\\t" in problem or "'\\t'" in problem:
        return "indent with spaces, not tabs"
    if "mapping values are not allowed" in problem:
        return "put text that holds `: ` in quotes, and check the indentation above"
    if "undefined alias" in problem:
        return 'put text that begins with * in quotes, as in "*-large"'
    return "check the indentation, the quotes and the brackets here and on the line above"


@dataclass(slots=True)
class _Reader:
    """Turns YAML's nodes into data."""

    file: str
    lines: dict[Place, int] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    values: int = 0

    def read(self, node: yaml.Node, place: Place, above: tuple[yaml.Node, ...]) -> Any:
        """Return the data of ``node``; ``above`` are the nodes that it stands in."""
        self.values += 1
        self.lines.setdefault(place, _line(node))
        if any(node is other for other in above) or self.values > MOST_VALUES:
            if self.values <= MOST_VALUES + 1:
                self._wrong(node, "this anchor contains itself or far too much", "write it out")
            return None
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, place, (*above, node))
        if isinstance(node, yaml.SequenceNode):
            inside = (*above, node)
            return [
                self.read(item, (*place, number), inside) for number, item in enumerate(node.value)
            ]
        return self._scalar(node)

    def _mapping(
        self, node: yaml.MappingNode, place: Place, inside: tuple[yaml.Node, ...]
    ) -> dict[str, Any]:
        found: dict[str, Any] = {}
        first: dict[str, int] = {}
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                self._wrong(key, "a list or mapping cannot be a key", "a plain name")
                continue
            name = str(key.value)
            if name == "<<" and key.tag == f"{_TAG}merge":
                continue
            if name in first:
                self._wrong(
                    key,
                    f"`{name}` stands here for the second time, the first is on line {first[name]}",
                    "keep one of them",
                )
                continue
            first[name] = _line(key)
            self.lines[(*place, name)] = _line(key)
            found[name] = self.read(value, (*place, name), inside)
        for name, key, value in self._merged(node):
            if name not in found:
                self.lines[(*place, name)] = _line(key)
                found[name] = self.read(value, (*place, name), inside)
        return found

    def _merged(self, node: yaml.MappingNode) -> Iterator[tuple[str, yaml.Node, yaml.Node]]:
        """Give what ``<<: *anchor`` adds; one level, the earlier of several anchors first."""
        for key, value in node.value:
            if key.tag != f"{_TAG}merge":
                continue
            for base in value.value if isinstance(value, yaml.SequenceNode) else [value]:
                if not isinstance(base, yaml.MappingNode):
                    self._wrong(key, "`<<` takes a mapping", "<<: *an_anchor")
                    continue
                for inner, content in base.value:
                    if inner.tag == f"{_TAG}merge":
                        self._wrong(inner, "`<<` inside a merged mapping", "write it out")
                    else:
                        yield str(inner.value), inner, content

    def _scalar(self, node: yaml.Node) -> Any:
        text = str(node.value)
        if getattr(node, "style", None) is not None or node.tag == f"{_TAG}str":
            return text
        if not node.tag.startswith(_TAG):
            self._wrong(node, f"the tag {node.tag} is not allowed", "plain text or a number")
            return None
        return _plain(text)

    def _wrong(self, node: yaml.Node, what: str, right: str) -> None:
        self.problems.append(Problem(self.file, _line(node), what, right))


def _plain(text: str) -> Any:
    """Read a scalar without quotes."""
    if text in _NOTHING:
        return None
    if text in _TRUTH:
        return _TRUTH[text]
    if _WHOLE.fullmatch(text):
        return int(text)
    if _DECIMAL.fullmatch(text) and not _LEADING_ZERO.match(text):
        return Decimal(text)
    return text


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1
