"""The breaker of a route: a rate of failures opens it, probes close it, and it says so."""

from __future__ import annotations

import pytest

from providers.errors import ErrorKind
from routing.health import Health
from tests.unit.routing.sick_routes import Clock, fail, fault, route

K = ErrorKind
NEUTRAL = (
    K.BAD_REQUEST, K.FILTERED, K.CONTEXT_TOO_LONG, K.OPAQUE_STATE, K.NOT_FOUND, K.FORBIDDEN,
)  # fmt: skip
FAILING = (K.CONNECT, K.TIMEOUT, K.SERVER, K.OVERLOADED, K.MALFORMED, K.CUT, K.AUTH)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def health(clock: Clock) -> Health:
    return Health(clock, lambda: 0.5)  # a draw in the middle: no jitter


@pytest.mark.parametrize("kind", FAILING)
def test_a_rate_of_failures_opens_it(health: Health, kind: ErrorKind) -> None:
    one = route("a/m")
    fail(health, one, 4, kind)
    assert health.blocked(one) is None, "four attempts say nothing of a rate"
    fail(health, one, 1, kind)
    blocked = health.blocked(one)
    assert blocked is not None
    assert blocked.frees_in_s == 10
    assert health.choose(one, "") is None


@pytest.mark.parametrize("kind", NEUTRAL)
def test_the_requests_own_faults_count_nothing(health: Health, kind: ErrorKind) -> None:
    one = route("a/m")
    fail(health, one, 50, kind)
    assert health.blocked(one) is None
    assert health.snapshot().routes == {}


def test_a_quarter_of_failures_or_old_ones_open_nothing(health: Health, clock: Clock) -> None:
    one = route("a/m")
    for _ in range(40):
        for _ in range(3):
            health.good(one, one.endpoint, 0.1, None)
        fail(health, one, 1)
        clock.now += 0.1
    assert health.blocked(one) is None
    other = route("b/m")
    for _ in range(30):
        fail(health, other, 1)
        clock.now += 9  # never five within half a minute
    assert health.blocked(other) is None


def test_it_opens_half_opens_and_closes_and_says_so(clock: Clock) -> None:
    seen: list[tuple[str, str, str]] = []
    health = Health(clock, lambda: 0.5, lambda *change: seen.append(change))
    one = route("a/m")
    fail(health, one)
    assert health.snapshot().routes["a/m"].state == "open"
    clock.now += 10
    assert health.blocked(one) is None
    assert health.choose(one, "") is one.endpoint
    blocked = health.blocked(one)
    assert blocked is not None
    assert "probes" in blocked.reason
    assert health.choose(one, "") is None, "one probe at a time"
    health.good(one, one.endpoint, 0.1, None)
    assert health.choose(one, "") is one.endpoint
    health.good(one, one.endpoint, 0.1, None)
    assert health.blocked(one) is None
    assert seen == [
        ("a/m", "closed", "open"),
        ("a/m", "open", "half_open"),
        ("a/m", "half_open", "closed"),
    ]
    fail(health, one, 4)
    assert health.blocked(one) is None, "closed, it counts anew"


def test_a_bad_probe_doubles_the_time_up_to_two_minutes(health: Health, clock: Clock) -> None:
    one = route("a/m")
    fail(health, one)
    waits = []
    for _ in range(6):
        blocked = health.blocked(one)
        assert blocked is not None
        waits.append(blocked.frees_in_s)
        clock.now += blocked.frees_in_s
        assert health.choose(one, "") is one.endpoint
        fail(health, one, 1)
    assert waits == [10, 20, 40, 80, 120, 120]


@pytest.mark.parametrize("end", ["gone", "neutral", "limited", "untold"])
def test_no_probe_holds_its_place_for_ever(health: Health, clock: Clock, end: str) -> None:
    one = route("a/m")
    fail(health, one)
    clock.now += 10
    assert health.choose(one, "") is one.endpoint
    if end == "gone":
        health.gone(one)
    elif end == "neutral":
        health.bad(one, one.endpoint, fault(K.BAD_REQUEST))
    elif end == "limited":
        health.bad(one, one.endpoint, fault(K.RATE_LIMITED))
        assert health.choose(one, "") is None
        clock.now += 1
    else:
        assert health.choose(one, "") is None
        clock.now += 60
    assert health.choose(one, "") is one.endpoint


def test_what_was_under_way_when_it_opened_opens_it_no_longer(health: Health, clock: Clock) -> None:
    one = route("a/m")
    fail(health, one)
    clock.now += 5
    fail(health, one, 20)
    health.good(one, one.endpoint, 0.1, None)
    blocked = health.blocked(one)
    assert blocked is not None
    assert blocked.frees_in_s == 5
