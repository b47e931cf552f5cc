"""Writes what ``init`` made, whole or not at all, and says whether ``check`` would take it."""

from __future__ import annotations

import os
from pathlib import Path

from gateway.commands import init_text
from gateway.commands.screen import NOT_SO, fail
from gateway.config_file import read
from gateway.problems import ConfigError
from gateway.proving import prove
from gateway.setup import compile_setup

POLICY = "policy.yaml"


def write(out: Path, text: str) -> list[Path]:
    """Write the config, and a policy beside it where there is none; return what was written.

    Ends with exit code 1 where a file cannot be written.
    """
    policy = out.parent / POLICY
    written = [out]
    try:
        if not policy.exists():
            policy.write_text(init_text.POLICY, encoding="utf-8")
            written.append(policy)
        _replace(out, text)
    except OSError as fault:
        fail(f"{fault.filename or out} cannot be written: {fault.strerror or fault}", NOT_SO)
    return written


def end_if_unusable(out: Path) -> None:
    """End with exit code 1 where `check` would refuse what was written."""
    wrong = _wrong_with(out)
    if wrong:
        fail("\n".join(["", "but it cannot be used as it is:", *wrong]), NOT_SO)


def _replace(path: Path, text: str) -> None:
    # Whole or not at all: a running gateway watches this file.
    new = path.with_name(f".{path.name}.new")
    new.write_text(text, encoding="utf-8")
    new.replace(path)


def _wrong_with(path: Path) -> list[str]:
    """Return what `check` would refuse, such as a policy that was there before."""
    try:
        loaded = read(path, dict(os.environ))
    except ConfigError as fault:
        return [str(problem) for problem in fault.problems]
    findings = prove(compile_setup(loaded, price_all=True)).findings
    return [f"{f.expect}: {f.counter_example}" for f in findings if not f.holds]
