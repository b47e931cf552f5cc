"""The catalogue's files as they are read: raw mappings, laid over one another, each with its lines.

A file of a later folder says only what is different: mappings are laid over those of the earlier
file key by key, and a fact (a mapping with ``is``) takes the whole fact's place.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from providers.catalog_check import Loc

# What one contract has of its own, whatever else it shares with another.
OWN = frozenset({"id", "like", "default_endpoint", "endpoints", "models", "plan"})
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True, slots=True)
class File:
    """One parsed file, and what is wrong with it as YAML."""

    path: Path
    root: yaml.Node | None
    raw: Mapping[str, Any]
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Layers:
    """What several files say together, the lowest first."""

    raw: Mapping[str, Any]
    files: tuple[File, ...]

    @property
    def problems(self) -> list[str]:
        """What is wrong with the files as YAML."""
        return [problem for file in self.files for problem in file.problems]

    def place(self, loc: Loc) -> str:
        """Return ``file:line`` of where ``loc`` stands: in the uppermost file that has most of it.

        What is missing everywhere is missing in the uppermost file.
        """
        depth, line, path = -1, 1, self.files[-1].path
        for file in self.files:
            if file.root is not None:
                deep, found = _line(file.root, loc)
                if deep >= depth:
                    depth, line, path = deep, found, file.path
        return f"{path}:{line}"


def parse(path: Path) -> File:
    """Return the file's content; what cannot be read or is no mapping is a problem of it."""
    try:
        loader = _Loader(path.read_text(encoding="utf-8"))
        root = loader.get_single_node()
        doubles = list(_doubles(root)) if root else []
        raw = loader.construct_document(root) if root else None
    except yaml.MarkedYAMLError as fault:
        line = fault.problem_mark.line + 1 if fault.problem_mark else 1
        return File(path, None, {}, (f"{path}:{line}: not YAML: {fault.problem}",))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as fault:
        return File(path, None, {}, (f"{path}:1: cannot be read: {fault}",))
    if not isinstance(raw, dict):
        return File(path, None, {}, (f"{path}:1: must be a mapping that begins with `id:`",))
    wrong = (f"{path}:{line}: `{key}` stands here twice; keep one" for key, line in doubles)
    return File(path, root, raw, tuple(wrong))


def _doubles(node: yaml.Node) -> Iterator[tuple[str, int]]:
    # YAML itself lets the last of two equal keys win in silence.
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            if str(key.value) in seen:
                yield str(key.value), key.start_mark.line + 1
            seen.add(str(key.value))
            yield from _doubles(value)
    elif isinstance(node, yaml.SequenceNode):
        for item in node.value:
            yield from _doubles(item)


def laid(below: Any, above: Any) -> Any:
    """Return ``above`` laid over ``below``, neither of them changed."""
    if not isinstance(below, dict) or not isinstance(above, dict) or "is" in below or "is" in above:
        return above
    return {**below, **{key: laid(below.get(key), value) for key, value in above.items()}}


def over_another(own: Mapping[str, Any], other: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a host that is ``like`` another: all that it does not say is as there.

    Of the other's models it has those that it names.
    """
    inherited = {key: value for key, value in other.items() if key not in OWN}
    merged: dict[str, Any] = laid(inherited, own)
    models = own.get("models")
    if isinstance(models, dict):
        known = _table(other, "models")
        merged["models"] = {
            name: laid(_elsewhere(known.get(name)), said) for name, said in models.items()
        }
    return merged


def _elsewhere(model: Any) -> Any:
    # At which endpoints it is served is said of the other's endpoints.
    if not isinstance(model, dict):
        return model
    return {key: value for key, value in model.items() if key != "endpoints"}


def with_models_of_endpoints(raw: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the host with each endpoint's models whole: what is said there over the host's own."""
    known, endpoints = _table(raw, "models"), _table(raw, "endpoints")
    whole = {
        name: {
            **said,
            "models": {
                model: laid(known.get(model), there)
                for model, there in _table(said, "models").items()
            },
        }
        for name, said in endpoints.items()
        if isinstance(said, dict) and _table(said, "models")
    }
    return {**raw, "endpoints": {**endpoints, **whole}} if whole else raw


def _table(value: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    inner = value.get(name)
    return inner if isinstance(inner, dict) else {}


def _line(node: yaml.Node, loc: Loc) -> tuple[int, int]:
    """Return how many steps of ``loc`` the file has, and the line of the last of them."""
    line: int = node.start_mark.line + 1
    for depth, part in enumerate(loc):
        inner: yaml.Node | None = None
        if isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                if key.value == str(part):
                    line, inner = key.start_mark.line + 1, value
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int):
            inner = node.value[part] if part < len(node.value) else None
            line = inner.start_mark.line + 1 if inner is not None else line
        if inner is None:
            return depth, line
        node = inner
    return len(loc), line
