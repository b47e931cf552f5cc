"""The Gemini wire's requests: looked at, patched, read and written."""

from __future__ import annotations

import base64
import contextlib
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from providers import carrier, ir
from providers.dialect import Dialect
from providers.wires.gemini import WIRE
from providers.wires.gemini.signatures import ESCAPE
from providers.wires.wire import BadRequestError, CannotExpressError, Written

assert WIRE.client is not None
assert WIRE.relay is not None
CLIENT, RELAY, HOST = WIRE.client, WIRE.relay, WIRE.host
LEVEL = Dialect(thinking="level")
BUDGET = Dialect(thinking="budget")
PATH = "models/m:generateContent"
HELLO = {"contents": [{"role": "user", "parts": [{"text": "Hello"}]}]}


def write(*messages: ir.Message, dialect: Dialect = LEVEL, **fields: Any) -> Written:
    return HOST.write(ir.Request("chat", "m", messages, **fields), "m", dialect)


def user(text: str) -> ir.Message:
    return ir.Message("user", (ir.Text(text),))


def call(call_id: str, name: str, arguments: str = "{}", *opaque: ir.Opaque) -> ir.ToolCall:
    return ir.ToolCall(call_id, name, arguments, opaque=opaque)


def test_peek() -> None:
    body = {
        **HELLO,
        "generation_config": {"max_output_tokens": 5, "candidateCount": "2", "response_schema": {}},
        "tools": {"function_declarations": [{"name": "f"}]},
        "toolConfig": {"functionCallingConfig": {"mode": "any"}},
    }
    body["contents"] = [*HELLO["contents"], {"parts": {"inline_data": {"mime_type": "image/png"}}}]
    found = CLIENT.peek(body, 9, "models/a/b:7:streamGenerateContent")
    assert (found.model, found.stream, found.json_stream) == ("a/b:7", True, False)
    assert (found.max_output, found.n, found.wants_usage) == (5, 2, True)
    assert found.needs == {"tools", "schema", "forced_tool", "images"}
    assert CLIENT.peek({**HELLO, "$alt": ""}, 9, "models/m:streamGenerateContent").json_stream
    assert not CLIENT.peek({**HELLO, "$alt": ""}, 9, PATH).json_stream


@pytest.mark.parametrize(
    ("path", "body", "param"),
    [
        ("tunedModels/m:generateContent", HELLO, "model"),
        ("models/m:countTokens", HELLO, "model"),
        ("models/:generateContent", HELLO, "model"),
        (PATH, {}, "contents"),
        (PATH, {"contents": "hi"}, "contents"),
        (PATH, {"contents": [1]}, "contents[0]"),
        (PATH, {"contents": [{"parts": [None, 3]}]}, "contents[0].parts[1]"),
        (PATH, {**HELLO, "generationConfig": {"maxOutputTokens": 0}}, "generationConfig.maxOutputTokens"),
        (PATH, {**HELLO, "generationConfig": {"maxOutputTokens": "x"}}, "generationConfig.maxOutputTokens"),
        (PATH, {**HELLO, "tools": 1}, "tools"),
    ],
)  # fmt: skip
def test_peek_names_the_fault(path: str, body: dict[str, Any], param: str) -> None:
    with pytest.raises(BadRequestError) as caught:
        CLIENT.peek(body, 1, path)
    assert caught.value.param == param


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"contents": [{"role": "invalid", "parts": []}]}, "contents[0].role"),
        ({"contents": [{"parts": [{"foo": 1}]}]}, "contents[0].parts[0]"),
        ({"contents": [{"parts": [{}]}]}, "contents[0].parts[0]"),
        ({"contents": [{"parts": [{"text": 1}]}]}, "contents[0].parts[0].text"),
        ({"contents": [{"role": "model", "parts": [{"functionCall": {"name": "f", "args": []}}]}]},
         "contents[0].parts[0].functionCall.args"),
        ({"contents": [{"parts": [{"functionResponse": {"name": "f", "response": "x"}}]}]},
         "contents[0].parts[0].functionResponse.response"),
        ({"systemInstruction": {"parts": [{"inlineData": {}}]}}, "systemInstruction.parts[0]"),
        ({"toolConfig": {"functionCallingConfig": {"mode": "MAYBE"}}},
         "toolConfig.functionCallingConfig.mode"),
        ({"generationConfig": {"temperature": True}}, "generationConfig.temperature"),
        ({"generationConfig": {"temperature": "nan"}}, "generationConfig.temperature"),
        ({"generationConfig": {"thinkingConfig": {"thinkingLevel": "SOME"}}},
         "generationConfig.thinkingConfig.thinkingLevel"),
    ],
)  # fmt: skip
def test_read_names_the_fault(body: dict[str, Any], param: str) -> None:
    with pytest.raises(BadRequestError) as caught:
        CLIENT.read(body)
    assert caught.value.param == param


