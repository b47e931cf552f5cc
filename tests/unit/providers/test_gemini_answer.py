"""The Gemini wire's whole answers, read and written."""

from __future__ import annotations

import json
from typing import Any

import pytest

from providers import carrier, ir
from providers.dialect import Dialect
from providers.errors import ErrorKind, UpstreamError
from providers.usage import MISSING, Usage
from providers.wires.gemini import WIRE
from providers.wires.wire import Context

assert WIRE.client is not None
assert WIRE.relay is not None
CLIENT, RELAY, HOST = WIRE.client, WIRE.relay, WIRE.host
PLAIN = Dialect()
SHOWS = {"generationConfig": {"thinkingConfig": {"includeThoughts": True}}}


def context(body: dict[str, Any] | None = None) -> Context:
    return Context("our-id", "our-model", body or {}, 0, 1)


def raw(*parts: dict[str, Any], finish: str = "STOP", **beside: Any) -> bytes:
    body: dict[str, Any] = {
        "candidates": [
            {"content": {"role": "model", "parts": list(parts)}, "finishReason": finish, **beside}
        ],
        "usageMetadata": {"promptTokenCount": 3, "candidatesTokenCount": 2, "totalTokenCount": 5},
        "modelVersion": "m-1",
        "responseId": "r1",
    }
    return json.dumps(body).encode()


def read(*parts: dict[str, Any], **beside: Any) -> ir.Answer:
    return HOST.read(raw(*parts, **beside), PLAIN, "route")


def signature(data: str) -> tuple[ir.Opaque, ...]:
    return (ir.Opaque("gemini.signature", data, "route"),)


def test_every_kind_of_part() -> None:
    code = {"executableCode": {"code": "1"}, "thoughtSignature": "c2ln"}
    answer = read(
        {"text": "hm", "thought": True},
        {"text": "A"},
        {"text": "B", "thoughtSignature": "c2ln"},
        code,
        {"functionCall": {"id": "x", "name": "f", "args": {"a": 1}}, "thoughtSignature": "c2ln"},
        {"functionCall": {"name": "g"}},
    )
    *parts, last = answer.choices[0].parts
    assert parts == [
        ir.Reasoning("hm", True),
        ir.Text("AB", opaque=signature("c2ln")),
        ir.Trace("gemini", code),
        ir.ToolCall("x", "f", '{"a":1}', opaque=signature("c2ln")),
    ]
    assert isinstance(last, ir.ToolCall)
    assert (last.name, last.arguments) == ("g", "{}")
    assert last.id.startswith("call_")
    assert len(last.id) <= 40
    assert (answer.choices[0].finish, answer.native_finish) == ("tool", "STOP")
    assert (answer.id, answer.model) == ("r1", "m-1")
    assert answer.usage == Usage(input=3, output=2)


def test_minted_ids_differ_from_turn_to_turn() -> None:
    part = {"functionCall": {"name": "f"}}
    first = read(part, part).choices[0].parts
    body = json.loads(raw(part))
    second = (
        HOST.read(json.dumps({**body, "responseId": "r2"}).encode(), PLAIN, "").choices[0].parts
    )
    del body["responseId"]
    third = HOST.read(json.dumps(body).encode(), PLAIN, "").choices[0].parts
    seen = [part.id for part in (*first, *second, *third) if isinstance(part, ir.ToolCall)]
    assert len(set(seen)) == 4


def test_ids_of_one_answer_differ() -> None:
    part = {"functionCall": {"id": "same", "name": "f"}}
    found = [part.id for part in read(part, part).choices[0].parts if isinstance(part, ir.ToolCall)]
    assert found[0] == "same"
    assert found[1] not in ("same", "")


@pytest.mark.parametrize(
    ("native", "finish"),
    [
        ("STOP", "end"), ("MAX_TOKENS", "length"), ("SAFETY", "filter"), ("RECITATION", "filter"),
        ("MODEL_ARMOR", "filter"), ("OTHER", "filter"), ("A_WORD_OF_TOMORROW", "filter"),
        ("CONTINUATION", "pause"),
    ],
)  # fmt: skip
def test_finish(native: str, finish: str) -> None:
    answer = read({"text": "a"}, finish=native)
    assert (answer.choices[0].finish, answer.native_finish) == (finish, native)


