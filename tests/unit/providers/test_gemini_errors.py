"""The Gemini wire's errors, read and written."""

from __future__ import annotations

import json
from typing import Any

import pytest

from providers.dialect import Dialect
from providers.errors import ErrorKind
from providers.wires.gemini import WIRE

assert WIRE.client is not None
RPC = "type.googleapis.com/google.rpc."


def error(status: int, word: str, message: str = "m", *details: dict[str, Any]) -> dict[str, Any]:
    return {"error": {"code": status, "status": word, "message": message, "details": list(details)}}


def info(reason: str) -> dict[str, Any]:
    return {"@type": RPC + "ErrorInfo", "reason": reason}


def quota(name: str) -> dict[str, Any]:
    return {"@type": RPC + "QuotaFailure", "violations": [{"quotaId": name}]}


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (error(400, "INVALID_ARGUMENT", "API key not valid. Please pass …"), ErrorKind.AUTH),
        (error(400, "INVALID_ARGUMENT", "m", info("API_KEY_INVALID")), ErrorKind.AUTH),
        (error(400, "INVALID_ARGUMENT"), ErrorKind.BAD_REQUEST),
        (
            error(400, "INVALID_ARGUMENT", "The input token count (134123) exceeds the maximum "
                  "number of tokens allowed (131072)."),
            ErrorKind.CONTEXT_TOO_LONG,
        ),
        (
            error(400, "INVALID_ARGUMENT", "Function call is missing a thought_signature in …"),
            ErrorKind.OPAQUE_STATE,
        ),
        (error(401, "UNAUTHENTICATED"), ErrorKind.AUTH),
        (error(403, "PERMISSION_DENIED"), ErrorKind.FORBIDDEN),
        (error(403, "PERMISSION_DENIED", "Method doesn't allow unregistered callers"), ErrorKind.AUTH),
        (error(403, "PERMISSION_DENIED", "m", info("BILLING_DISABLED")), ErrorKind.QUOTA),
        (error(404, "NOT_FOUND"), ErrorKind.NOT_FOUND),
        (error(429, "RESOURCE_EXHAUSTED"), ErrorKind.RATE_LIMITED),
        (error(429, "RESOURCE_EXHAUSTED", "m", quota("RequestsPerMinutePerModel")), ErrorKind.RATE_LIMITED),
        (error(429, "RESOURCE_EXHAUSTED", "m", quota("RequestsPerDayPerModel")), ErrorKind.QUOTA),
        (error(429, "RESOURCE_EXHAUSTED", "m", info("MODEL_CAPACITY_EXHAUSTED")), ErrorKind.OVERLOADED),
        (error(500, "INTERNAL"), ErrorKind.SERVER),
        (error(503, "UNAVAILABLE"), ErrorKind.OVERLOADED),
        (error(504, "DEADLINE_EXCEEDED"), ErrorKind.TIMEOUT),
        ([error(429, "RESOURCE_EXHAUSTED")], ErrorKind.RATE_LIMITED),
    ],
)  # fmt: skip
def test_kinds(body: Any, kind: ErrorKind) -> None:
    inner = body[0] if isinstance(body, list) else body
    status = inner["error"]["code"]
    fault = WIRE.host.read_error(status, {}, json.dumps(body).encode(), Dialect())
    assert (fault.kind, fault.status) == (kind, status)
    assert fault.body is not None
    assert json.loads(fault.body) == inner


def test_the_wait_that_is_asked_for() -> None:
    body = error(
        429, "RESOURCE_EXHAUSTED", "m", {"@type": RPC + "RetryInfo", "retryDelay": "34.4s"}
    )
    raw = json.dumps(body).encode()
    assert WIRE.host.read_error(429, {}, raw, Dialect()).retry_after_s == 34.4
    fault = WIRE.host.read_error(429, {"retry-after": "7", "x-request-id": "q"}, raw, Dialect())
    assert (fault.retry_after_s, fault.request_id) == (7, "q")


def test_the_hosts_own_codes_come_first() -> None:
    dialect = Dialect(error_kinds={"UNAVAILABLE": "quota"})
    raw = json.dumps(error(503, "UNAVAILABLE")).encode()
    assert WIRE.host.read_error(503, {}, raw, dialect).kind is ErrorKind.QUOTA


@pytest.mark.parametrize(
    "raw",
    [
        b"", b"<html>", b"[]", b"[[]]", b"7", b'{"error": 1}', b'{"error": "words"}', b"\xff",
        b'{"error": {"details": [1, {"@type": 2}, {"violations": 3}], "code": "x", "message": {}}}',
        b'{"error": {"details": {"a": 1}, "status": []}}',
    ],
)  # fmt: skip
@pytest.mark.parametrize("status", [400, 401, 429, 500, 503])
def test_anything_is_an_error(raw: bytes, status: int) -> None:
    fault = WIRE.host.read_error(status, {}, raw, Dialect())
    assert fault.status == status
    assert fault.message


def test_ours() -> None:
    assert WIRE.client is not None
    made = json.loads(WIRE.client.write_error(403, "no", "policy_denied", "contents", "rid"))
    assert made == {
        "error": {
            "code": 403,
            "message": "no",
            "status": "PERMISSION_DENIED",
            "details": [
                {
                    "@type": RPC + "ErrorInfo",
                    "reason": "policy_denied",
                    "domain": "entrepot",
                    "metadata": {"request_id": "rid", "param": "contents"},
                }
            ],
        }
    }
    for status in (400, 402, 404, 413, 418, 422, 429, 500, 502, 503, 504, 599):
        body = json.loads(WIRE.client.write_error(status, "m", "c", None, ""))
        assert body["error"]["status"].isupper()