def test_every_field_is_read() -> None:
    body = {
        "$alt": "sse",
        "model": "models/m",
        "system_instruction": {"parts": {"text": "Be brief."}},
        "contents": {"parts": [{"text": "Hi"}]},
        "generationConfig": {
            "temperature": 1, "topP": 0.5, "top_k": 40.0, "candidateCount": 2, "seed": 7,
            "maxOutputTokens": 9, "stopSequences": ["a"], "presencePenalty": 0.1,
            "frequencyPenalty": 0.2, "responseLogprobs": True, "logprobs": 3,
            "responseMimeType": "application/json",
            "responseSchema": {"type": "OBJECT", "properties": {"a": {"type": "STRING", "nullable": True}}},
            "thinkingConfig": {"includeThoughts": True, "thinkingLevel": "low"},
            "responseModalities": ["TEXT"], "speechConfig": {"x": 1},
        },
        "labels": {"team": "a"},
        "serviceTier": "FLEX",
        "safetySettings": [{"category": "C", "threshold": "BLOCK_NONE"}],
        "cachedContent": "cachedContents/1",
    }  # fmt: skip
    found = CLIENT.read(body)
    assert found.messages == (ir.Message("system", (ir.Text("Be brief."),)), user("Hi"))
    assert (found.temperature, found.top_p, found.top_k, found.n, found.seed) == (1, 0.5, 40, 2, 7)
    assert (found.max_output, found.stop, found.logprobs, found.top_logprobs) == (
        9,
        ("a",),
        True,
        3,
    )
    assert found.output == ir.OutputFormat(
        "schema", {"type": "object", "properties": {"a": {"type": ["string", "null"]}}}
    )
    assert found.thinking == ir.Thinking(effort="low", show=True)
    assert (found.metadata, found.service_tier) == ({"team": "a"}, "flex")
    assert found.extras.keys() == {
        "safetySettings",
        "cachedContent",
        "generationConfig.speechConfig",
    }
    assert CLIENT.advice & found.extras.keys() == {"safetySettings"}
    strict = CLIENT.read({"safetySettings": [{"threshold": "BLOCK_LOW_AND_ABOVE"}]})
    assert not CLIENT.advice & strict.extras.keys()
    # Written for a host of the same wire, it says the same again.
    again = HOST.write(found, "m", LEVEL)
    assert again.lost == ()
    assert CLIENT.read(again.body) == found


def test_tools_are_read() -> None:
    body = {
        **HELLO,
        "tools": [
            {"functionDeclarations": [
                {"name": "f", "description": "d", "parameters": {"type": 6, "properties": {}}},
                {"name": "g", "parametersJsonSchema": {"type": "object"}},
            ]},
            {"google_search": {}},
        ],
        "toolConfig": {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["f"]}},
    }  # fmt: skip
    found = CLIENT.read(body)
    assert [(tool.name, tool.kind, tool.parameters) for tool in found.tools] == [
        ("f", "function", {"type": "object", "properties": {}}),
        ("g", "function", {"type": "object"}),
        ("googleSearch", "hosted", None),
    ]
    assert found.tool_choice == ir.ToolChoice("named", "f")
    assert HOST.write(found, "m", LEVEL).body["tools"][1] == {"googleSearch": {}}


