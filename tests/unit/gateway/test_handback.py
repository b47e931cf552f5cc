"""Each host gets its own state back, byte for byte, and never another's."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gateway.handback import for_route
from gateway.recall import Turn
from providers.ir import Message, Opaque, Reasoning, Request, Text, ToolCall

OWN, OTHER = "a/m", "b/m"
STATE = st.builds(
    Opaque,
    kind=st.sampled_from(["messages.signature", "gemini.signature"]),
    data=st.text(min_size=1, max_size=4),
    issuer=st.sampled_from([OWN, OTHER, ""]),
)
STATES = st.lists(STATE, max_size=3).map(tuple)
PART = st.one_of(
    st.builds(Text, text=st.text(max_size=3), opaque=STATES),
    st.builds(Reasoning, text=st.text(max_size=3), opaque=STATES),
    st.builds(ToolCall, id=st.just("c"), name=st.just("f"), arguments=st.just("{}"), opaque=STATES),
)


def request(*parts: object) -> Request:
    return Request("chat", "m", (Message("assistant", tuple(parts)),))  # type: ignore[arg-type]


def nobody(_: str) -> str:
    return ""


def no_turn(_: str) -> Turn | None:
    return None


@given(st.lists(PART, max_size=5))
def test_only_own_state_is_left_and_all_of_it(parts: list[object]) -> None:
    found, done = for_route(request(*parts), OWN, nobody, no_turn)
    before = [state for part in parts for state in part.opaque]  # type: ignore[attr-defined]
    after = [state for part in found.messages[0].parts for state in part.opaque]  # type: ignore[union-attr]
    assert after == [state for state in before if state.issuer == OWN]
    assert done.left_out == len(before) - len(after)


@given(st.lists(PART, max_size=5))
def test_words_and_calls_are_never_lost(parts: list[object]) -> None:
    found, _ = for_route(request(*parts), OWN, nobody, no_turn)
    words = [part.text for part in parts if isinstance(part, Text)]
    assert [part.text for part in found.messages[0].parts if isinstance(part, Text)] == words
    calls = sum(isinstance(part, ToolCall) for part in parts)
    assert sum(isinstance(part, ToolCall) for part in found.messages[0].parts) == calls


def test_state_of_unknown_origin_goes_to_whoever_is_known_to_have_issued_it() -> None:
    state = Opaque("messages.signature", "s")
    part = Reasoning("t", opaque=(state,))
    kept, _ = for_route(request(part), OWN, lambda _: OWN, no_turn)
    assert kept.messages[0].parts == (part,)
    gone, done = for_route(request(part), OWN, lambda _: OTHER, no_turn)
    assert gone.messages[0].parts == (Reasoning("t"),)
    assert done.words() == ["left out 1 states of other hosts"]


@given(st.lists(PART, max_size=5))
def test_what_must_not_be_had_is_not_had_whoever_it_is_said_to_be_from(parts: list[object]) -> None:
    """Of a known state it is the memory's word that counts; and who gets no state gets none."""
    for route, issuer in ((OWN, lambda _: None), ("", nobody)):
        found, _ = for_route(request(*parts), route, issuer, no_turn)
        assert not any(part.opaque for part in found.messages[0].parts)  # type: ignore[union-attr]


def test_what_a_client_dropped_is_put_back() -> None:
    thought = Reasoning("because", opaque=(Opaque("messages.signature", "s", OWN),))
    on_call = Opaque("gemini.signature", "g", OWN)
    turn = Turn(OWN, (thought,), (("c", (on_call,)),))
    call = ToolCall("c", "f", "{}")
    found, done = for_route(request(Text("Hm."), call), OWN, nobody, lambda _: turn)
    assert found.messages[0].parts == (
        thought,
        Text("Hm."),
        ToolCall("c", "f", "{}", opaque=(on_call,)),
    )
    assert done.restored == 1
    elsewhere, _ = for_route(request(Text("Hm."), call), OTHER, nobody, lambda _: turn)
    assert elsewhere.messages[0].parts == (Reasoning("because"), Text("Hm."), call)


def test_what_a_client_kept_is_not_put_back_twice() -> None:
    own = Reasoning("mine", opaque=(Opaque("messages.signature", "s", OWN),))
    turn = Turn(OWN, (Reasoning("other"),), (("c", ()),))
    parts = (own, ToolCall("c", "f", "{}"))
    found, done = for_route(request(*parts), OWN, nobody, lambda _: turn)
    assert found.messages[0].parts == parts
    assert done.restored == 0
