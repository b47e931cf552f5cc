"""Entries one by one: pages that stay where they are, and all of a time in order."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

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


def test_an_index_is_asked_for_one_lower_bound(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of two, SQLite looks up the first it meets, and reads on from there to the other."""
    store.insert([an_entry(n, at_us=NOON_US + n) for n in range(7)])
    since = datetime.fromtimestamp(NOON_US / 1e6, UTC)
    until = since + timedelta(hours=1)
    asked: list[str] = []
    read = pages.rows

    def seen(engine: Any, query: Any) -> Any:
        asked.append(str(query))
        return read(engine, query)

    monkeypatch.setattr(pages, "rows", seen)
    monkeypatch.setattr(pages, "BATCH", 3)
    assert len(list(pages.each(store, since, until))) == 7
    place = cursor(an_entry(5, at_us=NOON_US + 5))
    assert len(page(store, 2, place, since, until)) == 2
    assert len(asked) >= 4
    assert all(len(re.findall(r"at_us >= ", one)) == 1 for one in asked)


@pytest.mark.parametrize("failed", [False, True])
@pytest.mark.parametrize("where", [{}, {"team": ["rare"]}, {"user": ["mia"]}, {"tag": ["x"]},
                                   {"session": ["s"]}, {"team": ["nobody"]}])  # fmt: skip
def test_a_search_finds_what_a_page_does(
    store: Store, where: dict[str, list[str]], failed: bool
) -> None:
    hour_us = 3_600_000_000
    store.insert(
        [
            an_entry(
                n,
                at_us=NOON_US + n * hour_us // 3,
                team="rare" if n % 37 == 0 else "often",
                user="mia" if n % 11 == 0 else "",
                tags="x,y" if n % 13 == 0 else "",
                session="s" if n % 7 == 0 else "",
                outcome="failed" if n % 5 == 0 else "completed",
            )
            for n in range(300)
        ]
    )
    since = datetime.fromtimestamp(NOON_US / 1e6, UTC) + timedelta(minutes=7)
    until = since + timedelta(days=4, minutes=3)
    before: pages.Cursor | None = None
    for _ in range(4):
        expected = pages.page(store, 5, before, since, until, where, failed=failed)
        found = pages.search(store, 5, before, since, until, where, failed=failed)
        assert found == expected
        if not found:
            return
        before = cursor(found[-1])
