"""Percentiles: exact of few attempts, within their stated precision of many."""

from __future__ import annotations

import random
from datetime import UTC, datetime

import pytest

from billing import waits
from billing.reports import Asked
from billing.rollups import bucket_of
from billing.store import Store
from billing.waits import PERCENTS, Waits, middle, waited
from tests.unit.billing.samples import NOON_US, an_entry

HOUR_US = 3_600 * 1_000_000


def nearest_rank(values: list[int]) -> tuple[int | None, ...]:
    """Return the percentiles by their definition."""
    ranked = sorted(values)
    return tuple(ranked[-(-len(ranked) * percent // 100) - 1] for percent in PERCENTS)


def times(n: int, seed: int) -> list[int]:
    """Return how long attempts took, most of them briefly."""
    draw = random.Random(seed)
    return [int(draw.lognormvariate(6, 1.2)) for _ in range(n)]


def test_few_attempts_give_exact_percentiles_by_anything(store: Store) -> None:
    first, whole = times(60, 1), times(60, 2)
    store.insert(
        [
            an_entry(n, first_content_ms=first[n], total_ms=whole[n], team=f"t{n % 2}", tags="a,b")
            for n in range(60)
        ]
        + [
            an_entry(61, total_ms=10**6, outcome="failed"),
            an_entry(62, first_content_ms=10**6, total_ms=10**6, purpose="shadow"),
        ]
    )
    found = waited(store, Asked(("team", "tag")))
    assert found is not None
    assert found.exact
    assert found.total == Waits(nearest_rank(first), nearest_rank(whole))
    assert found.rows["t1", "b"] == Waits(nearest_rank(first[1::2]), nearest_rank(whole[1::2]))
    assert waited(store, Asked((), datetime(2027, 1, 1, tzinfo=UTC))) == waits.Waited(
        {}, Waits((None,) * 4, (None,) * 4), True
    )


def test_many_attempts_give_percentiles_within_the_precision(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waits, "EXACT_MAX", 10)
    whole = times(400, 3)
    store.insert(
        [
            an_entry(n, total_ms=took, provider=f"p{n % 2}", at_us=NOON_US + n % 5 * HOUR_US)
            for n, took in enumerate(whole)
        ]
    )
    found = waited(store, Asked(("provider", "hour")))
    assert found is not None
    assert not found.exact
    assert found.total.first == (None,) * 4
    for ours, true in zip(found.total.total, nearest_rank(whole), strict=True):
        assert ours is not None
        assert true is not None
        assert abs(ours - true) <= 0.091 * true + 1
    assert len(found.rows) == 10
    assert waited(store, Asked(("team",))) is None, "no rollup knows that"
    assert waited(store, Asked((), where={"key": ("ci",)})) is None
    assert waited(store, Asked((), where={"provider": ("p1",)})) is not None


def test_the_middle_of_a_bucket_lies_in_it_and_is_near_all_of_it() -> None:
    for ms in [*range(1, 5_000), 10**6, 10**7 + 3]:
        assert abs(middle(bucket_of(ms)) - ms) <= 0.091 * ms + 0.5


@pytest.mark.parametrize("limit", [50_000, 0])
def test_wider_groups_are_read_in_one_go(
    store: Store, monkeypatch: pytest.MonkeyPatch, limit: int
) -> None:
    store.insert(
        [
            an_entry(n, provider=f"p{n % 2}", model=f"m{n % 3}", first_content_ms=n, total_ms=9 * n)
            for n in range(200)
        ]
    )
    monkeypatch.setattr(waits, "EXACT_MAX", limit)
    both = waits.waited(store, Asked(("provider", "model")), also=1)
    models = waits.waited(store, Asked(("provider", "model")))
    providers = waits.waited(store, Asked(("provider",)))
    assert both is not None
    assert models is not None
    assert providers is not None
    assert both.rows == {**models.rows, **providers.rows}
    assert both.total == models.total == providers.total
