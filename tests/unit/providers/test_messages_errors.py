"""Errors of the Messages wire, read and written."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.dialect import Dialect
from providers.errors import ErrorKind
from providers.wires.messages.errors import read_error, write_error, write_stream_error
from tests.replay.corpus import CORPUS
from tests.unit.providers.messages_judge import anthropic, sdk

PLAIN = Dialect()


def raw(kind: str, message: str = "x", **more: Any) -> bytes:
    """Return a host's error body."""
    error = {"type": kind, "message": message, **more}
    return json.dumps({"type": "error", "error": error, "request_id": "req_9"}).encode()


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (400, raw("invalid_request_error"), ErrorKind.BAD_REQUEST),
        (401, raw("authentication_error"), ErrorKind.AUTH),
        (402, raw("billing_error"), ErrorKind.QUOTA),
        (403, raw("permission_error"), ErrorKind.FORBIDDEN),
        (404, raw("not_found_error"), ErrorKind.NOT_FOUND),
        (413, raw("request_too_large"), ErrorKind.CONTEXT_TOO_LONG),
        (429, raw("rate_limit_error"), ErrorKind.RATE_LIMITED),
        (500, raw("api_error"), ErrorKind.SERVER),
        (504, raw("timeout_error"), ErrorKind.TIMEOUT),
        (529, raw("overloaded_error", details=None), ErrorKind.OVERLOADED),
        (429, raw("rate_limit_error", details={"error_code": "enforced_spend_limit_reached"}), ErrorKind.QUOTA),
        (429, raw("rate_limit_error", details={"error_code": "ramp_limit_exceeded"}), ErrorKind.RATE_LIMITED),
        (400, raw("invalid_request_error", "Your credit balance is too low"), ErrorKind.QUOTA),
        (400, raw("invalid_request_error", "You have reached your specified API usage limits."), ErrorKind.QUOTA),
        (400, raw("invalid_request_error", "prompt is too long: 9 tokens > 8 maximum"), ErrorKind.CONTEXT_TOO_LONG),
        (400, raw("invalid_request_error", "input length and `max_tokens` exceed context limit: 1 + 2 > 2"), ErrorKind.CONTEXT_TOO_LONG),
        (500, raw("api_error", "insufficient balance (1008)"), ErrorKind.QUOTA),
        (400, raw("invalid_request_error", "messages.1.content.0: Invalid `signature` in `thinking` block"), ErrorKind.OPAQUE_STATE),
        (400, raw("invalid_request_error", "`thinking` or `redacted_thinking` blocks in the latest assistant message cannot be modified."), ErrorKind.OPAQUE_STATE),
        (400, raw("invalid_request_error", "Expected `thinking` or `redacted_thinking`, but found `text`."), ErrorKind.BAD_REQUEST),
        (503, b"no json", ErrorKind.OVERLOADED),
        (529, b"", ErrorKind.OVERLOADED),
        (400, b"<html>", ErrorKind.MALFORMED),
        (404, b"{}", ErrorKind.MALFORMED),
        (500, b'{"error": "down"}', ErrorKind.SERVER),
        (429, b'{"error": {"message": "slow", "code": 429}}', ErrorKind.RATE_LIMITED),
        (422, b'{"detail": "no"}', ErrorKind.BAD_REQUEST),
        (403, b'{"message": "no"}', ErrorKind.FORBIDDEN),
    ],
)  # fmt: skip
def test_kinds(status: int, body: bytes, kind: ErrorKind) -> None:
    assert read_error(status, {}, body, PLAIN).kind is kind


def test_what_an_error_says() -> None:
    headers = {"request-id": "req_1", "retry-after": "7"}
    body = raw("rate_limit_error", "slow", details={"error_code": "ramp_limit_exceeded"})
    fault = read_error(429, headers, body, PLAIN)
    assert (fault.status, fault.code, fault.message) == (429, "ramp_limit_exceeded", "slow")
    assert (fault.retry_after_s, fault.request_id) == (7.0, "req_1")
    assert (fault.body, fault.content_type) == (body, "application/json")
    assert read_error(429, {}, body, PLAIN).request_id == "req_9"
    assert read_error(400, {}, b'{"error": {"message": "x"}}', PLAIN).body is None


