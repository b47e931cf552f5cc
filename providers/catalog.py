"""The catalogue: what is known of each host, read from one YAML file each, checked and frozen.

A host's file is read when the host is first asked for: a gateway uses a few of many.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

from pydantic import ValidationError

from providers.catalog_check import Problem, cross_problems, form_problems, source_problems
from providers.catalog_files import (
    File,
    Layers,
    laid,
    over_another,
    parse,
    with_models_of_endpoints,
)
from providers.catalog_form import FamiliesForm, HostForm
from providers.catalog_freeze import Family, frozen_families, frozen_family, frozen_host
from providers.catalog_values import Form
from providers.host import Country, Host, HostEndpoint, Model, Place
from providers.source import Source

__all__ = [
    "Catalog",
    "CatalogError",
    "Country",
    "Host",
    "HostEndpoint",
    "Model",
    "Place",
    "Source",
    "Written",
    "builtin",
    "load",
]

BUILTIN = Path(__file__).with_name("catalog")
FAMILIES = "families"
NO_CHOICES: Mapping[str, str] = MappingProxyType({})
F = TypeVar("F", bound=Form)


@dataclass(frozen=True, slots=True)
class Written:
    """A host as its files have it: every fact with its sources, and where each one stands.

    ``families`` are those of all files, each with the sources of its own.
    """

    form: HostForm
    layers: Layers
    families: Mapping[str, Family]


class CatalogError(Exception):
    """One or more files are wrong; ``problems`` has a ``file:line: what, what would be right``."""

    def __init__(self, problems: tuple[str, ...]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


@dataclass(frozen=True, slots=True)
class Catalog:
    """Every known host by its id; one that is asked for is read then.

    Looking one up raises ``CatalogError`` where its file is wrong.
    """

    hosts: Mapping[str, Host]
    _shelf: _Shelf = field(default_factory=lambda: _Shelf((BUILTIN,)), repr=False)

    def at(self, host: str, endpoint: str, choices: Mapping[str, str] = NO_CHOICES) -> Host:
        """Return the host as it is at one endpoint, with its account set as ``choices`` say.

        Its models, dialects and facts are those that hold there. Raises ``KeyError`` for a host,
        an endpoint or a choice that is not known.
        """
        return self._shelf.bound(host, endpoint, tuple(sorted(choices.items())))

    def written(self, host: str) -> Written:
        """Return a host as its files have it. Raises ``KeyError`` for one that is not known."""
        return self._shelf.written(host)

    def family_files(self) -> tuple[Layers, ...]:
        """Return the files of families as they are written."""
        return self._shelf.family_files()

    def family(self, name: str) -> Model:
        """Return what is known of a family wherever it runs. Raises ``KeyError``."""
        return frozen_family(name, self._shelf.families()[name])

    def families(self) -> Collection[str]:
        """Return the names of all families."""
        return self._shelf.families().keys()


def builtin() -> Catalog:
    """Return the hosts that come with the package."""
    return load(BUILTIN)


def load(*folders: Path) -> Catalog:
    """Return the hosts of all ``*.yaml`` in ``folders``; a later folder's file says what differs.

    Raises ``CatalogError`` with everything that is wrong in any file of a folder that does not come
    with the package. Files that have not changed are not read again: a config is read at every
    edit, while streams run.
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
    missing = [
        f"{folder}: is not a folder; name one that holds *.yaml"
        for folder in folders
        if not folder.is_dir()
    ]
    shelf = _Shelf(folders)
    problems = [*missing, *shelf.family_problems()] if folders != (BUILTIN,) else missing
    own = {name for name, paths in shelf.paths.items() if paths[-1].parent != BUILTIN}
    for name in sorted(own):
        try:
            shelf.bound(name, "", ())
        except CatalogError as fault:
            problems += [text for text in fault.problems if text not in problems]
    if problems:
        raise CatalogError(tuple(problems))
    return Catalog(_Hosts(shelf), shelf)


class _Hosts(Mapping[str, Host]):
    """The hosts by id, each read when it is first looked up."""

    def __init__(self, shelf: _Shelf) -> None:
        self._shelf = shelf

    def __getitem__(self, name: str) -> Host:
        return self._shelf.bound(name, "", ())

    def __contains__(self, name: object) -> bool:
        return name in self._shelf.paths

    def __iter__(self) -> Iterator[str]:
        return iter(self._shelf.paths)

    def __len__(self) -> int:
        return len(self._shelf.paths)


