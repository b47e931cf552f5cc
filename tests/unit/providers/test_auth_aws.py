"""Signatures of AWS: against the published vector, the written rule and the vendor's own client."""

from __future__ import annotations

import asyncio
import datetime
import hashlib
import hmac
import json
from pathlib import Path
from typing import Any

import pytest

from providers.auth.aws import INLINE_MAX_BYTES, AwsSigner, ExtraMissingError, Keys
from providers.errors import ErrorKind, UpstreamError

botocore_auth: Any = pytest.importorskip("botocore.auth", reason="botocore is not installed")

# The example keys of the vendor's documentation.
ACCESS, SECRET = "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
KEYS = Keys(ACCESS, SECRET)
NOW = datetime.datetime(2015, 8, 30, 12, 36, 0, tzinfo=datetime.UTC)
STAMP = "20150830T123600Z"
MODEL_URL = "https://bedrock-runtime.eu-west-1.amazonaws.com/model/eu.maker.model-v1%3A0/converse"
JSON = {"Content-Type": "application/json", "User-Agent": "x"}


@pytest.fixture(autouse=True)
def _then(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(botocore_auth, "get_current_datetime", lambda *_: NOW)


@pytest.fixture
def nowhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A machine without credentials; returns where its file of them would be."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    return tmp_path / "credentials"


def fill(path: Path, access: str) -> None:
    """Write a file of credentials for the profile ``work``."""
    path.write_text(f"[work]\naws_access_key_id={access}\naws_secret_access_key={SECRET}\n")


def signature(headers: dict[str, str]) -> str:
    return headers["Authorization"].rpartition("Signature=")[2]


def expected(path: str, host: str, region: str, body: bytes, token: str = "") -> str:
    """Return the signature by the rule as it is written, for a POST of JSON."""
    signed = {"content-type": "application/json", "host": host, "x-amz-date": STAMP}
    if token:
        signed["x-amz-security-token"] = token
    lines = "".join(f"{name}:{value}\n" for name, value in signed.items())
    names = ";".join(signed)
    digest = hashlib.sha256(body).hexdigest()
    canonical = "\n".join(["POST", path, "", lines, names, digest])
    scope = f"20150830/{region}/bedrock/aws4_request"
    hashed = hashlib.sha256(canonical.encode()).hexdigest()
    key = f"AWS4{SECRET}".encode()
    for part in ("20150830", region, "bedrock", "aws4_request"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    text = "\n".join(["AWS4-HMAC-SHA256", STAMP, scope, hashed])
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()


async def test_the_published_vector() -> None:
    """``get-vanilla`` of the vendor's test suite."""
    signer = AwsSigner(region="us-east-1", keys=KEYS, service="service")
    headers = await signer.sign("GET", "https://example.amazonaws.com/", {}, b"")
    assert headers == {
        "X-Amz-Date": STAMP,
        "Authorization": (
            f"AWS4-HMAC-SHA256 Credential={ACCESS}/20150830/us-east-1/service/aws4_request, "
            "SignedHeaders=host;x-amz-date, Signature="
            "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"
        ),
    }


@pytest.mark.parametrize("size", [2, INLINE_MAX_BYTES + 1])
async def test_an_encoded_path_is_encoded_once_more(size: int) -> None:
    body = b"x" * size
    headers = await AwsSigner(region="eu-west-1", keys=KEYS).sign("POST", MODEL_URL, JSON, body)
    host = "bedrock-runtime.eu-west-1.amazonaws.com"
    path = "/model/eu.maker.model-v1%253A0/converse"
    assert signature(headers) == expected(path, host, "eu-west-1", body)


async def test_a_token_is_sent_and_signed() -> None:
    keys = Keys(ACCESS, SECRET, "TOKEN")
    headers = await AwsSigner(region="eu-west-1", keys=keys).sign("POST", MODEL_URL, JSON, b"{}")
    host = "bedrock-runtime.eu-west-1.amazonaws.com"
    path = "/model/eu.maker.model-v1%253A0/converse"
    assert headers["X-Amz-Security-Token"] == "TOKEN"
    assert signature(headers) == expected(path, host, "eu-west-1", b"{}", "TOKEN")


@pytest.mark.parametrize(
    "model",
    [
        "maker.model-v1:0",
        "arn:aws:bedrock:eu-west-1:123456789012:inference-profile/eu.maker.m-v1:0",
    ],
)
@pytest.mark.parametrize("operation", ["converse", "converse_stream"])
async def test_the_vendors_own_client_signs_the_same(
    model: str, operation: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    session: Any = pytest.importorskip("botocore.session").Session()
    monkeypatch.setattr(
        pytest.importorskip("botocore.signers"),
        "get_current_datetime",
        lambda *_: NOW,
        raising=False,
    )
    client = session.create_client(
        "bedrock-runtime", region_name="eu-west-1", aws_access_key_id=ACCESS,
        aws_secret_access_key=SECRET,
    )  # fmt: skip
    sent: list[Any] = []

    def keep(request: Any, **_: Any) -> Any:
        sent.append(request)
        raise ConnectionError

    client.meta.events.register("before-send.bedrock-runtime", keep)
    messages = [{"role": "user", "content": [{"text": "hi"}]}]
    with pytest.raises(ConnectionError):
        getattr(client, operation)(modelId=model, messages=messages)
    request = sent[0]
    theirs = {name: _text(value) for name, value in request.headers.items()}
    assert theirs["X-Amz-Date"] == STAMP
    ours = await AwsSigner(region="eu-west-1", keys=KEYS).sign(
        "POST", request.url, theirs, request.body
    )
    assert ours["Authorization"] == theirs["Authorization"]


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


async def test_the_machines_own_credentials_are_read(nowhere: Path) -> None:
    fill(nowhere, ACCESS)
    signer = AwsSigner(region="eu-west-1", profile="work")
    fixed = AwsSigner(region="eu-west-1", keys=KEYS)
    assert await signer.sign("POST", MODEL_URL, JSON, b"{}") == await fixed.sign(
        "POST", MODEL_URL, JSON, b"{}"
    )
    fill(nowhere, "OTHER")
    assert ACCESS in (await signer.sign("POST", MODEL_URL, JSON, b""))["Authorization"]
    signer.forget()
    assert "OTHER" in (await signer.sign("POST", MODEL_URL, JSON, b""))["Authorization"]


async def test_credentials_that_end_are_refreshed_once(
    monkeypatch: pytest.MonkeyPatch, nowhere: Path
) -> None:
    credentials: Any = pytest.importorskip("botocore.credentials")
    session: Any = pytest.importorskip("botocore.session")
    asked: list[int] = []

    def fetch() -> dict[str, str]:
        asked.append(1)
        until = datetime.datetime.now(datetime.UTC) + datetime.timedelta(hours=1)
        return {
            "access_key": f"KEY{len(asked)}", "secret_key": SECRET, "token": "T",
            "expiry_time": until.isoformat(),
        }  # fmt: skip

    found = credentials.DeferredRefreshableCredentials(fetch, "test")
    monkeypatch.setattr(session.Session, "get_credentials", lambda _: found)
    signer = AwsSigner(region="eu-west-1")
    calls = [signer.sign("POST", MODEL_URL, JSON, b"") for _ in range(5)]
    signed = await asyncio.gather(*calls)
    assert len(asked) == 1
    assert all("KEY1" in one["Authorization"] for one in signed)
    found._expiry_time = datetime.datetime.now(datetime.UTC)
    assert "KEY2" in (await signer.sign("POST", MODEL_URL, JSON, b""))["Authorization"]


async def test_no_credentials_is_an_error_of_auth(nowhere: Path) -> None:
    with pytest.raises(UpstreamError, match="no AWS credentials: none are configured") as fault:
        await AwsSigner(region="eu-west-1").sign("POST", MODEL_URL, JSON, b"")
    assert fault.value.kind is ErrorKind.AUTH


def test_what_was_read_is_not_told(nowhere: Path) -> None:
    nowhere.write_text("[work]\naws_access_key_id=AKIASECRET\n")
    signer = AwsSigner(region="eu-west-1", profile="work")
    with pytest.raises(UpstreamError) as fault:
        asyncio.run(signer.sign("POST", MODEL_URL, JSON, b""))
    assert fault.value.kind is ErrorKind.AUTH
    assert "AKIASECRET" not in fault.value.message


def test_nothing_shows_the_keys() -> None:
    shown = json.dumps([repr(KEYS), repr(AwsSigner(region="eu-west-1", keys=KEYS))])
    assert ACCESS not in shown
    assert SECRET not in shown


def test_without_the_extra_it_is_said_which(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> Any:
        raise ImportError(name)

    monkeypatch.setattr("importlib.import_module", absent)
    with pytest.raises(ExtraMissingError, match="botocore"):
        AwsSigner(region="eu-west-1", keys=KEYS)
