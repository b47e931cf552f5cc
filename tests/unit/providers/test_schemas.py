"""Schemas lowered: what each profile's hosts take, what was lost, and nothing else."""

from __future__ import annotations

import copy
from collections.abc import Callable
from random import Random
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from providers.schema_profiles import PROFILES
from providers.schemas import MAX_DEPTH, lower

Json = dict[str, Any]

PERSON: Json = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "properties": {
        "name": {"type": "string", "minLength": 1, "description": "As written"},
        "age": {"type": "integer", "minimum": 0, "default": 1},
        "kind": {"const": "person"},
        "mail": {"anyOf": [{"type": "string", "format": "email"}, {"type": "null"}]},
        "home": {"$ref": "#/definitions/Place", "description": "Where"},
    },
    "required": ["name", "age", "kind", "mail", "home"],
    "definitions": {
        "Place": {
            "type": "object",
            "properties": {"town": {"type": "string"}},
            "required": ["town"],
        }
    },
}
TREE: Json = {
    "$ref": "#/$defs/Node",
    "$defs": {
        "Node": {
            "type": "object",
            "properties": {"kids": {"type": "array", "items": {"$ref": "#/$defs/Node"}}},
            "required": ["kids"],
        }
    },
}


def words(schema: Any) -> set[str]:
    """Return every word that stands in a schema, its members' names among them."""
    if isinstance(schema, list):
        return set().union(*(words(item) for item in schema))
    if not isinstance(schema, dict):
        return set()
    return set(schema).union(*(words(item) for item in schema.values()))


def test_no_profile_leaves_a_schema_alone() -> None:
    assert lower(PERSON, "") == (PERSON, True)
    assert lower({**PERSON, "strict": True}, "plain") == (PERSON, True)


def test_an_unknown_profile_is_a_fault_of_ours() -> None:
    with pytest.raises(ValueError, match="no schema profile"):
        lower({}, "nobody")


def test_the_strict_form() -> None:
    out, lossless = lower(PERSON, "responses")
    assert not lossless  # minLength
    assert out == {
        "type": "object",
        "properties": {
            "name": {"type": "string", "description": "As written (minLength: 1)"},
            "age": {"type": "integer", "minimum": 0},
            "kind": {"const": "person", "type": "string"},
            "mail": {"anyOf": [{"type": "string", "format": "email"}, {"type": "null"}]},
            "home": {"description": "Where", "anyOf": [{"$ref": "#/$defs/Place"}]},
        },
        "required": ["name", "age", "kind", "mail", "home"],
        "additionalProperties": False,
        "$defs": {
            "Place": {
                "type": "object",
                "properties": {"town": {"type": "string"}},
                "required": ["town"],
                "additionalProperties": False,
            }
        },
    }
    assert lower(PERSON, "strict") == (out, lossless)


@pytest.mark.parametrize(
    ("member", "made"),
    [
        ({"type": "string"}, {"type": ["string", "null"]}),
        ({"enum": ["a"]}, {"enum": ["a", None], "type": ["string", "null"]}),
        ({"const": "a"}, {"enum": ["a", None], "type": ["string", "null"]}),
        ({"$ref": "#/$defs/X"}, {"anyOf": [{"$ref": "#/$defs/X"}, {"type": "null"}]}),
    ],
)
def test_what_was_optional_may_be_null_in_the_strict_form(member: Json, made: Json) -> None:
    schema = {
        "type": "object",
        "properties": {"x": member},
        "$defs": {"X": {"type": "integer"}},
    }
    out, lossless = lower(schema, "responses")
    assert out["properties"]["x"] == made
    assert out["required"] == ["x"]
    assert not lossless


def test_optional_and_nullable_is_no_loss_in_the_strict_form() -> None:
    schema = {"type": "object", "properties": {"x": {"type": ["string", "null"]}}}
    assert lower(schema, "responses") == (
        {**schema, "required": ["x"], "additionalProperties": False},
        True,
    )


@pytest.mark.parametrize("profile", ["responses", "messages", "converse", "gemini-json"])
def test_a_tool_without_arguments_loses_nothing(profile: str) -> None:
    out, lossless = lower({"type": "object", "properties": {}}, profile)
    assert lossless
    assert out["type"] == "object"


