"""The Gemini wire's streams: passed through, read as events, written."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from providers import ir
from providers.assemble import Collector, events_of
from providers.dialect import Dialect
from providers.errors import ErrorKind
from providers.framing import EventSplitter, event_data
from providers.usage import Usage
from providers.wires.gemini import WIRE
from providers.wires.wire import Context, Reader

assert WIRE.client is not None
CLIENT, HOST = WIRE.client, WIRE.host
Chunk = dict[str, Any]


def reader() -> Reader:
    return HOST.reader(Dialect(), "route", False)


def chunk(*parts: Chunk, finish: str = "", index: int = 0, **beside: Any) -> Chunk:
    candidate: Chunk = {"content": {"parts": list(parts), "role": "model"}, "index": index}
    if finish:
        candidate["finishReason"] = finish
    return {"candidates": [candidate], "modelVersion": "m-1", "responseId": "r1", **beside}


def sse(*chunks: Any) -> bytes:
    return b"".join(b"data: " + json.dumps(item).encode() + b"\r\n\r\n" for item in chunks)


def array(*chunks: Any) -> bytes:
    return b"[" + b"\r\n,\r\n".join(json.dumps(item).encode() for item in chunks) + b"]\n"


USAGE = {"promptTokenCount": 3, "candidatesTokenCount": 2, "totalTokenCount": 5}
CHUNKS = (
    chunk({"text": "hm", "thought": True}, usageMetadata={"promptTokenCount": 3}),
    chunk({"text": " hm", "thought": True}),
    chunk({"text": 'Grüße "[{'}),
    chunk({"text": "\\ aus Köln"}),
    chunk({"functionCall": {"name": "f", "args": {"a": "}"}}, "thoughtSignature": "c2ln"}),
    chunk({"text": ""}, finish="STOP", usageMetadata=USAGE),
)


def events(data: bytes, size: int = 10**9) -> tuple[list[ir.Event], Reader]:
    found, out = reader(), []
    for at in range(0, len(data), size):
        out += found.events(data[at : at + size])
    return out + found.close(), found


def collected(data: bytes) -> tuple[ir.Choice, ...]:
    made, found = events(data)
    assert found.fault is None, found.fault
    collector = Collector()
    for event in made:
        collector.add(event)
    return collector.choices()


@pytest.mark.parametrize("framed", [sse, array])
def test_passed_through_and_read_at_every_cut(framed: Any) -> None:
    data = framed(*CHUNKS)
    whole, _ = events(data)
    assert whole[0] == ir.Started("r1", "m-1", Usage(input=3))
    assert whole[1:4] == [
        ir.ReasoningDelta("hm", True), ir.ReasoningDelta(" hm", True), ir.ReasoningEnd(),
    ]  # fmt: skip
    assert whole[-2:] == [ir.Finished("tool", "", "STOP"), ir.Counted(Usage(input=3, output=2))]
    for size in (1, 2, 7, 100):
        assert events(data, size)[0] == whole
        found, out = reader(), b""
        for at in range(0, len(data), size):
            out += found.feed(data[at : at + size])
        out += found.end()
        assert out == data
        assert found.fault is None
        assert (found.finish, found.model, found.usage) == ("STOP", "m-1", Usage(input=3, output=2))
        assert found.states == ["c2ln"]
        assert found.content


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(1, 400), max_size=20), st.sampled_from([sse, array]))
def test_cuts_change_nothing(sizes: list[int], framed: Any) -> None:
    data = framed(*CHUNKS)
    found, out, at = reader(), [], 0
    for size in sizes:
        out += found.events(data[at : at + size])
        at += size
    out += found.events(data[at:]) + found.close()
    assert out == events(data)[0]


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=80), st.booleans(), st.integers(0, 400))
def test_fuzzed_bytes_are_a_fault_or_an_answer(noise: bytes, framed: bool, at: int) -> None:
    data = (sse if framed else array)(*CHUNKS)
    data = data[:at] + noise + data[at:]
    for way in ("events", "feed"):
        found = reader()
        getattr(found, way)(data)
        found.close() if way == "events" else found.end()
        assert found.fault is not None or found.finish


@pytest.mark.parametrize("framed", [sse, array])
def test_a_cut_stream(framed: Any) -> None:
    data = framed(*CHUNKS)
    for at in (0, 5, len(framed(*CHUNKS[:3])) - 30, len(framed(*CHUNKS[:5])) - 2):
        for way, last in (("events", "close"), ("feed", "end")):
            found = reader()
            getattr(found, way)(data[:at])
            getattr(found, last)()
            assert found.fault is not None
            assert found.fault.kind is ErrorKind.CUT


def test_the_last_event_may_lack_its_blank_line() -> None:
    data = sse(*CHUNKS)
    assert events(data[:-4])[0] == events(data)[0]
    found = reader()
    assert found.feed(data[:-4]) + found.end() == data[:-4]
    # Half an event after the end is nothing to anybody.
    assert events(data + b"data: {")[1].fault is None


@pytest.mark.parametrize("before", [(), CHUNKS[:3]])
@pytest.mark.parametrize("framed", [sse, array])
def test_an_error_in_the_stream(before: tuple[Chunk, ...], framed: Any) -> None:
    error = {"error": {"code": 429, "status": "RESOURCE_EXHAUSTED", "message": "slow down"}}
    data = framed(*before, error)
    for way in ("events", "feed"):
        found = reader()
        out = getattr(found, way)(data)
        assert found.fault is not None
        assert found.fault.kind is ErrorKind.RATE_LIMITED
        assert found.content == bool(before)
        assert b"slow" not in out if way == "feed" else True
        assert not getattr(found, way)(sse(CHUNKS[5]))


@pytest.mark.parametrize(
    "data", [b"data: {oops\n\n", b"data: 7\n\n", b"data: [1, 2]\n\n", b"[7, {"]
)
def test_broken_json(data: bytes) -> None:
    found = reader()
    found.events(data)
    found.close()
    assert found.fault is not None
    assert found.fault.kind in (ErrorKind.MALFORMED, ErrorKind.CUT)


def test_a_spoiled_answer_before_and_after_content() -> None:
    bad = chunk(finish="MALFORMED_FUNCTION_CALL")
    found = reader()
    assert found.feed(sse(bad)) == b""
    assert found.fault is not None
    found = reader()
    data = sse(CHUNKS[2], bad)
    assert found.feed(data) == data
    assert (found.fault, found.finish) == (None, "MALFORMED_FUNCTION_CALL")
    _, found = events(data)
    assert found.fault is not None


def test_a_blocked_prompt() -> None:
    made, found = events(sse({"promptFeedback": {"blockReason": "SAFETY"}, "usageMetadata": USAGE}))
    assert made[1:] == [ir.Finished("filter", "", "SAFETY"), ir.Counted(Usage(input=3, output=2))]
    assert found.content


def test_state_on_an_empty_last_part_keeps_its_part() -> None:
    data = sse(chunk({"text": "A"}), chunk({"text": "", "thoughtSignature": "c2ln"}, finish="STOP"))
    state = (ir.Opaque("gemini.signature", "c2ln", "route"),)
    assert collected(data)[0].parts == (ir.Text("A"), ir.Text("", opaque=state))
    request = ir.Request("chat", "m", (
        ir.Message("user", (ir.Text("Q"),)), ir.Message("assistant", collected(data)[0].parts),
    ))  # fmt: skip
    assert HOST.write(request, "m", Dialect()).body["contents"][1]["parts"] == [
        {"text": "A"}, {"text": "", "thoughtSignature": "c2ln"},
    ]  # fmt: skip


def test_two_candidates_in_turn() -> None:
    data = sse(
        chunk({"text": "A"}),
        chunk({"text": "B"}, index=1),
        chunk({"text": "a"}, finish="STOP"),
        chunk({"functionCall": {"name": "f"}}, index=1, finish="STOP"),
    )
    first, second = collected(data)
    assert (first.parts, first.finish) == ((ir.Text("Aa"),), "end")
    assert (second.parts[0], second.finish) == (ir.Text("B"), "tool")


def test_arguments_in_pieces() -> None:
    def piece(path: str, **value: Any) -> Chunk:
        args = [{"jsonPath": path, **value}]
        return chunk({"functionCall": {"partialArgs": args, "willContinue": True}})

    data = sse(
        chunk({"functionCall": {"id": "x", "name": "f", "willContinue": True}}),
        piece("$.list[0].a", stringValue="one ", willContinue=True),
        piece("$.list[0].a", stringValue="two"),
        piece("$.list[1].b", numberValue=3),
        piece("$['odd key']", boolValue=True),
        chunk({"functionCall": {}}),
        chunk({"functionCall": {"name": "g"}}, finish="STOP"),
    )
    found = collected(data)[0].parts
    assert isinstance(found[0], ir.ToolCall)
    assert (found[0].id, found[0].name) == ("x", "f")
    assert json.loads(found[0].arguments) == {
        "list": [{"a": "one two"}, {"b": 3}], "odd key": True,
    }  # fmt: skip
    assert isinstance(found[1], ir.ToolCall)
    for path in ("$", "$.a[9]", "$[0]", "$.a[x]", "$.a..b", "nothing[", 7):
        _, stream = events(sse(CHUNKS[2], chunk({"functionCall": {"name": "f", "partialArgs": [
            {"jsonPath": path, "stringValue": "x"}]}}, finish="STOP")))  # fmt: skip
        assert stream.fault is not None


# -- writing --------------------------------------------------------------------------------------


def sign(body: Chunk) -> bytes:
    """What the gateway sends in a silence: between the elements of an array white space."""
    return b"\n" if body.get("$alt") == "" else CLIENT.ping


def written(made: list[ir.Event], body: Chunk) -> bytes:
    writer = CLIENT.writer(Context("our-id", "our-model", body, 0, 1))
    out = b""
    for event in made:
        out += writer.write(event) + sign(body)
    return out + writer.end()


def chunks_of(data: bytes) -> list[Chunk]:
    return [
        json.loads(found) for event in EventSplitter().feed(data) if (found := event_data(event))
    ]


STATE = (ir.Opaque("messages.signature", "s", "r"),)
ANSWER = ir.Answer(
    (
        ir.Choice(
            (
                ir.Reasoning("hm", False, STATE),
                ir.Text("A", citations=(ir.Citation("https://e.org", "E", "A", 0, 1),)),
                ir.ToolCall("c", "f", '{"a":1}'),
                ir.ToolCall("d", "g", "{}"),
            ),
            "tool",
        ),
    ),
    Usage(input=3, cache_read=1, output=2, reasoning=4),
    id="native-id",
    model="native-model",
)
SHOWS = {"generationConfig": {"thinkingConfig": {"includeThoughts": True}}, "$alt": "sse"}


def test_the_stream_says_what_the_whole_answer_says() -> None:
    whole = json.loads(CLIENT.write(ANSWER, Context("our-id", "our-model", SHOWS, 0, 1)))
    made = chunks_of(written(events_of(ANSWER), SHOWS))
    parts = [part for item in made for part in item["candidates"][0]["content"]["parts"]]
    assert [part for part in parts if part != {"text": ""}] == whole["candidates"][0]["content"][
        "parts"
    ]
    last = made[-1]
    assert last["candidates"][0]["finishReason"] == "STOP"
    assert last["usageMetadata"] == whole["usageMetadata"]
    assert last["candidates"][0]["groundingMetadata"] == whole["candidates"][0]["groundingMetadata"]
    assert {(item["responseId"], item["modelVersion"]) for item in made} == {
        ("native-id", "native-model")
    }
    # Every chunk has a part: without one the SDKs would throw the turn away.
    assert all(item["candidates"][0]["content"]["parts"] for item in made)
    # A host's reader reads our stream, and it is the answer again.
    again, _ = events(written(events_of(ANSWER), SHOWS))
    assert ir.Counted(Usage(input=3, cache_read=1, output=2, reasoning=4)) in again


def test_one_array() -> None:
    made = json.loads(written(events_of(ANSWER), {"$alt": ""}))
    assert made == chunks_of(written(events_of(ANSWER), {"$alt": "sse"}))
    writer = CLIENT.writer(Context("i", "m", {"$alt": ""}, 0, 1))
    out = b"\n" + writer.write(ir.TextDelta("A")) + b"\n"
    out += writer.fail("no", "server_error", "upstream_error")
    assert [min(item) for item in json.loads(out)] == ["candidates", "error"]


def test_state_without_a_part_stands_on_the_last() -> None:
    made = chunks_of(written([ir.Started(), ir.ReasoningEnd(STATE), ir.Finished("end")], {}))
    part = made[-1]["candidates"][0]["content"]["parts"][0]
    found = CLIENT.read({"contents": [{"role": "model", "parts": [part]}]})
    assert found.messages[0].parts == (ir.Reasoning("", False, STATE),)


def test_failing() -> None:
    writer = CLIENT.writer(Context("our-id", "m", {}, 0, 1))
    assert CLIENT.ping == b"\r\n\r\n"
    out = writer.write(ir.TextDelta("A")) + writer.fail("gone", "server_error", "upstream_timeout")
    error = chunks_of(out)[-1]["error"]
    assert (error["code"], error["status"]) == (504, "DEADLINE_EXCEEDED")
    assert error["details"][0]["reason"] == "upstream_timeout"
    # The SDKs tell an error by how the chunk begins.
    assert b'data: {"error":' in out
