"""From an older release's database with data in it, to the newest form and back: nothing is lost."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from sqlalchemy import MetaData, Table, create_engine, inspect, select, text

from billing import backfill, partitions, server_changes
from billing import migrate as room
from billing.database import changing_schema, current_revision, open_engine, revision, writing
from billing.ledger import Entry
from billing.migrate import MigrationError, downgrade, migrate
from billing.schema import HEAD
from billing.store import Store
from tests.double_check import rollups_agree
from tests.unit.billing.samples import NOON_US, an_entry, entries_of

DAY_US = 86_400_000_000
# What every form has had, and what each step added.
FORMS = ("0001", *(pytest.param(form, marks=pytest.mark.slow) for form in ("0003", "0004")))


def made_by(url: str, form: str, rows: int = 40) -> list[dict[str, Any]]:
    """Make the database that an older release would have made, with entries over two months."""
    engine = open_engine(url)
    with changing_schema(engine) as connection:
        command.upgrade(room._config(connection), form)
    made = write(url, range(rows))
    engine.dispose()
    return made


def write(url: str, numbers: range) -> list[dict[str, Any]]:
    """Write entries as an older release would: its columns, its table."""
    engine = open_engine(url)
    with writing(engine) as connection:
        table = Table("entries", MetaData(), autoload_with=connection)
        made = [old_row(number, table) for number in numbers]
        if made:
            connection.execute(table.insert(), made)
    engine.dispose()
    return made


def old_row(number: int, table: Table) -> dict[str, Any]:
    entry = an_entry(
        f"old{number}",
        at_us=NOON_US + number * DAY_US // 4,
        tags="a,b" if number % 3 else "",
        cost_pico=number if number % 5 else None,
        first_content_ms=number * 10,
        total_ms=number * 40,
        purpose="shadow" if number % 7 == 1 else "call",
        prompt_most=number,
        cost_least_pico=number // 2,
        user=f"u{number % 2}",
        energy_j=number,
    )
    return {column.name: getattr(entry, column.name) for column in table.columns}


def rows(url: str) -> dict[str, dict[str, Any]]:
    """Return what stands in the main table, by attempt."""
    engine = open_engine(url)
    with engine.connect() as connection:
        table = Table("entries", MetaData(), autoload_with=connection)
        found = {
            row["attempt_id"]: dict(row) for row in connection.execute(select(table)).mappings()
        }
    engine.dispose()
    return found


def everything(url: str) -> list[Entry]:
    store = Store.open(url)
    try:
        return entries_of(store)
    finally:
        store.close()


NEW = [
    an_entry(
        n, at_us=NOON_US + n * 3 * DAY_US, user="mia", tier="flex", cost_least_pico=1,
        cost_most_pico=2**60 + n, hash="f" * 64, seq=n, writer="w", recorded_us=NOON_US + n,
        decision="d" * n, lost="x", notes="é\u2028", energy_j=2**40, output_most=None,
    )
    for n in range(1, 9)
]  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
def test_up_and_down_and_up_again(empty_url: str, form: str) -> None:
    old = {row["attempt_id"]: row for row in made_by(empty_url, form)}
    migrate(empty_url)
    rollups_agree(empty_url)
    upgraded = {entry.attempt_id: entry for entry in everything(empty_url)}
    for attempt, row in old.items():
        assert {name: getattr(upgraded[attempt], name) for name in row} == row
    store = Store.open(empty_url)
    assert store.insert(NEW) == []
    # What an old journal still had is there already, in the main part.
    assert store.insert(list(upgraded.values())) == []
    store.close()
    before = everything(empty_url)
    assert len(before) == len(old) + len(NEW)
    rollups_agree(empty_url)

    downgrade(empty_url, form)
    back = rows(empty_url)
    assert set(back) == {entry.attempt_id for entry in before}
    assert {attempt: back[attempt] for attempt in old} == old
    for entry in NEW:
        row = back[entry.attempt_id]
        assert {name: getattr(entry, name) for name in row} == row
    assert set(next(iter(back.values()))) == set(next(iter(old.values())))

    later = write(empty_url, range(100, 110))  # the old release goes on
    migrate(empty_url)
    rollups_agree(empty_url)
    after = {entry.attempt_id: entry for entry in everything(empty_url)}
    assert [after.pop(row["attempt_id"]).at_us for row in later] == [row["at_us"] for row in later]
    assert sorted(after.values(), key=lambda e: e.attempt_id) == sorted(
        before, key=lambda e: e.attempt_id
    )


@pytest.mark.parametrize("form", FORMS)
def test_the_form_after_a_way_down_is_what_the_old_release_made(
    empty_url: str, tmp_path: Path, form: str
) -> None:
    made_by(empty_url, form)
    before = described(empty_url)
    migrate(empty_url)
    downgrade(empty_url, form)
    assert described(empty_url) == before


def described(url: str) -> object:
    engine = open_engine(url)
    found = inspect(engine)
    columns = {c["name"]: (str(c["type"]), c["nullable"]) for c in found.get_columns("entries")}
    indexes = {(i["name"], tuple(i["column_names"])) for i in found.get_indexes("entries")}
    key = found.get_pk_constraint("entries")["constrained_columns"]
    engine.dispose()
    return columns, indexes, key


def test_an_upgrade_moves_no_entry_of_a_file(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/ledger.db"
    old = made_by(url, "0003")
    migrate(url)
    assert len(rows(url)) == len(old)
    assert [path.name for path in tmp_path.glob("ledger.2*")] == []
    store = Store.open(url)
    store.insert(NEW)
    store.close()
    assert len(rows(url)) == len(old)
    downgrade(url, "0003")
    assert [path.name for path in tmp_path.glob("ledger.2*")] == []
    assert len(rows(url)) == len(old) + len(NEW)


def test_the_old_table_of_a_server_becomes_a_partition_as_it_is(postgres_url: str) -> None:
    made_by(postgres_url, "0003")
    engine = open_engine(postgres_url)
    number = text("SELECT pg_relation_filenode(:name)")
    with engine.connect() as connection:
        before = connection.execute(number, {"name": "entries"}).scalar()
    migrate(postgres_url)
    with engine.connect() as connection:
        assert connection.execute(number, {"name": partitions.OLD}).scalar() == before
        (old,) = partitions.listed(connection)
        assert (old.name, old.since_us) == (partitions.OLD, 0)
    engine.dispose()


def test_what_a_killed_upgrade_has_prepared_is_used_or_made_again(postgres_url: str) -> None:
    made_by(postgres_url, "0004")
    engine = open_engine(postgres_url)
    server_changes.prepare(engine)
    with engine.begin() as connection:  # an index whose making was broken off
        connection.execute(
            text(
                "UPDATE pg_index SET indisvalid = false"
                " WHERE indexrelid = to_regclass('entries_old_by_time')"
            )
        )
    migrate(postgres_url)
    assert current_revision(engine) == HEAD
    engine.dispose()
    rollups_agree(postgres_url)


def test_a_lock_that_is_held_is_waited_for_in_short_turns(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    made_by(postgres_url, "0004")
    engine = open_engine(postgres_url)
    monkeypatch.setattr(server_changes, "TRIES", 2)
    monkeypatch.setattr(server_changes, "PAUSE_S", 0.01)
    with engine.begin() as connection:
        connection.execute(text("LOCK TABLE entries IN ACCESS SHARE MODE"))
        with pytest.raises(MigrationError, match="lock timeout"):
            migrate(postgres_url)
        assert revision(connection) == "0004"
    migrate(postgres_url)
    engine.dispose()


def test_a_killed_summing_goes_on_where_it_was(
    empty_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    made_by(empty_url, "0004", rows=100)
    monkeypatch.setattr(backfill, "STEP", 10)
    said: list[str] = []

    def killed(words: str) -> None:
        said.append(words)
        if len(said) == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        migrate(empty_url, killed)
    with pytest.raises(MigrationError, match="not summed up yet"):
        downgrade(empty_url, "0004")
    migrate(empty_url, said.append)
    assert said[0].startswith("summing up the ledger, 10 of 100")
    assert len(said) > 9
    rollups_agree(empty_url)


def test_a_way_down_that_fails_leaves_everything(
    empty_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    made_by(empty_url, "0003")
    migrate(empty_url)
    store = Store.open(empty_url)
    store.insert(NEW)
    store.close()
    before = everything(empty_url)

    def broken(*_: object) -> None:
        raise RuntimeError("no more room")

    monkeypatch.setattr(command, "downgrade", broken)
    with pytest.raises(MigrationError, match="is as it was: no more room"):
        downgrade(empty_url, "0001")
    assert everything(empty_url) == before
    rollups_agree(empty_url)


@pytest.mark.parametrize("to", ["0005", "0009", "latest", ""])
def test_there_is_no_way_down_to_what_is_no_older_form(ledger_url: str, to: str) -> None:
    with pytest.raises(MigrationError, match="older ones are 0001, 0002, 0003, 0004"):
        downgrade(ledger_url, to)


def test_a_file_that_was_put_together_and_left_is_removed(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/ledger.db"
    migrate(url)
    store = Store.open(url)
    store.insert(NEW)
    store.close()
    kept = {path: path.read_bytes() for path in tmp_path.glob("ledger.2*.db")}
    assert len(kept) == 2
    downgrade(url, "0004")
    with sqlite3.connect(tmp_path / "ledger.db") as connection:
        for path in kept:
            part = marked(path, kept[path])
            connection.execute("INSERT INTO rolled_off VALUES (?, '', '', 0, 0)", (part,))
    connection.close()
    migrate(url)
    assert list(tmp_path.glob("ledger.2*.db")) == []
    assert everything(url) == NEW[::-1]
    rollups_agree(url)


def marked(path: Path, content: bytes) -> str:
    """Put a file back as it was, and return its mark."""
    path.write_bytes(content)
    engine = create_engine(f"sqlite:///{path}")
    with engine.connect() as connection:
        part = connection.execute(text("SELECT value FROM marks WHERE name = 'part'")).scalar_one()
    engine.dispose()
    return str(part)
