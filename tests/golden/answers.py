"""Whole answers of each wire whose usage is that of a golden case."""

from __future__ import annotations

from typing import Any

from providers.usage import Usage

WORDS = "Hello there."


def answer(wire: str, usage: Usage, *, beside: bool = False) -> dict[str, Any]:
    """Return the body that a host sends on ``wire`` where it counts ``usage``.

    ``beside``: it is one that counts reasoning beside the output, on the chat wire.
    """
    body = WRITERS[wire](usage)
    if beside and wire == "chat":
        body["usage"]["completion_tokens"] -= usage.reasoning
    return body


def _chat(usage: Usage) -> dict[str, Any]:
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1_790_000_000,
        "model": "m",
        "service_tier": usage.tier or "default",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": WORDS},
                "finish_reason": "stop",
            }
        ],
        "usage": {
            "prompt_tokens": usage.prompt_tokens,
            "completion_tokens": usage.completion_tokens,
            "total_tokens": usage.prompt_tokens + usage.completion_tokens,
            "prompt_tokens_details": {
                "cached_tokens": usage.cache_read,
                "cache_write_tokens": usage.cache_write,
                "audio_tokens": usage.audio_input,
            },
            "completion_tokens_details": {
                "reasoning_tokens": usage.reasoning,
                "audio_tokens": usage.audio_output,
            },
        },
    }


def _responses(usage: Usage) -> dict[str, Any]:
    searches = [
        {
            "id": f"ws_{n}",
            "type": "web_search_call",
            "status": "completed",
            "action": {"type": "search", "query": "q"},
        }
        for n in range(usage.searches)
    ]
    message = {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "status": "completed",
        "content": [{"type": "output_text", "text": WORDS, "annotations": []}],
    }
    written = {"ttl_30m_tokens": usage.cache_write, "ttl_12h_tokens": usage.cache_write_long}
    return {
        "id": "resp_1",
        "object": "response",
        "created_at": 1_790_000_000,
        "status": "completed",
        "model": "m",
        "service_tier": usage.tier or "default",
        "output": [*searches, message],
        "usage": {
            "input_tokens": usage.prompt_tokens,
            "output_tokens": usage.completion_tokens,
            "total_tokens": usage.prompt_tokens + usage.completion_tokens,
            "input_tokens_details": {
                "cached_tokens": usage.cache_read,
                "cache_write_tokens": usage.cache_write + usage.cache_write_long,
                "cache_write_tokens_details": written,
            },
            "output_tokens_details": {"reasoning_tokens": usage.reasoning},
        },
    }


def _messages(usage: Usage) -> dict[str, Any]:
    return {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "m",
        "content": [{"type": "text", "text": WORDS}],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": {
            "input_tokens": usage.input,
            "cache_read_input_tokens": usage.cache_read,
            "cache_creation_input_tokens": usage.cache_write + usage.cache_write_long,
            "cache_creation": {
                "ephemeral_5m_input_tokens": usage.cache_write,
                "ephemeral_1h_input_tokens": usage.cache_write_long,
            },
            "output_tokens": usage.completion_tokens,
            "server_tool_use": {"web_search_requests": usage.searches},
            "service_tier": "batch" if usage.tier == "batch" else "standard",
            "speed": "fast" if usage.tier == "fast" else "standard",
        },
    }


def _gemini(usage: Usage) -> dict[str, Any]:
    return {
        "candidates": [
            {
                "index": 0,
                "content": {"role": "model", "parts": [{"text": WORDS}]},
                "finishReason": "STOP",
            }
        ],
        "modelVersion": "m",
        "usageMetadata": {
            "promptTokenCount": usage.prompt_tokens,
            "cachedContentTokenCount": usage.cache_read,
            "candidatesTokenCount": usage.completion_tokens - usage.reasoning,
            "thoughtsTokenCount": usage.reasoning,
            "totalTokenCount": usage.prompt_tokens + usage.completion_tokens,
            "promptTokensDetails": [{"modality": "AUDIO", "tokenCount": usage.audio_input}],
            "candidatesTokensDetails": [{"modality": "IMAGE", "tokenCount": usage.image_output}],
            **({"serviceTier": usage.tier} if usage.tier else {}),
        },
    }


WRITERS = {"chat": _chat, "responses": _responses, "messages": _messages, "gemini": _gemini}
