"""What the clouds' own libraries ask for a credential is on the list; nothing else is tried."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.exchange import enclosed

ASKED = """
import asyncio
from providers.auth.asked import asked_at
from providers.errors import UpstreamError
from providers.guard import Allowed, Guard, place_of

refused, known = set(), os.environ.copy()
kind, credentials = sys.argv[2], sys.argv[3] or None
listed = {place_of(url) for url in asked_at(kind, "eu-central-1", credentials, known)}
# With nothing allowed, every host that the library tries is refused, and so told.
Guard(Allowed(frozenset()), refused.add).watch_process()

if kind == "aws":
    from providers.auth.aws import AwsSigner
    signer = AwsSigner(region="eu-central-1", profile=credentials or "")
else:
    from providers.auth.google import GoogleTokens
    signer = GoogleTokens(credentials or "")
try:
    asyncio.run(signer.sign("POST", "https://x.example.com", {}, b""))
except UpstreamError:
    pass
print(json.dumps({"tried": sorted(refused), "listed": sorted(host for host, _ in listed)}))
"""
ROLE = "arn:aws:iam::123456789012:role/gateway"


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine without credentials but for what a test gives it."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_PROFILE", "GOOGLE_APPLICATION_CREDENTIALS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "aws"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path / "gcloud"))
    (tmp_path / "token").write_text("a token of four signs or more")
    return tmp_path


@pytest.mark.parametrize(
    ("given", "host"),
    [
        ({"AWS_ROLE_ARN": ROLE, "AWS_WEB_IDENTITY_TOKEN_FILE": "token"}, "sts.amazonaws.com"),
        (
            {"AWS_ROLE_ARN": ROLE, "AWS_WEB_IDENTITY_TOKEN_FILE": "token",
             "AWS_DEFAULT_REGION": "eu-west-3"},
            "sts.eu-west-3.amazonaws.com",
        ),
        ({"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "/x"}, "169.254.170.2"),
        ({}, "169.254.169.254"),
    ],
)  # fmt: skip
def test_where_the_signing_library_asks(
    machine: Path, monkeypatch: pytest.MonkeyPatch, given: dict[str, str], host: str
) -> None:
    pytest.importorskip("botocore", reason="botocore is not installed")
    for name, value in given.items():
        monkeypatch.setenv(name, str(machine / value) if value == "token" else value)
    found = enclosed.run(machine, ASKED, "aws", "")
    assert host in found["tried"]
    assert set(found["tried"]) <= set(found["listed"])


def test_where_the_token_library_asks(machine: Path) -> None:
    pytest.importorskip("google.auth", reason="google-auth is not installed")
    user = {"type": "authorized_user", "client_id": "c", "client_secret": "s", "refresh_token": "r"}
    found = enclosed.run(machine, ASKED, "google", json.dumps(user))
    assert found["tried"] == ["oauth2.googleapis.com"]
    assert set(found["tried"]) <= set(found["listed"])
    found = enclosed.run(machine, ASKED, "google", "")
    assert found["tried"]
    assert set(found["tried"]) <= set(found["listed"])
