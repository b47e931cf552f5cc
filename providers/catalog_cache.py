"""Freezes what the catalogue says of a host's cache of prompts."""

from __future__ import annotations

from types import MappingProxyType
from typing import Any

from providers.catalog_cache_form import CacheForm
from providers.catalog_evidence import Sources, told, value
from providers.catalog_values import Fact
from providers.host import Cache


def frozen_cache(host: CacheForm | None, own: CacheForm | None, sources: Sources) -> Cache | None:
    """Return the cache of a model: what is said of it over what its host says of all of them."""
    said: dict[str, Fact[Any]] = {}
    for form in (host, own):
        for name in CacheForm.model_fields if form is not None else ():
            if (fact := getattr(form, name)) is not None:
                said[name] = fact
    if not said:
        return None
    hints = value(said.get("hints")) or {}
    return Cache(
        lifetime_s=_seconds(said.get("lifetime_minutes")),
        least_tokens=value(said.get("least_tokens")),
        by_itself=bool(value(said.get("by_itself"))),
        long_lifetime_s=_seconds(said.get("long_lifetime_minutes")),
        charges_writes=bool(value(said.get("charges_writes"))),
        hint_fields=MappingProxyType({wire: one.field for wire, one in hints.items() if one.field}),
        hint_headers=MappingProxyType(
            {wire: one.header for wire, one in hints.items() if one.header}
        ),
        evidence="; ".join(
            f"{name} {told(fact, sources)}" for name, fact in said.items() if name != "hints"
        ),
    )


def _seconds(minutes: Fact[int] | None) -> float | None:
    known = value(minutes)
    return None if known is None else 60.0 * known
