"""Whatever is edited, removed, inserted or swapped in a chain is found, and named."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from random import Random
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from billing import chain
from billing.audit import Finding
from billing.audit_rows import gathering, judged
from billing.chain import FORM, FORMS, Head, digest_of, form_of, hash_of, heads_of, start
from billing.journal import Journal, read_segment
from billing.ledger import Entry
from tests.unit.billing.samples import NOON_US, an_entry

DAY_US = 86_400_000_000
CHAINED = ("recorded_us", "writer", "seq", "hash")


def test_the_newest_form_hashes_every_field_and_those_of_the_chain_come_last() -> None:
    names = Entry.__struct_fields__
    assert FORMS[FORM] == names[:-1]
    assert names[-4:] == CHAINED


def test_a_line_is_the_entry_that_was_hashed() -> None:
    made = chain.Chain("0a0b0c0d")
    before = start("2025-11-25", "0a0b0c0d")
    for number, name in enumerate(("one", 'quo"te \\ ü \x01\x7f \u2028', ""), start=1):
        link = made.link(msgspec.json.encode(an_entry(number, served_model=name)), NOON_US)
        made.take(link)
        entry = msgspec.json.decode(link.line, type=Entry)
        assert (entry.seq, entry.writer, entry.recorded_us) == (number, "0a0b0c0d", NOON_US)
        row = msgspec.structs.asdict(entry)
        assert entry.hash == hash_of(before, digest_of(row, FORM), FORM)
        before = entry.hash


def test_what_was_not_written_leaves_no_gap() -> None:
    made = chain.Chain("0a0b0c0d")
    first = made.link(msgspec.json.encode(an_entry()), NOON_US)
    again = made.link(msgspec.json.encode(an_entry()), NOON_US)
    assert first == again


def test_a_day_that_has_ended_is_not_gone_on_with() -> None:
    made, places = chain.Chain("0a0b0c0d"), []
    for now_us in (NOON_US, NOON_US + DAY_US, NOON_US, NOON_US + 1, NOON_US + DAY_US):
        link = made.link(msgspec.json.encode(an_entry()), now_us)
        made.take(link)
        places.append((link.day, link.writer, link.seq))
    assert [seq for _, _, seq in places] == [1, 1, 1, 2, 1]
    assert len({place[:2] for place in places}) == 4
    assert places[0][1] == places[1][1] != places[2][1] == places[3][1] == places[4][1]


@pytest.mark.parametrize("wrong", ["", "1", "99:ab", "ab"])
def test_an_unknown_form_is_said(wrong: str) -> None:
    with pytest.raises(ValueError, match="no form of hash"):
        form_of(wrong)


def written(seed: int, count: int = 24) -> list[Entry]:
    """Return entries of two writers over some days, as their journals have them."""
    chance = Random(seed)
    now = [NOON_US * 1000]

    def clock() -> int:
        now[0] += chance.choice((1, 10**9, 10**12, 5 * 10**13))
        return now[0]

    with tempfile.TemporaryDirectory() as folder:
        journals = [Journal(Path(folder), clock) for _ in range(2)]
        for number in range(count):
            told = {"served_model": chance.choice(("", "é", "half \ud83d", "nul \0", '"'))}
            entry = an_entry(number, at_us=now[0] // 1000, input=chance.randrange(9**9), **told)
            chance.choice(journals).append(entry)
        for journal in journals:
            journal.close()
        return [e for path in sorted(Path(folder).iterdir()) for e in read_segment(path)[0]]


def found_in(
    entries: Iterable[Entry], heads: Iterable[Head], exported: Iterable[Head] = ()
) -> list[Finding]:
    """Return what is wrong with a ledger of these entries and heads."""
    with gathering() as rows:
        for entry in entries:
            rows.add(msgspec.structs.asdict(entry))
        return list(judged(rows, heads, exported, lambda day: False, lambda day: True))


FIELDS = [name for name in Entry.__struct_fields__ if name != "attempt_id"]


def edited(entry: Entry, name: str) -> Entry:
    """Return ``entry`` with another value in one field."""
    old = getattr(entry, name)
    new: Any = f"{old}x" if isinstance(old, str) else not old if old is False or old is True else 1
    if isinstance(old, int) and not isinstance(old, bool):
        new = old + 1
    return msgspec.structs.replace(entry, **{name: new})


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10**6), at=st.integers(0, 23), name=st.sampled_from(FIELDS))
def test_an_edit_of_any_field_is_found_and_named(seed: int, at: int, name: str) -> None:
    entries = written(seed)
    heads = heads_of(entries)
    assert found_in(entries, heads, heads) == []
    victim = entries[at]
    entries[at] = edited(victim, name)
    found = found_in(entries, heads)
    assert any(victim.attempt_id in one.attempt_id for one in found), found
    if name not in CHAINED:
        assert [(one.kind, one.attempt_id) for one in found] == [("edited", victim.attempt_id)]
        assert found[0].day == chain.day_of(victim.recorded_us)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10**6), at=st.integers(0, 23), many=st.integers(1, 4))
def test_a_removal_is_found_where_it_was(seed: int, at: int, many: int) -> None:
    entries = written(seed)
    heads = heads_of(entries)
    gone = entries[at : at + many]
    found = found_in([entry for entry in entries if entry not in gone], heads)
    assert {one.kind for one in found} <= {"removed", "cut"}
    lost = {(one.day, one.writer, one.seq + n) for one in found for n in range(one.count)}
    assert lost == {(chain.day_of(e.recorded_us), e.writer, e.seq) for e in gone}


INSERTED: dict[str, Callable[[Entry], Entry]] = {
    "a copy": lambda entry: msgspec.structs.replace(entry, attempt_id="req_x.1"),
    "one at the end": lambda entry: msgspec.structs.replace(entry, attempt_id="req_x.1", seq=999),
    "one of a writer that never was": lambda entry: msgspec.structs.replace(
        entry, attempt_id="req_x.1", writer="ffffffff"
    ),
    "one in no chain": lambda entry: msgspec.structs.replace(
        entry, attempt_id="req_x.1", at_us=NOON_US * 2, recorded_us=0, writer="", seq=0, hash=""
    ),
}


@pytest.mark.parametrize("how", list(INSERTED))
@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10**6), at=st.integers(0, 23))
def test_an_insertion_is_found_and_named(how: str, seed: int, at: int) -> None:
    entries = written(seed)
    found = found_in([*entries, INSERTED[how](entries[at])], heads_of(entries))
    assert any("req_x.1" in one.attempt_id for one in found), found


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    two=st.lists(st.integers(0, 23), min_size=2, max_size=2, unique=True),
)
def test_a_swap_is_found_and_both_are_named(seed: int, two: list[int]) -> None:
    entries = written(seed)
    heads = heads_of(entries)
    one, other = (entries[at] for at in two)
    places = [{name: getattr(entry, name) for name in CHAINED} for entry in (one, other)]
    entries[two[0]] = msgspec.structs.replace(one, **places[1])
    entries[two[1]] = msgspec.structs.replace(other, **places[0])
    named = {found.attempt_id for found in found_in(entries, heads)}
    assert {one.attempt_id, other.attempt_id} <= named


def test_the_order_in_which_entries_come_does_not_matter() -> None:
    entries = written(3)
    heads = heads_of(entries)
    Random(1).shuffle(entries)
    assert found_in(entries, heads, heads) == []


def test_a_ledger_chained_anew_is_found_by_heads_that_were_exported() -> None:
    entries = written(4, 6)
    exported = heads_of(entries)
    anew = []
    made: dict[tuple[int, str], str] = {}
    for entry in entries:
        cheaper = msgspec.structs.replace(entry, cost_pico=1)
        place = entry.recorded_us // DAY_US, entry.writer
        before = made.get(place, start(chain.day_text(place[0]), entry.writer))
        made[place] = hash_of(before, digest_of(msgspec.structs.asdict(cheaper), FORM), FORM)
        anew.append(msgspec.structs.replace(cheaper, hash=made[place]))
    assert found_in(anew, heads_of(anew)) == [], "nothing inside tells"
    assert {one.kind for one in found_in(anew, heads_of(anew), exported)} == {"edited"}
    tail = found_in(entries[:-1], heads_of(entries[:-1]), exported)
    assert [one.kind for one in tail] == ["cut"]


def test_old_entries_are_counted_and_one_among_the_new_is_found() -> None:
    old = [an_entry(f"old{n}", at_us=NOON_US - (n + 1) * DAY_US) for n in range(5)]
    entries = written(5, 6)
    with gathering() as rows:
        for entry in (*old, *entries):
            rows.add(msgspec.structs.asdict(entry))
        heads = heads_of(entries)
        assert list(judged(rows, heads, (), lambda day: False, lambda day: True)) == []
        assert (rows.counts.unchained, rows.counts.chained) == (5, 6)


def test_what_left_with_its_month_is_counted_and_is_no_finding() -> None:
    entries = written(6)
    heads = heads_of(entries)
    gone = chain.day_of(entries[0].recorded_us)
    kept = [entry for entry in entries if chain.day_of(entry.recorded_us) != gone]
    with gathering() as rows:
        for entry in kept:
            rows.add(msgspec.structs.asdict(entry))
        assert list(judged(rows, heads, (), lambda day: day == gone, lambda day: True)) == []
        assert rows.counts.rolled_off == len(entries) - len(kept)
