"""`entrepot connect`: what a client needs is printed, written into its files, or run with."""

from __future__ import annotations

import json
import os
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.auth import key_hash
from gateway.commands.connect import environment_lines
from gateway.connect.form import KEY, Words, client, names
from gateway.connect.merge import MergeError, laid_over, merged
from gateway.connect.place import Placed, fresh, placed
from gateway.problems import ConfigError
from tests.source_tree import ROOT
from tests.unit.gateway.commands import CANARY, entrepot, own_process, told

CONFIG: dict[str, Any] = {
    "server": {"port": 8123},
    "providers": {"desk": {"catalog": "vllm", "base_url": "http://127.0.0.1:9"}},
    "models": {"gpt-*": "mine", "mine": ["desk/m"], "tiny": ["desk/t"]},
}
KEYS = {"keys": [{"name": "ci", "hash": key_hash(CANARY), "models": ["mine"]}]}
WORDS = Words("http://127.0.0.1:8123", "mine", "tiny", "ENTREPOT_KEY")
NAMES = names()
CLIENTS = {name: client(name) for name in NAMES}
LOADERS: dict[str, Callable[[str], Any]] = {
    "json": json.loads,
    "toml": tomllib.loads,
    "yaml": yaml.safe_load,
}
CODEX = CLIENTS["codex"].files[0]
CONTINUE = CLIENTS["continue"].files[0]


@pytest.fixture
def path(tmp_config: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A config without keys, and a home folder of the test's own."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for form in CLIENTS.values():
        for file in form.files:
            if file.moved_by is not None:
                monkeypatch.delenv(file.moved_by.variable, raising=False)
    return tmp_config(CONFIG)


def test_alone_it_lists_every_client(path: Path) -> None:
    shown = entrepot("connect")
    assert shown.exit_code == 0
    assert all(name in shown.stdout for name in NAMES)
    assert [form["name"] for form in told("connect")] == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_every_client_is_told_its_address_and_its_model(name: str, path: Path) -> None:
    shown = entrepot("connect", name, "--config", path)
    assert shown.exit_code == 0
    assert "http://127.0.0.1:8123" in shown.stdout
    assert "mine" in shown.stdout, "the first model that is no pattern and no alias"
    for word in ("<root>", "<v1>", "<model>", "<small>", "<variable>", "<key>"):
        assert word not in shown.stdout


def test_a_key_is_told_by_its_name_alone(
    path: Path, tmp_config: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ENTREPOT_KEY", CANARY)
    with_keys = tmp_config({**CONFIG, **KEYS})
    for name in ("codex", "claude-code", "continue"):
        shown = entrepot("connect", name, "--config", with_keys)
        assert "ENTREPOT_KEY has to hold a key" in shown.stdout
        assert "it has: ci" in shown.stdout
        assert told("connect", name, "--config", with_keys)["key"] == {
            "variable": "ENTREPOT_KEY",
            "needed": True,
            "names": ["ci"],
        }
        assert "canary" not in entrepot("connect", name, "-c", with_keys, "--write", "-y").stdout
    written = [file for file in (path.parent / "home").rglob("*") if file.is_file()]
    assert written
    assert not any("canary" in file.read_text() for file in written)


def test_the_environment_is_for_a_shell(path: Path) -> None:
    shown = entrepot("connect", "openai-python", "--config", path).stdout
    assert "export OPENAI_BASE_URL=http://127.0.0.1:8123/v1\n" in shown
    assert 'export OPENAI_API_KEY="$ENTREPOT_KEY"\n' in shown
    assert "export ENTREPOT_KEY=unused\n" in shown
    other = entrepot("connect", "openai-python", "--config", path, "--variable", "MINE").stdout
    assert 'export OPENAI_API_KEY="$MINE"\n' in other


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (("codx",), 2, "codex"),
        (("codex", "--model", "min"), 2, "mine"),
        (("codex", "--small-model", "none"), 2, "nothing answers"),
        (("codex", "--model", 'gpt-"'), 2, "alias"),
        (("codex", "--variable", "A B"), 2, "--variable"),
        (("codex", "--url", "gateway"), 2, "--url"),
        (("codex", "--key", "di"), 2, "no such key"),
        (("codex", "--key", "ci", "--model", "tiny"), 1, "may not ask"),
        (("codex", "--write", "--json"), 2, "--yes"),
        (("langchain", "--write"), 2, "environment"),
        (("codex", "--", "no-such-program-here"), 2, "ENTREPOT_KEY is not set"),
    ],
)
def test_what_cannot_be_is_refused(
    words: tuple[str, ...], code: int, says: str, path: Path, tmp_config: Callable[..., Path]
) -> None:
    with_keys = tmp_config({**CONFIG, **KEYS})
    shown = entrepot("connect", "--config", with_keys, *words)
    assert shown.exit_code == code
    assert says in shown.stderr


