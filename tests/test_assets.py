"""The dashboard's chart library: pinned by hash, built from what is pinned alone, and in the wheel."""

from __future__ import annotations

import gzip
import json
import os
import re
import shutil
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from hatchling.builders.sdist import SdistBuilder

import hatch_build
from hatch_build import ASSETS, BUILT, MADE_FROM, SOURCES, ChartsHook, NoCharts
from tests.source_tree import ROOT

GZIP_MOST = 200_000
# How npm says that it has no registry, or one that does not let it have packages.
OFFLINE = re.compile(
    r"code (E(CONNREFUSED|NOTFOUND|AI_AGAIN|TIMEDOUT|CONNRESET|HOSTUNREACH|\d{3})|FETCH_ERROR)|took longer"
)
WHEEL_S = 60


def lock(folder: Path) -> dict[str, Any]:
    """Return a lock's packages by where they are put."""
    packages: dict[str, Any] = json.loads((folder / "package-lock.json").read_bytes())["packages"]
    return packages


def hook(root: Path) -> ChartsHook:
    """Return the hook as hatchling makes it; it asks for nothing but the folder."""
    nothing: Any = None
    return ChartsHook(str(root), {}, nothing, nothing, "", "wheel")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The sources of the charts in a folder of their own."""
    return copied(tmp_path)


def copied(root: Path) -> Path:
    (root / ASSETS).mkdir(parents=True)
    for name in (*(ASSETS / source for source in SOURCES), Path("hatch_build.py")):
        shutil.copyfile(ROOT / name, root / name)
    return root


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What is built on a machine with no node on its path; skips where npm has no registry."""
    root = copied(tmp_path_factory.mktemp("charts"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", str(root))
        try:
            assert hatch_build.build(root)
        except NoCharts as fault:
            if OFFLINE.search(str(fault)):
                pytest.skip(f"no charts can be built here: {fault}")
            raise
    assert not hatch_build.build(root), "what is built is not built again"
    return root / BUILT


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch, root: Path) -> Iterator[None]:
    """A registry that has something else under the name and version of every package."""
    versions = {
        path.removeprefix("node_modules/"): found for path, found in lock(root / ASSETS).items()
    }

    class Registry(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            name = self.path.strip("/").replace("%2f", "/")
            body = b"something else"
            if not name.endswith(".tgz"):
                dist = {"tarball": f"http://{self.headers['host']}/{name}.tgz"}
                version = versions[name]["version"]
                one = {"name": name, "version": version, "dist": dist}
                body = json.dumps({"name": name, "versions": {version: one}}).encode()
            self.send_response(200)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Registry) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        monkeypatch.setenv("NPM_CONFIG_REGISTRY", f"http://127.0.0.1:{server.server_port}/")
        monkeypatch.setenv("NPM_CONFIG_FETCH_RETRIES", "0")
        yield
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("folder", [ASSETS, Path("tests/clients")], ids=str)
def test_every_package_is_pinned_by_hash_and_no_file_has_an_address(folder: Path) -> None:
    packages = lock(ROOT / folder)
    wanted = packages.pop("")["dependencies"]
    assert wanted == json.loads((ROOT / folder / "package.json").read_bytes())["dependencies"]
    assert {name: packages[f"node_modules/{name}"]["version"] for name in wanted} == wanted
    assert all(found["integrity"].startswith("sha512-") for found in packages.values())
    for name in ("package.json", "package-lock.json"):
        assert "://" not in (ROOT / folder / name).read_text(encoding="utf-8")


def test_the_bundle_is_small_whole_and_asks_nobody(built: Path) -> None:
    bundle, packed = (built / "echarts.js").read_bytes(), (built / "echarts.js.gz").read_bytes()
    assert gzip.decompress(packed) == bundle
    assert len(packed) < GZIP_MOST
    assert re.search(rb"export\s*\{\s*\w+ as init\s*\};?\s*$", bundle)
    # What is left of "://" are this library's own names for pictures and paths.
    assert set(re.findall(rb"\w+(?=://)", bundle)) <= {b"image", b"path"}
    for way in (
        b"import(",
        b"fetch(",
        b"XMLHttpRequest",
        b"WebSocket",
        b"EventSource",
        b"sendBeacon",
    ):
        assert way not in bundle


def test_the_notices_are_those_of_what_is_bundled(built: Path) -> None:
    packages = {
        f"{path.removeprefix('node_modules/')} {found['version']}"
        for path, found in lock(ROOT / ASSETS).items()
        if path and "esbuild" not in path
    }
    notices = (built / "LICENSES.txt").read_text(encoding="utf-8")
    assert set(re.findall(r"^==== (.+) ====$", notices, re.MULTILINE)) == packages
    for said in (
        "Apache License",
        "The Apache Software Foundation",
        "Baidu",
        "Microsoft",
        "Bostock",
    ):
        assert said in notices


def test_the_same_sources_give_the_same_bytes(built: Path) -> None:
    here = ROOT / BUILT
    if not here.exists():
        pytest.skip("this folder was installed without charts")
    assert (here / MADE_FROM).read_text() == hatch_build.made_from(ROOT), "make charts"
    for file in built.iterdir():
        assert file.read_bytes() == (here / file.name).read_bytes(), file.name


def test_no_wheel_is_built_without_charts_but_a_folder_is_installed(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("NPM_CONFIG_REGISTRY", "http://127.0.0.1:9/")
    monkeypatch.setenv("NPM_CONFIG_FETCH_RETRIES", "0")
    with pytest.raises(NoCharts, match=r"npm failed: .*ECONNREFUSED"):
        hook(root).initialize("standard", {})
    hook(root).initialize("editable", {})
    said = capsys.readouterr().err
    assert said.startswith(f"{hatch_build.WITHOUT}: npm failed: ")
    assert said.count("\n") == 1
    assert not (root / BUILT).exists()


@pytest.mark.usefixtures("registry")
def test_nothing_is_built_from_what_is_not_pinned(root: Path) -> None:
    with pytest.raises(NoCharts, match=r"npm failed: .*EINTEGRITY"):
        hook(root).initialize("standard", {})


def test_a_program_that_takes_too_long_is_ended(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hatch_build, "NPM_S", 0.01)
    with pytest.raises(NoCharts, match="npm took longer"):
        hatch_build.build(root)


def test_the_wheel_has_what_is_built_and_not_its_sources(tmp_path: Path) -> None:
    if not (ROOT / BUILT).exists():
        pytest.skip("this folder was installed without charts")
    subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "-q", "--disable-pip-version-check",
         "--no-build-isolation", "--no-deps", "-w", tmp_path, ROOT],
        check=True, timeout=WHEEL_S, env={**os.environ, "PATH": ""}, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as opened:
        names = set(opened.namelist())
    for name in ("charts.js", "built/echarts.js", "built/echarts.js.gz", "built/LICENSES.txt"):
        assert f"gateway/dashboard/static/{name}" in names
    assert not [name for name in names if name.startswith((str(ASSETS), "hatch_build"))]
    assert not [name for name in names if name.endswith(MADE_FROM)]


def test_a_source_distribution_can_build_the_charts() -> None:
    names = {file.distribution_path for file in SdistBuilder(str(ROOT)).recurse_included_files()}
    assert {"hatch_build.py", *(str(ASSETS / name) for name in SOURCES)} <= names
    assert not [name for name in names if name.startswith(str(BUILT))]
