"""Migrations: all or nothing, once, and never a database that is newer than the code."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, inspect, text

from billing import migrate as room
from billing.database import changing_schema, current_revision, open_engine
from billing.migrate import LedgerAwayError, MigrationError, migrate
from billing.schema import HEAD, metadata
from billing.store import Store
from tests.unit.billing.samples import an_entry, entries_of
from tests.unit.billing.test_upgrade import made_by

ONE_MORE = """
import sqlalchemy as sa
from alembic import op

revision, down_revision = "0006", "0005"


def upgrade():
    op.add_column("entries", sa.Column("colour", sa.Text, nullable=True))
    op.create_table("colours", sa.Column("name", sa.Text, primary_key=True))
    op.execute("UPDATE entries SET model = 'changed'")
    {fault}
"""
FAULTS = {
    "its SQL is wrong": 'op.execute("INSERT INTO nowhere VALUES (1)")',
    "its Python is wrong": 'raise RuntimeError("no such colour")',
}


@pytest.fixture
def plant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> object:
    """``plant(statement)`` makes one more migration that ends with ``statement``."""

    def planted(statement: str) -> None:
        scripts = tmp_path / "migrations"
        shutil.copytree(room.SCRIPTS, scripts, ignore=shutil.ignore_patterns("__pycache__"))
        (scripts / "versions" / "one_more.py").write_text(ONE_MORE.format(fault=statement))
        monkeypatch.setattr(room, "SCRIPTS", scripts)
        monkeypatch.setattr(room, "HEAD", "0006")

    return planted


def test_the_code_knows_the_last_migration() -> None:
    assert ScriptDirectory(str(room.SCRIPTS)).get_heads() == [HEAD]


def test_the_migrations_make_what_a_new_ledger_is(empty_url: str, tmp_path: Path) -> None:
    made_by(empty_url, "0001", rows=0)
    migrate(empty_url)
    engine = open_engine(empty_url)
    assert _differences(engine) == []
    steps = _forms(engine)
    with changing_schema(engine) as connection:
        for table in reversed(metadata.sorted_tables):
            table.drop(connection)
        connection.execute(text("DROP TABLE alembic_version"))
    migrate(empty_url)
    assert _forms(engine) == steps
    engine.dispose()


def _differences(engine: Engine) -> list[object]:
    with engine.connect() as connection:
        options = {"compare_type": True, "include_name": _is_no_partition}
        context = MigrationContext.configure(connection, opts=options)
        return list(compare_metadata(context, metadata))


def _is_no_partition(name: str | None, kind: str, _: object) -> bool:
    return kind != "table" or not str(name).startswith("entries_")


def _forms(engine: Engine) -> dict[str, object]:
    """Return each table's columns and key."""
    found = inspect(engine)
    return {
        table: (
            {c["name"]: (str(c["type"]), c["nullable"]) for c in found.get_columns(table)},
            found.get_pk_constraint(table)["constrained_columns"],
        )
        for table in metadata.tables
    }


def test_a_second_start_changes_nothing(ledger_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "_upgrade", None)
    migrate(ledger_url)


@pytest.mark.parametrize("fault", FAULTS)
def test_a_failed_migration_leaves_a_file_byte_for_byte(
    tmp_path: Path, plant: object, fault: str
) -> None:
    url = f"sqlite:///{tmp_path}/ledger.db"
    migrate(url)
    store = Store.open(url)
    store.insert([an_entry(number) for number in range(100)])
    store.close()
    before = _files(tmp_path)
    assert {"ledger.db", "ledger.2025-11.db"} <= set(before)
    assert callable(plant)
    plant(FAULTS[fault])
    for _ in range(2):
        with pytest.raises(MigrationError, match=r"is as it was: .*(nowhere|no such colour)"):
            migrate(url)
    assert _files(tmp_path) == before


def _files(folder: Path) -> dict[str, str]:
    return {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.glob("ledger.*")
        if path.is_file()
    }


@pytest.mark.parametrize("fault", FAULTS)
def test_a_failed_migration_leaves_no_trace(store: Store, plant: object, fault: str) -> None:
    url = store.engine.url.render_as_string(hide_password=False)
    store.insert([an_entry()])
    assert callable(plant)
    plant(FAULTS[fault])
    with pytest.raises(MigrationError, match="is as it was"):
        migrate(url)
    for part in store.parts(None, None):
        assert current_revision(part) == "0005"
        assert "colours" not in inspect(part).get_table_names()
        assert "colour" not in {column["name"] for column in inspect(part).get_columns("entries")}
    assert entries_of(store) == [an_entry()]


@pytest.mark.usefixtures("unsummed")
def test_a_good_migration_is_applied_to_every_part(store: Store, plant: object) -> None:
    url = store.engine.url.render_as_string(hide_password=False)
    store.insert([an_entry()])
    assert callable(plant)
    plant("pass")
    migrate(url)
    assert {current_revision(part) for part in store.parts(None, None)} == {"0006"}
    assert entries_of(store) == [an_entry(model="changed")]


def test_a_database_of_a_newer_version_is_refused(store: Store) -> None:
    url = store.engine.url.render_as_string(hide_password=False)
    with store.engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(MigrationError, match=r"revision '9999'.*newer"):
        migrate(url)


def test_processes_that_start_at_once_do_not_collide(empty_url: str) -> None:
    code = f"from billing.migrate import migrate; migrate({empty_url!r})"
    starting = [
        subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE) for _ in range(4)
    ]
    for process in starting:
        _, errors = process.communicate()
        assert (process.returncode, errors) == (0, b"")
    engine = open_engine(empty_url)
    assert current_revision(engine) == HEAD
    engine.dispose()


def test_alembic_is_not_imported_where_there_is_no_work(ledger_url: str) -> None:
    code = (
        "import sys; from billing.migrate import migrate\n"
        f"migrate({ledger_url!r}); sys.exit('alembic' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_database_that_is_away_is_an_error_without_its_password(tmp_path: Path) -> None:
    with pytest.raises(LedgerAwayError, match="could not be brought up to date") as fault:
        migrate(f"postgresql://me:very-secret@/books?host={tmp_path}")
    assert "very-secret" not in str(fault.value)


@pytest.mark.parametrize("url", ["", "mysql://host/books", "sqlite://"])
def test_an_address_that_is_none_is_an_error(url: str) -> None:
    with pytest.raises(MigrationError):
        migrate(url)


def test_a_file_that_is_no_database_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    path.write_text("a letter to the editor\n" * 100)
    with pytest.raises(MigrationError, match="not a database") as fault:
        migrate(f"sqlite:///{path}")
    assert not isinstance(fault.value, LedgerAwayError)
    assert path.read_text() == "a letter to the editor\n" * 100
