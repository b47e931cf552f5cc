"""A policy file with mistakes: each one named, with its place and what would be right."""

from __future__ import annotations

import pytest
import yaml

from routing.policy import load_policy
from routing.policy_form import PolicyError


def problems(text: str):
    with pytest.raises(PolicyError) as caught:
        load_policy(yaml.safe_load(text))
    return caught.value.problems


@pytest.mark.parametrize(
    ("rule", "path", "message", "right"),
    [
        ("require: {operatr: FR}", ("require", "operatr"), "unknown fact 'operatr'", "'operator'"),
        ("requires: {operator: FR}", ("requires",), "unknown key 'requires'", "'require'"),
        ("when: {tem: a}, prefer: listed", ("when", "tem"), "unknown key 'tem'", "'team'"),
        ("require: {operator: NO}", ("require", "operator"), "Norway", '"NO"'),
        ("require: {operator: [DE, NO]}", ("require", "operator"), "Norway", '"NO"'),
        ("require: {operator: UK}", ("require", "operator"), "'UK'", "'GB'"),
        ("require: {operator: de}", ("require", "operator"), "'de'", "'DE'"),
        ("require: {operator: EUU}", ("require", "operator"), "'EUU'", "'EU'"),
        ("require: {operator: ZZ}", ("require", "operator"), "'ZZ'", "two capital letters"),
        ("require: {operator: []}", ("require", "operator"), "empty", "at least one"),
        ("require: {operator: }", ("require",), "'operator' has no value", "leave the line out"),
        ("require: {}", ("require",), "names no fact", "operator"),
        ("require: , prefer: listed", (), "'require' has no value", "leave"),
        ("require: {weights: opne}", ("require", "weights"), "'opne'", "'open'"),
        ("forbid: {trains_on_data: default}", ("forbid", "trains_on_data"), "'default'", "by_def"),
        ("require: {retention_days: 30}", ("require", "retention_days"), "", "{at_most: 30}"),
        ("require: {retention_days: {at_most: yes}}", ("require", "retention_days", "at_most"),
         "not a number", "30"),
        ("require: {request_usd: {at_most: -1}}", ("require", "request_usd", "at_most"),
         "greater than or equal to 0", "0.50"),
        ("require: {request_usd: {at_most: .nan}}", ("require", "request_usd", "at_most"),
         "finite", "0.50"),
        ("forbid: {retention_days: {at_most: 3}}", ("forbid", "retention_days", "at_most"),
         "no meaning", "over: 30"),
        ("require: {retention_days: {over: 3}}", ("require", "retention_days", "over"),
         "no meaning", "at_most: 30"),
        ("require: {retention_days: {at_least: 3}}", ("require", "retention_days", "at_least"),
         "unknown key 'at_least'", "at_most: 30"),
        ("forbid: {price: {at_most: 3}}", ("forbid", "price"), "no meaning", "require"),
        ("require: {price: 3}", ("require", "price"), "", "price: {at_most: 2}"),
        ("require: {price: {}}", ("require", "price"), "limits nothing", "at_most"),
        ("require: {price: {at_mst: 2}}", ("require", "price", "at_mst"), "unknown key", "at_most"),
        ("require: {price: {at_most: -2}}", ("require", "price", "at_most"), "greater", "at_most"),
        ("require: {price: {output_at_most: yes}}", ("require", "price", "output_at_most"),
         "not a number", ""),
        ("prefer: quickest", ("prefer",), "'fastest'", "listed, cheapest or fastest"),
        ("prefer: weighted", ("prefer",), "needs numbers", "a model's own entry"),
        ("prefer: {cheapest: 0.5, fastest: 0.5}", ("prefer",), "a blend", "a model's own entry"),
        ("when: {team: a}", (), "does nothing", "require, forbid or prefer"),
        ("when: {label_at_least: persnal}, prefer: listed", ("when", "label_at_least"),
         "unknown label 'persnal'", "'personal'"),
        ("when: {label: x}, prefer: listed", ("when", "label"), "unknown label 'x'", "public"),
        ("forbid: {provider: '{what}'}, x: 1", ("x",), "unknown key 'x'", "prefer"),
    ],
)  # fmt: skip
def test_a_mistake_in_a_rule_is_named_with_what_would_be_right(rule, path, message, right):
    found = problems(f"rules: [{{name: r, {rule}}}]")
    assert found[0].path == ("rules", 0, *path)
    assert message in found[0].message
    assert right in found[0].right


