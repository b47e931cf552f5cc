"""Every recorded exchange of the Messages wire through its codecs."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from functools import cache
from typing import Any

import msgspec

from providers import assemble, ir
from providers.dialect import Dialect
from providers.wires.messages import WIRE
from providers.wires.messages.stream import StreamReader
from providers.wires.messages.writer import StreamWriter
from providers.wires.wire import Context
from tests.replay import corpus
from tests.unit.providers.clean import judge
from tests.unit.providers.messages_judge import accumulated

PLAIN = Dialect()
KINDS = ("anthropic_messages", "vertex_anthropic")
CONTEXT = Context("req_1", "asked", {"thinking": {"type": "adaptive"}}, 0, 10)
# Two answers in one body (a fixture made by hand): the first end mark ends the answer.
TWO_ANSWERS = ("tool-search-bm25", "tool-search-regex")


@cache
def exchanges() -> tuple[tuple[str, dict[str, Any]], ...]:
    """Return path and content of every recording of this wire."""
    rows = [row for row in corpus.index() if row["kind"] in KINDS]
    read = [
        (str(row["path"]), (corpus.CORPUS / str(row["path"])).read_text("utf-8")) for row in rows
    ]
    return tuple((path, json.loads(text)) for path, text in read)


def streams() -> Iterator[tuple[str, bytes]]:
    """Yield the recorded streams."""
    for path, kept in exchanges():
        if "sse_text" in kept:
            yield path, kept["sse_text"].encode()


def answers() -> Iterator[tuple[str, bytes]]:
    """Yield the recorded whole answers that are good."""
    for path, kept in exchanges():
        if kept["status"] == 200 and isinstance(kept.get("response_body"), dict):
            yield path, json.dumps(kept["response_body"]).encode()


def requests() -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the bodies that clients sent to a host that took them, and those of real agents."""
    for path, kept in exchanges():
        if isinstance(kept.get("request"), dict) and kept["status"] == 200:
            # At some hosts the model stands in the address.
            yield path, {"model": "m", **kept["request"]}
    for file in sorted((corpus.CORPUS / "extra" / "client_requests").glob("*.jsonl")):
        for line in file.read_text("utf-8").splitlines():
            sent = json.loads(line)
            if sent["path"].startswith("/v1/messages") and isinstance(sent["body"], dict):
                yield f"{file.name}:{sent['case']}", sent["body"]


def events_of(raw: bytes, size: int = 0) -> tuple[list[ir.Event], StreamReader]:
    """Read a stream as events, in pieces of ``size`` bytes."""
    reader = StreamReader(PLAIN, "route", False)
    out: list[ir.Event] = []
    for at in range(0, len(raw), size or len(raw)):
        out += reader.events(raw[at : at + (size or len(raw))])
    return out + reader.close(), reader


def test_there_are_many() -> None:
    assert len(exchanges()) > 300
    assert sum(1 for _ in streams()) > 100
    assert sum(1 for _ in requests()) > 250


def test_streams_pass_byte_for_byte() -> None:
    for path, raw in streams():
        for size in (len(raw), 700):
            reader = StreamReader(PLAIN, "route", False)
            out = b"".join(reader.feed(raw[at : at + size]) for at in range(0, len(raw), size))
            out += reader.end()
            assert reader.fault is None, (path, reader.fault)
            assert reader.usage.state == "reported", path
            if any(name in path for name in TWO_ANSWERS):
                assert raw.startswith(out), path
            else:
                assert out == raw, path


def test_events_and_tap_agree() -> None:
    for path, raw in streams():
        events, reader = events_of(raw)
        tapped = StreamReader(PLAIN, "route", False)
        tapped.feed(raw)
        tapped.end()
        assert reader.fault is None, (path, reader.fault)
        assert reader.usage == tapped.usage, path
        assert (reader.finish, reader.states, reader.calls) == (
            tapped.finish, tapped.states, tapped.calls,
        ), path  # fmt: skip
        counted = [event.usage for event in events if isinstance(event, ir.Counted)]
        assert counted == [tapped.usage], path
        judge(events, whole=True)


def test_hostile_cuts_change_nothing() -> None:
    for path, raw in list(streams())[::6]:
        if len(raw) < 20_000:
            assert events_of(raw, 1)[0] == events_of(raw)[0], path


def test_whole_answers_are_read_as_they_are_tapped() -> None:
    for path, raw in answers():
        assert WIRE.relay is not None
        tap, answer = WIRE.relay.tap(raw, PLAIN), WIRE.host.read(raw, PLAIN, "route")
        assert tap.usage == answer.usage, path
        assert tap.usage.state == "reported", path
        assert tap.finish == answer.native_finish, path
        calls = [part for part in answer.choices[0].parts if isinstance(part, ir.ToolCall)]
        assert tuple(call.id for call in calls) == tap.calls, path
        body = json.loads(raw)
        used = body["usage"]
        assert answer.usage.completion_tokens == used["output_tokens"], path


