"""Runs a script in a network of its own, in which every packet that leaves can be counted.

The network has a loopback and one wire, ``v0``, with a default route over it that leads nowhere:
whatever is sent to another machine is counted there. 198.51.100.7 (a documentation address, so
public) is an address of this network, where a script may listen as a host elsewhere would.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
ELSEWHERE = "198.51.100.7"
NOWHERE = "203.0.113.9"  # on the wire, where nobody answers
SET_UP = """
set -e
mount --bind "$1" /etc/hosts
sysctl -qw net.ipv6.conf.all.disable_ipv6=1
ip link set lo up
ip addr add 198.51.100.7/32 dev lo
ip link add v0 type veth peer name v1
ip addr add 10.9.9.1/24 dev v0
ip link set v0 up
ip link set v1 up
ip route add default dev v0
echo enclosed >&2
shift
exec "$@"
"""
HOSTS = f"""127.0.0.1 localhost
{ELSEWHERE} away.example.com box.lan
10.9.9.1 near.example.com
169.254.169.254 trap.example.com
"""
# What every script may use.
BEGINNING = """
import json, os, socket, subprocess, sys, threading, time
sys.path.insert(0, os.getcwd())
from pathlib import Path

folder = Path(sys.argv[1])

def sent():
    line = next(l for l in Path("/proc/net/dev").read_text().splitlines() if "v0:" in l)
    return int(line.split()[10])

seen = set()

def look():
    # Every socket of this network, whosever it is: its remote address, in hexadecimal.
    while True:
        for kind in ("tcp", "udp"):
            for line in Path(f"/proc/net/{kind}").read_text().splitlines()[1:]:
                remote = bytes.fromhex(line.split()[2].split(":")[0])[::-1]
                seen.add(".".join(map(str, remote)))
        time.sleep(0.005)

threading.Thread(target=look, daemon=True).start()

def elsewhere():
    return sorted(one for one in seen if not one.startswith("127.") and one != "0.0.0.0")
"""


def run(folder: Path, script: str, *arguments: str) -> Any:
    """Run ``script`` and return what it prints last, one JSON document. Skips where none can be."""
    if not Path("/proc/self/ns/net").exists():
        pytest.skip("needs network namespaces")
    (folder / "hosts").write_text(HOSTS)
    (folder / "inside.py").write_text(BEGINNING + script)
    inside = ["unshare", "--net", "--mount", "--map-root-user", "sh", "-c", SET_UP, "-",
              str(folder / "hosts"), sys.executable, str(folder / "inside.py"), str(folder),
              *arguments]  # fmt: skip
    try:
        done = subprocess.run(inside, capture_output=True, text=True, timeout=100, cwd=ROOT)
    except FileNotFoundError:
        pytest.skip("unshare is not installed")
    if "enclosed" not in done.stderr:
        pytest.skip(f"no such network can be made here: {done.stderr.strip()}")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])
