"""Requests of the Messages wire: what clients send, and what hosts are sent."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from providers import ir
from providers.carrier import open_seal, seal
from providers.dialect import Dialect
from providers.ir import Image, Message, Opaque, Reasoning, Text, ToolCall, ToolResult
from providers.wires.messages import WIRE
from providers.wires.messages.ids import unwrapped, wrapped
from providers.wires.messages.read import read
from providers.wires.messages.request import count_body, patch, peek, refused, without_state
from providers.wires.messages.write import write
from providers.wires.wire import BadRequestError, CannotExpressError, Written

PLAIN = Dialect()
HI: dict[str, Any] = {"role": "user", "content": "hi"}
SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"],
          "additionalProperties": False}  # fmt: skip
WEATHER = ir.Tool("weather", "tells it", {"type": "object", "properties": {}})


def body(**more: Any) -> dict[str, Any]:
    """Return a client's body."""
    return {"model": "m", "max_tokens": 100, "messages": [HI], **more}


def request(*messages: Message, **more: Any) -> ir.Request:
    """Return a request in the neutral form, as a client of another wire made it."""
    given = messages or (Message("user", (Text("hi"),)),)
    return ir.Request(**{"wire": "chat", "model": "m", "messages": given, **more})


def written(*messages: Message, dialect: Dialect = PLAIN, **more: Any) -> dict[str, Any]:
    """Return the body that a host gets; nothing may be lost."""
    out = write(request(*messages, **more), "host-model", dialect)
    assert out.lost == ()
    return out.body


def lost(dialect: Dialect = PLAIN, **more: Any) -> Written:
    """Return what is written of a request with fields that do not all fit."""
    return write(request(**more), "host-model", dialect)


def user(*parts: ir.Part) -> Message:
    return Message("user", parts)


def assistant(*parts: ir.Part) -> Message:
    return Message("assistant", parts)


# peek, patch, refused, count


