"""Both versions of the Messages API, counting tokens, and the list of models as each SDK asks."""

from __future__ import annotations

from typing import Any

import anthropic
import openai
import pytest
from google.genai import errors as gerrors

from tests.fakes import answers, spoken
from tests.fakes.spoken import HOST_WIRES, Said
from tests.running import events
from tests.sdk.house import Sdk, declared, tool
from tests.wires.clients import KEY

OLD, NEW = "2023-06-01", "2026-10-21"
AT_ANTHROPIC = "/real/anthropic/v1/messages"
USER = [{"role": "user", "content": "Hi"}]


@pytest.mark.parametrize("host", ["messages", "chat"])
@pytest.mark.parametrize("stream", [False, True])
def test_the_new_version_with_a_bearer_is_what_the_sdk_sends(
    sdk: Sdk, host: str, stream: bool
) -> None:
    sdk.says(host, Said("Hi."), stream=stream)
    given: dict[str, Any] = {"model": f"m-{host}", "max_tokens": 9, "messages": USER}
    if stream:
        with sdk.anthropic.messages.stream(**given) as found:
            message: Any = found.get_final_message()
        sent = found.response.request.headers
    else:
        raw = sdk.anthropic.messages.with_raw_response.create(**given)
        sent, message = raw.http_request.headers, raw.parse()
    assert sent["anthropic-version"] == NEW
    assert sent["authorization"] == f"Bearer {KEY}"
    assert message.content[0].text == "Hi."
    # Its version goes on to a host of its wire, its key to nobody.
    assert sdk.last.headers.get("anthropic-version") == (NEW if host == "messages" else None)
    assert KEY not in str(sdk.last.header_lines)


@pytest.mark.parametrize("host", ["messages", "chat"])
@pytest.mark.parametrize("stream", [False, True])
def test_the_old_version_with_its_own_header(sdk: Sdk, host: str, stream: bool) -> None:
    sdk.says(host, Said("Hi."), stream=stream)
    answer = sdk.gateway.client.post(
        "/v1/messages",
        json={"model": f"m-{host}", "max_tokens": 9, "messages": USER, "stream": stream},
        headers={"x-api-key": KEY, "anthropic-version": OLD},
    )
    assert answer.status_code == 200
    if stream:
        found = [e["delta"] for e in events(answer.content) if e["type"] == "content_block_delta"]
        assert "".join(delta["text"] for delta in found) == "Hi."
    else:
        assert answer.json()["content"][0]["text"] == "Hi."
    assert sdk.last.headers.get("anthropic-version") == (OLD if host == "messages" else None)
    assert KEY not in str(sdk.last.header_lines)


def test_a_host_of_the_catalogue_gets_the_clients_version_and_our_key(sdk: Sdk) -> None:
    sdk.upstream.on(AT_ANTHROPIC, spoken.answer("messages", Said("Hi."), stream=False))
    sdk.anthropic.messages.create(
        model="anthropic", max_tokens=9, messages=[{"role": "user", "content": "Hi"}]
    )
    assert sdk.last.headers["anthropic-version"] == NEW
    assert sdk.last.headers["x-api-key"] == "sk-canary-anthropic"
    assert "authorization" not in sdk.last.headers
    sdk.upstream.on(AT_ANTHROPIC, spoken.answer("messages", Said("Hi."), stream=False))
    sdk.openai.chat.completions.create(
        model="anthropic", messages=[{"role": "user", "content": "Hi"}]
    )
    # A translated call is written in the version that the codec knows.
    assert sdk.last.headers["anthropic-version"] == OLD


# --- turns that a host would hold ---


@pytest.mark.parametrize("host", HOST_WIRES)
def test_threads_are_refused_in_the_words_that_the_sdk_goes_on_from(sdk: Sdk, host: str) -> None:
    """The conversation is not left to one host; the SDK then sends it whole, as it always could."""
    with pytest.raises(anthropic.BadRequestError) as caught:
        sdk.anthropic.beta.messages.create(
            model=f"m-{host}",
            max_tokens=9,
            messages=[{"role": "user", "content": "Hi"}],
            thread={"type": "create"},
        )
    body: Any = caught.value.body
    assert body["error"]["details"]["error_code"] == "thread_unsupported_request"
    assert not sdk.upstream.requests


