"""The config file read from disk: YAML, environment variables, form, policy; every mistake at once.

The file alone says what is configured. ``${VAR}`` is replaced in values after the YAML was parsed,
so that no variable's content can change the file's structure.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from pydantic import ValidationError

from gateway.config import Config
from gateway.config_checks import catalogue_faults, faults
from gateway.constraints import constrained
from gateway.problems import ConfigError, Fault, Place, Problem, faults_of
from gateway.yaml_lines import Lines, parse
from providers.catalog import BUILTIN, Catalog, CatalogError, load
from routing.policy import Policy, load_policy, no_policy
from routing.policy_form import PolicyError

_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-((?:(?!\$\{)[^}])*))?\}")
# What a provider says in two keys at once: without the one, the other would be half a statement.
_TOGETHER = {"watts": "usd_per_kwh", "usd_per_kwh": "watts"}
# A list of a provider that does its work with what is left of it.
_SEVERAL = "api_keys"
_SQLITE = "sqlite:///"
FORMS_MOST = 5


@dataclass(frozen=True, slots=True)
class Loaded:
    """A config that can be used. ``missing`` names, by provider, variables that are not set.

    ``files`` are those to watch. ``hash`` (12 hex digits) names the content of the files, without
    any value of the environment.
    """

    file: str
    config: Config
    policy: Policy
    catalog: Catalog
    lines: Lines
    missing: Mapping[str, tuple[str, ...]]
    warnings: tuple[Problem, ...]
    hash: str
    files: frozenset[Path]

    def problem(self, fault: Fault) -> Problem:
        """Give a mistake its line."""
        return _with_line(self.file, self.lines, fault)


@dataclass(slots=True)
class _Environment:
    """Replaces variables, and notes those that are not set (an empty one is not)."""

    values: Mapping[str, str]
    missing: dict[str, list[str]] = field(default_factory=dict)
    spared: dict[str, list[str]] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)

    def filled(self, data: Any, place: Place = ()) -> Any:
        """Return ``data`` with its variables replaced; what lacks one is left out.

        Of a provider the whole key goes: it cannot be used, and half a ``launch`` is a mistake. Of
        several ``api_keys`` only that one goes, as long as another is left.
        """
        if isinstance(data, dict):
            kept: dict[str, Any] = {}
            gone: set[str] = set()
            for key, value in data.items():
                before = len(self.faults)
                kept[key] = self.filled(value, (*place, key))
                whole = len(place) == 2 and key != _SEVERAL and self._lacks_since(before)
                if kept[key] is self or whole:
                    gone |= {key, _TOGETHER.get(key) or key}
            return {key: value for key, value in kept.items() if key not in gone}
        if isinstance(data, list):
            items = [self.filled(value, (*place, number)) for number, value in enumerate(data)]
            left = [value for value in items if value is not self]
            if _is_several(place) and not left and (names := self.spared.get(str(place[1]))):
                self.missing.setdefault(str(place[1]), []).extend(names)
            return left
        return self._text(data, place) if isinstance(data, str) and "${" in data else data

    def _text(self, text: str, place: Place) -> Any:
        if "${" in _VARIABLE.sub("", text):
            right = "${NAME} or ${NAME:-a default}, a name of letters, digits and _"
            self.faults.append(Fault(place, "a `${` here is no variable", right))
        found = _VARIABLE.finditer(text)
        lacking = [m[1] for m in found if m[2] is None and not self.values.get(m[1])]
        if lacking:
            self._note(lacking, place)
            return self
        return _VARIABLE.sub(lambda found: self.values.get(found[1]) or found[2] or "", text)

    def _lacks_since(self, before: int) -> bool:
        return any(fault.warning for fault in self.faults[before:])

    def _note(self, names: list[str], place: Place) -> None:
        if _is_several(place[:3]):
            self.spared.setdefault(str(place[1]), []).extend(names)
            what = f"{', '.join(names)} is not set, so provider {place[1]!r} has one key less"
            self.faults.append(Fault(place, what, "set it before the start", warning=True))
        elif len(place) > 2 and place[0] == "providers":
            self.missing.setdefault(str(place[1]), []).extend(names)
            what = f"{', '.join(names)} is not set, so provider {place[1]!r} cannot be used"
            self.faults.append(Fault(place, what, "set it before the start", warning=True))
        else:
            right = f"set it, or write ${{{names[0]}:-a default}}"
            self.faults.append(Fault(place, f"{', '.join(names)} is not set", right))


def _is_several(place: Place) -> bool:
    return len(place) == 3 and place[0] == "providers" and place[2] == _SEVERAL


def read(path: Path, environment: Mapping[str, str]) -> Loaded:
    """Read a config and its policy. Raises ``ConfigError`` with all mistakes of both."""
    file = str(path)
    raw = _bytes(path, file)
    data, lines = parse(raw, file)
    if not isinstance(data, dict):
        right = "see config.example.yaml"
        raise ConfigError([Problem(file, 1, "is empty or not a mapping", right)])
    variables = _Environment(environment)
    filled = variables.filled(data)
    found = [_with_line(file, lines, fault) for fault in variables.faults]
    config, wrong_form = _form(filled)
    found += [_with_line(file, lines, fault) for fault in wrong_form]
    policy, policy_raw, policy_path, wrong = _policy(filled.get("policy"), path, file, lines)
    found += wrong
    config = _placed(config, path.absolute().parent)
    found += [_with_line(file, lines, fault) for fault in faults(config, policy)]
    missing = {name: tuple(names) for name, names in variables.missing.items()}
    catalog, wrong = _catalog(config, file, lines)
    found += wrong
    if catalog is not None:
        wrong_places = (fault.place for fault in wrong_form)
        misread = {str(place[1]) for place in wrong_places if place[1:] and place[0] == "providers"}
        more = catalogue_faults(config, catalog, misread | missing.keys())
        found += [_with_line(file, lines, fault) for fault in more]
    if policy is None or catalog is None or any(not problem.warning for problem in found):
        raise ConfigError(problem for problem in found if not problem.warning)
    # The folders too: a file that is new in one changes it.
    folders = [inner for outer in config.catalog for inner in (outer, outer / "families")]
    catalogs = sorted(found for folder in folders for found in folder.glob("*.yaml"))
    return Loaded(
        file=file,
        config=config,
        policy=constrained(config, policy),
        catalog=catalog,
        lines=lines,
        missing=missing,
        warnings=tuple(found),
        hash=_hash([raw, policy_raw, *(_bytes(found, str(found)) for found in catalogs)]),
        files=frozenset({path, *([policy_path] if policy_path else []), *folders, *catalogs}),
    )


def _bytes(path: Path, file: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as fault:
        what = f"cannot be read: {fault.strerror or fault}"
        raise ConfigError([Problem(file, 1, what, "`entrepot init` writes a config")]) from None


def _form(data: dict[str, Any]) -> tuple[Config, list[Fault]]:
    """Return the config, and what is wrong with its form.

    Where something is, the config is that of the rest, so that the rest can be checked too.
    """
    wrong: list[Fault] = []
    for _ in range(FORMS_MOST):
        try:
            return Config.model_validate(data), wrong
        except ValidationError as error:
            new = faults_of(error, Config)
            # What is left out for being wrong would be told again: as missing, as an empty list.
            told = {fault.place[:depth] for fault in wrong for depth in range(1, 9)}
            wrong += [fault for fault in new if fault.place not in told]
            for fault in new:
                data = _without(data, fault.place)
    return Config(), wrong


def _without(data: Any, place: Place) -> Any:
    """Return ``data`` less the value at ``place``, or less the nearest one around it."""
    part, rest = (place[0], place[1:]) if place else ("", ())
    if isinstance(data, dict) and part in data:
        inner = _without(data[part], rest) if _leads_on(data[part], rest) else None
        others = {key: value for key, value in data.items() if key != part}
        return others if inner is None else {**others, part: inner}
    if isinstance(data, list) and isinstance(part, int) and part < len(data):
        inner = _without(data[part], rest) if _leads_on(data[part], rest) else None
        return [*data[:part], *([] if inner is None else [inner]), *data[part + 1 :]]
    # A part that is not in the file is the form's own name for a branch.
    return _without(data, rest) if rest else data


def _leads_on(value: Any, rest: Place) -> bool:
    return any(
        (isinstance(value, dict) and part in value)
        or (isinstance(value, list) and isinstance(part, int) and part < len(value))
        for part in rest[:2]
    )


def _catalog(config: Config, file: str, lines: Lines) -> tuple[Catalog | None, list[Problem]]:
    known = [folder for folder in config.catalog if folder.is_dir()]
    right = "a folder of *.yaml, as seen from this file"
    wrong = [
        _with_line(file, lines, Fault(("catalog", number), "there is no such folder", right))
        for number, folder in enumerate(config.catalog)
        if folder not in known
    ]
    try:
        return load(BUILTIN, *known), wrong
    except CatalogError as fault:
        parts = [text.split(":", 2) for text in fault.problems]
        return None, [*wrong, *(Problem(f, int(line), what.strip(), "") for f, line, what in parts)]


def _policy(
    said: Any, path: Path, file: str, lines: Lines
) -> tuple[Policy | None, bytes, Path | None, list[Problem]]:
    """Return the policy, its file's bytes and path if it has one, and what is wrong with it."""
    if said is None:
        return no_policy(), b"", None, []
    if not isinstance(said, str | dict):
        return None, b"", None, []  # told by the form
    inside: object = said
    own_file, own_path, raw = file, None, b""
    own_lines = lines.under("policy")
    if isinstance(said, str):
        own_path = path.parent / said
        own_file = str(own_path)
        try:
            raw = own_path.read_bytes()
            inside, own_lines = parse(raw, own_file)
        except OSError as error:
            what = f"the policy {said!r} cannot be read: {error.strerror or error}"
            unread = Fault(("policy",), what, "a file, as seen from this one")
            return None, b"", own_path, [_with_line(file, lines, unread)]
        except ConfigError as fault:
            return None, raw, own_path, list(fault.problems)
    try:
        return load_policy(inside), raw, own_path, []
    except PolicyError as fault:
        wrong = [
            Problem(own_file, own_lines.find(p.path), p.message, p.right) for p in fault.problems
        ]
        return None, raw, own_path, wrong