def test_peek() -> None:
    picture = {"type": "image", "source": {"type": "url", "url": "https://x/y.png"}}
    pdf = {
        "type": "document",
        "source": {"type": "base64", "media_type": "application/pdf", "data": "AA"},
    }
    plain = {
        "type": "document",
        "source": {"type": "text", "media_type": "text/plain", "data": "a"},
    }
    found = peek(
        body(
            stream=True,
            tools=[{"name": "f", "input_schema": {}}],
            tool_choice={"type": "any"},
            output_config={"format": {"type": "json_schema", "schema": SCHEMA}},
            messages=[
                {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t", "content": [picture]}, pdf]}
            ],
        ),
        9,
        "",
    )  # fmt: skip
    assert (found.model, found.stream, found.wants_usage, found.max_output) == (
        "m",
        True,
        True,
        100,
    )
    assert found.needs == {"tools", "forced_tool", "schema", "images", "files"}
    found = peek(body(messages=[{"role": "user", "content": [plain]}], max_tokens=0), 9)
    assert (found.needs, found.max_output, found.stream) == (frozenset(), 0, False)


@pytest.mark.parametrize(
    ("more", "param"),
    [
        ({"model": ""}, "model"),
        ({"model": 3}, "model"),
        ({"model": "a\nb"}, "model"),
        ({"max_tokens": "7"}, "max_tokens"),
        ({"max_tokens": -1}, "max_tokens"),
        ({"max_tokens": True}, "max_tokens"),
        ({"messages": []}, "messages"),
        ({"messages": [3]}, "messages[0]"),
        ({"stream": 1}, "stream"),
        ({"tool_choice": "auto"}, "tool_choice"),
    ],
)
def test_peek_names_the_fault(more: dict[str, Any], param: str) -> None:
    with pytest.raises(BadRequestError) as caught:
        peek(body(**more), 9, "")
    assert caught.value.param == param


def test_a_host_that_has_the_model_in_its_path_alone() -> None:
    there = Dialect(names_model=False)
    assert "model" not in json.loads(patch(body(), "theirs", there))
    assert "model" not in write(request(), "theirs", there).body
    assert write(request(), "theirs", PLAIN).body["model"] == "theirs"


def test_patch_and_refused() -> None:
    own = body(unknown={"a": 1}, temperature=1)
    dialect = Dialect(refuses=frozenset({"top_k"}))
    assert json.loads(patch(own, "theirs", dialect)) == {
        "model": "theirs", "max_tokens": 100, "messages": [HI], "unknown": {"a": 1}, "temperature": 1,
    }  # fmt: skip
    assert own["model"] == "m"
    assert refused(own, dialect) is None
    assert refused(body(top_k=3), dialect) == "top_k"
    assert refused(body(top_k=None), dialect) is None
    forced = body(tool_choice={"type": "any"})
    assert refused(forced, PLAIN) is None
    assert refused(forced, Dialect(forced_tools=False)) == "tool_choice"
    assert refused(forced, Dialect(named_tools=False)) is None
    assert refused(body(tool_choice={"type": "tool", "name": "f"}), Dialect(named_tools=False)) == "tool_choice"  # fmt: skip


def test_count_body_keeps_what_counts() -> None:
    full = body(system="s", stream=True, temperature=1, tools=[], thinking={"type": "adaptive"})
    asked = count_body(full, "theirs")
    assert set(asked) == {"model", "messages", "system", "tools", "thinking"}
    assert asked["model"] == "theirs"
    assert WIRE.counting is not None
    assert "stream" not in WIRE.counting.prepare(full)
    assert WIRE.counting.read({"input_tokens": 7}) == 7
    assert [WIRE.counting.read({"input_tokens": x}) for x in (None, True, -1, "7")] == [None] * 4
    assert WIRE.counting.write(7) == {"input_tokens": 7}


def test_states_that_may_not_stay_are_taken_out() -> None:
    sealed = seal([Opaque("gemini.signature", "g", "other")])
    turn = [
        {"type": "thinking", "thinking": "a", "signature": "mine"},
        {"type": "thinking", "thinking": "b", "signature": "theirs"},
        {"type": "redacted_thinking", "data": "theirs"},
        {"type": "thinking", "thinking": "c", "signature": sealed},
        {"type": "text", "text": "x"},
    ]
    only = [{"type": "redacted_thinking", "data": "theirs"}]
    own = body(
        messages=[
            HI,
            {"role": "assistant", "content": turn},
            {"role": "assistant", "content": only},
        ]
    )
    out, dropped = without_state(own, lambda state: state in ("mine", sealed))
    assert dropped == 4
    assert out["messages"] == [HI, {"role": "assistant", "content": [turn[0], turn[4]]}]
    assert len(own["messages"][1]["content"]) == 5
    assert without_state(own, lambda _: True)[1] == 1
    plain = body(messages=[HI, {"role": "assistant", "content": "x"}])
    assert without_state(plain, lambda _: False) == (plain, 0)
    assert without_state(body(messages=3), lambda _: False)[1] == 0


def test_a_budget_goes_with_the_thoughts_that_began_a_loop() -> None:
    sealed = {"type": "thinking", "thinking": "hm", "signature": seal(())}
    own = {"type": "thinking", "thinking": "hm", "signature": "mine"}
    call = {"type": "tool_use", "id": "t", "name": "f", "input": {}}
    result = {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t"}]}
    budget = {"type": "enabled", "budget_tokens": 2000}

    def left(*turns: dict[str, Any], thinking: dict[str, Any] = budget) -> Any:
        asked = body(messages=[HI, *turns], thinking=thinking)
        out, dropped = without_state(asked, lambda state: state == "mine")
        assert dropped == 1
        return out.get("thinking")

    loop = {"role": "assistant", "content": [sealed, call]}
    assert left(loop, result) is None
    assert left(loop, result, thinking={"type": "adaptive"}) == {"type": "adaptive"}
    assert left(loop, result, HI) == budget
    assert left({"role": "assistant", "content": [own, sealed, call]}, result) == budget


# read


def test_a_full_request_is_read() -> None:
    found = read(
        body(
            system=[{"type": "text", "text": "be kind", "cache_control": {"type": "ephemeral", "ttl": "1h"}}],
            temperature=0.5,
            top_p=0.9,
            top_k=4,
            stop_sequences=["END"],
            stream=True,
            metadata={"user_id": "u"},
            service_tier="auto",
            tools=[{"name": "f", "description": "d", "input_schema": SCHEMA, "strict": True,
                    "cache_control": {"type": "ephemeral"}}],
            tool_choice={"type": "tool", "name": "f", "disable_parallel_tool_use": True},
            thinking={"type": "enabled", "budget_tokens": 2000, "display": "omitted"},
            output_config={"effort": "xhigh", "format": {"type": "json_schema", "schema": SCHEMA}},
            container="c",
        )
    )  # fmt: skip
    assert found == ir.Request(
        wire="messages",
        model="m",
        messages=(Message("system", (Text("be kind", "1h"),)), user(Text("hi"))),
        tools=(ir.Tool("f", "d", SCHEMA, strict=True, cache="5m"),),
        tool_choice=ir.ToolChoice("named", "f"),
        parallel_tools=False,
        output=ir.OutputFormat("schema", SCHEMA, strict=True),
        thinking=ir.Thinking("xhigh", 2000, show=False),
        max_output=100,
        temperature=0.5,
        top_p=0.9,
        top_k=4,
        stop=("END",),
        user="u",
        service_tier="auto",
        stream=True,
        extras={"container": "c"},
    )


def test_hosted_tools_keep_their_declaration() -> None:
    search = {"type": "web_search_20250305", "name": "web_search", "max_uses": 3}
    (tool,) = read(body(tools=[search])).tools
    assert tool == ir.Tool("web_search", kind="hosted", wire="messages", raw=search)


def test_two_calls_two_results_and_a_picture() -> None:
    picture = {
        "type": "image",
        "source": {"type": "base64", "media_type": "image/png", "data": "AA"},
    }
    found = read(
        body(
            messages=[
                HI,
                {
                    "role": "assistant",
                    "content": [
                        {"type": "thinking", "thinking": "hm", "signature": "SIG"},
                        {"type": "redacted_thinking", "data": "RED"},
                        {"type": "text", "text": "look"},
                        {"type": "tool_use", "id": "t1", "name": "f", "input": {"a": 1}},
                        {"type": "tool_use", "id": "t2", "name": "g", "input": {}},
                    ],
                },
                {
                    "role": "user",
                    "content": [
                        {"type": "tool_result", "tool_use_id": "t2", "content": [picture, {"type": "text", "text": "x"}]},
                        {"type": "text", "text": "go on"},
                        {"type": "tool_result", "tool_use_id": "t1", "content": "bad", "is_error": True},
                    ],
                },
            ]
        )
    )  # fmt: skip
    assert found.messages == (
        user(Text("hi")),
        assistant(
            Reasoning("hm", opaque=(Opaque("messages.signature", "SIG"),)),
            Reasoning(opaque=(Opaque("messages.redacted", "RED"),)),
            Text("look"),
            ToolCall("t1", "f", '{"a":1}'),
            ToolCall("t2", "g", "{}"),
        ),
        Message(
            "tool",
            (
                ToolResult("t2", (Image("image/png", "AA"), Text("x")), "g"),
                ToolResult("t1", (Text("bad"),), "f", is_error=True),
            ),
        ),
        user(Text("go on")),
    )


def test_results_in_several_messages_are_one() -> None:
    def result(call: str) -> dict[str, Any]:
        return {"role": "user", "content": [{"type": "tool_result", "tool_use_id": call}]}

    calls = [{"type": "tool_use", "id": one, "name": "f", "input": {}} for one in ("a", "b")]
    found = read(
        body(messages=[HI, {"role": "assistant", "content": calls}, result("a"), HI, result("b")])
    )
    assert [message.role for message in found.messages] == ["user", "assistant", "tool", "user"]
    assert found.messages[2].parts == (ToolResult("a", (), "f"), ToolResult("b", (), "f"))


def test_a_system_message_amid_the_conversation() -> None:
    found = read(body(messages=[HI, {"role": "system", "content": "now shout"}, HI]))
    assert found.messages[1] == Message("system", (Text("now shout"),))


def test_an_account_line_is_left_out_of_the_prompt() -> None:
    line = {"type": "text", "text": "x-vendor-billing-header: v=1; entry=cli;"}
    found = read(body(system=[line, {"type": "text", "text": "be kind"}]))
    assert found.messages[0] == Message("system", (Text("be kind"),))


def test_documents() -> None:
    def document(source: dict[str, Any], **more: Any) -> ir.Part:
        block = {"type": "document", "source": source, **more}
        found = read(body(messages=[{"role": "user", "content": [block]}]))
        return found.messages[0].parts[-1]

    assert document(
        {"type": "base64", "media_type": "application/pdf", "data": "AA"}, title="t"
    ) == (ir.File("application/pdf", "AA", name="t"))
    assert document({"type": "text", "media_type": "text/plain", "data": "w"}) == ir.File("text/plain", text="w")  # fmt: skip
    assert document({"type": "url", "url": "https://x"}) == ir.File(url="https://x")
    assert document({"type": "file", "file_id": "f1"}) == ir.File(file_id="f1")
    assert document({"type": "content", "content": "w"}, cache_control={"type": "ephemeral"}) == (
        ir.File("text/plain", text="w", cache="5m")
    )


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({"thinking": {"type": "disabled"}}, ir.Thinking("none")),
        ({"thinking": {"type": "adaptive", "display": "summarized"}}, ir.Thinking(adaptive=True, show=True)),
        ({"thinking": {"type": "between_tools"}}, ir.Thinking(adaptive=True)),
        ({"output_config": {"effort": "max"}}, ir.Thinking("max")),
        ({}, None),
    ],
)  # fmt: skip
def test_thinking_is_read(said: dict[str, Any], expected: ir.Thinking | None) -> None:
    assert read(body(**said)).thinking == expected


