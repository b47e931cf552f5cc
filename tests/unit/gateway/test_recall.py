"""What is remembered for a conversation, for whom, how long, and how much of it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gateway.recall import ENTRY_BYTES, Issued, Recall, Turn
from providers.ir import Opaque, Reasoning

MB = 1024 * 1024
LABELS = ("public", "personal")
NOBODY = (None, "")


def issued(route: str, *labels: str) -> Issued:
    return Issued(route, frozenset(labels or ("public",)))


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
    recall.thought("alice", a_turn("hm", "a", "b"), "public")
    for name in ("a", "b"):
        assert recall.turn("alice", name, LABELS) == (a_turn("hm", "a", "b"), "public")
    assert recall.turn("bob", "a", LABELS) == NOBODY
    assert recall.turn("alice", "c", LABELS) == NOBODY


def test_a_turn_is_found_only_under_the_labels_that_are_asked_for() -> None:
    """Hosts use the ids of calls again: turns of two labels do not stand in each other's way."""
    recall = Recall(60, MB)
    recall.thought("k", a_turn("open", "functions.read:0"), "public")
    recall.thought("k", a_turn("closed", "functions.read:0"), "personal")
    recall.thought("k", a_turn("closed", "b"), "personal")
    found = recall.turn("k", "functions.read:0", ["public"])
    assert found == (a_turn("open", "functions.read:0"), "public")
    found = recall.turn("k", "functions.read:0", ["personal", "public"])
    assert found == (a_turn("closed", "functions.read:0"), "personal")
    assert recall.turn("k", "b", ["public"]) == NOBODY
    assert recall.turn("k", "b", []) == NOBODY


def test_a_state_keeps_every_label_that_it_was_given_out_under() -> None:
    recall = Recall(60, MB)
    recall.issued("k", ["x"], "host/m", "personal")
    recall.issued("k", ["x"], "host/m", "public")
    assert recall.issuer("k", "x") == issued("host/m", "personal", "public")


def test_a_state_and_a_call_of_the_same_text_are_two_things() -> None:
    recall = Recall(60, MB)
    recall.issued("k", ["x"], "host/m", "public")
    assert recall.issuer("k", "x") == issued("host/m")
    assert recall.turn("k", "x", LABELS) == NOBODY
    assert recall.issuer("other", "x") is None


def test_it_forgets_in_time() -> None:
    clock = Clock()
    recall = Recall(60, MB, clock)
    recall.issued("k", ["x"], "r", "public")
    clock.now = 59
    assert recall.issuer("k", "x") == issued("r")
    clock.now = 61
    assert recall.issuer("k", "x") is None
    recall.issued("k", ["y"], "r", "public")
    assert recall.size == ENTRY_BYTES + 1, "what is over goes with the next"


TURNS = st.tuples(st.text(max_size=3), st.integers(0, 5000), st.sampled_from(LABELS))


@given(st.lists(TURNS, max_size=60))
def test_it_never_holds_more_than_it_may(turns: list[tuple[str, int, str]]) -> None:
    most = 10_000
    recall = Recall(60, most)
    for name, size, label in turns:
        recall.thought("k", a_turn("x" * size, name), label)
        assert recall.size <= most
    recall.configure(60, 0)
    assert recall.size == 0


def test_turned_off_it_keeps_nothing() -> None:
    recall = Recall(60, 0)
    recall.issued("k", ["x"], "r", "public")
    recall.thought("k", a_turn(), "public")
    assert recall.size == 0
    assert recall.issuer("k", "x") is None


def test_the_texts_weigh_what_they_are() -> None:
    recall = Recall(60, MB)
    state = Opaque("messages.signature", "s" * 100, "r")
    turn = Turn("r", (Reasoning("t" * 50, opaque=(state,)),), (("id", (state,)),))
    recall.thought("k", turn, "public")
    assert recall.size == 50 + 100 + 100 + ENTRY_BYTES
