"""Windows by the vendor's word, in credits and dollars, and what a call within a plan is worth."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.list_prices import stated
from providers.catalog import builtin
from providers.plan import MICRO, Tier, Window
from providers.plan_reading import Told
from providers.usage import Usage
from routing.expected import Expected, View, cost
from routing.route import Subscribed
from routing.strategies import order
from routing.weighing import taken
from routing.window_count import WORD_GOOD_FOR_S, Amounts
from routing.windows import Bought, Used, Windows
from routing.wish import Wish
from tests.unit.routing.test_windows import HOUR, NOON, PAYG, PLAN, Clock, frees, window

CREDITS = frozenset({"requests", "tokens", "usd", "credits"})
PRICES = stated({"input": Decimal(2), "output": Decimal(10)}, "a test", "")
ASKED = Expected(1000, 100)


def held(clock: Clock, *windows: Window, **more: bool) -> Windows:
    found = Windows(clock)
    bought = Bought("A Plan", Tier(None, windows), weighed=CREDITS, **more)
    found.hold({"plan": bought})
    return found


def shown(found: Windows) -> Used:
    (one,) = found.of("plan")
    return one


def test_credits_are_counted_to_the_millionth() -> None:
    clock = Clock()
    found = held(clock, window(2, unit="credits", starts="first_use"))
    found.used("plan", Amounts(credits=1_999_999))
    assert frees(found) is None
    assert shown(found).used == Decimal("1.999999")
    found.used("plan", Amounts(credits=1))
    assert frees(found) == 5 * HOUR


def test_a_call_of_unknown_weight_is_said_and_in_no_figure() -> None:
    found = held(Clock(), window(2, unit="credits", starts="first_use"))
    found.used("plan", Amounts(credits=None))
    assert (shown(found).used, shown(found).unweighed) == (Decimal(0), 1)


def test_dollars_count_at_list_prices() -> None:
    found = held(Clock(), window(1, unit="usd", starts="first_use"))
    plan = Subscribed("A Plan", payg=PRICES, in_dollars=True)
    usage = Usage(input=200_000, output=60_000, stated_usd=Decimal(0))
    found.used("plan", taken(plan, "m", usage, datetime.now(UTC)))
    assert shown(found).used == 1
    assert frees(found) == 5 * HOUR


@pytest.mark.parametrize(
    ("host", "model", "at", "weight"),
    [
        # Wednesday 15:00 in Shanghai, and its evening: the half of it.
        ("zai-coding", "glm-5.3", "2026-11-25T15:00+08:00", "2.23"),
        ("zai-coding", "glm-5.3", "2026-11-25T18:00+08:00", "1.115"),
        ("zai-coding", "glm-5.2", "2026-11-28T15:00+08:00", "1.115"),
        ("zai-coding", "glm-5.3-flash", "2026-11-25T14:00+08:00", "0.742"),
        ("zai-coding", "glm-6", "2026-11-25T14:00+08:00", None),
        ("xiaomi-mimo-plan", "mimo-v2.6-pro", "2026-11-25T09:00+08:00", "605000"),
        ("xiaomi-mimo-plan", "mimo-v2.6-pro", "2026-11-25T07:59+08:00", "484000"),
        ("volcengine-agent", "kimi-k3", "2026-11-25T07:59+08:00", "3.5"),
    ],
)
def test_what_calls_weigh_by_the_published_formulas(
    host: str, model: str, at: str, weight: str | None
) -> None:
    plan = builtin().hosts[host].plan
    assert plan is not None
    usage = Usage(input=1000, cache_read=2000, output=300, reasoning=200)
    found = taken(Subscribed(plan.name, plan.weights), model, usage, datetime.fromisoformat(at))
    assert found.credits == (None if weight is None else Decimal(weight) * MICRO)
    assert found.tokens == 3500


def test_credits_of_a_list_price_in_its_own_currency() -> None:
    plan = builtin().hosts["stepfun-plan"].plan
    assert plan is not None
    assert plan.weights is not None
    # 0.0135 CNY, of which one is a million credits.
    assert plan.weights.by_list_price("CNY", 13_500_000_000) == 13_500 * MICRO
    assert plan.weights.by_list_price("USD", 13_500_000_000) is None


def test_the_vendors_word_puts_the_count_right_and_goes_on_from_there() -> None:
    clock = Clock()
    found = held(clock, window(100, unit="requests"), asked=True)
    for _ in range(10):
        found.used("plan", Amounts())
    clock.now += HOUR
    # Most was used by other ways, and the window ends in two hours.
    found.told("plan", "k", [Told("5h", Fraction(97, 100), clock.now + 2 * HOUR)])
    assert (shown(found).used, shown(found).told_at) == (Decimal(97), clock.now)
    for _ in range(3):
        found.used("plan", Amounts())
    assert frees(found) == 2 * HOUR
    blocked = found.blocked(PLAN)
    assert blocked is not None
    assert "100 of 100 requests by its vendor's word" in blocked.reason
    clock.now += 2 * HOUR
    assert frees(found) is None
    assert shown(found).used == 0


def test_windows_are_learnt_from_the_vendor() -> None:
    clock = Clock()
    found = Windows(clock)
    found.hold({"plan": Bought("A Plan", Tier(None, None), asked=True)})
    assert found.of("plan") == ()
    found.told(
        "plan", "k", [Told("5h", Fraction(1, 4), clock.now + HOUR), Told("7d", Fraction(1), None)]
    )
    five, week = found.of("plan")
    assert (five.used, five.most) == (Decimal("0.25"), Decimal(1))
    # It is full by a word without an end: tried again after a while.
    assert week.frees_in_s == WORD_GOOD_FOR_S
    clock.now += WORD_GOOD_FOR_S
    assert found.blocked(PLAN) is None
    for number in range(20):
        found.told("plan", "k", [Told(f"{number + 8}h", Fraction(1, 4), None)])
    assert len(found.of("plan")) == 8
    found.used("plan", Amounts())


def test_two_keys_are_two_windows_by_the_vendors_word_too() -> None:
    clock = Clock()
    found = Windows(clock)
    tier = Tier(None, (window(10),))
    found.hold({"plan": Bought("A Plan", tier, times=2, asked=True)})
    found.told("plan", "one", [Told("5h", Fraction(1), None)])
    assert frees(found) is not None
    found.told("plan", "two", [Told("5h", Fraction(1, 5), None)])
    assert (shown(found).used, shown(found).most) == (Decimal(12), Decimal(20))
    assert frees(found) is None


def test_where_the_key_goes_on_the_plan_pays_until_it_is_used_up() -> None:
    clock = Clock()
    found = held(clock, window(2, starts="first_use"), goes_on=True)
    assert found.pays(PLAN)
    for _ in range(2):
        found.used("plan", Amounts())
    assert found.blocked(PLAN) is None
    assert not found.pays(PLAN)
    shadow = found.shadow(PLAN)
    assert shadow is not None
    assert shadow.ppm == MICRO
    clock.now += 5 * HOUR
    assert found.pays(PLAN)


def test_a_plan_is_cheapest_while_nothing_of_it_is_scarce() -> None:
    clock = Clock()
    found = held(clock, window(100, starts="first_use"))
    plan = replace(PLAN, plan=Subscribed("A Plan", payg=PRICES), prices=stated(FREE, "x", ""))
    dear = stated({"input": Decimal("0.5"), "output": Decimal(1)}, "y", "")
    other = replace(PAYG, prices=dear)
    view = View(datetime.now(UTC), ASKED, shadow=found.shadow)
    found.used("plan", Amounts(1))
    routes, reasons = order((other, plan), Wish("cheapest"), view)
    assert routes[0].name == "plan/m"
    assert reasons[0] == "0 USD expected; plan: 1 % of the 5h window used, none of it scarce"
    clock.now += HOUR
    found.used("plan", Amounts(requests=79))
    # At this pace four windows are used: three of four calls would pay 0.003 USD.
    routes, reasons = order((other, plan), Wish("cheapest"), view)
    assert [route.name for route in routes] == ["payg/m", "plan/m"]
    assert reasons[1] == (
        "0.00225 USD expected; plan: 80 % of the 5h window used, worth 0.75 of its list price"
    )


FREE = {"input": Decimal(0), "output": Decimal(0)}


@given(
    st.sampled_from(["first_use", "rolling", "fixed"]),
    st.integers(1, 1000),
    st.lists(st.tuples(st.integers(0, HOUR), st.integers(1, 300)), min_size=1, max_size=20),
    st.integers(0, 200),
)
def test_the_worth_is_never_negative_never_above_the_price_and_rises_with_use(
    starts: str, most: int, uses: list[tuple[int, int]], more: int
) -> None:
    clock = Clock()
    less, dearer = (
        held(clock, window(most, starts=starts)),
        held(clock, window(most, starts=starts)),
    )
    route = replace(PLAN, plan=Subscribed("A Plan", payg=PRICES))
    at_list = cost(replace(route, prices=PRICES), datetime.now(UTC), ASKED)
    assert at_list is not None
    for wait, requests in uses:
        clock.now += wait
        less.used("plan", Amounts(requests))
        dearer.used("plan", Amounts(requests + more))
        low, high = (
            View(datetime.now(UTC), ASKED, shadow=one.shadow).cost(route) for one in (less, dearer)
        )
        assert low is not None
        assert high is not None
        assert 0 <= low <= high <= at_list


@given(st.integers(1, 100), st.floats(0, 5 * HOUR - 1))
def test_what_lasts_to_the_end_of_its_window_is_worth_nothing(used: int, after: float) -> None:
    clock = Clock()
    found = held(clock, window(2000, starts="first_use"))
    found.used("plan", Amounts(used))
    clock.now = NOON + after
    shadow = found.shadow(PLAN)
    assert shadow is not None
    assert shadow.ppm == 0
