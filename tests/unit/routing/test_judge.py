"""What the policy refuses and why: law, data, and all that nobody knows."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from routing.facts import UNKNOWN_MONEY, Money
from routing.policy import Constraint, LabelError, constrain, no_policy
from routing.policy_form import FactsForm
from routing.rules import Which

LABELS = "labels: [public, internal, personal, secret]\n"


def one(rule: str) -> str:
    return f"rules:\n  - {{name: r, {rule}}}\n"


def test_frankfurt_run_by_a_us_parent_is_refused_by_forbid_operator_us(policy, facts, asks):
    verdict = policy(one("forbid: {operator: US}")).judge(
        asks(), facts("cloud/m", operator={"DE", "US"}, processed_in={"DE"})
    )
    assert not verdict.allowed
    assert (verdict.rule, verdict.fact, verdict.value) == ("r", "operator", "DE, US")


def test_frankfurt_run_by_a_us_parent_does_not_meet_require_operator_eea(policy, facts, asks):
    verdict = policy(one("require: {operator: EEA}")).judge(
        asks(), facts("cloud/m", operator={"DE", "US"})
    )
    assert not verdict.allowed


def test_open_chinese_weights_at_home_are_allowed_where_operator_cn_is_forbidden(
    policy, facts, asks, home
):
    route = facts("home/qwen", maker={"CN"}, weights="open", **home)
    assert policy(one("forbid: {operator: CN}")).judge(asks(), route).allowed


def test_open_chinese_weights_at_home_are_refused_where_maker_cn_is_forbidden(
    policy, facts, asks, home
):
    route = facts("home/qwen", maker={"CN"}, weights="open", **home)
    assert not policy(one("forbid: {maker: CN}")).judge(asks(), route).allowed


@pytest.mark.parametrize("trains", ["by_default", "opt_out", None])
def test_a_host_that_trains_or_may_train_is_refused_by_require_never(policy, facts, asks, trains):
    judged = policy(one("require: {trains_on_data: never}"))
    assert not judged.judge(asks(), facts("a/m", trains_on_data=trains)).allowed
    assert judged.judge(asks(), facts("a/m", trains_on_data="never")).allowed


ALL_FACTS = {
    "maker": "FR",
    "operator": "FR",
    "processed_in": "FR",
    "weights": "open",
    "licence": "MIT",
    "trains_on_data": "never",
    "zdr": "default",
}


@pytest.mark.parametrize("fact", ALL_FACTS)
@pytest.mark.parametrize("part", ["require", "forbid"])
def test_unknown_fails_closed_both_ways(policy, facts, asks, fact, part):
    verdict = policy(one(f"{part}: {{{fact}: {ALL_FACTS[fact]}}}")).judge(asks(), facts("a/m"))
    assert not verdict.allowed
    assert verdict.value == "unknown"


@pytest.mark.parametrize("part", ["require", "forbid"])
@pytest.mark.parametrize("value", [set(), {"XX"}, {"FR", "eea"}])
def test_a_value_that_says_nothing_is_unknown(policy, facts, asks, part, value):
    words = "[FR, EEA]" if part == "require" else "[US]"
    verdict = policy(one(f"{part}: {{operator: {words}}}")).judge(
        asks(), facts("a/m", operator=value)
    )
    assert (verdict.allowed, verdict.value) == (False, "unknown")


def test_a_word_outside_the_vocabulary_does_not_escape_a_forbid(policy, facts, asks):
    judged = policy(one("forbid: {trains_on_data: by_default}"))
    assert not judged.judge(asks(), facts("a/m", trains_on_data="sometimes")).allowed


def test_retention_is_a_limit_in_days(policy, facts, asks):
    judged = policy(one("require: {retention_days: {at_most: 30}}"))
    days = {None: False, 0: True, 30: True, 31: False}
    found = {d: judged.judge(asks(), facts("a/m", retention_days=d)).allowed for d in days}
    assert found == days


@pytest.mark.parametrize(
    ("part", "words", "value", "allowed"),
    [
        ("require", "[EEA]", {"EEA"}, True),
        ("require", "[EU, EFTA]", {"EEA"}, True),
        ("require", "[EU]", {"EEA"}, False),
        ("require", "[EEA]", {"EU"}, True),
        ("require", "[EEA]", {"CH"}, False),
        ("require", "[EEA, CH]", {"EEA", "CH"}, True),
        ("require", "[EEA]", {"home"}, False),
        ("require", "[ours]", {"DE", "home"}, True),
        ("forbid", "[DE]", {"EEA"}, False),
        ("forbid", "[five_eyes]", {"EEA"}, True),
        ("forbid", "[EEA]", {"DE", "US"}, False),
        ("forbid", "[BRICS, five_eyes]", {"FR"}, True),
    ],
)
def test_groups_mean_some_country_not_said_which(policy, facts, asks, part, words, value, allowed):
    text = "groups: {ours: [DE, home]}\n" + one(f"{part}: {{processed_in: {words}}}")
    assert policy(text).judge(asks(), facts("a/m", processed_in=value)).allowed is allowed


def test_names_are_patterns_without_regard_to_case(policy, facts, asks):
    judged = policy(one('forbid: {licence: "llama*", provider: evil}'))
    assert not judged.judge(asks(), facts("a/m", licence="Llama-3.3")).allowed
    assert not judged.judge(asks(), facts("EVIL/m", licence="MIT")).allowed
    assert judged.judge(asks(), facts("a/m", licence="MIT")).allowed


@pytest.mark.parametrize(
    ("when", "asking", "applies"),
    [
        ("label_at_least: personal", {"label": "secret"}, True),
        ("label_at_least: personal", {"label": "internal"}, False),
        ("label: internal", {"label": "personal"}, False),
        ("label: [internal, personal]", {"label": "personal"}, True),
        ("team: platform", {"team": "platform"}, True),
        ("team: platform", {}, False),
        ("tag: [batch, night]", {"tags": {"night", "x"}}, True),
        ("tag: batch", {}, False),
        ("key: ci", {"key": "ci"}, True),
        ('model: "claude-*"', {"model": "claude-opus"}, True),
        ('model: "claude-*"', {"model": "assistant"}, False),
        ('model: "Claude-Opus"', {"model": "claude-opus"}, True),
        ('model: "claude-opus[1m]"', {"model": "claude-opus[1m]"}, True),
        ('model: "claude-opus?"', {"model": "claude-opus4"}, False),
        ("team: platform, key: ci", {"team": "platform", "key": "laptop"}, False),
    ],
)
def test_a_rule_is_for_the_requests_that_when_describes(policy, facts, asks, when, asking, applies):
    judged = policy(LABELS + one(f"when: {{{when}}}, forbid: {{provider: a}}"))
    assert judged.judge(asks(**asking), facts("a/m")).allowed is not applies


def test_a_reason_names_fact_value_and_evidence_and_the_verdict_its_rule(policy, facts, asks):
    route = facts(
        "a/m", operator={"US"}, evidence={"operator": "US · https://a.example/terms · 2026-10-01"}
    )
    verdict = policy(one("require: {operator: [EEA, home]}")).judge(asks(), route)
    assert verdict.rule == "r"
    assert verdict.reason == (
        "requires operator to be within EEA, home: operator is US "
        "(US · https://a.example/terms · 2026-10-01)"
    )


def test_the_first_rule_of_the_file_that_is_broken_speaks(policy, facts, asks):
    judged = policy(
        "rules:\n"
        "  - {name: first, forbid: {operator: CN}}\n"
        "  - {name: second, forbid: {operator: US}}\n"
        "  - {name: third, forbid: {operator: [CN, US]}}\n"
    )
    assert judged.judge(asks(), facts("a/m", operator={"US"})).rule == "second"


def test_request_usd_needs_a_known_ceiling(policy, facts, asks):
    judged = policy(one("require: {request_usd: {at_most: 0.50}}"))
    route = facts("a/m")
    allowed = {
        ceiling: judged.judge(asks(), route, Money(ceiling)).allowed
        for ceiling in (None, Decimal("0.5"), Decimal("0.500000000001"))
    }
    assert allowed == {None: False, Decimal("0.5"): True, Decimal("0.500000000001"): False}
    assert judged.limited(asks())
    assert not no_policy().limited(asks())


FIGURES = {"price": "price", "input": "input price", "output": "output price"}


@pytest.mark.parametrize("figure", FIGURES)
def test_a_price_is_a_limit_in_usd_per_million_tokens_and_unknown_is_refused(
    policy, facts, asks, figure
):
    word = "at_most" if figure == "price" else f"{figure}_at_most"
    judged = policy(one(f"require: {{price: {{{word}: 2}}}}"))
    route = facts("a/m")
    cheap = {"price": Decimal(1), "input": Decimal(1), "output": Decimal(1)}
    assert judged.limited(asks())
    assert judged.judge(asks(), route, Money(None, **{**cheap, figure: Decimal(2)})).allowed
    dear = judged.judge(asks(), route, Money(None, **{**cheap, figure: Decimal("2.01")}))
    assert (dear.allowed, dear.fact, dear.value) == (False, FIGURES[figure], "2.01")
    assert dear.reason.startswith("allows at most 2 USD per million tokens")
    unknown = judged.judge(asks(), route, Money(None, **{**cheap, figure: None}))
    assert (unknown.allowed, unknown.value) == (False, "unknown")
    assert not judged.judge(asks(), route).allowed


def test_a_price_is_judged_anew_each_time_for_it_changes_with_the_hour(policy, facts, asks):
    judged = policy(one("require: {price: {at_most: 2}}"))
    route = facts("a/m")
    prices = [Decimal(1), Decimal(3), Decimal(1)]
    allowed = [judged.judge(asks(), route, Money(price=price)).allowed for price in prices]
    assert allowed == [True, False, True]


def test_facts_speak_before_money(policy, facts, asks):
    judged = policy(
        "rules:\n"
        "  - {name: dear, require: {price: {at_most: 2}, request_usd: {at_most: 1}}}\n"
        "  - {name: law, forbid: {operator: US}}\n"
    )
    route = facts("a/m", operator={"US"})
    assert judged.judge(asks(), route).rule == "law"
    said = [breach.fact for breach in judged.breaches(asks(), route, UNKNOWN_MONEY)]
    assert said == ["operator", "price", "request_usd"]


@pytest.mark.parametrize(("days", "allowed"), [(None, False), (0, True), (30, True), (31, False)])
def test_too_many_days_can_be_forbidden(policy, facts, asks, days, allowed):
    judged = policy(one("forbid: {retention_days: {over: 30}}"))
    verdict = judged.judge(asks(), facts("a/m", retention_days=days))
    assert verdict.allowed is allowed
    assert allowed or verdict.reason.startswith("forbids retention_days over 30")


@pytest.mark.parametrize("group", ["five_eyes", "Five Eyes"])
def test_the_five_eyes_may_be_written_as_people_do(policy, facts, asks, group):
    judged = policy(one(f"forbid: {{operator: {group}}}"))
    assert not judged.judge(asks(), facts("a/m", operator={"NZ"})).allowed
    assert judged.judge(asks(), facts("a/m", operator={"FR"})).allowed


def test_a_constraint_on_a_model_is_for_its_entry_and_for_requests_that_name_none(
    policy, facts, asks
):
    forbid = FactsForm(operator=("US",))
    which = Which(entries=frozenset({"coder"}))
    plain = policy(one("forbid: {operator: CN}"))
    judged = constrain(plain, [Constraint("model coder", which, None, forbid)])
    route = facts("a/m", operator={"US"})
    refused = {
        entry: not judged.judge(replace(asks(), entry=entry), route).allowed
        for entry in ("coder", "assistant", "", None)
    }
    assert refused == {"coder": True, "assistant": False, "": False, None: True}
    assert judged.judge(replace(asks(), entry="coder"), route).rule == "model coder"
    assert judged.hash != plain.hash
    assert constrain(plain, []) is plain


def test_a_label_can_be_raised_never_lowered(policy):
    judged = policy(LABELS)
    assert judged.raise_label("internal", "secret") == "secret"
    assert judged.raise_label("internal", "public") == "internal"
    assert judged.raise_label("internal", None) == "internal"
    assert [judged.label_rank(label) for label in judged.labels] == [0, 1, 2, 3]


@pytest.mark.parametrize(("own", "asked"), [("internal", "secert"), ("none", "secret")])
def test_an_unknown_label_is_an_error_that_names_the_nearest(policy, own, asked):
    with pytest.raises(LabelError, match="unknown label"):
        policy(LABELS).raise_label(own, asked)


def test_a_request_under_an_unknown_label_is_refused_by_the_policy_itself(
    policy, facts, asks, home
):
    verdict = policy(LABELS).judge(asks("top secret"), facts("home/m", **home))
    assert (verdict.allowed, verdict.rule) == (False, "labels")


def test_the_first_wish_that_applies_is_the_preference(policy, asks):
    judged = policy(
        "rules:\n"
        "  - {name: a, when: {tag: batch}, prefer: cheapest}\n"
        "  - {name: b, prefer: listed}\n"
    )
    assert judged.preference(asks(tags={"batch"})) == "cheapest"
    assert judged.preference(asks()) == "listed"
    assert no_policy().preference(asks()) is None


def test_no_policy_has_labels_and_allows(facts, asks):
    assert no_policy().labels == ("public", "internal", "personal", "secret")
    assert no_policy().judge(asks(), facts("a/m")).allowed


def test_a_verdict_belongs_to_the_facts_not_to_the_name(policy, facts, asks):
    judged = policy(one("forbid: {operator: US}"))
    assert judged.judge(asks(), facts("a/m", operator={"FR"})).allowed
    assert not judged.judge(asks(), facts("a/m", operator={"US"})).allowed


def test_remembering_is_bounded_and_changes_no_verdict(policy, facts, asks):
    judged = policy(one("when: {tag: t7}, forbid: {operator: US}"))
    route = facts("a/m", operator={"US"})
    for _ in range(2):
        for number in range(5000):
            allowed = judged.judge(asks(tags={f"t{number}"}), route).allowed
            assert allowed is (number != 7)
    assert len(judged._verdicts) <= 4096
    assert len(judged._rules_of) <= 4096