def test_the_messages_form() -> None:
    out, lossless = lower(PERSON, "messages")
    assert not lossless
    members = out["properties"]
    assert members["age"] == {"type": "integer", "default": 1, "description": "(minimum: 0)"}
    assert members["mail"]["anyOf"][0] == {"type": "string", "format": "email"}
    assert members["home"] == {"description": "Where", "anyOf": [{"$ref": "#/$defs/Place"}]}
    items = {"type": "array", "items": {"type": "string"}, "minItems": 3, "uniqueItems": True}
    out, lossless = lower({"type": "object", "properties": {"x": items}}, "messages")
    assert out["properties"]["x"] == {
        "type": "array",
        "items": {"type": "string"},
        "description": "(minItems: 3; uniqueItems: true)",
    }
    assert not lossless


def test_one_of_is_any_of_and_no_loss_where_branches_exclude_each_other() -> None:
    kinds = [{"type": "string"}, {"type": "integer"}]
    for profile in ("responses", "messages", "gemini-json", "cohere"):
        schema = {"type": "object", "properties": {"x": {"oneOf": kinds}}, "required": ["x"]}
        out, lossless = lower(schema, profile)
        assert out["properties"]["x"] == {"anyOf": kinds}
        assert lossless
    alike = [{"type": "string"}, {"enum": ["a"]}]
    assert not lower({"type": "object", "properties": {"x": {"oneOf": alike}}}, "gemini-json")[1]


def test_the_form_of_the_json_schema_fields() -> None:
    out, lossless = lower(PERSON, "gemini-json")
    assert not lossless
    assert out["properties"]["kind"] == {"enum": ["person"]}
    assert out["properties"]["age"] == {"type": "integer", "minimum": 0}
    assert words(out).isdisjoint({"$schema", "minLength", "default", "const", "definitions"})


def test_the_openapi_form() -> None:
    out, _ = lower(PERSON, "gemini-openapi")
    assert out["properties"] == {
        "name": {"type": "string", "minLength": 1, "description": "As written"},
        "age": {"type": "integer", "minimum": 0},
        "kind": {"enum": ["person"], "type": "string"},
        "mail": {"type": "string", "nullable": True, "description": '(format: "email")'},
        "home": {
            "type": "object",
            "properties": {"town": {"type": "string"}},
            "required": ["town"],
            "description": "Where",
        },
    }
    assert "additionalProperties" not in words(out)
    schema = {
        "type": "object",
        "properties": {
            "either": {"type": ["string", "integer", "null"]},
            "number": {"type": "integer", "enum": [1, 2]},
            "list": {"type": "array"},
        },
    }
    out, lossless = lower(schema, "gemini-openapi")
    assert not lossless
    assert out["properties"] == {
        "either": {"anyOf": [{"type": "string"}, {"type": "integer"}], "nullable": True},
        "number": {"type": "integer", "description": "(enum: [1,2])"},
        "list": {"type": "array", "items": {"type": "string"}},
    }


def test_the_form_with_one_required_member_an_object() -> None:
    schema = {
        "type": "object",
        "properties": {"a": {"type": "string", "pattern": "^x$"}, "b": {"type": "string"}},
    }
    out, lossless = lower(schema, "cohere")
    assert out["required"] == ["a"]
    assert out["properties"]["a"] == {"type": "string", "description": '(pattern: "^x$")'}
    assert not lossless


@pytest.mark.parametrize("profile", ["no-root-union", "responses", "messages", "cohere"])
@pytest.mark.parametrize("word", ["anyOf", "oneOf"])
def test_no_union_stands_at_the_root(profile: str, word: str) -> None:
    schema = {
        word: [
            {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]},
            {"$ref": "#/$defs/B"},
        ],
        "$defs": {"B": {"type": "object", "properties": {"b": {"type": "string"}}}},
    }
    out, lossless = lower(schema, profile)
    assert not lossless
    assert out.keys().isdisjoint({"anyOf", "oneOf"})
    assert out["type"] == "object"
    assert set(out["properties"]) == {"a", "b"}


def test_circles_stay_where_references_may_and_are_unrolled_elsewhere() -> None:
    out, lossless = lower(TREE, "responses")
    assert lossless
    assert out["properties"]["kids"]["items"] == {"$ref": "#/$defs/Node"}
    assert "Node" in out["$defs"]
    for profile in ("messages", "converse", "cohere", "gemini-openapi"):
        out, lossless = lower(TREE, profile)
        assert not lossless
        assert words(out).isdisjoint({"$ref", "$defs"})
        assert out["properties"]["kids"]["items"]["properties"]["kids"]["type"] == "array"


