"""What the Converse wire's writer makes of the neutral form."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers import ir
from providers.dialect import Dialect
from providers.wires.converse import WIRE
from providers.wires.wire import CannotExpressError, Written

PLAIN = Dialect()
PNG = ir.Image(media_type="image/png", data="aW1n")
WEATHER = ir.Tool("weather", "Tells it.", {"type": "object", "properties": {}})
CLOCK = ir.Tool("clock")


def user(*parts: Any) -> ir.Message:
    return ir.Message("user", tuple(ir.Text(p) if isinstance(p, str) else p for p in parts))


def assistant(*parts: Any) -> ir.Message:
    return ir.Message("assistant", tuple(ir.Text(p) if isinstance(p, str) else p for p in parts))


def results(*parts: ir.ToolResult) -> ir.Message:
    return ir.Message("tool", parts)


def result(call_id: str, *parts: Any, is_error: bool = False) -> ir.ToolResult:
    said = tuple(ir.Text(p) if isinstance(p, str) else p for p in parts)
    return ir.ToolResult(call_id, said, is_error=is_error)


def request(*messages: ir.Message, **fields: Any) -> ir.Request:
    return ir.Request("chat", "m", messages or (user("hi"),), **fields)


def write(asked: ir.Request, dialect: Dialect = PLAIN) -> Written:
    return WIRE.host.write(asked, "m", dialect)


LOOP = (
    user("?"),
    assistant(ir.ToolCall("a", "weather", '{"at":"x"}'), ir.ToolCall("b", "clock", "")),
    results(result("a", "rain", PNG), result("b", "no clock", is_error=True)),
    user("and now?"),
)


def test_parallel_calls_and_results_stand_in_one_turn_each() -> None:
    body = write(request(*LOOP, tools=(WEATHER, CLOCK))).body
    image = {"image": {"format": "png", "source": {"bytes": "aW1n"}}}
    assert body["messages"] == [
        {"role": "user", "content": [{"text": "?"}]},
        {
            "role": "assistant",
            "content": [
                {"toolUse": {"toolUseId": "a", "name": "weather", "input": {"at": "x"}}},
                {"toolUse": {"toolUseId": "b", "name": "clock", "input": {}}},
            ],
        },
        {
            "role": "user",
            "content": [
                {"toolResult": {"toolUseId": "a", "content": [{"text": "rain"}, image]}},
                {
                    "toolResult": {
                        "toolUseId": "b",
                        "content": [{"text": "no clock"}],
                        "status": "error",
                    }
                },
                {"text": "and now?"},
            ],
        },
    ]
    assert body["toolConfig"]["tools"] == [
        {
            "toolSpec": {
                "name": "weather",
                "description": "Tells it.",
                "inputSchema": {"json": {"type": "object", "properties": {}}},
            }
        },
        {
            "toolSpec": {
                "name": "clock",
                "inputSchema": {"json": {"type": "object", "properties": {}}},
            }
        },
    ]


def test_pictures_of_results_stand_beside_where_the_model_wants_it() -> None:
    dialect = Dialect(tool_result_images=False)
    content = write(request(*LOOP, tools=(WEATHER,)), dialect).body["messages"][2]["content"]
    assert [next(iter(block)) for block in content] == [
        "toolResult", "toolResult", "text", "image", "text",
    ]  # fmt: skip
    assert content[0]["toolResult"]["content"][1] == content[2]


@pytest.mark.parametrize(
    "fields", [{}, {"tools": (WEATHER,), "tool_choice": ir.ToolChoice("none")}], ids=["none", "off"]
)
def test_calls_are_told_in_words_where_none_may_be_made(fields: dict[str, Any]) -> None:
    written = write(request(*LOOP, **fields))
    assert "toolConfig" not in written.body
    said = json.dumps(written.body)
    assert "toolUse" not in said
    assert "toolResult" not in said
    assert "[call of the tool weather:" in said
    assert "[error of the tool clock]" in said
    assert '"image"' in said
    assert written.lost == ()


@pytest.mark.parametrize(
    ("choice", "theirs", "lost"),
    [
        (ir.ToolChoice("auto"), {"auto": {}}, ()),
        (ir.ToolChoice("required"), {"any": {}}, ()),
        (ir.ToolChoice("named", "clock"), {"tool": {"name": "clock"}}, ()),
    ],
)
def test_tool_choice(choice: ir.ToolChoice, theirs: Any, lost: tuple[str, ...]) -> None:
    written = write(request(tools=(WEATHER, CLOCK), tool_choice=choice))
    assert written.body["toolConfig"]["toolChoice"] == theirs
    assert written.lost == lost


def test_a_model_that_cannot_be_made_to_call_loses_the_choice() -> None:
    asked = request(tools=(CLOCK,), tool_choice=ir.ToolChoice("required"))
    written = write(asked, Dialect(forced_tools=False))
    assert "toolChoice" not in written.body["toolConfig"]
    assert written.lost == ("tool_choice",)


def test_a_tool_is_named_by_standing_alone() -> None:
    asked = request(tools=(WEATHER, CLOCK), tool_choice=ir.ToolChoice("named", "clock"))
    config = write(asked, Dialect(named_tools=False)).body["toolConfig"]
    assert [tool["toolSpec"]["name"] for tool in config["tools"]] == ["clock"]
    assert config["toolChoice"] == {"any": {}}


def test_allowed_tools_narrow_the_list() -> None:
    asked = request(tools=(WEATHER, CLOCK), tool_choice=ir.ToolChoice("auto", allowed=("clock",)))
    tools = write(asked).body["toolConfig"]["tools"]
    assert [tool["toolSpec"]["name"] for tool in tools] == ["clock"]


def test_ids_are_made_to_fit_and_stay_apart() -> None:
    long = "call:" + "x" * 80
    asked = request(
        user("?"),
        assistant(ir.ToolCall(long, "clock", ""), ir.ToolCall("0", "clock", "")),
        results(result(long, "1"), result("0", "2")),
        assistant(ir.ToolCall("0", "clock", "")),
        results(result("0", "3")),
        tools=(CLOCK,),
    )
    turns = write(asked).body["messages"]
    ids = [b["toolUse"]["toolUseId"] for t in turns for b in t["content"] if "toolUse" in b]
    answered = [
        b["toolResult"]["toolUseId"] for t in turns for b in t["content"] if "toolResult" in b
    ]
    assert ids == answered
    assert len(set(ids)) == 3
    assert ids[1] == "0"
    assert all(0 < len(one) <= 64 for one in ids)
    assert write(asked).body == write(asked).body


def test_arguments_that_are_no_object_go_in_as_one_member() -> None:
    asked = request(user("?"), assistant(ir.ToolCall("a", "clock", '{"cut')), tools=(CLOCK,))
    block = write(asked).body["messages"][1]["content"][0]
    assert block["toolUse"]["input"] == {"input": '{"cut'}


def test_system_messages_lead_or_are_told_in_place() -> None:
    messages = (
        ir.Message("system", (ir.Text("Be brief."),)),
        ir.Message("developer", (ir.Text("Be kind."),)),
        user("hi"),
        assistant("hello"),
        ir.Message("system", (ir.Text("Be rude."),)),
        user("?"),
    )
    body = write(request(*messages)).body
    assert body["system"] == [{"text": "Be brief."}, {"text": "Be kind."}]
    assert body["messages"][2]["content"] == [
        {"text": "<system>\nBe rude.\n</system>"},
        {"text": "?"},
    ]
    body = write(request(*messages), Dialect(mid_system=True)).body
    assert body["messages"][2] == {"role": "system", "content": [{"text": "Be rude."}]}


def test_turns_are_mended() -> None:
    body = write(request(assistant("I said"), user("", " "), assistant("so \n"))).body
    assert body["messages"][0]["role"] == "user"
    assert body["messages"][1:] == [
        {"role": "assistant", "content": [{"text": "I said"}, {"text": "so"}]}
    ]


def test_thoughts_go_back_to_their_issuer_byte_for_byte() -> None:
    thoughts = (
        ir.Reasoning("hm ", opaque=(ir.Opaque("converse.signature", "c2ln", "r"),)),
        ir.Reasoning(opaque=(ir.Opaque("converse.redacted", "cmVk", "r"),)),
        ir.Reasoning("of another", opaque=(ir.Opaque("gemini.signature", "x", "q"),)),
        ir.Reasoning("nobody's"),
    )
    asked = request(user("?"), assistant(*thoughts, "so"), user("!"))
    assert write(asked).body["messages"][1]["content"] == [
        {"reasoningContent": {"reasoningText": {"text": "hm ", "signature": "c2ln"}}},
        {"reasoningContent": {"redactedContent": "cmVk"}},
        {"text": "so"},
    ]
    dialect = Dialect(replay_reasoning="reasoningContent")
    content = write(asked, dialect).body["messages"][1]["content"]
    assert {"reasoningContent": {"reasoningText": {"text": "nobody's"}}} in content


def test_documents_have_names_that_the_wire_takes_once_each() -> None:
    pdf = ir.File(media_type="application/pdf", data="cGRm", name="Q3/räport__v2.pdf")
    note = ir.File(media_type="text/plain", text="words")
    content = write(request(user(pdf, pdf, note))).body["messages"][0]["content"]
    assert content[0]["document"] == {
        "format": "pdf",
        "name": "Q3 r port v2 pdf",
        "source": {"bytes": "cGRm"},
    }
    assert content[1]["document"]["name"] == "Q3 r port v2 pdf (2)"
    assert content[2]["document"] == {
        "format": "txt",
        "name": "document",
        "source": {"text": "words"},
    }
    assert "text" in content[3]


@pytest.mark.parametrize(
    ("part", "what"),
    [
        (ir.Image(url="https://example.com/a.png"), "an image by URL"),
        (ir.Image(file_id="f"), "an image by a file's id"),
        (ir.Image(media_type="image/tiff", data="eA=="), "an image of the type image/tiff"),
        (ir.File(url="https://example.com/a.pdf"), "a file by URL"),
        (ir.File(file_id="f"), "a file by its id"),
        (ir.File(media_type="application/zip", data="eA=="), "a file of the type application/zip"),
        (ir.Audio("midi", "eA=="), "audio of the format midi"),
        (ir.ToolCall("a", "b", ""), "a tool call in a user message"),
    ],
)
def test_what_cannot_be_said_is_named(part: Any, what: str) -> None:
    with pytest.raises(CannotExpressError, match=what):
        write(request(user(part)))


def test_pictures_of_the_assistant_cannot_be_said() -> None:
    with pytest.raises(CannotExpressError, match="an image in an assistant message"):
        write(request(user("?"), assistant(PNG)))


def test_sound_is_said() -> None:
    content = write(request(user(ir.Audio("wav", "eA==")))).body["messages"][0]["content"]
    assert content == [{"audio": {"format": "wav", "source": {"bytes": "eA=="}}}]


def test_sampling_and_limits() -> None:
    asked = request(
        max_output=9, temperature=0.5, top_p=0.9, top_k=7, stop=("a", "", "b"), service_tier="flex",
        metadata={"team": "a"},
    )  # fmt: skip
    written = write(asked)
    assert written.body["inferenceConfig"] == {
        "maxTokens": 9, "temperature": 0.5, "topP": 0.9, "stopSequences": ["a", "b"],
    }  # fmt: skip
    assert written.body["additionalModelRequestFields"] == {"top_k": 7}
    assert written.body["serviceTier"] == {"type": "flex"}
    assert written.body["requestMetadata"] == {"team": "a"}
    assert written.lost == ()
    elsewhere = Dialect(top_k_path=("inferenceConfig", "topK"))
    assert write(asked, elsewhere).body["additionalModelRequestFields"] == {
        "inferenceConfig": {"topK": 7}
    }


def test_what_a_model_refuses_is_lost_by_name() -> None:
    asked = request(
        user(ir.Text("hi", cache="5m")), temperature=0.5, top_p=0.9, top_k=7, stop=("a",),
        tools=(ir.Tool("t", strict=True),),
    )  # fmt: skip
    refuses = frozenset({"temperature", "topP", "top_k", "stopSequences", "cachePoint", "strict"})
    written = write(asked, Dialect(refuses=refuses))
    assert set(written.lost) == {"temperature", "top_p", "top_k", "stop", "cache", "strict"}
    assert "inferenceConfig" not in written.body


def test_what_the_wire_has_no_word_for_is_lost_by_name() -> None:
    fields: dict[str, Any] = {
        "seed": 1, "presence_penalty": 0.1, "frequency_penalty": 0.1, "logit_bias": {"1": 2},
        "logprobs": True, "top_logprobs": 2, "n": 2, "verbosity": "low", "user": "u",
        "cache_key": "k", "service_tier": "scale", "metadata": {"a": 1},
        "output": ir.OutputFormat("json"), "temperature": 1.5,
    }  # fmt: skip
    extras = {"prediction": {}, "store": True}
    hosted = ir.Tool("search", kind="hosted", wire="messages", raw={})
    asked = request(
        user("hi", ir.Trace("messages", {})), tools=(hosted, CLOCK), parallel_tools=False,
        extras=extras, **fields,
    )  # fmt: skip
    assert set(write(asked).lost) == {
        *fields, *extras, "tools.search", "history of hosted tools", "parallel_tools",
    }  # fmt: skip


def test_a_schema_is_a_string_of_json() -> None:
    schema = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}
    asked = request(output=ir.OutputFormat("schema", schema, "city", "A city."))
    said = write(asked).body["outputConfig"]["textFormat"]
    assert said["type"] == "json_schema"
    inner = said["structure"]["jsonSchema"]
    assert inner["name"] == "city"
    assert json.loads(inner["schema"])["required"] == ["a"]
    assert write(asked, Dialect(structured="json")).lost == ("output",)


def test_marks_of_the_cache_stand_after_what_they_end() -> None:
    asked = request(
        ir.Message("system", (ir.Text("Be.", cache="5m"),)),
        user(ir.Text("hi", cache="1h"), "there"),
        tools=(ir.Tool("t", cache="5m"),),
    )
    body = write(asked).body
    assert body["system"] == [{"text": "Be."}, {"cachePoint": {"type": "default"}}]
    assert body["messages"][0]["content"][1] == {"cachePoint": {"type": "default", "ttl": "1h"}}
    assert body["toolConfig"]["tools"][1] == {"cachePoint": {"type": "default"}}


ADAPTIVE, BUDGET = Dialect(thinking="adaptive"), Dialect(thinking="budget")
ALWAYS = Dialect(thinking="adaptive", thinking_off=False)
BY_WORD = Dialect(effort_path=("reasoning_config", "level"))


@pytest.mark.parametrize(
    ("thinking", "dialect", "fields", "lost"),
    [
        (
            ir.Thinking("high"), ADAPTIVE,
            {"thinking": {"type": "adaptive"}, "output_config": {"effort": "high"}}, (),
        ),
        (
            ir.Thinking("minimal", show=False), ADAPTIVE,
            {
                "thinking": {"type": "adaptive", "display": "omitted"},
                "output_config": {"effort": "low"},
            },
            (),
        ),
        (
            ir.Thinking(budget=10000), ADAPTIVE,
            {"thinking": {"type": "adaptive"}, "output_config": {"effort": "medium"}}, (),
        ),
        (ir.Thinking("none"), ADAPTIVE, {"thinking": {"type": "disabled"}}, ()),
        (
            ir.Thinking("none"), ALWAYS,
            {"thinking": {"type": "adaptive"}, "output_config": {"effort": "low"}}, ("thinking",),
        ),
        (ir.Thinking("none"), BUDGET, {}, ()),
        (ir.Thinking("high"), BY_WORD, {"reasoning_config": {"level": "high"}}, ()),
        (ir.Thinking("high"), PLAIN, {}, ("thinking",)),
        (ir.Thinking("none"), PLAIN, {}, ()),
        (ir.Thinking(show=True), PLAIN, {}, ()),
        (None, ADAPTIVE, {}, ()),
    ],
)  # fmt: skip
def test_thinking(
    thinking: ir.Thinking | None, dialect: Dialect, fields: Any, lost: tuple[str, ...]
) -> None:
    written = write(request(thinking=thinking), dialect)
    assert written.body.get("additionalModelRequestFields", {}) == fields
    assert written.lost == lost


def test_a_budget_stays_under_the_limit_and_goes_alone() -> None:
    asked = request(thinking=ir.Thinking(budget=32000), max_output=8000, temperature=0.2, top_k=3)
    written = write(asked, BUDGET)
    assert written.body["inferenceConfig"] == {"maxTokens": 8000}
    assert written.body["additionalModelRequestFields"] == {
        "thinking": {"type": "enabled", "budget_tokens": 7999}
    }
    assert written.lost == ("temperature", "top_k")


def test_a_budget_brings_its_own_limit() -> None:
    body = write(request(thinking=ir.Thinking("low")), BUDGET).body
    assert body["inferenceConfig"] == {"maxTokens": 1024 + 4096}


def test_a_forced_call_is_worth_more_than_thinking() -> None:
    asked = request(
        thinking=ir.Thinking("high"), tools=(CLOCK,), tool_choice=ir.ToolChoice("required")
    )
    written = write(asked, BUDGET)
    assert "additionalModelRequestFields" not in written.body
    assert written.lost == ("thinking",)


def test_a_turn_that_began_elsewhere_ends_without_thinking() -> None:
    fields: dict[str, Any] = {"thinking": ir.Thinking("high"), "tools": (WEATHER, CLOCK)}
    assert "additionalModelRequestFields" not in write(request(*LOOP[:3], **fields), BUDGET).body
    # A new turn of the user's, or thoughts of this host, and it thinks again.
    assert "additionalModelRequestFields" in write(request(*LOOP, **fields), BUDGET).body
    mine = ir.Reasoning("hm", opaque=(ir.Opaque("converse.signature", "c2ln"),))
    loop = (LOOP[0], ir.Message("assistant", (mine, *LOOP[1].parts)), LOOP[2])
    assert "additionalModelRequestFields" in write(request(*loop, **fields), BUDGET).body


def test_names_of_participants_are_lost() -> None:
    assert write(request(ir.Message("user", (ir.Text("hi"),), name="Ann"))).lost == ("name",)


TEXTS = st.text(max_size=20)
OBJECTS = st.dictionaries(TEXTS, st.integers() | TEXTS, max_size=3).map(json.dumps)
USERS = st.builds(lambda *t: ("user", t), TEXTS, TEXTS)
SAYS = st.builds(lambda t: ("assistant", t), TEXTS)
CALLS = st.lists(
    st.tuples(TEXTS, st.sampled_from(["clock", "weather"]), OBJECTS | TEXTS), min_size=1, max_size=3
).map(lambda calls: ("calls", calls))


@given(st.lists(USERS | SAYS | CALLS, min_size=1, max_size=6), st.booleans())
def test_every_conversation_is_one_that_the_wire_takes(turns: list[Any], tools: bool) -> None:
    messages: list[ir.Message] = []
    for kind, said in turns:
        if kind == "user":
            messages.append(user(*said))
        elif kind == "assistant":
            messages.append(assistant(said))
        else:
            messages.append(assistant(*[ir.ToolCall(i, n, a) for i, n, a in said]))
            messages.append(results(*[result(i, a) for i, _, a in said]))
    body = write(request(*messages, tools=(CLOCK, WEATHER) if tools else ())).body
    written = body["messages"]
    roles = [turn["role"] for turn in written]
    assert roles[0] == "user"
    assert all(one != other for one, other in pairwise(roles))
    pending: list[str] = []
    seen: set[str] = set()
    for turn in written:
        answered = [b["toolResult"]["toolUseId"] for b in turn["content"] if "toolResult" in b]
        assert answered[: len(pending)] == pending
        pending = [b["toolUse"]["toolUseId"] for b in turn["content"] if "toolUse" in b]
        assert not seen & set(pending)
        seen |= set(pending)
        assert turn["content"]
        assert all(b["text"].strip() for b in turn["content"] if "text" in b)
    assert bool("toolConfig" in body) == tools
    msgspec.json.encode(body)


def test_the_vendors_own_client_takes_what_is_written() -> None:
    """The SDK checks a request against the service's model before it sends it."""
    validate: Any = pytest.importorskip("botocore.validate", reason="botocore is not installed")
    model = (
        pytest.importorskip("botocore.loaders")
        .Loader()
        .load_service_model("bedrock-runtime", "service-2")
    )
    shapes = pytest.importorskip("botocore.model").ServiceModel(model)
    pdf = ir.File(media_type="application/pdf", data="cGRm", name="a.pdf")
    asked = request(
        ir.Message("system", (ir.Text("Be.", cache="1h"),)),
        user("?", PNG, pdf, ir.Audio("wav", "eA==")),
        *LOOP[1:],
        tools=(WEATHER, ir.Tool("clock", strict=True, cache="5m")),
        tool_choice=ir.ToolChoice("named", "clock"), thinking=ir.Thinking("high", show=True),
        max_output=100, temperature=0.1, top_p=0.5, top_k=3, stop=("x",), service_tier="priority",
        metadata={"a": "b"},
        output=ir.OutputFormat("schema", {"type": "object", "properties": {}}, "n", "d"),
    )  # fmt: skip
    written = write(asked, ADAPTIVE)
    assert written.lost == ()
    shape = shapes.operation_model("Converse").input_shape
    report = validate.ParamValidator().validate({**written.body, "modelId": "m"}, shape)
    assert not report.has_errors(), report.generate_report()
