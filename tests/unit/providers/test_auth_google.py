"""Tokens from a service account's key, against a token endpoint on this machine."""

from __future__ import annotations

import asyncio
import base64
import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest

from providers.auth.google import GoogleTokens
from providers.errors import ErrorKind, UpstreamError

pytest.importorskip("google.auth", reason="google-auth is not installed")
serialization = pytest.importorskip("cryptography.hazmat.primitives.serialization")
rsa = pytest.importorskip("cryptography.hazmat.primitives.asymmetric.rsa")


@pytest.fixture(scope="module")
def private_key() -> str:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return str(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        ).decode()
    )


class Endpoint:
    """What the token endpoint was asked, and what it answers next."""

    def __init__(self) -> None:
        self.asked: list[dict[str, list[str]]] = []
        self.status = 200
        self.url = ""

    def answer(self) -> dict[str, Any]:
        if self.status != 200:
            return {"error": "invalid_grant", "error_description": "Invalid JWT: secret words"}
        return {"access_token": f"token-{len(self.asked)}", "expires_in": 3600}


@pytest.fixture
def endpoint(monkeypatch: pytest.MonkeyPatch) -> Iterator[Endpoint]:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    state = Endpoint()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            state.asked.append(parse_qs(body.decode()))
            raw = json.dumps(state.answer()).encode()
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
    state.url = f"http://127.0.0.1:{server.server_port}/token"
    yield state
    server.shutdown()
    server.server_close()
    thread.join()


def account(private_key: str, url: str) -> str:
    return json.dumps(
        {
            "type": "service_account",
            "project_id": "p",
            "private_key_id": "k1",
            "private_key": private_key,
            "client_email": "robot@example.com",
            "client_id": "1",
            "token_uri": url,
        }
    )


async def test_a_token_is_had_and_kept(
    endpoint: Endpoint, private_key: str, tmp_path: Path
) -> None:
    file = tmp_path / "key.json"
    file.write_text(account(private_key, endpoint.url))
    tokens = GoogleTokens(str(file))
    assert await tokens.headers() == {"authorization": "Bearer token-1"}
    assert await tokens.headers() == {"authorization": "Bearer token-1"}
    assert len(endpoint.asked) == 1
    claims = endpoint.asked[0]["assertion"][0].split(".")[1]
    said = json.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))
    assert said["iss"] == "robot@example.com"
    assert said["scope"] == "https://www.googleapis.com/auth/cloud-platform"


async def test_many_at_once_make_one_exchange(endpoint: Endpoint, private_key: str) -> None:
    tokens = GoogleTokens(account(private_key, endpoint.url))
    found = await asyncio.gather(*[tokens.headers() for _ in range(20)])
    assert found == [{"authorization": "Bearer token-1"}] * 20
    assert len(endpoint.asked) == 1


async def test_a_token_is_renewed_before_its_end_and_serves_to_it(
    endpoint: Endpoint, private_key: str
) -> None:
    ahead = timedelta()
    tokens = GoogleTokens(account(private_key, endpoint.url), lambda: datetime.now(UTC) + ahead)
    await tokens.headers()
    ahead = timedelta(minutes=57)
    assert await tokens.headers() == {"authorization": "Bearer token-2"}
    endpoint.status = 400
    # The second is an hour old from now on; renewal fails but it has minutes left.
    assert await tokens.headers() == {"authorization": "Bearer token-2"}
    ahead = timedelta(minutes=70)
    with pytest.raises(UpstreamError):
        await tokens.headers()


async def test_a_refusal_says_its_code_and_no_more(endpoint: Endpoint, private_key: str) -> None:
    endpoint.status = 400
    with pytest.raises(UpstreamError) as caught:
        await GoogleTokens(account(private_key, endpoint.url)).headers()
    assert caught.value.kind is ErrorKind.AUTH
    assert caught.value.message == "the credential was refused: invalid_grant"
    assert caught.value.__cause__ is None


async def test_nobody_to_ask(private_key: str) -> None:
    with pytest.raises(UpstreamError) as caught:
        await GoogleTokens(account(private_key, "http://127.0.0.1:1/token")).headers()
    assert caught.value.kind is ErrorKind.CONNECT


@pytest.mark.parametrize(
    "text",
    [
        "no json",
        "[]",
        "{}",
        '{"type": "service_account", "private_key": "-----SECRET-----"}',
        '{"type": "external_account", "credential_source": {"executable": {"command": "rm"}}}',
    ],
)
async def test_no_credential(text: str, tmp_path: Path) -> None:
    file = tmp_path / "key.json"
    file.write_text(text)
    for source in (str(file), str(tmp_path / "missing.json")):
        with pytest.raises(UpstreamError) as caught:
            await GoogleTokens(source).headers()
        assert caught.value.kind is ErrorKind.AUTH
        assert "SECRET" not in str(caught.value)


async def test_application_default_credentials(
    endpoint: Endpoint, private_key: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "key.json"
    file.write_text(account(private_key, endpoint.url))
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(file))
    assert await GoogleTokens().headers() == {"authorization": "Bearer token-1"}
