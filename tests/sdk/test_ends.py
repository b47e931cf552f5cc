"""How calls end otherwise than well, as the SDKs tell it: refusals, overload, rates, quotas."""

from __future__ import annotations

import json
from typing import Any

import anthropic
import openai
import pytest
from google.genai import errors as gerrors

from tests.fakes import answers
from tests.fakes.answers import Behaviour
from tests.fakes.spoken import HOST_WIRES, Said
from tests.sdk.house import Sdk
from tests.wires.clients import CLIENT_WIRES

each_client = pytest.mark.parametrize("client", CLIENT_WIRES)
both_ways = pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
FILTERING = [wire for wire in HOST_WIRES if wire != "cohere"]  # it has no word for it
USER = [{"role": "user", "content": "Hi"}]


def ended(sdk: Sdk, client: str, model: str, *, stream: bool, retries: int = 0) -> tuple[str, str]:
    """Ask, and return the words that came and the SDK's word for how it ended."""
    if client == "gemini":
        call = sdk.gemini.models.generate_content
        if stream:
            chunks = list(sdk.gemini.models.generate_content_stream(model=model, contents="Hi"))
        else:
            chunks = [call(model=model, contents="Hi")]
        candidates = [c for chunk in chunks for c in chunk.candidates or []]
        parts = [p for c in candidates for p in (c.content and c.content.parts) or []]
        feedback: Any = [chunk.prompt_feedback for chunk in chunks if chunk.prompt_feedback]
        ends = [c.finish_reason.value for c in candidates if c.finish_reason]
        ends += [one.block_reason.value for one in feedback]
        return "".join(part.text or "" for part in parts), ends[-1]
    if client == "messages":
        api = sdk.anthropic.with_options(max_retries=retries)
        given: dict[str, Any] = {"model": model, "max_tokens": 50, "messages": USER}
        if stream:
            with api.messages.stream(**given) as events:
                message: Any = events.get_final_message()
        else:
            message = api.messages.create(**given)
        return "".join(b.text for b in message.content), message.stop_reason
    chat = sdk.openai.with_options(max_retries=retries)
    if client == "responses":
        if stream:
            seen: list[Any] = list(chat.responses.create(model=model, input="Hi", stream=True))
            response = seen[-1].response
        else:
            response = chat.responses.create(model=model, input="Hi")
        why = response.incomplete_details
        refused = [p.refusal for i in response.output for p in i.content if p.type == "refusal"]
        return response.output_text + "".join(refused), why.reason if why else response.status
    if stream:
        deltas: list[Any] = [
            chunk.choices[0]
            for chunk in chat.chat.completions.create(model=model, messages=USER, stream=True)
            if chunk.choices
        ]
        words = [d.delta.content or d.delta.refusal or "" for d in deltas]
        return "".join(words), [d.finish_reason for d in deltas if d.finish_reason][-1]
    choice: Any = chat.chat.completions.create(model=model, messages=USER).choices[0]
    words = [choice.message.content or "", choice.message.refusal or ""]
    return "".join(words), choice.finish_reason


FILTERED = {
    "chat": "content_filter",
    "responses": "content_filter",
    "messages": "refusal",
    "gemini": "SAFETY",
}


@each_client
@pytest.mark.parametrize("host", FILTERING)
@both_ways
@pytest.mark.parametrize("words", ["", "I cannot"], ids=["before", "after"])
def test_a_refusal_is_told_and_never_dodged(
    sdk: Sdk, client: str, host: str, stream: bool, words: str
) -> None:
    """Before the first word too it is the answer: the next route is not asked instead."""
    sdk.says(host, Said(words, finish="filter"), stream=stream)
    assert ended(sdk, client, f"then-{host}", stream=stream) == (words, FILTERED[client])
    assert len(sdk.upstream.requests) == 1


