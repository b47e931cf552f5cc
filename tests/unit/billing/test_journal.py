"""What has been acknowledged is on disk, whatever happens to the process, the disk, the folder."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from random import Random

import msgspec
import pytest

from billing import journal as room
from billing.audit_rows import from_journal, gathering, judged
from billing.journal import Journal, JournalError, read_segment, recover
from billing.ledger import Entry
from tests.unit.billing.samples import an_entry


def bare(entry: Entry) -> Entry:
    """Return an entry as it was before it got its place in a chain."""
    return msgspec.structs.replace(entry, recorded_us=0, writer="", seq=0, hash="")


def kept(folder: Path) -> list[Entry]:
    """Return every entry in every segment of a folder, in order, without its place in a chain."""
    segments = sorted(folder.glob("*.jsonl"))
    return [bare(entry) for path in segments for entry in read_segment(path)[0]]


def segments(folder: Path) -> list[Path]:
    """Return the journal's files of entries, named or not."""
    return sorted(path for path in folder.iterdir() if path.suffix in (".jsonl", ".new"))


def test_an_entry_comes_back_as_it_was(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "deep" / "folder")
    entry = an_entry(
        served_model="модель \n\u2028", cost_pico=None, first_content_ms=3, stream=True
    )
    journal.append(entry)
    assert kept(journal.folder) == [entry]
    journal.close()


def test_one_entry_is_one_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = Journal(tmp_path)
    writes: list[int] = []
    real = os.write

    def counted(fd: int, data: bytes) -> int:
        writes.append(len(data))
        return real(fd, data)

    monkeypatch.setattr(os, "write", counted)
    journal.append(an_entry())
    assert len(writes) == 1
    journal.close()


def test_words_and_numbers_that_no_file_can_hold_are_written_plainly(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.append(an_entry(served_model="half \ud83d of one", input=2**70))
    journal.append(an_entry(3, served_model="no \0 character"))
    journal.append(an_entry(2))
    journal.close()
    strange, null, plain = kept(tmp_path)
    assert strange.served_model == "half ? of one"
    assert (strange.input, strange.reconciled) == (0, False)
    assert null.served_model == "no \ufffd character"
    assert plain == an_entry(2)


def test_segments_end_by_count_and_by_seal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "SEGMENT_MAX", 3)
    journal = Journal(tmp_path)
    for number in range(7):
        journal.append(an_entry(number))
    assert [segment.entries for segment in journal.pending()] == [3, 3]
    assert journal.depth == 7
    journal.seal()
    journal.seal()  # nothing left to end
    assert [segment.entries for segment in journal.pending()] == [3, 3, 1]
    assert journal.oldest_s >= 0
    assert [entry.request_id for entry in kept(tmp_path)] == [f"req_{n}" for n in range(7)]
    for segment in journal.pending():
        journal.done(segment)
    assert (journal.depth, journal.oldest_s, segments(tmp_path)) == (0, 0.0, [])
    journal.close()
    assert list(tmp_path.iterdir()) == []


def test_closing_leaves_no_empty_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = Journal(tmp_path)

    def refuse(fd: int, data: bytes) -> int:
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(os, "write", refuse)
    with pytest.raises(JournalError):
        journal.append(an_entry())
    journal.close()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("cut", [1, 20, 400])
def test_a_torn_last_line_is_left_out(tmp_path: Path, cut: int) -> None:
    journal = Journal(tmp_path)
    for number in range(3):
        journal.append(an_entry(number))
    journal.close()
    (path,) = tmp_path.glob("*.jsonl")
    path.write_bytes(path.read_bytes()[:-cut])
    entries, damaged = read_segment(path)
    assert (list(map(bare, entries)), damaged) == ([an_entry(0), an_entry(1)], [])


def test_a_damaged_line_does_not_take_the_others_with_it(tmp_path: Path) -> None:
    line = msgspec.json.encode(an_entry())
    path = tmp_path / "1-1.jsonl"
    path.write_bytes(b"\n".join([line, b"\0\0\xff", b'{"attempt_id":', line, b""]))
    assert read_segment(path) == ([an_entry(), an_entry()], [b"\0\0\xff", b'{"attempt_id":'])


def test_a_line_of_another_version_is_read(tmp_path: Path) -> None:
    known = msgspec.to_builtins(an_entry())
    newer = {**known, "a_later_field": [1]}
    older = {name: value for name, value in known.items() if name != "served_model"}
    path = tmp_path / "1-1.jsonl"
    path.write_bytes(b"".join(msgspec.json.encode(each) + b"\n" for each in (newer, older)))
    assert read_segment(path) == ([an_entry(), an_entry()], [])


def nothing_fits(real: Callable[[int, bytes], int], fd: int, data: bytes) -> int:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def a_part_fits(real: Callable[[int, bytes], int], fd: int, data: bytes) -> int:
    return real(fd, data[:25])