@dataclass(slots=True)
class _Shelf:
    """The files of some folders, and what has been read of them."""

    folders: tuple[Path, ...]
    paths: dict[str, list[Path]] = field(init=False)
    _parsed: dict[Path, File] = field(default_factory=dict)
    _forms: dict[str, HostForm] = field(default_factory=dict)
    _hosts: dict[tuple[str, str, tuple[tuple[str, str], ...]], Host] = field(default_factory=dict)
    _families: dict[str, Family] | None = None
    _family_problems: list[str] = field(default_factory=list)
    _raw_families: dict[str, Any] = field(default_factory=dict)
    _family_layers: list[Layers] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.paths = {}
        for folder in self.folders:
            for path in sorted(folder.glob("*.yaml")):
                self.paths.setdefault(path.stem, []).append(path)

    def bound(self, name: str, endpoint: str, choices: tuple[tuple[str, str], ...]) -> Host:
        """Return a host: as a whole, or as it is at one endpoint."""
        key = (name, endpoint, choices)
        if key not in self._hosts:
            form = self._form(name)
            self._hosts[key] = frozen_host(form, self.families(), endpoint, dict(choices))
        return self._hosts[key]

    def written(self, name: str) -> Written:
        """Return a host as its files have it."""
        return Written(self._form(name), self._layers(name, ()), self.families())

    def family_files(self) -> tuple[Layers, ...]:
        """Return the files of families as they are written."""
        self.families()
        return tuple(self._family_layers)

    def families(self) -> Mapping[str, Family]:
        """Return the families of all folders."""
        if self._families is None:
            self._families = {}
            for folder in self.folders:
                for path in sorted((folder / FAMILIES).glob("*.yaml")):
                    self._read_families(path, self._families)
        return self._families

    def family_problems(self) -> list[str]:
        """Return what is wrong in the files of families."""
        self.families()
        return self._family_problems

    def _read_families(self, path: Path, into: dict[str, Family]) -> None:
        layers = Layers(self._parse(path).raw, (self._parse(path),))
        # Taken raw even where the file has faults, so that its models are not called unknown too.
        told = layers.raw.get("families")
        self._raw_families |= told if isinstance(told, dict) else {}
        known, wrong = _read(layers, FamiliesForm, source_problems(layers.raw))
        self._family_problems += wrong
        self._family_layers.append(layers)
        into |= frozen_families(known) if known else {}

    def _form(self, name: str) -> HostForm:
        if name not in self._forms:
            self.families()
            layers = self._layers(name, ())
            raw = layers.raw
            crossed = [*cross_problems(raw, name, self._raw_families), *source_problems(raw)]
            form, wrong = _read(layers, HostForm, crossed)
            if form is None or self._family_problems:
                raise CatalogError((*self._family_problems, *wrong))
            self._forms[name] = form
        return self._forms[name]

    def _layers(self, name: str, seen: tuple[str, ...]) -> Layers:
        files = tuple(self._parse(path) for path in self.paths[name])
        raw: Any = {}
        for file in files:
            raw = laid(raw, file.raw) if raw else file.raw
        other = raw.get("like")
        if isinstance(other, str):
            if other not in self.paths or other in (name, *seen):
                where = Layers(raw, files).place(("like",))
                why = "is like itself" if other in self.paths else "is in no folder"
                raise CatalogError((f"{where}: the host `{other}` {why}; name another one",))
            base = self._layers(other, (name, *seen))
            raw, files = over_another(raw, base.raw), (*base.files, *files)
        return Layers(with_models_of_endpoints(raw), files)

    def _parse(self, path: Path) -> File:
        if path not in self._parsed:
            self._parsed[path] = parse(path)
        return self._parsed[path]


def _read(layers: Layers, form: type[F], crossed: list[Problem]) -> tuple[F | None, list[str]]:
    """Return the form, or every fault with its line."""
    if layers.problems:
        return None, layers.problems
    told: F | None = None
    found = list(crossed)
    try:
        told = form.model_validate(layers.raw)
    except ValidationError as fault:
        found += form_problems(form, fault)
    placed = {(layers.place(loc), words) for loc, words in found}
    lines = [f"{place}: {words}" for place, words in sorted(placed, key=_by_line)]
    return (None if found else told), lines


def _by_line(problem: tuple[str, str]) -> tuple[str, int, str]:
    path, _, line = problem[0].rpartition(":")
    return path, int(line), problem[1]
