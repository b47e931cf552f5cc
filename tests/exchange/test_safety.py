"""Keys stay where they belong, nothing phones home, and a full disk loses nothing in silence."""

from __future__ import annotations

import errno
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.exchange.conftest import House, providers
from tests.fakes import answers
from tests.fakes.upstream import Upstream
from tests.running import config, running

CANARIES = ("sk-canary-one", "sk-canary-two", "ek_canary_client", "canary-prompt", "canary-answer")


def test_no_field_of_a_request_moves_the_call_or_the_credential(house: House) -> None:
    with Upstream() as thief:
        answer = house.gateway.chat(
            headers={"x-api-base": thief.base_url, "x-portkey-custom-host": thief.base_url,
                     "x-forwarded-host": "evil.example", "openai-organization": "x"},
            api_base=thief.base_url, base_url=thief.base_url, api_key="sk-client",
            provider={"order": ["evil"]}, extra_headers={"authorization": "Bearer x"},
        )  # fmt: skip
        assert answer.status_code == 200
        assert not thief.requests
    sent = house.first.requests[0]
    assert sent.headers["authorization"] == "Bearer sk-canary-one"
    assert sent.headers["host"] == house.first.url.removeprefix("http://")
    for name in ("x-api-base", "x-forwarded-host", "openai-organization", "cookie"):
        assert name not in sent.headers
    for model in ("http://evil.example/m", "../m", "one@evil/m", "one/../../admin"):
        house.gateway.chat(model=model)
    assert {request.path for request in house.first.requests} == {"/v1/chat/completions"}


def test_client_headers_pass_only_where_the_config_lists_them(build: Callable[..., House]) -> None:
    def listed(first: Upstream, second: Upstream) -> dict[str, Any]:
        both = providers(first, second)
        both["one"]["forward"] = ["X-Trace-Id"]
        return both

    house = build(providers=listed)
    house.gateway.chat(headers={"x-trace-id": "t1", "x-other": "o", "cookie": "c=1"})
    sent = house.first.requests[0].headers
    assert sent["x-trace-id"] == "t1"
    assert "x-other" not in sent
    assert "cookie" not in sent


def test_canaries_appear_nowhere(
    build: Callable[..., House], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    house = build()
    prompt = [{"role": "user", "content": "canary-prompt"}]
    headers = {"authorization": "Bearer ek_canary_client"}
    leak = "Incorrect API key provided: sk-canary-one"
    house.first.script(
        answers.chat("canary-answer"), answers.error(401, leak), answers.error(401, leak)
    )
    house.second.script(answers.error(401, "bad key sk-canary-two", code="invalid_api_key"))
    texts = [house.gateway.chat(headers=headers, messages=prompt).headers.__repr__()]
    for _ in range(2):
        answer = house.gateway.chat(headers=headers, messages=prompt)
        texts += [answer.text, repr(answer.headers)]
    house.gateway.entries(5)
    texts.append(house.gateway.client.get("/metrics").text)
    house.gateway.close()
    texts += capfd.readouterr()
    for path in tmp_path.rglob("*"):
        if path.is_file() and path.name != "config.yaml":
            texts.append(path.read_bytes().decode("latin-1"))
    for text in texts:
        for canary in CANARIES:
            assert canary not in text


def test_a_disk_that_is_full_is_said_and_loses_nothing(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, full = os.write, True

    def write(fd: int, data: bytes) -> int:
        if full and b'"attempt_id"' in data:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return real(fd, data)

    monkeypatch.setattr(os, "write", write)
    paid = house.gateway.chat()
    assert paid.status_code == 200, "what was paid for is given"
    refused = house.gateway.chat()
    assert (refused.status_code, refused.json()["error"]["code"]) == (503, "ledger_unavailable")
    assert house.gateway.client.get("/readyz").status_code == 503
    full = False
    assert house.gateway.chat().status_code == 200
    assert house.gateway.client.get("/readyz").status_code == 200
    ids = {entry["request_id"] for entry in house.gateway.entries(2)}
    assert paid.headers["x-entrepot-request-id"] in ids


def test_only_configured_hosts_are_ever_contacted(
    tmp_path: Path, upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []
    real = socket.socket.connect

    def connect(self: socket.socket, address: Any) -> Any:
        asked.append(address)
        return real(self, address)

    real_lookup = socket.getaddrinfo

    def lookup(host: Any, *more: Any, **options: Any) -> Any:
        assert host in ("127.0.0.1", "localhost", None), f"{host} was looked up"
        return real_lookup(host, *more, **options)

    monkeypatch.setattr(socket.socket, "connect", connect)
    monkeypatch.setattr(socket, "getaddrinfo", lookup)
    only = {"one": providers(upstream, upstream)["one"]}
    path = config(tmp_path, providers=only, models={"assistant": ["one/m"]})
    with running(path) as gateway:
        assert gateway.chat().status_code == 200
    assert {address[:2] for address in asked if isinstance(address, tuple)} <= {
        ("127.0.0.1", upstream.port),
        ("127.0.0.1", int(gateway.url.rpartition(":")[2])),
    }


@pytest.mark.skipif(not Path("/proc/self/ns/net").exists(), reason="needs network namespaces")
def test_it_starts_and_answers_in_a_network_namespace_without_any_network(tmp_path: Path) -> None:
    script = tmp_path / "inside.py"
    script.write_text(
        "import sys; sys.path.insert(0, '.')\n"
        "from pathlib import Path\n"
        "from tests.fakes.upstream import Upstream\n"
        "from tests.running import config, running\n"
        "from tests.exchange.conftest import providers\n"
        "folder = Path(sys.argv[1])\n"
        "with Upstream() as host:\n"
        "    one = {'one': providers(host, host)['one']}\n"
        "    with running(config(folder, providers=one, models={'assistant': ['one/m']})) as gateway:\n"
        "        print(gateway.chat().status_code)\n"
    )
    inside = ["unshare", "--net", "--map-root-user", "sh", "-c", 'ip link set lo up && exec "$@"', "-",
              sys.executable, str(script), str(tmp_path)]  # fmt: skip
    try:
        done = subprocess.run(inside, capture_output=True, text=True, timeout=60)
    except FileNotFoundError:
        pytest.skip("unshare is not installed")
    if "unshare" in done.stderr or "ip: not found" in done.stderr:
        pytest.skip(f"no network namespace can be made here: {done.stderr.strip()}")
    assert done.stdout.strip() == "200", done.stderr


def test_nothing_in_the_repository_checks_a_licence() -> None:
    root = Path(__file__).parents[2]
    for package in ("providers", "billing", "routing", "gateway"):
        for path in (root / package).rglob("*.py"):
            text = path.read_text().lower()
            assert "license_key" not in text
            assert "enterprise" not in text
