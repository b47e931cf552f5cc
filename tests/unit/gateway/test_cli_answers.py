"""What `check` and `explain` say of a config."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gateway.auth import key_hash
from tests.unit.gateway.commands import entrepot, own_process, told

Config = Callable[..., Path]
POLICY: dict[str, Any] = {
    "labels": ["public", "personal", "secret"],
    "rules": [
        {
            "name": "personal data stays in Europe",
            "when": {"label_at_least": "personal"},
            "require": {"operator": ["EEA", "home"], "processed_in": ["EEA", "CH", "home"]},
        },
        {"name": "tags cost", "when": {"tag": "batch"}, "prefer": "cheapest"},
        {
            "name": "no wonders",
            "when": {"tag": "capped"},
            "require": {"request_usd": {"at_most": 1}},
        },
    ],
    "expect": [{"given": {"label": "personal"}, "never": {"operator": ["US", "CN"]}}],
}
WHOLE: dict[str, Any] = {
    "policy": POLICY,
    "providers": {
        "home": {"catalog": "vllm", "base_url": "http://127.0.0.1:8000"},
        "mistral": {"endpoint": "eu", "api_key": "sk-canary-1"},
        "openai": {"api_key": "sk-canary-2"},
        "deepseek": {"api_key": "${DEEPSEEK_API_KEY}"},
    },
    "models": {
        "assistant": ["mistral/mistral-small-2603", "openai/gpt-6-luna", "deepseek/deepseek-flash"],
        "own": {"routes": ["home/mine"], "prefer": "cheapest"},
        "odd": ["openai/never-heard-of"],
        "gpt-*": "assistant",
    },
    "keys": [
        {"name": "ci", "hash": key_hash("a"), "team": "platform", "label": "personal"},
        {"name": "narrow", "hash": key_hash("b"), "models": ["own"]},
    ],
}


@pytest.fixture
def path(tmp_config: Config) -> Path:
    """A config with two paid hosts, one without its key, and a server at home."""
    return tmp_config(WHOLE)


def with_expect(*expect: dict[str, Any]) -> dict[str, Any]:
    """The config with other promises."""
    return {**WHOLE, "policy": {**POLICY, "expect": list(expect)}}


def test_check_tells_addresses_keys_and_what_is_unknown(path: Path) -> None:
    shown = entrepot("check", "--config", path)
    assert shown.exit_code == 0
    lines = shown.stdout.splitlines()
    by_provider = {line.split()[0]: line for line in lines if line and not line.startswith(" ")}
    assert "https://api.eu.mistral.ai/v1/chat/completions  set" in by_provider["mistral"]
    assert "http://127.0.0.1:8000/v1/chat/completions" in by_provider["home"]
    assert "not needed" in by_provider["home"]
    assert "not set (DEEPSEEK_API_KEY)" in by_provider["deepseek"]
    assert any(f"{path}:" in line and "DEEPSEEK_API_KEY is not set" in line for line in lines)
    assert "  openai/never-heard-of" in lines, "its price is unknown"
    assert any("no route may answer 'odd' under label personal, secret" in line for line in lines)
    assert any("holds" in line and "operator" in line for line in lines)


def test_check_as_json_says_the_same(path: Path) -> None:
    found = told("check", "--config", path)
    assert found["good"] is True
    assert found["unpriced"] == ["openai/never-heard-of"]
    providers = {provider["name"]: provider for provider in found["providers"]}
    assert providers["deepseek"]["key"] == "not set (DEEPSEEK_API_KEY)"
    assert providers["deepseek"]["why_not"] == "DEEPSEEK_API_KEY is not set in the environment"
    assert providers["mistral"]["why_not"] is None
    assert found["proof"]["holds"] is True


def test_check_fails_with_a_counter_example_where_a_promise_is_broken(tmp_config: Config) -> None:
    path = tmp_config(with_expect({"given": {"label": "public"}, "never": {"operator": ["CN"]}}))
    shown = entrepot("check", "--config", path)
    assert shown.exit_code == 1
    assert "BROKEN" in shown.stdout
    assert "deepseek/" in shown.stdout
    assert told("check", "--config", path)["good"] is False


def test_check_knows_that_clients_may_name_any_model(tmp_config: Config) -> None:
    # Nothing in the config is made in China, but the host in Europe serves such models too.
    promise = {"given": {"label": "personal"}, "never": {"maker": ["CN"]}}
    config = with_expect(promise)
    config["models"] = {"assistant": ["mistral/mistral-small-2603"]}
    config["providers"] = {"mistral": WHOLE["providers"]["mistral"]}
    shown = entrepot("check", "--config", tmp_config(config))
    assert shown.exit_code == 1
    assert "model mistral/" in shown.stdout


def test_who_is_first_is_about_the_names_of_the_config(tmp_config: Config) -> None:
    # Somebody who asks for openai/gpt-6-luna has chosen: that breaks no promise on an order.
    for first, code in (("mistral/mistral-small-2603", 0), ("openai/gpt-6-luna", 1)):
        policy = {"labels": ["public"], "expect": [{"given": {"label": "public"}, "first": first}]}
        config = {**WHOLE, "policy": policy, "keys": []}
        config["models"] = {"assistant": WHOLE["models"]["assistant"]}
        assert entrepot("check", "--config", tmp_config(config)).exit_code == code


def test_check_reads_another_folder_from_anywhere(tmp_config: Config, tmp_path: Path) -> None:
    tmp_config(POLICY, name="policy.yaml")
    path = tmp_config({**WHOLE, "policy": "policy.yaml"})
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    done = own_process("check", "--config", path, folder=elsewhere)
    assert done.returncode == 0, done.stderr


def test_a_mistake_in_the_policy_names_the_policy(tmp_config: Config) -> None:
    policy = tmp_config(
        "labels: [a]\nrules:\n  - {name: r, require: {operatr: [FR]}}\n", "policy.yaml"
    )
    shown = entrepot("check", "--config", tmp_config({**WHOLE, "policy": "policy.yaml"}))
    assert shown.exit_code == 2
    assert any(line.startswith(f"{policy}:3: ") for line in shown.stderr.splitlines())


def test_explain_gives_routes_in_order_and_the_rule_that_keeps_others_out(path: Path) -> None:
    shown = entrepot("explain", "assistant", "--label", "personal", "--config", path)
    assert shown.exit_code == 0
    (first,) = (line for line in shown.stdout.splitlines() if line.startswith("  1."))
    assert "mistral/mistral-small-2603: listed at place 1" in first
    found = told("explain", "assistant", "--label", "personal", "--config", path)
    kept_out = {route["route"]: route for route in found["routes"] if not route["admitted"]}
    luna = kept_out["openai/gpt-6-luna"]
    assert (luna["why"], luna["rule"]) == ("policy", "personal data stays in Europe")
    assert luna["fact"] == "operator"
    assert luna["value"] == "US"
    assert "2026" in luna["source"], "source and date"


def test_explain_says_what_is_not_available(path: Path) -> None:
    found = told("explain", "assistant", "--config", path)
    last = found["routes"][-1]
    assert (last["route"], last["why"]) == ("deepseek/deepseek-flash", "unavailable")
    assert "DEEPSEEK_API_KEY" in last["reason"]


def test_explain_takes_the_place_of_a_key(path: Path) -> None:
    found = told("explain", "assistant", "--key", "ci", "--config", path)
    assert (found["key"], found["team"], found["label"]) == ("ci", "platform", "personal")
    lower = told("explain", "assistant", "--key", "ci", "--label", "public", "--config", path)
    assert lower["label"] == "personal", "a label is never lowered"
    assert told("explain", "own", "--team", "x", "--config", path)["team"] == "x"


def test_explain_minds_tags_and_preferences(path: Path) -> None:
    tagged = told("explain", "assistant", "--tag", "batch", "--tag", "b", "--config", path)
    assert tagged["tags"] == ["b", "batch"]
    assert tagged["prefer"] == "cheapest"
    asked = told("explain", "assistant", "--prefer", "cheapest", "--config", path)
    names = [route["route"] for route in asked["routes"] if route["admitted"]]
    assert names == ["openai/gpt-6-luna", "mistral/mistral-small-2603"]


def test_explain_counts_what_an_answer_may_cost(path: Path) -> None:
    ask = ("explain", "openai/gpt-6-astra", "--tag", "capped", "--config", path)
    assert entrepot(*ask, "--max-tokens", "100").exit_code == 0
    dear = entrepot(*ask, "--max-tokens", "100000")
    assert dear.exit_code == 1
    assert "no wonders" in dear.stdout


def test_explain_without_a_route_is_not_so(path: Path) -> None:
    shown = entrepot("explain", "assistant", "--label", "secret", "--tag", "x", "--config", path)
    assert shown.exit_code == 0, "one host in Europe is left"
    refused = entrepot("explain", "odd", "--label", "secret", "--config", path)
    assert refused.exit_code == 1
    assert "no route may answer" in refused.stdout


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (("asistant",), 1, "did you mean 'assistant'?"),
        (("nowhere/x",), 1, "there is no model"),
        (("assistant", "--label", "persnal"), 2, "did you mean 'personal'?"),
        (("assistant", "--key", "cii"), 2, "did you mean 'ci'?"),
        (("assistant", "--key", "narrow"), 1, "may not use"),
        (("assistant", "--prefer", "best"), 2, "listed, cheapest"),
        (("assistant", "--max-tokens", "0"), 2, "max-tokens"),
        ((), 2, "MODEL"),
    ],
)
def test_explain_says_what_it_does_not_know(
    words: tuple[str, ...], code: int, says: str, path: Path
) -> None:
    shown = entrepot("explain", *words, "--config", path)
    assert shown.exit_code == code
    assert says in shown.stderr
    assert shown.stdout == ""
