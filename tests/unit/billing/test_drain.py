"""From the journal to the database: nothing lost, nothing twice, whatever is away meanwhile."""

from __future__ import annotations

import asyncio
import errno
import os
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from billing import database
from billing import drain as room
from billing.drain import REFUSED, Drain
from billing.journal import Journal
from billing.migrate import LedgerAwayError, migrate
from billing.store import Store
from tests.unit.billing.samples import an_entry
from tests.unit.billing.test_store import stored


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the task run often."""
    monkeypatch.setattr(room, "EVERY_S", 0.005)
    monkeypatch.setattr(room, "BACK_OFF_MAX_S", 0.02)


async def test_entries_move_and_their_files_go(tmp_path: Path, store: Store) -> None:
    journal = Journal(tmp_path / "journal")
    drain = Drain(journal, store)
    for number in range(1200):
        journal.append(an_entry(number))
    assert drain.depth == 1200
    assert await drain.move()
    assert (drain.depth, drain.oldest_s, drain.last_error) == (0, 0.0, "")
    assert len(stored(store)) == 1200
    assert list(journal.folder.glob("*.jsonl")) == []
    journal.append(an_entry(1200))
    assert await drain.move()
    assert len(stored(store)) == 1201


@pytest.mark.usefixtures("quick")
async def test_the_task_moves_by_itself_and_ends_with_everything_moved(
    tmp_path: Path, store: Store
) -> None:
    journal = Journal(tmp_path / "journal")
    drain = Drain(journal, store)
    drain.start()
    for number in range(300):
        journal.append(an_entry(number))
        await asyncio.sleep(0)
    await drain.close()
    assert drain.depth == 0
    assert len(stored(store)) == 300


async def test_what_dead_processes_left_is_moved_first(tmp_path: Path, store: Store) -> None:
    dead = Journal(tmp_path / "journal")
    for number in range(5):
        dead.append(an_entry(number))
    dead.close()
    torn = tmp_path / "journal" / "1-1.jsonl"
    torn.write_bytes(msgspec.json.encode(an_entry(5)) + b"\n" + b'{"attempt_id":"req_6')
    drain = Drain(Journal(tmp_path / "journal"), store)
    # As at a start: the task's first turn and the start's own, at once.
    drain.start()
    await drain.move()
    assert stored(store) == {f"req_{number}.1" for number in range(6)}
    await drain.close()


class Messages:
    """What a drain says, and a way to wait for it."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self._changed = asyncio.Event()

    def __call__(self, text: str) -> None:
        self.texts.append(text)
        self._changed.set()

    async def next(self) -> str:
        """Wait for the next text."""
        await asyncio.wait_for(self._changed.wait(), 20)
        self._changed.clear()
        return self.texts[-1]


async def away_and_back(
    tmp_path: Path, store: Store, away: Callable[[], Any], back: Callable[[], Any]
) -> None:
    """Take a database away under a running drain, and bring it back."""
    journal, messages = Journal(tmp_path / "journal"), Messages()
    drain = Drain(journal, store, messages)
    drain.start()
    await asyncio.to_thread(away)
    for number in range(50):
        journal.append(an_entry(number))
    assert (await messages.next()).startswith("the ledger waits in the journal: ")
    assert drain.last_error
    assert drain.depth == 50
    for number in range(50, 100):
        journal.append(an_entry(number))
    await asyncio.to_thread(back)
    assert await messages.next() == ""
    await drain.close()
    assert (drain.depth, drain.last_error, len(messages.texts)) == (0, "", 2)
    assert {f"req_{number}.1" for number in range(100)} <= stored(store)


@pytest.mark.usefixtures("quick")
async def test_a_file_that_is_locked_and_free_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "BUSY_MS", 10)
    migrate(f"sqlite:///{tmp_path}/ledger.db")
    store = Store.open(f"sqlite:///{tmp_path}/ledger.db")
    store.insert([an_entry("first")])
    month = tmp_path / "ledger.2025-11.db"
    holder = sqlite3.connect(month, isolation_level=None, check_same_thread=False)
    await away_and_back(
        tmp_path,
        store,
        lambda: holder.execute("BEGIN IMMEDIATE"),
        lambda: holder.execute("ROLLBACK"),
    )
    holder.close()
    store.close()


@pytest.mark.usefixtures("quick")
async def test_a_server_that_stops_and_starts_again(tmp_path: Path, own_postgres: Any) -> None:
    migrate(own_postgres.get_uri())
    store = Store.open(own_postgres.get_uri())
    store.insert([an_entry(0)])  # a connection that the stop will break
    await away_and_back(tmp_path, store, own_postgres.stop, own_postgres.ensure_postgres_running)
    store.close()


