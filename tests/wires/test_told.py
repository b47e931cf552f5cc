"""Every class of error a host can answer with, as each kind of client is told of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.fakes import answers
from tests.fakes.answers import Behaviour
from tests.wires.clients import CLIENT_WIRES
from tests.wires.conftest import Pairs
from tests.wires.hosts import path_of

SECRET = "sk-canary1234567890abcdefghijklmnop"


@dataclass(frozen=True)
class Fault:
    """What a host answers, and what a client of any wire must be told of it."""

    host: str
    status: int
    body: Any
    told: int
    code: str = ""
    words: str = ""
    headers: dict[str, str] = field(default_factory=dict)

    def behaviour(self) -> Behaviour:
        return answers.json_body(self.body, self.status, self.headers)


def chat(message: str, kind: str = "x", code: str | None = None) -> dict[str, Any]:
    return {"error": {"message": message, "type": kind, "param": None, "code": code}}


def messages(kind: str, message: str) -> dict[str, Any]:
    return {
        "type": "error",
        "error": {"type": kind, "message": message},
        "request_id": "req_upstream",
    }


def google(code: int, status: str, message: str, *details: Any) -> dict[str, Any]:
    return {"error": {"code": code, "status": status, "message": message, "details": list(details)}}


RETRY_INFO = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "31s"}
PER_DAY = {
    "@type": "type.googleapis.com/google.rpc.QuotaFailure",
    "violations": [{"quotaId": "GenerateRequestsPerDayPerProjectPerModel-FreeTier"}],
}
FAULTS: dict[str, Fault] = {
    "chat: wrong key": Fault("chat", 401, chat(f"Incorrect API key: {SECRET}"), 502,
                             "upstream_error"),
    "chat: rate": Fault("chat", 429, chat("slow down", code="rate_limit_exceeded"), 429,
                        "rate_limited", headers={"retry-after": "7"}),
    "chat: quota": Fault("chat", 429, chat("You exceeded your quota", "insufficient_quota",
                         "insufficient_quota"), 429, "insufficient_quota"),
    "chat: balance": Fault("chat", 402, chat("Insufficient Balance"), 429, "insufficient_quota"),
    "chat: too long": Fault("chat", 400, chat("maximum context length is 8192 tokens",
                            code="context_length_exceeded"), 400, "context_too_long"),
    "chat: filter": Fault("chat", 400, chat("The response was filtered", code="content_filter"),
                          400, "content_filter"),
    "chat: bad field": Fault("chat", 422, chat("extra_forbidden: seed"), 422),
    "chat: no model": Fault("chat", 404, chat("no such model", code="model_not_found"), 502,
                            "upstream_error"),
    "chat: busy": Fault("chat", 503, chat("busy"), 503, "upstream_error"),
    "responses: server": Fault("responses", 500, chat("oops"), 502, "upstream_error"),
    "responses: quota": Fault("responses", 429, chat("quota", "insufficient_quota",
                              "insufficient_quota"), 429, "insufficient_quota"),
    "messages: overloaded": Fault("messages", 529, messages("overloaded_error", "Overloaded"),
                                  503, "upstream_error"),
    "messages: rate": Fault("messages", 429, messages("rate_limit_error", "slow"), 429,
                            "rate_limited", headers={"retry-after": "3"}),
    "messages: credit": Fault("messages", 400, messages("invalid_request_error",
                              "Your credit balance is too low to access the API"), 429,
                              "insufficient_quota"),
    "messages: too long": Fault("messages", 400, messages("invalid_request_error",
                                "prompt is too long: 210000 tokens > 200000 maximum"), 400,
                                "context_too_long"),
    "gemini: rate": Fault("gemini", 429, google(429, "RESOURCE_EXHAUSTED", "slow", RETRY_INFO),
                          429, "rate_limited"),
    "gemini: per day": Fault("gemini", 429, google(429, "RESOURCE_EXHAUSTED", "day", PER_DAY),
                             429, "insufficient_quota"),
    "gemini: wrong key": Fault("gemini", 400, google(400, "INVALID_ARGUMENT",
                               "API key not valid. Please pass a valid API key."), 502,
                               "upstream_error"),
    "gemini: unavailable": Fault("gemini", 503, google(503, "UNAVAILABLE", "overloaded"), 503,
                                 "upstream_error"),
    "converse: throttled": Fault("converse", 429, {"message": "Too many requests"}, 429,
                                 "rate_limited", headers={"x-amzn-errortype":
                                 "ThrottlingException:http://internal.amazon.com/"}),
    "converse: denied": Fault("converse", 403, {"message": "no access to the model"}, 502,
                              "upstream_error", headers={"x-amzn-errortype":
                              "AccessDeniedException"}),
    "cohere: wrong token": Fault("cohere", 498, {"message": "invalid token"}, 502,
                                 "upstream_error"),
    "cohere: bad": Fault("cohere", 400, {"message": "invalid request: tools"}, 400),
}  # fmt: skip
# Status -> what the wire itself calls it.
TYPES = {
    "messages": {400: "invalid_request_error", 422: "invalid_request_error",
                 429: "rate_limit_error", 502: "api_error", 503: "overloaded_error"},
    "gemini": {400: "INVALID_ARGUMENT", 422: "INVALID_ARGUMENT", 429: "RESOURCE_EXHAUSTED",
               503: "UNAVAILABLE"},
}  # fmt: skip


def ask(pairs: Pairs, client: str, model: str) -> Any:
    user = {"role": "user", "content": "Hi"}
    path, body = {
        "chat": ("/v1/chat/completions", {"model": model, "messages": [user]}),
        "responses": ("/v1/responses", {"model": model, "input": [user]}),
        "messages": ("/v1/messages", {"model": model, "messages": [user], "max_tokens": 50}),
        "gemini": (
            f"/v1beta/models/{model}:generateContent",
            {"contents": [{"role": "user", "parts": [{"text": "Hi"}]}]},
        ),
    }[client]
    return pairs.gateway.client.post(path, json=body)


def code_of(client: str, error: dict[str, Any]) -> str:
    if client == "gemini":
        return str(error["details"][0]["reason"]) if error.get("details") else ""
    return str(error.get("code"))


@pytest.mark.parametrize("client", CLIENT_WIRES)
@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_told_in_the_askers_wire(pairs: Pairs, client: str, name: str) -> None:
    fault = FAULTS[name]
    pairs.upstream.on(path_of(fault.host, stream=False), fault.behaviour())
    answer = ask(pairs, client, f"m-{fault.host}")
    assert answer.status_code == fault.told, answer.text
    assert SECRET not in answer.text
    assert SECRET[-12:] not in answer.text
    body = answer.json()
    error = body["error"]
    relayed = client == fault.host and fault.told < 429
    if relayed:
        # The request's own fault, where host and client speak one wire: the host's very words.
        assert body == fault.body or fault.code == "context_too_long"
        return
    if client == "messages":
        assert body["type"] == "error"
    if client in TYPES and fault.told in TYPES[client]:
        kind = error["type"] if client == "messages" else error["status"]
        wanted = TYPES[client][fault.told]
        if fault.code == "insufficient_quota" and client == "messages":
            wanted = "billing_error"
        assert kind == wanted
    if fault.code:
        assert code_of(client, error) == fault.code
    if fault.code == "insufficient_quota":
        assert answer.headers["x-should-retry"] == "false"
    elif fault.told in (429, 503):
        assert int(answer.headers["retry-after"]) >= 1
    if "retry-after" in fault.headers:
        assert answer.headers["retry-after"] == fault.headers["retry-after"]
    if name == "gemini: rate":
        assert answer.headers["retry-after"] == "31"
    if fault.code == "context_too_long" and client == "messages":
        # Agents shorten the conversation by this word.
        assert error["message"].startswith("prompt is too long")


@pytest.mark.parametrize("client", CLIENT_WIRES)
def test_the_hosts_id_of_the_call_is_kept(pairs: Pairs, client: str) -> None:
    headers = {"x-request-id": "upstream-7", "request-id": "upstream-7"}
    for host in ("chat", "messages", "responses"):
        behaviour = answers.json_body(chat("oops"), 500, headers)
        pairs.upstream.on(path_of(host, stream=False), behaviour)
        answer = ask(pairs, client, f"m-{host}")
        assert answer.headers["x-entrepot-upstream-request-id"] == "upstream-7"
