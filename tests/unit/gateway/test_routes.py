"""What is known of a route: the endpoint's facts, as long as the address is the endpoint's."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from gateway.config_file import read
from gateway.problems import ConfigError
from gateway.setup import Setup, compile_setup

Config = Callable[..., Path]
OWN = {"operator": ["DE"], "processed_in": ["DE"]}


def setup_of(tmp_config: Config, provider: dict[str, Any]) -> Setup:
    path = tmp_config({"policy": {"rules": []}, "providers": {"p": provider}})
    return compile_setup(read(path, {}))


def test_a_hosts_facts_do_not_follow_its_name_to_another_address(tmp_config: Config) -> None:
    mistral = {"catalog": "mistral", "endpoint": "eu", "api_key": "x"}
    facts = setup_of(tmp_config, mistral).route("p/mistral-small-2603").facts
    assert (facts.operator, facts.maker) == ({"FR"}, {"FR"})
    moved = {**mistral, "base_url": "https://models.example.com/v1"}
    facts = setup_of(tmp_config, moved).route("p/mistral-small-2603").facts
    assert (facts.operator, facts.processed_in, facts.trains_on_data) == (None, None, None)
    assert facts.maker == {"FR"}, "who trained the weights is no matter of the address"
    assert "not the host's own" in facts.evidence["operator"]
    stated = {**moved, "facts": OWN}
    facts = setup_of(tmp_config, stated).route("p/mistral-small-2603").facts
    assert (facts.operator, facts.trains_on_data) == ({"DE"}, None)


def test_a_hosted_provider_at_a_private_address_has_to_be_declared(tmp_config: Config) -> None:
    inside = {"catalog": "openai", "api_key": "x", "base_url": "http://10.1.2.3/v1"}
    with pytest.raises(ConfigError, match="does not run on this machine or its network"):
        setup_of(tmp_config, inside)
    assert setup_of(tmp_config, {**inside, "facts": OWN}).route("p/m").facts.operator == {"DE"}


def test_a_server_at_home_is_at_home_only_at_a_private_address(tmp_config: Config) -> None:
    home = {"catalog": "ollama", "base_url": "http://127.0.0.1:11434"}
    assert setup_of(tmp_config, home).route("p/qwen").facts.operator == {"home"}
    cloud = setup_of(tmp_config, {**home, "facts": {"operator": ["home"]}}).route("p/big-cloud")
    assert cloud.facts.operator is None, "it runs elsewhere, whatever is stated of this machine"
    away = setup_of(tmp_config, {**home, "base_url": "https://ollama.example.com"}).route("p/qwen")
    assert away.facts.processed_in is None


def test_a_regional_price_and_one_by_the_hour(tmp_config: Config) -> None:
    price = {"input": "1", "output": "2", "source": "t", "date": "2026-11-25"}
    eu = {"catalog": "mistral", "endpoint": "eu", "api_key": "x"}
    listed = setup_of(tmp_config, eu).route("p/mistral-small-2603").prices
    assert listed is not None
    assert listed.bands[0][1].input == Decimal("0.165"), "0.15 and the regional tenth"
    own = setup_of(tmp_config, {**eu, "prices": {"m": price}}).route("p/m").prices
    assert own is not None
    assert own.bands[0][1].input == Decimal(1), "a stated price is what is paid"
    home = {
        "catalog": "vllm",
        "base_url": "http://127.0.0.1:8000",
        "watts": 200,
        "usd_per_kwh": 0.5,
    }
    route = setup_of(tmp_config, home).route("p/m")
    assert (route.prices, route.usd_per_hour) == (None, Decimal("0.1"))