async def test_a_database_that_is_away_does_not_pile_up_files(tmp_path: Path, store: Store) -> None:
    journal = Journal(tmp_path / "journal")
    nowhere = Store.open(f"postgresql://nobody@/nowhere?host={tmp_path}")
    drain = Drain(journal, nowhere)
    for number in range(20):
        journal.append(an_entry(number))
        assert not await drain.move()
    assert len(list(journal.folder.glob("*.jsonl"))) == 2
    assert drain.depth == 20
    nowhere.close()
    journal.close()
    assert await Drain(Journal(journal.folder), store).move()
    assert len(stored(store)) == 20


async def test_closing_does_not_wait_for_a_database_that_is_away(
    tmp_path: Path, store: Store
) -> None:
    journal = Journal(tmp_path / "journal")
    journal.append(an_entry(1))
    nowhere = Store.open(f"postgresql://nobody@/nowhere?host={tmp_path}")
    drain = Drain(journal, nowhere)
    drain.start()
    await drain.close()
    assert drain.depth == 1
    nowhere.close()
    journal.close()
    assert await Drain(Journal(journal.folder), store).move()
    assert stored(store) == {"req_1.1"}


@pytest.mark.usefixtures("quick")
async def test_a_database_that_was_away_at_the_start_is_brought_up_to_date_first(
    tmp_path: Path,
) -> None:
    url = f"sqlite:///{tmp_path}/ledger.db"
    journal, store, messages = Journal(tmp_path / "journal"), Store.open(url), Messages()
    away = [True]

    def prepare() -> None:
        if away:
            raise LedgerAwayError("nobody answers")
        migrate(url)

    drain = Drain(journal, store, messages, prepare=prepare)
    drain.start()
    journal.append(an_entry(1))
    assert await messages.next() == "the ledger waits in the journal: nobody answers"
    assert (drain.depth, drain.rounds) == (1, 0)
    away.clear()
    assert await messages.next() == ""
    await drain.close()
    assert stored(store) == {"req_1.1"}
    store.close()


async def test_a_full_disk_leaves_no_half_of_what_is_set_aside(
    tmp_path: Path, sqlite_store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = Journal(tmp_path / "journal")
    journal.append(an_entry(1, input=2**63))
    aside = journal.folder / REFUSED
    aside.write_bytes(b"before\n")
    drain = Drain(journal, sqlite_store)

    def full(fd: int, data: Any) -> int:
        os.pwrite(fd, bytes(data)[:5], os.fstat(fd).st_size)
        raise OSError(errno.ENOSPC, "full")

    with monkeypatch.context() as broken:
        broken.setattr(os, "write", full)
        assert not await drain.move()
    assert aside.read_bytes() == b"before\n"
    assert await drain.move()
    assert aside.read_bytes().count(b"\n") == 2


async def test_what_can_never_be_stored_is_set_aside_and_counted(
    tmp_path: Path, store: Store
) -> None:
    journal = Journal(tmp_path / "journal")
    journal.append(an_entry(1))
    journal.append(an_entry(2, input=2**63))
    journal.seal()
    (path,) = journal.folder.glob("*.jsonl")
    with path.open("ab") as file:
        file.write(b"\0\0\0\n")
    drain = Drain(journal, store)
    assert await drain.move()
    assert (drain.refused, drain.depth) == (2, 0)
    aside = (journal.folder / REFUSED).read_bytes()
    assert b"req_2.1" in aside
    assert b"not an entry\t\0\0\0" in aside
    assert stored(store) == {"req_1.1"}


async def test_a_segment_stays_until_the_database_has_committed(
    tmp_path: Path, sqlite_store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = Journal(tmp_path / "journal")
    journal.append(an_entry(1))
    there: list[int] = []
    insert = sqlite_store.insert

    def watched(entries: Any) -> Any:
        refused = insert(entries)
        there.append(len(list(journal.folder.glob("*.jsonl"))))
        return refused

    monkeypatch.setattr(sqlite_store, "insert", watched)
    assert await Drain(journal, sqlite_store).move()
    assert there == [1]
    assert list(journal.folder.glob("*.jsonl")) == []


async def test_a_fault_of_our_own_is_said(
    tmp_path: Path, sqlite_store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal, messages = Journal(tmp_path / "journal"), Messages()
    drain = Drain(journal, sqlite_store, messages)
    monkeypatch.setattr(journal, "left_behind", lambda _most: 1 // 0)
    drain.start()
    assert "ZeroDivisionError" in await messages.next()
    assert "has ended" in drain.last_error
    await drain.close()


async def test_a_folder_that_was_removed_does_not_stop_the_drain(
    tmp_path: Path, sqlite_store: Store
) -> None:
    journal = Journal(tmp_path / "journal")
    drain = Drain(journal, sqlite_store)
    journal.append(an_entry(1))
    shutil.rmtree(journal.folder)
    await drain.move()
    journal.folder.mkdir()
    journal.append(an_entry(2))
    assert await drain.move()
    assert stored(sqlite_store) == {"req_2.1"}
