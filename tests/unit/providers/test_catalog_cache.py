"""What the catalogue says of prompt caches: laid over one another, refused where it makes no sense."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

import pytest

from providers import catalog
from providers.catalog import CatalogError
from providers.catalog_facts import host_facts, model_facts
from providers.host import Cache
from providers.wires.registry import WIRES

HOST = """\
    id: keeper
    name: A host that keeps prompts
    kind: hosted
    auth: {kind: bearer, env: KEEPER_API_KEY}
    wires: {chat: /chat/completions, responses: /responses}
    operator:
      company: {is: {name: Keeper AS, countries: ['NO']}, source: [site]}
      parent: {is: none, source: [site]}
    cache:
      lifetime_minutes: {is: 5, source: [site]}
      least_tokens: {is: 1024, source: [site]}
      by_itself: {is: true, source: [site]}
      hints: {is: {chat: {header: x-talk}, responses: {field: talk}}, source: [site]}
    place:
      processed_in: {is: ['NO'], source: [site]}
      trains_on_data: {is: never, source: [site]}
      retention_days: {is: unknown}
      zdr: {is: unknown}
    default_endpoint: north
    endpoints:
      north:
        base_url: {is: 'https://api.keeper.example/v1', source: [site]}
        models:
          slow: {cache: {lifetime_minutes: {is: 60, source: [site]}}}
    models:
      slow:
        <<: &open
          maker: {is: unknown}
          weights: {is: unknown}
          licence: {is: unknown}
          context: {is: unknown}
          max_output: {is: unknown}
        cache:
          lifetime_minutes: {is: 30, source: [site], note: half an hour}
          long_lifetime_minutes: {is: 720, source: [site]}
          charges_writes: {is: true, source: [site]}
      vague:
        <<: *open
        cache: {lifetime_minutes: {is: unknown, source: [site], note: not said}}
      away: {<<: *open, remote: {is: true, source: [site]}}
    sources:
      site: {url: 'https://keeper.example/docs', date: '2026-11-20'}
"""


def load(folder: Path, old: str = "", new: str = "") -> catalog.Catalog:
    text = dedent(HOST)
    if old:
        assert old in text
        text = text.replace(old, new)
    (folder / "keeper.yaml").write_text(text, encoding="utf-8")
    return catalog.load(folder)


def test_a_models_facts_stand_above_its_hosts_one_by_one(tmp_path: Path) -> None:
    host = load(tmp_path).hosts["keeper"]
    slow, other = host.model("slow").cache, host.cache
    assert isinstance(slow, Cache)
    assert isinstance(other, Cache)
    assert (other.lifetime_s, other.long_lifetime_s, other.charges_writes) == (300.0, None, False)
    assert (slow.lifetime_s, slow.long_lifetime_s, slow.charges_writes) == (1800.0, 43200.0, True)
    assert (slow.least_tokens, slow.by_itself) == (1024, True)
    assert dict(slow.hint_fields) == {"responses": "talk"}
    assert dict(slow.hint_headers) == {"chat": "x-talk"}
    assert "half an hour" in slow.evidence
    north = load(tmp_path).at("keeper", "north").model("slow").cache
    assert north is not None
    assert (north.lifetime_s, north.long_lifetime_s) == (3600.0, 43200.0)
    assert "https://keeper.example/docs · 2026-11-20" in slow.evidence


def test_unknown_is_unknown_and_a_model_elsewhere_has_no_cache_of_here(tmp_path: Path) -> None:
    host = load(tmp_path).hosts["keeper"]
    vague = host.model("vague").cache
    assert vague is not None
    assert vague.lifetime_s is None
    assert host.model("away").cache is None


def test_a_hint_is_a_field_or_a_header(tmp_path: Path) -> None:
    with pytest.raises(CatalogError, match="one of `field` and `header`"):
        _ = load(tmp_path, "{header: x-talk}", "{header: x-talk, field: talk}").hosts["keeper"]


def test_a_hint_on_a_wire_that_is_not_spoken_there_is_never_given(tmp_path: Path) -> None:
    # A file like another one takes the hints of its wires, of which it may speak fewer.
    host = load(tmp_path, "responses: {field: talk}", "messages: {field: talk}").hosts["keeper"]
    assert "messages" not in host.dialects


def test_they_are_told_like_other_facts(tmp_path: Path) -> None:
    written = load(tmp_path).written("keeper")
    told = {fact.name: fact for fact in host_facts(written)}
    assert told["cache lifetime_minutes"].said == "5"
    assert told["cache hints"].said == "chat header x-talk, responses field talk"
    assert {fact.name for fact in model_facts(written, "north", "slow")} >= {"cache charges_writes"}


def test_no_built_in_host_is_given_a_hint_that_it_refuses() -> None:
    asked = 0
    for host in catalog.builtin().hosts.values():
        caches = [(None, host.cache), *((model, model.cache) for model in host.models.values())]
        for model, cache in caches:
            for wire, field in cache.hint_fields.items() if cache is not None else ():
                dialect = host.dialect_of(model, wire) if model is not None else host.dialects[wire]
                assert field not in dialect.refuses, (host.id, model and model.id)
                assert wire in WIRES
                asked += 1
    assert asked
