"""What plans and machines at home answered, by the hour; the same on both databases."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from billing import home_cost, plan_use
from billing.ledger import Entry
from billing.store import Store
from tests.unit.billing.samples import NOON_US, an_entry
from tests.unit.billing.test_reports import DAY_US, HOUR_US, moment

SINCE, UNTIL = moment(NOON_US), moment(NOON_US + 30 * DAY_US)


def test_hours_of_a_provider_by_model_and_plan(store: Store) -> None:
    store.insert(
        [
            an_entry(1, provider="glm", plan="A Plan", cost_pico=0, reasoning=3),
            an_entry(2, provider="glm", plan="A Plan", cost_pico=0, at_us=NOON_US + 1),
            an_entry(3, provider="glm", plan="A Plan", cost_pico=0, outcome="failed"),
            an_entry(4, provider="glm", at_us=NOON_US + 2, cost_pico=99),
            an_entry(5, provider="glm", model="large", at_us=NOON_US + 20 * DAY_US, energy_j=4),
            an_entry(6, provider="other"),
            an_entry(7, provider="glm", at_us=NOON_US - HOUR_US),
            an_entry(8, provider="glm", at_us=NOON_US + 30 * DAY_US),
        ]
    )
    own, plan, later = plan_use.by_hour(store, ["glm"], SINCE, UNTIL)
    assert (plan.plan, plan.model, plan.requests, plan.answers) == ("A Plan", "small", 3, 2)
    assert (plan.usage.input, plan.usage.cache_read, plan.usage.reasoning) == (30, 15, 3)
    assert plan.tokens == 3 * 22 + 3
    assert (own.plan, own.cost, own.answers) == ("", 99, 1)
    assert (later.model, later.at, later.energy_j) == ("large", NOON_US // 10**6 + 20 * 86_400, 4)
    assert plan_use.by_hour(store, [], SINCE, UNTIL) == []


def test_sums_pass_sixty_four_bits(store: Store) -> None:
    huge = 2**62
    store.insert([an_entry(number, input=huge, cost_pico=huge) for number in range(4)])
    (hour,) = plan_use.by_hour(store, ["here"], SINCE, UNTIL)
    assert (hour.usage.input, hour.cost) == (4 * huge, 4 * huge)


def test_when_a_machine_was_at_work(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def at_work(number: int, after_s: int, took_s: int, **more: Any) -> Entry:
        at_us = NOON_US + after_s * 10**6
        return an_entry(number, provider="desk", at_us=at_us, total_ms=took_s * 1000, **more)

    store.insert(
        [
            at_work(1, 0, 10),
            at_work(2, 5, 10),
            at_work(3, 100, 5, outcome="failed", usage_state="none"),
            at_work(4, 20 * 86_400, 1),
            an_entry(5, provider="other", total_ms=9000),
        ]
    )
    spans = plan_use.spans(store, "desk", SINCE, UNTIL)
    assert spans is not None
    assert home_cost.busy_ms(spans) == 16_000
    assert plan_use.spans(store, "desk", SINCE, SINCE + timedelta(seconds=1)) == [
        (NOON_US // 1000, NOON_US // 1000 + 10_000)
    ]
    monkeypatch.setattr(plan_use, "SPANS_MOST", 2)
    assert plan_use.spans(store, "desk", SINCE, UNTIL) is None