@pytest.mark.parametrize("write", [nothing_fits, a_part_fits])
def test_a_full_disk_is_said_and_nothing_of_the_entry_stays(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    write: Callable[[Callable[[int, bytes], int], int, bytes], int],
) -> None:
    journal = Journal(tmp_path)
    journal.append(an_entry(1))
    real = os.write
    with monkeypatch.context() as full:
        full.setattr(os, "write", lambda fd, data: write(real, fd, data))
        for _ in range(3):
            with pytest.raises(JournalError, match=rf"{tmp_path}: the disk is full; free"):
                journal.append(an_entry(2))
    assert journal.depth == 1
    journal.append(an_entry(3))
    assert [entry.request_id for entry in kept(tmp_path)] == ["req_1", "req_3"]
    assert len(segments(tmp_path)) == 1
    journal.close()


def test_a_disk_that_fails_gets_a_new_segment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = Journal(tmp_path)
    journal.append(an_entry(1))
    with monkeypatch.context() as broken:
        broken.setattr(os, "write", lambda fd, data: len(data[:1]))  # says a part, keeps nothing
        broken.setattr(
            os, "ftruncate", lambda fd, size: (_ for _ in ()).throw(OSError(errno.EIO, "I/O error"))
        )
        with pytest.raises(JournalError, match="I/O error"):
            journal.append(an_entry(2))
    journal.append(an_entry(3))
    assert [entry.request_id for entry in kept(tmp_path)] == ["req_1", "req_3"]
    assert len(segments(tmp_path)) == 2
    journal.close()


def test_a_removed_folder_is_said_until_it_is_back(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal")
    journal.append(an_entry(1))
    shutil.rmtree(journal.folder)
    for _ in range(2):
        with pytest.raises(JournalError, match="the folder is gone; make it again"):
            journal.append(an_entry(2))
    journal.folder.mkdir()
    journal.append(an_entry(2))
    assert kept(journal.folder) == [an_entry(2)]
    journal.close()


def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(JournalError, match="cannot write the journal in"):
        Journal(tmp_path / "file" / "journal")


WRITER = """
import sys
from pathlib import Path
from billing.journal import Journal
from tests.unit.billing.samples import an_entry
journal = Journal(Path(sys.argv[1]))
journal.append(an_entry(1)); journal.seal(); journal.append(an_entry(2))
print("written", flush=True)
sys.stdin.read()
"""


def test_only_what_nobody_writes_is_recovered(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"written\n"
        mine = Journal(tmp_path)
        mine.append(an_entry(3))
        assert len(segments(tmp_path)) == 3
        assert len(recover(tmp_path)) == 1, "nobody writes the one that is sealed"
        assert mine.adopt() == 0, "but its owner lives"
        other.kill()
        other.wait()
        assert len(recover(tmp_path)) == 2, "and so is mine"
        assert mine.adopt() == 2
        assert mine.adopt() == 0
        assert mine.depth == 3
        mine.close()


def test_what_was_never_named_goes(tmp_path: Path) -> None:
    for name in ("1-1.new", "0a0b0c0d-00000001.new", "0a0b0c0d.unborn"):
        (tmp_path / name).touch()
    journal = Journal(tmp_path)
    assert journal.adopt() == 0
    assert list(tmp_path.iterdir()) == []


class Stepping:
    """A clock that goes forth, stands still, and goes back over days."""

    def __init__(self, seed: int) -> None:
        self._chance = Random(seed)
        self._now_ns = 1_795_000_000_000_000_000

    def __call__(self) -> int:
        step = self._chance.choice((0, 0, 1, 10**6, -(10**9), 10**12, -(10**12), 9 * 10**13))
        self._now_ns += step * self._chance.choice((1, 1, 1, -1))
        return self._now_ns


@pytest.mark.parametrize("seed", range(5))
def test_nothing_rests_on_the_clock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    monkeypatch.setattr(room, "SEGMENT_MAX", 3)
    clock = Stepping(seed)
    writers = [Journal(tmp_path, clock) for _ in range(3)]
    for number in range(60):
        writers[number % 3].append(an_entry(number))
        if number % 7 == 0:
            writers[number % 3].seal()
        assert all(writer.oldest_s >= 0 for writer in writers)
    assert [writer.depth for writer in writers] == [20, 20, 20]
    for writer in writers:
        writer.close()
    heir = Journal(tmp_path, clock)
    heir.adopt()
    assert (heir.depth, heir.oldest_s >= 0) == (60, True)
    assert {entry.request_id for entry in kept(tmp_path)} == {f"req_{n}" for n in range(60)}
    with gathering() as found:
        from_journal(found, tmp_path)
        assert list(judged(found, (), (), lambda day: False, lambda day: True)) == []
        assert found.counts.waiting == 60
    heir.close()
