"""The way to a host: proxies of the environment, certificates that are checked, PostgreSQL behind."""

from __future__ import annotations

import shutil
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.exchange.conftest import House, providers
from tests.fakes.upstream import Upstream
from tests.running import config, running


def test_a_proxy_of_the_environment_is_used_but_not_for_this_machine_nor_no_proxy(
    tmp_path: Path, upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Upstream() as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        monkeypatch.setenv("http_proxy", proxy.url)
        monkeypatch.setenv("NO_PROXY", "direct.example")
        monkeypatch.setenv("no_proxy", "direct.example")
        both = providers(upstream, upstream)
        both["two"]["base_url"] = "http://models.example/v1"
        both["three"] = {**both["two"], "base_url": "http://direct.example/v1"}
        models = {"direct": ["one/m"], "proxied": ["two/m"], "bypassed": ["three/m"]}
        with running(config(tmp_path, providers=both, models=models)) as gateway:
            assert gateway.chat(model="direct").status_code == 200
            assert not proxy.requests
            assert gateway.chat(model="proxied").status_code == 200
            assert gateway.chat(model="bypassed").status_code == 502, "there is no such host"
        assert len(proxy.requests) == 1
        assert proxy.requests[0].target == "http://models.example/v1/chat/completions"


class _Never(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        self.server.asked.append(dict(self.headers))  # type: ignore[attr-defined]


@pytest.fixture
def self_signed(tmp_path: Path) -> Iterator[HTTPServer]:
    """An HTTPS server whose certificate nobody vouches for."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed to make a certificate with")
    key, certificate = tmp_path / "key.pem", tmp_path / "cert.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj",
         "/CN=localhost", "-keyout", str(key), "-out", str(certificate)],
        check=True, capture_output=True,
    )  # fmt: skip
    server = HTTPServer(("127.0.0.1", 0), _Never)
    server.asked = []  # type: ignore[attr-defined]
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    server.handle_error = lambda *_: None  # type: ignore[method-assign]
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_certificate_that_nobody_vouches_for_gets_no_credential(
    build: Callable[..., House], self_signed: HTTPServer
) -> None:
    def tls(first: Upstream, second: Upstream) -> dict[str, Any]:
        one = providers(first, second)["one"]
        return {"one": {**one, "base_url": f"https://127.0.0.1:{self_signed.server_port}/v1"}}

    house = build(providers=tls, models={"assistant": ["one/m"]})
    answer = house.gateway.chat()
    assert answer.status_code == 502
    assert "TLS" in answer.json()["error"]["message"]
    assert not self_signed.asked  # type: ignore[attr-defined]


def test_the_ledger_in_either_database(build: Callable[..., House], empty_url: str) -> None:
    house = build(ledger=empty_url)
    assert house.gateway.chat().status_code == 200
    assert house.gateway.chat(stream=True).status_code == 200
    assert [entry["outcome"] for entry in house.gateway.entries(2)] == ["completed"] * 2
