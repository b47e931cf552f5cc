"""Usage in this wire's words: thoughts beside the candidates, a tool's own prompt beside the other.

Read from recorded answers: where every figure stands, prompt, tool prompt, candidates and thoughts
add up to the total. Some answers leave the prompt out; there it is what the total leaves.
"""

from __future__ import annotations

from typing import Any

from providers.dialect import Dialect
from providers.usage import MISSING, Usage
from providers.wires import tolerant
from providers.wires.gemini.names import named
from providers.wires.wire import Json, money


def usage_of(said: Any, dialect: Dialect) -> Usage:
    """Return ``usageMetadata`` in disjoint buckets; MISSING where it says nothing.

    Where the figures contradict each other, ``reconciled`` is False and the buckets still add up
    to the host's figures of prompt and output.
    """
    if not isinstance(said, dict):
        return MISSING
    said = named(said)
    prompt, total = count(said.get("promptTokenCount")), count(said.get("totalTokenCount"))
    tools = count(said.get("toolUsePromptTokenCount")) or 0
    candidates = count(said.get("candidatesTokenCount")) or 0
    reasoning = count(said.get("thoughtsTokenCount")) or 0
    cached = count(said.get("cachedContentTokenCount")) or 0
    if prompt is None and total is None:
        return MISSING
    reconciled = True
    if prompt is None:
        prompt = max(0, (total or 0) - tools - candidates - reasoning)
    if total is not None:
        reconciled = total == prompt + tools + candidates + reasoning
    audio_cached = _audio(said.get("cacheTokensDetails"))
    audio_in = max(0, _audio(said.get("promptTokensDetails")) - audio_cached)
    audio_out = _audio(said.get("candidatesTokensDetails"))
    if cached + audio_in > prompt or audio_out > candidates:
        reconciled = False
        cached = min(cached, prompt)
        audio_in = min(audio_in, prompt - cached)
        audio_out = min(audio_out, candidates)
    return Usage(
        input=prompt - cached - audio_in + tools,
        cache_read=cached,
        audio_input=audio_in,
        output=candidates - audio_out,
        reasoning=reasoning,
        audio_output=audio_out,
        reconciled=reconciled,
        stated_usd=_stated(said, dialect),
    )


def usage_body(usage: Usage | None) -> Json | None:
    """Return usage in this wire's words; None where nobody knows it."""
    if usage is None or usage.state in ("missing", "none"):
        return None
    visible = usage.output + usage.audio_output
    out: Json = {
        "promptTokenCount": usage.prompt_tokens,
        "candidatesTokenCount": visible,
        "totalTokenCount": usage.prompt_tokens + usage.completion_tokens,
    }
    if usage.cache_read:
        out["cachedContentTokenCount"] = usage.cache_read
    if usage.reasoning:
        out["thoughtsTokenCount"] = usage.reasoning
    words = usage.prompt_tokens - usage.audio_input
    for name, spoken, written in (
        ("promptTokensDetails", usage.audio_input, words),
        ("candidatesTokensDetails", usage.audio_output, usage.output),
    ):
        if spoken:
            out[name] = [
                {"modality": "TEXT", "tokenCount": written},
                {"modality": "AUDIO", "tokenCount": spoken},
            ]
    return out


def count(value: Any) -> int | None:
    """Return a count of tokens, None where it is none; whole floats and digits are taken too."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 16:
        value = int(value)
    return tolerant.count(value)


def _audio(details: Any) -> int:
    if not isinstance(details, list):
        return 0
    counts = [
        count(item.get("tokenCount", item.get("token_count"))) or 0
        for item in details
        if isinstance(item, dict) and item.get("modality") == "AUDIO"
    ]
    return sum(counts)


def _stated(said: Json, dialect: Dialect) -> Any:
    if not dialect.cost_path:
        return None
    value: Any = said
    for name in dialect.cost_path:
        value = value.get(name) if isinstance(value, dict) else None
    charge, unit = money(value), money(dialect.cost_unit)
    return charge * unit if charge is not None and unit is not None else None