def test_a_tool_loop_without_ids_is_read() -> None:
    # Streamed chunks stand as contents of their own, results in any order.
    body = {
        "contents": [
            {"role": "user", "parts": [{"text": "Q"}]},
            {"role": "model", "parts": [{"text": "Let me "}]},
            {"role": "model", "parts": [{"text": "look."}]},
            {"role": "model", "parts": [{"functionCall": {"name": "a"}}, {"functionCall": {"name": "b", "args": {"x": 1}}}]},
            {"role": "function", "parts": [{"functionResponse": {"name": "b", "response": {"result": "B"}}}]},
            {"role": "user", "parts": [{"functionResponse": {"name": "a", "response": {"error": "no"}}}, {"text": "And?"}]},
        ]
    }  # fmt: skip
    _, turn, results, after = CLIENT.read(body).messages
    assert turn.parts == (
        ir.Text("Let me look."),
        call("call_0", "a"),
        call("call_1", "b", '{"x":1}'),
    )
    assert results == ir.Message(
        "tool",
        (
            ir.ToolResult("call_1", (ir.Text("B"),), "b"),
            ir.ToolResult("call_0", (ir.Text("no"),), "a", is_error=True),
        ),
    )
    assert after == user("And?")


def test_media_are_read() -> None:
    text = base64.b64encode("grüße".encode()).decode()
    parts = [
        {"inlineData": {"mimeType": "image/png", "data": "-_8="}},
        {"inlineData": {"mimeType": "audio/mpeg", "data": "AA=="}},
        {"inlineData": {"mimeType": "text/plain", "data": text}},
        {"inlineData": {"mimeType": "application/pdf", "data": "AA=="}},
        {"fileData": {"fileUri": "https://e.org/a.png?x=1"}},
        {
            "fileData": {"fileUri": "gs://b/c.pdf", "mimeType": "application/pdf"},
            "videoMetadata": {},
        },
    ]
    found = CLIENT.read({"contents": [{"parts": parts}]})
    assert found.messages[0].parts == (
        ir.Image("image/png", "+/8="),
        ir.Audio("mp3", "AA=="),
        ir.File("text/plain", text="grüße"),
        ir.File("application/pdf", "AA=="),
        ir.Image("image/png", url="https://e.org/a.png?x=1"),
        ir.File("application/pdf", file_id="gs://b/c.pdf"),
    )
    assert found.extras == {"parts.videoMetadata": {}}


# -- writing --------------------------------------------------------------------------------------


def test_two_parallel_calls_and_an_image_in_a_result() -> None:
    conversation = (
        user("Q"),
        ir.Message("assistant", (call("1", "a"), call("2", "b", '{"x": 1}'))),
        ir.Message(
            "tool",
            (
                ir.ToolResult("2", (ir.Text('{"t": 20}'), ir.Image("image/png", "AA=="))),
                ir.ToolResult("1", (ir.Text("plain"),), is_error=True),
            ),
        ),
        user("And?"),
    )
    made = write(*conversation).body["contents"]
    assert [content["role"] for content in made] == ["user", "model", "user"]
    assert made[1]["parts"] == [
        {"functionCall": {"id": "1", "name": "a", "args": {}}, "thoughtSignature": ESCAPE},
        {"functionCall": {"id": "2", "name": "b", "args": {"x": 1}}},
    ]
    picture = {"inlineData": {"mimeType": "image/png", "data": "AA=="}}
    assert made[2]["parts"] == [
        {"functionResponse": {"id": "1", "name": "a", "response": {"error": "plain"}}},
        {"functionResponse": {"id": "2", "name": "b", "response": {"t": 20}, "parts": [picture]}},
        {"text": "And?"},
    ]
    older = write(*conversation, dialect=Dialect(thinking="budget", call_ids=False))
    made = older.body["contents"]
    assert made[1]["parts"][0] == {"functionCall": {"name": "a", "args": {}}}
    assert made[2]["parts"][1:] == [
        {"functionResponse": {"name": "b", "response": {"t": 20}}},
        {"text": "From the result of b:"},
        picture,
        {"text": "And?"},
    ]


