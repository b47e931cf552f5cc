"""Each entry once, in both databases; addresses; what a database refuses."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import msgspec
import pytest
from sqlalchemy import text

from billing import database as room
from billing.schema import entries
from billing.store import Store, StoreError, url_of
from tests.unit.billing.samples import an_entry, entries_of


def stored(store: Store) -> set[str]:
    """Return the attempt ids in the ledger."""
    return {entry.attempt_id for entry in entries_of(store)}


def test_an_entry_comes_back_as_it_was(store: Store) -> None:
    one = an_entry(1, stream=True, cost_pico=None, cost_state="unknown", tags="a,b")
    two = an_entry(2, cost_pico=2**63 - 1, first_content_ms=12, at_us=2**52, served_model="модель")
    assert store.insert([one, two]) == []
    assert entries_of(store) == [two, one]


def test_an_entry_counts_once_and_is_never_changed(store: Store) -> None:
    many = [an_entry(number) for number in range(1200)]
    store.insert(many)
    store.insert(many[300:])
    store.insert([an_entry(5, cost_pico=999)])
    assert len(stored(store)) == 1200
    assert sum(entry.cost_pico or 0 for entry in entries_of(store)) == 1_200_000


def test_the_same_entry_twice_in_one_batch(store: Store) -> None:
    store.insert([an_entry(1), an_entry(1)])
    assert stored(store) == {"req_1.1"}


def test_nothing_to_insert(store: Store) -> None:
    assert store.insert([]) == []


def test_what_the_database_refuses_is_given_back_and_holds_up_nobody(store: Store) -> None:
    many = [an_entry(number) for number in range(9)]
    many[4] = an_entry(4, input=2**63)
    ((entry, why),) = store.insert(many)
    assert entry is many[4]
    assert why
    assert len(stored(store)) == 8


def test_a_text_with_the_character_zero_is_stored(store: Store) -> None:
    assert store.insert([an_entry(1, served_model="a\0b")]) == []
    assert entries_of(store)[0].served_model == "a\ufffdb"


def test_two_writers_at_once(store: Store, ledger_url: str) -> None:
    other = Store.open(ledger_url)
    for number in range(20):
        store.insert([an_entry(number)])
        other.insert([an_entry(number), an_entry(number + 1)])
    assert len(stored(other)) == 21
    other.close()


def test_sqlite_writes_ahead_and_waits_for_others(sqlite_store: Store) -> None:
    with sqlite_store.engine.connect() as connection:
        found = {
            name: connection.execute(text(f"PRAGMA {name}")).scalar()
            for name in ("journal_mode", "synchronous", "busy_timeout")
        }
    assert found == {"journal_mode": "wal", "synchronous": 1, "busy_timeout": room.BUSY_MS}


def test_a_locked_file_is_an_error_and_then_works(
    tmp_path: Path, sqlite_store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "BUSY_MS", 20)
    store = Store.open(f"sqlite:///{tmp_path}/ledger.db")
    store.insert([an_entry(2)])
    holder = sqlite3.connect(tmp_path / "ledger.2025-11.db", isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreError, match="locked"):
        store.insert([an_entry()])
    holder.execute("ROLLBACK")
    holder.close()
    store.insert([an_entry()])
    assert stored(store) == {"req_1.1", "req_2.1"}
    store.close()


def test_a_file_that_is_no_database_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "ledger.db").write_text("a letter to the editor\n" * 100)
    store = Store.open(f"sqlite:///{tmp_path}/ledger.db")
    with pytest.raises(StoreError, match="not a database"):
        store.insert([an_entry()])
    with pytest.raises(StoreError, match="not a database"):
        entries_of(store)
    store.close()


def test_a_server_that_is_not_there_is_an_error_without_its_password(tmp_path: Path) -> None:
    store = Store.open(f"postgresql://me:very-secret@/books?host={tmp_path}")
    with pytest.raises(StoreError) as fault:
        store.insert([an_entry()])
    assert "very-secret" not in str(fault.value)
    store.close()


@pytest.mark.parametrize(
    ("given", "made"),
    [
        ("sqlite:///var/ledger.db", "sqlite:///var/ledger.db"),
        ("postgresql://me:pw@host/books", "postgresql+psycopg://me:pw@host/books"),
        ("postgres://me:pw@host/books", "postgresql+psycopg://me:pw@host/books"),
        ("postgresql+psycopg://host/books", "postgresql+psycopg://host/books"),
    ],
)
def test_addresses(given: str, made: str) -> None:
    assert url_of(given).render_as_string(hide_password=False) == made


@pytest.mark.parametrize(
    "given",
    ["", "ledger.db", "mysql://me:very-secret@host/books", "sqlite://", "sqlite:///:memory:"],
)
def test_addresses_that_are_none(given: str) -> None:
    with pytest.raises(StoreError) as fault:
        url_of(given)
    assert "very-secret" not in str(fault.value)


def test_a_folder_that_cannot_be_made_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="folder"):
        Store.open(f"sqlite:///{tmp_path}/file/deep/ledger.db")


def test_every_field_has_a_column() -> None:
    fields = set(msgspec.structs.asdict(an_entry()))
    assert fields == {column.name for column in entries.columns}
