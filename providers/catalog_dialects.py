"""The dialects that several layers of the catalogue give together: family, host, model, account."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from decimal import Decimal
from itertools import chain, combinations
from types import MappingProxyType
from typing import Any

from providers.catalog_dialect_form import CaseForm, DialectFields, DialectForm, SpeechForm
from providers.dialect import Case, Dialect, Range

NOTHING: Mapping[str, Any] = MappingProxyType({})
_PLAIN = Dialect()
_DEFAULTS = {field.name: getattr(_PLAIN, field.name) for field in fields(Dialect)}
SETS = frozenset(name for name, value in _DEFAULTS.items() if isinstance(value, frozenset))
MAPPINGS = frozenset(name for name, value in _DEFAULTS.items() if isinstance(value, Mapping))
PATHS = ("allows", "clamps", "defaults", "sets")  # mappings whose keys are paths with dots


@dataclass(frozen=True, slots=True)
class Layer:
    """What one layer says on every wire, and on one wire."""

    every: Mapping[str, Any]
    by_wire: Mapping[str, Mapping[str, Any]]


def layer(form: SpeechForm) -> Layer:
    """Return what a form says of dialects."""
    return Layer(
        _said(form.dialect) if form.dialect else {},
        {str(wire): _said(said) for wire, said in form.dialects.items()},
    )


def dialects(wires: Iterable[str], layers: list[Layer]) -> Mapping[str, Dialect]:
    """Return the dialect of each wire; a later layer stands above an earlier one.

    Mappings, sets and cases add to those below, everything else takes its place.
    """
    found: dict[str, Dialect] = {}
    for wire in wires:
        said: dict[str, Any] = {}
        for one in layers:
            _lay(said, one.every)
            _lay(said, one.by_wire.get(wire, NOTHING))
        found[wire] = _with_variants(said) if "cases" in said else _made(said)
    return MappingProxyType(found)


def _lay(below: dict[str, Any], said: Mapping[str, Any]) -> None:
    for name, value in said.items():
        before = below.get(name)
        if before is not None and name in MAPPINGS:
            below[name] = {**before, **value}
        elif before is not None and (name in SETS or name == "cases"):
            below[name] = [*before, *value]
        else:
            below[name] = value


def _with_variants(said: dict[str, Any]) -> Dialect:
    cases: tuple[Case, ...] = tuple(said.pop("cases"))
    conditions = frozenset(chain.from_iterable(case.when for case in cases))
    variants = {}
    for some in chain.from_iterable(
        combinations(sorted(conditions), n) for n in range(len(conditions) + 1)
    ):
        variant = dict(said)
        for case in cases:
            if case.when <= set(some):
                _lay(variant, case.said)
        variants[frozenset(some)] = _made(variant)
    return _made(
        {**said, "cases": cases, "conditions": conditions, "variants": MappingProxyType(variants)}
    )


def _made(said: Mapping[str, Any]) -> Dialect:
    """Return a dialect with what a request must not work out anew."""
    values = dict(said)
    for name in SETS & values.keys():
        values[name] = frozenset(values[name])
    for name in MAPPINGS & values.keys():
        values[name] = MappingProxyType(values[name])
    rename, allows, clamps = (values.get(name, NOTHING) for name in ("rename", "allows", "clamps"))
    bounds = (*values.get("drops", ()), *allows, *clamps)
    fills = bool(values.get("defaults") or values.get("sets"))
    if not (rename or bounds or fills):
        return _listened(Dialect(**values))
    # A name that is put otherwise never reaches the host, which refuses the other spelling.
    values["refuses"] = values.get("refuses", frozenset()).difference(rename)
    theirs = {path[0] for path in (*allows, *(path for path in clamps if clamps[path].alters))}
    ours = {name for name, place in rename.items() if place.split(".")[0] in theirs}
    return _listened(
        Dialect(
            **values,
            watched=frozenset(theirs | ours),
            touched=frozenset({*rename, *(path[0] for path in bounds)}),
            fills=fills,
        )
    )


def _listened(dialect: Dialect) -> Dialect:
    """Return ``dialect`` with whether anything of a body can be too much for it."""
    takes_all = dialect.structured == "schema" and dialect.forced_tools and dialect.named_tools
    bounded = dialect.refuses or dialect.watched or dialect.max_stops is not None or dialect.cases
    return replace(dialect, quiet=takes_all and dialect.thinking_off and not bounded)


def _said(form: DialectFields) -> dict[str, Any]:
    # The form's words in the types that a dialect holds; what was not said is left out.
    said = form.model_dump(exclude_none=True, exclude={"source", "note", "cases", "when"})
    for name, value in said.items():
        if name in PATHS:
            said[name] = {_path(path): inner for path, inner in value.items()}
        elif name == "drops":
            said[name] = [_path(path) for path in value]
        elif name.endswith("_paths"):
            said[name] = tuple(map(_path, value))
        elif name.endswith("_path"):
            said[name] = _path(value)
    if "allows" in said:
        said["allows"] = {path: tuple(values) for path, values in said["allows"].items()}
    if "clamps" in said:
        said["clamps"] = {path: _range(bounds) for path, bounds in said["clamps"].items()}
    if isinstance(form, DialectForm) and form.cases:
        said["cases"] = tuple(map(_case, form.cases))
    return said


def _case(form: CaseForm) -> Case:
    return Case(frozenset(form.when), MappingProxyType(_said(form)))


def _range(said: Mapping[str, Any]) -> Range:
    low, high = said.get("at_least"), said.get("at_most")
    return Range(_number(low), _number(high), said["alters"])


def _number(exact: Decimal | None) -> int | float | None:
    if exact is None:
        return None
    return int(exact) if exact == exact.to_integral_value() else float(exact)


def _path(dotted: str) -> tuple[str, ...]:
    return tuple(dotted.split("."))
