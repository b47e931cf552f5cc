"""Comparisons: attempt for attempt, exact, and silent where too little is known."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing import shadows
from billing.compare import ENOUGH, MONTH_US, Spent, Tried, compared, percentile, wilson
from billing.store import Store
from tests.unit.billing.samples import NOON_US, an_entry

NAMES = {"assistant"}
AT = datetime.fromtimestamp(NOON_US / 1e6, UTC)


def tried(number: int, purpose: str = "call", **changes: Any) -> Tried:
    """An attempt at request ``number``, completed and priced unless ``changes`` say otherwise."""
    shadow = purpose == "shadow"
    fields: dict[str, Any] = {
        "request_id": f"req_{number}",
        "attempt": 1,
        "purpose": purpose,
        "model_asked": "assistant",
        "provider": "new" if shadow else "old",
        "model": "m",
        "outcome": "completed",
        "error": "",
        "finish": "stop",
        "usage_state": "reported",
        "tokens_out": 7,
        "cost_pico": 50 if shadow else 100,
        "total_ms": 200 if shadow else 100,
        "verdict": "",
    }
    return Tried(**{**fields, **changes})


def pairs(n: int) -> list[Tried]:
    return [each for k in range(n) for each in (tried(k), tried(k, "shadow"))]


def test_a_pair_is_two_attempts_at_one_request() -> None:
    (made,) = compared(pairs(3), NAMES)
    assert (made.client.route, made.shadow.route) == ("old/m", "new/m")
    assert (made.n, made.both, made.priced) == (3, 3, 3)
    assert (made.client.cost_pico, made.shadow.cost_pico) == (300, 150)
    assert made.ratio is not None
    assert made.ratio * 2 == 1
    assert (made.client.median_ms, made.shadow.p95_ms) == (100, 200)
    assert made.shadow.finishes == {"stop": 3}


def test_a_shadow_for_another_model_is_in_no_pair() -> None:
    assert compared(pairs(2), {"other"}) == []
    assert compared([tried(1)], NAMES) == []
    assert compared([tried(1, "shadow")], NAMES) == []


def test_failures_count_over_all_and_sums_over_what_both_answered() -> None:
    failed = {"outcome": "failed", "error": "server", "cost_pico": 0}
    every = [
        *pairs(1),
        tried(2, **failed),
        tried(2, attempt=2, provider="third"),
        tried(2, "shadow", cost_pico=7_000),
        tried(3),
        tried(3, "shadow", **failed),
    ]
    (made,) = compared(every, NAMES)
    assert (made.n, made.both) == (3, 1)
    assert (made.client.failed, made.shadow.failed) == (1, 1)
    assert (made.client.cost_pico, made.shadow.cost_pico) == (100, 50)
    assert made.shadowed_pico == 7_050


def test_unknown_costs_are_in_no_sum() -> None:
    every = [*pairs(1), tried(2, cost_pico=None), tried(2, "shadow", cost_pico=9)]
    (made,) = compared(every, NAMES)
    assert (made.both, made.priced) == (2, 1)
    assert (made.client.cost_pico, made.shadow.cost_pico) == (100, 50)


def test_what_the_gateway_ended_is_in_no_pair() -> None:
    gone = {"outcome": "cancelled"}
    every = [tried(1, **gone), tried(1, "shadow"), tried(2), tried(2, "shadow", **gone)]
    assert compared(every, NAMES) == []


@pytest.mark.parametrize("purpose", ["call", "shadow"])
def test_a_dead_connection_that_was_replaced_at_once_is_passed_over(purpose: str) -> None:
    dead = tried(0, purpose, outcome="failed", error="connect", cost_pico=0)
    again = tried(0, purpose, attempt=2)
    other = [tried(0, name) for name in ("call", "shadow") if name != purpose]
    (made,) = compared([again, dead, *other], NAMES)
    assert (made.client.failed, made.shadow.failed, made.both) == (0, 0, 1)


def test_a_count_is_not_the_first_attempt_and_a_lost_second_one_neither() -> None:
    beside = {"provider": "third", "outcome": "cancelled"}
    every = [*pairs(1), tried(0, "count", attempt=0), tried(0, "hedge", attempt=2, **beside)]
    (made,) = compared(every, NAMES)
    assert (made.client.route, made.client.cost_pico) == ("old/m", 100)


def test_a_first_attempt_that_a_second_one_overtook_is_in_no_pair() -> None:
    overtaken = tried(0, "hedge", outcome="cancelled")
    every = [overtaken, tried(0, attempt=2, provider="third"), tried(0, "shadow")]
    assert compared(every, NAMES) == []


def test_verdicts_are_counted_with_those_that_are_none() -> None:
    words = ["better", "same", "same", "worse", ""]
    judges = [tried(k, "judge", verdict=word, cost_pico=3) for k, word in enumerate(words)]
    (made,) = compared([*pairs(5), *judges], NAMES)
    said = made.verdicts
    assert (said.better, said.same, said.worse, said.none, said.n) == (1, 2, 1, 1, 4)
    assert made.judged_pico == 15


@given(
    n=st.integers(0, 60),
    cost=st.integers(1, 10**12),
    share=st.integers(0, 300),
    spent=st.integers(0, 10**18),
)
def test_a_saving_is_exact_or_unsaid(n: int, cost: int, share: int, spent: int) -> None:
    every = [
        each
        for k in range(n)
        for each in (tried(k, cost_pico=100 * cost), tried(k, "shadow", cost_pico=share * cost))
    ]
    for made in compared(every, NAMES):
        saved = made.saves(Spent(spent, 0, MONTH_US))
        assert (saved is None) == (n < ENOUGH)
        if saved is not None:
            assert abs(saved * 100 - spent * (100 - share)) <= 50
        assert made.saves(Spent(spent, 0, MONTH_US // 31)) is None


@given(st.integers(0, 500), st.integers(0, 500))
def test_a_wilson_interval_holds_what_was_seen(hits: int, misses: int) -> None:
    low, high = wilson(hits, hits + misses)
    assert 0 <= low <= high <= 1
    if hits + misses:
        assert low <= hits / (hits + misses) <= high
        wider = wilson(hits * 4, (hits + misses) * 4)
        assert wider[1] - wider[0] <= high - low


def test_a_wilson_interval_is_the_known_one() -> None:
    low, high = wilson(8, 10)
    assert (round(low, 4), round(high, 4)) == (0.4902, 0.9433)


@given(st.lists(st.integers(0, 1000)).map(sorted), st.integers(1, 100))
def test_a_percentile_is_one_of_the_values_with_so_many_below(
    values: list[int], percent: int
) -> None:
    found = percentile(values, percent)
    assert (found is None) == (not values)
    if found is not None:
        assert found in values
        assert sum(value <= found for value in values) * 100 >= percent * len(values)
        assert sum(value < found for value in values) * 100 < percent * len(values)


def test_the_ledger_gives_all_attempts_at_what_was_shadowed(store: Store) -> None:
    plain = {"model_asked": "assistant", "output": 3, "reasoning": 4}
    store.insert(
        [
            an_entry(1, **plain),
            an_entry(1, **plain, attempt_id="req_1.s1", purpose="shadow", provider="new"),
            an_entry(1, attempt_id="req_1.j1", purpose="judge", verdict="same"),
            an_entry(2, **plain),
        ]
    )
    found, whole = shadows.shadowed(store, None, None)
    assert whole
    assert {(each.request_id, each.purpose) for each in found} == {
        ("req_1", "call"), ("req_1", "shadow"), ("req_1", "judge"),
    }  # fmt: skip
    assert {each.tokens_out for each in found} == {7}
    (made,) = compared(found, NAMES)
    assert (made.n, made.verdicts.same) == (1, 1)
    later = AT + timedelta(seconds=1)
    assert shadows.shadowed(store, later, None) == ([], True)
    # The call itself may be older than the time that is asked for.
    assert len(shadows.shadowed(store, AT, later)[0]) == 3


def test_more_shadows_than_are_read_is_said(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shadows, "SHADOWS_MAX", 2)
    shadow = {"purpose": "shadow", "model_asked": "assistant"}
    store.insert([an_entry(k, at_us=NOON_US + k, **shadow) for k in range(3)])
    found, whole = shadows.shadowed(store, None, None)
    assert (sorted(each.request_id for each in found), whole) == (["req_1", "req_2"], False)


def test_what_a_route_cost_is_clients_calls_alone(store: Store) -> None:
    asked = {"model_asked": "assistant"}
    store.insert(
        [
            an_entry(1, **asked, cost_pico=10),
            an_entry(2, **asked, cost_pico=None, at_us=NOON_US + 1),
            an_entry(3, **asked, cost_pico=5, purpose="shadow"),
            an_entry(4, **asked, cost_pico=5, provider="there"),
            an_entry(5, model_asked="other", cost_pico=5),
        ]
    )
    end = AT + timedelta(days=2)
    spent = shadows.spent_at(store, "here/small", NAMES, None, end)
    assert spent == Spent(10, 1, 2 * 86_400 * 1_000_000)
    assert shadows.spent_at(store, "nowhere/m", NAMES, None, end) == Spent(0, 0, 0)
