"""One simple reader a wire: what the JSON values of a recorded answer say, by the wire's rules."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from tests.replay.said import (
    LOGPROBS,
    MEDIA,
    OWN_WORK,
    SOURCES,
    Alternative,
    Truth,
    is_json,
)

Json = dict[str, Any]
END_MARK: Json = {"type": "[DONE]"}

# Chat.

LENGTH = {"length", "max_tokens", "model_length", "max_output_tokens", "MAX_TOKENS",
          "model_context_window_exceeded"}  # fmt: skip
FILTERED = {"content_filter", "sensitive", "safety", "refusal"}


def words_of_content(content: Any) -> tuple[str, str]:
    """Return the words and the thoughts in a message's ``content``, a text or a list of parts."""
    if isinstance(content, str):
        return content, ""
    text = thought = ""
    for part in content if isinstance(content, list) else ():
        if isinstance(part, dict) and part.get("type") == "thinking":
            inner = part.get("thinking")
            thought += inner if isinstance(inner, str) else words_of_content(inner)[0]
        elif isinstance(part, dict) and isinstance(part.get("text"), str):
            text += part["text"]
    return text, thought


def _chat(said: list[Json], stream: bool, found: Truth) -> None:
    # The last event of a stream may be the end mark alone.
    ended = bool(said) and said[-1] == END_MARK
    said = [body for body in said if body != END_MARK]
    places: dict[int, Alternative] = {}
    calls: dict[int, dict[Any, list[str]]] = {}
    native: dict[int, list[str]] = {}
    cut: set[int] = set()
    used = None
    for body in said:
        used = body.get("usage") or (body.get("x_groq") or {}).get("usage") or used
        if body.get("citations") or body.get("search_results"):
            found.shows.add(SOURCES)
        for choice in body.get("choices") or ():
            place = choice.get("index") or 0
            one = places.setdefault(place, Alternative())
            # Where a host has both, the message of a stream is all of it so far.
            names = ("delta", "message") if stream else ("message", "delta")
            delta = choice.get(names[0]) or choice.get(names[1]) or {"content": choice.get("text")}
            _chat_delta(choice, delta, one, calls.setdefault(place, {}), found)
            native.setdefault(place, []).append(choice.get("finish_reason") or "")
            if choice.get("native_finish_reason") in LENGTH:
                cut.add(place)
    for place, one in places.items():
        # A call of which nothing came but a place is none.
        one.calls = [(name, text) for name, text in calls[place].values() if name or text]
        said_why = [word for word in native[place] if word]
        better = [word for word in said_why if word != "stop"] or said_why
        last = better[-1] if better else ""
        if last in ("error", "network_error", "insufficient_system_resource"):
            one.finish = "fault"
        elif last in LENGTH:
            one.finish = "length"
        elif last in FILTERED or (one.refusal and not one.calls):
            one.finish = "filter"
        elif said_why or not stream or ended:
            one.finish = "tool" if one.calls else "stop"
        if one.finish == "tool" and place in cut and not is_json(one.calls[-1][1]):
            one.finish = "length"  # a broker's word, where its host says that it was cut
    found.choices = [places[place] for place in sorted(places)]
    if not found.choices:
        found.fault = "no choices"
    found.usage, found.cached = _chat_usage(used), cached_in(used)


def _chat_delta(
    choice: Json, delta: Json, one: Alternative, calls: dict[Any, list[str]], found: Truth
) -> None:
    text, thought = words_of_content(delta.get("content"))
    one.text += text
    one.refusal += delta.get("refusal") or ""
    one.thought += thought or delta.get("reasoning_content") or _word(delta.get("reasoning")) or ""
    for number, made in enumerate(delta.get("tool_calls") or ()):
        key = made.get("index") if delta is choice.get("delta") else number
        kept = calls.setdefault(key, ["", ""])
        inner = made.get("function") or made.get("custom") or {}
        kept[0] = kept[0] or inner.get("name") or ""
        kept[1] += inner.get("arguments") or inner.get("input") or ""
    old = delta.get("function_call")
    if isinstance(old, dict):
        kept = calls.setdefault("old", ["", ""])
        kept[0] = kept[0] or old.get("name") or ""
        kept[1] += old.get("arguments") or ""
    if delta.get("annotations"):
        found.shows.add(SOURCES)
    listed = choice.get("logprobs")
    if isinstance(listed, dict) and listed.get("content"):
        found.shows.add(LOGPROBS)
    if delta.get("images") or (delta.get("audio") or {}).get("data"):
        found.shows.add(MEDIA)


