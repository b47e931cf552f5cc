"""Custom tools and groups of tools as functions, and their calls back again."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.emulate import Emulated, Names, without_custom_tools
from providers.ir import (
    Answer,
    Choice,
    Event,
    Message,
    Request,
    Text,
    TextDelta,
    Tool,
    ToolCall,
    ToolChoice,
    ToolDelta,
    ToolEnd,
    ToolResult,
    ToolStart,
)
from providers.unescape import StringReader
from providers.usage import Usage

GRAMMAR = {"type": "grammar", "syntax": "lark", "definition": "start: x"}
PATCH = Names(frozenset({"patch"}), {"group__patch": ("group", "patch")})


def request(*tools: Tool, messages: tuple[Message, ...] = (), **more: Any) -> Request:
    return Request("responses", "m", messages, tools, **more)


def call(*fragments: str, name: str = "patch", names: Names = PATCH) -> list[Event]:
    events: list[Event] = [ToolStart(0, "c", name)]
    events += [ToolDelta(0, fragment) for fragment in fragments]
    events.append(ToolEnd(0, "".join(fragments)))
    emulated = Emulated(names)
    return [found for event in events for found in emulated.events([event])]


def test_a_request_with_functions_alone_stays_as_it_is() -> None:
    plain = request(Tool("f"), Tool("web_search", kind="hosted"))
    assert without_custom_tools(plain) == (plain, None)


def test_a_custom_tool_is_a_function_with_one_string() -> None:
    found, names = without_custom_tools(
        request(Tool("patch", "Edits.", kind="custom", format=GRAMMAR), Tool("f"))
    )
    tool = found.tools[0]
    assert (tool.kind, tool.name, tool.format) == ("function", "patch", None)
    assert tool.parameters is not None
    assert tool.parameters["required"] == ["input"]
    assert tool.description == "Edits.\n\n`input` must follow this lark grammar:\nstart: x"
    assert names == Names(frozenset({"patch"}), {})
    nested = {"type": "grammar", "grammar": {"syntax": "regex", "definition": "a+"}}
    found, _ = without_custom_tools(request(Tool("p", kind="custom", format=nested)))
    assert found.tools[0].description == "`input` must follow this regex grammar:\na+"


def test_the_history_goes_the_same_way() -> None:
    history = (
        Message("user", (Text("x"),)),
        Message(
            "assistant",
            (
                ToolCall("a", "patch", 'say "hi"\n', "custom"),
                ToolCall("b", "f", "{}", namespace="g"),
            ),
        ),
        Message(
            "tool",
            (
                ToolResult("a", (Text("ok"),), "patch", kind="custom"),
                ToolResult("b", (Text("ok"),), "f"),
            ),
        ),
    )
    found, names = without_custom_tools(request(messages=history))
    assert found.messages[0] is history[0]
    assert found.messages[1].parts == (
        ToolCall("a", "patch", '{"input":"say \\"hi\\"\\n"}'),
        ToolCall("b", "g__f", "{}"),
    )
    assert found.messages[2].parts == (
        ToolResult("a", (Text("ok"),), "patch"),
        ToolResult("b", (Text("ok"),), "g__f"),
    )
    assert names == Names(frozenset({"patch"}), {"g__f": ("g", "f")})


def test_tools_of_a_group_get_its_name_before_their_own() -> None:
    long = "n" * 70
    found, names = without_custom_tools(
        request(
            Tool("g__f"),
            Tool("f", namespace="g"),
            Tool("f", namespace="mcp.server"),
            Tool("t", namespace=long),
            Tool("u", namespace=long, kind="custom"),
            tool_choice=ToolChoice("required", allowed=("t", "g__f")),
        )
    )
    flat = [tool.name for tool in found.tools]
    assert len(set(flat)) == 5
    assert all(len(name) <= 64 and name.replace("_", "").isalnum() for name in flat)
    assert flat[2] == "mcp_server__f"
    assert not any(tool.namespace for tool in found.tools)
    assert names is not None
    assert names.flat[flat[1]] == ("g", "f")
    assert names.custom == {flat[4]}
    assert found.tool_choice == ToolChoice("required", allowed=(flat[3], "g__f"))
    again, _ = without_custom_tools(request(Tool("t", namespace=long)))
    assert again.tools[0].name == flat[3]


def test_a_call_comes_back_with_its_group_and_its_kind() -> None:
    names = Names(
        frozenset({"group__patch"}), {"group__patch": ("group", "patch"), "g__f": ("g", "f")}
    )
    assert call('{"x": 1}', name="g__f", names=names) == [
        ToolStart(0, "c", "f", namespace="g"), ToolDelta(0, '{"x": 1}'), ToolEnd(0, '{"x": 1}'),
    ]  # fmt: skip
    assert call('{"input": "a"}', name="group__patch", names=names) == [
        ToolStart(0, "c", "patch", "custom", "group"), ToolDelta(0, "a"), ToolEnd(0, "a"),
    ]  # fmt: skip
    answer = Answer(
        (
            Choice(
                (ToolCall("c", "group__patch", '{"input": "a"}'), ToolCall("d", "g__f", "{}")),
                "tool",
            ),
        ),
        Usage(),
    )
    assert Emulated(names).answer(answer).choices[0].parts == (
        ToolCall("c", "patch", "a", "custom", "group"),
        ToolCall("d", "f", "{}", namespace="g"),
    )


def test_words_come_out_as_they_come_in() -> None:
    found = call('{"in', 'put"', ': "a\\', "n", "b\\u00", "e9\\ud83d", "\\ude00", 'c"', "}")
    assert [event.arguments for event in found if isinstance(event, ToolDelta)] == [
        "a", "\n", "b", "é", "😀", "c",
    ]  # fmt: skip
    assert found[-1] == ToolEnd(0, "a\nbé😀c")
    other: list[Event] = [
        TextDelta("x"),
        ToolStart(1, "d", "f"),
        ToolDelta(1, "{"),
        ToolEnd(1, "{}"),
    ]
    assert Emulated(PATCH).events(other) == other


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("{}", ""),
        ('{"patch": "a"}', "a"),
        ('"a"', "a"),
        ('{"x": 1, "input": "a"}', "a"),
        ('{"input": 3}', '{"input": 3}'),
        ('{"a": "b", "c": "d"}', '{"a": "b", "c": "d"}'),
        ("[1]", "[1]"),
        ('{"input": "cut by le', "cut by le"),
        ('{"input": "cut\\u00', "cut"),
        ('{"input": "bad \\x escape"}', "bad "),
        ('{"input": "a", "input": "b"}', "a"),
        ("", ""),
    ],
)  # fmt: skip
def test_a_model_that_writes_it_otherwise(written: str, expected: str) -> None:
    for found in (call(written), call(*written)):
        deltas = [event.arguments for event in found if isinstance(event, ToolDelta)]
        assert found[-1] == ToolEnd(0, expected)
        assert "".join(deltas) == expected
    part = ToolCall("c", "patch", written)
    back = Emulated(PATCH).answer(Answer((Choice((part,), "tool"),), Usage())).choices[0].parts[0]
    assert isinstance(back, ToolCall)
    assert back.kind == "custom"


@given(st.text(), st.booleans(), st.lists(st.integers(1, 7), max_size=60))
def test_any_text_survives_any_cut(text: str, ascii_only: bool, cuts: list[int]) -> None:
    written = json.dumps({"input": text}, ensure_ascii=ascii_only)
    fragments, start = [], 0
    for size in [*cuts, len(written)]:
        fragments.append(written[start : start + size])
        start += size
    found = call(*fragments)
    assert found[-1] == ToolEnd(0, text)
    assert "".join([event.arguments for event in found if isinstance(event, ToolDelta)]) == text


@given(
    st.lists(
        st.sampled_from(['{"input":"', "\\", "u", "d83d", "00e9", '"', "a", "}", "n"]), max_size=30
    )
)
def test_no_fragments_crash(fragments: list[str]) -> None:
    reader = StringReader("input")
    for fragment in fragments:
        reader.read(fragment)
    call(*fragments)
    whole = StringReader("input").read("".join(fragments))
    # What is cut differs only in an escape that never came whole.
    assert "".join(reader.given) == whole
