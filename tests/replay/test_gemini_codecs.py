"""Every recorded exchange of the Gemini wire through its codecs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import pytest

from providers import ir
from providers.assemble import Collector, events_of
from providers.dialect import Dialect
from providers.errors import ErrorKind, UpstreamError
from providers.framing import EventSplitter, event_data
from providers.wires.gemini import WIRE
from providers.wires.wire import BadRequestError, Context
from tests.replay.corpus import CORPUS, index

assert WIRE.client is not None
assert WIRE.relay is not None
CLIENT, RELAY, HOST = WIRE.client, WIRE.relay, WIRE.host
LEVEL = Dialect(thinking="level")
# The model called a tool that it was not given: a fault of the answer, not of its reader.
SPOILED = {"UNEXPECTED_TOOL_CALL"}
# Its recorders cut the figures of its prompt out.
FILE_URI = "test_instrumentation-test_generate_content_with_file_uri_image-True.0bf7c7.00.json"
NO_PROMPT = {f"openinference/gemini/{FILE_URI}"}
# Recorded to see the host refuse it.
NO_REQUEST = {"otel-contrib/vertex/tests-test_generate_content_invalid_role.348139.00.json"}
LOST = {"parts.videoMetadata", "tools.response"}


@dataclass(frozen=True, slots=True)
class Exchange:
    """One recorded exchange; ``streamed``: events or an array came back."""

    path: str
    model: str
    request: dict[str, Any] | None
    status: int
    raw: bytes
    streamed: bool


@cache
def exchanges() -> tuple[Exchange, ...]:
    rows = [row for row in index() if row["kind"] == "gemini_generate"]
    return tuple(_read(str(row["path"])) for row in rows)


def _read(path: str) -> Exchange:
    kept = json.loads((CORPUS / path).read_text(encoding="utf-8"))
    body = kept.get("response_body")
    raw = kept["sse_text"] if "sse_text" in kept else json.dumps(body, ensure_ascii=False)
    request = kept.get("request")
    has_contents = isinstance(request, dict) and "contents" in request
    return Exchange(
        path=path,
        model=kept.get("model") or "m",
        request=request if has_contents else None,
        status=kept["status"],
        raw=raw.encode(),
        streamed="sse_text" in kept or (isinstance(body, list) and kept["status"] == 200),
    )


def answered(*, streamed: bool) -> Iterator[Exchange]:
    for found in exchanges():
        if found.status == 200 and found.streamed == streamed:
            yield found


def context(body: dict[str, Any]) -> Context:
    return Context("our-id", "our-model", body, 0, 1)


def test_there_are_recordings() -> None:
    assert len(exchanges()) > 400


def test_requests_are_read_and_written() -> None:
    bad = set()
    lost: set[str] = set()
    for found in exchanges():
        if found.request is None:
            continue
        try:
            CLIENT.peek(found.request, 1, f"models/{found.model}:generateContent")
            request = CLIENT.read(found.request)
        except BadRequestError:
            bad.add(found.path)
            continue
        made = HOST.write(request, found.model, LEVEL)
        lost |= set(made.lost)
        # Read again it is the same, but for what the reader has made of one thing only.
        again = CLIENT.read(made.body)
        assert _words(again) == _words(request), found.path
        assert {tool.name for tool in again.tools} == {tool.name for tool in request.tools}
        assert (again.max_output, again.stop, again.temperature) == (
            request.max_output, request.stop, request.temperature,
        )  # fmt: skip
    assert bad == NO_REQUEST
    assert lost == LOST


def _words(request: ir.Request) -> list[Any]:
    out: list[Any] = []
    for message in request.messages:
        for part in message.parts:
            if isinstance(part, ir.Text):
                out.append((message.role, part.text, part.opaque))
            elif isinstance(part, ir.ToolCall):
                out.append((part.id, part.name, part.arguments))
            elif isinstance(part, ir.ToolResult):
                out.append((part.call_id, part.name, part.is_error))
    return out if out[:1] != [("user", " ", ())] else out[1:]


def test_whole_answers() -> None:
    spoiled = set()
    for found in answered(streamed=False):
        tap = RELAY.tap(found.raw, LEVEL)
        try:
            answer = HOST.read(found.raw, LEVEL, "route")
        except UpstreamError as fault:
            spoiled.add(fault.code)
            continue
        assert tap.usage == answer.usage
        assert answer.usage.reconciled, found.path
        assert tap.finish == answer.native_finish
        # Written for a client and read again, it is the same answer.
        raw = CLIENT.write(answer, context({}))
        again = HOST.read(raw, LEVEL, "route")
        assert _said(again.choices) == _said(answer.choices), found.path
        assert again.usage.prompt_tokens == answer.usage.prompt_tokens
        assert again.usage.completion_tokens == answer.usage.completion_tokens
    assert spoiled == SPOILED


def _said(choices: tuple[ir.Choice, ...]) -> list[Any]:
    out: list[Any] = []
    for choice in choices:
        text = "".join(part.text for part in choice.parts if isinstance(part, ir.Text))
        calls = [
            (part.id, part.name, part.arguments, part.opaque)
            for part in choice.parts
            if isinstance(part, ir.ToolCall)
        ]
        out.append((text, calls, choice.finish))
    return out


@pytest.mark.parametrize("size", [1000, 13])
def test_streams_pass_byte_for_byte(size: int) -> None:
    for found in answered(streamed=True):
        reader, out = HOST.reader(LEVEL, "route", False), bytearray()
        data = found.raw if size > 100 else found.raw[:20_000]
        for at in range(0, len(data), size):
            out += reader.feed(data[at : at + size])
        if data is found.raw:
            out += reader.end()
            assert (reader.fault, bytes(out)) == (None, data), found.path
            assert reader.content
            assert reader.finish
            assert (reader.usage.state == "reported") == (found.path not in NO_PROMPT), found.path
        assert found.raw.startswith(bytes(out))


def test_streams_are_the_same_answer_as_their_chunks() -> None:
    for found in answered(streamed=True):
        reader = HOST.reader(LEVEL, "route", False)
        events = reader.events(found.raw) + reader.close()
        assert reader.fault is None, found.path
        _check_clean(events)
        collector = Collector()
        for event in events:
            collector.add(event)
        parts = list(_parts(found.raw))
        text = "".join(p["text"] for p in parts if "text" in p and not p.get("thought"))
        names = [p["functionCall"]["name"] for p in parts if p.get("functionCall", {}).get("name")]
        choices = collector.choices()
        if len(choices) == 1:
            assert _said(choices)[0][0] == text, found.path
            assert [call[1] for call in _said(choices)[0][1]] == names, found.path
        # In other pieces it is the same.
        other, cut = HOST.reader(LEVEL, "route", False), []
        for at in range(0, len(found.raw), 333):
            cut += other.events(found.raw[at : at + 333])
        assert cut + other.close() == events
        # Our own stream of it reads the same, and so does the whole answer.
        writer = CLIENT.writer(context({"$alt": "sse"}))
        ours = b"".join(map(writer.write, events)) + writer.end()
        again = HOST.reader(LEVEL, "route", False)
        second = Collector()
        for event in again.events(ours) + again.close():
            second.add(event)
        assert again.fault is None
        assert _said(second.choices()) == _said(choices), found.path


def _parts(raw: bytes) -> Iterator[dict[str, Any]]:
    if raw.lstrip()[:1] == b"[":
        chunks = json.loads(raw)
    else:
        splitter = EventSplitter()
        events = [*splitter.feed(raw), splitter.rest()]
        chunks = [json.loads(data) for event in events if (data := event_data(event))]
    for item in chunks:
        for candidate in item.get("candidates", []):
            yield from (candidate.get("content") or {}).get("parts", [])


def _check_clean(events: list[ir.Event]) -> None:
    assert isinstance(events[0], ir.Started)
    assert sum(isinstance(event, ir.Started) for event in events) == 1
    ids = [event.id for event in events if isinstance(event, ir.ToolStart)]
    assert all(ids)
    assert len(set(ids)) == len(ids)
    for event in events:
        if isinstance(event, ir.ToolEnd):
            assert isinstance(json.loads(event.arguments), dict)
    ends = [place for place, event in enumerate(events) if isinstance(event, ir.Finished)]
    assert ends
    assert all(isinstance(event, ir.Finished | ir.Counted) for event in events[ends[0] :])


def test_errors() -> None:
    kinds = {ErrorKind.BAD_REQUEST, ErrorKind.NOT_FOUND, ErrorKind.AUTH, ErrorKind.RATE_LIMITED}
    seen = {
        HOST.read_error(found.status, {}, found.raw, LEVEL).kind
        for found in exchanges()
        if found.status != 200
    }
    assert seen == kinds


def test_requests_of_the_command_line_client() -> None:
    path = CORPUS / "extra/client_requests/gemini-cli.jsonl"
    if not path.is_file():
        pytest.skip("the recorded client requests do not lie beside the repository")
    for line in path.read_text(encoding="utf-8").splitlines():
        kept = json.loads(line)
        rest = kept["path"].partition("/v1beta/")[2].partition("?")[0]
        peek = CLIENT.peek(kept["body"], len(line), rest)
        assert peek.stream
        request = CLIENT.read(kept["body"])
        assert request.tools
        for dialect in (LEVEL, Dialect(thinking="budget", call_ids=False)):
            assert HOST.write(request, peek.model, dialect).lost == ()


def test_whole_answers_as_a_stream() -> None:
    for found in answered(streamed=False):
        try:
            answer = HOST.read(found.raw, LEVEL, "route")
        except UpstreamError:
            continue
        writer = CLIENT.writer(context({"$alt": ""}))
        made = b"".join(map(writer.write, events_of(answer))) + writer.end()
        reader, collector = HOST.reader(LEVEL, "route", False), Collector()
        for event in reader.events(made) + reader.close():
            collector.add(event)
        assert reader.fault is None
        assert _said(collector.choices()) == _said(answer.choices), found.path
