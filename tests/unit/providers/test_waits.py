"""How long a host wants us to wait, on every wire and in the words of its real answers."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers import catalog
from providers.dialect import Dialect
from providers.errors import ErrorKind
from providers.eventstream import Frame
from providers.retry_after import span, spent_for, wait_in_words
from providers.wires.chat import errors as chat
from providers.wires.cohere import errors as cohere
from providers.wires.converse import errors as converse
from providers.wires.gemini import errors as gemini
from providers.wires.messages import errors as messages
from providers.wires.responses import errors as responses

K = ErrorKind
PLAIN = Dialect()
READERS = {
    "chat": chat.read_error,
    "responses": responses.read_error,
    "messages": messages.read_error,
    "gemini": gemini.read_error,
    "converse": converse.read_error,
    "cohere": cohere.read_error,
}
HOSTS = catalog.builtin()


def later(minutes: float, form: str = "%Y-%m-%d %H:%M:%S", zone_hours: float = 0) -> str:
    return (datetime.now(UTC) + timedelta(hours=zone_hours, minutes=minutes)).strftime(form)


def body_of(wire: str, message: str) -> dict[str, Any]:
    """A wire's own form of "too many requests"."""
    if wire == "cohere":
        return {"id": "x", "message": message}
    if wire == "converse":
        return {"message": message}
    if wire == "gemini":
        return {"error": {"code": 429, "status": "RESOURCE_EXHAUSTED", "message": message}}
    if wire == "messages":
        return {"type": "error", "error": {"type": "rate_limit_error", "message": message}}
    return {"error": {"message": message, "type": "requests", "code": "rate_limit_exceeded"}}