def test_streams_written_again_are_the_same_blocks() -> None:
    for path, raw in streams():
        if any(name in path for name in TWO_ANSWERS):
            continue
        writer = StreamWriter(CONTEXT)
        events, _ = events_of(raw)
        again = b"".join(writer.write(event) for event in events) + writer.end()
        first, second = accumulated(raw, warnings=False), accumulated(again, warnings=False)
        if first["stop_reason"] != "refusal" or first["content"]:
            # A refusal without a word gets its explanation as text.
            assert blocks(second) == blocks(first), path
        assert second["stop_reason"] == first["stop_reason"], path
        assert second["stop_sequence"] == first["stop_sequence"], path
        for name in ("input_tokens", "output_tokens"):
            assert second["usage"][name] == first["usage"][name], path


def test_whole_answers_written_again_are_the_same_blocks() -> None:
    assert WIRE.client is not None
    for path, raw in answers():
        answer = WIRE.host.read(raw, PLAIN, "route")
        again = json.loads(WIRE.client.write(answer, CONTEXT))
        first = json.loads(raw)
        assert blocks(again) == blocks(first), path
        assert again["stop_reason"] == first["stop_reason"], path
        # The stream of the same answer adds up to the same.
        writer = StreamWriter(CONTEXT)
        out = b"".join(writer.write(event) for event in assemble.events_of(answer))
        assert blocks(accumulated(out + writer.end(), warnings=False)) == blocks(again), path


def blocks(message: dict[str, Any]) -> list[Any]:
    """Return the content without what no part holds."""
    out = []
    for block in message["content"]:
        kept = {name: value for name, value in block.items() if value is not None}
        if kept["type"] == "text" and not kept["text"]:
            continue
        for name in ("citations", "caller", "parsed_output"):
            kept.pop(name, None)
        if kept["type"] == "mcp_tool_use":
            # The judge's stable types do not add up this block's input.
            kept.pop("input", None)
        out.append(kept)
    return out


def test_requests_are_read_and_written_again() -> None:
    differ: Counter[str] = Counter()
    for path, body in requests():
        assert WIRE.client is not None
        WIRE.client.peek(body, 1, "")
        request = WIRE.client.read(body)
        dialect = Dialect(mid_system=True)
        written = WIRE.host.write(request, str(body["model"]), dialect)
        first, second = normal(body), normal(written.body)
        for name in first.keys() | second.keys():
            if first.get(name) != second.get(name):
                differ[name] += 1
                if name not in MAY_DIFFER:
                    assert second.get(name) == first.get(name), (path, name)
        # What has been written once is read and written the same again.
        again = WIRE.host.write(WIRE.client.read(written.body), str(body["model"]), dialect)
        assert again.body == written.body, path
    assert set(differ) <= set(MAY_DIFFER), differ


# What may stand otherwise in the body that is written, and why.
MAY_DIFFER = {
    "messages": "neighbours of one role are one turn, a search result is text, a mark moves here",
    "temperature": "none beside thoughts",
    "top_p": "none beside a temperature",
    "thinking": "a budget ends below max_tokens; none amid a loop of calls that began without",
    "tools": "loading and streaming of tools have no place in the neutral form",
    "max_tokens": "the wire demands one; a request to count tokens has none",
    "output_config": "schemas are lowered; the form's older name is written as the new one",
    "output_format": "the older name",
    "cache_control": "on the last block instead",
}


def normal(body: dict[str, Any]) -> dict[str, Any]:
    """Return a body with strings as blocks and without what says nothing."""
    out = {name: value for name, value in body.items() if value not in (None, False, [])}
    choice = out.get("tool_choice")
    if isinstance(choice, dict):
        out["tool_choice"] = {name: value for name, value in choice.items() if value is not False}
    if "tools" in out:
        out["tools"] = [{k: v for k, v in tool.items() if v != ""} for tool in out["tools"]]
    out["messages"] = [
        {"role": turn["role"], "content": blocks_of(turn["content"])} for turn in body["messages"]
    ]
    if "system" in body:
        out["system"] = blocks_of(body["system"])
    return out


def blocks_of(content: Any) -> list[Any]:
    """Return content as blocks, also within tool results."""
    if isinstance(content, str):
        return [{"type": "text", "text": content}] if content.strip() else []
    out = []
    for block in content:
        kept = {
            name: value for name, value in block.items() if value is not None and value is not False
        }
        if kept.get("caller") == {"type": "direct"}:
            del kept["caller"]
        if kept.get("cache_control", {}).get("ttl") == "5m":
            kept["cache_control"] = {"type": "ephemeral"}
        if kept["type"] == "tool_result" and "content" in kept:
            kept["content"] = blocks_of(kept["content"])
        if kept["type"] != "text" or kept["text"].strip():
            out.append(kept)
    return out


def test_recorded_errors() -> None:
    kinds = Counter()
    for path, kept in exchanges():
        if kept["status"] == 200:
            continue
        raw = msgspec.json.encode(kept["response_body"])
        fault = WIRE.host.read_error(kept["status"], kept["response_headers"], raw, PLAIN)
        assert fault.body == raw, path
        kinds[fault.kind.value] += 1
    assert set(kinds) == {"auth", "not_found", "bad_request", "context_too_long"}
