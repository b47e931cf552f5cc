"""Real hosts' recorded answers through the running gateway: byte for byte, and counted right."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from providers.usage import BUCKETS
from tests.fakes.upstream import Upstream
from tests.replay import corpus
from tests.replay.corpus import Case
from tests.running import HELLO, Running, config, running

# Where the catalogue has the host that was recorded, its own dialect reads the answer.
CATALOG = {
    "openai": "openai",
    "deepseek": "deepseek",
    "mistral": "mistral",
    "openrouter": "openrouter",
    "llamacpp": "llama-cpp",
    "ollama": "ollama",
    "vllm": "vllm",
}
# xAI and Perplexity count reasoning and searches beside the answer: they have no dialect here yet.
OUGHT_TO_RECONCILE = set(CATALOG)


def serve(folder: Path, upstream: Upstream) -> Any:
    """Run a gateway with one provider a catalogue entry, all of them at the fake."""
    providers = {
        name: {
            "catalog": name,
            "base_url": upstream.base_url,
            "api_key": "x",
            "facts": {"operator": ["FR"], "processed_in": ["FR"]},
            "prices": {"*": {"input": "1", "output": "1", "cached_read": "1", "cached_write": "1",
                             "audio_input": "1", "audio_output": "1", "image_output": "1",
                             "source": "test", "date": "2026-11-25"}},
        }
        for name in CATALOG.values()
    }  # fmt: skip
    return running(config(folder, providers=providers, server={"timeouts": {"first_byte_s": 5}}))


def replay(gateway: Running, upstream: Upstream, case: Case, piece_bytes: int = 1000) -> Any:
    """Play one recording to a well host; return what the client got."""
    gateway.recover()
    upstream.on("/v1/chat/completions", case.behaviour(piece_bytes))
    route = f"{CATALOG.get(case.provider, 'openai')}/{case.provider}"
    options = {"stream": True, "stream_options": {"include_usage": True}} if case.is_stream else {}
    body = {"model": route, "messages": HELLO, **options}
    return gateway.client.post("/v1/chat/completions", json=body)


def good(case: Case) -> bool:
    """Whether a recording is a whole, good answer, by its own bytes."""
    if case.status != 200:
        return False
    if not case.is_stream:
        answer = json.loads(case.body)
        if not isinstance(answer, dict) or not answer.get("choices") or answer.get("error"):
            return False
        return not any(choice.get("error") for choice in answer["choices"])
    return b'"error":{' not in case.body and b'"error": {' not in case.body and (
        b"[DONE]" in case.body or b'"finish_reason":"' in case.body
    )  # fmt: skip


BESIDE = ("mistral",)


def totals(case: Case) -> tuple[int, int] | None:
    """The last usage that a recording states: prompt and completion tokens."""
    if not case.is_stream:
        bodies = [json.loads(case.body)]
    else:
        lines = case.body.decode("utf-8", "replace").splitlines()
        data = [line[5:].strip() for line in lines if line.startswith("data:")]
        bodies = [json.loads(text) for text in data if text.startswith("{")]
    said = [body["usage"] for body in bodies if isinstance(body.get("usage"), dict)]
    if not said or said[-1].get("completion_tokens") is None:
        return None
    usage = said[-1]
    # Here what was heard is counted beside the prompt.
    details = usage.get("prompt_tokens_details") or {}
    heard = details.get("audio_tokens") or 0 if case.provider in BESIDE else 0
    return int(usage["prompt_tokens"]) + int(heard), int(usage["completion_tokens"])


def test_recorded_answers_pass_byte_for_byte_and_are_counted(
    tmp_path: Path, upstream: Upstream
) -> None:
    cases = [case for case in corpus.chat_cases() if good(case)]
    counted: Counter[str] = Counter()
    odd: list[str] = []
    with serve(tmp_path, upstream) as gateway:
        ids = {}
        changed: set[str] = set()
        for case in cases:
            answer = replay(gateway, upstream, case)
            assert answer.status_code == 200, (case.id, answer.text)
            if answer.content != case.body:
                changed.add(answer.headers["x-entrepot-request-id"])
            ids[answer.headers["x-entrepot-request-id"]] = case
        for entry in gateway.entries(len(cases)):
            case = ids[entry["request_id"]]
            assert entry["outcome"] == "completed", case.id
            # Only where the dialect says that a host's tool calls are malformed, and the entry too.
            assert (entry["request_id"] in changed) == ("repaired" in entry["notes"]), case.id
            counted[entry["usage_state"]] += 1
            expected = totals(case)
            if expected is None:
                assert entry["usage_state"] in ("estimated", "missing"), case.id
                continue
            got = (
                sum(entry[bucket] for bucket in BUCKETS[: BUCKETS.index("output")]),
                sum(entry[bucket] for bucket in BUCKETS[BUCKETS.index("output") :]),
            )
            assert got == expected, case.id
            if not entry["reconciled"] and case.provider in OUGHT_TO_RECONCILE:
                odd.append(case.id)
    assert len(changed) < 10
    assert counted["reported"] > 0.9 * len(cases)
    # Recordings whose own figures contradict each other: audio counted in the total alone, and
    # reasoning above the completion where max_tokens cut it. They are marked, not priced.
    assert len(odd) <= 12, odd


@pytest.mark.parametrize("piece_bytes", [1, 3])
def test_hostile_cuts_change_nothing(tmp_path: Path, upstream: Upstream, piece_bytes: int) -> None:
    some = [c for c in corpus.chat_cases(stream=True, limit=60) if good(c) and len(c.body) < 6000]
    with serve(tmp_path, upstream) as gateway:
        for case in some:
            answer = replay(gateway, upstream, case, piece_bytes)
            assert answer.content == case.body, case.id


def test_recorded_errors_keep_their_words_and_never_look_like_ours(
    tmp_path: Path, upstream: Upstream
) -> None:
    with serve(tmp_path, upstream) as gateway:
        for case in corpus.chat_cases():
            if case.status < 400:
                continue
            answer = replay(gateway, upstream, case)
            assert 400 <= answer.status_code < 600, case.id
            error = answer.json()["error"]
            assert error, case.id
            assert "internal_error" not in answer.text, case.id
            if b"SAFETY_CHECK" in case.body:
                # The host's filter: the request's own fault, in the host's words and status.
                assert answer.status_code == case.status, case.id
            elif case.status in (429, 401, 402, 403):
                assert answer.status_code in (429, 502), (case.id, answer.text)
