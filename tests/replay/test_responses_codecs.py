"""Every recorded Responses exchange and every request of a real client through the codecs."""

from __future__ import annotations

import json
import random
import re
from functools import cache
from typing import Any

import httpx2
import openai
import pytest
from msgspec.structs import replace
from openai.types.responses import ResponseStreamEvent
from pydantic import TypeAdapter

from providers.assemble import Collector, events_of
from providers.dialect import Dialect
from providers.emulate import without_custom_tools
from providers.errors import UpstreamError
from providers.ir import Answer, Choice, Event, Message, Reasoning, Request, Text
from providers.wires.responses import WIRE
from providers.wires.responses.response import tap as read_tap
from providers.wires.responses.stored import input_items, items_of, with_history
from providers.wires.responses.writer import StreamWriter, write
from providers.wires.wire import BadRequestError, Context
from tests.replay.corpus import CORPUS, index

PLAIN = Dialect()
# Recordings that are no exchange: answers joined in one file, or shortened by hand.
JOINED = "vercel-ai/azure/src-azure-reasoning-encrypted-content.1.chunks"
SHORTENED = "vercel-ai/openai/responses-openai-shell-container.1.chunks"
# Requests that the API itself refuses, or that name what only its store has.
REFUSED = (
    r"`input\[\d+\]\.role` must be",
    r"refers to an item",
    r"`tools\[0\]\.name` must be",
    # The model stands in the stored prompt.
    r"`model` must be",
)
EVENTS: TypeAdapter[Any] = TypeAdapter(ResponseStreamEvent)
CLIENTS = ("codex", "codex-known", "opencode-gwresp", "pi-gwresp", "pysdk", "pysdk2", "nodesdk")


@cache
def recordings() -> tuple[tuple[str, dict[str, Any]], ...]:
    """Return path and content of each recording. Skips where the corpus is absent."""
    paths = [str(row["path"]) for row in index() if row["kind"] == "openai_responses"]
    return tuple((path, json.loads((CORPUS / path).read_text(encoding="utf-8"))) for path in paths)


def streams() -> list[tuple[str, bytes]]:
    return [(path, kept["sse_text"].encode()) for path, kept in recordings() if "sse_text" in kept]


def answers() -> list[tuple[str, dict[str, Any]]]:
    return [
        (path, kept["response_body"])
        for path, kept in recordings()
        if "response_body" in kept and kept["status"] == 200
    ]


def read_stream(raw: bytes, pieces: list[bytes] | None = None) -> tuple[list[Event], Any]:
    reader = WIRE.host.reader(PLAIN, "route", False)
    events = [event for piece in pieces or [raw] for event in reader.events(piece)]
    return events + reader.close(), reader


def choice_of(events: list[Event]) -> Choice:
    collector = Collector()
    for event in events:
        collector.add(event)
    return collector.choices()[0]


def last_response(raw: bytes) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for line in raw.decode().splitlines():
        if line.startswith("data:"):
            data = line[5:].strip()
            event = json.loads(data) if data.startswith("{") else {}
            if event.get("type") in ("response.completed", "response.incomplete"):
                found = event["response"]
    return found


def plain(said: Any) -> str:
    # A host encrypts the same state anew each time that it says it; odd ids are mapped.
    return re.sub(r"\b(data|id|call_id)='[^']*'", "", str(said))


def context(body: dict[str, Any] | None = None) -> Context:
    return Context("abc", "asked", body or {"model": "m", "input": "x"}, 1700000000, 9)


