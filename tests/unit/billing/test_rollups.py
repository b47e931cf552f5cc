"""What entries add up to: by hand, and against SQL's own sums (after every test, and here)."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from billing import reports
from billing import sums as summing
from billing.ledger import Entry
from billing.queries import each
from billing.reports import Asked
from billing.rollups import bucket_of, gathered, slice_id
from billing.schema import (
    COUNTS,
    DAYS,
    FIGURES,
    FINE_DAYS,
    GRAINS,
    HOURS,
    PART,
    QUARTERS,
    SUMS,
    latencies,
    rollups,
    slices,
)
from billing.store import Store
from providers.usage import BUCKETS
from tests.double_check import rollups_agree
from tests.unit.billing.samples import NOON_US, an_entry

SECOND_US = 1_000_000
MOST = 2**63 - 1


def sums(store: Store, grain: int) -> dict[str, int]:
    """Return the sums of everything, of one grain."""
    query = select(*(rollups.c[name] for name in FIGURES)).where(rollups.c.grain == grain)
    found = dict.fromkeys((*COUNTS, *SUMS), 0)
    for row in each(store, query, None, None):
        for name in COUNTS:
            found[name] += row._mapping[name]
        for name in SUMS:
            found[name] += row._mapping[f"{name}_high"] * PART + row._mapping[f"{name}_low"]
    return found


def test_what_is_counted_and_what_is_summed(store: Store) -> None:
    store.insert(
        [
            an_entry(1, total_ms=40, tags="a,b", user="mia"),
            an_entry(2, cost_pico=None, cost_state="unknown", usage_state="missing", at_us=0),
            an_entry(
                3, cost_pico=None, usage_state="estimated", cost_least_pico=3, cost_most_pico=9
            ),
            an_entry(4, attempt=2, outcome="failed", error="connect", cost_pico=0),
            an_entry(5, purpose="shadow", cost_state="stated", cost_pico=-7, energy_j=12),
            an_entry(6, moved_from="a/b", cache_lost_tokens=4, cache_lost_pico=None, searches=2),
            an_entry(7, purpose="correction", cost_pico=-100, input=-1, cache_read=0, output=0),
        ]
    )
    expected = {
        "entries": 7, "attempts": 6, "requests": 4, "failed": 1, "unsent": 1, "unknown": 2, "unbounded": 1,
        "estimated": 1, "missing": 1, "stated": 1, "moves": 1, "cache_lost_unknown": 1,
        "total_ms": 40, "energy_j": 12, "input": 59, "cache_read": 30, "output": 42,
        "searches": 2, "cache_lost_tokens": 4, "cost": 1893, "least": 1896, "most": 1902,
    }  # fmt: skip
    for grain in GRAINS:
        assert {name: n for name, n in sums(store, grain).items() if n} == expected


def test_users_and_tags_stand_in_fine_grains_alone(store: Store) -> None:
    store.insert([an_entry(n, user=f"u{n}", tags="x") for n in range(3)])
    query = select(rollups.c.grain, slices.c.user, slices.c.tags, rollups.c.attempts)
    joined = query.join_from(rollups, slices, rollups.c.slice == slices.c.id)
    found = sorted(map(tuple, each(store, joined, None, None)))
    assert found == [
        (DAYS, "", "", 3),
        (HOURS, "", "", 3),
        *((QUARTERS, f"u{n}", "x", 1) for n in range(3)),
        *((FINE_DAYS, f"u{n}", "x", 1) for n in range(3)),
    ]


def test_what_needs_nothing_fine_is_read_from_whole_days_without_it(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[int] = []
    of_slices = summing.of_slices

    def seen(*asked: Any) -> Any:
        joined, group = of_slices(*asked)
        told = select(1).select_from(joined).compile().params
        read.extend(value for name, value in told.items() if name.startswith("grain"))
        return joined, group

    monkeypatch.setattr(summing, "of_slices", seen)
    # The newest day has not ended, and is read as a day all the same.
    store.insert([an_entry(n, at_us=NOON_US + n * SECOND_US, user="mia") for n in range(9)])
    assert reports.total(store, None, None).attempts == 9
    assert read == [DAYS]
    read.clear()
    assert reports.spend(store, Asked(("user",))).rows[0].names == ("mia",)
    assert read == [FINE_DAYS]


def test_an_entry_that_is_there_already_counts_once(store: Store, ledger_url: str) -> None:
    store.insert([an_entry(n) for n in range(9)])
    other = Store.open(ledger_url)
    other.insert([an_entry(n) for n in range(5, 12)])
    other.insert([an_entry(3), an_entry(3)])
    other.close()
    for grain in GRAINS:
        assert sums(store, grain)["attempts"] == 12


def test_what_the_database_refuses_is_in_no_sum(store: Store) -> None:
    many = [an_entry(number) for number in range(9)]
    many[4] = an_entry(4, input=2**63)
    assert len(store.insert(many)) == 1
    assert sums(store, HOURS)["attempts"] == 8


def test_sums_pass_sixty_four_bits(store: Store) -> None:
    store.insert([an_entry(n, cost_pico=MOST, input=MOST) for n in range(5)])
    found = sums(store, HOURS)
    assert (found["cost"], found["input"]) == (5 * MOST, 5 * MOST)


def test_how_long_attempts_took(store: Store) -> None:
    store.insert(
        [
            an_entry(1, first_content_ms=300, total_ms=1024),
            an_entry(2, first_content_ms=301, total_ms=7, outcome="failed"),
            an_entry(3, first_content_ms=0, total_ms=2**40),
            an_entry(4, first_content_ms=300, total_ms=5, purpose="shadow"),
        ]
    )
    query = select(latencies.c.what, latencies.c.bucket, latencies.c.n)
    found = sorted(map(tuple, each(store, query.where(latencies.c.grain == HOURS), None, None)))
    assert found == [("first", 0, 1), ("first", 32, 2), ("total", 40, 1), ("total", 120, 1)]


@given(st.integers(2, 2**30 - 1))
def test_a_bucket_is_a_quarter_of_a_doubling(took_ms: int) -> None:
    assert 2 ** bucket_of(took_ms) <= took_ms**4 < 2 ** (bucket_of(took_ms) + 1)


def test_a_slice_has_one_number_whoever_makes_it() -> None:
    assert slice_id(("a", "b")) == slice_id(("a", "b")) != slice_id(("a b", ""))
    assert slice_id(("a", "bc")) != slice_id(("ab", "c"))


AMOUNTS = st.integers(0, 10**12) | st.just(MOST)
MONEY = st.none() | st.integers(-(10**15), 10**15) | st.just(MOST) | st.just(-MOST)


@st.composite
def some_entry(draw: st.DrawFn) -> dict[str, Any]:
    """Draw an entry within a few days over the end of a month, of few slices."""
    return {
        "at_us": NOON_US + draw(st.integers(0, 9 * 86_400)) * SECOND_US + draw(st.integers(0, 9)),
        "key": draw(st.sampled_from(["ci", "web"])),
        "user": draw(st.sampled_from(["", "mia"])),
        "tags": draw(st.sampled_from(["", "a", "a\0b"])),
        "purpose": draw(st.sampled_from(["call", "hedge", "count", "shadow", "correction"])),
        "outcome": draw(st.sampled_from(["completed", "failed", "cut"])),
        "error": draw(st.sampled_from(["", "connect"])),
        "usage_state": draw(st.sampled_from(["reported", "estimated", "missing"])),
        "attempt": draw(st.integers(1, 2)),
        **{name: draw(AMOUNTS) for name in draw(st.sets(st.sampled_from(BUCKETS), max_size=3))},
        "cost_pico": draw(MONEY),
        "cost_least_pico": draw(MONEY),
        "cost_most_pico": draw(MONEY),
        "cache_lost_pico": draw(MONEY),
        "moved_from": draw(st.sampled_from(["", "a/b"])),
        "first_content_ms": draw(st.none() | st.integers(0, 10**6)),
        "total_ms": draw(st.integers(0, 10**7)),
        "energy_j": draw(st.none() | st.integers(0, 10**6)),
    }


@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(drawn=st.lists(some_entry(), min_size=1, max_size=12), batch=st.integers(1, 6))
def test_rollups_are_the_sums_of_entries(
    store: Store, ledger_url: str, drawn: list[dict[str, Any]], batch: int
) -> None:
    # The ledger grows from example to example: as many ids as entries there are so far.
    begun = sum(1 for _ in each(store, select(rollups.c.at), None, None))
    made: list[Entry] = [an_entry(f"{begun}-{n}", **one) for n, one in enumerate(drawn)]
    for start in range(0, len(made), batch):
        assert store.insert(made[: start + batch]) == []
    rollups_agree(ledger_url)


@pytest.mark.parametrize("order", [1, -1])
def test_the_order_of_entries_does_not_matter(order: int) -> None:
    made = [an_entry(n, at_us=NOON_US + n * 7 * 60 * SECOND_US, cost_pico=n) for n in range(50)]
    whole = gathered(made)
    again = gathered(made[::order])
    assert (whole.quarters, whole.latencies) == (again.quarters, again.latencies)
