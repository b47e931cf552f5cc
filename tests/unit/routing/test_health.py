"""Health: a cooling group gets nothing and comes back, and speed is what was measured."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from providers.errors import ErrorKind, UpstreamError
from routing import health as rooms
from routing.health import Health
from tests.unit.routing.sick_routes import Clock, fail, fault, route

K = ErrorKind


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def health(clock: Clock) -> Health:
    return Health(clock, lambda: 0.5)  # a draw in the middle: no jitter


# Quota groups.


def test_all_that_share_a_limit_cool_for_as_long_as_the_host_said(
    health: Health, clock: Clock
) -> None:
    hit, sister, other = route("a/m", "g"), route("b/n", "g"), route("c/m", "h")
    health.bad(hit, hit.endpoint, fault(K.RATE_LIMITED, 7.5))
    for one in (hit, sister):
        blocked = health.blocked(one)
        assert blocked is not None
        assert (blocked.why, blocked.frees_in_s) == ("health", 7.5)
        assert "quota group g cools for another 8 s" in blocked.reason
        assert health.choose(one, "") is None
    assert health.blocked(other) is None
    clock.now += 7.4
    assert health.choose(hit, "") is None
    clock.now += 0.1
    assert health.blocked(hit) is None
    assert health.choose(hit, "") is hit.endpoint


def test_models_with_limits_of_their_own_cool_alone(health: Health) -> None:
    hit, sister = route("a/m", "g", shares=False), route("a/n", "g", shares=False)
    health.bad(hit, hit.endpoint, fault(K.RATE_LIMITED, 5))
    assert health.blocked(hit) is not None
    assert health.blocked(sister) is None


def test_one_stray_429_benches_nobody_for_long(health: Health, clock: Clock) -> None:
    one = route("a/m")
    health.bad(one, one.endpoint, fault(K.RATE_LIMITED))
    clock.now += 1
    assert health.blocked(one) is None


def test_refusals_in_a_row_double_the_wait_and_a_success_starts_anew(
    health: Health, clock: Clock
) -> None:
    one = route("a/m")
    waits = []
    for _ in range(9):
        health.bad(one, one.endpoint, fault(K.RATE_LIMITED))
        blocked = health.blocked(one)
        assert blocked is not None
        waits.append(blocked.frees_in_s)
        clock.now += blocked.frees_in_s
    assert waits == [1, 2, 4, 8, 16, 32, 60, 60, 60]
    health.good(one, one.endpoint, 0.1, None)
    health.bad(one, one.endpoint, fault(K.RATE_LIMITED))
    again = health.blocked(one)
    assert again is not None
    assert again.frees_in_s == 1


def test_refusals_of_one_moment_are_one_and_a_late_success_ends_no_wait(
    health: Health, clock: Clock
) -> None:
    one = route("a/m")
    for _ in range(10):
        health.bad(one, one.endpoint, fault(K.RATE_LIMITED))
    health.good(one, one.endpoint, 0.1, None)  # it was under way
    blocked = health.blocked(one)
    assert blocked is not None
    assert blocked.frees_in_s == 1
    clock.now += 1
    health.bad(one, one.endpoint, fault(K.RATE_LIMITED))
    blocked = health.blocked(one)
    assert blocked is not None
    assert blocked.frees_in_s == 2


def test_of_several_named_waits_the_longest_holds_and_they_are_one_refusal(
    health: Health, clock: Clock
) -> None:
    one = route("a/m")
    for wait in (3, 9, 2, 4):
        health.bad(one, one.endpoint, fault(K.RATE_LIMITED, wait))
    blocked = health.blocked(one)
    assert blocked is not None
    assert blocked.frees_in_s == 9
    clock.now += 9
    health.bad(one, one.endpoint, fault(K.RATE_LIMITED))
    blocked = health.blocked(one)
    assert blocked is not None
    assert blocked.frees_in_s == 2, "the second refusal, and not the fifth"
    clock.now += 2
    health.bad(one, one.endpoint, fault(K.QUOTA))
    blocked = health.blocked(one)
    assert blocked is not None
    assert blocked.frees_in_s == 60, "the first of its kind"


def test_used_up_credit_cools_longer_and_still_comes_back(health: Health, clock: Clock) -> None:
    one = route("a/m")
    waits = []
    for _ in range(8):
        health.bad(one, one.endpoint, fault(K.QUOTA))
        blocked = health.blocked(one)
        assert blocked is not None
        waits.append(blocked.frees_in_s)
        clock.now += blocked.frees_in_s
    assert waits[:3] == [60, 120, 240]
    assert waits[-1] == 3600
    assert health.blocked(one) is None
    health.bad(one, one.endpoint, fault(K.QUOTA, 10.0**9))
    blocked = health.blocked(one)
    assert blocked is not None
    assert blocked.frees_in_s == 24 * 3600


def test_no_room_with_a_named_wait_rests_that_route_alone(health: Health, clock: Clock) -> None:
    hit, sister = route("a/m", "g"), route("a/n", "g")
    health.bad(hit, hit.endpoint, fault(K.OVERLOADED, 20))
    blocked = health.blocked(hit)
    assert blocked is not None
    assert "no room" in blocked.reason
    assert health.choose(hit, "") is None
    assert health.blocked(sister) is None
    clock.now += 20
    assert health.choose(hit, "") is hit.endpoint
    assert health.blocked(hit) is None


def test_a_good_answers_headers_cool_a_used_up_limit(health: Health, clock: Clock) -> None:
    one = route("a/m")
    left = {"x-ratelimit-remaining-requests": "3", "x-ratelimit-reset-requests": "9s"}
    unlimited = {"x-ratelimit-remaining": "0", "x-ratelimit-limit": "0", "x-ratelimit-reset": "9"}
    for headers in (left, unlimited, {"age": "0"}, {"x-ratelimit-remaining-tokens": "0"}):
        health.told(one, one.endpoint, headers)
        assert health.blocked(one) is None
    spent = {**left, "x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "1m30s"}
    health.told(one, one.endpoint, spent)
    blocked = health.blocked(one)
    assert blocked is not None
    assert blocked.frees_in_s == 90


# Several keys.


def test_a_conversation_keeps_its_key_until_that_cools(health: Health) -> None:
    one = route("a/m", "k1", "k2", "k3")
    chosen = {stay: health.choose(one, stay) for stay in map(str, range(60))}
    assert len({found.quota for found in chosen.values() if found is not None}) == 3
    assert all(health.choose(one, stay) is found for stay, found in chosen.items())
    health.bad(one, one.endpoints[0], fault(K.RATE_LIMITED, 9))
    assert health.blocked(one) is None
    for stay, before in chosen.items():
        now = health.choose(one, stay)
        assert now is not one.endpoints[0]
        assert now is before or before is one.endpoints[0], "only its own conversations move"


def test_others_go_to_the_key_that_rested_longest(health: Health) -> None:
    one = route("a/m", "k1", "k2", "k3")
    used = []
    for _ in range(6):
        found = health.choose(one, "")
        assert found is not None
        health.began(one, found)
        used.append(found.quota)
    assert used == ["k1", "k2", "k3"] * 2


def test_one_bad_key_of_several_is_left_alone(health: Health) -> None:
    one = route("a/m", "k1", "k2")
    for _ in range(20):
        health.bad(one, one.endpoints[0], fault(K.AUTH))
    assert health.blocked(one) is None
    assert health.choose(one, "") is one.endpoints[1]
    health.bad(one, one.endpoints[1], fault(K.RATE_LIMITED, 7))
    blocked = health.blocked(one)
    assert blocked is not None
    assert blocked.frees_in_s == 7, "the earliest of its keys"
    assert health.choose(one, "x") is None


# Speed.


def test_speed_is_the_median_of_the_last_answers(health: Health) -> None:
    one = route("a/m")
    for first, rate in ((0.1, 50.0), (9.0, None)):
        health.good(one, one.endpoint, first, rate)
        assert health.speed(one) is None
    health.good(one, one.endpoint, 0.3, 70.0)
    speed = health.speed(one)
    assert speed is not None
    assert (speed.first_s, speed.tokens_per_s, speed.seen) == (0.3, 60.0, 3)
    health.good(one, one.endpoint, None, None)  # an answer that nobody timed
    assert health.first_content_s(one, 95) is None
    for number in range(1, 101):
        health.good(one, one.endpoint, number / 100, None)
    assert health.first_content_s(one, 50) == 0.68, "of the last 64 alone"
    assert health.first_content_s(one, 99) == 1.0


def test_second_attempts_are_for_a_share_of_the_calls() -> None:
    health, one = Health(Clock()), route("a/m")
    assert health.hedge_after_s(one, 95) is None
    for _ in range(20):
        health.good(one, one.endpoint, 0.1, 10.0)
    begun = 0
    for _ in range(1000):
        # As if every call were slower than the times that are known.
        if health.hedge_after_s(one, 95) is not None:
            health.hedged(one)
            begun += 1
    assert 95 <= begun <= 105, "twice 5 in 100"


# Bounds, and what always holds.


def test_tables_are_bounded_and_forget_nobody_in_trouble(
    health: Health, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rooms, "KEPT_MOST", 8)
    cools, opens = route("a/m", "g"), route("b/m")
    health.bad(cools, cools.endpoint, fault(K.RATE_LIMITED, 600))
    fail(health, opens)
    for number in range(100):
        one = route(f"c/{number}", f"c{number}")
        health.good(one, one.endpoint, 0.1, None)
        health.bad(one, one.endpoint, fault(K.RATE_LIMITED))
        clock.now += 0.05
    assert health.blocked(cools) is not None
    assert health.blocked(opens) is not None
    assert len(health.snapshot().routes) <= 8
    assert len(health.snapshot().cooling) <= 8


def test_the_last_word_on_limits_is_kept_for_each_group(
    health: Health, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rooms, "KEPT_MOST", 8)
    for number in range(20):
        one = route(f"c/{number}", f"c{number}")
        health.told(one, one.endpoint, {"x-ratelimit-remaining-tokens": "5"})
        health.told(one, one.endpoint, {"x-ratelimit-remaining-tokens": str(number + 1)})
    clock.now += 3
    told = health.snapshot().told
    assert len(told) == 8
    last = route("c/19", "c19")
    assert told[last.quota(last.endpoint)] == (3, {"x-ratelimit-remaining-tokens": "20"})


def test_names_and_not_objects_carry_it_through_a_reload(health: Health) -> None:
    before = route("a/m", "g")
    health.bad(before, before.endpoint, fault(K.RATE_LIMITED, 9))
    fail(health, route("b/m"))
    assert health.blocked(route("a/m", "g")) is not None
    assert health.blocked(route("b/m")) is not None


Step = tuple[str, int, int, Any]
STEPS = st.lists(
    st.tuples(
        st.sampled_from(["ask", "ask", "ask", "wait"]),
        st.integers(0, 2),
        st.integers(0, 3),
        st.one_of(
            st.none(),
            st.tuples(st.sampled_from(list(ErrorKind)), st.none() | st.floats(0, 200)),
        ),
    ),
    max_size=80,
)


@settings(max_examples=300)
@given(STEPS)
def test_a_cooling_group_receives_nothing_and_nothing_cools_for_ever(steps: list[Step]) -> None:
    clock = Clock()
    health = Health(clock, lambda: 0.5)
    routes = [route("a/m", "g", "h"), route("b/m", "g"), route("c/m", "i", shares=False)]
    told: dict[str, float] = {}  # a naive reading: until when each group was told to wait
    for what, which, seconds, end in steps:
        if what == "wait":
            clock.now += seconds * 11
            continue
        one = routes[which]
        endpoint = health.choose(one, str(seconds) if seconds else "")
        blocked = health.blocked(one)
        if endpoint is None:
            assert blocked is not None
            assert 0 < blocked.frees_in_s <= 24 * 3600
            continue
        group = one.quota(endpoint)
        for limit in {group, endpoint.quota}:
            assert told.get(limit, 0) <= clock.now, "sent to a group that cools"
        health.began(one, endpoint)
        if end is None:
            health.good(one, endpoint, 0.1, 10.0)
            continue
        kind, wait = end
        health.bad(one, endpoint, fault(kind, wait))
        if kind in (K.RATE_LIMITED, K.QUOTA):
            least = wait or (0.9 if kind is K.RATE_LIMITED else 59)
            # Credit and plans are the account's, whatever limits its models have.
            limit = endpoint.quota if kind is K.QUOTA else group
            told[limit] = max(told.get(limit, 0), clock.now + least - 1e-6)
    clock.now += 24 * 3600 + 121
    assert all(health.choose(one, "") is not None for one in routes)


def test_the_snapshot_tells_all(health: Health) -> None:
    one, other = route("a/m", "g"), route("b/m")
    health.good(one, one.endpoint, 0.1, None)
    fail(health, one, 1)
    health.bad(one, one.endpoint, fault(K.RATE_LIMITED, 30))
    fail(health, other)
    found = health.snapshot()
    assert found.cooling == {"g": 30}
    states: Mapping[str, tuple[str, int, float]] = {
        name: (seen.state, seen.attempts, seen.failure_rate) for name, seen in found.routes.items()
    }
    assert states == {"a/m": ("closed", 2, 0.5), "b/m": ("open", 5, 1.0)}


def test_a_route_without_a_list_of_keys_has_its_one(health: Health) -> None:
    one = replace(route("a/m", "g"), endpoints=())
    assert health.choose(one, "x") is one.endpoint
    health.bad(one, one.endpoint, fault(K.RATE_LIMITED, 3))
    assert health.choose(one, "x") is None
    assert health.blocked(one) is not None


def test_what_a_model_writes_badly_on_demand_benches_no_host(health: Health) -> None:
    one = route("a/m")
    for _ in range(50):
        health.bad(one, one.endpoint, UpstreamError(K.MALFORMED, "no such JSON", of_model=True))
    assert health.blocked(one) is None
    fail(health, one, kind=K.MALFORMED)
    assert health.blocked(one) is not None
