"""Every command of the README, run as it stands against the example config and the real model."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.source_tree import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")
ADDRESS = re.compile(r"http://127\.0\.0\.1:\d+")
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)
# Run by hand and by CI in a clean clone: it would install what this test stands on.
BY_MAKE = {"make run"}
WAIT_S = 60

pytestmark = pytest.mark.local_model


def blocks(language: str) -> list[str]:
    """The README's blocks of one language, in order."""
    return [text for kind, text in BLOCK.findall(README) if kind == language]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that looks like a fresh clone to the README's commands."""
    made = tmp_path_factory.mktemp("clone")
    for name in ("config.example.yaml", "policy.example.yaml"):
        shutil.copy(ROOT / name, made / name)
    (made / ".venv").symlink_to(Path(sys.executable).parent.parent)
    # What somebody who comes from elsewhere has lying there.
    model = {"model": "openai/gpt-6-luna", "api_key": "os.environ/OPENAI_API_KEY"}
    other = {"model_list": [{"model_name": "cheap", "litellm_params": model}]}
    (made / "litellm.yaml").write_text(json.dumps(other), encoding="utf-8")
    return made


@pytest.fixture(scope="module")
def address(folder: Path) -> Iterator[str]:
    """The address of a gateway that serves the example config from the command line."""
    pytest.importorskip("xllamacpp", reason="the local model's wheels are not installed")
    command = [sys.executable, "-m", "gateway.cli", "serve", "--port", "0"]
    server = subprocess.Popen(
        command, cwd=folder, env={**os.environ, "PYTHONPATH": str(ROOT)}, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    try:
        assert server.stdout is not None
        found = None
        for line in server.stdout:
            if found := ADDRESS.search(line):
                break
        assert found, server.stderr.read() if server.stderr else ""
        yield found[0]
    finally:
        server.send_signal(signal.SIGTERM)
        _, errors = server.communicate(timeout=WAIT_S)
        assert server.returncode == 0, errors
        assert "Traceback" not in errors


def run(command: str, folder: Path, **more: str) -> str:
    """Run one command of the README; return what it printed."""
    done = subprocess.run(
        ["sh", "-c", command], cwd=folder, capture_output=True, text=True, timeout=WAIT_S,
        env={**os.environ, "PYTHONPATH": str(ROOT), **more},
    )  # fmt: skip
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def test_the_curl_and_the_python_answer_with_text_and_the_ledger_has_them(
    address: str, folder: Path
) -> None:
    curl = next(text for text in blocks("sh") if text.startswith("curl"))
    if shutil.which("curl"):
        answer = json.loads(run(ADDRESS.sub(address, curl), folder))
        assert answer["choices"][0]["message"]["content"]
        assert answer["usage"]["completion_tokens"] > 0
    (python,) = blocks("python")
    script = folder / "first_request.py"
    script.write_text(ADDRESS.sub(address, python), encoding="utf-8")
    printed = run(f"{shlex.quote(sys.executable)} first_request.py", folder)
    assert len(printed.strip()) > 10
    spent = json.loads(run(".venv/bin/entrepot spend --by provider --json", folder))
    assert spent["rows"][0]["group"] == "home"
    assert spent["rows"][0]["requests"] == (3 if shutil.which("curl") else 2)
    assert spent["rows"][0]["tokens_out"] > 3
    assert spent["rows"][0]["cost_usd"] == "0"


def commands() -> list[str]:
    """Every single command of the README's shell blocks, comments taken off."""
    lines = [line for text in blocks("sh") if "curl" not in text for line in text.splitlines()]
    found = [line.partition("  #")[0].strip() for line in lines]
    return [line for line in found if line and line not in BY_MAKE]


@pytest.mark.parametrize("command", commands())
def test_every_command_of_the_readme_runs(
    command: str, address: str, folder: Path, tmp_path: Path
) -> None:
    # Each in a folder of its own: `init` writes a config that the others would read.
    for name in ("config.example.yaml", "policy.example.yaml", "litellm.yaml", ".venv"):
        (tmp_path / name).symlink_to(folder / name)
    assert run(command, tmp_path).strip()


def test_what_the_readme_says_of_the_config_is_the_example(folder: Path) -> None:
    models = next(text for text in blocks("yaml") if text.startswith("models:"))
    assert models.splitlines()[1] in (folder / "config.example.yaml").read_text()
    assert {"run", "test", "check", "bench"} <= set(
        re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    )
