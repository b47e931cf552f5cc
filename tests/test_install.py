"""What an installation brings with it."""

from __future__ import annotations

import re
import sys
import tomllib

import pytest

from tests.source_tree import ROOT

PACKAGES_MOST = 60
PIN = re.compile(r"^([\w.-]+)==([\w.]+)(?: ; (.+?))? \\$", re.MULTILINE)


def pins(name: str) -> dict[str, str]:
    """Return package -> version of one requirements file."""
    return {
        found[1]: found[2] for found in PIN.finditer((ROOT / "requirements" / name).read_text())
    }


def test_the_runtime_is_small() -> None:
    assert 20 < len(pins("run.txt")) < PACKAGES_MOST


def test_every_pin_has_a_hash_and_no_file_an_address() -> None:
    for path in (ROOT / "requirements").glob("*.txt"):
        text = path.read_text()
        assert text.count("==") <= text.count("--hash=sha256:")
        assert "://" not in text
        assert "index-url" not in text


def test_what_is_tested_is_what_is_served() -> None:
    run, dev = pins("run.txt"), pins("dev.txt")
    assert {name: dev.get(name) for name in run} == run


def test_every_direct_dependency_is_pinned() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    for dependency in project["dependencies"]:
        name = re.split(r"[\[><;= ]", dependency)[0]
        assert name in pins("run.txt"), name


@pytest.mark.skipif(sys.version_info < (3, 11), reason="the project asks for 3.11")
def test_nothing_runs_when_python_starts() -> None:
    assert not list(ROOT.glob("*.pth"))
