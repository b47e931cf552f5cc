"""What is proven of a policy, and the shortest request that shows where it fails."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from routing.policy import load_policy
from routing.proof import Principal, prove

EXAMPLE = Path(__file__).parents[3] / "policy.example.yaml"


@pytest.fixture
def routes(route, home):
    """The routes of an example config, by the names they can be asked for."""
    local = route("home/smollm2-135m", price=(0, 0), maker={"US"}, weights="open", **home)
    french = route(
        "mistral/mistral-small-2603",
        price=("0.15", "0.6"),
        maker={"FR"},
        weights="closed",
        operator={"FR"},
        processed_in={"EEA", "CH"},
        trains_on_data="never",
        retention_days=30,
    )
    chinese = route(
        "deepseek/deepseek-flash",
        price=("0.1", "0.2"),
        maker={"CN"},
        operator={"CN"},
        processed_in={"CN"},
        trains_on_data="by_default",
    )
    american = route(
        "openai/gpt-6-luna",
        price=(1, 6),
        maker={"US"},
        operator={"US"},
        trains_on_data="never",
        retention_days=30,
    )
    broker = route("openrouter/some-model", operator={"US"}, retention_days=0)
    everything = [local, french, chinese, american, broker]
    named = {r.name: [r] for r in everything}
    return {"assistant": everything, "gpt-*": [american, local], **named}


def proof_of(policy_text, routes, now, principals=(), tags=()):
    return prove(load_policy(yaml.safe_load(policy_text)), routes, principals, tags, now)


def test_the_example_policy_holds_for_the_example_config(routes, now):
    principals = [Principal("ci", "platform", "internal"), Principal("laptop", "", "public")]
    proof = proof_of(EXAMPLE.read_text(encoding="utf-8"), routes, now, principals, ["batch"])
    assert [finding for finding in proof.findings if not finding.holds] == []
    assert proof.holds
    assert proof.findings
    assert all(finding.cases for finding in proof.findings)


def test_the_example_policy_keeps_personal_data_in_europe_or_at_home(routes, now):
    text = EXAMPLE.read_text(encoding="utf-8")
    extra = "  - {given: {label: [personal, secret]}, never: {processed_in: [US, CN]}}\n"
    assert proof_of(text + extra, routes, now).holds


def test_a_leak_is_shown_by_the_shortest_request(routes, now):
    proof = proof_of(
        "rules: [{name: r, when: {label: personal}, forbid: {operator: [US, CN]}}]\n"
        "expect: [{given: {label: [personal, secret]}, never: {operator: [US, CN]}}]",
        routes,
        now,
        [Principal("ci", "platform", "internal")],
        ["batch"],
    )
    (finding,) = proof.findings
    assert not proof.holds
    assert finding.counter_example == (
        "label secret, model assistant: deepseek/deepseek-flash may answer, its operator is CN"
    )


def test_a_leak_through_a_team_names_the_team(routes, now):
    proof = proof_of(
        "rules: [{name: r, when: {team: [a, b]}, forbid: {operator: [US, CN]}}]\n"
        "expect: [{given: {team: [a, c]}, never: {operator: CN}}]",
        routes,
        now,
    )
    assert "team c" in proof.findings[0].counter_example


def test_unknown_is_not_never(routes, now):
    proof = proof_of("expect: [{given: {model: openrouter/*}, never: {maker: CN}}]", routes, now)
    assert "its maker is unknown" in proof.findings[0].counter_example


def test_an_expectation_that_covers_nothing_does_not_hold(routes, now):
    proof = proof_of("expect: [{given: {model: asistant}, denied: true}]", routes, now)
    assert not proof.holds
    assert "misspelt" in proof.findings[0].counter_example


def test_a_key_that_is_spoken_of_is_tried_though_nobody_has_it_yet(routes, now):
    proof = proof_of(
        "rules: [{name: r, when: {key: intern}, forbid: {provider: '*'}}]\n"
        "expect: [{given: {key: intern}, denied: true}]",
        routes,
        now,
    )
    assert proof.holds


def test_a_key_is_tried_in_its_own_team_and_from_its_own_label_up(routes, now):
    text = (
        "rules: [{name: r, when: {team: platform}, forbid: {operator: CN}}]\n"
        "expect:\n"
        "  - {given: {key: ci}, never: {operator: CN}}\n"
        "  - {given: {key: ci, label: public}, denied: true}\n"
    )
    proof = proof_of(text, routes, now, [Principal("ci", "platform", "internal")])
    assert proof.findings[0].holds
    assert "misspelt" in proof.findings[1].counter_example


def test_first_and_denied(routes, now):
    proof = proof_of(
        "rules:\n"
        "  - {name: cheap, when: {tag: batch}, prefer: cheapest}\n"
        "  - {name: none, when: {label: secret}, forbid: {provider: '*'}}\n"
        "expect:\n"
        "  - {given: {model: assistant, label: public}, first: home/smollm2-135m}\n"
        "  - {given: {model: assistant}, first: home/smollm2-135m}\n"
        "  - {given: {label: secret}, denied: true}\n"
        "  - {given: {model: 'gpt-*', tag: batch, label: public}, first: openai/gpt-6-luna}\n",
        routes,
        now,
    )
    assert [finding.holds for finding in proof.findings] == [True, False, True, False]
    assert "label secret" in proof.findings[1].counter_example
    assert "home/smollm2-135m is first" in proof.findings[3].counter_example


def test_a_second_tag_beside_the_given_one_is_tried(routes, now):
    proof = proof_of(
        "rules: [{name: r, when: {tag: urgent}, forbid: {provider: home}}]\n"
        "expect: [{given: {tag: batch, model: assistant}, first: home/smollm2-135m}]",
        routes,
        now,
    )
    assert proof.findings[0].counter_example.startswith(
        "label public, model assistant, tags batch, urgent: mistral/mistral-small-2603 is first"
    )


def test_a_route_counts_though_it_cannot_be_called_today(route, now):
    down = route("us/m", operator={"US"}, available="US_API_KEY is not set")
    proof = proof_of("expect: [{never: {operator: US}}]", {"m": [down]}, now)
    assert not proof.holds


def test_names_within_an_alias_pattern_that_a_rule_tells_apart_are_tried(routes, now):
    proof = proof_of(
        "rules: [{name: r, when: {model: gpt-free}, prefer: cheapest}]\n"
        "expect: [{given: {model: 'gpt-*'}, first: openai/gpt-6-luna}]",
        routes,
        now,
    )
    assert "model gpt-free" in proof.findings[0].counter_example


def test_warnings_name_dead_labels_unreachable_routes_and_unknown_facts(routes, now):
    proof = proof_of(
        "rules:\n"
        "  - {name: no broker, forbid: {provider: openrouter}}\n"
        "  - {name: kept, when: {label: secret}, require: {maker: [FR, US]}}\n"
        "  - {name: closed, when: {label: secret, model: deepseek/*}, forbid: {provider: '*'}}\n"
        "  - {name: place, when: {label: personal}, forbid: {processed_in: US}}\n",
        routes,
        now,
    )
    assert "no route may answer 'deepseek/deepseek-flash' under label secret" in proof.warnings
    assert any(w.startswith("nobody can reach openrouter/some-model") for w in proof.warnings)
    assert any(
        w.startswith("processed_in of openai/gpt-6-luna is unknown") and "'place'" in w
        for w in proof.warnings
    )


def test_ten_thousand_requests_and_more_are_tried(routes, now):
    principals = [Principal(f"key{n}", f"team{n}", "public") for n in range(60)]
    tags = [f"tag{n}" for n in range(9)]
    proof = proof_of("rules: []", routes, now, principals, tags)
    assert proof.cases > 10_000
