"""The policy's engine against a naive reading of the same rules, over made-up gateways."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace
from datetime import UTC, datetime, time
from decimal import Decimal
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from routing.facts import Money, RouteFacts
from routing.plan import plan
from routing.route import Size, money
from routing.wish import LISTED
from tests.property import naive_policy
from tests.property.generated import NOW, SETS, VALUES, Maker, World, seeds, worlds

MOMENTS = st.sampled_from(
    [NOW, *(datetime.combine(NOW.date(), time(*hour), UTC) for hour in ((0, 20), (15, 50), (23,)))]
)
PLENTY = Money(*[Decimal(0)] * 4)


def refusing(world: World, request, route, figures) -> set[str]:
    """The naive reading of one gateway."""
    today = datetime.now(UTC).date()
    return naive_policy.refusing(world.policy, world.config, request, route.facts, figures, today)


def figures_of(cost: Money) -> dict[str, object]:
    return {
        "request_usd": cost.request,
        "price": cost.price,
        "input": cost.input,
        "output": cost.output,
    }


@settings(max_examples=30, deadline=None)
@given(worlds(), seeds(), MOMENTS)
def test_judge_agrees_with_the_naive_reading(world, random, at):
    judged = world.compiled
    requests = [Maker(random).request(world) for _ in range(3)]
    for _ in range(2):  # the second time from memory
        for request in requests:
            for route in world.routes.values():
                found = refusing(world, request, route, naive_policy.money_at(route, at))
                verdict = judged.judge(request, route.facts, smallest(route, at))
                assert verdict.allowed is (not found)
                assert verdict.allowed or verdict.rule in found
                assert verdict.allowed or verdict.reason
                every = judged.breaches(request, route.facts, smallest(route, at))
                assert {breach.rule for breach in every} == found


def smallest(route, at: datetime) -> Money:
    return money(route, at, Size(1, 1))


def test_the_fast_generator_finds_no_disagreement_either():
    made = Maker(Random(6))
    for _ in range(300):
        world = made.world()
        judged = world.compiled
        for _ in range(20):
            request = made.request(world)
            for route in world.routes.values():
                found = refusing(world, request, route, naive_policy.money_at(route, NOW))
                assert judged.judge(request, route.facts, smallest(route, NOW)).allowed is not found


@settings(max_examples=200, deadline=None)
@given(seeds())
def test_plan_keeps_exactly_what_is_available_and_allowed(random):
    world = Maker(random).world()
    request = Maker(random).request(world)
    asked = world.asked(request.model)
    candidates = [replace(route, available=random.choice(["", "no key"])) for route in asked.routes]
    planned = plan(candidates, LISTED, world.compiled, request, NOW)
    figures = [figures_of(money(route, NOW, None)) for route in candidates]
    kept = {
        route.name
        for route, figure in zip(candidates, figures, strict=True)
        if not route.available and not refusing(world, request, route, figure)
    }
    assert {route.name for route in planned.routes} == kept
    assert len(planned.reasons) == len(planned.routes)
    assert len(planned.routes) + len(planned.dropped) == len(candidates)
    assert all(dropped.reason for dropped in planned.dropped)


@settings(max_examples=200, deadline=None)
@given(seeds(), st.integers(0, 4))
def test_adding_a_rule_never_admits_more(random, place):
    world = Maker(random).world()
    policy = deepcopy(world.policy)
    policy["rules"].insert(place, Maker(random).rule("another"))
    after = replace(world, policy=policy).compiled
    request = Maker(random).request(world)
    for route in world.routes.values():
        if after.judge(request, route.facts, PLENTY).allowed:
            assert world.compiled.judge(request, route.facts, PLENTY).allowed


@settings(max_examples=200, deadline=None)
@given(seeds(), st.sampled_from([*SETS, *VALUES, "licence", "retention_days"]))
def test_knowing_less_never_admits_more(random, fact):
    world = Maker(random).world()
    request = Maker(random).request(world)
    for route in world.routes.values():
        less: RouteFacts = replace(route.facts, **{fact: None})
        if world.compiled.judge(request, less, PLENTY).allowed:
            assert world.compiled.judge(request, route.facts, PLENTY).allowed


@settings(max_examples=100, deadline=None)
@given(seeds())
def test_a_request_that_does_not_say_its_entry_is_let_nowhere_that_one_who_says_it_is_not(random):
    world = Maker(random).world()
    request = Maker(random).request(world)
    silent = replace(request, entry=None)
    for route in world.routes.values():
        if world.compiled.judge(silent, route.facts, PLENTY).allowed:
            assert world.compiled.judge(request, route.facts, PLENTY).allowed
