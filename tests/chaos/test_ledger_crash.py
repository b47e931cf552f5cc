"""A gateway that is killed at any point loses nothing that was paid for, and counts nothing twice."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tests.chaos.crashing import Crashes
from tests.fakes.upstream import Upstream
from tests.unit.gateway.commands import entrepot

SEED = 20261126


def verified(path: Path) -> int:
    """Return with what ``ledger verify`` ends; 0 is that all is as it was written."""
    ran = entrepot("ledger", "verify", "--config", path)
    print(ran.stdout)
    return ran.exit_code


def test_each_request_of_the_host_has_its_one_entry_after_kills(tmp_path: Path) -> None:
    with Upstream() as host, Crashes(tmp_path, host, SEED) as crashes:
        crashes.run(5, at_once=2)
        tally = crashes.count(f"sqlite:///{tmp_path}/ledger.db")
    assert tally.is_exact, tally
    assert verified(crashes.path) == 0, "and the chains are whole"


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_two_hundred_kills_of_two_gateways_over_one_journal(tmp_path: Path) -> None:
    with Upstream() as host, Crashes(tmp_path, host, SEED + 1) as crashes:
        crashes.run(200, at_once=2)
        tally = crashes.count(f"sqlite:///{tmp_path}/ledger.db")
    print(tally)
    assert tally.is_exact, tally
    assert verified(crashes.path) == 0, "and the chains are whole"


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_kills_while_the_database_is_away(tmp_path: Path, own_postgres: Any) -> None:
    url = own_postgres.get_uri()
    with Upstream() as host, Crashes(tmp_path, host, SEED + 2, ledger=url) as crashes:
        crashes.run(4)
        own_postgres.stop()
        crashes.run(6, at_once=2)
        own_postgres.ensure_postgres_running()
        crashes.run(4)
        tally = crashes.count(url)
    print(tally)
    assert tally.is_exact, tally
    assert verified(crashes.path) == 0


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 48 MB; skips where none may be mounted."""
    place = tmp_path / "disk"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=48m", "tmpfs", str(place)]
    if shutil.which("mount") is None or subprocess.run(command, check=False).returncode:
        pytest.skip("no file system may be mounted here")
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("debt_usd", [0, 1])
def test_kills_while_the_disk_is_full(small_disk: Path, debt_usd: int) -> None:
    with Upstream() as host, Crashes(small_disk, host, SEED + 3, debt_usd=debt_usd) as crashes:
        process = crashes.start()
        address = process.address()
        asyncio.run(crashes.load(address, 1))
        ballast = small_disk / "ballast"
        with ballast.open("wb", buffering=0) as file, suppress(OSError):
            while True:
                file.write(b"\0" * 4096)
        before = crashes.tally.answered
        asyncio.run(crashes.load(address, 2))
        assert bool(crashes.tally.refused) == (debt_usd == 0)
        assert debt_usd == 0 or crashes.tally.answered > before + 20
        process.kill()
        ballast.unlink()
        crashes.run(2)
        tally = crashes.count(f"sqlite:///{small_disk}/ledger.db")
    print(tally)
    assert tally.is_exact, tally
    assert verified(crashes.path) == 0