@each_client
@both_ways
def test_a_prompt_that_gemini_blocks(sdk: Sdk, client: str, stream: bool) -> None:
    """There is no candidate at all, only feedback on the prompt."""
    blocked = {
        "promptFeedback": {"blockReason": "PROHIBITED_CONTENT"},
        "usageMetadata": {"promptTokenCount": 5, "totalTokenCount": 5},
    }
    behaviour = answers.json_body(blocked)
    if stream:
        data = b"data: " + json.dumps(blocked).encode() + b"\r\n\r\n"
        behaviour = answers.body(200, data, "text/event-stream", {})
    sdk.does("gemini", behaviour, stream=stream)
    _, end = ended(sdk, client, "then-gemini", stream=stream)
    assert end == ("PROHIBITED_CONTENT" if client == "gemini" else FILTERED[client])
    assert len(sdk.upstream.requests) == 1


@each_client
@both_ways
def test_a_filter_that_answers_with_a_400(sdk: Sdk, client: str, stream: bool) -> None:
    """The request's own fault: told with its status and code, and no other route is asked."""
    said = "The response was filtered due to the prompt triggering our content management policy."
    refused = answers.error(400, said, kind="invalid_request_error", code="content_filter")
    sdk.does("chat", refused, stream=stream)
    status, _, message = failed(sdk, client, "then-chat", stream=stream)
    assert status == 400
    assert "content management policy" in message
    assert len(sdk.upstream.requests) == 1


# --- errors ---


def failed(
    sdk: Sdk, client: str, model: str, *, stream: bool = False, retries: int = 0
) -> tuple[int, Any, str]:
    """Ask, and return the status, the class and the message of the SDK's error."""
    kinds = (openai.APIStatusError, anthropic.APIStatusError, gerrors.APIError)
    with pytest.raises(kinds) as caught:
        ended(sdk, client, model, stream=stream, retries=retries)
    fault = caught.value
    if isinstance(fault, gerrors.APIError):
        return int(fault.code), fault, str(fault.message)
    return fault.status_code, fault, fault.message


def wait_of(fault: Any) -> str:
    """Return the Retry-After of an SDK's error."""
    return str(fault.response.headers.get("retry-after", ""))


OVERLOADED = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}
RETRY_INFO = {
    "error": {
        "code": 429,
        "message": "You exceeded your current quota. Please retry in 31.2s.",
        "status": "RESOURCE_EXHAUSTED",
        "details": [
            {
                "@type": "type.googleapis.com/google.rpc.QuotaFailure",
                "violations": [{"quotaId": "GenerateRequestsPerMinutePerProjectPerModel-FreeTier"}],
            },
            {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "31s"},
        ],
    }
}
NO_QUOTA = answers.error(
    429,
    "You exceeded your current quota, please check your plan and billing details.",
    kind="insufficient_quota",
    code="insufficient_quota",
    headers={"x-request-id": "req_upstream_1"},
)


def overloaded() -> Behaviour:
    return answers.json_body(OVERLOADED, 529, {"request-id": "req_upstream_2"})


@each_client
@both_ways
def test_529_moves_on_and_alone_is_told_as_overload(sdk: Sdk, client: str, stream: bool) -> None:
    sdk.does("messages", overloaded(), overloaded(), stream=stream)
    sdk.says("chat", Said("Here."), stream=stream)
    assert ended(sdk, client, "then-messages", stream=stream)[0] == "Here."
    status, fault, message = failed(sdk, client, "m-messages", stream=stream)
    assert status == 503
    assert "Overloaded" in message
    assert wait_of(fault)
    told = fault.response.headers
    assert told["x-entrepot-upstream-request-id"] == "req_upstream_2"
    if client == "messages":
        assert fault.body["error"]["type"] == "overloaded_error"


@each_client
@both_ways
def test_retry_info_becomes_retry_after(sdk: Sdk, client: str, stream: bool) -> None:
    sdk.does("gemini", answers.json_body(RETRY_INFO, 429), stream=stream)
    status, fault, message = failed(sdk, client, "m-gemini", stream=stream)
    assert status == 429
    assert "exceeded your current quota" in message
    assert wait_of(fault) == "31"
    kinds = {
        "chat": openai.RateLimitError,
        "responses": openai.RateLimitError,
        "messages": anthropic.RateLimitError,
        "gemini": gerrors.ClientError,
    }
    assert isinstance(fault, kinds[client])
    assert sdk.entries()[0]["error"] == "rate_limited"