def test_intersections_are_folded() -> None:
    schema = {
        "type": "object",
        "allOf": [
            {"$ref": "#/$defs/A"},
            {"properties": {"b": {"type": "integer", "minimum": 1}}, "required": ["b"]},
        ],
        "$defs": {
            "A": {
                "properties": {"a": {"type": "string"}, "b": {"type": "integer", "minimum": 0}},
                "required": ["a"],
            }
        },
    }
    out, lossless = lower(schema, "responses")
    assert lossless
    assert out["properties"] == {"a": {"type": "string"}, "b": {"type": "integer", "minimum": 1}}
    assert out["required"] == ["a", "b"]


def test_what_leads_nowhere_or_everywhere_is_a_loss_and_no_crash() -> None:
    for ref in ("#/nowhere", "https://example.com/x.json", "#/properties/x", "#/%zz/~9"):
        schema = {"type": "object", "properties": {"x": {"$ref": ref}}}
        for profile in ("responses", "messages", "gemini-openapi"):
            assert not lower(schema, profile)[1]
    # Each level stands twice in the level above: inlined, it would not end.
    doubling = {
        "$ref": "#/$defs/d0",
        "$defs": {
            f"d{n}": {
                "type": "object",
                "properties": {x: {"$ref": f"#/$defs/d{n + 1}"} for x in "ab"},
            }
            for n in range(40)
        },
    }
    out, lossless = lower(doubling, "gemini-openapi")
    assert not lossless
    assert len(msgspec.json.encode(out)) < 1_000_000


def test_depth_has_a_bound() -> None:
    schema: Json = {"type": "string"}
    for _ in range(MAX_DEPTH * 4):
        schema = {"type": "array", "items": schema}
    for profile, known in PROFILES.items():
        out, lossless = lower(schema, profile)
        assert lossless is not known.walk
        assert lower(out, profile)[0] == out


LEAVES: tuple[Any, ...] = (None, True, False, 0, 1, 2.5, "", "a", "object", "date", [], {})
REFS = ("#", "#/$defs/a", "#/$defs/b", "#/definitions/a", "#/properties/a", "nowhere")
TYPES = ("string", "number", "integer", "boolean", "object", "array", "null", "STRING", "odd")


def any_json(chance: Random, depth: int = 3) -> Any:
    """Return any JSON, some of it made of a schema's words."""
    if depth == 0 or chance.random() < 0.4:
        return chance.choice(LEAVES)
    some = range(chance.randrange(3))
    if chance.random() < 0.3:
        return [any_json(chance, depth - 1) for _ in some]
    names = ("a", "$ref", "type", "properties", "items", "enum", "anyOf", "$defs", "~/%")
    return {chance.choice(names): any_json(chance, depth - 1) for _ in some}


def any_schema(chance: Random, depth: int = 4) -> Json:
    """Return a schema such as nobody writes: contradictions, circles, values of wrong types."""

    def one() -> Any:
        if depth == 0 or chance.random() < 0.1:
            return any_json(chance)
        return any_schema(chance, depth - 1)

    def some() -> list[Any]:
        return [one() for _ in range(chance.randrange(4))]

    makers: dict[str, Callable[[], Any]] = {
        "$ref": lambda: chance.choice(REFS),
        "type": lambda: chance.choice([*TYPES, list(chance.sample(TYPES, 2))]),
        "enum": lambda: [chance.choice(LEAVES) for _ in range(chance.randrange(3))],
        "required": lambda: list(chance.sample("abc", 2)),
        **dict.fromkeys(("anyOf", "oneOf", "allOf", "prefixItems"), some),
        **{
            word: lambda: {name: one() for name in chance.sample("abc", chance.randrange(3))}
            for word in ("properties", "$defs", "definitions")
        },
        **dict.fromkeys(("items", "additionalProperties"), one),
        **{
            word: lambda: chance.choice(LEAVES)
            for word in ("const", "nullable", "minItems", "format", "description", "default")
        },
    }
    return {
        word: makers[word]() if chance.random() < 0.95 else any_json(chance)
        for word in chance.sample(sorted(makers), chance.randrange(5))
    }


@settings(max_examples=300)
@given(seed=st.integers(0, 2**32), profile=st.sampled_from(sorted(PROFILES)))
def test_any_json_is_lowered_once_and_left_as_it_was(seed: int, profile: str) -> None:
    schema = any_schema(Random(seed))
    before = copy.deepcopy(schema)
    out, _ = lower(schema, profile)
    assert schema == before
    msgspec.json.encode(out)
    assert lower(out, profile)[0] == out
