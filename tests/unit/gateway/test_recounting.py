"""What is counted again: differences that add up, a bounded queue, and policy asked once more."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from billing.ledger import Entry
from gateway.recount import WAITING_MAX, Recounts
from gateway.recounting import BOUNDS, SUMS, correction
from providers.usage import BUCKETS

BASE: dict[str, Any] = {
    "attempt_id": "req_1.1", "request_id": "req_1", "attempt": 1, "at_us": 7, "provider": "p",
    "model": "m", "outcome": "cancelled", "usage_state": "estimated", "cost_pico": 5,
    "cost_state": "priced", "tokenizer": "bytes/4", "total_ms": 90, "searches": 2,
}  # fmt: skip
COUNT = st.integers(0, 10**12)


def entry(**more: Any) -> Entry:
    return Entry(**{**BASE, **more})


FIGURES = st.fixed_dictionaries(
    {
        **dict.fromkeys(BUCKETS, COUNT),
        **dict.fromkeys((*BOUNDS, *SUMS), st.none() | COUNT),
    }
)


@given(FIGURES, FIGURES)
def test_an_entry_and_its_correction_add_up_to_what_was_counted(
    first: dict[str, Any], then: dict[str, Any]
) -> None:
    before, now = entry(**first), entry(**then, tokenizer="server")
    made = correction(before, now)
    if made is None:
        assert all(first[name] == then[name] for name in BUCKETS)
        return
    assert (made.purpose, made.corrects, made.attempt_id) == ("correction", "req_1.1", "req_1.1.c")
    assert (made.at_us, made.total_ms, made.searches, made.tokenizer) == (7, 0, 0, "server")
    for name in BUCKETS:
        assert first[name] + getattr(made, name) == then[name]
    for name in (*BOUNDS, *SUMS):
        whole_of_it = name in ("cost_pico", "native_pico") and first["cost_pico"] is None
        if whole_of_it:
            assert getattr(made, name) == then[name]
        elif first[name] is None or then[name] is None:
            assert getattr(made, name) is None
        else:
            assert first[name] + getattr(made, name) == then[name]


def test_the_same_count_needs_no_correction() -> None:
    assert correction(entry(input=4), entry(input=4, tokenizer="server")) is None
    assert msgspec.structs.asdict(entry())["corrects"] == ""


async def test_one_after_the_other_and_so_many_at_most() -> None:
    recounts, free = Recounts(), asyncio.Event()
    done: list[int] = []

    async def work(number: int) -> None:
        await free.wait()
        done.append(number)

    for number in range(WAITING_MAX + 9):
        recounts.later(partial(work, number))
    await asyncio.sleep(0)
    assert recounts.dropped >= 8
    free.set()
    for _ in range(10 * WAITING_MAX):
        await asyncio.sleep(0)
    assert not recounts.busy
    assert done == list(range(len(done)))
    assert len(done) + recounts.dropped == WAITING_MAX + 9


async def test_a_fault_in_one_ends_no_other() -> None:
    recounts = Recounts()
    done: list[int] = []

    async def good() -> None:
        done.append(1)

    async def bad() -> None:
        raise ValueError

    recounts.later(bad)
    recounts.later(good)
    for _ in range(10):
        await asyncio.sleep(0)
    assert (recounts.failed, done) == (1, [1])
    await recounts.close()


async def test_what_waits_at_the_end_is_left() -> None:
    recounts = Recounts()

    async def forever() -> None:
        await asyncio.Event().wait()

    recounts.later(forever)
    recounts.later(forever)
    await asyncio.sleep(0)
    assert recounts.busy
    await recounts.close()
    assert not recounts.busy
