"""As many calls as the gateway answers: by wrk where it is installed, else by the own client."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench import load
from bench.asks import http

SCRIPT = Path(__file__).parent / "wrk.lua"
ANSWER_MOST_S = 30


@dataclass(frozen=True)
class Asked:
    """What is sent: a body to a path, with headers, at a port of this machine."""

    port: int
    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def request(self) -> bytes:
        """Return it as it goes over the socket."""
        return http(self.port, self.path, self.headers, self.body)


@dataclass(frozen=True)
class Rate:
    """What came of it; ``wrong`` are answers other than 200, and none."""

    calls: int
    seconds: float
    wrong: int
    p50_ms: float
    p99_ms: float


def tool() -> str:
    """Return what makes the load."""
    return "wrk" if shutil.which("wrk") else "the own client"


def measure(asked: Sequence[Asked], parallel: int, seconds: float) -> Rate:
    """Call each of ``asked`` over ``parallel`` connections, all at once; return the sum.

    Percentiles are the worst of them. Several need wrk. Raises SystemExit where wrk says nothing.
    """
    if shutil.which("wrk") is None:
        (only,) = asked
        taken = load.run(load.closed_loop(only.port, only.request, parallel, seconds))
        took = [answer.took_ms for answer in taken.answers]
        p50, p99 = load.quantile(took, 0.5), load.quantile(took, 0.99)
        return Rate(len(took) + taken.wrong, seconds, taken.wrong, p50, p99)
    with tempfile.TemporaryDirectory() as folder:
        running = [
            _wrk(each, parallel, seconds, Path(folder) / str(number))
            for number, each in enumerate(asked)
        ]
        rates = [_said(each) for each in running]
    return Rate(
        sum(rate.calls for rate in rates),
        max(rate.seconds for rate in rates),
        sum(rate.wrong for rate in rates),
        max(rate.p50_ms for rate in rates),
        max(rate.p99_ms for rate in rates),
    )


def _wrk(asked: Asked, parallel: int, seconds: float, body: Path) -> subprocess.Popen[str]:
    body.write_bytes(asked.body)
    headers = "\n".join(f"{name}: {value}" for name, value in asked.headers.items())
    url = f"http://127.0.0.1:{asked.port}{asked.path}"
    length = f"{max(1, round(seconds))}s"
    options = ["-t1", f"-c{parallel}", f"-d{length}", f"--timeout={ANSWER_MOST_S}s"]
    return subprocess.Popen(
        ["wrk", *options, "-s", str(SCRIPT), url],
        env={**os.environ, "BODY": str(body), "HEADERS": headers},
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip


def _said(process: subprocess.Popen[str]) -> Rate:
    said = process.communicate()[0]
    lines = [line for line in said.splitlines() if line.startswith("{")]
    if not lines:
        raise SystemExit(f"wrk told nothing: {said[-300:]}")
    return Rate(**json.loads(lines[-1]))
