"""A client's chat request in the neutral form, that form for a host, and answers for a client."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from providers.carrier import seal
from providers.dialect import Dialect
from providers.ir import (
    Answer,
    Audio,
    Choice,
    Citation,
    File,
    Image,
    Message,
    Opaque,
    OutputFormat,
    Part,
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
from providers.usage import MISSING, Usage
from providers.wires.chat import WIRE
from providers.wires.chat.read import read
from providers.wires.chat.response import read as read_answer
from providers.wires.chat.response import write as write_answer
from providers.wires.chat.states import MARKS, without_state
from providers.wires.chat.write import effort_of, write
from providers.wires.wire import BadRequestError, CannotExpressError, Context, Written

PLAIN = Dialect()
CALL = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": '{"a": 1}'}}
PNG = base64.b64encode(b"png").decode()
STATE = (Opaque("messages.signature", "SIG", "a/b"),)


def body(*messages: Any, **more: Any) -> dict[str, Any]:
    return {"model": "m", "messages": list(messages) or [{"role": "user", "content": "Hi"}], **more}


def parts(*messages: Any) -> list[tuple[str, tuple[Part, ...]]]:
    return [(message.role, message.parts) for message in read(body(*messages)).messages]


def request(*messages: Message, **more: Any) -> Request:
    first = (Message("user", (Text("Hi"),)),)
    return Request(wire="messages", model="m", messages=messages or first, **more)


def sent(asked: Request, dialect: Dialect = PLAIN) -> Written:
    return write(asked, "theirs", dialect)


# Reading a request


def test_roles_and_plain_words() -> None:
    assert parts(
        {"role": "system", "content": "S"},
        {"role": "developer", "content": [{"type": "text", "text": "D"}]},
        {"role": "user", "content": "U", "name": "Ann"},
        {"role": "assistant", "content": "", "refusal": "no"},
        {"role": "assistant", "content": [{"type": "text", "text": "A"}, {"type": "refusal", "refusal": "R"}]},
    ) == [
        ("system", (Text("S"),)),
        ("developer", (Text("D"),)),
        ("user", (Text("U"),)),
        ("assistant", (Refused("no"),)),
        ("assistant", (Text("A"), Refused("R"))),
    ]  # fmt: skip
    assert read(body({"role": "user", "content": "U", "name": "Ann"})).messages[0].name == "Ann"


def test_media() -> None:
    text = base64.b64encode("Grüße".encode()).decode()
    (said,) = parts(
        {"role": "user", "content": [
            {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}", "detail": "low"}},
            {"type": "image_url", "image_url": "https://a/b.png"},
            {"type": "input_audio", "input_audio": {"data": "AA==", "format": "wav"}},
            {"type": "file", "file": {"filename": "a.pdf", "file_data": f"data:application/pdf;base64,{PNG}"}},
            {"type": "file", "file": {"filename": "a.txt", "file_data": f"data:text/plain;base64,{text}"}},
            {"type": "file", "file": {"file_id": "file-1"}},
        ]},
    )  # fmt: skip
    assert said[1] == (
        Image("image/png", PNG, detail="low"),
        Image(url="https://a/b.png"),
        Audio("wav", "AA=="),
        File("application/pdf", PNG, name="a.pdf"),
        File("text/plain", text="Grüße", name="a.txt"),
        File(file_id="file-1"),
    )


def test_calls_and_their_results() -> None:
    second = {"id": "c2", "type": "custom", "custom": {"name": "p", "input": "x y"}}
    got = parts(
        {"role": "assistant", "content": None, "tool_calls": [CALL, second]},
        {"role": "tool", "tool_call_id": "c1", "content": "1"},
        {"role": "tool", "tool_call_id": "c2", "content": [
            {"type": "text", "text": "2"}, {"type": "image_url", "image_url": {"url": "https://a"}}]},
        {"role": "user", "content": "so?"},
    )  # fmt: skip
    assert got[0][1] == (ToolCall("c1", "f", '{"a": 1}'), ToolCall("c2", "p", "x y", "custom"))
    assert got[1] == (
        "tool",
        (
            ToolResult("c1", (Text("1"),), "f"),
            ToolResult("c2", (Text("2"), Image(url="https://a")), "p", kind="custom"),
        ),
    )
    assert got[2] == ("user", (Text("so?"),))


def test_the_old_form_of_calls_and_calls_without_an_id() -> None:
    got = parts(
        {"role": "assistant", "content": None, "function_call": {"name": "f", "arguments": ""}},
        {"role": "function", "name": "f", "content": "1"},
        {"role": "assistant", "tool_calls": [{"id": "", "function": {"name": "g", "arguments": {"a": 1}}}]},
        {"role": "tool", "tool_call_id": "", "content": "2"},
    )  # fmt: skip
    (call,), (result,) = got[0][1], got[1][1]
    assert isinstance(call, ToolCall)
    assert isinstance(result, ToolResult)
    assert (call.arguments, result.call_id, result.name) == ("{}", call.id, "f")
    (call,), (result,) = got[2][1], got[3][1]
    assert isinstance(call, ToolCall)
    assert isinstance(result, ToolResult)
    assert (call.arguments, result.call_id, result.name) == ('{"a":1}', call.id, "g")


def test_what_some_clients_leave_out() -> None:
    got = parts(
        {"role": "assistant", "content": None, "tool_calls": [CALL, {**CALL, "id": "c2"}]},
        {"role": "tool", "content": "1"},
        {"role": "tool", "content": "2"},
        {"role": "user", "content": [{"type": "input_audio", "input_audio": "T2dnUw=="}]},
    )
    assert [part.call_id for part in got[1][1] if isinstance(part, ToolResult)] == ["c1", "c2"]
    assert got[2][1] == (Audio("ogg", "T2dnUw=="),)
    asked = read(body(logprobs=2, response_format={"type": "json_schema", "schema": {"a": 1}}))
    assert (asked.logprobs, asked.top_logprobs) == (True, 2)
    assert asked.output == OutputFormat("schema", {"a": 1})
    assert read(body(logprobs=True)).logprobs is True
    assert read(body(logprobs="x")).extras == {"logprobs": "x"}


def test_reasoning_that_comes_back() -> None:
    details = [{"type": "reasoning.text", "text": "hm", "signature": "S"}]
    thinking = {"type": "thinking", "thinking": [{"type": "text", "text": "hm"}], "signature": "S"}
    got = parts(
        {"role": "assistant", "content": "A", "reasoning_content": "hm"},
        {"role": "assistant", "content": "A", "reasoning": "hm", "reasoning_details": details},
        {"role": "assistant", "content": [thinking, {"type": "text", "text": "A"}]},
    )
    assert got[0][1] == (Reasoning("hm"), Text("A"))
    for _, (block, text) in got[1:]:
        assert isinstance(block, Reasoning)
        assert (block.text, text) == ("hm", Text("A"))
        assert (block.opaque[0].issuer, json.loads(block.opaque[0].data)["signature"]) == ("", "S")
    assert [message[1][0].opaque[0].kind for message in got[1:]] == ["chat.details", "chat.content"]  # type: ignore[union-attr]


def test_signatures_that_come_back() -> None:
    def with_signature(signature: str) -> ToolCall:
        extra = {"google": {"thought_signature": signature}}
        (said,) = parts({"role": "assistant", "tool_calls": [{**CALL, "extra_content": extra}]})
        assert isinstance(said[1][0], ToolCall)
        return said[1][0]

    assert with_signature("G").opaque == (Opaque("gemini.signature", "G"),)
    assert with_signature(seal(STATE)).opaque == STATE


def test_tools_and_choices() -> None:
    asked = read(
        body(
            tools=[
                {"type": "function", "function": {"name": "f", "description": "d", "parameters": {"type": "object"}, "strict": True}},
                {"type": "custom", "custom": {"name": "p", "format": {"type": "grammar", "grammar": {}}}},
                {"type": "web_search", "limit": 3},
            ],
            functions=[{"name": "old"}],
            parallel_tool_calls=False,
        )
    )  # fmt: skip
    assert asked.tools == (
        Tool("f", "d", {"type": "object"}, True),
        Tool("p", kind="custom", format={"type": "grammar", "grammar": {}}),
        Tool("web_search", kind="hosted", wire="chat", raw={"type": "web_search", "limit": 3}),
        Tool("old"),
    )
    assert asked.parallel_tools is False


@pytest.mark.parametrize(
    ("said", "choice"),
    [
        ({"tool_choice": "auto"}, ToolChoice("auto")),
        ({"tool_choice": "none"}, ToolChoice("none")),
        ({"tool_choice": "required"}, ToolChoice("required")),
        ({"tool_choice": "any"}, ToolChoice("required")),
        ({"tool_choice": {"type": "function", "function": {"name": "f"}}}, ToolChoice("named", "f")),
        ({"tool_choice": {"type": "custom", "custom": {"name": "f"}}}, ToolChoice("named", "f")),
        ({"function_call": {"name": "f"}}, ToolChoice("named", "f")),
        ({"function_call": "auto"}, ToolChoice("auto")),
        ({"tool_choice": {"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": [
            {"type": "function", "function": {"name": "f"}}, {"type": "custom", "custom": {"name": "p"}}]}}},
         ToolChoice("required", allowed=("f", "p"))),
        ({}, None),
    ],
)  # fmt: skip
def test_tool_choices(said: dict[str, Any], choice: ToolChoice | None) -> None:
    assert read(body(**said)).tool_choice == choice


@pytest.mark.parametrize(
    ("said", "thinking"),
    [
        ({"reasoning_effort": "low"}, Thinking("low")),
        ({"reasoning": {"effort": "high", "exclude": True}}, Thinking("high", show=False)),
        ({"reasoning": {"enabled": False}}, Thinking("none")),
        ({"reasoning": {"max_tokens": 5}}, Thinking(budget=5)),
        ({"thinking": {"type": "disabled"}}, Thinking("none")),
        ({"thinking": {"type": "enabled", "budget_tokens": 9}}, Thinking(budget=9)),
        ({"thinking": {"type": "adaptive"}}, Thinking(adaptive=True)),
        ({"enable_thinking": False}, Thinking("none")),
        ({"enable_thinking": True, "thinking_budget": 7}, Thinking(budget=7)),
    ],
)
def test_thinking_in_every_word(said: dict[str, Any], thinking: Thinking) -> None:
    asked = read(body(**said))
    assert (asked.thinking, asked.extras) == (thinking, {})


@pytest.mark.parametrize(
    "said", [{"reasoning_effort": "huge"}, {"reasoning": {"effort": 3}}, {"thinking": {"type": "x"}},
             {"reasoning": {"effort": "low", "odd": 1}}, {"enable_thinking": "yes"}],
)  # fmt: skip
def test_thinking_that_nobody_knows_is_an_extra(said: dict[str, Any]) -> None:
    asked = read(body(**said))
    assert (asked.thinking, asked.extras) == (None, said)


def test_everything_else() -> None:
    schema = {"type": "object"}
    asked = read(
        body(
            stream=True, stream_options={"include_usage": True}, temperature=0.5, top_p=1, top_k=4,
            presence_penalty=0, frequency_penalty=1, seed=7, n=2, stop="x", max_tokens=3,
            max_completion_tokens=5, logit_bias={"1": 2}, logprobs=True, top_logprobs=2,
            verbosity="low", metadata={"a": "b"}, prompt_cache_key="k", service_tier="flex",
            user="u", safety_identifier="s", store=False, modalities=["text"], unknown=None, odd=1,
            response_format={"type": "json_schema", "json_schema": {"name": "n", "schema": schema, "strict": True}},
        )
    )  # fmt: skip
    assert asked == Request(
        "chat", "m", (Message("user", (Text("Hi"),)),), stream=True, temperature=0.5, top_p=1,
        top_k=4, presence_penalty=0, frequency_penalty=1, seed=7, n=2, stop=("x",), max_output=5,
        logit_bias={"1": 2}, logprobs=True, top_logprobs=2, verbosity="low", metadata={"a": "b"},
        cache_key="k", service_tier="flex", user="s", extras={"store": False, "odd": 1},
        output=OutputFormat("schema", schema, "n", "", True),
    )  # fmt: skip
    assert WIRE.client is not None
    assert "store" in WIRE.client.advice
    assert WIRE.client.names["max_output"] == "max_completion_tokens"
    assert read(body(response_format={"type": "json_object"})).output == OutputFormat("json")
    assert read(body(response_format={"type": "text"})).output == OutputFormat("text")
    assert read(body(response_format={"type": "grammar"})).extras == {
        "response_format": {"type": "grammar"}
    }


def test_marks_for_caching() -> None:
    mark = {"cache_control": {"type": "ephemeral", "ttl": "1h"}}
    asked = read(
        body(
            {"role": "system", "content": [{"type": "text", "text": "S", **mark}]},
            {"role": "user", "content": "U", "cache_control": {"type": "ephemeral"}},
            tools=[{"type": "function", "function": {"name": "f"}, **mark}],
        )
    )
    assert asked.messages[0].parts == (Text("S", "1h"),)
    assert asked.messages[1].parts == (Text("U", "5m"),)
    assert asked.tools[0].cache == "1h"


@pytest.mark.parametrize(
    ("wrong", "param"),
    [
        (body({"role": "robot", "content": "x"}), "messages[0].role"),
        (body({"role": "user", "content": [3]}), "messages[0].content[0]"),
        (body({"role": "user", "content": [{"type": "video_url"}]}), "messages[0].content[0]"),
        (body({"role": "user", "content": [{"type": "text", "text": 3}]}), "messages[0].content[0].text"),
        (body({"role": "user", "content": [{"type": "image_url", "image_url": {}}]}), "messages[0].content[0].image_url.url"),
        (body({"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:x,y"}}]}), "messages[0].content[0].image_url.url"),
        (body({"role": "user", "content": [{"type": "file", "file": {}}]}), "messages[0].content[0].file"),
        (body({"role": "tool", "content": "x"}), "messages[0].tool_call_id"),
        (body({"role": "tool", "tool_call_id": "c", "content": [{"type": "refusal"}]}), "messages[0].content"),
        (body({"role": "assistant", "tool_calls": {}}), "messages[0].tool_calls"),
        (body({"role": "assistant", "tool_calls": [{"id": "c"}]}), "messages[0].tool_calls[0].function.name"),
        (body({"role": "assistant", "tool_calls": [{**CALL, "id": 3}]}), "messages[0].tool_calls[0].id"),
        (body({"role": "user", "content": "x", "name": 3}), "messages[0].name"),
        (body(tools=[3]), "tools[0]"),
        (body(tools=[{"type": "function"}]), "tools[0].function.name"),
        (body(tools=[{"type": "function", "function": {"name": "f", "parameters": []}}]), "tools[0].function.parameters"),
        (body(tool_choice="perhaps"), "tool_choice"),
        (body(tool_choice={"type": "function"}), "tool_choice"),
        (body(response_format={"type": "json_schema"}), "response_format.json_schema.schema"),
        (body(stop=[3]), "stop[0]"),
        (body(verbosity=3), "verbosity"),
        (body(temperature="x"), "temperature"),
    ],
)  # fmt: skip
def test_a_wrong_field_is_named(wrong: dict[str, Any], param: str) -> None:
    with pytest.raises(BadRequestError) as caught:
        read(wrong)
    assert caught.value.param == param


# Writing a request


def test_a_whole_conversation() -> None:
    asked = request(
        Message("system", (Text("A"), Text("B"))),
        Message("user", (Text("look"), Image("image/png", PNG), Image(url="https://a", detail="low"))),
        Message("assistant", (Reasoning("hm", opaque=STATE), Text("Hi"), ToolCall("c1", "f", ""), ToolCall("c2", "g", '{"a":1}'))),
        Message("tool", (
            ToolResult("c1", (Text("one"), Image("image/png", PNG)), is_error=True),
            ToolResult("c2", ()),
        )),
        Message("user", (Text("and?"),)),
        max_output=5, temperature=0.5, stream=True,
    )  # fmt: skip
    written = sent(asked)
    assert written.lost == ()
    url = f"data:image/png;base64,{PNG}"
    assert written.body == {
        "model": "theirs", "max_completion_tokens": 5, "temperature": 0.5, "stream": True,
        "stream_options": {"include_usage": True},
        "messages": [
            {"role": "system", "content": "A\n\nB"},
            {"role": "user", "content": [
                {"type": "text", "text": "look"},
                {"type": "image_url", "image_url": {"url": url}},
                {"type": "image_url", "image_url": {"url": "https://a", "detail": "low"}}]},
            {"role": "assistant", "content": "Hi", "tool_calls": [
                {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}},
                {"id": "c2", "type": "function", "function": {"name": "g", "arguments": '{"a":1}'}}]},
            {"role": "tool", "tool_call_id": "c1", "content": "Error: one\n[result of call c1: image 1]"},
            {"role": "tool", "tool_call_id": "c2", "content": ""},
            {"role": "user", "content": [
                {"type": "text", "text": "[result of call c1: image 1]"},
                {"type": "image_url", "image_url": {"url": url}},
                {"type": "text", "text": "and?"}]},
        ],
    }  # fmt: skip


def test_pictures_in_results_get_a_message_of_their_own_where_none_follows() -> None:
    asked = request(
        Message("assistant", (ToolCall("c1", "f", "{}"),)),
        Message("tool", (ToolResult("c1", (Image("image/png", PNG),)),)),
        Message("assistant", (Text("I see"),)),
        Message("user", (Text("?"),)),
    )
    roles = [message["role"] for message in sent(asked).body["messages"]]
    assert roles == ["assistant", "tool", "user", "assistant", "user"]


def test_reasoning_goes_back_where_the_host_wants_it() -> None:
    asked = request(
        Message("assistant", (Reasoning("a"), Reasoning("b"), ToolCall("c1", "f", "{}"))),
        Message("assistant", (Reasoning("c"), Text("no tools"))),
        Message("assistant", (ToolCall("c2", "f", "{}"),)),
        Message("user", (Text("?"),)),
    )
    first, second, third, _ = sent(asked, Dialect(replay_reasoning="reasoning_content")).body[
        "messages"
    ]
    assert first["reasoning_content"] == "a\n\nb"
    assert "reasoning_content" not in second
    assert third["reasoning_content"] == " ", "a turn without it would be refused"
    assert all("reasoning_content" not in said for said in sent(asked).body["messages"])


def test_the_hosts_own_state_goes_back_as_it_was() -> None:
    item = {"type": "reasoning.text", "text": "hm", "signature": "S"}
    thinking = {"type": "thinking", "thinking": [{"type": "text", "text": "hm"}], "closed": True}
    asked = request(
        Message(
            "assistant",
            (
                Reasoning("hm", opaque=(Opaque("chat.details", json.dumps(item), "me"),)),
                ToolCall("c1", "f", "{}", opaque=(Opaque("gemini.signature", "G", "me"),)),
            ),
        ),
        Message("assistant", (Reasoning("hm", opaque=(Opaque("chat.content", json.dumps(thinking)),)), Text("A"))),
        Message("user", (Text("?"),)),
    )  # fmt: skip
    first, second, _ = sent(asked).body["messages"]
    assert first["reasoning_details"] == [item]
    assert first["tool_calls"][0]["extra_content"] == {"google": {"thought_signature": "G"}}
    assert second["content"] == [thinking, {"type": "text", "text": "A"}]


TOOLS = (Tool("f", "d", {"type": "object", "properties": {}}, strict=True), Tool("g"))


@pytest.mark.parametrize(
    ("choice", "dialect", "tools", "word", "lost"),
    [
        (None, PLAIN, ["f", "g"], None, ()),
        (ToolChoice("auto"), PLAIN, ["f", "g"], "auto", ()),
        (ToolChoice("none"), PLAIN, ["f", "g"], "none", ()),
        (ToolChoice("none"), Dialect(tool_choice_words={"none": ""}), [], None, ()),
        (ToolChoice("required"), PLAIN, ["f", "g"], "required", ()),
        (ToolChoice("required"), Dialect(tool_choice_words={"required": "any"}), ["f", "g"], "any", ()),
        (ToolChoice("required"), Dialect(forced_tools=False), ["f", "g"], None, ("tool_choice",)),
        (ToolChoice("named", "g"), PLAIN, ["f", "g"], {"type": "function", "function": {"name": "g"}}, ()),
        (ToolChoice("named", "g"), Dialect(named_tools=False), ["g"], "required", ()),
        (ToolChoice("named", "g"), Dialect(forced_tools=False), ["f", "g"], None, ("tool_choice",)),
        (ToolChoice("named", "h"), PLAIN, ["f", "g"], None, ("tool_choice",)),
        (ToolChoice("required", allowed=("g",)), PLAIN, ["g"], "required", ()),
        (ToolChoice("auto"), Dialect(refuses=frozenset({"tool_choice"})), ["f", "g"], None, ("tool_choice",)),
    ],
)  # fmt: skip
def test_choosing_tools(
    choice: ToolChoice | None, dialect: Dialect, tools: list[str], word: Any, lost: tuple[str, ...]
) -> None:
    written = sent(request(tools=TOOLS, tool_choice=choice), dialect)
    said = [tool["function"]["name"] for tool in written.body.get("tools", ())]
    assert (said, written.body.get("tool_choice"), written.lost) == (tools, word, lost)


def test_tools() -> None:
    tools = (
        *TOOLS,
        Tool("p", kind="custom"),
        Tool("web", kind="hosted", wire="x", raw={}),
        Tool("n", namespace="s"),
    )
    written = sent(request(tools=tools, parallel_tools=False))
    assert written.lost == ("tools.web",)
    empty = {"type": "object", "properties": {}}
    assert written.body["tools"] == [
        {"type": "function", "function": {"name": "f", "description": "d", "parameters": empty, "strict": True}},
        {"type": "function", "function": {"name": "g", "parameters": empty}},
        {"type": "custom", "custom": {"name": "p"}},
        {"type": "function", "function": {"name": "s__n", "parameters": empty}},
    ]  # fmt: skip
    assert written.body["parallel_tool_calls"] is False
    written = sent(request(tools=TOOLS, parallel_tools=False), Dialect(parallel_switch=False))
    assert written.lost == ("parallel_tools",)
    plain = sent(request(tools=TOOLS), Dialect(schema_profile="plain")).body["tools"]
    assert "strict" not in plain[0]["function"]


SCHEMA = OutputFormat("schema", {"type": "object"}, strict=True)


@pytest.mark.parametrize(
    ("output", "structured", "said", "lost"),
    [
        (OutputFormat("text"), "schema", None, ()),
        (OutputFormat("json"), "json", {"type": "json_object"}, ()),
        (OutputFormat("json"), "none", None, ("output",)),
        (SCHEMA, "json", {"type": "json_object"}, ("output",)),
        (SCHEMA, "none", None, ("output",)),
        (SCHEMA, "schema", {"type": "json_schema", "json_schema": {"name": "output", "schema": {"type": "object"}, "strict": True}}, ()),
    ],
)  # fmt: skip
def test_the_form_of_the_answer(output: Any, structured: Any, said: Any, lost: Any) -> None:
    written = sent(request(output=output), Dialect(structured=structured))
    assert (written.body.get("response_format"), written.lost) == (said, lost)


# A host with another word for thinking than most.
ADAPTIVE = {("thinking", "type"): ("adaptive", "disabled")}


@pytest.mark.parametrize(
    ("thinking", "dialect", "said", "lost"),
    [
        (Thinking("high"), PLAIN, {"reasoning_effort": "high"}, ()),
        (Thinking("minimal"), Dialect(efforts={"minimal": "low"}), {"reasoning_effort": "low"}, ()),
        (Thinking("high"), Dialect(efforts={"high": ""}), {}, ("thinking",)),
        (Thinking("none"), Dialect(thinking_off=False), {}, ("thinking",)),
        (Thinking(budget=1000), PLAIN, {"reasoning_effort": "low"}, ()),
        (Thinking(budget=10_000), PLAIN, {"reasoning_effort": "medium"}, ()),
        (Thinking(adaptive=True), PLAIN, {}, ()),
        (Thinking("none"), Dialect(thinking_switch="type"), {"thinking": {"type": "disabled"}}, ()),
        (Thinking("high"), Dialect(thinking_switch="type"), {"thinking": {"type": "enabled"}, "reasoning_effort": "high"}, ()),
        (Thinking("high"), Dialect(thinking_switch="type", efforts={"high": ""}), {"thinking": {"type": "enabled"}}, ()),
        (Thinking("high"), Dialect(thinking_switch="type", efforts={"high": ""}, allows=ADAPTIVE), {"thinking": {"type": "adaptive"}}, ()),
        (Thinking("none"), Dialect(thinking_switch="type", allows=ADAPTIVE), {"thinking": {"type": "disabled"}}, ()),
        (Thinking("none"), Dialect(thinking_switch="enable"), {"enable_thinking": False}, ()),
        (Thinking(budget=9, effort="low"), Dialect(thinking_switch="enable", efforts={"low": ""}), {"enable_thinking": True, "thinking_budget": 9}, ()),
        (Thinking("high"), Dialect(refuses=frozenset({"reasoning_effort"})), {}, ("thinking",)),
        (Thinking(show=False), Dialect(thinking_switch="type"), {}, ()),
    ],
)  # fmt: skip
def test_thinking(thinking: Thinking, dialect: Dialect, said: dict[str, Any], lost: Any) -> None:
    written = sent(request(thinking=thinking), dialect)
    assert {k: v for k, v in written.body.items() if k not in ("model", "messages")} == said
    assert written.lost == lost


def test_bands_of_thought() -> None:
    assert [effort_of(budget) for budget in (0, 1, 8191, 8192, 16383, 16384)] == [
        "none", "low", "low", "medium", "medium", "high",
    ]  # fmt: skip


def test_fields_that_the_host_lacks_by_whatever_name() -> None:
    asked = request(
        max_output=5, seed=1, top_k=3, stop=("a", "b", "c"), logit_bias={"1": 1}, user="u" * 65,
        service_tier="standard_only", n=2, extras={"odd": 1},
    )  # fmt: skip
    dialect = Dialect(
        rename={"max_completion_tokens": "max_tokens", "seed": "random_seed"},
        refuses=frozenset({"logit_bias", "n", "random_seed"}),
        max_stops=2,
    )
    written = sent(asked, dialect)
    assert set(written.lost) == {"odd", "top_k", "stop", "logit_bias", "service_tier", "n", "seed"}
    assert written.body["max_completion_tokens"] == 5
    assert written.body["stop"] == ["a", "b"]
    assert len(written.body["user"]) == 64
    assert sent(request(top_k=3), Dialect(takes=frozenset({"top_k"}))).body["top_k"] == 3
    assert sent(request(), Dialect(max_output=9)).body["max_completion_tokens"] == 9
    quiet = sent(request(stream=True), Dialect(ask_stream_usage=False)).body
    assert "stream_options" not in quiet


def test_marks_for_caching_are_kept_or_named() -> None:
    asked = request(
        Message("system", (Text("S", "1h"),)),
        Message("assistant", (ToolCall("c", "f", "{}"),)),
        Message("tool", (ToolResult("c", (Text("1"),), cache="5m"),)),
        Message("user", (Text("U", "5m"),)),
        tools=(Tool("f", cache="5m"),),
    )
    written = sent(asked)
    assert written.lost == ("cache",)
    assert "cache_control" not in json.dumps(written.body)
    written = sent(asked, Dialect(cache_marks=True))
    assert written.lost == ()
    system, _, result, user = written.body["messages"]
    assert system["content"][0]["cache_control"] == {"type": "ephemeral", "ttl": "1h"}
    assert result["content"][0]["cache_control"] == {"type": "ephemeral"}
    assert user["content"][0]["cache_control"] == {"type": "ephemeral"}
    assert written.body["tools"][0]["cache_control"] == {"type": "ephemeral"}


def test_ids_that_the_host_takes() -> None:
    asked = request(
        Message("assistant", (ToolCall("toolu_1", "f", "{}"), ToolCall("abcdefghi", "g", "{}"))),
        Message("tool", (ToolResult("toolu_1", (Text("1"),)), ToolResult("abcdefghi", (Text("2"),)))),
        Message("user", (Text("?"),)),
    )  # fmt: skip
    dialect = Dialect(tool_ids="[a-zA-Z0-9]{9}")
    assistant, first, second, _ = sent(asked, dialect).body["messages"]
    ids = [call["id"] for call in assistant["tool_calls"]]
    assert ids == [first["tool_call_id"], second["tool_call_id"]]
    assert ids[1] == "abcdefghi"
    assert len(ids[0]) == 9
    assert sent(asked, dialect) == sent(asked, dialect)


def test_a_system_message_stays_in_its_place() -> None:
    asked = request(
        Message("user", (Text("a"),)),
        Message("developer", (Text("b"),)),
        Message("user", (Text("c"),)),
    )
    assert [m["role"] for m in sent(asked).body["messages"]] == ["user", "developer", "user"]
    plain = sent(asked, Dialect(developer_role=False)).body["messages"]
    assert [m["role"] for m in plain] == ["user", "system", "user"]


def test_an_answer_that_the_host_is_to_go_on_with() -> None:
    asked = request(Message("user", (Text("a"),)), Message("assistant", (Text("b"),)))
    assert sent(asked).lost == ("prefill",)
    written = sent(asked, Dialect(prefill_flag="prefix"))
    assert written.lost == ()
    assert written.body["messages"][-1] == {"role": "assistant", "content": "b", "prefix": True}


@pytest.mark.parametrize(
    ("part", "dialect"),
    [
        (Image(url="https://a"), Dialect(image_urls=False)),
        (Image(file_id="x"), PLAIN),
        (File(url="https://a"), PLAIN),
        (File(file_id="x"), PLAIN),
        (Trace("x", {}), PLAIN),
    ],
)
def test_what_no_words_are_for(part: Part, dialect: Dialect) -> None:
    with pytest.raises(CannotExpressError):
        sent(request(Message("user", (part,))), dialect)


def test_documents() -> None:
    asked = request(
        Message(
            "user",
            (
                File("application/pdf", PNG, name="a.pdf"),
                File(text="T", name="t"),
                Audio("wav", "AA"),
            ),
        )
    )
    first, second, third = sent(asked).body["messages"][0]["content"]
    assert first == {
        "type": "file",
        "file": {"filename": "a.pdf", "file_data": f"data:application/pdf;base64,{PNG}"},
    }
    assert second == {"type": "text", "text": "[document t]\nT"}
    assert third == {"type": "input_audio", "input_audio": {"data": "AA", "format": "wav"}}
    traced = request(
        Message("assistant", (Trace("x", {}), Text("a"))), Message("user", (Text("?"),))
    )
    assert sent(traced).lost == ("history of hosted tools",)


# A conversation through the neutral form

WORDS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8)
IDS = st.text("abcdef0123", min_size=4, max_size=8)


@st.composite
def conversations(draw: st.DrawFn) -> tuple[Message, ...]:
    out: list[Message] = [Message("system", (Text(draw(WORDS)),))]
    for turn in range(draw(st.integers(1, 3))):
        out.append(
            Message("user", tuple([Text(draw(WORDS)) for _ in range(draw(st.integers(1, 2)))]))
        )
        said: list[Part] = []
        if draw(st.booleans()):
            said.append(Text(draw(WORDS)))
        made = [
            ToolCall(f"c{turn}_{place}", draw(IDS), json.dumps({"a": draw(WORDS)}))
            for place in range(draw(st.integers(0, 2)))
        ]
        out.append(Message("assistant", (*said, *made)))
        if made:
            results = [ToolResult(c.id, (Text(draw(WORDS)),), c.name) for c in made]
            out.append(Message("tool", tuple(results)))
    out.append(Message("user", (Text(draw(WORDS)),)))
    return tuple(out)


@settings(max_examples=40)
@given(conversations())
def test_a_conversation_survives_writing_and_reading(messages: tuple[Message, ...]) -> None:
    asked = Request("chat", "theirs", messages, tools=(Tool("f", parameters={"type": "object"}),))
    written = sent(asked)
    assert written.lost == ()
    assert read(json.loads(json.dumps(written.body))) == asked


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from(["", "x", "user", "assistant", "text", "tool"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["role", "content", "type", "text", "tool_calls", "function", "custom", "name", "id",
                 "arguments", "image_url", "url", "file", "reasoning_details", "extra_content",
                 "google", "thought_signature", "tool_call_id", "cache_control", "signature", "data",
                 "thinking", "annotations", "function_call", "format", "schema", "json_schema"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=15,
)  # fmt: skip


FIELDS = st.dictionaries(
    st.sampled_from(["content", "tool_calls", "function_call", "reasoning_details", "reasoning",
                     "tool_call_id", "name", "extra_content", "annotations", "refusal"]),
    JSON,
    max_size=4,
)  # fmt: skip
MESSAGES = st.builds(
    lambda role, said: {**said, "role": role},
    st.sampled_from(["user", "assistant", "tool", "system", "function"]),
    FIELDS,
)


@settings(max_examples=40)
@given(
    st.lists(MESSAGES, min_size=1, max_size=3),
    st.dictionaries(
        st.sampled_from(["tools", "tool_choice", "functions", "function_call", "response_format",
                         "stop", "reasoning", "thinking", "enable_thinking", "user", "top_k"]),
        JSON,
    ),
)  # fmt: skip
def test_hostile_requests_never_crash(messages: list[Any], more: dict[str, Any]) -> None:
    assert WIRE.client is not None
    asked = {"model": "m", "messages": messages, **more}
    try:
        WIRE.client.peek(asked, 10, "")
    except BadRequestError:
        return
    without_state(asked, lambda state: False)
    try:
        write(read(asked), "m", Dialect(replay_reasoning="reasoning", tool_ids="[a-z]{9}"))
    except (BadRequestError, CannotExpressError):
        return


# Whole answers for a client


def context(**said: Any) -> Context:
    return Context(id="req_1", model="alias", body=said, created=7, prompt_tokens=3)


def told(*said: Part, finish: Any = "end", **more: Any) -> Any:
    answer = Answer(
        (Choice(said, finish, **more),), Usage(input=3, cache_read=1, output=2, reasoning=1)
    )
    return json.loads(write_answer(answer, context()))


def test_a_whole_answer() -> None:
    got = told(
        Reasoning("hm"), Text("See "), Text("this", citations=(Citation("https://a", "A", "", 0, 4),)),
        ToolCall("c1", "f", "{}"), finish="tool", logprobs=[{"token": "x"}],
    )  # fmt: skip
    assert got == {
        "id": "req_1", "object": "chat.completion", "created": 7, "model": "alias",
        "choices": [{
            "index": 0, "finish_reason": "tool_calls",
            "logprobs": {"content": [{"token": "x"}], "refusal": None},
            "message": {
                "role": "assistant", "content": "See this", "refusal": None, "reasoning_content": "hm",
                "annotations": [{"type": "url_citation", "url_citation": {"url": "https://a", "title": "A", "start_index": 4, "end_index": 8}}],
                "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}],
            },
        }],
        "usage": {
            "prompt_tokens": 4, "completion_tokens": 3, "total_tokens": 7,
            "prompt_tokens_details": {"cached_tokens": 1, "cache_write_tokens": 0, "audio_tokens": 0},
            "completion_tokens_details": {"reasoning_tokens": 1, "audio_tokens": 0},
        },
    }  # fmt: skip


def test_answers_of_other_kinds() -> None:
    assert told(ToolCall("c", "f", "{}"), finish="tool")["choices"][0]["message"]["content"] is None
    assert told()["choices"][0]["message"]["content"] == ""
    refused = told(Refused("no"), finish="filter")["choices"][0]
    assert (refused["message"]["refusal"], refused["finish_reason"]) == ("no", "content_filter")
    assert told(Text("x"), finish="length")["choices"][0]["finish_reason"] == "length"
    custom = told(ToolCall("c", "p", "x y", "custom"), finish="tool")["choices"][0]["message"]
    assert custom["tool_calls"] == [
        {"id": "c", "type": "custom", "custom": {"name": "p", "input": "x y"}}
    ]
    answer = Answer(
        (Choice((ToolCall("c", "f", "{}"),), "tool"), Choice((Text("b"),), "end")),
        MISSING,
        "id1",
        "m1",
    )
    old = json.loads(write_answer(answer, context(functions=[{"name": "f"}])))
    assert (old["id"], old["model"], "usage" in old) == ("id1", "m1", False)
    assert old["choices"][0]["message"]["function_call"] == {"name": "f", "arguments": "{}"}
    assert [choice["finish_reason"] for choice in old["choices"]] == ["function_call", "stop"]


def test_state_goes_to_the_client_and_comes_back() -> None:
    said = (
        Reasoning("one"),
        Reasoning("two", opaque=STATE),
        Reasoning("sum", summary=True, opaque=STATE),
        Reasoning("", opaque=(Opaque("messages.redacted", "R", "a/b"),)),
        Text("Hi", opaque=(Opaque("gemini.signature", "G", "a/b"),)),
        ToolCall("c1", "f", "{}", opaque=(Opaque("gemini.signature", "H", "a/b"),)),
    )
    message = told(*said, finish="tool")["choices"][0]["message"]
    assert message["reasoning_content"] == "one\n\ntwo\n\nsum"
    assert parts(message)[0][1] == said
    raw = json.dumps(body(message)).encode()
    assert any(mark in raw for mark in MARKS)
    cleared, gone = without_state(body(message), lambda state: True)
    assert gone == 6, "a seal never goes to a host of this wire"
    (clear,) = cleared["messages"]
    assert "reasoning_details" not in clear
    assert clear["tool_calls"] == [
        {**CALL, "function": {"name": "f", "arguments": "{}"}, "extra_content": {"google": {}}}
    ]


def test_native_state_is_written_as_it_is() -> None:
    item = {"type": "reasoning.encrypted", "data": "E", "index": 0}
    state = (Opaque("chat.details", json.dumps(item), "me"),)
    message = told(Reasoning("hm", opaque=state), Text("x"))["choices"][0]["message"]
    assert message["reasoning_details"] == [item]


def test_states_of_other_hosts_are_taken_out() -> None:
    message = {
        "role": "assistant",
        "content": [{"type": "thinking", "signature": "A"}, {"type": "text", "text": "x"}],
        "reasoning_details": [{"data": "B"}, {"signature": "C", "text": "t"}, {"text": "plain"}],
        "tool_calls": [
            {**CALL, "extra_content": {"google": {"thought_signature": "D"}, "x": 1}},
            CALL,
        ],
    }
    asked = body({"role": "user", "content": "Hi"}, message)
    same, gone = without_state(asked, lambda state: True)
    assert same is asked
    assert gone == 0
    less, gone = without_state(asked, lambda state: state in ("B", "D"))
    assert gone == 2
    assert less["messages"][1]["content"] == [{"type": "text", "text": "x"}]
    assert less["messages"][1]["reasoning_details"] == [{"data": "B"}, {"text": "plain"}]
    less, gone = without_state(asked, lambda state: False)
    assert gone == 4
    assert less["messages"][1]["tool_calls"] == [
        {**CALL, "extra_content": {"google": {}, "x": 1}},
        CALL,
    ]
    assert asked["messages"][1] is message


ANSWERS = st.builds(
    Answer,
    st.tuples(
        st.builds(
            Choice,
            st.builds(
                lambda thought, text, made: (*thought, *text, *made),
                st.lists(st.builds(Reasoning, WORDS), max_size=1),
                st.lists(st.builds(Text, WORDS), max_size=1),
                st.lists(st.builds(ToolCall, IDS, WORDS, st.just('{"a": 1}')), max_size=2, unique_by=lambda c: c.id),
            ),
            st.sampled_from(["end", "length", "filter"]),
        )
    ),
    st.builds(Usage, st.integers(0, 9), st.integers(0, 9), output=st.integers(0, 9), reasoning=st.integers(0, 9)),
    IDS,
    st.just("m"),
)  # fmt: skip


@settings(max_examples=40)
@given(ANSWERS)
def test_an_answer_survives_writing_and_reading(answer: Answer) -> None:
    again = read_answer(write_answer(answer, context()), PLAIN, "me")
    assert again.choices[0].parts == answer.choices[0].parts
    calls = any(isinstance(part, ToolCall) for part in answer.choices[0].parts)
    expected = "tool" if calls and answer.choices[0].finish == "end" else answer.choices[0].finish
    assert again.choices[0].finish == expected
    assert (again.usage, again.id, again.model) == (answer.usage, answer.id, "m")
