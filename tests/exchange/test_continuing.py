"""A stream that breaks off in its text is gone on with by another route, where the config says so."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import anthropic
import openai
import pytest

from tests.exchange.conftest import FACTS_AT_HOME, House
from tests.fakes import answers
from tests.running import HELLO, events

Build = Callable[..., House]
GOES_ON = {"models": {"assistant": {"routes": ["one/m", "two/m"], "continue_streams": True}}}
HALF = answers.cut(answers.sse(answers.chat_stream(["The quick ", "brown "])), after=3, how="reset")
REST = answers.sse(answers.chat_stream(["fox ", "jumps."]))


def ask(house: House) -> list[Any]:
    answer = house.gateway.chat(stream=True)
    assert answer.status_code == 200
    return events(answer.content)


def test_the_client_gets_one_whole_answer(build: Build) -> None:
    house = build(**GOES_ON)
    house.first.script(HALF)
    house.second.script(REST)
    client = openai.OpenAI(base_url=f"{house.gateway.url}/v1", api_key="unused")
    text, finish = "", None
    for chunk in client.chat.completions.create(model="assistant", messages=HELLO, stream=True):
        text += chunk.choices[0].delta.content or "" if chunk.choices else ""
        finish = chunk.choices[0].finish_reason if chunk.choices else finish
    assert (text, finish) == ("The quick brown fox jumps.", "stop")


def test_the_other_host_is_given_the_text_so_far(build: Build) -> None:
    house = build(**GOES_ON)
    house.first.script(HALF)
    house.second.script(REST)
    ask(house)
    (request,) = house.second.requests
    *before, said, wish = request.json()["messages"]
    assert before == HELLO
    assert said == {"role": "assistant", "content": "The quick brown "}
    assert wish["role"] == "user"


def test_it_is_marked_and_accounted(build: Build) -> None:
    house = build(**GOES_ON)
    house.first.script(HALF)
    house.second.script(REST)
    answer = house.gateway.chat(stream=True)
    assert b": continued by two/m\n\n" in answer.content
    # What might have to be gone on with is written here from its first word.
    assert answer.headers["x-entrepot-lane"] == "translate"
    assert answer.content.endswith(b"data: [DONE]\n\n")
    broken, rest = house.gateway.entries(2)
    assert (broken["outcome"], broken["purpose"]) == ("cut", "call")
    assert broken["usage_state"] == "estimated"
    assert (rest["outcome"], rest["purpose"]) == ("completed", "continue")
    assert "one/m broke off" in rest["notes"]


def test_an_anthropic_client_gets_it_in_its_own_wire(build: Build) -> None:
    def on_chat(first: Any, second: Any) -> dict[str, Any]:
        common = {"catalog": "groq", "api_key": "sk-canary", "facts": FACTS_AT_HOME}
        return {
            "one": {**common, "base_url": first.base_url},
            "two": {**common, "base_url": second.base_url},
        }

    house = build(providers=on_chat, **GOES_ON)
    house.first.script(HALF)
    house.second.script(REST)
    client = anthropic.Anthropic(base_url=house.gateway.url, api_key="unused")
    with client.messages.stream(model="assistant", max_tokens=64, messages=HELLO) as stream:
        message = stream.get_final_message()
    assert [block.text for block in message.content] == ["The quick brown fox jumps."]
    assert message.stop_reason == "end_turn"


def test_without_the_wish_the_stream_ends_in_an_error(build: Build) -> None:
    house = build()
    house.first.script(HALF)
    assert "error" in ask(house)[-1]
    assert not house.second.requests


def test_a_forbidden_route_does_not_go_on(build: Build) -> None:
    policy = {"rules": [{"name": "France only", "require": {"operator": ["FR"]}}]}
    house = build(policy=policy, **GOES_ON)
    house.first.script(HALF)
    assert "error" in ask(house)[-1]
    assert not house.second.requests


def test_where_the_other_fails_too_the_stream_ends_in_an_error(build: Build) -> None:
    house = build(**GOES_ON)
    house.first.script(HALF)
    house.second.script(answers.error(500))
    last = ask(house)[-1]
    assert "error" in last
    assert "one/m broke off" in last["error"]["message"]


def chunk(delta: dict[str, Any]) -> dict[str, Any]:
    return {"id": "x", "model": "m", "choices": [{"index": 0, "delta": delta}]}


BEGUN = {"index": 0, "id": "c1", "type": "function", "function": {"name": "f", "arguments": ""}}
CALL = [
    chunk({"role": "assistant", "content": ""}),
    chunk({"tool_calls": [BEGUN]}),
    chunk({"tool_calls": [{"index": 0, "function": {"arguments": '{"city"'}}]}),
]


def test_a_stream_that_breaks_off_in_a_tool_call_is_not_gone_on_with(build: Build) -> None:
    house = build(**GOES_ON)
    house.first.script(answers.cut(answers.sse(CALL), after=3, how="reset"))
    tools = [{"type": "function", "function": {"name": "f", "parameters": {}}}]
    answer = house.gateway.chat(stream=True, tools=tools)
    assert "error" in events(answer.content)[-1]
    assert not house.second.requests


@pytest.mark.parametrize("routes", [["one/m"]])
def test_a_lone_route_has_nobody_to_go_on(build: Build, routes: list[str]) -> None:
    house = build(models={"assistant": {"routes": routes, "continue_streams": True}})
    house.first.script(HALF)
    assert "error" in ask(house)[-1]
    assert len(house.first.requests) == 1
