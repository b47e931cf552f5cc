"""Kept answers: whose they are, how long, and what a later request makes of them."""

from __future__ import annotations

import json

import pytest

from gateway.errors import Refusal
from gateway.stored import Stored, keep, resolved

MB = 1024 * 1024
ANSWER = {
    "id": "resp_1",
    "object": "response",
    "output": [
        {
            "type": "message",
            "id": "msg_1",
            "role": "assistant",
            "status": "completed",
            "content": [{"type": "output_text", "text": "Hello", "annotations": []}],
        }
    ],
}


def kept(**more: object) -> Stored:
    stored = Stored(60, MB)
    keep(stored, "alice", {"input": "Hi", **more}, json.dumps(ANSWER).encode())
    return stored


def test_a_later_request_goes_on_where_an_answer_ended() -> None:
    body = {"model": "m", "previous_response_id": "resp_1", "input": "And now?"}
    found = resolved(body, kept(), "alice")
    assert "previous_response_id" not in found
    texts = json.dumps(found["input"])
    assert texts.index("Hi") < texts.index("Hello") < texts.index("And now?")
    assert body["input"] == "And now?", "the client's own body is left as it was"


def test_an_answer_in_a_stream_is_kept_too() -> None:
    stored = Stored(60, MB)
    event = {"type": "response.completed", "response": ANSWER}
    raw = b"event: response.completed\ndata: " + json.dumps(event).encode() + b"\n\n"
    keep(stored, "alice", {"input": "Hi"}, raw)
    assert stored.get("alice", "resp_1") is not None


def test_another_keys_answer_is_not_there() -> None:
    with pytest.raises(Refusal) as caught:
        resolved({"previous_response_id": "resp_1"}, kept(), "bob")
    assert (caught.value.status, caught.value.code) == (404, "previous_response_not_found")


def test_what_must_not_be_stored_is_not() -> None:
    assert kept(store=False).get("alice", "resp_1") is None
    off = Stored(60, 0)
    keep(off, "alice", {"input": "Hi"}, json.dumps(ANSWER).encode())
    assert off.size == 0
    with pytest.raises(Refusal) as caught:
        resolved({"previous_response_id": "resp_1"}, off, "alice")
    assert caught.value.status == 400
    assert "store" in caught.value.message


def test_an_item_is_found_by_its_id() -> None:
    reference = {"type": "item_reference", "id": "msg_1"}
    found = resolved({"input": [reference]}, kept(), "alice")
    assert found["input"][0]["content"][0]["text"] == "Hello"
    with pytest.raises(Refusal):
        resolved({"input": [{**reference, "id": "msg_2"}]}, kept(), "alice")


def test_it_is_bounded() -> None:
    stored = Stored(60, 2000)
    for number in range(50):
        answer = {**ANSWER, "id": f"resp_{number}"}
        keep(stored, "k", {"input": "x"}, json.dumps(answer).encode())
        assert stored.size <= 2000
    assert stored.get("k", "resp_49") is not None
    assert stored.get("k", "resp_0") is None
