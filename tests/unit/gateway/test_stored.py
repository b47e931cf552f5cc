"""Kept answers: whose they are, how long, and what a later request makes of them."""

from __future__ import annotations

import json

import pytest

from gateway.errors import Refusal
from gateway.stored import NO_LABELS, Stored, keep, raised, resolved
from routing.facts import RequestFacts
from routing.policy import load_policy

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


def kept(label: str = "internal", **more: object) -> Stored:
    stored = Stored(60, MB)
    keep(stored, "alice", {"input": "Hi", **more}, json.dumps(ANSWER).encode(), label)
    return stored


def test_a_later_request_goes_on_where_an_answer_ended() -> None:
    body = {"model": "m", "previous_response_id": "resp_1", "input": "And now?"}
    found, labels = resolved(body, kept(), "alice")
    assert labels == {"internal"}
    assert "previous_response_id" not in found
    texts = json.dumps(found["input"])
    assert texts.index("Hi") < texts.index("Hello") < texts.index("And now?")
    assert body["input"] == "And now?", "the client's own body is left as it was"


def test_an_answer_in_a_stream_is_kept_too() -> None:
    stored = Stored(60, MB)
    event = {"type": "response.completed", "response": ANSWER}
    raw = b"event: response.completed\ndata: " + json.dumps(event).encode() + b"\n\n"
    keep(stored, "alice", {"input": "Hi"}, raw, "public")
    assert stored.get("alice", "resp_1") is not None


def test_another_keys_answer_is_not_there() -> None:
    with pytest.raises(Refusal) as caught:
        resolved({"previous_response_id": "resp_1"}, kept(), "bob")
    assert (caught.value.status, caught.value.code) == (404, "previous_response_not_found")


def test_what_must_not_be_stored_is_not() -> None:
    assert kept(store=False).get("alice", "resp_1") is None
    off = Stored(60, 0)
    keep(off, "alice", {"input": "Hi"}, json.dumps(ANSWER).encode(), "public")
    assert off.size == 0
    with pytest.raises(Refusal) as caught:
        resolved({"previous_response_id": "resp_1"}, off, "alice")
    assert caught.value.status == 400
    assert "store" in caught.value.message


def test_an_item_is_found_by_its_id() -> None:
    reference = {"type": "item_reference", "id": "msg_1"}
    found, labels = resolved({"input": [reference]}, kept(), "alice")
    assert labels == {"internal"}
    assert found["input"][0]["content"][0]["text"] == "Hello"
    with pytest.raises(Refusal):
        resolved({"input": [{**reference, "id": "msg_2"}]}, kept(), "alice")


def test_it_is_bounded() -> None:
    stored = Stored(60, 2000)
    for number in range(50):
        answer = {**ANSWER, "id": f"resp_{number}"}
        keep(stored, "k", {"input": "x"}, json.dumps(answer).encode(), "public")
        assert stored.size <= 2000
    assert stored.get("k", "resp_49") is not None
    assert stored.get("k", "resp_0") is None


def test_the_labels_are_of_all_that_is_put_in() -> None:
    stored = kept("personal")
    second = {"id": "resp_2", "output": [{**ANSWER["output"][0], "id": "msg_2"}]}  # type: ignore[dict-item]
    keep(stored, "alice", {"input": "Hi"}, json.dumps(second).encode(), "secret")
    body = {"previous_response_id": "resp_1", "input": [{"type": "item_reference", "id": "msg_2"}]}
    assert resolved(body, stored, "alice")[1] == {"personal", "secret"}
    own = {"input": "nothing of what is kept"}
    assert resolved(own, stored, "alice") == (own, NO_LABELS)


def test_what_has_no_label_is_used_by_nobody() -> None:
    stored = Stored(60, MB)
    stored.put("alice", {**ANSWER, "status": "in_progress"}, (), 10, None)
    with pytest.raises(Refusal) as caught:
        resolved({"previous_response_id": "resp_1", "input": "x"}, stored, "alice")
    assert caught.value.status == 400
    assert "in_progress" in caught.value.message
    assert stored.item("alice", "msg_1") is None
    assert stored.get("alice", "resp_1") is not None, "but its holder may read it"


@pytest.mark.parametrize("own", ["public", "personal", "secret"])
@pytest.mark.parametrize("first", ["public", "personal", "secret"])
@pytest.mark.parametrize("second", ["public", "personal", "secret"])
def test_a_label_is_raised_and_never_lowered(own: str, first: str, second: str) -> None:
    policy = load_policy({"labels": ["public", "personal", "secret"]})
    facts = RequestFacts(own, "team", "alice", frozenset(), "m")
    found = raised(facts, frozenset({first, second}), policy)
    assert policy.label_rank(found.label) == max(map(policy.label_rank, (own, first, second)))
    assert (found.team, found.key, found.model) == ("team", "alice", "m")


def test_a_label_that_the_policy_no_longer_has_is_refused() -> None:
    policy = load_policy({"labels": ["public", "personal"]})
    facts = RequestFacts("personal", "team", "alice", frozenset(), "m")
    for gone in ("secret", ""):
        with pytest.raises(Refusal) as caught:
            raised(facts, frozenset({"public", gone}), policy)
        assert (caught.value.status, caught.value.code) == (403, "policy_denied")