def test_the_reset_of_the_limit_that_is_used_up() -> None:
    soon = (datetime.now(UTC) + timedelta(seconds=30)).isoformat().replace("+00:00", "Z")
    headers = {
        "v-ratelimit-requests-remaining": "5",
        "v-ratelimit-requests-reset": "2099-01-01T00:00:00Z",
        "v-ratelimit-tokens-remaining": "0",
        "v-ratelimit-tokens-reset": soon,
    }
    wait_s = read_error(429, headers, raw("rate_limit_error"), PLAIN).retry_after_s
    assert wait_s is not None
    assert 20 < wait_s <= 30
    odd = {"v-remaining": "0", "v-reset": "soon"}
    assert read_error(429, odd, raw("rate_limit_error"), PLAIN).retry_after_s is None


def test_a_hosts_own_codes_come_first() -> None:
    dialect = Dialect(error_kinds={"2013": "bad_request", "own": "overloaded"})
    body = raw("api_error", "invalid params (2013)")
    assert read_error(500, {}, body, dialect).kind is ErrorKind.BAD_REQUEST
    assert read_error(400, {}, raw("own"), dialect).kind is ErrorKind.OVERLOADED


def test_quoted_errors() -> None:
    path = Path(CORPUS) / "extra" / "errors_quoted.jsonl"
    if not path.is_file():
        pytest.skip("the recorded corpus does not lie beside the repository")
    quoted = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    kinds = [
        read_error(
            one["status"], one["headers"], json.dumps(one["body"]).encode(), PLAIN
        ).kind.value
        for one in quoted
        if one["kind"] == "anthropic_messages"
    ]
    assert kinds == [
        "overloaded", "overloaded", "rate_limited", "rate_limited", "context_too_long",
        "context_too_long", "quota", "bad_request",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("status", "kind"),
    [(400, "invalid_request_error"), (401, "authentication_error"), (402, "billing_error"),
     (403, "permission_error"), (404, "not_found_error"), (413, "request_too_large"),
     (429, "rate_limit_error"), (500, "api_error"), (502, "api_error"), (503, "overloaded_error"),
     (504, "timeout_error"), (529, "overloaded_error"), (408, "invalid_request_error")],
)  # fmt: skip
def test_types_of_ours(status: int, kind: str) -> None:
    error = json.loads(write_error(status, "x", "some_code", "a.b", "req_1"))["error"]
    assert error == {"type": kind, "message": "x", "code": "some_code", "param": "a.b"}


def test_a_context_that_is_too_long_has_the_words_agents_look_for() -> None:
    said = json.loads(write_error(400, "it does not fit", "context_too_long", None, "r"))
    assert said["error"]["message"] == "prompt is too long: it does not fit"
    said = json.loads(write_error(400, "prompt is too long: 9 > 8", "context_too_long", None, "r"))
    assert said["error"]["message"] == "prompt is too long: 9 > 8"


def test_the_sdk_reads_an_error_in_mid_stream() -> None:
    body = write_stream_error("gone", "no_healthy_route")
    asked = {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]}
    with pytest.raises(anthropic.APIStatusError, match="gone") as caught, \
            sdk(body).messages.stream(**asked) as stream:  # fmt: skip
        stream.get_final_message()
    assert caught.value.body["error"]["type"] == "overloaded_error"
    assert caught.value.body["error"]["code"] == "no_healthy_route"


@given(st.integers(200, 599), st.binary(max_size=60) | st.recursive(
    st.none() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(
        st.sampled_from(["error", "type", "message", "code", "details", "error_code", "request_id"]),
        inner, max_size=3)).map(lambda value: json.dumps(value).encode()))  # fmt: skip
def test_no_error_is_too_strange(status: int, body: bytes) -> None:
    read_error(status, {"a-remaining": "0", "a-reset": "x"}, body, PLAIN)
