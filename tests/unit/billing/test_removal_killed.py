"""A removal that is killed at any line of it: nothing is lost, nothing is there twice."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable
from functools import partial
from itertools import count
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from billing import archive, file_changes, months, removal, retention
from billing.database import StoreError, writing
from billing.migrate import migrate
from billing.months import REMOVED, set_form
from billing.store import Store
from tests.unit.billing.samples import NOON_US, an_entry, entries_of
from tests.unit.billing.test_retention import SOME, in_file, sums

# The archive is written before anything is changed.
ROOMS = {room.__file__ for room in (file_changes, months, removal, retention)}
KILLED = 9
# Of the lines that a removal runs, every so many.
EVERYDAY = 211


def killed_at(line: int, work: Callable[[], object]) -> bool:
    """Do ``work`` in a process of its own that ends at once at a line; whether it came so far."""
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == KILLED
    left = line

    def traced(frame: FrameType, event: str, _: Any) -> Any:
        nonlocal left
        if frame.f_code.co_filename not in ROOMS:
            return None
        left -= event == "line"
        if not left:
            os._exit(KILLED)
        return traced

    try:
        sys.settrace(traced)
        work()
    except BaseException:
        os._exit(1)
    os._exit(0)


def archived(folder: Path) -> list[str]:
    return [entry.attempt_id for path in folder.glob("*.parquet") for entry in in_file(path)]


def remove_all(url: str, folder: Path) -> None:
    store = Store.open(url)
    list(retention.roll_off(store, "2026-01", folder))
    store.close()


def check(url: str, folder: Path, before: object) -> None:
    """Fail where something is lost or doubled: at once, and after the next removal."""
    store = Store.open(url)
    assert sums(store) == before
    here = [entry.attempt_id for entry in entries_of(store)]
    assert len({*here}) == len(here)
    assert len({*archived(folder)}) == len(archived(folder))
    store.close()
    remove_all(url, folder)
    store = Store.open(url)
    assert sums(store) == before
    assert entries_of(store) == SOME[:7:-1]
    assert sorted(archived(folder)) == sorted(entry.attempt_id for entry in SOME[:8])
    # What comes later is taken, and counts.
    assert store.insert([an_entry("late", at_us=NOON_US)]) == []
    assert [entry.attempt_id for entry in entries_of(store)][-1] == "req_late.1"
    store.close()


@pytest.mark.parametrize(
    "step", [EVERYDAY, pytest.param(1, marks=[pytest.mark.slow, pytest.mark.timeout(900)])]
)
def test_killed_at_any_line(tmp_path: Path, step: int) -> None:
    first = tmp_path / "first"
    url = f"sqlite:///{first}/ledger.db"
    migrate(url)
    store = Store.open(url)
    store.insert(SOME)
    before = sums(store)
    store.close()
    for line in count(1, step):
        folder = tmp_path / str(line)
        shutil.copytree(first, folder)
        url = f"sqlite:///{folder}/ledger.db"
        killed = killed_at(line, partial(remove_all, url, folder / "archive"))
        check(url, folder / "archive", before)
        shutil.rmtree(folder)
        if not killed:
            break
    assert line > 100


@pytest.mark.parametrize("last", ["remove", "settle"])
def test_killed_before_a_step(
    ledger_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, last: str
) -> None:
    migrate(ledger_url)
    store = Store.open(ledger_url)
    store.insert(SOME)
    before = sums(store)
    store.close()
    room = retention if last == "remove" else archive
    with monkeypatch.context() as patched:
        patched.setattr(room, last, lambda *_: os._exit(KILLED))
        assert killed_at(0, lambda: remove_all(ledger_url, tmp_path / "archive"))
    check(ledger_url, tmp_path / "archive", before)


def test_who_writes_into_a_month_that_goes_waits(sqlite_store: Store, tmp_path: Path) -> None:
    sqlite_store.insert(SOME)
    before = sums(sqlite_store)
    with writing(sqlite_store.parts(None, None)[1]) as month:
        set_form(month, REMOVED)
    with pytest.raises(StoreError, match="is being removed"):
        sqlite_store.insert([an_entry("late", at_us=NOON_US)])
    migrate(f"sqlite:///{tmp_path}/ledger.db")
    assert sums(sqlite_store) == before
    assert sqlite_store.insert([an_entry("late", at_us=NOON_US)]) == []
