"""What stands behind a fact, in words and as a day: its sources, its note, who says otherwise."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from types import MappingProxyType
from typing import Any

from providers import fact_age
from providers.catalog_values import UNKNOWN, Fact, Form, SourceForm
from providers.source import Source

Sources = Mapping[str, Source]


def sources_of(forms: Mapping[str, SourceForm]) -> Sources:
    """Return a file's table of sources, frozen."""
    return MappingProxyType({key: Source(source.url, source.date) for key, source in forms.items()})


def value(fact: Fact[Any] | None) -> Any:
    """Return what a fact says; None where there is none, or where it is unknown."""
    return fact.value if fact else None


def told(fact: Fact[Any], sources: Sources) -> str:
    """Return a fact with its sources, its note and what others say, in one line."""
    parts = [words(fact.value), _said_by(fact.source, sources)]
    if fact.note:
        parts.append(fact.note)
    parts += [
        f"but {words(claim.value)} · {_said_by(claim.source, sources)}"
        + (f" · {claim.note}" if claim.note else "")
        for claim in fact.conflict
    ]
    return " · ".join(part for part in parts if part)


def day(fact: Fact[Any], sources: Sources) -> date | None:
    """Return the day on which a fact was last confirmed; None where its sources have none."""
    return fact_age.newest(sources[key].date for key in fact.source)


def words(value: Any) -> str:
    """Return the value of a fact for people."""
    if value is None:
        return UNKNOWN
    if isinstance(value, list):
        return ", ".join(words(item) for item in value)
    if isinstance(value, Form):
        said = value.model_dump(exclude_none=True)
        name, countries = said.pop("name", ""), said.pop("countries", None)
        if name:
            return f"{name} ({', '.join(countries) if countries else UNKNOWN})"
        return ", ".join(f"{key} {item}" for key, item in said.items() if item != [])
    return str(value)


def _said_by(keys: list[str], sources: Sources) -> str:
    return "; ".join(f"{sources[key].url} · {sources[key].date}" for key in keys)
