"""What the Cohere v2 wire's writer makes of the neutral form."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers import ir
from providers.dialect import Dialect
from providers.wires.cohere import WIRE
from providers.wires.wire import CannotExpressError, Written

PLAIN = Dialect()
PNG = ir.Image(media_type="image/png", data="aW1n")
NEEDY = {"type": "object", "properties": {"at": {"type": "string"}}, "required": ["at"]}
WEATHER = ir.Tool("weather", "Tells it.", NEEDY)
CLOCK = ir.Tool("clock")


def user(*parts: Any) -> ir.Message:
    return ir.Message("user", tuple(ir.Text(p) if isinstance(p, str) else p for p in parts))


def assistant(*parts: Any) -> ir.Message:
    return ir.Message("assistant", tuple(ir.Text(p) if isinstance(p, str) else p for p in parts))


def result(call_id: str, *parts: Any, is_error: bool = False) -> ir.ToolResult:
    said = tuple(ir.Text(p) if isinstance(p, str) else p for p in parts)
    return ir.ToolResult(call_id, said, is_error=is_error)


def request(*messages: ir.Message, **fields: Any) -> ir.Request:
    return ir.Request("chat", "m", messages or (user("hi"),), **fields)


def write(asked: ir.Request, dialect: Dialect = PLAIN) -> Written:
    return WIRE.host.write(asked, "command", dialect)


def test_a_loop_of_tools() -> None:
    asked = request(
        ir.Message("developer", (ir.Text("Be brief."),)),
        user("?"),
        assistant(
            ir.Reasoning("I look."), ir.ToolCall("a", "weather", '{"at":"x"}'),
            ir.ToolCall("b", "clock", ""),
        ),
        ir.Message("tool", (result("a", "rain", PNG), result("b", "none", is_error=True))),
        user("and now?"),
        tools=(WEATHER, CLOCK),
    )  # fmt: skip
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,aW1n"}}
    label = "[result of weather: image 1]"
    written = write(asked)
    assert written.lost == ()
    assert written.body["messages"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "?"},
        {
            "role": "assistant",
            "tool_plan": "I look.",
            "tool_calls": [
                {
                    "id": "a",
                    "type": "function",
                    "function": {"name": "weather", "arguments": '{"at":"x"}'},
                },
                {"id": "b", "type": "function", "function": {"name": "clock", "arguments": "{}"}},
            ],
        },
        {"role": "tool", "tool_call_id": "a", "content": f"rain{label}"},
        {"role": "tool", "tool_call_id": "b", "content": "Error: none"},
        {
            "role": "user",
            "content": [
                {"type": "text", "text": label},
                image,
                {"type": "text", "text": "and now?"},
            ],
        },
    ]
    assert written.body["tools"][0] == {
        "type": "function",
        "function": {"name": "weather", "description": "Tells it.", "parameters": NEEDY},
    }


def test_pictures_of_results_wait_for_all_results() -> None:
    asked = request(
        user("?"),
        assistant(ir.ToolCall("a", "x", "")),
        ir.Message("tool", (result("a", PNG),)),
        ir.Message("tool", (result("b", "2"),)),
        assistant("so"),
    )
    roles = [message["role"] for message in write(asked).body["messages"]]
    assert roles == ["user", "assistant", "tool", "tool", "user", "assistant"]


def test_thoughts_outside_of_tools_go_back_where_the_model_wants_them() -> None:
    asked = request(user("?"), assistant(ir.Reasoning("hm"), "so"), user("!"))
    assert write(asked).body["messages"][1] == {"role": "assistant", "content": "so"}
    replayed = write(asked, Dialect(replay_reasoning="thinking")).body["messages"][1]
    assert replayed["content"] == [
        {"type": "thinking", "thinking": "hm"},
        {"type": "text", "text": "so"},
    ]


@pytest.mark.parametrize(
    ("choice", "theirs", "names"),
    [
        (ir.ToolChoice("auto"), None, ["weather", "clock"]),
        (ir.ToolChoice("none"), "NONE", ["weather", "clock"]),
        (ir.ToolChoice("required"), "REQUIRED", ["weather", "clock"]),
        (ir.ToolChoice("named", "clock"), "REQUIRED", ["clock"]),
        (ir.ToolChoice("required", allowed=("weather",)), "REQUIRED", ["weather"]),
    ],
)
def test_tool_choice(choice: ir.ToolChoice, theirs: str | None, names: list[str]) -> None:
    written = write(request(tools=(WEATHER, CLOCK), tool_choice=choice))
    assert written.body.get("tool_choice") == theirs
    assert [tool["function"]["name"] for tool in written.body["tools"]] == names
    assert written.lost == ()


def test_no_tool_is_shown_to_a_model_that_cannot_be_told_to_call_none() -> None:
    asked = request(tools=(CLOCK,), tool_choice=ir.ToolChoice("none"))
    written = write(asked, Dialect(refuses=frozenset({"tool_choice"})))
    assert "tools" not in written.body
    assert written.lost == ()


def test_a_choice_that_cannot_be_kept_is_lost() -> None:
    forced = request(tools=(CLOCK,), tool_choice=ir.ToolChoice("required"))
    written = write(forced, Dialect(forced_tools=False))
    assert "tool_choice" not in written.body
    assert written.lost == ("tool_choice",)
    unknown = request(tools=(CLOCK,), tool_choice=ir.ToolChoice("named", "other"))
    assert write(unknown).lost == ("tool_choice",)


def test_strict_is_said_of_all_tools_or_of_none() -> None:
    strict = ir.Tool("s", parameters=NEEDY, strict=True)
    assert write(request(tools=(strict, strict))).body["strict_tools"] is True
    written = write(request(tools=(strict, WEATHER)))
    assert "strict_tools" not in written.body
    assert written.lost == ("strict",)


def test_sampling() -> None:
    asked = request(
        max_output=9, temperature=0.5, top_p=0.9, top_k=7, seed=3, stop=("a", ""),
        presence_penalty=0.5, frequency_penalty=1, logprobs=True, stream=True,
    )  # fmt: skip
    written = write(asked)
    assert written.body == {
        "model": "command", "messages": [{"role": "user", "content": "hi"}], "stream": True,
        "max_tokens": 9, "temperature": 0.5, "p": 0.9, "k": 7, "seed": 3, "stop_sequences": ["a"],
        "presence_penalty": 0.5, "frequency_penalty": 1, "logprobs": True,
    }  # fmt: skip
    assert written.lost == ()


def test_what_cannot_be_said_is_lost_by_name() -> None:
    fields: dict[str, Any] = {
        "presence_penalty": -1, "frequency_penalty": 1.5, "logit_bias": {"1": 2},
        "top_logprobs": 2, "n": 2, "verbosity": "low", "user": "u", "cache_key": "k",
        "service_tier": "flex", "metadata": {"a": "b"}, "stop": ("1", "2", "3", "4", "5", "6"),
    }  # fmt: skip
    hosted = ir.Tool("search", kind="hosted", wire="messages", raw={})
    asked = request(
        user(ir.Text("hi", cache="5m"), ir.Trace("messages", {})), tools=(hosted, CLOCK),
        parallel_tools=False, extras={"store": True}, output=ir.OutputFormat("json"), **fields,
    )  # fmt: skip
    written = write(asked)
    assert set(written.lost) == {
        *fields, "store", "tools.search", "history of hosted tools", "parallel_tools", "cache",
        "output",
    }  # fmt: skip
    assert written.body["stop_sequences"] == ["1", "2", "3", "4", "5"]


def test_the_form_of_an_answer() -> None:
    assert write(request(output=ir.OutputFormat("json"))).body["response_format"] == {
        "type": "json_object"
    }
    asked = request(output=ir.OutputFormat("schema", NEEDY, "n"))
    said = write(asked).body["response_format"]
    assert said["type"] == "json_object"
    assert said["json_schema"]["required"] == ["at"]
    assert write(asked, Dialect(structured="json")).lost == ("output",)


@pytest.mark.parametrize(
    ("thinking", "dialect", "theirs", "lost"),
    [
        (ir.Thinking("none"), PLAIN, {"type": "disabled"}, ()),
        (ir.Thinking("low"), PLAIN, {"type": "enabled", "token_budget": 1024}, ()),
        (ir.Thinking("high"), PLAIN, {"type": "enabled"}, ()),
        (ir.Thinking(budget=77), PLAIN, {"type": "enabled", "token_budget": 77}, ()),
        (ir.Thinking(adaptive=True), PLAIN, {"type": "enabled"}, ()),
        (ir.Thinking(show=True), PLAIN, None, ()),
        (ir.Thinking("high"), Dialect(thinking="none"), None, ("thinking",)),
        (ir.Thinking("none"), Dialect(thinking="none"), None, ()),
        (ir.Thinking("none"), Dialect(thinking_off=False), None, ("thinking",)),
    ],
)
def test_thinking(
    thinking: ir.Thinking, dialect: Dialect, theirs: Any, lost: tuple[str, ...]
) -> None:
    written = write(request(thinking=thinking), dialect)
    assert written.body.get("thinking") == theirs
    assert written.lost == lost


def test_pictures_and_documents() -> None:
    linked = ir.Image(url="https://e.com/a.png", detail="low")
    note = ir.File(media_type="text/plain", text="words", name="n.txt")
    content = write(request(user("see", linked, note))).body["messages"][0]["content"]
    assert content == [
        {"type": "text", "text": "see"},
        {"type": "image_url", "image_url": {"url": "https://e.com/a.png", "detail": "low"}},
        {"type": "text", "text": "[file n.txt]\nwords"},
    ]


@pytest.mark.parametrize(
    ("part", "what"),
    [
        (ir.Audio("wav", "eA=="), "audio in a user message"),
        (ir.File(media_type="application/pdf", data="eA=="), "a file of the type application/pdf"),
        (ir.Image(file_id="f"), "an image by a file's id"),
    ],
)
def test_what_the_wire_has_no_part_for_is_named(part: Any, what: str) -> None:
    with pytest.raises(CannotExpressError, match=what):
        write(request(user(part)))


TEXTS = st.text(max_size=10)
PARTS = st.one_of(
    TEXTS.map(ir.Text), st.just(PNG), TEXTS.map(ir.Reasoning), TEXTS.map(ir.Refused),
    st.builds(ir.ToolCall, TEXTS, TEXTS, TEXTS), st.just(ir.Trace("x", {})),
    st.builds(lambda i, t: result(i, t, PNG), TEXTS, TEXTS), st.just(ir.Audio("wav", "")),
)  # fmt: skip
MESSAGES = st.builds(
    lambda role, parts: ir.Message(role, tuple(parts)),
    st.sampled_from(["system", "user", "assistant", "tool", "developer"]),
    st.lists(PARTS, max_size=3),
)


@given(st.lists(MESSAGES, max_size=5), st.booleans())
def test_any_conversation_is_written_or_refused(messages: list[ir.Message], tools: bool) -> None:
    asked = request(*messages, tools=(CLOCK,) if tools else ())
    try:
        written = write(asked)
    except CannotExpressError:
        return
    msgspec.json.encode(written.body)
    assert len(set(written.lost)) == len(written.lost)
