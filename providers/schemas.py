"""JSON schemas made such that a kind of host takes them.

Hosts compile a schema into a grammar, and each kind knows other words of JSON Schema. ``lower``
writes what a profile's hosts take (``providers/schema_profiles``) and says whether that demands as
much as the original did: where it does not, the answer has to be checked against the original.
"""

from __future__ import annotations

from typing import Any

import msgspec

from providers.schema_merge import merged, without_root_union
from providers.schema_profiles import ASSERTIONS, PROFILES, Profile
from providers.schema_refs import (
    circular,
    definition_of,
    definitions,
    pointer,
    resolve,
    size,
)
from providers.schema_words import (
    ARRAY_WORDS,
    OBJECT_WORDS,
    SUBSTANCE,
    accepts_null,
    exclusive,
    kinds_of,
    null_apart,
    nullable,
    of_type,
    sound,
    types,
)

Json = dict[str, Any]

MAX_DEPTH = 64
MAX_NODES = 20_000
# What references may add, and how often one may stand inside itself.
MAX_INLINED = 5_000
UNROLLED = 2
# References and intersections in a row at one place.
MAX_HOPS = 32
HINT_MAX_CHARS = 200

COMPOSED = frozenset({"$ref", "allOf", "anyOf", "oneOf"})
SCALARS = ("string", "number", "boolean", "null")

_encode = msgspec.json.Encoder().encode


def lower(schema: Json, profile: str) -> tuple[Json, bool]:
    """Return a copy that the profile's hosts take, and whether nothing was lost.

    Nothing was lost where every answer that fits the copy fits ``schema`` too (but for ``format``,
    which only describes); constraints that had to go stand in the description, for the model to
    read. Closing an object that names its members is no loss. ``schema`` stays as it was; what did
    not change may be shared with it. Raises ``ValueError`` for a profile that is not in
    ``PROFILES``: the catalogue's form checks it.
    """
    known = PROFILES.get(profile)
    if known is None:
        raise ValueError(f"`{profile}` is no schema profile; there are {', '.join(PROFILES)}")
    if not known.walk:
        out = dict(schema)
        if profile == "plain" and isinstance(out.get("strict"), bool):
            del out["strict"]
        return (out, True) if known.root_union else without_root_union(out, schema)
    lowering = _Lowering(schema, known)
    return lowering.whole(), lowering.lossless


