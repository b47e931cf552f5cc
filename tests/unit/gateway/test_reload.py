"""Watching real files: editors replace them, links are swapped, folders come and go."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from gateway import reload

WITHIN_S = 30.0


def write(path: Path, text: str) -> None:
    """Write ``text`` as an editor does that writes in place."""
    path.write_text(text, encoding="utf-8")


def remove(path: Path) -> None:
    path.unlink()


def seen_in(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.exists() else "gone"


class Changes:
    """Counts changes, and waits for the next."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self._told = asyncio.Event()

    def reads(self, path: Path) -> Callable[[], Awaitable[None]]:
        async def changed() -> None:
            self.texts.append(seen_in(path))
            self._told.set()

        return changed

    async def until(self, text: str) -> None:
        """Wait until the last change saw ``text``; a write may be seen in several steps."""
        async with asyncio.timeout(WITHIN_S):
            while not self.texts or self.texts[-1] != text:
                self._told.clear()
                await self._told.wait()


@asynccontextmanager
async def watching(
    files: Callable[[], Collection[Path]], on_change: Callable[[], Awaitable[None]]
) -> AsyncIterator[None]:
    ready = asyncio.Event()
    task = asyncio.create_task(reload.watch(files, on_change, ready))
    async with asyncio.timeout(WITHIN_S):
        await ready.wait()
    try:
        yield
        assert not task.done()
    finally:
        task.cancel()
        await asyncio.wait([task])


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "config.yaml"
    write(path, "one")
    return path


async def test_an_edit_in_place_is_seen_and_so_is_the_next(path: Path) -> None:
    changes = Changes()
    async with watching(lambda: {path}, changes.reads(path)):
        for text in ("two", "three", "four"):
            write(path, text)
            await changes.until(text)


async def test_a_file_put_in_the_old_ones_place_is_seen(path: Path) -> None:
    changes = Changes()
    async with watching(lambda: {path}, changes.reads(path)):
        for text in ("two", "three"):
            new = path.with_suffix(".tmp")
            write(new, text)
            new.replace(path)
            await changes.until(text)


async def test_a_file_that_goes_and_comes_back_is_seen(path: Path) -> None:
    changes = Changes()
    async with watching(lambda: {path}, changes.reads(path)):
        remove(path)
        await changes.until("gone")
        write(path, "two")
        await changes.until("two")


async def test_a_folder_that_goes_and_comes_back_does_not_end_the_watch(tmp_path: Path) -> None:
    folder = tmp_path / "etc"
    folder.mkdir()
    path = folder / "config.yaml"
    write(path, "one")
    changes = Changes()
    async with watching(lambda: {path}, changes.reads(path)):
        path.unlink()
        folder.rmdir()
        await changes.until("gone")
        folder.mkdir()
        write(path, "two")
        await changes.until("two")


async def test_a_link_that_points_elsewhere_is_seen(tmp_path: Path) -> None:
    """How a mounted config map changes: the link ``..data`` is swapped, no file is touched."""
    for name in ("old", "new"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.yaml").write_text(name, encoding="utf-8")
    (tmp_path / "..data").symlink_to("old")
    path = tmp_path / "config.yaml"
    path.symlink_to("..data/config.yaml")
    changes = Changes()
    async with watching(lambda: {path}, changes.reads(path)):
        (tmp_path / "swap").symlink_to("new")
        os.replace(tmp_path / "swap", tmp_path / "..data")  # noqa: PTH105 - the link, not its end
        await changes.until("new")


async def test_other_files_of_the_folder_are_nobodys_business(path: Path) -> None:
    changes = Changes()
    other = path.with_name("entrepot.db")
    async with watching(lambda: {path}, changes.reads(path)):
        write(other, "x")
        write(path, "two")
        await changes.until("two")
    assert set(changes.texts) <= {"", "two"}


async def test_a_new_file_in_a_watched_folder_is_a_change(path: Path, tmp_path: Path) -> None:
    hosts = tmp_path / "hosts"
    hosts.mkdir()
    new = hosts / "own.yaml"
    changes = Changes()
    async with watching(lambda: {path, hosts}, changes.reads(new)):
        write(new, "two")
        await changes.until("two")


async def test_what_is_watched_is_asked_for_anew(path: Path, tmp_path: Path) -> None:
    policy = tmp_path / "else" / "policy.yaml"
    policy.parent.mkdir()
    write(policy, "one")
    files = {path}
    first, second = Changes(), Changes()

    async def both() -> None:
        files.add(policy)
        await first.reads(path)()
        await second.reads(policy)()

    async with watching(lambda: set(files), both):
        write(path, "two")
        await first.until("two")
        write(policy, "two")
        await second.until("two")


async def test_a_file_that_is_written_in_steps_is_read_when_it_is_whole(path: Path) -> None:
    changes = Changes()
    async with watching(lambda: {path}, changes.reads(path)):
        for size in range(40):
            write(path, "x" * size)
            await asyncio.sleep(0.005)
        write(path, "whole")
        await changes.until("whole")
    assert len(changes.texts) < 5


async def test_a_file_that_never_rests_is_read_all_the_same(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reload, "SETTLED_S", 0.01)
    changes = Changes()
    async with watching(lambda: {path}, changes.reads(path)):
        async with asyncio.timeout(WITHIN_S):
            while not changes.texts:
                write(path, f"{os.urandom(9)}")
                await asyncio.sleep(0.001)