@pytest.mark.parametrize(
    ("text", "response"),
    [
        ("", {}),
        ("[1]", {"result": "[1]"}),
        ('{"result": 1}', {"result": {"result": 1}}),
        ('{"id": 12345678901234567890}', {"result": '{"id": 12345678901234567890}'}),
        ("{broken", {"result": "{broken"}),
    ],
)
def test_results_are_objects(text: str, response: dict[str, Any]) -> None:
    result = ir.ToolResult("1", (ir.Text(text),) if text else (), "f")
    made = write(user("Q"), ir.Message("tool", (result,)))
    assert made.body["contents"][0]["parts"][1]["functionResponse"]["response"] == response


def test_signatures_go_back_on_the_part_that_they_came_on() -> None:
    state = ir.Opaque("gemini.signature", "c2ln", "r")
    foreign = ir.Opaque("messages.signature", "xx", "other")
    turn = ir.Message(
        "assistant",
        (
            ir.Reasoning("hm", True, (state,)),
            ir.Reasoning("foreign", False, (foreign,)),
            ir.Text("t", opaque=(state,)),
            ir.Text("", opaque=(state,)),
            call("1", "a", "{}", state),
            call("2", "b"),
        ),
    )
    parts = write(user("Q"), turn, ir.Message("tool", ())).body["contents"][1]["parts"]
    assert parts == [
        {"text": "hm", "thought": True, "thoughtSignature": "c2ln"},
        {"text": "t", "thoughtSignature": "c2ln"},
        {"text": "", "thoughtSignature": "c2ln"},
        {"functionCall": {"id": "1", "name": "a", "args": {}}, "thoughtSignature": "c2ln"},
        {"functionCall": {"id": "2", "name": "b", "args": {}}},
    ]


def test_only_this_turn_gets_the_escape() -> None:
    before = ir.Message("assistant", (call("1", "a"),))
    result = ir.Message("tool", (ir.ToolResult("1", ()),))
    made = write(user("Q"), before, result, user("Q2"), before, result).body["contents"]
    assert (
        "thoughtSignature" in made[1]["parts"][0]
    )  # What was said beside a result begins no turn.
    answer = ir.Message("assistant", (ir.Text("A"),))
    made = write(user("Q"), before, result, answer, user("Q2"), before, result).body["contents"]
    assert "thoughtSignature" not in made[1]["parts"][0]
    assert made[5]["parts"][0]["thoughtSignature"] == ESCAPE


def test_system_turns() -> None:
    made = write(
        ir.Message("system", (ir.Text("S"),)),
        ir.Message("developer", (ir.Text("D"),)),
        ir.Message("assistant", (ir.Text("Hi"),)),
        ir.Message("system", (ir.Text("later"),)),
        user("Q"),
    ).body
    assert made["systemInstruction"] == {"parts": [{"text": "S"}, {"text": "D"}]}
    assert made["contents"] == [
        {"role": "user", "parts": [{"text": " "}]},
        {"role": "model", "parts": [{"text": "Hi"}]},
        {"role": "user", "parts": [{"text": "<system>\nlater\n</system>"}, {"text": "Q"}]},
    ]
    assert write(ir.Message("system", (ir.Text("S"),))).body["contents"]


def test_what_has_no_place_is_named() -> None:
    made = write(
        ir.Message("user", (ir.Text("Q", cache="5m"),)),
        tools=(ir.Tool("f"), ir.Tool("search", kind="hosted", wire="messages"), ir.Tool("p", kind="custom")),
        stop=("1", "2", "3", "4", "5", "6"),
        parallel_tools=False,
        logit_bias={"1": 1},
        user="u",
        cache_key="k",
        verbosity="low",
        metadata={"k": "Not A Label"},
        service_tier="scale",
        extras={"prediction": {}},
    )  # fmt: skip
    assert set(made.lost) == {
        "cache", "tools.search", "tools.p", "stop", "parallel_tools", "logit_bias", "user",
        "cache_key", "verbosity", "metadata", "service_tier", "prediction",
    }  # fmt: skip
    assert made.body["generationConfig"]["stopSequences"] == ["1", "2", "3", "4", "5"]


