"""A neutral request as a Responses body, and what it cannot say."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from providers.dialect import Dialect
from providers.ir import (
    Audio,
    File,
    Image,
    Message,
    Opaque,
    OutputFormat,
    Reasoning,
    Refused,
    Request,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
    Trace,
)
from providers.wires.chat.read import read as read_chat
from providers.wires.responses.read import read
from providers.wires.responses.write import write
from providers.wires.wire import CannotExpressError, Written

PLAIN = Dialect()
HI = Message("user", (Text("hi"),))
FUNCTION = Tool("f", "does", {"type": "object", "properties": {}})


def written(
    *messages: Message, dialect: Dialect = PLAIN, wire: str = "chat", **more: Any
) -> Written:
    return write(Request(wire, "alias", messages or (HI,), **more), "real", dialect)


def items(*messages: Message, **more: Any) -> list[Any]:
    found: list[Any] = written(*messages, **more).body["input"]
    return found


def test_the_least_request() -> None:
    assert written() == Written(
        {
            "model": "real",
            "input": [
                {
                    "type": "message",
                    "role": "user",
                    "content": [{"type": "input_text", "text": "hi"}],
                }
            ],
            "store": False,
            "include": ["reasoning.encrypted_content"],
        }
    )


def test_a_turn_with_parallel_calls_and_a_picture_in_one_result() -> None:
    state = Opaque("responses.encrypted", "enc", "here", "rs_1")
    found = items(
        Message("system", (Text("be brief"),)),
        HI,
        Message(
            "assistant",
            (
                Reasoning("hm", True, (state,)),
                Text("a"),
                Refused("b"),
                ToolCall("c1", "f", '{"x": 1}'),
                ToolCall("c2", "patch", "free", "custom"),
                ToolCall("c3", "g", "", namespace="group"),
            ),
        ),
        Message(
            "tool",
            (
                ToolResult("c1", (Text("ok"), Image("image/png", "AA"))),
                ToolResult("c2", (Text("one"), Text("two")), kind="custom"),
                ToolResult("c3", (Text("went wrong"),), is_error=True),
            ),
        ),
        Message("system", (Text("now"),)),
    )
    assert found[0]["role"] == "developer"
    assert found[2:] == [
        {"type": "reasoning", "summary": [{"type": "summary_text", "text": "hm"}], "id": "rs_1",
         "encrypted_content": "enc"},
        {"type": "message", "role": "assistant",
         "content": [{"type": "output_text", "text": "a"}, {"type": "refusal", "refusal": "b"}]},
        {"type": "function_call", "call_id": "c1", "name": "f", "arguments": '{"x": 1}'},
        {"type": "custom_tool_call", "call_id": "c2", "name": "patch", "input": "free"},
        {"type": "function_call", "call_id": "c3", "name": "g", "namespace": "group", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "c1",
         "output": [{"type": "input_text", "text": "ok"},
                    {"type": "input_image", "detail": "auto", "image_url": "data:image/png;base64,AA"}]},
        {"type": "custom_tool_call_output", "call_id": "c2", "output": "one\ntwo"},
        {"type": "function_call_output", "call_id": "c3", "output": "Error: went wrong"},
        {"type": "message", "role": "developer", "content": [{"type": "input_text", "text": "now"}]},
    ]  # fmt: skip


def test_only_state_of_this_wire_goes_and_only_before_what_it_led_to() -> None:
    foreign = Reasoning("hm", False, (Opaque("messages.signature", "sig"),))
    own = Reasoning("", False, (Opaque("responses.encrypted", "e"),))
    assert [item["type"] for item in items(HI, Message("assistant", (foreign, Text("a"))))] == [
        "message", "message",
    ]  # fmt: skip
    assert len(items(HI, Message("assistant", (Text("a"), own)))) == 2
    assert len(items(HI, Message("assistant", (own,)))) == 1


def test_ids_that_do_not_fit_are_mapped_the_same_way_in_calls_and_results() -> None:
    long = "toolu|" + "x" * 80
    found = items(
        Message("assistant", (ToolCall(long, "f", "{}"), ToolCall("ok_1", "f", "{}"))),
        Message("tool", (ToolResult(long, ()), ToolResult("ok_1", ()))),
    )
    ids = [item["call_id"] for item in found]
    assert ids[0] == ids[2] != ids[1] == ids[3] == "ok_1"
    assert len(ids[0]) <= 64
    assert ids[0].replace("_", "").replace("-", "").isalnum()


@pytest.mark.parametrize(
    ("part", "expected"),
    [
        (Image(url="https://a/b.png", detail="low"), {"type": "input_image", "detail": "low", "image_url": "https://a/b.png"}),
        (Image(file_id="file-1"), {"type": "input_image", "detail": "auto", "file_id": "file-1"}),
        (File("application/pdf", "JVBE", name="a.pdf"), {"type": "input_file", "filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBE"}),
        (File("text/plain", text="hi"), {"type": "input_file", "filename": "document.txt", "file_data": "data:text/plain;base64,aGk="}),
        (File(url="https://a/b.pdf", name="n"), {"type": "input_file", "file_url": "https://a/b.pdf"}),
    ],
)  # fmt: skip
def test_pictures_and_documents(part: Any, expected: dict[str, Any]) -> None:
    assert items(Message("user", (part,)))[0]["content"] == [expected]


@pytest.mark.parametrize(
    ("message", "more"),
    [
        (Message("user", (Audio("wav", "AA"),)), {}),
        (Message("user", (Image(file_id="x"),)), {"wire": "messages"}),
        (Message("user", (Image(),)), {}),
        (Message("assistant", (Image("image/png", "AA"),)), {}),
        (Message("user", (Image(url="https://a"),)), {"dialect": Dialect(image_urls=False)}),
    ],
)
def test_what_cannot_be_said_at_all(message: Message, more: dict[str, Any]) -> None:
    with pytest.raises(CannotExpressError):
        written(message, **more)


def test_fields_without_a_word_are_named() -> None:
    found = written(
        n=2, stop=("x",), seed=0, top_k=4, presence_penalty=0.5, frequency_penalty=0.0,
        logit_bias={"1": 1}, service_tier="standard_only", extras={"prediction": {}, "store": False},
    )  # fmt: skip
    assert set(found.lost) == {
        "n", "stop", "seed", "top_k", "presence_penalty", "logit_bias", "service_tier", "prediction",
    }  # fmt: skip


def test_fields_that_it_knows() -> None:
    found = written(
        max_output=5, temperature=0.2, top_p=0.3, logprobs=True, top_logprobs=2, verbosity="low",
        user="u", metadata={"a": "b"}, cache_key="k", service_tier="flex", stream=True,
        parallel_tools=False, extras={"prompt_cache_retention": "24h"},
        thinking=Thinking("high"),
    )  # fmt: skip
    assert found.lost == ()
    said = {name: value for name, value in found.body.items() if name not in ("model", "input")}
    assert said == {
        "store": False, "stream": True, "max_output_tokens": 16, "temperature": 0.2, "top_p": 0.3,
        "top_logprobs": 2, "parallel_tool_calls": False, "text": {"verbosity": "low"},
        "reasoning": {"effort": "high", "summary": "auto"}, "safety_identifier": "u",
        "metadata": {"a": "b"}, "prompt_cache_key": "k", "service_tier": "flex",
        "prompt_cache_retention": "24h",
        "include": ["reasoning.encrypted_content", "message.output_text.logprobs"],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("thinking", "dialect", "expected", "lost"),
    [
        (Thinking("low", show=False), PLAIN, {"effort": "low"}, ()),
        (Thinking(budget=4000), PLAIN, {"effort": "low", "summary": "auto"}, ()),
        (Thinking(budget=32_000), PLAIN, {"effort": "high", "summary": "auto"}, ()),
        (Thinking(budget=0), PLAIN, {"effort": "none"}, ()),
        (Thinking(adaptive=True), PLAIN, {"summary": "auto"}, ()),
        (Thinking("none"), Dialect(thinking_off=False), None, ("thinking",)),
        (Thinking("max"), Dialect(efforts={"max": "xhigh"}), {"effort": "xhigh", "summary": "auto"}, ()),
        (Thinking("max"), Dialect(efforts={"max": ""}), {"summary": "auto"}, ("thinking",)),
        (Thinking("low"), Dialect(thinking="none"), None, ("thinking",)),
        (Thinking("none"), Dialect(thinking="none"), None, ()),
    ],
)  # fmt: skip
def test_thinking(thinking: Thinking, dialect: Dialect, expected: Any, lost: Any) -> None:
    found = written(thinking=thinking, dialect=dialect)
    assert (found.body.get("reasoning"), found.lost) == (expected, lost)
    assert ("include" in found.body) == (dialect.thinking != "none")


def test_tools_of_every_kind() -> None:
    grammar = {"type": "grammar", "grammar": {"syntax": "lark", "definition": "start: x"}}
    found = written(
        tools=(
            FUNCTION,
            Tool("g", parameters={"type": "object", "properties": {"a": {"type": "string"}}}, strict=True),
            Tool("patch", kind="custom", format=grammar),
            Tool("in", namespace="group"),
            Tool("too", namespace="group", kind="custom"),
            Tool("web_search", kind="hosted", wire="responses", raw={"type": "web_search"}),
            Tool("googleSearch", kind="hosted", wire="gemini", raw={}),
        ),
        tool_choice=ToolChoice("named", "patch"),
    )  # fmt: skip
    assert set(found.lost) == {"tools.strict", "tools.googleSearch"}
    empty = {"type": "object", "properties": {}}
    assert found.body["tools"] == [
        {"type": "function", "name": "f", "description": "does", "parameters": empty, "strict": False},
        {"type": "function", "name": "g", "strict": False,
         "parameters": {"type": "object", "properties": {"a": {"type": "string"}}}},
        {"type": "custom", "name": "patch",
         "format": {"type": "grammar", "syntax": "lark", "definition": "start: x"}},
        {"type": "namespace", "name": "group", "description": "The tools of group.",
         "tools": [{"type": "function", "name": "in", "parameters": empty, "strict": False},
                   {"type": "custom", "name": "too"}]},
        {"type": "web_search"},
    ]  # fmt: skip
    assert found.body["tool_choice"] == {"type": "custom", "name": "patch"}


def test_a_strict_tool_stays_strict_where_its_schema_allows_it() -> None:
    schema = {
        "type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"],
        "additionalProperties": False,
    }  # fmt: skip
    found = written(tools=(Tool("f", parameters=schema, strict=True),))
    assert found.lost == ()
    assert found.body["tools"][0]["strict"] is True


@pytest.mark.parametrize(
    ("choice", "dialect", "expected", "lost"),
    [
        (ToolChoice("auto"), PLAIN, "auto", ()),
        (ToolChoice("none"), PLAIN, "none", ()),
        (ToolChoice("required"), PLAIN, "required", ()),
        (ToolChoice("required"), Dialect(tool_choice_words={"required": "any"}), "any", ()),
        (ToolChoice("named", "f"), PLAIN, {"type": "function", "name": "f"}, ()),
        (ToolChoice("required", allowed=("f",)), PLAIN,
         {"type": "allowed_tools", "mode": "required", "tools": [{"type": "function", "name": "f"}]}, ()),
        (ToolChoice("named", "f"), Dialect(forced_tools=False), "auto", ("tool_choice",)),
        (ToolChoice("named", "f"), Dialect(named_tools=False), "required", ()),
    ],
)  # fmt: skip
def test_tool_choice(choice: ToolChoice, dialect: Dialect, expected: Any, lost: Any) -> None:
    found = written(tools=(FUNCTION,), tool_choice=choice, dialect=dialect)
    assert (found.body["tool_choice"], found.lost) == (expected, lost)
    two = written(
        tools=(FUNCTION, Tool("g")), tool_choice=choice, dialect=Dialect(named_tools=False)
    )
    assert ("tool_choice" in two.lost) == (choice.mode == "named")
    assert "tool_choice" not in written(tool_choice=choice, dialect=dialect).body


SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}}
CLOSED = {**SCHEMA, "required": ["a"], "additionalProperties": False}


@pytest.mark.parametrize(
    ("output", "more", "expected", "lost"),
    [
        (OutputFormat("text"), {}, {"type": "text"}, ()),
        (OutputFormat("json"), {}, {"type": "json_object"}, ()),
        (OutputFormat("schema", SCHEMA), {}, {"type": "json_schema", "name": "answer", "schema": SCHEMA, "strict": False}, ()),
        (OutputFormat("schema", CLOSED, "n", "d"), {"wire": "messages"},
         {"type": "json_schema", "name": "n", "schema": CLOSED, "description": "d", "strict": True}, ()),
        (OutputFormat("schema", SCHEMA, strict=True), {}, {"type": "json_schema", "name": "answer", "schema": SCHEMA, "strict": False}, ("output",)),
        (OutputFormat("schema", SCHEMA), {"dialect": Dialect(structured="json")}, {"type": "json_object"}, ("output",)),
        (OutputFormat("json"), {"dialect": Dialect(structured="none")}, None, ("output",)),
    ],
)  # fmt: skip
def test_the_form_of_the_answer(output: Any, more: Any, expected: Any, lost: Any) -> None:
    found = written(output=output, **more)
    assert (found.body.get("text", {}).get("format"), found.lost) == (expected, lost)


def test_what_the_host_refuses_goes_and_is_named() -> None:
    dialect = Dialect(
        refuses=frozenset({"temperature", "store", "include", "parallel_tool_calls", "text"}),
        developer_role=False,
    )
    found = written(
        Message("developer", (Text("x"),)),
        dialect=dialect, temperature=1.0, parallel_tools=True, verbosity="low", max_output=50,
    )  # fmt: skip
    assert set(found.lost) == {"temperature", "parallel_tools", "verbosity"}
    assert set(found.body) == {"model", "input", "max_output_tokens"}
    assert found.body["input"][0]["role"] == "system"


def test_marks_names_and_traces_are_named() -> None:
    trace = Trace("messages", {"type": "server_tool_use"})
    found = written(
        Message("user", (Text("x", cache="5m"),), name="ann"),
        Message("assistant", (trace, Trace("responses", {"type": "web_search_call"}), Text("y"))),
        Message("user", (Text("go on"),)),
        tools=(replace(FUNCTION, cache="1h"),),
    )
    assert set(found.lost) == {"cache", "name", "history of hosted tools"}
    assert {"type": "web_search_call"} in found.body["input"]
    marked = items(Message("user", (Text("x", cache="1h"),)), dialect=Dialect(cache_marks=True))
    assert marked[0]["content"][0]["prompt_cache_breakpoint"] == {"mode": "explicit", "ttl": "30m"}


def test_a_begun_answer_is_not_gone_on_with() -> None:
    found = written(Message("user", (Text("x"),)), Message("assistant", (Text("Once upon"),)))
    assert found.lost == ("prefill",)


def test_a_chat_request_with_tools_and_effort_goes_over_the_bridge() -> None:
    found = write(
        read_chat(
            {
                "model": "alias",
                "reasoning_effort": "medium",
                "max_completion_tokens": 500,
                "messages": [
                    {"role": "system", "content": "be brief"},
                    {"role": "user", "content": "weather?"},
                    {"role": "assistant", "content": None, "tool_calls": [
                        {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}},
                        {"id": "c2", "type": "function", "function": {"name": "f", "arguments": "{}"}}]},
                    {"role": "tool", "tool_call_id": "c1", "content": "sun"},
                    {"role": "tool", "tool_call_id": "c2", "content": "rain"},
                ],
                "tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}],
                "tool_choice": {"type": "function", "function": {"name": "f"}},
            }
        ),
        "real",
        PLAIN,
    )  # fmt: skip
    assert found.lost == ()
    kinds = [item.get("role") or item["type"] for item in found.body["input"]]
    assert kinds == [
        "developer", "user", "function_call", "function_call",
        "function_call_output", "function_call_output",
    ]  # fmt: skip
    assert found.body["tools"][0]["strict"] is False
    assert found.body["tool_choice"] == {"type": "function", "name": "f"}
    assert found.body["reasoning"] == {"effort": "medium", "summary": "auto"}
    assert (found.body["store"], found.body["max_output_tokens"]) == (False, 500)


WORDS = st.text(min_size=1, max_size=12)
NAME = st.from_regex(r"[a-z]{1,8}", fullmatch=True)
GIVEN = st.one_of(
    st.builds(Text, WORDS),
    st.builds(lambda data: Image("image/png", data), NAME),
    st.builds(lambda data: File("application/pdf", data, name="a.pdf"), NAME),
)
STATE = st.builds(lambda data: Opaque("responses.encrypted", data, id="rs"), NAME)


@st.composite
def conversation(draw: st.DrawFn) -> tuple[Message, ...]:
    messages = []
    for turn in range(draw(st.integers(1, 3))):
        messages.append(Message("user", tuple(draw(st.lists(GIVEN, min_size=1, max_size=3)))))
        parts: list[Any] = []
        if draw(st.booleans()):
            text = draw(st.text(max_size=8))
            parts.append(Reasoning(text, bool(text), (draw(STATE),)))
        parts.append(Text(draw(WORDS)))
        calls = []
        for at in range(draw(st.integers(0, 2))):
            custom = draw(st.booleans())
            name, at_id = draw(NAME), f"c{turn}_{at}"
            arguments = draw(WORDS) if custom else '{"a": 1}'
            calls.append(ToolCall(at_id, name, arguments, "custom" if custom else "function"))
        messages.append(Message("assistant", (*parts, *calls)))
        if calls:
            results = [
                ToolResult(
                    call.id, tuple(draw(st.lists(GIVEN, min_size=1, max_size=1))), call.name,
                    kind=call.kind,
                )
                for call in calls
            ]  # fmt: skip
            messages.append(Message("tool", tuple(results)))
    return tuple(messages)


@given(conversation())
def test_a_conversation_survives_writing_and_reading(messages: tuple[Message, ...]) -> None:
    body = write(Request("responses", "m", messages), "m", PLAIN).body
    assert read(body).messages == messages
