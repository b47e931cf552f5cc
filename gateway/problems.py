"""Mistakes in a file that a person wrote: where, what is wrong, and what would be right."""

from __future__ import annotations

import types
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from inspect import isclass
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from routing.policy_form import nearest

Place = tuple[str | int, ...]  # the keys and indices that lead to a value


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake. A ``warning`` is told and does not stop the gateway."""

    file: str
    line: int
    what: str
    right: str
    warning: bool = False

    def __str__(self) -> str:
        """Give ``file:line: what, what would be right``."""
        return f"{self.file}:{self.line}: {self.what}" + (f", {self.right}" if self.right else "")


class ConfigError(Exception):
    """The config cannot be used; ``problems`` has every mistake that was found, by line."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(sorted(problems, key=lambda p: (p.file, p.line, p.what)))
        super().__init__("\n".join(str(problem) for problem in self.problems))


class WrongError(ValueError):
    """A value that cannot stand, raised by the checks inside the form.

    ``what`` must not repeat the value where that can be a secret.
    """

    def __init__(self, what: str, right: str) -> None:
        super().__init__(what)
        self.what = what
        self.right = right


@dataclass(frozen=True, slots=True)
class Fault:
    """A mistake at a place in the data, before anybody knows its line."""

    place: Place
    what: str
    right: str
    warning: bool = False


def faults_of(error: ValidationError, form: type[BaseModel]) -> list[Fault]:
    """Say pydantic's errors in our words, without any value that was given.

    The branches of a union in ``form`` have tags that begin with ``=``, which are no place.
    """
    return [_fault(details, form) for details in error.errors(include_url=False)]


# What would be right, by the beginning of pydantic's type of error.
_EXPECTED = types.MappingProxyType(
    {
        "int": "a whole number",
        "decimal": "a number such as 0.50",
        "float": "a number such as 2.5",
        "string": "text (a number or a word like true needs quotes to be text)",
        "bool": "true or false",
        "model": "a mapping of `key: value`",
        "dict": "a mapping of `key: value`",
        "mapping": "a mapping of `key: value`",
        "frozen_set": "a list such as [a, b]",
        "tuple": "a list such as [a, b]",
        "list": "a list such as [a, b]",
    }
)


def _fault(details: ErrorDetails, form: type[BaseModel]) -> Fault:
    place = tuple(part for part in details["loc"] if part != "[key]" and str(part)[:1] != "=")
    kind = details["type"]
    context: dict[str, Any] = details.get("ctx", {})
    dotted = ".".join(str(part) for part in place)
    last = str(place[-1]) if place else ""
    if kind == "extra_forbidden":
        known = _known_keys(form, place[:-1])
        return Fault(place, f"unknown key `{last}`", nearest(last, known))
    if kind == "missing":
        return Fault(place, f"`{dotted}` is missing", f"add `{last}: ...`")
    wrong = context.get("error")
    if isinstance(wrong, WrongError):
        return Fault(place, f"`{dotted}` {wrong.what}" if dotted else wrong.what, wrong.right)
    if kind == "policy":  # a part of the policy's form that stands in the config
        return Fault(place, f"`{dotted}`: {context['what']}", str(context["right"]))
    if kind == "literal_error":
        return Fault(
            place, f"`{dotted}` has a value that is not known here", f"one of {context['expected']}"
        )
    if kind == "model_type":  # its own words name a class of ours
        inner = ", ".join(sorted(_known_keys(form, place)))
        right = f"a mapping of `key: value`, with {inner}" if inner else "a mapping"
        return Fault(place, f"`{dotted}` is not a mapping", right)
    message = details["msg"]
    right = next((text for start, text in _EXPECTED.items() if kind.startswith(start)), "")
    if kind in ("greater_than", "greater_than_equal", "less_than", "less_than_equal"):
        words = {"gt": "over", "ge": "at least", "lt": "under", "le": "at most"}
        right = " ".join(f"a number {words[name]} {bound}" for name, bound in context.items())
        message = "is out of bounds"
    elif message.startswith("Input should be "):
        message = "is not " + message.removeprefix("Input should be ")
    return Fault(place, f"`{dotted}` {message[:1].lower()}{message[1:]}", right)


def _known_keys(form: type[BaseModel], place: Place) -> set[str]:
    """Return the keys of whatever form stands at ``place`` under ``form``."""
    found: list[Any] = [form]
    for part in place:
        inner: list[Any] = []
        for kind in found:
            inner += _inside(kind, part)
        # A part that leads nowhere is pydantic's name for a branch of a union, not a key.
        found = inner or found
    return {
        field
        for kind in found
        if isclass(kind) and issubclass(kind, BaseModel)
        for field in kind.model_fields
    }


def _inside(kind: Any, part: str | int) -> list[Any]:
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        field = kind.model_fields.get(str(part))
        return _flat(field.annotation) if field else []
    arguments = get_args(kind)
    origin = get_origin(kind)
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return _flat(arguments[1])
    return _flat(arguments[0]) if isinstance(part, int) and arguments else []


def _flat(kind: Any) -> list[Any]:
    origin = get_origin(kind)
    if origin is Annotated:
        return _flat(get_args(kind)[0])
    if origin in (Union, types.UnionType):
        return [inner for option in get_args(kind) for inner in _flat(option)]
    return [kind]
