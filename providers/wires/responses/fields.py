"""Typed looks into a client's body: each gives the value or names the path that is wrong."""

from __future__ import annotations

from typing import Any

from providers.json_body import kind_of
from providers.usage import tier_of
from providers.wires.wire import BadRequestError, Json

NUMBER = (int, float)


def wrong(path: str, words: str, value: Any) -> BadRequestError:
    """Return the error of a value at ``path`` that is not what ``words`` says."""
    return BadRequestError(f"`{path}` must be {words}, not {_kind(value)}", path)


def tier_named(said: Any) -> str:
    """Return the tier of service that a word of this wire means, "" for the usual one."""
    # The same thing under its newer name.
    return tier_of("priority" if said == "fast" else said)


def text(holder: Json, name: str, path: str) -> str:
    """Return a string, "" where it is absent or null."""
    value = holder.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise wrong(f"{path}.{name}", "a string", value)
    return value


def needed(holder: Json, name: str, path: str) -> str:
    """Return a string that may be neither absent nor empty."""
    value = holder.get(name)
    if not isinstance(value, str) or not value:
        raise wrong(f"{path}.{name}", "a string that is not empty", value)
    return value


def whole(holder: Json, name: str, path: str) -> str:
    """Return a string that may be empty but not absent."""
    value = holder.get(name)
    if not isinstance(value, str):
        raise wrong(f"{path}.{name}", "a string", value)
    return value


def members(holder: Json, name: str, path: str) -> Json:
    """Return an object, {} where it is absent or null."""
    value = holder.get(name)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise wrong(f"{path}.{name}" if path else name, "an object", value)
    return value


def entries(holder: Json, name: str, path: str) -> list[tuple[str, Json]]:
    """Return a list of objects, each with its path; [] where it is absent or null."""
    value = holder.get(name)
    if value is None:
        return []
    path = f"{path}.{name}" if path else name
    if not isinstance(value, list):
        raise wrong(path, "a list", value)
    return [(f"{path}[{at}]", entry(item, f"{path}[{at}]")) for at, item in enumerate(value)]


def entry(value: Any, path: str) -> Json:
    """Return ``value``, which must be an object."""
    if not isinstance(value, dict):
        raise wrong(path, "an object", value)
    return value


def flag(holder: Json, name: str, path: str) -> bool | None:
    """Return true or false, None where it is absent or null."""
    value = holder.get(name)
    if value is not None and not isinstance(value, bool):
        raise wrong(f"{path}.{name}", "true or false", value)
    return value


def _kind(value: Any) -> str:
    return "an empty string" if value == "" else kind_of(value)
