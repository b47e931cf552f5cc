"""Typed access to a client's body: the value, or an error that names its path."""

from __future__ import annotations

from typing import Any

from providers.json_body import kind_of
from providers.wires.wire import BadRequestError, Json


def wrong(path: str, wanted: str, value: Any) -> BadRequestError:
    """Return the error for a value of the wrong type."""
    return BadRequestError(f"`{path}` must be {wanted}, not {kind_of(value)}", path)


def an_object(value: Any, path: str) -> Json:
    """Return ``value``, which must be an object."""
    if not isinstance(value, dict):
        raise wrong(path, "an object", value)
    return value


def a_list(value: Any, path: str) -> list[Any]:
    """Return ``value``, which must be a list."""
    if not isinstance(value, list):
        raise wrong(path, "a list", value)
    return value


def a_text(holder: Json, name: str, path: str) -> str:
    """Return the text in ``holder[name]``, which must be there."""
    value = holder.get(name)
    if not isinstance(value, str):
        raise wrong(f"{path}.{name}", "a string", value)
    return value


def a_text_or_none(holder: Json, name: str, path: str) -> str:
    """Return the text in ``holder[name]``; "" where there is none."""
    return "" if holder.get(name) is None else a_text(holder, name, path)


def a_flag(holder: Json, name: str, path: str) -> bool | None:
    """Return the truth value in ``holder[name]``; None where there is none."""
    value = holder.get(name)
    if value is not None and not isinstance(value, bool):
        raise wrong(f"{path}.{name}", "true or false", value)
    return value