# --- counting ---


def test_the_host_counts_exactly_where_it_can(sdk: Sdk) -> None:
    sdk.upstream.on(f"{AT_ANTHROPIC}/count_tokens", answers.json_body({"input_tokens": 1234}))
    tools: Any = declared("messages", tool())
    raw = sdk.anthropic.messages.with_raw_response.count_tokens(
        model="anthropic", messages=[{"role": "user", "content": "Hi"}], tools=tools
    )
    assert raw.parse().input_tokens == 1234
    assert "x-entrepot-estimated" not in raw.headers
    assert sdk.sent["model"] == "claude-sonnet-5-5"
    assert "max_tokens" not in sdk.sent
    path = "/real/google/v1beta/models/gemini-4-argon:countTokens"
    sdk.upstream.on(path, answers.json_body({"totalTokens": 77}))
    found = sdk.gemini.models.count_tokens(model="google-ai-studio", contents="Hi")
    assert found.total_tokens == 77


@pytest.mark.parametrize("host", HOST_WIRES)
def test_elsewhere_it_is_an_estimate_and_says_so(sdk: Sdk, host: str) -> None:
    words = "The quick brown fox jumps over the lazy dog. " * 40
    raw = sdk.anthropic.messages.with_raw_response.count_tokens(
        model=f"m-{host}", messages=[{"role": "user", "content": words}]
    )
    # 401 by the tokenizer of a model; ours is by size.
    assert 300 < raw.parse().input_tokens < 700
    assert raw.headers["x-entrepot-estimated"] == "true"
    assert not sdk.upstream.requests
    found = sdk.gemini.models.count_tokens(model=f"m-{host}", contents=words)
    assert 300 < (found.total_tokens or 0) < 700


def test_a_gemini_client_counts_at_a_host_of_another_wire(sdk: Sdk) -> None:
    sdk.upstream.on(f"{AT_ANTHROPIC}/count_tokens", answers.json_body({"input_tokens": 9}))
    found = sdk.gemini.models.count_tokens(model="anthropic", contents="Hi")
    assert found.total_tokens == 9
    assert sdk.sent["messages"] == [{"role": "user", "content": "Hi"}]


def test_responses_input_tokens(sdk: Sdk) -> None:
    counted = {"object": "response.input_tokens", "input_tokens": 55}
    sdk.upstream.on("/real/openai/v1/responses/input_tokens", answers.json_body(counted))
    raw = sdk.openai.responses.input_tokens.with_raw_response.count(model="openai", input="Hi")
    assert raw.parse().input_tokens == 55
    raw = sdk.openai.responses.input_tokens.with_raw_response.count(model="m-chat", input="Hi")
    assert raw.parse().input_tokens > 0
    assert raw.headers["x-entrepot-estimated"] == "true"


# --- models ---


def test_models_as_each_sdk_asks_for_them(sdk: Sdk) -> None:
    expected = list(sdk.gateway.setup.model_names)
    assert [model.id for model in sdk.openai.models.list()] == expected
    assert sdk.openai.models.retrieve("m-chat").object == "model"
    found = list(sdk.anthropic.models.list())
    assert [model.id for model in found] == expected
    assert {model.type for model in found} == {"model"}
    assert sdk.anthropic.models.retrieve("m-chat").display_name == "m-chat"
    assert [model.name for model in sdk.gemini.models.list()] == [f"models/{n}" for n in expected]
    assert sdk.gemini.models.get(model="m-chat").name == "models/m-chat"
    with pytest.raises(openai.NotFoundError):
        sdk.openai.models.retrieve("no-such")
    with pytest.raises(anthropic.NotFoundError) as caught:
        sdk.anthropic.models.retrieve("no-such")
    body: Any = caught.value.body
    assert body["error"]["type"] == "not_found_error"
    with pytest.raises(gerrors.ClientError) as missing:
        sdk.gemini.models.get(model="no-such")
    assert missing.value.status == "NOT_FOUND"