@pytest.mark.parametrize("order", ["listed", "cheapest", "fastest"])
def test_the_orders_that_need_no_numbers_may_be_a_rules_wish(policy, asks, order):
    assert policy(f"rules: [{{name: r, prefer: {order}}}]").preference(asks()) == order


@pytest.mark.parametrize(
    ("text", "path", "message"),
    [
        ("", (), "the policy is empty"),
        ("[a]", (), "not a mapping"),
        ("rule: []", ("rule",), "unknown key 'rule'"),
        ("labels: []", ("labels",), "no labels"),
        ("labels: [a, a]", ("labels", 1), "stands twice"),
        ("labels: [a, ' ']", ("labels", 1), "empty"),
        ("labels: public", ("labels",), "tuple"),
        ("rules: ", (), "'rules' has no value"),
        ("rules: [{prefer: listed}]", ("rules", 0, "name"), "'name' is missing"),
        ("rules: [{name: a, prefer: listed}, {name: a, prefer: listed}]", ("rules", 1, "name"),
         "two rules are named 'a'"),
        ("groups: {EU: [DE]}", ("groups", "EU"), "already"),
        ("groups: {ours: [Germany]}", ("groups", "ours"), "'Germany'"),
        ("groups: {a: [b], b: [DE]}", ("groups", "a"), "'b'"),
        ("expect: [{given: {label: x}, denied: true}]", ("expect", 0, "given", "label"), "'x'"),
        ("expect: [{given: {}}]", ("expect", 0), "exactly one thing"),
        ("expect: [{denied: true, first: a/b}]", ("expect", 0), "exactly one thing"),
        ("expect: [{denied: false}]", ("expect", 0, "denied"), "True"),
        ("expect: [{first: a}]", ("expect", 0, "first"), "not a route"),
        ("expect: [{never: {operator: USA}}]", ("expect", 0, "never", "operator"), "'USA'"),
        ("expect: [{never: {request_usd: {at_most: 1}}}]", ("expect", 0, "never", "request_usd"),
         "no meaning"),
    ],
)  # fmt: skip
def test_a_mistake_anywhere_else_is_named_too(text, path, message):
    found = problems(text)
    assert found[0].path == path
    assert message in found[0].message


def test_all_mistakes_are_found_at_once_those_of_shape_and_those_of_words():
    found = problems(
        "rules:\n"
        "  - {name: a, require: {operatr: FR}}\n"
        "  - {name: b, require: {operator: XX, weights: half}}\n"
        "expect:\n"
        "  - {given: {label: nobody}, denied: true}\n"
        "  - {first: a/b, denied: true}\n"
    )
    assert [problem.path for problem in found] == [
        ("rules", 0, "require", "operatr"),
        ("expect", 1),
        ("rules", 1, "require", "operator"),
        ("rules", 1, "require", "weights"),
        ("expect", 0, "given", "label"),
    ]
    text = str(PolicyError(found))
    assert "rules.1.require.operator: unknown country or group 'XX'" in text


def test_one_word_stands_for_a_list_and_zdr_no_for_the_word(policy, facts, asks):
    one = policy("rules: [{name: r, require: {zdr: no}}]")
    many = policy('rules: [{name: r, require: {zdr: ["no"]}}]')
    assert one.hash == many.hash
    assert one.judge(asks(), facts("a/m", zdr="no")).allowed


def test_groups_may_name_earlier_groups(policy, facts, asks):
    judged = policy(
        "groups: {dach: [DE, AT, CH], near: [dach, 'NO', home]}\n"
        "rules: [{name: r, require: {operator: near}}]"
    )
    assert judged.judge(asks(), facts("a/m", operator={"NO", "AT"})).allowed
    assert not judged.judge(asks(), facts("a/m", operator={"SE"})).allowed


def test_the_hash_names_the_meaning_not_the_spelling(policy):
    base = policy("rules: [{name: r, require: {operator: [CH, EEA], request_usd: {at_most: 0.5}}}]")
    same = policy(
        "# a comment\nrules:\n  - require: {request_usd: {at_most: 0.50}, operator: [EEA, CH]}\n"
        "    name: r\n"
    )
    other = policy("rules: [{name: r, require: {operator: [EEA], request_usd: {at_most: 0.5}}}]")
    assert base.hash == same.hash != other.hash
    assert len(base.hash) == 12
    assert set(base.hash) <= set("0123456789abcdef")
