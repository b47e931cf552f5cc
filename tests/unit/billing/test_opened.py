"""An attempt that is under way when its process is killed becomes an entry, once, whoever looks."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from billing import bequest, opened
from billing.journal import Journal, JournalError, read_segment
from billing.ledger import Entry
from billing.opened import NO_SLOT, SLOTS, Opened
from tests.unit.billing.samples import an_entry
from tests.unit.billing.test_journal import bare, kept


def an_attempt(number: int = 1, **changes: str | int | None) -> Opened:
    """Return the beginning of ``an_entry(number)``."""
    names = set(Opened.__struct_fields__)
    fields = {k: v for k, v in msgspec.structs.asdict(an_entry(number)).items() if k in names}
    return Opened(**{**fields, "prompt_most": 40, "output_most": 100, **changes})


RUN = """
import os, signal, sys
from pathlib import Path
from billing.journal import Journal
from tests.unit.billing.samples import an_entry
from tests.unit.billing.test_opened import an_attempt
journal = Journal(Path(sys.argv[1]))
slots = [journal.begin(an_attempt(number)) for number in range(6)]
journal.append(an_entry(0)); journal.end(slots[0])
journal.seal()
journal.append(an_entry(1))  # and killed before the slot is ended
journal.hold(slots[2], an_entry(2))  # the disk was full
exec(sys.argv[2])
os.kill(os.getpid(), signal.SIGKILL)
"""


def killed_in(folder: Path, more: str = "") -> None:
    """Let a process write two entries, hold one, and be killed with three attempts under way."""
    ran = subprocess.run([sys.executable, "-c", RUN, str(folder), more], check=False)
    assert ran.returncode == -signal.SIGKILL


def test_each_attempt_has_one_entry_after_a_kill(tmp_path: Path) -> None:
    killed_in(tmp_path)
    heir = Journal(tmp_path)
    assert heir.adopt(lambda entry: 7_000) == 3
    entries = {entry.request_id: entry for entry in kept(tmp_path)}
    assert len(kept(tmp_path)) == len(entries) == 6
    assert [entries[f"req_{n}"] for n in range(3)] == [an_entry(n) for n in range(3)]
    for number in (3, 4, 5):
        entry = entries[f"req_{number}"]
        assert (entry.outcome, entry.error, entry.usage_state) == ("cut", "killed", "missing")
        assert (entry.cost_pico, entry.cost_least_pico, entry.cost_most_pico) == (None, 0, 7_000)
        assert (entry.tokens_in_least, entry.tokens_in_most) == (0, 40)
        assert (entry.tokens_out_least, entry.tokens_out_most) == (0, 100)
        assert (entry.at_us, entry.key, entry.place) == (an_entry().at_us, "ci", "US")
    assert list(tmp_path.glob("*.open")) == []
    assert heir.adopt() == 0
    heir.close()


@pytest.mark.parametrize("until", ["forget", "_write", "unlink"])
def test_an_heir_may_be_killed_at_any_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, until: str
) -> None:
    killed_in(tmp_path)

    class Killed(BaseException):
        """What ends the heir here."""

    def die(*_: object, **__: object) -> None:
        raise Killed

    with monkeypatch.context() as dying:
        if until == "unlink":
            dying.setattr(Path, "unlink", die)
        else:
            dying.setattr(opened if until == "forget" else bequest, until, die)
        with pytest.raises(Killed):
            Journal(tmp_path).adopt()
    Journal(tmp_path).adopt()
    assert sorted(entry.request_id for entry in kept(tmp_path)) == [f"req_{n}" for n in range(6)]


def test_a_full_disk_does_not_keep_the_entries_of_the_dead(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    killed_in(tmp_path)
    heir = Journal(tmp_path)

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "full")

    with monkeypatch.context() as broken:
        broken.setattr(bequest, "_write", full)
        assert heir.adopt() == 2, "to move them is what makes room"
    for segment in heir.pending():
        heir.done(segment)
    assert heir.adopt() == 1
    assert sorted(entry.request_id for entry in kept(tmp_path)) == [
        f"req_{n}" for n in (2, 3, 4, 5)
    ]
    heir.close()


def test_the_living_are_left_alone(tmp_path: Path) -> None:
    owner, other = Journal(tmp_path), Journal(tmp_path)
    slot = owner.begin(an_attempt(1))
    owner.append(an_entry(0))
    owner.seal()
    assert other.adopt() == 0
    owner.append(an_entry(1))
    owner.end(slot)
    owner.close()
    assert other.adopt() == 2
    assert [entry.request_id for entry in kept(tmp_path)] == ["req_0", "req_1"]
    other.close()


def test_what_is_under_way_at_an_end_is_left_to_the_next(tmp_path: Path) -> None:
    first = Journal(tmp_path)
    first.begin(an_attempt(1))
    first.close()
    heir = Journal(tmp_path)
    assert heir.adopt() == 1
    (entry,) = kept(tmp_path)
    assert (entry.attempt_id, entry.error) == ("req_1.1", "killed")
    heir.close()


def test_there_is_room_for_as_many_as_are_under_way(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    slots = [journal.begin(an_attempt(number)) for number in range(SLOTS + 5)]
    assert len(set(slots)) == SLOTS + 5
    for slot in slots[5:]:
        journal.end(slot)
    (path,) = tmp_path.glob("*.open")
    assert {entry.attempt_id for entry in opened.left(path).values()} == {
        f"req_{number}.1" for number in range(5)
    }
    journal.close()


def test_a_client_s_long_words_do_not_matter(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.begin(an_attempt(1, tags="x" * 9_000, model_asked="ü" * 9_000, session='"' * 500))
    journal.begin(an_attempt(2, model_asked="half \ud83d of one \0"))
    (path,) = tmp_path.glob("*.open")
    first, second = opened.left(path).values()
    assert (first.key, first.tags) == ("ci", "x" * 300)
    assert second.model_asked.startswith("half ")
    journal.close()


def test_a_disk_without_room_for_the_notes_stops_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = Journal(tmp_path)

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "full")

    with monkeypatch.context() as broken:
        broken.setattr(os, "posix_fallocate", full)
        assert journal.begin(an_attempt()) == NO_SLOT
        journal.append(an_entry())
        journal.end(NO_SLOT)
        journal.hold(NO_SLOT, an_entry())
    assert journal.begin(an_attempt()) != NO_SLOT
    assert sorted(path.suffix for path in tmp_path.iterdir()) == [".jsonl", ".open"]
    journal.close()


def test_a_removed_folder_takes_its_notes_with_it_and_new_ones_are_made(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal")
    lost = journal.begin(an_attempt(1))
    journal.append(an_entry(0))
    for path in journal.folder.iterdir():
        path.unlink()
    with pytest.raises(JournalError):
        journal.append(an_entry(1))
    journal.append(an_entry(1))
    journal.end(lost)
    slot = journal.begin(an_attempt(2))
    journal.append(an_entry(2))
    journal.end(slot)
    journal.close()
    assert [bare(e) for e in read_segment(next(journal.folder.iterdir()))[0]] == [
        an_entry(1),
        an_entry(2),
    ]


def test_rubbish_in_a_dead_file_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "0a0b0c0d.open").write_bytes(b"\x05\0\0\0hello" + b"\xff" * 9_000)
    journal = Journal(tmp_path)
    assert journal.adopt() == 0
    assert list(tmp_path.glob("*.open")) == []
    journal.close()


def test_an_entry_of_a_dead_process_is_the_same_attempt_in_the_database() -> None:
    entry: Entry = opened.killed(an_attempt(1))
    assert (entry.at_us, entry.attempt_id) == (an_entry(1).at_us, an_entry(1).attempt_id)