def test_every_stream_passes_byte_for_byte_and_reads_as_its_last_event_says() -> None:
    random.seed(7)
    cut = 0
    for path, raw in streams():
        tap = WIRE.host.reader(PLAIN, "route", False)
        out = tap.feed(raw) + tap.end()
        events, reader = read_stream(raw)
        assert (tap.fault is None) == (reader.fault is None), path
        if tap.fault is not None:
            assert tap.fault.code == "insufficient_quota", path
            continue
        assert out == raw, path
        assert (tap.usage, tap.finish, tap.model) == (reader.usage, reader.finish, reader.model)
        assert (tap.states, tap.calls) == (reader.states, reader.calls), path
        assert tap.usage.state == "reported", path
        assert tap.usage.reconciled, path
        edges = sorted(random.sample(range(len(raw)), min(40, len(raw))))
        pieces = [raw[a:b] for a, b in zip([0, *edges], [*edges, len(raw)], strict=True)]
        assert read_stream(raw, pieces)[0] == events, path
        said = last_response(raw)
        if said.get("output") and not path.startswith((JOINED, SHORTENED)):
            whole = WIRE.host.read(json.dumps(said).encode(), PLAIN, "route")
            told, shown = choice_of(events), whole.choices[0]
            assert (plain(told.parts), told.finish) == (plain(shown.parts), shown.finish), path
            # Some hosts round the numbers when they say them again.
            assert len(told.logprobs or []) == len(shown.logprobs or []), path
            assert whole.usage == reader.usage, path
            cut += 1
    assert cut > 100


def test_every_whole_answer_is_read_and_tapped_alike() -> None:
    assert len(answers()) > 200
    for path, body in answers():
        raw = json.dumps(body).encode()
        tap, answer = read_tap(raw, PLAIN), WIRE.host.read(raw, PLAIN, "r")
        assert tap.usage == answer.usage, path
        assert (tap.finish, tap.model) == (answer.native_finish, answer.model), path
        assert tap.usage.reconciled, path
        calls = [item["call_id"] for item in body["output"] if item["type"] == "function_call"]
        assert set(calls) <= set(tap.calls), path


def test_every_error_has_a_kind() -> None:
    for path, kept in recordings():
        if kept["status"] != 200:
            raw = json.dumps(kept["response_body"]).encode()
            fault = WIRE.host.read_error(kept["status"], {}, raw, PLAIN)
            assert fault.kind in ("auth", "bad_request", "not_found", "quota"), (path, fault.kind)


def test_what_was_read_is_written_for_the_sdk_and_adds_up() -> None:
    raws: dict[str, bytes] = {}
    answering = httpx2.MockTransport(
        lambda request: httpx2.Response(
            200,
            content=raws["stream" if b'"stream":true' in request.content else "whole"],
            headers={
                "content-type": "text/event-stream"
                if b'"stream":true' in request.content
                else "application/json"
            },
        )
    )
    sdk = openai.OpenAI(
        api_key="x", base_url="http://h/v1", http_client=httpx2.Client(transport=answering)
    )
    for number, (path, raw) in enumerate(streams()):
        events, reader = read_stream(raw)
        if reader.fault is not None:
            continue
        writer = StreamWriter(context())
        raws["stream"] = b"".join([*map(writer.write, events), writer.end()])
        said = Answer((choice_of(events),), reader.usage, "id", reader.model, reader.finish)
        raws["whole"] = write(said, context())
        check_events(raws["stream"], path)
        if number % 8:
            continue
        whole = sdk.responses.create(model="m", input="x")
        final = None
        with sdk.responses.stream(model="m", input="x") as stream:
            for event in stream:
                if event.type in ("response.completed", "response.incomplete"):
                    final = event.response
        assert final is not None, path
        assert unparsed(final.to_dict()) == unparsed(whole.to_dict()), path


def unparsed(value: Any) -> Any:
    if isinstance(value, dict):
        own = {name: item for name, item in value.items() if not name.startswith("parsed")}
        return {name: unparsed(item) for name, item in own.items()}
    return [unparsed(item) for item in value] if isinstance(value, list) else value


def check_events(raw: bytes, path: str) -> None:
    lines = [line for line in raw.decode().split("\n") if line.startswith("data: ")]
    found = [json.loads(line[6:]) for line in lines]
    assert [event["sequence_number"] for event in found] == list(range(len(found))), path
    for event in found:
        # A host's own work is passed on as it said it, whatever the types make of that.
        if "output_item" not in event["type"] and "response" not in event:
            EVENTS.validate_python(event, strict=True)


