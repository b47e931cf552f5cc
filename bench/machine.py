"""What a run was made with: the machine, the versions, the state of the tree."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import re
import subprocess
import sys
from pathlib import Path

from bench import throughput

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("uvicorn", "uvloop", "httptools", "aiohttp", "msgspec", "fastapi")


def described() -> dict[str, str]:
    """Return the machine and the versions, in words."""
    return {
        "machine": f"{_processor()}, {os.cpu_count()} cores, {_memory_gb()} GB",
        "system": f"{platform.system()} {platform.release()}",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "packages": ", ".join(f"{name} {_version(name)}" for name in PACKAGES),
        "load": throughput.tool(),
        "tree": tree(),
    }


def tree() -> str:
    """Return the commit that is measured, and whether files differ from it."""
    try:
        head = _git("rev-parse", "--short", "HEAD").strip()
        changed = _git("status", "--porcelain", "--untracked-files=no").strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return f"{head}, with changes" if changed else head


def _git(*words: str) -> str:
    return subprocess.run(
        ["git", *words], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout


def _processor() -> str:
    found = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    return found[1] if found else platform.machine()


def _memory_gb() -> int:
    found = re.search(r"MemTotal:\s+(\d+)", Path("/proc/meminfo").read_text())
    return round(int(found[1]) / 1024 / 1024) if found else 0


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "absent"


def is_measurable() -> bool:
    """Whether this system tells CPU time by thread, as Linux does."""
    return sys.platform == "linux" and Path("/proc/self/schedstat").exists()
