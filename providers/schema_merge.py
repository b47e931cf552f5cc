"""Two JSON schemas made one that says both, as far as one can say it."""

from __future__ import annotations

from typing import Any

from providers.schema_refs import resolve

Json = dict[str, Any]

# References in a row at one place.
MAX_HOPS = 32

# The larger of two lower bounds holds, and the smaller of two upper ones.
LOWER = frozenset({"exclusiveMinimum", "minItems", "minLength", "minProperties", "minimum"})
UPPER = frozenset({"exclusiveMaximum", "maxItems", "maxLength", "maxProperties", "maximum"})
NOTES = frozenset(
    {"$comment", "$defs", "$id", "$schema", "default", "definitions", "deprecated", "description",
     "discriminator", "example", "examples", "readOnly", "title", "writeOnly"}
)  # fmt: skip


def merged(first: Json, second: Json) -> tuple[Json, bool]:
    """Return a schema of what is valid by both, and whether it says all of both.

    Where two words contradict each other the second schema's stands.
    """
    out = dict(first)
    whole = True
    for name, value in second.items():
        if name not in out or out[name] == value or name in NOTES:
            out[name] = value
        else:
            out[name], said = _both(name, out[name], value)
            whole = whole and said
    return out, whole


def _both(name: str, one: Any, other: Any) -> tuple[Any, bool]:
    if isinstance(one, dict) and isinstance(other, dict) and name == "properties":
        shared = one.keys() & other.keys()
        return {
            **one,
            **other,
            **{
                key: one[key] if one[key] == other[key] else {"allOf": [one[key], other[key]]}
                for key in shared
            },
        }, True
    if isinstance(one, list) and isinstance(other, list):
        if name == "required":
            return [*one, *(item for item in other if item not in one)], True
        if name == "allOf":
            return [*one, *other], True
        if name == "enum":
            return [item for item in other if item in one], True
    if _number(one) and _number(other) and name in LOWER | UPPER:
        return (max if name in LOWER else min)(one, other), True
    if name == "additionalProperties" and False in (one, other):
        # Each alone closed the object to the other's members: nobody who writes this means it.
        return False, False
    return other, False


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def without_root_union(out: Json, root: Json) -> tuple[Json, bool]:
    """Return one object with the members of all branches, and whether that was the same already.

    Required is what all branches require.
    """
    words = [word for word in ("anyOf", "oneOf") if isinstance(out.get(word), list) and out[word]]
    if not words:
        return out, True
    branches = [_branch(item, root) for word in words for item in out[word]]
    own = {name: value for name, value in out.items() if name not in words}
    objects = [item for item in branches if item.get("type", "object") == "object"]
    members: dict[str, list[Any]] = {}
    for item in objects:
        named = item.get("properties")
        for name, member in named.items() if isinstance(named, dict) else ():
            if member not in members.setdefault(name, []):
                members[name].append(member)
    joined: Json = {
        "type": "object",
        "properties": {
            name: found[0] if len(found) == 1 else {"anyOf": found}
            for name, found in members.items()
        },
    }
    needed = [item.get("required") for item in objects]
    common = needed[0] if needed and all(isinstance(item, list) for item in needed) else []
    common = [name for name in common or [] if all(name in item for item in needed if item)]
    if common:
        joined["required"] = common
    whole, _ = merged(joined, own)
    # A list of types at the root is a union as well.
    whole["type"] = "object"
    return whole, False


def _branch(item: Any, root: Json) -> Json:
    for _ in range(MAX_HOPS):
        if not isinstance(item, dict):
            break
        ref = item.get("$ref")
        if not isinstance(ref, str):
            return item
        item = resolve(root, ref)
    return {}
