"""Which conversation a request belongs to, and what a host is told of it."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.conversations import (
    cache_marks,
    conversation,
    hint,
    hint_header,
    matters,
    with_hint,
)
from providers.dialect import Dialect
from providers.endpoint import Endpoint, Timeouts
from providers.host import Cache
from routing.facts import RouteFacts
from routing.route import Route

LONG = "You are a coding agent. " * 500
HINTED = Cache(hint_fields=MappingProxyType({"chat": "prompt_cache_key"}))


def key(
    body: Mapping[str, Any],
    headers: Mapping[bytes, bytes] | None = None,
    session: str = "",
    who: str = "ci",
    label: str = "internal",
    model: str = "coder",
) -> bytes | None:
    return conversation(session, headers or {}, dict(body), who, label, model)


def turns(wire: str, *texts: str, system: str = LONG) -> dict[str, Any]:
    """Return a body of ``wire`` in which user and model speak in turns, the user first."""
    roles = ["user", "assistant"] * len(texts)
    said = [{"role": role, "content": text} for role, text in zip(roles, texts, strict=False)]
    if wire == "chat":
        return {"messages": [{"role": "system", "content": system}, *said]}
    if wire == "responses":
        return {"instructions": system, "input": said}
    if wire == "developer":
        first = {"type": "message", "role": "developer", "content": [{"text": system}]}
        return {"input": [first, *({**turn, "type": "message"} for turn in said)]}
    if wire == "messages":
        head = [
            {"type": "text", "text": f"x-agent-billing-header: turn={len(texts)}"},
            {"type": "text", "text": system, "cache_control": {"type": "ephemeral"}},
        ]
        return {"system": head, "messages": said}
    if wire == "gemini":
        contents = [
            {"role": "model" if turn["role"] == "assistant" else "user",
             "parts": [{"text": turn["content"]}]}
            for turn in said
        ]  # fmt: skip
        return {"systemInstruction": {"parts": [{"text": system}]}, "contents": contents}
    return {"prompt": system + texts[0]}


WIRES = ["chat", "responses", "developer", "messages", "gemini"]


@pytest.mark.parametrize("wire", WIRES)
def test_a_conversation_is_the_same_as_it_grows(wire: str) -> None:
    first = key(turns(wire, "Fix the bug"))
    assert first is not None
    assert key(turns(wire, "Fix the bug", "Where?", "There")) == first
    assert key(turns(wire, "Write a test")) != first
    assert key(turns(wire, "Fix the bug", system="You are terse.")) != first


@pytest.mark.parametrize("wire", WIRES)
def test_keys_labels_and_models_are_kept_apart(wire: str) -> None:
    for body, headers, session in (
        (turns(wire, "Hi"), {}, ""),
        ({}, {b"session-id": b"1"}, ""),
        ({}, {}, "mine"),
    ):
        found = {
            key(body, headers, session),
            key(body, headers, session, who="other"),
            key(body, headers, session, label="secret"),
            key(body, headers, session, model="other"),
        }
        assert len(found) == 4


def test_who_and_label_cannot_run_into_one_another() -> None:
    assert key({}, session="s", who="a", label="bc") != key({}, session="s", who="ab", label="c")


def test_the_clients_own_names_go_before_the_beginning() -> None:
    body, other = turns("chat", "Hi"), turns("chat", "Something else")
    mine = key(body, session="mine")
    assert key(other, {b"session-id": b"1"}, session="mine") == mine
    named = key(body, {b"thread-id": b"1", b"session-id": b"0"})
    assert named != mine
    assert key(other, {b"thread-id": b"1", b"session-id": b"2"}) == named
    for headers in ({b"x-session-affinity": b"ses_1"}, {b"session-id": b"ses_1"}):
        assert key(body, headers) == key(other, headers)
    agent = {"metadata": {"user_id": "user_ab_account_cd_session_ef"}}
    assert key({**body, **agent}) == key({**other, **agent})
    newer = {"metadata": {"user_id": '{"device_id":"a","session_id":"b"}'}}
    assert key({**body, **newer}) == key({**other, **newer})
    kept = {"conversation": {"id": "conv_1"}}
    assert key({"input": "a", **kept}) == key({"input": "b", **kept})


def test_a_name_of_the_user_or_of_a_group_does_not_join_conversations() -> None:
    one, two = turns("chat", "Hi"), turns("chat", "Something else")
    for extra in ({"metadata": {"user_id": "u1"}}, {"prompt_cache_key": "all of us"}):
        assert key({**one, **extra}) != key({**two, **extra})
    assert key({**one, "prompt_cache_key": "a"}) != key({**one, "prompt_cache_key": "b"})


def test_nothing_to_tell_it_by() -> None:
    assert key({}) is None
    assert key({"messages": []}) is None
    assert key({"previous_response_id": "resp_1", "input": "go on"}) is None
    assert key({"previous_response_id": "resp_1", "prompt_cache_key": "t1"}) is not None


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.characters(), max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["role", "content", "text", "parts", "id", "user_id", "session_id"]),
            inner,
            max_size=3,
        )
    ),
    max_leaves=8,
)
FIELDS = st.sampled_from(
    ["messages", "input", "contents", "prompt", "system", "instructions", "systemInstruction",
     "metadata", "conversation", "session_id", "prompt_cache_key", "previous_response_id"]
)  # fmt: skip


@given(st.dictionaries(FIELDS, ANYTHING, max_size=5))
def test_any_body_is_survived(body: dict[str, Any]) -> None:
    found = key(body)
    assert found is None or len(found) == 16
    assert key(body) == found


def test_a_hint_is_for_one_provider_and_says_nothing() -> None:
    talk = key(turns("chat", "Hi"), {b"session-id": b"secret-session"})
    assert talk is not None
    name = hint(talk, "first")
    assert name == hint(talk, "first")
    assert name != hint(talk, "second")
    assert talk.hex() not in name
    assert len(name) == 32


def test_a_hint_goes_in_where_the_host_takes_one() -> None:
    body = {"messages": [{"role": "user", "content": "Hi"}]}
    hinted = with_hint(body, HINTED, "chat", "abc")
    assert hinted == {**body, "prompt_cache_key": "abc"}
    assert hinted["messages"] is body["messages"], "only the top level is copied"
    assert "prompt_cache_key" not in body
    own = {**body, "prompt_cache_key": "the client's own"}
    assert with_hint(own, HINTED, "chat", "abc") is own
    assert with_hint(body, HINTED, "messages", "abc") is body
    assert with_hint(body, None, "chat", "abc") is body
    headed = Cache(hint_headers=MappingProxyType({"chat": "x-session-affinity"}))
    assert hint_header(headed, "chat") == "x-session-affinity"
    assert hint_header(headed, "responses") is None
    assert hint_header(None, "chat") is None


def test_it_matters_where_there_is_a_choice_or_a_hint() -> None:
    def route(cache: Cache | None) -> Route:
        at = Endpoint("p", "host", "default", "", {}, Timeouts(1, 1, 1, 1))
        dialects = {"chat": Dialect()}
        return Route("p/m", "p", "m", at, dialects, RouteFacts("p", "m"), cache=cache)

    assert not matters([])
    assert not matters([route(None)])
    assert not matters([route(Cache(300.0, by_itself=True))])
    assert matters([route(HINTED)])
    assert matters([route(None), route(None)])


def test_marks_are_seen_in_the_bytes() -> None:
    assert cache_marks(b'{"system": "the 1h rule"}') == (False, False)
    assert cache_marks(b'{"cache_control": {"type": "ephemeral"}}') == (True, False)
    assert cache_marks(b'{"cache_control": {"type": "ephemeral", "ttl": "1h"}}') == (True, True)
