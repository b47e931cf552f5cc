"""Hosts that take nothing but what their documentation promises: each says what it would refuse.

``complaint(wire, body)`` reads a request as a picky host of that wire does, without the gateway's
own codecs, and gives its 400 in words, "" for a good one. ``own`` are the states that this host has
issued in this conversation, every one of which it wants back; any other state is foreign to it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from itertools import pairwise
from typing import Any

Json = dict[str, Any]
# What a client may put in the place of a state of which there is none; Google documents it.
NO_STATE = frozenset({"skip_thought_signature_validator"})
CALL_ID = re.compile(r"[a-zA-Z0-9_-]{1,64}")


def complaint(wire: str, body: Json, own: Iterable[str]) -> str:
    """Return what a strict host of ``wire`` answers 400 for, "" where nothing is wrong."""
    mine = set(own)
    try:
        states, calls = _READERS[wire](body)
    except _WrongError as wrong:
        return str(wrong)
    foreign = [state for state in states if state not in mine | NO_STATE]
    if foreign:
        return f"state that is not mine: {foreign[0][:60]}"
    missing = mine - set(states)
    if missing:
        return f"my own state is missing: {min(missing)[:60]}"
    if len(calls) != len(set(calls)):
        return "two calls of one id"
    return ""


class _WrongError(Exception):
    pass


def _need(holds: object, words: str) -> None:
    if not holds:
        raise _WrongError(words)


def _alternating(roles: list[str], model: str) -> None:
    _need(roles and roles[0] == "user", "the first turn must be the user's")
    for before, after in pairwise(roles):
        _need(before != after, f"two turns of {after} in a row")
    _need(set(roles) <= {"user", model}, "a role that is none")


def _chat(body: Json) -> tuple[list[str], list[str]]:
    return _in_order(body["messages"], lambda call: call[call["type"]]["name"])


def _in_order(messages: list[Json], name_of: Callable[[Json], str]) -> tuple[list[str], list[str]]:
    states: list[str] = []
    calls: list[str] = []
    waiting: list[str] = []
    for message in messages:
        role = message["role"]
        if role == "tool":
            _need(message["tool_call_id"] in waiting, "a result that answers no call before it")
            waiting.remove(message["tool_call_id"])
            continue
        _need(not waiting, f"calls without results: {waiting}")
        _need(role in ("system", "developer", "user", "assistant"), f"role {role}")
        for item in message.get("reasoning_details") or []:
            states += [item[name] for name in ("signature", "data") if item.get(name)]
        for call in message.get("tool_calls") or []:
            _need(name_of(call), "a call without a name")
            waiting.append(call["id"])
            signature = call.get("extra_content", {}).get("google", {}).get("thought_signature")
            states += [signature] if signature else []
        calls += waiting
        _need(role != "assistant" or message.get("content") or waiting, "an empty turn")
    _need(not waiting, f"calls without results: {waiting}")
    return states, calls


def _cohere(body: Json) -> tuple[list[str], list[str]]:
    for message in body["messages"]:
        _need(message["role"] != "developer", "there is no role developer")
        _need(message["role"] != "tool" or isinstance(message["content"], str | list), "content")
    return _in_order(body["messages"], lambda call: call["function"]["name"])


def _responses(body: Json) -> tuple[list[str], list[str]]:
    states: list[str] = []
    calls: dict[str, str] = {}
    answered: set[str] = set()
    items = body["input"]
    for place, item in enumerate(items):
        kind = item.get("type", "message")
        if kind == "reasoning":
            _need(item.get("encrypted_content"), "thoughts without their state, and none stored")
            states.append(item["encrypted_content"])
            after = items[place + 1]["type"] if place + 1 < len(items) else ""
            _need(
                after in ("message", "function_call", "custom_tool_call", "reasoning"),
                "thoughts that lead to nothing",
            )
        elif kind in ("function_call", "custom_tool_call"):
            _need(CALL_ID.fullmatch(item["call_id"]), f"call_id {item['call_id']}")
            _need(item["call_id"] not in calls, "two calls of one id")
            calls[item["call_id"]] = kind
        elif kind in ("function_call_output", "custom_tool_call_output"):
            made = calls.get(item["call_id"])
            _need(made, "an output that answers no call before it")
            _need(kind == f"{made}_output", f"a {kind} for a {made}")
            answered.add(item["call_id"])
        else:
            _need(kind == "message", f"an item of type {kind}")
    _need(answered == set(calls), "calls without outputs")
    return states, list(calls)


def _blocks(content: Any) -> list[Json]:
    return [{"type": "text", "text": content}] if isinstance(content, str) else list(content)


def _messages(body: Json) -> tuple[list[str], list[str]]:
    states: list[str] = []
    calls: list[str] = []
    waiting: list[str] = []
    turns = body["messages"]
    _alternating([turn["role"] for turn in turns], "assistant")
    for turn in turns:
        blocks = _blocks(turn["content"])
        _need(blocks, "an empty turn")
        kinds = [block["type"] for block in blocks]
        if turn["role"] == "user":
            results = [block["tool_use_id"] for block in blocks if block["type"] == "tool_result"]
            _need(sorted(results) == sorted(waiting), f"results {results} for calls {waiting}")
            _need(kinds[: len(results)] == ["tool_result"] * len(results), "results come first")
            waiting = []
            continue
        for block in blocks:
            if block["type"] == "tool_use":
                _need(CALL_ID.fullmatch(block["id"]), f"id {block['id']}")
                _need(isinstance(block["input"], dict), "input is no object")
                waiting.append(block["id"])
            elif block["type"] == "thinking":
                states.append(block["signature"])
            elif block["type"] == "redacted_thinking":
                states.append(block["data"])
            else:
                _need(block["type"] == "text" and block["text"].strip(), "a text without words")
        calls += waiting
    _need(not waiting, "calls without results")
    return states, calls


def _gemini(body: Json) -> tuple[list[str], list[str]]:
    states: list[str] = []
    calls: list[str] = []
    waiting: list[tuple[str, str]] = []
    contents = body["contents"]
    _alternating([content["role"] for content in contents], "model")
    begun = max(
        place for place, content in enumerate(contents)
        if content["role"] == "user" and not any("functionResponse" in part for part in content["parts"])
    )  # fmt: skip
    for place, content in enumerate(contents):
        _need(content["parts"], "a content without parts")
        if content["role"] == "user":
            results = [p["functionResponse"] for p in content["parts"] if "functionResponse" in p]
            given = [(result.get("id", ""), result["name"]) for result in results]
            _need(sorted(given) == sorted(waiting), f"responses {given} for calls {waiting}")
            waiting = []
            continue
        for part in content["parts"]:
            state = part.get("thoughtSignature")
            states += [state] if state else []
            if "functionCall" in part:
                call = part["functionCall"]
                _need(isinstance(call["args"], dict), "args is no object")
                first = not waiting
                _need(
                    state or not first or place < begun, "a call of this turn without its signature"
                )
                waiting.append((call.get("id", ""), call["name"]))
                calls.append(call.get("id") or f"{place} {len(calls)}")
    _need(not waiting, "calls without responses")
    return states, calls


def _converse(body: Json) -> tuple[list[str], list[str]]:
    states: list[str] = []
    calls: list[str] = []
    waiting: list[str] = []
    turns = body["messages"]
    _alternating([turn["role"] for turn in turns], "assistant")
    for turn in turns:
        _need(turn["content"], "an empty turn")
        if turn["role"] == "user":
            results = [b["toolResult"]["toolUseId"] for b in turn["content"] if "toolResult" in b]
            _need(sorted(results) == sorted(waiting), f"results {results} for calls {waiting}")
            waiting = []
        for block in turn["content"]:
            _need(len(block) == 1, f"a block that is two things: {sorted(block)}")
            _need(block.get("text", "x").strip(), "a text without words")
            thought = block.get("reasoningContent", {})
            if "reasoningText" in thought:
                states.append(thought["reasoningText"]["signature"])
            if "toolUse" in block:
                _need(CALL_ID.fullmatch(block["toolUse"]["toolUseId"]), "toolUseId")
                _need("toolConfig" in body, "calls without toolConfig")
                waiting.append(block["toolUse"]["toolUseId"])
        calls += waiting if turn["role"] == "assistant" else []
    _need(not waiting, "calls without results")
    return states, calls


_READERS: dict[str, Callable[[Json], tuple[list[str], list[str]]]] = {
    "chat": _chat,
    "responses": _responses,
    "messages": _messages,
    "gemini": _gemini,
    "converse": _converse,
    "cohere": _cohere,
}
