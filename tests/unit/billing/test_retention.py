"""Months that are over go to an archive, whole, and out of the ledger; what they add up to stays."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from operator import add
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from sqlalchemy import select

from billing import archive, removal, retention
from billing.database import StoreError
from billing.ledger import Entry
from billing.migrate import downgrade, migrate
from billing.months import bounds_of, later, month_of
from billing.queries import each
from billing.schema import latencies, rolled_off, rollups
from billing.store import Store
from tests.unit.billing.samples import NOON_US, an_entry, entries_of
from tests.unit.billing.test_upgrade import made_by

DAY_US = 86_400_000_000
MOST = 2**63 - 1
# From 2025-11-25 on, over three months.
SOME = [
    an_entry(
        n, at_us=NOON_US + n * 5 * DAY_US, cost_pico=MOST if n % 3 else None, notes="é\u2028" * n,
        stream=bool(n % 2), energy_j=n or None, cost_least_pico=-n, total_ms=n * 100, seq=n,
        writer="w", recorded_us=NOON_US + n * 5 * DAY_US, hash=f"{n:064x}",
    )
    for n in range(14)
]  # fmt: skip


def sums(store: Store) -> object:
    """Return what the parts hold of each bucket and slice, added up."""
    figures = [rollups.c[name] for name in ("attempts", "cost_high", "cost_low", "input_low")]
    found: dict[object, list[int]] = {}
    for *key, attempts, high, low, tokens in each(
        store, select(rollups.c.grain, rollups.c.at, rollups.c.slice, *figures), None, None
    ):
        known = found.get(tuple(key), [0, 0, 0])
        found[tuple(key)] = list(map(add, known, (attempts, high * 10**9 + low, tokens)))
    took: Counter[object] = Counter()
    for *key, n in each(store, select(latencies), None, None):
        took[tuple(key)] += n
    return found, took


def moved(store: Store, before: str, folder: Path) -> list[tuple[str, int, str]]:
    done = retention.roll_off(store, before, folder)
    return [(one.month, one.entries, Path(one.archive).name) for one in done]


def in_file(path: Path) -> list[Entry]:
    return [Entry(**row) for row in pq.read_table(path).to_pylist()]


def test_months_go_to_files_and_their_sums_stay(store: Store, tmp_path: Path) -> None:
    store.insert(SOME)
    before = sums(store)
    assert retention.due(store, "2026-01") == [("2025-11", 2), ("2025-12", 6)]
    assert moved(store, "2026-01", tmp_path / "a") == [
        ("2025-11", 2, "entries-2025-11.parquet"),
        ("2025-12", 6, "entries-2025-12.parquet"),
    ]
    assert in_file(tmp_path / "a/entries-2025-11.parquet") == SOME[:2]
    assert in_file(tmp_path / "a/entries-2025-12.parquet") == SOME[2:8]
    assert entries_of(store) == SOME[:7:-1]
    assert sums(store) == before
    assert retention.due(store, "2026-01") == []
    assert moved(store, "2026-01", tmp_path / "a") == []
    (gone, *_) = each(store, select(rolled_off).order_by(rolled_off.c.month), None, None)
    assert (gone.month, gone.entries) == ("2025-11", 2)


def test_what_comes_after_a_month_was_removed_is_counted_too(
    store: Store, ledger_url: str, tmp_path: Path
) -> None:
    other = Store.open(ledger_url)
    other.insert(SOME[:1])
    store.insert(SOME)
    moved(store, "2025-12", tmp_path)
    late = an_entry(99, at_us=NOON_US, purpose="correction", cost_pico=5, corrects="req_0.1")
    # A process that had the month open makes it anew.
    assert other.insert([late]) == []
    other.close()
    assert [entry for entry in entries_of(store) if entry.at_us == NOON_US] == [late]
    assert moved(store, "2025-12", tmp_path) == [("2025-11", 1, "entries-2025-11.2.parquet")]
    assert in_file(tmp_path / "entries-2025-11.2.parquet") == [late]
    assert in_file(tmp_path / "entries-2025-11.parquet") == SOME[:2]


def test_an_entry_that_comes_meanwhile_keeps_the_month(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.insert(SOME)
    written = archive.written

    def and_then_one_came(*asked: object) -> object:
        made = written(*asked)
        store.insert([an_entry("late", at_us=NOON_US)])
        return made

    monkeypatch.setattr(archive, "written", and_then_one_came)
    with pytest.raises(StoreError, match="entries of 2025-11 came while it was archived"):
        moved(store, "2025-12", tmp_path)
    assert len(entries_of(store)) == len(SOME) + 1
    assert list(tmp_path.glob("*.parquet*")) == []


def test_an_archive_that_is_not_whole_keeps_the_month(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.insert(SOME)
    batches = archive._batches

    def all_but_one(*asked: object) -> Sequence[object]:
        return [batch.slice(1) for batch in batches(*asked)]

    monkeypatch.setattr(archive, "_batches", all_but_one)
    with pytest.raises(StoreError, match="does not hold what the ledger does"):
        moved(store, "2025-12", tmp_path)
    assert len(entries_of(store)) == len(SOME)
    assert list(tmp_path.glob("*.parquet*")) == []


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written_keeps_the_month(store: Store, tmp_path: Path) -> None:
    store.insert(SOME)
    (tmp_path / "shut").mkdir(mode=0o500)
    with pytest.raises(OSError, match="shut"):
        moved(store, "2025-12", tmp_path / "shut")
    assert len(entries_of(store)) == len(SOME)


def test_what_an_older_version_has_written_goes_too(empty_url: str, tmp_path: Path) -> None:
    old = made_by(empty_url, "0003")
    migrate(empty_url)
    store = Store.open(empty_url)
    store.insert(SOME)
    before, count = sums(store), len(entries_of(store))
    done = moved(store, "2025-12", tmp_path)
    assert sum(entries for _, entries, _ in done) == count - len(entries_of(store))
    assert {month for month, _, _ in done} == {"2025-11"}
    assert min(entry.at_us for entry in entries_of(store)) >= bounds_of("2025-12")[0]
    assert sums(store) == before
    archived = [entry for path in tmp_path.glob("*.parquet") for entry in in_file(path)]
    assert (
        len({entry.attempt_id for entry in archived})
        == len(archived)
        == count - len(entries_of(store))
    )
    assert {row["attempt_id"] for row in old if row["at_us"] < bounds_of("2025-12")[0]} <= {
        entry.attempt_id for entry in archived
    }
    store.close()


def test_a_month_that_is_not_over_stays(store: Store, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="only months that are over"):
        moved(store, "2999-01", tmp_path)
    with pytest.raises(ValueError, match="no month"):
        moved(store, "2025-13", tmp_path)


def test_which_month_is_the_first_that_is_kept() -> None:
    now = datetime(2026, 1, 31, 23, 59, tzinfo=UTC)
    assert [retention.first_kept(n, now) for n in (1, 12, 13)] == ["2025-12", "2025-01", "2024-12"]


def test_months_and_their_bounds() -> None:
    assert [later("2025-12", n) for n in (-12, -1, 0, 1, 13)] == [
        "2024-12", "2025-11", "2025-12", "2026-01", "2027-01",
    ]  # fmt: skip
    for month in ("1970-01", "2024-02", "2025-12", "9999-12"):
        since_us, until_us = bounds_of(month)
        assert (month_of(since_us), month_of(until_us - 1)) == (month, month)
        assert since_us == 0 or month_of(since_us - 1) == later(month, -1)


@pytest.mark.parametrize("at_us", [-1, 253_402_300_800_000_000])
def test_a_moment_that_no_month_has_is_refused(store: Store, at_us: int) -> None:
    many = [an_entry(1), an_entry(2, at_us=at_us), an_entry(3)]
    ((entry, why),) = store.insert(many)
    assert (entry, "no month" in why) == (many[1], True)
    assert len(entries_of(store)) == 2


def test_a_server_has_months_made_ahead(postgres_url: str) -> None:
    migrate(postgres_url)
    store = Store.open(postgres_url)
    retention.prepare(store, datetime(2025, 12, 9, tzinfo=UTC))
    assert [part.name for part in removal.parts_before(store, "9999-12")] == [
        "entries_2025_12",
        "entries_2026_01",
    ]
    retention.prepare(store, datetime(2025, 12, 9, tzinfo=UTC))
    store.close()


def test_sums_of_removed_months_survive_the_way_down_and_up(
    store: Store, ledger_url: str, tmp_path: Path
) -> None:
    store.insert(SOME)
    before = sums(store)
    moved(store, "2026-01", tmp_path)
    store.close()
    downgrade(ledger_url, "0004")
    migrate(ledger_url)
    assert sums(store) == before
    assert entries_of(store) == SOME[:7:-1]
