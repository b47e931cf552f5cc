"""`entrepot flows` and `entrepot ledger export`: the record of what went where, and the files."""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from billing.migrate import migrate
from billing.store import Store
from tests.unit.billing.samples import an_entry
from tests.unit.gateway.commands import entrepot, told

Config = Callable[..., Path]


@pytest.fixture
def path(tmp_config: Config, tmp_path: Path) -> Path:
    """A config whose ledger has three requests, one of which sent nothing."""
    path = tmp_config({"ledger": "sqlite:///ledger.db", "journal": "journal"})
    url = f"sqlite:///{tmp_path}/ledger.db"
    migrate(url)
    store = Store.open(url)
    store.insert(
        [
            an_entry(1, label="personal", operator="FR,US", place="EEA", policy_hash="p1"),
            an_entry(2, team="=1", cost_pico=None),
            an_entry(3, operator="CN", outcome="failed", error="connect"),
        ]
    )
    store.close()
    return path


def test_flows_as_table_csv_and_json(path: Path) -> None:
    found = told("flows", "--grain", "day", "-c", path)
    assert found["by"] == "day,label,operator,place,team,policy"
    assert found["flows"][1] == {
        "label": "personal",
        "operator": ["FR", "US"],
        "place": ["EEA"],
        "day": "2025-11-25",
        "team": "platform",
        "policy": "p1",
        "transfers": 1,
        "requests": 1,
        "tokens_in": 15,
        "tokens_out": 7,
        "first": "2025-11-25T12:00:00+00:00",
        "last": "2025-11-25T12:15:00+00:00",
    }
    assert len(found["flows"]) == 2, "without the attempt that found no connection"
    rows = list(csv.DictReader(io.StringIO(entrepot("flows", "--csv", "-c", path).stdout)))
    assert [(row["team"], row["operator"]) for row in rows] == [
        ("'=1", "US"), ("platform", "FR,US"),
    ]  # fmt: skip
    shown = entrepot("flows", "-c", path).stdout
    assert "FR,US" in shown
    assert "CN" not in shown
    assert told("flows", "--since", "2026-01-01", "-c", path)["flows"] == []
    assert "no data went anywhere" in entrepot("flows", "--until", "2020-01-01", "-c", path).stdout


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("flows", "--by", "label,team"), "has to name label, operator, place"),
        (("ledger", "export", "--format", "xml"), "csv, jsonl, parquet, focus"),
        (("ledger", "export", "--where", "x=1"), "--where"),
        (("whatif", "--where", "x=1"), "--where: 'x=1' is no filter"),
        (("whatif", "--until", "2020-01-01"), "--until must be later than --since"),
        (("spend", "--grain", "year"), "--grain: 'year' is no grain of time"),
        (("home", "--since", "2999-01-01"), "--since must be earlier than now"),
    ],
)
def test_wrong_words_are_answered(words: tuple[str, ...], says: str, path: Path) -> None:
    shown = entrepot(*words, "-c", path)
    assert (shown.exit_code, shown.stdout) == (2, "")
    assert says in shown.stderr


def test_an_export_to_a_file_and_to_a_pipe(path: Path, tmp_path: Path) -> None:
    out = tmp_path / "ledger.jsonl"
    shown = entrepot("ledger", "export", "--format", "jsonl", "--out", out, "-c", path)
    assert (shown.exit_code, shown.stderr) == (0, "")
    assert "3 entries" in shown.stdout
    lines = [json.loads(line) for line in out.read_text().splitlines()]
    assert [line["attempt_id"] for line in lines] == ["req_1.1", "req_2.1", "req_3.1"]
    assert lines[1]["cost_usd"] is None
    piped = entrepot("ledger", "export", "--where", "team==1", "-c", path)
    (row,) = csv.DictReader(io.StringIO(piped.stdout))
    assert (row["team"], row["cost_usd"]) == ("'=1", "")
    assert not list(tmp_path.glob("*.part"))


def test_the_finops_format_says_what_it_cannot(path: Path, tmp_path: Path) -> None:
    out = tmp_path / "focus.csv"
    shown = entrepot("ledger", "export", "--format", "focus", "--out", out, "-c", path)
    assert "the cost of 2 attempts; that of 1 is unknown" in shown.stdout
    rows = list(csv.DictReader(io.StringIO(out.read_text())))
    assert {row["BilledCost"] for row in rows} == {"0.000000001"}
    late = ("--since", "2025-11-25T11:00:01Z", "--until", "2025-11-25T12:00:01Z")
    shown = entrepot("ledger", "export", "--format", "focus", *late, "-c", path)
    assert shown.exit_code == 1
    assert "whole quarter" in shown.stderr


def test_an_export_takes_the_place_of_no_device(path: Path, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for at in (pipe, tmp_path):
        shown = entrepot("ledger", "export", "--out", at, "-c", path)
        assert (shown.exit_code, "is no file" in shown.stderr) == (2, True)
    assert pipe.is_fifo()
    link, target = tmp_path / "out.csv.part", tmp_path / "target"
    link.symlink_to(target)
    assert entrepot("ledger", "export", "--out", tmp_path / "out.csv", "-c", path).exit_code == 0
    assert not target.exists()


def test_before_the_first_call_there_is_nothing_to_export(tmp_config: Config) -> None:
    empty = tmp_config({"ledger": "sqlite:///var/l.db"})
    shown = entrepot("ledger", "export", "-c", empty)
    assert (shown.exit_code, shown.stdout) == (0, "")
    assert "no gateway has written a ledger" in shown.stderr
