"""Usage in disjoint buckets, and errors in every place where hosts put them."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.dialect import Dialect
from providers.errors import ErrorKind, UpstreamError
from providers.usage import MISSING, Usage
from providers.wires.chat import repair
from providers.wires.chat.errors import read_error, retry_after, write_error, write_stream_error
from providers.wires.chat.response import read, tap, usage_of
from providers.wires.chat.stream import StreamReader

PLAIN = Dialect()


def test_cached_and_reasoning_tokens_stand_in_one_bucket_each() -> None:
    said = {
        "prompt_tokens": 100,
        "completion_tokens": 50,
        "total_tokens": 150,
        "prompt_tokens_details": {"cached_tokens": 30, "audio_tokens": 5},
        "completion_tokens_details": {"reasoning_tokens": 20},
    }
    usage = usage_of(said, PLAIN)
    assert usage == Usage(input=65, cache_read=30, audio_input=5, output=30, reasoning=20)
    assert usage.reconciled


def test_reasoning_beside_the_answer_is_added() -> None:
    said = {
        "prompt_tokens": 10,
        "completion_tokens": 3,
        "total_tokens": 20,
        "completion_tokens_details": {"reasoning_tokens": 7},
    }
    usage = usage_of(said, Dialect(reasoning="beside"))
    assert (usage.output, usage.reasoning, usage.reconciled) == (3, 7, True)
    assert not usage_of(said, PLAIN).reconciled, "the total gives a wrong convention away"


COUNT = st.integers(0, 10**6)


@given(COUNT, COUNT, COUNT, COUNT, COUNT, st.none() | COUNT)
def test_buckets_are_disjoint_and_add_up_whatever_a_host_says(
    prompt: int, completion: int, cached: int, audio: int, reasoning: int, total: int | None
) -> None:
    said: dict[str, Any] = {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "prompt_tokens_details": {"cached_tokens": cached, "audio_tokens": audio},
        "completion_tokens_details": {"reasoning_tokens": reasoning},
    }
    if total is not None:
        said["total_tokens"] = total
    usage = usage_of(said, PLAIN)
    assert usage.prompt_tokens == prompt
    assert usage.completion_tokens == completion
    assert min(usage.input, usage.cache_read, usage.output, usage.reasoning) >= 0
    assert usage.reconciled == (
        cached + audio <= prompt
        and reasoning <= completion
        and total in (None, prompt + completion)
    )


@pytest.mark.parametrize(
    "said",
    [None, [], {}, {"prompt_tokens": 3}, {"prompt_tokens": -3, "completion_tokens": 1},
     {"prompt_tokens": True, "completion_tokens": 1}, {"prompt_tokens": "3", "completion_tokens": 1}],
)  # fmt: skip
def test_what_is_no_usage_is_missing(said: Any) -> None:
    assert usage_of(said, PLAIN) == MISSING


def test_a_cost_that_the_host_states_is_kept_to_the_digit() -> None:
    said: dict[str, Any] = {"prompt_tokens": 1, "completion_tokens": 1, "cost": 0.00013279}
    assert usage_of(said, Dialect(cost_path=("cost",))).stated_usd == Decimal("0.00013279")
    ticks = usage_of({**said, "cost": 3}, Dialect(cost_path=("cost",), cost_unit="0.01"))
    assert ticks.stated_usd == Decimal("0.03")
    said["cost"] = "nonsense"
    assert usage_of(said, Dialect(cost_path=("cost",))).stated_usd is None


@pytest.mark.parametrize(
    ("raw", "kind"),
    [
        (b"<html>hello</html>", ErrorKind.MALFORMED),
        (b'{"choices":[]}', ErrorKind.MALFORMED),
        (b"[]", ErrorKind.MALFORMED),
        (b'{"error":{"message":"no","code":429}}', ErrorKind.RATE_LIMITED),
        (b'{"error":{"message":"no","code":"insufficient_quota"}}', ErrorKind.QUOTA),
        (b'{"error":"plain words"}', ErrorKind.SERVER),
        (b'{"base_resp":{"status_code":1002,"status_msg":"slow"},"choices":null}', None),
        (b'{"code":30014,"message":"flat"}', None),
        (b'{"choices":[],"base_resp":{"status_code":1008,"status_msg":"broke"}}', ErrorKind.QUOTA),
        (b'{"choices":[{"finish_reason":"insufficient_system_resource"}]}', ErrorKind.OVERLOADED),
    ],
)
def test_a_200_that_is_no_answer(raw: bytes, kind: ErrorKind | None) -> None:
    with pytest.raises(UpstreamError) as caught:
        tap(raw, PLAIN)
    if kind is not None:
        assert caught.value.kind is kind


def _called(arguments: object, finish: str = "tool_calls") -> bytes:
    function = {"name": "f", "arguments": arguments}
    choice = {"message": {"tool_calls": [{"id": "c", "function": function}]}}
    return json.dumps({"choices": [{**choice, "finish_reason": finish}]}).encode()


@pytest.mark.parametrize(
    ("arguments", "clean"),
    [
        (json.dumps('{"city":"Paris"}'), '{"city":"Paris"}'),
        ('{}{"city":"Paris"}', '{"city":"Paris"}'),
        ({"city": "Paris"}, '{"city":"Paris"}'),
        ("", "{}"),
    ],
)
def test_the_calls_of_a_whole_answer_are_mended(arguments: object, clean: str) -> None:
    mended = json.loads(repair.mended(_called(arguments)))
    call = mended["choices"][0]["message"]["tool_calls"][0]
    assert call == {"id": "c", "function": {"name": "f", "arguments": clean}}


@pytest.mark.parametrize(
    "raw",
    [
        _called('{"city": "Paris"}'),
        _called("no object"),
        _called('{"city": "Pa', finish="length"),
        _called("", finish="length"),
        b'{"choices":[{"message":{"content":"no call"}}]}',
        b'{"tool_calls": broken',
        b'["tool_calls"]',
        b'{"choices":[{"message":{"tool_calls":["odd",{"function":"odd"}]}}, "odd"]}',
    ],
)
def test_what_needs_no_mending_stays_byte_for_byte(raw: bytes) -> None:
    assert repair.mended(raw) is raw


def test_a_tap_names_states_and_calls() -> None:
    message = {
        "reasoning_details": [
            {"type": "reasoning.text", "text": "hm", "signature": "S1"},
            {"type": "reasoning.encrypted", "data": "E1"},
        ],
        "tool_calls": [
            {"id": "c1", "extra_content": {"google": {"thought_signature": "G1"}}},
            {"id": "c2"},
            "odd",
        ],
    }
    raw = json.dumps({"model": "m", "choices": [{"message": message, "finish_reason": "stop"}]})
    seen = tap(raw.encode(), PLAIN)
    assert seen.states == ("S1", "E1", "G1")
    assert seen.calls == ("c1", "c2")
    assert (seen.finish, seen.model) == ("stop", "m")


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (403, "policy_denied", "policy_error"),
        (402, "budget_exceeded", "budget_error"),
        (429, "rate_limited", "rate_limit_error"),
        (503, "no_healthy_route", "upstream_error"),
        (404, "unknown_model", "invalid_request_error"),
        (502, "upstream_error", "upstream_error"),
        (504, "upstream_timeout", "upstream_error"),
        (401, "invalid_key", "authentication_error"),
        (403, "forbidden_origin", "authentication_error"),
        (503, "ledger_unavailable", "server_error"),
        (500, "internal_error", "server_error"),
        (413, "request_too_large", "invalid_request_error"),
        (400, "a_hosts_own_code", "invalid_request_error"),
    ],
)
def test_our_errors_have_a_type(status: int, code: str, kind: str) -> None:
    said = json.loads(write_error(status, "words", code, "field", "req_1"))
    assert said == {"error": {"message": "words", "type": kind, "param": "field", "code": code}}


def test_our_error_in_a_stream_is_one_event() -> None:
    event = write_stream_error("words", "upstream_error", "upstream_error")
    assert event.startswith(b"data: {")
    assert event.endswith(b"}\n\n")


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (401, {"error": {"message": "bad key", "code": "invalid_api_key"}}, ErrorKind.AUTH),
        (402, {"error": {"message": "Insufficient Balance"}}, ErrorKind.QUOTA),
        (429, {"error": {"message": "slow", "code": "rate_limit_exceeded"}}, ErrorKind.RATE_LIMITED),
        (429, {"error": {"message": "pay", "code": "insufficient_quota"}}, ErrorKind.QUOTA),
        (400, {"error": {"message": "x", "code": "context_length_exceeded"}}, ErrorKind.CONTEXT_TOO_LONG),
        (400, {"error": {"message": "too big", "type": "exceed_context_size_error"}}, ErrorKind.CONTEXT_TOO_LONG),
        (400, {"object": "error", "message": "This model's maximum context length is 4096"}, ErrorKind.CONTEXT_TOO_LONG),
        (400, {"error": {"message": "bad", "type": "invalid_request_error"}}, ErrorKind.BAD_REQUEST),
        (422, {"detail": [{"loc": ["body"], "msg": "extra_forbidden"}]}, ErrorKind.BAD_REQUEST),
        (503, {"error": {"message": "Loading model", "type": "unavailable_error", "code": 503}}, ErrorKind.OVERLOADED),
        (500, {"error": {"message": "oops"}}, ErrorKind.SERVER),
        (529, {"error": {"type": "overloaded_error"}}, ErrorKind.OVERLOADED),
    ],
)  # fmt: skip
def test_a_hosts_error_has_a_kind(status: int, body: Any, kind: ErrorKind) -> None:
    fault = read_error(status, {"x-request-id": "abc"}, json.dumps(body).encode(), PLAIN)
    assert (fault.kind, fault.status, fault.request_id) == (kind, status, "abc")


@pytest.mark.parametrize("status", [400, 403, 404, 502])
def test_html_in_the_place_of_an_error_says_nothing_of_the_request(status: int) -> None:
    fault = read_error(status, {}, b"<html><h1>nginx</h1></html>", PLAIN)
    assert fault.kind in (ErrorKind.MALFORMED, ErrorKind.SERVER)
    assert "nginx" not in fault.message


def test_retry_after_in_every_form() -> None:
    assert retry_after({"retry-after": "7"}) == 7
    assert retry_after({"retry-after-ms": "250", "retry-after": "9"}) == 0.25
    assert retry_after({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}) == 0
    assert retry_after({"retry-after": "soon"}) is None
    assert retry_after({"retry-after": "1e9"}) == 24 * 3600
    assert retry_after({}) is None


def chunk(delta: dict[str, Any] | None = None, **more: Any) -> bytes:
    finish = more.pop("finish", None)
    choices = [] if delta is None else [{"index": 0, "delta": delta, "finish_reason": finish}]
    return b"data: " + json.dumps({"id": "c", "choices": choices, **more}).encode() + b"\n\n"


USAGE = {"prompt_tokens": 4, "completion_tokens": 2, "total_tokens": 6}
STREAM = (
    chunk({"role": "assistant", "content": ""}, usage=None),
    chunk({"content": "Hel"}, usage=None),
    chunk({"content": "lo ✓"}, usage=None),
    chunk({}, finish="stop", usage=None),
    chunk(None, usage=USAGE),
    b"data: [DONE]\n\n",
)


@given(st.lists(st.integers(1, 9), max_size=200), st.booleans())
def test_a_stream_cut_anywhere_reads_the_same(cuts: list[int], strip: bool) -> None:
    whole = b"".join(STREAM)
    reader, out, start = StreamReader(PLAIN, strip_usage=strip), b"", 0
    for size in cuts:
        out += reader.feed(whole[start : start + size])
        start += size
    out += reader.feed(whole[start:]) + reader.end()
    assert out == (b"".join(STREAM[:4] + STREAM[5:]) if strip else whole)
    assert reader.fault is None
    assert (reader.done, reader.finish, reader.usage) == (True, "stop", Usage(input=4, output=2))
    assert reader.text_bytes == len("Hello ✓".encode())


def test_a_role_chunk_and_a_comment_are_no_content() -> None:
    reader = StreamReader(PLAIN, strip_usage=False)
    for event in (b": PROCESSING\n\n", STREAM[0], chunk({"role": "assistant", "content": None}),
                  chunk(None), chunk({"content": "", "reasoning_content": None})):  # fmt: skip
        reader.feed(event)
        assert not reader.content
    for delta in ({"reasoning_content": "hm"}, {"tool_calls": [{"index": 0}]}, {"refusal": "no"}):
        reader = StreamReader(PLAIN, strip_usage=False)
        reader.feed(chunk(delta))
        assert reader.content


@pytest.mark.parametrize(
    ("event", "kind"),
    [
        (b'data: {"error":{"message":"x","code":"insufficient_quota"}}\n\n', ErrorKind.QUOTA),
        (b'event: error\ndata: {"error":{"message":"x","code":503}}\n\n', ErrorKind.OVERLOADED),
        (b'data: {"error":"words","choices":"odd"}\n\n', ErrorKind.SERVER),
        (b'data: {"choices":null,"base_resp":{"status_code":429}}\n\n', ErrorKind.RATE_LIMITED),
        (b'data: {"code":503,"message":"flat"}\n\n', ErrorKind.OVERLOADED),
        (b"data: {broken\n\n", ErrorKind.MALFORMED),
        (b'data: {"choices":"odd", broken\n\n', ErrorKind.MALFORMED),
        (b'data: {"x":"\xff"}\n\n', ErrorKind.MALFORMED),
        (chunk({"content": ""}, finish="error"), ErrorKind.SERVER),
        (chunk({"content": ""}, finish="insufficient_system_resource"), ErrorKind.OVERLOADED),
        (b'data: {"choices":[],"base_resp":{"status_code":1008}}\n\n', ErrorKind.QUOTA),
    ],
)
def test_a_fault_in_the_stream_ends_it(event: bytes, kind: ErrorKind) -> None:
    reader = StreamReader(PLAIN, strip_usage=False)
    before = reader.feed(STREAM[1])
    out = reader.feed(event + STREAM[2])
    assert before == STREAM[1]
    assert STREAM[2] not in out
    assert reader.fault is not None
    assert reader.fault.kind is kind


@pytest.mark.parametrize("tail", [b"", b'data: {"choices":[{"delta":{"cont'])
def test_an_end_without_a_finish_is_a_cut(tail: bytes) -> None:
    reader = StreamReader(PLAIN, strip_usage=False)
    reader.feed(STREAM[1] + tail)
    assert reader.end() == b""
    assert reader.fault is not None
    assert reader.fault.kind is ErrorKind.CUT


def test_a_finish_without_done_is_whole() -> None:
    reader = StreamReader(PLAIN, strip_usage=False)
    reader.feed(STREAM[1] + STREAM[3])
    assert reader.end() == b""
    assert reader.fault is None


def test_usage_on_the_finish_chunk_stays_even_where_usage_chunks_are_taken_out() -> None:
    reader = StreamReader(PLAIN, strip_usage=True)
    last = chunk({}, finish="stop", usage=USAGE)
    assert reader.feed(last) == last
    assert reader.usage == Usage(input=4, output=2)


def test_usage_at_a_place_of_the_hosts_own_is_read_where_the_wires_own_is_empty() -> None:
    elsewhere = Dialect(usage_path=("x_own", "usage"))
    last = {
        "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}],
        "x_own": {"usage": {"prompt_tokens": 3, "completion_tokens": 2}},
    }
    raw = b"data: " + json.dumps(last).encode() + b"\n\ndata: [DONE]\n\n"
    tapped, read_ = StreamReader(elsewhere), StreamReader(elsewhere)
    assert tapped.feed(raw) == raw
    read_.events(raw)
    assert tapped.usage == read_.usage == Usage(input=3, output=2)
    assert StreamReader(PLAIN).usage is MISSING


def test_an_error_in_a_choice_of_a_whole_answer_is_an_error() -> None:
    error = {"code": 502, "message": "Error processing stream"}
    choice = {"index": 0, "message": {"content": "", "role": "assistant"}, "error": error}
    with pytest.raises(UpstreamError, match="Error processing stream"):
        tap(json.dumps({"choices": [choice]}).encode(), PLAIN)


def test_bytes_of_a_token_that_are_no_numbers_are_left_out() -> None:
    near = {"token": "b", "logprob": -2.0, "bytes": "Yg=="}
    token = {"token": "a", "logprob": -1.0, "bytes": "YQ==", "top_logprobs": [near]}
    choice = {
        "message": {"role": "assistant", "content": "a"},
        "finish_reason": "stop",
        "logprobs": {"content": [token]},
    }
    answer = read(json.dumps({"choices": [choice]}).encode(), PLAIN, "route")
    expected = {**token, "bytes": None, "top_logprobs": [{**near, "bytes": None}]}
    assert answer.choices[0].logprobs == [expected]
