"""Entries one by one: pages that stay where they are, and all of a time in order."""

from __future__ import annotations

from datetime import timedelta

import pytest

from billing import pages
from billing.calendar_cuts import moment
from billing.ledger import Entry
from billing.pages import cursor, each, last, page
from billing.store import Store
from tests.unit.billing.samples import NOON_US, an_entry

DAY_US = 86_400 * 1_000_000
# Over three months, three at a time, so that ids decide too.
MANY = [an_entry(f"{n:02d}", at_us=NOON_US + n // 3 * 9 * DAY_US) for n in range(30)]


def test_the_newest_entries_page_by_page(store: Store) -> None:
    store.insert(MANY)
    seen: list[Entry] = []
    before = None
    while found := last(store, 4, before):
        seen += found
        before = cursor(found[-1])
        # What comes meanwhile is newer, and moves no page.
        store.insert([an_entry(f"later{len(seen)}", at_us=MANY[-1].at_us + len(seen))])
    assert seen == MANY[::-1]
    assert last(store, 4, (0, "not there")) == []


def test_a_page_of_a_time_and_of_what_is_wanted(store: Store) -> None:
    store.insert(MANY)
    store.insert([an_entry("tagged", at_us=NOON_US + DAY_US, tags="a,b", team="x")])
    since, until = moment(NOON_US + DAY_US), moment(NOON_US + 18 * DAY_US)
    found = page(store, 50, None, since, until)
    assert [entry.request_id for entry in found] == [
        "req_05", "req_04", "req_03", "req_tagged",
    ]  # fmt: skip
    assert page(store, 2, cursor(found[1]), since, until) == found[2:]
    assert page(store, 9, where={"tag": ("b",)}) == found[-1:]
    assert page(store, 9, where={"team": ("x",), "tag": ("c",)}) == []


def test_all_entries_of_a_time_oldest_first(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages, "BATCH", 4)
    store.insert(MANY)
    assert list(each(store, None, None)) == MANY
    since, until = moment(MANY[4].at_us), moment(MANY[-1].at_us)
    inside = [entry for entry in MANY if MANY[4].at_us <= entry.at_us < MANY[-1].at_us]
    assert list(each(store, since, until)) == inside
    assert list(each(store, until + timedelta(days=1), None)) == []
