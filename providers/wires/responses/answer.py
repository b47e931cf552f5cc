"""Writes the response object of a client: every field that the wire demands, null or not."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from providers.ir import Citation, FinishReason
from providers.usage import Usage
from providers.wires.wire import Context, Json

STATE = "reasoning.encrypted_content"
# What an answer repeats of its request, and what it says where the request says nothing.
ECHOED: Mapping[str, Any] = MappingProxyType(
    {
        "background": False,
        "frequency_penalty": 0.0,
        "instructions": None,
        "max_output_tokens": None,
        "max_tool_calls": None,
        "metadata": {},
        "parallel_tool_calls": True,
        "presence_penalty": 0.0,
        "previous_response_id": None,
        "prompt_cache_key": None,
        "safety_identifier": None,
        "service_tier": "default",
        "store": False,
        "temperature": 1.0,
        "tool_choice": "auto",
        "top_logprobs": 0,
        "top_p": 1.0,
        "truncation": "disabled",
        "user": None,
    }
)
# What a client's SDK knows of tiers; another host's own word for one is no word of this wire.
TIERS = frozenset({"auto", "default", "flex", "priority", "scale", "fast", "ultrafast"})
REASONS: Mapping[FinishReason, str] = MappingProxyType(
    {"length": "max_output_tokens", "filter": "content_filter"}
)


def beginning(context: Context) -> Json:
    """Return the response object of an answer that has just begun."""
    body = context.body
    said = {
        name: body[name] if body.get(name) is not None else silent
        for name, silent in ECHOED.items()
    }
    return {
        "id": response_id(context),
        "object": "response",
        "created_at": context.created,
        "status": "in_progress",
        "completed_at": None,
        "error": None,
        "incomplete_details": None,
        "model": context.model,
        "output": [],
        **said,
        "reasoning": {"effort": None, "summary": None, **_members(body.get("reasoning"))},
        "text": {"format": {"type": "text"}, **_members(body.get("text"))},
        "tools": [_tool(tool) for tool in body.get("tools") or [] if isinstance(tool, dict)],
        "usage": None,
    }


def response_id(context: Context) -> str:
    """Return the id under which the client knows the answer."""
    return context.id if context.id.startswith("resp_") else f"resp_{context.id}"


def _members(said: Any) -> Json:
    if not isinstance(said, dict):
        return {}
    return {name: value for name, value in said.items() if value is not None}


def _tool(tool: Json) -> Json:
    if tool.get("type") != "function":
        return tool
    return {"description": None, "parameters": None, "strict": False, **tool}


def usage_said(usage: Usage | None) -> Json | None:
    """Return token counts as this wire says them; None where nobody knows them."""
    if usage is None or usage.state in ("missing", "none"):
        return None
    return {
        "input_tokens": usage.prompt_tokens,
        "input_tokens_details": {
            "cached_tokens": usage.cache_read,
            "cache_write_tokens": usage.cache_write + usage.cache_write_long,
        },
        "output_tokens": usage.completion_tokens,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning},
        "total_tokens": usage.prompt_tokens + usage.completion_tokens,
    }


def ending(
    response: Json,
    output: list[Json],
    finish: FinishReason,
    usage: Usage | None,
) -> Json:
    """Return the response object of an answer that is over."""
    refused = any(
        part.get("type") == "refusal"
        for item in output
        if item.get("type") == "message"
        for part in item["content"]
    )
    # The words of a refusal are a whole answer on this wire; a stop without words is none.
    reason = None if finish == "filter" and refused else REASONS.get(finish)
    return {
        **response,
        "status": "incomplete" if reason else "completed",
        "completed_at": None if reason else response["created_at"],
        "incomplete_details": {"reason": reason} if reason else None,
        "output": output,
        "usage": usage_said(usage),
    }


def annotation(citation: Citation) -> Json:
    """Return a source of a text as this wire says it; unknown places are 0."""
    if not citation.url:
        name = citation.title or citation.quote
        place = max(0, citation.start)
        return {"type": "file_citation", "file_id": "", "filename": name, "index": place}
    return {
        "type": "url_citation",
        "start_index": max(0, citation.start),
        "end_index": max(0, citation.end),
        "title": citation.title,
        "url": citation.url,
    }


def logprob(token: Any) -> Json:
    """Return a token of the chat wire's form as this wire has it: nothing of it may be missing."""
    said = token if isinstance(token, dict) else {}
    near = said.get("top_logprobs")
    others = [one for one in near if isinstance(one, dict)] if isinstance(near, list) else []
    return {**_scored(said), "top_logprobs": [_scored(one) for one in others]}


def _scored(token: Json) -> Json:
    words, score, raw = token.get("token"), token.get("logprob"), token.get("bytes")
    words = words if isinstance(words, str) else ""
    return {
        "token": words,
        "bytes": raw if isinstance(raw, list) else list(words.encode("utf-8", "surrogatepass")),
        # The wire's own figure for what was hardly likely at all.
        "logprob": score if isinstance(score, int | float) else -9999.0,
    }
