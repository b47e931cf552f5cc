"""Decisions told, and kept in few characters."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routing.explain import COMPACT_MAX, compact, explanation, lines, told, wish
from routing.facts import RequestFacts
from routing.plan import Dropped, Plan, plan
from routing.policy import load_policy, no_policy
from routing.route import Size
from routing.wish import LISTED, Wish
from tests.unit.routing import conftest

EUROPE = """
rules:
  - name: stays here
    when: {label_at_least: personal}
    require: {operator: EEA, retention_days: {at_most: 30}}
  - {name: cheap, when: {tag: batch}, prefer: cheapest, require: {request_usd: {at_most: 1}}}
"""
SOURCE = "US · https://us.example/terms · 2026-11-02"


def planned(policy, route, request, now):
    routes = [
        route("fr/m", price=(1, 2), operator={"FR"}, retention_days=0),
        route("us/m", operator={"US"}, evidence={"operator": SOURCE}),
        route("de/m", operator={"DE"}, retention_days=30, available="DE_API_KEY is not set"),
    ]
    return plan(routes, LISTED, policy, request, now, Size(10, 10))


def test_an_admitted_route_says_which_facts_keep_which_rule(policy, route, asks, now):
    judged, request = policy(EUROPE), asks("personal", tags={"batch"})
    found = explanation(planned(judged, route, request, now), request, judged)
    assert [
        (kept["rule"], kept["fact"], kept["value"]) for kept in found["routes"][0]["keeps"]
    ] == [
        ("stays here", "operator", "FR"),
        ("stays here", "retention_days", "0"),
        ("cheap", "request_usd", "within 1 USD"),
    ]


def test_what_is_kept_is_what_was_told(policy, route, asks, now):
    judged, request = policy(EUROPE), asks("personal", team="platform", key="ci", tags={"b", "a"})
    made = planned(judged, route, request, now)
    whole = explanation(made, request, judged)
    kept = told(compact(made, request, judged))
    assert kept.pop("more") == 0
    for one in whole["routes"]:
        for fact in one.get("keeps", ()):
            del fact["source"]  # the catalogue of the time has it
    assert kept == whole
    assert lines(kept) == lines(whole)
    why = "requires operator to be within EEA:"
    assert lines(kept)[2:] == [
        "  1. fr/m: listed at place 1",
        "       keeps 'stays here': operator is FR",
        "       keeps 'stays here': retention_days is 0",
        f"  -  us/m: policy: rule 'stays here' {why} operator is US ({SOURCE})",
        "  -  de/m: unavailable: DE_API_KEY is not set",
    ]


def test_one_fact_alone_is_kept_as_one(policy, route, asks, now):
    judged = policy("rules: [{name: one, require: {operator: EEA}}]")
    made = plan([route("a/m", operator={"AT", "DE"})], LISTED, judged, asks(), now)
    (kept,) = told(compact(made, asks(), judged))["routes"]
    assert kept["keeps"] == [{"rule": "one", "fact": "operator", "value": "AT, DE"}]


def test_the_wish_can_be_read_from_the_beginning(route, asks, now):
    made = plan([route("a/m")], Wish("cheapest"), no_policy(), asks(), now)
    text = compact(made, asks(), no_policy())
    assert wish(text[:80]) == "cheapest"
    assert wish(text[:12]) == wish("") == wish("nonsense") == ""


def test_a_route_that_is_left_out_for_now_says_for_how_long(route, asks):
    a, b = route("a/m"), route("b/m")
    blocked = Dropped(a, "health", "", "it cools for another 12 s", frees_in_s=12.345)
    made = Plan((b,), (blocked,), "listed", ("listed at place 2",))
    kept = told(compact(made, asks(), no_policy()))
    assert kept["routes"][1]["frees_in_s"] == 12.3
    assert lines(kept)[-1] == "  -  a/m: health: it cools for another 12 s"
    assert lines(kept) == lines(explanation(made, asks(), no_policy()))


def test_a_long_source_is_cut_and_a_reason_has_it_once(policy, route, asks, now):
    judged, long = policy(EUROPE), "x" * 900
    routes = [route("us/m", operator={"US"}, evidence={"operator": long})]
    made = plan(routes, LISTED, judged, asks("personal"), now)
    text = compact(made, asks("personal"), judged)
    assert len(text) < 600
    assert told(text)["routes"][0]["source"] == "x" * 160


def test_what_has_no_room_is_counted(policy, route, asks, now):
    judged, request = policy(EUROPE), asks("personal")
    routes = [
        route(f"provider-{number}/some-model", operator={country}, retention_days=1)
        for number in range(40)
        for country in ("FR", "US")
    ]
    made = plan(routes, LISTED, judged, request, now)
    text = compact(made, request, judged)
    found = told(text)
    assert COMPACT_MAX - 200 < len(text) <= COMPACT_MAX
    assert len(found["routes"]) + found["more"] == 80
    assert [one["route"] for one in found["routes"][:2]] == [
        "provider-0/some-model",
        "provider-1/some-model",
    ]
    assert f"and {found['more']} more routes" in lines(found)[-1]


names = st.text(max_size=2000)


@given(
    model=names,
    team=names,
    tags=st.frozensets(st.text(max_size=64), max_size=16),
    prefer=names,
    reason=names,
    n=st.integers(0, 30),
    rule=st.text(min_size=1, max_size=200),
)
def test_a_decision_is_bounded_whatever_clients_and_hosts_say(
    model, team, tags, prefer, reason, n, rule
):
    judged = load_policy({"rules": [{"name": rule, "require": {"operator": "EEA"}}]})
    a_route = conftest.route.__wrapped__()("a/" + reason[:300], operator={"FR"})
    request = RequestFacts("public", team, team, tags, model)
    dropped = Dropped(a_route, "policy", rule, f"{reason} ({reason})", "f", reason, reason)
    made = Plan((a_route,) * n, (dropped,) * n, prefer, (reason,) * n)
    text = compact(made, request, judged)
    assert len(text) <= COMPACT_MAX
    found = told(text)
    assert len(found["routes"]) + found["more"] == 2 * n
    assert lines(found)
    if not found["more"]:
        assert found["tags"] == sorted(tags)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"prefer": 7}', '"x"'])
def test_what_is_no_decision_is_said(text):
    with pytest.raises(ValueError, match="no decision"):
        told(text)


def test_an_explanation_is_plain_json(policy, route, asks, now):
    judged, request = policy(EUROPE), asks("personal", tags={"batch"})
    made = planned(judged, route, request, now)
    for found in (explanation(made, request, judged), told(compact(made, request, judged))):
        assert json.loads(json.dumps(found)) == found


def test_the_order_of_tags_and_facts_does_not_matter(policy, route, asks, now):
    judged, request = policy(EUROPE), asks("personal", tags={"z", "y", "x"})
    made = planned(judged, route, request, now)
    again = replace(request, tags=frozenset(["x", "y", "z"]))
    assert compact(made, request, judged) == compact(made, again, judged)
