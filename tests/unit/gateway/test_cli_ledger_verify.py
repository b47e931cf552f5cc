"""``entrepot ledger verify`` and ``heads``, and the same checks without the gateway, as documented."""

from __future__ import annotations

import json
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from billing.chain import FORMS
from billing.drain import REFUSED, Drain
from billing.exports import jsonl
from billing.journal import Journal
from billing.migrate import migrate
from billing.store import Store, open_engine
from tests.running import config
from tests.source_tree import ROOT
from tests.unit.billing.samples import NOON_US, an_entry, entries_of
from tests.unit.gateway.commands import entrepot

AUDIT = (ROOT / "docs" / "audit.md").read_text(encoding="utf-8")
WORDS = 'quo"te \\ ü \x01\x1f\x7f \u2028 😀'


@pytest.fixture
async def ledger(tmp_path: Path, empty_url: str) -> Path:
    """A config whose ledger holds 20 entries of two writers over two months, and no journal."""
    migrate(empty_url)
    path = config(tmp_path, ledger=empty_url)
    store = Store.open(empty_url)
    journals = [Journal(tmp_path / "journal") for _ in range(2)]
    for number in range(20):
        money = {"cost_pico": 123_456_789 * number, "native_pico": None, "computed_pico": 1}
        at_us = NOON_US + number * 10**12
        entry = an_entry(number, at_us=at_us, served_model=WORDS, tags="é,b", **money)
        journals[number % 2].append(entry)
    for journal in journals:
        journal.close()
    assert await Drain(Journal(tmp_path / "journal"), store).move()
    assert len(entries_of(store)) == 20
    store.close()
    return path


def change(path: Path, statement: str) -> int:
    """Run a statement on every database of the ledger; return how many rows it changed."""
    url = next(
        line.removeprefix("ledger: ") for line in path.read_text().splitlines() if "ledger:" in line
    )
    if url.startswith("sqlite"):
        changed = 0
        for file in path.parent.rglob("ledger*.db"):
            with sqlite3.connect(file) as connection:
                changed += connection.execute(statement).rowcount
        return changed
    engine = open_engine(url)
    with engine.begin() as connection:
        changed = connection.execute(text(statement)).rowcount
    engine.dispose()
    return changed


def verified(path: Path, *more: str) -> tuple[int, Any]:
    """Run ``ledger verify``; return its exit code and what it says as JSON."""
    ran = entrepot("ledger", "verify", "--config", str(path), "--json", *more)
    return ran.exit_code, json.loads(ran.stdout)


def test_an_untouched_ledger_is_good(ledger: Path) -> None:
    code, told = verified(ledger)
    assert (code, told["good"], told["chained"], told["unchained"]) == (0, True, 20, 0)
    assert entrepot("ledger", "verify", "--config", str(ledger)).stdout.splitlines()[-1] == (
        "nothing was edited, removed or inserted"
    )


@pytest.mark.parametrize(
    ("statement", "kind", "named"),
    [
        ("UPDATE entries SET cost_pico = 1 WHERE attempt_id = 'req_7.1'", "edited", "req_7.1"),
        ("DELETE FROM entries WHERE attempt_id = 'req_8.1'", "removed", "req_6.1 … req_10.1"),
        ("DELETE FROM entries WHERE attempt_id = 'req_19.1'", "cut", "req_17.1 … the end"),
        ("UPDATE heads SET hash = '1:ab'", "head", "req_18.1"),
    ],
)
def test_what_was_done_to_it_is_named(ledger: Path, statement: str, kind: str, named: str) -> None:
    assert change(ledger, statement)
    code, told = verified(ledger)
    assert code == 1
    assert (kind, named) in {(found["kind"], found["attempt_id"]) for found in told["findings"]}
    assert {found["kind"] for found in told["findings"]} == {kind}
    assert named in entrepot("ledger", "verify", "--config", str(ledger)).stdout


