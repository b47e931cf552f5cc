"""`make flame`: where the time of a small call and of a stream goes, as flame graphs and a table.

A gateway in its production form runs under load while py-spy looks at it (it has to be installed:
`pip install py-spy`). Writes docs/img/flame-request.svg and docs/img/flame-stream.svg, and prints
each frame of over 3 % of the samples, with what is below it and by itself.
"""

from __future__ import annotations

import collections
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from bench import gateways, load, machine, mock
from bench.asks import Stream
from bench.gateways import Running
from bench.processes import CORES, allow_many_sockets

SECONDS = 12
PARALLEL = 32
SHOWN_OVER = 0.03
IMAGES = machine.ROOT / "docs/img"


def main() -> int:
    """Draw both; return 0, or 1 where something that it needs is missing."""
    program = shutil.which("py-spy") or shutil.which(
        "py-spy", path=str(Path(sys.executable).parent)
    )
    if program is None:
        print("py-spy is not there: pip install py-spy", file=sys.stderr)
        return 1
    try:
        upstream_program = mock.build(machine.ROOT / "var/bench")
    except mock.NoCompilerError as fault:
        print(fault, file=sys.stderr)
        return 1
    allow_many_sockets()
    os.sched_setaffinity(0, {CORES.load})
    IMAGES.mkdir(exist_ok=True)
    with (
        tempfile.TemporaryDirectory(prefix="flame") as folder,
        mock.running(upstream_program, Path(folder)) as upstream,
        gateways.running(gateways.ours("here"), upstream, Path(folder)) as running,
    ):
        _drawn(program, running, "request", None)
        _drawn(program, running, "stream", Stream(200, 10_000))
    return 0


def _drawn(program: str, running: Running, name: str, stream: Stream | None) -> None:
    request = running.asked(stream=stream).request
    process = running.process
    assert process is not None
    with tempfile.NamedTemporaryFile(suffix=".raw") as raw:
        watching = [
            subprocess.Popen(
                [program, "record", "-p", str(process.pid), "-d", str(SECONDS), "-r", "250",
                 "--nonblocking", "-f", form, "-o", str(path)],
                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            )
            for form, path in (("raw", raw.name), ("flamegraph", IMAGES / f"flame-{name}.svg"))
        ]  # fmt: skip
        load.run(load.closed_loop(running.port, request, PARALLEL, SECONDS + 2))
        for one in watching:
            one.wait(60)
        _titled(IMAGES / f"flame-{name}.svg", name)
        print(f"\n{name}: frames over 3 % of the loop's samples")
        for share, alone, frame in frames(Path(raw.name).read_text()):
            print(f"{share:6.1%} {alone:6.1%}  {frame}")


def _titled(image: Path, name: str) -> None:
    """Give an image a title of ours: py-spy's is its command, with where things are here."""
    title = rf"\g<1>{name}, CPython {sys.version.split()[0]}<"
    image.write_text(re.sub(r'(<text id="title"[^>]*>)[^<]*<', title, image.read_text()))


def frames(raw: str) -> Iterator[tuple[float, float, str]]:
    """Give the frames of over 3 % of py-spy's raw samples: share, that of its own, name."""
    below: collections.Counter[str] = collections.Counter()
    alone: collections.Counter[str] = collections.Counter()
    total = 0
    for line in raw.splitlines():
        stack, _, count = line.rpartition(" ")
        # By function: its lines are too many. The drain's thread and what waits are not the loop.
        names = [frame.rpartition(":")[0] or frame for frame in stack.split(";")]
        if not any("runners.py" in frame for frame in names):
            continue
        total += int(count)
        for frame in set(names):
            below[frame] += int(count)
        alone[names[-1]] += int(count)
    for frame, count in below.most_common():
        if count < total * SHOWN_OVER:
            return
        yield count / total, alone[frame] / total, frame


if __name__ == "__main__":
    sys.exit(main())