@pytest.mark.parametrize(
    ("server", "address"),
    [
        ({"host": "127.0.0.1", "port": 1}, "http://127.0.0.1:1"),
        ({"host": "0.0.0.0", "port": 1}, "http://127.0.0.1:1"),
        ({"host": "::", "port": 1}, "http://[::1]:1"),
        ({"host": "fd00::5", "port": 1}, "http://[fd00::5]:1"),
        ({"host": "gateway.lan", "port": 80}, "http://gateway.lan:80"),
    ],
)
def test_the_address_is_one_that_clients_can_call(
    server: dict[str, Any], address: str, tmp_config: Callable[..., Path]
) -> None:
    keys = {**KEYS, "server": {**server, "admin_key": CANARY}}
    found = told("connect", "codex", "--config", tmp_config({**CONFIG, **keys}))
    assert found["address"] == address


def test_an_address_can_be_said(path: Path, tmp_config: Callable[..., Path]) -> None:
    url = "https://gateway.example.com/llm/v1/"
    found = told("connect", "codex", "--config", path, "--url", url)
    assert found["address"] == "https://gateway.example.com/llm"
    nowhere = tmp_config({**CONFIG, "server": {"port": 0}})
    assert entrepot("connect", "codex", "--config", nowhere).exit_code == 2


def test_without_models_one_has_to_be_said(tmp_config: Callable[..., Path]) -> None:
    config = tmp_config({**CONFIG, "models": {}})
    assert entrepot("connect", "codex", "--config", config).exit_code == 2
    assert told("connect", "codex", "--config", config, "--model", "desk/m")["model"] == "desk/m"


def test_writing_shows_the_difference_asks_and_keeps_the_rest(path: Path) -> None:
    file = path.parent / "home/.codex/config.toml"
    file.parent.mkdir(parents=True)
    old = (
        '# mine\nmodel = "old"\nmodel_reasoning_effort = "high"\n\n[mcp_servers.a]\ncommand = "b"\n'
    )
    file.write_text(old)
    file.chmod(0o640)
    refused = entrepot("connect", "codex", "--config", path, "--write", typed="n\n")
    assert refused.exit_code == 1
    assert '-model = "old"' in refused.stdout
    assert '+model = "mine"' in refused.stdout
    assert file.read_text() == old
    done = entrepot("connect", "codex", "--config", path, "--write", typed="y\n")
    assert done.exit_code == 0
    new = tomllib.loads(file.read_text())
    assert new["model"] == "mine"
    assert new["model_reasoning_effort"] == "high"
    assert new["mcp_servers"] == {"a": {"command": "b"}}
    assert new["model_providers"]["entrepot"]["base_url"] == "http://127.0.0.1:8123/v1"
    assert file.read_text().startswith("# mine\n")
    assert file.stat().st_mode & 0o777 == 0o640
    (backup,) = file.parent.glob("config.toml.*.bak")
    assert backup.read_text() == old
    again = entrepot("connect", "codex", "--config", path, "--write")
    assert "nothing to write" in again.stdout
    assert len(list(file.parent.iterdir())) == 2


def test_a_new_file_is_for_its_owner_alone_and_a_link_stays_one(path: Path) -> None:
    folder = path.parent / "home/.codex"
    folder.mkdir(parents=True)
    (folder / "config.toml").symlink_to(path.parent / "dotfiles.toml")
    done = told("connect", "codex", "--config", path, "--write", "--yes")
    assert done[0]["backup"] is None
    assert (folder / "config.toml").is_symlink()
    assert (path.parent / "dotfiles.toml").stat().st_mode & 0o777 == 0o600


