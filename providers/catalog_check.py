"""What is wrong with a file of the catalogue: every fault at once, each with its cure."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping
from typing import Any, get_args

from pydantic import ValidationError

from providers.catalog_form import MODEL_FACTS, PLACE_FACTS
from providers.catalog_values import Form

Loc = tuple[str | int, ...]
Problem = tuple[Loc, str]  # where in the file, and what is wrong and what would be right


def form_problems(form: type[Form], fault: ValidationError) -> list[Problem]:
    """Return what pydantic found, each as a place in the file and words that say the cure."""
    return [_problem(form, error) for error in fault.errors(include_url=False)]


def _problem(form: type[Form], error: Mapping[str, Any]) -> Problem:
    loc: Loc = tuple(part for part in error["loc"] if part != "[key]")
    name = str(loc[-1]) if loc else "the file"
    kind, value = error["type"], error["input"]
    if kind == "extra_forbidden":
        return loc, f"unknown key `{name}`; {nearest(name, _keys_at(form, loc[:-1]))}"
    if kind == "missing":
        return loc, f"`{name}` is missing"
    if kind == "value_error":
        return loc, f"`{_dotted(loc)}` {error['ctx']['error']}"
    if kind == "model_type":
        fact = str(error["ctx"]["class_name"]).startswith("Fact")
        right = "a fact such as {is: VALUE, source: [KEY]}" if fact else "a mapping"
        return loc, f"`{_dotted(loc)}` must be {right}, not {value!r}"
    words = str(error["msg"]).removeprefix("Input should be ")
    hint = ""
    if kind in ("string_type", "literal_error") and not isinstance(value, str):
        # YAML reads NO, on and 2026-01-01 as other things than text.
        hint = "; put it in quotes"
    elif kind == "literal_error":
        near = _near(value, re.findall(r"'([^']*)'", str(error["ctx"]["expected"])))
        hint = f"; did you mean `{near}`?" if near else ""
    return loc, f"`{_dotted(loc)}` must be {words}, not {value!r}{hint}"


def nearest(wrong: str, known: list[str]) -> str:
    """Return a hint: the nearest known word, or all of them where none is near."""
    near = _near(wrong, known)
    return f"did you mean `{near}`?" if near else f"known here: {', '.join(sorted(known))}"


def _near(wrong: str, known: list[str]) -> str | None:
    return next(iter(difflib.get_close_matches(wrong, known, n=1)), None)


def _dotted(loc: Loc) -> str:
    return ".".join(str(part) for part in loc) or "the file"


def _keys_at(form: type[Form], loc: Loc) -> list[str]:
    kinds: list[Any] = [form]
    for part in loc:
        kinds = [inner for kind in kinds for inner in _inside(kind, part)]
    models = [kind for kind in kinds if isinstance(kind, type) and issubclass(kind, Form)]
    return [field.alias or name for kind in models for name, field in kind.model_fields.items()]


def _inside(kind: Any, part: str | int) -> list[Any]:
    if isinstance(kind, type) and issubclass(kind, Form):
        for name, field in kind.model_fields.items():
            if (field.alias or name) == part:
                return list(_peeled(field.annotation))
        return []
    # A list or a mapping: its last parameter is what stands inside.
    return list(_peeled(get_args(kind)[-1])) if get_args(kind) else []


def _peeled(kind: Any) -> Iterator[Any]:
    if hasattr(kind, "__metadata__"):
        yield from _peeled(get_args(kind)[0])
    elif type(None) in get_args(kind):
        for option in get_args(kind):
            yield from _peeled(option)
    else:
        yield kind


def cross_problems(raw: Mapping[str, Any], stem: str, families: Mapping[str, Any]) -> list[Problem]:
    """Return what is wrong between the parts of a host's file, whatever its form's own faults.

    ``families`` are the raw families that models may name.
    """
    found: list[Problem] = []
    if raw.get("id") not in (None, stem):
        found.append((("id",), f"`id` is {raw['id']!r}; it must be the file's name, {stem!r}"))
    endpoints, place = _table(raw, "endpoints"), _table(raw, "place")
    default = raw.get("default_endpoint")
    if isinstance(default, str) and endpoints and default not in endpoints:
        hint = nearest(default, list(endpoints))
        found.append((("default_endpoint",), f"there is no endpoint `{default}`; {hint}"))
    for name in endpoints:
        spot, said = ("endpoints", name), _table(endpoints, name)
        found += [
            (spot, f"endpoint `{name}` says nothing of `{fact}`; write `{fact}: {{is: unknown}}`")
            for fact in PLACE_FACTS
            if fact not in said and fact not in place
        ]
        if "base_url" not in said and raw.get("kind") != "home":
            found.append((spot, f"endpoint `{name}` has no `base_url`; only a home host may"))
        operator = _table(said, "operator") or _table(raw, "operator")
        if raw.get("kind") == "aggregator" and "upstream" not in operator:
            right = "`upstream:` under `operator:`, `{is: unknown}` where the host decides per call"
            found.append((spot, f"an aggregator's endpoint needs {right}"))
    spoken = _spoken(raw)
    found += _wire_problems((), raw, spoken)
    found += _models_problems((), raw, families, spoken, list(endpoints))
    for name in endpoints:
        said = _table(endpoints, name)
        found += _wire_problems(("endpoints", name), said, spoken)
        found += _models_problems(("endpoints", name), said, families, spoken, list(endpoints))
    return found


def _models_problems(
    spot: Loc,
    raw: Mapping[str, Any],
    families: Mapping[str, Any],
    spoken: list[str],
    endpoints: list[str],
) -> list[Problem]:
    """Return what is wrong with the models and the account's settings at one place."""
    found: list[Problem] = []
    for name in _table(raw, "models"):
        said, here = _table(_table(raw, "models"), name), (*spot, "models", str(name))
        found += _model_problems(here, said, families)
        found += _wire_problems(here, said, spoken)
        only = _table(said, "endpoints").get("is")
        found += [
            (
                (*here, "endpoints", "is", index),
                f"there is no endpoint `{one}`; {nearest(str(one), endpoints)}",
            )
            for index, one in enumerate(only if isinstance(only, list) else ())
            if one not in endpoints
        ]
    for name in _table(raw, "settings"):
        choices = _table(_table(_table(raw, "settings"), name), "choices")
        for choice in choices:
            place = (*spot, "settings", name, "choices", choice)
            found += _wire_problems(place, _table(choices, choice), spoken)
    return found


