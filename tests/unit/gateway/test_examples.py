"""The commented lines of the example files hold once somebody takes the comment sign away."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from gateway.config_file import read
from gateway.proving import prove
from gateway.setup import compile_setup
from tests.source_tree import ROOT

CONFIG, POLICY = "config.example.yaml", "policy.example.yaml"
# One key and its value behind a comment sign.
COMMENTED = re.compile(r'^( *)# ((?:"[^"]+"|[a-z][\w-]*): \S.*)$')
# Words of a sentence that look like it; `require` belongs to the rule above it.
PROSE = {"ping_s", "home_only", "emulated", "require", "when"}
# What stands in the place of another line.
IN_PLACE_OF = {"base_url": "    launch:", "mistral": "  mistral: {endpoint"}
# Electricity has its price: who asks for the cheapest is then not at home first.
BREAKS_A_PROMISE = {"home"}
# Blocks and variables: see the last test.
NEEDED = {"admin_key", "keys", "budgets", "webhook"}


def key_of(line: str) -> str:
    found = COMMENTED.match(line)
    return found[2].partition(":")[0].strip('"') if found else ""


def commented(name: str) -> list[int]:
    lines = (ROOT / name).read_text(encoding="utf-8").splitlines()
    skipped = PROSE | NEEDED
    return [at for at, line in enumerate(lines) if (key := key_of(line)) and key not in skipped]


def opened(name: str, at: int) -> str:
    lines = (ROOT / name).read_text(encoding="utf-8").splitlines()
    key = key_of(lines[at])
    lines[at] = COMMENTED.sub(r"\1\2", lines[at])
    gone = IN_PLACE_OF.get(key)
    return "\n".join(line for line in lines if gone is None or not line.startswith(gone)) + "\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in (CONFIG, POLICY):
        shutil.copy(ROOT / name, tmp_path / name)
    (tmp_path / "my-catalog").mkdir()
    return tmp_path


def line_of(name: str, at: int) -> str:
    return key_of((ROOT / name).read_text(encoding="utf-8").splitlines()[at])


@pytest.mark.parametrize("at", commented(CONFIG), ids=lambda at: f"{line_of(CONFIG, at)}-{at}")
def test_a_commented_line_of_the_config_can_be_used(folder: Path, at: int) -> None:
    (folder / CONFIG).write_text(opened(CONFIG, at), encoding="utf-8")
    loaded = read(folder / CONFIG, {})
    proof = prove(compile_setup(loaded))
    assert proof.holds or line_of(CONFIG, at) in BREAKS_A_PROMISE


@pytest.mark.parametrize("at", commented(POLICY), ids=lambda at: f"{line_of(POLICY, at)}-{at}")
def test_a_commented_line_of_the_policy_can_be_used(folder: Path, at: int) -> None:
    (folder / POLICY).write_text(opened(POLICY, at), encoding="utf-8")
    assert prove(compile_setup(read(folder / CONFIG, {}))).holds


def test_the_commented_rules_of_the_policy_can_be_used_all_together(folder: Path) -> None:
    text = (folder / POLICY).read_text(encoding="utf-8")
    shown, head, tail = text.partition("  # - name: ceiling\n")
    assert head
    rules, blank, rest = tail.partition("\n\n")
    opened_rules = "\n".join(line.replace("  # ", "  ", 1) for line in rules.splitlines())
    whole = f"{shown}  - name: ceiling\n{opened_rules}{blank}{rest}"
    (folder / POLICY).write_text(whole, encoding="utf-8")
    policy = read(folder / CONFIG, {}).policy
    assert {"ceiling", "nothing dear by night"} <= {rule.name for rule in policy.rules}


def test_there_are_such_lines() -> None:
    assert len(commented(CONFIG)) >= 18
    assert len(commented(POLICY)) >= 1


def test_the_blocks_of_keys_and_budgets_load_too(folder: Path) -> None:
    text = (ROOT / CONFIG).read_text(encoding="utf-8")
    for commented in (
        "# keys:",
        "#   - name",
        "# budgets:",
        "#   - {name",
        "# admin_key",
        "# time",
    ):
        assert commented in text, commented
    head, _, tail = text.partition("# keys:\n")
    lines = [line.removeprefix("# ") for line in tail.splitlines()]
    # What is no sentence is a line of YAML.
    opened = "keys:\n" + "\n".join(line for line in lines if re.match(r" +\S|\w+: ?\S*", line))
    opened = (head + opened).replace("# admin_key:", "admin_key:")
    opened = opened.replace("# time_zone:", "time_zone:").replace("# timeouts:", "timeouts:")
    environment = {"ENTREPOT_ADMIN_KEY": "x", "ENTREPOT_ALERTS_URL": "https://hooks.example.com/x"}
    (folder / CONFIG).write_text(opened, encoding="utf-8")
    config = read(folder / CONFIG, environment).config
    assert config.keys[0].budget is not None
    assert config.budgets[0].usd == 500
    assert config.server.time_zone == "Europe/Paris"
