"""The SDKs' own loops that call tools and go on, over every host wire, whole and streamed."""

from __future__ import annotations

from typing import Any

import pytest
from anthropic import beta_tool
from google.genai import types as g
from openai import pydantic_function_tool
from openai.lib._tools import pydantic_responses_function_tool
from openai.lib.responses_tool_runner import RegisteredFunction, ResponsesToolRunner
from pydantic import BaseModel

from tests.fakes import spoken
from tests.fakes.spoken import HOST_WIRES, Call, Said
from tests.sdk.house import Sdk, text_of

each_host = pytest.mark.parametrize("host", HOST_WIRES)
both_ways = pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])


def turns(host: str) -> list[Said]:
    """Two parallel calls, one more call, and the end of it."""
    return [
        Said(
            "Adding.",
            (Call("call_1", "add", '{"a":1,"b":2}'), Call("call_2", "add", '{"a":3,"b":4}')),
            "Two sums.",
            spoken.opaque(f"{host} first"),
        ),
        Said("", (Call("call_3", "add", '{"a":3,"b":7}'),), "", spoken.opaque(f"{host} second")),
        Said("It is 10."),
    ]


def judge(sdk: Sdk, host: str) -> None:
    """The host got every result, in order, and its own ids and states back."""
    assert len(sdk.upstream.requests) == 3
    told = text_of(sdk.last)
    assert told.index("Adding.") < told.index("sum 3") < told.index("sum 7")
    assert told.index("sum 7") < told.index("sum 10")
    if host in ("responses", "messages", "gemini", "converse"):
        assert spoken.opaque(f"{host} first") in told
    assert [e["outcome"] for e in sdk.entries(3)] == ["completed"] * 3


class Add(BaseModel):
    """Add two numbers."""

    a: float
    b: float


@each_host
@both_ways
def test_the_responses_tool_runner(sdk: Sdk, host: str, stream: bool) -> None:
    """It judges harshly: what an item said when it was done must be what the end says of it."""
    sdk.says(host, *turns(host), stream=stream)
    function = RegisteredFunction.from_tool(
        pydantic_responses_function_tool(Add, name="add"),
        execute=lambda asked: f"sum {asked.a + asked.b:g}",
    )
    seen: list[str] = []
    answer = ResponsesToolRunner(functions=[function]).run(
        sdk.openai,
        {
            "model": f"m-{host}",
            "input": "Add up.",
            "include": ["reasoning.encrypted_content"],
            "store": False,
        },
        max_steps=5,
        stream=stream,
        eager=stream,
        on_event=(lambda event: seen.append(event.type)) if stream else None,
    )
    assert answer.output_text == "It is 10."
    judge(sdk, host)
    if stream:
        assert seen.count("response.completed") == 3
        assert seen.count("response.function_call_arguments.done") == 3


@each_host
@both_ways
def test_the_messages_tool_runner(sdk: Sdk, host: str, stream: bool) -> None:
    @beta_tool
    def add(a: float, b: float) -> str:
        """Add two numbers.

        Args:
            a: one
            b: another
        """
        return f"sum {a + b:g}"

    sdk.says(host, *turns(host), stream=stream)
    given: dict[str, Any] = {
        "model": f"m-{host}",
        "max_tokens": 200,
        "tools": [add],
        "messages": [{"role": "user", "content": "Add up."}],
    }
    if stream:
        ends: list[Any] = []
        for one in sdk.anthropic.beta.messages.tool_runner(stream=True, **given):
            for _ in one:
                pass
            ends.append(one.get_final_message())
        assert [end.stop_reason for end in ends] == ["tool_use", "tool_use", "end_turn"]
        last = ends[-1]
    else:
        last = sdk.anthropic.beta.messages.tool_runner(**given).until_done()
    assert [block.text for block in last.content if block.type == "text"] == ["It is 10."]
    judge(sdk, host)


@each_host
@both_ways
def test_geminis_automatic_function_calling(sdk: Sdk, host: str, stream: bool) -> None:
    def add(a: float, b: float) -> str:
        """Add two numbers."""
        return f"sum {a + b:g}"

    sdk.says(host, *turns(host), stream=stream)
    chat = sdk.gemini.chats.create(
        model=f"m-{host}",
        config=g.GenerateContentConfig(
            tools=[add], thinking_config=g.ThinkingConfig(include_thoughts=True)
        ),
    )
    if stream:
        parts = [
            part
            for chunk in chat.send_message_stream("Add up.")
            for candidate in chunk.candidates or []
            for part in (candidate.content and candidate.content.parts) or []
        ]
        texts = [part.text for part in parts if part.text and not part.thought]
        assert "".join(texts) == "Adding.It is 10."
    else:
        assert chat.send_message("Add up.").text == "It is 10."
    judge(sdk, host)


@each_host
@both_ways
def test_a_chat_loop_with_parsed_tools(sdk: Sdk, host: str, stream: bool) -> None:
    """The chat SDK has no runner; this is the loop of its documentation, with its own parsing."""
    sdk.says(host, *turns(host), stream=stream)
    history: list[Any] = [{"role": "user", "content": "Add up."}]
    asked = {"model": f"m-{host}", "tools": [pydantic_function_tool(Add, name="add")]}
    for _ in range(3):
        if stream:
            with sdk.openai.chat.completions.stream(messages=history, **asked) as events:
                message = events.get_final_completion().choices[0].message
        else:
            message = (
                sdk.openai.chat.completions.parse(messages=history, **asked).choices[0].message
            )
        history.append(message)
        for call in message.tool_calls or []:
            found = call.function.parsed_arguments
            assert isinstance(found, Add)
            result = f"sum {found.a + found.b:g}"
            history.append({"role": "tool", "tool_call_id": call.id, "content": result})
    assert message.content == "It is 10."
    judge(sdk, host)
