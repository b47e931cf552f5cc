"""Each deviation that the catalogue states, one test each: it does to a body what it says."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from providers import catalog
from providers.deviations import adapted
from providers.dialect import Dialect, Path
from providers.wires.registry import WIRES

# What a wire's own reader must find in any body, beside the field that is looked at.
BODIES: dict[str, dict[str, Any]] = {
    "chat": {"model": "m", "messages": [{"role": "user", "content": "x"}]},
    "responses": {"model": "m", "input": "x"},
    "messages": {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "x"}]},
    "gemini": {"contents": [{"parts": [{"text": "x"}]}]},
    "completions": {"model": "m", "prompt": "x"},
    "embeddings": {"model": "m", "input": "x"},
    "rerank": {"model": "m", "query": "x", "documents": ["y"]},
}
OTHER = "a value that no host knows"
Stated = tuple[str, str, str, str, Dialect, Any]


def stated() -> Iterator[Stated]:
    """Every deviation once: host, wire, what kind, field, the dialect, and what is said of it."""
    seen = set()
    hosts = catalog.builtin().hosts
    for name in hosts:
        host = hosts[name]
        for model in (None, *host.models.values()):
            dialects = host.dialects if model is None else model.dialects
            for wire, whole in dialects.items():
                for when, dialect in (((), whole), *whole.variants.items()):
                    for kind, field, said in of(dialect):
                        key = (name, wire, kind, field, repr(said))
                        if key not in seen:
                            seen.add(key)
                            shown = f"{field} when {'+'.join(sorted(when))}" if when else field
                            yield name, wire, kind, shown, dialect, said


def of(dialect: Dialect) -> Iterator[tuple[str, str, Any]]:
    yield from (("refuses", field, None) for field in sorted(dialect.refuses))
    yield from (("rename", field, place) for field, place in dialect.rename.items())
    yield from (("drops", ".".join(path), None) for path in sorted(dialect.drops))
    for kind in ("allows", "clamps", "defaults", "sets"):
        found: dict[Path, Any] = getattr(dialect, kind)
        yield from ((kind, ".".join(path), said) for path, said in found.items())


def with_field(body: dict[str, Any], field: str, value: Any) -> dict[str, Any]:
    first, *rest = field.split(".")
    inner = body.get(first)
    if rest:
        value = with_field(inner if isinstance(inner, dict) else {}, ".".join(rest), value)
    return {**body, first: value}


def at(body: Any, field: str) -> Any:
    for step in field.split("."):
        body = body[step] if isinstance(body, dict) and step in body else None
    return body


def before(field: str, dialect: Dialect) -> str:
    """The wire's own name of a field that the host has moved."""
    return next((ours for ours, theirs in dialect.rename.items() if theirs == field), field)


ALL = list(stated())


@pytest.mark.parametrize(
    ("wire", "kind", "field", "dialect", "said"),
    [(wire, kind, field.partition(" ")[0], how, said) for _, wire, kind, field, how, said in ALL],
    ids=[f"{host}-{wire}-{kind}-{field}" for host, wire, kind, field, _, _ in ALL],
)
def test_it_does_what_it_says(
    wire: str, kind: str, field: str, dialect: Dialect, said: Any
) -> None:
    body = BODIES.get(wire, {})
    if kind == "refuses":
        relay = WIRES[wire].relay
        if relay is not None:
            assert relay.refused(with_field(body, field, OTHER), dialect) == field
            assert relay.refused(body, dialect) in (None, *body)
    elif kind == "rename":
        done = adapted(with_field(body, field, OTHER), dialect).body
        assert field not in done
        moved_on = at(done, said)
        assert moved_on == OTHER or (tuple(said.split(".")) in dialect.allows | dialect.sets)
    elif kind == "drops":
        done = adapted(with_field(body, before(field, dialect), OTHER), dialect)
        assert at(done.body, field) is None
        assert field in done.lost
    elif kind == "allows":
        done = adapted(with_field(body, before(field, dialect), OTHER), dialect)
        assert field in [one.field for one in done.altering]
        for value in said:
            same = adapted(with_field(body, before(field, dialect), value), dialect)
            assert field not in [one.field for one in same.altering]
    elif kind == "clamps":
        for bound, beyond in ((said.at_least, -1), (said.at_most, 1)):
            if bound is not None:
                done = adapted(with_field(body, before(field, dialect), bound + beyond), dialect)
                assert at(done.body, field) == bound
                assert (field in [one.field for one in done.altering]) is said.alters
    elif kind == "defaults":
        assert at(adapted(body, dialect).body, field) == said
        kept = adapted(with_field(body, before(field, dialect), said), dialect)
        assert at(kept.body, field) == said
    else:
        assert at(adapted(with_field(body, field, OTHER), dialect).body, field) == said


def test_the_catalogue_states_many() -> None:
    kinds = {kind for _, _, kind, *_ in ALL}
    assert kinds >= {"refuses", "rename", "drops", "allows", "clamps", "sets"}
    assert len(ALL) > 200