class _Lowering:
    """One schema on its way; ``lossless`` turns False where something could not be said."""

    def __init__(self, root: Json, profile: Profile) -> None:
        self.root = root
        self.profile = profile
        self.lossless = True
        self._nodes = 0
        self._left = MAX_INLINED
        # Definitions that a reference leads to, in the order in which they were met.
        self._wanted: dict[str, None] = {}
        self._keeps = profile.refs == "keep" or (profile.refs == "acyclic" and not circular(root))

    def whole(self) -> Json:
        root = self.root
        if not self.profile.root_union:
            # The root has to be an object by its own words, not by a reference.
            root, _ = self._settled(root, (), at_root=True)
            root, said = without_root_union(root, self.root)
            self.lossless = self.lossless and said
            root = self._root_of_one_type(root)
        out = self.schema(root, 0, ())
        if not self.profile.root_union:
            out.pop("nullable", None)
        named = definitions(self.root)
        kept: Json = {}
        while len(kept) < len(self._wanted):
            for name in [name for name in self._wanted if name not in kept]:
                kept[name] = self.schema(named[name], 1, ())
        if kept:
            out["$defs"] = kept
        return out

    def _root_of_one_type(self, root: Json) -> Json:
        root = {name: value for name, value in root.items() if name != "nullable"}
        kinds = types(root.get("type"))
        if not kinds and not root.keys() & {"anyOf", "$ref"}:
            values = root.get("enum", [root["const"]] if "const" in root else None)
            if root.keys() & OBJECT_WORDS:
                kinds = ["object"]
            elif isinstance(values, list):
                kinds = kinds_of(values)
            elif root.keys() & ARRAY_WORDS:
                kinds = ["array"]
        if kinds:
            return {**root, "type": "object" if "object" in kinds else kinds[0]}
        if root.keys() & {"anyOf", "$ref"}:
            return root
        # A tool without arguments.
        self.lossless = self.lossless and not root.keys() & ASSERTIONS
        return {**root, "type": "object", "properties": {}}

    def schema(self, raw: Any, depth: int, trail: tuple[str, ...]) -> Json:
        """Return one schema lowered; ``trail`` are the references that it stands in."""
        if raw is True or raw == {}:
            return self._anything({})
        if not isinstance(raw, dict) or depth > MAX_DEPTH or self._nodes > MAX_NODES:
            self.lossless = False
            return self._anything({})
        if raw == {"type": "null"}:
            return {"type": "null"}
        settled, trail = self._settled(raw, trail)
        if isinstance(settled.get("$ref"), str):
            return self._kept(settled)
        self._nodes += 1
        settled = self._plain_words(settled)
        if self.profile.openapi or self.profile.closed:
            settled = self._union_alone(settled)
        out, hints = self._words(settled, depth, trail)
        self._finish(out, settled)
        if hints:
            said = out.get("description")
            out["description"] = " ".join([*([said] if said else []), f"({'; '.join(hints)})"])
        return out

    # -- references and intersections ---------------------------------------------------------

    def _settled(
        self, raw: Json, trail: tuple[str, ...], *, at_root: bool = False
    ) -> tuple[Json, tuple[str, ...]]:
        # Follows references and folds intersections until neither stands at the top.
        for _ in range(MAX_HOPS):
            raw = sound(raw)
            ref, parts = raw.get("$ref"), raw.get("allOf")
            if isinstance(ref, str):
                if not at_root and self._keeps and self._definition(ref) is not None:
                    break
                rest = {name: value for name, value in raw.items() if name != "$ref"}
                target, trail = self._target(ref, trail)
                raw = self._merged(target, rest)
            elif isinstance(parts, list) and parts:
                raw, trail = self._folded(raw, parts, trail)
            else:
                break
        else:
            self.lossless = False
            raw = {name: value for name, value in raw.items() if name not in ("$ref", "allOf")}
        return raw, trail

    def _folded(
        self, raw: Json, parts: list[Any], trail: tuple[str, ...]
    ) -> tuple[Json, tuple[str, ...]]:
        rest = {name: value for name, value in raw.items() if name != "allOf"}
        if len(parts) == 1 and isinstance(parts[0], dict):
            return self._merged(parts[0], rest), trail
        out: Json = {}
        for part in parts:
            if isinstance(part, dict) and isinstance(part.get("$ref"), str):
                own = {name: value for name, value in part.items() if name != "$ref"}
                target, trail = self._target(part["$ref"], trail)
                part = self._merged(target, own)
            if isinstance(part, dict):
                out = self._merged(out, part)
            elif part is not True:
                self.lossless = False
        return self._merged(out, rest), trail

    def _merged(self, first: Json, second: Json) -> Json:
        out, said = merged(first, second)
        self.lossless = self.lossless and said
        return out

    def _target(self, ref: str, trail: tuple[str, ...]) -> tuple[Json, tuple[str, ...]]:
        found = resolve(self.root, ref)
        if found is True:
            return {}, trail
        if not isinstance(found, dict):
            self.lossless = False
            return {}, trail
        cost = size(found, self._left + 1)
        if trail.count(ref) >= UNROLLED or cost > self._left or len(trail) > MAX_DEPTH:
            self.lossless = False
            kind = found.get("type")
            return {"type": kind} if isinstance(kind, str) else {}, trail
        self._left -= cost
        return {k: v for k, v in found.items() if k not in ("$defs", "definitions")}, (*trail, ref)

    def _definition(self, ref: str) -> str | None:
        return "#" if ref == "#" else definition_of(self.root, ref)

    def _kept(self, raw: Json) -> Json:
        name = self._definition(raw["$ref"])
        if name is None or name == "#":
            ref = "#"
        else:
            ref = pointer(name)
            self._wanted[name] = None
        notes = {
            word: value
            for word, value in raw.items()
            if word in ("title", "description") and isinstance(value, str)
        }
        if raw.keys() & ASSERTIONS:
            self.lossless = False
        # Nothing may stand beside a reference at most hosts.
        return {**notes, "anyOf": [{"$ref": ref}]} if notes else {"$ref": ref}

    # -- words --------------------------------------------------------------------------------

    def _plain_words(self, raw: Json) -> Json:
        # One spelling for what has several: oneOf, nullable, a list of schemas in items, types.
        out = dict(raw)
        choice = out.pop("oneOf", None)
        if isinstance(choice, list) and choice:
            if "anyOf" in out:
                self.lossless = False
            else:
                out["anyOf"] = choice
                self.lossless = self.lossless and exclusive(raw, choice)
        if isinstance(out.get("items"), list):
            out["prefixItems"] = out.pop("items")
        if "type" in out:
            kinds = types(out["type"])
            out["type"] = kinds[0] if len(kinds) == 1 else kinds
            if not kinds:
                del out["type"]
        if "const" in out and "const" not in self.profile.keywords:
            out["enum"] = [out.pop("const")]
        if out.pop("nullable", None) is True:
            out = nullable(out)
        if not self.profile.openapi:
            return out
        return self._one_type(out)

    def _one_type(self, raw: Json) -> Json:
        # OpenAPI: null is a flag, and each schema has one type.
        out, flagged = dict(raw), False
        branches = out.get("anyOf")
        if isinstance(branches, list) and {"type": "null"} in branches:
            rest = [branch for branch in branches if branch != {"type": "null"}]
            del out["anyOf"]
            if len(rest) == 1 and isinstance(rest[0], dict) and not rest[0].keys() & COMPOSED:
                joined = self._plain_words(self._merged(rest[0], out))
                return {**joined, "nullable": True}
            if rest:
                flagged, out["anyOf"] = True, rest
            else:
                out["type"] = "null"
        if isinstance(out.get("enum"), list) and None in out["enum"]:
            out["enum"] = [value for value in out["enum"] if value is not None]
            if out["enum"]:
                flagged = True
            else:
                self.lossless = self.lossless and "null" in types(out.get("type", "null"))
                del out["enum"]
                out["type"] = "null"
        if "type" not in out and isinstance(out.get("enum"), list):
            out["type"] = kinds_of(out["enum"])
        kinds = types(out.get("type"))
        if "null" in kinds and len(kinds) > 1:
            flagged = True
            kinds = [kind for kind in kinds if kind != "null"]
        if kinds:
            out["type"] = kinds[0] if len(kinds) == 1 else kinds
        else:
            out.pop("type", None)
        if len(kinds) > 1 and "anyOf" not in out:
            del out["type"]
            out = {"anyOf": [of_type(out, kind) for kind in kinds]}
        return {**out, "nullable": True} if flagged else out

    def _union_alone(self, raw: Json) -> Json:
        # These hosts want each branch of a union to stand for itself, and nothing beside them.
        branches = raw.get("anyOf")
        if not isinstance(branches, list) or not raw.keys() & SUBSTANCE:
            return raw
        own = {name: value for name, value in raw.items() if name != "anyOf"}
        real = [item for item in branches if isinstance(item, dict)]
        if not all(item.keys() & (SUBSTANCE | {"$ref", "anyOf", "allOf"}) for item in real):
            self.lossless = False
            return self._one_type(own) if self.profile.openapi else own
        only_type = own.keys() & SUBSTANCE == {"type"}
        if only_type and all(item.get("type") == own["type"] for item in real):
            # The commonest: a type that the branches say again.
            del own["type"]
            return {**own, "anyOf": branches}
        notes: Json = {name: own.pop(name) for name in ("title", "description") if name in own}
        return {**notes, "anyOf": [self._merged(own, item) for item in real]}

    def _words(self, raw: Json, depth: int, trail: tuple[str, ...]) -> tuple[Json, list[str]]:
        out: Json = {}
        hints: list[str] = []
        for name, value in raw.items():
            if name in ("properties", "items", "anyOf", "prefixItems", "additionalProperties"):
                self._members(out, name, value, depth, trail)
            elif name in ("type", "nullable"):
                out[name] = value
            elif name in self.profile.notes:
                if name not in ("title", "description") or isinstance(value, str):
                    out[name] = value
            elif self.profile.takes(name, value):
                out[name] = value
            elif name in ASSERTIONS:
                self._lost(name, value, hints)
        return out, hints

    def _lost(self, name: str, value: Any, hints: list[str]) -> None:
        if name == "unevaluatedProperties" and value is False:
            return
        if name == "enum" and value == []:
            return
        if name != "format":
            self.lossless = False
        said = _encode(value).decode()
        if len(said) <= HINT_MAX_CHARS:
            hints.append(f"{name}: {said}")

    def _members(
        self, out: Json, name: str, value: Any, depth: int, trail: tuple[str, ...]
    ) -> None:
        profile = self.profile
        if name == "additionalProperties":
            if profile.closed or name not in profile.keywords:
                self.lossless = self.lossless and value is False
            elif isinstance(value, bool):
                out[name] = value
            else:
                out[name] = self.schema(value, depth + 1, trail)
        elif name == "properties":
            if isinstance(value, dict):
                out[name] = {
                    key: self.schema(item, depth + 1, trail) for key, item in value.items()
                }
        elif name == "items":
            out[name] = self.schema(value, depth + 1, trail)
        elif isinstance(value, list) and value:
            if name in profile.keywords:
                out[name] = [self.schema(item, depth + 1, trail) for item in value]
            else:
                self.lossless = False

    # -- what the profile demands besides -----------------------------------------------------

    def _finish(self, out: Json, raw: Json) -> None:
        profile = self.profile
        if profile.typed and "type" not in out and "anyOf" not in out:
            self._give_type(out)
        kinds = types(out.get("type"))
        members = out.get("properties")
        if "required" in out:
            self._check_required(out)
        if "object" in kinds or members is not None:
            if profile.closed:
                out["additionalProperties"] = False
                if "properties" not in raw and raw.get("additionalProperties") is not False:
                    self.lossless = False
            if profile.all_required or (profile.one_required and not out.get("required")):
                self._require(out)
        if profile.openapi:
            null_apart(out)
        if profile.openapi and "array" in kinds and "items" not in out:
            self.lossless = False
            out["items"] = {"type": "string"}
        if profile.openapi and members == {}:
            del out["properties"]

    def _give_type(self, out: Json) -> None:
        if out.keys() & OBJECT_WORDS:
            out["type"] = "object"
        elif out.keys() & ARRAY_WORDS:
            out["type"] = "array"
        elif "enum" in out or "const" in out:
            kinds = kinds_of(out["enum"] if "enum" in out else [out["const"]])
            if kinds:
                out["type"] = kinds[0] if len(kinds) == 1 or self.profile.openapi else kinds
                self.lossless = self.lossless and (len(kinds) == 1 or not self.profile.openapi)
        else:
            self._anything(out)

    def _anything(self, out: Json) -> Json:
        # "Any JSON" in words that the host takes: what cannot be said is any object or list.
        if self.profile.typed:
            self.lossless = False
            out["type"] = "string" if self.profile.openapi else list(SCALARS)
        return out

    def _check_required(self, out: Json) -> None:
        members = out.get("properties") or {}
        named = [name for name in out["required"] if isinstance(name, str) and name in members]
        if len(named) != len(out["required"]):
            self.lossless = False
        if named:
            out["required"] = named
        else:
            del out["required"]

    def _require(self, out: Json) -> None:
        members = out.get("properties") or {}
        before = set(out.get("required", ()))
        if self.profile.all_required:
            for name, member in members.items():
                if name not in before and not accepts_null(member):
                    # The model has to say null where it would have said nothing.
                    self.lossless = False
                    members[name] = nullable(member)
            out["required"] = list(members)
        elif members:
            out["required"] = [next(iter(members))]
        else:
            # An object without members cannot be said to this host.
            self.lossless = False