def test_a_variable_moves_the_file(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CODEX_HOME", str(path.parent / "elsewhere"))
    assert entrepot("connect", "codex", "--config", path, "--write", "--yes").exit_code == 0
    assert (path.parent / "elsewhere/config.toml").exists()


def test_a_secret_beside_ours_is_not_shown(path: Path) -> None:
    file = path.parent / "home/.qwen/settings.json"
    file.parent.mkdir(parents=True)
    file.write_text(json.dumps({"apiKey": CANARY, "model": {"name": "x"}}, indent=1))
    shown = entrepot("connect", "qwen-code", "--config", path, "--write", "--yes")
    assert '"apiKey": …' in shown.stdout
    assert json.loads(file.read_text())["apiKey"] == CANARY
    assert '\n "apiKey"' in file.read_text(), "its indentation stays"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("codex", "model = = 1"),
        ("codex", "model = '''\na\n'''\n"),
        ("codex", "model_providers = {entrepot = {name = 'a'}}"),
        ("claude-code", "{ // with a comment\n}"),
        ("claude-code", '{"env": {}, "env": {}}'),
        ("claude-code", "[1]"),
        ("continue", "models: {a"),
        ("continue", "models: [{name: a, model: b}]\n"),
        ("continue", "a: 1\na: 2\n"),
        ("aider", "\udcff"),
    ],
)
def test_a_file_that_cannot_be_edited_is_left_alone(name: str, text: str, path: Path) -> None:
    file = Path(CLIENTS[name].files[0].path).expanduser()
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(text.encode(errors="surrogateescape"))
    shown = entrepot("connect", name, "--config", path, "--write", "--yes")
    assert shown.exit_code == 1, shown.stdout
    assert str(file) in shown.stderr
    assert file.read_bytes() == text.encode(errors="surrogateescape")
    assert not list(file.parent.glob("*.bak"))


def test_a_command_runs_with_the_environment_and_its_code_is_passed_on(path: Path) -> None:
    code = (
        "import os, sys; print(os.environ['ANTHROPIC_BASE_URL'], os.environ['ANTHROPIC_AUTH_TOKEN'],"
        " 'ANTHROPIC_API_KEY' in os.environ, sys.argv[1:]); sys.exit(7)"
    )
    done = own_process(
        "connect", "claude-code", "--config", path, "--", sys.executable, "-c", code, "--json",
        folder=path.parent, ANTHROPIC_API_KEY="other", ENTREPOT_KEY="word",
    )  # fmt: skip
    assert done.returncode == 7
    assert done.stdout == "http://127.0.0.1:8123 word False ['--json']\n"


def test_the_clients_own_program_gets_its_arguments(path: Path) -> None:
    program = path.parent / "codex"
    program.write_text(
        f"#!{sys.executable}\nimport sys, os\nprint(sys.argv[1:], os.environ['ENTREPOT_KEY'])\n"
    )
    program.chmod(0o755)
    done = own_process(
        "connect", "codex", "-c", path, "--", program, "exec", "hi", folder=path.parent
    )
    assert done.returncode == 0
    assert 'model="mine"' in done.stdout
    assert done.stdout.endswith("'exec', 'hi'] unused\n")


def test_a_run_needs_the_file_that_the_client_cannot_do_without(path: Path) -> None:
    before = entrepot("connect", "pi", "--config", path, "--", "true")
    assert before.exit_code == 1
    assert "entrepot connect pi --write" in before.stderr
    assert entrepot("connect", "pi", "--config", path, "--write", "--yes").exit_code == 0
    home = os.environ["HOME"]
    after = own_process("connect", "pi", "-c", path, "--", "true", folder=path.parent, HOME=home)
    assert after.returncode == 0, after.stderr
    missing = entrepot("connect", "pi", "--config", path, "--", "no-such-program-here")
    assert missing.exit_code == 1


@pytest.mark.parametrize("name", NAMES)
def test_what_is_written_once_is_not_changed_again(name: str) -> None:
    for file in CLIENTS[name].files:
        content, missing = WORDS.into(file.content), WORDS.into(file.missing)
        text = fresh(file, WORDS)
        assert LOADERS[file.format](text) == laid_over(missing, content)
        assert merged(file.format, text, content, missing) == text


def test_line_breaks_of_another_system_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CODEX_HOME", str(tmp_path))
    (tmp_path / "config.toml").write_bytes(b'a = 1\r\nmodel = "old"\r\n')
    found = placed(CODEX, WORDS, os.environ)
    assert "\n" not in found.new.replace("\r\n", "")
    assert tomllib.loads(found.new)["a"] == 1


