"""The benchmark runs from end to end; what it finds is no matter of a test."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from bench import mock, run
from bench.machine import ROOT


def bench(*words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "bench.run", *words]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_quick_run_of_one_part(tmp_path: Path) -> None:
    try:
        mock.build(tmp_path)
    except mock.NoCompilerError as fault:
        pytest.skip(str(fault))
    done = bench("--quick", "--only", "small")
    assert done.returncode == 0, done.stderr
    assert "| small request, CPU ms |" in done.stdout
    (path,) = [
        Path(line.removeprefix("raw data: "))
        for line in done.stdout.splitlines()
        if line.startswith("raw data: ")
    ]
    found = {
        record["gateway"]: record["figures"] for record in json.loads(path.read_text())["records"]
    }
    path.unlink()
    assert set(found) == {"floor", "entrepot"}
    assert all(figures["cpu_ms"] > 0 and figures["rps"] > 0 for figures in found.values())


def test_a_part_that_is_not_there_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        run.main(["--only", "small,smal"])
    assert ended.value.code == 2
    assert "no part is called smal" in capsys.readouterr().err


def test_without_a_compiler_it_ends_with_1(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(run, "RESULTS", tmp_path)
    assert run.main(["--quick"]) == 1
    assert "no C compiler" in capsys.readouterr().err
