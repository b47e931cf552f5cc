"""Any conversation, any order of labels: what is labelled goes nowhere that its label forbids.

Turns of two keys are made through a real gateway at two real sockets, one host of which may see
nothing personal. Every text of a client, answer, thought and opaque state is a canary of its own,
whose label a naive reading of the turns gives.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from tests.exchange.labelled import (
    FORBIDDEN_FROM,
    KEY_LABELS,
    LABELS,
    MODELS,
    Labelled,
    called,
    labelled,
    response_of,
)
from tests.fakes.spoken import Call, Said

CANARY = re.compile(r"canary-\d+-")
CALL_IDS = ("functions.add:0", "call_1")


@dataclass(frozen=True)
class Turn:
    """One request: ``after`` chooses the earlier answer that it names, ``call`` what it calls."""

    key: str
    label: str | None
    model: str
    way: str
    after: int
    call: str


# What is rare to come about by chance is there more often.
WAYS = ("new", "previous", "previous", "item", "background", "stream", *["chat", "carry"] * 3)
TURNS = st.builds(
    Turn,
    key=st.sampled_from([*KEY_LABELS, "alice", "alice"]),
    label=st.sampled_from([None, *LABELS]),
    model=st.sampled_from([*MODELS, "near", "near"]),
    way=st.sampled_from(WAYS),
    after=st.integers(0, 7),
    call=st.sampled_from(["", *CALL_IDS]),
)


@dataclass(frozen=True)
class Kept:
    """An answer that a turn left behind; ``rank`` is the place of its label.

    ``state`` is the item of its opaque state, as a client carries it that drops all texts.
    """

    id: str
    item: str
    key: str
    rank: int
    canaries: frozenset[str]
    state: dict[str, Any] | None


@dataclass
class Story:
    """What a naive reader knows of a conversation: the label of each canary, what is kept."""

    house: Labelled
    ranks: dict[str, int] = field(default_factory=dict)
    kept: list[Kept] = field(default_factory=list)

    def play(self, turn: Turn) -> None:
        """Make one turn and look at every byte that the hosts got of it."""
        rank = LABELS.index(KEY_LABELS[turn.key])
        rank = max(rank, LABELS.index(turn.label) if turn.label else 0)
        before = self._before(turn)
        if before is not None and turn.way != "carry":
            rank = max(rank, before.rank)
        text, answer, thought, state = (self._canary(rank) for _ in range(4))
        calls = (Call(turn.call, "add"),) if turn.call else ()
        self.house.forget()
        self.house.says = Said(answer, calls, thought, state)
        if turn.way == "chat":
            self._chat(turn, text)
        elif before is not None and turn.way != "carry" and before.key != turn.key:
            answered = self._ask(turn, text, before)
            if turn.way == "background":
                name = response_of(answered)["id"]
                assert self.house.ended(name, turn.key)["status"] == "failed"
            else:
                assert answered.status_code == 404
            assert not self.house.seen
        else:
            self._respond(turn, text, answer, before, rank)
        self._look(rank)

    def _before(self, turn: Turn) -> Kept | None:
        if turn.way in ("new", "chat") or not self.kept:
            return None
        return self.kept[turn.after % len(self.kept)]

    def _canary(self, rank: int) -> str:
        name = f"canary-{next(self.house.numbers)}-"
        self.ranks[name] = rank
        return name

    def _chat(self, turn: Turn, text: str) -> None:
        """The client sends calls of all labels, whose thoughts its SDK has dropped."""
        messages = [*called(CALL_IDS[0]), *called(CALL_IDS[1]), {"role": "user", "content": text}]
        answer = self.house.chat(messages, key=turn.key, label=turn.label, model=turn.model)
        assert answer.status_code == 200, answer.text

    def _ask(self, turn: Turn, text: str, before: Kept | None) -> Any:
        said: list[Any] = [{"role": "user", "content": text}]
        named: dict[str, Any] = {}
        if before is not None and turn.way == "carry":
            own = before.key == turn.key and before.state is not None
            said[:0] = [before.state] if own else []
        elif before is not None and turn.way == "item":
            said.insert(0, {"type": "item_reference", "id": before.item})
        elif before is not None:
            named["previous_response_id"] = before.id
        if turn.way in ("background", "stream"):
            named[turn.way] = True
        return self.house.respond(said, key=turn.key, label=turn.label, model=turn.model, **named)

    def _respond(self, turn: Turn, text: str, said: str, before: Kept | None, rank: int) -> None:
        response = response_of(self._ask(turn, text, before))
        if turn.way == "background":
            response = self.house.ended(response["id"], turn.key)
        assert response["status"] == "completed", response
        carried = frozenset({text, said})
        if before is not None and turn.way != "carry":
            event("goes on from an answer")
            there = CANARY.findall(self.house.seen[-1][1])
            led = before.canaries if turn.way != "item" else frozenset[str]()
            assert led.issubset(there), "what it goes on from is there"
            carried |= led
        if before is not None and before.state is not None and turn.way == "carry":
            gone = before.state["encrypted_content"] not in self.house.seen[-1][1]
            event("a state was left out" if gone else "a state went back to its issuer")
        items = {item["type"]: item for item in response["output"]}
        thought = items.get("reasoning", {})
        state = {**thought, "summary": []} if thought.get("encrypted_content") else None
        name = items["message"]["id"]
        self.kept.append(Kept(response["id"], name, turn.key, rank, carried, state))

    def _look(self, rank: int) -> None:
        for place, body in self.house.seen:
            for name in CANARY.findall(body):
                assert self.ranks[name] <= rank, f"{name} was sent under {LABELS[rank]}"
                assert place == "near" or self.ranks[name] < FORBIDDEN_FROM, f"{name} left Europe"
                if self.ranks[name] >= FORBIDDEN_FROM:
                    event("something personal was sent")


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Labelled]:
    """One gateway for all conversations; what one leaves behind is there in the next."""
    with labelled(tmp_path_factory.mktemp("taint")) as found:
        yield found


@settings(max_examples=60)
@given(turns=st.lists(TURNS, min_size=4, max_size=10))
def test_nothing_labelled_goes_where_its_label_forbids(house: Labelled, turns: list[Turn]) -> None:
    # The ids of calls are used again: no thoughts of the conversation before.
    house.gateway.house.recall.configure(60, 0)
    house.gateway.house.recall.configure(3600, 1_000_000)
    story = Story(house)
    for turn in turns:
        story.play(turn)
