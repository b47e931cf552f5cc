"""Tokens for an application's credentials, against a token endpoint on this machine."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest

from gateway.signing import SIGNED, signer
from providers import catalog
from providers.auth.azure import Application, EntraTokens, application
from providers.errors import ErrorKind, UpstreamError

TENANT = "11111111-2222-3333-4444-555555555555"


class Directory:
    """What the token endpoint was asked, and what it answers next."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, dict[str, list[str]]]] = []
        self.status = 200
        self.answer: Any = None
        self.url = ""

    def said(self) -> Any:
        if self.answer is not None:
            return self.answer
        if self.status != 200:
            return {"error": "invalid_client", "error_description": "secret words of client c1"}
        return {"token_type": "Bearer", "expires_in": 3599, "access_token": f"t{len(self.asked)}"}


@pytest.fixture
def directory(monkeypatch: pytest.MonkeyPatch) -> Iterator[Directory]:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    state = Directory()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            assert self.headers["content-type"] == "application/x-www-form-urlencoded"
            state.asked.append((self.path, parse_qs(body.decode())))
            said = state.said()
            raw = said if isinstance(said, bytes) else json.dumps(said).encode()
            self.send_response(state.status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(raw)))
            self.end_headers()
            self.wfile.write(raw)

        def log_message(self, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    state.url = f"http://127.0.0.1:{server.server_port}"
    yield state
    server.shutdown()
    server.server_close()
    thread.join()


def written(url: str, **more: str) -> str:
    # As the vendor's command line writes it.
    said = {"appId": "c1", "displayName": "x", "password": "s3cret", "tenant": TENANT}
    return json.dumps({**said, "activeDirectoryEndpointUrl": url, **more})


async def test_a_token_is_had_and_kept(directory: Directory, tmp_path: Path) -> None:
    file = tmp_path / "app.json"
    file.write_text(written(directory.url))
    tokens = EntraTokens(str(file))
    assert await tokens.headers() == {"authorization": "Bearer t1"}
    assert await tokens.sign("POST", "https://h/x", {}, b"") == {"authorization": "Bearer t1"}
    [(path, form)] = directory.asked
    assert path == f"/{TENANT}/oauth2/v2.0/token"
    assert form == {
        "grant_type": ["client_credentials"],
        "client_id": ["c1"],
        "client_secret": ["s3cret"],
        "scope": ["https://ai.azure.com/.default"],
    }


async def test_another_scope(directory: Directory) -> None:
    await EntraTokens(written(directory.url, scope="api://x/.default")).headers()
    assert directory.asked[0][1]["scope"] == ["api://x/.default"]


async def test_many_at_once_make_one_exchange(directory: Directory) -> None:
    tokens = EntraTokens(written(directory.url))
    found = await asyncio.gather(*[tokens.headers() for _ in range(20)])
    assert found == [{"authorization": "Bearer t1"}] * 20
    assert len(directory.asked) == 1


async def test_a_token_is_renewed_before_its_end_and_serves_to_it(directory: Directory) -> None:
    ahead = timedelta()
    tokens = EntraTokens(written(directory.url), lambda: datetime.now(UTC) + ahead)
    await tokens.headers()
    ahead = timedelta(minutes=57)
    assert await tokens.headers() == {"authorization": "Bearer t2"}
    directory.status = 503
    ahead = timedelta(minutes=114)
    assert await tokens.headers() == {"authorization": "Bearer t2"}, "it has minutes left"
    ahead = timedelta(minutes=120)
    with pytest.raises(UpstreamError) as caught:
        await tokens.headers()
    assert caught.value.kind is ErrorKind.CONNECT


async def test_a_refusal_says_its_code_and_no_more(directory: Directory) -> None:
    directory.status = 401
    with pytest.raises(UpstreamError) as caught:
        await EntraTokens(written(directory.url)).headers()
    assert caught.value.kind is ErrorKind.AUTH
    assert caught.value.message == "the credential was refused: invalid_client"
    assert caught.value.__cause__ is None
    directory.answer = b"<html>"
    with pytest.raises(UpstreamError, match="refused: HTTP 401"):
        await EntraTokens(written(directory.url)).headers()


@pytest.mark.parametrize(
    "answer",
    [{}, {"access_token": "t"}, {"access_token": "", "expires_in": 1}, {"expires_in": "x"}],
)
async def test_an_answer_without_a_token(directory: Directory, answer: dict[str, Any]) -> None:
    directory.answer = answer
    with pytest.raises(UpstreamError) as caught:
        await EntraTokens(written(directory.url)).headers()
    assert caught.value.kind is ErrorKind.MALFORMED


async def test_nobody_to_ask() -> None:
    with pytest.raises(UpstreamError) as caught:
        await EntraTokens(written("http://127.0.0.1:1")).headers()
    assert caught.value.kind is ErrorKind.CONNECT


@pytest.mark.parametrize(
    "text",
    [
        "no json",
        "[]",
        "{}",
        '{"tenant": "t", "clientSecret": "s3cret"}',
        '{"tenant": "t", "appId": {"a": 1}, "password": "s3cret"}',
        '{"tenant": "../evil", "appId": "c1", "password": "s3cret"}',
        written("http://directory.example"),
    ],
)
async def test_no_credential(text: str, tmp_path: Path) -> None:
    file = tmp_path / "app.json"
    file.write_text(text)
    for source in (str(file), str(tmp_path / "missing.json")):
        with pytest.raises(UpstreamError) as caught:
            await EntraTokens(source).headers()
        assert caught.value.kind is ErrorKind.AUTH
        assert "s3cret" not in str(caught.value)


async def test_the_environment(directory: Directory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_TENANT_ID", "example.org")
    monkeypatch.setenv("AZURE_CLIENT_ID", "c2")
    monkeypatch.delenv("AZURE_CLIENT_SECRET", raising=False)
    monkeypatch.setenv("AZURE_AUTHORITY_HOST", directory.url)
    with pytest.raises(UpstreamError, match="the environment lacks AZURE_CLIENT_SECRET"):
        await EntraTokens().headers()
    monkeypatch.setenv("AZURE_CLIENT_SECRET", "s")
    assert await EntraTokens().headers() == {"authorization": "Bearer t1"}
    assert directory.asked[0][0] == "/example.org/oauth2/v2.0/token"


def test_nothing_of_the_secret_is_shown() -> None:
    one = application(written("https://directory.example/"))
    assert one == Application("" + TENANT, "c1", "s3cret", "https://directory.example/")
    assert "s3cret" not in repr(one)


def test_a_host_says_that_it_takes_such_tokens() -> None:
    known = catalog.builtin()
    host = known.at("azure-foundry", "foundry-entra")
    assert host.auth_kind == "entra"
    assert "entra" in SIGNED
    found = signer("entra", host.endpoints["foundry-entra"], "app.json")
    assert isinstance(found, EntraTokens)
