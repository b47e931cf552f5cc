"""Real coding agents, run by ``entrepot connect`` against a gateway, each in a home of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.source_tree import ROOT

INSTALLED = ROOT / ".clients/node_modules/.bin"
WAIT_S = 120
KEY = "ek-client-canary"


@dataclass(frozen=True)
class Agent:
    """One agent: its name for ``entrepot connect``, its program, and how it is asked one thing."""

    name: str
    program: str
    asks: tuple[str, ...]


CODEX = Agent(
    "codex",
    "codex",
    (
        *("exec", "--skip-git-repo-check", "--dangerously-bypass-approvals-and-sandbox"),
        # A fault shows at its first try.
        *("-c", "model_providers.entrepot.stream_max_retries=0"),
        *("-c", "model_providers.entrepot.request_max_retries=0"),
    ),
)
AGENTS = (
    CODEX,
    Agent("claude-code", "claude", ("-p",)),
    Agent("gemini-cli", "gemini", ("-p",)),
    Agent("opencode", "opencode", ("run",)),
    Agent("qwen-code", "qwen", ("-p",)),
    Agent("pi", "pi", ("-p",)),
    Agent("continue", "cn", ("-p",)),
)


def found(agent: Agent) -> str:
    """Return the path of the agent's program. Skips the test where it is not installed."""
    path = shutil.which(agent.program, path=f"{INSTALLED}{os.pathsep}{os.environ['PATH']}")
    if path is None:
        pytest.skip(f"{agent.program} is not installed here; `make clients` installs most")
    return path


class Desk:
    """A project folder and a home folder, of which an agent may change everything."""

    def __init__(self, folder: Path, config: Path, url: str) -> None:
        self.project, self.home = folder / "project", folder / "home"
        self.config, self.url = config, url
        self.project.mkdir(parents=True)
        self.home.mkdir()

    def ask(self, agent: Agent, words: str, model: str) -> subprocess.CompletedProcess[str]:
        """Let ``entrepot connect`` set the agent up and run it with ``words``."""
        program = found(agent)
        connect = [
            *(sys.executable, "-m", "gateway.cli", "connect", agent.name),
            *("--config", str(self.config), "--url", self.url, "--model", model),
        ]
        wrote = self._run([*connect, "--write", "--yes"])
        assert wrote.returncode == 0, wrote.stderr
        return self._run([*connect, "--", program, *agent.asks, words])

    def _run(self, command: list[str]) -> subprocess.CompletedProcess[str]:
        kept = {name: os.environ[name] for name in ("PATH", "LANG", "TERM") if name in os.environ}
        environment = {
            **kept,
            "HOME": str(self.home),
            "PYTHONPATH": str(ROOT),
            "ENTREPOT_KEY": KEY,
            # Nothing here looks for updates, and nobody is asked whether the folder can be trusted.
            "PI_OFFLINE": "1",
            "GEMINI_CLI_TRUST_WORKSPACE": "true",
            "DISABLE_AUTOUPDATER": "1",
            "OPENCODE_DISABLE_AUTOUPDATE": "1",
        }
        return subprocess.run(
            command, cwd=self.project, env=environment, stdin=subprocess.DEVNULL,
            capture_output=True, text=True, timeout=WAIT_S, check=False,
        )  # fmt: skip