def _spoken(raw: Mapping[str, Any]) -> list[str]:
    """Return the wires of the host and of all its endpoints."""
    tables = [raw, *(_table(_table(raw, "endpoints"), name) for name in _table(raw, "endpoints"))]
    return [str(wire) for table in tables for wire in _table(table, "wires")]


def _wire_problems(spot: Loc, said: Mapping[str, Any], spoken: list[str]) -> list[Problem]:
    """Return every use of a wire that the host does not speak: nothing would come of it."""
    used: list[tuple[Loc, Any]] = [(("dialects", wire), wire) for wire in _table(said, "dialects")]
    only = _table(said, "wires").get("is") if "models" in spot else None
    if isinstance(only, list):
        used += [(("wires", "is", index), wire) for index, wire in enumerate(only)]
    for asked, instead in _table(_table(said, "tools_wire"), "is").items():
        used += [(("tools_wire", "is", asked), wire) for wire in (asked, instead)]
    return [
        ((*spot, *loc), f"the host does not speak the wire `{wire}`; {nearest(str(wire), spoken)}")
        for loc, wire in used
        if wire not in spoken
    ]


def _model_problems(
    spot: Loc, said: Mapping[str, Any], families: Mapping[str, Any]
) -> list[Problem]:
    name = str(spot[-1])
    family = said.get("family")
    if isinstance(family, str) and family not in families:
        hint = nearest(family, list(families))
        return [((*spot, "family"), f"there is no family `{family}`; {hint}")]
    if "*" in name:
        return []
    inherited = _table(families, family) if isinstance(family, str) else {}
    told = {**inherited, **said}
    return [
        (spot, f"model `{name}` says nothing of `{fact}`; write `{fact}: {{is: unknown}}`")
        for fact in MODEL_FACTS
        if fact not in told
    ]


def source_problems(raw: Mapping[str, Any]) -> list[Problem]:
    """Return every use of a source that the file does not define."""
    defined = list(_table(raw, "sources"))
    return [
        (loc, f"there is no source `{key}`; {nearest(str(key), defined)}")
        for loc, key in _uses({name: raw[name] for name in raw if name != "sources"}, ())
        if key not in defined
    ]


def _uses(value: Any, loc: Loc) -> Iterator[tuple[Loc, Any]]:
    if isinstance(value, dict):
        for name, inner in value.items():
            if name == "source" and isinstance(inner, list):
                yield from (((*loc, name, index), key) for index, key in enumerate(inner))
            else:
                yield from _uses(inner, (*loc, name))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _uses(inner, (*loc, index))


def _table(value: Mapping[str, Any], name: Any) -> Mapping[str, Any]:
    inner = value.get(name)
    return inner if isinstance(inner, dict) else {}