def test_a_blocked_prompt_is_an_empty_answer() -> None:
    body = {"promptFeedback": {"blockReason": "SAFETY"}, "usageMetadata": {"promptTokenCount": 4}}
    answer = HOST.read(json.dumps(body).encode(), PLAIN, "")
    assert answer.choices == (ir.Choice((), "filter"),)
    assert (answer.native_finish, answer.usage) == ("SAFETY", Usage(input=4))
    assert RELAY.tap(json.dumps(body).encode(), PLAIN).finish == "SAFETY"


@pytest.mark.parametrize(
    "native", ["MALFORMED_FUNCTION_CALL", "UNEXPECTED_TOOL_CALL", "MISSING_THOUGHT_SIGNATURE"]
)
def test_a_spoiled_answer_is_a_fault(native: str) -> None:
    with pytest.raises(UpstreamError) as caught:
        read(finish=native, finishMessage="why")
    missing = native == "MISSING_THOUGHT_SIGNATURE"
    assert caught.value.kind is (ErrorKind.OPAQUE_STATE if missing else ErrorKind.MALFORMED)
    assert "why" in caught.value.message
    with pytest.raises(UpstreamError):
        RELAY.tap(raw(finish=native), PLAIN)
    # Where something was said, a client of this wire can read the host's own word.
    assert RELAY.tap(raw({"text": "a"}, finish=native), PLAIN).finish == native


@pytest.mark.parametrize(
    "body",
    [
        b"<html>", b"[]", b"null", b'"x"', b"{}", b'{"candidates": []}', b'{"candidates": [1]}',
        b"\xff", b"[" * 5000,
        b'{"candidates":[{"content":{"parts":[{"functionCall":{"args":{}}}]}}]}',
        b'{"candidates":[{"content":{"parts":[{"functionCall":{"name":"f","args":[]}}]}}]}',
    ],
)  # fmt: skip
def test_no_answer(body: bytes) -> None:
    with pytest.raises(UpstreamError) as caught:
        HOST.read(body, PLAIN, "")
    assert caught.value.kind is ErrorKind.MALFORMED


def test_an_error_in_a_200() -> None:
    error = {"error": {"code": 503, "status": "UNAVAILABLE", "message": "no room"}}
    for body in (error, [error]):
        with pytest.raises(UpstreamError) as caught:
            RELAY.tap(json.dumps(body).encode(), PLAIN)
        assert caught.value.kind is ErrorKind.OVERLOADED


@pytest.mark.parametrize(
    ("said", "usage"),
    [
        (
            {"promptTokenCount": 100, "cachedContentTokenCount": 40, "candidatesTokenCount": 5,
             "thoughtsTokenCount": 7, "toolUsePromptTokenCount": 10, "totalTokenCount": 122},
            Usage(input=70, cache_read=40, output=5, reasoning=7),
        ),
        (
            {"promptTokenCount": 100, "candidatesTokenCount": 30, "totalTokenCount": 130,
             "cachedContentTokenCount": 30,
             "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 40}, {"modality": "AUDIO", "tokenCount": 60}],
             "cacheTokensDetails": [{"modality": "AUDIO", "tokenCount": 20}],
             "candidatesTokensDetails": [{"modality": "AUDIO", "tokenCount": 25}]},
            Usage(input=30, cache_read=30, audio_input=40, output=5, audio_output=25),
        ),
        # Recorded: no prompt count, only a total.
        ({"candidatesTokenCount": 1, "thoughtsTokenCount": 41, "totalTokenCount": 338},
         Usage(input=296, output=1, reasoning=41)),
        ({"promptTokenCount": 10, "totalTokenCount": 99}, Usage(input=10, reconciled=False)),
        ({"promptTokenCount": 10, "cachedContentTokenCount": 11},
         Usage(cache_read=10, reconciled=False)),
        ({"promptTokenCount": "10", "candidatesTokenCount": 2.0}, Usage(input=10, output=2)),
        ({"promptTokenCount": -1, "candidatesTokenCount": True}, MISSING),
        ({}, MISSING),
        ([], MISSING),
    ],
)  # fmt: skip
def test_usage(said: Any, usage: Usage) -> None:
    body = {**json.loads(raw({"text": "a"})), "usageMetadata": said}
    assert RELAY.tap(json.dumps(body).encode(), PLAIN).usage == usage
    assert HOST.read(json.dumps(body).encode(), PLAIN, "").usage == usage