def test_what_has_no_field_is_an_extra() -> None:
    found = read(
        body(
            mcp_servers=[{}],
            context_management={},
            speed="fast",
            inference_geo="us",
            container=None,
            output_config={"task_budget": 3},
            thinking={"type": "disabled"},
            tools=[{"name": "f", "input_schema": {}, "defer_loading": True, "allowed_callers": ["direct"]}],
            messages=[
                {"role": "user", "content": [{"type": "document", "citations": {"enabled": True}, "source": {"type": "content", "content": "w"}}]}
            ],
        )
    )  # fmt: skip
    assert set(found.extras) == {
        "mcp_servers", "context_management", "speed", "inference_geo", "output_config.task_budget",
        "tools.defer_loading", "document.citations",
    }  # fmt: skip
    assert WIRE.client is not None
    meaningful = {"mcp_servers", "inference_geo", "document.citations"}
    assert not meaningful & WIRE.client.advice


@pytest.mark.parametrize(
    ("more", "param"),
    [
        ({"messages": [{"role": "tool", "content": "x"}]}, "messages[0].role"),
        ({"messages": [{"role": "user", "content": None}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": [3]}]}, "messages[0].content[0]"),
        ({"messages": [{"role": "user", "content": [{"type": "video"}]}]}, "messages[0].content[0].type"),
        ({"messages": [{"role": "user", "content": [{"type": "text"}]}]}, "messages[0].content[0].text"),
        ({"messages": [{"role": "user", "content": [{"type": "image"}]}]}, "messages[0].content[0].source"),
        ({"messages": [{"role": "assistant", "content": [{"type": "tool_use", "id": "a"}]}]}, "messages[0].content[0].name"),
        ({"system": 3}, "system"),
        ({"system": [{"type": "image"}]}, "system[0].type"),
        ({"tools": [3]}, "tools[0]"),
        ({"tools": [{"name": "f"}]}, "tools[0].input_schema"),
        ({"tools": [{"input_schema": {}}]}, "tools[0].name"),
        ({"tool_choice": {"type": "some"}}, "tool_choice.type"),
        ({"tool_choice": {"type": ["x"]}}, "tool_choice.type"),
        ({"tool_choice": {"type": "tool"}}, "tool_choice.name"),
        ({"thinking": {"type": "much"}}, "thinking.type"),
        ({"thinking": {"type": "enabled"}}, "thinking.budget_tokens"),
        ({"output_config": {"effort": "huge"}}, "output_config.effort"),
        ({"output_config": {"format": {"type": "xml"}}}, "output_config.format.type"),
        ({"stop_sequences": [3]}, "stop_sequences[0]"),
        ({"metadata": {"user_id": 3}}, "metadata.user_id"),
        ({"cache_control": {"ttl": "2d"}}, "cache_control.ttl"),
    ],
)  # fmt: skip
def test_reading_names_the_fault(more: dict[str, Any], param: str) -> None:
    with pytest.raises(BadRequestError) as caught:
        read(body(**more))
    assert caught.value.param == param


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=4)
    | st.sampled_from(["text", "tool_use", "tool_result", "thinking", "image", "document", "user",
                       "assistant", "content", "base64"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(["type", "text", "content", "source", "role", "id", "name", "input", "data",
                         "tool_use_id", "cache_control", "ttl", "citations", "thinking",
                         "signature", "media_type", "url", "x"]), inner, max_size=4),
    max_leaves=12,
)  # fmt: skip
FIELDS = ("messages", "system", "tools", "tool_choice", "thinking", "output_config", "metadata",
          "stop_sequences", "cache_control", "output_format", "x")  # fmt: skip


@settings(max_examples=100, deadline=None)
@given(st.dictionaries(st.sampled_from(FIELDS), JSON, max_size=4))
def test_no_body_is_too_strange(more: dict[str, Any]) -> None:
    strange = body(**more)
    for judged in (lambda: peek(strange, 9, ""), lambda: write(read(strange), "m", PLAIN)):
        with contextlib.suppress(BadRequestError, CannotExpressError):
            judged()
    without_state(strange, lambda _: False)
    refused(strange, Dialect(forced_tools=False))


# write


def test_a_plain_request_is_written() -> None:
    assert written(
        Message("system", (Text("a"),)), Message("developer", (Text("b"),)), user(Text("hi")),
        max_output=7, stop=("END",), user="u", stream=True, temperature=0.5,
    ) == {
        "model": "host-model",
        "max_tokens": 7,
        "system": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}],
        "messages": [{"role": "user", "content": "hi"}],
        "temperature": 0.5,
        "stop_sequences": ["END"],
        "metadata": {"user_id": "u"},
        "stream": True,
    }  # fmt: skip


