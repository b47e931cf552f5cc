"""The dialects that several layers of the catalogue give together: family, host, model, account."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from types import MappingProxyType
from typing import Any

from providers.catalog_dialect_form import CaseForm, DialectFields, DialectForm, SpeechForm
from providers.dialect import Case, Dialect, Range, made_ready, merged

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
    """Return the dialect of each wire; a later layer stands above an earlier one."""
    found: dict[str, Dialect] = {}
    for wire in wires:
        dialect = Dialect()
        for one in layers:
            for said in (one.every, one.by_wire.get(wire)):
                # Most layers say nothing of most wires, and the catalogue has many models.
                dialect = merged(dialect, said) if said else dialect
        found[wire] = made_ready(dialect)
    return MappingProxyType(found)


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
