"""Usage in this wire's words: thoughts beside the candidates, a tool's own prompt beside the other.

Read from recorded answers: where every figure stands, prompt, tool prompt, candidates and thoughts
add up to the total. Some answers leave the prompt out; there it is what the total leaves.
"""

from __future__ import annotations

from typing import Any

from providers.dialect import Dialect
from providers.usage import MISSING, Usage, tier_of
from providers.wires import tolerant
from providers.wires.chat.counts import searched
from providers.wires.gemini.names import named
from providers.wires.wire import Json, money


def usage_of(said: Any, dialect: Dialect, searches: int = 0) -> Usage:
    """Return ``usageMetadata`` in disjoint buckets; MISSING where it says nothing.

    Where the figures contradict each other, ``reconciled`` is False and the buckets still add up
    to the host's figures of prompt and output. ``searches`` counts the queries in the answer.
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
    audio_in, image_in = (_fresh(said, kind) for kind in ("AUDIO", "IMAGE"))
    wrote = said.get("candidatesTokensDetails")
    audio_out, image_out = _of_kind(wrote, "AUDIO"), _of_kind(wrote, "IMAGE")
    if cached + audio_in + image_in > prompt or audio_out + image_out > candidates:
        reconciled = False
        cached = min(cached, prompt)
        audio_in = min(audio_in, prompt - cached)
        image_in = min(image_in, prompt - cached - audio_in)
        audio_out = min(audio_out, candidates)
        image_out = min(image_out, candidates - audio_out)
    return Usage(
        input=prompt - cached - audio_in - image_in + tools,
        cache_read=cached,
        audio_input=audio_in,
        image_input=image_in,
        output=candidates - audio_out - image_out,
        reasoning=reasoning,
        audio_output=audio_out,
        image_output=image_out,
        searches=searched(said, dialect, searches),
        tier=tier_of(said.get("serviceTier")) or tier_of(said.get("trafficType")),
        reconciled=reconciled,
        stated_usd=_stated(said, dialect),
    )


def usage_body(usage: Usage | None) -> Json | None:
    """Return usage in this wire's words; None where nobody knows it."""
    if usage is None or usage.state in ("missing", "none"):
        return None
    visible = usage.output + usage.audio_output + usage.image_output
    out: Json = {
        "promptTokenCount": usage.prompt_tokens,
        "candidatesTokenCount": visible,
        "totalTokenCount": usage.prompt_tokens + usage.completion_tokens,
    }
    if usage.cache_read:
        out["cachedContentTokenCount"] = usage.cache_read
    if usage.reasoning:
        out["thoughtsTokenCount"] = usage.reasoning
    pictures, words = usage.image_input, usage.prompt_tokens - usage.audio_input - usage.image_input
    for name, written, spoken, drawn in (
        ("promptTokensDetails", words, usage.audio_input, pictures),
        ("candidatesTokensDetails", usage.output, usage.audio_output, usage.image_output),
    ):
        if spoken or drawn:
            kinds = (("TEXT", written), ("AUDIO", spoken), ("IMAGE", drawn))
            out[name] = [
                {"modality": kind, "tokenCount": tokens} for kind, tokens in kinds if tokens
            ]
    return out


def count(value: Any) -> int | None:
    """Return a count of tokens, None where it is none; whole floats and digits are taken too."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 16:
        value = int(value)
    return tolerant.count(value)


def _fresh(said: Json, kind: str) -> int:
    """Return the tokens of one kind in the prompt that were not cached."""
    all_of_it = _of_kind(said.get("promptTokensDetails"), kind)
    return max(0, all_of_it - _of_kind(said.get("cacheTokensDetails"), kind))


def queries_in(candidate: Json) -> set[str]:
    """Return what was searched for; an empty query is not charged, nor the same one twice."""
    found = tolerant.mapping(candidate.get("groundingMetadata")).get("webSearchQueries")
    listed = found if isinstance(found, list) else []
    return {query for query in listed if isinstance(query, str) and query}


def _of_kind(details: Any, kind: str) -> int:
    if not isinstance(details, list):
        return 0
    counts = [
        count(item.get("tokenCount", item.get("token_count"))) or 0
        for item in details
        if isinstance(item, dict) and item.get("modality") == kind
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
