"""Credentials that are made anew: a signature over each call, and a token that expires."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest

from tests.fakes import answers, spoken
from tests.fakes.answers import Behaviour
from tests.fakes.spoken import Said
from tests.fakes.upstream import Request, Upstream
from tests.running import Running, config, running

FACTS = {"operator": ["US"], "processed_in": ["US"], "trains_on_data": "never"}
PRICE = {"*": {"input": "1", "output": "1", "source": "test", "date": "2026-11-26"}}
HELLO = [{"role": "user", "content": "Hi"}]
MODEL = "eu.maker.some-model-v1:0"


def ask(gateway: Running, model: str, *, stream: bool = False) -> Any:
    body = {"model": model, "messages": HELLO, "stream": stream}
    return gateway.client.post("/v1/chat/completions", json=body)


@pytest.mark.parametrize("stream", [False, True])
def test_a_call_is_signed_over_its_own_bytes(
    tmp_path: Path, upstream: Upstream, monkeypatch: pytest.MonkeyPatch, stream: bool
) -> None:
    auth = pytest.importorskip("botocore.auth", reason="botocore (the extra `aws`) is not here")
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials

    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDCANARY")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret-canary")
    monkeypatch.delenv("AWS_SESSION_TOKEN", raising=False)
    path = config(
        tmp_path,
        providers={
            "bedrock": {
                "catalog": "amazon-bedrock",
                "base_url": upstream.url,
                "facts": FACTS,
                "prices": PRICE,
            }
        },
        models={"m": [f"bedrock/{MODEL}"]},
    )
    upstream.script(spoken.answer("converse", Said("Signed."), stream=stream))
    with running(path) as gateway:
        answer = ask(gateway, "m", stream=stream)
        assert answer.status_code == 200, answer.text
        region = gateway.setup.providers["bedrock"].at.region
    sent = upstream.requests[0]
    assert sent.target == f"/model/{MODEL.replace(':', '%3A')}/converse" + "-stream" * stream
    # What botocore itself makes of the same call at the same moment.
    again = AWSRequest("POST", upstream.url + sent.target, data=sent.body)
    again.headers["content-type"] = sent.headers["content-type"]
    again.context["timestamp"] = sent.headers["x-amz-date"]
    judge = auth.SigV4Auth(Credentials("AKIDCANARY", "secret-canary"), "bedrock", region)
    canonical = judge.canonical_request(_with_date(again, sent))
    signature = judge.signature(judge.string_to_sign(again, canonical), again)
    assert sent.headers["authorization"].endswith(f"Signature={signature}")
    assert "secret-canary" not in str(sent.header_lines)


def _with_date(request: Any, sent: Request) -> Any:
    request.headers["X-Amz-Date"] = sent.headers["x-amz-date"]
    return request


def test_a_token_is_fetched_once_and_sent(tmp_path: Path, upstream: Upstream) -> None:
    pytest.importorskip("google.auth", reason="google-auth (the extra `google`) is not here")
    rsa = pytest.importorskip("cryptography.hazmat.primitives.asymmetric.rsa")
    from cryptography.hazmat.primitives import serialization

    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode()
    account = {
        "type": "service_account",
        "client_email": "gateway@example.iam",
        "private_key": pem,
        "private_key_id": "k1",
        "token_uri": f"{upstream.url}/token",
    }
    file = tmp_path / "account.json"
    file.write_text(json.dumps(account))

    def token(request: Request) -> Behaviour:
        assert parse_qs(request.body.decode())["assertion"]
        return answers.json_body({"access_token": "ya29.canary", "expires_in": 3600})

    upstream.always("/token", token)
    base = "/v1/projects/p/locations/eu"
    upstream.always(
        f"{base}/publishers/google/models/gem:generateContent",
        spoken.answer("gemini", Said("Hello."), stream=False),
    )
    path = config(
        tmp_path,
        providers={
            "vertex": {
                "catalog": "google-vertex",
                "base_url": upstream.url + base,
                "credentials": file.name,
                "facts": FACTS,
                "prices": PRICE,
            }
        },
        models={"m": ["vertex/gem"]},
    )
    with running(path) as gateway:
        for _ in range(2):
            answer = ask(gateway, "m")
            assert answer.status_code == 200, answer.text
            assert answer.json()["choices"][0]["message"]["content"] == "Hello."
    calls = [request for request in upstream.requests if request.path != "/token"]
    assert len(upstream.requests) - len(calls) == 1
    assert {call.headers["authorization"] for call in calls} == {"Bearer ya29.canary"}


def test_a_refused_token_says_so_without_the_key(tmp_path: Path, upstream: Upstream) -> None:
    pytest.importorskip("google.auth", reason="google-auth (the extra `google`) is not here")
    file = tmp_path / "account.json"
    file.write_text(json.dumps({"type": "service_account", "private_key": "canary-key"}))
    path = config(
        tmp_path,
        providers={
            "vertex": {
                "catalog": "google-vertex",
                "base_url": f"{upstream.url}/v1/projects/p/locations/eu",
                "credentials": file.name,
                "facts": FACTS,
            }
        },
        models={"m": ["vertex/gem"]},
    )
    with running(path) as gateway:
        answer = ask(gateway, "m")
    assert answer.status_code == 502
    assert "vertex/gem" in answer.text
    assert "canary-key" not in answer.text
    assert not upstream.requests


def test_an_application_of_a_directory_gets_a_token(tmp_path: Path, upstream: Upstream) -> None:
    file = tmp_path / "app.json"
    said = {"tenant": "example.org", "appId": "c1", "password": "canary-secret"}
    file.write_text(json.dumps({**said, "activeDirectoryEndpointUrl": f"{upstream.url}/dir"}))
    upstream.always(
        "/dir/example.org/oauth2/v2.0/token",
        answers.json_body({"access_token": "eyJ.canary", "expires_in": 3599}),
    )
    upstream.always("/x/responses", spoken.answer("responses", Said("Hello."), stream=False))
    path = config(
        tmp_path,
        providers={
            "cloud": {
                "catalog": "azure-foundry",
                "endpoint": "foundry-entra",
                "base_url": f"{upstream.url}/x",
                "credentials": file.name,
                "facts": FACTS,
                "prices": PRICE,
            }
        },
        models={"m": ["cloud/gpt-5.6-luna"]},
    )
    with running(path) as gateway:
        for _ in range(2):
            asked = {"model": "m", "input": "Hi"}
            answer = gateway.client.post("/v1/responses", json=asked)
            assert answer.status_code == 200, answer.text
    tokens = [one for one in upstream.requests if one.path.startswith("/dir")]
    calls = [one for one in upstream.requests if one not in tokens]
    assert (len(tokens), len(calls)) == (1, 2)
    assert {call.headers["authorization"] for call in calls} == {"Bearer eyJ.canary"}
    assert "canary-secret" not in str([call.header_lines for call in calls])


def test_the_clock_of_a_signature_is_now(tmp_path: Path, upstream: Upstream) -> None:
    pytest.importorskip("botocore.auth", reason="botocore (the extra `aws`) is not here")
    from providers.auth.aws import AwsSigner, Keys

    signer = AwsSigner(region="eu-central-1", keys=Keys("a", "b"))

    async def date() -> str:
        headers = await signer.sign("POST", f"{upstream.url}/x", {}, b"{}")
        return {name.lower(): value for name, value in headers.items()}["x-amz-date"]

    import asyncio

    told = datetime.strptime(asyncio.run(date()), "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    assert abs(datetime.now(UTC) - told) < timedelta(minutes=1)
