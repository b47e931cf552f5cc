"""The cases that this gateway is for, by name, over the catalogue's own entries."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gateway.config_file import read
from gateway.proving import prove
from gateway.setup import Setup, compile_setup
from routing.facts import RequestFacts
from routing.policy import Verdict
from tests.running import config

PROVIDERS: dict[str, dict[str, Any]] = {
    "frankfurt": {"catalog": "amazon-bedrock", "endpoint": "eu-central-1", "api_key": "k"},
    "paris": {"catalog": "scaleway", "api_key": "k"},
    "home": {
        "catalog": "vllm",
        "base_url": "http://127.0.0.1:9/v1",
        "models": {"qwen": {"family": "glm-5.2"}},
    },
    "mistral": {"endpoint": "eu", "api_key": "k"},
    "opted-out": {
        "catalog": "mistral",
        "endpoint": "eu",
        "api_key": "k",
        "facts": {"trains_on_data": "never"},
    },
    "deepseek": {"api_key": "k"},
}
FRANKFURT = "frankfurt/eu.anthropic.claude-sonnet-4-6"
CHINESE_AT_HOME = "home/qwen"
MISTRAL = "mistral-small-2603"

Judge = Callable[..., Verdict]


def setup_of(folder: Path, *routes: str, **policy: Any) -> Setup:
    used = {name: PROVIDERS[name] for name in dict.fromkeys(r.partition("/")[0] for r in routes)}
    path = config(folder, providers=used, policy=policy, models={"m": list(routes)})
    return compile_setup(read(path, {}))


@pytest.fixture
def judge(tmp_path: Path) -> Judge:
    """``judge(route, forbid={...})``: what one rule says of a route of the catalogue."""

    def verdict(route: str, **rule: Any) -> Verdict:
        setup = setup_of(tmp_path, route, rules=[{"name": "the rule", **rule}])
        asked = RequestFacts("public", "none", "local", frozenset(), "m")
        return setup.policy.judge(asked, setup.route(route).facts)

    return verdict


def test_frankfurt_run_by_a_us_parent_is_refused_by_forbid_operator_us(judge: Judge) -> None:
    refused = judge(FRANKFURT, forbid={"operator": ["US"]})
    assert (refused.allowed, refused.rule, refused.fact) == (False, "the rule", "operator")
    assert "US" in refused.value
    assert refused.evidence


def test_frankfurt_run_by_a_us_parent_is_not_refused_for_where_it_stands(judge: Judge) -> None:
    assert judge(FRANKFURT, require={"processed_in": ["EEA"]}).allowed
    assert not judge(FRANKFURT, require={"operator": ["EEA"]}).allowed


def test_open_chinese_weights_at_home_are_allowed_where_operator_cn_is_forbidden(
    judge: Judge,
) -> None:
    assert judge(CHINESE_AT_HOME, forbid={"operator": ["CN"]}).allowed


def test_open_chinese_weights_at_home_are_refused_where_maker_cn_is_forbidden(
    judge: Judge,
) -> None:
    refused = judge(CHINESE_AT_HOME, forbid={"maker": ["CN"]})
    assert (refused.allowed, refused.fact, refused.value) == (False, "maker", "CN")


def test_a_host_that_trains_unless_told_not_to_is_refused_unless_opted_out_is_declared(
    judge: Judge,
) -> None:
    never = {"trains_on_data": "never"}
    refused = judge(f"mistral/{MISTRAL}", require=never)
    assert (refused.allowed, refused.fact) == (False, "trains_on_data")
    assert refused.value in ("opt_out", "by_default")
    assert judge(f"opted-out/{MISTRAL}", require=never).allowed


def test_a_host_that_trains_by_default_cannot_be_argued_into_a_rule_by_a_request(
    judge: Judge,
) -> None:
    refused = judge("deepseek/deepseek-flash", require={"trains_on_data": "never"})
    assert (refused.allowed, refused.fact) == (False, "trains_on_data")


def test_check_proves_that_personal_data_stays_in_europe_or_at_home_on_every_fallback(
    tmp_path: Path,
) -> None:
    rule = {
        "name": "personal data stays in Europe or at home",
        "when": {"label_at_least": "personal"},
        "require": {"operator": ["EEA", "CH", "home"], "processed_in": ["EEA", "CH", "home"]},
    }
    promise = {"given": {"label": ["personal", "secret"]}, "never": {"operator": ["US", "CN"]}}
    routes = (FRANKFURT, f"mistral/{MISTRAL}", "deepseek/deepseek-flash", CHINESE_AT_HOME)
    assert prove(setup_of(tmp_path, *routes, rules=[rule], expect=[promise])).holds
    without = prove(setup_of(tmp_path, *routes, rules=[], expect=[promise]))
    assert "label personal, model m: frankfurt/" in without.findings[0].counter_example
