"""Windows of a plan: used up they block the route, and over they free it."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.endpoint import Endpoint, Timeouts
from providers.errors import ErrorKind, UpstreamError
from providers.plan import Tier, Window
from providers.plan_reading import Told
from routing.facts import RouteFacts
from routing.health import Health
from routing.route import Route
from routing.window_count import PARTS, Amounts
from routing.windows import Bought, Windows

HOUR = 3600
# Wednesday, 25 November 2026, 12:00.
NOON = datetime(2026, 11, 25, 12, tzinfo=UTC).timestamp()


class Clock:
    """Seconds since 1970 that pass when told to."""

    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> float:
        return self.now


def route(name: str) -> Route:
    provider, _, model = name.partition("/")
    endpoint = Endpoint(provider, "h", "d", "", {}, Timeouts(1, 1, 1, 1), quota=provider)
    return Route(name, provider, model, endpoint, {}, RouteFacts(provider, model))


def window(
    amount: int | None = 3, per: str = "5h", unit: str = "requests", starts: str = "rolling"
) -> Window:
    return Window(per, unit, None if amount is None else Decimal(amount), starts, "")


def windows(clock: Clock, *held: Window, times: int = 1) -> Windows:
    found = Windows(clock)
    found.hold({"plan": Bought("A Plan", Tier(None, held), times)})
    return found


PLAN, PAYG = route("plan/m"), route("payg/m")


def frees(found: Windows) -> float | None:
    blocked = found.blocked(PLAN)
    return None if blocked is None else blocked.frees_in_s


def test_a_used_up_window_falls_over_to_pay_per_token_and_back() -> None:
    clock = Clock()
    found, health = windows(clock, window(3, starts="first_use")), Health(lambda: clock.now)

    def first_free() -> str:
        for one in (PLAN, PAYG):
            if found.blocked(one) is None and health.blocked(one) is None:
                return one.name
        return ""

    used = []
    for _ in range(5):
        used.append(first_free())
        found.used(used[-1].partition("/")[0], Amounts(tokens=10))
        clock.now += 60
    assert used == ["plan/m"] * 3 + ["payg/m"] * 2
    blocked = found.blocked(PLAN)
    assert blocked is not None
    assert blocked.why == "window"
    assert blocked.reason.startswith("the 5h window of A Plan is used up: 3 of 3 requests")
    clock.now = NOON + 5 * HOUR - 1
    assert first_free() == "payg/m"
    clock.now += 1
    assert first_free() == "plan/m"
    # The host's own word beats the count: used by other ways, the plan is over before.
    found.used("plan", Amounts())
    health.bad(PLAN, PLAN.endpoint, UpstreamError(ErrorKind.QUOTA, "used up", retry_after_s=900))
    assert first_free() == "payg/m"
    clock.now += 900
    assert first_free() == "plan/m"


def test_a_rolling_window_frees_as_its_oldest_uses_fall_out() -> None:
    clock = Clock()
    found = windows(clock, window(3))
    for _ in range(3):
        assert frees(found) is None
        found.used("plan", Amounts())
        clock.now += HOUR
    assert frees(found) == 2 * HOUR
    clock.now += 2 * HOUR
    assert frees(found) is None
    found.used("plan", Amounts())
    assert frees(found) == HOUR


@pytest.mark.parametrize(
    ("per", "end"),
    [
        ("5h", "2026-11-25T15:00"),
        ("1d", "2026-11-26T00:00"),
        ("7d", "2026-11-30T00:00"),
        ("1month", "2026-12-01T00:00"),
        ("3month", "2027-01-01T00:00"),
    ],
)
def test_fixed_windows_end_by_the_calendar(per: str, end: str) -> None:
    clock = Clock()
    found = windows(clock, window(1, per, starts="fixed"))
    found.used("plan", Amounts())
    ends_at = clock.now + (frees(found) or 0)
    if per != "5h":  # counted from 1970, wherever that leads
        assert ends_at == datetime.fromisoformat(end).replace(tzinfo=UTC).timestamp()
    assert clock.now < ends_at <= clock.now + 92 * 24 * HOUR
    clock.now = ends_at
    assert frees(found) is None


def test_the_window_that_ends_last_counts() -> None:
    clock = Clock()
    found = windows(clock, window(2, "5h", starts="first_use"), window(2, "7d", starts="first_use"))
    found.used("plan", Amounts())
    found.used("plan", Amounts())
    assert frees(found) == 7 * 24 * HOUR


def test_what_is_not_published_or_not_countable_blocks_nothing() -> None:
    clock = Clock()
    uncounted = (window(1, unit=unit) for unit in ("credits", "usd", "prompts"))
    found = windows(clock, window(None), *uncounted)
    for _ in range(100):
        found.used("plan", Amounts(tokens=1000))
    assert frees(found) is None
    assert found.longest_s == 0
    found.used("unheard of", Amounts())
    assert found.blocked(PAYG) is None


def test_tokens_are_counted_as_such() -> None:
    clock = Clock()
    found = windows(clock, window(1000, unit="tokens", starts="first_use"))
    found.used("plan", Amounts(tokens=999))
    assert frees(found) is None
    found.used("plan", Amounts(tokens=1))
    assert frees(found) == 5 * HOUR


def test_several_keys_have_as_many_plans() -> None:
    found = windows(Clock(), window(2, starts="first_use"), times=2)
    for _ in range(3):
        found.used("plan", Amounts())
    assert frees(found) is None
    found.used("plan", Amounts())
    assert frees(found) == 5 * HOUR


def test_the_ledger_seeds_what_a_restart_forgot() -> None:
    clock = Clock()
    found = windows(clock, window(3), window(100, "7d", "tokens"))
    assert found.longest_s >= 7 * 24 * HOUR
    ago = [20 * 24 * HOUR, 6 * HOUR, 4 * HOUR, 2 * HOUR, HOUR]
    found.seed("plan", [(NOON - seconds, Amounts(1, 1)) for seconds in ago])
    assert frees(found) == HOUR, "what is older than the window counts no more"
    found.seed("unheard of", [(NOON, Amounts(1, 1))])


def test_a_reload_keeps_the_count_of_a_plan_that_stays_as_it_was() -> None:
    clock = Clock()
    same = Bought("A Plan", Tier(None, (window(1),)))
    found = Windows(clock)
    found.hold({"plan": same})
    found.used("plan", Amounts())
    found.hold({"plan": Bought("A Plan", Tier(None, (window(1),)))})
    assert frees(found) is not None
    found.hold({"plan": Bought("A Plan", Tier(None, (window(9),)))})
    assert frees(found) is None
    found.hold({})
    assert frees(found) is None


@given(
    st.lists(st.tuples(st.floats(0, 4 * HOUR), st.integers(1, 3)), max_size=60),
    st.integers(1, 12),
)
def test_a_rolling_window_agrees_with_a_naive_count(
    uses: list[tuple[float, int]], most: int
) -> None:
    clock = Clock()
    found = windows(clock, window(most))
    seen: list[tuple[float, int]] = []
    part = 5 * HOUR / PARTS
    for wait, requests in uses:
        clock.now += wait
        inside = sum(n for at, n in seen if at > clock.now - 5 * HOUR + part)
        around = sum(n for at, n in seen if at > clock.now - 5 * HOUR)
        blocked = found.blocked(PLAN) is not None
        assert blocked or inside < most, "at most one part of the window too soon"
        assert not blocked or around >= most
        found.used("plan", Amounts(requests))
        seen.append((clock.now, requests))


@pytest.mark.parametrize("starts", ["rolling", "first_use", ""])
def test_a_clock_that_is_set_back_does_not_keep_a_window_shut(starts: str) -> None:
    clock = Clock()
    held = windows(clock, window(starts=starts))
    clock.now += 10 * 365 * 24 * HOUR
    for _ in range(3):
        held.used("plan", Amounts())
    clock.now = NOON
    assert held.blocked(route("plan/m")) is not None
    clock.now += 6 * HOUR
    assert held.blocked(route("plan/m")) is None


@pytest.mark.parametrize("said", [1e24, NOON * 1000, NOON + 10**9])
def test_a_vendor_shuts_a_window_for_no_longer_than_it_is(said: float) -> None:
    clock = Clock()
    held = windows(clock, window())
    held.told("plan", "key", [Told("5h", Fraction(1), said)])
    assert held.blocked(route("plan/m")) is not None
    clock.now += 6 * HOUR
    assert held.blocked(route("plan/m")) is None