def test_refused_fields_are_left_out_and_named() -> None:
    refuses = frozenset({"generationConfig.presencePenalty", "labels"})
    made = write(
        user("Q"), dialect=Dialect(refuses=refuses), presence_penalty=1.0, metadata={"a": "b"}
    )
    assert set(made.lost) == {"presence_penalty", "metadata"}
    body = {**HELLO, "generation_config": {"presence_penalty": 1}}
    assert RELAY.refused(body, Dialect(refuses=refuses)) == "generationConfig.presencePenalty"
    assert RELAY.refused(HELLO, Dialect(refuses=refuses)) is None


@pytest.mark.parametrize(
    ("thinking", "level", "budget"),
    [
        (ir.Thinking(effort="none"), {"thinkingLevel": "MINIMAL"}, {"thinkingBudget": 0}),
        (ir.Thinking(effort="low"), {"thinkingLevel": "LOW"}, {"thinkingBudget": 1024}),
        (ir.Thinking(effort="max"), {"thinkingLevel": "XHIGH"}, {"thinkingBudget": 24576}),
        (ir.Thinking(budget=100), {"thinkingLevel": "LOW"}, {"thinkingBudget": 512}),
        (ir.Thinking(budget=99999), {"thinkingLevel": "HIGH"}, {"thinkingBudget": 24576}),
        (ir.Thinking(adaptive=True), {}, {"thinkingBudget": -1}),
        (ir.Thinking(effort="high", show=False), {"thinkingLevel": "HIGH"}, {"thinkingBudget": 24576}),
    ],
)  # fmt: skip
def test_thinking(thinking: ir.Thinking, level: dict[str, Any], budget: dict[str, Any]) -> None:
    shown = {} if thinking.show is False or thinking.effort == "none" else {"includeThoughts": True}
    for dialect, said in ((LEVEL, level), (BUDGET, budget)):
        made = write(user("Q"), dialect=dialect, thinking=thinking)
        assert made.body["generationConfig"]["thinkingConfig"] == {**said, **shown}
    assert write(user("Q"), dialect=Dialect(thinking="none"), thinking=thinking).lost == (
        () if thinking.effort == "none" else ("thinking",)
    )


def test_effort_words_of_the_host() -> None:
    dialect = Dialect(thinking="level", efforts={"minimal": "low", "medium": ""})
    for effort, said in (("minimal", {"thinkingLevel": "LOW"}), ("medium", {})):
        made = write(user("Q"), dialect=dialect, thinking=ir.Thinking(effort=effort, show=False))
        assert made.body.get("generationConfig", {}).get("thinkingConfig", {}) == said


@pytest.mark.parametrize(
    ("choice", "dialect", "said", "lost"),
    [
        (None, LEVEL, None, ()),
        (ir.ToolChoice("auto"), LEVEL, {"mode": "AUTO"}, ()),
        (ir.ToolChoice("none"), LEVEL, {"mode": "NONE"}, ()),
        (ir.ToolChoice("required"), LEVEL, {"mode": "ANY"}, ()),
        (ir.ToolChoice("named", "f"), LEVEL, {"mode": "ANY", "allowedFunctionNames": ["f"]}, ()),
        (ir.ToolChoice("auto", allowed=("f",)), LEVEL,
         {"mode": "VALIDATED", "allowedFunctionNames": ["f"]}, ()),
        (ir.ToolChoice("required"), Dialect(forced_tools=False), None, ("tool_choice",)),
        (ir.ToolChoice("named", "f"), Dialect(named_tools=False), {"mode": "ANY"}, ("tool_choice",)),
    ],
)  # fmt: skip
def test_tool_choice(
    choice: ir.ToolChoice | None, dialect: Dialect, said: Any, lost: tuple[str, ...]
) -> None:
    made = write(user("Q"), dialect=dialect, tools=(ir.Tool("f"),), tool_choice=choice)
    assert made.body.get("toolConfig", {}).get("functionCallingConfig") == said
    assert made.lost == lost


