"""The command line as the tests run it: in this process, or in one of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from typer.testing import CliRunner, Result

from gateway.cli import build
from tests.source_tree import ROOT

CANARY = "sk-canary-0123456789"


def entrepot(*words: object, typed: str | None = None) -> Result:
    """Run a command in this process; ``typed`` is its standard input."""
    arguments = [str(word) for word in words]
    result = CliRunner().invoke(build(arguments), arguments, input=typed)
    fault = result.exception
    assert fault is None or isinstance(fault, SystemExit), repr(fault)
    assert "canary" not in result.stdout + result.stderr, "a secret was printed"
    return result


def told(*words: object) -> Any:
    """Run a command with ``--json`` and return its document; nothing else may be on stdout."""
    return json.loads(entrepot(*words, "--json").stdout)


def environment(**more: str) -> dict[str, str]:
    """The environment of a process of its own."""
    return {**os.environ, "PYTHONPATH": str(ROOT), **more}


def own_process(*words: object, folder: Path, **more: str) -> subprocess.CompletedProcess[str]:
    """Run a command as a user would; no traceback is ever right."""
    done = subprocess.run(
        [sys.executable, "-m", "gateway.cli", *map(str, words)],
        cwd=folder, env=environment(**more), capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert "Traceback" not in done.stderr, done.stderr
    assert "canary" not in done.stdout + done.stderr
    return done
