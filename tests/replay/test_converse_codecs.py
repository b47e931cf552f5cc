"""Every recorded Converse exchange through the wire's readers, whole and at hostile cuts."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest

from providers import ir
from providers.dialect import Dialect
from providers.errors import ErrorKind
from providers.eventstream import Frame, FrameDecoder
from providers.wires.converse import WIRE
from providers.wires.wire import Reader
from tests.replay.corpus import CORPUS, index
from tests.unit.providers import clean
from tests.unit.providers.frames import stream

PLAIN = Dialect()
KIND = "bedrock_converse"
INVOKE = "bedrock_invoke"


@cache
def exchanges(kind: str) -> tuple[dict[str, Any], ...]:
    """Return the recordings of a kind. Skips where the corpus is absent."""
    rows = [row for row in index() if row["kind"] == kind]
    return tuple(
        {**json.loads((CORPUS / row["path"]).read_text(encoding="utf-8")), "path": row["path"]}
        for row in rows
    )


def streams() -> Iterator[tuple[str, bytes, list[tuple[str, Any]]]]:
    """Yield path, bytes and decoded events of each recorded stream."""
    for kept in exchanges(KIND):
        if "eventstream_b64" in kept:
            told = [(one["headers"][":event-type"], one["payload"]) for one in kept["events"]]
            yield kept["path"], base64.b64decode(kept["eventstream_b64"]), told
        elif "events_only" in kept:
            told = [next(iter(one.items())) for one in kept["events_only"]]
            yield kept["path"], stream(*told), told


def make() -> Reader:
    return WIRE.host.reader(PLAIN, "r", False)


def said(told: list[tuple[str, Any]], *path: str) -> str:
    """Return the text that the deltas of a recording add up to, at a path of their members."""
    found = []
    for name, payload in told:
        if name == "contentBlockDelta":
            value = payload["delta"]
            for step in path:
                value = value.get(step, {}) if isinstance(value, dict) else {}
            found.append(value if isinstance(value, str) else "")
    return "".join(found)


def test_streams_are_read_whole() -> None:
    seen = 0
    for path, raw, told in streams():
        found, reader = clean.read(make, raw)
        assert reader.fault is None, path
        clean.judge(found, whole=True)
        of_text = [one.text for one in found if isinstance(one, ir.TextDelta)]
        assert "".join(of_text) == said(told, "text"), path
        of_thought = [one.text for one in found if isinstance(one, ir.ReasoningDelta)]
        assert "".join(of_thought) == said(told, "reasoningContent", "text"), path
        assert "".join(reader.states) == said(told, "reasoningContent", "signature"), path
        started = [p["start"] for n, p in told if n == "contentBlockStart" and p["start"]]
        assert reader.calls == [one["toolUse"]["toolUseId"] for one in started], path
        assert reader.finish == next(p["stopReason"] for n, p in told if n == "messageStop"), path
        usage = next((p["usage"] for n, p in told if n == "metadata"), None)
        if usage is not None:
            assert reader.done, path
            assert reader.usage.reconciled, path
            total = reader.usage.prompt_tokens + reader.usage.completion_tokens
            assert total == usage["totalTokens"], path
        seen += 1
    assert seen


def test_no_cut_changes_a_stream() -> None:
    for path, raw, _ in streams():
        whole, _ = clean.read(make, raw)
        assert clean.read(make, raw, range(1, len(raw)))[0] == whole, path
        assert clean.read(make, raw, range(0, len(raw), 997))[0] == whole, path


def test_a_stream_cut_short_is_never_taken_for_whole() -> None:
    for path, raw, told in streams():
        if told[-1][0] != "metadata":
            continue
        for end in range(0, len(raw), max(1, len(raw) // 40)):
            found, reader = clean.read(make, raw[:end])
            assert (reader.fault is None) == any(isinstance(one, ir.Finished) for one in found), (
                path
            )
            assert reader.fault is None or reader.fault.kind is ErrorKind.CUT, path


def test_whole_answers_are_read() -> None:
    seen = 0
    for kept in exchanges(KIND):
        if kept["status"] != 200 or "response_body" not in kept:
            continue
        body, path = kept["response_body"], kept["path"]
        found = WIRE.host.read(json.dumps(body).encode(), PLAIN, "r")
        content = body["output"]["message"]["content"]
        texts = [block["text"] for block in content if "text" in block]
        cited = [
            piece["text"]
            for block in content
            for piece in block.get("citationsContent", {}).get("content", ())
        ]
        parts = found.choices[0].parts
        assert sorted(ir.text_of(parts)) == sorted("".join(texts + cited)), path
        calls = [part for part in parts if isinstance(part, ir.ToolCall)]
        used = [block["toolUse"] for block in content if "toolUse" in block]
        used = [one for one in used if one.get("type") != "server_tool_use"]
        assert [(one.id, one.name) for one in calls] == [(u["toolUseId"], u["name"]) for u in used]
        assert [json.loads(one.arguments) for one in calls] == [one["input"] for one in used], path
        assert found.native_finish == body["stopReason"], path
        if "inputTokens" in body["usage"]:
            total = found.usage.prompt_tokens + found.usage.completion_tokens
            assert total == body["usage"]["totalTokens"], path
            assert found.usage.reconciled, path
        seen += 1
    assert seen


def test_errors_have_a_kind_and_their_words() -> None:
    kinds = set()
    for kept in exchanges(KIND):
        if kept["status"] < 400:
            continue
        headers = {name.lower(): value for name, value in kept["response_headers"].items()}
        raw = json.dumps(kept["response_body"]).encode()
        fault = WIRE.host.read_error(kept["status"], headers, raw, PLAIN)
        assert fault.message == kept["response_body"]["message"], kept["path"]
        assert fault.kind not in (ErrorKind.SERVER, ErrorKind.MALFORMED), kept["path"]
        assert fault.request_id == headers.get("x-amzn-requestid")
        kinds.add(fault.kind)
    assert {ErrorKind.AUTH, ErrorKind.CONTEXT_TOO_LONG, ErrorKind.NOT_FOUND} <= kinds


def test_the_vendors_own_parser_reads_the_same_frames() -> None:
    vendor: Any = pytest.importorskip("botocore.eventstream", reason="botocore is not installed")
    seen = 0
    for kept in (*exchanges(KIND), *exchanges(INVOKE)):
        if "eventstream_b64" not in kept:
            continue
        raw = base64.b64decode(kept["eventstream_b64"])
        buffer = vendor.EventStreamBuffer()
        buffer.add_data(raw)
        decoder = FrameDecoder()
        ours: list[Frame] = decoder.feed(raw)
        assert decoder.fault is None
        assert not decoder.pending
        theirs = [(dict(one.headers), one.payload) for one in buffer]
        assert theirs == [(dict(one.headers), one.payload) for one in ours], kept["path"]
        seen += 1
    assert seen
