"""What may be loaded at start: a light import graph is what makes the start fast."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from tests.source_tree import ROOT

HELP = """
import contextlib, sys
from gateway import cli
sys.argv = ["entrepot", "--help"]
with contextlib.suppress(SystemExit):
    cli.main()
"""
HELP_LOADS_NOT = (
    "rich",
    "fastapi",
    "starlette",
    "uvicorn",
    "sqlalchemy",
    "aiohttp",
    "alembic",
    "genai_prices",
    "pydantic",
    "jinja2",
    "yaml",
    "prometheus_client",
    "asyncpg",
    "psycopg",
    "redis",
    "tiktoken",
    "holidays",
    "pyarrow",
    "cryptography",
)

# Python that starts and stops all that `serve` needs for the config file in sys.argv[1].
SERVE = """
import asyncio, pathlib, sys
import gateway.commands.serve
from gateway import app, config_file, setup
path = pathlib.Path(sys.argv[1])
ready = setup.compile_setup(config_file.read(path, {}))
async def start_and_stop():
    async with app.opened(path, ready, dict):
        pass
asyncio.run(start_and_stop())
"""
SERVE_CONFIG = {
    "server": {"host": "127.0.0.1", "port": 0},
    "ledger": "sqlite:///entrepot.db",
    "providers": {},
    "models": {},
}
SERVE_LOADS_NOT = (
    "fastapi",
    "starlette",
    "jinja2",
    "gateway.dashboard",
    "aiohttp",
    "alembic",
    "genai_prices",
    "openai",
    "anthropic",
    "httpx",
    "psycopg",
    "redis",
    "tiktoken",
    "holidays",
    "pyarrow",
    "cryptography",
    "xllamacpp",
    "numpy",
    "requests",
)


def loaded_by(code: str, *arguments: str, folder: Path = ROOT) -> frozenset[str]:
    """Return the modules that a fresh interpreter has loaded after ``code``."""
    # Not -I: the packages are found from the root of the repository.
    told = f"import sys; sys.path.insert(0, {str(ROOT)!r})\n{code}\n"
    told += "import json; sys.stdout.write('\\n' + json.dumps(sorted(sys.modules)))"
    ran = subprocess.run(
        [sys.executable, "-c", told, *arguments], cwd=folder, capture_output=True, text=True
    )
    assert ran.returncode == 0, ran.stderr
    return frozenset(json.loads(ran.stdout.splitlines()[-1]))


def test_the_command_line_is_light() -> None:
    assert not loaded_by(HELP) & set(HELP_LOADS_NOT)


def test_serving_loads_what_it_needs_and_no_more(
    tmp_path: Path, tmp_config: Callable[..., Path]
) -> None:
    # The first start makes the database, for which it may load the migrations.
    config = str(tmp_config(SERVE_CONFIG))
    loaded_by(SERVE, config, folder=tmp_path)
    again = loaded_by(SERVE, config, folder=tmp_path)
    assert not again & set(SERVE_LOADS_NOT)
