"""Days, weeks and months add up to their range in every zone, to the microsecond."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from billing.calendar_cuts import GRAINS, SIZES, midnight_us, moment, pieces, spans
from billing.ledger import Entry
from billing.reports import Asked, spend, total
from billing.schema import rolled_off
from billing.store import Store
from billing.sums import SpendRow
from tests.unit.billing.samples import NOON_US, an_entry

SECOND_US = 1_000_000
HOUR_US = 3_600 * SECOND_US
# Half and quarter hours, clocks that change by an hour and by half of one, and one that skips
# midnight itself.
ZONES = [
    "UTC", "Asia/Kolkata", "Asia/Kathmandu", "Europe/Berlin", "America/New_York",
    "Australia/Lord_Howe", "America/Santiago",
]  # fmt: skip
# Days on which clocks change somewhere of these, a leap day, a turn of the year.
TURNS = [
    datetime(*day, tzinfo=UTC)
    for day in (
        (2026, 3, 8), (2026, 3, 29), (2026, 4, 5), (2026, 9, 6), (2026, 10, 4), (2026, 10, 25),
        (2026, 11, 1), (2024, 2, 29), (2026, 12, 31),
    )
]  # fmt: skip
# Microseconds around a turn, some of them whole quarters of an hour.
OFFSETS = st.integers(-48 * HOUR_US, 48 * HOUR_US) | st.integers(-192, 192).map(
    lambda quarters: quarters * HOUR_US // 4
)
ATTEMPTS = st.lists(
    st.tuples(
        st.integers(1, 3),
        OFFSETS,
        st.none() | st.integers(0, 2**63 - 1),
        st.sampled_from(["call", "hedge", "shadow"]),
        st.sampled_from(["", "ada", "bob"]),
    ),
    max_size=20,
)
each_zone = pytest.mark.parametrize("zone", ZONES)


@pytest.fixture(scope="module")
def numbers() -> Iterator[int]:
    """Numbers for keys, so that examples share a ledger and not their entries."""
    return itertools.count()


def named(grain: str, at_us: int, zone: ZoneInfo) -> str:
    """Return the name of the span that a moment lies in, the plain way."""
    local = moment(at_us).astimezone(zone)
    year, week, _ = local.isocalendar()
    offset = local.isoformat()[-6:]
    return {
        "hour": f"{local:%Y-%m-%dT%H}:00{offset}",
        "day": local.date().isoformat(),
        "week": f"{year}-W{week:02d}",
        "month": f"{local:%Y-%m}",
    }[grain]


def by_hand(entries: list[Entry], name: Callable[[Entry], str]) -> dict[str, tuple[int, ...]]:
    """Return cost, attempts, requests and unknown costs for each group, the plain way."""
    found: dict[str, Counter[str]] = {}
    for entry in entries:
        sums = found.setdefault(name(entry), Counter())
        sums["cost"] += entry.cost_pico or 0
        sums["attempts"] += 1
        sums["requests"] += entry.attempt == 1 and entry.purpose != "shadow"
        sums["unknown"] += entry.cost_pico is None
    return {
        group: (sums["cost"], sums["attempts"], sums["requests"], sums["unknown"])
        for group, sums in found.items()
    }


def figures(rows: list[SpendRow]) -> dict[str, tuple[int, ...]]:
    """Return the same of a report's rows."""
    return {row.names[0]: (row.cost_pico, row.attempts, row.requests, row.unknown) for row in rows}


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """A ledger in files that all examples write to."""
    from billing.migrate import migrate

    url = f"sqlite:///{tmp_path_factory.mktemp('books')}/ledger.db"
    migrate(url)
    store = Store.open(url)
    yield store
    store.close()


@each_zone
@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(turn=st.sampled_from(TURNS), attempts=ATTEMPTS, since=OFFSETS, until=OFFSETS)
def test_spans_add_up_to_their_range(
    shared: Store,
    numbers: Iterator[int],
    zone: str,
    turn: datetime,
    attempts: list[tuple[int, int, int | None, str, str]],
    since: int,
    until: int,
) -> None:
    key, at, turn_us = f"key{next(numbers)}", ZoneInfo(zone), int(turn.timestamp()) * SECOND_US
    entries = [
        an_entry(n, attempt_id=f"{key}.{n}", attempt=attempt, at_us=turn_us + us, cost_pico=cost,
                 purpose=purpose, user=user, key=key)
        for n, (attempt, us, cost, purpose, user) in enumerate(attempts)
    ]  # fmt: skip
    assert shared.insert(entries) == []
    begin, end = turn_us + min(since, until), turn_us + max(since, until)
    bounds = moment(begin), moment(end)
    inside = [entry for entry in entries if begin <= entry.at_us < end]
    whole = total(shared, *bounds, {"key": (key,)})
    for grain in GRAINS:
        asked = Asked((grain,), *bounds, at, {"key": (key,)})
        found = figures(spend(shared, asked).rows)
        assert found == by_hand(inside, lambda entry, g=grain: named(g, entry.at_us, at))
        assert list(found) == sorted(found, key=lambda name: name[:13])
        assert spend(shared, asked).total == whole
    by_user = spend(shared, Asked(("user",), *bounds, at, {"key": (key,)}))
    assert figures(by_user.rows) == by_hand(inside, lambda entry: entry.user)
    assert by_user.total == whole


