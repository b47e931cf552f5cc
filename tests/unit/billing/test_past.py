"""Past requests are read in batches, each whole, none twice."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

import pytest

from billing import past
from billing.store import Store
from tests.unit.billing.samples import NOON_US, an_entry

NOON = datetime.fromtimestamp(NOON_US / 1e6, UTC)
SECOND_US = 1_000_000


def attempt(request: int, number: int, seconds: float = 0.0, **changes: object):
    return an_entry(
        request,
        attempt_id=f"req_{request}.{number}",
        attempt=number,
        at_us=NOON_US + int(seconds * SECOND_US),
        **changes,
    )


def read(store: Store, batch: int = 3, since=None, until=None) -> list[list[str]]:
    found = past.requests(store, since, until, batch)
    return [[entry.attempt_id for entry in entries] for entries in found]


@pytest.mark.parametrize("batch", [1, 2, 3, 7, 1000])
def test_each_request_comes_once_with_all_its_attempts(store: Store, batch: int) -> None:
    # Several at one moment, attempts of several requests between one another, over a long time.
    entries = [
        attempt(request, number, seconds=request * 100 + number * 150 * (request % 3))
        for request in range(40)
        for number in range(1, 1 + request % 4)
    ]
    random.Random(1).shuffle(entries)
    store.insert(entries)
    found = read(store, batch)
    assert sorted(map(sorted, found)) == sorted(
        [f"req_{request}.{number}" for number in range(1, 1 + request % 4)]
        for request in range(40)
        if request % 4
    )
    assert past.count(store, None, None) == len(entries)


def test_what_made_no_answer_is_left_out(store: Store) -> None:
    store.insert(
        [
            attempt(1, 1, purpose="call"),
            attempt(1, 2, purpose="hedge"),
            attempt(1, 3, purpose="shadow"),
            attempt(2, 1, purpose="count"),
            attempt(1, 4, purpose="continue"),
        ]
    )
    assert read(store) == [["req_1.1", "req_1.2", "req_1.4"]]


def test_bounds_of_time_hold(store: Store) -> None:
    store.insert([attempt(number, 1, seconds=number) for number in range(6)])
    since, until = NOON + timedelta(seconds=2), NOON + timedelta(seconds=4)
    assert read(store, 1, since, until) == [["req_2.1"], ["req_3.1"]]
    assert past.count(store, since, until) == 2


def test_a_request_is_given_before_the_end_is_read(store: Store) -> None:
    store.insert([attempt(number, 1, seconds=number * 1000) for number in range(5)])
    found = past.requests(store, None, None, 2)
    assert next(found)[0].attempt_id == "req_0.1"


def test_of_a_decision_the_beginning_is_read(store: Store) -> None:
    store.insert([attempt(1, 1, decision="d" * 4000, notes="n", prompt_most=9, needs="tools")])
    ((entry,),) = past.requests(store, None, None)
    assert (entry.decision, entry.notes) == ("d" * past.DECISION_BEGINS, "")
    assert (entry.prompt_most, entry.needs, entry.input) == (9, "tools", 10)


def test_one_request_is_found_whole(store: Store) -> None:
    entries = [attempt(1, 2, 1), attempt(1, 1), attempt(2, 1), attempt(1, 3, 2, purpose="judge")]
    store.insert(entries)
    found = past.attempts(store, "req_1", None, None)
    assert found == [entries[1], entries[0], entries[3]]
    assert past.attempts(store, "req_1", NOON + timedelta(seconds=1), None) == [
        entries[0],
        entries[3],
    ]
    assert past.attempts(store, "req_9", None, None) == []
