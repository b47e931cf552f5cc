"""Names of this wire's JSON: its mapping takes a field in camel case and in snake case alike.

It also takes one object where a list of objects is meant, and numbers written as text, so the
readers of clients do too.
"""

from __future__ import annotations

from typing import Any

from providers.json_body import kind_of
from providers.wires.wire import BadRequestError, Json

WIRE_NAME = "gemini"
# Put into a body by the gateway's door; never sent on.
ALT = "$alt"


def camel(name: str) -> str:
    """Return a name in camel case; the first sign stays as it is."""
    if "_" not in name[1:]:
        return name
    first, *rest = name[1:].split("_")
    return name[:1] + first + "".join([part[:1].upper() + part[1:] for part in rest])


def named(value: Json) -> Json:
    """Return an object with its own names in camel case, those of inner objects as they are."""
    if not any("_" in name[1:] for name in value):
        return value
    out: Json = {}
    for name, item in value.items():
        out.setdefault(camel(name), item)
    return out


def wrong(path: str, wanted: str, value: Any) -> BadRequestError:
    """Return the fault of a field that has another type than ``wanted``."""
    return BadRequestError(f"`{path}` must be {wanted}, not {kind_of(value)}", path)


def obj(value: Any, path: str) -> Json:
    """Return an object with its names in camel case, {} for null. Raises ``BadRequestError``."""
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise wrong(path, "an object", value)
    return named(value)


def listed(value: Any, path: str) -> list[Any]:
    """Return a list, one object being a list of itself. Raises ``BadRequestError``."""
    if value is None:
        return []
    if isinstance(value, dict):
        return [value]
    if not isinstance(value, list):
        raise wrong(path, "a list", value)
    return value


def text(value: Any, path: str) -> str:
    """Return a string, "" for null. Raises ``BadRequestError``."""
    if value is None:
        return ""
    if not isinstance(value, str):
        raise wrong(path, "a string", value)
    return value


def texts(value: Any, path: str) -> tuple[str, ...]:
    """Return a list of strings, one string being a list of itself. Raises ``BadRequestError``."""
    if isinstance(value, str):
        return (value,)
    items = listed(value, path)
    return tuple(text(item, f"{path}[{place}]") for place, item in enumerate(items))


def number(value: Any, path: str) -> float | None:
    """Return a number, None for null. Raises ``BadRequestError``."""
    if value is None:
        return None
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            raise wrong(path, "a number", value) from None
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise wrong(path, "a number", value)
    if value != value or value in (float("inf"), float("-inf")):
        raise BadRequestError(f"`{path}` must be a finite number", path)
    return value


def whole(value: Any, path: str, least: int | None = None) -> int | None:
    """Return a whole number, None for null. Raises ``BadRequestError``."""
    found = number(value, path)
    if found is None:
        return None
    if found != int(found):
        raise wrong(path, "a whole number", value)
    if least is not None and found < least:
        raise BadRequestError(f"`{path}` must be at least {least}, not {int(found)}", path)
    return int(found)


def flag(value: Any, path: str) -> bool | None:
    """Return true or false, None for null. Raises ``BadRequestError``."""
    if value is not None and not isinstance(value, bool):
        raise wrong(path, "true or false", value)
    return value
