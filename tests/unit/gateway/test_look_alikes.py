"""Three hosts that look alike, told apart by one policy; and how old the facts may be."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from gateway.config_file import read
from gateway.setup import Setup, compile_setup
from routing.facts import RequestFacts
from tests.running import config

# A US cloud in Frankfurt, a Chinese lab's company in Singapore, a US host of Chinese open weights.
PROVIDERS = {
    "frankfurt": {"catalog": "amazon-bedrock", "endpoint": "eu-central-1", "api_key": "k"},
    "singapore": {"catalog": "zai", "endpoint": "international", "api_key": "k"},
    "us-host": {"catalog": "together-ai", "api_key": "k"},
    "home": {
        "catalog": "vllm",
        "base_url": "http://127.0.0.1:9/v1",
        "models": {"glm": {"family": "glm-5.2"}},
    },
}
MODELS = {
    "frankfurt": "eu.anthropic.claude-sonnet-4-6",
    "singapore": "glm-5.2",
    "us-host": "zai-org/GLM-5.2",
    "home": "glm",
}


@pytest.fixture
def allowed(tmp_path: Path) -> Callable[..., set[str]]:
    def which(**rule: Any) -> set[str]:
        policy = {"labels": ["public"], "rules": [{"name": "the rule", **rule}]}
        setup = setup_of(tmp_path, policy)
        asked = RequestFacts("public", "none", "local", frozenset(), "m")
        return {
            name
            for name, model in MODELS.items()
            if setup.policy.judge(asked, setup.route(f"{name}/{model}").facts).allowed
        }

    return which


def setup_of(folder: Path, policy: dict[str, Any]) -> Setup:
    path = config(folder, providers=PROVIDERS, policy=policy,
                  models={name: [f"{name}/{model}"] for name, model in MODELS.items()})  # fmt: skip
    return compile_setup(read(path, {}))


def test_who_runs_the_machines(allowed: Callable[..., set[str]]) -> None:
    # Frankfurt under a US parent is US law; a company in Singapore with a parent in China is both.
    assert allowed(forbid={"operator": ["US"]}) == {"singapore", "home"}
    assert allowed(forbid={"operator": ["CN"]}) == {"frankfurt", "us-host", "home"}
    assert allowed(forbid={"operator": ["SG"]}) == {"frankfurt", "us-host", "home"}
    assert allowed(require={"operator": ["US", "home"]}) == {"frankfurt", "us-host", "home"}


def test_who_made_the_weights_is_another_question(allowed: Callable[..., set[str]]) -> None:
    assert allowed(forbid={"maker": ["CN"]}) == {"frankfurt"}
    assert allowed(forbid={"maker": ["US"]}) == {"singapore", "us-host", "home"}


def test_where_it_runs_is_a_third(allowed: Callable[..., set[str]]) -> None:
    assert allowed(require={"processed_in": ["EEA", "home"]}) == {"frankfurt", "home"}
    assert allowed(require={"processed_in": ["SG"]}) == set(), "'generally' is no promise"


def test_open_weights_of_china_stay_usable_at_home(allowed: Callable[..., set[str]]) -> None:
    rule = {"operator": ["EEA", "CH", "home"], "processed_in": ["EEA", "CH", "home"]}
    assert allowed(require=rule) == {"home"}


def test_every_one_of_these_facts_has_a_source_and_a_date(tmp_path: Path) -> None:
    setup = setup_of(tmp_path, {"labels": ["public"]})
    for name, model in MODELS.items():
        facts = setup.route(f"{name}/{model}").facts
        for fact in ("maker", "operator", "processed_in"):
            assert " · " in facts.evidence[fact], (name, fact)


def test_facts_may_be_too_old(allowed: Callable[..., set[str]], tmp_path: Path) -> None:
    def ask(days: int) -> dict[str, Any]:
        return {"require": {"facts_age_days": {"at_most": days}}}

    assert "home" in allowed(**ask(30_000))
    assert not allowed(**ask(0)) & {"frankfurt", "singapore", "us-host"}
    setup = setup_of(tmp_path, {"labels": ["public"]})
    facts = setup.route("singapore/glm-5.2").facts
    oldest = min(day for day in facts.confirmed.values() if day is not None)
    assert None not in facts.confirmed.values()
    assert facts.facts_age_days == (datetime.now(UTC).date() - oldest) / timedelta(days=1)
    assert "singapore" in allowed(**ask(facts.facts_age_days))
    assert "singapore" not in allowed(**ask(facts.facts_age_days - 1))
