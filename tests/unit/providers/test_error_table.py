"""Every documented error of a host: which kind it is, how long to wait, and no key in its words."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.dialect import Dialect
from providers.errors import ErrorKind, UpstreamError
from providers.request_id import request_id
from providers.retry_after import reset_after, span, wait_in_words
from providers.scrub import scrub, scrub_bytes
from providers.wires.chat.errors import error_of, read_error
from providers.wires.converse.errors import read_error as read_converse
from providers.wires.gemini.errors import read_error as read_gemini
from providers.wires.messages.errors import read_error as read_messages
from providers.wires.responses.errors import read_error as read_responses
from tests.replay.corpus import CORPUS

K = ErrorKind
QUOTED = CORPUS / "extra" / "errors_quoted.jsonl"
READERS = {
    "openai_chat": read_error,
    "embeddings": read_error,
    "openai_responses": read_responses,
    "anthropic_messages": read_messages,
    "gemini_generate": read_gemini,
    "bedrock_converse": read_converse,
    "bedrock_invoke": read_converse,
}
# A host that means a limit a minute by the code with which another means money, and numbers its
# plan's end.
MINUTE = Dialect(
    error_kinds={"insufficient_quota": "rate_limited", "plan quota has run out": "quota"}
)
EAST = Dialect(zone_hours=8)
# By what a quoted message says: the file's lines have no kinds.
QUOTED_KINDS = (
    ("Overloaded", K.OVERLOADED),
    ("This request would exceed your account", K.RATE_LIMITED),
    ("Number of request tokens has exceeded", K.RATE_LIMITED),
    ("exceed context limit", K.CONTEXT_TOO_LONG),
    ("prompt is too long", K.CONTEXT_TOO_LONG),
    ("Rate limit reached for gpt-4o", K.RATE_LIMITED),
    ("Request too large", K.CONTEXT_TOO_LONG),
    ("help.aliyun.com", K.RATE_LIMITED),
    ("You exceeded your current quota", K.QUOTA),
    ("maximum context length", K.CONTEXT_TOO_LONG),
    ("The model is overloaded", K.OVERLOADED),
    ("Resource exhausted. Please try again", K.RATE_LIMITED),
    ("Resource has been exhausted", K.RATE_LIMITED),
    ("No capacity available", K.OVERLOADED),
    ("Too many tokens per day", K.QUOTA),
    ("Too many tokens, please wait", K.RATE_LIMITED),
    ("on-demand throughput", K.NOT_FOUND),
    ("nsufficient balance", K.QUOTA),
    ("Insufficient Balance", K.QUOTA),
    ("reasoning_content is missing", K.BAD_REQUEST),
    ("(2013)", K.BAD_REQUEST),
    ("Rate limit reached for requests", K.RATE_LIMITED),
    ("1302", K.RATE_LIMITED),
    ("1308", K.QUOTA),
    ("1305", K.OVERLOADED),
    ("bad request", K.BAD_REQUEST),
    ("DataInspectionFailed", K.FILTERED),
    ("max_tokens must be at least 1, got -186", K.CONTEXT_TOO_LONG),
    ("exceed n_ctx_per_seq", K.CONTEXT_TOO_LONG),
    ("payment is past due", K.QUOTA),
)


def quoted() -> list[dict[str, Any]]:
    if not QUOTED.is_file():
        return []
    return [json.loads(line) for line in QUOTED.read_text(encoding="utf-8").splitlines()]


@pytest.mark.skipif(not QUOTED.is_file(), reason="the corpus does not lie beside the repository")
def test_every_quoted_error_is_of_its_kind() -> None:
    rows = quoted()
    assert len(rows) > 30
    for row in rows:
        raw = json.dumps(row["body"], ensure_ascii=False)
        wanted = next(kind for words, kind in QUOTED_KINDS if words in raw)
        dialect = MINUTE if row["provider"] == "alibaba" else Dialect()
        fault = READERS[row["kind"]](row["status"], row["headers"], raw.encode(), dialect)
        assert fault.kind is wanted, raw
        assert fault.status == row["status"]


def error(message: str = "no", code: Any = None, kind: Any = None, **more: Any) -> dict[str, Any]:
    return {"error": {"message": message, "type": kind, "code": code, **more}}


# status, body, kind: hand-written after the hosts' own lists and recorded answers.
TABLE: tuple[tuple[int, Any, ErrorKind], ...] = (
    # Codes and statuses of the wire itself.
    (401, error("Incorrect API key provided", "invalid_api_key"), K.AUTH),
    (429, error("Rate limit reached", "rate_limit_exceeded", "requests"), K.RATE_LIMITED),
    (429, error("You exceeded your current quota", "insufficient_quota"), K.QUOTA),
    (400, error("You exceeded your current quota", None, "insufficient_quota"), K.QUOTA),
    (429, error("Request too large for m on tokens per min", "rate_limit_exceeded"), K.CONTEXT_TOO_LONG),
    (413, error("Request too large for model m", "rate_limit_exceeded"), K.CONTEXT_TOO_LONG),
    (404, error("The model `m` does not exist", "model_not_found"), K.NOT_FOUND),
    (400, error("The requested model 'm' does not exist."), K.NOT_FOUND),
    (400, error("m is not a valid model ID", 400), K.NOT_FOUND),
    (400, error("filtered", "content_filter", innererror={"code": "ResponsibleAIPolicyViolation"}), K.FILTERED),
    (403, error("no", "unsupported_country_region_territory"), K.FORBIDDEN),
    (503, error("slow down", "slow_down"), K.OVERLOADED),
    (400, error("Unsupported parameter: 'stop'", "unsupported_parameter"), K.BAD_REQUEST),
    # State of another issuer: without it the same request is good.
    (400, error("The encrypted content for item rs_1 could not be verified", "invalid_encrypted_content"), K.OPAQUE_STATE),
    (400, error("Item 'rs_1' of type 'reasoning' was provided without its required following item."), K.OPAQUE_STATE),
    (404, error("Item with id 'rs_1' not found."), K.OPAQUE_STATE),
    (400, error("messages.1.content.0: Invalid `signature` in `thinking` block"), K.OPAQUE_STATE),
    # Numbers of businesses.
    (429, error("balance empty", "1113"), K.QUOTA),
    (429, error("too many at once", "1302"), K.RATE_LIMITED),
    (429, error("day limit", "1304"), K.QUOTA),
    (429, error("plan expired", "1309"), K.QUOTA),
    (429, error("model not in plan", "1311"), K.FORBIDDEN),
    (429, error("busy", 1312), K.OVERLOADED),
    (400, error("sensitive", "1301"), K.FILTERED),
    (500, error("network", "1234"), K.SERVER),
    (400, error("prompt too long", "1261"), K.CONTEXT_TOO_LONG),
    (434, error("beta only"), K.FORBIDDEN),
    (500, error("insufficient balance (1008)", None, "api_error"), K.QUOTA),
    (402, error("insufficient balance (1008)"), K.QUOTA),
    (500, {"base_resp": {"status_code": 1039, "status_msg": "token limit"}}, K.RATE_LIMITED),
    (400, {"base_resp": {"status_code": 1026, "status_msg": "input sensitive"}}, K.FILTERED),
    (401, {"base_resp": {"status_code": 2049, "status_msg": "invalid api key"}}, K.AUTH),
    (429, {"base_resp": {"status_code": 2056, "status_msg": "usage limit exceeded"}}, K.QUOTA),
    (500, error("invalid params, tool id not found (2013)"), K.BAD_REQUEST),
    (402, error("Insufficient Balance", "invalid_request_error", "unknown_error"), K.QUOTA),
    (429, error("suspended", None, "exceeded_current_quota_error"), K.QUOTA),
    (429, error("busy", None, "engine_overloaded_error"), K.OVERLOADED),
    (429, error("slower", None, "rate_limit_reached_error"), K.RATE_LIMITED),
    (403, error("plan used up", None, "access_terminated_error"), K.QUOTA),
    (401, error("no", None, "incorrect_api_key_error"), K.AUTH),
    (429, {"code": "Throttling.RateQuota", "message": "Requests rate limit exceeded"}, K.RATE_LIMITED),
    (400, {"code": "Arrearage", "message": "Access denied"}, K.QUOTA),
    (400, {"code": "DataInspectionFailed", "message": "Output data may"}, K.FILTERED),
    (429, error("busy", "limit_burst_rate"), K.RATE_LIMITED),
    (403, error("overdue", "AccountOverdueError", "Forbidden"), K.QUOTA),
    (429, error("limit", "SetLimitExceeded", "TooManyRequests"), K.QUOTA),
    (429, error("limit", "RateLimitExceeded.EndpointTPMExceeded", "TooManyRequests"), K.RATE_LIMITED),
    (429, error("busy", "ServerOverloaded", "TooManyRequests"), K.OVERLOADED),
    (404, error("no", "InvalidEndpointOrModel.NotFound", "NotFound"), K.NOT_FOUND),
    (400, error("no", "SensitiveContentDetected.Violence", "BadRequest"), K.FILTERED),
    (429, error("slower", "rpm_rate_limit_exceeded"), K.RATE_LIMITED),
    (401, error("no", "invalid_iam_token"), K.AUTH),
    (403, {"code": 30001, "message": "balance"}, K.QUOTA),
    (451, error("reviewed"), K.FILTERED),
    # Forms of their own.
    (400, {"object": "error", "message": "Invalid model: x", "type": "invalid_model", "code": "1500"}, K.NOT_FOUND),
    (422, {"detail": [{"type": "extra_forbidden", "loc": ["body", "seed"], "msg": "Extra inputs"}]}, K.BAD_REQUEST),
    (401, {"detail": "Unauthorized"}, K.AUTH),
    (429, {"message": "m", "type": "too_many_requests_error", "code": "request_quota_exceeded"}, K.RATE_LIMITED),
    (401, {"message": "Wrong API Key", "type": "invalid_request_error", "code": "wrong_api_key"}, K.AUTH),
    (403, {"error": "please check the api-key you provided"}, K.AUTH),
    (400, {"code": "invalid-argument", "error": "Incorrect API key provided."}, K.AUTH),
    (403, {"error": {"code": "forbidden", "description": "no"}, "result": "error"}, K.FORBIDDEN),
    (429, {"success": False, "errors": [{"code": 3040, "message": "Capacity exceeded"}]}, K.RATE_LIMITED),
    (400, error("Failed to call a function", "tool_use_failed", failed_generation="<x>"), K.MALFORMED),
    (400, error("gone", "model_decommissioned"), K.NOT_FOUND),
    (429, error("5-hour usage limit reached. Resets in 3h 20m."), K.QUOTA),
    (429, error("Rate limit exceeded: free-models-per-day. ", 429), K.QUOTA),
    (403, error("Model access is disabled"), K.FORBIDDEN),
    (402, {"error": "You have depleted your monthly included credits."}, K.QUOTA),
    (403, error("Provider returned error", 403, metadata={"raw": '{"code":"x","error":"Content violates usage guidelines."}'}), K.FILTERED),
    (400, error("Provider returned error", 400, metadata={"raw": '{"error":{"message":"prompt is too long: 9 tokens"}}'}), K.CONTEXT_TOO_LONG),
    # Servers at home.
    (400, error("request (2009 tokens) exceeds the available context size", 400, "exceed_context_size_error"), K.CONTEXT_TOO_LONG),
    (500, error("image input is not supported - hint: mmproj", 500, "server_error"), K.BAD_REQUEST),
    (500, error("input (4002 tokens) is too large to process", 500, "server_error"), K.CONTEXT_TOO_LONG),
    (501, error("This server does not support embeddings", 501, "not_supported_error"), K.NOT_FOUND),
    (503, error("Loading model", 503, "unavailable_error"), K.OVERLOADED),
    (400, {"object": "error", "message": "This model's maximum context length is 9", "code": 400}, K.CONTEXT_TOO_LONG),
    (400, error("Invalid token in prompt: 123456. Minimum value is 0."), K.BAD_REQUEST),
)  # fmt: skip


@pytest.mark.parametrize(("status", "body", "kind"), TABLE, ids=range(len(TABLE)))
def test_an_error_is_of_its_kind(status: int, body: Any, kind: ErrorKind) -> None:
    fault = read_error(status, {}, json.dumps(body).encode())
    assert fault.kind is kind
    assert fault.status == status
    assert fault.message


def test_the_original_code_is_kept() -> None:
    assert read_error(429, {}, json.dumps(error("x", "1302")).encode()).code == "1302"
    assert read_error(429, {}, json.dumps(error("x", 1302)).encode()).code == "1302"
    low = read_error(500, {}, json.dumps(error("insufficient balance (1008)")).encode())
    assert low.code == "1008"


def test_what_the_hosts_own_file_says_stands_before_what_all_share() -> None:
    raw = json.dumps(error("Requests throttled", "insufficient_quota")).encode()
    assert read_error(429, {}, raw).kind is K.QUOTA
    assert read_error(429, {}, raw, MINUTE).kind is K.RATE_LIMITED
    assert read_messages(429, {}, raw, MINUTE).kind is K.RATE_LIMITED
    spent = json.dumps(error("Your plan quota has run out.", "insufficient_quota")).encode()
    assert read_error(429, {}, spent, MINUTE).kind is K.QUOTA
    assert read_messages(429, {}, spent, MINUTE).kind is K.QUOTA
    numbered = Dialect(error_kinds={"1002": "rate_limited"})
    native = error_of({"code": 1002, "message": "too fast"}, 200, numbered)
    assert native.kind is K.RATE_LIMITED


def test_an_error_that_stands_bare_is_read_by_the_hosts_own_codes() -> None:
    flat = Dialect(
        error_kinds={
            "20012": "not_found",
            "30014": "auth",
            "must be less than max_seq_len": "context_too_long",
        }
    )
    for status, code, message, kind in (
        (401, 30014, "Token is invalid", K.AUTH),
        (400, 30014, "Token is invalid", K.AUTH),
        (400, 20012, "Model does not exist. Please check it carefully.", K.NOT_FOUND),
        (400, 20015, "length of prompt_tokens (9) must be less than max_seq_len (8).", K.CONTEXT_TOO_LONG),
        (403, 1, "real name verification is needed", K.FORBIDDEN),
        (429, 2, "Request was rejected due to rate limiting", K.RATE_LIMITED),
        (503, 50505, "Model service overloaded", K.OVERLOADED),
    ):  # fmt: skip
        raw = json.dumps({"code": code, "message": message, "data": None}).encode()
        fault = read_error(status, {}, raw, flat)
        assert (fault.kind, fault.message, fault.code) == (kind, message, str(code))
    # A gateway before the host says a bare text.
    assert read_error(401, {}, b'"Invalid token"').kind is K.AUTH


def test_what_is_wrong_may_stand_where_others_name_the_field() -> None:
    raw = json.dumps(error("Param Incorrect", "400", "", param="invalid video format, only mp4"))
    fault = read_error(400, {}, raw.encode())
    assert fault.message == "Param Incorrect: invalid video format, only mp4"
    assert fault.kind is K.BAD_REQUEST
    long = json.dumps(error("Request Error", "400", "", param="input exceeds the context length"))
    assert read_error(400, {}, long.encode()).kind is K.CONTEXT_TOO_LONG
    named = json.dumps(error("no such field", "x", None, param="messages[0].role"))
    assert read_error(400, {}, named.encode()).message == "no such field"


def test_an_error_inside_a_200() -> None:
    assert error_of({"code": 429, "message": "x"}, 200).kind is K.RATE_LIMITED
    assert error_of({"http_code": "429", "message": "x"}, 200).kind is K.RATE_LIMITED
    assert error_of({"type": "server_error", "message": "x"}, 200).kind is K.SERVER
    assert error_of({"type": "invalid_request_error", "message": "x"}, 200).kind is K.BAD_REQUEST
    long = "This model's maximum context length is 8192 tokens"
    assert error_of({"message": long}, 200).kind is K.CONTEXT_TOO_LONG
    assert error_of({"message": "insufficient balance (1008)"}, 200).kind is K.QUOTA


def waited(
    headers: Mapping[str, str], message: str = "slower", code: str = "", **more: Any
) -> UpstreamError:
    raw = json.dumps(error(message, code or "rate_limit_exceeded", **more)).encode()
    return read_error(429, headers, raw, EAST)


def test_the_wait_is_read_wherever_it_stands() -> None:
    assert waited({"retry-after": "7", "x-ratelimit-reset-tokens": "9s"}).retry_after_s == 7
    reset = {
        "x-ratelimit-remaining-requests": "12", "x-ratelimit-reset-requests": "1h0m0s",
        "x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "1m30s",
    }  # fmt: skip
    assert waited(reset).retry_after_s == 90
    assert waited({}, "Please try again in 18.642s. Visit x").retry_after_s == 18.642
    assert waited({}, "Please try again in 174ms").retry_after_s == pytest.approx(0.174)
    assert waited({}).retry_after_s is None
    inside = {"headers": {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "4102444800000"}}
    assert waited({}, metadata=inside).retry_after_s == 24 * 3600


def test_a_plans_window_is_waited_for_by_the_hosts_own_clock() -> None:
    when = datetime.now(timezone(timedelta(hours=8))) + timedelta(minutes=5)
    text = f"Usage limit reached for 5 hour. Your limit will reset at {when:%Y-%m-%d %H:%M:%S}"
    fault = waited({}, text, "1308")
    assert fault.kind is K.QUOTA
    assert fault.retry_after_s == pytest.approx(300, abs=3)
    fault = waited({}, "used up", "1310", next_flush_time=f"{when:%Y-%m-%d %H:%M:%S}")
    assert fault.retry_after_s == pytest.approx(300, abs=3)


def test_a_limit_that_no_retry_cures_is_a_quota() -> None:
    assert waited({"x-should-retry": "false"}).kind is K.QUOTA
    assert waited({"x-should-retry": "false", "retry-after": "7200"}).kind is K.QUOTA
    assert waited({"x-should-retry": "false", "retry-after": "2"}).kind is K.RATE_LIMITED
    assert waited({"x-should-retry": "true"}).kind is K.RATE_LIMITED


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("7", 7), ("0.5", 0.5), ("6m0s", 360), ("1m30.5s", 90.5), ("17ms", 0.017), ("1h2m3s", 3723),
        ("3 hours 5 minutes", 11100), ("3h 20m", 12000), ("2 days", 86400), ("1e9s", 1),
        ("2015-10-21T07:28:00Z", 0), ("2015-10-21 07:28:00", 0), ("1445412480", 0),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0), ("soon", None), ("", None), ("-3", None),
        ("9999-99-99 99:99", None),
    ],
)  # fmt: skip
def test_a_time_in_any_form(text: str, seconds: float | None) -> None:
    assert span(text) == pytest.approx(seconds)


def test_a_point_in_time_is_a_wait_from_now() -> None:
    now = datetime.now(UTC)
    for text in (
        str(int(now.timestamp()) + 60),
        str(int(now.timestamp() * 1000) + 60_000),
        (now + timedelta(seconds=60)).isoformat(),
    ):
        assert span(text) == pytest.approx(60, abs=2)
    later = {"any-ratelimit-tokens-remaining": "0"}
    later["any-ratelimit-tokens-reset"] = (now + timedelta(seconds=60)).isoformat()
    assert reset_after(later) == pytest.approx(60, abs=2)
    assert (
        reset_after({"any-ratelimit-tokens-remaining": "5", "any-ratelimit-tokens-reset": "9"})
        is None
    )
    assert reset_after({"x-ratelimit-reset": "9"}) == 9
    assert reset_after({}) is None


@given(st.text(max_size=60) | st.from_regex(r"[0-9]{1,20}[a-z .:-]{0,5}[0-9]{0,9}", fullmatch=True))
def test_any_text_is_a_wait_or_none(text: str) -> None:
    for found in (span(text), wait_in_words(f"try again in {text}")):
        assert found is None or 0 <= found <= 24 * 3600


def test_the_hosts_id_of_the_call_is_found() -> None:
    assert request_id({"x-request-id": "a", "cf-ray": "b"}) == "a"
    assert request_id({"request-id": "a"}) == "a"
    assert request_id({"x-amzn-requestid": "a"}) == "a"
    assert request_id({"cf-ray": "b"}, {"request_id": "a"}) == "a"
    assert request_id({}, {"error": {"request_id": "a"}}) == "a"
    assert request_id({"cf-ray": "b"}, [1]) == "b"
    assert request_id({}, {"request_id": ""}) is None


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("Incorrect API key provided: sk-proj-abcDEF123.", "Incorrect API key provided: ***."),
        ("Your api key: ****iKey is invalid", "Your api key: *** is invalid"),
        ("provided: bad-key-**********test. You", "provided: ***. You"),
        ("AIzaSyA1234567890abcdefg is expired", "*** is expired"),
        ("Authorization: Bearer abc.def-123456", "Authorization: Bearer ***"),
        ("GET /v1?key=abc123&alt=sse", "GET /v1?key=***&alt=sse"),
        ("api key 0123456789abcdef0123456789abcdef", "api key ***"),
        ('{"api_key":"f0e1d2c3b4a5968778695a4b"}', '{"api_key":"***"}'),
        # Names of models and ids stay.
        ("vendor.model-sonnet-4-20250514-v1:0", "vendor.model-sonnet-4-20250514-v1:0"),
        ("req_011CYYx4Ev6HnP8GNUvjVcBx", "req_011CYYx4Ev6HnP8GNUvjVcBx"),
        ("Limit 30000, Used 14567 tokens", "Limit 30000, Used 14567 tokens"),
        ("This task-specific model", "This task-specific model"),
    ],
)
def test_keys_are_masked_and_nothing_else(text: str, clean: str) -> None:
    assert scrub(text) == clean
    assert UpstreamError(K.AUTH, text).message == clean
    assert str(UpstreamError(K.AUTH, text)) == clean
    assert scrub_bytes(text.encode() + b"\xff") == clean.encode() + b"\xff"


def test_no_key_stands_in_a_body_that_a_client_gets_as_it_came() -> None:
    raw = json.dumps(error("Incorrect API key: sk-abcdef123456", "x")).encode()
    for fault in (
        read_error(400, {}, raw),
        read_messages(400, {}, b'{"type":"error",' + raw[1:], Dialect()),
        read_gemini(400, {}, raw, Dialect()),
    ):
        assert fault.body is not None
        assert b"sk-abcdef" not in fault.body
        assert json.loads(fault.body)["error"]["message"] == "Incorrect API key: ***"


LEAF = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
WORD = st.sampled_from(
    ["error", "errors", "message", "code", "type", "metadata", "raw", "headers", "detail",
     "base_resp", "status_code", "innererror", "details", "status", "request_id", "reason"]
)  # fmt: skip
JSON = st.recursive(
    LEAF,
    lambda one: st.lists(one, max_size=2) | st.dictionaries(WORD, one, max_size=4),
    max_leaves=10,
)


@given(
    st.binary(max_size=60) | JSON.map(lambda value: json.dumps(value).encode()),
    st.sampled_from([200, 400, 429, 500]),
)
def test_any_body_is_an_error_and_never_a_crash(raw: bytes, status: int) -> None:
    for read in READERS.values():
        fault = read(status, {}, raw, EAST)
        assert isinstance(fault, UpstreamError)
        assert isinstance(fault.message, str)
        assert fault.code is None or isinstance(fault.code, str)
