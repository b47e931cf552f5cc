"""The command line as a whole: what it loads, how it ends, what it never says."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.auth import key_hash
from gateway.cli import COMMANDS
from gateway.commands import screen
from gateway.config_file import read
from gateway.config_keys import KeyForm
from tests.unit.gateway.commands import CANARY, entrepot, environment, own_process, told

Config = Callable[..., Path]
GOOD = """\
ledger: postgresql://user:canary-password@127.0.0.1:1/db
policy: {labels: [public, personal]}
providers:
  paid: {catalog: openai, api_key: sk-canary-0123456789, headers: {x-own: canary-header}}
  unset: {catalog: mistral, api_key: "${MISTRAL_API_KEY}"}
  here: {catalog: vllm, base_url: "http://127.0.0.1:9/v1"}
models:
  assistant: [here/some-model, paid/gpt-6-luna, unset/mistral-large-4]
  "gpt-*": assistant
"""
THREE_MISTAKES = """\
server:
  prot: 8080
models:
  assistant: [nobody/model]
budgets: 7
"""
DATA_COMMANDS = [
    ("check",),
    ("explain", "assistant"),
    ("providers",),
    ("providers", "paid"),
    ("providers", "mistral"),
    ("providers", "--lint"),
    ("models", "--mine"),
    ("models", "--where", "host=zai,openai", "--sort", "price"),
    ("doctor", "--offline"),
]


@pytest.fixture(autouse=True)
def _canary(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENROUTER_API_KEY", CANARY)


def test_help_names_every_command() -> None:
    shown = entrepot("--help")
    assert shown.exit_code == 0
    for name, text in COMMANDS.items():
        assert name in shown.stdout
        assert text in shown.stdout, "one line each, whole at 80 columns"


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_and_json_or_serves(name: str) -> None:
    shown = entrepot(name, "--help")
    assert shown.exit_code == 0
    if name not in ("keys", "ledger", "serve"):
        assert "--json" in shown.stdout
    if name not in ("keys", "ledger"):
        assert "--config" in shown.stdout


def test_an_unknown_command_is_answered_with_the_nearest() -> None:
    shown = entrepot("modles")
    assert shown.exit_code == 2
    assert "'models'" in shown.stderr


@pytest.mark.parametrize("words", [(), ("keys",)])
def test_nothing_asked_shows_the_help(words: tuple[str, ...]) -> None:
    shown = entrepot(*words)
    assert shown.exit_code == 2
    assert "Commands:" in shown.stdout + shown.stderr


@pytest.mark.parametrize("words", DATA_COMMANDS)
def test_a_command_prints_people_text_or_one_json_document(
    words: tuple[str, ...], tmp_config: Config
) -> None:
    # `entrepot` fails on any canary: the config's key, header and password, the environment's key.
    path = tmp_config(GOOD)
    expected = 1 if words[0] == "doctor" else 0  # nothing listens at the configured address
    assert entrepot(*words, "--config", path).exit_code == expected
    assert isinstance(told(*words, "--config", path), dict)


@pytest.mark.parametrize("words", [*DATA_COMMANDS, ("spend",), ("serve",)])
def test_three_mistakes_are_three_lines_with_numbers(
    words: tuple[str, ...], tmp_config: Config
) -> None:
    path = tmp_config(THREE_MISTAKES)
    shown = entrepot(*words, "--config", path)
    assert shown.exit_code == 2
    lines = [line for line in shown.stderr.splitlines() if line.startswith(f"{path}:")]
    assert [line.split(":")[1] for line in lines] == ["2", "4", "5"]
    assert "did you mean 'port'?" in lines[0]
    if words[0] != "doctor":
        assert shown.stdout == ""


def test_check_tells_mistakes_as_json_too(tmp_config: Config) -> None:
    found = told("check", "--config", tmp_config(THREE_MISTAKES))
    assert found["good"] is False
    assert [problem["line"] for problem in found["problems"]] == [2, 4, 5]


@pytest.mark.parametrize(
    "words", [("check",), ("models", "--mine"), ("spend",), ("explain", "x"), ("serve",)]
)
def test_without_a_config_the_way_out_is_said(
    words: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    shown = entrepot(*words)
    assert shown.exit_code == 2
    assert "entrepot init" in shown.stderr
    missing = entrepot(*words, "--config", "nowhere.yaml")
    assert missing.exit_code == 2
    assert missing.stderr.startswith("nowhere.yaml:1:")


def test_the_usual_configs_are_found_in_their_order(
    tmp_config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    tmp_config(GOOD, name="config.example.yaml")
    assert told("check")["file"] == "config.example.yaml"
    tmp_config(GOOD)
    assert told("check")["file"] == "config.yaml"


@pytest.mark.parametrize("words", [*DATA_COMMANDS, ("spend",)])
@pytest.mark.parametrize("columns", ["40", "3"])
def test_a_narrow_terminal_is_no_trouble(
    words: tuple[str, ...], columns: str, tmp_config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    path = tmp_config(
        GOOD.replace("postgresql://user:canary-password@127.0.0.1:1/db", "sqlite:///l.db")
    )
    assert entrepot(*words, "--config", path).stdout


def test_a_table_that_does_not_fit_becomes_paragraphs(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [("one", "a" * 20, "b" * 20), ("two", "c" * 20, "")]
    monkeypatch.setenv("COLUMNS", "40")
    screen.show(("name", "first", "second"), rows)
    assert capsys.readouterr().out.splitlines() == [
        "one", "  first: " + "a" * 20, "  second: " + "b" * 20, "two", "  first: " + "c" * 20,
    ]  # fmt: skip
    monkeypatch.delenv("COLUMNS")
    screen.show(("name", "first", "second"), rows)
    assert capsys.readouterr().out.splitlines()[1] == f"one   {'a' * 20}  {'b' * 20}"


def test_what_others_name_cannot_steer_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    screen.say("\x1b[31mred\x07")
    screen.show(("name",), [("[bold]x\x1b]0;title\x07",)])
    printed = capsys.readouterr().out
    assert "\x1b" not in printed
    assert "[bold]x" in printed


def test_whoever_reads_our_output_may_stop_reading(tmp_config: Config, tmp_path: Path) -> None:
    path = tmp_config(GOOD)
    command = f"{sys.executable} -m gateway.cli providers paid -c {path} | true"
    done = subprocess.run(
        ["sh", "-c", command], env=environment(), capture_output=True, text=True, cwd=tmp_path
    )
    assert done.stderr == ""


def test_a_full_disk_is_said(tmp_config: Config, tmp_path: Path) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full here")
    command = f"{sys.executable} -m gateway.cli models --mine -c {tmp_config(GOOD)} > /dev/full"
    done = subprocess.run(
        ["sh", "-c", command], env=environment(), capture_output=True, text=True, cwd=tmp_path
    )
    assert done.returncode == 1
    assert "Traceback" not in done.stderr


def test_a_terminal_without_our_signs_is_served(tmp_config: Config, tmp_path: Path) -> None:
    path = tmp_config(GOOD)
    done = own_process("providers", "paid", "-c", path, folder=tmp_path, PYTHONIOENCODING="ascii")
    assert done.returncode == 0
    assert "trains_on_data" in done.stdout


def test_a_new_key_fits_the_config(tmp_config: Config, tmp_path: Path) -> None:
    policy = {"labels": ["public", "personal"]}
    path = tmp_config({"policy": policy})
    shown = entrepot("keys", "create", "ci", "--team", "007", "--label", "personal", "-c", path)
    assert shown.exit_code == 0
    key = shown.stdout.split("shown this once: ")[1].split()[0]
    lines = shown.stdout.split("under `keys:`")[1]
    path.write_text(f"policy: {{labels: [public, personal]}}\nkeys:\n{lines}", encoding="utf-8")
    (made,) = read(path, {}).config.keys
    assert (made.name, made.team, made.label) == ("ci", "007", "personal")
    assert made.hash == key_hash(key)
    assert len(key) > 40


def test_two_keys_are_never_alike(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # no config is needed
    first, second = (told("keys", "create", "ci") for _ in range(2))
    assert first["key"] != second["key"]
    assert KeyForm.model_validate(first["config"]).hash == key_hash(first["key"])


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("two words",), "is not a name"),
        (("ci", "--team", "a/b"), "is not a name"),
        (("ci", "--label", "persnal"), "did you mean 'personal'?"),
        (("taken",), "already"),
    ],
)
def test_a_key_that_cannot_stand_is_not_made(
    words: tuple[str, ...], says: str, tmp_config: Config
) -> None:
    key = {"name": "taken", "hash": key_hash("x")}
    path = tmp_config({"policy": {"labels": ["public", "personal"]}, "keys": [key]})
    shown = entrepot("keys", "create", *words, "--config", path)
    assert shown.exit_code == 2
    assert says in shown.stderr
    assert shown.stdout == ""


def test_a_config_that_waits_for_its_first_key_gets_one(tmp_config: Config) -> None:
    path = tmp_config({"server": {"host": "0.0.0.0"}})
    shown = entrepot("keys", "create", "ci", "--config", path)
    assert shown.exit_code == 0
    assert "ek-" in shown.stdout
    assert "not checked" in shown.stderr


def test_the_hash_of_a_key_is_read_from_stdin_and_the_key_not_shown() -> None:
    shown = entrepot("keys", "hash", typed=f"{CANARY}\n")
    assert (shown.exit_code, shown.stdout.strip()) == (0, key_hash(CANARY))
    assert json.loads(entrepot("keys", "hash", "--json", typed=CANARY).stdout) == {
        "hash": key_hash(CANARY)
    }


@pytest.mark.parametrize("typed", ["", "\n", "two words", "schlüssel", "x" * 2000])
def test_what_is_no_key_has_no_hash(typed: str) -> None:
    shown = entrepot("keys", "hash", typed=typed)
    assert (shown.exit_code, shown.stdout) == (2, "")
    assert shown.stderr
