"""Single words of a JSON schema: types, and whether null is among what is valid."""

from __future__ import annotations

from typing import Any

Json = dict[str, Any]

TYPES = frozenset({"string", "number", "integer", "boolean", "object", "array", "null"})
OBJECT_WORDS = frozenset({"properties", "required", "additionalProperties"})
ARRAY_WORDS = frozenset({"items", "prefixItems", "minItems", "maxItems"})
# A schema that has one of these says for itself what may stand there.
SUBSTANCE = frozenset({"type", "properties", "items", "prefixItems", "enum", "const"})

# What a word's value has to be; a list has to hold something.
FORMS = {
    "$ref": str, "allOf": list, "anyOf": list, "description": str, "enum": list, "format": str,
    "oneOf": list,
    "prefixItems": list, "properties": dict, "required": list, "title": str,
}  # fmt: skip


def sound(raw: Json) -> Json:
    """Return ``raw`` without the words whose values no schema can have there."""
    for name in raw.keys() & FORMS.keys():
        if not isinstance(raw[name], FORMS[name]) or raw[name] == []:
            return {
                word: value
                for word, value in raw.items()
                if word not in FORMS or (isinstance(value, FORMS[word]) and value != [])
            }
    return raw


def exclusive(raw: Json, branches: list[Any]) -> bool:
    """Return whether no value can fit two branches: "any of" then says as much as "one of"."""
    if isinstance(raw.get("discriminator"), dict):
        return True
    kinds = [item.get("type") if isinstance(item, dict) else None for item in branches]
    plain = [kind for kind in kinds if isinstance(kind, str) and kind in TYPES]
    return len(set(plain)) == len(branches) and not {"integer", "number"} <= set(plain)


def types(said: Any) -> list[str]:
    """Return the types in a ``type``, in lower case: some clients write them in capitals."""
    words = said if isinstance(said, list) else [said]
    found = [word.lower() for word in words if isinstance(word, str)]
    return [word for word in dict.fromkeys(found) if word in TYPES]


def kinds_of(values: list[Any]) -> list[str]:
    """Return the types of some plain values; none where an object or a list is among them."""
    names = {str: "string", bool: "boolean", int: "integer", float: "number", type(None): "null"}
    found = [names.get(type(value), "") for value in values]
    return [] if "" in found else list(dict.fromkeys(found))


def of_type(raw: Json, kind: str) -> Json:
    """Return ``raw`` for one type alone, less the words that only another type has."""
    others = (OBJECT_WORDS if kind != "object" else frozenset()) | (
        ARRAY_WORDS if kind != "array" else frozenset()
    )
    return {"type": kind, **{name: value for name, value in raw.items() if name not in others}}


def accepts_null(schema: Json) -> bool:
    """Return whether null fits a lowered schema."""
    if "enum" in schema and None not in schema["enum"]:
        return False
    if "const" in schema:
        return schema["const"] is None
    if "anyOf" in schema:
        return any(accepts_null(item) for item in schema["anyOf"] if isinstance(item, dict))
    if "$ref" in schema:
        return False
    kinds = types(schema.get("type"))
    return not kinds or "null" in kinds


def nullable(schema: Json) -> Json:
    """Return a schema that null fits too."""
    if "$ref" in schema:
        return {"anyOf": [schema, {"type": "null"}]}
    out = dict(schema)
    if isinstance(out.get("anyOf"), list):
        out["anyOf"] = [*out["anyOf"], {"type": "null"}]
    if "const" in out:
        out["enum"] = [out.pop("const"), None]
    elif isinstance(out.get("enum"), list) and None not in out["enum"]:
        out["enum"] = [*out["enum"], None]
    kinds = types(out.get("type"))
    if kinds and "null" not in kinds:
        out["type"] = [*kinds, "null"]
    return out


def null_apart(out: Json) -> None:
    """Make null a flag in a lowered schema of OpenAPI, where a branch has turned out to be null."""
    branches = out.get("anyOf")
    if branches:
        rest = [branch for branch in branches if branch != {"type": "null"}]
        if not rest:
            del out["anyOf"]
            out["type"] = "null"
        elif len(rest) < len(branches):
            out["anyOf"], out["nullable"] = rest, True
        if out.get("nullable") and len(rest) == 1 and "anyOf" not in rest[0]:
            own = {name: value for name, value in out.items() if name != "anyOf"}
            out.clear()
            out.update({**rest[0], **own})
    if out.get("type") == "null":
        out.pop("nullable", None)