def test_what_waits_is_not_gone(ledger: Path) -> None:
    journal = Journal(ledger.parent / "journal")
    journal.append(an_entry("waits"))
    code, told = verified(ledger)
    assert (code, told["chained"], told["waiting"]) == (0, 21, 1)
    journal.close()
    (segment,) = (ledger.parent / "journal").glob("*.jsonl")
    line = b"too large\t" + segment.read_bytes()
    (ledger.parent / "journal" / REFUSED).write_bytes(line)
    segment.unlink()
    code, told = verified(ledger)
    assert (code, told["waiting"], told["refused"]) == (0, 1, 1)


@pytest.fixture
def keys(tmp_path: Path) -> tuple[Path, Path]:
    """A private and a public key, as openssl makes them."""
    if shutil.which("openssl") is None:
        pytest.skip("no openssl here")
    private, public = tmp_path / "key.pem", tmp_path / "pub.pem"
    for command in (
        ["genpkey", "-algorithm", "ed25519", "-out", private],
        ["pkey", "-in", private, "-pubout", "-out", public],
    ):
        subprocess.run(["openssl", *command], check=True, capture_output=True)
    return private, public


def test_heads_that_were_signed_show_a_ledger_that_was_cut(
    ledger: Path, keys: tuple[Path, Path]
) -> None:
    private, public = keys
    heads = ledger.parent / "heads.json"
    ran = entrepot(
        "ledger", "heads", "--config", str(ledger), "--out", str(heads), "--sign", str(private)
    )
    assert ran.exit_code == 0, ran.stderr
    check = ["pkeyutl", "-verify", "-pubin", "-inkey", public, "-rawin", "-in", heads]
    check += ["-sigfile", f"{heads}.sig"]
    assert "openssl pkeyutl -verify -pubin -inkey pub.pem -rawin -in heads.json" in AUDIT
    assert subprocess.run(["openssl", *check], check=False).returncode == 0
    signed = ("--heads", str(heads), "--verify-with", str(public))
    assert verified(ledger, *signed)[0] == 0
    change(ledger, "DELETE FROM entries WHERE attempt_id = 'req_19.1'")
    change(ledger, "DELETE FROM entries WHERE attempt_id = 'req_17.1'")
    change(ledger, "DELETE FROM heads WHERE seq = 10")
    code, told = verified(ledger, *signed)
    assert code == 1
    assert "cut" in {found["kind"] for found in told["findings"]}
    heads.write_text(heads.read_text().replace('"seq": 10', '"seq": 8'))
    assert subprocess.run(["openssl", *check], check=False).returncode == 1
    ran = entrepot("ledger", "verify", "--config", str(ledger), *signed)
    assert (ran.exit_code, "is not that of its bytes" in ran.stderr) == (1, True)


def test_the_documented_recipe_finds_what_verify_finds(ledger: Path) -> None:
    blocks = AUDIT.split("```")
    fields = next(block for block in blocks if block.lstrip().startswith("attempt_id"))
    assert tuple(fields.split()) == FORMS["1"]
    recipe = next(block for block in blocks if block.startswith("python\n")).removeprefix(
        "python\n"
    )
    assert len(recipe.splitlines()) <= 36
    folder = ledger.parent
    (folder / "form1.txt").write_text(fields)
    url = next(line for line in ledger.read_text().splitlines() if line.startswith("ledger:"))

    def checked() -> tuple[int, str]:
        store = Store.open(url.removeprefix("ledger: "))
        (folder / "entries.jsonl").write_bytes(b"".join(jsonl(entries_of(store))))
        store.close()
        ran = subprocess.run(
            [sys.executable, "-I", "-c", recipe], cwd=folder, capture_output=True, check=False
        )
        return ran.returncode, ran.stdout.decode() + ran.stderr.decode()

    code, told = checked()
    assert code == 0, told
    heads = folder / "heads.json"
    assert entrepot("ledger", "heads", "--config", str(ledger), "--out", str(heads)).exit_code == 0
    for head in json.loads(heads.read_text())["heads"]:
        assert f"{head['day']} {head['writer']} {head['seq']} {head['hash']}" in told
    change(ledger, "UPDATE entries SET input = 11 WHERE attempt_id = 'req_7.1'")
    code, told = checked()
    assert (code, "req_7.1" in told) == (1, True)
