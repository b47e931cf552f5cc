"""What can go wrong at a host, before and after the first content: the next route, or a clear end."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import openai
import pytest

from tests.exchange.conftest import House
from tests.fakes import answers
from tests.fakes.answers import Behaviour
from tests.running import HELLO, events

STREAM = answers.chat_stream(["Hel", "lo"])


def stream(parts: int | None = None, **how: Any) -> Behaviour:
    return answers.sse(STREAM if parts is None else STREAM[:parts], **how)


# The role chunk is the first event: a fault after it is still before the first content.
BEFORE: dict[str, tuple[Behaviour, str]] = {
    "429": (answers.rate_limited("7"), "rate_limited"),
    "500": (answers.error(500, "oops"), "server"),
    "503": (answers.error(503, "busy"), "overloaded"),
    "529": (answers.error(529, "busy", kind="overloaded_error"), "overloaded"),
    "401": (answers.error(401, "Incorrect API key sk-canary-one", code="invalid_api_key"), "auth"),
    "402": (answers.error(402, "Insufficient Balance"), "quota"),
    "404 html": (answers.html(404), "malformed"),
    "html instead of json": (answers.html(200), "malformed"),
    "json error in a 200": (answers.json_body({"error": {"message": "x", "code": 503}}), "overloaded"),
    "redirect": (answers.redirect("http://127.0.0.1:1/steal"), "malformed"),
    "never answers": (answers.stall(), "timeout"),
    "not http": (answers.raw(b"SSH-2.0-OpenSSH_9.2\r\n"), "malformed"),
}  # fmt: skip
BEFORE_STREAM: dict[str, tuple[Behaviour, str]] = {
    "error event": (answers.sse([answers.error_event("no credit", code="insufficient_quota")], done=False), "quota"),
    "error event after the role": (answers.sse([STREAM[0], answers.error_event("x", code=500)], done=False), "server"),
    "broken json after the role": (answers.sse([STREAM[0], b"data: {oops\n\n"]), "malformed"),
    "clean end after the role": (answers.cut(stream(), after=1, how="close"), "cut"),
    "reset after the role": (answers.cut(stream(), after=1, how="reset"), "cut"),
    "stall after the role": (answers.cut(stream(), after=1, how="stall"), "timeout"),
    "comments, then nothing": (answers.cut(answers.sse([b": PROCESSING\n\n"]), after=1, how="stall"), "timeout"),
}  # fmt: skip
AFTER: dict[str, tuple[Behaviour, str]] = {
    "error event": (answers.sse([*STREAM[:2], answers.error_event("x", code="insufficient_quota")], done=False), "quota"),
    "broken json": (answers.sse([*STREAM[:2], b"data: {oops\n\n", *STREAM[2:]]), "malformed"),
    "half an event": (answers.cut(stream(), after_bytes=500, how="close"), "cut"),
    "clean end": (answers.cut(stream(), after=2, how="close"), "cut"),
    "reset": (answers.cut(stream(), after=2, how="reset"), "cut"),
    "stall": (answers.cut(stream(), after=2, how="stall"), "timeout"),
}  # fmt: skip


@pytest.mark.parametrize("streaming", [False, True], ids=["plain", "stream"])
@pytest.mark.parametrize("name", BEFORE)
def test_before_any_answer_the_next_route_answers(house: House, name: str, streaming: bool) -> None:
    fault, kind = BEFORE[name]
    house.first.script(fault)
    answer = house.gateway.chat(stream=streaming)
    assert answer.status_code == 200, answer.text
    assert answer.headers["x-entrepot-route"] == "two/m"
    assert answer.headers["x-entrepot-attempts"] == "2"
    first, second = house.gateway.entries(2)
    assert (first["outcome"], first["error"], first["provider"]) == ("failed", kind, "one")
    assert (second["outcome"], second["provider"]) == ("completed", "two")
    assert "canary" not in answer.text


@pytest.mark.parametrize("name", BEFORE_STREAM)
def test_before_the_first_content_the_next_route_answers(house: House, name: str) -> None:
    fault, kind = BEFORE_STREAM[name]
    house.first.script(fault)
    answer = house.gateway.chat(stream=True)
    assert answer.headers["x-entrepot-route"] == "two/m"
    assert events(answer.content)[-1] == "[DONE]"
    first, second = house.gateway.entries(2)
    assert (first["outcome"], first["error"]) == ("failed", kind)
    assert second["outcome"] == "completed"


@pytest.mark.parametrize("name", AFTER)
def test_after_the_first_content_the_stream_ends_with_an_error_and_no_done(
    house: House, name: str
) -> None:
    fault, kind = AFTER[name]
    house.first.script(fault)
    answer = house.gateway.chat(stream=True)
    assert answer.status_code == 200
    got = events(answer.content)
    assert got[1]["choices"][0]["delta"]["content"] == "Hel"
    assert set(got[-1]) == {"error"}
    assert "one/m" in got[-1]["error"]["message"]
    assert not house.second.requests, "no text from a second model"
    (entry,) = house.gateway.entries(1)
    assert (entry["outcome"], entry["error"]) == ("cut", kind)
    assert entry["usage_state"] == "estimated"
    assert entry["output"] >= 1
    assert entry["cost_pico"] > 0

    house.gateway.recover()
    house.first.script(fault)
    client = openai.OpenAI(base_url=f"{house.gateway.url}/v1", api_key="x", max_retries=0)
    with pytest.raises(openai.APIError) as caught:
        for _ in client.chat.completions.create(model="assistant", messages=HELLO, stream=True):  # type: ignore[call-overload]
            pass
    assert "one/m" in caught.value.message


def test_refused_and_reset_connections(build: Callable[..., House]) -> None:
    house = build()
    house.first.script(answers.reset(), answers.reset(), answers.hang_up(), answers.chat("third"))
    assert house.gateway.chat().headers["x-entrepot-route"] == "two/m"
    # One that closes without a byte is tried once more: it may have been a stale connection.
    again = house.gateway.chat()
    assert again.headers["x-entrepot-route"] == "one/m"
    assert again.json()["choices"][0]["message"]["content"] == "third"
    house.first.refuse()
    assert house.gateway.chat().headers["x-entrepot-route"] == "two/m"
    kinds = [(entry["error"], entry["usage_state"]) for entry in house.gateway.entries(7)]
    assert kinds.count(("connect", "none")) == 4


def test_all_routes_down_says_what_each_one_answered(house: House) -> None:
    house.first.script(answers.rate_limited("7"))
    house.second.script(answers.error(500, "oops"))
    answer = house.gateway.chat()
    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "7"
    error = answer.json()["error"]
    assert error["code"] == "no_healthy_route"
    assert "one/m" in error["message"]
    assert "two/m: oops" in error["message"]


@pytest.mark.parametrize(
    ("fault", "status", "code", "retry_after"),
    [
        (answers.rate_limited("90"), 429, "rate_limited", "90"),
        (answers.error(500, "oops"), 502, "upstream_error", None),
        (answers.stall(), 504, "upstream_timeout", None),
    ],
)
def test_one_kind_of_fault_everywhere_keeps_its_status(
    house: House, fault: Behaviour, status: int, code: str, retry_after: str | None
) -> None:
    house.first.script(fault)
    house.second.script(fault)
    answer = house.gateway.chat()
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)
    assert answer.headers.get("retry-after") == retry_after


def test_a_fault_of_the_request_goes_to_the_client_in_the_hosts_words(house: House) -> None:
    house.first.script(
        answers.error(400, "tools[0] is odd", kind="invalid_request_error", code="x1")
    )
    answer = house.gateway.chat()
    assert answer.status_code == 400
    assert answer.json()["error"]["message"] == "tools[0] is odd"
    assert answer.json()["error"]["code"] == "x1"
    assert not house.second.requests, "another route would answer the same"


def test_a_prompt_too_long_for_every_route_has_a_stable_code(house: House) -> None:
    too_long = answers.json_body({"error": {"message": "9031 tokens exceed 4096", "code": 400,
                                            "type": "exceed_context_size_error"}}, 400)  # fmt: skip
    house.first.script(too_long)
    assert house.gateway.chat().headers["x-entrepot-route"] == "two/m", "another may have room"
    house.first.script(too_long)
    house.second.script(too_long)
    answer = house.gateway.chat()
    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (400, "context_too_long")
    assert "9031 tokens exceed 4096" in error["message"]


def test_a_redirect_is_never_followed(house: House) -> None:
    house.first.script(answers.redirect(f"{house.second.base_url}/chat/completions", 307))
    house.second.refuse()
    answer = house.gateway.chat()
    assert answer.status_code in (502, 503)
    assert not house.second.requests


def test_hostile_cuts_of_the_network_change_nothing(house: House) -> None:
    whole = answers.sse(answers.chat_stream(["Grüße ", "✓ ", "done"]))
    house.first.script(whole)
    expected = house.gateway.chat(stream=True, stream_options={"include_usage": True}).content
    for size in (1, 2, 7):
        house.first.script(
            answers.sse(answers.chat_stream(["Grüße ", "✓ ", "done"]), piece_bytes=size)
        )
        got = house.gateway.chat(stream=True, stream_options={"include_usage": True}).content
        assert got == expected
    assert json.loads(expected.split(b"\n\n")[1][6:])["choices"][0]["delta"]["content"] == "Grüße "
