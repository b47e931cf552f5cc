"""Sums that add up: by group, by day in any zone, beyond 64 bits, with unknowns said apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete

from billing import reports
from billing.ledger import Entry
from billing.reports import SpendRow, flows, last, spend, spent, total
from billing.schema import entries as table
from billing.store import Store, StoreError
from tests.unit.billing.samples import NOON_US, an_entry

HOUR_US = 3_600_000_000
ZONES = ["UTC", "Asia/Kolkata", "Europe/Paris", "America/New_York", "Australia/Lord_Howe"]


def moment(us: int) -> datetime:
    """Return microseconds since 1970 as a moment."""
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=us)


SOME = [
    an_entry(1, cost_pico=5, provider="near", model="small"),
    an_entry(
        2,
        cost_pico=None,
        cost_state="unknown",
        usage_state="missing",
        outcome="failed",
        error="timeout",
        provider="near",
        model="large",
        input=0,
        cache_read=0,
        output=0,
    ),
    an_entry(
        2,
        attempt_id="req_2.2",
        attempt=2,
        at_us=NOON_US + 1,
        cost_pico=7,
        provider="far",
        model="large",
        operator="CN",
        place="CN,SG",
    ),
    an_entry(
        3,
        at_us=NOON_US + HOUR_US,
        cost_pico=0,
        cost_state="priced",
        usage_state="estimated",
        provider="home",
        operator="home",
        place="home",
        label="personal",
        key="laptop",
        team="",
        reasoning=100,
        audio_input=3,
        audio_output=2,
        cache_write=1,
        cache_write_long=1,
    ),
    an_entry(
        4,
        at_us=NOON_US + 2 * HOUR_US,
        cost_pico=0,
        cost_state="nothing",
        usage_state="none",
        outcome="failed",
        error="connect",
        provider="far",
        operator="CN",
        place="CN",
        input=0,
        cache_read=0,
        output=0,
    ),
]


def test_groups(store: Store) -> None:
    store.insert(SOME)
    rows = {row.group: row for row in spend(store.engine, "provider", None, None, UTC)}
    assert rows["near"] == SpendRow("near", 2, 2, 15, 7, 5, 5, unknown=1, missing=1)
    assert rows["far"] == SpendRow("far", 2, 2, 15, 7, 5, 7)
    assert rows["home"] == SpendRow("home", 1, 1, 20, 109, 5, 0, estimated=1)
    assert list(rows) == ["far", "near", "home"], "dearest first"


def test_requests_are_counted_apart_from_attempts(store: Store) -> None:
    store.insert(SOME)
    found = total(store.engine, None, None)
    assert (found.requests, found.attempts) == (4, 5)
    (day,) = spend(store.engine, "day", None, None, UTC)
    assert (day.requests, day.attempts) == (4, 5)
    by_key = {row.group: row for row in spend(store.engine, "key", None, None, UTC)}
    assert (by_key["ci"].requests, by_key["ci"].attempts) == (3, 4)


@pytest.mark.parametrize("by", reports.GROUPS)
def test_every_grouping_adds_up_to_the_total(store: Store, by: Any) -> None:
    store.insert(SOME)
    rows = spend(store.engine, by, None, None, ZoneInfo("Asia/Kolkata"))
    whole = SpendRow("")
    for row in rows:
        whole.add(row)
    expected = total(store.engine, None, None)
    if by in ("provider", "model", "operator", "purpose"):  # a request can try several of these
        assert whole.requests >= expected.requests
        whole.requests = expected.requests
    assert whole == expected


def test_what_goes_beside_a_request_is_no_request_of_its_own(store: Store) -> None:
    store.insert(
        [
            an_entry(1, cost_pico=5),
            an_entry(1, attempt_id="req_1.2", purpose="hedge", provider="far", cost_pico=2),
            an_entry(1, attempt_id="req_1.s1", purpose="shadow", provider="far", cost_pico=7),
            an_entry(1, attempt_id="req_1.j1", purpose="judge", provider="wise", cost_pico=1),
            an_entry(2, purpose="count", cost_pico=0),
            an_entry(3, purpose="shadow", provider="wise", at_us=NOON_US + 30 * HOUR_US),
        ]
    )
    rows = {row.group: row for row in spend(store.engine, "purpose", None, None, UTC)}
    asked = {name: (row.requests, row.attempts, row.cost_pico) for name, row in rows.items()}
    assert asked == {
        "call": (1, 1, 5),
        "hedge": (1, 1, 2),
        "count": (1, 1, 0),
        "shadow": (0, 2, 1007),
        "judge": (0, 1, 1),
    }
    found = total(store.engine, None, None)
    assert (found.requests, found.attempts) == (2, 6)
    by_provider = {row.group: row for row in spend(store.engine, "provider", None, None, UTC)}
    assert (by_provider["far"].requests, by_provider["far"].attempts) == (1, 2)
    assert (by_provider["wise"].requests, by_provider["wise"].attempts) == (0, 2)
    days = spend(store.engine, "day", None, None, UTC)
    assert [(day.requests, day.attempts) for day in days] == [(2, 5), (0, 1)]
    # Data went there all the same.
    assert [flow.requests for flow in flows(store.engine, None, None)] == [3]


def test_what_route_changes_lost_is_summed_exactly(store: Store) -> None:
    most = 2**63 - 1
    moved = {"moved_from": "near/small", "cache_lost_tokens": most}
    store.insert(
        [
            an_entry(1),
            an_entry(2, **moved, cache_lost_pico=most, provider="far"),
            an_entry(3, **moved, cache_lost_pico=7, provider="far"),
            an_entry(4, **moved, cache_lost_pico=None, at_us=NOON_US + 30 * HOUR_US),
            an_entry(5, moved_from="near/small"),  # nothing of it was warm any more
        ]
    )
    lost = [
        (row.group, row.moves, row.cache_lost_tokens, row.cache_lost_pico, row.cache_lost_unknown)
        for row in spend(store.engine, "provider", None, None, UTC)
    ]
    assert lost == [("here", 2, most, 0, 1), ("far", 2, 2 * most, most + 7, 0)]
    found = total(store.engine, None, None)
    assert (found.moves, found.cache_lost_tokens) == (4, 3 * most)
    assert (found.cache_lost_pico, found.cache_lost_unknown) == (most + 7, 1)
    assert (found.cost_pico, found.unknown) == (5000, 0), "a loss is no cost of its own"
    assert [day.moves for day in spend(store.engine, "day", None, None, UTC)] == [3, 1]


@pytest.mark.parametrize("by", reports.GROUPS)
def test_an_empty_ledger(store: Store, by: Any) -> None:
    assert spend(store.engine, by, None, None, UTC) == []
    assert total(store.engine, None, None) == SpendRow("")
    assert spent(store.engine, moment(0)) == 0
    assert flows(store.engine, None, None) == []
    assert last(store.engine, 5) == []


def test_a_range_takes_its_beginning_and_not_its_end(store: Store) -> None:
    store.insert(SOME)
    at = moment(NOON_US + HOUR_US)
    assert total(store.engine, at, at + timedelta(microseconds=1)).attempts == 1
    assert total(store.engine, at + timedelta(microseconds=1), None).attempts == 1
    assert total(store.engine, None, at).attempts == 3


def test_a_moment_without_a_zone_is_refused(store: Store) -> None:
    with pytest.raises(ValueError, match="no time zone"):
        total(store.engine, datetime(2026, 1, 1), None)  # noqa: DTZ001


def test_sums_pass_sixty_four_bits(store: Store) -> None:
    most = 2**63 - 1
    store.insert([an_entry(n, cost_pico=most, input=most) for n in range(5)])
    store.insert([an_entry(5, cost_pico=-3)])
    found = total(store.engine, None, None)
    assert found.cost_pico == 5 * most - 3
    assert found.tokens_in == 5 * (most + 5) + 15
    (row,) = spend(store.engine, "model", None, None, UTC)
    assert row.cost_pico == 5 * most - 3
    (day,) = spend(store.engine, "day", None, None, UTC)
    assert day.cost_pico == 5 * most - 3
    assert spent(store.engine, moment(0)) == 5 * most - 3


def test_spent_by_key_and_team(store: Store) -> None:
    store.insert(SOME)
    begin = moment(0)
    assert spent(store.engine, begin) == 12
    assert spent(store.engine, begin, key="ci") == 12
    assert spent(store.engine, begin, key="laptop") == 0
    assert spent(store.engine, begin, team="platform") == 12
    assert spent(store.engine, begin, key="ci", team="other") == 0
    assert spent(store.engine, moment(NOON_US + 1)) == 7


def test_the_newest_entries_page_by_page(store: Store) -> None:
    many = [an_entry(number, at_us=NOON_US + number // 3) for number in range(10)]
    store.insert(many)
    seen: list[Entry] = []
    before = None
    while page := last(store.engine, 4, before):
        seen += page
        before = page[-1].attempt_id
    assert seen == many[::-1]
    assert last(store.engine, 4, "not there") == []


def test_flows_say_what_went_where(store: Store) -> None:
    store.insert(SOME)
    found = [tuple(asdict(row).values()) for row in flows(store.engine, None, None)]
    assert found == [
        ("personal", "home", "home", 1, 1, 20, 109),
        ("internal", "CN", "CN,SG", 1, 1, 15, 7),
        ("internal", "US", "US", 2, 2, 15, 7),
    ], "without the attempt that found no connection"


def test_a_day_of_summer_time(store: Store) -> None:
    paris = ZoneInfo("Europe/Paris")
    # 2026-03-29 has 23 hours in Paris, 2026-10-25 has 25.
    for first, hours in (
        (datetime(2026, 3, 29, tzinfo=paris), 23),
        (datetime(2026, 10, 25, tzinfo=paris), 25),
    ):
        begin_us = int(first.timestamp()) * 1_000_000
        store.insert(
            [
                an_entry(f"{first}-{n}", at_us=begin_us + n * HOUR_US, cost_pico=1)
                for n in range(-1, hours + 1)
            ]
        )
        day = first.date().isoformat()
        rows = {row.group: row for row in spend(store.engine, "day", None, None, paris)}
        assert rows[day].attempts == hours


def by_hand(entries: Sequence[Entry], zone: ZoneInfo) -> dict[str, tuple[int, int, int]]:
    """Return cost, attempts and requests for each day, the plain way."""
    days: dict[str, tuple[int, int, int]] = {}
    seen: set[str] = set()
    for entry in sorted(entries, key=lambda e: e.at_us):
        day = moment(entry.at_us).astimezone(zone).date().isoformat()
        cost, attempts, requests = days.get(day, (0, 0, 0))
        new = entry.request_id not in seen and entry.purpose != "shadow"
        if new:
            seen.add(entry.request_id)
        days[day] = (cost + (entry.cost_pico or 0), attempts + 1, requests + new)
    return days


DST = [datetime(2026, 3, 29, tzinfo=UTC), datetime(2026, 10, 25, tzinfo=UTC)]
TIMES = st.builds(
    lambda day, us: int(day.timestamp()) * 1_000_000 + us,
    st.sampled_from([*DST, datetime(2024, 2, 29, tzinfo=UTC)]),
    st.integers(-48 * HOUR_US, 48 * HOUR_US),
)
ATTEMPTS = st.lists(
    st.tuples(
        st.integers(1, 6),
        TIMES,
        st.none() | st.integers(0, 2**63 - 1),
        st.sampled_from(["call", "hedge", "shadow"]),
    ),
    max_size=25,
)


@pytest.mark.parametrize("zone", ZONES)
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(attempts=ATTEMPTS, since=st.none() | TIMES, until=st.none() | TIMES)
def test_days_add_up_to_their_range(
    sqlite_store: Store,
    zone: str,
    attempts: list[tuple[int, int, int | None, str]],
    since: int | None,
    until: int | None,
) -> None:
    entries = [
        an_entry(request, attempt_id=str(n), attempt=n, at_us=at, cost_pico=cost, purpose=purpose)
        for n, (request, at, cost, purpose) in enumerate(attempts)
    ]
    with sqlite_store.engine.begin() as connection:
        connection.execute(delete(table))
    assert sqlite_store.insert(entries) == []
    bounds = (moment(since) if since else None, moment(until) if until else None)
    within = [
        entry
        for entry in entries
        if (since is None or entry.at_us >= since) and (until is None or entry.at_us < until)
    ]
    rows = spend(sqlite_store.engine, "day", *bounds, ZoneInfo(zone))
    found = {row.group: (row.cost_pico, row.attempts, row.requests) for row in rows}
    assert found == by_hand(within, ZoneInfo(zone))
    assert [row.group for row in rows] == sorted(found)
    whole = SpendRow("")
    for row in rows:
        whole.add(row)
    assert whole == total(sqlite_store.engine, *bounds)


def test_a_ledger_that_is_not_there_is_an_error(empty_url: str) -> None:
    store = Store.open(empty_url)
    with pytest.raises(StoreError, match="cannot be read"):
        total(store.engine, None, None)
    store.close()
