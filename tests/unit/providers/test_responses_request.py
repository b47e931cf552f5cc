"""A client's Responses request: looked at, made ready for its own wire, read as turns."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from providers.carrier import seal
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
from providers.wires.responses.read import read
from providers.wires.responses.request import patch, peek, refused, without_state
from providers.wires.responses.stored import (
    input_items,
    items_of,
    references,
    with_history,
    with_items,
)
from providers.wires.wire import BadRequestError

PLAIN = Dialect()
STATE = "reasoning.encrypted_content"


def asked(*items: Any, **more: Any) -> Request:
    return read({"model": "m", "input": list(items), **more})


def turns(*items: Any) -> tuple[Message, ...]:
    return asked(*items).messages


def call(name: str = "f", at: str = "c1", **more: Any) -> dict[str, Any]:
    return {"type": "function_call", "call_id": at, "name": name, "arguments": "{}", **more}


def result(at: str = "c1", output: Any = "ok", **more: Any) -> dict[str, Any]:
    return {"type": "function_call_output", "call_id": at, "output": output, **more}


USER = {"role": "user", "content": "hi"}
HI = Message("user", (Text("hi"),))


def test_a_text_alone_is_one_user_message_after_the_instructions() -> None:
    request = read({"model": "m", "input": "hi", "instructions": "be brief"})
    assert request.messages == (Message("system", (Text("be brief"),)), HI)
    assert (request.wire, request.model, request.stream, request.extras) == (
        "responses", "m", False, {},
    )  # fmt: skip


def test_a_run_of_thoughts_words_and_calls_is_one_turn_of_the_assistant() -> None:
    found = turns(
        USER,
        {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "enc"},
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "a"}]},
        call(at="c1"),
        call(at="c2", name="g", namespace="group"),
        result("c1"),
        result("c2", [{"type": "input_text", "text": "b"},
                     {"type": "input_image", "image_url": "data:image/png;base64,AAAA"}]),
        {"role": "user", "content": [{"type": "input_text", "text": "go on"}]},
    )  # fmt: skip
    assert found == (
        HI,
        Message(
            "assistant",
            (
                Reasoning("", opaque=(Opaque("responses.encrypted", "enc", id="rs_1"),)),
                Text("a"),
                ToolCall("c1", "f", "{}"),
                ToolCall("c2", "g", "{}", namespace="group"),
            ),
        ),
        Message(
            "tool",
            (
                ToolResult("c1", (Text("ok"),), "f"),
                ToolResult("c2", (Text("b"), Image("image/png", "AAAA")), "g"),
            ),
        ),
        Message("user", (Text("go on"),)),
    )


def test_calls_after_results_are_the_next_turn() -> None:
    roles = [
        message.role for message in turns(call(at="a"), result("a"), call(at="b"), result("b"))
    ]
    assert roles == ["assistant", "tool", "assistant", "tool"]


def test_a_result_stands_behind_its_call_whatever_the_client_put_between() -> None:
    found = turns(call(), USER, result())
    assert [message.role for message in found] == ["assistant", "tool", "user"]
    orphan = turns(USER, result("gone"), result("too"))
    assert [message.role for message in orphan] == ["user", "tool"]
    assert len(orphan[1].parts) == 2


def test_custom_calls_keep_their_text() -> None:
    found = turns(
        {"type": "custom_tool_call", "call_id": "c", "name": "patch", "input": "*** Begin\n"},
        {"type": "custom_tool_call_output", "call_id": "c", "output": "done"},
    )
    assert found[0].parts == (ToolCall("c", "patch", "*** Begin\n", "custom"),)
    assert found[1].parts == (ToolResult("c", (Text("done"),), "patch", kind="custom"),)


@pytest.mark.parametrize(
    ("part", "expected"),
    [
        ({"type": "input_text", "text": "x"}, Text("x")),
        ({"type": "input_text", "text": "x", "prompt_cache_breakpoint": {"mode": "explicit"}}, Text("x", "5m")),
        ({"type": "input_image", "image_url": "https://a/b.png", "detail": "low"}, Image(url="https://a/b.png", detail="low")),
        ({"type": "input_image", "image_url": {"url": "https://a/b.png"}}, Image(url="https://a/b.png")),
        ({"type": "input_image", "file_id": "file-1"}, Image(file_id="file-1")),
        ({"type": "input_file", "file_data": "data:application/pdf;base64,JVBE", "filename": "a.pdf"}, File("application/pdf", "JVBE", name="a.pdf")),
        ({"type": "input_file", "file_data": "JVBE", "filename": "a.pdf"}, File("application/pdf", "JVBE", name="a.pdf")),
        ({"type": "input_file", "file_data": "data:text/plain;base64,aGk="}, File("text/plain", text="hi")),
        ({"type": "input_file", "file_url": "https://a/b.pdf"}, File(url="https://a/b.pdf")),
        ({"type": "input_audio", "input_audio": {"data": "AA", "format": "wav"}}, Audio("wav", "AA")),
        ({"type": "refusal", "refusal": "no"}, Refused("no")),
    ],
)  # fmt: skip
def test_every_part(part: dict[str, Any], expected: Any) -> None:
    assert turns({"role": "user", "content": [part]})[0].parts == (expected,)


def test_thoughts_of_another_wire_come_out_of_their_seal() -> None:
    signed = Opaque("messages.signature", "sig", "claude")
    found = turns(
        {"type": "reasoning", "summary": [{"type": "summary_text", "text": "hm"}],
         "encrypted_content": seal([signed])},
        {"type": "reasoning", "summary": [],
         "encrypted_content": seal([Opaque("call:gemini.signature", "s1", "g")])},
        call(),
        {"role": "assistant", "content": "words"},
        {"type": "reasoning", "summary": [],
         "encrypted_content": seal([Opaque("text:gemini.signature", "s2", "g")])},
    )  # fmt: skip
    assert found[0].parts == (
        Reasoning("hm", False, (signed,)),
        ToolCall("c1", "f", "{}", opaque=(Opaque("gemini.signature", "s1", "g"),)),
        Text("words", opaque=(Opaque("gemini.signature", "s2", "g"),)),
    )


def test_thoughts_in_plain_words_and_summaries() -> None:
    found = turns(
        {"type": "reasoning", "summary": [{"type": "summary_text", "text": "a"},
                                          {"type": "summary_text", "text": "b"}],
         "encrypted_content": "gAAAA"},
        {"type": "reasoning", "content": [{"type": "reasoning_text", "text": "c"}], "summary": []},
        {"type": "reasoning", "summary": []},
    )  # fmt: skip
    native = Opaque("responses.encrypted", "gAAAA")
    assert found[0].parts == (Reasoning("a\n\nb", True, (native,)), Reasoning("c"))


def test_tools_of_every_kind() -> None:
    grammar = {"type": "grammar", "syntax": "lark", "definition": "start: x"}
    request = asked(
        USER,
        tools=[
            {"type": "function", "name": "f", "description": "d", "parameters": {"type": "object"}, "strict": False},
            {"type": "custom", "name": "patch", "format": grammar},
            {"type": "custom", "name": "free", "format": {"type": "text"}},
            {"type": "namespace", "name": "agents", "description": "Sub-agents.",
             "tools": [{"type": "function", "name": "spawn", "description": "s", "defer_loading": True}]},
            {"type": "web_search", "external_web_access": True},
            {"type": "local_shell"},
            {"type": "shell", "environment": {"type": "container_auto"}},
            {"type": "tool_search", "execution": "client", "parameters": {"type": "object"}},
        ],
    )  # fmt: skip
    kinds = [(tool.name, tool.kind, tool.namespace) for tool in request.tools]
    assert kinds == [
        ("f", "function", ""), ("patch", "custom", ""), ("free", "custom", ""),
        ("spawn", "function", "agents"), ("web_search", "hosted", ""),
        ("local_shell", "function", ""), ("shell", "hosted", ""), ("tool_search", "function", ""),
    ]  # fmt: skip
    assert request.tools[0] == Tool("f", "d", {"type": "object"}, False)
    assert request.tools[1].format == grammar
    assert request.tools[2].format is None
    assert request.tools[3].description == "Sub-agents.\n\ns"
    assert request.extras == {"tools.defer_loading": True}


def test_tools_that_the_client_runs_are_functions_and_so_are_their_calls() -> None:
    found = turns(
        {"type": "local_shell_call", "id": "lsh_1", "call_id": "c1", "status": "completed",
         "action": {"type": "exec", "command": ["ls"], "env": {}}},
        {"type": "local_shell_call_output", "id": "lsh_1", "output": "file"},
        {"type": "shell_call", "call_id": "c2", "action": {"commands": ["ls"], "timeout_ms": None}},
        {"type": "shell_call_output", "call_id": "c2", "output": [{"stdout": "x"}]},
        {"type": "apply_patch_call", "call_id": "c3", "status": "completed",
         "operation": {"type": "delete_file", "path": "a"}},
        {"type": "apply_patch_call_output", "call_id": "c3", "status": "failed", "output": "no"},
    )  # fmt: skip
    assert [part for message in found for part in message.parts] == [
        ToolCall("c1", "local_shell", '{"command":["ls"]}'),
        ToolResult("c1", (Text("file"),), "local_shell"),
        ToolCall("c2", "shell", '{"commands":["ls"]}'),
        ToolResult("c2", (Text('[{"stdout":"x"}]'),), "shell"),
        ToolCall("c3", "apply_patch", '{"type":"delete_file","path":"a"}'),
        ToolResult("c3", (Text("no"),), "apply_patch", is_error=True),
    ]


def test_tools_found_on_the_way_are_declared() -> None:
    tool = {"type": "function", "name": "late", "parameters": {"type": "object"}}
    request = asked(
        USER,
        {"type": "additional_tools", "role": "developer", "tools": [tool]},
        {"type": "tool_search_call", "call_id": "s", "execution": "client", "arguments": {"query": "x"}},
        {"type": "tool_search_output", "call_id": "s", "execution": "client", "tools": [tool]},
    )  # fmt: skip
    assert [tool.name for tool in request.tools] == ["late"]
    assert request.messages[1].parts == (ToolCall("s", "tool_search", '{"query":"x"}'),)


def test_work_of_the_host_is_a_trace_and_what_is_bound_to_it_is_named() -> None:
    search = {"type": "web_search_call", "id": "ws_1", "status": "completed"}
    request = asked(USER, search, {"type": "compaction", "encrypted_content": "x"})
    assert request.messages[1].parts == (Trace("responses", search),)
    assert request.extras == {"input.compaction": True}


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (None, None),
        ("auto", ToolChoice("auto")),
        ("required", ToolChoice("required")),
        ({"type": "function", "name": "f"}, ToolChoice("named", "f")),
        ({"type": "function", "function": {"name": "f"}}, ToolChoice("named", "f")),
        ({"type": "custom", "name": "f"}, ToolChoice("named", "f")),
        ({"type": "web_search"}, ToolChoice("named", "web_search")),
        ({"type": "allowed_tools", "mode": "required", "tools": [{"type": "function", "name": "f"}, {"type": "image_generation"}]},
         ToolChoice("required", allowed=("f", "image_generation"))),
    ],
)  # fmt: skip
def test_tool_choice_in_every_form(said: Any, expected: ToolChoice | None) -> None:
    assert asked(USER, tool_choice=said).tool_choice == expected


def test_every_field_has_its_place() -> None:
    schema = {"type": "object", "properties": {}}
    request = asked(
        USER,
        text={"format": {"type": "json_schema", "name": "n", "schema": schema, "strict": True}, "verbosity": "low"},
        reasoning={"effort": "high", "summary": "auto", "mode": "pro"},
        max_output_tokens=99, temperature=0.5, top_p=0.9, top_logprobs=3,
        include=[STATE, "message.output_text.logprobs", "web_search_call.action.sources"],
        parallel_tool_calls=False, metadata={"a": "b"}, prompt_cache_key="k", service_tier="flex",
        safety_identifier="u", user="v", store=True, truncation="disabled", background=False,
        max_tool_calls=3, client_metadata={"x": "y"}, stream=True,
        stream_options={"include_obfuscation": False}, previous_response_id=None,
    )  # fmt: skip
    assert request.output == OutputFormat("schema", schema, "n", strict=True)
    assert request.thinking == Thinking("high", show=True)
    assert (request.max_output, request.temperature, request.top_p) == (99, 0.5, 0.9)
    assert (request.logprobs, request.top_logprobs) == (True, 3)
    assert (request.verbosity, request.user, request.cache_key) == ("low", "u", "k")
    assert (request.parallel_tools, request.service_tier, request.stream) == (False, "flex", True)
    assert request.extras == {
        "reasoning.mode": "pro", "store": True, "max_tool_calls": 3, "user": "v",
        "client_metadata": {"x": "y"}, "include": ["web_search_call.action.sources"],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"model": "m", "input": 3}, "input"),
        ({"model": "m", "input": ["x"]}, "input[0]"),
        ({"model": "m", "input": [{"role": "tool", "content": "x"}]}, "input[0].role"),
        ({"model": "m", "input": [{"role": "user", "content": 3}]}, "input[0].content"),
        ({"model": "m", "input": [{"role": "user", "content": [{"type": "video"}]}]}, "input[0].content[0].type"),
        ({"model": "m", "input": [{"role": "user", "content": [{"type": "input_image"}]}]}, "input[0].content[0]"),
        ({"model": "m", "input": [{"type": "function_call", "name": "f"}]}, "input[0].call_id"),
        ({"model": "m", "input": [{"type": "function_call", "call_id": "c", "name": "f", "arguments": {}}]}, "input[0].arguments"),
        ({"model": "m", "input": [{"type": "function_call_output", "call_id": "c"}]}, "input[0].output"),
        ({"model": "m", "input": [{"type": "item_reference", "id": "x"}]}, "input[0]"),
        ({"model": "m", "input": [{"id": "x"}]}, "input[0]"),
        ({"model": "m", "input": [{"type": 3}]}, "input[0].type"),
        ({"model": "m", "input": "x", "tools": [{"type": "function", "function": {"name": "f"}}]}, "tools[0].name"),
        ({"model": "m", "input": "x", "tools": [3]}, "tools[0]"),
        ({"model": "m", "input": "x", "tool_choice": "maybe"}, "tool_choice"),
        ({"model": "m", "input": "x", "text": {"format": {"type": "json_schema"}}}, "text.format.schema"),
        ({"model": "m", "input": "x", "text": {"format": {"type": "xml"}}}, "text.format.type"),
        ({"model": "m", "input": "x", "reasoning": {"effort": "huge"}}, "reasoning.effort"),
        ({"model": "m", "input": "x", "temperature": "hot"}, "temperature"),
        ({"model": "m", "input": "x", "stream": "yes"}, "stream"),
        ({"model": "m", "input": "x", "max_output_tokens": 0}, "max_output_tokens"),
        ({"model": "", "input": "x"}, "model"),
        ({"input": "x"}, "model"),
    ],
)  # fmt: skip
def test_a_fault_is_named_by_its_path(body: dict[str, Any], param: str) -> None:
    with pytest.raises(BadRequestError) as caught:
        read(body)
    assert caught.value.param == param


def test_peek_sees_what_a_route_must_be_able_to_do() -> None:
    seen = peek(
        {"model": "m", "stream": True, "max_output_tokens": 7, "tools": [{}], "tool_choice": "required",
         "text": {"format": {"type": "json_schema"}},
         "input": [{"role": "user", "content": [{"type": "input_image"}, {"type": "input_file"}]},
                   {"type": "function_call_output", "output": [{"type": "input_audio"}]}]},
        50,
    )  # fmt: skip
    assert seen.needs == {"tools", "forced_tool", "schema", "images", "files", "audio"}
    assert (seen.model, seen.stream, seen.wants_usage, seen.max_output, seen.n) == (
        "m", True, True, 7, 1,
    )  # fmt: skip
    assert peek({"model": "m", "input": "x"}, 1).needs == frozenset()
    choice = {"type": "allowed_tools", "mode": "auto", "tools": []}
    assert not peek({"model": "m", "input": "x", "tool_choice": choice}, 1).needs
    for body in ({"model": "m"}, {"model": "m", "input": []}, {"model": "m", "input": ""}):
        with pytest.raises(BadRequestError):
            peek(body, 1)
    assert peek({"model": "m", "previous_response_id": "r"}, 1).model == "m"


def test_patch_sets_the_model_and_asks_the_host_to_keep_nothing() -> None:
    body = {"model": "alias", "input": "x", "unknown": [1]}
    assert json.loads(patch(body, "real", PLAIN)) == {
        "model": "real", "input": "x", "unknown": [1], "store": False,
    }  # fmt: skip
    assert body["model"] == "alias"
    assert json.loads(patch({**body, "store": True}, "r", PLAIN))["store"] is True
    storeless = Dialect(refuses=frozenset({"store"}))
    assert json.loads(patch(body, "r", storeless)) == {"model": "r", "unknown": [1], "input": "x"}
    assert refused({"model": "m", "top_p": 1}, Dialect(refuses=frozenset({"top_p"}))) == "top_p"
    assert refused({"model": "m", "top_p": None}, Dialect(refuses=frozenset({"top_p"}))) is None


def test_foreign_state_goes_and_with_it_the_names_of_stored_items() -> None:
    message = {"type": "message", "id": "msg_1", "role": "assistant", "content": "x"}
    body = {
        "model": "m",
        "input": [
            {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "mine"},
            {"type": "reasoning", "id": "rs_2", "summary": [], "encrypted_content": "theirs"},
            {"type": "reasoning", "id": "rs_3", "summary": []},
            message,
            {"type": "web_search_call", "id": "ws_1"},
        ],
    }
    kept, dropped = without_state(body, lambda state: state == "mine")
    assert dropped == 1
    assert kept["input"] == [
        body["input"][0],
        {"type": "message", "role": "assistant", "content": "x"},
        {"type": "web_search_call", "id": "ws_1"},
    ]
    assert message["id"] == "msg_1"
    assert without_state(body, lambda _: True) == (body, 0)
    assert without_state({"input": "x"}, lambda _: False) == ({"input": "x"}, 0)


def test_a_kept_answer_is_the_beginning_of_the_next_request() -> None:
    response = {
        "output": [
            {"type": "reasoning", "id": "rs", "summary": [], "content": None, "encrypted_content": "e"},
            {"type": "message", "id": "msg", "role": "assistant", "status": "completed",
             "content": [{"type": "output_text", "text": "a", "annotations": [], "logprobs": []}]},
            {**call(), "id": "fc", "namespace": None},
        ]
    }  # fmt: skip
    items = items_of(response)
    assert items[0] == {"type": "reasoning", "id": "rs", "summary": [], "encrypted_content": "e"}
    assert "logprobs" not in items[1]["content"][0]
    first = {"model": "m", "input": "hi"}
    body = {"model": "m", "previous_response_id": "resp", "input": [result()]}
    whole = with_history(body, [*input_items(first), *items])
    assert "previous_response_id" not in whole
    assert [message.role for message in read(whole).messages] == ["user", "assistant", "tool"]
    assert body["input"] == [result()]
    assert with_history({"input": "next"}, [])["input"][0]["content"] == "next"
    assert items_of({"output": None}) == []


def test_references_are_put_in() -> None:
    body = {"input": [USER, {"type": "item_reference", "id": "a"}, {"id": "b"}]}
    assert references(body) == ("a", "b")
    assert with_items(body, {"a": call()})["input"] == [USER, call(), {"id": "b"}]
    assert references({"input": "x"}) == ()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.floats(allow_nan=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)  # fmt: skip
WORDS = st.sampled_from(
    ["message", "function_call", "function_call_output", "reasoning", "custom_tool_call",
     "local_shell_call", "shell_call_output", "tool_search_output", "user", "assistant",
     "input_text", "input_image", "input_file", "x", "item_reference", "namespace", "function"]
)  # fmt: skip
ODD = JSON | WORDS
PART = st.dictionaries(
    st.sampled_from(["type", "text", "image_url", "file_data", "filename", "annotations"]), ODD
)
ITEM = st.dictionaries(
    st.sampled_from(["type", "role", "content", "call_id", "id", "name", "arguments", "output",
                     "encrypted_content", "summary", "action", "tools", "input", "execution"]),
    ODD | st.lists(PART, max_size=3),
)  # fmt: skip
TOOL = st.dictionaries(
    st.sampled_from(["type", "name", "description", "parameters", "format", "tools", "strict"]), ODD
)
FIELDS = st.dictionaries(
    st.sampled_from(["tool_choice", "text", "reasoning", "include", "stream_options", "metadata"]),
    ODD | st.dictionaries(st.sampled_from(["format", "effort", "type", "mode", "tools"]), ODD),
)


@given(st.lists(ITEM | ODD, max_size=4), st.lists(TOOL | ODD, max_size=3), FIELDS)
@settings(max_examples=80, deadline=None)
def test_no_body_crashes_the_reader(items: Any, tools: Any, fields: Any) -> None:
    body = {"model": "m", "input": items, "tools": tools, **fields}
    for look in (lambda: peek(body, 1), lambda: read(body)):
        with suppress(BadRequestError):
            look()
    without_state(body, lambda _: False)
    references(body)
