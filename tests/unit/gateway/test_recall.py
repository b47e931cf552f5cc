"""What is remembered for a conversation, for whom, how long, and how much of it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gateway.recall import ENTRY_BYTES, Recall, Turn
from providers.ir import Opaque, Reasoning

MB = 1024 * 1024


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def a_turn(text: str = "thinking", *ids: str) -> Turn:
    calls = tuple((name, ()) for name in ids or ("call_1",))
    return Turn("host/m", (Reasoning(text),), calls)


def test_a_turn_is_found_by_each_of_its_calls_and_by_its_key_only() -> None:
    recall = Recall(60, MB)
    recall.thought("alice", a_turn("hm", "a", "b"))
    assert recall.turn("alice", "a") == recall.turn("alice", "b") == a_turn("hm", "a", "b")
    assert recall.turn("bob", "a") is None
    assert recall.turn("alice", "c") is None


def test_a_state_and_a_call_of_the_same_text_are_two_things() -> None:
    recall = Recall(60, MB)
    recall.issued("k", ["x"], "host/m")
    assert recall.issuer("k", "x") == "host/m"
    assert recall.turn("k", "x") is None
    assert recall.issuer("other", "x") == ""


def test_it_forgets_in_time() -> None:
    clock = Clock()
    recall = Recall(60, MB, clock)
    recall.issued("k", ["x"], "r")
    clock.now = 59
    assert recall.issuer("k", "x") == "r"
    clock.now = 61
    assert recall.issuer("k", "x") == ""
    recall.issued("k", ["y"], "r")
    assert recall.size == ENTRY_BYTES + 1, "what is over goes with the next"


@given(st.lists(st.tuples(st.text(max_size=3), st.integers(0, 5000)), max_size=60))
def test_it_never_holds_more_than_it_may(turns: list[tuple[str, int]]) -> None:
    most = 10_000
    recall = Recall(60, most)
    for name, size in turns:
        recall.thought("k", a_turn("x" * size, name))
        assert recall.size <= most
    recall.configure(60, 0)
    assert recall.size == 0


def test_turned_off_it_keeps_nothing() -> None:
    recall = Recall(60, 0)
    recall.issued("k", ["x"], "r")
    recall.thought("k", a_turn())
    assert recall.size == 0
    assert recall.issuer("k", "x") == ""


def test_the_texts_weigh_what_they_are() -> None:
    recall = Recall(60, MB)
    state = Opaque("messages.signature", "s" * 100, "r")
    recall.thought("k", Turn("r", (Reasoning("t" * 50, opaque=(state,)),), (("id", (state,)),)))
    assert recall.size == 50 + 100 + 100 + ENTRY_BYTES
