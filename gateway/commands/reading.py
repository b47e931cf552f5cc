"""Which config a command reads. Where it cannot be used the command ends, every mistake named."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from gateway.commands.screen import fail
from gateway.config_file import Loaded, read
from gateway.problems import ConfigError
from gateway.setup import Setup, compile_setup

USUAL_CONFIGS = ("config.yaml", "config.example.yaml")

ConfigOption = Annotated[
    Path | None,
    typer.Option(
        "--config", "-c", help="The config; else ./config.yaml, then ./config.example.yaml."
    ),
]


def config_path(given: Path | None) -> Path | None:
    """Return the config to read, None where none was given and none lies here."""
    usual = (Path(name) for name in USUAL_CONFIGS)
    return given or next((path for path in usual if path.exists()), None)


def need_path(given: Path | None) -> Path:
    """Return the config to read. Ends with exit code 2 where there is none."""
    path = config_path(given)
    if path is None:
        fail(f"there is no {' or '.join(USUAL_CONFIGS)} here; `entrepot init` writes a config")
    return path


def load_config(given: Path | None) -> tuple[Path, Loaded]:
    """Read the config. Ends with exit code 2 and every mistake where it cannot be used."""
    path = need_path(given)
    try:
        return path, read(path, dict(os.environ))
    except ConfigError as fault:
        fail(str(fault))


def load_setup(given: Path | None) -> Setup:
    """Read the config and compile it, prices of every route included."""
    return compile_setup(load_config(given)[1], price_all=True)
