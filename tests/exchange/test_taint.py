"""What a labelled request leaves behind is used under its label only: kept answers, thoughts, state.

A property over whole conversations is in ``tests/property/test_taint.py``.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.exchange.labelled import LABELS, POLICY, Labelled, called, labelled, response_of
from tests.fakes.spoken import Call, Said

STATE = "state-canary"


@pytest.fixture
def house(tmp_path: Path) -> Iterator[Labelled]:
    """The gateway and its two hosts."""
    with labelled(tmp_path) as found:
        yield found


def edit_labels(house: Labelled, *labels: str) -> None:
    """Have the policy know these labels, from the least on, and no rule."""
    gateway = house.gateway
    before = gateway.house.setup
    whole = yaml.safe_load(gateway.path.read_text())
    whole["policy"] = {"labels": list(labels)}
    whole["keys"][1]["label"] = "public"
    gateway.path.write_text(yaml.safe_dump(whole))
    gateway.until(lambda: gateway.house.setup is not before)


@pytest.mark.parametrize("way", ["previous", "item"])
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("model", ["relayed", "translated", "mixed"])
def test_who_names_a_personal_answer_asks_under_its_label(
    house: Labelled, model: str, stream: bool, way: str
) -> None:
    """No header says so, the key is a public one, and the far host stands first."""
    house.says = Said("answer-canary")
    first = response_of(house.respond("question-canary", label="personal", model=model))
    more = {"role": "user", "content": "And?"}
    given: list[Any] = [more]
    named: dict[str, Any] = {"previous_response_id": first["id"]}
    if way == "item":
        items = [{"type": "item_reference", "id": item["id"]} for item in first["output"]]
        given, named = [*items, more], {}
    for lower in (None, "public"):
        answer = house.respond(given, label=lower, model=model, stream=stream, **named)
        assert answer.headers["x-entrepot-route"].startswith("near-")
        assert "answer-canary" in house.seen[-1][1], "what was referred to is there"
        # And on from there.
        given, named = [more], {"previous_response_id": response_of(answer)["id"]}
    assert not house.far.requests
    assert [entry["label"] for entry in house.gateway.entries(3)] == ["personal"] * 3


def test_a_chain_stays_as_sensitive_as_its_most_sensitive_part(house: Labelled) -> None:
    """Public, personal, public: the last goes on under personal; another branch stays public."""
    first = response_of(house.respond("one"))
    second = response_of(
        house.respond("two-canary", label="personal", previous_response_id=first["id"])
    )
    third = house.respond("three", label="public", previous_response_id=second["id"])
    assert third.headers["x-entrepot-route"] == "near-responses/m"
    last = house.respond("four", previous_response_id=response_of(third)["id"])
    assert last.headers["x-entrepot-route"] == "near-responses/m"
    branch = house.respond("five", previous_response_id=first["id"])
    assert branch.headers["x-entrepot-route"] == "far-responses/m"
    assert all("two-canary" not in body for place, body in house.seen if place == "far")


def test_when_the_allowed_host_is_down_the_chain_waits(house: Labelled) -> None:
    first = response_of(house.respond("question-canary", label="personal"))
    house.down.add(house.near)
    answer = house.respond("And?", previous_response_id=first["id"])
    assert answer.status_code in (502, 503)
    assert not house.far.requests


@pytest.mark.parametrize("raised", [True, False], ids=["by header", "by what it names"])
def test_an_answer_in_the_background_has_the_label_of_its_call(
    house: Labelled, raised: bool
) -> None:
    said: dict[str, Any] = {"label": "personal"}
    if not raised:
        first = response_of(house.respond("question-canary", label="personal"))
        said = {"previous_response_id": first["id"]}
    begun = response_of(house.respond("again-canary", background=True, **said))
    assert house.ended(begun["id"])["status"] == "completed"
    house.near.requests.clear()
    answer = house.respond("And?", previous_response_id=begun["id"])
    assert answer.headers["x-entrepot-route"] == "near-responses/m"
    assert "again-canary" in house.seen[-1][1]
    assert raised or "question-canary" in house.seen[-1][1], "the whole chain goes on"
    assert not house.far.requests


def test_no_request_goes_on_from_what_was_never_answered(house: Labelled) -> None:
    """Its label was never told; its holder can read it all the same."""
    house.down |= {house.near, house.far}
    begun = response_of(house.respond("question-canary", label="personal", background=True))
    assert house.ended(begun["id"])["status"] == "failed"
    house.down.clear()
    house.near.requests.clear()
    answer = house.respond("And?", previous_response_id=begun["id"])
    assert answer.status_code == 400
    assert answer.json()["error"]["param"] == "previous_response_id"
    assert not house.seen


def test_a_secret_answer_is_read_by_its_own_key_only(house: Labelled) -> None:
    """To its client it goes whatever a header says; no other key finds or moves it."""
    first = response_of(house.respond("question-canary", label="secret"))
    at = f"/v1/responses/{first['id']}"
    for label in LABELS:
        assert house.get(at, **{"x-entrepot-label": label}).json()["id"] == first["id"]
    assert "question-canary" in house.get(f"{at}/input_items").text
    client, bob = house.gateway.client, {"authorization": "Bearer ek_bob"}
    for answer in (
        house.get(at, "bob"),
        house.get(f"{at}/input_items", "bob"),
        client.delete(at, headers=bob),
        client.post(f"{at}/cancel", headers=bob),
        house.respond("And?", key="bob", previous_response_id=first["id"]),
    ):
        assert answer.status_code == 404
        assert "canary" not in answer.text
    assert house.get(at).status_code == 200


def test_a_label_that_is_gone_from_the_policy_closes_what_it_was_on(house: Labelled) -> None:
    first = response_of(house.respond("question-canary", label="personal"))
    house.near.requests.clear()
    edit_labels(house, "public", "private")
    for label in (None, "private"):
        answer = house.respond("And?", label=label, previous_response_id=first["id"])
        assert (answer.status_code, answer.json()["error"]["code"]) == (403, "policy_denied")
        assert "'personal'" in answer.text
    assert not house.seen
    assert house.get(f"/v1/responses/{first['id']}").status_code == 200
    edit_labels(house, *POLICY["labels"])  # type: ignore[misc]
    assert house.respond("And?", previous_response_id=first["id"]).status_code == 200


@pytest.mark.parametrize("model", ["translated", "relayed", "near"])
def test_thoughts_of_a_higher_label_are_not_put_back(house: Labelled, model: str) -> None:
    """The chat client drops them; relayed or translated, only the label that they have gets them."""
    house.says = Said("", (Call("call_1", "add"),), "thought-canary", STATE)
    assert house.chat([{"role": "user", "content": "Hi"}], label="personal").status_code == 200
    house.chat([{"role": "user", "content": "Hi"}], label="personal", model="relayed")
    house.forget()
    answer = house.chat(called("call_1"), model=model)
    assert answer.status_code == 200
    assert "thought-canary" not in house.seen[-1][1]
    assert STATE not in house.seen[-1][1]
    note = house.gateway.entries(3)[-1]["notes"]
    assert "left out the reasoning of 1 turns: made under label personal" in note
    house.forget()
    assert house.chat(called("call_1"), label="secret", model=model).status_code == 200
    assert "thought-canary" in house.seen[-1][1]
    assert not house.far.requests


def test_thoughts_of_a_lower_label_are_put_back(house: Labelled) -> None:
    house.says = Said("", (Call("call_1", "add"),), "thought-canary")
    house.chat([{"role": "user", "content": "Hi"}])
    house.says = Said("", (Call("call_1", "add"),), "other-canary")
    house.chat([{"role": "user", "content": "Hi"}], label="secret")
    house.forget()
    house.chat(called("call_1"), label="internal")
    assert "thought-canary" in house.seen[-1][1], "an id that was used again hides nothing"
    assert "other-canary" not in house.seen[-1][1]


@pytest.mark.parametrize("model", ["near", "mixed"])
def test_opaque_state_goes_back_under_its_label_only(house: Labelled, model: str) -> None:
    """A host's own blob, sent by the client: where it was made under more than is asked now."""
    house.says = Said("Hello.", (), "hm", STATE)
    item = response_of(house.respond("Hi", label="personal", model=model))["output"][0]
    assert item["type"] == "reasoning"
    for label, there in (("public", False), ("personal", True), ("secret", True)):
        house.forget()
        answer = house.respond([item, {"role": "user", "content": "And?"}], label=label,
                               model=model, include=["reasoning.encrypted_content"])  # fmt: skip
        assert answer.status_code == 200
        assert (STATE in house.seen[-1][1]) is there


def test_state_that_a_client_of_another_wire_carries_is_no_way_around(house: Labelled) -> None:
    """A seal names its issuer itself; what was made under personal stays closed to public."""
    house.says = Said("Hello.", (), "hm", STATE)
    hello = {"role": "user", "content": "Hi"}
    said = house.chat([hello], label="personal", model="near").json()["choices"][0]["message"]
    assert said["reasoning_details"]
    for label, there in (("public", False), ("personal", True)):
        house.forget()
        answer = house.chat([hello, said, hello], label=label, model="near")
        assert answer.status_code == 200
        assert (STATE in house.seen[-1][1]) is there
