"""The gateway's daily look at the ledger's age: a process of its own, and its failure is said."""

from __future__ import annotations

import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from billing import partitions
from billing.database import reading
from billing.migrate import migrate
from billing.months import later
from billing.store import Store
from gateway import rolling_off
from gateway.rolling_off import RollingOff
from tests.unit.billing.samples import an_entry, entries_of

CONFIG = Path("config.yaml")


async def test_old_months_go_once_a_day(tmp_path: Path, tmp_config: Callable[..., Path]) -> None:
    url = f"sqlite:///{tmp_path}/ledger.db"
    migrate(url)
    store = Store.open(url)
    store.insert([an_entry(number) for number in range(3)])
    path = tmp_config({"ledger": url, "keep": {"months": 1, "archive": str(tmp_path / "old")}})
    said: list[str] = []
    kept: list[int | None] = [None]
    rolling = RollingOff(store, path, lambda: kept[0], said.append)
    assert await rolling.once()
    assert len(entries_of(store)) == 3, "all are kept"
    kept[0] = 1
    assert await rolling.once(), said
    assert (entries_of(store), said, rolling.trouble) == ([], [], "")
    assert [one.name for one in (tmp_path / "old").iterdir()] == ["entries-2025-11.parquet"]
    store.close()


async def test_a_failure_is_said_once_and_when_it_is_over(
    sqlite_store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    rolling = RollingOff(sqlite_store, CONFIG, lambda: 1, said.append)
    fails = "import sys; sys.exit('no room\\nleft')"
    monkeypatch.setattr(rolling, "_command", (sys.executable, "-c", fails))
    assert not await rolling.once()
    assert not await rolling.once()
    assert said == ["old months cannot be moved out of the ledger: no room left"]
    assert rolling.trouble == said[0]
    monkeypatch.setattr(rolling, "_command", (sys.executable, "-c", ""))
    assert await rolling.once()
    assert (said[1:], rolling.trouble) == ([""], "")


async def test_a_process_that_does_not_end_is_ended(
    sqlite_store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    rolling = RollingOff(sqlite_store, CONFIG, lambda: 1, lambda _: None)
    waits = "import time; time.sleep(600)"
    monkeypatch.setattr(rolling, "_command", (sys.executable, "-c", waits))
    monkeypatch.setattr(rolling_off, "WITHIN_S", 0.1)
    assert not await rolling.once()
    assert "took longer" in rolling.trouble


async def test_the_next_month_of_a_server_is_made_ahead(postgres_url: str) -> None:
    migrate(postgres_url)
    store = Store.open(postgres_url)
    assert await RollingOff(store, CONFIG, lambda: None, lambda _: None).once()
    this = datetime.now(UTC).strftime("%Y-%m")
    with reading(store.engine) as connection:
        names = [part.name for part in partitions.listed(connection)]
    assert names == [partitions.name_of(month) for month in (this, later(this, 1))]
    store.close()