def test_a_written_answer_reads_as_what_was_written() -> None:
    for path, body in answers():
        answer = WIRE.host.read(json.dumps(body).encode(), PLAIN, "r")
        again = WIRE.host.read(write(answer, context()), PLAIN, "r")
        assert plain(words(again)) == plain(words(answer)), path
        assert again.choices[0].finish == answer.choices[0].finish, path
        assert (again.usage.prompt_tokens, again.usage.completion_tokens) == (
            answer.usage.prompt_tokens, answer.usage.completion_tokens,
        )  # fmt: skip


def words(answer: Answer) -> str:
    # Ids of items are ours, places of sources are numbers, and raw thoughts go as a summary.
    said = re.sub(r"id='[^']*'|summary=\w+|start=-?\d+|end=-?\d+", "", str(answer.choices[0].parts))
    return "".join(sorted(re.sub(r"'id': '[^']*'(, )?", "", said)))


def requests() -> list[tuple[str, dict[str, Any]]]:
    found = [
        (path, kept["request"])
        for path, kept in recordings()
        if isinstance(kept.get("request"), dict)
    ]
    for client in CLIENTS:
        path = CORPUS / "extra" / "client_requests" / f"{client}.jsonl"
        lines = path.read_text(encoding="utf-8").splitlines()
        rows = [json.loads(line) for line in lines]
        found += [(client, row["body"]) for row in rows if row["path"].endswith("/responses")]
    return found


def test_every_request_is_read_and_written() -> None:
    read = 0
    for path, body in requests():
        request = taken(path, body)
        if request is None:
            continue
        read += 1
        written = WIRE.host.write(request, "m", Dialect(cache_marks=True))
        again = take(written.body)
        assert plain(again.messages) == plain(as_written(request)), path
        flat, names = without_custom_tools(request)
        assert (names is None) == (not any(map(is_odd, request.tools))), path
        assert not any(tool.namespace or tool.kind == "custom" for tool in flat.tools), path
    assert read > 350


def take(body: dict[str, Any]) -> Request:
    assert WIRE.client is not None
    WIRE.client.peek(body, 1, "")
    return WIRE.client.read(body)


def taken(path: str, body: dict[str, Any]) -> Request | None:
    """Return the request; None where it is one that the API refuses too."""
    try:
        return take(body)
    except BadRequestError as fault:
        if path in CLIENTS or not re.search("|".join(REFUSED), fault.message):
            raise
        return None


def is_odd(tool: Any) -> bool:
    return bool(tool.namespace) or tool.kind == "custom"


def as_written(request: Request) -> tuple[Message, ...]:
    """Return the turns as the host gets them: no empty words, no sources, no thoughts without state."""
    found = []
    for message in request.messages:
        said = [
            replace(part, citations=()) if isinstance(part, Text) else part
            for part in message.parts
        ]
        parts = tuple(
            part
            for part in said
            if part != Text("") and not (isinstance(part, Reasoning) and not part.opaque)
        )
        role = "developer" if message.role == "system" else message.role
        if parts or message.role != "assistant":
            found.append(replace(message, parts=parts, role=role))
    return tuple(found)


def test_an_answer_goes_back_as_input() -> None:
    for path, body in answers():
        whole = with_history(
            {"model": "m", "input": "and now?"}, [*input_items({"input": "x"}), *items_of(body)]
        )
        assert take(whole).messages[-1].role == "user", path


@pytest.mark.parametrize("cut", [1, 7])
def test_a_stream_that_breaks_off_is_a_fault(cut: int) -> None:
    for path, raw in streams()[::10]:
        reader = WIRE.host.reader(PLAIN, "r", False)
        at = raw.find(b"response.completed")
        reader.feed(raw[: at - cut] if at > 0 else raw[:100])
        reader.end()
        assert reader.fault is not None, path
        with pytest.raises(UpstreamError):
            WIRE.host.read(raw[:100], PLAIN, "r")


def test_events_of_an_answer_are_its_stream() -> None:
    for path, raw in streams():
        events, reader = read_stream(raw)
        if reader.fault is None:
            answer = Answer((choice_of(events),), reader.usage)
            assert choice_of(events_of(answer)) == answer.choices[0], path