def test_schemas() -> None:
    schema = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}
    output = ir.OutputFormat("schema", schema)
    tool = ir.Tool("f", "d", schema)
    made = write(user("Q"), tools=(tool,), output=output).body
    declared = made["tools"][0]["functionDeclarations"][0]
    assert declared["parametersJsonSchema"]["properties"] == schema["properties"]
    assert made["generationConfig"]["responseMimeType"] == "application/json"
    assert made["generationConfig"]["responseJsonSchema"]["required"] == ["a"]
    openapi = Dialect(schema_profile="gemini-openapi")
    made = write(user("Q"), dialect=openapi, tools=(tool,), output=output).body
    assert "parameters" in made["tools"][0]["functionDeclarations"][0]
    assert "responseSchema" in made["generationConfig"]
    assert write(user("Q"), dialect=BUDGET, tools=(tool,), output=output).lost == ("output",)
    assert write(user("Q"), dialect=Dialect(structured="json"), output=output).lost == ("output",)


@pytest.mark.parametrize(
    ("part", "dialect", "what"),
    [
        (ir.Image(url="https://e.org/a.png"), Dialect(image_urls=False), "an image by URL"),
        (ir.Image(url="https://e.org/a"), LEVEL, "an image by URL whose type its name does not tell"),
        (ir.Image(file_id="file-1"), LEVEL, "an image by the id of another host's store"),
        (ir.File(data="AA=="), LEVEL, "a file whose type is not known"),
        (ir.ToolCall("1", "f", "{cut"), LEVEL, "a tool call whose arguments are no JSON"),
    ],
)  # fmt: skip
def test_what_cannot_be_said(part: ir.Part, dialect: Dialect, what: str) -> None:
    role = "assistant" if isinstance(part, ir.ToolCall) else "user"
    with pytest.raises(CannotExpressError) as caught:
        write(ir.Message(role, (part,)), dialect=dialect)
    assert caught.value.what == what


def test_media_are_written() -> None:
    made = write(
        ir.Message(
            "user",
            (
                ir.Image(url="https://e.org/a.jpg"),
                ir.Audio("wav", "AA=="),
                ir.File(text="words", name="a.md"),
                ir.File("application/pdf", url="https://e.org/x"),
            ),
        )
    )
    assert made.body["contents"][0]["parts"] == [
        {"fileData": {"fileUri": "https://e.org/a.jpg", "mimeType": "image/jpeg"}},
        {"inlineData": {"mimeType": "audio/wav", "data": "AA=="}},
        {"inlineData": {"mimeType": "text/markdown", "data": "d29yZHM="}},
        {"fileData": {"fileUri": "https://e.org/x", "mimeType": "application/pdf"}},
    ]


# -- relay ----------------------------------------------------------------------------------------


def test_patch_drops_what_is_ours_and_changes_nothing_else() -> None:
    body = {**HELLO, "$alt": "sse", "model": "models/alias", "unknownField": {"a": [1.5]}}
    assert json.loads(RELAY.patch(body, "m", BUDGET)) == {**HELLO, "unknownField": {"a": [1.5]}}
    assert "$alt" in body


def test_patch_signs_calls_of_this_turn() -> None:
    turn = {
        "role": "model",
        "parts": [{"functionCall": {"name": "a"}}, {"functionCall": {"name": "b"}}],
    }
    answer = {"role": "user", "parts": [{"function_response": {"name": "a"}}]}
    body = {"contents": [*HELLO["contents"], turn, answer, *HELLO["contents"], turn, answer]}
    made = json.loads(RELAY.patch(body, "m", LEVEL))["contents"]
    assert made[1] == turn
    assert made[4]["parts"][0]["thoughtSignature"] == ESCAPE
    assert made[4]["parts"][1] == turn["parts"][1]
    assert json.loads(RELAY.patch(body, "m", BUDGET)) == body


