"""Who may answer, in which order; and the same told to people."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest

from routing.explain import explanation, lines
from routing.plan import plan
from routing.policy import no_policy
from routing.route import Size, ceiling, ceiling_usd, money
from routing.wish import LISTED, Wish

EUROPE = "rules: [{name: stays here, when: {label_at_least: personal}, require: {operator: EEA}}]"


def names(planned):
    return [route.name for route in planned.routes]


def test_routes_stand_in_the_order_of_the_config_and_the_rest_say_why_not(policy, route, asks, now):
    judged = policy(EUROPE)
    routes = [
        route("us/m", operator={"US"}),
        route("fr/m", operator={"FR"}),
        route("de/m", operator={"DE"}, available="DE_API_KEY is not set"),
        route("at/m", operator={"AT"}),
    ]
    planned = plan(routes, LISTED, judged, asks("personal"), now)
    assert names(planned) == ["fr/m", "at/m"]
    assert [(d.route.name, d.why, d.rule, d.fact, d.value) for d in planned.dropped] == [
        ("us/m", "policy", "stays here", "operator", "US"),
        ("de/m", "unavailable", "", "", ""),
    ]
    assert planned.dropped[1].reason == "DE_API_KEY is not set"
    assert len(planned.reasons) == 2


def test_that_a_route_is_down_does_not_hide_that_it_is_forbidden(policy, route, asks, now):
    down = route("us/m", operator={"US"}, available="US_API_KEY is not set")
    planned = plan([down], LISTED, policy(EUROPE), asks("personal"), now)
    assert [(d.why, d.rule) for d in planned.dropped] == [("policy", "stays here")]


def test_a_limit_of_money_does_not_hide_why_a_route_is_down(policy, route, asks, now):
    judged = policy("rules: [{name: cap, require: {request_usd: {at_most: 0.50}}}]")
    planned = plan([route("us/m", available="no key")], LISTED, judged, asks(), now)
    assert [(d.why, d.reason) for d in planned.dropped] == [("unavailable", "no key")]


def test_cheapest_ranks_by_price_unknown_last_and_equals_as_listed(route, asks, now):
    routes = [
        route("unknown/m"),
        route("dear/m", price=(10, 10)),
        route("long-answers/m", price=("0.1", 9)),
        route("even/m", price=(2, "2.3")),
        route("also-even/m", price=(2, "2.3")),
        route("home/m", price=(0, 0)),
    ]
    planned = plan(routes, Wish("cheapest"), no_policy(), asks(), now)
    assert names(planned) == [
        "home/m", "even/m", "also-even/m", "long-answers/m", "dear/m", "unknown/m",
    ]  # fmt: skip
    assert planned.reasons[1] == "0.00415 USD expected for 1500 tokens in, 500 out"
    assert planned.reasons[-1] == "price unknown, so last"


def test_a_surcharge_counts_in_the_price(route, now):
    dearer = route("a/m", price=(1, 1))
    assert money(dearer, now, None).price == 1
    object.__setattr__(dearer, "surcharge", Decimal("1.1"))
    assert money(dearer, now, None).price == Decimal("1.1")


def test_a_rule_orders_before_the_model_does(policy, route, asks, now):
    judged = policy("rules: [{name: batches, when: {tag: batch}, prefer: cheapest}]")
    routes = [route("dear/m", price=(9, 9)), route("cheap/m", price=(1, 1))]
    assert names(plan(routes, LISTED, judged, asks(tags={"batch"}), now))[0] == "cheap/m"
    assert names(plan(routes, LISTED, judged, asks(), now))[0] == "dear/m"
    assert plan(routes, LISTED, judged, asks(tags={"batch"}), now).prefer == "cheapest"


@pytest.mark.parametrize(
    ("size", "kept"),
    [
        (None, []),
        (Size(1000, 100), ["dear/m", "cheap/m", "home/m"]),
        (Size(100_000, 1000), ["cheap/m", "home/m"]),
        (Size(1000), ["cheap/m", "home/m"]),  # dear/m may answer at its full length
        (Size(1_000_000, 100_000), ["home/m"]),
    ],
)
def test_a_limit_of_money_is_judged_by_the_most_a_request_can_cost(
    policy, route, asks, now, size, kept
):
    judged = policy("rules: [{name: cap, require: {request_usd: {at_most: 0.50}}}]")
    routes = [
        route("dear/m", price=(10, 50), max_output=20_000),
        route("cheap/m", price=(1, 5), max_output=20_000),
        route("home/m", price=(0, 0)),
        route("unknown/m"),
    ]
    assert names(plan(routes, LISTED, judged, asks(), now, size)) == kept


def test_the_ceiling_takes_the_clients_limit_else_the_models_else_the_context(route, now):
    known = route("a/m", price=(1, 2), max_output=1000, context=9000)
    assert ceiling_usd(known, now, Size(1000, 10)) == Decimal("0.00102")
    assert ceiling_usd(known, now, Size(1000)) == Decimal("0.003")
    assert ceiling_usd(known, now, Size(1000, answers=2)) == Decimal("0.005")
    open_end = route("a/m", price=(1, 2), max_output=None, context=9000)
    assert ceiling(open_end, now, Size(1000)) == 19_000_000_000
    endless = route("a/m", price=(1, 2), max_output=None)
    assert ceiling(endless, now, Size(1000)) is None
    assert ceiling(route("home/m", price=(0, 0), max_output=None), now, Size(1000)) == 0
    assert ceiling(route("unknown/m"), now, Size(1, 1)) is None
    assert ceiling_usd(known, now, None) is None


def test_an_explanation_names_every_route_with_rule_fact_and_source(policy, route, asks, now):
    judged = policy(EUROPE)
    routes = [
        route("us/m", operator={"US"}, evidence={"operator": "US · https://us.example · 2026"}),
        route("fr/m", operator={"FR"}),
        route("de/m", operator={"DE"}, available="DE_API_KEY is not set"),
        route("xx/m"),
    ]
    request = asks("personal", team="platform", key="ci", tags={"b", "a"})
    told = explanation(plan(routes, LISTED, judged, request, now), request, judged)
    assert json.loads(json.dumps(told)) == told
    assert [entry["route"] for entry in told["routes"]] == ["fr/m", "us/m", "de/m", "xx/m"]
    assert told["rules"] == ["stays here"]
    refused = told["routes"][1]
    assert (refused["rule"], refused["fact"], refused["value"], refused["source"]) == (
        "stays here",
        "operator",
        "US",
        "US · https://us.example · 2026",
    )
    why = "rule 'stays here' requires operator to be within EEA: operator is"
    assert lines(told) == [
        "assistant for label personal, team platform, key ci, tags a, b",
        f"policy {judged.hash}, rules that apply: 'stays here'",
        "  1. fr/m: listed at place 1",
        "       keeps 'stays here': operator is FR",
        f"  -  us/m: policy: {why} US (US · https://us.example · 2026)",
        "  -  de/m: unavailable: DE_API_KEY is not set",
        f"  -  xx/m: policy: {why} unknown",
    ]


def test_an_explanation_says_where_nobody_may_answer(route, asks, now):
    routes = [route("a/m", available="no key")]
    planned = plan(routes, LISTED, no_policy(), asks(), now)
    assert lines(explanation(planned, asks(), no_policy()))[-1] == "  no route may answer"
