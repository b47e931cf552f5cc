"""This wire's own subset of OpenAPI schemas, made into JSON Schema."""

from __future__ import annotations

from typing import Any

from providers.wires.gemini.names import named
from providers.wires.gemini.usage import count
from providers.wires.wire import BadRequestError, Json

MAX_DEPTH = 64
# The wire's list of types, for clients that send enumerations as numbers.
TYPES = ("", "STRING", "NUMBER", "INTEGER", "BOOLEAN", "ARRAY", "OBJECT", "NULL")
COUNTS = frozenset(
    {"minItems", "maxItems", "minLength", "maxLength", "minProperties", "maxProperties"}
)
SAME = frozenset(
    {
        "title", "description", "format", "pattern", "default", "enum", "required", "minimum",
        "maximum",
    }
)  # fmt: skip


def json_schema(schema: Any, path: str, depth: int = 0) -> Json:
    """Return a schema of the wire's own kind as JSON Schema. Raises ``BadRequestError``.

    ``propertyOrdering`` and ``example`` only advise the model and are left out.
    """
    if not isinstance(schema, dict) or depth > MAX_DEPTH:
        raise BadRequestError(f"`{path}` must be a schema object", path)
    schema = named(schema)
    out: Json = {}
    for name, value in schema.items():
        if name in SAME:
            out[name] = value
        elif name in COUNTS:
            out[name] = count(value) or 0
        elif name == "type":
            _type(value, path, out)
        elif name == "properties" and isinstance(value, dict):
            out[name] = {
                key: json_schema(item, f"{path}.properties.{key}", depth + 1)
                for key, item in value.items()
            }
        elif name == "items":
            out[name] = json_schema(value, f"{path}.items", depth + 1)
        elif name == "anyOf" and isinstance(value, list):
            out[name] = [json_schema(item, f"{path}.anyOf", depth + 1) for item in value]
        elif name == "additionalProperties":
            of = (
                value
                if isinstance(value, bool)
                else json_schema(value, f"{path}.{name}", depth + 1)
            )
            out[name] = of
        elif name in ("defs", "$defs") and isinstance(value, dict):
            out["$defs"] = {
                key: json_schema(item, f"{path}.defs.{key}", depth + 1)
                for key, item in value.items()
            }
        elif name in ("ref", "$ref") and isinstance(value, str):
            out["$ref"] = value.replace("#/defs/", "#/$defs/")
    if schema.get("nullable") is True:
        _or_null(out)
    return out


def _type(value: Any, path: str, out: Json) -> None:
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < len(TYPES):
        value = TYPES[value] or "TYPE_UNSPECIFIED"
    words = [value] if isinstance(value, str) else value
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        raise BadRequestError(f"`{path}.type` must be a type such as STRING", f"{path}.type")
    lowered = [word.lower() for word in words if word.upper() != "TYPE_UNSPECIFIED"]
    if lowered:
        out["type"] = lowered[0] if isinstance(value, str) else lowered


def _or_null(out: Json) -> None:
    kind = out.get("type")
    if isinstance(kind, str):
        out["type"] = [kind, "null"]
        if isinstance(out.get("enum"), list):
            out["enum"] = [*out["enum"], None]
    elif isinstance(out.get("anyOf"), list):
        out["anyOf"] = [*out["anyOf"], {"type": "null"}]
