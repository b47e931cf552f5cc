"""The guard over a whole process, each in a network of its own, under both event loops.

A hook of the interpreter cannot be taken away again, so each test has a process.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.exchange import enclosed

GUARDED = """
import asyncio, urllib.request, uvloop
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from providers.client import Client, target
from providers.errors import UpstreamError
from providers.guard import Allowed, EgressRefusedError, Guard

class Host(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_POST(self):
        self.rfile.read(int(self.headers.get("content-length", 0)))
        self.send_response(200)
        self.send_header("content-length", "2")
        self.end_headers()
        self.wfile.write(b"{}")
    do_GET = do_POST
    def log_message(self, *_):
        pass

def host(address):
    server = ThreadingHTTPServer((address, 0), Host)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server.server_port

away = host("198.51.100.7")
here = host("127.0.0.1")
refused = []
guard = Guard(Allowed(frozenset({("away.example.com", away), ("trap.example.com", 80)})), refused.append)

def said(act):
    try:
        act()
    except OSError as fault:
        inner = getattr(fault, "reason", fault)
        return "refused" if isinstance(inner, EgressRefusedError) else f"{fault!r}"
    return "good"

def run(main):
    loop = uvloop.new_event_loop if sys.argv[2] == "uvloop" else asyncio.new_event_loop
    with asyncio.Runner(loop_factory=loop) as runner:
        return runner.run(main)

async def asked(client, url):
    try:
        answer = await client.post(target(url, {}), b"{}", {})
        await answer.read(99)
        return str(answer.status)
    except UpstreamError as fault:
        return f"{fault.kind}: {fault.message}"
"""

both_loops = pytest.mark.parametrize("loop", ["uvloop", "asyncio"])
both_clients = pytest.mark.parametrize("kind", ["own", "aiohttp"])


@both_loops
def test_a_library_that_phones_home_is_refused_and_nothing_leaves(
    tmp_path: Path, loop: str
) -> None:
    found = enclosed.run(
        tmp_path,
        GUARDED
        + """
def opened(url):
    return lambda: urllib.request.urlopen(url, timeout=2).read()

def datagram():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sending:
        sending.sendto(b"x", ("203.0.113.9", 53))

def unix():
    one, other = socket.socketpair()
    with one, other, socket.socket(socket.AF_UNIX) as listening, socket.socket(socket.AF_UNIX) as asking:
        listening.bind(str(folder / "s"))
        listening.listen()
        asking.connect(str(folder / "s"))

guard.watch_process()

async def main():
    acts = {
        "unlisted name": opened("http://telemetry.example.com/"),
        "unlisted address": opened("http://203.0.113.9/"),
        "listed name": opened(f"http://away.example.com:{away}/"),
        "listed name, other port": opened("http://away.example.com:9/"),
        "trap": opened("http://trap.example.com/"),
        "here": opened(f"http://127.0.0.1:{here}/"),
        "datagram": datagram,
        "unix": unix,
    }
    return {name: await asyncio.to_thread(said, act) for name, act in acts.items()}

told = run(main())
print(json.dumps({"told": told, "sent": sent(), "refused": refused}))
""",
        loop,
    )
    good = {"listed name", "here", "unix"}
    assert found["told"] == {name: "good" if name in good else "refused" for name in found["told"]}
    assert found["sent"] == 0
    assert set(found["refused"]) == {
        "telemetry.example.com", enclosed.NOWHERE, "away.example.com", "169.254.169.254",
    }  # fmt: skip


@both_loops
@both_clients
def test_the_client_reaches_what_is_listed_and_says_what_is_not(
    tmp_path: Path, loop: str, kind: str
) -> None:
    found = enclosed.run(
        tmp_path,
        GUARDED
        + """
guard.watch_process()

async def main():
    client = Client(connect_s=2, connections_per_host=4, kind=sys.argv[3])
    urls = [f"http://away.example.com:{away}/", f"http://198.51.100.7:{away}/",
            "http://nobody.example.com/", "http://trap.example.com/", f"http://127.0.0.1:{here}/",
            f"http://localhost:{here}/"]
    try:
        return [await asked(client, url) for url in urls]
    finally:
        await client.close()

print(json.dumps({"told": run(main()), "sent": sent(), "away": away}))
""",
        loop,
        kind,
    )
    listed, address, unknown, trap, here, local = found["told"]
    assert (listed, here, local) == ("200", "200", "200")
    on = "is not on this gateway's egress list; `entrepot egress` shows it"
    assert address == f"connect: 198.51.100.7:{found['away']} {on}"
    assert unknown == f"connect: nobody.example.com:80 {on}"
    assert trap.startswith("connect: trap.example.com leads to 169.254.169.254, where clouds hand")
    assert found["sent"] == 0


@both_loops
@both_clients
def test_an_open_connection_and_a_proxy_are_no_way_around(
    tmp_path: Path, loop: str, kind: str
) -> None:
    found = enclosed.run(
        tmp_path,
        GUARDED
        + """
os.environ["http_proxy"] = f"http://away.example.com:{away}"
guard.watch_process()

async def main():
    client = Client(connect_s=2, connections_per_host=4, kind=sys.argv[3])
    url = f"http://behind.example.com/"
    listed = {("away.example.com", away), ("behind.example.com", 80)}
    told = []
    try:
        # Through the proxy its name is never looked up here: the fake proxy answers itself.
        for places in (listed, listed - {("behind.example.com", 80)}, listed):
            guard.allow(Allowed(frozenset(places)))
            told.append(await asked(client, url))
        # Without it, on a connection that is open.
        del os.environ["http_proxy"]
        for places in (listed, {("behind.example.com", 80)}, listed):
            guard.allow(Allowed(frozenset(places)))
            told.append(await asked(client, f"http://away.example.com:{away}/"))
    finally:
        await client.close()
    return told

print(json.dumps(run(main())))
""",
        loop,
        kind,
    )
    assert [one.partition(" ")[0] for one in found] == ["200", "connect:", "200"] * 2


def test_an_edit_of_the_config_widens_and_narrows_the_list(tmp_path: Path) -> None:
    found = enclosed.run(
        tmp_path,
        GUARDED
        + """
import yaml
from gateway import egress
from gateway.app import opened
from gateway.config_file import read
from gateway.setup import compile_setup
from tests.running import config

def others(port):
    facts = {"operator": ["FR"], "processed_in": ["FR"]}
    url = f"http://away.example.com:{port}/v1"
    return {"catalog": "openai", "base_url": url, "api_key": "sk-x", "facts": facts}

def write(**providers):
    return config(folder, providers=providers)

def reaches():
    return said(lambda: socket.create_connection(("away.example.com", away), 2).close())

async def until(app, holds):
    for _ in range(1000):
        if holds():
            return
        await asyncio.sleep(0.02)
    raise AssertionError(app.house.reload_problem)

async def main():
    path = write(one=others(9))
    setup = compile_setup(read(path, {}))
    guard.allow(egress.allowed(setup, {}))
    guard.watch_process()
    told = []
    async with opened(path, setup, lambda: {}, guard=guard) as app:
        await asyncio.sleep(0)  # the watching of the file begins
        told.append(reaches())
        for providers in ({"one": others(9), "two": others(away)}, {"one": others(9)}):
            before = app.house.setup
            write(**providers)
            await until(app, lambda: app.house.setup is not before)
            told.append(reaches())
        await asyncio.sleep(0.1)
        return told, app.house.metrics.text().decode()

told, metrics = run(main())
lines = [line for line in metrics.splitlines() if line.startswith("entrepot_egress_refused_total")]
print(json.dumps({"told": told, "metric": lines}))
""",
        "uvloop",
    )
    assert found["told"] == ["refused", "good", "refused"]
    assert found["metric"] == ['entrepot_egress_refused_total{host="away.example.com"} 2.0']
