"""The catalogue: what is known of each host, read from one YAML file each, checked and frozen."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

import yaml
from pydantic import ValidationError

from providers.catalog_check import Loc, Problem, cross_problems, form_problems, source_problems
from providers.catalog_form import FamiliesForm, Form, HostForm
from providers.catalog_freeze import Family, frozen_families, frozen_host
from providers.host import Country, Host, HostEndpoint, Model, Place, Source

__all__ = [
    "Catalog",
    "CatalogError",
    "Country",
    "Host",
    "HostEndpoint",
    "Model",
    "Place",
    "Source",
    "builtin",
    "load",
]

BUILTIN = Path(__file__).with_name("catalog")
FAMILIES = "families"
F = TypeVar("F", bound=Form)
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class CatalogError(Exception):
    """One or more files are wrong; ``problems`` has a ``file:line: what, what would be right``."""

    def __init__(self, problems: tuple[str, ...]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


@dataclass(frozen=True, slots=True)
class Catalog:
    """Every known host by its id."""

    hosts: Mapping[str, Host]


def builtin() -> Catalog:
    """Return the hosts that come with the package."""
    return load(BUILTIN)


def load(*folders: Path) -> Catalog:
    """Return the hosts of all ``*.yaml`` in ``folders``; a later folder's host replaces an earlier.

    Raises ``CatalogError`` with everything that is wrong in any of the files. Files that have not
    changed are not read again: a config is read at every edit, while streams run.
    """
    return _loaded(folders, tuple(_seen(folders)))


def _seen(folders: tuple[Path, ...]) -> Iterator[tuple[str, int, int]]:
    for folder in folders:
        for path in sorted((*folder.glob("*.yaml"), *(folder / FAMILIES).glob("*.yaml"))):
            try:
                state = path.stat()
            except OSError:  # gone, or a link to nowhere: told when it is read
                yield str(path), 0, 0
            else:
                yield str(path), state.st_mtime_ns, state.st_size


@lru_cache(maxsize=4)
def _loaded(folders: tuple[Path, ...], _state: tuple[tuple[str, int, int], ...]) -> Catalog:
    problems: list[str] = []
    families: dict[str, Family] = {}
    raw_families: dict[str, Any] = {}
    for file in _files(folders, FAMILIES, problems):
        known = _read(file, FamiliesForm, source_problems(file.raw), problems)
        # Taken raw even where the file has faults, so that its models are not called unknown too.
        told = file.raw.get("families")
        raw_families |= told if isinstance(told, dict) else {}
        families |= frozen_families(known) if known else {}
    hosts: dict[str, Host] = {}
    for file in _files(folders, "", problems):
        crossed = cross_problems(file.raw, file.path.stem, raw_families)
        form = _read(file, HostForm, crossed + source_problems(file.raw), problems)
        if form is not None and not problems:
            hosts[form.id] = frozen_host(form, families)
    if problems:
        raise CatalogError(tuple(problems))
    return Catalog(MappingProxyType(hosts))


# From file to form: every fault with its line.


@dataclass(frozen=True, slots=True)
class _File:
    path: Path
    root: yaml.Node
    raw: Mapping[str, Any]


def _files(folders: tuple[Path, ...], inside: str, problems: list[str]) -> Iterator[_File]:
    for folder in folders:
        if not folder.is_dir():
            if not inside:
                problems.append(f"{folder}: is not a folder; name one that holds *.yaml")
            continue
        for path in sorted((folder / inside).glob("*.yaml")):
            file = _parse(path, problems)
            if file is not None:
                yield file


def _parse(path: Path, problems: list[str]) -> _File | None:
    try:
        loader = _Loader(path.read_text(encoding="utf-8"))
        root = loader.get_single_node()
        doubles = list(_doubles(root)) if root else []
        raw = loader.construct_document(root) if root else None
    except yaml.MarkedYAMLError as fault:
        line = fault.problem_mark.line + 1 if fault.problem_mark else 1
        problems.append(f"{path}:{line}: not YAML: {fault.problem}")
        return None
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as fault:
        problems.append(f"{path}:1: cannot be read: {fault}")
        return None
    if not isinstance(raw, dict):
        problems.append(f"{path}:1: must be a mapping that begins with `id:`")
        return None
    problems += [f"{path}:{line}: `{key}` stands here twice; keep one" for key, line in doubles]
    return _File(path, root, raw)


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


def _read(file: _File, form: type[F], crossed: list[Problem], problems: list[str]) -> F | None:
    told: F | None = None
    found = list(crossed)
    try:
        told = form.model_validate(file.raw)
    except ValidationError as fault:
        found += form_problems(form, fault)
    lines = sorted({(_line(file.root, loc), words) for loc, words in found})
    problems += [f"{file.path}:{line}: {words}" for line, words in lines]
    return None if found else told


def _line(node: yaml.Node, loc: Loc) -> int:
    line: int = node.start_mark.line + 1
    for part in loc:
        inner: yaml.Node | None = None
        if isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                if key.value == str(part):
                    line, inner = key.start_mark.line + 1, value
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int):
            inner = node.value[part]
            line = inner.start_mark.line + 1
        if inner is None:
            break
        node = inner
    return line
