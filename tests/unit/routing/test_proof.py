"""What is proven of a policy, and the shortest request that shows where it fails."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
import yaml

from billing.bands import ALWAYS, Applies
from billing.price import Price
from billing.price_list import PriceList
from gateway.config import matching
from routing.policy import Policy, load_policy
from routing.proof import prove
from routing.proof_cases import Asked, Principal
from routing.proof_warnings import Ages
from routing.wish import Wish

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


def proof_of(policy_text, routes, now, principals=(), tags=(), ages=None, asked=None):
    """What is proven where ``routes`` lead from names and patterns to who may be asked."""

    def resolve(name):
        found = matching(routes, name)
        return None if found is None else Asked(tuple(routes[found]), **(asked or {}))

    policy = load_policy(yaml.safe_load(policy_text))
    return prove(policy, resolve, routes, list(principals), now, tags=tags, ages=ages)


def texts(proof, kind):
    return [notice.text for notice in proof.warnings if notice.kind == kind]


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


def test_every_kind_of_name_within_an_alias_is_tried(routes, now):
    proof = proof_of(
        "rules: [{name: r, when: {model: '*-free'}, forbid: {provider: openai}}]\n"
        "expect: [{given: {model: 'gpt-5*'}, first: openai/gpt-6-luna}]",
        routes,
        now,
    )
    assert proof.findings[0].counter_example == (
        "label public, model gpt-5-free: home/smollm2-135m is first"
    )


def test_a_fallback_counts_like_the_first(routes, now):
    proof = proof_of("expect: [{given: {model: assistant}, never: {operator: CN}}]", routes, now)
    assert "deepseek/deepseek-flash may answer" in proof.findings[0].counter_example


def test_a_price_counts_at_every_hour_at_which_it_changes(route, home, now):
    night = Price(Decimal(1), Decimal(1), source="test")
    day = Price(Decimal(4), Decimal(4), source="test")
    bands = ((ALWAYS, day), (Applies(start=time(16, 30), end=time(0, 30)), night))
    china = replace(route("cn/m", operator={"CN"}), prices=PriceList(bands))
    proof = proof_of(
        "rules: [{name: cheap, require: {price: {at_most: 2}}}]\nexpect: [{never: {operator: CN}}]",
        {"m": [china]},
        now,
    )
    assert proof.findings[0].counter_example == (
        "label public, model m: cn/m may answer, its operator is CN (from 2026-11-25 16:30 UTC)"
    )


@pytest.mark.parametrize(
    ("order", "holds"),
    [("listed", True), ("cheapest", False), ("fastest", False), ("weighted", False)],
)
def test_who_is_first_must_be_so_whatever_is_measured_drawn_or_asked(route, now, order, holds):
    # The one is cheaper for long prompts, the other for long answers.
    routes = {"m": [route("a/m", price=(1, 4)), route("b/m", price=(2, 2))]}
    asked = {"wish": Wish(order)}
    proof = proof_of("expect: [{first: a/m}]", routes, now, asked=asked)
    assert proof.holds is holds
    assert holds or "b/m may be first" in proof.findings[0].counter_example


def test_a_route_of_weight_0_is_never_first(route, now):
    asked = {"wish": Wish("weighted", {"b/m": 0})}
    routes = {"m": [route("a/m"), route("b/m")]}
    assert proof_of("expect: [{first: a/m}]", routes, now, asked=asked).holds


def test_shadows_and_judges_get_the_data_too(route, home, now):
    routes = {"m": [route("home/m", **home)], "judge": [route("us/m", operator={"US"})]}
    text = "expect: [{given: {model: m}, never: {operator: [CN, US]}}]"
    assert proof_of(text, routes, now).holds
    chinese = route("cn/m", operator={"CN"})
    shadowed = proof_of(text, routes, now, asked={"shadow": chinese})
    assert "cn/m gets a copy, its operator is CN" in shadowed.findings[0].counter_example
    at_home = route("home/other", **home)
    judged = proof_of(text, routes, now, asked={"shadow": at_home, "judge": "judge"})
    assert "us/m may judge the answers" in judged.findings[0].counter_example
    kept = "rules: [{name: r, forbid: {operator: [CN, US]}}]\n" + text
    assert proof_of(kept, routes, now, asked={"shadow": chinese, "judge": "judge"}).holds


def test_a_judge_that_is_allowed_at_night_only_is_found(route, home, now):
    day, night = (Price(Decimal(usd), Decimal(usd), source="test") for usd in (5, 1))
    bands = ((ALWAYS, day), (Applies(start=time(16, 30), end=time(0, 30)), night))
    american = replace(route("us/m", operator={"US"}), prices=PriceList(bands))
    routes = {"m": [route("home/m", **home)], "judge": [american]}
    asked = {"shadow": route("home/other", **home), "judge": "judge"}
    rule = "rules: [{name: r, when: {model: judge}, require: {price: {at_most: 2}}}]\n"
    text = "expect: [{given: {model: m}, never: {operator: US}}]"
    proof = proof_of(rule + text, routes, now, asked=asked)
    assert "us/m may judge the answers" in proof.findings[0].counter_example


@pytest.mark.parametrize("model", ["m", "judge"])
def test_a_judge_is_only_who_may_have_the_request_and_the_question_to_the_judge(
    route, home, now, model
):
    routes = {"m": [route("home/m", **home)], "judge": [route("us/m", operator={"US"})]}
    asked = {"shadow": route("home/other", **home), "judge": "judge"}
    rule = f"rules: [{{name: r, when: {{model: {model}}}, forbid: {{operator: US}}}}]\n"
    text = "expect: [{given: {model: m}, never: {operator: US}}]"
    assert proof_of(rule + text, routes, now, asked=asked).holds


def test_a_key_is_tried_for_the_names_that_it_may_ask_for(routes, now):
    text = "expect: [{given: {key: ci}, never: {operator: CN}}]"
    whole = Principal("ci", "platform", "public")
    assert not proof_of(text, routes, now, [whole]).holds
    proof = proof_of(text, routes, now, [replace(whole, models=("gpt-*", "home/*"))])
    assert proof.findings[0].holds
    assert proof.findings[0].cases


def test_the_request_that_breaks_a_promise_can_be_played_again(routes, now):
    text = "expect: [{given: {team: a, tag: t}, never: {operator: CN}}]"
    shown = proof_of(text, routes, now).findings[0].shows
    assert (shown.team, shown.tags, shown.model) == ("a", {"t"}, "assistant")


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
    dead = texts(proof, "dead_label")
    assert "no route may answer 'deepseek/deepseek-flash' under label secret" in dead
    (unreachable,) = (w for w in proof.warnings if w.kind == "unreachable_route")
    assert unreachable.text.startswith("nobody can reach openrouter/some-model: rule 'no broker'")
    assert (unreachable.rules, unreachable.routes) == (("no broker",), ("openrouter/some-model",))
    unknown = [w for w in proof.warnings if w.kind == "unknown_fact"]
    (american,) = (w for w in unknown if w.routes == ("openai/gpt-6-luna",))
    assert american.text.startswith("processed_in of openai/gpt-6-luna is unknown, and that alone")
    assert (american.rules, american.facts) == (("place",), ("processed_in",))
    assert f"{american.requests} kinds of requests would gain this route" in american.text


def test_a_fact_that_is_unknown_beside_a_breach_decides_nothing(route, now):
    text = (
        "rules: [{name: law, forbid: {operator: US}}, {name: place, require: {processed_in: EU}}]"
    )
    proof = proof_of(text, {"m": [route("us/m", operator={"US"})]}, now)
    assert texts(proof, "unknown_fact") == []


def test_a_label_that_nobody_may_answer_is_named_once_for_all(routes, now):
    proof = proof_of("rules: [{name: r, when: {label: secret}, forbid: {model: '*'}}]", routes, now)
    assert texts(proof, "dead_label")[0] == "no route of any model may answer under label secret"


def test_facts_that_are_old_and_decide_are_named_with_their_rules(route, now):
    routes = {"m": [route("eu/m", operator={"FR"}), route("us/m", operator={"US"})]}
    today = datetime.now(UTC).date()
    days = {"eu/m": today - timedelta(days=400), "us/m": None}
    ages = Ages(lambda one: {"operator": days[one.name], "maker": None}, stale_days=180)
    text = "rules: [{name: law, when: {label: secret}, forbid: {operator: US}}]"
    proof = proof_of(text, routes, now, ages=ages)
    gain, lose = sorted(
        texts(proof, "old_fact"), key=lambda said: said.startswith("operator of eu")
    )
    assert gain.startswith("operator of us/m was confirmed on a day that nobody knows")
    assert "under 'law'" in gain
    assert "might gain this route" in gain
    assert lose.startswith("operator of eu/m was confirmed 400 days ago")
    assert "might lose this route" in lose
    fresh = Ages(lambda one: {"operator": today}, stale_days=180)
    assert texts(proof_of(text, routes, now, ages=fresh), "old_fact") == []


def test_rules_that_never_apply_or_decide_nothing_are_named(routes, now):
    proof = proof_of(
        "rules:\n"
        "  - {name: one, forbid: {operator: CN}}\n"
        "  - {name: two, forbid: {operator: [CN, RU]}, when: {label: secret}}\n"
        "  - {name: nobody, when: {model: asistant}, forbid: {operator: US}}\n"
        "  - {name: order, prefer: cheapest}\n"
        "  - {name: as it is, when: {tag: t}, prefer: listed}\n"
        "  - {name: dear, require: {request_usd: {at_most: 5}}, when: {tag: t}}\n",
        routes,
        now,
    )
    idle = [n.rules for n in proof.warnings if n.kind == "rule_decides_nothing"]
    assert idle == [("two",), ("as it is",)]
    assert [n.rules for n in proof.warnings if n.kind == "rule_never_applies"] == [("nobody",)]


def test_ten_thousand_requests_and_more_are_tried_each_set_of_rules_once(routes, now, monkeypatch):
    judged = []
    real = Policy.breaches
    monkeypatch.setattr(
        Policy, "breaches", lambda self, *asked: judged.append(asked) or real(self, *asked)
    )
    principals = [Principal(f"key{n}", f"team{n}", "public") for n in range(60)]
    tags = [f"tag{n}" for n in range(9)]
    proof = proof_of(EXAMPLE.read_text(encoding="utf-8"), routes, now, principals, tags)
    assert proof.cases > 10_000
    assert len(judged) < 500
