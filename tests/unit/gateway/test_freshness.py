"""Old facts that decide, and hosts that have closed: said by `check`."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from gateway import freshness
from gateway.commands.reading import load_setup
from tests.unit.gateway.commands import entrepot, told

Config = Callable[..., Path]
OVERLAY = """\
id: mistral
sources:
  long-ago: {url: 'https://mistral.example/old', date: 'read AGO'}
  never-said: {url: 'https://mistral.example/map', date: 'a copy'}
operator:
  company: {is: {name: Mistral AI SAS, countries: [FR]}, source: [long-ago]}
endpoints:
  eu:
    processed_in: {is: [FR], source: [never-said]}
    trains_on_data: {is: never, source: [long-ago]}
""".replace("AGO", (datetime.now(UTC).date() - timedelta(days=400)).isoformat())
RULE = {"name": "europe", "when": {"label_at_least": "personal"}}
EUROPE = {**RULE, "require": {"operator": ["EEA"], "processed_in": ["EEA"]}}


@pytest.fixture
def with_rules(tmp_config: Config, tmp_path: Path) -> Callable[..., Path]:
    """Return the path of a config with rules, over a catalogue with facts of another age."""
    folder = tmp_path / "own"
    folder.mkdir()
    (folder / "mistral.yaml").write_text(OVERLAY)

    def config(*rules: dict[str, Any], **more: Any) -> Path:
        policy = {"labels": ["public", "personal"], "rules": list(rules)}
        mistral = {"endpoint": "eu", "api_key": "sk-canary"}
        return tmp_config({"catalog": ["own"], "policy": policy, "providers": {"mistral": mistral},
                           "models": {"a": ["mistral/mistral-small-2603"]}, **more})  # fmt: skip

    return config


def old(path: Path) -> dict[str, int | None]:
    """Return the facts that check warns of, with their age."""
    return {one.fact: one.age_days for one in freshness.old_facts(load_setup(path))}


def test_only_facts_that_decide_something_are_warned_of(with_rules: Callable[..., Path]) -> None:
    assert old(with_rules()) == {}
    assert old(with_rules(EUROPE)) == {"operator": 400, "processed_in": None}
    assert old(with_rules({**RULE, "forbid": {"trains_on_data": "by_default"}})) == {
        "trains_on_data": 400
    }


def test_a_rule_on_age_makes_every_fact_decide(with_rules: Callable[..., Path]) -> None:
    found = old(with_rules({**RULE, "require": {"facts_age_days": {"at_most": 30}}}))
    assert found.keys() >= {"operator", "processed_in", "trains_on_data"}


def test_how_old_is_too_old_is_the_configs(with_rules: Callable[..., Path]) -> None:
    path = with_rules(EUROPE, facts_stale_days=401)
    assert old(path) == {"processed_in": None}, "of no known age: never fresh"


def test_what_the_config_states_does_not_age(with_rules: Callable[..., Path]) -> None:
    facts = {"operator": ["FR"], "processed_in": ["FR"]}
    mistral = {"endpoint": "eu", "api_key": "sk-canary", "facts": facts}
    assert old(with_rules(EUROPE, providers={"mistral": mistral})) == {}


def test_check_tells_it_with_a_line_and_stays_good(with_rules: Callable[..., Path]) -> None:
    path = with_rules(EUROPE)
    shown = entrepot("check", "-c", path)
    assert shown.exit_code == 0
    (operator,) = (li for li in shown.stdout.splitlines() if "`operator` of mistral" in li)
    assert operator.strip().startswith(f"{path}:")
    assert "was confirmed 400 days ago (mistral-small-2603)" in operator
    assert "entrepot providers mistral" in operator
    warnings = [warning["what"] for warning in told("check", "-c", path)["warnings"]]
    assert any("nobody knows how old `processed_in` of mistral is" in what for what in warnings)


def test_check_warns_of_a_host_that_is_no_longer_there(tmp_config: Config) -> None:
    providers = {"gone": {"catalog": "github-models", "api_key": "sk-canary"}}
    path = tmp_config({"providers": providers})
    lines = path.read_text().splitlines()
    (warning,) = (
        one for one in told("check", "-c", path)["warnings"] if "github-models" in one["what"]
    )
    assert warning["what"] == "the host github-models of 'gone' is retired"
    assert "gone" in lines[warning["line"] - 1]
