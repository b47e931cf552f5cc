"""What the config asks of one key's calls or of one model's: judged and proven like any rule."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gateway.auth import key_hash
from gateway.config_file import read
from gateway.problems import ConfigError
from gateway.proving import prove
from gateway.setup import Setup, compile_setup
from routing.facts import RequestFacts
from tests.running import config

PROVIDERS = {"mistral": {"endpoint": "eu", "api_key": "k"}, "deepseek": {"api_key": "k"}}
FRENCH, CHINESE = "mistral/mistral-small-2603", "deepseek/deepseek-flash"
NO_CHINA = {"operator": ["CN"]}
Make = Callable[..., Setup]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    def setup(**more: Any) -> Setup:
        whole: dict[str, Any] = {
            "providers": PROVIDERS,
            "models": {"m": [FRENCH, CHINESE], "coder": {"routes": [FRENCH, CHINESE]}},
            "policy": {"rules": []},
            **more,
        }
        return compile_setup(read(config(tmp_path, **whole), {}))

    return setup


def key(name: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "hash": key_hash(f"ek-{name}"), **more}


def allowed(setup: Setup, asked: str, key_name: str = "local") -> set[str]:
    found = setup.candidates(asked)
    assert found is not None
    request = RequestFacts("public", "none", key_name, frozenset(), asked, entry=found.entry)
    routes = (setup.route(name) for name in (FRENCH, CHINESE))
    return {one.name for one in routes if setup.policy.judge(request, one.facts).allowed}


def test_a_key_may_be_bound_more_than_others(make: Make) -> None:
    setup = make(keys=[key("ci", forbid=NO_CHINA), key("laptop")])
    assert allowed(setup, "m", "ci") == {FRENCH}
    assert allowed(setup, "m", "laptop") == {FRENCH, CHINESE}
    assert [rule.name for rule in setup.policy.rules] == ["key ci"]


def test_a_model_may_be_bound_and_its_aliases_with_it(make: Make) -> None:
    models = {
        "m": [FRENCH, CHINESE],
        "coder": {"routes": [FRENCH, CHINESE], "forbid": NO_CHINA},
        "claude-*": "coder",
    }
    setup = make(models=models)
    assert allowed(setup, "coder") == {FRENCH}
    assert allowed(setup, "claude-opus") == {FRENCH}
    assert allowed(setup, "m") == {FRENCH, CHINESE}
    assert allowed(setup, CHINESE) == {FRENCH, CHINESE}, "who names a route asks for no entry"


def test_constraints_hold_without_a_policy(make: Make) -> None:
    setup = make(policy=None, keys=[key("ci", require={"operator": ["EEA"]})])
    assert allowed(setup, "m", "ci") == {FRENCH}
    assert allowed(setup, "m", "") == {FRENCH, CHINESE}


def test_constraints_come_after_the_rules_and_change_the_hash(make: Make) -> None:
    rules = [{"name": "ours", "forbid": NO_CHINA}]
    plain = make(policy={"rules": rules})
    bound = make(policy={"rules": rules}, keys=[key("ci", forbid=NO_CHINA)])
    assert [rule.name for rule in bound.policy.rules] == ["ours", "key ci"]
    assert plain.policy.hash != bound.policy.hash


def test_constraints_know_the_groups_of_the_policy(make: Make) -> None:
    groups = {"far": ["CN", "US"]}
    setup = make(policy={"groups": groups}, keys=[key("ci", forbid={"operator": ["far"]})])
    assert allowed(setup, "m", "ci") == {FRENCH}


def test_constraints_are_proven(make: Make) -> None:
    promise = {"given": {"key": "ci"}, "never": {"operator": ["CN"]}}
    assert prove(make(policy={"expect": [promise]}, keys=[key("ci", forbid=NO_CHINA)])).holds
    broken = prove(make(policy={"expect": [promise]}, keys=[key("ci")]))
    assert "key ci" in broken.findings[0].counter_example


@pytest.mark.parametrize(
    ("said", "what", "right"),
    [
        ({"operator": ["UK"]}, "unknown country or group 'UK'", "'GB'"),
        ({"operatr": ["CN"]}, "unknown key `operatr`", "'operator'"),
        ({}, "names no fact", "operator"),
        ({"weights": "half"}, "unknown value of weights 'half'", "open"),
        ({"operator": []}, "the list is empty", "at least one"),
    ],
)
@pytest.mark.parametrize("part", ["require", "forbid"])
@pytest.mark.parametrize("place", ["key", "model"])
def test_a_mistake_in_a_constraint_is_named_with_its_place(
    make: Make, said: dict[str, Any], what: str, right: str, part: str, place: str
) -> None:
    more: dict[str, Any] = {"keys": [key("ci", **{part: said})]}
    if place == "model":
        more = {"models": {"coder": {"routes": [FRENCH], part: said}}}
    with pytest.raises(ConfigError) as caught:
        make(**more)
    (problem,) = caught.value.problems
    assert what in problem.what
    assert right in problem.right
    assert problem.line > 1


def test_a_rule_of_the_policy_must_not_be_called_as_a_constraint_is(make: Make) -> None:
    rules = [{"name": "key ci", "forbid": NO_CHINA}]
    with pytest.raises(ConfigError, match="has a rule 'key ci'"):
        make(policy={"rules": rules}, keys=[key("ci", forbid=NO_CHINA)])


def bound(only_for: dict[str, Any]) -> dict[str, Any]:
    return {**PROVIDERS, "deepseek": {"api_key": "k", "only_for": only_for}}


def test_a_provider_may_be_for_some_only(make: Make) -> None:
    keys = [key("lab", team="research"), key("shop", team="sales")]
    setup = make(keys=keys, providers=bound({"team": "research", "label": ["public", "internal"]}))
    found = {
        (team, label): setup.policy.judge(
            RequestFacts(label, team, "any", frozenset(), CHINESE), setup.route(CHINESE).facts
        )
        for team in ("research", "sales")
        for label in ("public", "personal")
    }
    assert {asked for asked, verdict in found.items() if verdict.allowed} == {
        ("research", "public")
    }
    refused = found["sales", "public"]
    assert (refused.rule, refused.fact) == ("provider deepseek", "provider")
    other = RequestFacts("personal", "sales", "any", frozenset(), FRENCH)
    assert setup.policy.judge(other, setup.route(FRENCH).facts).allowed


def test_whom_a_provider_is_for_is_part_of_the_policys_hash(make: Make) -> None:
    keys = [key("lab", team="research"), key("shop", team="sales")]
    hashes = {
        make(keys=keys, providers=bound({"team": team})).policy.hash
        for team in ("research", "sales", ["research", "sales"])
    }
    assert len(hashes) == 3


def test_the_proof_knows_whom_a_provider_is_for(make: Make) -> None:
    policy = {
        "rules": [],
        "expect": [
            {"given": {"team": "sales"}, "never": {"provider": "deepseek"}},
            {"given": {"team": "research"}, "never": {"provider": "deepseek"}},
        ],
    }
    keys = [key("lab", team="research"), key("shop", team="sales")]
    setup = make(keys=keys, policy=policy, providers=bound({"team": "research"}))
    assert [finding.holds for finding in prove(setup).findings] == [True, False]


@pytest.mark.parametrize(
    ("only_for", "said"),
    [
        ({}, "names nobody"),
        ({"label": "privat"}, "there is no label 'privat'"),
        ({"tag": "x"}, "tag"),
    ],
)
def test_a_provider_for_nobody_known_is_a_mistake(
    make: Make, only_for: dict[str, Any], said: str
) -> None:
    with pytest.raises(ConfigError, match=said):
        make(providers=bound(only_for))


def test_a_team_that_no_key_has_is_a_warning(make: Make) -> None:
    setup = make(keys=[key("lab", team="research")], providers=bound({"team": "reserch"}))
    assert any("there is no team 'reserch'" in str(warning) for warning in setup.warnings)


def test_a_tag_raises_the_label_and_the_proof_knows(make: Make) -> None:
    policy = {
        "tags": {"patients": "personal"},
        "rules": [
            {
                "name": "stays",
                "when": {"label_at_least": "personal"},
                "forbid": {"operator": ["CN"]},
            }
        ],
        "expect": [
            {"given": {"tag": "patients"}, "never": {"operator": ["CN"]}},
            {"given": {"tag": "other"}, "never": {"operator": ["CN"]}},
        ],
    }
    setup = make(policy=policy)
    assert setup.policy.raise_label("public", None, {"patients", "x"}) == "personal"
    assert setup.policy.raise_label("secret", None, {"patients"}) == "secret"
    assert setup.policy.raise_label("public", "secret", {"patients"}) == "secret"
    assert [finding.holds for finding in prove(setup).findings] == [True, False]


def test_a_tag_that_raises_to_no_label_is_a_mistake(make: Make) -> None:
    with pytest.raises(ConfigError, match="unknown label 'persnal'"):
        make(policy={"tags": {"patients": "persnal"}, "rules": []})