def _with_line(file: str, lines: Lines, fault: Fault) -> Problem:
    return Problem(file, lines.find(fault.place), fault.what, fault.right, fault.warning)


def _placed(config: Config, folder: Path) -> Config:
    """Return the config with its relative paths under the config file's own folder."""
    ledger = config.ledger
    if ledger.startswith(_SQLITE):
        ledger = f"{_SQLITE}{folder / ledger.removeprefix(_SQLITE)}"
    providers = dict(config.providers)
    for name, form in providers.items():
        if form.launch is not None and form.launch.model.endswith(".gguf"):
            model = str(folder / Path(form.launch.model).expanduser())
            launch = form.launch.model_copy(update={"model": model})
            form = providers[name] = form.model_copy(update={"launch": launch})
        if form.credentials is not None and form.credentials.endswith(".json"):
            file = str(folder / Path(form.credentials).expanduser())
            providers[name] = form.model_copy(update={"credentials": file})
    return config.model_copy(
        update={
            "providers": MappingProxyType(providers),
            "ledger": ledger,
            "journal": folder / config.journal,
            "keep": config.keep.model_copy(update={"archive": folder / config.keep.archive}),
            "catalog": tuple(folder / other for other in config.catalog),
        }
    )


def _hash(parts: Iterable[bytes]) -> str:
    whole = hashlib.sha256()
    for part in parts:
        whole.update(len(part).to_bytes(8, "big"))
        whole.update(part)
    return whole.hexdigest()[:12]