@each_zone
def test_reports_of_single_days_add_up_to_their_range(sqlite_store: Store, zone: str) -> None:
    # With a change of clocks in most of these zones.
    _single_days(sqlite_store, ZoneInfo(zone), date(2026, 3, 7), 31)


@pytest.mark.parametrize("zone", ["Asia/Kathmandu", "Europe/Berlin"])
def test_single_days_in_both_databases(store: Store, zone: str) -> None:
    _single_days(store, ZoneInfo(zone), date(2026, 3, 28), 5)


def _single_days(store: Store, at: ZoneInfo, first: date, n_days: int) -> None:
    begin, every = midnight_us(first, at), 2_222_222_221  # 37 minutes and a bit
    entries = [
        an_entry(n, at_us=begin + n * every, cost_pico=n + 1, user=f"u{n % 3}")
        for n in range(n_days * 24 * HOUR_US // every)
    ]
    store.insert(entries)
    days = [first + timedelta(days=n) for n in range(n_days + 1)]
    cuts = [datetime(day.year, day.month, day.day, tzinfo=at) for day in days]
    together = SpendRow()
    for since, until in itertools.pairwise(cuts):
        (row,) = spend(store, Asked(("day",), since, until, at)).rows
        assert row.names == (since.date().isoformat(),)
        assert replace(row, names=()) == total(store, since, until)
        together.add(row)
    whole = spend(store, Asked(("day",), cuts[0], cuts[-1], at))
    assert together == whole.total
    assert len(whole.rows) == n_days
    assert whole.total.attempts == sum(entry.at_us < midnight_us(days[-1], at) for entry in entries)


@pytest.mark.parametrize(("day", "hours"), [((2026, 3, 29), 23), ((2026, 10, 25), 25)])
def test_a_day_of_summer_time(store: Store, day: tuple[int, int, int], hours: int) -> None:
    paris = ZoneInfo("Europe/Paris")
    first = date(*day)
    begin = midnight_us(first, paris)
    entries = [an_entry(n, at_us=begin + n * HOUR_US, cost_pico=1) for n in range(-1, hours + 1)]
    # Attempt ids of negative numbers are as good as any.
    store.insert(entries)
    rows = spend(store, Asked(("day",), zone=paris)).rows
    assert figures(rows)[first.isoformat()][1] == hours
    clock = spend(store, Asked(("hour",), zone=paris)).rows
    assert len(clock) == hours + 2, "an hour that is there twice is two"


@each_zone
def test_spans_follow_one_another_and_pieces_cover_each_once(zone: str) -> None:
    at = ZoneInfo(zone)
    for turn, grain in itertools.product(TURNS, (None, *GRAINS)):
        begin = int(turn.timestamp()) * SECOND_US - 30 * HOUR_US + 1
        end = begin + 75 * HOUR_US + 7 * SECOND_US
        cut = spans(grain, begin, end, at)
        assert (cut[0].begin, cut[-1].end) == (begin, end)
        assert all(one.end == following.begin for one, following in itertools.pairwise(cut))
        assert len({span.name for span in cut}) == len(cut)
        for span, sizes in itertools.product(cut, (SIZES, SIZES[-1:], ())):
            found = pieces([span], sizes)
            for edge in {span.begin, span.end, *(piece.begin for piece in found)}:
                for us in (edge - 1, edge):
                    covers = sum(p.sign for p in found if p.begin <= us < p.end)
                    assert covers == (span.begin <= us < span.end)
            for piece in found:
                assert piece.size == 0 or piece.begin % (piece.size * SECOND_US) == 0
                assert piece.size == 0 or piece.end % (piece.size * SECOND_US) == 0


def test_a_month_of_local_days_is_made_of_few_rollups() -> None:
    for zone, most in (("UTC", 30), ("Europe/Berlin", 120), ("Asia/Kolkata", 450)):
        at = ZoneInfo(zone)
        begin, end = (midnight_us(date(2026, month, 1), at) for month in (11, 12))
        found = pieces(spans("day", begin, end, at))
        cells = sum((piece.end - piece.begin) // (piece.size * SECOND_US) for piece in found)
        assert cells <= most, f"{cells} in {zone}: an hour-by-hour reading has 720"


def test_too_many_spans_are_refused() -> None:
    with pytest.raises(ValueError, match="more than 10000 hours"):
        spans("hour", 0, 20_000 * HOUR_US, UTC)


def test_a_time_without_its_entries_begins_and_ends_with_a_quarter(store: Store) -> None:
    store.insert([an_entry(n, at_us=NOON_US + n * HOUR_US // 4) for n in range(4)])
    with store.engine.begin() as connection:
        row = {"part": "x", "month": "2025-11", "archive": "", "entries": 0, "at_us": 0}
        connection.execute(rolled_off.insert().values(row))
    since = moment(NOON_US + HOUR_US // 4)
    assert total(store, since, None).attempts == 3
    with pytest.raises(ValueError, match="2025-11 are removed"):
        total(store, since + timedelta(seconds=1), None)
