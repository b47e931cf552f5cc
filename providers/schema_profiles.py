"""What of JSON Schema each kind of host takes, as data that ``providers/schemas`` looks up.

A profile's name stands in ``Dialect.schema_profile``; the wires name their own. Read from the
documentation of the hosts and from the schema transformers of their own client libraries, 2026-11.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal

NUMBERS = frozenset(
    {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"},
)
ITEMS = frozenset({"minItems", "maxItems"})
CORE = frozenset({"type", "enum", "const", "properties", "required", "items", "anyOf"})

# Keywords that narrow what is valid. One that a profile lacks is lost; any other word that it lacks
# only describes, and is left out without loss.
ASSERTIONS = (
    CORE
    | NUMBERS
    | ITEMS
    | {
        "additionalItems", "additionalProperties", "contains", "dependencies", "dependentRequired",
        "dependentSchemas", "else", "format", "if", "maxContains", "maxLength", "maxProperties",
        "minContains", "minLength", "minProperties", "not", "pattern", "patternProperties",
        "prefixItems", "propertyNames", "then", "unevaluatedItems", "unevaluatedProperties",
        "uniqueItems",
    }
)  # fmt: skip
TEXT_FORMATS = frozenset(
    {"date-time", "time", "date", "duration", "email", "hostname", "ipv4", "ipv6", "uuid"},
)


@dataclass(frozen=True, slots=True)
class Profile:
    """What one kind of host takes.

    ``keywords`` are kept, with the words in ``notes``, which only describe. ``formats`` None: any.
    ``refs``: references stay (``keep``), stay unless one leads back to itself (``acyclic``), or are
    replaced by what they mean (``inline``). ``closed``: every object is, to members it does not
    name. ``all_required``: every member is, with null for one that was not. ``typed``: every schema
    says its type. ``openapi``: the subset of OpenAPI 3.0, with ``nullable``, one type a schema,
    enumerations of strings, and ``anyOf`` alone. ``few_items``: ``minItems`` 0 or 1.
    ``one_required``: an object needs a required member. ``root_union`` False: none at the root.
    ``walk`` False: nothing below the root is touched.
    """

    keywords: frozenset[str] = frozenset()
    notes: frozenset[str] = frozenset({"title", "description"})
    formats: frozenset[str] | None = None
    refs: Literal["keep", "acyclic", "inline"] = "keep"
    closed: bool = False
    all_required: bool = False
    typed: bool = False
    openapi: bool = False
    few_items: bool = False
    one_required: bool = False
    root_union: bool = True
    walk: bool = True

    def takes(self, name: str, value: Any) -> bool:
        """Return whether the hosts take a word with this value."""
        if name not in self.keywords:
            return False
        if name == "enum":
            plain = str if self.openapi else (str, int, float, bool, type(None))
            return isinstance(value, list) and all(isinstance(item, plain) for item in value)
        if name == "const":
            return not isinstance(value, dict | list)
        if name == "format":
            return self.formats is None or value in self.formats
        if name == "minItems" and self.few_items:
            return value in (0, 1)
        if name == "pattern" and self.one_required:
            # No anchors and no looking around.
            return isinstance(value, str) and not any(sign in value for sign in ("^", "$", "(?"))
        return True


_AS_IS = Profile(walk=False)
_STRICT = Profile(
    keywords=CORE | NUMBERS | ITEMS | {"additionalProperties", "format", "pattern"},
    formats=TEXT_FORMATS,
    closed=True,
    all_required=True,
    typed=True,
    root_union=False,
)
_MESSAGES = Profile(
    keywords=CORE | {"additionalProperties", "format", "minItems"},
    notes=frozenset({"title", "description", "default"}),
    formats=TEXT_FORMATS | {"uri"},
    refs="acyclic",
    closed=True,
    typed=True,
    few_items=True,
    root_union=False,
)
# "" leaves a schema alone, "plain" takes the word strict out of it.
PROFILES: Mapping[str, Profile] = MappingProxyType(
    {
        "": _AS_IS,
        "plain": _AS_IS,
        "no-root-union": Profile(walk=False, root_union=False),
        "strict": _STRICT,
        "responses": _STRICT,
        "messages": _MESSAGES,
        # It compiles a schema under the same limits.
        "converse": _MESSAGES,
        # The words that the API's reference lists for its two fields of JSON schemas.
        "gemini-json": Profile(
            keywords=(CORE - {"const"})
            | ITEMS
            | {"additionalProperties", "format", "maximum", "minimum", "prefixItems"},
            notes=frozenset({"title", "description", "propertyOrdering"}),
        ),
        "gemini-openapi": Profile(
            keywords=(CORE - {"const"})
            | ITEMS
            | {
                "format", "maximum", "maxLength", "maxProperties", "minimum", "minLength",
                "minProperties", "nullable", "pattern",
            },
            notes=frozenset({"title", "description", "propertyOrdering"}),
            formats=frozenset({"date-time", "double", "enum", "float", "int32", "int64"}),
            refs="inline",
            typed=True,
            openapi=True,
            root_union=False,
        ),
        "cohere": Profile(
            keywords=CORE | {"additionalProperties", "format", "pattern"},
            formats=frozenset({"date", "date-time", "time", "uuid"}),
            refs="acyclic",
            typed=True,
            one_required=True,
            root_union=False,
        ),
    }
)  # fmt: skip