@pytest.mark.parametrize("wire", READERS)
def test_every_wire_hears_every_way_to_name_a_wait(wire: str) -> None:
    """The answers are made up after what hosts send; real ones stand below."""
    ways: list[tuple[dict[str, str], str, float]] = [
        ({"retry-after": "7"}, "slower", 7),
        ({"retry-after-ms": "250", "retry-after": "1"}, "slower", 0.25),
        ({"retry-after": later(5, "%a, %d %b %Y %H:%M:%S GMT")}, "slower", 300),
        ({"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "1m30s"}, "slower", 90),
        ({"anthropic-ratelimit-requests-remaining": "0",
          "anthropic-ratelimit-requests-reset": later(5, "%Y-%m-%dT%H:%M:%SZ")}, "slower", 300),
        ({}, "Please try again in 18.642s.", 18.642),
        ({}, "request reached organization max RPM: 20, please try again after 1 seconds", 1),
        ({}, "Please retry in 31.5s.", 31.5),
    ]  # fmt: skip
    for headers, message, wait in ways:
        raw = json.dumps(body_of(wire, message)).encode()
        fault = READERS[wire](429, headers, raw, PLAIN)
        assert fault.kind is K.RATE_LIMITED
        assert fault.retry_after_s == pytest.approx(wait, abs=3 if wait == 300 else 0.001)
    fault = READERS[wire](429, {}, json.dumps(body_of(wire, "slower")).encode(), PLAIN)
    assert fault.retry_after_s is None


# host, wire, status, body with {when}, what {when} is by the host's clock. The words are those of
# public reports, logs and tests of 2026 (read 2026-11-26), with times moved to five minutes from
# now and names cut; moonshot's are the template of its page on errors. Invented: that the words in
# Chinese, which were seen behind the Messages wire, come with the chat wire's body.
REAL: tuple[tuple[str, str, int, str, Callable[[], str], ErrorKind], ...] = (
    ("zai-coding", "chat", 429,
     '{"error":{"code":"1308","message":"已达到 5 小时的使用上限。您的限额将在 {when} 重置。"}}',
     lambda: later(5, zone_hours=8), K.QUOTA),
    ("zai-coding", "messages", 429,
     ('{"error":{"code":"1308","message":"Usage limit reached for 5 hour. Your limit will reset at '
     '{when}"}}'), lambda: later(5, zone_hours=8), K.QUOTA),
    ("minimax-plan", "messages", 429,
     ('{"type":"error","error":{"type":"rate_limit_error","message":"usage limit exceeded, 5-hour '
     'usage limit reached for Token Plan Starter (0/0 used), resets at {when} (2056)"},'
     '"request_id":"065651be"}'), lambda: later(5, "%Y-%m-%dT%H:%M:%S+08:00", 8), K.QUOTA),
    ("volcengine-agent", "chat", 429,
     ('{"error":{"code":"AccountQuotaExceeded","message":"You have exceeded the monthly usage quota.'
     ' It will reset at {when} +0800 CST. We recommend upgrading your plan for more quota, or '
     'waiting for the reset.","type":"TooManyRequests"}}'), lambda: later(5, zone_hours=8), K.QUOTA),
    ("moonshot", "chat", 429,
     ('{"error":{"message":"Your account org-1<ak-2> request reached organization max RPM: 20, '
     'please try again after {when} seconds","type":"rate_limit_reached_error"}}'),
     lambda: "300", K.RATE_LIMITED),
    ("opencode-go", "chat", 429,
     ('{"type":"error","error":{"type":"GoUsageLimitError","message":"5-hour usage limit reached. '
     'Resets in {when}."}}'), lambda: "5min", K.QUOTA),
)  # fmt: skip


@pytest.mark.parametrize(("host", "wire", "status", "body", "when", "kind"), REAL)
def test_a_real_answer_names_its_wait(
    host: str, wire: str, status: int, body: str, when: Callable[[], str], kind: ErrorKind
) -> None:
    known = HOSTS.hosts[host]
    dialect = known.dialects.get(wire, known.dialect)
    fault = READERS[wire](status, {}, body.replace("{when}", when()).encode(), dialect)
    assert fault.kind is kind
    assert fault.retry_after_s == pytest.approx(300, abs=4)


@pytest.mark.parametrize(
    ("words", "wait"),
    [("13min.", 780), ("19hr", 68400), ("7hr 29min.", 26940), ("4 days.", 24 * 3600)],
)
def test_spans_as_a_plan_writes_them(words: str, wait: float) -> None:
    """As quoted of opencode-go in public tests and logs of 2026; none is over a day."""
    assert wait_in_words(f"Weekly usage limit reached. Resets in {words}") == wait


def test_within_a_stream_the_words_are_all_there_is() -> None:
    """The answers are made up."""
    words = "Rate limit reached. Please try again in 2s."
    said = {"message": words, "code": "rate_limit_exceeded", "type": "tokens"}
    assert chat.error_of(said, 200).retry_after_s == 2
    assert responses.fault_of({"error": said}, PLAIN).retry_after_s == 2
    typed = {"type": "rate_limit_error", "message": words}
    assert messages.error_of(typed, 200, PLAIN).retry_after_s == 2
    status = {"code": 429, "status": "RESOURCE_EXHAUSTED", "message": words}
    assert gemini.error_of(status, 200).retry_after_s == 2
    frame = Frame(
        {":message-type": "exception", ":exception-type": "throttlingException"},
        json.dumps({"message": words}).encode(),
    )
    assert converse.stream_error(frame, PLAIN).retry_after_s == 2


def test_a_gone_quota_of_another_wire_is_none_of_seconds() -> None:
    """The answer is made up after the form of the wire's errors."""
    raw = json.dumps(
        {
            "error": {
                "code": 429,
                "message": "You have exhausted your capacity. It will reset after 161h39m41s.",
                "status": "RESOURCE_EXHAUSTED",
                "details": [
                    {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "QUOTA_EXHAUSTED"},
                    {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "581981.3s"},
                ],
            }
        }
    ).encode()  # fmt: skip
    fault = gemini.read_error(429, {}, raw, PLAIN)
    assert (fault.kind, fault.retry_after_s) == (K.QUOTA, 24 * 3600)


def test_only_what_a_wait_cures_has_one_from_words() -> None:
    raw = json.dumps({"error": {"message": "bad; try again in 5s", "code": "invalid"}}).encode()
    assert chat.read_error(400, {}, raw).retry_after_s is None


def test_a_good_answer_says_when_a_limit_is_used_up() -> None:
    spent = {"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "20s"}
    assert spent_for(spent) == 20
    assert spent_for({**spent, "x-ratelimit-limit-requests": "0"}) == 0, "0 of 0 is no limit"
    assert spent_for({"x-ratelimit-reset-requests": "20s"}) == 0
    assert spent_for({"content-length": "0", "x-remaining": "0"}) == 0
    both = {**spent, "x-ratelimit-remaining-tokens-minute": "0",
            "x-ratelimit-reset-tokens-minute": "41.5"}  # fmt: skip
    assert spent_for(both) == 41.5
    assert spent_for({"X-RateLimit-Remaining".lower(): "0", "x-ratelimit-reset": later(5)}) > 200


@given(st.text(max_size=300), st.floats(-12, 14))
def test_no_text_makes_a_wait_out_of_bounds(text: str, zone: float) -> None:
    for wait in (span(text, zone), wait_in_words(f"将在 {text}", zone), wait_in_words(text, zone)):
        assert wait is None or 0 <= wait <= 24 * 3600
