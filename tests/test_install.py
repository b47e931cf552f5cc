"""What an installation brings with it."""

from __future__ import annotations

import re
import tomllib

from packaging.markers import Marker

from tests.source_tree import ROOT

PACKAGES_MOST, DIRECT_MOST = 60, 14
PIN = re.compile(r"^([\w.-]+)==([\w.]+)(?: ; (.+?))? \\$", re.MULTILINE)


def pins(name: str) -> dict[str, str]:
    """Return package -> version of what one requirements file installs on this machine."""
    found = PIN.findall((ROOT / "requirements" / name).read_text())
    return {
        package: version
        for package, version, marker in found
        if not marker or Marker(marker).evaluate()
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


def test_direct_dependencies_are_few_and_pinned() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert len(project["dependencies"]) <= DIRECT_MOST
    for dependency in project["dependencies"]:
        name = re.split(r"[\[><;= ]", dependency)[0]
        assert name in pins("run.txt"), name


def test_nothing_runs_when_python_starts() -> None:
    assert not list(ROOT.glob("*.pth"))