@each_client
@both_ways
def test_no_quota_is_never_tried_again(sdk: Sdk, client: str, stream: bool) -> None:
    """Neither by the gateway nor by an SDK that would: it is told not to."""
    sdk.does("chat", NO_QUOTA, stream=stream)
    status, fault, message = failed(sdk, client, "m-chat", stream=stream, retries=3)
    assert len(sdk.upstream.requests) == 1
    assert status == 429
    assert "check your plan and billing" in message
    assert "sk-canary" not in str(fault.response.headers) + message
    if client in ("chat", "responses"):
        assert fault.code == "insufficient_quota"
    assert fault.response.headers["x-entrepot-upstream-request-id"] == "req_upstream_1"
    assert sdk.entries()[0]["error"] == "quota"


QUOTA_TEXTS = [
    "5-hour usage limit reached. Resets in 2 hours 10 minutes.",
    "Usage limit reached for 5 hour. Your limit will reset at 2099-08-27 21:31:39",
]


@pytest.mark.parametrize("text", QUOTA_TEXTS)
def test_a_plan_that_is_used_up_is_told_by_its_words(sdk: Sdk, text: str) -> None:
    """No code says so, only the text: quota, not rate, and the next route answers."""
    sdk.does("chat", answers.error(429, text, kind="error"), stream=False)
    status, fault, _ = failed(sdk, "chat", "m-chat", retries=3)
    assert len(sdk.upstream.requests) == 1
    assert (status, fault.code) == (429, "insufficient_quota")
    assert float(wait_of(fault)) >= 2 * 3600
    assert sdk.entries()[0]["error"] == "quota"


def test_the_business_codes_of_a_host_of_the_catalogue(sdk: Sdk) -> None:
    """1302 is a rate, 1308 a plan used up, 1305 overload: all of them a 429 there."""
    path = "/real/zai/paas/v4/chat/completions"
    found = []
    for code, text in (
        ("1302", "Rate limit reached for requests"),
        ("1308", "Usage limit reached for 5 hour. Your limit will reset at 2099-08-27 21:31:39"),
        ("1305", "The service may be temporarily overloaded"),
    ):
        error = {"error": {"code": code, "message": text}}
        sdk.upstream.on(path, answers.json_body(error, 429))
        failed(sdk, "chat", "zai")
        found.append(code)
        sdk.gateway.recover()
    kinds = [entry["error"] for entry in sdk.entries(3)]
    assert kinds == ["rate_limited", "quota", "overloaded"]


@each_client
def test_an_error_inside_a_200(sdk: Sdk, client: str) -> None:
    fault = {"error": {"message": "Provider returned error", "code": 502}}
    sdk.does("chat", answers.json_body(fault), answers.json_body(fault), stream=False)
    sdk.says("chat", Said("Second."), stream=False)
    status, _, message = failed(sdk, client, "m-chat")
    assert status == 502
    assert "Provider returned error" in message
    assert ended(sdk, client, "then-chat", stream=False)[0] == "Second."


TOO_LONG = answers.error(
    400,
    "This model's maximum context length is 8192 tokens. However, you requested 9000 tokens.",
    kind="invalid_request_error",
    code="context_length_exceeded",
)


@each_client
def test_a_context_that_is_too_long(sdk: Sdk, client: str) -> None:
    """Coding agents look for their own wire's words, to shorten the conversation."""
    sdk.does("chat", TOO_LONG, stream=False)
    status, fault, message = failed(sdk, client, "m-chat")
    assert status == 400
    if client == "messages":
        assert fault.body["error"]["type"] == "invalid_request_error"
        assert fault.body["error"]["message"].startswith("prompt is too long")
    elif client == "gemini":
        assert fault.status == "INVALID_ARGUMENT"
    else:
        assert fault.code == "context_too_long"
    assert "8192" in message


def test_a_wrong_credential_of_ours_is_no_fault_of_the_client(sdk: Sdk) -> None:
    wrong = answers.error(401, "Incorrect API key provided: sk-canary-chat", code="invalid_api_key")
    for client in CLIENT_WIRES:
        sdk.does("chat", wrong, stream=False)
        status, fault, message = failed(sdk, client, "m-chat")
        assert status == 502
        assert "sk-canary" not in message
        assert "sk-canary" not in str(getattr(fault, "body", "")) + str(fault)