def test_tap_gives_states_and_calls() -> None:
    tap = RELAY.tap(
        raw({"text": "a", "thoughtSignature": "-_8="}, {"functionCall": {"id": "i", "name": "f"}}),
        PLAIN,
    )
    assert (tap.states, tap.calls, tap.finish, tap.model) == (("+/8=",), ("i",), "STOP", "m-1")
    assert tap.text_bytes == 0


def test_sources_have_places_in_characters() -> None:
    text = "Grüße aus Köln."
    support = {
        "segment": {"startIndex": 12, "endIndex": 17, "text": "Köln"},
        "groundingChunkIndices": [0, 7],
    }
    found = read(
        {"text": text},
        groundingMetadata={
            "groundingChunks": [{"web": {"uri": "https://e.org", "title": "E"}}],
            "groundingSupports": [support],
        },
    )
    part = found.choices[0].parts[0]
    assert isinstance(part, ir.Text)
    assert part.citations == (ir.Citation("https://e.org", "E", "Köln", 10, 14),)
    made = json.loads(CLIENT.write(found, context()))["candidates"][0]["groundingMetadata"]
    assert made["groundingChunks"] == [{"web": {"uri": "https://e.org", "title": "E"}}]
    assert made["groundingSupports"] == [{**support, "groundingChunkIndices": [0]}]


def test_log_probabilities() -> None:
    said = {
        "chosenCandidates": [{"token": "a", "logProbability": -0.5, "tokenId": 1}],
        "topCandidates": [{"candidates": [{"token": "b", "logProbability": -1}]}],
    }
    found = read({"text": "a"}, logprobsResult=said)
    token = {"token": "a", "logprob": -0.5, "bytes": [97]}
    top = {"token": "b", "logprob": -1, "bytes": [98]}
    assert found.choices[0].logprobs == [{**token, "top_logprobs": [top]}]
    made = json.loads(CLIENT.write(found, context()))["candidates"][0]["logprobsResult"]
    assert made["chosenCandidates"] == [{"token": "a", "logProbability": -0.5}]


# -- writing --------------------------------------------------------------------------------------


def written(*parts: ir.Part, finish: ir.FinishReason = "end", body: Any = None) -> dict[str, Any]:
    answer = ir.Answer((ir.Choice(parts, finish),), Usage(input=3, output=2, reasoning=4))
    made: dict[str, Any] = json.loads(CLIENT.write(answer, context(body)))
    return made


def test_an_answer_of_another_wire() -> None:
    made = written(
        ir.Reasoning("hm"),
        ir.Text("A"),
        ir.ToolCall("c", "f", '{"a": 1}'),
        ir.ToolCall("d", "p", "free text", kind="custom"),
        finish="tool",
    )
    call = {"functionCall": {"id": "c", "name": "f", "args": {"a": 1}}}
    custom = {"functionCall": {"id": "d", "name": "p", "args": {"input": "free text"}}}
    assert made == {
        "candidates": [
            {
                "content": {"parts": [{"text": "A"}, call, custom], "role": "model"},
                "finishReason": "STOP",
                "index": 0,
            }
        ],
        "usageMetadata": {
            "promptTokenCount": 3, "candidatesTokenCount": 2, "totalTokenCount": 9,
            "thoughtsTokenCount": 4,
        },
        "modelVersion": "our-model",
        "responseId": "our-id",
    }  # fmt: skip


def test_thoughts_are_shown_to_who_asked() -> None:
    made = written(ir.Reasoning("hm"), ir.Text("A"), body=SHOWS)
    parts = made["candidates"][0]["content"]["parts"]
    assert parts == [{"text": "hm", "thought": True}, {"text": "A"}]