def test_without_state() -> None:
    own, other = "b3du+/==", "b3RoZXI="
    foreign = carrier.seal([ir.Opaque("messages.signature", "s", "r")])
    body = {
        "contents": [
            *HELLO["contents"],
            {"role": "model", "parts": [
                {"text": "a", "thoughtSignature": own.replace("+", "-").replace("/", "_")},
                {"text": "b", "thought_signature": other, "x": 1},
                {"text": "", "thoughtSignature": other},
                {"functionCall": {"name": "f"}, "thoughtSignature": foreign},
                {"functionCall": {"name": "f"}, "thoughtSignature": ESCAPE},
            ]},
        ]
    }  # fmt: skip
    before = json.dumps(body)
    made, removed = RELAY.without_state(body, lambda state: state == own)
    assert json.dumps(body) == before
    assert removed == 3
    assert made["contents"][1]["parts"] == [
        {"text": "a", "thoughtSignature": "b3du-_=="},
        {"text": "b", "x": 1},
        {"functionCall": {"name": "f"}},
        {"functionCall": {"name": "f"}, "thoughtSignature": ESCAPE},
    ]
    assert RELAY.without_state(body, lambda state: True) == (body, 0)
    for odd in ({}, {"contents": 1}, {"contents": [1, {"parts": 2}, {"parts": [3]}]}):
        assert RELAY.without_state(odd, lambda state: False) == (odd, 0)


# -- properties -----------------------------------------------------------------------------------

words = st.text(
    st.characters(codec="utf-8", categories=("L", "N", "P", "Zs")), min_size=1, max_size=12
)
ids = st.integers(0, 10**6).map(lambda number: f"c{number}")
scalars = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | words
args = st.dictionaries(words, scalars | st.lists(scalars, max_size=3), max_size=3)


@st.composite
def conversations(draw: st.DrawFn) -> tuple[ir.Message, ...]:
    """Return what this wire can say: turns in order, results of the calls before them."""
    messages = [ir.Message("user", (ir.Text(draw(words)),))]
    known: set[str] = set()
    for _ in range(draw(st.integers(0, 3))):
        drawn = draw(st.lists(ids, max_size=3, unique=True))
        made = [name for name in drawn if name not in known]
        known |= set(made)
        state = draw(st.sampled_from(["", "c2ln", "eHk="]))
        opaque = (ir.Opaque("gemini.signature", state),) if state else ()
        calls = [
            call(i, draw(words), json.dumps(draw(args), separators=(",", ":"), ensure_ascii=False))
            for i in made
        ]
        messages.append(ir.Message("assistant", (ir.Text(draw(words), opaque=opaque), *calls)))
        if calls:
            results = [
                ir.ToolResult(c.id, (ir.Text(draw(words)),), c.name, draw(st.booleans()))
                for c in calls
            ]
            messages.append(ir.Message("tool", tuple(results)))
        messages.append(ir.Message("user", (ir.Text(draw(words)), ir.Image("image/png", "AA=="))))
    return tuple(messages)


@settings(max_examples=60, deadline=None)
@given(conversations())
def test_what_is_written_reads_the_same(messages: tuple[ir.Message, ...]) -> None:
    made = HOST.write(ir.Request("gemini", "", messages), "m", Dialect())
    assert made.lost == ()
    assert CLIENT.read(made.body).messages == messages


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from([
            "contents", "parts", "role", "text", "functionCall", "functionResponse", "name", "args",
            "response", "thoughtSignature", "thought", "inlineData", "mimeType", "data", "tools",
            "function_declarations", "parameters", "type", "generationConfig", "thinkingConfig",
            "stopSequences", "responseSchema", "toolConfig", "functionCallingConfig", "labels",
            "systemInstruction", "fileData", "fileUri", "safetySettings",
        ]), inner, max_size=4),
    max_leaves=25,
)  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(st.dictionaries(st.sampled_from(
    ["contents", "tools", "toolConfig", "generationConfig", "systemInstruction", "labels", "$alt"]
), json_values, max_size=5))  # fmt: skip
def test_hostile_bodies_name_a_fault_or_are_read(body: dict[str, Any]) -> None:
    with contextlib.suppress(BadRequestError):
        CLIENT.peek(body, 1, PATH)
    try:
        request = CLIENT.read(body)
    except BadRequestError:
        return
    RELAY.refused(body, Dialect(refuses=frozenset({"generationConfig.seed"})))
    RELAY.without_state(body, lambda state: False)
    try:
        HOST.write(request, "m", LEVEL)
    except CannotExpressError:
        return