def _word(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _chat_usage(used: Any) -> tuple[int, int] | None:
    if not isinstance(used, dict) or used.get("completion_tokens") is None:
        return None
    into, out = int(used.get("prompt_tokens") or 0), int(used["completion_tokens"])
    thought = (used.get("completion_tokens_details") or {}).get("reasoning_tokens") or 0
    if thought and used.get("total_tokens") == into + out + thought:
        out += thought
    return into, out


def cached_in(used: Any) -> int:
    """Return how much of a prompt a chat answer calls cached."""
    details = used.get("prompt_tokens_details") if isinstance(used, dict) else None
    return int((details or {}).get("cached_tokens") or 0)


# Responses.


def _responses(said: list[Json], is_stream: bool, found: Truth) -> None:
    response: Json = {}
    items: dict[int, Json] = {}
    if not is_stream:
        response = said[0]
    for event in said if is_stream else ():
        if event.get("type") == "response.output_item.done":
            items[event["output_index"]] = event["item"]
        if event.get("type") in ("response.completed", "response.incomplete"):
            response = event["response"]
            break
    output = [items[place] for place in sorted(items)] or response.get("output") or []
    one = Alternative()
    for item in output:
        _responses_item(item, one, found)
    found.choices = [one]
    reason = (response.get("incomplete_details") or {}).get("reason")
    if not response:
        found.fault = "no end"
    elif reason:
        one.finish = "length" if reason == "max_output_tokens" else "filter"
    elif one.refusal:
        one.finish = "filter"
    else:
        one.finish = "tool" if one.calls else "stop"
    used = response.get("usage")
    if isinstance(used, dict):
        found.usage = used["input_tokens"], used["output_tokens"]


def _responses_item(item: Json, one: Alternative, found: Truth) -> None:
    kind = item.get("type")
    if kind == "message":
        for part in item.get("content") or ():
            one.text += part.get("text") or ""
            one.refusal += part.get("refusal") or ""
            if part.get("annotations"):
                found.shows.add(SOURCES)
            if part.get("logprobs"):
                found.shows.add(LOGPROBS)
    elif kind == "function_call":
        one.calls.append((item["name"], item["arguments"]))
    elif kind == "custom_tool_call":
        one.calls.append((item["name"], json.dumps({"input": item["input"]})))
    elif kind == "reasoning":
        for part in [*(item.get("summary") or ()), *(item.get("content") or ())]:
            one.thought += part.get("text") or ""
    else:
        found.shows.add(OWN_WORK)


# Messages.

MESSAGES_ENDS = {
    "end_turn": "stop", "stop_sequence": "stop", "tool_use": "tool", "max_tokens": "length",
    "model_context_window_exceeded": "length", "refusal": "filter", "pause_turn": "pause",
}  # fmt: skip


def _messages(said: list[Json], is_stream: bool, found: Truth) -> None:
    blocks: dict[int, Json] = {}
    message: Json = {"stop_reason": None, "usage": {}}
    if not is_stream:
        message = said[0]
        blocks = dict(enumerate(message.get("content") or ()))
    for event in said if is_stream else ():
        kind = event["type"]
        if kind == "message_start":
            message["usage"].update(event["message"]["usage"])
        elif kind == "content_block_start":
            blocks[event["index"]] = {**event["content_block"], "json": ""}
        elif kind == "content_block_delta":
            _messages_delta(blocks[event["index"]], event["delta"])
        elif kind == "message_delta":
            message["stop_reason"] = event["delta"].get("stop_reason") or message["stop_reason"]
            message["stop_details"] = event["delta"].get("stop_details")
            known = {name: value for name, value in event["usage"].items() if value is not None}
            message["usage"].update(known)
        elif kind == "message_stop":
            break
    one = Alternative(finish=MESSAGES_ENDS.get(message["stop_reason"] or "", ""))
    one.refusal = (message.get("stop_details") or {}).get("explanation") or ""
    for block in blocks.values():
        _messages_block(block, one, found)
    found.choices = [one]
    used = message["usage"]
    parts = ("input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens")
    if used:
        found.usage = sum(used.get(part) or 0 for part in parts), used.get("output_tokens") or 0


def _messages_delta(block: Json, delta: Json) -> None:
    if delta["type"] == "text_delta":
        block["text"] += delta["text"]
    elif delta["type"] == "thinking_delta":
        block["thinking"] += delta["thinking"]
    elif delta["type"] == "input_json_delta":
        block["json"] += delta["partial_json"]
    elif delta["type"] == "citations_delta":
        block["citations"] = [*(block.get("citations") or ()), delta["citation"]]


def _messages_block(block: Json, one: Alternative, found: Truth) -> None:
    kind = block["type"]
    if kind == "text":
        one.text += block["text"]
        if block.get("citations"):
            found.shows.add(SOURCES)
    elif kind == "thinking":
        one.thought += block["thinking"]
    elif kind == "tool_use":
        one.calls.append((block["name"], block.get("json") or json.dumps(block.get("input") or {})))
    elif kind != "redacted_thinking":
        found.shows.add(OWN_WORK)


# Gemini.

# Of hosts that were asked for enumerations as numbers.
GEMINI_NUMBERS = {1: "STOP", 2: "MAX_TOKENS", 3: "SAFETY"}
GEMINI_FAULTS = {"MALFORMED_FUNCTION_CALL", "UNEXPECTED_TOOL_CALL", "TOO_MANY_TOOL_CALLS",
                 "MALFORMED_RESPONSE", "MISSING_THOUGHT_SIGNATURE"}  # fmt: skip


def _gemini(said: list[Json], _stream: bool, found: Truth) -> None:
    places: dict[int, Alternative] = {}
    used: Json | None = None
    for body in said:
        used = body.get("usageMetadata") or used
        if (body.get("promptFeedback") or {}).get("blockReason"):
            places.setdefault(0, Alternative(finish="filter"))
        for candidate in body.get("candidates") or ():
            one = places.setdefault(candidate.get("index") or 0, Alternative())
            for part in (candidate.get("content") or {}).get("parts") or ():
                _gemini_part(part, one, found)
            if candidate.get("groundingMetadata", {}).get("groundingChunks") or candidate.get(
                "citationMetadata"
            ):
                found.shows.add(SOURCES)
            if (candidate.get("logprobsResult") or {}).get("chosenCandidates"):
                found.shows.add(LOGPROBS)
            native = candidate.get("finishReason")
            native = GEMINI_NUMBERS.get(native, native)
            if native in GEMINI_FAULTS:
                one.finish = "fault"
            elif native:
                one.finish = {"STOP": "stop", "MAX_TOKENS": "length"}.get(native, "filter")
    for one in places.values():
        if one.finish == "stop" and one.calls:
            one.finish = "tool"
    found.choices = [places[place] for place in sorted(places)]
    if used is not None and used.keys() & {"promptTokenCount", "totalTokenCount"}:
        out = (used.get("candidatesTokenCount") or 0) + (used.get("thoughtsTokenCount") or 0)
        into = used.get("promptTokenCount")
        if into is None:
            into = max(0, used["totalTokenCount"] - out)
        else:
            into += used.get("toolUsePromptTokenCount") or 0
        found.usage = into, out


def _gemini_part(part: Json, one: Alternative, found: Truth) -> None:
    if part.get("thought"):
        one.thought += part.get("text") or ""
    elif "text" in part:
        one.text += part["text"]
    elif "functionCall" in part:
        _gemini_call(part["functionCall"], one)
    elif "inlineData" in part:
        found.shows.add(MEDIA)
    elif part.keys() - {"thoughtSignature"}:
        found.shows.add(OWN_WORK)


def _gemini_call(call: Json, one: Alternative) -> None:
    if "name" in call:
        one.calls.append((call["name"], json.dumps(call.get("args") or {})))
    for piece in call.get("partialArgs") or ():
        # A call in pieces, each of them a value at its path; texts grow.
        name, written = one.calls.pop()
        whole = json.loads(written)
        steps = [int(s) if s.isdigit() else s for s in re.findall(r"[^.$\[\]]+", piece["jsonPath"])]
        place: Any = whole
        for step, following in itertools.pairwise(steps):
            empty: Any = [] if isinstance(following, int) else {}
            if isinstance(step, int) and step == len(place):
                place.append(empty)
            place = place[step] if isinstance(step, int) else place.setdefault(step, empty)
        value = next(v for k, v in piece.items() if k.endswith("Value"))
        if isinstance(value, str) and isinstance(place, dict):
            value = place.get(steps[-1], "") + value
        if isinstance(place, list) and steps[-1] == len(place):
            place.append(value)
        elif isinstance(place, list):
            place[steps[-1]] += value
        else:
            place[steps[-1]] = value
        one.calls.append((name, json.dumps(whole)))


# Converse.

CONVERSE_ENDS = {
    "end_turn": "stop", "stop_sequence": "stop", "tool_use": "tool", "max_tokens": "length",
    "model_context_window_exceeded": "length", "guardrail_intervened": "filter",
    "content_filtered": "filter", "malformed_model_output": "fault", "malformed_tool_use": "fault",
}  # fmt: skip


def _converse(said: list[Json], is_stream: bool, found: Truth) -> None:
    blocks: dict[int, Json] = {}
    used: Json | None = None
    stop = ""
    if not is_stream:
        body = said[0]
        blocks = dict(enumerate(body["output"]["message"].get("content") or ()))
        used, stop = body.get("usage"), body["stopReason"]
    for event in said if is_stream else ():
        ((kind, payload),) = event.items()
        if kind == "contentBlockStart":
            blocks[payload["contentBlockIndex"]] = {**payload["start"], "json": ""}
        elif kind == "contentBlockDelta":
            block = blocks.setdefault(payload["contentBlockIndex"], {})
            _converse_delta(block, payload["delta"])
        elif kind == "messageStop":
            stop = payload["stopReason"]
        elif kind == "metadata":
            used = payload.get("usage")
    one = Alternative(finish=CONVERSE_ENDS.get(stop, ""))
    for block in blocks.values():
        _converse_block(block, one, found)
    if one.finish == "stop" and one.calls:
        one.finish = "tool"
    found.choices = [one]
    if used and "inputTokens" in used:
        parts = ("inputTokens", "cacheReadInputTokens", "cacheWriteInputTokens")
        found.usage = sum(used.get(part) or 0 for part in parts), used["outputTokens"]


def _converse_delta(block: Json, delta: Json) -> None:
    if "text" in delta:
        block["text"] = block.get("text", "") + delta["text"]
    elif "toolUse" in delta:
        block["json"] = block.get("json", "") + delta["toolUse"]["input"]
    elif "text" in delta.get("reasoningContent", {}):
        thought = block.setdefault("reasoningContent", {}).setdefault("reasoningText", {"text": ""})
        thought["text"] += delta["reasoningContent"]["text"]
    elif "citation" in delta:
        block["cited"] = True


def _converse_block(block: Json, one: Alternative, found: Truth) -> None:
    one.text += block.get("text") or ""
    one.thought += (block.get("reasoningContent") or {}).get("reasoningText", {}).get("text") or ""
    cited = block.get("citationsContent")
    if cited:
        one.text += "".join(part.get("text") or "" for part in cited.get("content") or ())
    if block.get("cited") or (cited and cited.get("citations")):
        found.shows.add(SOURCES)
    call = block.get("toolUse")
    if call and call.get("type") == "server_tool_use":
        found.shows.add(OWN_WORK)
    elif call:
        one.calls.append((call["name"], block.get("json") or json.dumps(call.get("input") or {})))
    if "toolResult" in block:
        found.shows.add(OWN_WORK)
    if "image" in block:
        found.shows.add(MEDIA)


# Cohere.

COHERE_ENDS = {"COMPLETE": "stop", "STOP_SEQUENCE": "stop", "MAX_TOKENS": "length",
               "TOOL_CALL": "tool"}  # fmt: skip


def _cohere(said: list[Json], is_stream: bool, found: Truth) -> None:
    one = Alternative()
    end: Json = {}
    if not is_stream:
        end = said[0]
        message = end.get("message") or {}
        for part in message.get("content") or ():
            one.text += part.get("text") or ""
            one.thought += part.get("thinking") or ""
        one.thought += message.get("tool_plan") or ""
        for call in message.get("tool_calls") or ():
            one.calls.append((call["function"]["name"], call["function"]["arguments"]))
        _cohere_extras(message.get("citations"), end.get("logprobs"), found)
    for event in said if is_stream else ():
        kind, delta = event["type"], event.get("delta") or {}
        message = delta.get("message") or {}
        _cohere_extras(message.get("citations"), event.get("logprobs"), found)
        if kind in ("content-start", "content-delta"):
            one.text += message["content"].get("text") or ""
            one.thought += message["content"].get("thinking") or ""
        elif kind == "tool-plan-delta":
            one.thought += message["tool_plan"]
        elif kind == "tool-call-start":
            call = message["tool_calls"]["function"]
            one.calls.append((call["name"], call.get("arguments") or ""))
        elif kind == "tool-call-delta":
            name, written = one.calls.pop()
            one.calls.append((name, written + message["tool_calls"]["function"]["arguments"]))
        elif kind == "message-end":
            end = delta
    one.finish = COHERE_ENDS.get(end.get("finish_reason") or "", "")
    found.choices = [one]
    billed = (end.get("usage") or {}).get("billed_units")
    if billed:
        found.usage = int(billed.get("input_tokens") or 0), int(billed.get("output_tokens") or 0)


def _cohere_extras(cited: Any, logprobs: Any, found: Truth) -> None:
    if cited:
        found.shows.add(SOURCES)
    if logprobs:
        found.shows.add(LOGPROBS)


# Endpoints that are only relayed: what is billed is all that the gateway reads.


def _relayed(said: list[Json], _stream: bool, found: Truth) -> None:
    one = Alternative(finish="stop")
    found.choices = [one]
    for body in said:
        used = body.get("usage")
        if isinstance(used, dict):
            into = used.get("prompt_tokens", used.get("total_tokens"))
            found.usage = int(into or 0), int(used.get("completion_tokens") or 0)


READERS: Mapping[str, Callable[[list[Json], bool, Truth], None]] = {
    "chat": _chat,
    "responses": _responses,
    "messages": _messages,
    "gemini": _gemini,
    "converse": _converse,
    "cohere": _cohere,
    "completions": _relayed,
    "embeddings": _relayed,
    "rerank": _relayed,
}
