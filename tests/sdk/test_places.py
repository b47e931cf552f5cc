"""A policy of "in Europe only" over the real catalogue: names that look European are no proof."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.running import running
from tests.unit.gateway.commands import told

RULE = {"name": "only in Europe", "require": {"processed_in": ["EEA", "CH"]}}
OPUS = "anthropic.claude-opus-5-5"
BEDROCK = {"catalog": "amazon-bedrock", "api_key": "sk-canary"}
VERTEX = {"catalog": "google-vertex", "api_key": "x"}
PROVIDERS: dict[str, Any] = {
    "bedrock": {**BEDROCK, "endpoint": "us-east-1"},
    "bedrock-eu": {**BEDROCK, "endpoint": "eu-central-1"},
    "vertex": {**VERTEX, "endpoint": "global"},
    "vertex-eu": {**VERTEX, "endpoint": "eu"},
    "mistral": {"api_key": "sk-canary"},
    "mistral-eu": {"catalog": "mistral", "endpoint": "eu", "api_key": "sk-canary"},
    "openai": {"api_key": "sk-canary"},
    "openai-eu": {"catalog": "openai", "endpoint": "eu", "api_key": "sk-canary"},
    "anthropic": {"api_key": "sk-canary"},
    "studio": {"catalog": "google-ai-studio", "api_key": "sk-canary"},
    "cohere": {"api_key": "sk-canary"},
}
HOSTS = {
    "vertex": "https://aiplatform.googleapis.com/v1/projects/p/locations/global",
    "vertex-eu": "https://aiplatform.eu.rep.googleapis.com/v1/projects/p/locations/eu",
}
# A profile "global" runs anywhere, even where the region it is asked in is European; the default
# host of a European company promises no place; an "eu" profile stays, whatever the region.
REFUSED = [
    f"bedrock/global.{OPUS}",
    f"bedrock-eu/global.{OPUS}",
    f"bedrock-eu/us.{OPUS}",
    "bedrock/amazon.nova-micro-v1:0",
    "bedrock-eu/global.amazon.nova-2-lite-v1:0",
    "bedrock-eu/global.anthropic.claude-never-heard-of",
    "vertex/gemini-4-argon",
    "mistral/mistral-large-4",
    "openai/gpt-6-luna",
    "anthropic/claude-sonnet-5-5",
    "studio/gemini-4-argon",
    "cohere/command-a-plus-05-2026",
]
ALLOWED = [
    f"bedrock/eu.{OPUS}",
    f"bedrock-eu/eu.{OPUS}",
    "bedrock-eu/amazon.nova-micro-v1:0",
    "vertex-eu/gemini-4-argon",
    "mistral-eu/mistral-large-4",
    "openai-eu/gpt-6-luna",
]


@pytest.fixture
def path(tmp_config: Callable[..., Path], tmp_path: Path) -> Path:
    """A config with all of them; none is ever called."""
    providers = {
        name: {**form, "base_url": HOSTS[name]} if name in HOSTS else form
        for name, form in PROVIDERS.items()
    }
    models = {"all": [*REFUSED, *ALLOWED], "none": REFUSED}
    return tmp_config(
        {
            "ledger": f"sqlite:///{tmp_path}/ledger.db",
            "journal": str(tmp_path / "journal"),
            "policy": {"labels": ["public"], "rules": [RULE]},
            "providers": providers,
            "models": models,
        }
    )


def test_the_plan_leaves_out_whoever_promises_no_place_in_europe(path: Path) -> None:
    found = told("explain", "all", "--config", path)
    admitted = [one["route"] for one in found["routes"] if one["admitted"]]
    out = [one for one in found["routes"] if not one["admitted"]]
    refused = {one["route"]: one for one in out if one["why"] == "policy"}
    assert list(refused) == REFUSED
    for one in refused.values():
        assert (one["rule"], one["fact"]) == ("only in Europe", "processed_in")
    # One that is allowed may still lack its credential.
    unavailable = [one["route"] for one in out if one["why"] == "unavailable"]
    assert sorted([*admitted, *unavailable]) == sorted(ALLOWED)
    assert len(admitted) >= 4


def test_a_call_is_refused_before_any_host_is_asked(path: Path) -> None:
    with running(path) as gateway:
        answer = gateway.chat(model="none")
        assert answer.status_code == 403
        error = answer.json()["error"]
        assert error["code"] == "policy_denied"
        assert "only in Europe" in error["message"]
        assert gateway.entries() == []
