"""A conversation as coding agents on the Responses wire hold it: groups, free text, runs of items."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.fakes import spoken
from tests.fakes.spoken import HOST_WIRES, Call, Said
from tests.sdk.house import Sdk, text_of, tool
from tests.sdk.test_streams import RESPONSE_EVENT

PATCH = '*** Begin Patch\n*** Update File: a.py\n@@\n-x = "ü"\n+x = 2\n*** End Patch\n'
GRAMMAR = {"type": "grammar", "syntax": "lark", "definition": "start: begin_patch hunk+ end_patch"}
FLAT = "agents__spawn"
TOOLS: list[Any] = [
    {"type": "function", "strict": False, **tool("run")},
    {"type": "custom", "name": "apply_patch", "description": "Edit files.", "format": GRAMMAR},
    {
        "type": "namespace",
        "name": "agents",
        "description": "Other agents.",
        "tools": [{"type": "function", "strict": False, **tool("spawn")}],
    },
]
each_host = pytest.mark.parametrize("host", [wire for wire in HOST_WIRES if wire != "responses"])
both_ways = pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])


def first(host: str) -> Said:
    """Thoughts, words, and a call of each kind, as functions of the host's wire."""
    calls = (
        Call("call_1", "run", '{"a":1,"b":2}'),
        Call("call_2", "apply_patch", json.dumps({"input": PATCH})),
        Call("call_3", FLAT, '{"a":3,"b":4}'),
    )
    return Said("Working.", calls, "Plan.", spoken.opaque(host))


@each_host
@both_ways
def test_two_turns_with_every_kind_of_tool(sdk: Sdk, host: str, stream: bool) -> None:
    sdk.says(host, first(host), stream=stream)
    given: dict[str, Any] = {
        "model": f"m-{host}",
        "tools": TOOLS,
        "parallel_tool_calls": True,
        "include": ["reasoning.encrypted_content"],
        "store": False,
    }
    opening: list[Any] = [
        {"type": "message", "role": "developer", "content": "You edit code."},
        {"type": "message", "role": "user", "content": "Fix it."},
    ]
    output = asked(sdk, given, opening, stream=stream)
    kinds = [item.type for item in output if item.type != "reasoning"]
    assert kinds == ["message", "function_call", "custom_tool_call", "function_call"]
    run, patch, spawn = [item for item in output if item.type.endswith("_call")]
    assert json.loads(run.arguments) == {"a": 1, "b": 2}
    assert (patch.name, patch.input) == ("apply_patch", PATCH)
    assert (spawn.namespace, spawn.name) == ("agents", "spawn")
    assert judge_tools(sdk.sent, host)

    items = [item.model_dump(exclude_none=True, mode="json") for item in output]
    results = [
        {"type": "function_call_output", "call_id": run.call_id, "output": "ran"},
        {"type": "custom_tool_call_output", "call_id": patch.call_id, "output": "patched"},
        {"type": "function_call_output", "call_id": spawn.call_id, "output": "spawned"},
    ]
    sdk.says(host, Said("All done."), stream=stream)
    last = asked(sdk, given, [*opening, *items, *results], stream=stream)
    assert last[-1].content[0].text == "All done."
    judge_history(sdk.sent, host)
    told = text_of(sdk.last)
    places = [told.index(word) for word in ("Fix it.", "Working.", "ran", "patched", "spawned")]
    assert places == sorted(places)
    if host in ("messages", "gemini", "converse"):
        assert spoken.opaque(host) in told


def asked(sdk: Sdk, given: dict[str, Any], items: list[Any], *, stream: bool) -> list[Any]:
    """Ask and return the output; a stream's events must be the wire's own and rise by one."""
    if not stream:
        return list(sdk.openai.responses.create(input=items, **given).output)
    seen: list[Any] = list(sdk.openai.responses.create(input=items, stream=True, **given))
    assert [event.sequence_number for event in seen] == list(range(len(seen)))
    types = [event.type for event in seen]
    for event in seen:
        RESPONSE_EVENT.validate_python(event.model_dump(exclude_unset=True))
    customs = [event for event in seen if event.type.startswith("response.custom_tool_call_input")]
    if customs:
        assert "".join(event.delta for event in customs[:-1]) == PATCH
        assert customs[-1].type == "response.custom_tool_call_input.done"
        assert customs[-1].input == PATCH
        assert len(customs) > 1
    assert types.count("response.output_item.added") == types.count("response.output_item.done")
    return list(seen[-1].response.output)


def judge_tools(body: Any, host: str) -> bool:
    """The host is given three functions; the grammar stands in words in one of them."""
    told = json.dumps(body)
    names = ["run", "apply_patch", FLAT]
    found: dict[str, Any] = {
        "chat": lambda: [one["function"]["name"] for one in body["tools"]],
        "messages": lambda: [one["name"] for one in body["tools"]],
        "gemini": lambda: [one["name"] for one in body["tools"][0]["functionDeclarations"]],
        "converse": lambda: [one["toolSpec"]["name"] for one in body["toolConfig"]["tools"]],
        "cohere": lambda: [one["function"]["name"] for one in body["tools"]],
    }
    return bool(found[host]() == names and "begin_patch hunk+" in told)


def judge_history(body: Any, host: str) -> None:
    """The run of items is one turn of the assistant, and the results are one turn after it."""
    if host in ("chat", "cohere"):
        roles = [message["role"] for message in body["messages"]]
        assert roles[1:] == ["user", "assistant", "tool", "tool", "tool"]
        calls = body["messages"][2]["tool_calls"]
        assert [call["function"]["name"] for call in calls] == ["run", "apply_patch", FLAT]
        assert json.loads(calls[1]["function"]["arguments"]) == {"input": PATCH}
        ids = [message["tool_call_id"] for message in body["messages"][3:]]
        assert ids == [call["id"] for call in calls]
        return
    turns = body["contents"] if host == "gemini" else body["messages"]
    assert len(turns) == 3
    assert len({turn["role"] for turn in turns}) == 2
    assert "patched" in json.dumps(turns[2])


@both_ways
def test_on_its_own_wire_nothing_is_put_in_other_words(sdk: Sdk, stream: bool) -> None:
    sdk.says("responses", Said("Fine."), stream=stream)
    given: dict[str, Any] = {"model": "m-responses", "tools": TOOLS, "store": False}
    asked(sdk, given, [{"type": "message", "role": "user", "content": "Hi"}], stream=stream)
    assert sdk.sent["tools"] == TOOLS
