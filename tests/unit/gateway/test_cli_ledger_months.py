"""``entrepot ledger roll-off`` and ``downgrade``: shown first, done when it is said."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from billing.database import current_revision, open_engine
from billing.migrate import migrate
from billing.store import Store
from tests.unit.billing.samples import an_entry, entries_of
from tests.unit.gateway.commands import entrepot, told


@pytest.fixture
def path(tmp_path: Path, tmp_config: Callable[..., Path]) -> Path:
    """A config whose ledger has three entries of November 2025."""
    url = f"sqlite:///{tmp_path}/ledger.db"
    migrate(url)
    store = Store.open(url)
    store.insert([an_entry(number) for number in range(3)])
    store.close()
    return tmp_config({"ledger": url, "keep": {"months": 1, "archive": str(tmp_path / "old")}})


def left(tmp_path: Path) -> int:
    store = Store.open(f"sqlite:///{tmp_path}/ledger.db")
    try:
        return len(entries_of(store))
    finally:
        store.close()


def test_a_month_is_shown_and_then_moved(path: Path, tmp_path: Path) -> None:
    shown = entrepot("ledger", "roll-off", "--config", path)
    assert (shown.exit_code, left(tmp_path)) == (0, 3)
    assert "2025-11" in shown.stdout
    assert "--yes" in shown.stdout
    done = told("ledger", "roll-off", "--before", "2025-12", "--yes", "--config", path)
    assert done["months"] == [{"month": "2025-11", "entries": 3}]
    assert Path(done["done"][0]["file"]) == tmp_path / "old/entries-2025-11.parquet"
    assert (Path(done["done"][0]["file"]).is_file(), left(tmp_path)) == (True, 0)
    assert "no entries are from before" in entrepot("ledger", "roll-off", "--config", path).stdout


@pytest.mark.parametrize("before", ["2999-01", "2025-13", "then"])
def test_what_is_no_month_that_is_over_is_refused(path: Path, tmp_path: Path, before: str) -> None:
    asked = entrepot("ledger", "roll-off", "--before", before, "--yes", "--config", path)
    assert (asked.exit_code, left(tmp_path)) == (2, 3)
    assert "month" in asked.stderr


def test_an_older_form_and_none(path: Path, tmp_path: Path) -> None:
    wrong = entrepot("ledger", "downgrade", "--to", "0009", "--config", path)
    assert wrong.exit_code == 1
    assert "0003" in wrong.stderr
    assert told("ledger", "downgrade", "--to", "0003", "--config", path)["revision"] == "0003"
    engine = open_engine(f"sqlite:///{tmp_path}/ledger.db")
    assert current_revision(engine) == "0003"
    engine.dispose()
