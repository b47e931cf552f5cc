"""Sums that add up: by any group, beyond 64 bits, with unknowns and bands said apart."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from billing import reports
from billing.flows import USUAL, flows
from billing.reports import Asked, spend, total
from billing.store import Store, StoreError
from billing.sums import GROUPS_MAX, SpendRow
from tests.unit.billing.samples import NOON_US, an_entry

HOUR_US = 3_600_000_000
DAY_US = 24 * HOUR_US


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


def by(store: Store, *names: str, **where: str) -> dict[str, SpendRow]:
    """Return the rows of a report of all time."""
    wanted = {name: (value,) for name, value in where.items()}
    return {row.group: row for row in spend(store, Asked(names, where=wanted)).rows}


def plain(row: SpendRow) -> tuple[int, ...]:
    """Return what most tests look at."""
    return (row.requests, row.attempts, row.tokens_in, row.tokens_out, row.cost_pico)


def spent(store: Store, since: datetime, until: datetime | None = None, **where: str) -> int:
    """The known cost of a time, of what has each of these values."""
    return total(store, since, until, {name: (value,) for name, value in where.items()}).cost_pico


def test_groups(store: Store) -> None:
    store.insert(SOME)
    rows = by(store, "provider")
    assert plain(rows["near"]) == (2, 2, 15, 7, 5)
    assert (rows["near"].unknown, rows["near"].unbounded, rows["near"].missing) == (1, 1, 1)
    assert (rows["near"].failed, rows["near"].unsent) == (1, 0)
    # The second attempt at a request is no request of its own.
    assert plain(rows["far"]) == (1, 2, 15, 7, 7)
    assert (rows["far"].failed, rows["far"].unsent) == (1, 1)
    assert plain(rows["home"]) == (1, 1, 20, 109, 0)
    assert rows["home"].estimated == 1
    assert list(rows) == ["far", "near", "home"], "dearest first"


def test_several_dimensions_at_once_with_time_among_them(store: Store) -> None:
    store.insert([*SOME, an_entry(9, at_us=NOON_US + DAY_US, cost_pico=1)])
    report = spend(store, Asked(("team", "day", "model")))
    assert [(row.names, row.attempts) for row in report.rows] == [
        (("platform", "2025-11-25", "large"), 2),
        (("platform", "2025-11-25", "small"), 2),
        (("", "2025-11-25", "small"), 1),
        (("platform", "2025-11-26", "small"), 1),
    ]
    assert report.total.attempts == 6


@pytest.mark.parametrize(
    "names", [(name,) for name in reports.GROUPS if name != "tag"] + [("day", "team", "model")]
)
def test_every_grouping_adds_up_to_the_total(store: Store, names: Any) -> None:
    store.insert(SOME)
    report = spend(store, Asked(names, zone=ZoneInfo("Asia/Kolkata")))
    whole = SpendRow()
    for row in report.rows:
        whole.add(row)
    assert whole == report.total == total(store, None, None)
    assert (whole.requests, whole.attempts) == (4, 5)


def test_an_entry_is_under_each_of_its_tags_and_in_the_total_once(store: Store) -> None:
    store.insert(
        [
            an_entry(1, tags="a,b", cost_pico=1),
            an_entry(2, tags="b", cost_pico=2, user="ada"),
            an_entry(3, cost_pico=4),
            an_entry(4, tags="A,bb", cost_pico=8),
        ]
    )
    report = spend(store, Asked(("tag",)))
    assert {row.group: row.cost_pico for row in report.rows} == {
        "a": 1, "b": 3, "": 4, "A": 8, "bb": 8,
    }  # fmt: skip
    assert report.total.cost_pico == 15
    assert by(store, "tag", "user", tag="b")["b / ada"].cost_pico == 2
    assert spent(store, moment(0), tag="b") == 3
    assert spent(store, moment(0), tag="a") == 1, "a letter's case is minded"
    assert spend(store, Asked((), where={"tag": ("", "bb")})).total.cost_pico == 12


def test_filters_of_a_dimension_are_alternatives_and_together_narrow(store: Store) -> None:
    store.insert(SOME)
    found = spend(store, Asked(("model",), where={"provider": ("near", "home")}))
    assert {row.group: row.attempts for row in found.rows} == {"small": 2, "large": 1}
    both = {"provider": ("near", "far"), "model": ("large",)}
    assert spend(store, Asked((), where=both)).total.attempts == 2
    assert spend(store, Asked((), where={"team": ("",)})).total.attempts == 1
    assert spend(store, Asked((), where={"team": ("nobody",)})).total == SpendRow()


@pytest.mark.parametrize(
    ("names", "where", "words"),
    [
        (("colour",), {}, "nothing to sum by"),
        (("day", "hour"), {}, "only one"),
        (("team", "team"), {}, "once"),
        ((), {"day": ("x",)}, "no filter"),
    ],
)
def test_what_is_no_report_is_refused(names: Any, where: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Asked(names, where=where)


def test_sessions_are_read_from_entries_and_only_so_many(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.insert([an_entry(n, session=f"s{n % 2}", user="ada") for n in range(5)])
    assert {name: row.attempts for name, row in by(store, "session").items()} == {"s0": 3, "s1": 2}
    assert by(store, "user", session="s1")["ada"].attempts == 2
    monkeypatch.setattr(reports, "SESSION_ENTRIES_MAX", 4)
    with pytest.raises(ValueError, match="a shorter time"):
        spend(store, Asked(("session",)))


def test_more_groups_than_a_report_holds(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    store.insert([an_entry(n, user=f"u{n}", cost_pico=n) for n in range(9)])
    monkeypatch.setattr(reports, "ROWS_MAX", 3)
    report = spend(store, Asked(("user",)))
    assert ([row.group for row in report.rows], report.left_out) == (["u8", "u7", "u6"], 6)
    assert report.total.cost_pico == 36
    monkeypatch.setattr("billing.sums.GROUPS_MAX", 8)
    with pytest.raises(ValueError, match="more than 8 groups"):
        spend(store, Asked(("user",)))
    assert GROUPS_MAX > reports.ROWS_MAX


def test_what_goes_beside_a_request_is_no_request_of_its_own(store: Store) -> None:
    second = {"attempt": 2, "provider": "far"}
    store.insert(
        [
            an_entry(1, cost_pico=5),
            an_entry(1, **second, attempt_id="req_1.2", purpose="hedge", cost_pico=2),
            an_entry(1, attempt_id="req_1.s1", purpose="shadow", provider="far", cost_pico=7),
            an_entry(1, attempt_id="req_1.j1", purpose="judge", provider="wise", cost_pico=1),
            an_entry(2, purpose="count", cost_pico=0),
            an_entry(3, purpose="shadow", provider="wise", at_us=NOON_US + 30 * HOUR_US),
        ]
    )
    rows = by(store, "purpose")
    asked = {name: (row.requests, row.attempts, row.cost_pico) for name, row in rows.items()}
    assert asked == {
        "call": (1, 1, 5),
        "hedge": (0, 1, 2),
        "count": (1, 1, 0),
        "shadow": (0, 2, 1007),
        "judge": (0, 1, 1),
    }
    days = by(store, "day").values()
    assert [(day.requests, day.attempts) for day in days] == [(2, 5), (0, 1)]
    # Data went there all the same.
    assert [flow.transfers for flow in flows(store, Asked(USUAL))] == [6]


def test_a_correction_adds_its_figures_and_is_no_attempt(store: Store) -> None:
    store.insert(
        [
            an_entry(1, cost_pico=10),
            an_entry(1, attempt_id="req_1.c1", purpose="correction", corrects="req_1.1",
                     cost_pico=-4, cost_least_pico=-4, cost_most_pico=-4, input=-2, cache_read=0,
                     output=0),
        ]
    )  # fmt: skip
    found = total(store, None, None)
    assert (found.requests, found.attempts, found.cost_pico, found.tokens_in) == (1, 1, 6, 13)
    assert (found.least_pico, found.most_pico) == (6, 6)


def test_what_is_estimated_gives_a_band(store: Store) -> None:
    bounds = {"cost_least_pico": 3, "cost_most_pico": 9}
    store.insert(
        [
            an_entry(1, cost_pico=100),
            an_entry(2, cost_pico=5, usage_state="estimated", **bounds),
            an_entry(3, cost_pico=None, usage_state="missing", **bounds),
            an_entry(4, cost_pico=None, team="other"),
        ]
    )
    rows = by(store, "team")
    band = rows["platform"]
    assert (band.cost_pico, band.least_pico, band.most_pico) == (105, 106, 118)
    assert (band.unknown, band.unbounded) == (1, 0)
    assert (rows["other"].unknown, rows["other"].unbounded) == (1, 1)
    every = total(store, moment(0), None)
    ours = total(store, moment(0), None, {"team": ("platform",)})
    assert (every.most_pico, every.unbounded) == (118, 1)
    assert (ours.most_pico, ours.unbounded) == (118, 0)
    assert not band.exact


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
        for row in by(store, "provider").values()
    ]
    assert lost == [("here", 2, most, 0, 1), ("far", 2, 2 * most, most + 7, 0)]
    found = total(store, None, None)
    assert (found.moves, found.cache_lost_tokens) == (4, 3 * most)
    assert (found.cache_lost_pico, found.cache_lost_unknown) == (most + 7, 1)
    assert (found.cost_pico, found.unknown) == (5000, 0), "a loss is no cost of its own"
    assert [day.moves for day in by(store, "day").values()] == [3, 1]


@pytest.mark.parametrize("name", reports.GROUPS)
def test_an_empty_ledger(store: Store, name: Any) -> None:
    assert spend(store, Asked((name,))).rows == []
    assert total(store, None, None) == SpendRow()
    assert spent(store, moment(0)) == 0
    assert flows(store, Asked(USUAL)) == []


def test_a_range_takes_its_beginning_and_not_its_end(store: Store) -> None:
    store.insert(SOME)
    at = moment(NOON_US + HOUR_US)
    assert total(store, at, at + timedelta(microseconds=1)).attempts == 1
    assert total(store, at + timedelta(microseconds=1), None).attempts == 1
    assert total(store, None, at).attempts == 3
    assert total(store, at, at).attempts == 0


def test_a_moment_without_a_zone_is_refused(store: Store) -> None:
    with pytest.raises(ValueError, match="no time zone"):
        total(store, datetime(2026, 1, 1), None)  # noqa: DTZ001


def test_sums_pass_sixty_four_bits(store: Store) -> None:
    most = 2**63 - 1
    store.insert([an_entry(n, cost_pico=most, input=most) for n in range(5)])
    store.insert([an_entry(5, cost_pico=-3)])
    found = total(store, None, None)
    assert found.cost_pico == found.least_pico == 5 * most - 3
    assert found.tokens_in == 5 * (most + 5) + 15
    for name in ("model", "day", "session", "tag"):
        (row,) = by(store, name).values()
        assert row.cost_pico == 5 * most - 3
    assert spent(store, moment(0)) == 5 * most - 3


def test_spent_by_what_it_is_asked_for(store: Store) -> None:
    store.insert(SOME)
    begin = moment(0)
    assert spent(store, begin) == 12
    assert spent(store, begin, key="ci") == 12
    assert spent(store, begin, key="laptop") == 0
    assert spent(store, begin, team="platform") == 12
    assert spent(store, begin, key="ci", team="other") == 0
    assert spent(store, begin, provider="far", model="large", label="internal") == 7
    assert spent(store, begin, user="ada") == 0
    assert spent(store, moment(NOON_US + 1)) == 7
    assert spent(store, begin, moment(NOON_US + 1)) == 5


def test_a_ledger_that_is_not_there_is_an_error(empty_url: str) -> None:
    store = Store.open(empty_url)
    with pytest.raises(StoreError, match="cannot be read"):
        total(store, None, None)
    store.close()