def test_the_limit_that_the_wire_demands() -> None:
    assert written()["max_tokens"] == 4096
    assert written(dialect=Dialect(max_output=900))["max_tokens"] == 900
    assert written(dialect=Dialect(max_output=900), max_output=5)["max_tokens"] == 5


def test_two_parallel_calls_with_their_results() -> None:
    out = written(
        user(Text("hi")),
        assistant(
            Reasoning("hm", opaque=(Opaque("messages.signature", "SIG", "r"),)),
            Reasoning(opaque=(Opaque("messages.redacted", "RED", "r"),)),
            Text("  "),
            ToolCall("t1", "f", '{"a":1}'),
            ToolCall("t2", "g", ""),
        ),
        Message("tool", (
            ToolResult("t1", (Text("one"),), "f", is_error=True),
            ToolResult("t2", (Text("two"), Image("image/png", "AA")), "g"),
        )),
        Message("system", (Text("mind"),)),
        user(Text("go on")),
    )  # fmt: skip
    assert out["messages"] == [
        {"role": "user", "content": "hi"},
        {"role": "assistant", "content": [
            {"type": "thinking", "thinking": "hm", "signature": "SIG"},
            {"type": "redacted_thinking", "data": "RED"},
            {"type": "tool_use", "id": "t1", "name": "f", "input": {"a": 1}},
            {"type": "tool_use", "id": "t2", "name": "g", "input": {}},
        ]},
        {"role": "user", "content": [
            {"type": "tool_result", "tool_use_id": "t1", "content": "one", "is_error": True},
            {"type": "tool_result", "tool_use_id": "t2", "content": [
                {"type": "text", "text": "two"},
                {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AA"}},
            ]},
            {"type": "text", "text": "<system>\nmind\n</system>"},
            {"type": "text", "text": "go on"},
        ]},
    ]  # fmt: skip


def test_a_system_message_in_its_place_where_the_host_takes_it() -> None:
    talk = (user(Text("a")), Message("developer", (Text("mind"),)), user(Text("b")))
    assert [turn["role"] for turn in written(*talk, dialect=Dialect(mid_system=True))["messages"]] == [
        "user", "system", "user",
    ]  # fmt: skip
    assert written(*talk)["messages"] == [
        {"role": "user", "content": [
            {"type": "text", "text": "a"},
            {"type": "text", "text": "<system>\nmind\n</system>"},
            {"type": "text", "text": "b"},
        ]},
    ]  # fmt: skip


def test_state_of_others_is_not_sent() -> None:
    out = written(
        user(Text("hi")),
        assistant(
            Reasoning("hm", opaque=(Opaque("gemini.signature", "G", "x"),)),
            Reasoning("plain"),
            Text("ok", opaque=(Opaque("gemini.signature", "G", "x"),)),
        ),
        user(Text("go on")),
    )
    assert out["messages"][1] == {"role": "assistant", "content": "ok"}
    replaying = Dialect(replay_reasoning="thinking")
    again = written(
        user(Text("hi")), assistant(Reasoning("hm"), Text("ok")), user(Text("x")), dialect=replaying
    )
    assert again["messages"][1]["content"][0] == {
        "type": "thinking",
        "thinking": "hm",
        "signature": "",
    }


def test_ids_of_calls_are_wrapped_the_same_on_both_sides() -> None:
    call = ToolCall("functions.f:0", "f", "{}")
    out = written(
        user(Text("hi")), assistant(call), Message("tool", (ToolResult(call.id, (Text("x"),)),))
    )
    sent = out["messages"][1]["content"][0]["id"]
    assert sent == out["messages"][2]["content"][0]["tool_use_id"]
    assert sent.replace("_", "").replace("-", "").isalnum()
    assert unwrapped(sent) == call.id


@given(st.text(max_size=30), st.text(max_size=30))
def test_wrapped_ids_come_back_and_never_meet(one: str, other: str) -> None:
    assert unwrapped(wrapped(one)) == one
    assert (wrapped(one) == wrapped(other)) == (one == other)


def test_prefill() -> None:
    talk = (user(Text("hi")), assistant(Text("The answer is  \n")))
    assert written(*talk)["messages"][-1] == {"role": "assistant", "content": "The answer is"}
    with pytest.raises(CannotExpressError):
        written(*talk, dialect=Dialect(prefill=False))


@pytest.mark.parametrize(
    ("choice", "dialect", "expected", "gone"),
    [
        (ir.ToolChoice("auto"), {}, {"type": "auto"}, ()),
        (ir.ToolChoice("none"), {}, {"type": "none"}, ()),
        (ir.ToolChoice("required"), {}, {"type": "any"}, ()),
        (ir.ToolChoice("named", "weather"), {}, {"type": "tool", "name": "weather"}, ()),
        (ir.ToolChoice("named", "weather"), {"named_tools": False}, {"type": "any"}, ()),
        (ir.ToolChoice("required"), {"forced_tools": False}, {"type": "auto"}, ("tool_choice",)),
        (ir.ToolChoice("named", "weather"), {"forced_tools": False}, {"type": "auto"}, ("tool_choice",)),
    ],
)  # fmt: skip
def test_tool_choice(
    choice: ir.ToolChoice, dialect: dict[str, Any], expected: dict[str, Any], gone: tuple[str, ...]
) -> None:
    out = lost(Dialect(**dialect), tools=(WEATHER,), tool_choice=choice)
    assert out.body["tool_choice"] == expected
    assert out.lost == gone


def test_tools() -> None:
    out = written(
        tools=(WEATHER, ir.Tool("bare"), ir.Tool("strict", parameters=SCHEMA, strict=True)),
        parallel_tools=False,
    )
    assert out["tools"] == [
        {"name": "weather", "description": "tells it", "input_schema": {"type": "object", "properties": {}}},
        {"name": "bare", "input_schema": {"type": "object", "properties": {}}},
        {"name": "strict", "input_schema": SCHEMA, "strict": True},
    ]  # fmt: skip
    assert out["tool_choice"] == {"type": "auto", "disable_parallel_tool_use": True}
    narrowed = written(
        tools=(WEATHER, ir.Tool("bare")), tool_choice=ir.ToolChoice("required", allowed=("bare",))
    )
    assert [tool["name"] for tool in narrowed["tools"]] == ["bare"]
    assert lost(Dialect(parallel_switch=False), tools=(WEATHER,), parallel_tools=False).lost == (
        "parallel_tools",
    )


def test_hosted_tools_go_to_their_own_wire_only() -> None:
    raw = {"type": "web_search_20250305", "name": "web_search"}
    own = ir.Tool("web_search", kind="hosted", wire="messages", raw=raw)
    other = replace(own, wire="responses")
    out = lost(tools=(own, other, WEATHER))
    assert out.body["tools"][0] == raw
    assert out.lost == ("tools.web_search",)
    trace = ir.Trace("messages", {"type": "server_tool_use", "id": "s", "name": "x", "input": {}})
    talk = (user(Text("a")), assistant(trace, ir.Trace("responses", {})), user(Text("b")))
    sent = write(request(*talk), "m", PLAIN)
    assert sent.body["messages"][1]["content"] == [trace.raw]
    assert sent.lost == ("history of hosted tools",)


@pytest.mark.parametrize(
    ("thinking", "dialect", "expected", "effort"),
    [
        (ir.Thinking("high"), {"thinking": "adaptive"}, {"type": "adaptive"}, "high"),
        (ir.Thinking("minimal"), {"thinking": "adaptive"}, {"type": "adaptive"}, "low"),
        (ir.Thinking(budget=9000, show=True), {"thinking": "adaptive"}, {"type": "adaptive", "display": "summarized"}, "medium"),
        (ir.Thinking("none"), {"thinking": "adaptive"}, {"type": "disabled"}, None),
        (ir.Thinking("max"), {"thinking": "adaptive", "efforts": {"max": ""}}, {"type": "adaptive"}, None),
        (ir.Thinking("medium"), {"thinking": "budget"}, {"type": "enabled", "budget_tokens": 2048}, None),
        (ir.Thinking(budget=32000), {"thinking": "budget"}, {"type": "enabled", "budget_tokens": 6976}, None),
        (ir.Thinking(budget=5), {"thinking": "budget"}, {"type": "enabled", "budget_tokens": 1024}, None),
        (ir.Thinking("none"), {"thinking": "none"}, None, None),
        (ir.Thinking(budget=2000), {}, {"type": "enabled", "budget_tokens": 2000}, None),
    ],
)  # fmt: skip
def test_thinking(
    thinking: ir.Thinking,
    dialect: dict[str, Any],
    expected: dict[str, Any] | None,
    effort: str | None,
) -> None:
    out = written(dialect=Dialect(**dialect), thinking=thinking, max_output=8000)
    assert out.get("thinking") == expected
    assert out.get("output_config", {}).get("effort") == effort


def test_thinking_that_cannot_be() -> None:
    always = lost(Dialect(thinking="adaptive", thinking_off=False), thinking=ir.Thinking("none"))
    assert (always.lost, always.body["output_config"]) == (("thinking",), {"effort": "low"})
    never = lost(Dialect(thinking="none"), thinking=ir.Thinking("high"))
    assert (never.lost, "thinking" in never.body) == (("thinking",), False)
    small = lost(Dialect(thinking="budget"), thinking=ir.Thinking("high"), max_output=500)
    assert (small.lost, small.body["max_tokens"]) == (("thinking",), 500)
    free = lost(Dialect(thinking="budget"), thinking=ir.Thinking("max"))
    assert free.body["thinking"]["budget_tokens"] < free.body["max_tokens"]
    assert free.lost == ()
    forced = lost(
        Dialect(thinking="budget"), thinking=ir.Thinking("high"), tools=(WEATHER,),
        tool_choice=ir.ToolChoice("required"), max_output=8000,
    )  # fmt: skip
    assert (forced.lost, "thinking" in forced.body) == (("thinking",), False)


def test_no_thoughts_amid_another_hosts_loop() -> None:
    def loop(*first: ir.Part) -> dict[str, Any]:
        return written(
            user(Text("hi")),
            assistant(*first, ToolCall("t", "f", "{}")),
            Message("tool", (ToolResult("t", (Text("x"),)),)),
            assistant(ToolCall("t2", "f", "{}")),
            Message("tool", (ToolResult("t2", (Text("x"),)),)),
            thinking=ir.Thinking("high"), dialect=Dialect(thinking="budget"), max_output=8000,
        )  # fmt: skip

    assert "thinking" not in loop()
    assert "thinking" in loop(Reasoning("hm", opaque=(Opaque("messages.signature", "S", "r"),)))


def test_sampling() -> None:
    assert lost(temperature=1.7).body["temperature"] == 1
    assert lost(temperature=1.7).lost == ("temperature",)
    both = lost(temperature=0.2, top_p=0.9)
    assert (both.lost, "top_p" in both.body) == (("top_p",), False)
    assert "temperature" not in written(temperature=1, top_p=0.9)
    newest = Dialect(refuses=frozenset({"temperature", "top_p", "top_k"}))
    assert lost(newest, temperature=1.0).lost == ()
    assert "temperature" not in lost(newest, temperature=1.0).body
    assert lost(newest, temperature=0.3, top_k=3).lost == ("temperature", "top_k")
    thinks = lost(
        Dialect(thinking="adaptive"), thinking=ir.Thinking("low"), temperature=0.3, top_k=3
    )
    assert set(thinks.lost) == {"temperature", "top_k"}
    assert written(
        dialect=Dialect(thinking="adaptive"), thinking=ir.Thinking("low"), temperature=1, top_p=1
    )


def test_output() -> None:
    form = ir.OutputFormat(
        "schema", {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}
    )
    assert written(output=form)["output_config"] == {
        "format": {"type": "json_schema", "schema": SCHEMA}
    }
    assert lost(output=ir.OutputFormat("json")).lost == ("output",)
    assert lost(Dialect(structured="none"), output=form).lost == ("output",)
    assert written(output=ir.OutputFormat("text")).get("output_config") is None


def test_everything_that_has_no_place_is_named() -> None:
    out = lost(
        n=2, seed=1, presence_penalty=0.1, frequency_penalty=0.1, logit_bias={"1": 2}, logprobs=True,
        top_logprobs=2, verbosity="low", metadata={"a": "b"}, cache_key="k", service_tier="flex",
        stop=("a", "  "), extras={"prediction": {}},
    )  # fmt: skip
    assert set(out.lost) == {
        "n", "seed", "presence_penalty", "frequency_penalty", "logit_bias", "logprobs", "top_logprobs",
        "verbosity", "metadata", "cache_key", "service_tier", "stop", "prediction",
    }  # fmt: skip
    assert out.body["stop_sequences"] == ["a"]
    assert lost(Dialect(max_stops=1), stop=("a", "b")).lost == ("stop",)


def test_its_own_extras_are_written() -> None:
    own = read(body(container="c", output_config={"task_budget": 3}))
    out = write(own, "m", PLAIN)
    assert (out.body["container"], out.body["output_config"]) == ("c", {"task_budget": 3})
    assert out.lost == ()


def test_four_marks_at_most() -> None:
    texts = [Text(str(place), "1h" if place == 5 else "5m") for place in range(6)]
    out = write(request(user(*texts), tools=(replace(WEATHER, cache="5m"),)), "m", PLAIN)
    assert out.lost == ("cache",)
    marked = [block for block in out.body["messages"][0]["content"] if "cache_control" in block]
    assert [block["text"] for block in marked] == ["2", "3", "4", "5"]
    assert marked[-1]["cache_control"] == {"type": "ephemeral", "ttl": "1h"}
    assert "cache_control" not in out.body["tools"][0]


@pytest.mark.parametrize(
    ("part", "dialect"),
    [
        (ir.Audio("wav", "AA"), {}),
        (Image(url="https://x/y"), {"image_urls": False}),
        (Image(file_id="f"), {}),
        (ir.File(file_id="f"), {}),
        (ir.File("application/zip", "AA"), {}),
        (ir.File("text/plain", "/w=="), {}),
    ],
)
def test_what_cannot_be_said(part: ir.Part, dialect: dict[str, Any]) -> None:
    with pytest.raises(CannotExpressError):
        write(request(user(part)), "m", Dialect(**dialect))


def test_pictures_and_files() -> None:
    out = written(
        user(
            Image(url="https://x/y.png"),
            Image(url="data:image/gif;base64,AA"),
            ir.File("application/pdf", "AA", name="t"),
            ir.File("text/csv", "YSxi"),
            ir.File(url="https://x/y.pdf"),
        )
    )
    assert [block["source"] for block in out["messages"][0]["content"]] == [
        {"type": "url", "url": "https://x/y.png"},
        {"type": "base64", "media_type": "image/gif", "data": "AA"},
        {"type": "base64", "media_type": "application/pdf", "data": "AA"},
        {"type": "text", "media_type": "text/plain", "data": "a,b"},
        {"type": "url", "url": "https://x/y.pdf"},
    ]


def test_foreign_state_travels_through_a_client() -> None:
    states = (Opaque("gemini.signature", "G", "r1", "i1"),)
    block = {"type": "thinking", "thinking": "hm", "signature": seal(states)}
    found = read(body(messages=[HI, {"role": "assistant", "content": [block]}, HI]))
    assert found.messages[1].parts == (Reasoning("hm", opaque=states),)
    assert open_seal(seal(())) == ()
    nothing = {"type": "thinking", "thinking": "hm", "signature": seal(())}
    found = read(body(messages=[HI, {"role": "assistant", "content": [nothing]}, HI]))
    assert found.messages[1].parts == (Reasoning("hm"),)


# What the wire can express comes back as it was.

WORD = st.text("abc de", min_size=1, max_size=6).filter(lambda text: bool(text.strip()))
CACHE = st.sampled_from(["", "5m", "1h"])
TEXTS = st.builds(Text, WORD, CACHE)
IMAGES = st.builds(Image, st.just("image/png"), st.just("AA"), cache=CACHE) | st.builds(
    Image, url=st.just("https://x/y.png")
)
FILES = st.builds(ir.File, st.just("application/pdf"), st.just("AA"), name=WORD)
THOUGHTS = st.builds(
    lambda text, data: Reasoning(text, opaque=(Opaque("messages.signature", data),)), WORD, WORD
) | st.builds(lambda data: Reasoning(opaque=(Opaque("messages.redacted", data),)), WORD)


@st.composite
def conversations(draw: st.DrawFn) -> tuple[Message, ...]:
    """Draw turns as a client of this wire could have sent them."""
    messages = [Message("system", tuple(draw(st.lists(TEXTS, max_size=2))))]
    messages = [message for message in messages if message.parts]
    for turn in range(draw(st.integers(1, 3))):
        messages.append(user(*draw(st.lists(TEXTS | IMAGES | FILES, min_size=1, max_size=3))))
        parts: list[ir.Part] = draw(st.lists(THOUGHTS, max_size=2))
        parts += draw(st.lists(TEXTS, min_size=1, max_size=2))
        calls = [
            ToolCall(f"t{turn}.{place}", draw(WORD), draw(st.sampled_from(["{}", '{"a":1}'])))
            for place in range(draw(st.integers(0, 2)))
        ]
        messages.append(assistant(*parts, *calls))
        results = [
            ToolResult(call.id, tuple(draw(st.lists(TEXTS | IMAGES, max_size=2))), call.name,
                       draw(st.booleans()))
            for call in calls
        ]  # fmt: skip
        if results:
            messages.append(Message("tool", tuple(results)))
        messages.append(user(draw(TEXTS)))
    return tuple(messages)


@settings(max_examples=40, deadline=None)
@given(conversations())
def test_a_conversation_written_and_read_is_the_same(messages: tuple[Message, ...]) -> None:
    first = write(request(*messages, wire="messages"), "m", PLAIN)
    again = read(first.body)
    if "cache" not in first.lost:
        assert merged(again.messages) == merged(messages)
        assert write(again, "m", PLAIN).body == first.body


def merged(messages: tuple[Message, ...]) -> list[Message]:
    """Join neighbours of one role, as the wire does."""
    out: list[Message] = []
    for message in messages:
        if out and out[-1].role == message.role:
            out[-1] = Message(message.role, out[-1].parts + message.parts)
        else:
            out.append(message)
    return out
