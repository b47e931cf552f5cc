"""A host that states absurd charges makes no sum fail, on either database."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from billing import reports
from billing.bill import summed
from billing.booked import booked
from billing.money import PICO_MAX
from billing.past_use import past
from billing.store import Store
from tests.unit.billing.samples import NOON_US, an_entry

NOON = datetime.fromtimestamp(NOON_US / 1e6, UTC)
SPAN = NOON - timedelta(hours=1), NOON + timedelta(hours=1)


def test_charges_that_no_column_could_add_up_are_added_up(store: Store) -> None:
    huge = {"cost_pico": PICO_MAX, "cost_state": "stated", "cost_least_pico": PICO_MAX,
            "cost_most_pico": PICO_MAX, "native_pico": PICO_MAX, "tokens_out_most": 2**62}  # fmt: skip
    assert not store.insert([an_entry(number, **huge) for number in range(5)])
    less = {"cost_pico": -7, "purpose": "correction", "input": -3, "cache_read": 0, "output": 0}
    assert not store.insert([an_entry("1.c", **less)])
    found = summed(one.booked for one in booked(store, ["here"], [], *SPAN))
    assert found.cost == found.native == 5 * PICO_MAX - 7
    assert (found.requests, found.tokens_in, found.out_most) == (5, 5 * 15 - 3, 5 * 2**62)
    assert past(store, *SPAN, {}, []).pico == 5 * PICO_MAX - 7
    assert reports.total(store, *SPAN).cost_pico == 5 * PICO_MAX - 7