@pytest.mark.parametrize("shows", [True, False])
@pytest.mark.parametrize("keeps_thoughts", [True, False])
@pytest.mark.parametrize("url_safe", [True, False])
@pytest.mark.parametrize("following", ["call", "text", "nothing"])
def test_foreign_state_comes_back(
    shows: bool, keeps_thoughts: bool, url_safe: bool, following: str
) -> None:
    # Signs that differ between the alphabets of base64 are in it.
    state = ir.Opaque("messages.signature", "?" * 40 + "~" * 40, "anywhere/m", "i")
    redacted = ir.Opaque("messages.redacted", "zz", "anywhere/m")
    blocks = (ir.Reasoning("first", False, (state,)), ir.Reasoning("", True, (redacted,)))
    after: dict[str, tuple[ir.Part, ...]] = {
        "call": (ir.ToolCall("c", "f", "{}"),),
        "text": (ir.Text("A"), ir.ToolCall("c", "f", "{}")),
        "nothing": (),
    }
    made = written(*blocks, *after[following], body=SHOWS if shows else {})
    parts = made["candidates"][0]["content"]["parts"]
    if not keeps_thoughts:
        parts = [part for part in parts if not part.get("thought")]
    if url_safe:
        parts = json.loads(json.dumps(parts))
        for part in parts:
            if "thoughtSignature" in part:
                text = part["thoughtSignature"].replace("+", "-").replace("/", "_")
                part["thoughtSignature"] = text.rstrip("=")
    history = [{"role": "user", "parts": [{"text": "Q"}]}, {"role": "model", "parts": parts}]
    found = CLIENT.read({"contents": history}).messages[1]
    assert found.parts == (*blocks, *after[following])


def test_state_of_this_wire_goes_through_as_it_is() -> None:
    own = ir.Opaque("gemini.signature", "c2ln", "g")
    foreign = ir.Opaque("responses.encrypted", "e", "o", "rs_1")
    parts = written(
        ir.Reasoning("hm", True, (own,)),
        ir.Text("A", opaque=(own,)),
        ir.Reasoning("x", False, (foreign,)),
        ir.ToolCall("c", "f", "{}", opaque=(own,)),
    )["candidates"][0]["content"]["parts"]
    assert parts[0] == {"text": "", "thought": True, "thoughtSignature": "c2ln"}
    assert parts[1] == {"text": "A", "thoughtSignature": "c2ln"}
    sealed = parts[2]["thoughtSignature"]
    assert carrier.open_seal(sealed) is not None
    found = CLIENT.read({"contents": [{"role": "model", "parts": parts}]}).messages[0]
    assert found.parts[2:] == (
        ir.Reasoning("x", False, (foreign,)),
        ir.ToolCall("c", "f", "{}", opaque=(own,)),
    )
    # Relayed to the host that issued it, the state inside the seal comes out.
    body = {"contents": [{"role": "model", "parts": [parts[2]]}]}
    made, _ = RELAY.without_state(body, lambda state: state == "c2ln")
    assert made["contents"][0]["parts"][0]["thoughtSignature"] == "c2ln"


def test_a_cut_call_is_left_out() -> None:
    made = written(ir.Text("A"), ir.ToolCall("c", "f", '{"a": '), finish="length")
    candidate = made["candidates"][0]
    assert candidate["content"]["parts"] == [{"text": "A"}]
    assert candidate["finishReason"] == "MAX_TOKENS"


def test_ends() -> None:
    assert written(finish="end")["candidates"][0]["content"]["parts"] == [{"text": ""}]
    blocked = written(ir.Refused("no"), finish="filter")["candidates"][0]
    assert (blocked["finishReason"], blocked["content"]["parts"]) == ("SAFETY", [{"text": "no"}])
    assert written(finish="pause")["candidates"][0]["finishReason"] == "OTHER"


def test_usage_is_left_out_where_nobody_knows_it() -> None:
    answer = ir.Answer((ir.Choice((), "end"),), MISSING)
    assert "usageMetadata" not in json.loads(CLIENT.write(answer, context()))


@pytest.mark.parametrize("arguments", ["", '{"a": 1'])
def test_a_call_that_was_cut_is_not_shown_as_one(arguments: str) -> None:
    cut = ir.ToolCall("call_1", "f", arguments)
    answer = ir.Answer((ir.Choice((ir.Text("Now"), cut), "length"),), Usage(input=1, output=1))
    said = json.loads(CLIENT.write(answer, context()))["candidates"][0]
    assert said["content"]["parts"] == [{"text": "Now"}]
    assert said["finishReason"] == "MAX_TOKENS"
