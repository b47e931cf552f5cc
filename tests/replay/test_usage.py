"""What real hosts said was used, as disjoint buckets: pains 1 and 27 over the whole corpus.

Every recorded usage adds up to the host's own total or is marked; and a call says the same whether
it was streamed or came whole, relayed or translated.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

import pytest

from providers.catalog import builtin
from providers.dialect import Dialect
from providers.errors import UpstreamError
from providers.usage import BUCKETS, TOKENS_MAX, Usage
from providers.wires.registry import WIRES
from tests.replay import corpus
from tests.replay.corpus import RELAYED, Case
from tests.replay.hosts import ENTRIES
from tests.replay.readers import END_MARK, Json
from tests.replay.truth import CACHED_BESIDE, bodies
from tests.unit.providers.frames import stream as frames

PLAIN = Dialect()
THREE_QUERIES = (
    "ruby_llm/gemini/h_with_gemini_gemini-3_5-flash_grounds_the_answer_and_exposes_the_queries_it_"
    "ran.8da952.00"
)
SERVER_TOOL = (
    "rig/anthropic/anthropic-opus_4_8-messages_preserve_system_role_after_server_tool_result"
    ".f93353.00"
)
VOXTRAL = (
    "ruby_llm/mistral/chat_audio_models_mistral_voxtral-small-latest_can_understand_mp3_audio"
    ".0756cf.00"
)
# What contradicts itself in the recordings, by host and wire: audio beside the prompt that is in
# the total alone, reasoning above the completion where max_tokens cut it, another model's work that
# is counted in its own place, no tokens billed at all.
MARKED_MOST = 40


@cache
def cases() -> tuple[Case, ...]:
    """The recorded good answers that any reader of ours takes."""
    found = corpus.cases({**corpus.WIRES, **RELAYED})
    return tuple(case for case in found if case.status == 200 and _is_good(case))


def _is_good(case: Case) -> bool:
    try:
        said = list(bodies(case))
    except ValueError:
        return False
    return bool(said) and all(isinstance(one, dict) and not one.get("error") for one in said)


@cache
def dialect_of(provider: str, wire: str, model: str) -> Dialect:
    """How the catalogue has it that this host speaks."""
    entry = ENTRIES.get((provider, wire))
    if entry is None:
        return PLAIN
    host = builtin().hosts[entry]
    return host.dialect_of(host.model(model), wire)


def reads(case: Case) -> list[tuple[str, Usage]]:
    """Read a recording in every way that there is for its form."""
    wire, dialect = WIRES[case.wire], dialect_of(case.provider, case.wire, case.model)
    dialect = next(iter(dialect.variants.values())) if dialect.cases else dialect
    found = []
    if case.is_stream:
        if wire.relay is not None:
            tapped = wire.host.reader(dialect, "r", False)
            tapped.feed(case.body)
            tapped.end()
            found.append(("tapped", tapped.usage))
        if wire.neutral:
            reader = wire.host.reader(dialect, "r", False)
            reader.events(case.body)
            reader.close()
            found.append(("events", reader.usage))
        return found
    if wire.relay is not None:
        found.append(("tapped", wire.passing.tap(case.body, dialect).usage))
    if wire.neutral:
        found.append(("read", wire.host.read(case.body, dialect, "r").usage))
    return found


@cache
def all_reads() -> tuple[tuple[Case, list[tuple[str, Usage]]], ...]:
    return tuple(_each_read())


def _each_read() -> Iterator[tuple[Case, list[tuple[str, Usage]]]]:
    for case in cases():
        try:
            yield case, reads(case)
        except UpstreamError:
            continue


def last(said: list[Json], *names: str) -> Any:
    """The last thing that is said under one of these paths."""
    found = None
    for body in said:
        for name in names:
            value: Any = body
            for step in name.split("."):
                value = value.get(step) if isinstance(value, Mapping) else None
            if isinstance(value, Mapping):
                found = value
    return found


def total_of(case: Case) -> int | None:
    """What the host itself says that it comes to; None where it does not add up for us."""
    said = [body for body in bodies(case) if body != END_MARK]
    if case.wire == "gemini":
        return (last(said, "usageMetadata") or {}).get("totalTokenCount")
    if case.wire == "converse":
        return (last(said, "usage", "metadata.usage") or {}).get("totalTokens")
    if case.wire == "messages":
        # It has no total, but names every part.
        used: Json = {}
        for body in said:
            if body.get("type") == "message_stop":
                break
            for more in (body.get("usage"), (body.get("message") or {}).get("usage")):
                used.update({k: v for k, v in (more or {}).items() if v is not None})
        parts = ("input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens",
                 "output_tokens")  # fmt: skip
        return sum(used.get(part) or 0 for part in parts) if "input_tokens" in used else None
    if case.wire == "cohere":
        billed = (last(said, "usage", "delta.usage") or {}).get("billed_units") or {}
        return int(sum(billed.get(name) or 0 for name in ("input_tokens", "output_tokens")))
    ends = [at for at, body in enumerate(said) if body.get("type") == "response.completed"]
    used = last(said[: ends[0] + 1] if ends else said, "usage", "response.usage") or {}
    return used.get("total_tokens")


def test_buckets_are_disjoint_and_come_to_the_hosts_own_total() -> None:
    marked: Counter[tuple[str, str]] = Counter()
    seen: Counter[str] = Counter()
    for case, found in all_reads():
        for how, usage in found:
            assert all(0 <= getattr(usage, name) <= TOKENS_MAX for name in BUCKETS), case.id
            assert usage.searches >= 0
            if usage.state != "reported":
                continue
            if not usage.reconciled:
                marked[case.provider, case.wire] += how in ("tapped", "read")
                continue
            seen[case.wire] += 1
            total = total_of(case)
            if total is not None:
                if (case.provider, case.model.split("-")[0]) in CACHED_BESIDE:
                    total += usage.cache_read  # as told nowhere but in the recordings
                assert usage.prompt_tokens + usage.completion_tokens == total, (case.id, how)
    assert sum(seen.values()) > 5000
    assert sum(marked.values()) <= MARKED_MOST, marked


def test_every_way_of_reading_a_recording_gives_one_usage() -> None:
    for case, found in all_reads():
        assert len({usage for _, usage in found}) <= 1, (case.id, found)


def test_a_streamed_and_a_whole_copy_of_a_call_give_one_usage() -> None:
    compared: Counter[str] = Counter()
    for case, found in all_reads():
        usage = found[0][1] if found else None
        if usage is None or usage.state != "reported" or case.wire in ("embeddings", "rerank"):
            continue
        said = [body for body in bodies(case) if body != END_MARK]
        copy = (WHOLE if case.is_stream else STREAMED)[case.wire](said)
        other = Case(**{**fields(case), "body": copy, "is_stream": not case.is_stream})
        for how, again in reads(other):
            assert again == usage, (case.id, how)
        compared[case.wire] += 1
    assert min(compared[wire] for wire in ("chat", "responses", "messages", "gemini")) > 200


def fields(case: Case) -> dict[str, Any]:
    return {name: getattr(case, name) for name in Case.__slots__}


def _data(*said: Any) -> bytes:
    return b"".join(b"data: " + json.dumps(one).encode() + b"\n\n" for one in said)


def _chat_whole(said: list[Json]) -> bytes:
    body: Json = {"choices": [{"message": {"content": "x"}, "finish_reason": "stop"}]}
    for name in ("usage", "service_tier", "x_groq"):
        for one in said:
            if one.get(name) is not None:
                body[name] = one[name]
    for one in said:
        for choice in one.get("choices") or ():
            if choice.get("usage") and "usage" not in body:
                body["usage"] = choice["usage"]
    if "usage" not in body and (body.get("x_groq") or {}).get("usage"):
        body["usage"] = body["x_groq"]["usage"]
    return json.dumps(body).encode()


def _chat_stream(said: list[Json]) -> bytes:
    body = said[0]
    end = {"choices": [{"index": 0, "delta": {"content": "x"}, "finish_reason": "stop"}]}
    kept = {name: body[name] for name in ("service_tier",) if name in body}
    used = {"choices": [], "usage": body.get("usage") or body["choices"][0].get("usage")}
    return _data({**end, **kept}, {**used, **kept}) + b"data: [DONE]\n\n"


def _text_whole(said: list[Json]) -> bytes:
    body = json.loads(_chat_whole(said))
    return json.dumps({**body, "choices": [{"text": "x", "finish_reason": "stop"}]}).encode()


def _text_stream(said: list[Json]) -> bytes:
    kept = {name: said[0][name] for name in ("usage", "service_tier") if name in said[0]}
    end = {"choices": [{"index": 0, "text": "x", "finish_reason": "stop"}]}
    return _data(end, {"choices": [], **kept}) + b"data: [DONE]\n\n"


def _messages_whole(said: list[Json]) -> bytes:
    used: Json = {}
    for body in said:
        if body.get("type") == "message_stop":
            break  # some recordings have further turns behind it
        more = body.get("usage") or (body.get("message") or {}).get("usage") or {}
        before = used.get("cache_creation_input_tokens")
        used.update({name: value for name, value in more.items() if value is not None})
        if used.get("cache_creation_input_tokens") != before and "cache_creation" not in more:
            used.pop("cache_creation", None)
    return json.dumps({"content": [], "stop_reason": "end_turn", "usage": used}).encode()


def _messages_stream(said: list[Json]) -> bytes:
    used = said[0]["usage"]
    begun = {"type": "message_start", "message": {"usage": {**used, "output_tokens": 1}}}
    delta = {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": used}
    return _data(begun, delta, {"type": "message_stop"})


def _responses_whole(said: list[Json]) -> bytes:
    ends = [one["response"] for one in said if one.get("type") in (
        "response.completed", "response.incomplete")]  # fmt: skip
    items = [one["item"] for one in said if one.get("type") == "response.output_item.done"]
    return json.dumps({**ends[0], "output": ends[0].get("output") or items}).encode()


def _responses_stream(said: list[Json]) -> bytes:
    kind = "incomplete" if said[0].get("status") == "incomplete" else "completed"
    return _data({"type": f"response.{kind}", "response": said[0]})


def _gemini_whole(said: list[Json]) -> bytes:
    candidates = [one for body in said for one in body.get("candidates") or ()]
    used = last(said, "usageMetadata")
    end = {"candidates": candidates or [{"finishReason": "STOP"}], "usageMetadata": used}
    return json.dumps(end).encode()


def _gemini_stream(said: list[Json]) -> bytes:
    return _data(said[0])


def _converse_whole(said: list[Json]) -> bytes:
    end = next(one["metadata"] for one in said if "metadata" in one)
    kept = {name: end[name] for name in ("usage", "serviceTier") if name in end}
    answer = {"message": {"role": "assistant", "content": [{"text": "x"}]}}
    return json.dumps({"output": answer, "stopReason": "end_turn", **kept}).encode()


def _converse_stream(said: list[Json]) -> bytes:
    kept = {name: said[0][name] for name in ("usage", "serviceTier") if name in said[0]}
    return frames(
        ("messageStart", {"role": "assistant"}),
        ("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": "x"}}),
        ("messageStop", {"stopReason": "end_turn"}),
        ("metadata", kept),
    )


def _cohere_whole(said: list[Json]) -> bytes:
    used = last(said, "delta.usage")
    content = {"content": [{"type": "text", "text": "x"}]}
    return json.dumps({"finish_reason": "COMPLETE", "message": content, "usage": used}).encode()


def _cohere_stream(said: list[Json]) -> bytes:
    delta = {"finish_reason": "COMPLETE", "usage": said[0]["usage"]}
    return _data({"type": "message-end", "delta": delta})


WHOLE = {
    "chat": _chat_whole, "completions": _text_whole, "messages": _messages_whole,
    "responses": _responses_whole, "gemini": _gemini_whole, "converse": _converse_whole,
    "cohere": _cohere_whole,
}  # fmt: skip
STREAMED = {
    "chat": _chat_stream, "completions": _text_stream, "messages": _messages_stream,
    "responses": _responses_stream, "gemini": _gemini_stream, "converse": _converse_stream,
    "cohere": _cohere_stream,
}  # fmt: skip


@pytest.mark.parametrize(
    ("path", "bucket", "number"),
    [
        ("maruel-genai/alibaba/qwen3-vl-flash-GenSyncMultiModal-Image-jpg-Inline.2a9c2d.00",
         "image_input", 92),
        ("maruel-genai/xiaomi/mimo-v2.5-GenStream-Tools-WebSearch.0b0524.00", "searches", 5),
        ("vercel-ai/openai/responses-openai-web-search-tool.1.641d01.00", "searches", 1),
        ("req_llm/xai/xai-grok_4_fast_reasoning-x_search_streaming.873dba.00", "searches", 1),
        ("pydantic-ai/gemini/test_google-test_google_image_generation_with_web_search.1a5dc5.00",
         "searches", 1),
        ("chatlas/gemini/vcr-test_provider_google-test_google_web_search_streaming.3e05b5.00",
         "searches", 1),
        (THREE_QUERIES, "searches", 3),
        (SERVER_TOOL, "searches", 1),
        ("pydantic-ai/vertex/test_google-test_google_vertex_service_tier_flex_stream.10f9e3.00",
         "tier", "flex"),
        ("maruel-genai/openai/gpt-5.6-luna_thinking-GenStream-Citations-text-plain.02d3c9.00",
         "tier", "flex"),
        ("fantasy/groq/TestOpenAICompatibleCommon-groq-kimi-k2-multi_tool.8465a6.00", "tier", ""),
        (VOXTRAL, "audio_input", 375),
    ],
)  # fmt: skip
def test_pictures_searches_and_tiers_are_read(path: str, bucket: str, number: int | str) -> None:
    for _, usage in reads(corpus.recorded(f"{path}.json")):
        assert getattr(usage, bucket) == number
        assert usage.reconciled
