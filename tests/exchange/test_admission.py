"""Who, what, may: every call that gets no answer is told why, in the form of the wire."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import openai
import pytest

from gateway.auth import key_hash
from tests.exchange.conftest import House
from tests.fakes import answers
from tests.running import HELLO, running

KEY = "ek_canary_personal"
KEYS = [
    {"name": "ci", "hash": key_hash("ek_canary_ci"), "team": "platform", "models": ["assistant"]},
    {"name": "hr", "hash": key_hash(KEY), "team": "people", "label": "personal"},
]
POLICY = {
    "labels": ["public", "internal", "personal"],
    "rules": [
        {
            "name": "personal data stays in Europe",
            "when": {"label_at_least": "personal"},
            "require": {"operator": ["EEA", "CH"], "processed_in": ["EEA"]},
        },
        {
            "name": "a cent is enough",
            "when": {"tag": "cheap"},
            "require": {"request_usd": {"at_most": 0.01}},
        },
    ],
}


@pytest.mark.parametrize(
    ("raw", "says"),
    [
        (b"{", "not valid JSON"),
        (b"", "not valid JSON"),
        (b"[]", "JSON object"),
        (b'{"model":"assistant","messages":[]}', "at least one message"),
        (b'{"model":"assistant"}', "at least one message"),
        (b'{"messages":[{"role":"user","content":"x"}]}', "`model` is missing"),
        (b'{"model":"assistant","messages":"x"}', "`messages` must be a list"),
        (
            b'{"model":"assistant","messages":[{"role":"user","content":"x"}],"stream":"yes"}',
            "`stream`",
        ),
        (b'{"model":"assistant","messages":[{"role":"user","content":"\xff"}]}', "not UTF-8"),
        (b"[" * 200_000, "nested too deeply"),
    ],
)
def test_a_wrong_body_is_a_400_that_names_what_is_wrong(
    house: House, raw: bytes, says: str, capfd: pytest.CaptureFixture[str]
) -> None:
    answer = house.gateway.client.post("/v1/chat/completions", content=raw)
    assert answer.status_code == 400
    error = answer.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert error["type"] == "invalid_request_error"
    assert says in error["message"]
    assert answer.headers["x-entrepot-request-id"].startswith("req_")
    assert not house.first.requests
    assert not house.gateway.entries(), "what was not sent cost nothing"
    assert "Traceback" not in capfd.readouterr().err


def test_an_unknown_model_is_a_404_with_the_nearest(house: House) -> None:
    with pytest.raises(openai.NotFoundError, match="did you mean 'assistant'") as caught:
        sdk(house).chat.completions.create(model="asistant", messages=HELLO)  # type: ignore[call-overload]
    assert caught.value.code == "unknown_model"
    assert caught.value.param == "model"


def test_a_body_of_50_mb_is_refused_however_it_comes(house: House) -> None:
    size = 50 * 1024 * 1024
    big = json.dumps({"model": "assistant", "messages": [{"role": "user", "content": "x" * size}]})
    answer = house.gateway.client.post("/v1/chat/completions", content=big)
    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "request_too_large")
    assert "32 MB" in answer.json()["error"]["message"]
    pieces = (big[at : at + 2**20].encode() for at in range(0, len(big), 2**20))
    answer = house.gateway.client.post("/v1/chat/completions", content=pieces)
    assert answer.status_code == 413
    assert house.gateway.chat().status_code == 200, "and the next call is served"


def test_5_mb_pass(house: House) -> None:
    text = "x" * 5_000_000
    assert house.gateway.chat(messages=[{"role": "user", "content": text}]).status_code == 200
    assert house.first.requests[0].json()["messages"][0]["content"] == text


def sdk(house: House, key: str = "any") -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{house.gateway.url}/v1", api_key=key, max_retries=0)


def test_keys_decide_who_may_call(build: Callable[..., House]) -> None:
    house = build(keys=KEYS)
    client = house.gateway.client
    for headers in ({}, {"authorization": "Bearer wrong"}, {"x-api-key": "wrong"}):
        answer = house.gateway.chat(headers=headers)
        assert (answer.status_code, answer.json()["error"]["code"]) == (401, "invalid_key")
        assert "wrong" not in answer.text
    with pytest.raises(openai.AuthenticationError):
        sdk(house, "wrong").models.list()
    for headers in (
        {"authorization": "Bearer ek_canary_ci"},
        {"x-api-key": "ek_canary_ci"},
        {"x-goog-api-key": "ek_canary_ci"},
    ):
        assert house.gateway.chat(headers=headers).status_code == 200
    assert {entry["key"] for entry in house.gateway.entries(3)} == {"ci"}
    refused = house.gateway.chat(headers={"x-api-key": "ek_canary_ci"}, model="one/m")
    assert refused.status_code == 404
    assert (
        client.get("/v1/models", headers={"x-api-key": "ek_canary_ci"}).json()["data"][0]["id"]
        == "assistant"
    )
    assert house.first.requests[0].headers["authorization"] == "Bearer sk-canary-one"


def test_the_host_header_decides_nothing(build: Callable[..., House]) -> None:
    house = build(keys=KEYS)
    for host in ("localhost", "127.0.0.1", "x/v1/models?", "evil.example/healthz#", "a@b:8080"):
        answer = house.gateway.client.get("/v1/models", headers={"host": host})
        assert (answer.status_code, answer.json()["error"]["code"]) == (401, "invalid_key")
        assert house.gateway.chat(headers={"host": host}).status_code == 401


def test_a_website_cannot_use_a_gateway_without_keys(house: House) -> None:
    answer = house.gateway.chat(headers={"origin": "https://evil.example"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "forbidden_origin")
    assert not house.first.requests
    assert house.gateway.chat(headers={"origin": "http://localhost:3000"}).status_code == 200


def test_personal_data_never_reaches_a_forbidden_route_even_when_all_others_are_down(
    build: Callable[..., House],
) -> None:
    house = build(keys=KEYS, policy=POLICY)
    answer = house.gateway.chat(headers={"x-api-key": KEY})
    assert answer.headers["x-entrepot-route"] == "one/m"
    for fault in (answers.error(500), answers.rate_limited(), answers.reset(), answers.stall(),
                  answers.cut(answers.sse(answers.chat_stream(["x"])), after=1, how="close")):  # fmt: skip
        house.first.script(fault, fault)
        answer = house.gateway.chat(headers={"x-api-key": KEY}, stream=True)
        assert answer.status_code in (429, 502, 503, 504)
        assert "personal data stays in Europe" in answer.json()["error"]["message"]
        assert "two/m" in answer.json()["error"]["message"]
        house.gateway.recover()
    house.first.refuse()
    assert house.gateway.chat(headers={"x-api-key": KEY}).status_code == 502
    denied = house.gateway.chat(headers={"x-api-key": KEY}, model="two/m")
    assert (denied.status_code, denied.json()["error"]["code"]) == (403, "policy_denied")
    assert "'personal data stays in Europe'" in denied.json()["error"]["message"]
    assert not house.second.requests
    ok = house.gateway.chat(headers={"x-api-key": "ek_canary_ci"})
    assert ok.headers["x-entrepot-route"] == "two/m"


def test_a_label_can_be_raised_and_never_lowered(build: Callable[..., House]) -> None:
    house = build(keys=KEYS, policy=POLICY)
    raised = {"x-api-key": "ek_canary_ci", "x-entrepot-label": "personal"}
    assert house.gateway.chat(headers=raised).headers["x-entrepot-route"] == "one/m"
    house.first.refuse()
    assert house.gateway.chat(headers=raised).status_code == 502
    lowered = {"x-api-key": KEY, "x-entrepot-label": "public"}
    assert house.gateway.chat(headers=lowered).status_code == 502
    unknown = house.gateway.chat(headers={"x-api-key": KEY, "x-entrepot-label": "persnal"})
    assert unknown.status_code == 400
    assert "personal" in unknown.json()["error"]["message"]
    assert {entry["label"] for entry in house.gateway.entries(3)} == {"personal"}
    assert not house.second.requests


def test_a_rule_on_the_cost_of_a_call_counts_the_most_it_can_cost(
    build: Callable[..., House],
) -> None:
    house = build(policy=POLICY)
    headers = {"x-entrepot-tags": "cheap"}
    assert house.gateway.chat(headers=headers, max_tokens=100).status_code == 200
    answer = house.gateway.chat(headers=headers, max_tokens=1_000_000)
    assert answer.status_code == 403
    assert "a cent is enough" in answer.json()["error"]["message"]
    unlimited = house.gateway.chat(headers=headers)
    assert unlimited.status_code == 403, "without a limit to the answer its cost is unknown"


def test_a_budget_is_a_cap_for_parallel_calls_and_over_a_restart(
    build: Callable[..., House],
) -> None:
    # A call sets aside 1000 tokens out at 2 USD per million and about 150 bytes in at 1: 0.00215.
    house = build(budgets=[{"name": "all of us", "usd": 0.0101, "per": "month"}])
    house.first.default = answers.stall()
    house.second.default = answers.stall()

    async def together() -> list[int]:
        url = f"{house.gateway.url}/v1"
        async with openai.AsyncOpenAI(base_url=url, api_key="x", max_retries=0) as client:

            async def one() -> int:
                try:
                    await client.chat.completions.create(
                        model="assistant", messages=HELLO, max_tokens=1000
                    )  # type: ignore[call-overload]
                except openai.APIStatusError as fault:
                    return fault.status_code
                return 200

            return await asyncio.gather(*(one() for _ in range(20)))

    statuses = asyncio.run(together())
    assert statuses.count(504) == 4, "floor(0.0101 / 0.00215) calls were let in"
    assert statuses.count(402) == 16
    assert len(house.first.requests) == 4
    answer = house.gateway.chat(max_tokens=1_000_000)
    assert (answer.status_code, answer.json()["error"]["code"]) == (402, "budget_exceeded")
    assert "all of us" in answer.json()["error"]["message"]
    assert "max_tokens" in answer.json()["error"]["message"]


def test_what_was_spent_is_spent_after_a_restart_too(
    build: Callable[..., House], tmp_path: Path
) -> None:
    house = build(budgets=[{"name": "small", "usd": 0.001, "per": "month"}])
    usage = {"prompt_tokens": 20, "completion_tokens": 450, "total_tokens": 470}
    house.first.script(answers.chat("x", usage=usage))
    assert house.gateway.chat(max_tokens=10).status_code == 200
    assert house.gateway.chat(max_tokens=10).status_code == 402
    house.gateway.close()
    with running(tmp_path / "config.yaml") as again:
        refused = again.chat(max_tokens=10)
        assert refused.status_code == 402
        assert "0.00008 USD left" in refused.json()["error"]["message"]


def _one() -> dict[str, Any]:
    price = {"input": "1", "output": "2", "source": "test", "date": "2026-11-25"}
    facts = {"operator": ["FR"], "processed_in": ["FR"]}
    return {"catalog": "openai", "api_key": "x", "prices": {"m": price}, "facts": facts}


def test_requests_a_minute(build: Callable[..., House]) -> None:
    house = build(keys=[{**KEYS[0], "rpm": 2}])
    headers = {"x-api-key": "ek_canary_ci"}
    statuses = [house.gateway.chat(headers=headers).status_code for _ in range(3)]
    assert statuses == [200, 200, 429]
    assert int(house.gateway.chat(headers=headers).headers["retry-after"]) >= 1


def test_models_and_what_is_not_there(house: House) -> None:
    client = house.gateway.client
    assert [model.id for model in sdk(house).models.list()] == ["assistant"]
    assert sdk(house).models.retrieve("assistant").id == "assistant"
    assert client.get("/v1/models/one/m").json()["id"] == "one/m"
    assert client.get("/v1/models/nothing").json()["error"]["code"] == "unknown_model"
    assert client.get("/v1/chat/completions").status_code == 405
    lost = client.post("/chat/completions", json={})
    assert (lost.status_code, lost.json()["error"]["code"]) == (404, "not_found")
    assert "/v1" in lost.json()["error"]["message"]
    assert client.get("/healthz").json() == {"status": "ok"}
    assert client.get("/readyz").json()["status"] == "ready"


def test_metrics_count_calls_attempts_tokens_and_dollars(house: House) -> None:
    house.first.script(answers.error(500))
    house.gateway.chat()
    text = house.gateway.client.get("/metrics").text
    assert 'entrepot_requests_total{code="",status="200"} 1.0' in text
    assert 'entrepot_attempts_total{error="server",outcome="failed",route="one/m"} 1.0' in text
    assert 'entrepot_attempts_total{error="",outcome="completed",route="two/m"} 1.0' in text
    assert 'entrepot_request_seconds_bucket{le="+Inf",route="two/m"} 1.0' in text
    assert "canary" not in text


def test_bytes_that_are_not_http_do_no_harm(house: House) -> None:
    port = int(house.gateway.url.rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port), timeout=5) as raw:
        raw.sendall(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 garbage\r\n\r\n")
        assert b"400" in raw.recv(1000)
    assert house.gateway.chat().status_code == 200


def test_a_host_that_refuses_a_field_is_passed_over_or_named(build: Callable[..., House]) -> None:
    house = build(models={"both": ["strict/m", "two/m"], "one": ["strict/m"]}, providers=_strict)
    assert (
        house.gateway.chat(model="both", logit_bias={"1": 2}).headers["x-entrepot-route"] == "two/m"
    )
    assert house.gateway.chat(model="both").headers["x-entrepot-route"] == "strict/m"
    answer = house.gateway.chat(model="one", logit_bias={"1": 2})
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["param"]) == (
        400,
        "unsupported_parameter",
        "logit_bias",
    )
    assert "strict/m" in error["message"]
    renamed = house.gateway.chat(model="one", seed=3, max_completion_tokens=5)
    assert renamed.status_code == 200
    sent = house.first.requests[-1].json()
    assert (sent["random_seed"], sent["max_tokens"]) == (3, 5)


def _strict(first: Any, second: Any) -> dict[str, Any]:
    """A provider whose dialect renames and refuses, before one that takes all."""
    return {
        "strict": {**_one(), "catalog": "mistral", "base_url": first.base_url},
        "two": {**_one(), "base_url": second.base_url},
    }
