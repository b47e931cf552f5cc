"""`make bench`: what a call, a chunk and a stream cost in Entrepôt, beside a floor and other gateways.

The gateway that is measured runs on one core, the mock and the load on the other; rounds are
interleaved, and what is shown are medians. All traffic stays on 127.0.0.1 and ends by itself.

    python -m bench.run [--quick] [--only small,paced] [--rounds 1] [--peers "nginx litellm"] [--write docs]
"""

from __future__ import annotations

import argparse
import gc
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench import install, machine, mock, page, peers, report
from bench.measures import QUICK, Scale
from bench.processes import CORES, allow_many_sockets
from bench.session import OURS, PARTS, QUICK_PARTS, Session

ROOT = machine.ROOT
RESULTS = ROOT / "var/bench"


def main(words: Sequence[str] | None = None) -> int:
    """Run it; return 0, or 1 where something could not be measured. Prints the tables."""
    asked = _asked(words)
    if not machine.is_measurable():
        print("the benchmark reads /proc, which only Linux has", file=sys.stderr)
        return 1
    RESULTS.mkdir(parents=True, exist_ok=True)
    try:
        program = mock.build(RESULTS)
        others = [install.peer(name) for name in asked.peers]
    except (mock.NoCompilerError, install.MissingError) as fault:
        print(fault, file=sys.stderr)
        return 1
    allow_many_sockets()
    os.sched_setaffinity(0, {CORES.load})
    if CORES.gateway == CORES.load:
        print("one core only: gateway and load share it, and the figures are worth less")
    begun, scale = time.monotonic(), QUICK if asked.quick else Scale()
    if asked.rounds is not None:
        scale = replace(scale, rounds=asked.rounds)
    wanted = asked.only or frozenset(QUICK_PARTS if asked.quick else PARTS)
    gc.freeze()
    gc.disable()
    with (
        tempfile.TemporaryDirectory(prefix="bench") as folder,
        mock.running(program, Path(folder)) as upstream,
    ):
        session = Session(upstream, Path(folder), scale, wanted, machine.tree(), _say)
        session.run(others)
    raw = {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "seconds": round(time.monotonic() - begun),
        "rounds": scale.rounds,
        "quick": asked.quick,
        **machine.described(),
        "gateways": {peer.name: {"version": peer.version, "note": peer.note} for peer in others},
        "records": session.records,
    }
    return _tell(raw, session.faults(OURS), asked.write)


def _tell(raw: dict[str, Any], faults: list[str], write: Path | None) -> int:
    """Print the tables and keep the raw data; return the exit code."""
    path = RESULTS / f"{raw['date'][:19].replace(':', '')}.json"
    path.write_text(report.packed(raw))
    text = report.text(raw)
    print(f"\n{text}\nraw data: {path}")
    if write is not None:
        for written in page.write(write, raw, text):
            print(f"written: {written}")
    for fault in faults:
        print(f"wrong answers: {fault}", file=sys.stderr)
    return 1 if faults else 0


def _say(line: str) -> None:
    print(line, flush=True)


def _asked(words: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m bench.run", description=__doc__.split("\n\n")[0])
    parser.add_argument("--quick", action="store_true", help="one short round: about a minute")
    parser.add_argument("--only", type=_parts, help=", ".join(PARTS))
    parser.add_argument("--rounds", type=int, help="how many, instead of three")
    parser.add_argument("--peers", type=str.split, default=[], help=" ".join(peers.PEERS))
    parser.add_argument("--write", type=Path, help="the folder with benchmarks.md")
    return parser.parse_args(words)


def _parts(text: str) -> frozenset[str]:
    found = frozenset(text.replace(",", " ").split())
    if unknown := sorted(found - set(PARTS)):
        raise argparse.ArgumentTypeError(f"no part is called {', '.join(unknown)}")
    return found


if __name__ == "__main__":
    sys.exit(main())
