"""A model's own operator decides policy, in the place of who runs the host that it is asked at."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gateway.config_file import read
from gateway.setup import Setup, compile_setup
from providers.catalog import builtin
from routing.facts import RequestFacts
from tests.running import config

PROVIDERS = {
    "router": {"catalog": "huggingface", "api_key": "k"},
    "hub": {"catalog": "t-systems", "api_key": "k"},
    "passing": {"catalog": "tencent", "endpoint": "mainland", "api_key": "k"},
    "abroad": {"catalog": "tencent", "endpoint": "international", "api_key": "k"},
    "agent": {"catalog": "perplexity", "api_key": "k"},
    "gateway": {"catalog": "opper", "api_key": "k"},
}
# Route -> the countries of all who have a hand in it; None: one of them is not known.
OPERATORS: dict[str, set[str] | None] = {
    "router/openai/gpt-oss-120b": None,
    "router/openai/gpt-oss-120b:fastest": None,
    "router/openai/gpt-oss-120b:groq": {"US"},
    "router/openai/gpt-oss-120b:ovhcloud": {"US", "FR"},
    "router/openai/gpt-oss-120b:scaleway": {"US", "FR"},
    "router/somebody/a-model:scaleway": {"US", "FR"},
    "router/zai-org/GLM-5.3:zai-org": {"US", "SG", "CN"},
    "router/zai-org/GLM-5.3:together": {"US"},
    "router/zai-org/GLM-5.3:nscale": None,
    "hub/gpt-oss-120b": {"DE"},
    "hub/gpt-4.1": {"DE", "US"},
    "hub/claude-sonnet-4": {"DE", "US"},
    "hub/a-model-of-nobody": None,
    "passing/hy4": {"CN"},
    "passing/deepseek/deepseek-flash": {"CN"},
    "passing/minimax/a-model": {"CN"},
    "passing/somebody/a-model": None,
    "abroad/deepseek/deepseek-flash": None,
    "agent/perplexity/sonar": {"US"},
    "agent/anthropic/claude-opus-5-5": {"US"},
    "agent/somebody/a-model": None,
    "gateway/mistral/a-model": {"SE", "FR"},
    "gateway/azure/gpt-5.2": {"SE", "US"},
    "gateway/somebody/a-model": None,
}


def setup_of(folder: Path, policy: dict[str, Any]) -> Setup:
    path = config(folder, providers=PROVIDERS, policy=policy,
                  models={f"m{at}": [name] for at, name in enumerate(OPERATORS)})  # fmt: skip
    return compile_setup(read(path, {}))


@pytest.fixture
def allowed(tmp_path: Path) -> Callable[..., set[str]]:
    """Return the routes that a rule lets through."""

    def which(**rule: Any) -> set[str]:
        setup = setup_of(tmp_path, {"labels": ["public"], "rules": [{"name": "it", **rule}]})
        asked = RequestFacts("public", "none", "local", frozenset(), "m")
        return {
            name for name in OPERATORS if setup.policy.judge(asked, setup.route(name).facts).allowed
        }

    return which


def test_the_operator_of_a_route_is_the_models(tmp_path: Path) -> None:
    setup = setup_of(tmp_path, {"labels": ["public"]})
    assert {name: setup.route(name).facts.operator for name in OPERATORS} == OPERATORS


def test_a_model_is_forbidden_by_whom_it_is_handed_on_to(
    allowed: Callable[..., set[str]],
) -> None:
    known = {name: who for name, who in OPERATORS.items() if who is not None}
    for country in ("CN", "US", "FR", "DE"):
        expected = {name for name, who in known.items() if country not in who}
        assert allowed(forbid={"operator": [country]}) == expected, "what is unknown never passes"


def test_one_host_answers_for_europe_with_some_models_only(
    allowed: Callable[..., set[str]],
) -> None:
    assert allowed(require={"operator": ["EEA"]}) == {"hub/gpt-oss-120b", "gateway/mistral/a-model"}


def test_what_a_host_hands_on_keeps_no_promise_of_place(tmp_path: Path) -> None:
    setup = setup_of(tmp_path, {"labels": ["public"]})
    own, theirs = (setup.route(f"hub/{name}").facts for name in ("gpt-oss-120b", "gpt-4.1"))
    assert own.processed_in == frozenset({"DE"})
    assert (own.trains_on_data, own.zdr) == ("never", "default")
    assert (theirs.processed_in, theirs.trains_on_data, theirs.zdr) == (None, None, None)


def test_an_operator_has_its_sources_and_a_day(tmp_path: Path) -> None:
    setup = setup_of(tmp_path, {"labels": ["public"]})
    facts = setup.route("router/openai/gpt-oss-120b:scaleway").facts
    assert "upstream Scaleway SAS (Iliad SA) (FR) · " in facts.evidence["operator"]
    assert facts.confirmed["operator"] is not None


def test_every_own_operator_of_the_catalogue_is_of_its_host() -> None:
    catalog = builtin()
    for host in catalog.hosts:
        form = catalog.written(host).form
        for said in form.models.values():
            if said.operator is not None:
                assert said.operator.company == form.operator.company
                assert said.operator.parent == form.operator.parent
                assert said.operator.upstream is not None, "else nothing is different"


def test_what_is_stated_of_a_provider_is_not_stated_of_who_runs_a_model_of_it(
    tmp_path: Path,
) -> None:
    stated = {"operator": ["DE"], "processed_in": ["DE"]}
    path = config(
        tmp_path,
        providers={"telekom": {"catalog": "t-systems", "api_key": "k", "facts": stated}},
        models={"m": ["telekom/gpt-5.2", "telekom/Llama-3.3-70B-Instruct"]},
    )
    setup = compile_setup(read(path, {}))
    theirs, own = (setup.route(name).facts for name in setup.config.models["m"].routes)
    assert theirs.operator is not None
    assert "US" in theirs.operator
    assert theirs.processed_in != {"DE"}
    assert own.operator == own.processed_in == {"DE"}
