"""Several keys of one provider: each an endpoint with limits of its own, none of them shown."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from gateway.config_file import Loaded, read
from gateway.plan_windows import bought
from gateway.problems import ConfigError
from gateway.setup import Setup, compile_setup

Config = Callable[..., Path]
HASH_CHARS = 12


def loaded(tmp_config: Config, providers: Mapping[str, Any], **env: str) -> Loaded:
    return read(tmp_config({"policy": {"rules": []}, "providers": dict(providers)}), env)


def setup_of(tmp_config: Config, **providers: Any) -> Setup:
    return compile_setup(loaded(tmp_config, providers))


def sent(setup: Setup, name: str) -> list[str]:
    return [at.headers["chat"]["Authorization"] for at in setup.providers[name].endpoints]


def test_each_key_is_an_endpoint_of_its_own(tmp_config: Config) -> None:
    keys = ["sk-one\n", " sk-two", "sk-one", ""]
    setup = setup_of(tmp_config, p={"catalog": "deepseek", "api_keys": keys})
    assert sent(setup, "p") == ["Bearer sk-one", "Bearer sk-two"]
    owner = setup.providers["p"]
    assert owner.endpoint is owner.endpoints[0]
    assert not owner.available
    route = setup.route("p/deepseek-flash")
    assert route.endpoints is owner.endpoints
    assert len({route.quota(at) for at in route.endpoints}) == 2


def test_a_target_has_the_key_of_its_endpoint(tmp_config: Config) -> None:
    setup = setup_of(tmp_config, p={"catalog": "deepseek", "api_keys": ["sk-one", "sk-two"]})
    one, two = setup.providers["p"].endpoints
    assert one.target("chat", "m").headers["Authorization"] == "Bearer sk-one"
    assert two.target("chat", "m").headers["Authorization"] == "Bearer sk-two"


def test_one_key_at_two_providers_is_one_quota_group(tmp_config: Config) -> None:
    setup = setup_of(
        tmp_config,
        a={"catalog": "openai", "api_key": "sk-same"},
        b={"catalog": "openai", "endpoint": "eu", "api_keys": ["sk-other", "sk-same"]},
        c={"catalog": "deepseek", "api_key": "sk-same"},
        named={"catalog": "openai", "api_key": "sk-third", "quota": "shared"},
        too={"catalog": "deepseek", "api_keys": ["sk-4", "sk-5"], "quota": "shared"},
        home={"catalog": "llama-cpp", "base_url": "http://127.0.0.1:1"},
    )
    group = {name: [at.quota for at in one.endpoints] for name, one in setup.providers.items()}
    assert group["a"] == group["b"][1:]
    assert group["b"][0] != group["a"][0]
    assert group["c"] != group["a"], "another host, another limit"
    assert group["named"] == ["shared"]
    assert group["too"] == ["shared", "shared"]
    assert group["home"] == ["home"]


def test_the_name_of_a_group_tells_nothing_of_the_key(tmp_config: Config) -> None:
    provider = {"catalog": "openai", "api_key": "sk-canary-0123456789"}
    (at,) = setup_of(tmp_config, p=provider).providers["p"].endpoints
    again = setup_of(tmp_config, p=provider).providers["p"].endpoint
    prefix, host, digest = at.quota.split(":")
    assert (prefix, host, len(digest)) == ("quota", "openai", HASH_CHARS)
    assert again.quota == at.quota, "a reload does not forget who cools"
    assert "canary" not in f"{at!r}{at.quota}"


def test_limits_are_shared_unless_the_catalogue_knows_better(tmp_config: Config) -> None:
    setup = setup_of(
        tmp_config,
        own={"catalog": "anthropic", "api_key": "x"},
        shared={"catalog": "moonshot", "api_key": "x"},
        unknown={"catalog": "mistral", "api_key": "x"},
    )
    shares = {name: setup.route(f"{name}/m").shares_limits for name in setup.providers}
    assert shares == {"own": False, "shared": True, "unknown": True}
    one, two = setup.route("own/m"), setup.route("own/n")
    assert one.quota(one.endpoint) != two.quota(two.endpoint)


def test_a_key_that_is_not_set_is_left_out_and_the_others_work(tmp_config: Config) -> None:
    provider = {"catalog": "deepseek", "api_keys": ["${ONE}", "${TWO}"]}
    found = loaded(tmp_config, {"p": provider}, TWO="sk-two")
    assert sent(compile_setup(found), "p") == ["Bearer sk-two"]
    assert not compile_setup(found).providers["p"].available
    assert found.missing == {}
    told = [p.what for p in found.warnings if "ONE" in p.what]
    assert told == ["ONE is not set, so provider 'p' has one key less"]


def test_without_any_of_them_the_provider_cannot_be_called(tmp_config: Config) -> None:
    provider = {"catalog": "deepseek", "api_keys": ["${ONE}", "${TWO}"]}
    found = compile_setup(loaded(tmp_config, {"p": provider})).providers["p"]
    assert found.available == "ONE, TWO are not set in the environment"
    assert len(found.endpoints) == 1


@pytest.mark.parametrize(
    ("provider", "what"),
    [
        ({"api_key": "a", "api_keys": ["b"]}, "has both api_key and api_keys"),
        ({"api_keys": ["a", "b c"]}, "holds spaces or signs that no key has"),
        ({"api_key": "a", "tier": "pro"}, "deepseek is no plan, so it has no tiers"),
    ],
)
def test_what_cannot_be(tmp_config: Config, provider: dict[str, Any], what: str) -> None:
    with pytest.raises(ConfigError, match=what):
        loaded(tmp_config, {"p": {"catalog": "deepseek", **provider}})


def test_a_plans_tier_is_one_of_its_own(tmp_config: Config) -> None:
    plan = {"catalog": "tencent-coding", "api_key": "x"}
    with pytest.raises(ConfigError, match=r"has no tier 'lyte', did you mean .*lite"):
        loaded(tmp_config, {"p": {**plan, "tier": "lyte"}})
    assert loaded(tmp_config, {"p": {**plan, "tier": "lite"}}).config.providers["p"].tier == "lite"


def test_windows_are_counted_where_the_tier_is_named(tmp_config: Config) -> None:
    plan = {"catalog": "tencent-coding", "terms": "allowed by letter"}
    setup = setup_of(
        tmp_config,
        one={**plan, "api_key": "x", "tier": "lite"},
        two={**plan, "api_keys": ["y", "z"], "tier": "lite"},
        untold={**plan, "api_key": "x"},
        none={"catalog": "deepseek", "api_key": "x"},
    )
    found = bought(setup.providers)
    assert {name: tier.times for name, tier in found.items()} == {"one": 1, "two": 2}
    windows = found["one"].tier.windows
    assert windows is not None
    assert [(one.per, one.unit, one.amount) for one in windows] == [
        ("5h", "requests", 1200),
        ("7d", "requests", 9000),
        ("1month", "requests", 18000),
    ]
