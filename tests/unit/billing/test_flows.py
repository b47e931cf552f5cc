"""What data went where: by label, team, policy and time, without what sent nothing."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from billing.calendar_cuts import moment
from billing.flows import USUAL, WAY, FlowRow, flows
from billing.reports import Asked
from billing.store import Store
from tests.unit.billing.samples import NOON_US, an_entry

HOUR_US = 3_600 * 1_000_000
DAY_US = 24 * HOUR_US
NOTHING = {"input": 0, "cache_read": 0, "output": 0}
SOME = [
    an_entry(1, label="personal", operator="FR,US", place="EEA", policy_hash="p1"),
    an_entry(1, label="personal", operator="home", place="home", attempt=2,
             attempt_id="req_1.2", policy_hash="p1"),
    an_entry(2, label="personal", operator="FR,US", place="EEA", policy_hash="p2",
             at_us=NOON_US + 3 * DAY_US),
    an_entry(3, operator="CN", place="CN", outcome="failed", error="connect", **NOTHING),
    an_entry(4, operator="US", place="US", outcome="failed", error="timeout", **NOTHING),
    an_entry(5, purpose="shadow", operator="US", place="US"),
]  # fmt: skip


def told(row: FlowRow) -> tuple[object, ...]:
    """Return what most tests look at."""
    return (row.label, row.operator, *row.more.values(), row.transfers, row.requests, row.tokens_in)


def test_flows_by_team_and_policy(store: Store) -> None:
    store.insert(SOME)
    assert [told(row) for row in flows(store, Asked(USUAL))] == [
        ("internal", "US", "platform", "", 2, 1, 15),
        ("personal", "FR,US", "platform", "p1", 1, 1, 15),
        ("personal", "FR,US", "platform", "p2", 1, 1, 15),
        # A second attempt sends data too; its request began elsewhere.
        ("personal", "home", "platform", "p1", 1, 0, 15),
    ], "without the attempt that found no connection"


def test_first_and_last_are_those_of_the_entries(store: Store) -> None:
    hours = (0, 1, 6, 7, 8, 25, 40, 42, 43, 90, 91, 92, 93, 131, 200)
    made = [
        an_entry(n, at_us=NOON_US + hour * HOUR_US, user=("mia", "tom")[n % 2], operator="US")
        for n, hour in enumerate(hours)
    ]
    store.insert(made)
    for by, size in (("team", HOUR_US), ("day", HOUR_US), ("user", HOUR_US // 4)):
        for begin in (0, 7, 20, 41, 90, 130):
            since, until = NOON_US + begin * HOUR_US, NOON_US + (begin + 100) * HOUR_US
            end = min(until, made[-1].at_us + HOUR_US // 4)
            expected: dict[str, list[int]] = {}
            for entry in made:
                if since <= entry.at_us < until:
                    day = moment(entry.at_us).date().isoformat()
                    group = {"day": day, "user": entry.user, "team": entry.team}[by]
                    expected.setdefault(group, []).append(entry.at_us)
            found = flows(store, Asked((*WAY, by), moment(since), moment(until)))
            assert {row.more[by]: (row.first, row.last) for row in found} == {
                group: (moment(min(times)), moment(min(max(times) + size, end)))
                for group, times in expected.items()
            }, (by, begin)


def test_the_hours_of_the_first_and_the_last_transfer(store: Store) -> None:
    store.insert(SOME)
    found = {row.operator: row for row in flows(store, Asked(WAY))}
    french = found["FR,US"]
    assert (french.first, french.last) == (
        moment(NOON_US),
        moment(NOON_US + 3 * DAY_US + HOUR_US // 4),
    )
    # A range bounds them, and what never sent anything has none.
    since = moment(NOON_US + DAY_US)
    (later,) = flows(store, Asked(WAY, since))
    assert later.first == moment(NOON_US + 3 * DAY_US)
    assert "CN" not in found


def test_flows_by_day_in_a_zone(store: Store) -> None:
    store.insert([*SOME, an_entry(7, at_us=NOON_US + 7 * HOUR_US)])
    tokyo = ZoneInfo("Asia/Tokyo")
    rows = flows(store, Asked(("day", *WAY), zone=tokyo))
    assert [(row.more["day"], row.operator) for row in rows] == [
        ("2025-11-25", "US"), ("2025-11-25", "FR,US"), ("2025-11-25", "home"),
        ("2025-11-26", "US"), ("2025-11-28", "FR,US"),
    ]  # fmt: skip
    assert rows[3].first == datetime(2025, 11, 26, 4, tzinfo=tokyo)


def test_users_have_flows_and_tags_have_none(store: Store) -> None:
    store.insert([an_entry(1, user="ada"), an_entry(2, user="bob", team="x")])
    rows = flows(store, Asked((*WAY, "user"), where={"team": ("x",)}))
    assert [row.more for row in rows] == [{"user": "bob"}]
    with pytest.raises(ValueError, match="no tag"):
        flows(store, Asked((*WAY, "tag")))
    with pytest.raises(ValueError, match="by label, operator, place"):
        flows(store, Asked(("label",)))