@pytest.mark.parametrize(
    "text",
    [
        "models:\n  - name: other\n    model: a # mine\n# the end\nrules: [a]\n",
        "models:\n- name: other\n  model: a\n\n- name: Entrepôt mine\n  model: old\n  more: 1\n# end\n",
        "models: []\n",
        "name: Me\nmodels:\n    - model: x\n      name: other\n",
        "# nothing\n",
    ],
)
def test_entries_of_a_list_go_by_their_name(text: str) -> None:
    content, missing = WORDS.into(CONTINUE.content), WORDS.into(CONTINUE.missing)
    new = merged("yaml", text, content, missing)
    old, now = yaml.safe_load(text) or {}, yaml.safe_load(new)
    by_name = {entry["name"]: entry for entry in now["models"]}
    assert by_name["Entrepôt mine"]["apiBase"] == "http://127.0.0.1:8123/v1"
    assert len(by_name) == len(now["models"])
    for entry in old.get("models") or ():
        if entry["name"] != "Entrepôt mine":
            assert by_name[entry["name"]] == entry
    assert all(line in new for line in text.splitlines() if "#" in line)
    assert now["name"] == old.get("name", "Local")


_KEYS = st.sampled_from(["model", "a", "b.c", "model_providers", "web_search", "name", "entrepot"])
_LEAVES = st.one_of(st.text("ab\"'#[]=\\ \té", max_size=6), st.integers(-9, 9), st.booleans())
_VALUES = st.recursive(
    st.dictionaries(_KEYS, _LEAVES, max_size=3),
    lambda inner: st.dictionaries(_KEYS, st.one_of(_LEAVES, inner), max_size=3),
    max_leaves=6,
)


def _toml(data: dict[str, Any], path: tuple[str, ...] = ()) -> str:
    lines = [f"[{'.'.join(json.dumps(part) for part in path)}] # here"] if path else []
    lines += [
        f"{json.dumps(k)} = {json.dumps(v, ensure_ascii=False)}"
        for k, v in data.items()
        if not isinstance(v, dict)
    ]
    lines += [_toml(v, (*path, k)) for k, v in data.items() if isinstance(v, dict)]
    return "\n".join(lines)


@settings(max_examples=60, deadline=None)
@given(_VALUES, st.sampled_from(["json", "toml", "yaml"]))
def test_any_file_says_the_old_and_ours_or_is_refused(old: dict[str, Any], form: str) -> None:
    writers: dict[str, Callable[[Any], str]] = {
        "json": lambda data: json.dumps(data, indent=4),
        "toml": _toml,
        "yaml": lambda data: str(yaml.safe_dump(data, allow_unicode=True)),
    }
    text = writers[form](old)
    file = {"json": CLIENTS["opencode"].files[0], "toml": CODEX, "yaml": CONTINUE}[form]
    content = WORDS.into(file.content)
    try:
        new = merged(form, text, content, {})
    except MergeError:
        return
    assert LOADERS[form](new) == laid_over(LOADERS[form](text) or {}, content)


def test_a_wrong_data_file_is_named_with_its_line(tmp_path: Path) -> None:
    good = "name: a\ntitle: A\nkind: library\nwires: [chat]\ntried: [{package: a, version: '1'}]\n"
    good += "tried_on: 2026-11-26\n"
    (tmp_path / "a.yaml").write_text(good + "arguments: [<key>]\n")
    with pytest.raises(ConfigError, match="holds <key>"):
        client("a", tmp_path)
    (tmp_path / "a.yaml").write_text(good + "envronment: {}\n")
    with pytest.raises(ConfigError, match=r"a\.yaml:7: .*environment"):
        client("a", tmp_path)


def test_no_secret_can_get_into_a_difference() -> None:
    shown = Placed(Path("a"), True, 'token = "abc"\nx = 1\n', 'token = "abc"\nx = 2\n').difference()
    assert "abc" not in shown
    assert "+x = 2" in shown
    assert KEY not in json.dumps([WORDS.into(dict(f.content)) for f in CODEX and (CODEX, CONTINUE)])


PAGES = ROOT / "docs/clients"
USUAL = Words("http://127.0.0.1:8080", "assistant", "assistant", "ENTREPOT_KEY")


@pytest.mark.parametrize("name", NAMES)
def test_every_client_has_a_page_that_says_what_is_printed(name: str) -> None:
    form = CLIENTS[name]
    page = (PAGES / f"{name}.md").read_text(encoding="utf-8")
    said = [*environment_lines(form, USUAL), *(fresh(file, USUAL) for file in form.files)]
    said += [USUAL.into(form.example), form.title, *USUAL.into(form.notes)]
    said += [text for tried in form.tried for text in (tried.package, tried.version)]
    said += [str(form.tried_on), *form.wires, f"entrepot connect {name}"]
    for text in said:
        assert text in page, f"{name}.md does not say {text}"
    assert f"]({name}.md)" in (PAGES / "README.md").read_text(encoding="utf-8")
