"""Every recorded exchange of the Cohere v2 wire through its readers, whole and at hostile cuts."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from typing import Any

from providers import ir
from providers.dialect import Dialect
from providers.errors import ErrorKind
from providers.wires.cohere import WIRE
from providers.wires.wire import Reader
from tests.replay.corpus import CORPUS, index
from tests.unit.providers import clean

PLAIN = Dialect()
PATH = "/v2/chat"


@cache
def exchanges() -> tuple[dict[str, Any], ...]:
    """Return the recordings. Skips where the corpus is absent; the older API is another wire."""
    rows = [row for row in index() if row["kind"] == "cohere_chat"]
    kept = [
        {**json.loads((CORPUS / row["path"]).read_text(encoding="utf-8")), "path": row["path"]}
        for row in rows
    ]
    return tuple(one for one in kept if one["endpoint"] in (PATH, None, ""))


def streams() -> Iterator[tuple[str, bytes, list[dict[str, Any]]]]:
    """Yield path, bytes and decoded events of each recorded stream."""
    for kept in exchanges():
        if "sse_text" in kept:
            lines = [
                line[6:] for line in kept["sse_text"].splitlines() if line.startswith("data: {")
            ]
            yield kept["path"], kept["sse_text"].encode(), [json.loads(line) for line in lines]


def make() -> Reader:
    return WIRE.host.reader(PLAIN, "r", False)


def said(told: list[dict[str, Any]], kind: str, *path: str) -> str:
    """Return the text that the events of a kind add up to."""
    found = []
    for event in told:
        value: Any = event.get("delta", {}).get("message", {}) if kind in event["type"] else {}
        for step in path:
            value = value.get(step, {}) if isinstance(value, dict) else {}
        found.append(value if isinstance(value, str) else "")
    return "".join(found)


def test_streams_are_read_whole() -> None:
    seen = 0
    for path, raw, told in streams():
        found, reader = clean.read(make, raw)
        end = next(one["delta"] for one in told if one["type"] == "message-end")
        assert reader.finish == end["finish_reason"], path
        assert (reader.fault is not None) == (end["finish_reason"] == "ERROR"), path
        clean.judge(found, whole=reader.fault is None)
        of_text = [one.text for one in found if isinstance(one, ir.TextDelta)]
        assert "".join(of_text) == said(told, "content-", "content", "text"), path
        of_thought = [one.text for one in found if isinstance(one, ir.ReasoningDelta)]
        thoughts = said(told, "content-", "content", "thinking") + said(told, "plan", "tool_plan")
        assert "".join(of_thought) == thoughts, path
        arguments = [one.arguments for one in found if isinstance(one, ir.ToolEnd)]
        written = said(told, "tool-call-", "tool_calls", "function", "arguments")
        assert "".join(arguments) == (written or "{}" * len(arguments)), path
        if reader.fault is None:
            billed = end["usage"]["billed_units"]
            assert reader.usage.prompt_tokens == billed["input_tokens"], path
            assert reader.usage.completion_tokens == billed["output_tokens"], path
        cited = [one for one in told if one["type"] == "citation-start"]
        ends = [one for one in found if isinstance(one, ir.TextEnd) and one.citations]
        assert bool(cited) == bool(ends), path
        seen += 1
    assert seen


def test_no_cut_changes_a_stream() -> None:
    for path, raw, _ in streams():
        whole, _ = clean.read(make, raw)
        assert clean.read(make, raw, range(1, len(raw)))[0] == whole, path
        assert clean.read(make, raw, range(0, len(raw), 997))[0] == whole, path


def test_a_stream_cut_short_is_never_taken_for_whole() -> None:
    for path, raw, told in streams():
        if told[-1]["delta"]["finish_reason"] == "ERROR":
            continue
        for end in range(0, len(raw), max(1, len(raw) // 40)):
            found, reader = clean.read(make, raw[:end])
            assert (reader.fault is None) == any(isinstance(one, ir.Finished) for one in found), (
                path
            )
            assert reader.fault is None or reader.fault.kind is ErrorKind.CUT, path


def test_whole_answers_are_read() -> None:
    seen = 0
    for kept in exchanges():
        if kept["status"] != 200 or "response_body" not in kept:
            continue
        body, path = kept["response_body"], kept["path"]
        found = WIRE.host.read(json.dumps(body).encode(), PLAIN, "r")
        message = body["message"]
        content = message.get("content") or []
        parts = found.choices[0].parts
        assert ir.text_of(parts) == "".join(block.get("text", "") for block in content), path
        calls = [part for part in parts if isinstance(part, ir.ToolCall)]
        used = message.get("tool_calls") or []
        assert [(one.id, one.name) for one in calls] == [
            (one["id"], one["function"]["name"]) for one in used
        ], path
        assert [one.arguments for one in calls] == [
            one["function"]["arguments"] or "{}" for one in used
        ], path
        sources = sum(len(one["sources"]) for one in message.get("citations") or ())
        cited = sum(len(part.citations) for part in parts if isinstance(part, ir.Text))
        assert cited == sources, path
        assert found.usage.prompt_tokens == body["usage"]["billed_units"]["input_tokens"], path
        assert found.usage.completion_tokens == body["usage"]["billed_units"]["output_tokens"], path
        assert found.usage.reconciled, path
        seen += 1
    assert seen


def test_errors_have_a_kind_and_their_words() -> None:
    kinds = set()
    for kept in exchanges():
        if kept["status"] < 400:
            continue
        raw = json.dumps(kept["response_body"]).encode()
        fault = WIRE.host.read_error(kept["status"], {}, raw, PLAIN)
        assert fault.message == kept["response_body"]["message"], kept["path"]
        assert fault.request_id == kept["response_body"]["id"]
        kinds.add(fault.kind)
    assert kinds == {ErrorKind.AUTH, ErrorKind.BAD_REQUEST, ErrorKind.NOT_FOUND, ErrorKind.SERVER}
